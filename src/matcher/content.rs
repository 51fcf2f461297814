//! Which uploads of one customer show the same picture: re-saved, resized, turned, converted, and yet one content.
//!
//! Copies are not rivals. A re-save beside the exact file must not leave a record open, and the best of the copies is to
//! be attached. Siblings, the frames of a burst or the cards of one template, are rivals, and at a thumbnail's size nothing
//! tells the two situations apart. At [`DETAIL_SIDE`] nearly everything does: [`compare`] looks for the one place in which
//! two pictures differ by more than coding and resizing explain. [`groups`] then draws the sets, cautiously.
//!
//! Deliberately not here: which pairs of a customer were compared and where that is kept; which upload of a group is the
//! best ([`super::verdict::preference_of`] says so); any decision. Two frames of a film that differ less than a re-save
//! does are one content here, and nothing in their pixels could say otherwise.
//!
//! Source of the statistic and of its two limits: own experiments on 1,364 pairs of copies and 6,050 of siblings. The
//! other constants come from about 340 pairs of copies and 15,000 of siblings; `benches/content.rs` repeats the count.

mod detail;
mod groups;

pub use detail::{DETAIL_SIDE, Detail};
pub use groups::{Compared, Group, ImageKey, groups};

use detail::{Shade, Sheet, resized, sketch_difference};

use super::geometry::{turn, turned_size};
use crate::fingerprint::{Fingerprint, Views};

/// Fingerprint distance up to which two uploads are worth comparing. Of 330 pairs of copies 98 in 100 lie within 24, and
/// those beyond 60 are too plain to be told the same anyway. A burst lies within reach of itself as a rule.
pub const REACH: u16 = 60;
/// Largest luma error of the same picture, in units of what coding explains. Re-saved ones reach 1.9, resized ones 2.8.
pub const SAME_LZ: f32 = 2.5;
/// Luma error from which two pictures are different. Siblings at [`DETAIL_SIDE`] lie above 4.1, but for frames of a film
/// that hardly moved.
pub const DIFFERENT_LZ: f32 = 4.0;
/// A luma error up to this is the same picture whatever the rest of it shows: what rounding leaves. Frames of a film that
/// hardly moved, exact nearly everywhere, begin at .02.
pub const ROUNDING_LZ: f32 = 0.01;
/// How far the largest error may exceed the median one. Coding errs everywhere a little (copies: nine in ten below 4.6,
/// 98 in 100 below 9), while a sibling or a patch is exact in most places and wrong in one (34 and more).
pub const SAME_PEAK: f32 = 9.0;
/// Largest chroma error of the same picture, in units like those of luma; copies reach 4, re-coloured edits begin there.
pub const SAME_CHROMA: f32 = 4.0;
/// Chroma error from which two pictures are different.
pub const DIFFERENT_CHROMA: f32 = 8.0;
/// A reduced picture that is compared at a shorter long side than this is not found the same: siblings grow alike as they
/// shrink (at 242 pixels the same error as copies have, at 640 a clear difference). In pixels.
pub const SAME_SIDE_MIN: usize = 320;
/// Blocks with structure that two pictures need before likeness means anything. Blank pages and faint logos have none;
/// only their digests can say that they are the same.
pub const STRUCTURE_MIN: u32 = 24;
/// The errors reported for a pair that was not measured, because its shape or its sketch already differs.
pub const UNLIKE: f32 = 99.0;

/// Mean square of the gradient, in levels per pixel, from which a block has structure.
const STRUCTURE: f32 = 4.0;
/// Square of the luma error in levels that flat parts of a copy show.
const NOISE: f32 = 0.5;
/// The same for chroma.
const CHROMA_NOISE: f32 = 1.0;
/// Growth of both with the square of the gradient: what another filter leaves at an edge.
const NOISE_PER_GRADIENT: f32 = 0.02;
/// Mean difference of two sketches, in levels, beyond which no copy lies; copies reach 2.9.
const UNLIKE_SKETCH: f32 = 6.0;
/// Turns that make the sketches worse than the best turn by more than this many levels are not measured.
const TURN_MARGIN: f32 = 1.5;
/// Geometries measured at most, likeliest first.
const TRIALS_MAX: usize = 4;
/// Two sides agree when the smaller picture's differs by at most this many pixels from an exact fit.
const ROUNDING: f64 = 1.6;
/// Side of the blocks in which errors are looked for.
const BLOCK: usize = 8;

