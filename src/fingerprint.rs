//! Perceptual hashes with their quality: what a candidate search compares.
//!
//! A fingerprint is a 256-bit hash of the 16x16 lowest frequencies of a picture shrunk to 64x64, after PDQ (Facebook,
//! "ThreatExchange/PDQ", 2019), together with PDQ's measure of how much detail there was to hash. A thumbnail has one, or
//! two where it has a margin all around; an upload has one for each [`View`] that a shop's thumbnail of it might show: the whole picture, its centre square,
//! or the whole picture padded to a square, each in all eight orientations, on white and on black where it is
//! transparent, once for each rendering.
//!
//! Deliberately not here: any decision. A small distance proposes a pair and proves nothing, because bursts and cards
//! made from one template collide; below [`QUALITY_FLOOR`] a distance does not even propose.

mod margin;
pub(crate) mod resample;

use serde::{Deserialize, Serialize};

use self::resample::{Kernel, Part, resample};
use crate::decode::Pixels;

/// Bits of a hash.
pub const BITS: u16 = 256;

/// Below this quality a hash is noise: plain pages and faint logos collide with everything, so only digests and
/// recorded metadata may propose them.
pub const QUALITY_FLOOR: u8 = 8;

/// Longest side from which an upload's fingerprints are taken: four times what they look at, so that a centre crop
/// suffices too.
pub const SKETCH_PX: u32 = 256;

/// Side of the luma square that is transformed (PDQ).
const SIDE: usize = 64;
/// Frequencies kept along each axis (PDQ); the constant one is left out.
const KEPT: usize = 16;
/// Version byte in front of stored views; another layout gets another number.
const LAYOUT: u8 = 1;
/// Bytes of one stored fingerprint.
const STORED: usize = 33;

/// A 256-bit hash, 64 bits a word, first row of frequencies first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u64; 4]);

impl Hash {
    /// Bits in which two hashes differ, 0 to 256.
    pub fn distance(&self, other: &Hash) -> u16 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones() as u16).sum()
    }
}

/// A hash and how much detail it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// What is compared.
    pub hash: Hash,
    /// 0 (flat) to 100 (PDQ's scale).
    pub quality: u8,
}

impl Fingerprint {
    /// True when the hash rests on enough detail to propose anything.
    pub fn speaks(&self) -> bool {
        self.quality >= QUALITY_FLOOR
    }

    /// 33 bytes: hash, then quality.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.hash.0.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.push(self.quality);
        bytes
    }

    /// Any number of them, one after the other.
    pub fn all_to_bytes(all: &[Self]) -> Vec<u8> {
        all.iter().flat_map(|one| one.to_bytes()).collect()
    }

    /// What [`Fingerprint::all_to_bytes`] wrote; nothing for bytes of another length.
    pub fn all_from_bytes(bytes: &[u8]) -> Option<Vec<Self>> {
        bytes.chunks(STORED).map(Fingerprint::from_bytes).collect()
    }

    /// What [`Fingerprint::to_bytes`] wrote; nothing for bytes of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (quality, words) = bytes.split_last()?;
        if words.len() != STORED - 1 {
            return None;
        }
        let mut hash = [0u64; 4];
        for (word, chunk) in hash.iter_mut().zip(words.chunks_exact(8)) {
            *word = u64::from_be_bytes(chunk.try_into().ok()?);
        }
        Some(Fingerprint { hash: Hash(hash), quality: *quality })
    }
}

/// The fingerprints of everything that a thumbnail of one upload might show; sorted, without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Views(pub Vec<Fingerprint>);

impl Views {
    /// The smallest distance from any view to any fingerprint of a thumbnail; nothing when either side is too plain to speak.
    pub fn distance(&self, thumbnail: &[Fingerprint]) -> Option<u16> {
        let speaking =
            |all: &'_ [Fingerprint]| all.iter().filter(|one| one.speaks()).map(|one| one.hash).collect::<Vec<_>>();
        let (views, shown) = (speaking(&self.0), speaking(thumbnail));
        views.iter().flat_map(|view| shown.iter().map(|other| view.distance(other))).min()
    }

    /// The best quality among the views.
    pub fn quality(&self) -> u8 {
        self.0.iter().map(|view| view.quality).max().unwrap_or(0)
    }

    /// A layout byte, then 33 bytes a view.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(Fingerprint::all_to_bytes(&self.0));
        bytes
    }

    /// What [`Views::to_bytes`] wrote; nothing for another layout or a torn value.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&layout, rest) = bytes.split_first()?;
        if layout != LAYOUT {
            return None;
        }
        Fingerprint::all_from_bytes(rest).map(Views)
    }
}

