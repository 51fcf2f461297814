//! Which coefficients libwebp's encoder makes a level of (`quant_enc.c`, `QuantizeBlock`, as method 4 has it, which is what
//! every thumbnailer takes unless told otherwise; the slower methods weigh levels against bits and move some by one).

/// The coefficients of one level: from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub low: i16,
    pub high: i16,
}

/// What is quantised, and so how its levels are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blocks of luma.
    Luma,
    /// The means of sixteen of them.
    Means,
    /// Blocks of chroma.
    Chroma,
}

impl Kind {
    /// How much is added before a level is rounded down, in parts of 256: for the mean, and for the others.
    fn bias(self) -> [i64; 2] {
        match self {
            Kind::Luma => [96, 110],
            Kind::Means => [96, 108],
            Kind::Chroma => [110, 115],
        }
    }
}

/// High frequencies of luma are raised by this, times the step, in parts of 2048.
const SHARPENING: [i64; 16] = [0, 30, 60, 90, 30, 60, 90, 90, 60, 90, 90, 90, 90, 90, 90, 90];
/// The encoder writes no larger level.
const LEVEL_MAX: i64 = 2047;
/// Fractions of levels have so many bits.
const BITS: i64 = 17;

/// The cell of `level` at place `k` of a block with this step.
pub(super) fn cell(kind: Kind, k: usize, level: i16, step: u16) -> Cell {
    let step = i64::from(step);
    let (inverse, bias) = ((1 << BITS) / step, kind.bias()[usize::from(k > 0)] << (BITS - 8));
    let sharpening = if kind == Kind::Luma { (SHARPENING[k] * step) >> 11 } else { 0 };
    let magnitude = i64::from(level).abs();
    // The smallest coefficient that reaches a level.
    let reaching = |level: i64| ((level << BITS) - bias + inverse - 1) / inverse - sharpening;
    let beyond = if magnitude < LEVEL_MAX { reaching(magnitude + 1) } else { i64::MAX };
    let (low, high) = match level.signum() {
        0 => (1 - beyond, beyond - 1),
        1 => (reaching(magnitude), beyond - 1),
        _ => (1 - beyond, -reaching(magnitude)),
    };
    let held = |bound: i64| bound.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
    Cell { low: held(low), high: held(high) }
}

impl Cell {
    /// How far a coefficient lies outside: negative below.
    pub(super) fn beyond(self, coefficient: i32) -> i32 {
        coefficient - self.nearest(coefficient)
    }

    /// What of the cell is nearest to a coefficient.
    pub(super) fn nearest(self, coefficient: i32) -> i32 {
        coefficient.clamp(i32::from(self.low), i32::from(self.high))
    }
}
