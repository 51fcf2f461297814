//! The arithmetic of one comparison: fit what an engine may have done, then weigh what is left.
//!
//! [`super::verify`] chooses the geometries; this file measures one of them.

use super::geometry::turn;
use super::plane::Plane;
use super::quantise::round_trip;
use super::verify::{Coding, Residual, Thumbnail, Trial};
use crate::decode::Pixels;
use crate::fingerprint::resample::{Kernel, resample};

/// BT.601 luma weights, as in JPEG.
pub(super) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Three channels of one size.
type Colour = [Plane; 3];

/// Freedoms fitted: softer filter, sharpening, shift across and down, stretch across and down.
const FREEDOMS: usize = 6;
/// What an engine may plausibly have done; a fit that wants more is held at the bound.
const LEAST: [f64; FREEDOMS] = [-1.5, -1.2, -1.2, -1.2, -1.2, -1.2];
/// The upper bounds.
const MOST: [f64; FREEDOMS] = [0.8, 1.6, 1.2, 1.2, 1.2, 1.2];
/// Noise in levels that any thumbnail may show.
const NOISE: f32 = 1.5;
/// Noise in levels per level of local gradient: what a slightly different filter leaves at an edge.
const NOISE_PER_GRADIENT: f32 = 0.25;
/// Below this correlation the pair is hopeless and is weighed without the thumbnail's coding, which is the costly part.
const WORTH_CODING: f32 = 0.8;

/// Mean square of chroma, in levels, below which its factor is noise.
const LEAST_CHROMA: f64 = 4.0;
/// Variance of luma, in levels, below which its factor is noise.
const LEAST_CONTRAST: f64 = 16.0;
/// A change of colour smaller than this, in mean levels, is none.
const SAME_COLOUR: f32 = 0.1;

/// An upload at a thumbnail's size, with all that an engine may have done to it: what a comparison needs of the upload
/// alone.
pub(super) struct Shaped {
    base: Colour,
    /// For each channel, what each freedom adds to it.
    freedoms: [[Vec<f32>; FREEDOMS]; 3],
    /// The products of the freedoms with each other, over all channels.
    normal: [[f64; FREEDOMS]; FREEDOMS],
}

/// The upload as this geometry has it; nothing where it cannot be resized.
pub(super) fn shape(trial: &Trial) -> Option<Shaped> {
    let base = predicted(trial, Kernel::Lanczos3)?;
    let soft = predicted(trial, Kernel::Box)?;
    let freedoms: [[Vec<f32>; FREEDOMS]; 3] = std::array::from_fn(|channel| freedoms(&base[channel], &soft[channel]));
    let mut normal = [[0f64; FREEDOMS]; FREEDOMS];
    for columns in &freedoms {
        for i in 0..FREEDOMS {
            for j in i..FREEDOMS {
                let product = dot(&columns[i], &columns[j]);
                normal[i][j] += product;
                if i != j {
                    normal[j][i] += product;
                }
            }
        }
    }
    Some(Shaped { base, freedoms, normal })
}

/// The luma error after the change of colour, and everything else.
pub(super) fn measure(thumbnail: &Thumbnail, trial: &Trial, shaped: &Shaped) -> (f32, Residual) {
    let hidden = hidden(thumbnail, trial);
    let mut target = target(thumbnail, trial);
    for (plane, base) in target.iter_mut().zip(&shaped.base) {
        // What is hidden is taken to be as it should: no freedom then has to explain a mark.
        let places = plane.values.iter_mut().zip(&base.values).zip(&hidden);
        places.filter(|(_, hidden)| **hidden).for_each(|((level, base), _)| *level = *base);
    }
    let fitted = fit(&target, shaped);
    let recoloured = recolour(&target, &fitted.prediction);
    let colour_deviation = mean_difference(&recoloured, &fitted.prediction);
    let strict = compare(thumbnail, trial, &target, &hidden, &fitted.prediction);
    let colour =
        if colour_deviation < SAME_COLOUR { strict } else { compare(thumbnail, trial, &target, &hidden, &recoloured) };
    let (_, _, width, height) = trial.placement.target;
    let residual = Residual {
        z_strict: strict.z8,
        z_colour: colour.z8,
        z_fine: strict.z3,
        chroma: strict.chroma8,
        zncc: colour.zncc,
        colour_deviation,
        saturation: strict.saturation,
        contrast: strict.contrast,
        shift: fitted.shift,
        rms: strict.rms,
        detail: deviation(&seen(&luma(&target), &hidden)),
        side: width.min(height) as u32,
        frame: trial.placement.frame,
        turn: trial.turn,
        rendering: trial.variant.rendering,
    };
    (colour.rms, residual)
}

