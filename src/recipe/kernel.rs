//! Kernels in floating point, and a resampler of the usual kind around them.
//!
//! The family for software that no module of its own emulates: a kernel stretched by the scale, normalised weights, one
//! of five ways to order and round the passes, after one of several ways to shrink beforehand.

use serde::{Deserialize, Serialize};

use super::taps::{Grid, Tap, horizontal, vertical};

/// A resampling kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Exact area of overlap, rounded at the end.
    Area,
    /// Exact area of overlap, cut off at the end.
    AreaCut,
    /// Pixels whose centre lies within, all alike.
    Box,
    /// Linear.
    Triangle,
    /// Cubic with B = 0, C = 1/2.
    CatmullRom,
    /// Cubic with B = C = 1/3.
    Mitchell,
    /// Windowed sinc, two lobes.
    Lanczos2,
    /// Windowed sinc, three lobes.
    Lanczos3,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Kernel; 8] = [
        Kernel::Area,
        Kernel::AreaCut,
        Kernel::Box,
        Kernel::Triangle,
        Kernel::CatmullRom,
        Kernel::Mitchell,
        Kernel::Lanczos2,
        Kernel::Lanczos3,
    ];

    /// How far it reaches, in target samples.
    pub fn support(self) -> f64 {
        match self {
            Kernel::Area | Kernel::AreaCut | Kernel::Box => 0.5,
            Kernel::Triangle => 1.0,
            Kernel::CatmullRom | Kernel::Mitchell | Kernel::Lanczos2 => 2.0,
            Kernel::Lanczos3 => 3.0,
        }
    }

    /// Its value `x` target samples from the centre.
    pub fn weight(self, x: f64) -> f64 {
        let away = x.abs();
        match self {
            Kernel::Area | Kernel::AreaCut | Kernel::Box => f64::from(x > -0.5 && x <= 0.5),
            Kernel::Triangle => (1.0 - away).max(0.0),
            Kernel::CatmullRom => cubic(0.0, 0.5, away),
            Kernel::Mitchell => cubic(1.0 / 3.0, 1.0 / 3.0, away),
            Kernel::Lanczos2 => windowed_sinc(2.0, away),
            Kernel::Lanczos3 => windowed_sinc(3.0, away),
        }
    }
}

/// The cubic of Mitchell and Netravali.
fn cubic(b: f64, c: f64, x: f64) -> f64 {
    if x < 1.0 {
        ((12.0 - 9.0 * b - 6.0 * c) * x.powi(3) + (-18.0 + 12.0 * b + 6.0 * c) * x.powi(2) + 6.0 - 2.0 * b) / 6.0
    } else if x < 2.0 {
        let cubed = (-b - 6.0 * c) * x.powi(3) + (6.0 * b + 30.0 * c) * x.powi(2);
        (cubed + (-12.0 * b - 48.0 * c) * x + 8.0 * b + 24.0 * c) / 6.0
    } else {
        0.0
    }
}

fn windowed_sinc(lobes: f64, x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    if x < lobes { sinc(x) * sinc(x / lobes) } else { 0.0 }
}

/// The order of the passes and what happens to values between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passes {
    /// Rows first, values kept as they are.
    RowsFree,
    /// Rows first, values kept within 0 and 255.
    RowsClamped,
    /// Rows first, values rounded to whole levels.
    RowsWhole,
    /// Columns first, values kept within 0 and 255.
    ColumnsClamped,
    /// Columns first, values rounded to whole levels.
    ColumnsWhole,
}

impl Passes {
    /// All of them.
    pub const ALL: [Passes; 5] =
        [Passes::RowsFree, Passes::RowsClamped, Passes::RowsWhole, Passes::ColumnsClamped, Passes::ColumnsWhole];
}

