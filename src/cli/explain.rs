//! `reunite match`: what files would match, and why. Changes nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::report::print;
use super::{Outcome, customer, folder};
use crate::config::Config;
use crate::pipeline::{Explanation, explain};
use crate::report::{Cell, Format, Sheet};
use crate::serve::pipeline_over;

/// Arguments of `reunite match`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The files, as if the customer had uploaded them under these names
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Among whose records to look
    #[arg(long, value_name = "NAME")]
    customer: String,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = Arc::new(folder::open(data)?);
    let customer = catalogue.read(|tx| customer::named(tx, &args.customer))?.id;
    let pipeline = pipeline_over(&Config::load(data)?, catalogue)?;
    let mut sheet = Sheet::new(&[
        "file", "kind", "width", "height", "sha256", "record", "verdict", "grade", "rank", "method", "distance",
        "residual", "margin", "reason",
    ]);
    sheet.hide_in_table(&["sha256"]);
    let mut unread = 0;
    for path in &args.files {
        let name = path.as_os_str().as_encoded_bytes();
        let explained = File::open(path)
            .with_context(|| format!("cannot open `{}`", path.display()))
            .and_then(|file| Ok(explain(&pipeline, customer, name, &file)?));
        match explained {
            Ok(explanation) => sheet.rows.extend(rows(name, &explanation)),
            Err(error) => {
                unread += 1;
                eprintln!("{error:#}");
            }
        }
    }
    print(&sheet, args.format, None)?;
    anyhow::ensure!(unread == 0, "{} could not be read", crate::report::text::count(unread, "file"));
    Ok(Outcome::Done)
}

fn rows(name: &[u8], explanation: &Explanation) -> Vec<Vec<Cell>> {
    let file = || -> Vec<Cell> {
        let (width, height) = explanation.size.unzip();
        vec![
            name.to_vec().into(),
            explanation.kind.as_str().into(),
            width.map(i64::from).into(),
            height.map(i64::from).into(),
            explanation.digest.to_string().into(),
        ]
    };
    if explanation.decisions.is_empty() {
        let reason = explanation.problem.as_deref().unwrap_or("no record is near it");
        let mut row = file();
        row.extend([Cell::Nothing, "none".into()]);
        row.extend(std::iter::repeat_n(Cell::Nothing, 6));
        row.push(reason.into());
        return vec![row];
    }
    let row = |decision: &crate::matcher::verdict::Decision| {
        let mut row = file();
        row.extend([
            explanation.names.get(&decision.record).cloned().into(),
            decision.verdict.word().into(),
            decision.grade.word().into(),
            decision.rank.map(i64::from).into(),
            decision.method.word().into(),
            decision.distance.map(i64::from).into(),
            decision.residual.map(f64::from).into(),
            decision.margin.map(f64::from).into(),
            decision.reason.as_str().into(),
        ]);
        row
    };
    explanation.decisions.iter().map(row).collect()
}
