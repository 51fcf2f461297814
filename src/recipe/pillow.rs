//! Pillow's `Image.resize`, `Image.reduce` and `ImageFilter.UnsharpMask`, bit by bit.
//!
//! After `Resample.c`, `Reduce.c`, `BoxBlur.c` and `UnsharpMask.c` of Pillow 5 to 13, which have not changed their
//! arithmetic: weights in 22 bits of fraction, columns before rows, whole levels between the passes.

use serde::{Deserialize, Serialize};

use super::taps::{Grid, Tap};

/// Pillow's resampling filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// `BOX`.
    Box,
    /// `BILINEAR`.
    Bilinear,
    /// `HAMMING`.
    Hamming,
    /// `BICUBIC`, with a = -0.5.
    Bicubic,
    /// `LANCZOS`, three lobes (`ANTIALIAS` in old versions).
    Lanczos,
}

impl Filter {
    /// All of them.
    pub const ALL: [Filter; 5] = [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];

    fn support(self) -> f64 {
        match self {
            Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        let away = x.abs();
        match self {
            Filter::Box => f64::from(x > -0.5 && x <= 0.5),
            Filter::Bilinear => (1.0 - away).max(0.0),
            Filter::Hamming if away >= 1.0 => 0.0,
            Filter::Hamming => {
                sinc(away) * (f64::from(0.54f32) + f64::from(0.46f32) * (away * std::f64::consts::PI).cos())
            }
            Filter::Bicubic if away < 1.0 => (1.5 * away - 2.5) * away * away + 1.0,
            Filter::Bicubic if away < 2.0 => (((away - 5.0) * away + 8.0) * away - 4.0) * -0.5,
            Filter::Bicubic => 0.0,
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

/// A part of a picture: left, top, right, bottom in its pixels, as Pillow's `box`.
pub type Part = [f32; 4];

/// All of a picture.
pub fn whole<T>(of: &Grid<T>) -> Part {
    [0.0, 0.0, of.width as f32, of.height as f32]
}

/// Bits of fraction in a weight.
const BITS: u32 = 32 - 8 - 2;

fn taps(length: usize, (start, end): (f32, f32), to: usize, filter: Filter) -> Vec<Tap<i32>> {
    let scale = f64::from(end - start) / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    (0..to)
        .map(|at| {
            let centre = f64::from(start) + (at as f64 + 0.5) * scale;
            // Conversion to whole numbers cuts towards zero, in C as here.
            let first = ((centre - support + 0.5) as i64).max(0) as usize;
            let end = ((centre + support + 0.5) as i64).clamp(first as i64, length as i64) as usize;
            let weights: Vec<f64> =
                (first..end).map(|x| filter.weight((x as f64 - centre + 0.5) * (1.0 / stretch))).collect();
            let sum: f64 = weights.iter().sum();
            let whole = |weight: f64| {
                let weight = if sum == 0.0 { weight } else { weight / sum } * f64::from(1 << BITS);
                if weight < 0.0 { (weight - 0.5) as i32 } else { (weight + 0.5) as i32 }
            };
            Tap { first, weights: weights.into_iter().map(whole).collect() }
        })
        .collect()
}

fn clipped(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// `Image.resize((width, height), filter, box=part)`.
pub fn resize(from: &Grid<u8>, (width, height): (usize, usize), filter: Filter, part: Part) -> Grid<u8> {
    let [left, top, right, bottom] = part;
    let across = width != from.width || left != 0.0 || right != width as f32;
    let down = height != from.height || top != 0.0 || bottom != height as f32;
    let rows = taps(from.height, (top, bottom), height, filter);
    let narrow = across.then(|| {
        let used = rows.first().map_or(0, |tap| tap.first)..rows.last().map_or(0, |tap| tap.first + tap.weights.len());
        horizontal(from, &taps(from.width, (left, right), width, filter), used)
    });
    let narrow = narrow.as_ref().unwrap_or(from);
    if down { vertical(narrow, &rows) } else { narrow.clone() }
}

/// Columns, in `rows` only; the others stay zero and are not looked at again.
fn horizontal(from: &Grid<u8>, taps: &[Tap<i32>], rows: std::ops::Range<usize>) -> Grid<u8> {
    let channels = from.channels;
    let mut values = vec![0u8; taps.len() * from.height * channels];
    let halves: Vec<Halves> = taps.iter().map(Halves::of).collect();
    let mut lines = vec![vec![0i16; from.width]; channels];
    for y in rows {
        separate(from.row(y), &mut lines);
        let into = &mut values[y * taps.len() * channels..][..taps.len() * channels];
        for (pixel, tap) in into.chunks_exact_mut(channels).zip(&halves) {
            for (level, line) in pixel.iter_mut().zip(&lines) {
                let samples = &line[tap.first..];
                *level = clipped((1 << (BITS - 1)) + (dot(&tap.high, samples) << HALF_BITS) + dot(&tap.low, samples));
            }
        }
    }
    Grid { width: taps.len(), height: from.height, channels, values }
}

/// A row's channels, one line each.
fn separate(row: &[u8], lines: &mut [Vec<i16>]) {
    if let [red, green, blue] = lines {
        // The common case, spelled out because it touches every pixel of the original.
        for (((pixel, red), green), blue) in row.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
            (*red, *green, *blue) = (i16::from(pixel[0]), i16::from(pixel[1]), i16::from(pixel[2]));
        }
        return;
    }
    let channels = lines.len();
    for (channel, line) in lines.iter_mut().enumerate() {
        let levels = row[channel..].iter().step_by(channels);
        line.iter_mut().zip(levels).for_each(|(into, &level)| *into = i16::from(level));
    }
}

/// Weights in two halves of few bits: processors add up products of 16 bits many at a time, and the sum is the same.
struct Halves {
    first: usize,
    high: Vec<i16>,
    low: Vec<i16>,
}

/// Bits of the lower half. The upper one keeps 12 with its sign, as no weight is much larger than one.
const HALF_BITS: u32 = 11;

impl Halves {
    fn of(tap: &Tap<i32>) -> Halves {
        let high = tap.weights.iter().map(|weight| (weight >> HALF_BITS) as i16).collect();
        let low = tap.weights.iter().map(|weight| (weight & ((1 << HALF_BITS) - 1)) as i16).collect();
        Halves { first: tap.first, high, low }
    }
}

fn dot(weights: &[i16], samples: &[i16]) -> i32 {
    weights.iter().zip(samples).map(|(&weight, &sample)| i32::from(weight) * i32::from(sample)).sum()
}

fn vertical(from: &Grid<u8>, taps: &[Tap<i32>]) -> Grid<u8> {
    let length = from.width * from.channels;
    let mut values = Vec::with_capacity(taps.len() * length);
    let mut sums = vec![0i32; length];
    for tap in taps {
        sums.fill(1 << (BITS - 1));
        for (at, &weight) in tap.weights.iter().enumerate() {
            for (sum, &level) in sums.iter_mut().zip(from.row(tap.first + at)) {
                *sum += weight * i32::from(level);
            }
        }
        values.extend(sums.iter().map(|&sum| clipped(sum)));
    }
    Grid { width: from.width, height: taps.len(), channels: from.channels, values }
}

/// `Image.reduce`: means of `across` x `down` samples, of fewer at the right and at the bottom.
pub fn reduce(from: &Grid<u8>, (across, down): (usize, usize)) -> Grid<u8> {
    if across <= 1 && down <= 1 {
        return from.clone();
    }
    let (across, down) = (across.max(1), down.max(1));
    let (width, height, channels) = (from.width.div_ceil(across), from.height.div_ceil(down), from.channels);
    let mut values = Vec::with_capacity(width * height * channels);
    let mut sums = vec![0u32; from.width * channels];
    for top in (0..from.height).step_by(down) {
        sums.fill(0);
        let rows = down.min(from.height - top);
        for y in top..top + rows {
            sums.iter_mut().zip(from.row(y)).for_each(|(sum, &level)| *sum += u32::from(level));
        }
        for group in sums.chunks(across * channels) {
            let count = (group.len() / channels * rows) as u32;
            // 2^32 over 256 times the count, as a float of single precision, cut to a whole number.
            let multiplier = ((1u64 << 32) as f32 / (256 * count) as f32) as u32;
            for channel in 0..channels {
                let sum: u32 = group.iter().skip(channel).step_by(channels).sum();
                values.push((((sum + count / 2).wrapping_mul(multiplier)) >> 24) as u8);
            }
        }
    }
    Grid { width, height, channels, values }
}

/// `Image.resize` with `reducing_gap`: whole-number reduction first, so far that `gap` times the target remains.
pub fn resize_with_gap(from: &Grid<u8>, to: (usize, usize), filter: Filter, part: Part, gap: f32) -> Grid<u8> {
    let [left, top, right, bottom] = part.map(f64::from);
    let factor = |span: f64, to: usize| ((span / to as f64 / f64::from(gap)) as usize).max(1);
    let (across, down) = (factor(right - left, to.0), factor(bottom - top, to.1));
    if across <= 1 && down <= 1 {
        return resize(from, to, filter, part);
    }
    // The part that the filter reaches, in whole samples.
    let reach = filter.support() - 0.5;
    let (reach_x, reach_y) = (reach * (right - left) / to.0 as f64, reach * (bottom - top) / to.1 as f64);
    let (x0, y0) = ((left - reach_x).max(0.0) as usize, (top - reach_y).max(0.0) as usize);
    let (x1, y1) = ((right + reach_x).ceil() as usize, (bottom + reach_y).ceil() as usize);
    let (x1, y1) = (x1.min(from.width), y1.min(from.height));
    let small = reduce(&cut(from, (x0, y0), (x1 - x0, y1 - y0)), (across, down));
    let (across, down) = (across as f64, down as f64);
    let inner = [(left - x0 as f64) / across, (top - y0 as f64) / down, (right - x0 as f64) / across];
    let inner = [inner[0], inner[1], inner[2], (bottom - y0 as f64) / down];
    resize(&small, to, filter, inner.map(|at| at as f32))
}

/// A rectangle of a picture.
pub fn cut<T: Copy>(from: &Grid<T>, (left, top): (usize, usize), (width, height): (usize, usize)) -> Grid<T> {
    if (left, top, width, height) == (0, 0, from.width, from.height) {
        return from.clone();
    }
    let channels = from.channels;
    let rows = (top..top + height).flat_map(|y| &from.row(y)[left * channels..(left + width) * channels]);
    Grid { width, height, channels, values: rows.copied().collect() }
}

/// `ImageFilter.UnsharpMask(radius, percent, threshold)`.
pub fn unsharp(from: &Grid<u8>, radius: f32, percent: i32, threshold: i32) -> Grid<u8> {
    let mut blurred = from.clone();
    let mut blur = BoxBlur::new(gaussian_radius(radius, 3));
    let (width, height, channels) = (from.width, from.height, from.channels);
    for y in 0..height {
        for channel in 0..channels {
            blur.thrice(&mut blurred.values, y * width * channels + channel, channels, width);
        }
    }
    for x in 0..width * channels {
        blur.thrice(&mut blurred.values, x, width * channels, height);
    }
    let sharpened = from.values.iter().zip(&blurred.values).map(|(&level, &soft)| {
        let difference = i32::from(level) - i32::from(soft);
        match difference.abs() > threshold {
            true => (i32::from(level) + difference * percent / 100).clamp(0, 255) as u8,
            false => level,
        }
    });
    Grid { values: sharpened.collect(), ..*from }
}

/// The radius of the box that, applied `passes` times, blurs like a Gaussian (Gwosdek et al., 2011).
fn gaussian_radius(radius: f32, passes: i32) -> f32 {
    let variance = radius * radius / passes as f32;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
    whole + part / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)))
}

/// A box filter with a fraction of a sample at each end.
struct BoxBlur {
    /// Whole samples to each side of the middle one.
    whole: usize,
    /// The weight of a whole sample and of those at the ends, in 2^-24.
    inner: u32,
    edge: u32,
    /// The line in progress, with its end samples repeated as far as the box reaches.
    line: Vec<u32>,
}

impl BoxBlur {
    fn new(radius: f32) -> Self {
        let whole = radius as u32;
        let inner = ((1u32 << 24) as f32 / (radius * 2.0 + 1.0)) as u32;
        let edge = ((1u32 << 24) - (whole * 2 + 1) * inner) / 2;
        BoxBlur { whole: whole as usize, inner, edge, line: Vec::new() }
    }

