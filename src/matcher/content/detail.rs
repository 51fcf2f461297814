//! The view of an upload that comparisons look at: luma and chroma, at most [`DETAIL_SIDE`] large.
//!
//! A function of the file's bytes alone, so it can be kept or made again. Three quarters of its bytes are luma; chroma is
//! kept at a quarter of the resolution, because copies lose it first.

use super::super::geometry::turn;
use super::super::residual::LUMA;
use crate::decode::Pixels;
use crate::fingerprint::flatten_upload;

/// Longest side of the luma, in pixels. Decode at twice this side: a JPEG decoded straight to about this size differs from
/// a copy decoded at another scale more than copies may.
pub const DETAIL_SIDE: u32 = 640;

/// Luma pixels along each side to one of chroma.
pub(super) const CHROMA_STEP: usize = 4;
/// Side of the grid of means by which turns are told.
const SKETCH: usize = 16;
/// Version byte in front of stored details; another layout gets another number.
const LAYOUT: u8 = 1;

/// An upload, reduced for comparisons with other uploads. Ordered by content, so that a pair has a first and a second.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detail {
    /// Width and height of the upload itself, upright.
    pub(super) size: (u32, u32),
    width: usize,
    height: usize,
    /// One for each rendering.
    pub(super) sheets: Vec<Sheet>,
}

/// One rendering.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sheet {
    pub(super) on_white: Shade,
    /// Present where the upload is transparent. The chroma of a grey background is none, so one set serves both.
    pub(super) on_black: Option<Shade>,
    pub(super) chroma: [Vec<u8>; 2],
}

/// The luma on one background.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shade {
    pub(super) luma: Vec<u8>,
    /// Its means on a grid of 16x16.
    sketch: Vec<u8>,
}

impl Detail {
    /// An upload of `size` pixels, upright, from its renderings, which may be decoded at a reduced scale. Nothing where
    /// there are no pixels.
    pub fn new(renderings: &[Pixels], size: (u32, u32)) -> Option<Detail> {
        let first = renderings.first()?;
        let (width, height) = reduced_size(first.width as usize, first.height as usize)?;
        let mut detail = Detail { size, width, height, sheets: Vec::new() };
        for pixels in renderings {
            // Renderings differ in colour only; one that does not would be a picture of something else.
            if (pixels.width, pixels.height) != (first.width, first.height) {
                return None;
            }
            detail.sheets.push(detail.sheet(pixels));
        }
        Some(detail)
    }

    fn sheet(&self, pixels: &Pixels) -> Sheet {
        let from = (pixels.width as usize, pixels.height as usize);
        let plane = |rgb: &[u8], weights: [f32; 3], offset: f32, to| {
            let mix = |p: &[u8]| (0..3).map(|at| weights[at] * f32::from(p[at])).sum::<f32>() + offset;
            let values: Vec<f32> = rgb.chunks_exact(3).map(mix).collect();
            bytes_of(&area_means(&values, from, to))
        };
        let shade = |rgb: &[u8]| Shade::new(plane(rgb, LUMA, 0.0, self.luma_size()), self.luma_size());
        let laid = flatten_upload(pixels);
        let on_white = &laid[0].rgb;
        let chroma = CHROMA.map(|weights| plane(on_white, weights, 128.0, self.chroma_size()));
        Sheet { on_white: shade(on_white), on_black: laid.get(1).map(|black| shade(&black.rgb)), chroma }
    }

    pub(super) fn luma_size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub(super) fn chroma_size(&self) -> (usize, usize) {
        (self.width.div_ceil(CHROMA_STEP), self.height.div_ceil(CHROMA_STEP))
    }

