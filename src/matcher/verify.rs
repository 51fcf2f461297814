//! Measures one pair in pixels: the upload is brought into the thumbnail's own geometry, filter, sharpness and coding,
//! and what is left is weighed against the noise that the thumbnail itself shows.
//!
//! The result is evidence, not a decision. A large residual proves that the thumbnail was not made from the upload. A
//! small one proves much less: frames of one burst and cards of one template can be indistinguishable at a thumbnail's
//! size, which is why the rule in [`super::verdict`] never attaches on it alone.
//!
//! Source: own experiments on 1,368 records with siblings; the constants below come from them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::geometry::{Frame, Placement, placements, turn, turned_size};
use super::plane::Plane;
use super::residual::{LUMA, Shaped, measure, picture, shape};
use crate::decode::{JpegTables, Pixels, jpeg_tables};
use crate::fingerprint::resample::{Kernel, resample};
use crate::fingerprint::{flatten_thumbnail, flatten_upload};
use crate::identify::Kind;
use crate::recipe::Mark;

/// Longest side to which an upload is reduced before it is compared; larger than any thumbnail seen, small enough to
/// keep hundreds in memory.
pub const MASTER_SIDE: u32 = 640;

/// A fitted change of colour below this many mean levels counts as rendering (profiles, rounding); above it the picture
/// was edited, and only the uncorrected residual may speak for it.
pub const COLOUR_TOLERANCE: f32 = 4.0;

/// How a thumbnail file stores its pixels: the noise to expect in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// JPEG with these tables.
    Jpeg(JpegTables),
    /// A palette, as in GIF; its colours are read from the pixels.
    Palette,
    /// Anything else; taken as exact.
    Other,
}

/// A surviving thumbnail, ready to be compared with many uploads.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
    pub(super) coding: Coding,
    /// The colours in use, where `coding` is a palette.
    pub(super) palette: Vec<[f32; 3]>,
    /// For each pixel, whether a mark of the shop's hides the picture there; empty where none does.
    pub(super) hidden: Vec<bool>,
    sketch: Plane,
}

/// An upload, reduced and ready to be compared with many thumbnails.
#[derive(Clone, Debug)]
pub struct Master {
    /// One for each rendering and background.
    variants: Vec<Variant>,
    /// Width and height of the upload itself.
    size: (u32, u32),
}

/// One rendering of an upload on one background.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) rendering: u8,
    pub(super) pixels: Pixels,
    sketch: Plane,
}

/// One geometry that may explain the pair.
pub(super) struct Trial<'a> {
    pub(super) variant: &'a Variant,
    /// In the coordinates of the turned upload, which is `size` large.
    pub(super) placement: Placement,
    pub(super) size: (u32, u32),
    pub(super) turn: u8,
    likeness: f32,
}

/// Longest side of the sketch by which geometries are ranked before they are measured.
const SKETCH_SIDE: u32 = 96;
/// Side of the grid of means that two sketches are compared by.
const GRID: usize = 16;
/// Geometries measured at most, likeliest first.
const TRIALS_MEASURED: usize = 4;
/// A geometry that fits this well ends the search for a better one.
const SETTLED_Z: f32 = 3.0;
/// Geometries less likely than the likeliest by this much are not measured.
const LIKELIER_BY: f32 = 0.15;
/// A pair whose likeliest geometry correlates less than this is not measured.
const UNLIKE: f32 = 0.6;
/// A part whose means deviate by less than this, in levels, has no structure.
const FLAT: f32 = 4.0;
/// Parts without structure whose levels lie this far apart are unlike, in levels.
const FLAT_APART: f32 = 20.0;
/// The residual of a pair that does not even resemble.
pub const UNLIKE_Z: f32 = 99.0;

