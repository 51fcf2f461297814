//! Reports on pages and as files: the match report for those who work for the shop, a customer's own report for both.
//!
//! What stands in them is the business of [`crate::report`]; here is which rows are asked for, and in what form. The CSV is for
//! spreadsheets, as everything that a page lets somebody download; the command line gives the exact one.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};

use super::WebContext;
use super::counts::{all_counts, total};
use super::pages::{Fault, day, read};
use super::text::{midnight, minute, number, query};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{CustomerCounts, MatchFilter, MatchPlace, MatchRow};
use crate::domain::{CustomerId, Micros, Verdict, Zone};
use crate::report::text::{moment, visible};
use crate::report::{Cell, Format, IN_TREE, InTreeError, Sheet, in_tree, matches, spreadsheet};

/// Rows of the match report that one page shows.
const ROWS: usize = 200;

/// Rows of it that one page to be printed holds: about fifty sheets of paper.
const ROWS_PRINTED: usize = 2_000;

/// Customers that the page lets one choose from; of more, one writes the name.
const CUSTOMERS_MAX: usize = 100;

/// The columns that a page shows; the files have them all.
const SHOWN: [&str; 8] = ["record", "customer", "path", "verdict", "grade", "method", "decided_by", "decided_at"];

/// What people call them.
const HEADINGS: [&str; 8] = ["Record", "Customer", "File", "State", "As", "Speaks for it", "Decided by", "Decided"];

/// A cell as people read it; the files keep the exact words.
fn in_words(column: &str, cell: &Cell) -> String {
    let text = visible(&cell.bytes());
    match (column, text.as_str()) {
        ("verdict", "attach") => "came back".to_owned(),
        ("verdict", "review") => "for a person".to_owned(),
        ("grade", "original") => "the original".to_owned(),
        ("grade", "copy") => "a copy".to_owned(),
        ("method", _) => proof(&text).to_owned(),
        ("decided_by", "rule") => "the rule".to_owned(),
        _ => text,
    }
}

/// The same of a row that a person is asked about: nothing came back yet.
fn in_words_of_a_question(column: &str, cell: &Cell) -> String {
    match (column, in_words(column, cell).as_str()) {
        ("grade", "the original") => "large enough for the original".to_owned(),
        (_, words) => words.to_owned(),
    }
}

/// A method of the report as people say it.
fn proof(method: &str) -> &str {
    match method {
        "digest" => "the same digest",
        "bytes" => "length and pixels",
        "name" => "name and pixels",
        "recipe" => "the shop's thumbnail",
        "person" => "a person",
        "pixels" => "pixels alone",
        other => other,
    }
}

/// Which rows of the match report are asked for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    customer: String,
    verdict: String,
    method: String,
    from: String,
    /// The row that the page begins behind, see [`word`].
    behind: String,
}

impl Asked {
    /// The rows that are asked for; nothing for a customer who is not there. Who looks for a day gets what was decided then or later.
    fn filter(&self, customers: &[CustomerCounts], zone: &Zone) -> Result<Option<MatchFilter>, Fault> {
        let customer = match self.customer.as_str() {
            "" => None,
            name => match customers.binary_search_by(|customer| customer.name.as_str().cmp(name)) {
                Ok(at) => Some(CustomerId(customers[at].id)),
                Err(_) => return Ok(None),
            },
        };
        let verdict = match self.verdict.as_str() {
            "" => None,
            "attach" => Some(Verdict::Attach),
            "review" => Some(Verdict::Review),
            _ => return Err(Fault::Asked("A verdict is attach or review.")),
        };
        let method = Some(self.method.clone()).filter(|method| !method.is_empty());
        let since = day(&self.from)?.as_deref().and_then(|day| midnight(day, zone));
        Ok(Some(MatchFilter { customer, verdict, method, since }))
    }

    fn place(&self) -> Result<MatchPlace, Fault> {
        let no_place = Fault::Asked("There is no such place in this list; begin at its first page.");
        match self.behind.split_once('-').map(|(verdict, id)| (verdict, id.parse())) {
            None if self.behind.is_empty() => Ok(MatchPlace::FIRST),
            Some(("attach", Ok(id))) => Ok(MatchPlace::Attached(id)),
            Some(("review", Ok(id))) => Ok(MatchPlace::Asked(id)),
            _ => Err(no_place),
        }
    }

