//! The review queue: one record at a time, with the pictures that may be its own beside what survived of it.
//!
//! An answer is a decision like any other; the pipeline acts on it. A form says which decision about the record its page
//! knew, so that of two people who look at the same record the second one changes nothing.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::cards::{Card, card};
use super::counts::total;
use super::pages::{Fault, read, write};
use super::pictures::drawn;
use super::text::{minute, number, pixels, query, sentence, size};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{self, Act, Proposal, Question, Subject, Tx};
use crate::domain::{CandidateId, CustomerId};
use crate::tree::shown;

/// Pictures of one record that are drawn at most; the others are asked about once these are answered.
const PROPOSALS_MAX: usize = 6;

/// Where in the queue a page stands, and what was done on the page before.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// Only this customer's records.
    customer: String,
    /// The record that the page begins behind.
    behind: String,
    /// The candidate that was answered.
    answered: String,
    /// What was said of it: an answer's word, or what stood in its way.
    said: String,
}

impl Place {
    fn customer(&self) -> Result<Option<CustomerId>, Fault> {
        number_of(&self.customer).map(|id| id.map(CustomerId))
    }

    fn address(&self) -> String {
        let all = [
            ("customer", self.customer.as_str()),
            ("behind", self.behind.as_str()),
            ("answered", self.answered.as_str()),
            ("said", self.said.as_str()),
        ];
        match query(all.into_iter().filter(|(_, value)| !value.is_empty())) {
            empty if empty.is_empty() => "/review".to_owned(),
            query => format!("/review?{query}"),
        }
    }
}

/// Where a record is asked about.
pub(super) fn address_of(record: i64) -> String {
    format!("/review?behind={}", record - 1)
}

/// A number in an address or a form; nothing for an empty text.
fn number_of(text: &str) -> Result<Option<i64>, Fault> {
    match text {
        "" => Ok(None),
        text => Ok(Some(text.parse().map_err(|_| Fault::Asked("There is no such place in the review queue."))?)),
    }
}

#[derive(Template)]
#[template(path = "review.html", config = "src/web/askama.toml")]
struct Review {
    frame: Frame,
    left: String,
    place: Place,
    /// What to say of the page before.
    said: String,
    can_undo: bool,
    /// The queue was gone through, and what was skipped is left.
    is_end: bool,
    /// Where it begins anew.
    again: String,
    question: Option<Shown>,
}

/// A question as the page shows it.
struct Shown {
    card: Card,
    customer: i64,
    customer_name: String,
    /// [`Question::said`].
    said: i64,
    /// The address of the page behind this one.
    next: String,
    more: usize,
    proposals: Vec<ShownProposal>,
}

struct ShownProposal {
    candidate: i64,
    /// From 1, for the keys.
    place: usize,
    upload: i64,
    path: String,
    page: Option<i64>,
    facts: String,
    copy: bool,
    /// What speaks for it and against it, each with the class that says which.
    reasons: Vec<(&'static str, String)>,
    picture: Option<Parts>,
}

/// Where the parts of a picture begin.
struct Parts {
    width: u32,
    height: u32,
    twice: u32,
    all: u32,
}

/// `/review`.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(place): Query<Place>,
) -> Result<Html<String>, Fault> {
    let (customer, behind) = (place.customer()?, number_of(&place.behind)?.unwrap_or(0));
    let question = read(&context, move |tx| tx.question_behind(customer, behind)).await?;
    let left = total(&context, format!("questions {customer:?}"), move |tx| tx.questions(customer)).await?;
    let is_end = question.is_none() && behind > 0 && left > 0;
    let again = Place { customer: place.customer.clone(), ..Place::default() }.address();
    let question = match question {
        Some(question) => Some(show(&context, &place, question).await?),
        None => None,
    };
    let (said, can_undo) = match place.said.as_str() {
        "same" => ("Noted: it is the picture, and it goes back to its record.".to_owned(), true),
        "different" => ("Noted: it is not the picture.".to_owned(), true),
        "undone" => ("Taken back, as if it had not been said.".to_owned(), false),
        "nothing" => ("There was nothing to take back any more.".to_owned(), false),
        "met" => (met(&context, &place, &visitor.name()).await?, false),
        _ => (String::new(), false),
    };
    let frame = Frame::of(&visitor);
    let page = Review { frame, left: number(left), place, said, can_undo, is_end, again, question };
    Ok(Html(page.render()?))
}

/// What to say to somebody whose answer came behind another's: who that was, and what they said.
async fn met(context: &Arc<WebContext>, place: &Place, visitor: &str) -> Result<String, Fault> {
    let answer = match number_of(&place.answered)? {
        Some(candidate) => read(context, move |tx| tx.last_answer(CandidateId(candidate))).await?,
        None => None,
    };
    let Some(answer) = answer else {
        return Ok(
            "Somebody else said something about it meanwhile, and took it back. Yours changed nothing.".to_owned()
        );
    };
    let file = answer.path.as_deref().map_or_else(|| "the file".to_owned(), shown);
    let what = match answer.act.as_str() {
        "accept" | "attach" => "is the picture",
        _ => "is not the picture",
    };
    let at = minute(answer.at, &context.zone);
    let who = match answer.who.as_str() {
        who if who == visitor => "You answered elsewhere".to_owned(),
        who => format!("{} answered before you", shown(who.as_bytes())),
    };
    Ok(format!("{who}, {at}: {file} {what}. That stands; this changed nothing."))
}