/// What a pair measured, in its best geometry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Residual {
    /// Largest 8x8 luma error in units of the noise expected there, colours as they are. True pairs: median 1.6, nine in
    /// ten below 2.8; unrelated pictures: never below 3.2.
    pub z_strict: f32,
    /// The same after the best affine change of colour.
    pub z_colour: f32,
    /// Like `z_strict` over 3x3 squares: a changed digit shows here first.
    pub z_fine: f32,
    /// Largest 8x8 chroma error, in levels, colours as they are.
    pub chroma: f32,
    /// Correlation of prediction and thumbnail, luma, after the change of colour; -1 to 1.
    pub zncc: f32,
    /// How far that change of colour moves the picture, in mean levels.
    pub colour_deviation: f32,
    /// How much more colourful the thumbnail is than the upload: 1 as it is, also where there is hardly any colour.
    #[serde(default = "unchanged")]
    pub saturation: f32,
    /// How much more contrast the thumbnail has than the upload: 1 as it is.
    #[serde(default = "unchanged")]
    pub contrast: f32,
    /// Largest fitted shift or stretch, in thumbnail pixels; at most 1.2.
    pub shift: f32,
    /// Root mean square luma error in levels, colours as they are.
    pub rms: f32,
    /// Standard deviation of the thumbnail's luma in levels: how much there was to compare.
    pub detail: f32,
    /// Side of the compared area: the shorter one, in thumbnail pixels.
    pub side: u32,
    /// How the picture lies in the thumbnail.
    pub frame: Frame,
    /// 0 to 3: clockwise quarter turns; 4 to 7: the same after mirroring left to right.
    pub turn: u8,
    /// Which rendering fitted: index of the decoded rendering, times two, plus one on black.
    pub rendering: u8,
}

/// A factor that changes nothing.
fn unchanged() -> f32 {
    1.0
}

impl Residual {
    /// The EXIF orientations by which the upload may have to be turned: as it lies, and as it was found to fit best.
    pub fn orientations(&self) -> Vec<u8> {
        // Clockwise quarter turns, then the same after mirroring left to right, as EXIF numbers them.
        let found = [1, 6, 3, 8, 2, 7, 4, 5][usize::from(self.turn % 8)];
        if found == 1 { vec![1] } else { vec![1, found] }
    }

    /// How the upload lies in the thumbnail, in words.
    pub fn geometry(&self) -> String {
        let framed = match self.frame {
            Frame::Fit => "fills the thumbnail",
            Frame::Pad => "lies between margins",
            Frame::PadUnscaled => "lies unscaled between margins",
            Frame::Crop => "its middle fills the thumbnail",
        };
        let turned = ["", ", turned by 90 degrees", ", turned by 180 degrees", ", turned by 270 degrees"];
        let mirrored = if self.turn >= 4 { ", mirrored" } else { "" };
        let side = self.side;
        format!("{framed}{}{mirrored}; compared at {side} pixels", turned[usize::from(self.turn % 4)])
    }

    /// The residual that counts: corrected for colour while the correction stays within rendering differences.
    pub fn z(&self) -> f32 {
        if self.colour_deviation < COLOUR_TOLERANCE { self.z_colour } else { self.z_strict }
    }
}

impl Coding {
    /// How the thumbnail file that holds these bytes stores its pixels.
    pub fn of(bytes: &[u8]) -> Self {
        match jpeg_tables(bytes) {
            Some(tables) => Coding::Jpeg(tables),
            None if Kind::of(bytes) == Kind::Gif => Coding::Palette,
            None => Coding::Other,
        }
    }
}

impl Thumbnail {
    /// A decoded thumbnail and how its file stores it.
    pub fn new(pixels: &Pixels, coding: Coding) -> Self {
        let opaque = flatten_thumbnail(pixels);
        let palette = if coding == Coding::Palette { palette_of(&opaque.rgb) } else { Vec::new() };
        let (width, height) = (opaque.width as usize, opaque.height as usize);
        let sketch = sketch(&opaque);
        Thumbnail { width, height, rgb: opaque.rgb, coding, palette, hidden: Vec::new(), sketch }
    }

