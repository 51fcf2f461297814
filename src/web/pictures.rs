//! What a person is asked about, drawn: thumbnail, file and difference beside each other, at the thumbnail's scale.
//!
//! Drawing one decodes an upload, so the last ones are kept: the page draws them to know their size, then the browser fetches
//! them, and the page before had the next one drawn already.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::pages::Fault;
use crate::domain::CandidateId;
use crate::pipeline;

/// Pictures that are kept; one takes about a hundred kilobytes.
const KEPT: usize = 64;

/// The pictures that were drawn last.
#[derive(Debug, Default)]
pub struct Pictures {
    kept: Mutex<VecDeque<(CandidateId, Option<Arc<Picture>>)>>,
}

/// Three parts of the same size beside each other.
#[derive(Debug)]
pub(super) struct Picture {
    /// The width of one part, in pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    png: Vec<u8>,
}

impl Pictures {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(CandidateId, Option<Arc<Picture>>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A candidate's picture; nothing where its file cannot be compared with the thumbnail.
pub(super) async fn drawn(context: &Arc<WebContext>, candidate: CandidateId) -> Result<Option<Arc<Picture>>, Fault> {
    let context = Arc::clone(context);
    let draw = move || -> Result<Option<Arc<Picture>>, Fault> {
        if let Some((_, picture)) = context.pictures.kept().iter().find(|(of, _)| *of == candidate) {
            return Ok(picture.clone());
        }
        let picture = match pipeline::picture_of(&context.pipeline, candidate)? {
            None => None,
            Some(pixels) => {
                Some(Arc::new(Picture { width: pixels.width / 3, height: pixels.height, png: pixels.to_png()? }))
            }
        };
        let mut kept = context.pictures.kept();
        kept.push_back((candidate, picture.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(picture)
    };
    tokio::task::spawn_blocking(draw).await?
}

/// `/candidates/{id}/picture`.
pub(super) async fn picture(State(context): State<Arc<WebContext>>, Path(id): Path<String>) -> Result<Response, Fault> {
    let id = CandidateId(id.parse().map_err(|_| Fault::NoPage)?);
    let picture = drawn(&context, id).await?.ok_or(Fault::NoPage)?;
    let headers = [(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, picture.png.clone()).into_response())
}
