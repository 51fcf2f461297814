//! Sending files from the pages: what scripts send goes on to `endpoint::browser` as it is, forms with files are taken apart here.
//!
//! Which customer a request is for, and that it comes from a page of ours, is known before; the bytes are none of our business.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::cards::{Card, card};
use super::counts::counts;
use super::pages::{Fault, read};
use super::record::Desk;
use super::routes::wrong_mark;
use super::text::{long_day, size};
use super::visitor::{Frame, Visitor};
use crate::domain::{CustomerId, RecordId, TransferId};
use crate::endpoint::browser::FormFault;
use crate::tree::{NAME_BYTES_MAX, TreeError, TreePath, shown};

/// Files that were not sent to their end which a page names.
const UNFINISHED_SHOWN: i64 = 50;

/// Bytes of a form's mark at most: it has 64.
const MARK_BYTES_MAX: usize = 1000;

/// What a page needs so that files can be sent from it.
pub(super) struct Sender {
    /// Where scripts begin a file.
    pub(super) address: String,
    /// Where the form goes.
    pub(super) form: String,
    /// The folder that everything goes into; empty for none.
    pub(super) folder: String,
    /// Files that were not sent to their end.
    pub(super) unfinished: Vec<Unfinished>,
    /// How many the form before has brought.
    pub(super) sent: usize,
}

/// A file that was not sent to its end.
pub(super) struct Unfinished {
    pub(super) path: String,
    pub(super) here: String,
    pub(super) whole: String,
}

impl Sender {
    /// For a customer's own page.
    pub(super) async fn of(context: &Arc<WebContext>, id: CustomerId, sent: usize) -> Result<Self, Fault> {
        let browser = Arc::clone(&context.browser);
        let rows = tokio::task::spawn_blocking(move || browser.unfinished(id, UNFINISHED_SHOWN)).await??;
        let unfinished = rows.iter().map(|(row, here)| Unfinished {
            path: shown(&row.path),
            here: size(i64::try_from(*here).unwrap_or(i64::MAX)),
            whole: size(i64::try_from(row.length).unwrap_or(i64::MAX)),
        });
        Ok(Sender {
            address: format!("/customers/{id}/transfers"),
            form: format!("/customers/{id}/send"),
            folder: String::new(),
            unfinished: unfinished.collect(),
            sent,
        })
    }
}

/// What an address says of the form before.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    pub(super) sent: String,
    /// How many are looked for on since the page before.
    pub(super) kept: String,
    /// The moment by which that can be taken back.
    pub(super) since: String,
    /// How many are looked for no longer than before after all.
    pub(super) left: String,
    /// What was done on the page of a record.
    pub(super) done: String,
}

impl Sent {
    pub(super) fn count(&self) -> usize {
        self.sent.parse().unwrap_or(0)
    }
}

#[derive(Template)]
#[template(path = "record.html", config = "src/web/askama.toml")]
struct RecordSend {
    frame: Frame,
    customer: CustomerId,
    name: String,
    id: i64,
    card: Card,
    back: bool,
    copy: bool,
    retired: bool,
    /// On which day it is given up, if that is announced.
    retire_day: Option<String>,
    /// For those who work for the shop.
    desk: Option<Desk>,
    send: Sender,
}

#[derive(Template)]
#[template(path = "sent.html", config = "src/web/askama.toml")]
struct SentPage {
    frame: Frame,
    back: String,
    received: usize,
    refused: Vec<Refused>,
}

/// A file of a form that was not received, and why.
struct Refused {
    path: String,
    reason: String,
}

/// OPTIONS `/customers/{id}/transfers`.
pub(super) async fn options(State(context): State<Arc<WebContext>>) -> Response {
    context.browser.options()
}

/// POST `/customers/{id}/transfers`: a file is about to be sent.
pub(super) async fn begin(State(context): State<Arc<WebContext>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    context.browser.begin(CustomerId(id), &headers, |transfer| format!("/transfers/{transfer}")).await
}

/// HEAD `/transfers/{id}`: how much of it is here.
pub(super) async fn offset(
    State(context): State<Arc<WebContext>>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Response {
    context.browser.offset_of(TransferId(id), &headers).await
}

/// PATCH `/transfers/{id}`: bytes of it.
pub(super) async fn receive(State(context): State<Arc<WebContext>>, Path(id): Path<i64>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    context.browser.receive(TransferId(id), &parts.headers, body).await
}

/// DELETE `/transfers/{id}`: it is not wanted.
pub(super) async fn end(State(context): State<Arc<WebContext>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    context.browser.end(TransferId(id), &headers).await
}

/// `/records/{id}/send`: one missing picture, and what to send it with.
pub(super) async fn record_page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Query(sent): Query<Sent>,
) -> Result<Html<String>, Fault> {
    let id = RecordId(id);
    let page = read(&context, move |tx| tx.page_record(id)).await?.ok_or(Fault::NoPage)?;
    let customer = counts(&context, page.customer).await?.ok_or(Fault::NoPage)?;
    let desk = if visitor.is_staff() { Some(Desk::of(&context, id, &sent.done).await?) } else { None };
    let send = Sender {
        form: format!("/records/{id}/send"),
        folder: folder_for(&page.record.record),
        unfinished: Vec::new(),
        ..Sender::of(&context, page.customer, sent.count()).await?
    };
    let page = RecordSend {
        frame: Frame::of(&visitor),
        customer: page.customer,
        name: shown(customer.name.as_bytes()),
        card: card(&page.record),
        back: page.back,
        copy: page.copy,
        retired: page.retired,
        retire_day: page.retire_at.map(long_day),
        desk,
        id: id.0,
        send,
    };
    Ok(Html(page.render()?))
}

