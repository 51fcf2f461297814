//! The margin that some shops put evenly around a picture which is smaller than their thumbnails.

use super::resample::Part;
use crate::decode::Pixels;

/// Levels by which a margin's pixels may differ from its corner: what JPEG leaves of a margin of one colour.
const LEVELS: u8 = 16;
/// Opposite margins may differ by so many pixels: one for halving what is odd, the others for what JPEG blurs.
const UNEVEN_MAX: u32 = 4;
/// A margin is at least so wide, in pixels; a picture inside at least [`INSIDE_MIN`].
const WIDTH_MIN: u32 = 3;
/// See [`WIDTH_MIN`].
const INSIDE_MIN: u32 = 16;

/// What lies within a margin of one colour on all four sides, as wide on the left as on the right, and above as below; nothing
/// where there is no such margin.
pub(super) fn inside(opaque: &Pixels) -> Option<Part> {
    let (width, height) = (opaque.width, opaque.height);
    let at = |x: u32, y: u32| {
        let start = (y as usize * width as usize + x as usize) * 3;
        opaque.rgb.get(start..start + 3)
    };
    let corner = at(0, 0)?;
    let is_margin =
        |x: u32, y: u32| at(x, y).is_some_and(|pixel| pixel.iter().zip(corner).all(|(a, b)| a.abs_diff(*b) <= LEVELS));
    let column = |x: &u32| (0..height).all(|y| is_margin(*x, y));
    let row = |y: &u32| (0..width).all(|x| is_margin(x, *y));
    let left = (0..width).take_while(column).count() as u32;
    if left < WIDTH_MIN || left == width {
        return None;
    }
    let right = (0..width).rev().take_while(column).count() as u32;
    let (above, below) = ((0..height).take_while(row).count() as u32, (0..height).rev().take_while(row).count() as u32);
    let is_even = |one: u32, other: u32| one.min(other) >= WIDTH_MIN && one.abs_diff(other) <= UNEVEN_MAX;
    let (across, down) = (width - left - right, height - above - below);
    let is_framed = is_even(left, right) && is_even(above, below) && across.min(down) >= INSIDE_MIN;
    is_framed.then(|| (f64::from(left), f64::from(above), f64::from(across), f64::from(down)))
}
