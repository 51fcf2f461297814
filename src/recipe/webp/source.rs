//! What libwebp makes of a picture before it predicts anything: luma in the narrow range, chroma of half the size, averaged
//! in nearly linear light, and transparent parts made smooth (`picture_csp_enc.c`, `picture_tools_enc.c`). Neither dithered nor
//! "sharp": no common thumbnailer asks for that.

use std::sync::OnceLock;

use super::super::taps::Grid;

/// Luma, blue and red chroma of a picture of 3 or 4 channels, edges repeated to whole macroblocks.
pub(super) fn planes(picture: &Grid<u8>) -> [Grid<u8>; 3] {
    let (width, height, channels) = (picture.width, picture.height, picture.channels);
    let pixel = |x: usize, y: usize| &picture.values[(y * width + x) * channels..][..channels];
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let mut planes = [1, 2, 2].map(|by: usize| {
        let (width, height) = (width.div_ceil(by), height.div_ceil(by));
        Grid { width, height, channels: 1, values: Vec::with_capacity(width * height) }
    });
    planes[0].values.extend(places.map(|(x, y)| luma(pixel(x, y))));
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            // An odd last column or row counts twice.
            let (right, below) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
            let mean = mean([pixel(x, y), pixel(right, y), pixel(x, below), pixel(right, below)]);
            planes[1].values.push(chroma(mean, BLUE));
            planes[2].values.push(chroma(mean, RED));
        }
    }
    if channels == 4 {
        smoothen(&mut planes, |x, y| pixel(x, y)[3] == 0);
    }
    let [y, u, v] = planes;
    [padded(&y, 16), padded(&u, 8), padded(&v, 8)]
}

// `yuv.h`: weights in 16 bits of fraction.
const LUMA: [i32; 3] = [16_839, 33_059, 6_420];
const BLUE: [i32; 3] = [-9_719, -19_081, 28_800];
const RED: [i32; 3] = [28_800, -24_116, -4_684];

fn weighted(weights: [i32; 3], levels: [i32; 3]) -> i32 {
    weights.iter().zip(levels).map(|(weight, level)| weight * level).sum()
}

fn luma(pixel: &[u8]) -> u8 {
    let sum = weighted(LUMA, [pixel[0], pixel[1], pixel[2]].map(i32::from));
    ((sum + (1 << 15) + (16 << 16)) >> 16) as u8
}

/// Of a mean in quarters of levels.
fn chroma(mean: [i32; 3], weights: [i32; 3]) -> u8 {
    ((weighted(weights, mean) + (1 << 17) + (128 << 18)) >> 18).clamp(0, 255) as u8
}

/// The mean of four pixels in quarters of levels, each weighing as much as it is opaque; of transparent ones, as if they
/// were not.
fn mean(pixels: [&[u8]; 4]) -> [i32; 3] {
    let opacities = pixels.map(|pixel| u32::from(pixel.get(3).copied().unwrap_or(255)));
    let total: u32 = opacities.iter().sum();
    let linear = linear();
    std::array::from_fn(|c| {
        let lights = pixels.map(|pixel| linear[usize::from(pixel[c])]);
        let light = if total == 0 || total == 4 * 255 {
            lights.iter().sum()
        } else {
            // libwebp divides by a table of 19 bits, times four.
            let sum: u64 = lights.iter().zip(opacities).map(|(&light, opacity)| u64::from(light * opacity)).sum();
            ((sum * u64::from((1 << 19) / total)) >> 17) as u32
        };
        gamma(light)
    })
}

/// Light in 12 bits, of a level.
fn linear() -> &'static [u32; 256] {
    static TABLE: OnceLock<[u32; 256]> = OnceLock::new();
    TABLE.get_or_init(|| std::array::from_fn(|level| ((level as f64 / 255.0).powf(0.8) * 4095.0 + 0.5) as u32))
}

/// The level, in quarters, of the sum of four lights; straight lines between 33 points.
fn gamma(light: u32) -> i32 {
    static TABLE: OnceLock<[u32; 33]> = OnceLock::new();
    let table = TABLE
        .get_or_init(|| std::array::from_fn(|at| (255.0 * (at as f64 * 128.0 / 4095.0).powf(1.0 / 0.8) + 0.5) as u32));
    let (at, part) = ((light >> 9) as usize, light & 511);
    ((table[at + 1] * part + table[at] * (512 - part) + 64) >> 7) as i32
}

/// Luma under transparent pixels becomes the mean of what can be seen in the same 8x8; where nothing can, all of it becomes
/// as the first such square of an unbroken row of them.
fn smoothen(planes: &mut [Grid<u8>; 3], is_hidden: impl Fn(usize, usize) -> bool) {
    let (width, height) = (planes[0].width, planes[0].height);
    for top in (0..height).step_by(8) {
        let mut first: Option<[u8; 3]> = None;
        for left in (0..width).step_by(8) {
            let (right, bottom) = ((left + 8).min(width), (top + 8).min(height));
            let places = || (top..bottom).flat_map(move |y| (left..right).map(move |x| (x, y)));
            let seen: Vec<u32> = places()
                .filter(|&(x, y)| !is_hidden(x, y))
                .map(|(x, y)| u32::from(planes[0].values[y * width + x]))
                .collect();
            if !seen.is_empty() {
                first = None;
                let mean = (seen.iter().sum::<u32>() / seen.len() as u32) as u8;
                for (x, y) in places().filter(|&(x, y)| is_hidden(x, y)) {
                    planes[0].values[y * width + x] = mean;
                }
            } else if (right - left, bottom - top) == (8, 8) {
                let levels = *first.get_or_insert_with(|| {
                    let by = |plane: &Grid<u8>, by: usize| plane.values[top / by * plane.width + left / by];
                    [by(&planes[0], 1), by(&planes[1], 2), by(&planes[2], 2)]
                });
                for ((plane, level), by) in planes.iter_mut().zip(levels).zip([1, 2, 2]) {
                    for y in top / by..bottom / by {
                        plane.values[y * plane.width + left / by..][..8 / by].fill(level);
                    }
                }
            }
        }
    }
}

/// The last column and row repeated up to multiples of `size`.
fn padded(plane: &Grid<u8>, size: usize) -> Grid<u8> {
    let (width, height) = (plane.width.next_multiple_of(size), plane.height.next_multiple_of(size));
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = plane.row(y.min(plane.height - 1));
        values.extend_from_slice(row);
        values.resize((y + 1) * width, row[plane.width - 1]);
    }
    Grid { width, height, channels: 1, values }
}
