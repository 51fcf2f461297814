//! Moments as FTP writes them, always UTC. Pure. Civil dates after Howard Hinnant, "chrono-Compatible Low-Level Date
//! Algorithms".

use crate::domain::Micros;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `ls` shows the time of day for files younger than this, and the year for others: half a mean year.
const RECENT_SECONDS: i64 = 31_556_952 / 2;

/// Year, month 1 to 12, day, hour, minute, second.
fn civil(at: Micros) -> (i64, i64, i64, i64, i64, i64) {
    let seconds = at.seconds();
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60)
}

fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `20261122224640`, as RFC 3659 has it, to the second. Years beyond four digits are cut to what the form can hold.
pub(super) fn stamp(at: Micros) -> String {
    let (year, month, day, hour, minute, second) = civil(at);
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
    let (year, month, day) = (number(&whole[..4]), number(&whole[4..6]), number(&whole[6..8]));
    let (hour, minute, second) = (number(&whole[8..10]), number(&whole[10..12]), number(&whole[12..14]));
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    // A day that its month does not have would silently become one of the next month.
    let exists = second == 60 || civil(Micros::from_seconds(seconds)).2 == day;
    let micros = (0..6).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |digit| i64::from(digit - b'0')));
    (valid && exists).then(|| Micros(Micros::from_seconds(seconds).0 + micros))
}

/// `Nov 22 22:46` or `Nov 22  2025`, as `ls -l` has it: the time of day for what is less than half a year from `now`.
pub(super) fn ls_date(at: Micros, now: Micros) -> String {
    let (year, month, day, hour, minute, _) = civil(at);
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let age = now.seconds() - at.seconds();
    // A little into the future is a clock that is a little off.
    if (-3600..RECENT_SECONDS).contains(&age) {
        format!("{month} {day:2} {hour:02}:{minute:02}")
    } else {
        format!("{month} {day:2} {year:5}")
    }
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
        ] {
            assert_eq!(parse_stamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn listings_show_the_year_of_what_is_old() {
        let at = Micros::from_seconds(951_827_696);
        assert_eq!(ls_date(at, at.plus_seconds(86_400)), "Feb 29 12:34");
        assert_eq!(ls_date(at, at.plus_seconds(200 * 86_400)), "Feb 29  2000");
        assert_eq!(ls_date(at, at.plus_seconds(-86_400)), "Feb 29  2000");
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_text(seconds in 0_i64..253_402_300_800) {
            let at = Micros::from_seconds(seconds);
            prop_assert_eq!(parse_stamp(stamp(at).as_bytes()), Some(at));
        }
    }
}