/// What two uploads are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Likeness {
    /// One picture.
    Same,
    /// It cannot be told: too alike to be told apart, too unlike (or too plain, or too small) to be called the same.
    Unknown,
    /// Two pictures.
    Different,
}

/// What a comparison measured.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Comparison {
    /// What follows from it.
    pub likeness: Likeness,
    /// Largest luma error over blocks of 8x8, in units of what coding explains there; [`UNLIKE`] if not measured.
    pub lz: f32,
    /// Median luma error over the blocks with structure, in the same units.
    pub typical: f32,
    /// Largest chroma error over blocks of 8x8, in units of what coding explains there; [`UNLIKE`] if not measured.
    pub chroma: f32,
    /// How the second picture has to be turned to lie like the first; as in [`turn`].
    pub turn: u8,
    /// Longer side of the grid on which they were compared, in pixels; 0 if not measured.
    pub side: u32,
    /// Blocks of the luma that had structure.
    pub structure: u32,
}

impl Comparison {
    /// What is said of a pair that could not be compared.
    pub const UNKNOWN: Comparison = Comparison { likeness: Likeness::Unknown, ..NOT_MEASURED };
}

/// What is said of a pair that was not worth measuring.
const NOT_MEASURED: Comparison = Comparison {
    likeness: Likeness::Different,
    lz: UNLIKE,
    typical: 0.0,
    chroma: UNLIKE,
    turn: 0,
    side: 0,
    structure: 0,
};

/// True when two uploads are near enough by fingerprint and shape to be worth comparing; sizes are upright.
///
/// Each side asks with one view only: a set of views is closed under turns, so whichever view is taken, a copy has its
/// counterpart. Both sides ask, because a picture laid on white has only some of the views of its transparent original.
/// Plain pictures, whose fingerprints say nothing, are within reach of nothing.
pub fn within_reach(a: (&Views, (u32, u32)), b: (&Views, (u32, u32))) -> bool {
    let shapes = [0, 1].iter().any(|&odd| same_shape(a.1, turned_size(b.1, odd)));
    shapes && reach(a.0, b.0).is_some_and(|distance| distance <= REACH)
}

/// The distance of two uploads; nothing where one is too plain.
pub fn reach(a: &Views, b: &Views) -> Option<u16> {
    let probe = |views: &Views| views.0.iter().filter(|view| view.speaks()).max_by_key(|view| view.quality).copied();
    let asked = |probe: Fingerprint, views: &Views| views.distance(&[probe]);
    let (from_a, from_b) = (asked(probe(a)?, b)?, asked(probe(b)?, a)?);
    Some(from_a.min(from_b))
}

/// Compares two uploads. The outcome does not depend on which comes first, but for the turn, which is inverted.
pub fn compare(a: &Detail, b: &Detail) -> Comparison {
    if a > b {
        let swapped = compare(b, a);
        return Comparison { turn: inverse(swapped.turn), ..swapped };
    }
    let mut trials = trials(a, b);
    trials.sort_by(|x, y| x.difference.total_cmp(&y.difference).then(x.turn.cmp(&y.turn)));
    let worth = trials.first().map_or(0.0, |best| best.difference + TURN_MARGIN).min(UNLIKE_SKETCH);
    let mut best: Option<Comparison> = None;
    for trial in trials.iter().take(TRIALS_MAX).take_while(|trial| trial.difference <= worth) {
        let found = measure(a, b, trial);
        if best.is_none_or(|best| weight(&found) < weight(&best)) {
            best = Some(found);
        }
        if found.likeness == Likeness::Same {
            break;
        }
    }
    best.unwrap_or(NOT_MEASURED)
}