/// The fingerprints of a thumbnail: as it is, and where a margin surrounds it evenly, as some shops put around pictures that
/// are smaller than their thumbnails, of what lies inside.
///
/// A transparent one is laid on white or on black, whichever shows more; [`flatten_thumbnail`] makes the same choice
/// for verification.
pub fn of_thumbnail(pixels: &Pixels) -> Vec<Fingerprint> {
    let opaque = flatten_thumbnail(pixels);
    let whole = (0.0, 0.0, f64::from(opaque.width), f64::from(opaque.height));
    let of_part = |part| {
        let square = shrink(&opaque, part);
        Fingerprint { hash: hash_of(&frequencies(&square), 0), quality: quality_of(&square) }
    };
    [whole].into_iter().chain(margin::inside(&opaque)).map(of_part).collect()
}

/// The fingerprints of an upload, given once for each way in which its colours may have been rendered (more than one
/// only where shops differ, as for CMYK with and without its profile).
pub fn of_upload(renderings: &[Pixels]) -> Views {
    let mut views = Vec::new();
    for pixels in renderings.iter().filter(|pixels| pixels.width > 0 && pixels.height > 0) {
        for opaque in flatten_upload(pixels) {
            for square in squares(&opaque) {
                let (frequencies, quality) = (frequencies(&square), quality_of(&square));
                views.extend((0..8).map(|turn| Fingerprint { hash: hash_of(&frequencies, turn), quality }));
            }
        }
    }
    views.sort_unstable();
    views.dedup();
    Views(views)
}

/// `pixels` laid on a background of one grey level; borrowed values are copied, opaque ones as they are.
pub fn flatten(pixels: &Pixels, background: u8) -> Pixels {
    let mut rgb = pixels.rgb.clone();
    if let Some(alpha) = &pixels.alpha {
        for (pixel, &opacity) in rgb.chunks_exact_mut(3).zip(alpha) {
            for value in pixel {
                let mixed = u32::from(*value) * u32::from(opacity) + u32::from(background) * u32::from(255 - opacity);
                *value = ((mixed + 127) / 255) as u8;
            }
        }
    }
    Pixels { width: pixels.width, height: pixels.height, rgb, alpha: None }
}

/// An upload on every background that a shop may have put behind it: white, and black where that differs.
pub fn flatten_upload(pixels: &Pixels) -> Vec<Pixels> {
    match pixels.alpha {
        None => vec![flatten(pixels, 255)],
        Some(_) => vec![flatten(pixels, 255), flatten(pixels, 0)],
    }
}

/// A thumbnail on white, or on black where a transparent one shows more detail there.
pub fn flatten_thumbnail(pixels: &Pixels) -> Pixels {
    let white = flatten(pixels, 255);
    if pixels.alpha.is_none() {
        return white;
    }
    let black = flatten(pixels, 0);
    let quality =
        |opaque: &Pixels| quality_of(&shrink(opaque, (0.0, 0.0, f64::from(opaque.width), f64::from(opaque.height))));
    if quality(&black) > quality(&white) { black } else { white }
}

/// The luma squares of every view of an opaque picture, upright: whole, centre, padded with white and with black.
fn squares(opaque: &Pixels) -> Vec<Vec<f32>> {
    let (width, height) = (f64::from(opaque.width), f64::from(opaque.height));
    let whole = shrink(opaque, (0.0, 0.0, width, height));
    let short = width.min(height);
    if width.max(height) / short < 1.02 {
        return vec![whole];
    }
    let centre = shrink(opaque, ((width - short) / 2.0, (height - short) / 2.0, short, short));
    let padded = |level| pad(opaque, level);
    vec![padded(255.0), padded(0.0), whole, centre]
}

/// The part of a picture as a 64x64 luma square, levels 0 to 255.
fn shrink(opaque: &Pixels, part: Part) -> Vec<f32> {
    shrink_to(opaque, part, SIDE, SIDE)
}

/// The whole picture inside a 64x64 square of `level`.
fn pad(opaque: &Pixels, level: f32) -> Vec<f32> {
    let (width, height) = (f64::from(opaque.width), f64::from(opaque.height));
    let scale = SIDE as f64 / width.max(height);
    let inner_width = ((width * scale).round() as usize).clamp(1, SIDE);
    let inner_height = ((height * scale).round() as usize).clamp(1, SIDE);
    let inner = shrink_to(opaque, (0.0, 0.0, width, height), inner_width, inner_height);
    let (left, top) = ((SIDE - inner_width) / 2, (SIDE - inner_height) / 2);
    let mut square = vec![level; SIDE * SIDE];
    for (row, values) in inner.chunks_exact(inner_width).enumerate() {
        let at = (top + row) * SIDE + left;
        square[at..at + inner_width].copy_from_slice(values);
    }
    square
}