fn taps(length: usize, to: usize, scale: f64, kernel: Kernel) -> Vec<Tap<f32>> {
    (0..to)
        .map(|at| {
            let (first, weights) = match kernel {
                Kernel::Area | Kernel::AreaCut => overlaps(length, at, scale),
                _ => weights(length, at, scale, kernel),
            };
            let sum: f64 = weights.iter().sum();
            Tap { first, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
        })
        .collect()
}

fn overlaps(length: usize, at: usize, scale: f64) -> (usize, Vec<f64>) {
    let (start, end) = (at as f64 * scale, (at + 1) as f64 * scale);
    let first = (start as usize).min(length - 1);
    let last = ((end - 1e-9).ceil() as usize).clamp(first + 1, length);
    let overlap = |x: usize| (end.min((x + 1) as f64) - start.max(x as f64)).max(1e-9);
    (first, (first..last).map(overlap).collect())
}

fn weights(length: usize, at: usize, scale: f64, kernel: Kernel) -> (usize, Vec<f64>) {
    let stretch = scale.max(1.0);
    let support = kernel.support() * stretch;
    let centre = (at as f64 + 0.5) * scale;
    let first = ((centre - support + 0.5).max(0.0) as usize).min(length - 1);
    let end = ((centre + support + 0.5).max(0.0) as usize).clamp(first + 1, length);
    let weights: Vec<f64> = (first..end).map(|x| kernel.weight((x as f64 + 0.5 - centre) / stretch)).collect();
    let lost = weights.iter().sum::<f64>() == 0.0;
    (first, if lost { vec![1.0; weights.len()] } else { weights })
}

/// A picture at `to` size, in fractional levels from 0 to 255. `scale` is how many source samples go into one target
/// sample across and down, which after a shrink beforehand is not always the quotient of the sizes.
pub fn resample(from: &Grid<u8>, to: (usize, usize), scale: (f64, f64), kernel: Kernel, passes: Passes) -> Grid<f32> {
    let (columns, rows) = (taps(from.width, to.0, scale.0, kernel), taps(from.height, to.1, scale.1, kernel));
    let between = |value: f32| match passes {
        Passes::RowsFree => value,
        Passes::RowsClamped | Passes::ColumnsClamped => value.clamp(0.0, 255.0),
        Passes::RowsWhole | Passes::ColumnsWhole => (value.clamp(0.0, 255.0) + 0.5).floor(),
    };
    let end = |value: f32| value.clamp(0.0, 255.0);
    match passes {
        Passes::RowsFree | Passes::RowsClamped | Passes::RowsWhole => {
            horizontal(&vertical(from, &rows, between), &columns, end)
        }
        Passes::ColumnsClamped | Passes::ColumnsWhole => vertical(&horizontal(from, &columns, between), &rows, end),
    }
}

/// What may happen to a picture before the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shrink {
    /// Nothing.
    None,
    /// Means of whole-number boxes, so far that twice the target remains.
    Box,
    /// Point samples of five times the target, where at most a tenth of the pixels remains.
    FivefoldPoints,
}

impl Shrink {
    /// All of them.
    pub const ALL: [Shrink; 3] = [Shrink::None, Shrink::Box, Shrink::FivefoldPoints];
}

/// The picture after `shrink`, and the scale that is left to the kernel; nothing when the shrink does nothing.
pub fn shrunk(from: &Grid<u8>, to: (usize, usize), shrink: Shrink) -> Option<(Grid<u8>, (f64, f64))> {
    let scale = (from.width as f64 / to.0 as f64, from.height as f64 / to.1 as f64);
    match shrink {
        Shrink::None => None,
        Shrink::Box => {
            let (across, down) = ((scale.0 / 2.0) as usize, (scale.1 / 2.0) as usize);
            let (across, down) = (across.max(1), down.max(1));
            let left = (scale.0 / across as f64, scale.1 / down as f64);
            (across > 1 || down > 1).then(|| (boxes(from, across, down), left))
        }
        Shrink::FivefoldPoints => {
            (1.0 / (scale.0 * scale.1) <= 0.1).then(|| (points(from, (to.0 * 5, to.1 * 5)), (5.0, 5.0)))
        }
    }
}

/// Means of boxes, rounded half up; beyond the edge the last column and row are repeated.
fn boxes(from: &Grid<u8>, across: usize, down: usize) -> Grid<u8> {
    let (width, height, channels) = (from.width.div_ceil(across), from.height.div_ceil(down), from.channels);
    let count = (across * down) as u32;
    let mut values = Vec::with_capacity(width * height * channels);
    let mut sums = vec![0u32; width * across * channels];
    for y in 0..height {
        sums.fill(0);
        for row in (y * down..(y + 1) * down).map(|row| from.row(row.min(from.height - 1))) {
            sums.iter_mut().zip(row).for_each(|(sum, &level)| *sum += u32::from(level));
            for at in row.len()..sums.len() {
                sums[at] += u32::from(row[row.len() - channels + at % channels]);
            }
        }
        for group in sums.chunks_exact(across * channels) {
            for channel in 0..channels {
                let sum: u32 = group.iter().skip(channel).step_by(channels).sum();
                values.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    Grid { width, height, channels, values }
}

/// The nearest samples at the middle of each target sample, as ImageMagick's `SampleImage` takes them.
pub fn points(from: &Grid<u8>, (width, height): (usize, usize)) -> Grid<u8> {
    const MIDDLE: f64 = 0.5 - 1e-12;
    let place = |at: usize, length: usize, to: usize| {
        (((at as f64 + MIDDLE) * length as f64 / to as f64) as usize).min(length - 1)
    };
    let columns: Vec<usize> = (0..width).map(|x| place(x, from.width, width) * from.channels).collect();
    let mut values = Vec::with_capacity(width * height * from.channels);
    for y in 0..height {
        let row = from.row(place(y, from.height, height));
        columns.iter().for_each(|&at| values.extend_from_slice(&row[at..at + from.channels]));
    }
    Grid { width, height, channels: from.channels, values }
}