/// By what the better of two geometries is told.
fn weight(comparison: &Comparison) -> f32 {
    (comparison.lz / SAME_LZ).max(comparison.chroma / SAME_CHROMA)
}

/// One way in which the second picture may show the first.
struct Trial<'a> {
    turn: u8,
    first: &'a Sheet,
    second: &'a Sheet,
    /// The luma planes that have to agree, all of them.
    shades: Vec<(&'a Shade, &'a Shade)>,
    difference: f32,
}

/// Every pair of renderings and backgrounds in every turn that fits the shapes.
fn trials<'a>(a: &'a Detail, b: &'a Detail) -> Vec<Trial<'a>> {
    let mut out = Vec::new();
    for turn in (0..8).filter(|&turn| same_shape(a.size, turned_size(b.size, turn))) {
        for (first, second) in a.sheets.iter().flat_map(|first| b.sheets.iter().map(move |second| (first, second))) {
            for shades in backgrounds(first, second) {
                let differences = shades.iter().map(|(one, other)| sketch_difference(one, other, turn));
                let difference = differences.fold(0.0, f32::max);
                out.push(Trial { turn, first, second, shades, difference });
            }
        }
    }
    out
}

/// What has to agree: two transparent pictures on white and on black; a transparent one and an opaque one on either.
fn backgrounds<'a>(first: &'a Sheet, second: &'a Sheet) -> Vec<Vec<(&'a Shade, &'a Shade)>> {
    let on_white = (&first.on_white, &second.on_white);
    match (&first.on_black, &second.on_black) {
        (None, None) => vec![vec![on_white]],
        (Some(one), Some(other)) => vec![vec![on_white, (one, other)]],
        (Some(one), None) => vec![vec![on_white], vec![(one, on_white.1)]],
        (None, Some(other)) => vec![vec![on_white], vec![(on_white.0, other)]],
    }
}

/// True when the smaller of two pictures can be the larger one resized.
fn same_shape(a: (u32, u32), b: (u32, u32)) -> bool {
    let area = |(w, h): (u32, u32)| u64::from(w) * u64::from(h);
    let (large, small) = if area(a) >= area(b) { (a, b) } else { (b, a) };
    let [w, h, tw, th] = [large.0, large.1, small.0, small.1].map(f64::from);
    tw >= 1.0 && th >= 1.0 && ((tw - th * w / h).abs() <= ROUNDING || (th - tw * h / w).abs() <= ROUNDING)
}

/// The turn that takes back `turn`: mirrored ones take back themselves.
fn inverse(turn: u8) -> u8 {
    if turn < 4 { (4 - turn) % 4 } else { turn }
}

/// Measures one geometry at the smaller picture's scale.
fn measure(a: &Detail, b: &Detail, trial: &Trial) -> Comparison {
    let turned = |(w, h): (usize, usize)| turned_pair((w, h), trial.turn);
    let common = |one: (usize, usize), other: (usize, usize)| (one.0.min(other.0), one.1.min(other.1));
    let to = common(a.luma_size(), turned(b.luma_size()));
    let aligned = |one: &[u8], other: &[u8], from: [(usize, usize); 2], to| {
        let other = turn(other, from[1], 1, trial.turn);
        (resized(one, from[0], to), resized(&other, turned(from[1]), to))
    };
    let (mut luma, mut energy) = (LumaError::NONE, Vec::new());
    for (one, other) in &trial.shades {
        let (one, other) = aligned(&one.luma, &other.luma, [a.luma_size(), b.luma_size()], to);
        energy = gradient_energy(&one, &other, to);
        luma = luma.worse(luma_error(&one, &other, to, &energy));
    }
    let sizes = [a.chroma_size(), b.chroma_size()];
    let to_chroma = common(sizes[0], turned(sizes[1]));
    let differences = [0, 1].map(|at| {
        let (one, other) = aligned(&trial.first.chroma[at], &trial.second.chroma[at], sizes, to_chroma);
        one.iter().zip(&other).map(|(x, y)| x - y).collect::<Vec<f32>>()
    });
    let chroma = chroma_error(&differences, to_chroma, &energy);
    let side = to.0.max(to.1);
    // Where neither picture was larger than what was compared, nothing that could tell them apart was lost.
    let complete = [a, b].iter().all(|detail| detail.size.0.max(detail.size.1) as usize == side);
    let telling = (complete || side >= SAME_SIDE_MIN) && luma.structure >= STRUCTURE_MIN;
    let LumaError { lz, typical, structure } = luma;
    let likeness = judge(lz, typical, chroma, telling);
    Comparison { likeness, lz, typical, chroma, turn: trial.turn, side: side as u32, structure }
}

