//! Prediction of blocks from what lies above and to the left of them (RFC 6386, section 12).

use super::tables::{Sub, Whole};

/// One channel as a decoder reconstructs it, before any loop filter, with the border that predictions read: one row above,
/// one column to the left.
pub(super) struct Plane {
    /// Columns, without the border.
    width: usize,
    samples: Vec<u8>,
}

/// What is above the first row and to the left of the first column (section 12.2).
const ABOVE: u8 = 127;
const LEFT: u8 = 129;

impl Plane {
    pub(super) fn new(width: usize, height: usize) -> Plane {
        let mut samples = vec![0; (width + 1) * (height + 1)];
        samples[..=width].fill(ABOVE);
        samples.chunks_mut(width + 1).skip(1).for_each(|row| row[0] = LEFT);
        Plane { width, samples }
    }

    /// The samples of row `y` from column `x`, where 0 is the border.
    pub(super) fn bordered(&self, x: usize, y: usize) -> &[u8] {
        &self.samples[y * (self.width + 1) + x..][..self.width + 1 - x]
    }

    fn row_mut(&mut self, y: usize) -> &mut [u8] {
        let start = (y + 1) * (self.width + 1) + 1;
        &mut self.samples[start..start + self.width]
    }

    /// The sum of prediction and residue of the block of 4x4 at this place.
    pub(super) fn put(&mut self, (left, top): (usize, usize), predicted: &[i32; 16], residue: &[i32; 16]) {
        for y in 0..4 {
            let row = &mut self.row_mut(top + y)[left..left + 4];
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = (predicted[y * 4 + x] + residue[y * 4 + x]).clamp(0, 255) as u8;
            }
        }
    }

    /// Predicts the square of this size (16 luma, 8 chroma) at this place, row by row.
    pub(super) fn whole(&self, mode: Whole, (left, top): (usize, usize), size: usize) -> Vec<u8> {
        let above = &self.bordered(left + 1, top)[..size];
        let beside: Vec<u8> = (0..size).map(|y| self.bordered(left, top + 1 + y)[0]).collect();
        let corner = i32::from(self.bordered(left, top)[0]);
        let sum = |edge: &[u8]| edge.iter().map(|&sample| u32::from(sample)).sum::<u32>();
        let count = size as u32;
        let mean = match (top > 0, left > 0) {
            (true, true) => (sum(above) + sum(&beside) + count) / (2 * count),
            (true, false) => (sum(above) + count / 2) / count,
            (false, true) => (sum(&beside) + count / 2) / count,
            (false, false) => 128,
        } as u8;
        let level = |y: usize, x: usize| match mode {
            Whole::Dc => mean,
            Whole::Vertical => above[x],
            Whole::Horizontal => beside[y],
            Whole::TrueMotion => (i32::from(beside[y]) + i32::from(above[x]) - corner).clamp(0, 255) as u8,
        };
        (0..size).flat_map(|y| (0..size).map(move |x| (y, x))).map(|(y, x)| level(y, x)).collect()
    }

    /// The samples around the block of 4x4 at this place: from the lower left upwards, the corner, then eight to the right.
    pub(super) fn edge(&self, (left, top): (usize, usize)) -> [u8; 13] {
        let mut edge = [0; 13];
        for (y, sample) in edge[..4].iter_mut().rev().enumerate() {
            *sample = self.bordered(left, top + 1 + y)[0];
        }
        edge[4..9].copy_from_slice(&self.bordered(left, top)[..5]);
        edge[9..].copy_from_slice(&self.beyond((left, top)));
        edge
    }

    /// The four samples above and to the right of a block. Blocks at the right of a macroblock take what lies above the next
    /// macroblock; at the right of the picture the last sample above is repeated, in the first row the border.
    fn beyond(&self, (left, top): (usize, usize)) -> [u8; 4] {
        let row = if left % 16 == 12 { top / 16 * 16 } else { top };
        let above = self.bordered(left + 1, row);
        match above.get(4..8) {
            Some(samples) => [samples[0], samples[1], samples[2], samples[3]],
            None => [above[3]; 4],
        }
    }
}

fn mean_2(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

fn mean_3(a: u8, b: u8, c: u8) -> u8 {
    ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) >> 2) as u8
}

/// Predicts a block of 4x4 from its [`Plane::edge`] (section 12.3).
pub(super) fn sub(mode: Sub, e: &[u8; 13]) -> [u8; 16] {
    // Along the edge, two or three samples from the `i`-th on.
    let two = |i: usize| mean_2(e[i], e[i + 1]);
    let three = |i: usize| mean_3(e[i], e[i + 1], e[i + 2]);
    let by = |level: &dyn Fn(usize, usize) -> u8| std::array::from_fn(|at| level(at / 4, at % 4));
    match mode {
        Sub::Dc => {
            let sum: u32 = e[..4].iter().chain(&e[5..9]).map(|&sample| u32::from(sample)).sum();
            [((sum + 4) >> 3) as u8; 16]
        }
        Sub::TrueMotion => {
            by(&|y, x| (i32::from(e[3 - y]) + i32::from(e[5 + x]) - i32::from(e[4])).clamp(0, 255) as u8)
        }
        Sub::Vertical => by(&|_, x| three(4 + x)),
        Sub::Horizontal => by(&|y, _| if y == 3 { mean_3(e[1], e[0], e[0]) } else { three(2 - y) }),
        Sub::LeftDown => by(&|y, x| if x + y == 6 { mean_3(e[11], e[12], e[12]) } else { three(5 + x + y) }),
        Sub::RightDown => by(&|y, x| three(3 + x - y)),
        Sub::VerticalRight => by(&|y, x| match (y, x) {
            (3, 0) => three(1),
            (2, 0) => three(2),
            (0 | 2, x) => two(4 + x - y / 2),
            (_, x) => three(3 + x - y / 2),
        }),
        Sub::VerticalLeft => by(&|y, x| match (y, x) {
            (2, 3) => three(9),
            (3, 3) => three(10),
            (0 | 2, x) => two(5 + x + y / 2),
            (_, x) => three(5 + x + y / 2),
        }),
        Sub::HorizontalDown => by(&|y, x| match (y, x) {
            (0, 3) => three(5),
            (0, 2) => three(4),
            (y, 0 | 2) => two(3 + x / 2 - y),
            (y, _) => three(3 + x / 2 - y),
        }),
        Sub::HorizontalUp => by(&|y, x| match x + 2 * y {
            at @ (0 | 2 | 4) => two(2 - at / 2),
            5 => mean_3(e[1], e[0], e[0]),
            at @ (1 | 3) => three(1 - at / 2),
            _ => e[0],
        }),
    }
}
