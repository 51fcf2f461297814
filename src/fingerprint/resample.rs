//! Resizing by convolution, as Pillow and most thumbnailers do it: a kernel widened to the reduction, its weights cut at
//! the borders and brought to a sum of one.
//!
//! Written here, because the crates for it are generic over every kind of pixel and cost minutes of compile time, while
//! one function over RGB bytes is all that is needed. Columns come first: they run along memory.

/// A kernel, by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Plain means.
    Box,
    /// Linear ("bilinear").
    Triangle,
    /// A sinc of three lobes.
    Lanczos3,
}

impl Kernel {
    /// Half its width, in samples of the result.
    fn radius(self) -> f64 {
        match self {
            Kernel::Box => 0.5,
            Kernel::Triangle => 1.0,
            Kernel::Lanczos3 => 3.0,
        }
    }

    /// Its height at `x`.
    fn at(self, x: f64) -> f64 {
        match self {
            Kernel::Box if x > -0.5 && x <= 0.5 => 1.0,
            Kernel::Box => 0.0,
            Kernel::Triangle => (1.0 - x.abs()).max(0.0),
            Kernel::Lanczos3 if x.abs() < 3.0 => sinc(x) * sinc(x / 3.0),
            Kernel::Lanczos3 => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) }
}

/// A part of a picture: left, top, width, height in its pixels.
pub(crate) type Part = (f64, f64, f64, f64);

/// The part of an RGB picture at another size; nothing where a side is empty or `rgb` does not have `size`.
pub(crate) fn resample(rgb: &[u8], size: (u32, u32), part: Part, to: (u32, u32), kernel: Kernel) -> Option<Vec<u8>> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    if width == 0 || height == 0 || to.0 == 0 || to.1 == 0 || rgb.len() != width * height * 3 {
        return None;
    }
    let columns = weights(part.0, part.2, width, to.0 as usize, kernel);
    let rows = weights(part.1, part.3, height, to.1 as usize, kernel);
    let mut out = Vec::with_capacity(columns.len() * rows.len() * 3);
    // Only the columns that some result needs.
    let from = columns.first().map_or(0, |(first, _)| *first) * 3;
    let until = columns.last().map_or(0, |(first, weights)| first + weights.len()) * 3;
    let mut line = vec![0f32; width * 3];
    for (first, weights) in &rows {
        line.fill(0.0);
        for (weight, row) in weights.iter().zip(rgb.chunks_exact(width * 3).skip(*first)) {
            for (sum, &level) in line[from..until].iter_mut().zip(&row[from..until]) {
                *sum += weight * f32::from(level);
            }
        }
        for (first, weights) in &columns {
            let mut sums = [0f32; 3];
            for (weight, pixel) in weights.iter().zip(line[first * 3..].chunks_exact(3)) {
                sums[0] += weight * pixel[0];
                sums[1] += weight * pixel[1];
                sums[2] += weight * pixel[2];
            }
            out.extend(sums.map(|sum| (sum + 0.5).clamp(0.0, 255.0) as u8));
        }
    }
    Some(out)
}

/// For each sample of the result the first sample that goes into it, and the weights from there on.
fn weights(start: f64, length: f64, samples: usize, results: usize, kernel: Kernel) -> Vec<(usize, Vec<f32>)> {
    let scale = length / results as f64;
    let widened = scale.max(1.0);
    let reach = kernel.radius() * widened;
    let result = |at: usize| {
        let centre = start + (at as f64 + 0.5) * scale;
        let first = ((centre - reach + 0.5).max(0.0) as usize).min(samples - 1);
        let end = ((centre + reach + 0.5).max(0.0) as usize).clamp(first + 1, samples);
        let weights: Vec<f64> = (first..end).map(|x| kernel.at((x as f64 - centre + 0.5) / widened)).collect();
        let sum: f64 = weights.iter().sum();
        let sum = if sum == 0.0 { 1.0 } else { sum };
        (first, weights.iter().map(|weight| (weight / sum) as f32).collect())
    };
    (0..results).map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_changes_nothing() {
        let rgb: Vec<u8> = (0..5 * 4 * 3).map(|at| (at * 37 % 256) as u8).collect();
        for kernel in [Kernel::Box, Kernel::Triangle, Kernel::Lanczos3] {
            assert_eq!(resample(&rgb, (5, 4), (0.0, 0.0, 5.0, 4.0), (5, 4), kernel).as_ref(), Some(&rgb));
        }
    }

    #[test]
    fn a_box_takes_means() {
        let rgb = [0, 0, 0, 10, 20, 30, 100, 100, 100, 102, 104, 106];
        let half = resample(&rgb, (4, 1), (0.0, 0.0, 4.0, 1.0), (2, 1), Kernel::Box);
        assert_eq!(half, Some(vec![5, 10, 15, 101, 102, 103]));
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        let rgb = vec![77; 31 * 17 * 3];
        let small = resample(&rgb, (31, 17), (3.5, 1.0, 20.0, 15.0), (7, 9), Kernel::Lanczos3);
        assert_eq!(small, Some(vec![77; 7 * 9 * 3]));
    }

    #[test]
    fn too_few_bytes_are_refused() {
        assert_eq!(resample(&[0; 11], (2, 2), (0.0, 0.0, 2.0, 2.0), (1, 1), Kernel::Box), None);
    }
}
