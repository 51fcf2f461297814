//! Which source samples make one target sample, with what weights; and the two passes that apply them.
//!
//! Every resampler that works row by row and column by column is a list of [`Tap`]s for each axis and a rule of rounding.
//! The lists come from `pillow`, `magick` and `kernel`, each with its own arithmetic of centres and edges.

/// The weights of one target sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Tap<W> {
    /// The first source sample.
    pub first: usize,
    /// The weights of it and of those behind it.
    pub weights: Vec<W>,
}

/// Samples of several channels, interleaved, rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid<T> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Channels of a sample.
    pub channels: usize,
    /// The samples.
    pub values: Vec<T>,
}

impl<T: Copy> Grid<T> {
    /// The values of one row.
    pub fn row(&self, y: usize) -> &[T] {
        &self.values[y * self.width * self.channels..][..self.width * self.channels]
    }

    /// Every value changed by `change`.
    pub fn map<U>(&self, change: impl FnMut(&T) -> U) -> Grid<U> {
        let Grid { width, height, channels, .. } = *self;
        Grid { width, height, channels, values: self.values.iter().map(change).collect() }
    }
}

/// A sample type that can be weighed into an f32.
pub trait Level: Copy {
    /// Its value.
    fn level(self) -> f32;
}

impl Level for u8 {
    fn level(self) -> f32 {
        f32::from(self)
    }
}

impl Level for f32 {
    fn level(self) -> f32 {
        self
    }
}

/// Each target row as the weighted sum of source rows; `finish` rounds or clamps.
pub fn vertical<T: Level>(from: &Grid<T>, taps: &[Tap<f32>], finish: impl Fn(f32) -> f32) -> Grid<f32> {
    let length = from.width * from.channels;
    let mut values = Vec::with_capacity(taps.len() * length);
    let mut sums = vec![0f32; length];
    for tap in taps {
        sums.fill(0.0);
        for (at, &weight) in tap.weights.iter().enumerate() {
            for (sum, &value) in sums.iter_mut().zip(from.row(tap.first + at)) {
                *sum += weight * value.level();
            }
        }
        values.extend(sums.iter().map(|&sum| finish(sum)));
    }
    Grid { width: from.width, height: taps.len(), channels: from.channels, values }
}

/// Each target column as the weighted sum of source columns; `finish` rounds or clamps.
pub fn horizontal<T: Level>(from: &Grid<T>, taps: &[Tap<f32>], finish: impl Fn(f32) -> f32) -> Grid<f32> {
    match from.channels {
        3 => across::<T, 3>(from, taps, finish),
        4 => across::<T, 4>(from, taps, finish),
        _ => across::<T, 1>(from, taps, finish),
    }
}

fn across<T: Level, const C: usize>(from: &Grid<T>, taps: &[Tap<f32>], finish: impl Fn(f32) -> f32) -> Grid<f32> {
    let mut values = Vec::with_capacity(taps.len() * from.height * C);
    // One row as groups of four lanes, so that the sum of all channels is one instruction.
    let mut row = vec![[0f32; 4]; from.width];
    for y in 0..from.height {
        for (into, pixel) in row.iter_mut().zip(from.row(y).as_chunks::<C>().0) {
            for c in 0..C {
                into[c] = pixel[c].level();
            }
        }
        for tap in taps {
            let mut sum = [0f32; 4];
            for (&weight, pixel) in tap.weights.iter().zip(&row[tap.first..]) {
                for lane in 0..4 {
                    sum[lane] += weight * pixel[lane];
                }
            }
            values.extend(sum[..C].iter().map(|&sum| finish(sum)));
        }
    }
    Grid { width: taps.len(), height: from.height, channels: C, values }
}
