//! Lets the rule speak over everything that is known about a customer, and brings the originals to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{self, CustomerFacts, Link, Ruling};
use crate::config::Mode;
use crate::domain::{CustomerId, Digest, Grade, ImageId, Verdict};
use crate::matcher::content::{Compared, Comparison, ImageKey};
use crate::matcher::facts::Facts;
use crate::matcher::verdict::{Decision, Method, decide, rivals};
use crate::reattach;

use super::{Error, Pipeline};

/// Decides everything that is open for a customer and puts originals back; `mark` is what the catalogue called the
/// customer's state when this was asked for. The outcome depends on the facts alone, so doing it again changes nothing.
///
/// # Errors
/// When the catalogue or a store fails; the customer then stays marked, and it is done again.
pub fn settle(pipeline: &Pipeline, customer: CustomerId, mark: i64) -> Result<(), Error> {
    let mut facts = pipeline.catalogue.read(|tx| tx.customer_facts(customer))?;
    compare_rivals(pipeline, customer, &mut facts.facts)?;
    let decisions = decide(&facts.facts, &pipeline.tiers);
    let (placed, open): (Vec<_>, Vec<_>) = decisions.iter().partition(|decision| is_placed(pipeline, decision));
    let wanted = links(pipeline, customer, &facts, &placed)?;
    let rulings: Vec<Ruling> = placed
        .iter()
        .map(|decision| ruling(decision, Verdict::Attach))
        .chain(open.iter().filter(|decision| decision.verdict != Verdict::None).map(|d| ruling(d, Verdict::Review)))
        .collect();
    pipeline.catalogue.write::<_, catalogue::Error>(move |tx| {
        let kept: BTreeSet<_> = rulings.iter().map(|ruling| (ruling.image, ruling.record)).collect();
        let mut changed = tx.candidates_unruled(customer, &kept)?;
        for ruling in &rulings {
            changed |= tx.candidate_ruled(customer, ruling)?;
        }
        // What is certain now may teach something.
        if changed { tx.learning_wanted() } else { Ok(()) }
    })?;
    reattach::bring_to(&pipeline.bench(), customer, wanted)?;
    Ok(pipeline.catalogue.write::<_, catalogue::Error>(move |tx| {
        tx.uploads_decided(&facts.settled)?;
        tx.customer_clean(customer, mark)
    })?)
}

/// Looks closely at uploads that stand in each other's way, until the rule has no more questions.
fn compare_rivals(pipeline: &Pipeline, customer: CustomerId, facts: &mut Facts) -> Result<(), Error> {
    loop {
        let asked = rivals(facts);
        if asked.is_empty() {
            return Ok(());
        }
        for (a, b) in asked {
            let open = |key: ImageKey| pipeline.blobs.open(customer, key.0);
            let compared = match pipeline.children.compare(open(a)?, open(b)?) {
                Err(unreadable) if unreadable.is_transient() => return Err(Error::Children(unreadable)),
                // They remain rivals.
                Err(_) => None,
                Ok(comparison) => Some(comparison),
            };
            pipeline.catalogue.write(move |tx| tx.compared(customer, (a, b), compared.as_ref()))?;
            facts.compared.push(Compared { a, b, comparison: compared.unwrap_or(Comparison::UNKNOWN) });
        }
    }
}

/// Whether a decision is carried out without asking. What a person said is always carried out.
fn is_placed(pipeline: &Pipeline, decision: &Decision) -> bool {
    let by_tier = pipeline.tiers.iter().any(|tier| tier.method() == decision.method);
    let allowed = pipeline.mode == Mode::Auto && by_tier && (pipeline.copies || decision.grade == Grade::Original);
    decision.verdict == Verdict::Attach && (decision.method == Method::Person || allowed)
}

fn ruling(decision: &Decision, verdict: Verdict) -> Ruling {
    Ruling {
        image: decision.image,
        record: decision.record,
        verdict: verdict.word(),
        proven: decision.verdict == Verdict::Attach,
        method: decision.method.word().to_owned(),
        grade: Some(decision.grade.word()),
        rank: decision.rank,
        residual: decision.residual.map(f64::from),
        margin: decision.margin.map(f64::from),
        reason: decision.reason.clone(),
    }
}

/// The links to bring about: each decision with its digest, and the upload that is named as its source.
fn links(
    pipeline: &Pipeline,
    customer: CustomerId,
    facts: &CustomerFacts,
    placed: &[&Decision],
) -> Result<Vec<Link>, Error> {
    let digests: BTreeMap<ImageId, Digest> = facts.facts.images.iter().map(|image| (image.id, image.digest)).collect();
    let mut links = Vec::new();
    for decision in placed {
        // Every image came with an upload; one without is a customer's whose uploads were removed meanwhile.
        let source = facts.uploads.get(&decision.image).and_then(|carriers| carriers.first());
        let (Some(&digest), Some((_, upload))) = (digests.get(&decision.image), source) else { continue };
        let person = match decision.method {
            Method::Person => pipeline.catalogue.read(|tx| tx.accepted_by(decision.record, digest))?,
            _ => None,
        };
        links.push(Link {
            customer,
            record: decision.record,
            image: decision.image,
            upload: *upload,
            digest,
            grade: decision.grade,
            method: decision.method.word().to_owned(),
            evidence: decision.reason.clone(),
            decided_by: person.unwrap_or_else(|| "rule".to_owned()),
        });
    }
    Ok(links)
}
