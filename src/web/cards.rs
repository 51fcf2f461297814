//! What a page shows of a customer, a picture or a file: numbers, names and reasons as text.
//!
//! Names from outside (paths, records, file names) pass [`crate::tree::shown`], so that no control or bidi character reaches
//! a page as itself; the templates then escape what HTML would take for its own.

use super::text::{counted, long_day, minute, number, pixels, sentence, size};
use crate::catalogue::{CustomerCounts, MissingPicture, ProblemFile, RetiredPicture, ReturnedPicture, ShownRecord};
use crate::domain::Zone;
use crate::tree::shown;

/// How far a customer, or all of them, have come: numbers as text, and the parts of the bar in percent.
pub(super) struct Progress {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) headline: String,
    pub(super) records: String,
    pub(super) returned: String,
    pub(super) missing: String,
    pub(super) missing_count: i64,
    pub(super) returned_count: i64,
    pub(super) problem_count: i64,
    pub(super) removed: String,
    pub(super) has_removed: bool,
    pub(super) retiring_count: i64,
    pub(super) retiring: String,
    /// On which day what is announced to be given up is; empty for nothing.
    pub(super) retire_day: String,
    pub(super) has_folders: bool,
    pub(super) asked: String,
    pub(super) undecided: String,
    pub(super) received: String,
    pub(super) received_size: String,
    pub(super) problems: String,
    pub(super) copies: String,
    pub(super) has_records: bool,
    pub(super) has_copies: bool,
    pub(super) has_asked: bool,
    pub(super) has_undecided: bool,
    pub(super) has_problems: bool,
    pub(super) bar: Vec<Part>,
    /// When the last file came; empty for none.
    pub(super) last: String,
    /// When the oldest file came that is not decided; empty for none.
    pub(super) oldest: String,
}

/// One stretch of the bar.
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) start: String,
    pub(super) width: String,
}

/// One picture.
pub(super) struct Card {
    /// The record's number, where the page lets somebody choose it.
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) record: String,
    pub(super) thumbnail: Option<String>,
    pub(super) facts: Vec<String>,
    pub(super) asked: bool,
    pub(super) source: Option<String>,
    pub(super) source_size: String,
    pub(super) copy: bool,
    pub(super) by_person: bool,
}

/// One file that could not be used.
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) size: String,
    pub(super) reason: String,
    /// What its owner can do.
    pub(super) advice: &'static str,
}

/// How often a page that is open asks again: often while files are being looked at.
pub(super) fn live_seconds(counts: &CustomerCounts) -> u32 {
    if counts.undecided > 0 { 2 } else { 10 }
}

pub(super) fn progress(counts: &CustomerCounts, zone: &Zone) -> Progress {
    let whole = counts.returned - counts.copies;
    let asked = counts.asked.min(counts.missing());
    Progress {
        id: counts.id,
        name: shown(counts.name.as_bytes()),
        headline: headline(counts),
        records: number(counts.records),
        returned: number(counts.returned),
        missing: number(counts.missing()),
        missing_count: counts.missing(),
        returned_count: counts.returned,
        problem_count: counts.problems,
        removed: number(counts.retired),
        has_removed: counts.retired > 0,
        retiring_count: counts.retiring,
        retiring: number(counts.retiring),
        retire_day: counts.retire_at.map(long_day).unwrap_or_default(),
        has_folders: counts.has_folders,
        asked: number(asked),
        undecided: number(counts.undecided),
        received: number(counts.received),
        received_size: size(counts.received_bytes),
        problems: number(counts.problems),
        copies: number(counts.copies),
        has_records: counts.records > 0,
        has_copies: counts.copies > 0,
        has_asked: asked > 0,
        has_undecided: counts.undecided > 0,
        has_problems: counts.problems > 0,
        last: counts.last_upload.map(|at| minute(at, zone)).unwrap_or_default(),
        oldest: counts.oldest_undecided.map(|at| minute(at, zone)).unwrap_or_default(),
        bar: bar(counts.records, &[("whole", whole), ("copy", counts.copies), ("asked", asked)]),
    }
}

/// The one sentence that a visitor came for.
fn headline(counts: &CustomerCounts) -> String {
    let pictures = counted(counts.records, "picture", "pictures");
    match (counts.records, counts.returned) {
        (0, _) => "No pictures are being looked for yet".into(),
        (1, 1) => "The one lost picture is back".into(),
        (all, back) if all == back => format!("All {pictures} are back"),
        (_, 0) => format!("None of {pictures} {} back yet", if counts.records == 1 { "is" } else { "are" }),
        (_, back) => format!("{} of {pictures} {} back", number(back), if back == 1 { "is" } else { "are" }),
    }
}

