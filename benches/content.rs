//! Measures content groups on cases whose truth is known: copies of one picture against siblings.
//!
//!     cargo bench --bench content -- [--originals FOLDER] CASE...
//!
//! A case is a folder with `uploads/CUSTOMER/...` and `truth.csv` (columns `upload, relation, source, group`): which
//! original an upload was made from and how, and which originals are siblings. Compared are all uploads of one customer
//! with the same source, all siblings, and every other pair within reach; with `--originals`, as if the customer had sent
//! every original too. It prints a table for all cases together and
//! writes `contents.csv` with every pair beside each case.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use reunite::decode::{Limits, Scale, decode};
use reunite::domain::Digest;
use reunite::fingerprint::{Views, of_upload};
use reunite::matcher::content::{
    Compared, Comparison, DETAIL_SIDE, Detail, Group, ImageKey, Likeness, compare, groups, reach, within_reach,
};
use serde::Deserialize;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// One upload as the truth has it.
#[derive(Clone, Deserialize)]
struct Truth {
    upload: String,
    relation: String,
    source: String,
    group: String,
}

/// One upload as it was read.
struct Image {
    truth: Truth,
    key: ImageKey,
    size: (u32, u32),
    views: Views,
    detail: Detail,
}

/// What two uploads are in truth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kin {
    Copies,
    /// One is an edit of the other's source, or ends early.
    Altered,
    Siblings,
    Strangers,
}

struct Pair<'a> {
    a: &'a Image,
    b: &'a Image,
    kin: Kin,
    comparison: Comparison,
    within_reach: bool,
    took: Duration,
}

/// Counts of same, unknown and different.
type Counts = [u32; 3];

#[derive(Default)]
struct Totals {
    by_relation: BTreeMap<(Kin, String), Counts>,
    out_of_reach: BTreeMap<(Kin, String), u32>,
    wrong: Vec<String>,
    comparisons: u32,
    took: Duration,
    in_reach: usize,
    uploads: usize,
    contents_true: usize,
    contents_split: usize,
    contents_mixed: usize,
}

fn main() -> Result<()> {
    let (mut cases, mut originals) = (Vec::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--originals" => originals = arguments.next().map(PathBuf::from),
            "--bench" => {} // cargo adds it
            case => cases.push(PathBuf::from(case)),
        }
    }
    if cases.is_empty() {
        println!("no case given, nothing measured; usage: cargo bench --bench content -- [--originals FOLDER] CASE...");
        return Ok(());
    }
    let mut totals = Totals::default();
    for case in &cases {
        run(case, originals.as_deref(), &mut totals)?;
    }
    print(&totals);
    Ok(())
}

fn run(case: &Path, originals: Option<&Path>, totals: &mut Totals) -> Result<()> {
    let mut customers: BTreeMap<String, Vec<Truth>> = BTreeMap::new();
    for truth in csv::Reader::from_path(case.join("truth.csv"))?.deserialize() {
        let truth: Truth = truth?;
        let customer = truth.upload.split('/').nth(1).unwrap_or_default().to_owned();
        customers.entry(customer).or_default().push(truth);
    }
    let mut out = csv::Writer::from_path(case.join("contents.csv"))?;
    out.write_record([
        "a",
        "b",
        "relation_a",
        "relation_b",
        "kin",
        "likeness",
        "lz",
        "chroma",
        "turn",
        "side",
        "structure",
        "distance",
        "within_reach",
        "took_us",
        "typical",
    ])?;
    for mut truths in customers.into_values() {
        if let Some(originals) = originals {
            truths.extend(unsent(originals, &truths));
        }
        let images: Vec<Image> =
            truths.into_par_iter().filter_map(|truth| read(case, truth).transpose()).collect::<Result<_>>()?;
        let pairs = compare_all(&images);
        for pair in &pairs {
            write(&mut out, pair)?;
            totals.count(case, pair);
        }
        totals.count_groups(&images, &pairs);
    }
    Ok(out.flush()?)
}

/// The originals of these uploads, but for those that were sent as they are.
fn unsent(originals: &Path, truths: &[Truth]) -> Vec<Truth> {
    let sent: BTreeSet<&str> =
        truths.iter().filter(|truth| truth.relation == "exact").map(|truth| truth.source.as_str()).collect();
    let missing: BTreeMap<&str, &Truth> = truths
        .iter()
        .filter(|truth| !sent.contains(truth.source.as_str()))
        .map(|truth| (truth.source.as_str(), truth))
        .collect();
    let original = |(source, truth): (&str, &Truth)| Truth {
        upload: originals.join(source).to_string_lossy().into_owned(),
        relation: "exact".to_owned(),
        ..truth.clone()
    };
    missing.into_iter().map(original).collect()
}

/// The upload, reduced; nothing where it cannot be read.
fn read(case: &Path, truth: Truth) -> Result<Option<Image>> {
    let bytes = fs::read(case.join(&truth.upload))?;
    let Ok(decoded) = decode(&bytes, Scale::AtLeast(2 * DETAIL_SIDE), &Limits::default()) else { return Ok(None) };
    let size = decoded.header.upright_size();
    let Some(detail) = Detail::new(&decoded.renderings, size) else { return Ok(None) };
    let views = of_upload(&decoded.renderings);
    Ok(Some(Image { truth, key: (Digest::of(&bytes), 1), size, views, detail }))
}

