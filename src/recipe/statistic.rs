//! How far a prediction lies outside the cells that a thumbnail's file allows.
//!
//! Quantisation hides up to half a step of every coefficient. What lies beyond that, and beyond a little rounding, no
//! quantisation explains: only another picture, another recipe or a mark that was burned in does. The figures here weigh this
//! excess, over all blocks or over those that a known mark does not touch; they decide nothing (see `reproduce`). Constants
//! were found on pictures that were made by real engines.

use serde::{Deserialize, Serialize};

use super::cells::{Cells, Stored};
use super::compare::Errors;
use super::mark::{Area, Mark, SHARE_MAX};

/// Error energy expected of an imperfect emulation where the picture is flat.
const FLAT: f32 = 0.25;
/// Error energy expected for each unit of local gradient energy.
const PER_GRADIENT: f32 = 0.05;

/// The part of the blocks that [`Excess::rest`] leaves out: as much as a mark may take.
const LEFT_OUT: f32 = SHARE_MAX;

/// The excess of one prediction over the cells of one thumbnail, in grey levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// Root mean square over all luma coefficients: what learning minimises.
    pub loss: f32,
    /// The largest block: root of the sum of squares divided by 8, luma or chroma.
    pub d: f32,
    /// The largest 3x3 blocks, in units of what the local gradient makes likely, luma or chroma.
    pub hz: f32,
    /// Like `loss`, over the seven tenths of the blocks that agree best: what an engine leaves beside a mark.
    pub rest: f32,
    /// Standard deviation of the thumbnail's luma over the blocks that were compared, in levels: how much there was to
    /// compare.
    pub detail: f32,
}

/// Where a prediction lies outside the cells of a thumbnail, block by block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Columns of the thumbnail.
    pub width: usize,
    /// Rows of the thumbnail.
    pub height: usize,
    /// A mark that touches a square of so many pixels has changed all of it.
    pub unit_px: usize,
    /// Luma, blue and red chroma, opacity, as far as the file has them.
    pub layers: Vec<Layer>,
    /// Of each block of the thumbnail's luma, the mean level around the middle grey and its mean square.
    pub levels: Vec<(f32, f32)>,
}

/// One component of a [`Map`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// Pixels of the thumbnail in a block, across and down.
    pub block_px: (usize, usize),
    /// Of each block, the sum of squares outside the cells.
    pub energy: Vec<f32>,
    /// Of each block, the energy of the prediction's gradient.
    pub gradient: Vec<f32>,
}

impl Map {
    /// What lies outside a thumbnail's cells, as `compare` found it: luma at least.
    pub(super) fn of(cells: &Cells, errors: Vec<Errors>) -> Option<Map> {
        let (chroma_px, unit_px) = match &cells.stored {
            Stored::Transformed { chroma, .. } => {
                let (across, down) = chroma.unwrap_or((1, 1));
                ((8 * across, 8 * down), 8)
            }
            // A lossy WebP's macroblocks are coded as one.
            Stored::Predicted { .. } => ((16, 16), 16),
        };
        let layer = |(at, errors): (usize, Errors)| {
            let Errors { columns, rows, energy, gradient } = errors;
            let block_px = if at == 1 || at == 2 { chroma_px } else { (8, 8) };
            Layer { columns, rows, block_px, energy, gradient }
        };
        let layers: Vec<Layer> = errors.into_iter().enumerate().map(layer).collect();
        let luma = layers.first().filter(|luma| !luma.energy.is_empty())?;
        let levels = levels(cells, (luma.columns, luma.rows));
        Some(Map { width: cells.width, height: cells.height, unit_px, layers, levels })
    }

    /// Whether its numbers agree with each other, as those of [`Map::of`] do: one that came from elsewhere may be anything.
    pub fn is_sound(&self) -> bool {
        let of_layer = |layer: &Layer| {
            let blocks = layer.columns.checked_mul(layer.rows);
            let lengths = [layer.energy.len(), layer.gradient.len()];
            lengths.iter().all(|length| *length > 0 && blocks == Some(*length))
                && layer.block_px.0 > 0
                && layer.block_px.1 > 0
        };
        let covers = |layer: &Layer| layer.columns * 8 >= self.width && layer.rows * 8 >= self.height;
        let luma = self.layers.first();
        self.layers.iter().all(of_layer)
            && luma.is_some_and(|luma| luma.energy.len() == self.levels.len() && covers(luma))
            && matches!(self.layers.len(), 1..=4)
            && matches!(self.unit_px, 8 | 16)
    }

