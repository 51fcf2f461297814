//! What a person is asked about, drawn: thumbnail, file and difference beside each other, at the thumbnail's scale.
//!
//! Drawing one decodes an upload, so the last ones are kept: the page draws them to know their size, then the browser fetches
//! them, and the page before had the next one drawn already. What was drawn before the customer's records changed is drawn
//! again, and browsers keep nothing: beside another thumbnail, an old picture would be answered wrongly.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::pages::Fault;
use crate::domain::CandidateId;
use crate::pipeline;

/// Bytes of pictures that are kept.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// The pictures that were drawn last, the newest at the end.
#[derive(Debug, Default)]
pub struct Pictures {
    kept: Mutex<VecDeque<(Key, Arc<Picture>)>>,
}

/// The candidate, and the state of its customer's records.
type Key = (CandidateId, i64);

/// Three parts of the same size beside each other.
#[derive(Debug)]
pub(super) struct Picture {
    /// The width of one part, in pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    png: Vec<u8>,
}

impl Pictures {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(Key, Arc<Picture>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: Key) -> Option<Arc<Picture>> {
        self.kept().iter().find(|(of, _)| *of == key).map(|(_, picture)| Arc::clone(picture))
    }

    fn keep(&self, key: Key, picture: &Arc<Picture>) {
        let mut kept = self.kept();
        kept.push_back((key, Arc::clone(picture)));
        let mut bytes: usize = kept.iter().map(|(_, picture)| picture.png.len()).sum();
        while bytes > KEPT_BYTES_MAX
            && let Some((_, oldest)) = kept.pop_front()
        {
            bytes -= oldest.png.len();
        }
    }
}

/// A candidate's picture; nothing where there is no such candidate, or its file cannot be compared with the thumbnail.
pub(super) async fn drawn(context: &Arc<WebContext>, candidate: CandidateId) -> Result<Option<Arc<Picture>>, Fault> {
    let context = Arc::clone(context);
    let draw = move || -> Result<Option<Arc<Picture>>, Fault> {
        let Some(subject) = context.catalogue.read(|tx| tx.candidate_subject(candidate))? else { return Ok(None) };
        let key = (candidate, context.catalogue.read(|tx| tx.records_seq(subject.customer))?);
        if let Some(picture) = context.pictures.find(key) {
            return Ok(Some(picture));
        }
        let Some(pixels) = pipeline::picture_of(&context.pipeline, &subject)? else { return Ok(None) };
        let picture = Picture { width: pixels.width / 3, height: pixels.height, png: pixels.to_png()? };
        let picture = Arc::new(picture);
        context.pictures.keep(key, &picture);
        Ok(Some(picture))
    };
    tokio::task::spawn_blocking(draw).await?
}

/// `/candidates/{id}/picture`.
pub(super) async fn picture(State(context): State<Arc<WebContext>>, Path(id): Path<String>) -> Result<Response, Fault> {
    let id = CandidateId(id.parse().map_err(|_| Fault::NoPage)?);
    let picture = drawn(&context, id).await?.ok_or(Fault::NoPage)?;
    Ok(([(CONTENT_TYPE, "image/png")], picture.png.clone()).into_response())
}
