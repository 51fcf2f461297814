//! Numbers and names as people read them, and as addresses carry them.

use std::fmt::Write as _;

use crate::domain::{Civil, Language, Micros, Zone};

/// A number with thin spaces between its thousands.
pub(super) fn number(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::from(if count < 0 { "−" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number with the word that goes with it.
pub(super) fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A size in bytes, to about two digits, in powers of 1,000 as file managers and cameras count.
pub(super) fn size(bytes: i64) -> String {
    if bytes == 1 {
        return "1 byte".to_owned();
    }
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if value < 999.5 || unit == "TB" {
            let decimals = usize::from(value < 9.95 && unit != "bytes");
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1000.0;
    }
    unreachable!("the last unit returns")
}

/// The day on which something is announced to happen, as people write it: in UTC, see `retiring::not_before`.
pub(super) fn long_day(at: Micros) -> String {
    Civil::from(at).day_in_words(Language::English)
}

/// A moment as people write it, to the minute, by the clock of a zone: `1 Mar 2027, 08:05`.
pub(super) fn minute(at: Micros, zone: &Zone) -> String {
    let date = zone.civil(at);
    format!("{} {} {}, {:02}:{:02}", date.day, date.month_name(), date.year, date.hour, date.minute)
}

/// Words that begin like a sentence.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A line of history without what only programs compare: of digests the beginning is enough to tell two apart, and names need no
/// quotes of a terminal.
pub(super) fn in_short(line: &str) -> String {
    let is_digest = |word: &str| word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = |word: &str| {
        let bare = word.trim_end_matches([',', ':', ';', '.']);
        if is_digest(bare) { format!("{}…{}", &bare[..10], &word[bare.len()..]) } else { word.replace('`', "") }
    };
    line.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// The moment at which a day begins in a zone that is written as browsers do, such as `2018-06-30`.
pub(super) fn midnight(day: &str, zone: &Zone) -> Option<Micros> {
    let mut parts = day.splitn(3, '-');
    let (year, month, of_month) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    zone.day_begins(year, month, of_month)
}

/// What stands behind the `?` of an address.
pub(super) fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(name, value)| format!("{name}={}", percent(value))).collect::<Vec<_>>().join("&")
}

/// `text` with everything escaped that is not a letter, a digit or one of `-._~`.
pub(super) fn percent(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

/// A picture's size in pixels, when both are known.
pub(super) fn pixels(width: Option<i64>, height: Option<i64>) -> Option<String> {
    Some(format!("{} × {}", width?, height?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(counted(1, "file", "files"), "1 file");
        assert_eq!(counted(2, "file", "files"), "2 files");
    }

    #[test]
    fn people_read_moments_and_short_lines() {
        assert_eq!(minute(Micros::from_seconds(1_803_859_500), &Zone::default()), "1 Mar 2027, 00:05");
        assert_eq!(sentence("über alles"), "Über alles");
        assert_eq!(sentence(""), "");
        let digest = "8b27dd20130dae40449a13a4c35fef17291ada3f6ff7500b7973fbdaf98c8567";
        let line = format!("attach of the file `a b.jpg` with digest {digest}: by phone");
        assert_eq!(in_short(&line), "attach of the file a b.jpg with digest 8b27dd2013…: by phone");
    }

    #[test]
    fn sizes_keep_two_digits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (9_960, "10 kB"),
            (999_600, "1.0 MB"),
            (4_600_000, "4.6 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