/// The part of a picture as luma of `to_width` x `to_height`, by a triangle filter widened to the reduction.
fn shrink_to(opaque: &Pixels, part: Part, to_width: usize, to_height: usize) -> Vec<f32> {
    let to = (to_width as u32, to_height as u32);
    match resample(&opaque.rgb, (opaque.width, opaque.height), part, to, Kernel::Triangle) {
        Some(rgb) => rgb.chunks_exact(3).map(|p| luma(p[0], p[1], p[2])).collect(),
        // Only pixels that break their own promise (too few bytes for their size) come here; they hash as flat.
        None => vec![0.0; to_width * to_height],
    }
}

/// BT.601 luma, as in JPEG.
fn luma(red: u8, green: u8, blue: u8) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

/// PDQ's quality: the sum of the steps between neighbours, each as a whole per cent of full scale, over 90.
fn quality_of(square: &[f32]) -> u8 {
    // A cast cuts as `trunc` does, without the call that this is on processors of the plainest kind.
    let step = |a: f32, b: f32| ((a - b) * 100.0 / 255.0) as i32;
    let mut sum = 0;
    for row in 0..SIDE {
        for column in 0..SIDE {
            let here = square[row * SIDE + column];
            if column + 1 < SIDE {
                sum += step(here, square[row * SIDE + column + 1]).unsigned_abs();
            }
            if row + 1 < SIDE {
                sum += step(here, square[(row + 1) * SIDE + column]).unsigned_abs();
            }
        }
    }
    (sum / 90).min(100) as u8
}

/// DCT-II frequencies 1 to 16 along both axes of a 64x64 square; `[v * 16 + u]`, v down, u across.
fn frequencies(square: &[f32]) -> [f32; KEPT * KEPT] {
    // All frequencies of one sample side by side, so that they are summed in vectors, each in the order of the samples.
    let basis = basis();
    let mut rows = [0f32; SIDE * KEPT];
    for (row, values) in rows.chunks_exact_mut(KEPT).zip(square.chunks_exact(SIDE)) {
        for (value, waves) in values.iter().zip(basis) {
            row.iter_mut().zip(waves).for_each(|(sum, wave)| *sum += value * wave);
        }
    }
    let mut out = [0f32; KEPT * KEPT];
    for (row, waves) in rows.chunks_exact(KEPT).zip(basis) {
        for (down, wave) in out.chunks_exact_mut(KEPT).zip(waves) {
            down.iter_mut().zip(row).for_each(|(sum, value)| *sum += wave * value);
        }
    }
    out
}

/// The DCT-II matrix for frequencies 1 to 16 of 64 samples: for each sample, the heights of all waves there.
fn basis() -> &'static [[f32; KEPT]; SIDE] {
    static BASIS: std::sync::OnceLock<[[f32; KEPT]; SIDE]> = std::sync::OnceLock::new();
    BASIS.get_or_init(|| {
        std::array::from_fn(|x| {
            std::array::from_fn(|k| {
                let angle = (2 * x + 1) as f64 * (k + 1) as f64 * std::f64::consts::PI / (2.0 * SIDE as f64);
                (angle.cos() * (2.0 / SIDE as f64).sqrt()) as f32
            })
        })
    })
}

/// The hash of a picture turned by `turn` (0 to 3: clockwise quarter turns; 4 to 7: mirrored left to right first):
/// bit `i` says whether frequency `i` exceeds the median.
///
/// Turning needs no second transform: a mirrored axis changes the sign of its odd frequencies, a quarter turn swaps
/// the axes as well.
fn hash_of(upright: &[f32; KEPT * KEPT], turn: usize) -> Hash {
    // Index 0 is frequency 1.
    let odd = |index: usize| if index.is_multiple_of(2) { -1.0 } else { 1.0 };
    let mirrored = |v: usize, u: usize| upright[v * KEPT + u] * if turn >= 4 { odd(u) } else { 1.0 };
    let mut turned = [0f32; KEPT * KEPT];
    for v in 0..KEPT {
        for u in 0..KEPT {
            turned[v * KEPT + u] = match turn % 4 {
                0 => mirrored(v, u),
                1 => mirrored(u, v) * odd(u),
                2 => mirrored(v, u) * odd(u) * odd(v),
                _ => mirrored(u, v) * odd(v),
            };
        }
    }
    let mut sorted = turned;
    sorted.sort_unstable_by(f32::total_cmp);
    let median = (sorted[KEPT * KEPT / 2 - 1] + sorted[KEPT * KEPT / 2]) / 2.0;
    let mut words = [0u64; 4];
    for (at, value) in turned.iter().enumerate() {
        words[at / 64] |= u64::from(*value > median) << (63 - at % 64);
    }
    Hash(words)
}

#[cfg(test)]
mod tests;
