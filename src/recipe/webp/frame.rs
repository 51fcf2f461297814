//! A key frame of VP8 taken apart (RFC 6386, sections 11 to 14): what was predicted for each block, and which levels its
//! file holds for the difference.
//!
//! Blocks are predicted from what was reconstructed before them, so everything is reconstructed; the loop filter comes after
//! and is left out.

use super::bits::Bits;
use super::header::{self, Header, Steps};
use super::intra::{Plane, sub};
use super::tables::{
    BANDS, CATEGORIES, END, Probabilities, SEGMENT_TREE, SUB_TREE, SUBS, Sub, TOKEN_TREE, Whole, ZIGZAG,
};
use super::transform::{Block, inverse, inverse_means};

/// The levels of one block of 4x4, in natural order.
pub(super) type Levels = [i16; 16];

/// 16x16 luma samples and what belongs to them.
pub(super) struct Macroblock {
    pub steps: Steps,
    /// The levels of the sixteen blocks' means, where luma was predicted as a whole; those of the blocks then lack theirs.
    pub means: Option<Levels>,
    /// Luma block by block, row by row.
    pub luma: [Levels; 16],
    /// Blue, then red chroma, four blocks each.
    pub chroma: [Levels; 8],
    /// What was predicted for each block, luma and then chroma.
    pub predicted: Box<[[u8; 16]; 24]>,
}

/// A key frame.
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    /// Row by row.
    pub macroblocks: Vec<Macroblock>,
}

/// Takes a `VP8 ` chunk apart; nothing where it is damaged, no key frame, or larger than `pixels_max`. With it, luma, blue and
/// red chroma as reconstructed, in whole macroblocks.
pub(super) fn read(chunk: &[u8], pixels_max: usize) -> Option<(Frame, [Plane; 3])> {
    let mut header = header::read(chunk, pixels_max)?;
    let (columns, rows) = (header.width.div_ceil(16), header.height.div_ceil(16));
    let mut planes = [1, 2, 2].map(|by| Plane::new(columns * 16 / by, rows * 16 / by));
    let mut above = vec![Context::default(); columns];
    let mut macroblocks = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        let mut left = Context::default();
        for (column, above) in above.iter_mut().enumerate() {
            let (modes, tokens) = read_macroblock(&mut header, row, above, &mut left);
            macroblocks.push(reconstruct(&mut planes, (column, row), modes, tokens));
        }
        // Told here and not at the end, so that a short file does not cost a long time.
        let count = header.partitions.len();
        if header.modes.is_overrun() || header.partitions[row % count].is_overrun() {
            return None;
        }
    }
    Some((Frame { width: header.width, height: header.height, macroblocks }, planes))
}

/// What a macroblock leaves for the one beside or below it.
#[derive(Clone, Copy)]
struct Context {
    /// The modes of its blocks at that edge, by number.
    modes: [usize; 4],
    /// Whether blocks at that edge have levels: four of luma, two of each chroma, the means.
    levels: [bool; 9],
}

impl Default for Context {
    fn default() -> Self {
        Context { modes: [Sub::Dc as usize; 4], levels: [false; 9] }
    }
}

enum Luma {
    Whole(Whole),
    Subs([Sub; 16]),
}

struct Modes {
    luma: Luma,
    chroma: Whole,
}

struct Tokens {
    steps: Steps,
    means: Levels,
    luma: [Levels; 16],
    chroma: [Levels; 8],
}

fn read_macroblock(header: &mut Header, row: usize, above: &mut Context, left: &mut Context) -> (Modes, Tokens) {
    let bits = &mut header.modes;
    let segment = header.segments.map_or(0, |probabilities| bits.leaf(&SEGMENT_TREE, &probabilities, 0));
    let is_empty = header.skipping.is_some_and(|probability| bits.bool(probability));
    let modes = read_modes(bits, &mut above.modes, &mut left.modes);
    let mut tokens = Tokens { steps: header.steps[segment], means: [0; 16], luma: [[0; 16]; 16], chroma: [[0; 16]; 8] };
    let is_whole = matches!(modes.luma, Luma::Whole(_));
    let count = header.partitions.len();
    let bits = &mut header.partitions[row % count];
    if is_empty {
        // The means are as they were where this macroblock has none.
        let kept = if is_whole { 9 } else { 8 };
        above.levels[..kept].fill(false);
        left.levels[..kept].fill(false);
    } else {
        read_tokens(bits, &header.probabilities, is_whole, &mut above.levels, &mut left.levels, &mut tokens);
    }
    (modes, tokens)
}

/// Section 11.2 and 11.4.
fn read_modes(bits: &mut Bits, above: &mut [usize; 4], left: &mut [usize; 4]) -> Modes {
    let luma = if bits.bool(145) {
        let mode = match bits.bool(156) {
            false => [Whole::Dc, Whole::Vertical][usize::from(bits.bool(163))],
            true => [Whole::Horizontal, Whole::TrueMotion][usize::from(bits.bool(128))],
        };
        // What a neighbour takes this for when it reads modes of its blocks.
        let as_sub = match mode {
            Whole::Dc => Sub::Dc,
            Whole::Vertical => Sub::Vertical,
            Whole::Horizontal => Sub::Horizontal,
            Whole::TrueMotion => Sub::TrueMotion,
        };
        above.fill(as_sub as usize);
        left.fill(as_sub as usize);
        Luma::Whole(mode)
    } else {
        Luma::Subs(std::array::from_fn(|at| {
            let (above, left) = (&mut above[at % 4], &mut left[at / 4]);
            let mode = bits.leaf(&SUB_TREE, &SUBS[*above][*left], 0);
            (*above, *left) = (mode, mode);
            Sub::ALL[mode]
        }))
    };
    let chroma = if !bits.bool(142) {
        Whole::Dc
    } else if !bits.bool(114) {
        Whole::Vertical
    } else if !bits.bool(183) {
        Whole::Horizontal
    } else {
        Whole::TrueMotion
    };
    Modes { luma, chroma }
}

