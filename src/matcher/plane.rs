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
        let centres = |length: usize| (side / 2..length).step_by(step).collect::<Vec<_>>();
        let (columns, rows) = (centres(self.width), centres(self.height));
        let start = |centre: usize| centre as isize - (side / 2) as isize;
        // Columns first, in f64, so that differences of large sums stay exact.
        let mut narrow = vec![0f64; self.height * columns.len()];
        for row in 0..self.height {
            let values = &self.values[row * self.width..][..self.width];
            for (at, &centre) in columns.iter().enumerate() {
                let from = start(centre);
                narrow[row * columns.len() + at] =
                    (from..from + side as isize).map(|x| f64::from(values[repeat(x, self.width)])).sum();
            }
        }
        let mut out = Vec::with_capacity(rows.len() * columns.len());
        for &centre in &rows {
            let from = start(centre);
            for at in 0..columns.len() {
                let sum: f64 =
                    (from..from + side as isize).map(|y| narrow[repeat(y, self.height) * columns.len() + at]).sum();
                out.push((sum / (side * side) as f64) as f32);
            }
        }
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
            for x in 0..width {
                let (left, right) = (mirror(x as isize - 1, width), mirror(x as isize + 1, width));
                across.push(
                    (above[right] - above[left] + 2.0 * (here[right] - here[left]) + below[right] - below[left]) / 8.0,
                );
                down.push(
                    (below[left] - above[left] + 2.0 * (below[x] - above[x]) + below[right] - above[right]) / 8.0,
                );
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

/// An index reflected at the border, the edge repeated: `cba|abc|cba`.
fn repeat(at: isize, length: usize) -> usize {
    let length = length as isize;
    let folded = at.rem_euclid(2 * length);
    (if folded < length { folded } else { 2 * length - 1 - folded }) as usize
}

/// An index reflected at the border, the edge not repeated: `cb|abc|ba`.
fn mirror(at: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let length = length as isize;
    let folded = at.rem_euclid(2 * length - 2);
    (if folded < length { folded } else { 2 * length - 2 - folded }) as usize
}
