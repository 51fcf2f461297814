//! What the search looks at: recipes beside what each leaves unexplained of each pair, measured once.
//!
//! Ranks recipes and counts what they explain. Which are tried next, and which are believed, is the search's business.

use std::collections::HashMap;

use super::super::family::Recipe;
use super::super::reproduce::{Fit, RELATIVE_FROM_PX};
use super::super::statistic::Excess;
use super::{D_CAP, FOUND, HZ_CAP, Measure};

/// Whether what is left of a thumbnail of this size is within what the right recipe leaves.
pub(in crate::recipe) fn is_explained(excess: &Excess, long_side_px: usize) -> bool {
    credit(excess, long_side_px) > 0.0
}

/// 1 for a pair without error, 0 for one at or beyond the cap.
pub(super) fn credit(excess: &Excess, long_side_px: usize) -> f32 {
    let cap = if long_side_px >= RELATIVE_FROM_PX { HZ_CAP } else { D_CAP };
    (1.0 - Fit::error(excess, long_side_px) / cap).max(0.0)
}

/// What was measured so far: stages ask for much of it again, and each measurement costs a picture brought to size.
pub(super) struct Measurements<'a, 'b> {
    measure: &'a mut Measure<'b>,
    known: HashMap<(usize, Recipe), Option<Excess>>,
}

impl<'a, 'b> Measurements<'a, 'b> {
    /// Of what this measures, nothing yet.
    pub(super) fn new(measure: &'a mut Measure<'b>) -> Self {
        Measurements { measure, known: HashMap::new() }
    }

    /// As [`Measure`].
    pub(super) fn of(&mut self, pairs: &[usize], recipes: &[Recipe]) -> Vec<Vec<Option<Excess>>> {
        let is_new = |recipe: &&Recipe| pairs.iter().any(|&pair| !self.known.contains_key(&(pair, **recipe)));
        let new: Vec<Recipe> = recipes.iter().filter(is_new).copied().collect();
        for (&pair, excesses) in pairs.iter().zip((self.measure)(pairs, &new)) {
            self.known.extend(new.iter().zip(excesses).map(|(&recipe, excess)| ((pair, recipe), excess)));
        }
        let known = |pair: usize, recipe: &Recipe| self.known.get(&(pair, *recipe)).copied().flatten();
        pairs.iter().map(|&pair| recipes.iter().map(|recipe| known(pair, recipe)).collect()).collect()
    }
}

/// What each recipe tried leaves unexplained of each pair.
pub(super) struct Table<'a> {
    pub(super) pairs: &'a [usize],
    pub(super) long_sides_px: &'a [usize],
    /// What recipes are ranked by.
    pub(super) figure: fn(&Excess) -> f32,
    pub(super) rows: Vec<(Recipe, Vec<Option<Excess>>)>,
}

impl<'a> Table<'a> {
    pub(super) fn of(pairs: &'a [usize], long_sides_px: &'a [usize], figure: fn(&Excess) -> f32) -> Self {
        Table { pairs, long_sides_px, figure, rows: Vec::new() }
    }

    pub(super) fn measured(
        pairs: &'a [usize],
        long_sides_px: &'a [usize],
        recipes: &[Recipe],
        measure: &mut Measurements,
    ) -> Self {
        let mut table = Table::of(pairs, long_sides_px, |excess| excess.loss);
        table.add(recipes, measure);
        table
    }

    pub(super) fn add(&mut self, recipes: &[Recipe], measure: &mut Measurements) {
        let new: Vec<Recipe> =
            recipes.iter().copied().filter(|recipe| !self.rows.iter().any(|(known, _)| known == recipe)).collect();
        let first = self.rows.len();
        self.rows.extend(new.iter().map(|&recipe| (recipe, Vec::with_capacity(self.pairs.len()))));
        for excesses in measure.of(self.pairs, &new) {
            let mut excesses = excesses.into_iter();
            for (_, row) in &mut self.rows[first..] {
                row.push(excesses.next().flatten());
            }
        }
    }

    pub(super) fn excess(&self, row: usize, pair: usize) -> Option<Excess> {
        let at = self.pairs.iter().position(|&known| known == pair)?;
        self.rows[row].1[at]
    }

    /// See [`credit`].
    pub(super) fn credit(&self, row: usize, pair: usize) -> f32 {
        self.excess(row, pair).map_or(0.0, |excess| credit(&excess, self.long_sides_px[pair]))
    }

    pub(super) fn credits(&self, row: usize) -> f32 {
        self.pairs.iter().map(|&pair| self.credit(row, pair)).sum()
    }

    /// The mean loss of the best half of all pairs: where two recipes stand behind one header, each has its half.
    pub(super) fn loss(&self, row: usize) -> f32 {
        let mut losses: Vec<f32> = self.rows[row]
            .1
            .iter()
            .map(|excess| excess.map_or(f32::INFINITY, |excess| (self.figure)(&excess)))
            .collect();
        losses.sort_by(f32::total_cmp);
        losses.truncate(losses.len().div_ceil(2));
        losses.iter().sum::<f32>() / losses.len() as f32
    }

    /// Whether its best recipe leaves so little that nothing better needs to be looked for.
    pub(super) fn is_settled(&self) -> bool {
        self.loss(self.ranked()[0]) < FOUND
    }

    /// Rows by loss, least first; of equals the one that was tried first.
    pub(super) fn ranked(&self) -> Vec<usize> {
        let mut rows: Vec<(usize, f32)> = (0..self.rows.len()).map(|row| (row, self.loss(row))).collect();
        rows.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// The recipe with the most credit; where none has any, the one with the least loss.
    pub(super) fn best(&self) -> Recipe {
        let ranked = self.ranked();
        let mut best = ranked[0];
        for &row in &ranked {
            if self.credits(row) > self.credits(best) + 1e-3 {
                best = row;
            }
        }
        self.rows[best].0
    }
}