    /// The same with what these marks touch left out of every comparison.
    pub fn beside(self, marks: &[Mark]) -> Self {
        let size = (self.width, self.height);
        let areas: Vec<_> = marks.iter().map(|mark| mark.pixels(size).in_squares(8, size)).collect();
        let places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        let hidden: Vec<bool> = places.map(|(x, y)| areas.iter().any(|area| area.contains(x, y))).collect();
        if !hidden.contains(&true) || !hidden.contains(&false) {
            return self;
        }
        // Geometries are told by what is seen; what is hidden is to say nothing, neither light nor dark.
        let seen = self.rgb.as_chunks::<3>().0.iter().zip(&hidden).filter(|(_, hidden)| !**hidden);
        let sums = seen.fold([0u64; 4], |[r, g, b, n], (p, _)| {
            [r + u64::from(p[0]), g + u64::from(p[1]), b + u64::from(p[2]), n + 1]
        });
        let mut neutral = self.rgb.clone();
        for (pixel, _) in neutral.as_chunks_mut::<3>().0.iter_mut().zip(&hidden).filter(|(_, hidden)| **hidden) {
            *pixel = [0, 1, 2].map(|channel| (sums[channel] / sums[3].max(1)) as u8);
        }
        let neutral = Pixels { width: self.width as u32, height: self.height as u32, rgb: neutral, alpha: None };
        Thumbnail { sketch: sketch(&neutral), hidden, ..self }
    }
}

impl Master {
    /// An upload of `size` pixels from its renderings, which may be decoded at a reduced scale.
    pub fn new(renderings: &[Pixels], size: (u32, u32)) -> Self {
        let mut variants = Vec::new();
        for (at, pixels) in renderings.iter().enumerate().filter(|(_, pixels)| pixels.width > 0 && pixels.height > 0) {
            for (background, opaque) in flatten_upload(pixels).into_iter().enumerate() {
                let pixels = reduced(opaque, MASTER_SIDE);
                let sketch = sketch(&pixels);
                variants.push(Variant { rendering: (at * 2 + background) as u8, pixels, sketch });
            }
        }
        Master { variants, size }
    }
}

/// One upload, to be compared with many thumbnails. A shop's thumbnails have few sizes, so most of what a comparison
/// needs of the upload serves the next one, too.
pub struct Verifier<'master> {
    master: &'master Master,
    /// The last geometries in which the upload was brought to size, newest last.
    shaped: RefCell<VecDeque<(Shape, Rc<Shaped>)>>,
}

/// Geometries that are remembered; each holds about 80 bytes for each pixel of a thumbnail.
const SHAPES_MAX: usize = 6;

/// All that [`shape`] depends on, but for the upload.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    rendering: u8,
    placement: Placement,
    turn: u8,
}

impl<'master> Verifier<'master> {
    /// For this upload.
    pub fn new(master: &'master Master) -> Self {
        Verifier { master, shaped: RefCell::default() }
    }

    /// The best residual of the upload and a thumbnail over all plausible geometries, or nothing where either has no
    /// pixels.
    ///
    /// A pair that does not even resemble is not measured: its residual is [`UNLIKE_Z`].
    pub fn residual(&self, thumbnail: &Thumbnail) -> Option<Residual> {
        let trials = ranked(thumbnail, self.master);
        let likeliest = trials.first()?;
        if likeliest.likeness < UNLIKE {
            return Some(unlike(likeliest));
        }
        self.best(thumbnail, &trials).map(|(_, residual)| residual)
    }

    /// The compared part of a thumbnail, the upload in its place, and their difference around grey, eight times as strong:
    /// side by side, for a person to look at. Nothing where either has no pixels.
    pub fn picture(&self, thumbnail: &Thumbnail) -> Option<Pixels> {
        let trials = ranked(thumbnail, self.master);
        let (trial, _) = self.best(thumbnail, &trials)?;
        Some(picture(thumbnail, trial, &*self.shaped(trial)?))
    }

    /// The geometry with the least error of those that are worth measuring.
    fn best<'t>(&self, thumbnail: &Thumbnail, trials: &'t [Trial<'master>]) -> Option<(&'t Trial<'master>, Residual)> {
        let worth = trials.first()?.likeness - LIKELIER_BY;
        let mut best: Option<(f32, &Trial, Residual)> = None;
        for trial in trials.iter().take(TRIALS_MEASURED).take_while(|trial| trial.likeness >= worth) {
            let Some(shaped) = self.shaped(trial) else { continue };
            let (error, residual) = measure(thumbnail, trial, &shaped);
            if best.is_none_or(|(least, ..)| error < least) {
                best = Some((error, trial, residual));
            }
            if best.is_some_and(|(_, _, best)| best.z_colour < SETTLED_Z) {
                break;
            }
        }
        best.map(|(_, trial, residual)| (trial, residual))
    }

