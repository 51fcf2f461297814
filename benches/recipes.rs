//! Learns recipes from thumbnails made by real engines, and counts what they prove.
//!
//!     cargo bench --bench recipes -- FOLDER [NAME...]
//!
//! `FOLDER/list.csv` has the columns recipe, thumb, original, group, class, copies: a thumbnail (path within the folder),
//! the picture it was made from, the group of near-duplicates that belongs to, and altered copies of the picture (paths
//! separated by `;`, each ending in `__KIND.EXTENSION`). For each recipe: what was learned, the unexplained error, how many
//! originals and copies are within the recipe's threshold and near it, and how many siblings wrongly are.
//! With `MISSED` in the environment, also each original that is not within.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use reunite::decode::Limits;
use reunite::recipe::{Cells, Excess, Fit, Learned, Partition, Recipe, Reproducer, Upload, learn};

/// Pairs to learn from.
const PAIRS: usize = 24;

struct Row {
    cells: Cells,
    partition: Partition,
    original: usize,
    group: String,
    copies: Vec<usize>,
}

/// A file and, if it can be read, its pixels.
struct Source {
    path: String,
    bytes: Vec<u8>,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let folder = args.next().expect("usage: recipes FOLDER [NAME...]");
    let wanted: Vec<String> = args.collect();
    let mut files: Vec<Source> = Vec::new();
    let mut recipes: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let list = Path::new(&folder).join("list.csv");
    for row in csv::Reader::from_path(&list).expect("list.csv").records() {
        let row = row.expect("a row");
        if !wanted.is_empty() && !wanted.iter().any(|name| *name == row[0]) {
            continue;
        }
        let thumbnail = std::fs::read(Path::new(&folder).join(&row[1])).expect("a thumbnail");
        let (Ok(cells), Ok(partition)) = (Cells::read(&thumbnail), Partition::of(&thumbnail)) else { continue };
        let mut place = |path: &str| {
            *places.entry(path.to_owned()).or_insert_with(|| {
                files.push(Source { path: path.to_owned(), bytes: std::fs::read(path).expect("an original") });
                files.len() - 1
            })
        };
        let original = place(&row[2]);
        let copies = row.get(5).unwrap_or_default().split(';').filter(|path| !path.is_empty()).map(place).collect();
        let group = row[3].to_owned();
        recipes.entry(row[0].to_owned()).or_default().push(Row { cells, partition, original, group, copies });
    }
    let limits = Limits::default();
    let uploads: Vec<Option<Upload>> = files.iter().map(|file| Upload::read(&file.bytes, &limits).ok()).collect();
    for (name, rows) in &recipes {
        report(name, rows, &uploads, &files);
    }
}

fn report(name: &str, rows: &[Row], uploads: &[Option<Upload>], files: &[Source]) {
    let mut counts: BTreeMap<&Partition, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(&row.partition).or_default() += 1);
    let Some((partition, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return };
    let pairs: Vec<&Row> =
        rows.iter().filter(|row| row.partition == *partition && uploads[row.original].is_some()).take(PAIRS).collect();
    let sides: Vec<usize> = pairs.iter().map(|row| row.cells.long_side()).collect();
    let started = Instant::now();
    let one = |pair: usize, recipes: &[Recipe]| -> Vec<Option<Excess>> {
        let row = pairs[pair];
        let Some(upload) = &uploads[row.original] else { return vec![None; recipes.len()] };
        let reproducer = Reproducer::new(upload);
        recipes.iter().map(|recipe| reproducer.excess(recipe, &row.cells, 1)).collect()
    };
    let mut measure = |pairs: &[usize], recipes: &[Recipe]| pairs.iter().map(|&pair| one(pair, recipes)).collect();
    let map = |pair: usize, recipe: &Recipe| {
        let upload = uploads[pairs[pair].original].as_ref()?;
        Reproducer::new(upload).map(recipe, &pairs[pair].cells, 1)
    };
    let mut maps = |pairs: &[usize], recipe: &Recipe| pairs.iter().map(|&pair| map(pair, recipe)).collect();
    let learned = learn(partition.long_side_px, &sides, &mut measure, &mut maps);
    let seconds = started.elapsed().as_secs_f32();
    let learned = match learned {
        Ok(learned) => learned,
        Err(refusal) => return println!("{name}: {} pairs, {seconds:.1} s: {refusal}", pairs.len()),
    };
    for one in &learned {
        println!("{name}: {seconds:.1} s {}", serde_json::to_string(one).expect("plain data"));
    }
    judge(name, rows, uploads, &learned, files);
}

