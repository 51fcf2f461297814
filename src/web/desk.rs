//! What those who work for the shop look through: received files, a search over everything, what was given up, what people decided.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::cards::{Card, card};
use super::files::{FileLine, file_line};
use super::pages::{Fault, Kept, read, write};
use super::text::{counted, in_short, long_day, minute, query};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{AnnouncedTo, Decided, FoundRecord, GivenUp, Happened};
use crate::domain::{CustomerId, Micros, RecordId, Zone};
use crate::tree::shown;

/// Lines that a page of one of these lists shows.
const LIST_PAGE: i64 = 100;

/// Things of each kind that a search shows.
const FOUND_MAX: i64 = 40;

/// Letters of a digest from which on it is looked for.
const DIGEST_LETTERS_MIN: usize = 8;

/// Lines of history that a page shows.
pub(super) const HISTORY_SHOWN: i64 = 50;

/// What the address of one of these pages says.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    pub(super) words: String,
    who: String,
    pub(super) behind: String,
    pub(super) at: String,
    pub(super) done: String,
    kept: String,
    since: String,
    left: String,
    of: String,
    record: String,
    removed: String,
}

/// A number in an address; `first` for an empty text.
pub(super) fn place(text: &str, first: i64) -> Result<i64, Fault> {
    match text {
        "" => Ok(first),
        text => text.parse().map_err(|_| Fault::Asked("There is no such place in this list; begin at its first page.")),
    }
}

#[derive(Template)]
#[template(path = "search.html", config = "src/web/askama.toml")]
struct Search {
    frame: Frame,
    q: String,
    customers: Vec<(i64, String)>,
    records: Vec<FoundCard>,
    files: Vec<FileLine>,
    nothing: bool,
    more: bool,
}

/// A record that was found.
struct FoundCard {
    card: Card,
    customer: String,
    state: &'static str,
}

/// `/search`: records, received files and customers with some words in them, or with a digest.
pub(super) async fn search(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let q = asked.q.trim().to_owned();
    let (words, digest) = (q.clone(), digest_in(&q));
    let (customers, records, files) = match q.is_empty() {
        true => Default::default(),
        false => {
            let found = read(&context, move |tx| {
                let digest = digest.as_deref();
                let customers = tx.search_customers(&words, FOUND_MAX)?;
                let records = tx.search_records(&words, digest, FOUND_MAX)?;
                Ok((customers, records, tx.search_files(&words, digest, FOUND_MAX)?))
            });
            found.await?
        }
    };
    let full = |length: usize| length as i64 == FOUND_MAX;
    let page = Search {
        frame: Frame::of(&visitor),
        nothing: !q.is_empty() && customers.is_empty() && records.is_empty() && files.is_empty(),
        more: full(customers.len()) || full(records.len()) || full(files.len()),
        q,
        customers: customers.into_iter().map(|(id, name)| (id.0, shown(name.as_bytes()))).collect(),
        records: records.iter().map(found_card).collect(),
        files: files.iter().map(|file| file_line(file, true, &context.zone)).collect(),
    };
    Ok(Html(page.render()?))
}

/// The bytes that a digest begins with, if the text is hexadecimal and long enough not to be a word.
fn digest_in(text: &str) -> Option<Vec<u8>> {
    let is_hex =
        text.len() >= DIGEST_LETTERS_MIN && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    is_hex.then(|| pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect())
}

fn found_card(found: &FoundRecord) -> FoundCard {
    let state = match (found.back, found.retired) {
        (_, true) => "removed",
        (true, _) => "came back",
        (false, _) => "missing",
    };
    FoundCard {
        card: Card { id: found.id.0, ..card(&found.record) },
        customer: shown(found.customer_name.as_bytes()),
        state,
    }
}

/// A line of history.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) who: String,
    pub(super) text: String,
    /// What else it is about: where that is, and what it is called.
    pub(super) about: Option<(String, String)>,
}

impl Line {
    fn of(happened: &Happened, about: Option<(String, String)>, zone: &Zone) -> Self {
        let text = in_short(&shown(happened.text.as_bytes()));
        Line { at: minute(happened.at, zone), who: actor(&happened.who), text, about }
    }

    fn of_record(happened: &Happened, zone: &Zone) -> Self {
        let file = happened.upload.as_ref().map(|(id, path)| (format!("/uploads/{id}"), shown(path)));
        Line::of(happened, file, zone)
    }

