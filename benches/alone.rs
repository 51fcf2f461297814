//! Takes the right picture away and asks the rule again: the hardest question there is to it, since frames of the same burst
//! and cards of the same template stay, and each attachment that is made now is a wrong one. Before that it counts how often the
//! right file is the first of a review list.
//!
//!     cargo bench --bench alone -- FOLDER...
//!
//! A folder is one that `benches/corpus.sh` kept (KEEP) or `benches/accuracy.py --keep` made: `catalogue.sqlite`, with what was
//! measured of each pair, and `case/` with its truth. Two questions are asked of each record, by the rule that the program
//! decides by, on those measurements:
//!
//! 1. **never sent**: of the record's picture nothing was uploaded, neither the file nor a copy;
//! 2. **and the one that was sent never ordered**: the same, and of one other picture that comes near its thumbnail there
//!    is no record either, which would have spoken for it. Where the thumbnails of two frames coincide, nothing can tell in principle.
//!
//! Prints how often was asked and each wrong attachment; exits 1 if the first question brought one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::path::Path;

use reunite::catalogue::{self, Catalogue};
use reunite::domain::{ImageId, RecordId, Verdict};
use reunite::matcher::facts::{CandidateFacts, Facts, ImageFacts};
use reunite::matcher::verdict::{Decision, Tier, decide};
use serde::Deserialize;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A residual below this makes another picture worth the second question, as does a recipe that comes close.
const NEAR_Z: f32 = 4.0;

fn main() -> Result<()> {
    let folders: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if folders.is_empty() {
        println!("no folder given, nothing measured; usage: cargo bench --bench alone -- FOLDER...");
    }
    let mut all = Counts::default();
    for folder in &folders {
        let counts = ask_folder(Path::new(folder))?;
        println!("{folder}: {counts}");
        all.never_sent.add(&counts.never_sent);
        all.never_ordered.add(&counts.never_ordered);
        all.lists.add(&counts.lists);
    }
    println!("all: {all}");
    if all.never_sent.wrong > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// How often was asked, and how often something was attached, which is wrong by then.
#[derive(Default)]
struct Tally {
    asked: usize,
    wrong: usize,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.asked += other.asked;
        self.wrong += other.wrong;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} asked, {} wrong", self.asked, self.wrong)
    }
}

/// What came out of a folder, or of all.
#[derive(Default)]
struct Counts {
    never_sent: Tally,
    never_ordered: Tally,
    /// Review lists with the right file in them, and those of them where it is not the first.
    lists: Tally,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { never_sent, never_ordered, lists } = self;
        let first = lists.asked - lists.wrong;
        write!(f, "never sent: {never_sent}; nor the other ordered: {never_ordered}; ")?;
        write!(f, "the right one first in {first} of {} review lists", lists.asked)
    }
}

/// A line of `truth.csv`: the picture that an upload shows, and the records (`;` between them) whose picture it is.
#[derive(Deserialize)]
struct Upload {
    upload: String,
    source: String,
    record_ids: String,
    relation: String,
}

/// A line of `best.csv`: the picture that a record lost.
#[derive(Deserialize)]
struct Lost {
    record_id: String,
    source: String,
}

/// What is right for one customer.
struct Truth<'a> {
    uploads: HashMap<Vec<u8>, &'a Upload>,
    lost: HashMap<RecordId, &'a str>,
    names: HashMap<RecordId, String>,
}

impl Truth<'_> {
    fn upload(&self, image: &ImageFacts) -> Option<&Upload> {
        image.paths.iter().find_map(|path| self.uploads.get(path.strip_prefix(b"/").unwrap_or(path)).copied())
    }

    /// Whether the image may be put back, as the scorer has it.
    fn is_proper(&self, image: &ImageFacts, record: RecordId) -> bool {
        let whole = |upload: &Upload| !["edit", "truncated"].contains(&&*upload.relation);
        self.upload(image).is_some_and(whole) && self.is_right(image, record)
    }

    fn is_right(&self, image: &ImageFacts, record: RecordId) -> bool {
        // What is not of the case can prove nothing.
        self.upload(image).is_none_or(|upload| {
            upload.source == self.lost[&record] || upload.record_ids.split(';').any(|id| id == self.names[&record])
        })
    }
}

