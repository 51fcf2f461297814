//! From rows to the catalogue: what is new, what changed, and the one transaction that writes it.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Faults, Place};
use super::values::GivenFacts;
use crate::catalogue::{Error, Record, RecordFacts, Role, Thumbnail, Tx};
use crate::domain::{CustomerId, Digest, Micros};

/// A row whose pictures have been fetched.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub place: Place,
    pub record: String,
    pub customer: String,
    pub facts: GivenFacts,
    pub pictures: BTreeMap<Role, Picture>,
}

/// A rendition of a row's original.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// The path in the import, or `data:`.
    pub source: String,
    /// The digest of its bytes, or why there are none.
    pub file: Result<Digest, String>,
}

/// What the rows did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Records that were not known.
    pub new: u64,
    /// Records of which something changed.
    pub changed: u64,
    /// Records that stayed as they were.
    pub unchanged: u64,
    /// Customers that were not known.
    pub customers: u64,
    /// Records that are left without one of their thumbnails, and why.
    pub without: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug)]
pub(super) enum Refused {
    /// Rows contradict what is known.
    Faults(Faults),
    /// The catalogue failed.
    Catalogue(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Catalogue(error)
    }
}

/// What a row does to the catalogue.
struct Plan<'r> {
    row: &'r Row,
    known: Option<Record>,
    facts: RecordFacts,
    facts_changed: bool,
    /// Renditions to set, and those that only moved.
    set: Vec<(Role, &'r Picture)>,
    moved: Vec<(Thumbnail, &'r Picture)>,
    /// Renditions that the record does not have once this is done, and why.
    without: Vec<String>,
}

impl Plan<'_> {
    fn is_nothing(&self) -> bool {
        self.known.is_some() && !self.facts_changed && self.set.is_empty() && self.moved.is_empty()
    }

    /// Whether matching has to look at the record again. The shop's own columns and the key of the original do not bear on
    /// which upload it is.
    fn concerns_matching(&self) -> bool {
        let Some(known) = &self.known else { return true };
        let matched = |facts: &RecordFacts| RecordFacts { original_key: None, extra: String::new(), ..facts.clone() };
        !self.set.is_empty() || matched(&known.facts) != matched(&self.facts)
    }
}

/// What the rows would do; writes nothing.
pub(super) fn compare(tx: &Tx<'_>, rows: &[Row]) -> Result<Told, Refused> {
    let mut told = Told::default();
    let mut new_customers = BTreeSet::new();
    each_plan(tx, rows, |plan| {
        tell(&mut told, &plan);
        if tx.customer_named(&plan.row.customer)?.is_none() && new_customers.insert(&plan.row.customer) {
            told.customers += 1;
        }
        Ok(())
    })?;
    Ok(told)
}

/// Writes the rows, or nothing.
pub(super) fn apply(tx: &Tx<'_>, rows: &[Row], now: Micros) -> Result<Told, Refused> {
    let mut told = Told::default();
    let mut customers: BTreeMap<&str, CustomerId> = BTreeMap::new();
    let change = tx.change_seq()?;
    each_plan(tx, rows, |plan| {
        tell(&mut told, &plan);
        let customer = match customers.get(plan.row.customer.as_str()) {
            Some(&customer) => customer,
            None => {
                let known = tx.customer_named(&plan.row.customer)?.map(|customer| customer.id);
                told.customers += u64::from(known.is_none());
                let customer = match known {
                    Some(known) => known,
                    None => tx.customer_add(&plan.row.customer, now)?,
                };
                customers.insert(&plan.row.customer, customer);
                customer
            }
        };
        write(tx, &plan, customer, change, now)
    })?;
    Ok(told)
}

fn tell(told: &mut Told, plan: &Plan<'_>) {
    match &plan.known {
        None => told.new += 1,
        Some(_) if plan.is_nothing() => told.unchanged += 1,
        Some(_) => told.changed += 1,
    }
    told.without.extend(plan.without.iter().cloned());
}

