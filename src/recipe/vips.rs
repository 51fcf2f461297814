//! What `vips_thumbnail` does to 8-bit pictures: boxes of whole numbers, then Lanczos with weights in fixed point.
//!
//! After libvips 8.13 and 8.14: JPEGs are shrunk by the decoder so far that four times the target remains; then rows are
//! averaged so far that twice the target remains, and reduced with weights of 6 bits (its vector path), and columns
//! likewise with weights of 12 bits. Pictures with opacity are multiplied with it and go through floating point.

mod export;

pub use export::exported;

use super::taps::Grid;

/// By how much libvips lets the JPEG decoder shrink: 1, 2, 4 or 8.
pub fn shrink_on_load(shrink: f64) -> u32 {
    match shrink {
        shrink if shrink >= 16.0 => 8,
        shrink if shrink >= 8.0 => 4,
        shrink if shrink >= 4.0 => 2,
        _ => 1,
    }
}

/// A picture of 3 channels, or of 4 with opacity last, made smaller by `across` and `down`, which are at least 1. The
/// size follows from them, rounded to the nearest.
pub fn reduce(from: &Grid<u8>, across: f64, down: f64) -> Grid<u8> {
    if from.channels == 4 {
        return reduced_with_opacity(from, across, down);
    }
    let rows = Axis::of(from.height, down);
    let tall = shrunk_rows(from, rows.boxes);
    let rows_done = match rows.shrink == 1.0 {
        true => tall,
        false => reduced_rows(&tall, &rows),
    };
    let columns = Axis::of(from.width, across);
    let wide = shrunk_columns(&rows_done, columns.boxes);
    match columns.shrink == 1.0 {
        true => wide,
        false => reduced_columns(&wide, &columns),
    }
}

/// What is to be done along one axis.
struct Axis {
    /// Source samples in one box; 1 when there is none.
    boxes: usize,
    /// What is left to the kernel.
    shrink: f64,
    /// Samples wanted.
    length: usize,
    /// By how much the origin moves, so that samples not used are lost on both sides alike.
    offset: f64,
}

impl Axis {
    fn of(length: usize, shrink: f64) -> Axis {
        let wanted = (length as f64 / shrink + 0.5) as usize;
        let wanted = wanted.max(1);
        let extra = wanted as f64 * shrink - length as f64;
        let boxes = ((length as f64 / wanted as f64 / 2.0) as usize).max(1);
        let extra = extra / boxes as f64;
        Axis { boxes, shrink: shrink / boxes as f64, length: wanted, offset: (1.0 + extra) / 2.0 - 1.0 }
    }

    fn points(&self) -> usize {
        2 * (3.0 * self.shrink).round_ties_even() as usize + 1
    }

    /// For each target sample, the first source sample (which may lie before the picture) and the table's entry.
    fn places(&self) -> Vec<(i64, usize)> {
        let before = self.points().div_ceil(2) as i64 - 1;
        (0..self.length)
            .map(|at| {
                let place = (at as f64 + 0.5) * self.shrink - 0.5 - self.offset;
                let fine = (place * 128.0) as i64 & 127;
                (place as i64 - before, ((fine + 1) >> 1) as usize)
            })
            .collect()
    }

    /// The kernel at each of 65 positions between two samples.
    fn masks(&self) -> Vec<Vec<f64>> {
        let points = self.points();
        (0..=64).map(|at| mask(points, self.shrink, f64::from(at as f32 / 64.0))).collect()
    }
}

fn mask(points: usize, shrink: f64, x: f64) -> Vec<f64> {
    const LOBES: f64 = 3.0;
    let middle = x + points as f64 / 2.0 - 1.0;
    let value = |at: usize| {
        let x = (at as f64 - middle) / shrink;
        let turn = std::f64::consts::PI * x;
        if x == 0.0 {
            1.0
        } else if x.abs() > LOBES {
            0.0
        } else {
            LOBES * turn.sin() * (turn / LOBES).sin() / (turn * turn)
        }
    };
    let mask: Vec<f64> = (0..points).map(value).collect();
    let sum: f64 = mask.iter().sum();
    mask.into_iter().map(|weight| weight / sum).collect()
}

