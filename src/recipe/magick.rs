//! ImageMagick's `-resize` and `-thumbnail`, with quanta of 16 bits.
//!
//! After `resize.c` of ImageMagick 6.9: point samples of five times the target first where at most a tenth of the pixels
//! will remain (`-thumbnail` only), the axis that shrinks less goes first, quanta are rounded between the passes. Opacity
//! weighs the colours. Its `-unsharp` is here too.

use serde::{Deserialize, Serialize};

use super::kernel::{Kernel, points};
use super::taps::{Grid, Tap, horizontal, vertical};

/// How quanta become levels of 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Cut off, as 6.9 writes PNG and its own formats.
    Cut,
    /// Rounded, as it writes JPEG.
    Rounded,
}

/// What the program takes for nothing, to push centres off halves.
const EPSILON: f64 = 1e-12;
/// Quanta in one level of 8 bits.
const QUANTA: f32 = 257.0;

/// Fewer point samples than this along a side are not taken; the whole picture is resized then.
const SAMPLED_MIN: usize = 128;

/// Which of ImageMagick's ways to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    /// `-resize`.
    Resize,
    /// `-thumbnail`.
    Thumbnail,
}

/// A picture of 3 channels, or of 4 with opacity last, at `to` size, in quanta.
pub fn resize(from: &Grid<u8>, to: (usize, usize), kernel: Kernel, operator: Operator) -> Grid<f32> {
    let share = (to.0 as f64 / from.width as f64) * (to.1 as f64 / from.height as f64);
    if operator == Operator::Thumbnail && share <= 0.1 && to.0.min(to.1) * 5 >= SAMPLED_MIN {
        return passes(&points(from, (to.0 * 5, to.1 * 5)), to, kernel);
    }
    passes(from, to, kernel)
}

fn passes(from: &Grid<u8>, (width, height): (usize, usize), kernel: Kernel) -> Grid<f32> {
    if (width, height) == (from.width, from.height) {
        return from.map(|&level| f32::from(level) * QUANTA);
    }
    let factors = (width as f64 / from.width as f64, height as f64 / from.height as f64);
    let columns = taps(from.width, width, factors.0, kernel);
    let rows = taps(from.height, height, factors.1, kernel);
    if from.channels == 4 {
        let weighed = weighed(from);
        let out = match factors.0 > factors.1 {
            true => vertical(&settled(horizontal(&weighed, &columns, |sum| sum)), &rows, |sum| sum),
            false => horizontal(&settled(vertical(&weighed, &rows, |sum| sum)), &columns, |sum| sum),
        };
        return unweighed(out);
    }
    // The first pass takes levels as they are; weights that hold the factor of quanta spare a copy of the picture.
    let in_quanta = |taps: &[Tap<f32>]| {
        let scaled = |tap: &Tap<f32>| tap.weights.iter().map(|weight| weight * QUANTA).collect();
        taps.iter().map(|tap| Tap { first: tap.first, weights: scaled(tap) }).collect::<Vec<_>>()
    };
    match factors.0 > factors.1 {
        true => vertical(&horizontal(from, &in_quanta(&columns), quantum), &rows, quantum),
        false => horizontal(&vertical(from, &in_quanta(&rows), quantum), &columns, quantum),
    }
}

/// `ClampToQuantum`.
fn quantum(value: f32) -> f32 {
    (value.clamp(0.0, 65535.0) + 0.5).floor()
}

/// Colours multiplied by their opacity, in quanta.
fn weighed(from: &Grid<u8>) -> Grid<f32> {
    let mut out = from.map(|&level| f32::from(level) * QUANTA);
    for pixel in out.values.as_chunks_mut::<4>().0 {
        let share = pixel[3] / 65535.0;
        pixel[..3].iter_mut().for_each(|value| *value *= share);
    }
    out
}

/// What is between two passes: colours are rounded as such, not as products with their opacity.
fn settled(grid: Grid<f32>) -> Grid<f32> {
    let mut out = unweighed(grid);
    for pixel in out.values.as_chunks_mut::<4>().0 {
        let share = pixel[3] / 65535.0;
        pixel[..3].iter_mut().for_each(|value| *value *= share);
    }
    out
}

