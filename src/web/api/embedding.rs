//! What lets the shop show a customer's missing pictures inside its own page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::fault::{Fault, Problem};
use crate::domain::{Digest, Micros};
use crate::report::text::moment;
use crate::web::embed::KEY_SECONDS;
use crate::web::pages::write;
use crate::web::{WebContext, new_token, pages};

/// An address for a frame.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Frame {
    /// What the frame shows: `<iframe src="...">`.
    url: String,
    /// Until when it can be opened.
    expires_at: String,
}

/// Makes an address at which one customer's missing pictures can be framed for a quarter of an hour. Ask for a new one for each
/// view of the page around it, and only for the customer who looks at it.
#[utoipa::path(post, path = "/api/v1/customers/{customer}/embed", tag = "embed", security(("token" = [])), params(
    ("customer" = String, Path, description = "The customer's name"),
), responses(
    (status = 200, description = "The address", body = Frame),
    (status = 400, description = "The address cannot be read", body = Problem),
    (status = 401, description = "No token that counts", body = Problem),
    (status = 403, description = "The token lacks the scope `embed`", body = Problem),
    (status = 404, description = "No such customer", body = Problem),
    (status = 409, description = "Settings name no origin that may frame it", body = Problem),
))]
pub(in crate::web) async fn embed(
    State(context): State<Arc<WebContext>>,
    Path(name): Path<String>,
) -> Result<Json<Frame>, Fault> {
    if context.embed_origins.is_empty() {
        let text = "settings name no page that may show it; set `web.embed_origins`";
        return Err(Fault::Refused(axum::http::StatusCode::CONFLICT, text.to_owned()));
    }
    let secret = new_token().map_err(pages::Fault::from)?;
    let (hash, now) = (Digest::of(secret.as_bytes()), Micros::now());
    let ends = now.plus_seconds(KEY_SECONDS);
    let made = write(&context, move |tx| {
        let Some(customer) = tx.customer_named(&name)? else { return Ok(false) };
        tx.embed_add(&hash, customer.id, now, ends)?;
        Ok(true)
    });
    if !made.await? {
        return Err(Fault::absent("there is no customer of that name"));
    }
    let url = format!("{}/embed/missing?key={secret}", context.address);
    Ok(Json(Frame { url, expires_at: moment(ends) }))
}
