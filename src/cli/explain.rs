//! `reunite match`: what files would match, and why. Changes nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::report::print;
use super::{Outcome, customer, folder};
use crate::config::Config;
use crate::domain::{CustomerId, RecordId};
use crate::pipeline::{Explanation, Pipeline, explain, pictures};
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
    /// Also write a PNG picture for each row into this folder: the thumbnail, the file in its place, and their difference
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = Arc::new(folder::open(data)?);
    let customer = catalogue.read(|tx| customer::named(tx, &args.customer))?.id;
    let pipeline = pipeline_over(&Config::load(data)?, catalogue)?;
    let mut sheet = Sheet::new(&[
        "file", "kind", "width", "height", "sha256", "record", "verdict", "grade", "rank", "method", "distance",
        "residual", "margin", "reason", "geometry", "recipe", "rivals", "picture",
    ]);
    sheet.hide_in_table(if args.out.is_some() { &["sha256"] } else { &["sha256", "picture"] });
    let mut unread = 0;
    for path in &args.files {
        let name = path.as_os_str().as_encoded_bytes();
        let explained =
            File::open(path).with_context(|| format!("cannot open `{}`", path.display())).and_then(|file| {
                let explanation = explain(&pipeline, customer, name, &file)?;
                let drawn = match &args.out {
                    Some(folder) => draw(&pipeline, customer, path, &file, &explanation, folder)?,
                    None => BTreeMap::new(),
                };
                Ok((explanation, drawn))
            });
        match explained {
            Ok((explanation, drawn)) => sheet.rows.extend(rows(name, &explanation, &drawn)),
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

/// Writes the pictures of one file; where each lies.
fn draw(
    pipeline: &Pipeline,
    customer: CustomerId,
    path: &Path,
    file: &File,
    explanation: &Explanation,
    folder: &Path,
) -> anyhow::Result<BTreeMap<RecordId, PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let mut drawn = BTreeMap::new();
    for (record, pixels) in pictures(pipeline, customer, file, &explanation.decisions)? {
        let name = explanation.names.get(&record).map_or("", String::as_str);
        // Two names can become one; the row's number keeps them apart.
        let row = explanation.decisions.iter().take_while(|decision| decision.record != record).count() + 1;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let to = folder.join(format!("{}-{row}-{}.png", plain(&stem), plain(name)));
        std::fs::write(&to, pixels.to_png()?).with_context(|| format!("cannot write `{}`", to.display()))?;
        drawn.insert(record, to);
    }
    Ok(drawn)
}

/// A name of which nothing is left that means something in a path.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).take(100).collect()
}

fn rows(name: &[u8], explanation: &Explanation, drawn: &BTreeMap<RecordId, PathBuf>) -> Vec<Vec<Cell>> {
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
        row.extend([reason.into(), Cell::Nothing, Cell::Nothing, Cell::Nothing, Cell::Nothing]);
        return vec![row];
    }
    let row = |decision: &crate::matcher::verdict::Decision| {
        let mut row = file();
        let measured = explanation.measured.get(&decision.record).cloned().unwrap_or_default();
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
            measured.geometry.into(),
            measured.recipe.into(),
            Some(measured.rivals.join("; ")).filter(|rivals| !rivals.is_empty()).into(),
            drawn.get(&decision.record).map(|path| path.display().to_string()).into(),
        ]);
        row
    };
    explanation.decisions.iter().map(row).collect()
}