/// What was compared, side by side: the thumbnail, the prediction, and their difference around grey.
pub(super) fn picture(thumbnail: &Thumbnail, trial: &Trial, shaped: &Shaped) -> Pixels {
    const STRONGER: f32 = 8.0;
    let target = target(thumbnail, trial);
    let prediction = fit(&target, shaped).prediction;
    let (_, _, width, height) = trial.placement.target;
    let mut rgb = Vec::with_capacity(width * height * 9);
    for y in 0..height {
        let places = y * width..(y + 1) * width;
        let mut panel = |level: &dyn Fn(usize, usize) -> f32| {
            let levels = places.clone().flat_map(|at| (0..3).map(move |channel| (channel, at)));
            rgb.extend(levels.map(|(channel, at)| (level(channel, at) + 0.5).clamp(0.0, 255.0) as u8));
        };
        panel(&|channel, at| target[channel].values[at]);
        panel(&|channel, at| prediction[channel].values[at]);
        panel(&|channel, at| 127.5 + STRONGER * (target[channel].values[at] - prediction[channel].values[at]));
    }
    Pixels { width: 3 * width as u32, height: height as u32, rgb, alpha: None }
}

/// The compared part of the thumbnail.
fn target(thumbnail: &Thumbnail, trial: &Trial) -> Colour {
    let (left, top, width, height) = trial.placement.target;
    channels(width, height, |channel, x, y| {
        f32::from(thumbnail.rgb[((top + y) * thumbnail.width + left + x) * 3 + channel])
    })
}

/// For each pixel of the compared part, whether a mark hides it; empty where none does.
fn hidden(thumbnail: &Thumbnail, trial: &Trial) -> Vec<bool> {
    let (left, top, width, height) = trial.placement.target;
    if thumbnail.hidden.is_empty() {
        return Vec::new();
    }
    let row = |y: usize| &thumbnail.hidden[(top + y) * thumbnail.width + left..][..width];
    (0..height).flat_map(row).copied().collect()
}

/// The levels that no mark hides, one after the other.
fn seen(plane: &Plane, hidden: &[bool]) -> Plane {
    if !hidden.contains(&true) {
        return plane.clone();
    }
    let levels: Vec<f32> = plane.values.iter().zip(hidden).filter(|(_, hidden)| !**hidden).map(|(v, _)| *v).collect();
    Plane::new(levels.len(), 1, levels)
}

/// The upload at the thumbnail's size and turn, by one kernel.
fn predicted(trial: &Trial, kernel: Kernel) -> Option<Colour> {
    let (_, _, width, height) = trial.placement.target;
    let (to_width, to_height) = if trial.turn % 2 == 1 { (height, width) } else { (width, height) };
    let pixels = &trial.variant.pixels;
    let (left, top, w, h) = trial.placement.source;
    // From the coordinates of the turned upload to those of its reduced, upright pixels; parts are central.
    let (across, down) = (1.0 / f64::from(trial.size.0), 1.0 / f64::from(trial.size.1));
    let share = [left * across, top * down, w * across, h * down];
    let share = if trial.turn % 2 == 1 { [share[1], share[0], share[3], share[2]] } else { share };
    let (full_width, full_height) = (f64::from(pixels.width), f64::from(pixels.height));
    let part = (share[0] * full_width, share[1] * full_height, share[2] * full_width, share[3] * full_height);
    let to = (to_width as u32, to_height as u32);
    let rgb = resample(&pixels.rgb, (pixels.width, pixels.height), part, to, kernel)?;
    let rgb = turn(&rgb, (to_width, to_height), 3, trial.turn);
    Some(channels(width, height, |channel, x, y| f32::from(rgb[(y * width + x) * 3 + channel])))
}

/// Three planes from a function of channel, column and row.
fn channels(width: usize, height: usize, level: impl Fn(usize, usize, usize) -> f32) -> Colour {
    std::array::from_fn(|channel| {
        let values = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Plane::new(width, height, values.map(|(x, y)| level(channel, x, y)).collect())
    })
}

/// A prediction and how far it had to be moved.
struct Fitted {
    prediction: Colour,
    shift: f32,
}

