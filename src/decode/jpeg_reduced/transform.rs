//! libjpeg's reduced inverse transforms (jidctred.c): 8 x 8 coefficients to 4 x 4, 2 x 2 or one sample, to the bit.

/// The largest side that is made here.
pub(super) const LARGEST: usize = 4;

/// The sum of a block's magnitudes up to which no number here exceeds 32 bits. A picture's levels give 8,192 at most, and
/// quantisation adds little.
pub(super) const MAGNITUDE_MAX: u64 = 12_000;

/// Makes `side` x `side` samples of a block's coefficients, times their steps, row by row; the first goes to the beginning
/// of `out`, whose rows are `stride` long.
#[inline(always)]
pub(super) fn transform(block: &[i32; 64], side: usize, out: &mut [u8], stride: usize) {
    match side {
        1 => out[0] = level(block[0], 3),
        2 => {
            for (row, levels) in two(block).into_iter().enumerate() {
                out[row * stride..][..2].copy_from_slice(&levels);
            }
        }
        _ => {
            for (row, levels) in four(block).into_iter().enumerate() {
                out[row * stride..][..4].copy_from_slice(&levels);
            }
        }
    }
}

/// A sample of a number with so many bits behind the point: around the middle grey, impossible values wrapped as libjpeg
/// wraps them.
#[inline(always)]
pub(super) fn level(value: i32, bits: u32) -> u8 {
    let rounded = descale(value, bits);
    (((rounded + 512) & 1023) - 512 + 128).clamp(0, 255) as u8
}

#[inline(always)]
fn descale(value: i32, bits: u32) -> i32 {
    value.wrapping_add(1 << (bits - 1)) >> bits
}

// Loops over plain numbers from here on: they become vector instructions, which closures over arrays do not.

/// One line, before rounding.
#[inline(always)]
fn two_of(dc: i32, f1: i32, f3: i32, f5: i32, f7: i32) -> [i32; 2] {
    let even = dc << 15;
    let odd = f1 * 29_692 - f3 * 10_426 + f5 * 6_967 - f7 * 5_906;
    [even.wrapping_add(odd), even.wrapping_sub(odd)]
}

#[inline(always)]
fn two(block: &[i32; 64]) -> [[u8; 2]; 2] {
    let mut lines = [[0; 8]; 2];
    for x in 0..8 {
        let [upper, lower] = two_of(block[x], block[8 + x], block[24 + x], block[40 + x], block[56 + x]);
        lines[0][x] = descale(upper, 13);
        lines[1][x] = descale(lower, 13);
    }
    let mut out = [[0; 2]; 2];
    for (out, line) in out.iter_mut().zip(&lines) {
        let [left, right] = two_of(line[0], line[1], line[3], line[5], line[7]);
        *out = [level(left, 20), level(right, 20)];
    }
    out
}

/// One line, before rounding.
#[inline(always)]
fn four_of(dc: i32, f1: i32, f2: i32, f3: i32, [f5, f6, f7]: [i32; 3]) -> [i32; 4] {
    let even = f2 * 15_137 - f6 * 6_270;
    let (outer, inner) = ((dc << 14).wrapping_add(even), (dc << 14).wrapping_sub(even));
    let odd_inner = f1 * 8_697 - f3 * 17_799 + f5 * 11_893 - f7 * 1_730;
    let odd_outer = f1 * 20_995 + f3 * 7_373 - f5 * 4_926 - f7 * 4_176;
    [
        outer.wrapping_add(odd_outer),
        inner.wrapping_add(odd_inner),
        inner.wrapping_sub(odd_inner),
        outer.wrapping_sub(odd_outer),
    ]
}

#[inline(always)]
fn four(block: &[i32; 64]) -> [[u8; 4]; 4] {
    let mut lines = [[0; 8]; 4];
    for x in 0..8 {
        let late = [block[40 + x], block[48 + x], block[56 + x]];
        let [a, b, c, d] = four_of(block[x], block[8 + x], block[16 + x], block[24 + x], late);
        lines[0][x] = descale(a, 12);
        lines[1][x] = descale(b, 12);
        lines[2][x] = descale(c, 12);
        lines[3][x] = descale(d, 12);
    }
    let mut out = [[0; 4]; 4];
    for (out, line) in out.iter_mut().zip(&lines) {
        let [a, b, c, d] = four_of(line[0], line[1], line[2], line[3], [line[5], line[6], line[7]]);
        *out = [level(a, 19), level(b, 19), level(c, 19), level(d, 19)];
    }
    out
}
