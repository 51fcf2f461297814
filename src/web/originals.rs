//! `/originals/{record}`: what stands for a record's original. For the shop's software, and for those who work for the shop.
//!
//! Where the original came back, its very bytes, as a download that can be resumed. Where it did not, what survived of it, with
//! words burned in that say so. `Reunite-Original` says which. A store that is away is neither: that is answered 503, so that
//! nobody takes an original for lost that is only out of reach.

mod range;

use std::fs::File;
use std::io::{self, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::WebContext;
use super::api::Problem;
use super::pages::{Fault, read};
use super::text::percent;
use crate::catalogue::ListedRecord;
use crate::domain::Digest;
use crate::identify::{Kind, SNIFF_BYTES};
use crate::pipeline::{self, Original};
use range::{Asked, asked};

/// Says whether the answer is the original.
const STATE: HeaderName = HeaderName::from_static("reunite-original");

/// Says how good it is: `original` or `copy`.
const GRADE: HeaderName = HeaderName::from_static("reunite-grade");

/// Bytes that are read and sent at a time.
const PIECE: usize = 64 << 10;

/// Seconds after which it is worth asking again for what is out of reach.
const RETRY_SECONDS: &str = "30";

pub(super) async fn original(
    State(context): State<Arc<WebContext>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let found = read(&context, move |tx| {
        let Some(record) = tx.listed_record(&name)? else { return Ok(None) };
        Ok(Some((tx.record(record.id)?.customer, record)))
    });
    let Some((customer, record)) = found.await? else {
        return Ok(Problem::answer(StatusCode::NOT_FOUND, "there is no record of that name"));
    };
    let (id, standing) = (record.id, record.standing.as_ref().map(|standing| standing.sha256));
    let pipeline = Arc::clone(&context.pipeline);
    let found = tokio::task::spawn_blocking(move || pipeline::original(&pipeline, customer, id, standing)).await?;
    let mut answer = match found {
        Ok(Original::Recovered { file, digest }) => recovered(&record, file, digest, &headers).await?,
        Ok(Original::Missing(jpeg)) => missing(jpeg),
        Err(fault) => return Ok(out_of_reach(&fault)),
    };
    let sandbox = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, sandbox);
    Ok(answer)
}

/// It is not known now whether, or what: not the same as missing.
fn out_of_reach(fault: &pipeline::Error) -> Response {
    tracing::error!("an original cannot be given out now: {fault}");
    let text = "the original, or what survived of it, is out of reach right now; this does not say that it is missing. \
                Ask again in a moment; the server's log says why";
    let mut answer = Problem::answer(StatusCode::SERVICE_UNAVAILABLE, text);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    answer
}

/// What survived, which nobody may keep: the original may be back a moment later.
fn missing(jpeg: Vec<u8>) -> Response {
    let headers = [
        (STATE, "missing"),
        (CONTENT_TYPE, "image/jpeg"),
        (CONTENT_DISPOSITION, "inline; filename=\"original-missing.jpg\""),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, jpeg).into_response()
}

/// The original, or the part of it that is asked for. Whoever keeps it asks each time whether it still is the one.
async fn recovered(record: &ListedRecord, file: File, digest: Digest, headers: &HeaderMap) -> Result<Response, Fault> {
    let etag = format!("\"{digest}\"");
    let (file, kind, length) = tokio::task::spawn_blocking(move || -> io::Result<_> {
        let mut start = vec![0; SNIFF_BYTES];
        let read = file.read_at(&mut start, 0)?;
        let length = file.metadata()?.len();
        Ok((file, Kind::of(&start[..read]), length))
    })
    .await??;
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let grade = record.standing.as_ref().map_or("", |standing| standing.grade.as_str());
    let mut answer = if text(&IF_NONE_MATCH).is_some_and(|tags| names(tags, &etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        // A part of what it was before is of no use.
        let part = text(&RANGE).filter(|_| text(&IF_RANGE).is_none_or(|tag| tag == etag));
        match asked(part, length) {
            Asked::Whole => part_of(file, 0, length, StatusCode::OK).await?,
            Asked::Part { first, last } => {
                let mut answer = part_of(file, first, last - first + 1, StatusCode::PARTIAL_CONTENT).await?;
                put(&mut answer, CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
                answer
            }
            Asked::Nothing => {
                let text = "there is nothing in that range";
                let mut answer = Problem::answer(StatusCode::RANGE_NOT_SATISFIABLE, text);
                put(&mut answer, CONTENT_RANGE, &format!("bytes */{length}"));
                put(&mut answer, STATE, "recovered");
                return Ok(answer);
            }
        }
    };
    put(&mut answer, STATE, "recovered");
    put(&mut answer, GRADE, grade);
    put(&mut answer, ETAG, &etag);
    put(&mut answer, ACCEPT_RANGES, "bytes");
    put(&mut answer, CACHE_CONTROL, "private, no-cache");
    put(&mut answer, CONTENT_TYPE, media_type(kind));
    put(&mut answer, CONTENT_DISPOSITION, &as_download(record));
    Ok(answer)
}

/// Sets a header of ours; a value with characters that none may hold is left out.
fn put(answer: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// `length` bytes of a file from `first` on, read as they are sent.
async fn part_of(file: File, first: u64, length: u64, status: StatusCode) -> Result<Response, Fault> {
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(first)).await?;
    let pieces = stream::try_unfold((file, length), |(mut file, left)| async move {
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        if piece.is_empty() {
            return Ok::<_, io::Error>(None);
        }
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((piece, (file, left - read as u64))))
    });
    Ok((status, [(CONTENT_LENGTH, length.to_string())], Body::from_stream(pieces)).into_response())
}

/// Whether a list of tags names this one, or anything.
fn names(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The name under which a browser keeps it: the one it had, else the record's, with the extension that it came back with.
fn as_download(record: &ListedRecord) -> String {
    let key = record.standing.as_ref().map_or("", |standing| standing.key.as_str());
    let end = key.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, end)| format!(".{end}"));
    let name = record.filename.clone().unwrap_or_else(|| record.record.clone() + &end.unwrap_or_default());
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_graphic() && !"\"%;\\".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent(name))
}

/// What a file is for whoever gets it, by its first bytes.
fn media_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Jpeg => "image/jpeg",
        Kind::Png => "image/png",
        Kind::Gif => "image/gif",
        Kind::Webp => "image/webp",
        Kind::Tiff => "image/tiff",
        Kind::Bmp => "image/bmp",
        Kind::Heic => "image/heic",
        Kind::Avif => "image/avif",
        // What may hold a program, or is none of the above, is bytes.
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_lists() {
        for (tags, expected) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(names(tags, "\"a\""), expected, "{tags}");
        }
    }
}
