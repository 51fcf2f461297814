//! What those who work for the shop see and do on the page of a record.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::WebContext;
use super::desk::{Line, history_of_record};
use super::pages::{Fault, read, write};
use super::review::address_of;
use super::visitor::Visitor;
use crate::catalogue::{Act, Subject};
use crate::domain::{RecordId, UploadId};
use crate::tree::shown;

/// What the page of a record has for those who work for the shop.
pub(super) struct Desk {
    /// Likely files that wait for a person, the likeliest first: number and path.
    pub(super) asked: Vec<(i64, String)>,
    /// Where they are asked about.
    pub(super) review: String,
    /// The file that it came back from.
    pub(super) standing: Option<(i64, String)>,
    pub(super) history: Vec<Line>,
    /// What was done on the page before.
    pub(super) done: &'static str,
    pub(super) can_undo: bool,
}

impl Desk {
    pub(super) async fn of(context: &Arc<WebContext>, id: RecordId, done: &str) -> Result<Self, Fault> {
        let found = read(context, move |tx| {
            let standing = match tx.standing_subject(id)?.and_then(|subject| subject.upload) {
                Some(upload) => tx.page_file(upload)?,
                None => None,
            };
            Ok((tx.asked_about(id)?, standing))
        });
        let (asked, standing) = found.await?;
        // The pipeline takes it off in a moment; nobody is to say it twice.
        let standing = standing.filter(|_| done != "off");
        let named = |(id, path): (UploadId, Vec<u8>)| (id.0, shown(&path));
        let (done, can_undo) = match done {
            "off" => ("Noted: it is not the picture, and it leaves the record.", true),
            "undone" => ("Taken back, as if it had not been said.", false),
            "nothing" => ("Nothing was changed: something else was said about it meanwhile.", false),
            _ => ("", false),
        };
        Ok(Desk {
            asked: asked.into_iter().map(named).collect(),
            review: address_of(id.0),
            standing: standing.map(|file| named((file.id, file.path))),
            history: history_of_record(context, id).await?,
            done,
            can_undo,
        })
    }
}

/// What the form sends that takes a file off its record, or takes that back.
#[derive(serde::Deserialize)]
pub(super) struct Detach {
    /// The file that the page showed, so that nobody takes off what came meanwhile.
    #[serde(default)]
    upload: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    undo: String,
}

/// `/records/{id}/detach`: a person says that what stands on a record is not its picture. The pipeline takes it off.
pub(super) async fn detach(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Form(form): Form<Detach>,
) -> Result<Response, Fault> {
    let (record, who) = (RecordId(id), visitor.name());
    let done = write(&context, move |tx| {
        if form.undo.is_empty() {
            let standing = tx.standing_subject(record)?;
            let meant =
                standing.filter(|subject| subject.upload.is_some_and(|upload| upload.to_string() == form.upload));
            let Some(subject) = meant else { return Ok("nothing") };
            tx.decide(&subject, Act::Detach, &who, form.why.trim())?;
            return Ok("off");
        }
        let Some((digest, number, by)) = tx.last_decided(record)? else { return Ok("nothing") };
        let customer = tx.record(record)?.customer;
        let subject = Subject { customer, record, digest, number, upload: None };
        Ok(if by == who && tx.withdraw(&subject, &who, "")? { "undone" } else { "nothing" })
    });
    Ok(Redirect::to(&format!("/records/{id}/send?done={}", done.await?)).into_response())
}
