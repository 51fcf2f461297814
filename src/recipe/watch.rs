//! Whether what was learned of a shop's thumbnails still holds: how it does on the last pairs that are certain without it.
//!
//! A shop exchanges its software some day, and thumbnails made since are no longer explained. "Last" is said of the shop's
//! own numbering of its records, which is the nearest thing to time that does not depend on who uploads when: what is
//! watched is a function of the set of pairs, as what is learned is. It measures nothing and takes nothing back itself.

/// Pairs that are watched at most: the last.
const WATCHED_MAX: usize = 24;
/// Fewer than this tell nothing.
const WATCHED_MIN: usize = 10;
/// Recipes that explain less than this part of the last pairs prove nothing any more. Learning asks each for twice as much, so
/// that chance hardly takes back what it gave.
const EXPLAINED_SHARE_MIN: f32 = 0.125;

/// How a partition's recipes do on the last of its certain pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Pairs that were looked at.
    pub pairs: usize,
    /// Of those, the ones that some recipe explains.
    pub explained: usize,
}

impl Watch {
    /// Over pairs with the names of their records, and whether they are explained.
    pub fn of(pairs: Vec<(String, bool)>) -> Watch {
        let last = last(pairs, WATCHED_MAX, |(name, _)| name);
        Watch { pairs: last.len(), explained: last.iter().filter(|(_, explained)| *explained).count() }
    }

    /// Whether so few are explained that the shop makes its thumbnails otherwise by now.
    pub fn has_drifted(&self) -> bool {
        self.pairs >= WATCHED_MIN && (self.explained as f32) < EXPLAINED_SHARE_MIN * self.pairs as f32
    }
}

/// The last of these by the shop's numbering, at most so many: longer numbers are later than shorter ones.
pub fn last<T>(mut all: Vec<T>, most: usize, name: impl Fn(&T) -> &String) -> Vec<T> {
    all.sort_by(|a, b| (name(a).len(), name(a)).cmp(&(name(b).len(), name(b))));
    all.split_off(all.len().saturating_sub(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(from: usize, to: usize, explained: bool) -> Vec<(String, bool)> {
        (from..to).map(|number| (format!("R-{number}"), explained)).collect()
    }

    #[test]
    fn only_the_last_by_the_shops_numbering_count() {
        // Record 100 came after record 99.
        let mut all = pairs(0, 90, true);
        all.extend(pairs(90, 120, false));
        let mut reversed = all.clone();
        reversed.reverse();
        let watch = Watch::of(all);
        assert_eq!(watch, Watch { pairs: WATCHED_MAX, explained: 0 });
        assert_eq!(watch, Watch::of(reversed));
        assert!(watch.has_drifted());
    }

    #[test]
    fn a_few_unexplained_pairs_are_no_drift() {
        let watch =
            |explained, not| Watch::of([pairs(0, explained, true), pairs(explained, explained + not, false)].concat());
        assert!(!watch(0, WATCHED_MIN - 1).has_drifted(), "too few to tell");
        assert!(watch(0, WATCHED_MIN).has_drifted());
        assert!(!watch(3, 21).has_drifted());
        assert!(watch(2, 22).has_drifted());
    }
}
