//! What programs are answered: the shapes of rows, whose names, once given out, stay.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::catalogue::{CustomerCounts, FileRow, HistoryLine, ListedRecord, MatchRow};
use crate::domain::Micros;
use crate::report::files::{problem, result};
use crate::report::text::moment;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Listed<T> {
    /// The rows, in the order of the list.
    items: Vec<T>,
    /// What the next page is asked `after`; null on the last one.
    next: Option<i64>,
}

impl<T> Listed<T> {
    /// The first `limit` of the rows, of which one more than that was read to see whether there is another page.
    pub(in crate::web) fn of<R>(rows: Vec<R>, limit: i64, id: impl Fn(&R) -> i64, shape: impl Fn(R) -> T) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let next = rows.get(limit).and(rows.get(limit.saturating_sub(1))).map(id);
        Listed { items: rows.into_iter().take(limit).map(shape).collect(), next }
    }
}

/// A path as a customer gave it.
fn path(bytes: &[u8]) -> (String, Option<String>) {
    let exact = std::str::from_utf8(bytes).is_err().then(|| STANDARD.encode(bytes));
    (String::from_utf8_lossy(bytes).into_owned(), exact)
}

/// A customer in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Customer {
    /// The name that the customer signs in with.
    customer: String,
    /// Records that were not given up.
    records: i64,
    /// Of these, those to which nothing came back.
    missing: i64,
    /// Of these, those to which something came back.
    recovered: i64,
    /// Of these, those to which a copy came back: the original is still wanted.
    copies: i64,
    /// Records that were given up.
    retired: i64,
    /// Missing records for which a file was found that a person has to look at.
    review: i64,
    /// Files received, each version counted.
    uploads: i64,
    /// Their bytes together.
    bytes: i64,
    /// Files that are not decided yet.
    undecided: i64,
    /// Files that could not be used.
    unusable: i64,
}

impl From<CustomerCounts> for Customer {
    fn from(counts: CustomerCounts) -> Self {
        Customer {
            records: counts.records,
            missing: counts.missing(),
            recovered: counts.returned,
            copies: counts.copies,
            retired: counts.retired,
            review: counts.asked,
            uploads: counts.received,
            bytes: counts.received_bytes,
            undecided: counts.undecided,
            unusable: counts.problems,
            customer: counts.name,
        }
    }
}

/// A record with what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Record {
    /// The shop's own identifier.
    record: String,
    /// Whose it is.
    customer: String,
    /// missing, recovered or retired.
    state: &'static str,
    /// The name the original had.
    filename: Option<String>,
    /// Its width in pixels.
    width: Option<i64>,
    /// Its height in pixels.
    height: Option<i64>,
    /// Its length.
    bytes: Option<i64>,
    /// When the picture was taken, as the shop wrote it.
    taken_at: Option<String>,
    /// The other columns of the import.
    #[schema(value_type = Object)]
    extra: Map<String, Value>,
    /// Why it was given up.
    retired_why: Option<String>,
    /// When it is going to be given up, where that is announced because nothing came for long.
    retire_at: Option<String>,
    /// What came back; null while nothing did.
    attachment: Option<Attachment>,
}

/// What came back to a record.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Attachment {
    /// original, or copy: the same picture, smaller or lossier.
    grade: String,
    /// SHA-256 of the bytes, in hexadecimal.
    sha256: String,
    /// Its key in the originals store: the path below `originals.folder`.
    original: String,
    /// What proved it: digest, bytes, name, recipe or person.
    method: String,
    /// rule, or the name of who decided.
    decided_by: String,
    /// When it was put back.
    reattached_at: Option<String>,
    /// The path under which the customer uploaded it.
    path: String,
    /// The path's bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    /// The number of that upload.
    upload: i64,
}

impl From<ListedRecord> for Record {
    fn from(record: ListedRecord) -> Self {
        let attachment = record.standing.map(|standing| {
            let (path, path_base64) = path(&standing.path);
            Attachment {
                grade: standing.grade,
                sha256: standing.sha256.to_string(),
                original: standing.key,
                method: standing.method,
                decided_by: standing.decided_by,
                reattached_at: standing.placed_at.map(moment),
                path,
                path_base64,
                upload: standing.upload,
            }
        });
        Record {
            record: record.record,
            customer: record.customer,
            state: record.state.word(),
            filename: record.filename,
            width: record.width,
            height: record.height,
            bytes: record.bytes,
            taken_at: record.taken_at,
            // What is kept as text was an object when the import wrote it.
            extra: serde_json::from_str(&record.extra).unwrap_or_default(),
            retired_why: record.retired_why,
            retire_at: record.retire_at.map(moment),
            attachment,
        }
    }
}

/// A record with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct RecordWithHistory {
    #[serde(flatten)]
    record: Record,
    /// What happened to it, oldest first; of very long histories the newest thousand lines.
    history: Vec<Event>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Event {
    /// When.
    at: String,
    /// One word: attached, detached, conflict, accept, reject, attach, detach, withdraw, retire, restore, ...
    kind: String,
    /// Who did it.
    who: String,
    /// A sentence.
    text: String,
    /// The number of the upload that it is about.
    upload: Option<i64>,
}

