//! Whether a picture was made lighter, stronger or more colourful than the thumbnail that it is to have made.
//!
//! Quantisation, the noise of another coding and a loss of sharpness move single pixels to either side; over many blocks they
//! cancel. What a person did to a picture moves all of them the same way, but by what quantisation rounds of few different levels. So what is systematic between the blocks' means of a
//! thumbnail and of its prediction tells an edited copy from a re-saved or smaller one, to a small part of a level.

use std::collections::HashMap;

use super::cells::{Cells, Stored};
use super::frame::Placement;
use super::mark::{Area, Mark};
use super::opacity::laid_on;
use super::taps::Grid;

/// Pixels of a block, across and down.
const BLOCK_PX: usize = 8;
/// Fewer blocks than this tell nothing.
const BLOCKS_MIN: usize = 9;
/// What quantisation may do to a mean, in its standard deviations, before it is no accident.
const DEVIATIONS: f32 = 3.0;
/// Means that differ by less than this, in levels, are rounded alike.
const ALIKE_LEVELS: f32 = 0.25;
/// The step of a block's mean in a lossy WebP, in levels: about as at its usual qualities, since it differs from block to block.
const STEP_OF_WEBP: f32 = 2.0;

/// What is seen of a picture between the margins and beside the mark of a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// The systematic change of luma or chroma between the prediction and its thumbnail, in levels, beyond what quantisation
    /// may do to the means of so few different blocks: the root mean square, over the blocks, of the straight line that leads
    /// from one's means to the other's less the identity; the largest of luma, blue and red chroma.
    pub change: f32,
    /// The standard deviation of the thumbnail's luma, in levels.
    pub detail: f32,
}

/// What is seen; nothing where too few blocks are left to tell.
pub(super) fn seen(cells: &Cells, prediction: &Grid<u8>, placement: &Placement, mark: Option<&Mark>) -> Option<Seen> {
    let (thumbnail, predicted) = (of_thumbnail(cells), laid_on(prediction, 255));
    let size = (cells.width, cells.height);
    if (predicted.width, predicted.height, predicted.channels) != (size.0, size.1, 3) {
        return None;
    }
    let marked = mark.map(|mark| mark.pixels(size).in_squares(2 * BLOCK_PX, size));
    let inside = |&(left, top): &(usize, usize)| {
        let covers = |at: usize, scaled: usize, from: usize| from >= at && from + BLOCK_PX <= at.saturating_add(scaled);
        let picture =
            covers(placement.at.0, placement.scaled.0, left) && covers(placement.at.1, placement.scaled.1, top);
        picture && !marked.as_ref().is_some_and(|area: &Area| area.contains(left, top))
    };
    let corners = (0..size.1 / BLOCK_PX).flat_map(|row| (0..size.0 / BLOCK_PX).map(move |column| (column, row)));
    let corners = corners.map(|(column, row)| (column * BLOCK_PX, row * BLOCK_PX)).filter(inside);
    let corners: Vec<(usize, usize)> = corners.collect();
    if corners.len() < BLOCKS_MIN {
        return None;
    }
    let blocks: Vec<_> = corners.iter().map(|&corner| (mean(&predicted, corner), mean(&thumbnail, corner))).collect();
    let beyond = |c: usize| (systematic(&blocks, c) - allowed(&blocks, c, step(cells, c))).max(0.0);
    Some(Seen { change: (0..3).map(beyond).fold(0.0, f32::max), detail: detail(&thumbnail, &corners) })
}

/// The step in which a file stores the mean of a block of this component, in levels.
fn step(cells: &Cells, component: usize) -> f32 {
    match &cells.stored {
        Stored::Transformed { components, .. } => components.get(component).map_or(0.0, |one| one.steps[0] / 8.0),
        Stored::Predicted { .. } => STEP_OF_WEBP,
    }
}

/// What rounding to this step may change on average: blocks of one level are rounded alike, so a picture of few levels may
/// change as a whole.
fn allowed(blocks: &[([f32; 3], [f32; 3])], component: usize, step: f32) -> f32 {
    let mut alike: HashMap<i32, usize> = HashMap::new();
    for (predicted, _) in blocks {
        *alike.entry((predicted[component] / ALIKE_LEVELS).round() as i32).or_default() += 1;
    }
    let count = blocks.len() as f32;
    let weight = alike.values().map(|&many| (many as f32 / count).powi(2)).sum::<f32>().sqrt();
    (DEVIATIONS * weight * step / 12f32.sqrt()).min(step / 2.0)
}

