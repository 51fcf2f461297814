//! Whether an upload reproduces a thumbnail: the recipe carried out on it, and what the thumbnail's file leaves
//! unexplained.
//!
//! It measures and applies the recipe's own threshold; it attaches nothing. Two thumbnails that hardly differ are both
//! reproduced by either's original: whoever decides has to look at rivals (see [`crate::matcher`]).

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::compare::errors;
use super::family::{Opacity, Recipe};
use super::frame::{Placement, beside, place};
use super::learn::Learned;
use super::predict::{Choice, ScaleKey, Scaled, choices, finish, scale, view};
use super::statistic::{Excess, Map};
use super::taps::Grid;
use super::tone;
use super::upload::Upload;

/// How well an upload reproduces a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The largest block's unexplained error, in grey levels; see [`Excess::d`].
    pub d: f32,
    /// The largest unexplained error relative to the local gradient; see [`Excess::hz`].
    pub hz: f32,
    /// The mean unexplained error of luma.
    pub loss: f32,
    /// The EXIF orientation by which the upload had to be turned beyond what the recipe does; 1 is none.
    pub turn: u8,
    /// Whether the error that counts for this size is within the recipe's own threshold: what nine in ten originals,
    /// byte for byte, keep to.
    pub within: bool,
    /// Whether it is within [`D_NEAR`] or [`HZ_NEAR`]: what many converted or re-saved copies keep to.
    pub near: bool,
    /// Whether it is within [`ALIKE`] times that: the thumbnail of a frame that hardly differs. Taken for granted in evidence
    /// from before this was measured, because it can only stand in the way.
    #[serde(default = "unsure")]
    pub alike: bool,
    /// The systematic change of luma or chroma, in levels: what editing does and re-saving does not. None where too little of
    /// the picture is left to tell.
    #[serde(default)]
    pub tone: Option<f32>,
    /// The standard deviation of the thumbnail's luma where the picture lies on it, in levels.
    #[serde(default)]
    pub detail: f32,
    /// Whether all errors are within [`D_CLOSE`], [`HZ_CLOSE`] and [`TONE_CLOSE`]: what copies keep to that were made much smaller
    /// or lost much, and what frames of a film keep to as well. It proves nothing by itself.
    #[serde(default)]
    pub close: bool,
}

fn unsure() -> bool {
    true
}

/// A copy reproduces a small thumbnail within this [`Excess::d`]. Of 24,267 pairs of siblings none came as near.
pub const D_NEAR: f32 = 0.1;
/// A copy reproduces a larger thumbnail within this [`Excess::hz`].
pub const HZ_NEAR: f32 = 0.3;

/// What comes within so many times the limit of a copy is no proof, but no stranger either: near-identical frames.
pub const ALIKE: f32 = 4.0;

/// The largest [`Excess::d`] of a copy that has lost much.
pub const D_CLOSE: f32 = 10.0;
/// The largest [`Excess::hz`] of a copy that has lost much.
pub const HZ_CLOSE: f32 = 2.0;
/// The largest [`Fit::tone`] of a copy that nobody edited.
pub const TONE_CLOSE: f32 = 0.5;

/// A thumbnail whose luma deviates less than this beside its mark, in levels, is made by too many pictures.
const DETAIL_BESIDE_MARK_MIN: f32 = 10.0;

/// From this long side on the gradient-relative error decides, below it the absolute one: small thumbnails have too few
/// blocks for a local gradient, large ones have edges on which every emulation errs.
pub const RELATIVE_FROM_PX: usize = 160;

impl Fit {
    /// The largest error of a copy, for a thumbnail of this size.
    pub fn limit(long_side_px: usize) -> f32 {
        if long_side_px >= RELATIVE_FROM_PX { HZ_NEAR } else { D_NEAR }
    }

    /// Whether it is as near as a copy has to be, whatever that may prove.
    pub fn is_reproduced(&self, long_side_px: usize) -> bool {
        let error = if long_side_px >= RELATIVE_FROM_PX { self.hz } else { self.d };
        error <= Fit::limit(long_side_px)
    }

