//! How a picture may lie in a thumbnail: frames and turns.
//!
//! Shops fit the whole picture, pad it to a shape, or cut the centre to a shape; some ignored the recorded orientation,
//! and customers turn pictures. Plain arithmetic on sizes; no pixels except in [`turn`].

use serde::{Deserialize, Serialize};

/// How the picture fills the thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frame {
    /// The whole picture fills the whole thumbnail.
    Fit,
    /// The whole picture, with a margin on two sides.
    Pad,
    /// The whole picture unscaled, with a margin all round, because it is smaller than the thumbnail.
    PadUnscaled,
    /// The centre of the picture fills the thumbnail.
    Crop,
}

/// One way in which an upright picture lies in a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The kind.
    pub frame: Frame,
    /// Part of the picture that shows: left, top, width, height in its pixels.
    pub source: (f64, f64, f64, f64),
    /// Where it shows in the thumbnail: left, top, width, height in its pixels.
    pub target: (usize, usize, usize, usize),
}

/// A side may differ by this many pixels from an exact fit, because engines round differently.
const ROUNDING: f64 = 1.6;
/// A crop shows at least this part of the picture's longer side; below it, two pictures share too little to compare.
const LEAST_SHOWN: f64 = 0.25;

/// The plausible placements of a picture of `picture` size in a thumbnail of `thumbnail` size.
pub fn placements(thumbnail: (usize, usize), picture: (u32, u32)) -> Vec<Placement> {
    let (tw, th) = (thumbnail.0 as f64, thumbnail.1 as f64);
    let (w, h) = (f64::from(picture.0), f64::from(picture.1));
    if tw < 1.0 || th < 1.0 || w < 1.0 || h < 1.0 {
        return Vec::new();
    }
    let whole = (0.0, 0.0, w, h);
    let inside = |frame, scale: f64| {
        let width = ((w * scale).round() as usize).clamp(1, thumbnail.0);
        let height = ((h * scale).round() as usize).clamp(1, thumbnail.1);
        // An odd margin is halved down by some engines and up by others.
        let halves = |rest: usize| (rest / 2, rest.div_ceil(2));
        let (lefts, tops) = (halves(thumbnail.0 - width), halves(thumbnail.1 - height));
        let at = |left, top| Placement { frame, source: whole, target: (left, top, width, height) };
        let mut both = vec![at(lefts.0, tops.0)];
        if lefts.0 != lefts.1 || tops.0 != tops.1 {
            both.push(at(lefts.1, tops.1));
        }
        both
    };
    let scale = (tw / w).min(th / h);
    let unscaled = || if w + ROUNDING < tw && h + ROUNDING < th { inside(Frame::PadUnscaled, 1.0) } else { Vec::new() };
    if (tw - th * w / h).abs() <= ROUNDING || (th - tw * h / w).abs() <= ROUNDING {
        let fit = Placement { frame: Frame::Fit, source: whole, target: (0, 0, thumbnail.0, thumbnail.1) };
        return [vec![fit], unscaled()].concat();
    }
    let mut out = inside(Frame::Pad, scale);
    out.extend(unscaled());
    let (shown_w, shown_h) = (w.min(h * tw / th), h.min(w * th / tw));
    if shown_w >= LEAST_SHOWN * w && shown_h >= LEAST_SHOWN * h {
        let source = ((w - shown_w) / 2.0, (h - shown_h) / 2.0, shown_w, shown_h);
        out.push(Placement { frame: Frame::Crop, source, target: (0, 0, thumbnail.0, thumbnail.1) });
    }
    out
}

/// `size` after `turn`.
pub fn turned_size((width, height): (u32, u32), turn: u8) -> (u32, u32) {
    if turn % 2 == 1 { (height, width) } else { (width, height) }
}

/// Pixels of `channels` bytes each after `turn`: 0 to 3 are clockwise quarter turns, 4 to 7 the same after mirroring
/// left to right.
pub fn turn<T: Copy>(pixels: &[T], (width, height): (usize, usize), channels: usize, turn: u8) -> Vec<T> {
    if turn == 0 {
        return pixels.to_vec();
    }
    let (to_width, to_height) = if turn % 2 == 1 { (height, width) } else { (width, height) };
    let mut out = Vec::with_capacity(pixels.len());
    for y in 0..to_height {
        for x in 0..to_width {
            let (column, row) = match turn % 4 {
                0 => (x, y),
                1 => (y, height - 1 - x),
                2 => (width - 1 - x, height - 1 - y),
                _ => (width - 1 - y, x),
            };
            let column = if turn >= 4 { width - 1 - column } else { column };
            let at = (row * width + column) * channels;
            out.extend_from_slice(&pixels[at..at + channels]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_aspect_fits_and_nothing_else() {
        let all = placements((200, 150), (4000, 3000));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].frame, Frame::Fit);
    }

    #[test]
    fn a_square_thumbnail_of_a_wide_picture_is_padded_or_cut() {
        let all = placements((100, 100), (400, 200));
        assert_eq!(all.iter().map(|p| p.frame).collect::<Vec<_>>(), [Frame::Pad, Frame::Crop]);
        assert_eq!(all[0].target, (0, 25, 100, 50));
        assert_eq!(all[1].source, (100.0, 0.0, 200.0, 200.0));
    }

    #[test]
    fn a_small_picture_may_lie_unscaled() {
        let all = placements((100, 100), (60, 20));
        let unscaled: Vec<_> = all.iter().filter(|p| p.frame == Frame::PadUnscaled).map(|p| p.target).collect();
        assert_eq!(unscaled, [(20, 40, 60, 20)]);
        let of_its_shape: Vec<_> = placements((100, 100), (60, 60)).iter().map(|p| p.target).collect();
        assert_eq!(of_its_shape, [(0, 0, 100, 100), (20, 20, 60, 60)]);
    }

    #[test]
    fn an_odd_margin_is_halved_both_ways() {
        let tops: Vec<_> = placements((100, 100), (100, 51)).iter().map(|p| p.target.1).collect();
        assert_eq!(tops, [24, 25, 0]);
    }

    #[test]
    fn turns_are_clockwise_after_mirroring() {
        let picture = [1, 2, 3, 4, 5, 6]; // 3 wide, 2 high
        assert_eq!(turn(&picture, (3, 2), 1, 1), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turn(&picture, (3, 2), 1, 2), [6, 5, 4, 3, 2, 1]);
        assert_eq!(turn(&picture, (3, 2), 1, 3), [3, 6, 2, 5, 1, 4]);
        assert_eq!(turn(&picture, (3, 2), 1, 4), [3, 2, 1, 6, 5, 4]);
        assert_eq!(turn(&picture, (3, 2), 1, 5), [6, 3, 5, 2, 4, 1]);
    }
}
