//! "I don't have it": giving up pictures that nobody will send, looking for them again, and asking for more time before others are
//! given up.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::WebContext;
use super::pages::{Asked, Fault, read, write};
use super::visitor::Visitor;
use crate::catalogue::MissingFilter;
use crate::domain::{CustomerId, Micros, RecordId};

/// What the history says when customers give a picture up themselves.
const BY_CUSTOMER: &str = "the customer does not have it";

/// Records that one unit of work changes, so that no acknowledgement waits for long behind it.
const BATCH: usize = 500;

type Fields = Vec<(String, String)>;

/// `/customers/{id}/remove`: the chosen records, or all missing ones that a filter leaves, are no longer looked for. The page behind it
/// can undo just that.
pub(super) async fn remove(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Fault> {
    let (id, at) = (customer(&id)?, Micros::now());
    let records = match field(&fields, "all") {
        "" => chosen(&fields)?,
        _ => all_missing(&context, id, filter(&fields)?).await?,
    };
    let why = if visitor.is_staff() { "" } else { BY_CUSTOMER };
    let mut removed = 0;
    for some in records.chunks(BATCH) {
        let (some, who) = (some.to_vec(), visitor.name());
        removed += write(&context, move |tx| tx.retire(id, &some, &who, why, at)).await?.len();
    }
    let removed = if removed == 0 { "none".to_owned() } else { at.0.to_string() };
    // Whoever works for the shop may take back there that it is looked for again.
    let back = if field(&fields, "from") == "removed" { "/removed".into() } else { format!("/customers/{id}/missing") };
    Ok(Redirect::to(&format!("{back}?removed={removed}")).into_response())
}

/// `/customers/{id}/restore`: the chosen records are looked for again, or those that were given up at one moment, or all.
pub(super) async fn restore(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Fault> {
    let id = customer(&id)?;
    // What was chosen on one page can be put back from where that leads.
    let undo: Vec<String> = chosen(&fields)?.iter().take(BATCH).map(|record| record.0.to_string()).collect();
    let records = match (field(&fields, "all"), field(&fields, "at")) {
        ("", "") => chosen(&fields)?,
        ("", at) => {
            let at = moment(at).ok_or(Fault::Asked("What was given up together is named by its moment."))?;
            read(&context, move |tx| tx.retired_at(id, at)).await?
        }
        _ => all_retired(&context, id).await?,
    };
    let mut restored = 0;
    for some in records.chunks(BATCH) {
        let (some, who) = (some.to_vec(), visitor.name());
        restored += write(&context, move |tx| tx.restore(id, &some, &who)).await?.len();
    }
    let undo = if undo.is_empty() || restored == 0 { String::new() } else { format!("&undo={}", undo.join(",")) };
    Ok(Redirect::to(&format!("/customers/{id}/missing?restored={restored}{undo}")).into_response())
}

/// `/customers/{id}/keep`: what was announced to be given up is looked for on, or that is taken back.
pub(super) async fn keep(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Fault> {
    let (id, who) = (customer(&id)?, visitor.name());
    // Whoever works for the shop does it from the list of all customers.
    let back = if field(&fields, "from") == "removed" { "/removed".to_owned() } else { format!("/customers/{id}") };
    let said = match field(&fields, "undo") {
        "" => {
            let now = Micros::now();
            let kept = write(&context, move |tx| tx.keep_looking(id, &who, now)).await?;
            // By the moment, and of whom, it can be taken back.
            format!("kept={kept}&since={}&of={id}", now.0)
        }
        at => {
            let at = moment(at).ok_or(Fault::Asked("What is taken back is named by its moment."))?;
            let left = write(&context, move |tx| tx.keep_looking_no_more(id, &who, at)).await?;
            format!("left={left}")
        }
    };
    Ok(Redirect::to(&format!("{back}?{said}")).into_response())
}

fn customer(id: &str) -> Result<CustomerId, Fault> {
    Ok(CustomerId(id.parse().map_err(|_| Fault::NoPage)?))
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// The records that a form names.
fn chosen(fields: &Fields) -> Result<Vec<RecordId>, Fault> {
    let named = fields.iter().filter(|(name, _)| name == "record");
    named
        .map(|(_, id)| id.parse().map(RecordId).map_err(|_| Fault::Asked("A record is chosen by its number.")))
        .collect()
}

/// The filter that a form brings along from the page that it is on.
fn filter(fields: &Fields) -> Result<MissingFilter, Fault> {
    let text = |name| field(fields, name).to_owned();
    let mut asked = Asked::default();
    (asked.words, asked.folder, asked.size) = (text("words"), text("folder"), text("size"));
    (asked.from, asked.to) = (text("from"), text("to"));
    asked.filter()
}

async fn all_missing(context: &Arc<WebContext>, id: CustomerId, filter: MissingFilter) -> Result<Vec<RecordId>, Fault> {
    let rows = read(context, move |tx| tx.page_missing(id, &filter, 0, i64::MAX)).await?;
    Ok(rows.into_iter().map(|row| RecordId(row.id)).collect())
}

async fn all_retired(context: &Arc<WebContext>, id: CustomerId) -> Result<Vec<RecordId>, Fault> {
    let rows = read(context, move |tx| tx.page_retired(id, 0, i64::MAX)).await?;
    Ok(rows.into_iter().map(|row| RecordId(row.id)).collect())
}

/// The moment that the address of the page after [`remove`] names.
pub(super) fn moment(text: &str) -> Option<Micros> {
    text.parse().ok().map(Micros)
}