fn ask_folder(folder: &Path) -> Result<Counts> {
    let (uploads, lost): (Vec<Upload>, Vec<Lost>) =
        (rows(&folder.join("case/truth.csv"))?, rows(&folder.join("case/best.csv"))?);
    let lost: HashMap<&str, &str> = lost.iter().map(|line| (&*line.record_id, &*line.source)).collect();
    let catalogue = Catalogue::open(&folder.join("catalogue.sqlite"))?;
    let mut counts = Counts::default();
    for customer in catalogue.read::<_, catalogue::Error>(|tx| tx.customers())? {
        let facts = catalogue.read::<_, catalogue::Error>(|tx| tx.customer_facts(customer.id))?.facts;
        let names = catalogue.read::<_, catalogue::Error>(|tx| tx.record_names(customer.id))?;
        let below = format!("uploads/{}/", customer.name);
        let of_customer = uploads.iter().filter_map(|line| Some((line.upload.strip_prefix(&below)?.into(), line)));
        let truth = Truth {
            uploads: of_customer.collect(),
            lost: names.iter().map(|(&id, name)| (id, lost[&**name])).collect(),
            names,
        };
        count_lists(&facts, &truth, &mut counts.lists);
        ask_customer(&facts, &truth, &mut counts);
    }
    Ok(counts)
}

fn count_lists(facts: &Facts, truth: &Truth, lists: &mut Tally) {
    let mut ranks: BTreeMap<RecordId, Vec<u32>> = BTreeMap::new();
    for decision in decide(facts, &Tier::ALL).into_iter().filter(|decision| decision.verdict == Verdict::Review) {
        let image = facts.images.iter().find(|image| image.id == decision.image);
        if image.is_some_and(|image| truth.is_proper(image, decision.record)) {
            ranks.entry(decision.record).or_default().extend(decision.rank);
        }
    }
    lists.asked += ranks.len();
    lists.wrong += ranks.values().filter(|ranks| !ranks.contains(&1)).count();
}

fn ask_customer(facts: &Facts, truth: &Truth, counts: &mut Counts) {
    let Counts { never_sent, never_ordered, .. } = counts;
    let mut by_picture: BTreeMap<&str, Vec<RecordId>> = BTreeMap::new();
    for record in &facts.records {
        by_picture.entry(truth.lost[&record.id]).or_default().push(record.id);
    }
    for (picture, records) in by_picture {
        let without = without_uploads(facts, |image| records.iter().any(|&record| truth.is_right(image, record)));
        never_sent.asked += records.len();
        never_sent.wrong += told(&without, truth, &records, "never sent");
        for &record in &records {
            for other in near(&without, truth, record) {
                let silent = without_records(&without, |id| id != record && truth.lost[&id] == other);
                never_ordered.asked += 1;
                never_ordered.wrong +=
                    told(&silent, truth, &[record], &format!("{picture} never sent, {other} never ordered"));
            }
        }
    }
}

/// The pictures that come near a record's thumbnail.
fn near<'a>(facts: &Facts, truth: &'a Truth, record: RecordId) -> BTreeSet<&'a str> {
    let comes_near = |candidate: &&CandidateFacts| {
        let by_recipe = candidate.measured.iter().any(|one| one.fit.is_some_and(|fit| fit.near || fit.close));
        candidate.record == record && (by_recipe || candidate.telling().any(|residual| residual.z() < NEAR_Z))
    };
    let near: BTreeSet<ImageId> = facts.candidates.iter().filter(comes_near).map(|candidate| candidate.image).collect();
    let images = facts.images.iter().filter(|image| near.contains(&image.id));
    images.filter_map(|image| Some(&*truth.upload(image)?.source)).collect()
}

/// Prints what is attached to these records, all of it wrong, and says how much it is.
fn told(facts: &Facts, truth: &Truth, records: &[RecordId], situation: &str) -> usize {
    let wrong = |decision: &Decision| decision.verdict == Verdict::Attach && records.contains(&decision.record);
    let wrong: Vec<Decision> = decide(facts, &Tier::ALL).into_iter().filter(wrong).collect();
    for decision in &wrong {
        let image = facts.images.iter().find(|image| image.id == decision.image);
        let path = image.and_then(|image| image.paths.first()).map(|path| String::from_utf8_lossy(path).into_owned());
        let (record, method) = (&truth.names[&decision.record], decision.method.word());
        println!("  WRONG: {record} gets {} by {method}; {situation}", path.unwrap_or_default());
    }
    wrong.len()
}

fn without_uploads(facts: &Facts, gone: impl Fn(&ImageFacts) -> bool) -> Facts {
    let mut facts = facts.clone();
    facts.images.retain(|image| !gone(image));
    let kept: BTreeSet<ImageId> = facts.images.iter().map(|image| image.id).collect();
    facts.candidates.retain(|candidate| kept.contains(&candidate.image));
    facts
}

fn without_records(facts: &Facts, gone: impl Fn(RecordId) -> bool) -> Facts {
    let mut facts = facts.clone();
    facts.records.retain(|record| !gone(record.id));
    facts.candidates.retain(|candidate| !gone(candidate.record));
    facts
}

fn rows<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    Ok(csv::Reader::from_path(path)?.deserialize().collect::<std::result::Result<_, _>>()?)
}