    /// Width and height of the upload, then of the luma, then the planes of every rendering. About 1.13 bytes a pixel of
    /// luma: 345 KB for an opaque picture of 4:3, 650 KB for a transparent one.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        for number in [self.size.0, self.size.1, self.width as u32, self.height as u32] {
            bytes.extend(number.to_be_bytes());
        }
        for sheet in &self.sheets {
            bytes.push(u8::from(sheet.on_black.is_some()));
            bytes.extend(&sheet.on_white.luma);
            bytes.extend(sheet.on_black.iter().flat_map(|shade| &shade.luma));
            bytes.extend(sheet.chroma.iter().flatten());
        }
        bytes
    }

    /// What [`Detail::to_bytes`] wrote; nothing for another layout or a torn value.
    pub fn from_bytes(bytes: &[u8]) -> Option<Detail> {
        let mut rest = bytes;
        let mut take = |length: usize| rest.split_off(..length);
        if take(1)? != [LAYOUT] {
            return None;
        }
        let mut numbers = [0u32; 4];
        for number in &mut numbers {
            *number = u32::from_be_bytes(take(4)?.try_into().ok()?);
        }
        let [size_w, size_h, width, height] = numbers;
        if !(1..=DETAIL_SIDE).contains(&width) || !(1..=DETAIL_SIDE).contains(&height) {
            return None;
        }
        let (width, height) = (width as usize, height as usize);
        let mut detail = Detail { size: (size_w, size_h), width, height, sheets: Vec::new() };
        let (columns, rows) = detail.chroma_size();
        while let Some(flags) = take(1) {
            let shade = |luma: &[u8]| Shade::new(luma.to_vec(), (width, height));
            let on_white = shade(take(width * height)?);
            let on_black = if flags == [0] { None } else { Some(shade(take(width * height)?)) };
            let chroma = [take(columns * rows)?.to_vec(), take(columns * rows)?.to_vec()];
            detail.sheets.push(Sheet { on_white, on_black, chroma });
        }
        Some(detail).filter(|detail| !detail.sheets.is_empty())
    }
}

/// BT.601 blue and red difference, as in JPEG.
const CHROMA: [[f32; 3]; 2] = [[-0.168_736, -0.331_264, 0.5], [0.5, -0.418_688, -0.081_312]];

impl Shade {
    fn new(luma: Vec<u8>, size: (usize, usize)) -> Self {
        let sketch = bytes_of(&resized(&luma, size, (SKETCH, SKETCH)));
        Shade { luma, sketch }
    }
}

/// How far two sketches are apart, in mean levels, after the second was turned.
pub(super) fn sketch_difference(a: &Shade, b: &Shade, by: u8) -> f32 {
    let turned = turn(&b.sketch, (SKETCH, SKETCH), 1, by);
    let sum: u32 = a.sketch.iter().zip(&turned).map(|(&x, &y)| u32::from(x.abs_diff(y))).sum();
    sum as f32 / (SKETCH * SKETCH) as f32
}

/// The size of a picture whose longer side is at most [`DETAIL_SIDE`]; nothing for an empty one.
fn reduced_size(width: usize, height: usize) -> Option<(usize, usize)> {
    let (longest, most) = (width.max(height), DETAIL_SIDE as usize);
    let scaled = |side: usize| if longest <= most { side } else { ((side * most + longest / 2) / longest).max(1) };
    (width > 0 && height > 0).then(|| (scaled(width), scaled(height)))
}

/// A plane of bytes at another size.
pub(super) fn resized(values: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let values: Vec<f32> = values.iter().map(|&value| f32::from(value)).collect();
    if from == to { values } else { area_means(&values, from, to) }
}

/// Means over the area that each new pixel covers, parts of pixels weighted by their share. Unlike a box filter in whole
/// pixels it moves nothing, which matters where two copies come from different sizes.
fn area_means(values: &[f32], (width, height): (usize, usize), to: (usize, usize)) -> Vec<f32> {
    if (width, height) == to {
        return values.to_vec();
    }
    let (columns, rows) = (shares(width, to.0), shares(height, to.1));
    let mut out = Vec::with_capacity(to.0 * to.1);
    let mut line = vec![0f32; width];
    for (first, weights) in &rows {
        line.fill(0.0);
        for (weight, row) in weights.iter().zip(values.chunks_exact(width).skip(*first)) {
            line.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        for (first, weights) in &columns {
            out.push(weights.iter().zip(&line[*first..]).map(|(weight, value)| weight * value).sum());
        }
    }
    out
}

/// For each new sample the first old one that it covers, and the shares from there on.
fn shares(samples: usize, results: usize) -> Vec<(usize, Vec<f32>)> {
    let step = samples as f64 / results as f64;
    let share = |at: usize| {
        let (from, until) = (at as f64 * step, ((at + 1) as f64 * step).min(samples as f64));
        let (first, last) = (from as usize, (until.ceil() as usize).clamp(from as usize + 1, samples));
        let cover = |x: usize| (until.min((x + 1) as f64) - from.max(x as f64)).max(0.0);
        (first, (first..last).map(|x| (cover(x) / (until - from)) as f32).collect())
    };
    (0..results).map(share).collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().map(|value| (value + 0.5).clamp(0.0, 255.0) as u8).collect()
}
