//! How far a prediction lies outside the cells that a thumbnail's file allows.
//!
//! Quantisation hides up to half a step of every coefficient. What lies beyond that, and beyond a little rounding, no
//! quantisation explains: only another picture or another recipe does. The three figures here weigh this excess; they
//! decide nothing (see `reproduce`). Constants were found on pictures that were made by real engines.

use serde::{Deserialize, Serialize};

use super::cells::{Cells, Component};
use super::forward::Spectrum;

/// Rounding to whole levels before the transform moves a coefficient by about this much at most.
const ROUNDING: f32 = 0.35;
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

/// The excess of `spectra` over `cells`; nothing when they are not of one shape.
pub fn excess(cells: &Cells, spectra: &[Spectrum]) -> Option<Excess> {
    let agree = |(component, spectrum): (&Component, &Spectrum)| {
        (component.columns, component.rows) == (spectrum.columns, spectrum.rows)
    };
    if cells.components.len() != spectra.len() || !cells.components.iter().zip(spectra).all(agree) {
        return None;
    }
    let energies: Vec<Vec<f32>> =
        cells.components.iter().zip(spectra).map(|(component, spectrum)| energy(component, spectrum)).collect();
    let luma = energies.first().filter(|luma| !luma.is_empty())?;
    let total: f64 = luma.iter().map(|&energy| f64::from(energy)).sum();
    let mut largest = luma.iter().copied().fold(0.0, f32::max);
    if let [_, blue, red, alpha @ ..] = &energies[..] {
        largest = blue.iter().zip(red).map(|(b, r)| b + r).fold(largest, f32::max);
        largest = alpha.iter().flatten().copied().fold(largest, f32::max);
    }
    let hz = energies.iter().zip(spectra).map(|(energy, spectrum)| relative(energy, spectrum)).fold(0.0, f32::max);
    Some(Excess { loss: (total / (luma.len() * 64) as f64).sqrt() as f32, d: largest.sqrt() / 8.0, hz })
}

/// For each block, the sum of squares outside the cells.
fn energy(component: &Component, spectrum: &Spectrum) -> Vec<f32> {
    let margin: [f32; 64] = std::array::from_fn(|at| component.steps[at] / 2.0 + ROUNDING);
    let blocks = component.targets.iter().zip(&spectrum.blocks).enumerate();
    blocks
        .map(|(at, (target, block))| {
            let allowed = component.allowance.get(at).copied().unwrap_or(0.0);
            let beyond = |k: usize| (block[k] - target[k]).abs() - margin[k] - allowed;
            (0..64).map(|k| beyond(k).max(0.0)).map(|x| x * x).sum()
        })
        .collect()
}

/// The largest 3x3 mean of excess energy over what the gradients there make likely, as a root.
fn relative(energy: &[f32], spectrum: &Spectrum) -> f32 {
    let weights = gradient_weights();
    let gradients: Vec<f32> =
        spectrum.blocks.iter().map(|block| block.iter().zip(&weights).map(|(c, w)| c * c * w).sum()).collect();
    let size = (spectrum.columns, spectrum.rows);
    let (energy, gradients) = (means(energy, size), means(&gradients, size));
    let ratios = energy.iter().zip(&gradients).map(|(e, g)| e / 64.0 / (FLAT + PER_GRADIENT * g));
    ratios.fold(0f32, f32::max).sqrt()
}

/// The energy of a picture's gradient lies in its coefficients, times their squared frequency.
fn gradient_weights() -> [f32; 64] {
    std::array::from_fn(|at| {
        let squared = (at / 8 * (at / 8) + at % 8 * (at % 8)) as f32;
        squared * (std::f32::consts::PI / 8.0).powi(2) / 64.0
    })
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

#[cfg(test)]
mod tests {
    use super::super::forward::spectra;
    use super::*;

    #[test]
    fn what_is_not_of_one_shape_has_no_excess() {
        let path = format!("{}/fixtures/originals/logo-fox.png", env!("CARGO_MANIFEST_DIR"));
        let cells = Cells::read(&std::fs::read(path).unwrap()).unwrap();
        let size = (cells.width, cells.height);
        let grey = vec![128; size.0 * size.1 * 3];
        // Colours without the opacity that the file has, and another size: numbers that no message could carry are none.
        assert!(cells.has_alpha());
        assert_eq!(excess(&cells, &spectra(&grey, size, cells.chroma)), None);
        assert_eq!(excess(&cells, &spectra(&[128; 8 * 8 * 3], (8, 8), cells.chroma)), None);
        let mut whole = spectra(&grey, size, cells.chroma);
        whole.extend(spectra(&grey, size, None));
        assert!(excess(&cells, &whole).is_some_and(|excess| excess.d.is_finite() && excess.d > 0.0));
    }
}
