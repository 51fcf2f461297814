//! What a thumbnail's own JPEG quantisation does to a prediction of it.
//!
//! Forward and back along libjpeg's path (YCbCr in whole levels, chroma averaged, 8x8 DCT, division by the table,
//! rounding, inverse, "fancy" upsampling), in floating point: it serves to compare a prediction with a decoded
//! thumbnail, not to write files.

use crate::decode::JpegTables;

/// One channel padded to whole blocks.
struct Channel {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// `rgb` after a trip through a JPEG file with these tables; a file without three components is taken as grey.
pub fn round_trip(rgb: &[u8], (width, height): (usize, usize), tables: &JpegTables) -> Vec<u8> {
    let channel = |level: fn(&[u8]) -> f32| Channel { width, height, values: rgb.chunks_exact(3).map(level).collect() };
    let steps = |component: usize| tables.quantisation.get(component).map_or(&[][..], Vec::as_slice);
    let luma = quantised(&channel(to_luma), steps(0));
    if tables.quantisation.len() != 3 {
        return luma.values.iter().flat_map(|&y| [to_byte(y); 3]).collect();
    }
    let chroma = |component: usize, level: fn(&[u8]) -> f32| {
        let (across, down) = luma_per_chroma(tables, component);
        let small = quantised(&downsampled(&channel(level), across, down), steps(component));
        upsampled(&small, (width, height), across, down)
    };
    let (blue, red) = (chroma(1, to_blue), chroma(2, to_red));
    let mut out = Vec::with_capacity(rgb.len());
    for ((&y, &cb), &cr) in luma.values.iter().zip(&blue).zip(&red) {
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        out.extend([to_byte(y + 1.402 * cr), to_byte(y - 0.344_136 * cb - 0.714_136 * cr), to_byte(y + 1.772 * cb)]);
    }
    out
}

/// How many luma columns and rows share one sample of a chroma component.
fn luma_per_chroma(tables: &JpegTables, component: usize) -> (usize, usize) {
    let factors = |component: usize| tables.sampling.get(component).map_or((1, 1), |&(h, v)| (h.max(1), v.max(1)));
    let (luma, chroma) = (factors(0), factors(component));
    (usize::from(luma.0 / chroma.0).max(1), usize::from(luma.1 / chroma.1).max(1))
}

fn to_luma(p: &[u8]) -> f32 {
    whole(0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
}

fn to_blue(p: &[u8]) -> f32 {
    whole(-0.168_736 * f32::from(p[0]) - 0.331_264 * f32::from(p[1]) + 0.5 * f32::from(p[2]) + 128.0)
}

fn to_red(p: &[u8]) -> f32 {
    whole(0.5 * f32::from(p[0]) - 0.418_688 * f32::from(p[1]) - 0.081_312 * f32::from(p[2]) + 128.0)
}

/// The nearest whole number, halves away from zero.
fn whole(value: f32) -> f32 {
    (value + 0.5f32.copysign(value)) as i32 as f32
}

fn to_byte(value: f32) -> u8 {
    // Rounds; a call of `round` for every pixel would cost more than the transform.
    (value + 0.5).clamp(0.0, 255.0) as u8
}

/// Means of `across` x `down` samples, the last column and row repeated.
fn downsampled(full: &Channel, across: usize, down: usize) -> Channel {
    if across == 1 && down == 1 {
        return Channel { width: full.width, height: full.height, values: full.values.clone() };
    }
    let (width, height) = (full.width.div_ceil(across), full.height.div_ceil(down));
    // libjpeg rounds halves down and up by turns, from column to column.
    let bias = |x: usize| (if down == 2 { 1 } else { 0 } + x % 2) as f32;
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let mut sum = 0.0;
            for row in (y * down..(y + 1) * down).map(|row| row.min(full.height - 1)) {
                for column in (x * across..(x + 1) * across).map(|column| column.min(full.width - 1)) {
                    sum += full.values[row * full.width + column];
                }
            }
            values.push(((sum + bias(x)) / (across * down) as f32).floor());
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
                *value = whole(*value / step) * step;
            }
            let block = transposed_product(basis, &product(&frequencies, basis));
            for y in 0..8.min(height - top) {
                for x in 0..8.min(width - left) {
                    values[(top + y) * width + left + x] = f32::from(to_byte(block[y][x] + 128.0));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, Scale, decode, jpeg_tables};

    /// What libjpeg makes of `rgb` at this quality and sampling: its pixels and its tables.
    fn through_libjpeg(rgb: &[u8], (width, height): (usize, usize), sampling: (u8, u8)) -> (Vec<u8>, JpegTables) {
        let mut jpeg = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        jpeg.set_size(width, height);
        jpeg.set_fastest_defaults();
        jpeg.set_quality(60.0);
        jpeg.set_chroma_sampling_pixel_sizes(sampling, sampling);
        let mut started = jpeg.start_compress(Vec::new()).expect("memory");
        started.write_scanlines(rgb).expect("as many lines as promised");
        let bytes = started.finish().expect("memory");
        let decoded = decode(&bytes, Scale::Full, &Limits::default()).expect("a sound file");
        (decoded.renderings[0].rgb.clone(), jpeg_tables(&bytes).expect("a JPEG has tables"))
    }

    #[test]
    fn the_round_trip_is_libjpegs() {
        let (width, height) = (53, 38); // neither is a whole number of blocks
        let level = |x: usize, y: usize, c: usize| {
            let wave = 50.0 * (x as f32 * 0.21 + c as f32).sin() + 40.0 * (y as f32 * 0.17 * (c + 1) as f32).cos();
            128.0 + wave + 20.0 * ((x / 11 + y / 9) % 2) as f32
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb: Vec<u8> = pixels.flat_map(|(x, y)| [0, 1, 2].map(|c| level(x, y, c) as u8)).collect();
        for sampling in [(1, 1), (2, 1), (2, 2)] {
            let (theirs, tables) = through_libjpeg(&rgb, (width, height), sampling);
            let ours = round_trip(&rgb, (width, height), &tables);
            let errors: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| f64::from(a.abs_diff(*b))).collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            assert!(mean < 0.8, "{sampling:?}: mean error {mean}");
        }
    }

    #[test]
    fn a_grey_file_becomes_grey() {
        let tables = JpegTables {
            quantisation: vec![vec![1; 64]],
            sampling: vec![(1, 1)],
            progressive: false,
            adobe_transform: None,
        };
        let out = round_trip(&[10, 200, 30, 10, 200, 30], (2, 1), &tables);
        assert!(out.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2] && p[0].abs_diff(124) <= 1), "{out:?}");
    }
}