/// The standard deviation of luma over the blocks with these corners.
fn detail(grid: &Grid<u8>, corners: &[(usize, usize)]) -> f32 {
    let (mut sum, mut squares) = (0.0f64, 0.0f64);
    for &(left, top) in corners {
        for y in top..top + BLOCK_PX {
            for &[r, g, b] in grid.row(y)[left * 3..(left + BLOCK_PX) * 3].as_chunks::<3>().0 {
                let luma = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
                (sum, squares) = (sum + luma, squares + luma * luma);
            }
        }
    }
    let count = (corners.len() * BLOCK_PX * BLOCK_PX) as f64;
    (squares / count - (sum / count).powi(2)).max(0.0).sqrt() as f32
}

/// The thumbnail as it is seen on white.
fn of_thumbnail(cells: &Cells) -> Grid<u8> {
    let (width, height) = (cells.width, cells.height);
    let rgb = &cells.pixels.rgb;
    match &cells.pixels.alpha {
        None => Grid { width, height, channels: 3, values: rgb.clone() },
        Some(alpha) => {
            let values = rgb.as_chunks::<3>().0.iter().zip(alpha).flat_map(|(&[r, g, b], &a)| [r, g, b, a]).collect();
            laid_on(&Grid { width, height, channels: 4, values }, 255)
        }
    }
}

/// Mean luma, blue and red chroma of the block with this corner, as JPEG has them.
fn mean(grid: &Grid<u8>, (left, top): (usize, usize)) -> [f32; 3] {
    let mut sums = [0u32; 3];
    for y in top..top + BLOCK_PX {
        for pixel in grid.row(y)[left * 3..(left + BLOCK_PX) * 3].as_chunks::<3>().0 {
            for (sum, &level) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(level);
            }
        }
    }
    let [r, g, b] = sums.map(|sum| sum as f32 / (BLOCK_PX * BLOCK_PX) as f32);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [luma, (b - luma) * 0.564, (r - luma) * 0.713]
}

/// The root mean square of what a straight line from the prediction's means to the thumbnail's changes.
fn systematic(blocks: &[([f32; 3], [f32; 3])], component: usize) -> f32 {
    let count = blocks.len() as f64;
    let pairs = || blocks.iter().map(|(p, t)| (f64::from(p[component]), f64::from(t[component])));
    let (sum_p, sum_t) = pairs().fold((0.0, 0.0), |(p, t), (a, b)| (p + a, t + b));
    let (mean_p, mean_t) = (sum_p / count, sum_t / count);
    let spread = |(squares, products): (f64, f64), (p, t): (f64, f64)| {
        (squares + (p - mean_p).powi(2), products + (p - mean_p) * (t - mean_t))
    };
    let (squares, products) = pairs().fold((0.0, 0.0), spread);
    let gained = if squares > 0.0 { (products / squares - 1.0).powi(2) * squares / count } else { 0.0 };
    ((mean_t - mean_p).powi(2) + gained).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thumbnail with something to see on it, as a lossless file.
    fn fox() -> (Cells, Grid<u8>, Placement) {
        let path = format!("{}/fixtures/originals/logo-fox.png", env!("CARGO_MANIFEST_DIR"));
        let cells = Cells::read(&std::fs::read(path).unwrap()).unwrap();
        let (width, height) = (cells.width, cells.height);
        let whole = Placement { part: (0, 0, width, height), scaled: (width, height), cut: (0, 0), at: (0, 0) };
        let grid = of_thumbnail(&cells);
        (cells, grid, whole)
    }

    #[test]
    fn noise_cancels_and_an_edit_does_not() {
        let (cells, grid, whole) = fox();
        assert_eq!(seen(&cells, &grid, &whole, None).unwrap().change, 0.0);
        let mut sign = 1u32;
        let noisy = grid.map(|&level| {
            sign = sign.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level.clamp(8, 247) - 7 + (sign >> 24) as u8 % 15
        });
        let (quiet, lighter) = (grid.map(|&level| level.clamp(8, 247)), grid.map(|&level| level.clamp(8, 247) + 2));
        let noise =
            seen(&cells, &noisy, &whole, None).unwrap().change - seen(&cells, &quiet, &whole, None).unwrap().change;
        assert!(noise.abs() < 0.3, "{noise}");
        assert!(seen(&cells, &lighter, &whole, None).unwrap().change > 1.0);
        let stronger = grid.map(|&level| (128.0 + (f32::from(level) - 128.0) * 0.97).round() as u8);
        assert!(seen(&cells, &stronger, &whole, None).unwrap().change > 0.8);
    }

    #[test]
    fn a_picture_of_too_few_blocks_tells_nothing() {
        let (cells, grid, whole) = fox();
        assert_eq!(seen(&cells, &grid, &Placement { scaled: (16, 16), ..whole }, None), None);
    }
}