    /// Of the two errors, the one that decides for a thumbnail of this size.
    pub fn error(excess: &Excess, long_side_px: usize) -> f32 {
        if long_side_px >= RELATIVE_FROM_PX { excess.hz } else { excess.d }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = match (self.near, self.alike) {
            (true, _) => "makes the very thumbnail",
            (false, true) => "makes nearly this thumbnail",
            (false, false) => "makes another thumbnail",
        };
        write!(f, "{made} (largest error {:.2} levels, {:.2} of the gradient)", self.d, self.hz)?;
        if self.turn != 1 { write!(f, ", turned as EXIF orientation {} says", self.turn) } else { Ok(()) }
    }
}

/// One upload, to be compared with many thumbnails: it is brought to each size once for each engine and turn, and
/// predictions are made once for each recipe.
pub struct Reproducer<'upload, 'bytes> {
    upload: &'upload Upload<'bytes>,
    scaled: RefCell<HashMap<ScaleKey, Option<Rc<Scaled>>>>,
    predictions: RefCell<HashMap<Key, Option<Rc<Grid<u8>>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    recipe: Recipe,
    choice: Choice,
    placement: Placement,
    thumbnail: (usize, usize),
    ground: u8,
}

/// The EXIF orientations: the customer may have turned the picture by any of them.
pub const TURNS: [u8; 8] = [1, 6, 3, 8, 2, 4, 5, 7];

impl<'upload, 'bytes> Reproducer<'upload, 'bytes> {
    /// For this upload.
    pub fn new(upload: &'upload Upload<'bytes>) -> Self {
        Reproducer { upload, scaled: RefCell::default(), predictions: RefCell::default() }
    }

    /// How well the upload reproduces a thumbnail by a learned recipe, lying in the best of these `turns`; nothing when it
    /// cannot lie in the thumbnail at all.
    pub fn fit(&self, learned: &Learned, cells: &Cells, turns: &[u8]) -> Option<Fit> {
        let fits = turns.iter().filter_map(|&turn| {
            let exact = self.fit_of(learned, cells, turn, &self.keys(&learned.recipe, cells, turn));
            if exact.is_some_and(|fit| fit.near) {
                return exact;
            }
            let beside = self.fit_of(learned, cells, turn, &self.keys_beside(&learned.recipe, cells, turn));
            [exact, beside].into_iter().flatten().min_by(|a, b| a.loss.total_cmp(&b.loss))
        });
        fits.min_by(|a, b| a.loss.total_cmp(&b.loss))
    }

    /// The best of these choices and placements, as a fit.
    fn fit_of(&self, learned: &Learned, cells: &Cells, turn: u8, keys: &[Key]) -> Option<Fit> {
        let mark = learned.recipe.mark.as_ref();
        let excesses = keys.iter().filter_map(|key| Some((self.map_of(key, cells)?.excess(mark)?, key)));
        let (excess, key) = excesses.min_by(|(a, _), (b, _)| least(a, b))?;
        let long_side_px = cells.long_side();
        let error = Fit::error(&excess, long_side_px);
        // What is proven rests on the blocks beside a mark: there has to be enough to see on them alone.
        let tells = mark.is_none() || excess.detail >= DETAIL_BESIDE_MARK_MIN;
        let within = tells && error <= learned.threshold(long_side_px);
        let limit = Fit::limit(long_side_px);
        let (near, alike) = (tells && error <= limit, error <= ALIKE * limit);
        let prediction = self.prediction(*key)?;
        let seen = tone::seen(cells, &prediction, &key.placement, mark);
        let (tone, detail) = (seen.map(|seen| seen.change), seen.map_or(0.0, |seen| seen.detail));
        let unedited = tone.is_some_and(|tone| tone <= TONE_CLOSE);
        let close = unedited && excess.d <= D_CLOSE && excess.hz <= HZ_CLOSE;
        let Excess { d, hz, loss, .. } = excess;
        Some(Fit { d, hz, loss, turn, within, near, alike, tone, detail, close })
    }

    /// What a recipe leaves unexplained, in the best of the choices that it leaves open; nothing when the upload cannot lie
    /// in the thumbnail so.
    pub fn excess(&self, recipe: &Recipe, cells: &Cells, turn: u8) -> Option<Excess> {
        let excesses = self.maps(recipe, cells, turn).filter_map(|map| map.excess(recipe.mark.as_ref()));
        excesses.min_by(least)
    }

