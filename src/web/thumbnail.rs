//! The pictures on the pages: the bytes of thumbnails as they were imported.
//!
//! Imported bytes are not ours and may be anything. They are served only when they begin as a picture that browsers show,
//! under exactly that type, and in a sandbox, so that nothing in them can act as a page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::gate::plain;
use super::pages::{Fault, read};
use crate::domain::ThumbnailId;

pub(super) async fn thumbnail(
    State(context): State<Arc<WebContext>>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let Ok(id) = id.parse() else { return Err(Fault::NoPage) };
    let Some(bytes) = read(&context, move |tx| tx.page_thumbnail(ThumbnailId(id))).await? else {
        return Err(Fault::NoPage);
    };
    let Some(kind) = kind(&bytes) else {
        return Ok(*plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This thumbnail is not of a kind that browsers show."));
    };
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        // Its address carries its digest: another picture would have another address.
        (CACHE_CONTROL, "private, max-age=86400, immutable"),
    ];
    Ok((headers, bytes).into_response())
}

/// The type of a picture by its first bytes; none for whatever browsers do not show as one.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        // The header's own length and a reserved zero keep a text that begins with BM out.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("image/bmp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_have_a_kind() {
        assert_eq!(kind(b"\xff\xd8\xff\xe0rest"), Some("image/jpeg"));
        assert_eq!(kind(b"GIF89a"), Some("image/gif"));
        assert_eq!(kind(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        for other in
            [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"<html>", b"", b"BM is a text", b"RIFF1234AVI "]
        {
            assert_eq!(kind(other), None);
        }
    }
}
