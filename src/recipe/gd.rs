//! GD's `gdImageCopyResampled`: area means in floating point, sum by sum in the library's own order.
//!
//! After `gd.c` of libgd 2.1 to 2.3 (single precision, rounded) and of the copy bundled with PHP (double precision, cut
//! off). The order of additions matters: a mean of equal levels comes out a trifle low or high, and rounding shows it.

use serde::{Deserialize, Serialize};

use super::taps::Grid;

/// Which GD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// The library, as Linux distributions link it to PHP.
    Library,
    /// The copy that comes with PHP's source.
    Bundled,
}

/// Floating point of one precision, with what the arithmetic here needs.
trait Real:
    Copy + PartialOrd + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> + std::ops::Div<Output = Self>
{
    const ZERO: Self;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    fn of(value: f64) -> f32 {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    fn of(value: f64) -> f64 {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// A picture of 3 channels, or of 4 with opacity last, at `to` size, laid over `ground` where it is not opaque.
pub fn resample(from: &Grid<u8>, to: (usize, usize), build: Build, ground: u8) -> Grid<u8> {
    match build {
        Build::Library => run::<f32>(from, to, 0.5, ground),
        Build::Bundled => run::<f64>(from, to, 0.0, ground),
    }
}

/// The source samples of one target sample along one axis, and how much of each.
fn portions<R: Real>(at: usize, length: usize, to: usize) -> Vec<(usize, R)> {
    let edge = |at: usize| R::of(at as f64) * R::of(length as f64) / R::of(to as f64);
    let (start, end) = (edge(at), edge(at + 1));
    let span = R::of(end.wide() - start.wide());
    let mut out = Vec::new();
    let mut place = start;
    loop {
        let portion = if place.wide().floor() == start.wide().floor() {
            let portion = R::of(1.0 - (place.wide() - place.wide().floor()));
            place = R::of(place.wide().floor());
            if portion > span { span } else { portion }
        } else if place.wide() == end.wide().floor() {
            R::of(end.wide() - end.wide().floor())
        } else {
            R::of(1.0)
        };
        out.push(((place.wide() as usize).min(length - 1), portion));
        place = R::of(place.wide() + 1.0);
        if place >= end {
            return out;
        }
    }
}

/// Opacity in GD goes from 0, opaque, to 127.
const TRANSPARENT: f64 = 127.0;

fn run<R: Real>(from: &Grid<u8>, (width, height): (usize, usize), bias: f64, ground: u8) -> Grid<u8> {
    let columns: Vec<Vec<(usize, R)>> = (0..width).map(|x| portions(x, from.width, width)).collect();
    let channels = from.channels;
    let mut values = Vec::with_capacity(width * height * 3);
    // For each pixel of the row: red, green, blue, opacity.
    let mut row = vec![[R::ZERO; 4]; from.width];
    for y in 0..height {
        // Weighted red, green, blue; weights; transparency; area.
        let mut sums = vec![([R::ZERO; 4], [R::ZERO; 2]); width];
        for (source, down) in portions::<R>(y, from.height, height) {
            for (into, pixel) in row.iter_mut().zip(from.row(source).chunks_exact(channels)) {
                let clear = pixel.get(3).map_or(0, |&opacity| 127 - (opacity >> 1));
                *into = [pixel[0], pixel[1], pixel[2], clear].map(|level| R::of(f64::from(level)));
            }
            for ((colour, rest), portions) in sums.iter_mut().zip(&columns) {
                for &(column, across) in portions {
                    let area = across * down;
                    let [red, green, blue, clear] = row[column];
                    let weight = R::of(TRANSPARENT - clear.wide()) * area;
                    let adds = [red * weight, green * weight, blue * weight, weight];
                    for lane in 0..4 {
                        colour[lane] = colour[lane] + adds[lane];
                    }
                    *rest = [rest[0] + clear * area, rest[1] + area];
                }
            }
        }
        values.extend(sums.iter().flat_map(|(colour, rest)| blended(colour, rest, bias, ground)));
    }
    Grid { width, height, channels: 3, values }
}

fn blended<R: Real>(colour: &[R; 4], &[clear, area]: &[R; 2], bias: f64, ground: u8) -> [u8; 3] {
    let weight = colour[3] / area;
    let whole = |value: f64, most: f64| {
        if value >= most + 0.5 { most as i32 } else { R::of((value + bias).min(most + 0.5)).wide() as i32 }
    };
    let levels = [0, 1, 2].map(|c| {
        let mean = colour[c] / area;
        whole(if weight.wide() == 0.0 { mean } else { mean / weight }.wide(), 255.0)
    });
    let clear = whole((clear / area).wide(), TRANSPARENT);
    levels.map(|level| match clear {
        0 => level.clamp(0, 255) as u8,
        127 => ground,
        // `gdAlphaBlend` over an opaque ground: whole numbers, cut off.
        _ => ((level * (127 - clear) + i32::from(ground) * clear) / 127).clamp(0, 255) as u8,
    })
}
