//! What each tier's errors were, counted: decisions over cases of real pictures, through the real server, and how many of them
//! were wrong.
//!
//! The counts stand in `counted.csv`, which `benches/accuracy.py --write-counts` makes of its results; no number here is
//! estimated or set by hand. They speak of that corpus: a shop of nothing but film frames is another one.

use super::Tier;

/// The counts as the bench wrote them.
const COUNTED: &str = include_str!("counted.csv");

/// The part of repetitions in which the true rate lies below an [upper bound](Counted::at_most).
pub const CONFIDENCE: f64 = 0.95;

/// How often a tier decided, and how often wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Attachments that it made.
    pub decisions: u32,
    /// Of those, the wrong ones.
    pub wrong: u32,
    /// Groups of pictures of which it attached at least one: frames of one burst, cards of one template. What goes wrong in
    /// a group goes wrong together, so that bounds rest on groups and not on decisions.
    pub groups: u32,
    /// Of those, the ones with a wrong attachment.
    pub wrong_groups: u32,
}

/// What was counted for a tier.
pub fn counted(tier: Tier) -> Counted {
    let mut rows = COUNTED.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let row = rows.find(|fields| fields[0] == tier.method().word()).unwrap_or_default();
    // A tier that no case made use of decided nothing; a test reads every field of the file.
    let field = |at: usize| row.get(at).and_then(|text| text.parse().ok()).unwrap_or_default();
    Counted { decisions: field(1), wrong: field(2), groups: field(3), wrong_groups: field(4) }
}

impl Counted {
    /// The largest rate of wrong groups that would show so few with a probability of 5 % ([`CONFIDENCE`]): the one-sided upper
    /// bound of Clopper and Pearson (The use of confidence or fiducial limits, Biometrika 26, 1934). 1 where nothing was
    /// counted.
    pub fn at_most(&self) -> f64 {
        if self.wrong_groups >= self.groups {
            return 1.0;
        }
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let rate = (low + high) / 2.0;
            if at_most_so_many(self.wrong_groups, self.groups, rate) > 1.0 - CONFIDENCE {
                low = rate;
            } else {
                high = rate;
            }
        }
        high
    }
}

/// The probability of at most `wrong` among `of`, each of which is wrong with a probability of `rate`.
fn at_most_so_many(wrong: u32, of: u32, rate: f64) -> f64 {
    // In logarithms, since the first term alone may be too small for a float.
    let mut log = f64::from(of) * (-rate).ln_1p();
    let mut sum = log.exp();
    for k in 1..=wrong {
        log += (f64::from(of - k + 1) / f64::from(k)).ln() + rate.ln() - (-rate).ln_1p();
        sum += log.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        let at_most = |wrong_groups, groups| Counted { decisions: 0, wrong: 0, groups, wrong_groups }.at_most();
        // None of n: 1 - 0.05^(1/n). The others are checked against exact binomial sums.
        for (wrong, of, bound) in [(0, 300, 0.009936), (0, 3000, 0.000998), (1, 100, 0.046560), (5, 50, 0.198833)] {
            assert!((at_most(wrong, of) - bound).abs() < 1e-5, "{wrong} of {of}: {}", at_most(wrong, of));
        }
        assert_eq!([at_most(0, 0), at_most(3, 3)], [1.0, 1.0]);
    }

    #[test]
    fn the_file_holds_a_row_for_every_tier() {
        assert_eq!(COUNTED.lines().next(), Some("tier,decisions,wrong,groups,wrong_groups"));
        for line in COUNTED.lines().skip(1) {
            let (tier, counts) = line.split_once(',').unwrap();
            assert!(Tier::ALL.iter().any(|one| one.method().word() == tier), "{line}");
            let counts: Vec<u32> = counts.split(',').map(|count| count.parse().unwrap()).collect();
            assert!(
                counts.len() == 4 && counts[0] >= counts[1] && counts[2] >= counts[3] && counts[0] >= counts[2],
                "{line}"
            );
        }
        for tier in Tier::ALL {
            assert!(counted(tier).decisions > 0, "{tier:?}");
        }
    }
}
