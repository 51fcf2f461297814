//! What stays missing: when it is given up.

use serde::Deserialize;

/// Days that an announcement must come before what it announces, at least.
const NOTICE_DAYS_MIN: u64 = 7;

/// Days that a setting may say at most: a century.
const DAYS_MAX: u64 = 36_500;

/// What stays missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retire {
    /// Days without a file of a customer after which it is announced to them that what is missing is given up; 0: never.
    pub after_days: u64,
    /// Days from that announcement until it is done.
    pub notice_days: u64,
    /// Records given up on one day at most.
    pub records_per_day: u64,
}

impl Default for Retire {
    fn default() -> Self {
        Retire { after_days: 0, notice_days: 30, records_per_day: 10_000 }
    }
}

impl Retire {
    /// Whether it can be done so.
    ///
    /// # Errors
    /// When customers would not be told long enough before.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.notice_days < NOTICE_DAYS_MIN {
            return Err(format!(
                "`retire.notice_days` must be at least {NOTICE_DAYS_MIN}, so that customers can still send what is announced to be given up"
            ));
        }
        if self.after_days > DAYS_MAX || self.notice_days > DAYS_MAX {
            return Err(format!("`retire.after_days` and `retire.notice_days` must be at most {DAYS_MAX}"));
        }
        if self.records_per_day == 0 {
            return Err("`retire.records_per_day` must be at least 1; `retire.after_days = 0` gives nothing up".into());
        }
        Ok(())
    }
}