fn compare_all(images: &[Image]) -> Vec<Pair<'_>> {
    let all: Vec<(&Image, &Image)> =
        images.iter().enumerate().flat_map(|(at, a)| images[at + 1..].iter().map(move |b| (a, b))).collect();
    let worth = |&(a, b): &(&'_ Image, &'_ Image)| {
        let (kin, within_reach) = (kin(&a.truth, &b.truth), within_reach((&a.views, a.size), (&b.views, b.size)));
        (a.key != b.key && (kin != Kin::Strangers || within_reach)).then_some((kin, within_reach))
    };
    let measured = all.into_par_iter().filter_map(|(a, b)| {
        let (kin, within_reach) = worth(&(a, b))?;
        let started = Instant::now();
        let comparison = compare(&a.detail, &b.detail);
        Some(Pair { a, b, kin, comparison, within_reach, took: started.elapsed() })
    });
    measured.collect()
}

fn kin(a: &Truth, b: &Truth) -> Kin {
    let altered = |truth: &Truth| matches!(truth.relation.as_str(), "edit" | "truncated");
    match a.source == b.source {
        true if altered(a) || altered(b) => Kin::Altered,
        true => Kin::Copies,
        false if a.group == b.group => Kin::Siblings,
        false => Kin::Strangers,
    }
}

fn relations(pair: &Pair) -> String {
    let (a, b) = (&pair.a.truth.relation, &pair.b.truth.relation);
    format!("{}-{}", a.min(b), a.max(b))
}

impl Kin {
    fn word(self) -> &'static str {
        match self {
            Kin::Copies => "copies",
            Kin::Altered => "altered",
            Kin::Siblings => "siblings",
            Kin::Strangers => "strangers",
        }
    }
}

impl Totals {
    fn count(&mut self, case: &Path, pair: &Pair) {
        let key = (pair.kin, if pair.kin < Kin::Siblings { relations(pair) } else { String::new() });
        let at = match pair.comparison.likeness {
            Likeness::Same => 0,
            Likeness::Unknown => 1,
            Likeness::Different => 2,
        };
        if pair.kin != Kin::Copies && at == 0 {
            let Comparison { lz, chroma, side, .. } = pair.comparison;
            let (a, b) = (&pair.a.truth, &pair.b.truth);
            let kin = pair.kin.word();
            self.wrong.push(format!(
                "{kin}, lz {lz:.2}, chroma {chroma:.1}, side {side}: {} {}, {} {} ({})",
                a.source,
                a.relation,
                b.source,
                b.relation,
                case.display()
            ));
        }
        self.by_relation.entry(key.clone()).or_default()[at] += 1;
        *self.out_of_reach.entry(key).or_default() += u32::from(!pair.within_reach);
        self.comparisons += 1;
        self.in_reach += usize::from(pair.within_reach);
        self.took += pair.took;
    }

    /// Sources whose copies stayed in several groups, and groups that hold several sources.
    fn count_groups(&mut self, images: &[Image], pairs: &[Pair]) {
        let compared: Vec<Compared> = pairs
            .iter()
            .filter(|pair| pair.within_reach)
            .map(|pair| Compared { a: pair.a.key, b: pair.b.key, comparison: pair.comparison })
            .collect();
        let keys: Vec<ImageKey> = images.iter().map(|image| image.key).collect();
        let made: Vec<Group> = groups(&keys, &compared);
        let home: BTreeMap<ImageKey, usize> =
            made.iter().enumerate().flat_map(|(at, group)| group.iter().map(move |&key| (key, at))).collect();
        let mut sources: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        let mut contents: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        let whole = |image: &&Image| !matches!(image.truth.relation.as_str(), "edit" | "truncated");
        for image in images.iter().filter(whole) {
            sources.entry(&image.truth.source).or_default().insert(home[&image.key]);
            contents.entry(home[&image.key]).or_default().insert(&image.truth.source);
        }
        self.uploads += images.len();
        self.contents_true += sources.len();
        self.contents_split += sources.values().filter(|homes| homes.len() > 1).count();
        self.contents_mixed += contents.values().filter(|sources| sources.len() > 1).count();
    }
}

fn write(out: &mut csv::Writer<fs::File>, pair: &Pair) -> Result<()> {
    let Comparison { likeness, lz, chroma, turn, side, structure, typical } = pair.comparison;
    let distance = reach(&pair.a.views, &pair.b.views).map(|distance| distance.to_string()).unwrap_or_default();
    out.write_record([
        &pair.a.truth.upload,
        &pair.b.truth.upload,
        &pair.a.truth.relation,
        &pair.b.truth.relation,
        pair.kin.word(),
        &format!("{likeness:?}").to_lowercase(),
        &format!("{lz:.3}"),
        &format!("{chroma:.2}"),
        &turn.to_string(),
        &side.to_string(),
        &structure.to_string(),
        &distance,
        &u8::from(pair.within_reach).to_string(),
        &pair.took.as_micros().to_string(),
        &format!("{typical:.3}"),
    ])?;
    Ok(())
}

fn print(totals: &Totals) {
    println!("{:10} {:22} {:>7} {:>8} {:>10} {:>13}", "", "", "same", "unknown", "different", "out of reach");
    for ((kin, relations), [same, unknown, different]) in &totals.by_relation {
        let out = totals.out_of_reach[&(*kin, relations.clone())];
        println!("{:10} {relations:22} {same:>7} {unknown:>8} {different:>10} {out:>13}", kin.word());
    }
    for wrong in &totals.wrong {
        println!("same, but not copies: {wrong}");
    }
    let Totals { uploads, contents_true, contents_split, contents_mixed, comparisons, in_reach, .. } = totals;
    println!(
        "{uploads} uploads of {contents_true} sources: {contents_split} sources in several groups, {contents_mixed} groups \
         with several sources"
    );
    let each_ms = totals.took.as_secs_f64() * 1e3 / f64::from((*comparisons).max(1));
    println!("{comparisons} comparisons, {in_reach} of them within reach, {each_ms:.2} ms each");
}