    /// Where a recipe leaves something unexplained, whatever its mark, in the choice that leaves least but for a part of the
    /// frame.
    pub fn map(&self, recipe: &Recipe, cells: &Cells, turn: u8) -> Option<Map> {
        let maps = self.maps(recipe, cells, turn).filter_map(|map| Some((map.excess(None)?.rest, map)));
        maps.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, map)| map)
    }

    /// One for each of the choices that a recipe leaves open.
    fn maps(&self, recipe: &Recipe, cells: &Cells, turn: u8) -> impl Iterator<Item = Map> {
        self.keys(recipe, cells, turn).into_iter().filter_map(|key| self.map_of(&key, cells))
    }

    fn map_of(&self, key: &Key, cells: &Cells) -> Option<Map> {
        Map::of(cells, errors(cells, &*self.prediction(*key)?)?)
    }

    /// The predictions of each of the choices that a recipe leaves open, as the original would lie in the thumbnail.
    fn keys(&self, recipe: &Recipe, cells: &Cells, turn: u8) -> Vec<Key> {
        // The mark plays no part in a prediction.
        let recipe = &Recipe { mark: None, ..*recipe };
        let keys = choices(recipe, self.upload, turn).into_iter().filter_map(|choice| {
            let thumbnail = (cells.width, cells.height);
            let size = self.upload.size(view(&choice));
            let placement = place(recipe.frame, recipe.scaler.arithmetic(), size, thumbnail)?;
            if (choice.opacity == Opacity::Kept && self.upload.has_alpha()) != cells.has_alpha() {
                return None;
            }
            let ground = ground(cells, &placement);
            Some(Key { recipe: *recipe, choice, placement, thumbnail, ground })
        });
        keys.collect()
    }

    /// The same as a smaller copy may lie beside that.
    fn keys_beside(&self, recipe: &Recipe, cells: &Cells, turn: u8) -> Vec<Key> {
        let (frame, arithmetic) = (recipe.frame, recipe.scaler.arithmetic());
        let around = |key: Key| {
            let placements = beside(frame, arithmetic, &key.placement, key.thumbnail).into_iter();
            placements.map(move |placement| Key { placement, ground: ground(cells, &placement), ..key })
        };
        self.keys(recipe, cells, turn).into_iter().flat_map(around).collect()
    }

    fn prediction(&self, key: Key) -> Option<Rc<Grid<u8>>> {
        if let Some(known) = self.predictions.borrow().get(&key) {
            return known.clone();
        }
        let Key { recipe, choice, placement, thumbnail, ground } = key;
        let made = self
            .scaled(&key)
            .and_then(|scaled| finish(&recipe, &scaled, &choice, &placement, thumbnail, ground).map(Rc::new));
        self.predictions.borrow_mut().insert(key, made.clone());
        made
    }

    fn scaled(&self, key: &Key) -> Option<Rc<Scaled>> {
        let Key { recipe, choice, placement, thumbnail, ground } = key;
        let scale_key = ScaleKey::new(recipe, choice, placement, *thumbnail, *ground);
        if let Some(known) = self.scaled.borrow().get(&scale_key) {
            return known.clone();
        }
        let made = scale(recipe, self.upload, choice, placement, *thumbnail, *ground).map(Rc::new);
        self.scaled.borrow_mut().insert(scale_key, made.clone());
        made
    }
}

/// Which of two excesses is less.
fn least(a: &Excess, b: &Excess) -> Ordering {
    (a.loss, a.d).partial_cmp(&(b.loss, b.d)).unwrap_or(Ordering::Equal)
}

/// The level of the margins, read off the thumbnail: the median of its outermost lines that lie in a margin, which no small
/// mark moves; taken as white or black when it is close to that.
fn ground(cells: &Cells, placement: &Placement) -> u8 {
    let (left, top) = placement.at;
    let (right, bottom) = (left + placement.scaled.0, top + placement.scaled.1);
    let within = |x: usize, y: usize| (left..right).contains(&x) && (top..bottom).contains(&y);
    let edge = |x: usize, y: usize| x == 0 || y == 0 || x + 1 == cells.width || y + 1 == cells.height;
    let places = (0..cells.height).flat_map(|y| (0..cells.width).map(move |x| (x, y)));
    let margin = places.filter(|&(x, y)| edge(x, y) && !within(x, y));
    let mut levels: Vec<u8> = margin.map(|(x, y)| cells.pixels.rgb[(y * cells.width + x) * 3 + 1]).collect();
    levels.sort_unstable();
    match levels.get(levels.len() / 2) {
        None => 255,
        Some(&median) if median >= 250 => 255,
        Some(&median) if median <= 5 => 0,
        Some(&median) => median,
    }
}
