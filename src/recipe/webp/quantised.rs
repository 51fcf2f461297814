//! How far a picture lies outside of what a lossy WebP's levels allow.

use super::super::compare::{Errors, ROUNDING};
use super::super::forward::spectrum;
use super::super::taps::Grid;
use super::diffusion::{self, Errors as MeanErrors, Mean};
use super::frame::{self, Levels, Macroblock};
use super::quantise::{Cell, Kind, cell};
use super::riff::chunk;
use super::source;
use super::transform::{Block, GAIN, MEANS_GAIN, forward, forward_means, spread};

/// What a lossy WebP's file allows for each coefficient.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    width: usize,
    height: usize,
    macroblocks: Vec<Cells>,
}

type BlockCells = [Cell; 16];

/// The cells of one macroblock.
#[derive(Clone, Debug, PartialEq)]
struct Cells {
    /// What was predicted for each block: sixteen of luma, four of each chroma.
    predicted: Box<[[u8; 16]; 24]>,
    blocks: Box<[BlockCells; 24]>,
    /// The cells of what the second transform makes of luma's means, where there was one; the means themselves have none then.
    means: Option<BlockCells>,
    /// What a decoder takes for the mean coefficients of chroma: blue, red.
    chroma: [[i32; 4]; 2],
}

/// What a picture has in one macroblock.
struct Measured {
    /// The squared errors of luma's four 8x8 blocks.
    luma: [f32; 4],
    /// Those of blue and red chroma, without the mean coefficients.
    chroma: [f32; 2],
    /// The mean coefficients of chroma.
    means: [[i32; 4]; 2],
    /// What of it cannot be seen.
    hidden: Hidden,
}

/// Which squared errors of a macroblock say nothing, because they hang on colours that nobody sees: fully transparent pixels
/// have whatever colour the arithmetic of their engine left over.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Hidden {
    /// 8x8 blocks of luma that are transparent throughout. In others the encoder gives transparent pixels the mean of those seen.
    luma: [bool; 4],
    /// Whether a sample of chroma is.
    chroma: bool,
}

/// Luma is stored in 219 of 255 levels, chroma in 224.
const SCALES: [f32; 3] = [255.0 / 219.0, 255.0 / 224.0, 255.0 / 224.0];

impl Quantised {
    /// Reads a lossy WebP's file; nothing where it is damaged, an animation, or of more than `pixels_max`.
    pub fn read(file: &[u8], pixels_max: usize) -> Option<Quantised> {
        let (frame, _) = frame::read(chunk(file, b"VP8 ")?, pixels_max)?;
        let macroblocks = frame.macroblocks.into_iter().map(cells).collect();
        Some(Quantised { width: frame.width, height: frame.height, macroblocks })
    }

    /// Of luma, blue and red chroma: what of a picture of 3 or 4 channels no quantisation explains; nothing where it is of
    /// another size.
    pub fn errors(&self, picture: &Grid<u8>) -> Option<Vec<Errors>> {
        if (picture.width, picture.height) != (self.width, self.height) {
            return None;
        }
        let planes = source::planes(picture);
        let columns = self.width.div_ceil(16);
        let place = |at: usize| (at % columns, at / columns);
        let measured: Vec<Measured> = self
            .macroblocks
            .iter()
            .enumerate()
            .map(|(at, cells)| cells.measured(&planes, hidden(picture, place(at)), place(at)))
            .collect();
        let mut luma = vec![0.0; measured.len() * 4];
        for (at, macroblock) in measured.iter().enumerate() {
            let (column, row) = place(at);
            for (quarter, &energy) in macroblock.luma.iter().enumerate() {
                luma[(row * 2 + quarter / 2) * columns * 2 + column * 2 + quarter % 2] = energy;
            }
        }
        let means = self.chroma_means(&measured, columns);
        let of_one = |c: usize, one: &Measured| if one.hidden.chroma { 0.0 } else { one.chroma[c] };
        let chroma = |c: usize| measured.iter().zip(&means).map(|(one, means)| of_one(c, one) + means[c]).collect();
        let energies = [luma, chroma(0), chroma(1)];
        let errors = planes.iter().zip(energies).zip(SCALES).map(|((plane, energy), scale)| {
            let levels = plane.values.iter().map(|&level| f32::from(level) * scale).collect();
            let energy = energy.into_iter().map(|energy: f32| energy * scale * scale).collect();
            Errors::new(energy, &spectrum(levels, (plane.width, plane.height)))
        });
        Some(errors.collect())
    }

    /// The squared errors of chroma's mean coefficients in each macroblock. Up to quality 98, libwebp adds to each what its
    /// neighbours lost; which it was is not recorded, so that the better explanation counts.
    fn chroma_means(&self, measured: &[Measured], columns: usize) -> Vec<[f32; 2]> {
        let of_channel = |c: usize| -> Vec<[Mean; 4]> {
            let both = self.macroblocks.iter().zip(measured);
            both.map(|(cells, measured)| cells.chroma_means(c, measured.means[c])).collect()
        };
        let means = [of_channel(0), of_channel(1)];
        let energies = |errors: [MeanErrors; 2]| -> Vec<[f32; 2]> {
            let energy = |errors: &[f32; 4]| errors.iter().map(|&error| rounded(error, GAIN).powi(2)).sum();
            let both = errors[0].iter().zip(&errors[1]).zip(measured);
            both.map(|((b, r), one)| if one.hidden.chroma { [0.0; 2] } else { [energy(b), energy(r)] }).collect()
        };
        let sum = |energies: &[[f32; 2]]| energies.iter().flatten().sum::<f32>();
        let better = |a: Vec<[f32; 2]>, b: Vec<[f32; 2]>| if sum(&b) < sum(&a) { b } else { a };
        let orders = means.each_ref().map(|means| diffusion::in_order(means, columns));
        let alone = |mean: &Mean| mean.cell.beyond(mean.coefficient) as f32;
        let plain = means.each_ref().map(|means| means.iter().map(|means| means.each_ref().map(alone)).collect());
        let best = better(energies(orders.each_ref().map(|order| order.errors.clone())), energies(plain));
        if sum(&best) == 0.0 {
            return best;
        }
        let nearest = |c: usize| diffusion::nearest(&means[c], &orders[c], columns);
        better(best, energies([nearest(0), nearest(1)]))
    }
}

