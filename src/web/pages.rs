//! The pages themselves: what each one asks of the catalogue, and how the answer reads.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::cards::{
    Card, Problem, Progress, live_seconds, missing_card, problem, progress, removed_card, returned_card,
};
use super::counts::{all_counts, counts};
use super::gate::plain;
use super::removals;
use super::sending::{Sender, Sent};
use super::text::{counted, number, query};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{self, CustomerCounts, MissingFilter, Tx};
use crate::condition;
use crate::domain::CustomerId;
use crate::pipeline;
use crate::report::InTreeError;
use crate::tree::TreeError;

/// How many a customer's first page shows of each list.
const MISSING_FIRST: i64 = 60;
const RETURNED_FIRST: i64 = 24;
const PROBLEMS_FIRST: i64 = 20;

/// How many a page of one list shows.
const LIST_PAGE: i64 = 120;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nothing has this address.
    #[error("no such page")]
    NoPage,
    /// What was asked for cannot be meant, with the sentence that says so.
    #[error("{0}")]
    Asked(&'static str),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// A report could not be made.
    #[error(transparent)]
    Report(#[from] InTreeError),
    /// The tree or the spool failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Text could not be made of a template.
    #[error(transparent)]
    Template(#[from] askama::Error),
    /// The system has no randomness for a session.
    #[error(transparent)]
    Secret(#[from] super::Error),
    /// A picture could not be drawn.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// A picture could not be written.
    #[error(transparent)]
    Png(#[from] png::EncodingError),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// How the server is cannot be told.
    #[error(transparent)]
    Condition(#[from] condition::Error),
    /// The thread that read the catalogue ended early.
    #[error("reading the catalogue was cut short: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::NoPage => no_such_page(),
            Fault::Asked(text) => *plain(StatusCode::BAD_REQUEST, text),
            fault => {
                tracing::error!("a page could not be shown: {fault}");
                *plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This page cannot be shown right now; the server's log says why.",
                )
            }
        }
    }
}

pub(super) async fn no_page() -> Response {
    no_such_page()
}

fn no_such_page() -> Response {
    let page = Nothing { frame: Frame::default() }.render().unwrap_or_else(|_| "There is no such page.".into());
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}

/// Reads the catalogue beside the async threads.
pub(super) async fn read<T: Send + 'static>(
    context: &Arc<WebContext>,
    work: impl FnOnce(&Tx<'_>) -> Result<T, catalogue::Error> + Send + 'static,
) -> Result<T, Fault> {
    let context = Arc::clone(context);
    Ok(tokio::task::spawn_blocking(move || context.catalogue.read(work)).await??)
}

/// Writes to the catalogue beside the async threads.
pub(super) async fn write<T: Send + 'static>(
    context: &Arc<WebContext>,
    work: impl FnOnce(&Tx<'_>) -> Result<T, catalogue::Error> + Send + 'static,
) -> Result<T, Fault> {
    let context = Arc::clone(context);
    Ok(tokio::task::spawn_blocking(move || context.catalogue.write(work)).await??)
}

#[derive(Template)]
#[template(path = "nothing.html", config = "src/web/askama.toml")]
struct Nothing {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "customers.html", config = "src/web/askama.toml")]
struct Customers {
    frame: Frame,
    total: Progress,
    customers: Vec<Progress>,
    /// Whether there are so many that one wants to search them.
    many: bool,
    name: String,
    first: bool,
    /// What leads to the next page, if there is one.
    next: Option<String>,
    live_seconds: u32,
}

/// Customers that one page shows.
const CUSTOMERS_SHOWN: usize = 100;

/// Which customers are asked for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct AskedCustomers {
    /// A part of their names.
    name: String,
    /// The name behind which a page begins.
    behind: String,
}

#[derive(Template)]
#[template(path = "customer.html", config = "src/web/askama.toml")]
struct Customer {
    frame: Frame,
    customer: Progress,
    lists: Lists,
    /// What was done about pictures that were to be given up.
    kept: Option<Kept>,
    live_seconds: u32,
    send: Sender,
}

#[derive(Template)]
#[template(path = "list.html", config = "src/web/askama.toml")]
struct OneList {
    frame: Frame,
    customer: Progress,
    heading: &'static str,
    word: &'static str,
    lists: Lists,
    asked: Asked,
    /// How many were given up on the page before, and can be looked for again in one step.
    removed: String,
    removed_one: bool,
    restored: String,
    /// Those that are looked for again, to be given up again by a button.
    restored_records: Vec<i64>,
    total: String,
    /// What leads to the next page, if there is one.
    next: Option<String>,
    live_seconds: u32,
}

