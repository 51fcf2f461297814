//! How names and moments are shown to people.

use std::fmt::Write as _;

use crate::domain::{Civil, Micros};

/// `bytes` as text that a terminal or page can show without being fooled: control characters, bytes that are no UTF-8 and
/// characters that turn the direction of writing appear as `\x..`, byte by byte.
pub fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_hidden(character) {
                escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// Control characters, and those of Unicode's bidirectional algorithm, line separators and the byte order mark, which
/// change how the text around them is read.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A moment as RFC 3339 in UTC, in whole seconds.
pub fn moment(at: Micros) -> String {
    Civil::from(at).to_string()
}

/// How long something lasts, in the two largest units: `3 min 5 s`.
pub fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min {} s", s / 60, s % 60),
        s @ 3_600..86_400 => format!("{} h {} min", s / 3_600, s / 60 % 60),
        s => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
    }
}

/// `count` things: `1 record`, `2 records`.
pub fn count(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_fool_a_terminal_is_spelled_out() {
        assert_eq!(visible("Gr\u{fc}n 🌲.jpg".as_bytes()), "Grün 🌲.jpg");
        assert_eq!(visible(b"caf\xe9\x1b[2J\n"), r"caf\xe9\x1b[2J\x0a");
        assert_eq!(visible("a\u{202e}gpj.exe".as_bytes()), r"a\xe2\x80\xaegpj.exe");
        assert_eq!(visible("\u{85}".as_bytes()), r"\xc2\x85");
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(moment(Micros::from_seconds(seconds)), text);
        }
    }

    #[test]
    fn durations_name_two_units() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(185), "3 min 5 s");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
