//! Learns how a shop made its thumbnails, from pairs that are certain for other reasons.
//!
//! A staged search through the family, in a fixed order and so with the same answer for the same pairs: the known engines
//! first, then sharpening, then the general family where nothing fits. A recipe counts for what it explains: each pair
//! gives it credit by how far within the cap its error stays. Several recipes may stand behind the same headers; each is
//! learned from the pairs that the ones before it do not explain. A recipe that pairs held back do not confirm is refused.
//!
//! It decodes nothing: whoever calls it measures pairs, in a decode child or wherever pictures may be read.

use serde::{Deserialize, Serialize};

use super::family::{Orientation, Recipe, Scaler, engines, sharpenings};
use super::frame::Frame;
use super::kernel::{Kernel, Passes, Shrink};
use super::reproduce::{Fit, RELATIVE_FROM_PX};
use super::statistic::Excess;

/// Fewer certain pairs than this teach nothing.
pub const PAIRS_MIN: usize = 10;
/// A recipe has to explain at least so many pairs...
const EXPLAINED_MIN: usize = 6;
/// ...and at least this part of those that are not explained yet.
const EXPLAINED_SHARE_MIN: f32 = 0.25;
/// Of the pairs held back, so large a part of what was explained of the others has to be explained too.
const CONFIRMED_SHARE_MIN: f32 = 0.6;
/// No more recipes than this are looked for behind one header.
const RECIPES_MAX: usize = 3;
/// The largest threshold for [`Excess::d`], in grey levels. Siblings lie above it even for imperfect emulations.
const D_CAP: f32 = 0.1;
/// The largest threshold for [`Excess::hz`].
const HZ_CAP: f32 = 0.4;
/// The part of its pairs that a partition's recipes have to explain, to be all that there is to know.
const MOST: f32 = 0.8;
/// A search whose best recipe leaves less than this unexplained, in grey levels, has found what was done.
const FOUND: f32 = 0.01;
/// Pairs on which every engine and frame is tried.
const SCREENED: usize = 6;
/// Engines and frames, or kernels of the general family, that are then tried on all pairs.
const PROMISING: usize = 10;

/// A recipe with the evidence for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// What was done.
    pub recipe: Recipe,
    /// Pairs that were looked at for it.
    pub pairs: u32,
    /// Of those, the ones that it explains.
    pub explained: u32,
    /// Mean unexplained error of luma over the explained pairs, in grey levels.
    pub loss: f32,
    /// The threshold for [`Fit::d`].
    pub d_max: f32,
    /// The threshold for [`Fit::hz`].
    pub hz_max: f32,
}

/// Whether these recipes of one partition explain most of the pairs that they were learned from, so that nothing else needs
/// to be tried on its thumbnails.
pub fn explain_most(learned: &[Learned]) -> bool {
    let pairs = learned.first().map_or(0, |first| first.pairs);
    let explained: u32 = learned.iter().map(|one| one.explained).sum();
    pairs > 0 && explained as f32 >= MOST * pairs as f32
}

impl Learned {
    /// The largest error that still proves, for a thumbnail of this size.
    pub fn threshold(&self, long_side_px: usize) -> f32 {
        if long_side_px >= RELATIVE_FROM_PX { self.hz_max } else { self.d_max }
    }
}

/// Why nothing was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Too few pairs.
    #[error("{pairs} certain pairs are too few to learn a recipe from, {PAIRS_MIN} are needed")]
    TooFewPairs {
        /// How many there were.
        pairs: usize,
    },
    /// No member of the family explains enough pairs.
    #[error("no known recipe explains more than {explained} of {pairs} certain pairs")]
    NothingFits {
        /// What the best one explains.
        explained: usize,
        /// How many there were.
        pairs: usize,
    },
    /// What explains the pairs learned from does not explain those held back.
    #[error("the recipe found explains {learned} pairs learned from but only {held_back} of those held back")]
    NotConfirmed {
        /// Explained of the pairs learned from.
        learned: usize,
        /// Explained of the pairs held back.
        held_back: usize,
    },
}

/// Measures pairs, by their numbers, with each recipe: for each pair one entry for each recipe, what
/// [`super::Reproducer::excess`] says, nothing where the original cannot lie in the thumbnail so.
pub type Measure<'a> = dyn FnMut(&[usize], &[Recipe]) -> Vec<Vec<Option<Excess>>> + 'a;

/// The recipes behind `pairs` thumbnails of one partition, best first; pairs come in a canonical order.
///
/// # Errors
/// [`Refusal`], when there is not a single recipe to be sure of.
pub fn learn(side_px: u32, long_sides_px: &[usize], measure: &mut Measure) -> Result<Vec<Learned>, Refusal> {
    let pairs = long_sides_px.len();
    if pairs < PAIRS_MIN {
        return Err(Refusal::TooFewPairs { pairs });
    }
    let mut left: Vec<usize> = (0..pairs).collect();
    let mut found = Vec::new();
    while found.len() < RECIPES_MAX && left.len() >= EXPLAINED_MIN {
        match learn_one(side_px, long_sides_px, &left, measure) {
            Ok((learned, explained)) => {
                found.push(learned);
                left.retain(|pair| !explained.contains(pair));
            }
            Err(refusal) if found.is_empty() => return Err(refusal),
            Err(_) => break,
        }
    }
    Ok(found)
}