/// What the form before did about pictures that were to be given up.
pub(super) struct Kept {
    pub(super) said: String,
    /// What takes it back: of whom, and its moment.
    pub(super) undo: Option<(CustomerId, String)>,
}

impl Kept {
    /// By what an address says of that; nothing where it says nothing.
    pub(super) fn of(kept: &str, since: &str, left: &str, customer: CustomerId) -> Option<Self> {
        let pictures = |count: i64| counted(count, "picture", "pictures");
        if let Ok(left) = left.parse() {
            let said = match left {
                0 => "There was nothing to take back any more.".to_owned(),
                left => {
                    format!("Taken back. That {} will be removed is announced anew within the hour.", pictures(left))
                }
            };
            return Some(Kept { said, undo: None });
        }
        Some(match kept.parse().ok()? {
            0 => Kept { said: "Nothing was going to be removed any more.".to_owned(), undo: None },
            kept => Kept {
                said: format!("We keep looking for {}.", pictures(kept)),
                undo: removals::moment(since).map(|at| (customer, at.0.to_string())),
            },
        })
    }
}

/// Whichever lists a page shows; the others are empty.
#[derive(Default)]
struct Lists {
    missing: Vec<Card>,
    returned: Vec<Card>,
    problems: Vec<Problem>,
    removed: Vec<Card>,
}

/// `/`: the customers in numbers, for those who work for the shop; a customer's own page is elsewhere.
pub(super) async fn customers(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<AskedCustomers>,
) -> Result<Response, Fault> {
    if let Some(customer) = visitor.customer() {
        return Ok(Redirect::to(&format!("/customers/{customer}")).into_response());
    }
    let all = all_counts(&context).await?;
    let total = all.iter().fold(CustomerCounts::default(), |sum, customer| sum.plus(customer));
    let words = asked.name.trim().to_lowercase();
    let is_meant = |customer: &&CustomerCounts| {
        customer.name.as_bytes() > asked.behind.as_bytes() && customer.name.to_lowercase().contains(&words)
    };
    let mut shown: Vec<&CustomerCounts> = all.iter().filter(is_meant).take(CUSTOMERS_SHOWN + 1).collect();
    let more = shown.len() > CUSTOMERS_SHOWN;
    shown.truncate(CUSTOMERS_SHOWN);
    let next = shown.last().filter(|_| more).map(|last| {
        let asked = [("name", words.as_str()), ("behind", &last.name)];
        query(asked.into_iter().filter(|(_, value)| !value.is_empty()))
    });
    let page = Customers {
        frame: Frame::of(&visitor),
        live_seconds: live_seconds(&total),
        total: progress(&total, &context.zone),
        customers: shown.into_iter().map(|customer| progress(customer, &context.zone)).collect(),
        many: all.len() > CUSTOMERS_SHOWN,
        name: asked.name,
        first: asked.behind.is_empty(),
        next,
    };
    Ok(Html(page.render()?).into_response())
}

/// `/customers/{id}`: the beginning of each list of one customer.
pub(super) async fn customer(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Query(sent): Query<Sent>,
) -> Result<Html<String>, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let kept = Kept::of(&sent.kept, &sent.since, &sent.left, id);
    let counts = counts(&context, id).await?.ok_or(Fault::NoPage)?;
    let send = Sender::of(&context, id, sent.count()).await?;
    let found = read(&context, move |tx| {
        let missing = tx.page_missing(id, &MissingFilter::default(), 0, MISSING_FIRST)?;
        let returned = tx.page_returned(id, None, i64::MAX, RETURNED_FIRST)?;
        let problems = tx.page_problems(id, 0, PROBLEMS_FIRST)?;
        Ok((missing, returned, problems))
    });
    let (missing, returned, problems) = found.await?;
    let lists = Lists {
        missing: missing.iter().map(missing_card).collect(),
        returned: returned.iter().map(returned_card).collect(),
        problems: problems.iter().map(problem).collect(),
        removed: Vec::new(),
    };
    let page = Customer {
        frame: Frame::of(&visitor),
        live_seconds: live_seconds(&counts),
        customer: progress(&counts, &context.zone),
        lists,
        kept,
        send,
    };
    Ok(Html(page.render()?))
}

/// What is asked for of a list: the thing that the page begins behind, and for missing pictures which of them.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    behind: Option<String>,
    pub(super) words: String,
    pub(super) folder: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) size: String,
    /// The moment at which records were given up on the page before.
    removed: String,
    /// How many are looked for again since the page before.
    restored: String,
    /// Which these are, numbers with commas between them, where they were chosen one by one.
    undo: String,
}

impl Asked {
    /// Whether only some of the list are asked for.
    fn is_filtered(&self) -> bool {
        ![&self.words, &self.folder, &self.from, &self.to, &self.size].iter().all(|text| text.is_empty())
    }

