//! Writing down what a person decided: `reunite attach` and `reunite detach`, and what `review` shares with them.
//!
//! A decision is a row; the pipeline acts on it. Beside a running server these commands only write the row; without one
//! they let the pipeline act, too.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, anyhow, bail};

use super::{Outcome, folder};
use crate::catalogue::{Act, Catalogue, Record, Subject, Tx};
use crate::config::Config;
use crate::domain::{CustomerId, UploadId};
use crate::report::text::{count, visible};
use crate::serve::House;
use crate::{pipeline, report};

/// Who decides, and why.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Person {
    /// Who decides; by default, whoever runs the command
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

impl Person {
    /// Why, as it was given; empty without a reason.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// Who decides.
    pub(super) fn name(&self) -> String {
        let given = self.name.clone().filter(|name| !name.is_empty());
        let user = || {
            ["SUDO_USER", "USER", "LOGNAME"]
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .filter(|name| !name.is_empty())
        };
        given.or_else(user).unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
    }
}

/// Arguments of `reunite attach`.
#[derive(Debug, clap::Args)]
pub(super) struct AttachArgs {
    /// The record, as the shop calls it
    record: String,
    /// The upload, as the column `upload` of a report gives it
    upload: i64,
    /// The page or frame of the upload
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    image: u32,
    #[command(flatten)]
    person: Person,
}

/// Arguments of `reunite detach`.
#[derive(Debug, clap::Args)]
pub(super) struct DetachArgs {
    /// The record, as the shop calls it
    record: String,
    #[command(flatten)]
    person: Person,
}

pub(super) fn attach(data: &Path, args: &AttachArgs) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let subject = catalogue.read(|tx| -> anyhow::Result<Subject> {
        let record = record(tx, &args.record)?;
        let subject = tx.upload_subject(record.id, UploadId(args.upload))?.ok_or_else(|| {
            anyhow!(
                "the customer of record `{}` has no stored upload {}; `reunite report files` lists them",
                visible(args.record.as_bytes()),
                args.upload
            )
        })?;
        Ok(Subject { number: args.image, ..subject })
    })?;
    decide(data, &catalogue, vec![subject], Act::Attach, &args.person)
}

pub(super) fn detach(data: &Path, args: &DetachArgs) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let subject = catalogue.read(|tx| -> anyhow::Result<Subject> {
        let record = record(tx, &args.record)?;
        let subject = tx.standing_subject(record.id)?;
        subject.ok_or_else(|| anyhow!("nothing is attached to record `{}`", visible(args.record.as_bytes())))
    })?;
    decide(data, &catalogue, vec![subject], Act::Detach, &args.person)
}

fn record(tx: &Tx<'_>, name: &str) -> anyhow::Result<Record> {
    match tx.record_named(name)? {
        None => bail!("there is no record `{}`", visible(name.as_bytes())),
        Some(record) if record.retired => bail!("record `{}` is retired", visible(name.as_bytes())),
        Some(record) => Ok(record),
    }
}

/// Lets the pipeline act on what was written down, unless a server does.
pub(super) fn carry_out(data: &Path) -> anyhow::Result<()> {
    match House::open(&Config::load(data)?)? {
        Some(house) => Ok(pipeline::run_until_nothing_is_left(house.pipeline)?),
        None => Ok(()),
    }
}

/// Writes decisions down, all or none, and has them carried out.
///
/// # Errors
/// When the catalogue fails, or nobody else works on the data folder and they cannot be carried out here.
pub(super) fn decide(
    data: &Path,
    catalogue: &Catalogue,
    subjects: Vec<Subject>,
    act: Act,
    person: &Person,
) -> anyhow::Result<Outcome> {
    let (who, why) = (person.name(), person.why.clone());
    let customers = customers(&subjects);
    catalogue.write(move |tx| subjects.iter().try_for_each(|subject| tx.decide(subject, act, &who, &why)))?;
    act_on(data, catalogue, customers)
}

/// Takes the last decisions on these back, all or none, and has that carried out.
///
/// # Errors
/// When nothing stands that could be taken back, and those of [`decide`].
pub(super) fn withdraw(
    data: &Path,
    catalogue: &Catalogue,
    subjects: Vec<Subject>,
    person: &Person,
) -> anyhow::Result<Outcome> {
    let (who, why) = (person.name(), person.why.clone());
    let customers = customers(&subjects);
    catalogue.write(move |tx| {
        for subject in &subjects {
            if !tx.withdraw(subject, &who, &why)? {
                let record = tx.record(subject.record)?.name;
                bail!(
                    "nothing that anybody said of record `{}` and the file with digest {} stands, so there is nothing to take back",
                    visible(record.as_bytes()),
                    subject.digest
                );
            }
        }
        Ok(())
    })?;
    act_on(data, catalogue, customers)
}

fn customers(subjects: &[Subject]) -> BTreeSet<CustomerId> {
    subjects.iter().map(|subject| subject.customer).collect()
}

/// Has what was written down carried out, and tells of answers that cannot both be right.
fn act_on(data: &Path, catalogue: &Catalogue, customers: BTreeSet<CustomerId>) -> anyhow::Result<Outcome> {
    carry_out(data)
        .context("the decision is written down and not carried out yet; the next `reunite serve` does it")?;
    for customer in customers {
        let contradictions = catalogue.read(|tx| report::contradictions(tx, Some(customer)))?.rows.len();
        if contradictions > 0 {
            let count = count(contradictions as u64, "answer pair");
            eprintln!(
                "note: {count} of this customer contradict each other; `reunite report contradictions` lists them"
            );
        }
    }
    Ok(Outcome::Done)
}