fn write(tx: &Tx<'_>, plan: &Plan<'_>, customer: CustomerId, change: i64, now: Micros) -> Result<(), Error> {
    let record = match &plan.known {
        Some(known) => known.id,
        None => tx.record_add(customer, &plan.row.record, &plan.facts, change, now)?,
    };
    if plan.known.is_some() && plan.facts_changed {
        tx.record_update(record, &plan.facts)?;
    }
    for (role, picture) in &plan.set {
        tx.thumbnail_set(record, *role, &picture.source, &picture.file)?;
    }
    for (thumbnail, picture) in &plan.moved {
        tx.thumbnail_moved(thumbnail.id, &picture.source)?;
    }
    if plan.concerns_matching() {
        tx.record_changed(record, change)?;
    }
    Ok(())
}

/// Plans row after row and hands each plan on, until the first fault; from then on only faults are looked for.
fn each_plan<'r>(
    tx: &Tx<'_>,
    rows: &'r [Row],
    mut take: impl FnMut(Plan<'r>) -> Result<(), Error>,
) -> Result<(), Refused> {
    let mut faults = Faults::default();
    let mut owners: Option<BTreeMap<CustomerId, String>> = None;
    for row in rows {
        let known = tx.record_named(&row.record)?;
        if let Some(known) = &known {
            let owners = match &mut owners {
                Some(owners) => owners,
                none => none.insert(tx.customers()?.into_iter().map(|customer| (customer.id, customer.name)).collect()),
            };
            let owner = owners.get(&known.customer).map_or("", String::as_str);
            if owner != row.customer {
                let says = format!(
                    "it belongs to the customer `{owner}`, and this row gives it to `{}`; a record is one customer's",
                    row.customer
                );
                faults.add(Fault::value(row.place, "record", row.record.as_bytes(), says));
                continue;
            }
        }
        if faults.is_empty() {
            take(plan(tx, row, known)?)?;
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Refused::Faults(faults)) }
}

fn plan<'r>(tx: &Tx<'_>, row: &'r Row, known: Option<Record>) -> Result<Plan<'r>, Error> {
    let before = known.as_ref().map(|known| known.facts.clone()).unwrap_or_default();
    let facts = row.facts.over(&before);
    let thumbnails = known.as_ref().map_or(Ok(Vec::new()), |known| tx.thumbnails_of(known.id))?;
    let (mut set, mut moved, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for (&role, picture) in &row.pictures {
        let kept = thumbnails.iter().find(|thumbnail| thumbnail.role == role);
        if let Err(why) = &picture.file
            && !kept.is_some_and(|kept| kept.digest.is_some() && (picture.source.is_empty() || stays(kept, picture)))
        {
            without.push(lack(&row.record, role, &picture.source, why));
        }
        match kept {
            Some(kept) if stays(kept, picture) => {
                if kept.source != picture.source {
                    moved.push((kept.clone(), picture));
                }
            }
            // A row that names no thumbnail says nothing about the one that is known.
            Some(_) if picture.source.is_empty() => {}
            _ => set.push((role, picture)),
        }
    }
    Ok(Plan { row, facts_changed: facts != before, known, facts, set, moved, without })
}

/// Why a record has no rendition in a role, in words.
pub(super) fn lack(record: &str, role: Role, source: &str, why: &str) -> String {
    let source = if source.is_empty() { String::new() } else { format!(" `{source}`") };
    format!("record `{record}`, {role}{source}: {why}")
}

/// Whether the rendition that is known is the one that the row gives. A file that is not there this time, under the path it
/// was read from before, has not taken the picture away that it gave.
fn stays(kept: &Thumbnail, picture: &Picture) -> bool {
    match &picture.file {
        Ok(digest) => kept.digest == Some(*digest),
        Err(problem) => {
            kept.source == picture.source && (kept.digest.is_some() || kept.problem.as_ref() == Some(problem))
        }
    }
}
