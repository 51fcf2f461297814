//! The tiers of the rule: which may attach, what they attached here, and how often they were wrong where it was counted.

use super::{Cell, Sheet};
use crate::catalogue::{Error, Tx};
use crate::matcher::verdict::{Tier, counted};

/// A row for each tier. `counted` and the columns behind it speak of the cases that the project measures itself by, not of this
/// shop; `at_most_percent` is the upper bound of the rate of errors, by groups of pictures, at 95 %.
///
/// # Errors
/// When the catalogue fails.
pub fn tiers(tx: &Tx<'_>, allowed: &[Tier]) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "tier",
        "may_attach",
        "attached",
        "waiting",
        "counted",
        "counted_wrong",
        "counted_groups",
        "at_most_percent",
    ]);
    let standing = tx.proven_by_method()?;
    for tier in Tier::ALL {
        let word = tier.method().word();
        let (attached, waiting) = standing.get(word).copied().unwrap_or_default();
        let counted = counted(tier);
        let row: Vec<Cell> = vec![
            word.into(),
            allowed.contains(&tier).into(),
            attached.into(),
            waiting.into(),
            i64::from(counted.decisions).into(),
            i64::from(counted.wrong).into(),
            i64::from(counted.groups).into(),
            (100.0 * counted.at_most()).into(),
        ];
        sheet.rows.push(row);
    }
    Ok(sheet)
}