/// Least squares over [`FREEDOMS`], lightly held towards none, each within its bounds.
fn fit(target: &Colour, shaped: &Shaped) -> Fitted {
    let Shaped { base, freedoms, normal } = shaped;
    let mut normal = *normal;
    let samples = 3 * base[0].values.len();
    let mut wanted = [0f64; FREEDOMS];
    for channel in 0..3 {
        let difference: Vec<f32> =
            target[channel].values.iter().zip(&base[channel].values).map(|(t, b)| t - b).collect();
        for (wanted, column) in wanted.iter_mut().zip(&freedoms[channel]) {
            *wanted += dot(column, &difference);
        }
    }
    for (i, row) in normal.iter_mut().enumerate() {
        row[i] += 0.001 * samples as f64 + 1e-3;
    }
    let mut solution = solve(normal, wanted);
    for (value, (least, most)) in solution.iter_mut().zip(LEAST.iter().zip(&MOST)) {
        *value = value.clamp(*least, *most);
    }
    let prediction = std::array::from_fn(|channel| {
        let mut values = base[channel].values.clone();
        for (column, &factor) in freedoms[channel].iter().zip(&solution) {
            values.iter_mut().zip(column).for_each(|(v, c)| *v += factor as f32 * c);
        }
        values.iter_mut().for_each(|v| *v = v.clamp(0.0, 255.0));
        Plane { values, ..base[channel] }
    });
    let shift = solution[2..].iter().fold(0f64, |most, v| most.max(v.abs())) as f32;
    Fitted { prediction, shift }
}

/// What each freedom adds to one channel, a column each.
fn freedoms(base: &Plane, soft: &Plane) -> [Vec<f32>; FREEDOMS] {
    let blurred = base.blurred();
    let (across, down) = base.gradients();
    let less = |other: &Plane| base.values.iter().zip(&other.values).map(|(a, b)| a - b).collect();
    let ramp = |at: usize, length: usize| if length < 2 { -1.0 } else { 2.0 * at as f32 / (length - 1) as f32 - 1.0 };
    let columns: Vec<f32> = (0..base.width).map(|x| ramp(x, base.width)).collect();
    let widened = across.values.iter().enumerate().map(|(at, v)| v * columns[at % base.width]).collect();
    let heightened = down.values.iter().enumerate().map(|(at, v)| v * ramp(at / base.width, base.height)).collect();
    [less(soft), less(&blurred), across.values, down.values, widened, heightened]
}

/// The prediction after the best affine change of colour, lightly held towards none.
fn recolour(target: &Colour, prediction: &Colour) -> Colour {
    let ones = vec![1f32; prediction[0].values.len()];
    let inputs = [&prediction[0].values, &prediction[1].values, &prediction[2].values, &ones];
    let mut normal = [[0f64; 4]; 4];
    for i in 0..4 {
        for j in 0..4 {
            normal[i][j] = dot(inputs[i], inputs[j]);
        }
        normal[i][i] += if i < 3 { 30.0 } else { 1e-3 };
    }
    std::array::from_fn(|channel| {
        let mut wanted: [f64; 4] = std::array::from_fn(|i| dot(inputs[i], &target[channel].values));
        wanted[channel] += 30.0;
        let factors = solve(normal, wanted).map(|factor| factor as f32);
        let values = (0..ones.len())
            .map(|at| (0..4).map(|i| factors[i] * inputs[i][at]).sum::<f32>().clamp(0.0, 255.0))
            .collect();
        Plane { values, ..prediction[channel] }
    })
}

/// What one prediction leaves unexplained.
#[derive(Clone, Copy)]
struct Errors {
    z8: f32,
    z3: f32,
    chroma8: f32,
    rms: f32,
    zncc: f32,
    saturation: f32,
    contrast: f32,
}

