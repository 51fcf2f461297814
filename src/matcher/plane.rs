//! Filters on one plane of numbers: box means, gradients, a small blur. The names and borders are OpenCV's, because the
//! thresholds of [`super::verify`] were found with it.

/// One channel of a picture, rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values.
    pub values: Vec<f32>,
}

impl Plane {
    /// A plane of these values.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), width * height);
        Plane { width, height, values }
    }

    /// `f` of every value.
    pub fn map(&self, f: impl Fn(f32) -> f32) -> Plane {
        Plane { values: self.values.iter().map(|&v| f(v)).collect(), ..*self }
    }

    /// The largest value, or 0 for an empty plane.
    pub fn max(&self) -> f32 {
        self.values.iter().copied().reduce(f32::max).unwrap_or(0.0)
    }

    /// The mean value, or 0 for an empty plane.
    pub fn mean(&self) -> f32 {
        let sum: f64 = self.values.iter().map(|&v| f64::from(v)).sum();
        (sum / self.values.len().max(1) as f64) as f32
    }

    /// Means over squares of `side`, one every `step` values, the first around `side / 2`; the edge row repeats beyond
    /// the border. A plane no larger than the square gives its one mean.
    pub fn box_means(&self, side: usize, step: usize) -> Plane {
        if self.width.min(self.height) <= side {
            return Plane::new(1, 1, vec![self.mean()]);
        }
        let starts =
            |length: usize| (side / 2..length).step_by(step).map(|centre| centre - side / 2).collect::<Vec<_>>();
        let (columns, rows) = (starts(self.width), starts(self.height));
        let mut narrow = Vec::with_capacity(self.height * columns.len());
        for row in self.values.chunks_exact(self.width) {
            narrow.extend(columns.iter().map(|&from| {
                let inside = &row[from..(from + side).min(self.width)];
                let beyond = (inside.len()..side).map(|x| row[repeat(from + x, self.width)]);
                inside.iter().sum::<f32>() + beyond.sum::<f32>()
            }));
        }
        let mut out = vec![0f32; rows.len() * columns.len()];
        for (&from, into) in rows.iter().zip(out.chunks_exact_mut(columns.len())) {
            for y in from..from + side {
                let line = &narrow[repeat(y, self.height) * columns.len()..][..columns.len()];
                into.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
            }
        }
        let area = (side * side) as f32;
        out.iter_mut().for_each(|sum| *sum /= area);
        Plane::new(columns.len(), rows.len(), out)
    }

    /// Sobel derivatives across and down, in levels per pixel.
    pub fn gradients(&self) -> (Plane, Plane) {
        let (width, height) = (self.width, self.height);
        let (mut across, mut down) = (Vec::with_capacity(width * height), Vec::with_capacity(width * height));
        for y in 0..height {
            let above = &self.values[mirror(y as isize - 1, height) * width..][..width];
            let here = &self.values[y * width..][..width];
            let below = &self.values[mirror(y as isize + 1, height) * width..][..width];
            let mut at = |left: usize, x: usize, right: usize| {
                across.push(
                    (above[right] - above[left] + 2.0 * (here[right] - here[left]) + below[right] - below[left]) / 8.0,
                );
                down.push(
                    (below[left] - above[left] + 2.0 * (below[x] - above[x]) + below[right] - above[right]) / 8.0,
                );
            };
            at(mirror(-1, width), 0, mirror(1, width));
            (1..width.saturating_sub(1)).for_each(|x| at(x - 1, x, x + 1));
            if width > 1 {
                at(width - 2, width - 1, mirror(width as isize, width));
            }
        }
        (Plane::new(width, height, across), Plane::new(width, height, down))
    }

    /// A Gaussian blur of 0.9 pixels, nine taps.
    pub fn blurred(&self) -> Plane {
        const SIGMA: f32 = 0.9;
        let mut taps: [f32; 9] = std::array::from_fn(|i| (-((i as f32 - 4.0) / SIGMA).powi(2) / 2.0).exp());
        let sum: f32 = taps.iter().sum();
        taps.iter_mut().for_each(|tap| *tap /= sum);
        let (width, height) = (self.width, self.height);
        let mut narrow = Vec::with_capacity(width * height);
        for row in self.values.chunks_exact(width) {
            for x in 0..width {
                narrow.push(if x >= 4 && x + 4 < width {
                    row[x - 4..x + 5].iter().zip(&taps).map(|(v, tap)| v * tap).sum::<f32>()
                } else {
                    taps.iter().zip(x as isize - 4..).map(|(tap, x)| tap * row[mirror(x, width)]).sum()
                });
            }
        }
        let mut out = vec![0f32; width * height];
        for (y, into) in out.chunks_exact_mut(width).enumerate() {
            for (tap, from) in taps.iter().zip(y as isize - 4..) {
                let from = &narrow[mirror(from, height) * width..][..width];
                into.iter_mut().zip(from).for_each(|(sum, v)| *sum += tap * v);
            }
        }
        Plane::new(width, height, out)
    }
}

/// An index past the end, reflected with the edge repeated: `abc|cba`.
fn repeat(at: usize, length: usize) -> usize {
    if at < length { at } else { (2 * length - 1).saturating_sub(at) }
}

/// An index reflected at the border, the edge not repeated: `cb|abc|ba`.
fn mirror(at: isize, length: usize) -> usize {
    let length = length as isize;
    if (0..length).contains(&at) {
        return at as usize;
    }
    if length == 1 {
        return 0;
    }
    let folded = at.rem_euclid(2 * length - 2);
    (if folded < length { folded } else { 2 * length - 2 - folded }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Plane {
        let values = (0..height).flat_map(|y| (0..width).map(move |x| (3 * x + 10 * y) as f32));
        Plane::new(width, height, values.collect())
    }

    #[test]
    fn box_means_repeat_the_edge() {
        // OpenCV: boxFilter(ramp, -1, (8, 8), borderType=BORDER_REFLECT)[4::4, 4::4] of 10 x 12.
        let means = ramp(10, 12).box_means(8, 4);
        assert_eq!((means.width, means.height), (2, 2));
        assert_eq!(means.values, [45.5, 56.0, 85.5, 96.0]);
        assert_eq!(ramp(8, 20).box_means(8, 4).values, [105.5], "one mean where the plane is no larger");
        assert_eq!(ramp(10, 12).box_means(3, 1).values[0], 13.0);
    }

    #[test]
    fn gradients_are_levels_per_pixel() {
        let (across, down) = ramp(9, 7).gradients();
        assert_eq!((across.values[4 * 9 + 4], down.values[4 * 9 + 4]), (3.0, 10.0));
        assert_eq!(across.values[0], 0.0, "the border mirrors");
    }

    #[test]
    fn a_blur_keeps_what_is_flat() {
        let flat = Plane::new(6, 5, vec![7.0; 30]).blurred();
        assert!(flat.values.iter().all(|v| (v - 7.0).abs() < 1e-4));
    }
}
