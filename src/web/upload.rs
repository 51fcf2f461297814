//! The page of one received file, where those who work for the shop find its record by hand.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::WebContext;
use super::cards::{Card, card};
use super::desk::{Asked, HISTORY_SHOWN, Line, history_of_file, place};
use super::files::{FileLine, file_line};
use super::pages::{Fault, read, write};
use super::text::{query, sentence};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{Act, Fate, MissingFilter};
use crate::domain::{RecordId, UploadId};
use crate::tree::shown;

/// Records that are shown beside a file whose record is looked for.
const RECORDS_SHOWN: i64 = 60;

#[derive(Template)]
#[template(path = "upload.html", config = "src/web/askama.toml")]
struct UploadPage {
    frame: Frame,
    file: FileLine,
    customer: i64,
    words: String,
    records: Vec<Card>,
    /// What leads to the next of them, if there are more.
    next: Option<String>,
    later: bool,
    /// Whether a person has put it on a record, and the pipeline has not done so yet.
    placing: bool,
    /// What is wrong with a file that is of use all the same.
    damage: Option<String>,
    history: Vec<Line>,
    done: &'static str,
    /// The record that the page before has put the file on.
    attached: i64,
}

/// `/uploads/{id}`: one received file, and the records that it may belong to.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let id = UploadId(id);
    let (words, behind) = (asked.words.trim().to_owned(), place(&asked.behind, 0)?);
    let words = Some(words).filter(|words| !words.is_empty());
    let found = read(&context, move |tx| {
        let Some(file) = tx.page_file(id)? else { return Ok(None) };
        let filter = MissingFilter { words, ..MissingFilter::default() };
        let records = tx.page_missing(file.customer, &filter, behind, RECORDS_SHOWN + 1)?;
        let named = tx.record_named_for(&file)?.filter(|_| file.fate != Fate::Back);
        Ok(Some((file, records, tx.history_of_upload(id, HISTORY_SHOWN)?, named)))
    });
    let (file, records, history, named) = found.await?.ok_or(Fault::NoPage)?;
    let damage =
        file.problem.as_deref().filter(|_| file.fate != Fate::Problem).map(|problem| shown(problem.as_bytes()));
    let mut line = file_line(&file, true, &context.zone);
    let placing = named.is_some();
    if let Some((record, name)) = named {
        line.fate = Fate::Back.word();
        line.state = "put on by a person".to_owned();
        line.record = Some((record.0, shown(name.as_bytes())));
    }
    let page = UploadPage {
        frame: Frame::of(&visitor),
        customer: file.customer.0,
        file: line,
        placing,
        damage: damage.map(|words| sentence(&words)),
        next: records.get(RECORDS_SHOWN as usize).and(records.get(RECORDS_SHOWN as usize - 1)).map(|last| {
            let behind = last.id.to_string();
            let all = [("words", asked.words.as_str()), ("behind", behind.as_str())];
            query(all.into_iter().filter(|(_, value)| !value.is_empty()))
        }),
        later: behind > 0,
        words: asked.words,
        records: records
            .iter()
            .take(RECORDS_SHOWN as usize)
            .map(|missing| Card { id: missing.id, ..card(&missing.record) })
            .collect(),
        history: history_of_file(&history, &context.zone),
        done: match asked.done.as_str() {
            "attached" => "Noted: it is put on the record.",
            "taken" => "Nothing was changed: it is not stored yet, or the record is another customer's.",
            "undone" => "Taken back, as if it had not been said.",
            "nothing" => "There was nothing to take back any more.",
            _ => "",
        },
        attached: place(&asked.at, 0)?,
    };
    Ok(Html(page.render()?))
}

/// What the form of a file's page sends.
#[derive(serde::Deserialize)]
pub(super) struct Attach {
    record: i64,
    #[serde(default)]
    why: String,
    #[serde(default)]
    undo: String,
}

/// `/uploads/{id}/attach`: a person names the record of a file, or takes that back. The pipeline puts it there.
pub(super) async fn attach(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Form(form): Form<Attach>,
) -> Result<Response, Fault> {
    let (upload, record, who) = (UploadId(id), RecordId(form.record), visitor.name());
    let undo = !form.undo.is_empty();
    let done = write(&context, move |tx| {
        // Of another customer's record there is no pair with this file.
        let Some(subject) = tx.upload_subject(record, upload)? else { return Ok("taken") };
        if undo {
            return Ok(if tx.withdraw(&subject, &who, "")? { "undone" } else { "nothing" });
        }
        if tx.record(record)?.retired {
            return Ok("taken");
        }
        tx.decide(&subject, Act::Attach, &who, form.why.trim())?;
        Ok("attached")
    });
    let said = done.await?;
    let at = form.record.to_string();
    let pairs = [("done", said), ("at", at.as_str())];
    let pairs = pairs.into_iter().filter(|(name, _)| *name == "done" || said == "attached");
    Ok(Redirect::to(&format!("/uploads/{id}?{}", query(pairs))).into_response())
}
