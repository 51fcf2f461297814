//! What the demo says in the terminal: the story as it goes, then how it ended.
//!
//! Colour only on a terminal that wants it; every colour stands beside a word that says the same.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Duration;

use super::check::{Ending, Endings};
use super::shop::{CUSTOMERS, Fate, Story};
use crate::catalogue::{ProblemFile, ReturnedPicture};
use crate::tree::shown;

/// Lines of one list that are printed; the pages show them all.
const LIST_MAX: usize = 6;

/// Characters of a path that are printed, its end, which says most.
const PATH_MAX: usize = 46;

/// Columns of a bar.
const BAR: usize = 28;

/// How things are painted.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours if standard output is a terminal that wants them.
    pub(super) fn of_stdout() -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Paint { colours: wanted && io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb") }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn soft(self, text: &str) -> String {
        self.with("2", text)
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn ask(self, text: &str) -> String {
        self.with("33", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// The first lines of all.
    pub(super) fn opening(self, lost: usize, own_photos: bool, left_out: usize) -> String {
        let whose = if own_photos { "made of your photos" } else { "made up for this demo" };
        let pictures = if lost == 1 { "picture" } else { "pictures" };
        let mut text = format!(
            "\n  {}\n  {}\n",
            self.bold("An outage took a print shop's originals. Their thumbnails survived."),
            self.soft(&format!("{lost} {pictures} of three customers, {whose}; everything happens on this machine.")),
        );
        if left_out > 0 {
            let reason = "not pictures that it can shrink, or more than it takes";
            line(&mut text, &self.soft(&format!("{left_out} files of your folder were left out: {reason}.")));
        }
        text
    }

    /// One step that is done.
    pub(super) fn step(self, title: &str, detail: &str, took: Duration) -> String {
        let seconds = format!("{:.1} s", took.as_secs_f64());
        format!("  {} {:<22} {}  {}", self.good("✓"), title, detail, self.soft(&seconds))
    }

    /// How it ended.
    pub(super) fn report(self, ends: &Endings, stories: &[Story<'_>]) -> String {
        let mut text = String::from("\n");
        for (ending, (name, way)) in ends.customers.iter().zip(CUSTOMERS) {
            self.customer(&mut text, ending, name, way.word());
        }
        self.returned(&mut text, ends);
        self.missing(&mut text, ends, stories);
        self.problems(&mut text, ends);
        self.verdict(&mut text, ends);
        text
    }

    fn customer(self, text: &mut String, ending: &Ending, name: &str, way: &str) {
        let counts = &ending.counts;
        let (all, back) = (counts.records.max(0) as usize, counts.returned.max(0) as usize);
        let full = (BAR * back).checked_div(all).unwrap_or(0);
        let bar = format!("{}{}", self.good(&"█".repeat(full)), self.soft(&"░".repeat(BAR - full)));
        let files = format!("{} files over {way}", counts.received);
        line(text, &format!("{name:<17} {bar}  {:<18} {}", format!("{back} of {all} back"), self.soft(&files)));
    }

    fn heading(self, text: &mut String, title: &str, count: usize, note: &str) {
        line(text, "");
        line(text, &format!("{} {}  {}", self.bold(title), count, self.soft(note)));
    }

    fn returned(self, text: &mut String, ends: &Endings) {
        let all: Vec<&ReturnedPicture> = ends.customers.iter().flat_map(|ending| &ending.returned).collect();
        self.heading(text, "Came back", all.len(), "whatever it was called, wherever it lay");
        // Those whose name changed most tell most.
        let (renamed, kept): (Vec<_>, Vec<_>) = all.iter().partition(|picture| {
            let name = picture.record.filename.as_deref().unwrap_or_default();
            !picture.copy && !shown(&picture.path).ends_with(name)
        });
        let copies: Vec<_> = all.iter().filter(|picture| picture.copy).collect();
        let chosen = copies.iter().map(|picture| **picture).chain(renamed).chain(kept);
        let mut named = std::collections::BTreeSet::new();
        for picture in chosen.filter(|picture| named.insert(&picture.record.record)).take(LIST_MAX) {
            let name = picture.record.filename.as_deref().unwrap_or(&picture.record.record);
            let copy = if picture.copy { self.ask("  a copy") } else { String::new() };
            let name = format!("{:<22}", cut(&shown(name.as_bytes()), 22));
            line(text, &format!("  {} {} {}{copy}", name, self.soft("from"), cut(&shown(&picture.path), PATH_MAX)));
        }
        self.more(text, all.len());
    }

    fn missing(self, text: &mut String, ends: &Endings, stories: &[Story<'_>]) {
        let all: Vec<_> = ends.customers.iter().flat_map(|ending| &ending.missing).collect();
        self.heading(text, "Still missing", all.len(), "nothing was put back on a guess");
        for picture in all.iter().take(LIST_MAX) {
            let record = &picture.record;
            let fate = stories.iter().find(|story| story.record == record.record).map(|story| story.fate);
            let name = shown(record.filename.as_deref().unwrap_or(&record.record).as_bytes());
            let left = if picture.asked > 0 { self.ask("  left to a person") } else { String::new() };
            line(text, &format!("  {:<22} {}{left}", cut(&name, 22), self.soft(why(fate))));
        }
        self.more(text, all.len());
    }

    fn problems(self, text: &mut String, ends: &Endings) {
        let all: Vec<&ProblemFile> = ends.customers.iter().flat_map(|ending| &ending.problems).collect();
        self.heading(text, "Could not be used", all.len(), "kept, and in nobody's way");
        for file in all.iter().take(LIST_MAX) {
            let path = shown(&file.path);
            let name = path.rsplit('/').next().unwrap_or(&path);
            let reason = file.reason.as_deref().unwrap_or("the transfer broke off before the end");
            line(text, &format!("  {:<34} {}", cut(name, 34), self.soft(&begin(&shown(reason.as_bytes()), 60))));
        }
        self.more(text, all.len());
    }

    fn more(self, text: &mut String, all: usize) {
        if all > LIST_MAX {
            line(text, &self.soft(&format!("  and {} more", all - LIST_MAX)));
        }
    }

    fn verdict(self, text: &mut String, ends: &Endings) {
        line(text, "");
        let whole = format!("{} of {} originals that were sent are back, byte for byte", ends.whole, ends.sent);
        let whole = match ends.left {
            0 => whole,
            left => {
                format!("{whole}; {left} more {} found and left to a person", if left == 1 { "was" } else { "were" })
            }
        };
        match ends.forgotten.as_slice() {
            [] => line(text, &format!("{} {whole}", self.good("✓"))),
            records => line(text, &format!("{} {whole}; not back: {}", self.bad("✗"), records.join(", "))),
        }
        match ends.wrong.as_slice() {
            [] => line(text, &format!("{} no picture landed on a wrong record", self.good("✓"))),
            records => line(text, &format!("{} a wrong picture landed on {}", self.bad("✗"), records.join(", "))),
        }
        line(text, "");
    }

    /// Where the pages are, until Ctrl-C.
    pub(super) fn pages(self, address: &str, folder: &str) -> String {
        format!(
            "  Look at it:   {}\n  {}\n",
            self.bold(address),
            self.soft(&format!("Ctrl-C ends the demo and removes its folder, {folder}")),
        )
    }
}

fn line(text: &mut String, content: &str) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{}", format!("  {content}").trim_end());
}

/// Why a picture is still missing, as the teller of the story knows.
fn why(fate: Option<Fate>) -> &'static str {
    match fate {
        Some(Fate::Gone) => "nobody sent it",
        Some(Fate::Smaller) => "only a smaller copy was sent",
        Some(Fate::Cut) => "the file that was sent is cut off in the middle",
        Some(Fate::Sibling) => "only a picture that looks like it was sent",
        Some(Fate::Sent) => "it was sent, and should be back",
        Some(Fate::NotLost) | None => "",
    }
}

/// The end of a text that is too long.
fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        text.to_owned()
    } else {
        format!("…{}", text.chars().skip(count + 1 - most).collect::<String>())
    }
}

/// The beginning of a text that is too long.
fn begin(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(most - 1).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_telling_end() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("ä/bcd", 4), "…bcd");
        assert_eq!(begin("abcd", 3), "ab…");
    }
}
