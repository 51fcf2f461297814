//! `reunite review`: what the program must not decide by itself.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{anyhow, bail};
use clap::Subcommand;

use super::decide::{Person, decide};
use super::report::print;
use super::{Outcome, customer, folder};
use crate::catalogue::{Act, Catalogue, Error, Subject, Tx};
use crate::domain::{CandidateId, CustomerId, Verdict};
use crate::matcher::verdict;
use crate::report::{self, Format};

/// What to do with the review list.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what a person is asked about, the most likely picture of each record first
    List {
        /// Only what belongs to this customer
        #[arg(long, value_name = "NAME")]
        customer: Option<String>,
        /// The form of the list
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Say that these are the pictures of their records
    Accept {
        /// Candidates, as the list numbers them
        #[arg(required_unless_present = "all_auto", conflicts_with = "all_auto")]
        candidates: Vec<i64>,
        /// Accept everything that the rule finds proven and that waits because `attach.mode` is "propose"
        #[arg(long)]
        all_auto: bool,
        /// With --all-auto: only what belongs to this customer
        #[arg(long, value_name = "NAME", requires = "all_auto")]
        customer: Option<String>,
        #[command(flatten)]
        person: Person,
    },
    /// Say that these are not the pictures of their records
    Reject {
        /// Candidates, as the list numbers them
        #[arg(required = true)]
        candidates: Vec<i64>,
        #[command(flatten)]
        person: Person,
    },
}

pub(super) fn run(data: &Path, command: Command) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    match command {
        Command::List { customer, format } => {
            let sheet =
                catalogue.read(|tx| Ok::<_, anyhow::Error>(report::review(tx, of(tx, customer.as_deref())?)?))?;
            print(&sheet, format, None)?;
            Ok(Outcome::Done)
        }
        Command::Accept { all_auto: true, customer, person, .. } => {
            let proven = proven(&catalogue, customer.as_deref())?;
            eprintln!("{} accepted", report::text::count(proven.len() as u64, "proven picture"));
            decide(data, &catalogue, proven, Act::Accept, &person)
        }
        Command::Accept { candidates, person, .. } => {
            let subjects = subjects(&catalogue, &candidates)?;
            one_for_each_record(&subjects)?;
            decide(data, &catalogue, subjects, Act::Accept, &person)
        }
        Command::Reject { candidates, person } => {
            let subjects = subjects(&catalogue, &candidates)?;
            decide(data, &catalogue, subjects, Act::Reject, &person)
        }
    }
}

fn of(tx: &Tx<'_>, name: Option<&str>) -> anyhow::Result<Option<CustomerId>> {
    name.map(|name| Ok(customer::named(tx, name)?.id)).transpose()
}

/// The pairs of candidates, all or none.
fn subjects(catalogue: &Catalogue, candidates: &[i64]) -> anyhow::Result<Vec<Subject>> {
    catalogue.read(|tx| {
        let pair = |&id: &i64| {
            tx.candidate_subject(CandidateId(id))?
                .ok_or_else(|| anyhow!("there is no candidate {id}; `reunite review list` numbers them"))
        };
        candidates.iter().map(pair).collect()
    })
}

/// A record has one original, so two accepted pictures for it are a slip of the keyboard.
fn one_for_each_record(subjects: &[Subject]) -> anyhow::Result<()> {
    let mut seen = BTreeMap::new();
    for subject in subjects {
        if let Some(other) = seen.insert(subject.record, subject.digest)
            && other != subject.digest
        {
            bail!("two of these candidates belong to the same record, which has one original; accept one of them");
        }
    }
    Ok(())
}

/// The pairs that the rule finds proven and that are not attached: the rule is asked again, because the review list does
/// not tell a proven picture from one that only resembles.
fn proven(catalogue: &Catalogue, customer: Option<&str>) -> anyhow::Result<Vec<Subject>> {
    catalogue.read(|tx| {
        let customers = match of(tx, customer)? {
            Some(customer) => vec![customer],
            None => tx.customers()?.into_iter().map(|customer| customer.id).collect(),
        };
        let mut proven = Vec::new();
        for customer in customers {
            proven.extend(proven_of(tx, customer)?);
        }
        Ok(proven)
    })
}

fn proven_of(tx: &Tx<'_>, customer: CustomerId) -> Result<Vec<Subject>, Error> {
    let facts = tx.customer_facts(customer)?;
    let standing = tx.attachments_of(customer, "standing")?;
    let stands = |decision: &verdict::Decision| {
        standing
            .iter()
            .any(|attachment| attachment.link.record == decision.record && attachment.link.image == decision.image)
    };
    let images: BTreeMap<_, _> = facts.facts.images.iter().map(|image| (image.id, image)).collect();
    let decisions = verdict::decide(&facts.facts).into_iter();
    let proven = decisions.filter(|decision| {
        decision.verdict == Verdict::Attach && decision.method != verdict::Method::Person && !stands(decision)
    });
    Ok(proven
        .filter_map(|decision| {
            let image = images.get(&decision.image)?;
            let upload = facts.uploads.get(&decision.image)?.first().map(|(_, upload)| *upload);
            Some(Subject { customer, record: decision.record, digest: image.digest, number: image.page, upload })
        })
        .collect())
}