    fn shaped(&self, trial: &Trial) -> Option<Rc<Shaped>> {
        let wanted = Shape { rendering: trial.variant.rendering, placement: trial.placement, turn: trial.turn };
        let mut known = self.shaped.borrow_mut();
        if let Some((_, shaped)) = known.iter().find(|(shape, _)| *shape == wanted) {
            return Some(Rc::clone(shaped));
        }
        let made = Rc::new(shape(trial)?);
        known.push_back((wanted, Rc::clone(&made)));
        if known.len() > SHAPES_MAX {
            known.pop_front();
        }
        Some(made)
    }
}

/// What is said of a pair that was not worth measuring.
fn unlike(trial: &Trial) -> Residual {
    let (_, _, width, height) = trial.placement.target;
    Residual {
        z_strict: UNLIKE_Z,
        z_colour: UNLIKE_Z,
        z_fine: UNLIKE_Z,
        chroma: 0.0,
        zncc: trial.likeness,
        colour_deviation: 0.0,
        saturation: unchanged(),
        contrast: unchanged(),
        shift: 0.0,
        rms: 0.0,
        detail: 0.0,
        side: width.min(height) as u32,
        frame: trial.placement.frame,
        turn: trial.turn,
        rendering: trial.variant.rendering,
    }
}

/// Every plausible geometry, likeliest first.
fn ranked<'a>(thumbnail: &Thumbnail, master: &'a Master) -> Vec<Trial<'a>> {
    let mut trials = trials(thumbnail, master);
    trials.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
    trials
}

/// Every plausible geometry with its likeness.
fn trials<'a>(thumbnail: &Thumbnail, master: &'a Master) -> Vec<Trial<'a>> {
    let mut out = Vec::new();
    for odd in [0, 1] {
        let size = turned_size(master.size, odd);
        for placement in placements((thumbnail.width, thumbnail.height), size) {
            let Some(shown) = grid(&thumbnail.sketch, target_share(&placement, thumbnail)) else { continue };
            for variant in &master.variants {
                let Some(upright) = grid(&variant.sketch, source_share(&placement, size, odd)) else { continue };
                let flat = flat_likeness(&upright, &shown);
                for turn_by in [odd, odd + 2, odd + 4, odd + 6] {
                    let turned = turn(&upright.cells, (GRID, GRID), 1, turn_by);
                    let correlation: f32 = turned.iter().zip(&shown.cells).map(|(a, b)| a * b).sum();
                    let likeness = correlation.max(flat);
                    out.push(Trial { variant, placement, size, turn: turn_by, likeness });
                }
            }
        }
    }
    out
}

/// The compared part of a thumbnail, as shares of its size.
fn target_share(placement: &Placement, thumbnail: &Thumbnail) -> [f64; 4] {
    let (left, top, width, height) = placement.target;
    let (w, h) = (thumbnail.width as f64, thumbnail.height as f64);
    [left as f64 / w, top as f64 / h, width as f64 / w, height as f64 / h]
}

/// The compared part of an upright upload, as shares of its size; parts are central, so turning swaps the axes only.
fn source_share(placement: &Placement, (width, height): (u32, u32), turn_by: u8) -> [f64; 4] {
    let (left, top, w, h) = placement.source;
    let (width, height) = (f64::from(width), f64::from(height));
    let [left, top, w, h] = [left / width, top / height, w / width, h / height];
    if turn_by % 2 == 1 { [top, left, h, w] } else { [left, top, w, h] }
}

/// A part of a sketch, as means over [`GRID`] x [`GRID`] cells.
struct Grid {
    /// Centred and scaled so that the product of two is their correlation, damped where there is little to compare.
    cells: Vec<f32>,
    mean: f32,
    /// Standard deviation, in levels.
    deviation: f32,
}