fn learn_one(
    side_px: u32,
    long_sides_px: &[usize],
    left: &[usize],
    measure: &mut Measure,
) -> Result<(Learned, Vec<usize>), Refusal> {
    // Every third pair is held back.
    let thirds = |held: bool| left.iter().copied().enumerate().filter(move |(at, _)| (at % 3 == 2) == held);
    let pairs = |held: bool| thirds(held).map(|(_, pair)| pair).collect::<Vec<usize>>();
    let (held, taught) = (pairs(true), pairs(false));
    let mut table = Table { pairs: &taught, long_sides_px, rows: Vec::new() };
    search(side_px, &mut table, measure);
    let best = table.best();
    let best = settled(best, &taught, long_sides_px, measure);
    let all = Table::measured(left, long_sides_px, &[best], measure);
    let explained: Vec<usize> = left.iter().copied().filter(|&pair| all.credit(0, pair) > 0.0).collect();
    let of = |pairs: &[usize]| pairs.iter().filter(|pair| explained.contains(pair)).count();
    let (taught_explained, held_explained) = (of(&taught), of(&held));
    if explained.len() < EXPLAINED_MIN || (explained.len() as f32) < EXPLAINED_SHARE_MIN * left.len() as f32 {
        return Err(Refusal::NothingFits { explained: explained.len(), pairs: left.len() });
    }
    let expected = taught_explained as f32 / taught.len() as f32 * held.len() as f32;
    if (held_explained as f32) < CONFIRMED_SHARE_MIN * expected {
        return Err(Refusal::NotConfirmed { learned: taught_explained, held_back: held_explained });
    }
    let excesses: Vec<Excess> = explained.iter().filter_map(|&pair| all.excess(0, pair)).collect();
    let threshold = |figure: fn(&Excess) -> f32, cap: f32| {
        let mut figures: Vec<f32> = excesses.iter().map(figure).collect();
        figures.sort_by(f32::total_cmp);
        // The ninetieth percentile; pairs that are explained are at least EXPLAINED_MIN.
        (2.0 * figures[(figures.len() - 1) * 9 / 10] + 0.02).min(cap)
    };
    let learned = Learned {
        recipe: best,
        pairs: left.len() as u32,
        explained: explained.len() as u32,
        loss: excesses.iter().map(|excess| excess.loss).sum::<f32>() / excesses.len() as f32,
        d_max: threshold(|excess| excess.d, D_CAP),
        hz_max: threshold(|excess| excess.hz, HZ_CAP),
    };
    Ok((learned, explained))
}

/// What each recipe tried leaves unexplained of each pair.
struct Table<'a> {
    pairs: &'a [usize],
    long_sides_px: &'a [usize],
    rows: Vec<(Recipe, Vec<Option<Excess>>)>,
}

impl<'a> Table<'a> {
    fn measured(pairs: &'a [usize], long_sides_px: &'a [usize], recipes: &[Recipe], measure: &mut Measure) -> Self {
        let mut table = Table { pairs, long_sides_px, rows: Vec::new() };
        table.add(recipes, measure);
        table
    }

    fn add(&mut self, recipes: &[Recipe], measure: &mut Measure) {
        let new: Vec<Recipe> =
            recipes.iter().copied().filter(|recipe| !self.rows.iter().any(|(known, _)| known == recipe)).collect();
        let first = self.rows.len();
        self.rows.extend(new.iter().map(|&recipe| (recipe, Vec::with_capacity(self.pairs.len()))));
        for excesses in measure(self.pairs, &new) {
            let mut excesses = excesses.into_iter();
            for (_, row) in &mut self.rows[first..] {
                row.push(excesses.next().flatten());
            }
        }
    }

    fn excess(&self, row: usize, pair: usize) -> Option<Excess> {
        let at = self.pairs.iter().position(|&known| known == pair)?;
        self.rows[row].1[at]
    }

    /// 1 for a pair without error, 0 for one at or beyond the cap.
    fn credit(&self, row: usize, pair: usize) -> f32 {
        let long_side_px = self.long_sides_px[pair];
        let cap = if long_side_px >= RELATIVE_FROM_PX { HZ_CAP } else { D_CAP };
        let error = self.excess(row, pair).map_or(f32::INFINITY, |excess| Fit::error(&excess, long_side_px));
        (1.0 - error / cap).max(0.0)
    }

    fn credits(&self, row: usize) -> f32 {
        self.pairs.iter().map(|&pair| self.credit(row, pair)).sum()
    }

    /// The mean loss of the best half of all pairs: where two recipes stand behind one header, each has its half.
    fn loss(&self, row: usize) -> f32 {
        let mut losses: Vec<f32> =
            self.rows[row].1.iter().map(|excess| excess.map_or(f32::INFINITY, |excess| excess.loss)).collect();
        losses.sort_by(f32::total_cmp);
        losses.truncate(losses.len().div_ceil(2));
        losses.iter().sum::<f32>() / losses.len() as f32
    }

