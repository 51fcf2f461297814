//! When a picture was taken, as a file and a database say it.
//!
//! Cameras write the clock on the wall without a zone; databases keep that, or UTC, or the time of their server. So two times
//! compare modulo quarters of an hour, which is what zones are apart. What is less exact than a minute says nothing, and
//! neither does midnight, which databases put where there was only a date.

use crate::domain::{Civil, Micros};

const SECOND: i64 = 1_000_000;
const QUARTER: i64 = 900 * SECOND;
/// Zones lie at most this far from UTC.
const ZONE_MAX: i64 = 14 * 3600 * SECOND;
/// Clocks of one moment, where one rounds and one cuts off or writes the file a little later, differ by this at most.
const CLOCKS_MAX: i64 = 3 * SECOND;
/// The same where both tell fractions of a second.
const FRACTIONS_MAX: i64 = SECOND / 20;

/// A time as written, without its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// As if it were UTC.
    at: Micros,
    /// The smallest step of its writing, in microseconds: a minute, a second, or less.
    step: i64,
}

/// What two times say about two pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// One moment.
    Same,
    /// One moment, if the zones are as far apart as the times.
    InAnotherZone,
    /// Two moments.
    Other,
}

impl Moment {
    /// Reads ISO 8601, EXIF, SQL, German dates, American ones where they cannot be taken for anything else, and seconds or
    /// milliseconds since 1970. Nothing for what is none of these, has no time of day, or is midnight.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.len() {
            10 if digits => Some(Moment { at: Micros::from_seconds(text.parse().ok()?), step: SECOND }),
            13 if digits => {
                let millis: i64 = text.parse().ok()?;
                Some(Moment { at: Micros(millis * 1000), step: if millis % 1000 == 0 { SECOND } else { 1000 } })
            }
            14 if digits => written(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..8]), &clock_of(&text[8..])),
            15 if is_compact(text) => {
                written(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..8]), &clock_of(&text[9..]))
            }
            _ => {
                let (date, time) = text.split_once(['T', 't', ' '])?;
                written(date, time)
            }
        }
    }

    /// What this and another time say; nothing where they are near and not the same.
    pub fn compare(self, other: Moment) -> Option<Taken> {
        let apart = self.at.0 - other.at.0;
        let zones = (apart + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
        let left = (apart - zones).abs();
        let step = self.step.max(other.step);
        let (same, near) = match step {
            _ if self.step < SECOND && other.step < SECOND => (left <= step.max(FRACTIONS_MAX), false),
            SECOND => (left < SECOND, left <= CLOCKS_MAX),
            _ => (false, left <= step + CLOCKS_MAX),
        };
        match zones {
            _ if zones.abs() > ZONE_MAX => Some(Taken::Other),
            0 if same => Some(Taken::Same),
            _ if same => Some(Taken::InAnotherZone),
            _ if near => None,
            _ => Some(Taken::Other),
        }
    }
}

/// `20190704_130559`, or with another sign between.
fn is_compact(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 => matches!(byte, b'T' | b'_' | b'-' | b' '),
        _ => byte.is_ascii_digit(),
    })
}

/// `130559` as `13:05:59`.
fn clock_of(digits: &str) -> String {
    format!("{}:{}:{}", &digits[..2], &digits[2..4], &digits[4..])
}

/// A date and a time of day, which may have a zone behind it.
fn written(date: &str, time: &str) -> Option<Moment> {
    let (year, month, day) = date_of(date)?;
    let (hour, minute, second, step) = time_of(time.trim())?;
    let (whole, fraction) = (second.div_euclid(SECOND), second.rem_euclid(SECOND));
    // Each part was checked to be small.
    let civil =
        Civil { year, month: month as u8, day: day as u8, hour: hour as u8, minute: minute as u8, second: whole as u8 };
    let is_midnight = (hour, minute, second) == (0, 0, 0);
    let at = Micros::from(civil);
    // The 31st of February would run over.
    let exists = Civil::from(at).day == civil.day || whole == 60;
    (!is_midnight && exists).then_some(Moment { at: Micros(at.0 + fraction), step })
}

/// Year, month and day.
fn date_of(date: &str) -> Option<(i64, i64, i64)> {
    let separator = date.chars().find(|c| !c.is_ascii_digit())?;
    let mut numbers = date.split(separator).map(|part| number(part, 4));
    let (a, b, c) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let (year, month, day) = match separator {
        '-' | ':' | '/' if a > 31 => (a, b, c),
        '.' => (c, b, a),
        // The day comes first in Britain and second in America.
        '/' if a > 12 => (c, b, a),
        '/' if b > 12 => (c, a, b),
        _ => return None,
    };
    let good = numbers.next().is_none()
        && (1800..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day);
    good.then_some((year, month, day))
}

/// Hour, minute, microseconds of the minute, and the smallest step in microseconds.
fn time_of(time: &str) -> Option<(i64, i64, i64, i64)> {
    let (clock, half) = match time.get(time.len().checked_sub(2)?..).map(str::to_ascii_lowercase).as_deref() {
        Some("am") => (&time[..time.len() - 2], Some(0)),
        Some("pm") => (&time[..time.len() - 2], Some(12)),
        _ => (time, None),
    };
    // A zone begins with a letter, a sign or a space.
    let zone = clock.trim().find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ','));
    let clock = clock.trim().get(..zone.unwrap_or(clock.trim().len()))?;
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, step) = match parts.next() {
        None => (0, 60 * SECOND),
        Some(second) => second_of(second)?,
    };
    let hour = match half {
        Some(after) if (1..=12).contains(&hour) => hour % 12 + after,
        Some(_) => return None,
        None => hour,
    };
    // A full minute is more often a rounded one than a lucky one.
    let step = if second == 0 { 60 * SECOND } else { step };
    let good = parts.next().is_none() && hour < 24 && minute < 60 && second <= 60 * SECOND;
    good.then_some((hour, minute, second, step))
}

