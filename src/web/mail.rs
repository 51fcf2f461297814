//! `/mail`: where the link in each mail leads. Its key says whose mail it is, and switches that and nothing else.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::pages::{Fault, read, write};
use super::text::percent;
use super::visitor::Frame;
use crate::catalogue::Mailing;

/// What the link holds.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    key: String,
}

#[derive(Template)]
#[template(path = "mail.html", config = "src/web/askama.toml")]
struct Page {
    frame: Frame,
    key: String,
    off: bool,
}

async fn mailing(context: &Arc<WebContext>, key: &str) -> Result<Mailing, Fault> {
    let key = key.to_owned();
    read(context, move |tx| tx.mailing_by_key(&key)).await?.ok_or(Fault::NoPage)
}

/// Shows whether mail is sent. Programs that open links in mail change nothing by it.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let mailing = mailing(&context, &asked.key).await?;
    Ok(Html(Page { frame: Frame::default(), key: mailing.key, off: mailing.off }.render()?))
}

/// Switches it: as the page's button says, or off, as the button of a mail program does (RFC 8058).
pub(super) async fn switch(
    State(context): State<Arc<WebContext>>,
    Query(asked): Query<Asked>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let mailing = mailing(&context, &asked.key).await?;
    let on = fields.iter().any(|(name, value)| name == "switch" && value == "on");
    let by_program = fields.iter().any(|(name, _)| name == "List-Unsubscribe");
    write(&context, move |tx| tx.mail_switch(mailing.customer, !on)).await?;
    if by_program {
        return Ok("switched off\n".into_response());
    }
    Ok(Redirect::to(&format!("/mail?key={}", percent(&asked.key))).into_response())
}