/// Section 13: levels of all blocks, in the file's order.
fn read_tokens(
    bits: &mut Bits,
    probabilities: &Probabilities,
    is_whole: bool,
    above: &mut [bool; 9],
    left: &mut [bool; 9],
    tokens: &mut Tokens,
) {
    let mut read = |kind: Kind, above: &mut bool, left: &mut bool, levels: &mut Levels| {
        let has_levels = read_levels(bits, probabilities, kind, usize::from(*above) + usize::from(*left), levels);
        (*above, *left) = (has_levels, has_levels);
    };
    if is_whole {
        read(Kind::Means, &mut above[8], &mut left[8], &mut tokens.means);
    }
    let kind = if is_whole { Kind::LumaWithoutMean } else { Kind::Luma };
    for (at, levels) in tokens.luma.iter_mut().enumerate() {
        read(kind, &mut above[at % 4], &mut left[at / 4], levels);
    }
    for (at, levels) in tokens.chroma.iter_mut().enumerate() {
        let channel = 4 + at / 4 * 2;
        read(Kind::Chroma, &mut above[channel + at % 2], &mut left[channel + at % 4 / 2], levels);
    }
}

/// The kinds of blocks, in the order of their probabilities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    LumaWithoutMean,
    Means,
    Chroma,
    Luma,
}

/// The levels of one block; `context` counts the neighbours that have some. Returns whether it has any token but the end.
fn read_levels(bits: &mut Bits, all: &Probabilities, kind: Kind, context: usize, levels: &mut Levels) -> bool {
    let first = usize::from(kind == Kind::LumaWithoutMean);
    let (mut context, mut after_zero) = (context, false);
    for place in first..16 {
        let probabilities = &all[((kind as usize * 8 + BANDS[place]) * 3 + context) * 11..][..11];
        // No block ends with a zero, so the end is not asked for behind one.
        let token = bits.leaf(&TOKEN_TREE, probabilities, if after_zero { 2 } else { 0 });
        if token == END as usize {
            return place > first;
        }
        after_zero = token == 0;
        context = token.min(2);
        if token == 0 {
            continue;
        }
        let magnitude = match token.checked_sub(5) {
            None => token as i16,
            Some(category) => {
                let (smallest, extra) = CATEGORIES[category];
                smallest + extra.iter().fold(0, |sum, &probability| sum << 1 | i16::from(bits.bool(probability)))
            }
        };
        levels[ZIGZAG[place]] = if bits.flag() { -magnitude } else { magnitude };
    }
    true
}

fn scaled(levels: &Levels, (mean, others): (u16, u16)) -> Block {
    std::array::from_fn(|k| i32::from(levels[k]) * i32::from(if k == 0 { mean } else { others }))
}

/// Predicts a macroblock and adds what its file holds.
fn reconstruct(planes: &mut [Plane; 3], (column, row): (usize, usize), modes: Modes, tokens: Tokens) -> Macroblock {
    let Tokens { steps, means, luma, chroma } = tokens;
    let mut predicted = Box::new([[0; 16]; 24]);
    let [y, channels @ ..] = planes;
    let place = |at: usize| (column * 16 + at % 4 * 4, row * 16 + at / 4 * 4);
    match &modes.luma {
        Luma::Whole(mode) => {
            let whole = y.whole(*mode, (column * 16, row * 16), 16);
            let means = inverse_means(&scaled(&means, steps.means));
            for at in 0..16 {
                predicted[at] = cut(&whole, 16, (at % 4 * 4, at / 4 * 4));
                let mut coefficients = scaled(&luma[at], steps.luma);
                coefficients[0] = means[at];
                y.put(place(at), &predicted[at].map(i32::from), &inverse(&coefficients));
            }
        }
        Luma::Subs(subs) => {
            for at in 0..16 {
                predicted[at] = sub(subs[at], &y.edge(place(at)));
                y.put(place(at), &predicted[at].map(i32::from), &inverse(&scaled(&luma[at], steps.luma)));
            }
        }
    }
    for (channel, plane) in channels.iter_mut().enumerate() {
        let whole = plane.whole(modes.chroma, (column * 8, row * 8), 8);
        for at in 0..4 {
            let (x, y) = (at % 2 * 4, at / 2 * 4);
            let number = channel * 4 + at;
            let block = &mut predicted[16 + number];
            *block = cut(&whole, 8, (x, y));
            let residue = inverse(&scaled(&chroma[number], steps.chroma));
            plane.put((column * 8 + x, row * 8 + y), &block.map(i32::from), &residue);
        }
    }
    let means = matches!(modes.luma, Luma::Whole(_)).then_some(means);
    Macroblock { steps, means, luma, chroma, predicted }
}

/// A block of 4x4 out of a square of `size`.
fn cut(square: &[u8], size: usize, (left, top): (usize, usize)) -> [u8; 16] {
    std::array::from_fn(|at| square[(top + at / 4) * size + left + at % 4])
}