    fn of_upload(happened: &Happened, zone: &Zone) -> Self {
        let record = happened.record.as_ref();
        let record = record.map(|(id, name)| (format!("/records/{id}/send"), shown(name.as_bytes())));
        Line::of(happened, record, zone)
    }
}

/// Who acted, as people say it: a name, or a part of the program.
pub(super) fn actor(who: &str) -> String {
    match who {
        "rule" => "the rule".to_owned(),
        "customer" => "the customer".to_owned(),
        "spool" => "the server".to_owned(),
        "inbox" => "the inbox".to_owned(),
        name => shown(name.as_bytes()),
    }
}

/// The history of a received file.
pub(super) fn history_of_file(lines: &[Happened], zone: &Zone) -> Vec<Line> {
    lines.iter().map(|line| Line::of_upload(line, zone)).collect()
}

/// The history of a record, for those who work for the shop.
pub(super) async fn history_of_record(context: &Arc<WebContext>, id: RecordId) -> Result<Vec<Line>, Fault> {
    let lines = read(context, move |tx| tx.history_of_record(id, HISTORY_SHOWN)).await?;
    Ok(lines.iter().map(|line| Line::of_record(line, &context.zone)).collect())
}

#[derive(Template)]
#[template(path = "given_up.html", config = "src/web/askama.toml")]
struct GivenUpPage {
    frame: Frame,
    records: Vec<GivenUpCard>,
    announced: Vec<AnnouncedLine>,
    /// Of whom a record is looked for again, and which: so that it can be taken back.
    restored: Option<(i64, i64)>,
    removed: &'static str,
    /// What was done about pictures that were to be given up.
    kept: Option<Kept>,
    next: Option<String>,
    later: bool,
}

/// What is going to be given up, of one customer.
struct AnnouncedLine {
    customer: i64,
    name: String,
    records: String,
    day: String,
    unmailed: bool,
}

struct GivenUpCard {
    card: Card,
    customer: i64,
    customer_name: String,
    why: String,
    who: String,
    at: String,
}

/// `/removed`: what was given up, of all customers.
pub(super) async fn given_up(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let behind = (Micros(place(&asked.at, i64::MAX)?), place(&asked.behind, 0)?);
    // What comes next stands on the first page alone.
    let announced_max = if asked.at.is_empty() { LIST_PAGE } else { 0 };
    let mail = context.mail;
    let found =
        read(&context, move |tx| Ok((tx.page_given_up(behind, LIST_PAGE + 1)?, tx.all_announced(announced_max)?)));
    let (rows, announced) = found.await?;
    let last = rows.get(LIST_PAGE as usize).and(rows.get(LIST_PAGE as usize - 1));
    let next = last.map(|row| {
        let (at, id) = (row.at.0.to_string(), row.id.to_string());
        query([("at", at.as_str()), ("behind", id.as_str())].into_iter())
    });
    let records = rows.iter().take(LIST_PAGE as usize).map(|row| given_up_card(row, &context.zone)).collect();
    let page = GivenUpPage {
        frame: Frame::of(&visitor),
        records,
        announced: announced.iter().map(|line| announced_line(line, mail)).collect(),
        restored: asked.of.parse().ok().zip(asked.record.parse().ok()).filter(|_| asked.done == "restored"),
        removed: match asked.removed.as_str() {
            "" => "",
            "none" => "Nothing was changed: it is back by now.",
            _ => "Taken back: nobody looks for it any more.",
        },
        kept: Kept::of(&asked.kept, &asked.since, &asked.left, CustomerId(place(&asked.of, 0)?)),
        next,
        later: !asked.at.is_empty(),
    };
    Ok(Html(page.render()?))
}

fn announced_line(to: &AnnouncedTo, mail: bool) -> AnnouncedLine {
    AnnouncedLine {
        customer: to.customer.0,
        name: shown(to.name.as_bytes()),
        records: counted(to.announced.records, "picture", "pictures"),
        day: long_day(to.announced.at),
        unmailed: mail && to.by_mail && to.announced.unmailed > 0,
    }
}

