//! Learns how a shop made its thumbnails, from pairs that are certain for other reasons.
//!
//! A staged search through the family, in a fixed order and so with the same answer for the same pairs: the known engines
//! first, then sharpening, then the general family where nothing fits. A recipe counts for what it explains: each pair
//! gives it credit by how far within the cap its error stays. Several recipes may stand behind the same headers; each is
//! learned from the pairs that the ones before it do not explain. A recipe that pairs held back do not confirm is refused.
//!
//! Where nothing fits, the shop may have burned a mark into its thumbnails: then the engine is looked for that agrees best but
//! for a part of the frame, the part is found (`burned`), and the recipe with that mark left out has to pass the same, on
//! more pairs, of different contents, that it does not explain without.
//!
//! It decodes nothing: whoever calls it measures pairs, in a decode child or wherever pictures may be read.

mod table;

use serde::{Deserialize, Serialize};

use super::burned;
use super::family::{Orientation, Recipe, Scaler, engines, sharpenings};
use super::frame::Frame;
use super::kernel::{Kernel, Passes, Shrink};
use super::reproduce::RELATIVE_FROM_PX;
use super::statistic::{Excess, Map};

pub(super) use table::is_explained;
use table::{Measurements, Table};

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
/// A mark has to be seen on thumbnails of so many contents that are explained beside it...
const MARKED_MIN: usize = 8;
/// ...so many of them held back while it was looked for...
const MARKED_HELD_MIN: usize = 2;
/// ...and at most this part of them explained without it.
const UNMARKED_SHARE_MAX: f32 = 0.25;
/// What the right engine leaves at most of seven tenths of a marked thumbnail's blocks, in grey levels.
const BESIDE_MARK_MAX: f32 = 0.2;
/// Recipes that are tried again once a mark is known.
const TRIED_WITH_MARK: usize = 8;

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
    /// The threshold for [`super::reproduce::Fit::d`].
    pub d_max: f32,
    /// The threshold for [`super::reproduce::Fit::hz`].
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

/// Maps pairs, by their numbers, by one recipe: what [`super::Reproducer::map`] says of each.
pub type Maps<'a> = dyn FnMut(&[usize], &Recipe) -> Vec<Option<Map>> + 'a;

