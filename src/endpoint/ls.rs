//! An entry as `ls -l` would print it: what FTP's LIST sends, and what SFTP sends as its long name. Some clients take it
//! apart. Pure; times are UTC; names stay bytes.

use crate::domain::{Civil, Micros};

/// `ls` shows the time of day for files younger than this, and the year for others: half a mean year.
const RECENT_SECONDS: i64 = 31_556_952 / 2;

/// The line up to and with the space before the name, at the moment `now`.
pub(super) fn line(directory: bool, size: u64, changed: Micros, now: Micros) -> String {
    let (mode, links, size) = if directory { ("drwxr-xr-x", 2, 4096) } else { ("-rw-r--r--", 1, size) };
    format!("{mode} {links:>3} customer customer {size:>12} {} ", date(changed, now))
}

/// `Nov 22 22:46` or `Nov 22  2025`: the time of day for what is less than half a year old.
fn date(at: Micros, now: Micros) -> String {
    let civil = Civil::from(at);
    let (month, day) = (civil.month_name(), civil.day);
    let age = now.seconds().saturating_sub(at.seconds());
    // A little into the future is a clock that is a little off.
    if (-3_600..RECENT_SECONDS).contains(&age) {
        format!("{month} {day:>2} {:02}:{:02}", civil.hour, civil.minute)
    } else {
        format!("{month} {day:>2} {:>5}", civil.year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_of_what_is_old_and_the_time_of_what_is_not() {
        let at = Micros::from_seconds(951_827_696);
        assert_eq!(date(at, at.plus_seconds(86_400)), "Feb 29 12:34");
        assert_eq!(date(at, at.plus_seconds(200 * 86_400)), "Feb 29  2000");
        assert_eq!(date(at, at.plus_seconds(-86_400)), "Feb 29  2000");
    }

    #[test]
    fn a_line_looks_like_that_of_ls() {
        let (at, now) = (Micros::from_seconds(951_782_400), Micros::from_seconds(951_782_460));
        assert_eq!(line(false, 12_345, at, now), "-rw-r--r--   1 customer customer        12345 Feb 29 00:00 ");
        let (at, now) = (Micros::from_seconds(951_782_399), Micros::from_seconds(1_700_000_000));
        assert_eq!(line(true, 0, at, now), "drwxr-xr-x   2 customer customer         4096 Feb 28  2000 ");
    }
}