/// What follows from the errors; `telling` if likeness means anything for this pair.
fn judge(lz: f32, typical: f32, chroma: f32, telling: bool) -> Likeness {
    if lz >= DIFFERENT_LZ || chroma >= DIFFERENT_CHROMA {
        return Likeness::Different;
    }
    let even = lz <= ROUNDING_LZ + SAME_PEAK * typical;
    if telling && lz <= SAME_LZ && even && chroma <= SAME_CHROMA { Likeness::Same } else { Likeness::Unknown }
}

fn turned_pair((width, height): (usize, usize), turn: u8) -> (usize, usize) {
    if turn % 2 == 1 { (height, width) } else { (width, height) }
}

/// Where blocks start along a side; the last one ends where the side does, so that nothing is left out.
fn starts(length: usize, block: usize) -> Vec<usize> {
    let mut starts: Vec<usize> = (0..length / block).map(|at| at * block).collect();
    if !length.is_multiple_of(block) {
        starts.push(length.saturating_sub(block));
    }
    starts
}

/// The luma error of a pair.
#[derive(Clone, Copy)]
struct LumaError {
    lz: f32,
    typical: f32,
    structure: u32,
}

impl LumaError {
    /// Before anything was measured.
    const NONE: LumaError = LumaError { lz: 0.0, typical: f32::INFINITY, structure: u32::MAX };

    /// What is true of both of two measurements.
    fn worse(self, other: LumaError) -> LumaError {
        let lz = self.lz.max(other.lz);
        LumaError { lz, typical: self.typical.min(other.typical), structure: self.structure.min(other.structure) }
    }
}

/// The error of each block is the largest of the six lowest frequencies of the difference, in levels, over the noise that
/// the gradients around it explain. Higher frequencies are what coding and filters change.
fn luma_error(a: &[f32], b: &[f32], (width, height): (usize, usize), energy: &[f32]) -> LumaError {
    let difference: Vec<f32> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    let (columns, rows) = (starts(width, BLOCK), starts(height, BLOCK));
    let mut worst = if energy.is_empty() { UNLIKE } else { 0f32 };
    let mut structured = Vec::new();
    for (y, &top) in rows.iter().enumerate().filter(|_| !energy.is_empty()) {
        for (x, &left) in columns.iter().enumerate() {
            let error = low_frequencies(&difference[top * width + left..], width);
            let noise = NOISE + NOISE_PER_GRADIENT * around(energy, columns.len(), (x, y));
            let z = error / noise.sqrt();
            worst = worst.max(z);
            if energy[y * columns.len() + x] >= STRUCTURE {
                structured.push(z);
            }
        }
    }
    structured.sort_unstable_by(f32::total_cmp);
    let typical = structured.get(structured.len() / 2).copied().unwrap_or(0.0);
    LumaError { lz: worst, typical, structure: structured.len() as u32 }
}