/// Whole weights with a sum of `scale`: rounded after a factor that is searched by halving, what is still missing spread
/// from the start (`vips_vector_to_fixed_point`).
fn fixed_point(mask: &[f64], scale: i32) -> Vec<i32> {
    let count = mask.len() as i32;
    let target = (mask.iter().sum::<f64>() * f64::from(scale)).round_ties_even() as i32;
    let (mut high, mut low) = (f64::from(scale + (count + 1) / 2), f64::from(scale - (count + 1) / 2));
    let mut out;
    let mut sum;
    loop {
        let guess = (high + low) / 2.0;
        out = mask.iter().map(|weight| (weight * guess).round_ties_even() as i32).collect::<Vec<_>>();
        sum = out.iter().sum::<i32>();
        if sum == target {
            return out;
        }
        if sum < target {
            low = guess;
        } else {
            high = guess;
        }
        if high - low <= 0.01 {
            break;
        }
    }
    let (each, extra) = ((target - sum) / count, (target - sum) % count);
    out.iter_mut().for_each(|weight| *weight += each);
    out.iter_mut().take(extra.unsigned_abs() as usize).for_each(|weight| *weight += extra.signum());
    out
}

/// Means of `by` rows; the last row is repeated.
fn shrunk_rows(from: &Grid<u8>, by: usize) -> Grid<u8> {
    if by == 1 {
        return from.clone();
    }
    let height = from.height.div_ceil(by);
    let mut values = Vec::with_capacity(height * from.width * from.channels);
    let mut sums = vec![0u32; from.width * from.channels];
    let multiplier = multiplier(by);
    for y in 0..height {
        sums.fill(by as u32 / 2);
        for row in (y * by..(y + 1) * by).map(|row| from.row(row.min(from.height - 1))) {
            sums.iter_mut().zip(row).for_each(|(sum, &level)| *sum += u32::from(level));
        }
        values.extend(sums.iter().map(|&sum| (sum.wrapping_mul(multiplier) >> 24) as u8));
    }
    Grid { width: from.width, height, channels: from.channels, values }
}

/// Means of `by` columns; the last column is repeated.
fn shrunk_columns(from: &Grid<u8>, by: usize) -> Grid<u8> {
    if by == 1 {
        return from.clone();
    }
    let (width, channels) = (from.width.div_ceil(by), from.channels);
    let multiplier = multiplier(by);
    let mut values = Vec::with_capacity(width * from.height * channels);
    for y in 0..from.height {
        let row = from.row(y);
        for x in 0..width {
            for channel in 0..channels {
                let columns = (x * by..(x + 1) * by).map(|column| column.min(from.width - 1));
                let sum: u32 = columns.map(|column| u32::from(row[column * channels + channel])).sum();
                values.push(((sum + by as u32 / 2).wrapping_mul(multiplier) >> 24) as u8);
            }
        }
    }
    Grid { width, height: from.height, channels, values }
}

/// Division by multiplication, in 24 bits of fraction, as the library does it.
fn multiplier(by: usize) -> u32 {
    ((1u64 << 32) / (256 * by as u64)) as u32
}

/// Sums of 16 bits that stick at their ends, weights of 6 bits.
fn reduced_rows(from: &Grid<u8>, axis: &Axis) -> Grid<u8> {
    let masks: Vec<Vec<i32>> = axis.masks().iter().map(|mask| fixed_point(mask, 64)).collect();
    let length = from.width * from.channels;
    let mut values = Vec::with_capacity(axis.length * length);
    let mut sums = vec![0i16; length];
    for (first, entry) in axis.places() {
        sums.fill(32);
        for (at, &weight) in masks[entry].iter().enumerate() {
            let row = from.row((first + at as i64).clamp(0, from.height as i64 - 1) as usize);
            for (sum, &level) in sums.iter_mut().zip(row) {
                *sum = sum.saturating_add(i16::from(level).wrapping_mul(weight as i16));
            }
        }
        values.extend(sums.iter().map(|&sum| (sum >> 6).clamp(0, 255) as u8));
    }
    Grid { width: from.width, height: axis.length, channels: from.channels, values }
}

