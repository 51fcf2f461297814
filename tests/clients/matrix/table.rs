//! The outcome as Markdown for the README, and as sentences for whoever reads a failed run.

use super::cells::{ACTIONS, Cell};
use super::driver::Driver;

/// Reasons in the order in which they were first needed; a note's number is its place.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn number(&mut self, reason: &str) -> usize {
        let place = self.0.iter().position(|note| note == reason);
        1 + place.unwrap_or_else(|| {
            self.0.push(reason.to_owned());
            self.0.len() - 1
        })
    }
}

/// The table, its notes, and the clients that were not there.
pub fn markdown(results: &[(&Driver, &str, Vec<Cell>)], missing: &[Driver], full: bool) -> String {
    let mut notes = Notes::default();
    let titles: Vec<&str> = ACTIONS.iter().map(|action| action.title(full)).collect();
    let mut table =
        format!("| client | over | {} |\n| --- | --- |{}\n", titles.join(" | "), " --- |".repeat(titles.len()));
    for (driver, protocol, cells) in results {
        let mut row = format!("| {} {} | {protocol} |", driver.client, driver.version);
        for cell in cells {
            row.push_str(&match cell {
                Cell::Passed(None) => " yes |".to_owned(),
                Cell::Passed(Some(left_out)) => format!(" yes [{}] |", notes.number(left_out)),
                Cell::Cannot(why) => format!(" – [{}] |", notes.number(why)),
                Cell::Failed(_) => " **FAILED** |".to_owned(),
            });
        }
        table.push_str(&row);
        table.push('\n');
    }
    table.push('\n');
    for (place, note) in notes.0.iter().enumerate() {
        table.push_str(&format!("{}. {note}\n", place + 1));
    }
    for driver in missing {
        table.push_str(&format!("\n{} could not be installed where this was run.\n", driver.client));
    }
    table
}

/// What failed, a paragraph for each cell.
pub fn failures(results: &[(&Driver, &str, Vec<Cell>)]) -> Vec<String> {
    let mut failures = Vec::new();
    for (driver, protocol, cells) in results {
        for (action, cell) in ACTIONS.iter().zip(cells) {
            if let Cell::Failed(why) = cell {
                failures.push(format!("{} over {protocol}, {}: {why}", driver.client, action.title(false)));
            }
        }
    }
    failures
}