    /// The excess, the blocks that a mark touches left out; nothing where that takes too many of them.
    pub fn excess(&self, mark: Option<&Mark>) -> Option<Excess> {
        let area = mark.map(|mark| self.area(mark));
        let share = area.as_ref().map_or(0.0, |area| self.share(area));
        if share > SHARE_MAX {
            return None;
        }
        let counted: Vec<Vec<bool>> = self.layers.iter().map(|layer| layer.counted(area.as_ref())).collect();
        let of_layer = |at: usize| self.layers[at].energy.iter().zip(&counted[at]);
        let mut luma: Vec<f32> = of_layer(0).filter(|(_, counts)| **counts).map(|(energy, _)| *energy).collect();
        let count = luma.len();
        let mean = |energies: &[f32]| {
            let total: f64 = energies.iter().map(|&energy| f64::from(energy)).sum();
            (total / (energies.len() * 64) as f64).sqrt() as f32
        };
        let loss = mean(&luma);
        let mut largest = luma.iter().copied().fold(0.0, f32::max);
        if self.layers.len() >= 3 {
            let both = of_layer(1).zip(of_layer(2)).filter(|((_, counts), _)| **counts);
            largest = both.map(|((blue, _), (red, _))| blue + red).fold(largest, f32::max);
        }
        if self.layers.len() == 4 {
            largest = of_layer(3).filter(|(_, counts)| **counts).map(|(energy, _)| *energy).fold(largest, f32::max);
        }
        let hz = self.layers.iter().zip(&counted).map(|(layer, counted)| layer.relative(counted)).fold(0.0, f32::max);
        let kept = ((count as f32 * (1.0 - LEFT_OUT)).ceil() as usize).clamp(1, count);
        luma.select_nth_unstable_by(kept - 1, f32::total_cmp);
        let rest = mean(&luma[..kept]);
        Some(Excess { loss, d: largest.sqrt() / 8.0, hz, rest, detail: self.detail(&counted[0]) })
    }

    /// The pixels that a mark has changed.
    pub(super) fn area(&self, mark: &Mark) -> Area {
        let size = (self.width, self.height);
        mark.pixels(size).in_squares(self.unit_px, size)
    }

    /// The share of the blocks of luma that these pixels touch.
    pub(super) fn share(&self, area: &Area) -> f32 {
        let Layer { columns, rows, block_px, .. } = &self.layers[0];
        area.blocks(*block_px).count() as f32 / (columns * rows) as f32
    }

    /// The standard deviation of the thumbnail's luma over the blocks that count.
    fn detail(&self, counted: &[bool]) -> f32 {
        let levels = self.levels.iter().zip(counted).filter(|(_, counts)| **counts).map(|(level, _)| level);
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for &(mean, square) in levels {
            (count, sum, squares) = (count + 1.0, sum + f64::from(mean), squares + f64::from(square));
        }
        (squares / count - (sum / count).powi(2)).max(0.0).sqrt() as f32
    }
}

impl Layer {
    /// Of each block, whether it counts: those that a mark touches do not.
    fn counted(&self, area: Option<&Area>) -> Vec<bool> {
        let Some(area) = area.map(|area| area.blocks(self.block_px)) else { return vec![true; self.energy.len()] };
        (0..self.energy.len()).map(|at| !area.contains(at % self.columns, at / self.columns)).collect()
    }

    /// The excess energy of one block over what the gradient there makes likely, as a root.
    pub(super) fn relative_at(&self, at: usize) -> f32 {
        (self.energy[at] / 64.0 / (FLAT + PER_GRADIENT * self.gradient[at])).sqrt()
    }

    /// The largest 3x3 mean of excess energy over what the gradients there make likely, as a root. Blocks that do not count
    /// are in no mean, so that they do not thin out what lies beside them; beyond the edge the second row or column is
    /// seen again.
    fn relative(&self, counted: &[bool]) -> f32 {
        let mirrored = |at: isize, length: usize| match at {
            -1 => 1.min(length - 1),
            at if at as usize == length => length.saturating_sub(2),
            at => at as usize,
        };
        let mut most = 0f32;
        for at in (0..counted.len()).filter(|&at| counted[at]) {
            let (column, row) = ((at % self.columns) as isize, (at / self.columns) as isize);
            let (mut count, mut energy, mut gradient) = (0.0, 0.0, 0.0);
            for around in 0..9 {
                let (x, y) = (column + around % 3 - 1, row + around / 3 - 1);
                let near = mirrored(y, self.rows) * self.columns + mirrored(x, self.columns);
                if counted[near] {
                    count += 1.0;
                    energy += self.energy[near];
                    gradient += self.gradient[near];
                }
            }
            most = most.max(energy / count / 64.0 / (FLAT + PER_GRADIENT * (gradient / count)));
        }
        most.sqrt()
    }
}

/// Of each block of luma, so many across and down, the mean level around the middle grey and its mean square; beyond the edge
/// the last pixel is seen again.
fn levels(cells: &Cells, (columns, rows): (usize, usize)) -> Vec<(f32, f32)> {
    let level = |x: usize, y: usize| {
        let at = (y.min(cells.height - 1) * cells.width + x.min(cells.width - 1)) * 3;
        let p = &cells.pixels.rgb[at..at + 3];
        0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]) - 128.0
    };
    let of_block = |at: usize| {
        let (left, top) = (at % columns * 8, at / columns * 8);
        let sums = (0..64).map(|k| level(left + k % 8, top + k / 8)).fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
        (sums.0 / 64.0, sums.1 / 64.0)
    };
    (0..columns * rows).map(of_block).collect()
}
