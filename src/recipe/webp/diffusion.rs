//! What quantising takes from the mean of a block of chroma is given to the blocks to the right and below before theirs is
//! quantised (`CorrectDCValues` in `quant_enc.c`, up to quality 98). So no mean has a cell of its own: the levels of all
//! together allow a set of means, and what counts is the distance to that.
//!
//! Block by block, as the encoder goes ([`in_order`]), the losses are known for the very picture that was encoded. For one that
//! errs a little the errors of all blocks before add up, to sixteen times a small change of colour; then [`nearest`] looks for
//! the means nearest to it that would have given these levels.

use super::quantise::Cell;

/// The mean of one block of chroma.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mean {
    /// The picture's own.
    pub coefficient: i32,
    /// What its level allows, with the losses of its neighbours added.
    pub cell: Cell,
    /// What a decoder takes for it.
    pub decoded: i32,
}

/// In which a macroblock's blocks come: upper left, upper right, lower left, lower right.
const BLOCKS: usize = 4;
/// Rounds of the search. Most of what can be gained is gained in the first few.
const ROUNDS: usize = 24;

/// How far each mean lies outside, macroblock by macroblock: negative below.
pub(super) type Errors = Vec<[f32; BLOCKS]>;

/// What became of means one after the other.
pub(super) struct Order {
    /// How far outside of its cell each was.
    pub errors: Errors,
    /// What of its cell each reached.
    reached: Vec<f32>,
}

/// Takes means in the encoder's order, macroblock by macroblock, `columns` of them in a row. One that lies outside of its cell
/// loses as much as the nearest one within.
pub(super) fn in_order(means: &[[Mean; BLOCKS]], columns: usize) -> Order {
    let mut order = Order { errors: Vec::with_capacity(means.len()), reached: Vec::new() };
    let mut above = vec![[0; 2]; columns];
    let mut left = [0; 2];
    for (at, blocks) in means.iter().enumerate() {
        if at % columns == 0 {
            left = [0; 2];
        }
        let above = &mut above[at % columns];
        let mut errors = [0.0; BLOCKS];
        let mut lost = |at: usize, above: i32, left: i32| {
            let Mean { coefficient, cell, decoded } = blocks[at];
            let corrected = coefficient + ((7 * above + 8 * left) >> 3);
            errors[at] = cell.beyond(corrected) as f32;
            order.reached.push(cell.nearest(corrected) as f32);
            (cell.nearest(corrected) - decoded) >> 1
        };
        let first = lost(0, above[0], left[0]);
        let second = lost(1, above[1], first);
        let third = lost(2, first, left[1]);
        let fourth = lost(3, second, third);
        left = [second, (3 * fourth) >> 2];
        *above = [third, fourth - left[1]];
        order.errors.push(errors);
    }
    order
}

/// Which blocks get how much of what a block loses: their number, counted from this macroblock's first, and the share.
/// `None` where that is beyond the edge.
fn heirs(at: usize, columns: usize, count: usize) -> [Option<(usize, f32)>; 2] {
    const LEFT: f32 = 1.0;
    const ABOVE: f32 = 7.0 / 8.0;
    let first = at / BLOCKS * BLOCKS;
    let right = (!(first / BLOCKS + 1).is_multiple_of(columns)).then_some(first + BLOCKS);
    let below = Some(first + BLOCKS * columns).filter(|&below| below < count);
    match at % BLOCKS {
        0 => [Some((first + 1, LEFT)), Some((first + 2, ABOVE))],
        1 => [right.map(|right| (right, LEFT)), Some((first + 3, ABOVE))],
        2 => [Some((first + 3, LEFT)), below.map(|below| (below, ABOVE))],
        _ => [right.map(|right| (right + 2, LEFT * 0.75)), below.map(|below| (below + 1, ABOVE * 0.25))],
    }
}

