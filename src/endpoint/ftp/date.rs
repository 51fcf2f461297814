//! Moments as RFC 3659 writes them, always UTC. Pure.

use crate::domain::{Civil, Micros};

/// `20261122224640`, as RFC 3659 has it, to the second. Years beyond four digits are cut to what the form can hold.
pub(super) fn stamp(at: Micros) -> String {
    let Civil { year, month, day, hour, minute, second } = at.into();
    format!("{:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}", year.clamp(0, 9999))
}

/// Reads `20261122224640` or `20261122224640.123`.
pub(super) fn parse_stamp(text: &[u8]) -> Option<Micros> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if whole.len() != 14 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    // Two digits always fit.
    let two = |from: usize| number(&whole[from..from + 2]) as u8;
    let written =
        Civil { year: number(&whole[..4]), month: two(4), day: two(6), hour: two(8), minute: two(10), second: two(12) };
    let valid = (1..=12).contains(&written.month) && written.hour < 24 && written.minute < 60 && written.second <= 60;
    let at = Micros::from(written);
    // A day that its month does not have would silently become one of the next month; a leap second may, unless no stamp
    // could say the moment after it.
    let means = Civil::from(at);
    let exists = means.day == written.day || (written.second == 60 && means.year <= 9999);
    let micros = (0..6).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |digit| i64::from(digit - b'0')));
    (valid && exists && written.day > 0).then_some(Micros(at.0 + micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        assert_eq!(stamp(Micros(0)), "19700101000000");
        assert_eq!(stamp(Micros::from_seconds(951_827_696)), "20000229123456");
        assert_eq!(stamp(Micros(-1)), "19691231235959");
        assert_eq!(parse_stamp(b"20000229123456.5"), Some(Micros(951_827_696_500_000)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2000022912345",
            "20000229x23456",
            "20001329123456",
            "20010229123456",
            "20000229246060",
            "20000229123456.x",
            "99991231235960",
        ] {
            assert_eq!(parse_stamp(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_text(seconds in 0_i64..253_402_300_800) {
            let at = Micros::from_seconds(seconds);
            prop_assert_eq!(parse_stamp(stamp(at).as_bytes()), Some(at));
        }
    }
}
