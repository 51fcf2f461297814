//! tus 1.0 as headers and answers: what a request says, and how each answer reads. Knows nothing of files.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Digest as _;

use crate::catalogue::{self, BrowserTransfer};
use crate::domain::{self, Civil, Micros};
use crate::tree::TreeError;

/// The one version there is.
const VERSION: &str = "1.0.0";

/// What may be done beyond the core.
const EXTENSIONS: &str = "creation,termination,checksum,expiration";

/// The type of the bytes of a file.
pub(super) const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// Bytes that a file's metadata may have: a path of 4,096 bytes takes 5,464 of them.
const METADATA_BYTES_MAX: usize = 8 << 10;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");

/// tus's own code for bytes that are not what they were said to be.
const CHECKSUM_MISMATCH: u16 = 460;

/// Why a request was not done: a code, a sentence for whoever sent it, and how much of the file is here where that is the reason.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
    offset: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Refusal { status, text: text.into(), offset: None }
    }

    /// The request says something that cannot be meant.
    pub(super) fn asked(text: &str) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn gone() -> Self {
        Refusal::new(StatusCode::NOT_FOUND, "nothing is known of this file any more; begin it again")
    }

    pub(super) fn busy() -> Self {
        Refusal::new(StatusCode::LOCKED, "another request is at this file; ask for its offset and go on")
    }

    pub(super) fn too_many() -> Self {
        let text = "too many files were begun and not ended; end some of them first";
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, text)
    }

    pub(super) fn no_room(bytes: u64) -> Self {
        let text = format!("there is room for {bytes} more bytes only in this account; ask for more room");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    pub(super) fn media_type() -> Self {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("bytes of a file have the type {OFFSET_STREAM}"))
    }

    pub(super) fn other_offset(here: u64) -> Self {
        let text = format!("{here} bytes of this file are here; go on there");
        Refusal { offset: Some(here), ..Refusal::new(StatusCode::CONFLICT, text) }
    }

    pub(super) fn too_long(length: u64) -> Self {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the file was said to have {length} bytes, this is more"))
    }

    pub(super) fn mismatch() -> Self {
        let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
        Refusal::new(status, "the bytes are not those of the checksum, so none of them was kept; send them again")
    }

    pub(super) fn broken(error: &str) -> Self {
        tracing::debug!("a browser's request broke off: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, "the request broke off; what came is kept, ask for the offset and go on")
    }

    pub(super) fn stalled(after: Duration) -> Self {
        let text =
            format!("nothing came for {} s; what came before is kept, ask for the offset and go on", after.as_secs());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    pub(super) fn answer(self) -> Response {
        let mut answer = (self.status, format!("{}\n", self.text)).into_response();
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(RESUMABLE, HeaderValue::from_static(VERSION));
        if let Some(offset) = self.offset {
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
        }
        if self.status == StatusCode::PRECONDITION_FAILED {
            headers.insert("tus-version", HeaderValue::from_static(VERSION));
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::LOCKED) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        answer
    }
}

impl From<TreeError> for Refusal {
    fn from(fault: TreeError) -> Self {
        let status = match &fault {
            TreeError::Catalogue(_) | TreeError::Io { .. } => {
                tracing::error!("a file of a browser could not be kept: {fault}");
                StatusCode::SERVICE_UNAVAILABLE
            }
            TreeError::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            TreeError::OverQuota(_) | TreeError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            TreeError::Busy(_) | TreeError::Unfinished(_) => StatusCode::LOCKED,
            TreeError::NotFound(_) => StatusCode::NOT_FOUND,
            TreeError::BeyondEnd { .. } => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Refusal::new(status, fault.for_customer())
    }
}

impl From<catalogue::Error> for Refusal {
    fn from(error: catalogue::Error) -> Self {
        TreeError::from(error).into()
    }
}

/// What a browser says of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// Its path, as bytes.
    pub(super) path: Vec<u8>,
    /// When it was changed last.
    pub(super) mtime: Option<Micros>,
    /// Whether what is here of the same file is to be gone on with.
    pub(super) resume: bool,
}

/// Whether the request speaks this version.
pub(super) fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(RESUMABLE) {
        Some(version) if version == VERSION => Ok(()),
        _ => Err(Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "this server speaks tus 1.0.0: send Tus-Resumable: 1.0.0",
        )),
    }
}

pub(super) fn length(headers: &HeaderMap) -> Result<u64, Refusal> {
    number(headers, &UPLOAD_LENGTH)?.ok_or_else(|| Refusal::asked("say the length of the file in Upload-Length"))
}

pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Refusal> {
    number(headers, &UPLOAD_OFFSET)?.ok_or_else(|| Refusal::asked("say in Upload-Offset where these bytes begin"))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    // The catalogue's numbers end there.
    let number = digits.and_then(|text| text.parse::<u64>().ok()).filter(|number| i64::try_from(*number).is_ok());
    number.map(Some).ok_or_else(|| Refusal::asked(&format!("{name} is to be a number of bytes")))
}