    /// Three times over `length` values, `step` apart from `first` on.
    fn thrice(&mut self, values: &mut [u8], first: usize, step: usize, length: usize) {
        let reach = self.whole + 1;
        self.line.clear();
        self.line.resize(length + 2 * reach, 0);
        let middle = reach..reach + length;
        let places = (0..length).map(|at| first + at * step);
        self.line[middle.clone()].iter_mut().zip(places.clone()).for_each(|(to, at)| *to = u32::from(values[at]));
        for _ in 0..3 {
            let (start, end) = (self.line[reach], self.line[reach + length - 1]);
            self.line[..reach].fill(start);
            self.line[reach + length..].fill(end);
            let mut sum: u32 = self.line[1..2 * self.whole + 1].iter().sum();
            // A value is overwritten when the box does not need it any more: it is kept here for so long.
            let mut behind = self.line[0];
            for x in 0..length {
                let ahead = self.line[x + 2 * self.whole + 1];
                sum += ahead;
                let far = behind + self.line[x + 2 * self.whole + 2];
                let level = (sum * self.inner + far * self.edge + (1 << 23)) >> 24;
                behind = self.line[x + 1];
                sum -= behind;
                // Written where nothing is read from again in this pass.
                self.line[x] = level;
            }
            self.line.copy_within(..length, reach);
        }
        places.zip(&self.line[middle]).for_each(|(at, &level)| values[at] = level as u8);
    }
}