fn unweighed(mut grid: Grid<f32>) -> Grid<f32> {
    for pixel in grid.values.as_chunks_mut::<4>().0 {
        let share = pixel[3] / 65535.0;
        let factor = if share.abs() < EPSILON as f32 { 1.0 / EPSILON as f32 } else { 1.0 / share };
        pixel[..3].iter_mut().for_each(|value| *value = quantum(*value * factor));
        pixel[3] = quantum(pixel[3]);
    }
    grid
}

fn taps(length: usize, to: usize, factor: f64, kernel: Kernel) -> Vec<Tap<f32>> {
    let stretch = (1.0 / factor + EPSILON).max(1.0);
    let (support, stretch) = match stretch * kernel.support() {
        support if support < 0.5 => (0.5, 1.0),
        support => (support, stretch),
    };
    (0..to)
        .map(|at| {
            let centre = (at as f64 + 0.5) / factor + EPSILON;
            let first = ((centre - support + 0.5).max(0.0) as usize).min(length - 1);
            let end = ((centre + support + 0.5).min(length as f64) as usize).max(first + 1);
            let weight = |x: usize| kernel.weight((x as f64 - centre + 0.5) / stretch);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            let sum = if sum == 0.0 { 1.0 } else { sum };
            Tap { first, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
        })
        .collect()
}

/// Quanta to levels of 8 bits. The program holds transparency, not opacity, and cuts or rounds that.
pub fn levels(quanta: &Grid<f32>, depth: Depth) -> Grid<u8> {
    let bias = if depth == Depth::Rounded { 128 } else { 0 };
    let cut = |value: u32| (((value + bias) - ((value + bias) >> 8)) >> 8) as u8;
    let mut out = quanta.map(|&value| cut(value as u32));
    if quanta.channels == 4 {
        for (level, value) in out.values.iter_mut().zip(&quanta.values).skip(3).step_by(4) {
            *level = 255 - cut(65535 - (*value as u32).min(65535));
        }
    }
    out
}

/// `-unsharp 0x{sigma}+{amount}+{threshold}`: adds `amount` times what a Gaussian blur takes away, where twice that is
/// more than `threshold` of the range.
pub fn unsharp(quanta: &Grid<f32>, sigma: f64, amount: f32, threshold: f32) -> Grid<f32> {
    let weights = gaussian(sigma);
    let reach = weights.len() / 2;
    let taps = |length: usize| -> Vec<Tap<f32>> {
        (0..length).map(|at| edge_repeating(at, length, &weights, reach)).collect()
    };
    let soft = horizontal(quanta, &taps(quanta.width), quantum);
    let soft = vertical(&soft, &taps(quanta.height), quantum);
    let sharpened = quanta.values.iter().zip(&soft.values).map(|(&value, &soft)| {
        let lost = value - soft;
        if 2.0 * lost.abs() < threshold * 65535.0 { value } else { quantum(value + amount * lost) }
    });
    Grid { values: sharpened.collect(), ..*quanta }
}

/// As many weights as matter in 16 bits, summing up to one (`GetOptimalKernelWidth1D`, `GetMotion`-free blur kernel).
fn gaussian(sigma: f64) -> Vec<f32> {
    let value = |x: f64| (-x * x / (2.0 * sigma * sigma)).exp();
    let mut reach = 2;
    loop {
        let total: f64 = (-(reach as i64)..=reach as i64).map(|x| value(x as f64)).sum();
        if value(reach as f64) / total < 1.0 / 65535.0 || reach > 64 {
            break;
        }
        reach += 1;
    }
    let reach = (reach - 1) as i64;
    let total: f64 = (-reach..=reach).map(|x| value(x as f64)).sum();
    (-reach..=reach).map(|x| (value(x as f64) / total) as f32).collect()
}

fn edge_repeating(at: usize, length: usize, weights: &[f32], reach: usize) -> Tap<f32> {
    let (first, end) = (at.saturating_sub(reach), (at + reach + 1).min(length));
    let mut out = vec![0f32; end - first];
    for (offset, &weight) in weights.iter().enumerate() {
        let source = (at + offset).saturating_sub(reach).min(length - 1);
        out[source - first] += weight;
    }
    Tap { first, weights: out }
}
