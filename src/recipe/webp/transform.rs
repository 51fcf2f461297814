//! The transforms of 4x4 blocks: the decoder's, which RFC 6386 prescribes to the bit (sections 14.3 and 14.4), and those of
//! libwebp's encoder (`FTransform`, `FTransformWHT`), whose rounding decides which level a coefficient gets.

/// Sixteen values, row by row.
pub(super) type Block = [i32; 16];

/// How much larger than those of an orthonormal transform the encoder's coefficients are.
pub(super) const GAIN: f32 = 2.0;
/// The same for what the second transform makes of sixteen means, against an orthonormal transform of those.
pub(super) const MEANS_GAIN: f32 = 2.0;

fn mul(a: i32, b: i64) -> i32 {
    ((i64::from(a) * b) >> 16) as i32
}

/// What a block's coefficients add to its prediction.
pub(super) fn inverse(block: &Block) -> Block {
    // cos(pi/8) and sin(pi/8), times the root of two, in 16 bits of fraction.
    let butterfly = |i: [i32; 4]| {
        let (a, b) = (i[0] + i[2], i[0] - i[2]);
        let c = mul(i[1], 35_468) - i[3] - mul(i[3], 20_091);
        let d = i[1] + mul(i[1], 20_091) + mul(i[3], 35_468);
        [a + d, b + c, b - c, a - d]
    };
    let mut half = [0; 16];
    for x in 0..4 {
        let column = butterfly([block[x], block[4 + x], block[8 + x], block[12 + x]]);
        (0..4).for_each(|y| half[y * 4 + x] = column[y]);
    }
    let mut out = [0; 16];
    for (row, into) in half.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        *into = butterfly(*row).map(|sum| (sum + 4) >> 3);
    }
    out
}

/// The means of sixteen blocks from their own coefficients.
pub(super) fn inverse_means(block: &Block) -> Block {
    let butterfly = |i: [i32; 4]| {
        let (a, b, c, d) = (i[0] + i[3], i[1] + i[2], i[1] - i[2], i[0] - i[3]);
        [a + b, c + d, a - b, d - c]
    };
    let mut half = [0; 16];
    for x in 0..4 {
        let column = butterfly([block[x], block[4 + x], block[8 + x], block[12 + x]]);
        (0..4).for_each(|y| half[y * 4 + x] = column[y]);
    }
    let mut out = [0; 16];
    for (row, into) in half.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        *into = butterfly(*row).map(|sum| (sum + 3) >> 3);
    }
    out
}

/// The coefficients of a difference between source and prediction.
pub(super) fn forward(difference: &Block) -> Block {
    let mut half = [0; 16];
    for (d, into) in difference.as_chunks::<4>().0.iter().zip(half.as_chunks_mut::<4>().0) {
        let (a0, a1, a2, a3) = (d[0] + d[3], d[1] + d[2], d[1] - d[2], d[0] - d[3]);
        *into = [(a0 + a1) * 8, (a2 * 2217 + a3 * 5352 + 1812) >> 9, (a0 - a1) * 8, (a3 * 2217 - a2 * 5352 + 937) >> 9];
    }
    let mut out = [0; 16];
    for x in 0..4 {
        let (a0, a1) = (half[x] + half[12 + x], half[4 + x] + half[8 + x]);
        let (a2, a3) = (half[4 + x] - half[8 + x], half[x] - half[12 + x]);
        out[x] = (a0 + a1 + 7) >> 4;
        out[4 + x] = ((a2 * 2217 + a3 * 5352 + 12_000) >> 16) + i32::from(a3 != 0);
        out[8 + x] = (a0 - a1 + 7) >> 4;
        out[12 + x] = (a3 * 2217 - a2 * 5352 + 51_000) >> 16;
    }
    out
}

/// The coefficients of the means of sixteen blocks.
pub(super) fn forward_means(means: &Block) -> Block {
    let butterfly = |i: [i32; 4]| {
        let (a0, a1, a2, a3) = (i[0] + i[2], i[1] + i[3], i[1] - i[3], i[0] - i[2]);
        [a0 + a1, a3 + a2, a3 - a2, a0 - a1]
    };
    let mut half = [0; 16];
    for (row, into) in means.as_chunks::<4>().0.iter().zip(half.as_chunks_mut::<4>().0) {
        *into = butterfly(*row);
    }
    let mut out = [0; 16];
    for x in 0..4 {
        let column = butterfly([half[x], half[4 + x], half[8 + x], half[12 + x]]);
        (0..4).for_each(|y| out[y * 4 + x] = column[y] >> 1);
    }
    out
}

/// Sixteen errors of coefficients of means, spread over the blocks whose means they are: an orthonormal transform, so that the
/// sum of squares stays.
pub(super) fn spread(errors: &[f32; 16]) -> [f32; 16] {
    let butterfly = |i: [f32; 4]| {
        let (a, b, c, d) = (i[0] + i[3], i[1] + i[2], i[1] - i[2], i[0] - i[3]);
        [a + b, c + d, a - b, d - c]
    };
    let mut half = [0.0; 16];
    for x in 0..4 {
        let column = butterfly([errors[x], errors[4 + x], errors[8 + x], errors[12 + x]]);
        (0..4).for_each(|y| half[y * 4 + x] = column[y]);
    }
    let mut out = [0.0; 16];
    for (row, into) in half.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        *into = butterfly(*row).map(|sum| sum / 4.0);
    }
    out
}