    pub(super) fn filter(&self) -> Result<MissingFilter, Fault> {
        let (pixels_min, pixels_below) = match self.size.as_str() {
            "" => (None, None),
            "small" => (None, Some(2_000_000)),
            "medium" => (Some(2_000_000), Some(12_000_000)),
            "large" => (Some(12_000_000), None),
            _ => return Err(Fault::Asked("A size is small, medium or large.")),
        };
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        // A folder may be written with a slash at either end.
        let folder = text(self.folder.trim().trim_matches(['/', '\\']));
        let folder = folder.map(|folder| folder.replace('\\', "/"));
        Ok(MissingFilter {
            words: text(&self.words),
            folder,
            from: day(&self.from)?,
            to: day(&self.to)?,
            pixels_min,
            pixels_below,
        })
    }

    /// The thing that the page begins behind.
    fn place(&self, first: i64) -> Result<i64, Fault> {
        let no_place = |_| Fault::Asked("There is no such place in this list; begin at its first page.");
        self.behind.as_deref().map_or(Ok(first), |text| text.parse().map_err(no_place))
    }

    /// What leads to the page behind the thing `last`.
    fn next(&self, last: i64) -> String {
        let last = last.to_string();
        let all = [
            ("words", &self.words),
            ("folder", &self.folder),
            ("from", &self.from),
            ("to", &self.to),
            ("size", &self.size),
            ("behind", &last),
        ];
        query(all.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str())))
    }
}

/// A day as browsers write it; nothing for an empty text.
pub(super) fn day(text: &str) -> Result<Option<String>, Fault> {
    let is_day = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    match text {
        "" => Ok(None),
        _ if is_day => Ok(Some(text.to_owned())),
        _ => Err(Fault::Asked("A day is written as year, month and day, such as 2018-06-30.")),
    }
}

/// `/customers/{id}/missing`, `/returned`, `/problems` and `/removed`: one list of one customer, a page at a time.
pub(super) async fn list(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path((id, word)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let (heading, word, first) = match word.as_str() {
        "missing" => ("Still missing", "missing", 0),
        "returned" => ("Came back", "returned", i64::MAX),
        "problems" => ("Could not be used", "problems", 0),
        "removed" => ("Removed", "removed", 0),
        _ => return Err(Fault::NoPage),
    };
    let (place, filter) = (asked.place(first)?, asked.filter()?);
    let given_up = removals::moment(&asked.removed);
    // One more than is shown tells whether there is another page.
    let (shown, read_max) = (LIST_PAGE as usize, LIST_PAGE + 1);
    let counts = counts(&context, id).await?.ok_or(Fault::NoPage)?;
    let total = match word {
        "missing" => counts.missing(),
        "returned" => counts.returned,
        "removed" => counts.retired,
        _ => counts.problems,
    };
    let found = read(&context, move |tx| {
        let mut lists = Lists::default();
        let ids: Vec<i64> = match word {
            "missing" => {
                let rows = tx.page_missing(id, &filter, place, read_max)?;
                lists.missing = rows.iter().take(shown).map(missing_card).collect();
                rows.iter().map(|row| row.id).collect()
            }
            "returned" => {
                let rows = tx.page_returned(id, filter.words.as_deref(), place, read_max)?;
                lists.returned = rows.iter().take(shown).map(returned_card).collect();
                rows.iter().map(|row| row.id).collect()
            }
            "removed" => {
                let rows = tx.page_retired(id, place, read_max)?;
                lists.removed = rows.iter().take(shown).map(removed_card).collect();
                rows.iter().map(|row| row.id).collect()
            }
            _ => {
                let rows = tx.page_problems(id, place, read_max)?;
                lists.problems = rows.iter().take(shown).map(problem).collect();
                rows.iter().map(|row| row.id).collect()
            }
        };
        let last = ids.get(shown).and(ids.get(shown - 1)).copied();
        let removed = given_up.map_or(Ok(0), |at| tx.retired_at(id, at).map(|records| records.len()))?;
        Ok((lists, last, removed))
    });
    let (lists, last, removed) = found.await?;
    let page = OneList {
        frame: Frame::of(&visitor),
        live_seconds: live_seconds(&counts),
        customer: progress(&counts, &context.zone),
        heading,
        word,
        lists,
        total: number(total),
        next: last.map(|last| asked.next(last)),
        removed: if removed > 0 { number(removed as i64) } else { String::new() },
        removed_one: removed == 1,
        restored: number(asked.restored.parse().unwrap_or(0)),
        restored_records: asked.undo.split(',').filter_map(|id| id.parse().ok()).collect(),
        asked,
    };
    Ok(Html(page.render()?))
}
