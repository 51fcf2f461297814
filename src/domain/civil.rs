//! Moments as calendar dates, always UTC. Pure.
//!
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day
//! comes last.

use std::fmt;

use super::{Language, Micros};

/// A moment's date and time of day in UTC, in whole seconds, in the order in which moments follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// Year; astronomical, so there is a year 0.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Civil {
    /// The month's English name in three letters.
    pub fn month_name(&self) -> &'static str {
        MONTHS[usize::from(self.month.clamp(1, 12) - 1)]
    }

    /// The day as people write it in a language: `1 March 2027`, `1. März 2027`.
    pub fn day_in_words(&self, language: Language) -> String {
        let (Civil { year, day, .. }, month) = (self, usize::from(self.month.clamp(1, 12) - 1));
        match language {
            Language::English => format!("{day} {} {year}", ENGLISH[month]),
            Language::German => format!("{day}. {} {year}", GERMAN[month]),
        }
    }
}

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

impl fmt::Display for Civil {
    /// As RFC 3339 writes it, in whole seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl From<Micros> for Civil {
    fn from(at: Micros) -> Self {
        let seconds = at.seconds();
        let (days, of_day) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        // Every part but the year lies within its bounds by construction.
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (of_year - (153 * from_march + 2) / 5 + 1) as u8,
            hour: (of_day / 3_600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }
}

impl From<Civil> for Micros {
    /// The moment of a date; a part beyond its bounds runs over into the next larger one.
    fn from(date: Civil) -> Self {
        let (month, day) = (i64::from(date.month), i64::from(date.day));
        let year = date.year - i64::from(month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
        let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468;
        let of_day = i64::from(date.hour) * 3_600 + i64::from(date.minute) * 60 + i64::from(date.second);
        Micros::from_seconds(days * 86_400 + of_day)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        let leap = Civil { year: 2000, month: 2, day: 29, hour: 12, minute: 34, second: 56 };
        assert_eq!(Civil::from(Micros::from_seconds(951_827_696)), leap);
        let eve = Civil { year: 1969, month: 12, day: 31, hour: 23, minute: 59, second: 59 };
        assert_eq!(Civil::from(Micros(-1)), eve);
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_date(seconds in -100_000_000_000_i64..300_000_000_000) {
            let at = Micros::from_seconds(seconds);
            prop_assert_eq!(Micros::from(Civil::from(at)), at);
        }

        #[test]
        fn any_moment_has_a_date(at in any::<i64>()) {
            let date = Civil::from(Micros(at));
            prop_assert!((1..=12).contains(&date.month) && (1..=31).contains(&date.day));
        }

        #[test]
        fn dates_follow_each_other(seconds in -100_000_000_000_i64..300_000_000_000, later in 1..100_000_000_i64) {
            let at = Micros::from_seconds(seconds);
            prop_assert!(Civil::from(at) < Civil::from(at.plus_seconds(later)));
        }
    }
}