    fn query(&self, behind: Option<&str>) -> String {
        let all = [
            ("customer", self.customer.as_str()),
            ("verdict", self.verdict.as_str()),
            ("method", self.method.as_str()),
            ("from", self.from.as_str()),
            ("behind", behind.unwrap_or_default()),
        ];
        query(all.into_iter().filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Template)]
#[template(path = "matches.html", config = "src/web/askama.toml")]
struct Matches {
    frame: Frame,
    asked: Asked,
    customers: Vec<String>,
    /// Each with what people call it.
    methods: Vec<(String, String)>,
    columns: [&'static str; 8],
    rows: Vec<Linked>,
    total: String,
    files: String,
    next: Option<String>,
}

/// A row, with where its cells lead.
struct Linked {
    cells: Vec<(String, Option<String>)>,
}

impl Linked {
    fn of((place, row): (MatchPlace, MatchRow), zone: &Zone) -> Self {
        let (record, upload) = (row.record_id.0, row.upload);
        let cells = cells(place, row, zone);
        let to = |column: &str| match (column, place) {
            ("record", _) => Some(format!("/records/{record}/send")),
            ("path", _) => Some(format!("/uploads/{upload}")),
            ("verdict", MatchPlace::Asked(_)) => Some(super::review::address_of(record)),
            _ => None,
        };
        Linked { cells: SHOWN.iter().zip(cells).map(|(column, text)| (text, to(column))).collect() }
    }
}

/// `/matches`: what came back and what a person is asked about, of all customers.
pub(super) async fn matches_page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let place = asked.place()?;
    let customers = all_counts(&context).await?;
    let filter = asked.filter(&customers, &context.zone)?;
    let methods = read(&context, |tx| tx.match_methods()).await?;
    let (rows, total) = match filter {
        // A customer whom nobody knows has no rows.
        None => (Vec::new(), 0),
        Some(filter) => {
            let counted = filter.clone();
            let total = total(&context, format!("matches {filter:?}"), move |tx| tx.count_matches(&counted)).await?;
            // One more than is shown tells whether there is another page.
            (read(&context, move |tx| tx.page_matches(&filter, place, ROWS + 1)).await?, total)
        }
    };
    let next = rows.get(ROWS).and(rows.get(ROWS - 1)).map(|(last, _)| asked.query(Some(&word(*last))));
    let customers = match customers.len() {
        0..=CUSTOMERS_MAX => customers.iter().map(|customer| customer.name.clone()).collect(),
        _ => Vec::new(),
    };
    let methods = methods.into_iter().map(|method| (method.clone(), proof(&method).to_owned())).collect();
    let page = Matches {
        frame: Frame::of(&visitor),
        customers,
        methods,
        columns: HEADINGS,
        rows: rows.into_iter().take(ROWS).map(|row| Linked::of(row, &context.zone)).collect(),
        total: number(total),
        files: asked.query(None),
        next,
        asked,
    };
    Ok(Html(page.render()?))
}

#[derive(Template)]
#[template(path = "matches_print.html", config = "src/web/askama.toml")]
struct Printed {
    columns: [&'static str; 8],
    rows: Vec<Vec<String>>,
    total: String,
    at: String,
    zone: String,
    first: bool,
    next: Option<String>,
}

/// A row as people read it.
fn cells(place: MatchPlace, row: MatchRow, zone: &Zone) -> Vec<String> {
    let verdict = if matches!(place, MatchPlace::Attached(_)) { Verdict::Attach } else { Verdict::Review };
    let cells: [Cell; SHOWN.len()] = [
        row.record.into(),
        row.customer.into(),
        row.path.into(),
        verdict.word().into(),
        row.grade.into(),
        row.method.into(),
        row.decided_by.into(),
        row.decided_at.map(|at| minute(at, zone)).into(),
    ];
    let words = if verdict == Verdict::Attach { in_words } else { in_words_of_a_question };
    SHOWN.iter().zip(&cells).map(|(column, cell)| words(column, cell)).collect()
}

/// A place as addresses say it.
fn word(place: MatchPlace) -> String {
    match place {
        MatchPlace::Attached(id) => format!("attach-{id}"),
        MatchPlace::Asked(id) => format!("review-{id}"),
    }
}

/// `/matches/{form}`: the rows that are asked for, as a file with all columns, or on pages to be printed.
pub(super) async fn matches_file(
    State(context): State<Arc<WebContext>>,
    Path(form): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let customers = all_counts(&context).await?;
    let filter = asked.filter(&customers, &context.zone)?;
    match form.as_str() {
        "matches.csv" => {
            let sheet = sheet(&context, filter).await?;
            Ok(file("text/csv; charset=utf-8", "matches.csv", spreadsheet(sheet).map_err(InTreeError::from)?))
        }
        "matches.json" => {
            let (sheet, mut bytes) = (sheet(&context, filter).await?, Vec::new());
            sheet.write(Format::Json, &mut bytes).map_err(InTreeError::from)?;
            Ok(file("application/json", "matches.json", bytes))
        }
        "print" => Ok(Html(printed(&context, &asked, filter).await?.render()?).into_response()),
        _ => Err(Fault::NoPage),
    }
}

/// The rows with all columns.
async fn sheet(context: &Arc<WebContext>, filter: Option<MatchFilter>) -> Result<Sheet, Fault> {
    read(context, move |tx| {
        let mut sheet = matches(tx, filter.as_ref().and_then(|filter| filter.customer))?;
        match &filter {
            None => sheet.rows.clear(),
            Some(filter) => keep(&mut sheet, filter),
        }
        Ok(sheet)
    })
    .await
}

/// Leaves the rows that a filter asks for.
fn keep(sheet: &mut Sheet, filter: &MatchFilter) {
    let column = |name: &str| sheet.columns.iter().position(|column| column == name);
    let since = filter.since.map(moment);
    let asked = [
        (column("verdict"), filter.verdict.map(|verdict| verdict.word().to_owned())),
        (column("method"), filter.method.clone()),
    ];
    let at = column("decided_at");
    sheet.rows.retain(|row| {
        // Moments are written so that they follow each other as their letters do.
        let late = since.as_ref().zip(at).is_none_or(|(since, at)| row[at].bytes().as_slice() >= since.as_bytes());
        let equal = |(at, text): &(Option<usize>, Option<String>)| {
            at.zip(text.as_ref()).is_none_or(|(at, text)| row[at].bytes() == text.as_bytes())
        };
        late && asked.iter().all(equal)
    });
}

/// A page to be printed. A browser lays out thousands of rows without trouble, and no more than that.
async fn printed(context: &Arc<WebContext>, asked: &Asked, filter: Option<MatchFilter>) -> Result<Printed, Fault> {
    let place = asked.place()?;
    let (rows, total) = match filter {
        None => (Vec::new(), 0),
        Some(filter) => {
            let found = read(context, move |tx| {
                Ok((tx.page_matches(&filter, place, ROWS_PRINTED + 1)?, tx.count_matches(&filter)?))
            });
            found.await?
        }
    };
    let next = rows.get(ROWS_PRINTED).and(rows.get(ROWS_PRINTED - 1));
    Ok(Printed {
        columns: HEADINGS,
        next: next.map(|(last, _)| asked.query(Some(&word(*last)))),
        rows: rows.into_iter().take(ROWS_PRINTED).map(|(place, row)| cells(place, row, &context.zone)).collect(),
        total: number(total),
        at: minute(Micros::now(), &context.zone),
        zone: context.zone.to_string(),
        first: asked.behind.is_empty(),
    })
}

/// `/customers/{id}/report/{file}`: the files that customers also find in their tree.
pub(super) async fn customer_file(
    State(context): State<Arc<WebContext>>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let name = *IN_TREE.iter().find(|known| **known == name).ok_or(Fault::NoPage)?;
    let kind = if name.ends_with(".csv") { "text/csv; charset=utf-8" } else { "text/html; charset=utf-8" };
    let context = Arc::clone(&context);
    let made = tokio::task::spawn_blocking(move || {
        context.catalogue.read(|tx| match tx.page_customer(id)? {
            Some(_) => in_tree(tx, id, name),
            None => Ok(None),
        })
    });
    Ok(file(kind, name, made.await??.ok_or(Fault::NoPage)?))
}

/// A file to keep: never shown as a page of this server.
fn file(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    // The names are ours, so they are letters that a header may hold.
    let kept = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let kept = kept.unwrap_or(HeaderValue::from_static("attachment"));
    ([(CONTENT_TYPE, HeaderValue::from_static(kind)), (CONTENT_DISPOSITION, kept)], bytes).into_response()
}