async fn show(context: &Arc<WebContext>, place: &Place, question: Question) -> Result<Shown, Fault> {
    let mut proposals = Vec::new();
    for (at, proposal) in question.proposals.iter().take(PROPOSALS_MAX).enumerate() {
        let picture = match drawn(context, proposal.candidate).await {
            // A store that is away must not keep a person from everything else that the page tells.
            Err(Fault::Pipeline(error)) => {
                tracing::warn!("candidate {} cannot be drawn for the review queue: {error}", proposal.candidate);
                None
            }
            drawn => drawn?,
        };
        let picture = picture.map(|picture| Parts {
            width: picture.width,
            height: picture.height,
            twice: 2 * picture.width,
            all: 3 * picture.width,
        });
        proposals.push(show_proposal(at + 1, proposal, picture));
    }
    let next = Place { customer: place.customer.clone(), behind: question.id.to_string(), ..Place::default() };
    Ok(Shown {
        card: Card { id: question.id.0, ..card(&question.record) },
        customer: question.customer.0,
        customer_name: shown(question.customer_name.as_bytes()),
        said: question.said,
        next: next.address(),
        more: question.proposals.len().saturating_sub(PROPOSALS_MAX),
        proposals,
    })
}

fn show_proposal(place: usize, proposal: &Proposal, picture: Option<Parts>) -> ShownProposal {
    let pixels = pixels(proposal.width, proposal.height);
    ShownProposal {
        candidate: proposal.candidate.0,
        place,
        upload: proposal.upload.0,
        path: shown(&proposal.path),
        page: Some(proposal.number).filter(|number| *number > 1),
        facts: pixels.into_iter().chain([size(proposal.bytes)]).collect::<Vec<_>>().join(", "),
        copy: proposal.copy,
        reasons: proposal.reason.split("; ").filter(|part| !part.is_empty()).map(reason).collect(),
        picture,
    }
}

/// One part of the rule's reason as a sentence, and whether it speaks for the file, against it, or only says how things are.
fn reason(part: &str) -> (&'static str, String) {
    let speaks = |words: &[&str]| words.iter().any(|word| part.contains(word));
    let class = if speaks(&["differ", "another", "truncated", "nothing recorded", "is not the picture"]) {
        "against"
    } else if speaks(&["could not be compared", "nearly", "but for colour"]) {
        "open"
    } else {
        "for"
    };
    // How much is left between the two is a number of the rule's; a smaller one is nearer.
    let words = part.replace("(residual ", "(difference ");
    (class, sentence(&shown(words.as_bytes())))
}

/// What a form of the review page sends.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Answer {
    answer: Word,
    /// [`Question::said`], as the page knew it.
    #[serde(default)]
    seen: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    behind: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Same,
    Different,
    Undo,
}

/// `/candidates/{id}/answer`: writes an answer down, or takes it back, and goes on with the queue.
pub(super) async fn answer(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Form(form): Form<Answer>,
) -> Result<Response, Fault> {
    let id = CandidateId(id.parse().map_err(|_| Fault::NoPage)?);
    let (word, seen, who) = (form.answer, number_of(&form.seen)?.unwrap_or(0), visitor.name());
    let said = write(&context, move |tx| {
        let Some(subject) = tx.candidate_subject(id)? else { return Ok(None) };
        let said = match word {
            Word::Same => decide(tx, &subject, Act::Accept, Some(seen), &who, ""),
            Word::Different => decide(tx, &subject, Act::Reject, Some(seen), &who, ""),
            Word::Undo => undo(tx, &subject, &who),
        };
        Ok(Some((said?, subject.record.0)))
    });
    let (said, record) = said.await?.ok_or(Fault::NoPage)?;
    // Whoever takes an answer back sees its record again.
    let behind = if said == Said::Undone { (record - 1).to_string() } else { form.behind };
    let place = Place { customer: form.customer, behind, answered: id.to_string(), said: said.word().to_owned() };
    Ok(Redirect::to(&place.address()).into_response())
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is the picture.
    Same,
    /// It is not.
    Different,
    /// The last answer was taken back.
    Undone,
    /// Somebody else said something meanwhile; nothing was changed.
    Met,
    /// There was nothing to take back.
    Nothing,
}

impl Said {
    /// The word for this in addresses and in the API.
    pub(super) fn word(self) -> &'static str {
        match self {
            Said::Same => "same",
            Said::Different => "different",
            Said::Undone => "undone",
            Said::Met => "met",
            Said::Nothing => "nothing",
        }
    }
}

/// Writes an answer down, unless more was said about the record than whoever answers knew, where they say what they knew.
pub(super) fn decide(
    tx: &Tx<'_>,
    subject: &Subject,
    act: Act,
    seen: Option<i64>,
    who: &str,
    why: &str,
) -> Result<Said, catalogue::Error> {
    if let Some(seen) = seen
        && tx.times_decided(subject.record)? != seen
    {
        return Ok(Said::Met);
    }
    tx.decide(subject, act, who, why)?;
    Ok(if act == Act::Accept { Said::Same } else { Said::Different })
}

/// Takes one's own answer back, while it is the last word on its record.
pub(super) fn undo(tx: &Tx<'_>, subject: &Subject, who: &str) -> Result<Said, catalogue::Error> {
    match tx.last_decided(subject.record)? {
        None => Ok(Said::Nothing),
        Some((_, _, by)) if by != who => Ok(Said::Met),
        Some((digest, number, _)) if (digest, number) != (subject.digest, subject.number) => Ok(Said::Nothing),
        Some(_) => {
            tx.withdraw(subject, who, "")?;
            Ok(Said::Undone)
        }
    }
}