/// Weights of 12 bits.
fn reduced_columns(from: &Grid<u8>, axis: &Axis) -> Grid<u8> {
    let whole = |mask: &Vec<f64>| mask.iter().map(|weight| (weight * 4096.0) as i32).collect();
    let masks: Vec<Vec<i32>> = axis.masks().iter().map(whole).collect();
    let channels = from.channels;
    let places = axis.places();
    let mut values = Vec::with_capacity(axis.length * from.height * channels);
    for y in 0..from.height {
        let row = from.row(y);
        for &(first, entry) in &places {
            for channel in 0..channels {
                let sum: i32 = masks[entry]
                    .iter()
                    .enumerate()
                    .map(|(at, weight)| {
                        let column = (first + at as i64).clamp(0, from.width as i64 - 1) as usize;
                        weight * i32::from(row[column * channels + channel])
                    })
                    .sum();
                values.push(((sum + 2048) >> 12).clamp(0, 255) as u8);
            }
        }
    }
    Grid { width: axis.length, height: from.height, channels, values }
}

/// Premultiplied, in floating point throughout, cut off at the end.
fn reduced_with_opacity(from: &Grid<u8>, across: f64, down: f64) -> Grid<u8> {
    let mut grid = from.map(|&level| f32::from(level));
    for pixel in grid.values.as_chunks_mut::<4>().0 {
        let share = pixel[3] / 255.0;
        pixel[..3].iter_mut().for_each(|value| *value *= share);
    }
    let grid = float_rows(&grid, &Axis::of(from.height, down));
    let mut grid = float_columns(&grid, &Axis::of(from.width, across));
    for pixel in grid.values.as_chunks_mut::<4>().0 {
        let factor = if pixel[3] == 0.0 { 0.0 } else { 255.0 / pixel[3] };
        pixel[..3].iter_mut().for_each(|value| *value *= factor);
    }
    grid.map(|&value| value.clamp(0.0, 255.0) as u8)
}

fn float_rows(from: &Grid<f32>, axis: &Axis) -> Grid<f32> {
    let row = |y: i64| from.row(y.clamp(0, from.height as i64 - 1) as usize);
    let length = from.width * from.channels;
    let boxed: Vec<f32> = (0..from.height.div_ceil(axis.boxes))
        .flat_map(|y| {
            let rows = (0..axis.boxes).map(move |at| (y * axis.boxes + at) as i64);
            let mut sums = vec![0f64; length];
            rows.for_each(|y| sums.iter_mut().zip(row(y)).for_each(|(sum, &value)| *sum += f64::from(value)));
            sums.into_iter().map(|sum| (sum / axis.boxes as f64) as f32).collect::<Vec<_>>()
        })
        .collect();
    let from =
        Grid { width: from.width, height: from.height.div_ceil(axis.boxes), channels: from.channels, values: boxed };
    if axis.shrink == 1.0 {
        return from;
    }
    let masks = axis.masks();
    let mut values = Vec::with_capacity(axis.length * length);
    for (first, entry) in axis.places() {
        let mut sums = vec![0f64; length];
        for (at, weight) in masks[entry].iter().enumerate() {
            let row = from.row((first + at as i64).clamp(0, from.height as i64 - 1) as usize);
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
        values.extend(sums.iter().map(|&sum| sum as f32));
    }
    Grid { height: axis.length, values, ..from }
}

/// Columns as the rows of the picture turned over.
fn float_columns(from: &Grid<f32>, axis: &Axis) -> Grid<f32> {
    transposed(&float_rows(&transposed(from), axis))
}

fn transposed(from: &Grid<f32>) -> Grid<f32> {
    let Grid { width, height, channels, .. } = *from;
    let mut values = Vec::with_capacity(from.values.len());
    for x in 0..width {
        for y in 0..height {
            values.extend_from_slice(&from.values[(y * width + x) * channels..][..channels]);
        }
    }
    Grid { width: height, height: width, channels, values }
}