/// Mean square of the gradient (Sobel, in levels per pixel) of every block of the mean of two pictures; nothing for
/// pictures smaller than a block.
fn gradient_energy(a: &[f32], b: &[f32], (width, height): (usize, usize)) -> Vec<f32> {
    if width < BLOCK || height < BLOCK {
        return Vec::new();
    }
    let mean: Vec<f32> = a.iter().zip(b).map(|(x, y)| (x + y) / 2.0).collect();
    let mut squares = vec![0f32; width * height];
    for (y, into) in squares.chunks_exact_mut(width).enumerate() {
        let row = |at: usize| &mean[at * width..][..width];
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        for x in 1..width - 1 {
            let side = |x: usize| above[x] + 2.0 * here[x] + below[x];
            let level = |row: &[f32]| row[x - 1] + 2.0 * row[x] + row[x + 1];
            let (across, down) = (side(x + 1) - side(x - 1), level(below) - level(above));
            into[x] = (across * across + down * down) / 64.0;
        }
    }
    let columns = starts(width, BLOCK);
    let mut out = Vec::new();
    for top in starts(height, BLOCK) {
        for left in &columns {
            let block = (top..top + BLOCK).map(|y| squares[y * width + left..][..BLOCK].iter().sum::<f32>());
            out.push(block.sum::<f32>() / (BLOCK * BLOCK) as f32);
        }
    }
    out
}

/// The mean of a block and its neighbours; `blocks` has `columns` in each row.
fn around(blocks: &[f32], columns: usize, (x, y): (usize, usize)) -> f32 {
    let near = |at: usize, count: usize| at.saturating_sub(1)..(at + 2).min(count);
    let (mut sum, mut count) = (0.0, 0.0);
    for y in near(y, blocks.len() / columns) {
        for x in near(x, columns) {
            sum += blocks[y * columns + x];
            count += 1.0;
        }
    }
    sum / count
}

/// The largest magnitude of the six lowest frequencies of an 8x8 block, as its amplitude in levels.
fn low_frequencies(block: &[f32], stride: usize) -> f32 {
    // Orthonormal DCT-II over 8: rows of the matrix for frequencies 0, 1 and 2, the block's scale of 1/8 divided evenly.
    const COS: [[f32; BLOCK]; 3] = [
        [0.353_553_4; BLOCK],
        [0.490_392_6, 0.415_734_8, 0.277_785_1, 0.097_545_2, -0.097_545_2, -0.277_785_1, -0.415_734_8, -0.490_392_6],
        [0.461_939_8, 0.191_341_7, -0.191_341_7, -0.461_939_8, -0.461_939_8, -0.191_341_7, 0.191_341_7, 0.461_939_8],
    ];
    let mut down = [[0f32; BLOCK]; 3];
    for y in 0..BLOCK {
        let row = &block[y * stride..][..BLOCK];
        for (sums, cos) in down.iter_mut().zip(&COS) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += cos[y] * value);
        }
    }
    let across = |v: usize, u: usize| down[v].iter().zip(&COS[u]).map(|(value, cos)| value * cos).sum::<f32>().abs();
    [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)].iter().map(|&(v, u)| across(v, u)).fold(0.0, f32::max) / 8.0
}

/// The largest chroma error over squares as large as a luma block, the length of the two mean differences, over the noise
/// that the luma's gradients there explain.
fn chroma_error(differences: &[Vec<f32>; 2], (width, height): (usize, usize), energy: &[f32]) -> f32 {
    const SIDE: usize = BLOCK / detail::CHROMA_STEP;
    let (columns, rows) = (starts(width, SIDE), starts(height, SIDE));
    // A side of n pixels has ceil(n / 4) of chroma, so both make as many blocks.
    if energy.len() != columns.len() * rows.len() {
        return UNLIKE;
    }
    let mut worst = 0f32;
    for (y, &top) in rows.iter().enumerate() {
        for (x, &left) in columns.iter().enumerate() {
            let mean = |plane: &Vec<f32>| {
                let inside = (top..top + SIDE).flat_map(|y| &plane[y * width + left..][..SIDE]);
                inside.sum::<f32>() / (SIDE * SIDE) as f32
            };
            let noise = CHROMA_NOISE + NOISE_PER_GRADIENT * around(energy, columns.len(), (x, y));
            let square: f32 = differences.iter().map(|plane| mean(plane).powi(2)).sum();
            worst = worst.max(square / noise);
        }
    }
    worst.sqrt()
}

#[cfg(test)]
mod tests;
