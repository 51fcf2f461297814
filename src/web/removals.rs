//! "I don't have it": giving up pictures that nobody will send, and looking for them again.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::WebContext;
use super::pages::{Fault, write};
use super::visitor::Visitor;
use crate::domain::{CustomerId, RecordId};

/// What the history says when customers give a picture up themselves.
const BY_CUSTOMER: &str = "the customer does not have it";

/// `/customers/{id}/remove`: the chosen records are no longer looked for. The page behind it can undo just that.
pub(super) async fn remove(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let (id, records, who) = (customer(&id)?, chosen(&fields)?, visitor.name());
    let why = if visitor.is_staff() { "" } else { BY_CUSTOMER };
    let removed = write(&context, move |tx| tx.retire(id, &records, &who, why)).await?;
    let removed: Vec<String> = removed.iter().map(RecordId::to_string).collect();
    let removed = if removed.is_empty() { "none".to_owned() } else { removed.join(".") };
    Ok(Redirect::to(&format!("/customers/{id}/missing?removed={removed}")).into_response())
}

/// `/customers/{id}/restore`: they are looked for again.
pub(super) async fn restore(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let (id, records, who) = (customer(&id)?, chosen(&fields)?, visitor.name());
    let restored = write(&context, move |tx| tx.restore(id, &records, &who)).await?.len();
    Ok(Redirect::to(&format!("/customers/{id}/missing?restored={restored}")).into_response())
}

fn customer(id: &str) -> Result<CustomerId, Fault> {
    Ok(CustomerId(id.parse().map_err(|_| Fault::NoPage)?))
}

/// The records that a form names.
fn chosen(fields: &[(String, String)]) -> Result<Vec<RecordId>, Fault> {
    let named = fields.iter().filter(|(name, _)| name == "record");
    named
        .map(|(_, id)| id.parse().map(RecordId).map_err(|_| Fault::Asked("A record is chosen by its number.")))
        .collect()
}

/// What the page after [`remove`] can undo: the records that its address names.
pub(super) fn removed(text: &str) -> Vec<i64> {
    text.split('.').filter_map(|id| id.parse().ok()).collect()
}