fn best(upload: &Upload, cells: &Cells, learned: &[Learned]) -> Option<Fit> {
    let reproducer = Reproducer::new(upload);
    let fits = learned.iter().filter_map(|one| reproducer.fit(one, cells, &[1]));
    fits.min_by(|a, b| (!a.within, a.loss).partial_cmp(&(!b.within, b.loss)).expect("numbers"))
}

fn judge(name: &str, rows: &[Row], uploads: &[Option<Upload>], learned: &[Learned], files: &[Source]) {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut losses = Vec::new();
    let mut missed = Vec::new();
    for row in rows {
        let Some(upload) = &uploads[row.original] else { continue };
        let fit = best(upload, &row.cells, learned);
        counts.entry("exact").or_default().add(fit);
        losses.push(fit.map_or(99.0, |fit| fit.loss));
        if !fit.is_some_and(|fit| fit.within) {
            missed.push(described(&files[row.original].path, upload, &row.cells, fit));
        }
        for &copy in &row.copies {
            let kind = files[copy].path.rsplit("__").next().and_then(|end| end.split('.').next()).unwrap_or_default();
            let fit = uploads[copy].as_ref().and_then(|upload| best(upload, &row.cells, learned));
            counts.entry(kind).or_default().add(fit);
        }
        for other in rows.iter().filter(|other| other.group == row.group && other.original != row.original) {
            for &sibling in std::iter::once(&other.original).chain(&other.copies) {
                let Some(upload) = &uploads[sibling] else { continue };
                let fit = best(upload, &row.cells, learned);
                counts.entry("SIBLING").or_default().add(fit);
                if let Some(fit) = fit.filter(|fit| fit.near || fit.within) {
                    println!("  SIBLING {} d {:.3} hz {:.3}", files[sibling].path, fit.d, fit.hz);
                }
            }
        }
    }
    losses.sort_by(f32::total_cmp);
    let at = |part: usize| losses.get(losses.len() * part / 100).copied().unwrap_or(f32::NAN);
    let counts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{kind} {}/{} ({} near)", count.within, count.tried, count.near))
        .collect();
    println!("{name}: within {}; loss p50 {:.4} p80 {:.4} p90 {:.4}", counts.join(", "), at(50), at(80), at(90));
    if std::env::var_os("MISSED").is_some() {
        missed.iter().for_each(|line| println!("    {line}"));
    }
}

#[derive(Default)]
struct Count {
    tried: usize,
    within: usize,
    near: usize,
}

impl Count {
    fn add(&mut self, fit: Option<Fit>) {
        self.tried += 1;
        self.within += usize::from(fit.is_some_and(|fit| fit.within));
        self.near += usize::from(fit.is_some_and(|fit| fit.near || fit.within));
    }
}

fn described(path: &str, upload: &Upload, cells: &Cells, fit: Option<Fit>) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let header = &upload.header;
    let sizes = format!("{}x{} -> {}x{}", header.width, header.height, cells.width, cells.height);
    let fit = fit.map_or("cannot lie in it".to_owned(), |f| format!("d {:.3} hz {:.3} loss {:.3}", f.d, f.hz, f.loss));
    format!("{name} {sizes}, orientation {}: {fit}", header.orientation)
}