/// The metadata as they came, and what they mean. A path is `relativePath`, as several clients send it, or else `filename`, and may
/// be any bytes; `lastModified` counts milliseconds since 1970.
pub(super) fn metadata(headers: &HeaderMap) -> Result<(String, About), Refusal> {
    let bad =
        || Refusal::asked("Upload-Metadata is to be pairs of a key and a value in base64, with commas between them");
    let text = headers.get(UPLOAD_METADATA).map_or(Ok(""), HeaderValue::to_str).map_err(|_| bad())?;
    if text.len() > METADATA_BYTES_MAX {
        return Err(Refusal::asked(&format!("Upload-Metadata may have {METADATA_BYTES_MAX} bytes")));
    }
    let (mut about, mut filename, mut relative) = (About::default(), None, None);
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).map_err(|_| bad())?;
        match key {
            "filename" => filename = Some(value),
            "relativePath" => relative = Some(value),
            "lastModified" => about.mtime = Some(moment(&value).ok_or_else(bad)?),
            "resume" => about.resume = true,
            // What else a client says of a file is its own business.
            _ => {}
        }
    }
    // Some clients send the word instead of leaving the key out.
    let relative = relative.filter(|path| !path.is_empty() && path != b"null");
    about.path = relative.or(filename).unwrap_or_default();
    Ok((text.to_owned(), about))
}

fn moment(milliseconds: &[u8]) -> Option<Micros> {
    let count: i64 = std::str::from_utf8(milliseconds).ok()?.parse().ok()?;
    count.checked_mul(1000).map(Micros)
}

/// What the bytes of a request are said to be.
pub(super) struct Checksum {
    hasher: Hasher,
    said: Vec<u8>,
}

enum Hasher {
    Sha1(sha1::Sha1),
    Sha256(domain::Hasher),
}

impl Checksum {
    /// The one that a request names, if it does.
    pub(super) fn asked(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(UPLOAD_CHECKSUM) else { return Ok(None) };
        let bad = || Refusal::asked("Upload-Checksum is to be sha1 or sha256 and the checksum in base64");
        let (name, said) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(bad)?;
        let hasher = match name {
            "sha1" => Hasher::Sha1(sha1::Sha1::new()),
            "sha256" => Hasher::Sha256(domain::Hasher::new()),
            _ => return Err(bad()),
        };
        Ok(Some(Checksum { hasher, said: STANDARD.decode(said.trim()).map_err(|_| bad())? }))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether the bytes so far are what was said.
    pub(super) fn holds(&self) -> bool {
        match &self.hasher {
            Hasher::Sha1(hasher) => hasher.clone().finalize().as_slice() == self.said,
            Hasher::Sha256(hasher) => hasher.clone().finish().0.as_slice() == self.said,
        }
    }
}

/// An answer without a text.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut answer = (status, Body::empty()).into_response();
    answer.headers_mut().insert(RESUMABLE, HeaderValue::from_static(VERSION));
    answer
}

pub(super) fn options(bytes_max: u64) -> Response {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert("tus-version", HeaderValue::from_static(VERSION));
    headers.insert("tus-extension", HeaderValue::from_static(EXTENSIONS));
    headers.insert("tus-checksum-algorithm", HeaderValue::from_static("sha1,sha256"));
    headers.insert("tus-max-size", HeaderValue::from(bytes_max));
    answer
}

pub(super) fn begun(address: &str, offset: u64, expires: Micros) -> Response {
    let mut answer = with_offset(StatusCode::CREATED, offset, expires);
    // Our own addresses hold nothing that a header may not.
    answer.headers_mut().insert(LOCATION, HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/")));
    answer
}

pub(super) fn received(offset: u64, expires: Micros) -> Response {
    with_offset(StatusCode::NO_CONTENT, offset, expires)
}

pub(super) fn offset_of(transfer: &BrowserTransfer, offset: u64, expires: Micros) -> Response {
    let mut answer = with_offset(StatusCode::OK, offset, expires);
    answer.headers_mut().insert(UPLOAD_LENGTH, HeaderValue::from(transfer.length));
    if let Ok(metadata) = HeaderValue::from_str(&transfer.metadata)
        && !metadata.is_empty()
    {
        answer.headers_mut().insert(UPLOAD_METADATA, metadata);
    }
    answer
}

fn with_offset(status: StatusCode, offset: u64, expires: Micros) -> Response {
    let mut answer = empty(status);
    answer.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    if let Ok(expires) = HeaderValue::from_str(&http_date(expires)) {
        answer.headers_mut().insert(UPLOAD_EXPIRES, expires);
    }
    answer
}

/// A moment as HTTP writes it, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(at: Micros) -> String {
    let weekday =
        ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][at.seconds().div_euclid(86_400).rem_euclid(7) as usize];
    let date = Civil::from(at);
    let (month, time) = (date.month_name(), (date.hour, date.minute, date.second));
    format!("{weekday}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT", date.day, date.year, time.0, time.1, time.2)
}