/// The parts laid end to end, in percent of `all`; what is left is still missing.
fn bar(all: i64, parts: &[(&'static str, i64)]) -> Vec<Part> {
    let percent = |count: i64| 100.0 * count as f64 / all.max(1) as f64;
    let mut start = 0.0;
    let mut bar = Vec::new();
    for (class, count) in parts.iter().filter(|(_, count)| *count > 0) {
        let width = percent(*count);
        bar.push(Part { class, start: format!("{start:.3}"), width: format!("{width:.3}") });
        start += width;
    }
    bar
}

pub(super) fn card(record: &ShownRecord) -> Card {
    let name = shown(record.record.as_bytes());
    let filename = record.filename.as_deref().map(|name| shown(name.as_bytes()));
    let taken = record.taken_at.as_deref().map(|taken| shown(moment(taken).as_bytes()));
    Card {
        id: 0,
        title: filename.unwrap_or_else(|| name.clone()),
        record: name,
        // A browser keeps a picture under its address; the digest in it makes a changed picture another one.
        thumbnail: record
            .thumbnail
            .as_ref()
            .map(|thumbnail| format!("/thumbnails/{}?{}", thumbnail.id, &thumbnail.digest.to_string()[..16])),
        facts: pixels(record.width, record.height).into_iter().chain(taken).collect(),
        asked: false,
        source: None,
        source_size: String::new(),
        copy: false,
        by_person: false,
    }
}

/// A moment in ISO 8601 as people write it; any other text as it is.
fn moment(text: &str) -> String {
    in_words(text).unwrap_or_else(|| text.to_owned())
}

fn in_words(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let mut parts = date.split('-').map(|part| part.parse::<usize>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let month = MONTHS.get(month.checked_sub(1)?)?;
    if date.len() != 10 || parts.next().is_some() {
        return None;
    }
    // The camera's own clock; seconds tell nobody anything, and a time zone behind them stays.
    let (minute, rest) = time.split_at_checked(5).unwrap_or(("", time));
    let zone = rest.trim_start_matches(|letter: char| letter == ':' || letter == '.' || letter.is_ascii_digit());
    let zone = if zone == "Z" { " UTC" } else { zone };
    let comma = if minute.is_empty() { "" } else { ", " };
    Some(format!("{day} {month} {year}{comma}{minute}{zone}"))
}

pub(super) fn missing_card(picture: &MissingPicture) -> Card {
    Card { id: picture.id, asked: picture.asked > 0, ..card(&picture.record) }
}

pub(super) fn removed_card(picture: &RetiredPicture) -> Card {
    let why = Some(shown(picture.why.as_bytes())).filter(|why| !why.is_empty());
    let card = card(&picture.record);
    let facts = card.facts.iter().cloned().chain(why).collect();
    Card { id: picture.id, facts, ..card }
}

pub(super) fn returned_card(picture: &ReturnedPicture) -> Card {
    Card {
        source: Some(shown(&picture.path)),
        source_size: size(picture.bytes),
        copy: picture.copy,
        by_person: picture.by_person,
        ..card(&picture.record)
    }
}

pub(super) fn problem(file: &ProblemFile) -> Problem {
    let reason = match &file.reason {
        Some(reason) => shown(reason.as_bytes()),
        None if file.truncated => "the transfer broke off before the end".into(),
        None => "it could not be read".into(),
    };
    Problem {
        path: shown(&file.path),
        size: size(file.bytes),
        advice: advice(file.truncated, &reason),
        reason: sentence(&reason),
    }
}

/// What the owner of a file that could not be used can do. It is kept in any case.
fn advice(truncated: bool, reason: &str) -> &'static str {
    if truncated {
        "Please send it again; the whole file takes its place."
    } else if reason.contains("cannot be read yet") {
        "If it is one of your pictures, please send it as JPEG, PNG, TIFF or WebP, too."
    } else if reason.starts_with("the file is ") {
        // It was read as far as it goes, and what there is of it is like nothing that is missing.
        "If there is another copy of it, please send that one, too."
    } else {
        "It may be damaged. If there is another copy of it, please send that one, too."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(records: i64, returned: i64) -> CustomerCounts {
        CustomerCounts { records, returned, ..CustomerCounts::default() }
    }

    #[test]
    fn the_headline_reads_as_a_sentence() {
        assert_eq!(headline(&counts(0, 0)), "No pictures are being looked for yet");
        assert_eq!(headline(&counts(1, 0)), "None of 1 picture is back yet");
        assert_eq!(headline(&counts(1, 1)), "The one lost picture is back");
        assert_eq!(headline(&counts(7, 1)), "1 of 7 pictures is back");
        assert_eq!(headline(&counts(7, 7)), "All 7 pictures are back");
    }

    #[test]
    fn a_file_that_cannot_be_used_says_what_to_do() {
        let file = |reason: Option<&str>, truncated| {
            let reason = reason.map(str::to_owned);
            problem(&ProblemFile { id: 1, path: b"a.jpg".to_vec(), bytes: 1, reason, truncated })
        };
        let cut = file(None, true);
        assert_eq!(cut.reason, "The transfer broke off before the end");
        assert!(cut.advice.contains("send it again"));
        assert!(file(Some("a HEIC picture cannot be read yet"), false).advice.contains("as JPEG"));
        assert!(file(None, false).advice.contains("another copy"));
        let damaged = file(Some("the file is cut off: its end is missing"), false);
        assert_eq!(damaged.reason, "The file is cut off: its end is missing");
        assert!(damaged.advice.starts_with("If there is another copy"));
    }

    #[test]
    fn moments_are_read_by_people() {
        assert_eq!(moment("2018-06-30T06:31:58"), "30 Jun 2018, 06:31");
        assert_eq!(moment("2018-06-03T06:31:58+02:00"), "3 Jun 2018, 06:31+02:00");
        assert_eq!(moment("2020-02-02T09:00:00Z"), "2 Feb 2020, 09:00 UTC");
        assert_eq!(moment("2018-06-30"), "30 Jun 2018");
        for text in ["Tuesday", "2018-13-01", "2018-06", "2018-06-30-1", "T", ""] {
            assert_eq!(moment(text), text);
        }
    }

    #[test]
    fn the_bar_never_exceeds_the_whole() {
        let bar = bar(3, &[("whole", 1), ("copy", 0), ("asked", 2)]);
        let total: f64 = bar.iter().map(|part| part.width.parse::<f64>().unwrap()).sum();
        assert!((total - 100.0).abs() < 0.01);
        assert_eq!(bar.iter().map(|part| part.class).collect::<Vec<_>>(), ["whole", "asked"]);
    }
}
