//! `/embed`: a customer's missing pictures inside a page of the shop.
//!
//! Only pages of the origins that settings name may frame it. The shop's software asks for a key for the one customer who looks
//! at its page (`POST /api/v1/customers/{customer}/embed`); the key counts for a quarter of an hour and shows this list and
//! nothing else. Cookies count for nothing here, so no page can show a visitor's own pictures to somebody else.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::WebContext;
use super::cards::{Card, Progress, missing_card, progress};
use super::counts::counts;
use super::pages::{Fault, read};
use crate::catalogue::MissingFilter;
use crate::domain::CustomerId;

/// How long a key counts, in seconds.
pub(super) const KEY_SECONDS: i64 = 15 * 60;

/// Pictures that one page shows.
const PAGE: i64 = 30;

/// Whose pictures are shown, and the key that says so.
#[derive(Clone)]
pub(super) struct Embedded {
    pub(super) customer: CustomerId,
    pub(super) key: String,
}

/// Marks an answer that may be framed by these origins.
#[derive(Clone)]
pub(super) struct Framed;

/// What is asked for beside the key.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    behind: i64,
}

#[derive(Template)]
#[template(path = "embed.html", config = "src/web/askama.toml")]
struct Page {
    address: String,
    customer: Progress,
    cards: Vec<Card>,
    key: String,
    first: bool,
    next: Option<i64>,
}

#[derive(Template)]
#[template(path = "embed_over.html", config = "src/web/askama.toml")]
struct Over;

/// `/embed/missing`.
pub(super) async fn missing(
    State(context): State<Arc<WebContext>>,
    Extension(embedded): Extension<Embedded>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let id = embedded.customer;
    let counts = counts(&context, id).await?.ok_or(Fault::NoPage)?;
    let behind = asked.behind;
    let rows = read(&context, move |tx| tx.page_missing(id, &MissingFilter::default(), behind, PAGE + 1)).await?;
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let next = rows.get(shown).and(rows.get(shown - 1)).map(|last| last.id);
    let mut cards: Vec<Card> = rows.iter().take(shown).map(missing_card).collect();
    for card in &mut cards {
        // The same picture, at an address that the key opens.
        card.thumbnail = card.thumbnail.take().map(|address| {
            let (path, query) = address.split_once('?').unwrap_or((&address, ""));
            format!("/embed{path}?key={}&{query}", embedded.key)
        });
    }
    let page = Page {
        address: context.address.clone(),
        customer: progress(&counts, &context.zone),
        cards,
        key: embedded.key,
        first: asked.behind == 0,
        next,
    };
    Ok(framed(&context, Html(page.render()?).into_response()))
}

/// What a frame shows whose key is over.
pub(super) fn over(context: &WebContext) -> Result<Response, Fault> {
    Ok(framed(context, (StatusCode::FORBIDDEN, Html(Over.render()?)).into_response()))
}

/// An answer that the named origins may frame.
fn framed(context: &WebContext, mut answer: Response) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {}",
        context.embed_origins.join(" ")
    );
    // The origins were checked when the settings were read; were one of them no header's text, nobody could frame it.
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    answer.extensions_mut().insert(Framed);
    answer
}
