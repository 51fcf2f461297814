//! The line that `ls -l` would print for an entry, which clients of SFTP version 3 show and some take apart.

use crate::domain::Micros;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Half a year in seconds: `ls` shows the time of day for what is younger and the year for what is older.
const RECENT_SECONDS: i64 = 365 * 86_400 / 2;

/// The line for one entry, at the moment `now`. The name stays bytes.
pub(super) fn longname(name: &[u8], directory: bool, size: u64, changed: Micros, now: Micros) -> Vec<u8> {
    let (mode, links) = if directory { ("drwxr-xr-x", 2) } else { ("-rw-r--r--", 1) };
    let when = date(changed.seconds(), now.seconds());
    let mut line = format!("{mode} {links:>4} customer customer {size:>12} {when} ").into_bytes();
    line.extend_from_slice(name);
    line
}

/// `Mon DD HH:MM` or `Mon DD  YYYY`, in UTC.
fn date(seconds: i64, now: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let name = MONTHS[month - 1];
    let age = now.saturating_sub(seconds);
    if (-3_600..RECENT_SECONDS).contains(&age) {
        let minutes = seconds.rem_euclid(86_400) / 60;
        format!("{name} {day:>2} {:02}:{:02}", minutes / 60, minutes % 60)
    } else {
        format!("{name} {day:>2} {year:>5}")
    }
}

/// Year, month (1 to 12) and day of a day counted from 1970-01-01. Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as usize, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_looks_like_that_of_ls() {
        let line = longname(
            b"caf\xe9.jpg",
            false,
            12_345,
            Micros::from_seconds(951_782_400),
            Micros::from_seconds(951_782_460),
        );
        assert_eq!(line, b"-rw-r--r--    1 customer customer        12345 Feb 29 00:00 caf\xe9.jpg");
        let line = longname(b"d", true, 0, Micros::from_seconds(951_782_399), Micros::from_seconds(1_700_000_000));
        assert_eq!(line, b"drwxr-xr-x    2 customer customer            0 Feb 28  2000 d");
    }

    proptest! {
        #[test]
        fn any_moment_has_a_date(seconds in any::<i64>(), now in any::<i64>()) {
            prop_assert_eq!(date(seconds, now).len() >= 12, true);
        }

        #[test]
        fn days_follow_each_other(day in -1_000_000i64..3_000_000) {
            let (today, tomorrow) = (civil(day), civil(day + 1));
            let next = (today.0, today.1, today.2 + 1);
            prop_assert!(tomorrow == next || tomorrow.2 == 1 && (tomorrow.0, tomorrow.1) > (today.0, today.1));
        }
    }
}
