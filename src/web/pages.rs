//! The pages themselves: what each one asks of the catalogue, and how the answer reads.
//!
//! Names from outside (paths, records, file names) pass [`crate::tree::shown`], so that no control or bidi character reaches
//! a page as itself; the templates then escape what HTML would take for its own.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::gate::plain;
use super::text::{counted, number, pixels, size};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{self, CustomerCounts, MissingPicture, ProblemFile, ReturnedPicture, ShownRecord, Tx};
use crate::domain::CustomerId;
use crate::tree::shown;

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
    /// A page number that is none.
    #[error("no such page number")]
    NoNumber,
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// Text could not be made of a template.
    #[error(transparent)]
    Template(#[from] askama::Error),
    /// The system has no randomness for a session.
    #[error(transparent)]
    Secret(#[from] super::Error),
    /// The thread that read the catalogue ended early.
    #[error("reading the catalogue was cut short: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::NoPage => no_such_page(),
            Fault::NoNumber => *plain(StatusCode::BAD_REQUEST, "Pages are counted from 1."),
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
    live_seconds: u32,
}

#[derive(Template)]
#[template(path = "customer.html", config = "src/web/askama.toml")]
struct Customer {
    frame: Frame,
    customer: Progress,
    lists: Lists,
    live_seconds: u32,
}

#[derive(Template)]
#[template(path = "list.html", config = "src/web/askama.toml")]
struct OneList {
    frame: Frame,
    customer: Progress,
    heading: &'static str,
    word: &'static str,
    lists: Lists,
    span: String,
    earlier: Option<i64>,
    later: Option<i64>,
    live_seconds: u32,
}

/// Whichever lists a page shows; the others are empty.
#[derive(Default)]
struct Lists {
    missing: Vec<Card>,
    returned: Vec<Card>,
    problems: Vec<Problem>,
}

/// How far a customer, or all of them, have come: numbers as text, and the parts of the bar in percent.
struct Progress {
    id: i64,
    name: String,
    headline: String,
    records: String,
    returned: String,
    missing: String,
    missing_count: i64,
    returned_count: i64,
    problem_count: i64,
    asked: String,
    undecided: String,
    received: String,
    received_size: String,
    problems: String,
    copies: String,
    has_records: bool,
    has_copies: bool,
    has_asked: bool,
    has_undecided: bool,
    has_problems: bool,
    bar: Vec<Part>,
}

/// One stretch of the bar.
struct Part {
    class: &'static str,
    start: String,
    width: String,
}

/// One picture.
struct Card {
    title: String,
    record: String,
    thumbnail: Option<String>,
    facts: Vec<String>,
    asked: bool,
    source: Option<String>,
    source_size: String,
    copy: bool,
    by_person: bool,
}

/// One file that could not be used.
struct Problem {
    path: String,
    size: String,
    reason: String,
}

/// `/`: every customer in numbers, for those who work for the shop; a customer's own page is elsewhere.
pub(super) async fn customers(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Fault> {
    if let Some(customer) = visitor.customer() {
        return Ok(Redirect::to(&format!("/customers/{customer}")).into_response());
    }
    let all = read(&context, |tx| tx.page_customers()).await?;
    let total = all.iter().fold(CustomerCounts::default(), |sum, customer| sum.plus(customer));
    let page = Customers {
        frame: Frame::of(&visitor),
        live_seconds: live_seconds(&total),
        total: progress(&total),
        customers: all.iter().map(progress).collect(),
    };
    Ok(Html(page.render()?).into_response())
}

/// `/customers/{id}`: the beginning of each list of one customer.
pub(super) async fn customer(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Html<String>, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let found = read(&context, move |tx| {
        let Some(counts) = tx.page_customer(id)? else { return Ok(None) };
        let missing = tx.page_missing(id, MISSING_FIRST, 0)?;
        let returned = tx.page_returned(id, RETURNED_FIRST, 0)?;
        let problems = tx.page_problems(id, PROBLEMS_FIRST, 0)?;
        Ok(Some((counts, missing, returned, problems)))
    });
    let (counts, missing, returned, problems) = found.await?.ok_or(Fault::NoPage)?;
    let lists = Lists {
        missing: missing.iter().map(missing_card).collect(),
        returned: returned.iter().map(returned_card).collect(),
        problems: problems.iter().map(problem).collect(),
    };
    let page = Customer {
        frame: Frame::of(&visitor),
        live_seconds: live_seconds(&counts),
        customer: progress(&counts),
        lists,
    };
    Ok(Html(page.render()?))
}

/// The page of a list that is asked for.
#[derive(serde::Deserialize)]
pub(super) struct Asked {
    page: Option<String>,
}

/// `/customers/{id}/missing`, `/returned` and `/problems`: one list of one customer, a page at a time.
pub(super) async fn list(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path((id, word)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let (heading, word) = match word.as_str() {
        "missing" => ("Still missing", "missing"),
        "returned" => ("Came back", "returned"),
        "problems" => ("Could not be used", "problems"),
        _ => return Err(Fault::NoPage),
    };
    // Far below where the product with the page's length could overflow, far above any list.
    let number_asked: i64 = asked.page.as_deref().unwrap_or("1").parse().map_err(|_| Fault::NoNumber)?;
    let page = Some(number_asked).filter(|page| (1..=1_000_000_000).contains(page)).ok_or(Fault::NoNumber)?;
    let skip = (page - 1) * LIST_PAGE;
    let found = read(&context, move |tx| {
        let Some(counts) = tx.page_customer(id)? else { return Ok(None) };
        let (lists, total) = match word {
            "missing" => {
                let rows = tx.page_missing(id, LIST_PAGE, skip)?;
                (Lists { missing: rows.iter().map(missing_card).collect(), ..Lists::default() }, counts.missing())
            }
            "returned" => {
                let rows = tx.page_returned(id, LIST_PAGE, skip)?;
                (Lists { returned: rows.iter().map(returned_card).collect(), ..Lists::default() }, counts.returned)
            }
            _ => {
                let rows = tx.page_problems(id, LIST_PAGE, skip)?;
                (Lists { problems: rows.iter().map(problem).collect(), ..Lists::default() }, counts.problems)
            }
        };
        Ok(Some((counts, lists, total)))
    });
    let (counts, lists, total) = found.await?.ok_or(Fault::NoPage)?;
    let last = skip + (lists.missing.len() + lists.returned.len() + lists.problems.len()) as i64;
    let span = match last - skip {
        0 => "Nothing on this page".into(),
        _ => format!("{} to {} of {}", number(skip + 1), number(last), number(total)),
    };
    let page = OneList {
        frame: Frame::of(&visitor),
        live_seconds: live_seconds(&counts),
        customer: progress(&counts),
        heading,
        word,
        lists,
        span,
        earlier: (page > 1).then_some(page - 1),
        later: (last < total).then_some(page + 1),
    };
    Ok(Html(page.render()?))
}

/// How often a page that is open asks again: often while files are being looked at.
fn live_seconds(counts: &CustomerCounts) -> u32 {
    if counts.undecided > 0 { 2 } else { 10 }
}

fn progress(counts: &CustomerCounts) -> Progress {
    let whole = counts.returned - counts.copies;
    let asked = counts.asked.min(counts.missing());
    Progress {
        id: counts.id,
        name: shown(counts.name.as_bytes()),
        headline: headline(counts),
        records: number(counts.records),
        returned: number(counts.returned),
        missing: number(counts.missing()),
        missing_count: counts.missing(),
        returned_count: counts.returned,
        problem_count: counts.problems,
        asked: number(asked),
        undecided: number(counts.undecided),
        received: number(counts.received),
        received_size: size(counts.received_bytes),
        problems: number(counts.problems),
        copies: number(counts.copies),
        has_records: counts.records > 0,
        has_copies: counts.copies > 0,
        has_asked: asked > 0,
        has_undecided: counts.undecided > 0,
        has_problems: counts.problems > 0,
        bar: bar(counts.records, &[("whole", whole), ("copy", counts.copies), ("asked", asked)]),
    }
}

/// The one sentence that a visitor came for.
fn headline(counts: &CustomerCounts) -> String {
    let pictures = counted(counts.records, "picture", "pictures");
    match (counts.records, counts.returned) {
        (0, _) => "No pictures are being looked for yet".into(),
        (1, 1) => "The one lost picture is back".into(),
        (all, back) if all == back => format!("All {pictures} are back"),
        (_, 0) => format!("None of {pictures} {} back yet", if counts.records == 1 { "is" } else { "are" }),
        (_, back) => format!("{} of {pictures} {} back", number(back), if back == 1 { "is" } else { "are" }),
    }
}

/// The parts laid end to end, in percent of `all`; what is left is still missing.
fn bar(all: i64, parts: &[(&'static str, i64)]) -> Vec<Part> {
    let percent = |count: i64| 100.0 * count as f64 / all.max(1) as f64;
    let mut start = 0.0;
    let mut bar = Vec::new();
    for (class, count) in parts.iter().filter(|(_, count)| *count > 0) {
        let width = percent(*count);
        bar.push(Part { class, start: format!("{start:.3}"), width: format!("{width:.3}") });
        start += width;
    }
    bar
}

fn card(record: &ShownRecord) -> Card {
    let name = shown(record.record.as_bytes());
    let filename = record.filename.as_deref().map(|name| shown(name.as_bytes()));
    let taken = record.taken_at.as_deref().map(|taken| shown(moment(taken).as_bytes()));
    Card {
        title: filename.unwrap_or_else(|| name.clone()),
        record: name,
        // A browser keeps a picture under its address; the digest in it makes a changed picture another one.
        thumbnail: record
            .thumbnail
            .as_ref()
            .map(|thumbnail| format!("/thumbnails/{}?{}", thumbnail.id, &thumbnail.digest.to_string()[..16])),
        facts: pixels(record.width, record.height).into_iter().chain(taken).collect(),
        asked: false,
        source: None,
        source_size: String::new(),
        copy: false,
        by_person: false,
    }
}

/// A moment in ISO 8601 with a space between date and time; any other text as it is.
fn moment(text: &str) -> String {
    match text.split_once('T') {
        Some((date, time)) if date.len() == 10 && time.starts_with(|first: char| first.is_ascii_digit()) => {
            format!("{date} {time}")
        }
        _ => text.to_owned(),
    }
}

fn missing_card(picture: &MissingPicture) -> Card {
    Card { asked: picture.asked > 0, ..card(&picture.record) }
}

fn returned_card(picture: &ReturnedPicture) -> Card {
    Card {
        source: Some(shown(&picture.path)),
        source_size: size(picture.bytes),
        copy: picture.copy,
        by_person: picture.by_person,
        ..card(&picture.record)
    }
}

fn problem(file: &ProblemFile) -> Problem {
    let cut = file.truncated.then_some("the transfer broke off before the end; please send it again");
    let reason = match (&file.reason, cut) {
        (Some(reason), _) => shown(reason.as_bytes()),
        (None, Some(cut)) => cut.into(),
        (None, None) => "it could not be read".into(),
    };
    Problem { path: shown(&file.path), size: size(file.bytes), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(records: i64, returned: i64) -> CustomerCounts {
        CustomerCounts { records, returned, ..CustomerCounts::default() }
    }

    #[test]
    fn the_headline_reads_as_a_sentence() {
        assert_eq!(headline(&counts(0, 0)), "No pictures are being looked for yet");
        assert_eq!(headline(&counts(1, 0)), "None of 1 picture is back yet");
        assert_eq!(headline(&counts(1, 1)), "The one lost picture is back");
        assert_eq!(headline(&counts(7, 1)), "1 of 7 pictures is back");
        assert_eq!(headline(&counts(7, 7)), "All 7 pictures are back");
    }

    #[test]
    fn moments_are_read_by_people() {
        assert_eq!(moment("2018-06-30T06:31:58"), "2018-06-30 06:31:58");
        assert_eq!(moment("Tuesday"), "Tuesday");
    }

    #[test]
    fn the_bar_never_exceeds_the_whole() {
        let bar = bar(3, &[("whole", 1), ("copy", 0), ("asked", 2)]);
        let total: f64 = bar.iter().map(|part| part.width.parse::<f64>().unwrap()).sum();
        assert!((total - 100.0).abs() < 0.01);
        assert_eq!(bar.iter().map(|part| part.class).collect::<Vec<_>>(), ["whole", "asked"]);
    }
}