/// Passes the prediction through the thumbnail's coding and weighs the difference against local noise. What is hidden has no
/// difference.
fn compare(thumbnail: &Thumbnail, trial: &Trial, target: &Colour, hidden: &[bool], prediction: &Colour) -> Errors {
    let (target_luma, luma) = (luma(target), luma(prediction));
    let zncc = correlation(&seen(&target_luma, hidden), &seen(&luma, hidden));
    let (coded, noise) = if zncc < WORTH_CODING {
        (prediction.clone(), luma.map(|_| 0.0))
    } else {
        coded(thumbnail, trial, prediction, &luma)
    };
    let mut error: Colour = std::array::from_fn(|c| difference(&target[c], &coded[c]));
    for plane in &mut error {
        let places = plane.values.iter_mut().zip(hidden);
        places.filter(|(_, hidden)| **hidden).for_each(|(error, _)| *error = 0.0);
    }
    let error_luma = self::luma(&error);
    let error_chroma =
        [0, 2].map(|c| difference(&error[c], &error_luma)).map(|plane| plane.map(|v| v * v)).map(|plane| plane.values);
    let error_chroma = Plane {
        values: error_chroma[0].iter().zip(&error_chroma[1]).map(|(r, b)| (r + b) / 2.0).collect(),
        ..error_luma
    };
    let (across, down) = luma.gradients();
    let steep =
        Plane { values: across.values.iter().zip(&down.values).map(|(x, y)| x * x + y * y).collect(), ..across };
    let (squared, noisy) = (error_luma.map(|v| v * v), noise.map(|v| v * v));
    Errors {
        z8: largest_coarse(&squared.box_means(8, 4), &noisy.box_means(8, 4), &steep.box_means(8, 4)),
        z3: largest_fine(&error_luma.box_means(3, 1), &noisy.box_means(5, 1), &steep.box_means(5, 1)),
        chroma8: error_chroma.box_means(8, 4).max().max(0.0).sqrt(),
        rms: squared.mean().max(0.0).sqrt(),
        zncc,
        saturation: saturation(
            &target.each_ref().map(|plane| seen(plane, hidden)),
            &coded.each_ref().map(|plane| seen(plane, hidden)),
        ),
        contrast: contrast(&seen(&target_luma, hidden), &seen(&self::luma(&coded), hidden)),
    }
}

/// The factor that brings the colourfulness of `from` nearest to that of `to`; 1 where there is hardly any.
fn saturation(to: &Colour, from: &Colour) -> f32 {
    let chroma = |colour: &Colour| [0, 2].map(|c| difference(&colour[c], &luma(colour)));
    let (to, from) = (chroma(to), chroma(from));
    let energy: f64 = from.iter().map(|plane| dot(&plane.values, &plane.values)).sum();
    let shared: f64 = to.iter().zip(&from).map(|(to, from)| dot(&to.values, &from.values)).sum();
    let samples = 2 * from[0].values.len();
    if energy < LEAST_CHROMA * samples as f64 { 1.0 } else { (shared / energy) as f32 }
}

/// The factor that brings the contrast of `from` nearest to that of `to`; 1 where there is hardly any.
fn contrast(to: &Plane, from: &Plane) -> f32 {
    let (mean_to, mean_from) = (to.mean(), from.mean());
    let (to, from) = (to.map(|v| v - mean_to), from.map(|v| v - mean_from));
    let energy = dot(&from.values, &from.values);
    if energy < LEAST_CONTRAST * from.values.len() as f64 {
        return 1.0;
    }
    (dot(&to.values, &from.values) / energy) as f32
}

/// The prediction as the thumbnail's file would store it, and the luma error which that alone makes.
fn coded(thumbnail: &Thumbnail, trial: &Trial, prediction: &Colour, luma: &Plane) -> (Colour, Plane) {
    match &thumbnail.coding {
        Coding::Other => (prediction.clone(), luma.map(|_| 0.0)),
        Coding::Palette => (prediction.clone(), palette_noise(thumbnail, prediction)),
        Coding::Jpeg(tables) => {
            let (left, top, width, height) = trial.placement.target;
            let at = |x: usize, y: usize| ((top + y) * thumbnail.width + left + x) * 3;
            let mut rgb = thumbnail.rgb.clone();
            for y in 0..height {
                for x in 0..width {
                    for (channel, plane) in prediction.iter().enumerate() {
                        rgb[at(x, y) + channel] = (plane.values[y * width + x] + 0.5) as u8;
                    }
                }
            }
            let rgb = round_trip(&rgb, (thumbnail.width, thumbnail.height), tables);
            let coded = channels(width, height, |channel, x, y| f32::from(rgb[at(x, y) + channel]));
            let noise = difference(&self::luma(&coded), luma);
            (coded, noise)
        }
    }
}

