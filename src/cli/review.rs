//! `reunite review`: what the program must not decide by itself.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{anyhow, bail};
use clap::Subcommand;

use super::decide::{Person, decide, withdraw};
use super::report::print;
use super::{Outcome, customer, folder};
use crate::catalogue::{Act, Catalogue, Subject, Tx};
use crate::domain::{CandidateId, CustomerId};
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
        /// Accept everything that the rule finds proven and that waits because of `attach.mode`, `tiers` or `copies`
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
    /// Take back the last answer on these, as if it had not been given
    Undo {
        /// Candidates, as the list or the match report numbers them
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
        Command::Undo { candidates, person } => {
            let subjects = subjects(&catalogue, &candidates)?;
            withdraw(data, &catalogue, subjects, &person)
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

/// The pairs that are proven and wait for a person.
fn proven(catalogue: &Catalogue, customer: Option<&str>) -> anyhow::Result<Vec<Subject>> {
    catalogue.read(|tx| Ok(tx.proven_subjects(of(tx, customer)?)?))
}