    /// Rows by loss, least first; of equals the one that was tried first.
    fn ranked(&self) -> Vec<usize> {
        let mut rows: Vec<(usize, f32)> = (0..self.rows.len()).map(|row| (row, self.loss(row))).collect();
        rows.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// The recipe with the most credit; where none has any, the one with the least loss.
    fn best(&self) -> Recipe {
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

/// Fills the table, stage by stage.
fn search(side_px: u32, table: &mut Table, measure: &mut Measure) {
    let plain = |frame, scaler| Recipe { frame, ..Recipe::plain(side_px, scaler) };
    let crossed = |scalers: &[Scaler]| -> Vec<Recipe> {
        Frame::ALL.iter().flat_map(|&frame| scalers.iter().map(move |&scaler| plain(frame, scaler))).collect()
    };
    // A few pairs tell which engines and frames are worth the others.
    let few: Vec<usize> = table.pairs.iter().copied().step_by(table.pairs.len().div_ceil(SCREENED)).collect();
    let screen = Table::measured(&few, table.long_sides_px, &crossed(&engines()), measure);
    let promising: Vec<Recipe> = screen.ranked().into_iter().take(PROMISING).map(|row| screen.rows[row].0).collect();
    table.add(&promising, measure);
    let settled = |table: &Table| table.loss(table.ranked()[0]) < FOUND;
    if settled(table) {
        return;
    }
    let sharpened = |table: &Table, many: usize| -> Vec<Recipe> {
        let top: Vec<Recipe> = table.ranked().into_iter().take(many).map(|row| table.rows[row].0).collect();
        let with = |recipe: Recipe| sharpenings(recipe.scaler).map(move |sharpen| Recipe { sharpen, ..recipe });
        top.into_iter().flat_map(with).collect()
    };
    let by_sharpening = sharpened(table, 6);
    table.add(&by_sharpening, measure);
    let enough = table.credits(table.ranked()[0]) >= 0.5 * table.pairs.len() as f32;
    if settled(table) || enough {
        return;
    }
    let frame = table.rows[table.ranked()[0]].0.frame;
    let general = |shrink, kernel, passes| plain(frame, Scaler::Kernel { shrink, kernel, passes });
    let kernels: Vec<Recipe> = Shrink::ALL
        .iter()
        .flat_map(|&shrink| Kernel::ALL.iter().map(move |&kernel| (shrink, kernel)))
        .map(|(shrink, kernel)| general(shrink, kernel, Passes::RowsClamped))
        .collect();
    let screen = Table::measured(&few, table.long_sides_px, &kernels, measure);
    let promising: Vec<Recipe> = screen.ranked().into_iter().take(PROMISING).map(|row| screen.rows[row].0).collect();
    table.add(&promising, measure);
    let by_sharpening = sharpened(table, 3);
    table.add(&by_sharpening, measure);
    let top: Vec<Recipe> = table.ranked().into_iter().take(3).map(|row| table.rows[row].0).collect();
    let by_passes: Vec<Recipe> = top
        .iter()
        .filter_map(|recipe| match recipe.scaler {
            Scaler::Kernel { shrink, kernel, .. } => Some((recipe, shrink, kernel)),
            _ => None,
        })
        .flat_map(|(recipe, shrink, kernel)| {
            Passes::ALL
                .iter()
                .map(move |&passes| Recipe { scaler: Scaler::Kernel { shrink, kernel, passes }, ..*recipe })
        })
        .collect();
    table.add(&by_passes, measure);
}

/// The recipe with what pairs tell of orientation and transparency; what no pair tells stays open.
fn settled(recipe: Recipe, pairs: &[usize], long_sides_px: &[usize], measure: &mut Measure) -> Recipe {
    let orientations =
        [Orientation::Applied, Orientation::Ignored].map(|one| Recipe { orientation: Some(one), ..recipe });
    let recipe = clear_best(&orientations, pairs, long_sides_px, measure).unwrap_or(recipe);
    let opacities = super::opacity::candidates(recipe.scaler).into_iter();
    let opacities: Vec<Recipe> = opacities.map(|one| Recipe { opacity: Some(one), ..recipe }).collect();
    clear_best(&opacities, pairs, long_sides_px, measure).unwrap_or(recipe)
}

/// Of recipes that differ in one thing, the one that explains at least two pairs that another leaves unexplained, and
/// leaves none that another explains.
fn clear_best(recipes: &[Recipe], pairs: &[usize], long_sides_px: &[usize], measure: &mut Measure) -> Option<Recipe> {
    let table = Table::measured(pairs, long_sides_px, recipes, measure);
    let explained = |row: usize| pairs.iter().filter(|&&pair| table.credit(row, pair) > 0.0).count();
    let counts: Vec<usize> = (0..recipes.len()).map(explained).collect();
    let best = (0..recipes.len()).max_by_key(|&row| (counts[row], std::cmp::Reverse(row)))?;
    let second = (0..recipes.len()).filter(|&row| row != best).map(|row| counts[row]).max()?;
    (counts[best] >= second + 2).then(|| recipes[best])
}