fn given_up_card(row: &GivenUp, zone: &Zone) -> GivenUpCard {
    GivenUpCard {
        card: Card { id: row.id.0, ..card(&row.record) },
        customer: row.customer.0,
        customer_name: shown(row.customer_name.as_bytes()),
        why: shown(row.why.as_bytes()),
        who: shown(row.who.as_bytes()),
        at: minute(row.at, zone),
    }
}

/// What the form of that page sends.
#[derive(serde::Deserialize)]
pub(super) struct Restore {
    customer: i64,
    record: i64,
}

/// `/removed`, by POST: a record is looked for again.
pub(super) async fn restore(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Form(form): Form<Restore>,
) -> Result<Response, Fault> {
    let who = visitor.name();
    write(&context, move |tx| tx.restore(CustomerId(form.customer), &[RecordId(form.record)], &who)).await?;
    let (customer, record) = (form.customer, form.record);
    Ok(Redirect::to(&format!("/removed?done=restored&of={customer}&record={record}")).into_response())
}

#[derive(Template)]
#[template(path = "decisions.html", config = "src/web/askama.toml")]
struct Decisions {
    frame: Frame,
    who: String,
    lines: Vec<DecisionLine>,
    done: &'static str,
    next: Option<String>,
    later: bool,
}

struct DecisionLine {
    id: i64,
    at: String,
    who: String,
    what: &'static str,
    why: String,
    record: i64,
    record_name: String,
    customer: String,
    path: String,
    withdrawn: Option<String>,
    can_undo: bool,
}

/// `/decisions`: what people decided, the last first.
pub(super) async fn decisions(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let (who, before) = (asked.who.trim().to_owned(), place(&asked.behind, i64::MAX)?);
    let of = Some(who.clone()).filter(|who| !who.is_empty());
    let rows = read(&context, move |tx| tx.page_decisions(of.as_deref(), before, LIST_PAGE + 1)).await?;
    let last = rows.get(LIST_PAGE as usize).and(rows.get(LIST_PAGE as usize - 1));
    let next = last.map(|row| {
        let id = row.id.to_string();
        query([("who", who.as_str()), ("behind", id.as_str())].into_iter().filter(|(_, value)| !value.is_empty()))
    });
    let page = Decisions {
        frame: Frame::of(&visitor),
        lines: rows.iter().take(LIST_PAGE as usize).map(|row| decision_line(row, &context.zone)).collect(),
        who,
        done: match asked.done.as_str() {
            "undone" => "Taken back, as if it had not been said.",
            "met" => "Nothing was changed: something newer was said about it meanwhile.",
            _ => "",
        },
        next,
        later: !asked.behind.is_empty(),
    };
    Ok(Html(page.render()?))
}

fn decision_line(row: &Decided, zone: &Zone) -> DecisionLine {
    DecisionLine {
        id: row.id,
        at: minute(row.at, zone),
        who: shown(row.who.as_bytes()),
        what: match row.act.as_str() {
            "accept" => "It is the picture",
            "reject" => "It is not the picture",
            "attach" => "Put on by hand",
            "detach" => "Taken off by hand",
            _ => "Decided",
        },
        why: shown(row.why.as_bytes()),
        record: row.record.0,
        record_name: shown(row.record_name.as_bytes()),
        customer: shown(row.customer_name.as_bytes()),
        path: row.path.as_deref().map(shown).unwrap_or_default(),
        withdrawn: row.withdrawn_at.map(|at| minute(at, zone)),
        can_undo: row.stands_last,
    }
}

/// `/decisions/{id}/undo`: takes a decision back, whoever made it, while it is the last word on its pair.
pub(super) async fn undo(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
) -> Result<Response, Fault> {
    let who = visitor.name();
    let undone = write(&context, move |tx| match tx.decision_subject(id)? {
        Some(subject) => tx.withdraw(&subject, &who, ""),
        None => Ok(false),
    });
    let done = if undone.await? { "undone" } else { "met" };
    Ok(Redirect::to(&format!("/decisions?done={done}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_told_from_words() {
        assert_eq!(digest_in("beefcafe01"), Some(vec![0xbe, 0xef, 0xca, 0xfe, 0x01]));
        assert_eq!(digest_in("BEEFCAFE0"), Some(vec![0xbe, 0xef, 0xca, 0xfe]));
        for word in ["", "cafe", "harbour!", &"a".repeat(65)] {
            assert_eq!(digest_in(word), None, "{word}");
        }
    }
}