/// How far means lie from those nearest to them that give these levels, all together and by least squares: each corrected mean
/// in turn is moved within its cell to where the errors it has a part in are least. Every round comes nearer, so that an early
/// end finds too much and never too little.
pub(super) fn nearest(means: &[[Mean; BLOCKS]], order: &Order, columns: usize) -> Errors {
    let means: &[Mean] = means.as_flattened();
    let count = means.len();
    let mut reached = order.reached.clone();
    let mut errors = errors_of(means, &reached, columns);
    for round in 0..ROUNDS {
        for step in 0..count {
            let at = if round % 2 == 0 { count - 1 - step } else { step };
            let heirs = heirs(at, columns, count);
            // An error falls as its own corrected mean rises, and those of its heirs rise.
            let (mut slope, mut curvature) = (errors[at], 1.0);
            for (heir, share) in heirs.into_iter().flatten() {
                slope -= errors[heir] * share / 2.0;
                curvature += share * share / 4.0;
            }
            let cell = means[at].cell;
            let moved = (reached[at] + slope / curvature).clamp(f32::from(cell.low), f32::from(cell.high));
            let by = moved - std::mem::replace(&mut reached[at], moved);
            errors[at] -= by;
            for (heir, share) in heirs.into_iter().flatten() {
                errors[heir] += by * share / 2.0;
            }
        }
    }
    errors.as_chunks::<BLOCKS>().0.to_vec()
}

/// By how much means exceed those that would have reached this.
fn errors_of(means: &[Mean], reached: &[f32], columns: usize) -> Vec<f32> {
    // Halves and eighths are rounded down: by a quarter and by 7/16 in the mean.
    const OF_HALVES: f32 = 0.25;
    const OF_EIGHTHS: f32 = 7.0 / 16.0;
    let mut given = vec![None; means.len()];
    for (at, mean) in means.iter().enumerate() {
        let lost = (reached[at] - mean.decoded as f32) / 2.0 - OF_HALVES;
        for (heir, share) in heirs(at, columns, means.len()).into_iter().flatten() {
            *given[heir].get_or_insert(-OF_EIGHTHS) += share * lost;
        }
    }
    let both = means.iter().zip(reached).zip(given);
    both.map(|((mean, reached), given)| mean.coefficient as f32 + given.unwrap_or(0.0) - reached).collect()
}

#[cfg(test)]
mod tests {
    use super::super::quantise::{Kind, cell};
    use super::*;

    const STEP: u16 = 27;
    const COLUMNS: usize = 5;

    /// Levels that the encoder gives these coefficients, as means that hold the same coefficients moved by `by`.
    fn means(coefficients: &[[i32; BLOCKS]], by: i32) -> Vec<[Mean; BLOCKS]> {
        let mut out: Vec<[Mean; BLOCKS]> = Vec::new();
        let free = Cell { low: i16::MIN, high: i16::MAX };
        for blocks in coefficients {
            out.push(blocks.map(|coefficient| Mean { coefficient, cell: free, decoded: 0 }));
            let last = out.len() - 1;
            for at in 0..BLOCKS {
                // With its cell open, a mean reaches what it is after correction.
                let corrected = in_order(&out, COLUMNS).reached[last * BLOCKS + at] as i32;
                let fits = |level: &i16| cell(Kind::Chroma, 0, *level, STEP).beyond(corrected) == 0;
                let level = (-99..99).find(fits).unwrap();
                out[last][at].cell = cell(Kind::Chroma, 0, level, STEP);
                out[last][at].decoded = i32::from(level) * i32::from(STEP);
            }
        }
        out.iter_mut().flatten().for_each(|mean| mean.coefficient += by);
        out
    }

    fn coefficients() -> Vec<[i32; BLOCKS]> {
        (0..COLUMNS as i32 * 8).map(|at| std::array::from_fn(|k| (at * at * 7 + k as i32 * 41) % 127 - 50)).collect()
    }

    fn energy(errors: &Errors) -> f32 {
        errors.iter().flatten().map(|error| error * error).sum()
    }

    #[test]
    fn what_was_encoded_leaves_nothing() {
        let means = means(&coefficients(), 0);
        assert_eq!(energy(&in_order(&means, COLUMNS).errors), 0.0);
    }

    #[test]
    fn a_small_change_everywhere_does_not_add_up() {
        let means = means(&coefficients(), 4);
        let order = in_order(&means, COLUMNS);
        let nearest = energy(&nearest(&means, &order, COLUMNS));
        // The change itself explains the levels, and less may.
        let changed = (means.len() * BLOCKS) as f32 * 16.0;
        assert!(nearest <= changed, "{nearest} {changed}");
        assert!(nearest < energy(&order.errors), "{nearest} {}", energy(&order.errors));
    }

    #[test]
    fn a_large_change_remains() {
        let mut means = means(&coefficients(), 0);
        means[7][2].coefficient += 200;
        let order = in_order(&means, COLUMNS);
        assert!(energy(&nearest(&means, &order, COLUMNS)) > 50.0 * 50.0);
    }
}
