//! The pictures on the pages: thumbnails and received files, made anew by the decode children.
//!
//! What was imported or sent is not ours and may be anything: bytes that act as something else, and metadata that say where and when
//! somebody was. Browsers get pixels, encoded by us. The last ones are kept, for decoding costs more than sending.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::pages::Fault;
use crate::domain::{CustomerId, Digest, ThumbnailId, UploadId};
use crate::pipeline;

/// Bytes of pictures that are kept.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// What a picture without bytes weighs in that: its places in map and queue.
const ENTRY_BYTES: usize = 128;

/// The long side of a picture on a page in pixels, at least.
const SIDE: u32 = 480;

/// Whose picture: of a customer, or of a thumbnail, which has none.
type Key = (Option<CustomerId>, Digest);

/// A picture for browsers; nothing where none can be read.
type Picture = Option<Arc<Vec<u8>>>;

/// The pictures that were made last.
#[derive(Default)]
pub struct Shown(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pictures: HashMap<Key, Picture>,
    /// In the order in which they came.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Shown {
    fn find(&self, key: Key) -> Option<Picture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pictures.get(&key).cloned()
    }

    fn keep(&self, key: Key, picture: &Picture) {
        let weight = |picture: &Picture| ENTRY_BYTES + picture.as_ref().map_or(0, |bytes| bytes.len());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.pictures.insert(key, picture.clone()).is_none() {
            kept.order.push_back(key);
            kept.bytes += weight(picture);
        }
        while kept.bytes > KEPT_BYTES_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            let weight = kept.pictures.remove(&oldest).map_or(0, |picture| weight(&picture));
            kept.bytes -= weight;
        }
    }
}

/// `/thumbnails/{id}`: what survived of a record.
pub(super) async fn thumbnail(State(context): State<Arc<WebContext>>, Path(id): Path<i64>) -> Result<Response, Fault> {
    let make = move || -> Result<Option<Picture>, Fault> {
        let Some((digest, bytes)) = context.catalogue.read(|tx| tx.page_thumbnail(ThumbnailId(id)))? else {
            return Ok(None);
        };
        let key = (None, digest);
        if let Some(picture) = context.shown.find(key) {
            return Ok(Some(picture));
        }
        let picture = pipeline::shown_thumbnail(&context.pipeline, bytes, SIDE)?.map(Arc::new);
        context.shown.keep(key, &picture);
        Ok(Some(picture))
    };
    answer(tokio::task::spawn_blocking(make).await?)
}

/// `/uploads/{id}/picture`: what a received file shows.
pub(super) async fn upload(State(context): State<Arc<WebContext>>, Path(id): Path<i64>) -> Result<Response, Fault> {
    let make = move || -> Result<Option<Picture>, Fault> {
        let Some(upload) = context.catalogue.read(|tx| tx.upload(UploadId(id)))? else { return Ok(None) };
        let key = (Some(upload.customer), upload.sha256);
        if let Some(picture) = context.shown.find(key) {
            return Ok(Some(picture));
        }
        let made = pipeline::shown_upload(&context.pipeline, upload.customer, upload.sha256, SIDE)?;
        let picture = made.map(Arc::new);
        context.shown.keep(key, &picture);
        Ok(Some(picture))
    };
    answer(tokio::task::spawn_blocking(make).await?)
}

/// Pictures are a part of a page that says more than they do, so one that cannot be had is a picture that says so.
fn answer(made: Result<Option<Picture>, Fault>) -> Result<Response, Fault> {
    let sandbox = (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox");
    let placeholder = |kept: &'static str| {
        let headers = [(CONTENT_TYPE, "image/svg+xml"), sandbox.clone(), (CACHE_CONTROL, kept)];
        (headers, include_str!("assets/no-picture.svg")).into_response()
    };
    match made {
        Ok(None) => Err(Fault::NoPage),
        Ok(Some(Some(bytes))) => {
            let kind = if bytes.starts_with(b"\x89PNG") { "image/png" } else { "image/jpeg" };
            // Its address carries its digest: another picture would have another address.
            let headers = [(CONTENT_TYPE, kind), sandbox, (CACHE_CONTROL, "private, max-age=86400, immutable")];
            Ok((headers, bytes.to_vec()).into_response())
        }
        Ok(Some(None)) => Ok(placeholder("private, max-age=3600")),
        Err(Fault::Pipeline(error)) => {
            tracing::warn!("a picture of a page could not be made: {error}");
            Ok(placeholder("no-store"))
        }
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let shown = Shown::default();
        let key = |number: u32| (None, Digest::of(&number.to_le_bytes()));
        for number in 0..70 {
            shown.keep(key(number), &Some(Arc::new(vec![0; 1 << 20])));
        }
        shown.keep(key(70), &None);
        assert_eq!(shown.find(key(0)), None);
        assert!(shown.find(key(69)).is_some_and(|picture| picture.is_some()));
        assert_eq!(shown.find(key(70)), Some(None), "what cannot be read is not read again");
        assert!(shown.0.lock().unwrap().bytes <= KEPT_BYTES_MAX);
        assert_ne!((Some(CustomerId(1)), Digest([0; 32])), (Some(CustomerId(2)), Digest([0; 32])));
    }
}