/// How far the nearest colour of the palette is, pixel by pixel: dither and banding to expect.
fn palette_noise(thumbnail: &Thumbnail, prediction: &Colour) -> Plane {
    let values = (0..prediction[0].values.len()).map(|at| {
        let wanted = [0, 1, 2].map(|c| prediction[c].values[at]);
        let distance = |colour: &[f32; 3]| (0..3).map(|c| (colour[c] - wanted[c]).powi(2)).sum::<f32>();
        let nearest = thumbnail.palette.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.map_or(0.0, |colour| (0..3).map(|c| LUMA[c] * (colour[c] - wanted[c]).abs()).sum())
    });
    Plane { values: values.collect(), ..prediction[0] }
}

/// Largest root mean square error in units of expected noise.
fn largest_coarse(squared: &Plane, noisy: &Plane, steep: &Plane) -> f32 {
    let all = squared.values.iter().zip(&noisy.values).zip(&steep.values);
    all.map(|((e, n), g)| {
        let expected = NOISE.powi(2) + n.max(0.0) + NOISE_PER_GRADIENT.powi(2) * g.max(0.0);
        (e.max(0.0) / expected).sqrt()
    })
    .fold(0.0, f32::max)
}

/// Largest mean error of 3x3 pixels in units of expected noise, of which 3x3 means see 0.6.
fn largest_fine(error: &Plane, noisy: &Plane, steep: &Plane) -> f32 {
    let (width, height) = (error.width.min(steep.width), error.height.min(steep.height));
    let mut most = 0f32;
    for y in 0..height {
        for x in 0..width {
            let (n, g) = (noisy.values[y * noisy.width + x], steep.values[y * steep.width + x]);
            let expected = NOISE.powi(2) + 0.36 * n.max(0.0) + NOISE_PER_GRADIENT.powi(2) * g.max(0.0);
            most = most.max(error.values[y * error.width + x].abs() / expected.sqrt());
        }
    }
    most
}

fn luma(colour: &Colour) -> Plane {
    let [red, green, blue] = colour;
    let mixed = red.values.iter().zip(&green.values).zip(&blue.values);
    Plane { values: mixed.map(|((r, g), b)| LUMA[0] * r + LUMA[1] * g + LUMA[2] * b).collect(), ..*red }
}

fn difference(a: &Plane, b: &Plane) -> Plane {
    Plane { values: a.values.iter().zip(&b.values).map(|(a, b)| a - b).collect(), ..*a }
}

fn mean_difference(a: &Colour, b: &Colour) -> f32 {
    (0..3).map(|c| difference(&a[c], &b[c]).map(f32::abs).mean()).sum::<f32>() / 3.0
}

fn deviation(plane: &Plane) -> f32 {
    let mean = plane.mean();
    plane.map(|v| (v - mean).powi(2)).mean().sqrt()
}

fn correlation(a: &Plane, b: &Plane) -> f32 {
    let (mean_a, mean_b) = (a.mean(), b.mean());
    let (a, b) = (a.map(|v| v - mean_a), b.map(|v| v - mean_b));
    (dot(&a.values, &b.values) / (dot(&a.values, &a.values) * dot(&b.values, &b.values) + 1e-3).sqrt()) as f32
}

/// The sum of products: eight sums side by side, which the compiler makes into one instruction, gathered in f64 by runs
/// so that long sums keep their precision.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const RUN: usize = 512;
    let mut total = 0f64;
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        let mut sums = [0f32; 8];
        for (a, b) in a.0.iter().zip(b.0) {
            for lane in 0..8 {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
        total += f64::from(sums.iter().sum::<f32>() + rest);
    }
    total
}

/// Solves a small symmetric system by elimination with pivots; a freedom that the pixels say nothing about is 0.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut wanted: [f64; N]) -> [f64; N] {
    for column in 0..N {
        let pivot = (column..N).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        matrix.swap(column, pivot);
        wanted.swap(column, pivot);
        if matrix[column][column].abs() < 1e-12 {
            continue;
        }
        let above = matrix[column];
        for row in column + 1..N {
            let factor = matrix[row][column] / above[column];
            matrix[row].iter_mut().zip(&above).skip(column).for_each(|(value, above)| *value -= factor * above);
            wanted[row] -= factor * wanted[column];
        }
    }
    let mut out = [0f64; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|k| matrix[row][k] * out[k]).sum();
        if matrix[row][row].abs() >= 1e-12 {
            out[row] = (wanted[row] - known) / matrix[row][row];
        }
    }
    out
}
