//! What a thumbnail's own JPEG quantisation does to a prediction of it.
//!
//! Forward and back along libjpeg's path (YCbCr in whole levels, chroma averaged, 8x8 DCT, division by the table,
//! rounding, inverse, "fancy" upsampling), in floating point: it serves to compare a prediction with a decoded
//! thumbnail, not to write files.

use serde::{Deserialize, Serialize};

/// The quantisation of a JPEG file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JpegTables {
    /// Luma steps in natural (row by row) order.
    pub luma: Vec<u16>,
    /// Chroma steps in natural order; absent in a grey file.
    pub chroma: Option<Vec<u16>>,
    /// How many luma columns and rows share one chroma sample: (1, 1), (2, 1), (1, 2) or (2, 2).
    pub subsampling: (u8, u8),
}

/// One channel padded to whole blocks.
struct Channel {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// `rgb` after a trip through a JPEG file with these tables.
pub fn round_trip(rgb: &[u8], (width, height): (usize, usize), tables: &JpegTables) -> Vec<u8> {
    let luma = Channel { width, height, values: rgb.chunks_exact(3).map(to_luma).collect() };
    let luma = quantised(&luma, &tables.luma);
    let Some(chroma) = &tables.chroma else {
        return luma.values.iter().flat_map(|&y| [to_byte(y); 3]).collect();
    };
    let (across, down) = (usize::from(tables.subsampling.0.max(1)), usize::from(tables.subsampling.1.max(1)));
    let through = |level: fn(&[u8]) -> f32| {
        let full = Channel { width, height, values: rgb.chunks_exact(3).map(level).collect() };
        upsampled(&quantised(&downsampled(&full, across, down), chroma), (width, height), across, down)
    };
    let (blue, red) = (through(to_blue), through(to_red));
    let mut out = Vec::with_capacity(rgb.len());
    for ((&y, &cb), &cr) in luma.values.iter().zip(&blue).zip(&red) {
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        out.extend([to_byte(y + 1.402 * cr), to_byte(y - 0.344_136 * cb - 0.714_136 * cr), to_byte(y + 1.772 * cb)]);
    }
    out
}

fn to_luma(p: &[u8]) -> f32 {
    (0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])).round()
}

fn to_blue(p: &[u8]) -> f32 {
    (-0.168_736 * f32::from(p[0]) - 0.331_264 * f32::from(p[1]) + 0.5 * f32::from(p[2]) + 128.0).round()
}

fn to_red(p: &[u8]) -> f32 {
    (0.5 * f32::from(p[0]) - 0.418_688 * f32::from(p[1]) - 0.081_312 * f32::from(p[2]) + 128.0).round()
}

fn to_byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// Means of `across` x `down` samples, the last column and row repeated.
fn downsampled(full: &Channel, across: usize, down: usize) -> Channel {
    if across == 1 && down == 1 {
        return Channel { width: full.width, height: full.height, values: full.values.clone() };
    }
    let (width, height) = (full.width.div_ceil(across), full.height.div_ceil(down));
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let mut sum = 0.0;
            for row in (y * down..(y + 1) * down).map(|row| row.min(full.height - 1)) {
                for column in (x * across..(x + 1) * across).map(|column| column.min(full.width - 1)) {
                    sum += full.values[row * full.width + column];
                }
            }
            values.push((sum / (across * down) as f32).round());
        }
    }
    Channel { width, height, values }
}

/// Back to full size: a triangle filter where two samples become one (libjpeg's "fancy upsampling"), else repetition.
fn upsampled(small: &Channel, (width, height): (usize, usize), across: usize, down: usize) -> Vec<f32> {
    let weights = |at: usize, factor: usize, length: usize| -> (usize, usize, f32) {
        let near = (at / factor).min(length - 1);
        if factor != 2 {
            return (near, near, 0.0);
        }
        let far = if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(length - 1) };
        (near, far, 0.25)
    };
    let columns: Vec<_> = (0..width).map(|x| weights(x, across, small.width)).collect();
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        let (near, far, share) = weights(y, down, small.height);
        let (near, far) = (&small.values[near * small.width..], &small.values[far * small.width..]);
        for &(this, that, side_share) in &columns {
            let mix = |at: usize| near[at] * (1.0 - share) + far[at] * share;
            out.push(mix(this) * (1.0 - side_share) + mix(that) * side_share);
        }
    }
    out
}

/// A channel through DCT, division, rounding and back, in whole levels 0 to 255.
fn quantised(channel: &Channel, steps: &[u16]) -> Channel {
    let (width, height) = (channel.width, channel.height);
    let mut values = vec![0f32; width * height];
    let basis = basis();
    for top in (0..height).step_by(8) {
        for left in (0..width).step_by(8) {
            let mut block = [[0f32; 8]; 8];
            for (y, row) in block.iter_mut().enumerate() {
                let from = &channel.values[(top + y).min(height - 1) * width..][..width];
                for (x, value) in row.iter_mut().enumerate() {
                    *value = from[(left + x).min(width - 1)] - 128.0;
                }
            }
            let mut frequencies = product(basis, &product_transposed(&block, basis));
            for (at, value) in frequencies.iter_mut().flatten().enumerate() {
                let step = f32::from(steps.get(at).copied().unwrap_or(1).max(1));
                *value = (*value / step).round() * step;
            }
            let block = transposed_product(basis, &product(&frequencies, basis));
            for y in 0..8.min(height - top) {
                for x in 0..8.min(width - left) {
                    values[(top + y) * width + left + x] = (block[y][x] + 128.0).round().clamp(0.0, 255.0);
                }
            }
        }
    }
    Channel { width, height, values }
}

type Block = [[f32; 8]; 8];

/// The orthonormal DCT-II matrix of 8 samples.
fn basis() -> &'static Block {
    static BASIS: std::sync::OnceLock<Block> = std::sync::OnceLock::new();
    BASIS.get_or_init(|| {
        std::array::from_fn(|k| {
            std::array::from_fn(|x| {
                let angle = (2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0;
                (angle.cos() * if k == 0 { 0.125f64.sqrt() } else { 0.5 }) as f32
            })
        })
    })
}

/// `a * b`.
fn product(a: &Block, b: &Block) -> Block {
    let mut out = [[0f32; 8]; 8];
    for (row, into) in a.iter().zip(&mut out) {
        for (factor, from) in row.iter().zip(b) {
            for x in 0..8 {
                into[x] += factor * from[x];
            }
        }
    }
    out
}

/// `a * b^T`.
fn product_transposed(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i].iter().zip(&b[j]).map(|(x, y)| x * y).sum()))
}

/// `a^T * b`.
fn transposed_product(a: &Block, b: &Block) -> Block {
    let mut out = [[0f32; 8]; 8];
    for (row, from) in a.iter().zip(b) {
        for (factor, into) in row.iter().zip(&mut out) {
            for x in 0..8 {
                into[x] += factor * from[x];
            }
        }
    }
    out
}