impl RecordWithHistory {
    pub(in crate::web) fn of(record: ListedRecord, history: Vec<HistoryLine>) -> Self {
        let history = history.into_iter().map(|line| Event {
            at: moment(line.at),
            kind: line.kind,
            who: line.who,
            text: line.text,
            upload: line.upload,
        });
        RecordWithHistory { record: record.into(), history: history.collect() }
    }
}

/// A picture on a record, or one that may be its own.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Match {
    /// The record.
    record: String,
    /// Whose it is.
    customer: String,
    /// attach: it stands; review: a person is asked.
    verdict: &'static str,
    /// The path of the upload.
    path: String,
    /// The path's bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    /// The page or frame in it, from 1.
    image: i64,
    /// SHA-256 of the file, in hexadecimal.
    sha256: String,
    /// original or copy.
    grade: Option<String>,
    /// Place among those that a person is shown, from 1.
    rank: Option<i64>,
    /// What spoke for it most.
    method: Option<String>,
    /// Fingerprint distance, in bits of 256.
    distance: Option<i64>,
    /// How far the pixels are from the thumbnail's.
    residual: Option<f64>,
    /// How much better it fits than the best other picture.
    margin: Option<f64>,
    /// The reason in words.
    reason: Option<String>,
    /// rule, or who decided; null while a person is asked.
    decided_by: Option<String>,
    /// When.
    decided_at: Option<String>,
    /// The number of the upload.
    upload: i64,
    /// The number under which it is answered; null where a person joined what was not proposed.
    candidate: Option<i64>,
    /// How often people have said something about the record; an answer that brings it changes nothing where more was said
    /// meanwhile. Null for what stands.
    seen: Option<i64>,
}

impl Match {
    pub(in crate::web) fn of(row: MatchRow, verdict: &'static str, seen: Option<i64>) -> Self {
        let (path, path_base64) = path(&row.path);
        Match {
            record: row.record,
            customer: row.customer,
            verdict,
            path,
            path_base64,
            image: row.image,
            sha256: row.sha256.to_string(),
            grade: row.grade,
            rank: row.rank,
            method: row.method,
            distance: row.distance,
            residual: row.residual,
            margin: row.margin,
            reason: row.reason,
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(moment),
            upload: row.upload,
            candidate: row.candidate,
            seen,
        }
    }
}

/// A file that was received.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct Upload {
    /// Its number.
    upload: i64,
    /// Whose it is.
    customer: String,
    /// Its path.
    path: String,
    /// The path's bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    /// Its length.
    bytes: i64,
    /// Of its bytes, in hexadecimal.
    sha256: String,
    /// What it is, by its content; null while it waits.
    kind: Option<String>,
    /// What became of it: held, waiting, attached, review, unmatched, unreadable, damaged or failed.
    result: &'static str,
    /// Why it could not be used, or not yet.
    problem: Option<String>,
    /// How it came: ftp, ftps, sftp, scp, scan, inbox or web.
    endpoint: String,
    /// When it came.
    received_at: String,
    /// The width of its first picture, in pixels.
    width: Option<i64>,
    /// The height of its first picture, in pixels.
    height: Option<i64>,
}

impl Upload {
    pub(in crate::web) fn of(row: FileRow, now: Micros) -> Self {
        let result = result(&row, now);
        let (path, path_base64) = path(&row.path);
        Upload {
            upload: row.upload,
            customer: row.customer,
            path,
            path_base64,
            bytes: row.bytes,
            sha256: row.sha256.to_string(),
            kind: row.kind,
            problem: problem(result, row.problem.or(row.damage), row.last_error, row.truncated),
            result,
            endpoint: row.endpoint,
            received_at: moment(row.received_at),
            width: row.width,
            height: row.height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_begins() {
        let page = |rows: &[i64], limit| {
            let listed = Listed::of(rows.to_vec(), limit, |id| *id, |id| id * 10);
            (listed.items, listed.next)
        };
        assert_eq!(page(&[], 2), (vec![], None));
        assert_eq!(page(&[3, 5], 2), (vec![30, 50], None));
        assert_eq!(page(&[3, 5, 7], 2), (vec![30, 50], Some(5)));
    }

    #[test]
    fn a_path_that_is_no_text_is_given_exactly() {
        assert_eq!(path(b"a/b.jpg"), ("a/b.jpg".into(), None));
        assert_eq!(path(b"caf\xe9"), ("caf\u{fffd}".into(), Some("Y2Fm6Q==".into())));
    }
}

/// What a webhook is sent (`reunite webhook add`): an original was put back, or taken away.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what `catalogue::webhooks` writes")]
pub(in crate::web) struct Delivery {
    /// The same number whenever the same thing is told again.
    delivery: i64,
    /// `reattached` or `detached`.
    event: String,
    /// When, as RFC 3339 writes it.
    at: String,
    /// The shop's own identifier.
    record: String,
    /// Whose it is.
    customer: String,
    /// The key in the originals store.
    original: String,
    /// Of the bytes there, in hexadecimal.
    sha256: String,
    /// `original` or `copy`.
    grade: String,
    /// What proved it: `digest`, `bytes`, `name`, `recipe`, or `person`.
    method: String,
    /// `rule`, or the name of the person who decided.
    decided_by: String,
    /// The upload.
    upload: i64,
    /// The path under which it came; null where the upload is no longer known.
    #[schema(required)]
    path: Option<String>,
    /// Why it was taken away, in words; null where nobody said.
    #[schema(required)]
    why: Option<String>,
}