/// Microseconds, and their smallest step. A fraction of zeros is one that nobody knew.
fn second_of(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let whole = number(whole, 2)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let known = &fraction[..fraction.len().min(6)];
    if known.bytes().all(|digit| digit == b'0') {
        return Some((whole * SECOND, SECOND));
    }
    let step = 10_i64.pow(6 - known.len() as u32);
    Some((whole * SECOND + known.parse::<i64>().ok()? * step, step))
}

/// A plain number of one digit to `digits_max`.
fn number(text: &str, digits_max: usize) -> Option<i64> {
    let plain = (1..=digits_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &str, b: &str) -> Option<Taken> {
        let (a, b) = (Moment::of(a).unwrap(), Moment::of(b).unwrap());
        assert_eq!(a.compare(b), b.compare(a));
        a.compare(b)
    }

    #[test]
    fn one_moment_in_many_writings() {
        let plain = Moment::of("2019-07-14T13:05:59").unwrap();
        for text in [
            "2019-07-14 13:05:59",
            "2019:07:14 13:05:59",
            "2019/07/14 13:05:59",
            "14.07.2019 13:05:59",
            "14.7.2019 13:05:59",
            "7/14/2019 1:05:59 PM",
            "14/7/2019 13:05:59",
            "2019-07-14T13:05:59Z",
            "2019-07-14T13:05:59.000+02:00",
            "2019-07-14 13:05:59 +0200",
            "2019-07-14 13:05:59.000000",
            "20190714130559",
            "20190714_130559",
            "20190714T130559",
            "1563109559",
            "1563109559000",
            " 2019-07-14 13:05:59 ",
        ] {
            assert_eq!(Moment::of(text), Some(plain), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_says_nothing() {
        for text in [
            "",
            "yesterday",
            "2019",
            "2019-07-14",
            "2019-07-14 00:00:00",
            "14.07.2019 00:00",
            "7/4/2019 13:05:59",
            "2019-02-30 13:05:59",
            "2019-13-04 13:05:59",
            "2019-07-14 24:05:59",
            "2019-07-14 13:05:61",
            "2019-07-14 13:65 PM",
            "0000-00-00 00:00:00",
            "2019-07-14 13",
            "2019-07-14 13:05:59:01",
            "123456789012345678901234567890",
            "äöü 12:00:01",
            "2019-07-14 é",
        ] {
            assert_eq!(Moment::of(text), None, "{text}");
        }
    }

    #[test]
    fn times_agree_and_differ() {
        for (a, b, taken) in [
            ("2019-07-14 13:05:59", "2019-07-14 13:05:59", Some(Taken::Same)),
            ("2019-07-14 13:05:59", "2019-07-14 13:05:59.73", Some(Taken::Same)),
            ("2019-07-14 13:05:59.7", "2019-07-14 13:05:59.732", Some(Taken::Same)),
            ("2019-07-14 13:05:59", "2019-07-14T11:05:59Z", Some(Taken::InAnotherZone)),
            ("2019-07-14 13:05:59", "2019-07-14T07:20:59Z", Some(Taken::InAnotherZone)),
            ("2019-07-14 23:05:59", "2019-07-15T08:05:59Z", Some(Taken::InAnotherZone)),
            // Near: a clock that rounds, or the next frame.
            ("2019-07-14 13:05:58", "2019-07-14 13:05:59", None),
            ("2019-07-14 13:05:56", "2019-07-14T11:05:59Z", None),
            ("2019-07-14 13:05", "2019-07-14 13:05:31", None),
            ("2019-07-14 13:05:00", "2019-07-14 13:05:31", None),
            // Frames of a burst.
            ("2019-07-14 13:05:59.10", "2019-07-14 13:05:59.30", Some(Taken::Other)),
            ("2019-07-14 13:05:55", "2019-07-14 13:05:59", Some(Taken::Other)),
            ("2019-07-14 13:05:55", "2019-07-14T11:05:59Z", Some(Taken::Other)),
            ("2019-07-14 13:05", "2019-07-14 13:07:31", Some(Taken::Other)),
            ("2019-07-14 13:05:59", "2019-07-16 13:05:59", Some(Taken::Other)),
            ("2019-07-14 13:05:59", "2020-07-14 13:05:59", Some(Taken::Other)),
        ] {
            assert_eq!(compare(a, b), taken, "{a} {b}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_moment_or_none(text in "\\PC{0,24}", other in "[0-9]{1,4}[-./:][0-9]{1,2}[-./:][0-9]{1,4}[ T][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]{1,8})?") {
            for moment in [Moment::of(&text), Moment::of(&other)].into_iter().flatten() {
                let minute = moment.step > SECOND;
                proptest::prop_assert_eq!(moment.compare(moment), if minute { None } else { Some(Taken::Same) });
            }
        }
    }
}