/// Takes the means over a part of a sketch, given as shares of its size.
fn grid(sketch: &Plane, [left, top, width, height]: [f64; 4]) -> Option<Grid> {
    let (w, h) = (sketch.width as f64, sketch.height as f64);
    let columns = spans(left * w, width * w, sketch.width)?;
    let rows = spans(top * h, height * h, sketch.height)?;
    let mut narrow = Vec::with_capacity(sketch.height * GRID);
    for row in sketch.values.chunks_exact(sketch.width) {
        narrow.extend(columns.iter().map(|span| span.iter().map(|&(x, share)| row[x] * share).sum::<f32>()));
    }
    let mut out = Vec::with_capacity(GRID * GRID);
    for span in &rows {
        out.extend((0..GRID).map(|x| span.iter().map(|&(y, share)| narrow[y * GRID + x] * share).sum::<f32>()));
    }
    let mean = out.iter().sum::<f32>() / out.len() as f32;
    out.iter_mut().for_each(|v| *v -= mean);
    let norm = out.iter().map(|v| v * v).sum::<f32>().sqrt();
    out.iter_mut().for_each(|v| *v /= norm + 8.0);
    Some(Grid { cells: out, mean, deviation: norm / GRID as f32 })
}

/// How alike two parts are that have no structure, which correlation cannot tell: dark art on a transparent ground that
/// was laid on black. 1 for equal levels, 0 from [`FLAT_APART`] on, and for parts with structure.
fn flat_likeness(a: &Grid, b: &Grid) -> f32 {
    if a.deviation.max(b.deviation) > FLAT {
        return 0.0;
    }
    (1.0 - (a.mean - b.mean).abs() / FLAT_APART).max(0.0)
}

/// For each of the grid's cells along one axis the samples it covers and their shares of its mean.
fn spans(start: f64, length: f64, samples: usize) -> Option<Vec<Vec<(usize, f32)>>> {
    if samples == 0 || length <= 0.0 {
        return None;
    }
    let cell = length / GRID as f64;
    let span = |at: usize| {
        let (from, to) = (start + cell * at as f64, start + cell * (at + 1) as f64);
        let (first, last) = (from.floor().max(0.0) as usize, (to.ceil() as usize).clamp(1, samples));
        let first = first.min(last - 1);
        let cover = |x: usize| (to.min((x + 1) as f64) - from.max(x as f64)).max(1e-6);
        let sum: f64 = (first..last).map(cover).sum();
        (first..last).map(|x| (x, (cover(x) / sum) as f32)).collect()
    };
    Some((0..GRID).map(span).collect())
}

/// A picture shrunk by box means until its longer side is at most `side`; a smaller one as it is.
fn reduced(opaque: Pixels, side: u32) -> Pixels {
    let longest = opaque.width.max(opaque.height);
    if longest <= side {
        return opaque;
    }
    let scale = |length: u32| ((f64::from(length) * f64::from(side) / f64::from(longest)).round() as u32).max(1);
    let (width, height) = (scale(opaque.width), scale(opaque.height));
    let whole = (0.0, 0.0, f64::from(opaque.width), f64::from(opaque.height));
    match resample(&opaque.rgb, (opaque.width, opaque.height), whole, (width, height), Kernel::Box) {
        Some(rgb) => Pixels { width, height, rgb, alpha: None },
        None => opaque,
    }
}

/// The luma of a picture at most [`SKETCH_SIDE`] large.
fn sketch(opaque: &Pixels) -> Plane {
    let small = reduced(opaque.clone(), SKETCH_SIDE);
    let values = small.rgb.chunks_exact(3).map(|p| (0..3).map(|c| LUMA[c] * f32::from(p[c])).sum());
    Plane::new(small.width as usize, small.height as usize, values.collect())
}

/// The distinct colours of a palette picture, at most 256.
fn palette_of(rgb: &[u8]) -> Vec<[f32; 3]> {
    let distinct: std::collections::BTreeSet<[u8; 3]> = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    distinct.into_iter().take(256).map(|colour| colour.map(f32::from)).collect()
}

#[cfg(test)]
mod tests;