/// The recipes behind `pairs` thumbnails of one partition, best first; pairs come in a canonical order.
///
/// # Errors
/// [`Refusal`], when there is not a single recipe to be sure of.
pub fn learn(
    side_px: u32,
    long_sides_px: &[usize],
    measure: &mut Measure,
    maps: &mut Maps,
) -> Result<Vec<Learned>, Refusal> {
    let pairs = long_sides_px.len();
    if pairs < PAIRS_MIN {
        return Err(Refusal::TooFewPairs { pairs });
    }
    let measure = &mut Measurements::new(measure);
    let mut left: Vec<usize> = (0..pairs).collect();
    let mut found = Vec::new();
    while found.len() < RECIPES_MAX && left.len() >= EXPLAINED_MIN {
        let plain = learn_one(side_px, long_sides_px, &left, measure);
        match plain.or_else(|refusal| learn_marked(side_px, long_sides_px, &left, measure, maps).ok_or(refusal)) {
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
    measure: &mut Measurements,
) -> Result<(Learned, Vec<usize>), Refusal> {
    let (taught, held) = parted(left);
    let mut table = Table::of(&taught, long_sides_px, |excess| excess.loss);
    search(side_px, &mut table, measure);
    let best = table.best();
    let best = settled(best, &taught, long_sides_px, measure);
    confirmed(best, left, (&taught, &held), long_sides_px, measure)
}

/// Pairs to learn from, and every third, which is held back.
fn parted(pairs: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let thirds = |held: bool| pairs.iter().copied().enumerate().filter(move |(at, _)| (at % 3 == 2) == held);
    let of = |held: bool| thirds(held).map(|(_, pair)| pair).collect();
    (of(false), of(true))
}

/// As [`learn_one`], for thumbnails into which a mark was burned.
fn learn_marked(
    side_px: u32,
    long_sides_px: &[usize],
    left: &[usize],
    measure: &mut Measurements,
    maps: &mut Maps,
) -> Option<(Learned, Vec<usize>)> {
    let (taught, held) = parted(left);
    let mut table = Table::of(&taught, long_sides_px, |excess| excess.rest);
    search_engines(side_px, &mut table, measure);
    let ranked = table.ranked();
    if table.loss(ranked[0]) > BESIDE_MARK_MAX {
        return None;
    }
    let promising: Vec<Recipe> = ranked.into_iter().take(TRIED_WITH_MARK).map(|row| table.rows[row].0).collect();
    let with_mark = |recipe: Recipe, maps: &mut Maps| -> Option<Recipe> {
        let mapped: Vec<Map> = maps(&taught, &recipe).into_iter().flatten().collect();
        Some(Recipe { mark: Some(burned::find(&mapped)?), ..recipe })
    };
    // The engine that agrees best beside any part shows the mark, and the mark shows the right engine.
    let mark = with_mark(promising[0], maps)?.mark;
    let marked: Vec<Recipe> = promising.iter().map(|&recipe| Recipe { mark, ..recipe }).collect();
    let best = Table::measured(&taught, long_sides_px, &marked, measure).best();
    let best = if (Recipe { mark: None, ..best }) == promising[0] { best } else { with_mark(best, maps)? };
    let best = settled(best, &taught, long_sides_px, measure);
    let (learned, explained) = confirmed(best, left, (&taught, &held), long_sides_px, measure).ok()?;
    let mapped: Vec<Map> = maps(&explained, &best).into_iter().flatten().collect();
    let side = |map: &Map| map.width.max(map.height);
    let unmarked = mapped.iter().filter(|map| map.excess(None).is_some_and(|excess| is_explained(&excess, side(map))));
    let is_there = unmarked.count() as f32 <= UNMARKED_SHARE_MAX * mapped.len() as f32
        && burned::contents(&mapped.iter().collect::<Vec<_>>()) >= MARKED_MIN
        && held.iter().filter(|pair| explained.contains(pair)).count() >= MARKED_HELD_MIN;
    is_there.then_some((learned, explained))
}

/// A recipe with the evidence for it and the pairs that it explains, if these are enough among all and among those held back.
fn confirmed(
    best: Recipe,
    left: &[usize],
    (taught, held): (&[usize], &[usize]),
    long_sides_px: &[usize],
    measure: &mut Measurements,
) -> Result<(Learned, Vec<usize>), Refusal> {
    let all = Table::measured(left, long_sides_px, &[best], measure);
    let explained: Vec<usize> = left.iter().copied().filter(|&pair| all.credit(0, pair) > 0.0).collect();
    let of = |pairs: &[usize]| pairs.iter().filter(|pair| explained.contains(pair)).count();
    let (taught_explained, held_explained) = (of(taught), of(held));
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

/// What a recipe of this size is, before anything but frame and engine is known of it.
fn plain(side_px: u32) -> impl Fn(Frame, Scaler) -> Recipe {
    move |frame, scaler| Recipe { frame, ..Recipe::plain(side_px, scaler) }
}

/// Fills the table, stage by stage.
fn search(side_px: u32, table: &mut Table, measure: &mut Measurements) {
    search_engines(side_px, table, measure);
    let enough = table.credits(table.ranked()[0]) >= 0.5 * table.pairs.len() as f32;
    if !table.is_settled() && !enough {
        search_kernels(side_px, table, measure);
    }
}

/// The known engines in every frame, then sharpened.
fn search_engines(side_px: u32, table: &mut Table, measure: &mut Measurements) {
    let plain = plain(side_px);
    let crossed: Vec<Recipe> = Frame::ALL
        .iter()
        .flat_map(|&frame| engines().into_iter().map(move |scaler| (frame, scaler)))
        .map(|(frame, scaler)| plain(frame, scaler))
        .collect();
    let promising = screened(table, &crossed, measure);
    table.add(&promising, measure);
    if !table.is_settled() {
        let by_sharpening = sharpened(table, 6);
        table.add(&by_sharpening, measure);
    }
}

/// The general family, in the frame that the engines showed.
fn search_kernels(side_px: u32, table: &mut Table, measure: &mut Measurements) {
    let frame = table.rows[table.ranked()[0]].0.frame;
    let plain = plain(side_px);
    let general = |shrink, kernel, passes| plain(frame, Scaler::Kernel { shrink, kernel, passes });
    let kernels: Vec<Recipe> = Shrink::ALL
        .iter()
        .flat_map(|&shrink| Kernel::ALL.iter().map(move |&kernel| (shrink, kernel)))
        .map(|(shrink, kernel)| general(shrink, kernel, Passes::RowsClamped))
        .collect();
    let promising = screened(table, &kernels, measure);
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

/// The promising ones among recipes: a few pairs tell which are worth the others.
fn screened(table: &Table, recipes: &[Recipe], measure: &mut Measurements) -> Vec<Recipe> {
    let few: Vec<usize> = table.pairs.iter().copied().step_by(table.pairs.len().div_ceil(SCREENED)).collect();
    let mut screen = Table::of(&few, table.long_sides_px, table.figure);
    screen.add(recipes, measure);
    screen.ranked().into_iter().take(PROMISING).map(|row| screen.rows[row].0).collect()
}

/// The best recipes of a table with every common sharpening.
fn sharpened(table: &Table, many: usize) -> Vec<Recipe> {
    let top: Vec<Recipe> = table.ranked().into_iter().take(many).map(|row| table.rows[row].0).collect();
    let with = |recipe: Recipe| sharpenings(recipe.scaler).map(move |sharpen| Recipe { sharpen, ..recipe });
    top.into_iter().flat_map(with).collect()
}

/// The recipe with what pairs tell of orientation and transparency; what no pair tells stays open.
fn settled(recipe: Recipe, pairs: &[usize], long_sides_px: &[usize], measure: &mut Measurements) -> Recipe {
    let orientations =
        [Orientation::Applied, Orientation::Ignored].map(|one| Recipe { orientation: Some(one), ..recipe });
    let recipe = clear_best(&orientations, pairs, long_sides_px, measure).unwrap_or(recipe);
    let opacities = super::opacity::candidates(recipe.scaler).into_iter();
    let opacities: Vec<Recipe> = opacities.map(|one| Recipe { opacity: Some(one), ..recipe }).collect();
    clear_best(&opacities, pairs, long_sides_px, measure).unwrap_or(recipe)
}

/// Of recipes that differ in one thing, the one that explains at least two pairs that another leaves unexplained, and
/// leaves none that another explains.
fn clear_best(
    recipes: &[Recipe],
    pairs: &[usize],
    long_sides_px: &[usize],
    measure: &mut Measurements,
) -> Option<Recipe> {
    let table = Table::measured(pairs, long_sides_px, recipes, measure);
    let explained = |row: usize| pairs.iter().filter(|&&pair| table.credit(row, pair) > 0.0).count();
    let counts: Vec<usize> = (0..recipes.len()).map(explained).collect();
    let best = (0..recipes.len()).max_by_key(|&row| (counts[row], std::cmp::Reverse(row)))?;
    let second = (0..recipes.len()).filter(|&row| row != best).map(|row| counts[row]).max()?;
    (counts[best] >= second + 2).then(|| recipes[best])
}
