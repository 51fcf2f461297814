//! A prediction beside the cells of a thumbnail: what lies outside, block by block. What it amounts to is said in `statistic`.

use super::cells::{Cells, Component, Stored};
use super::forward::{Spectrum, spectra};
use super::opacity;
use super::taps::Grid;

/// Rounding to whole levels before the transform moves a coefficient by about this much at most.
pub const ROUNDING: f32 = 0.35;

/// What one component has in each of its 8x8 blocks, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// The sum of squares outside the cells, of an orthonormal transform of levels.
    pub energy: Vec<f32>,
    /// The energy of the prediction's gradient.
    pub gradient: Vec<f32>,
}

impl Errors {
    /// Errors of what has this spectrum.
    pub fn new(energy: Vec<f32>, spectrum: &Spectrum) -> Errors {
        let weights = gradient_weights();
        let gradient = |block: &[f32; 64]| block.iter().zip(&weights).map(|(c, w)| c * c * w).sum();
        let gradient = spectrum.blocks.iter().map(gradient).collect();
        Errors { columns: spectrum.columns, rows: spectrum.rows, energy, gradient }
    }
}

/// What of a prediction lies outside the cells: luma, and where the file has them, blue and red chroma and the opacity.
/// Nothing when they are not of one shape.
pub fn errors(cells: &Cells, prediction: &Grid<u8>) -> Option<Vec<Errors>> {
    let size = (prediction.width, prediction.height);
    let alpha = match prediction.channels {
        4 => {
            let levels: Vec<u8> = prediction.values.iter().skip(3).step_by(4).flat_map(|&a| [a; 3]).collect();
            spectra(&levels, size, None)
        }
        _ => Vec::new(),
    };
    match &cells.stored {
        Stored::Transformed { chroma, components } => {
            let mut spectra = spectra(&opacity::laid_on(prediction, 255).values, size, *chroma);
            spectra.extend(alpha);
            of_components(components, &spectra)
        }
        Stored::Predicted { colours, alpha: stored } => {
            let mut out = colours.errors(prediction)?;
            out.extend(of_components(stored, &alpha)?);
            Some(out)
        }
    }
}

fn of_components(components: &[Component], spectra: &[Spectrum]) -> Option<Vec<Errors>> {
    let agree = |(component, spectrum): (&Component, &Spectrum)| {
        (component.columns, component.rows) == (spectrum.columns, spectrum.rows)
    };
    if components.len() != spectra.len() || !components.iter().zip(spectra).all(agree) {
        return None;
    }
    let both = components.iter().zip(spectra);
    Some(both.map(|(component, spectrum)| Errors::new(energy(component, spectrum), spectrum)).collect())
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

/// The energy of a picture's gradient lies in its coefficients, times their squared frequency.
fn gradient_weights() -> [f32; 64] {
    std::array::from_fn(|at| {
        let squared = (at / 8 * (at / 8) + at % 8 * (at % 8)) as f32;
        squared * (std::f32::consts::PI / 8.0).powi(2) / 64.0
    })
}

#[cfg(test)]
mod tests {
    use super::super::statistic::Map;
    use super::*;

    #[test]
    fn what_is_not_of_one_shape_has_no_excess() {
        let path = format!("{}/fixtures/originals/logo-fox.png", env!("CARGO_MANIFEST_DIR"));
        let cells = Cells::read(&std::fs::read(path).unwrap()).unwrap();
        let grey = |width: usize, height: usize, channels: usize| Grid {
            width,
            height,
            channels,
            values: vec![128; width * height * channels],
        };
        let excess_of = |grid| Map::of(&cells, errors(&cells, &grid)?)?.excess(None);
        // Colours without the opacity that the file has, and another size: numbers that no message could carry are none.
        assert!(cells.has_alpha());
        assert_eq!(excess_of(grey(cells.width, cells.height, 3)), None);
        assert_eq!(excess_of(grey(8, 8, 4)), None);
        assert!(
            excess_of(grey(cells.width, cells.height, 4)).is_some_and(|excess| excess.d.is_finite() && excess.d > 0.0)
        );
    }
}
