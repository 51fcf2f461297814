//! Time zones: what a clock on the shop's wall shows. Pages say times by it; files, programs and the catalogue stay in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use super::{Civil, Micros};

/// A time zone by its name in the IANA database, such as `Europe/Berlin`. The system's own copy of it is asked first, since that is
/// kept up to date; one is built in.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Default for Zone {
    fn default() -> Self {
        Zone { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Zone {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "UTC" => Ok(Zone::default()),
            _ => TimeZone::get(text)
                .map(|zone| Zone { name: text.to_owned(), zone })
                .map_err(|_| "there is no such time zone; write one as Europe/Berlin, America/New_York or UTC"),
        }
    }
}

impl Zone {
    /// Date and time of day at a moment.
    pub fn civil(&self, at: Micros) -> Civil {
        // A moment that the calendar of the library does not reach has no zone either.
        let Ok(timestamp) = Timestamp::from_second(at.seconds()) else { return Civil::from(at) };
        let shown = timestamp.to_zoned_datetime(self.zone.clone());
        let small = |part: i8| part.unsigned_abs();
        Civil {
            year: shown.year().into(),
            month: small(shown.month()),
            day: small(shown.day()),
            hour: small(shown.hour()),
            minute: small(shown.minute()),
            second: small(shown.second()),
        }
    }

    /// The first moment of a day. None for a day that no calendar has.
    pub fn day_begins(&self, year: i64, month: u8, day: u8) -> Option<Micros> {
        let (year, month, day) = (year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?);
        let begins = civil::Date::new(year, month, day).ok()?.to_zoned_datetime(self.zone.clone()).ok()?;
        Some(Micros::from_seconds(begins.timestamp().as_second()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    #[test]
    fn clocks_go_by_the_zone_and_its_summer_time() {
        // 1 March and 1 July 2027, 00:05 UTC.
        for (name, winter, summer) in [
            ("UTC", "2027-03-01T00:05:00Z", "2027-07-01T00:05:00Z"),
            ("Europe/Berlin", "2027-03-01T01:05:00Z", "2027-07-01T02:05:00Z"),
            ("America/New_York", "2027-02-28T19:05:00Z", "2027-06-30T20:05:00Z"),
            ("Asia/Kathmandu", "2027-03-01T05:50:00Z", "2027-07-01T05:50:00Z"),
        ] {
            let shown = |seconds| zone(name).civil(Micros::from_seconds(seconds)).to_string();
            assert_eq!((shown(1_803_859_500), shown(1_814_400_300)), (winter.to_owned(), summer.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_day_begins_by_the_zone() {
        let begins = |name: &str| zone(name).day_begins(2027, 3, 1).unwrap().seconds();
        assert_eq!(begins("UTC"), 1_803_859_200);
        assert_eq!(begins("Europe/Berlin"), 1_803_859_200 - 3600);
        assert_eq!(begins("America/New_York"), 1_803_859_200 + 5 * 3600);
        assert_eq!(Zone::default().day_begins(2027, 2, 29), None);
    }

    #[test]
    fn what_is_no_zone_is_told() {
        for wrong in ["", "Berlin", "CEST", "+01:00", "../etc/passwd"] {
            assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
        }
        assert_eq!(zone("Europe/Berlin").to_string(), "Europe/Berlin");
    }
}
