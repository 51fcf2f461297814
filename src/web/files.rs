//! Received files with what became of each: a customer's own, or those of all for the desk.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Html;

use super::WebContext;
use super::counts::counts;
use super::pages::{Fault, read};
use super::text::{minute, query, size};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{Fate, FileFilter, ReceivedFile};
use crate::domain::{CustomerId, Zone};
use crate::tree::shown;

/// Files that one page shows.
const LIST_PAGE: i64 = 100;

/// A received file as a page shows it.
pub(super) struct FileLine {
    pub(super) id: i64,
    /// What its owner is called, where a page shows several customers.
    pub(super) customer: Option<String>,
    pub(super) path: String,
    pub(super) size: String,
    pub(super) digest: String,
    pub(super) at: String,
    pub(super) endpoint: String,
    /// For the style: a word of [`Fate`].
    pub(super) fate: &'static str,
    pub(super) state: String,
    pub(super) record: Option<(i64, String)>,
    /// Whether somebody may look for its record by hand.
    pub(super) unmatched: bool,
}

/// What became of a file, as people say it.
fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Waiting => "being looked at",
        Fate::Back => "came back",
        Fate::Asked => "a person decides",
        Fate::Problem => "could not be used",
        Fate::Unmatched => "belongs to no missing picture",
    }
}

/// The way by which a file came, as people say it.
fn way_in(endpoint: &str) -> String {
    match endpoint {
        "ftp" | "ftps" | "sftp" => format!("over {}", endpoint.to_uppercase()),
        "scp" => "over SCP".to_owned(),
        "web" => "in the browser".to_owned(),
        "inbox" | "scan" => "from a folder of the server".to_owned(),
        other => format!("by {other}"),
    }
}

pub(super) fn file_line(file: &ReceivedFile, with_customer: bool, zone: &Zone) -> FileLine {
    let reason = match (&file.problem, file.truncated) {
        (Some(problem), _) => Some(shown(problem.as_bytes())),
        (None, true) => Some("the transfer broke off before the end".to_owned()),
        (None, false) => None,
    };
    let state = match (file.fate, reason) {
        (Fate::Problem, Some(reason)) => format!("{}: {reason}", words(file.fate)),
        _ => words(file.fate).to_owned(),
    };
    FileLine {
        id: file.id.0,
        customer: with_customer.then(|| shown(file.customer_name.as_bytes())),
        path: shown(&file.path),
        size: size(file.bytes),
        digest: file.sha256.to_string(),
        at: minute(file.received_at, zone),
        endpoint: way_in(&file.endpoint),
        fate: file.fate.word(),
        state,
        record: file.record.as_ref().map(|(id, name)| (id.0, shown(name.as_bytes()))),
        unmatched: matches!(file.fate, Fate::Unmatched | Fate::Asked | Fate::Problem),
    }
}

/// Which files are asked for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    words: String,
    state: String,
    behind: String,
}

#[derive(Template)]
#[template(path = "files.html", config = "src/web/askama.toml")]
struct Files {
    frame: Frame,
    /// The customer, of whose files the page is; nothing for those of all.
    customer: Option<(i64, String)>,
    address: String,
    asked: Asked,
    /// The words of states, with what people say.
    states: Vec<(&'static str, &'static str)>,
    files: Vec<FileLine>,
    next: Option<String>,
}

/// `/customers/{id}/files`.
pub(super) async fn of_customer(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let id = CustomerId(id);
    let customer = counts(&context, id).await?.ok_or(Fault::NoPage)?;
    let named = Some((id.0, shown(customer.name.as_bytes())));
    list(&context, &visitor, named, format!("/customers/{id}/files"), asked).await
}

/// `/files`: of all customers.
pub(super) async fn of_all(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    list(&context, &visitor, None, "/files".to_owned(), asked).await
}

async fn list(
    context: &Arc<WebContext>,
    visitor: &Visitor,
    customer: Option<(i64, String)>,
    address: String,
    asked: Asked,
) -> Result<Html<String>, Fault> {
    let fate = match asked.state.as_str() {
        "" => None,
        word => Some(Fate::of(word).ok_or(Fault::Asked("There is no such state of a file."))?),
    };
    let before = match asked.behind.as_str() {
        "" => i64::MAX,
        text => {
            text.parse().map_err(|_| Fault::Asked("There is no such place in this list; begin at its first page."))?
        }
    };
    let words_asked = Some(asked.words.trim().to_owned()).filter(|words| !words.is_empty());
    let of = customer.as_ref().map(|(id, _)| CustomerId(*id));
    let filter = FileFilter { customer: of, words: words_asked, fate };
    // One more than is shown tells whether there is another page.
    let rows = read(context, move |tx| tx.page_files(&filter, before, LIST_PAGE + 1)).await?;
    let last = rows.get(LIST_PAGE as usize).and(rows.get(LIST_PAGE as usize - 1));
    let next = last.map(|row| {
        let id = row.id.to_string();
        let all = [("words", asked.words.as_str()), ("state", asked.state.as_str()), ("behind", id.as_str())];
        query(all.into_iter().filter(|(_, value)| !value.is_empty()))
    });
    let page = Files {
        frame: Frame::of(visitor),
        files: rows
            .iter()
            .take(LIST_PAGE as usize)
            .map(|row| file_line(row, customer.is_none(), &context.zone))
            .collect(),
        customer,
        address,
        states: Fate::ALL.iter().map(|fate| (fate.word(), words(*fate))).collect(),
        asked,
        next,
    };
    Ok(Html(page.render()?))
}