/// The folder for what is sent for a record. It is a name and no more: what is in it is matched as everything else is.
fn folder_for(record: &str) -> String {
    let mut name: String = "Sent for ".chars().chain(record.chars().filter(|c| *c != '\0')).collect();
    name = name.replace('/', "-");
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    name
}

/// POST `/customers/{id}/send`: files in a form.
pub(super) async fn customer_form(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    form: Multipart,
) -> Result<Response, Fault> {
    let back = format!("/customers/{id}");
    receive_form(&context, &visitor, CustomerId(id), "", back, form).await
}

/// POST `/records/{id}/send`: files in a form that may be a certain picture.
pub(super) async fn record_form(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    form: Multipart,
) -> Result<Response, Fault> {
    let page = read(&context, move |tx| tx.page_record(RecordId(id))).await?.ok_or(Fault::NoPage)?;
    let (folder, back) = (folder_for(&page.record.record), format!("/records/{id}/send"));
    receive_form(&context, &visitor, page.customer, &folder, back, form).await
}

async fn receive_form(
    context: &Arc<WebContext>,
    visitor: &Visitor,
    customer: CustomerId,
    folder: &str,
    back: String,
    mut form: Multipart,
) -> Result<Response, Fault> {
    let (mut marked, mut received, mut refused) = (false, 0, Vec::new());
    // A form that breaks off ends like one that is over: what came before is received.
    while let Ok(Some(mut field)) = form.next_field().await {
        if !marked {
            // It stands first, so that nothing is received for a page that is not ours.
            let mut mark = Vec::new();
            while let Ok(Some(part)) = field.chunk().await {
                mark.extend_from_slice(&part);
                if mark.len() > MARK_BYTES_MAX {
                    break;
                }
            }
            marked = field.name() == Some("mark") && mark == visitor.mark.as_bytes();
            if !marked {
                return Ok(wrong_mark());
            }
            continue;
        }
        // Without a choice browsers send a file without a name.
        let Some(name) = field.file_name().map(unescaped).filter(|name| !name.is_empty()) else { continue };
        let outcome = match path_in(folder, &name) {
            Ok(path) => context.browser.receive_form(customer, path, field).await,
            Err(fault) => Err(fault.into()),
        };
        match outcome {
            Ok(_) => received += 1,
            Err(fault) => {
                let broken = matches!(fault, FormFault::Broken);
                refused.push(Refused { path: shown(name.as_bytes()), reason: fault.to_string() });
                if broken {
                    break;
                }
            }
        }
    }
    if !marked {
        return Ok(wrong_mark());
    }
    if refused.is_empty() {
        return Ok(Redirect::to(&format!("{back}?sent={received}")).into_response());
    }
    let page = SentPage { frame: Frame::of(visitor), back, received, refused }.render()?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page)).into_response())
}

/// A file's name as it was before the browser wrote it into a form: quotes and line ends are escaped there.
fn unescaped(name: &str) -> String {
    name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// Where a file of this name goes: below `folder`, whatever the name says.
fn path_in(folder: &str, name: &str) -> Result<TreePath, TreeError> {
    let below = TreePath::resolve(&TreePath::root(), name.as_bytes())?;
    if below.is_root() {
        return Err(TreeError::Root);
    }
    let whole = [folder.as_bytes(), b"/", &below.to_bytes()].concat();
    Ok(TreePath::resolve(&TreePath::root(), &whole)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_one_folder_whatever_it_is_called() {
        assert_eq!(folder_for("order-7/1"), "Sent for order-7-1");
        assert_eq!(folder_for("../..\0"), "Sent for ..-..");
        assert!(folder_for(&"ö".repeat(300)).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(path_in("Sent for 7", "../../a/b.jpg").unwrap().to_bytes(), b"Sent for 7/a/b.jpg");
        assert_eq!(path_in("", "/a/b.jpg").unwrap().to_bytes(), b"a/b.jpg");
        assert!(path_in("f", "..").is_err());
    }
}