/// What of a macroblock cannot be seen; beyond the edges the last column and row are seen again.
fn hidden(picture: &Grid<u8>, (column, row): (usize, usize)) -> Hidden {
    if picture.channels != 4 {
        return Hidden::default();
    }
    let is_seen = |x: usize, y: usize| {
        let (x, y) = (x.min(picture.width - 1), y.min(picture.height - 1));
        picture.row(y)[x * 4 + 3] > 0
    };
    let is_hidden = |x: usize, y: usize, size: usize| {
        let (left, top) = (column * 16 + x, row * 16 + y);
        !(top..top + size).any(|y| (left..left + size).any(|x| is_seen(x, y)))
    };
    Hidden {
        luma: std::array::from_fn(|quarter| is_hidden(quarter % 2 * 8, quarter / 2 * 8, 8)),
        chroma: (0..64).any(|at| is_hidden(at % 8 * 2, at / 8 * 2, 2)),
    }
}

/// The cells of a macroblock's levels.
fn cells(macroblock: Macroblock) -> Cells {
    let Macroblock { steps, means, luma, chroma, predicted } = macroblock;
    let of_block = |kind: Kind, (mean, others): (u16, u16), levels: &Levels| -> BlockCells {
        std::array::from_fn(|k| cell(kind, k, levels[k], if k == 0 { mean } else { others }))
    };
    let blocks = std::array::from_fn(|at| match at {
        0..16 => of_block(Kind::Luma, steps.luma, &luma[at]),
        _ => of_block(Kind::Chroma, steps.chroma, &chroma[at - 16]),
    });
    let step = i32::from(steps.chroma.0);
    Cells {
        predicted,
        blocks: Box::new(blocks),
        means: means.map(|levels| of_block(Kind::Means, steps.means, &levels)),
        chroma: [0, 4].map(|first| std::array::from_fn(|at| i32::from(chroma[first + at][0]) * step)),
    }
}

/// How far a coefficient lies outside its cell and a little rounding, as one of an orthonormal transform: negative below.
fn beyond(cell: Cell, coefficient: i32, gain: f32) -> f32 {
    rounded(cell.beyond(coefficient) as f32, gain)
}

/// What a little rounding does not explain of an error.
fn rounded(error: f32, gain: f32) -> f32 {
    (error.abs() / gain - ROUNDING).max(0.0).copysign(error)
}

impl Cells {
    fn measured(&self, planes: &[Grid<u8>; 3], hidden: Hidden, (column, row): (usize, usize)) -> Measured {
        let coefficients: [Block; 24] = std::array::from_fn(|at| {
            let (plane, left, top) = match at {
                0..16 => (&planes[0], column * 16 + at % 4 * 4, row * 16 + at / 4 * 4),
                _ => (&planes[at / 4 - 3], column * 8 + at % 2 * 4, row * 8 + at % 4 / 2 * 4),
            };
            let level = |k: usize| i32::from(plane.values[(top + k / 4) * plane.width + left + k % 4]);
            forward(&std::array::from_fn(|k| level(k) - i32::from(self.predicted[at][k])))
        });
        // Without the mean coefficient.
        let others = |at: usize| -> f32 {
            let errors = coefficients[at].iter().zip(&self.blocks[at]).skip(1);
            errors.map(|(&coefficient, cell)| beyond(*cell, coefficient, GAIN).powi(2)).sum()
        };
        let means: [f32; 16] = match &self.means {
            // What is hidden in one block is in all means.
            Some(_) if hidden.luma.contains(&true) => [0.0; 16],
            None => std::array::from_fn(|at| beyond(self.blocks[at][0], coefficients[at][0], GAIN)),
            Some(cells) => {
                let means = forward_means(&std::array::from_fn(|at| coefficients[at][0]));
                spread(&std::array::from_fn(|k| beyond(cells[k], means[k], GAIN * MEANS_GAIN)))
            }
        };
        let mut luma = [0.0; 4];
        for (at, mean) in means.into_iter().enumerate() {
            let quarter = at / 8 * 2 + at % 4 / 2;
            if !hidden.luma[quarter] {
                luma[quarter] += others(at) + mean.powi(2);
            }
        }
        Measured {
            hidden,
            luma,
            chroma: [16, 20].map(|first| (first..first + 4).map(others).sum()),
            means: [16, 20].map(|first| std::array::from_fn(|at| coefficients[first + at][0])),
        }
    }

    /// The means of one chroma, for a picture that has these coefficients.
    fn chroma_means(&self, channel: usize, coefficients: [i32; 4]) -> [Mean; 4] {
        std::array::from_fn(|at| Mean {
            coefficient: coefficients[at],
            cell: self.blocks[16 + channel * 4 + at][0],
            decoded: self.chroma[channel][at],
        })
    }
}
