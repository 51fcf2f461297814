//! How far a prediction lies outside the cells that a thumbnail's file allows.
//!
//! Quantisation hides up to half a step of every coefficient. What lies beyond that, and beyond a little rounding, no
//! quantisation explains: only another picture or another recipe does. The three figures here weigh this excess; they
//! decide nothing (see `reproduce`). Constants were found on pictures that were made by real engines.

use serde::{Deserialize, Serialize};

use super::compare::Errors;

/// Error energy expected of an imperfect emulation where the picture is flat.
const FLAT: f32 = 0.25;
/// Error energy expected for each unit of local gradient energy.
const PER_GRADIENT: f32 = 0.05;

/// The excess of one prediction over the cells of one thumbnail, in grey levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// Root mean square over all luma coefficients: what learning minimises.
    pub loss: f32,
    /// The largest block: root of the sum of squares divided by 8, luma or chroma.
    pub d: f32,
    /// The largest 3x3 blocks, in units of what the local gradient makes likely, luma or chroma.
    pub hz: f32,
}

/// The excess of what lies outside the cells of luma, blue and red chroma, and opacity, or of the first alone; nothing where
/// there is no luma.
pub fn excess(errors: &[Errors]) -> Option<Excess> {
    let luma = errors.first().filter(|luma| !luma.energy.is_empty())?;
    let total: f64 = luma.energy.iter().map(|&energy| f64::from(energy)).sum();
    let mut largest = luma.energy.iter().copied().fold(0.0, f32::max);
    if let [_, blue, red, alpha @ ..] = errors {
        largest = blue.energy.iter().zip(&red.energy).map(|(b, r)| b + r).fold(largest, f32::max);
        largest = alpha.iter().flat_map(|alpha| &alpha.energy).copied().fold(largest, f32::max);
    }
    let hz = errors.iter().map(relative).fold(0.0, f32::max);
    Some(Excess { loss: (total / (luma.energy.len() * 64) as f64).sqrt() as f32, d: largest.sqrt() / 8.0, hz })
}

/// The largest 3x3 mean of excess energy over what the gradients there make likely, as a root.
fn relative(errors: &Errors) -> f32 {
    let size = (errors.columns, errors.rows);
    let (energy, gradients) = (means(&errors.energy, size), means(&errors.gradient, size));
    let ratios = energy.iter().zip(&gradients).map(|(e, g)| e / 64.0 / (FLAT + PER_GRADIENT * g));
    ratios.fold(0f32, f32::max).sqrt()
}

/// 3x3 means; beyond the edge the second row or column is seen again.
fn means(values: &[f32], (columns, rows): (usize, usize)) -> Vec<f32> {
    let mirrored = |at: isize, length: usize| match at {
        -1 => 1.min(length - 1),
        at if at as usize == length => length.saturating_sub(2),
        at => at as usize,
    };
    let mut out = Vec::with_capacity(values.len());
    for row in 0..rows as isize {
        for column in 0..columns as isize {
            let around = (-1..=1).flat_map(|y| (-1..=1).map(move |x| (x, y)));
            let sum: f32 =
                around.map(|(x, y)| values[mirrored(row + y, rows) * columns + mirrored(column + x, columns)]).sum();
            out.push(sum / 9.0);
        }
    }
    out
}
