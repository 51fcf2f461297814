//! Where a picture lies in a thumbnail: each engine's own arithmetic of fitting, padding and cutting.
//!
//! Sizes in, rectangles out; no pixels. A picture that is not quite of the original's size (a smaller copy) may still
//! fill the thumbnail it would have made; how far that goes is decided here too.

use serde::{Deserialize, Serialize};

/// How a picture fills a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// The whole picture is the whole thumbnail.
    Fit,
    /// The whole picture with margins.
    Pad,
    /// The centre is cut out and then brought to size.
    CutThenScale,
    /// The picture is brought to a size that covers the thumbnail, then its centre is cut out.
    ScaleThenCut,
}

impl Frame {
    /// All of them.
    pub const ALL: [Frame; 4] = [Frame::Fit, Frame::Pad, Frame::CutThenScale, Frame::ScaleThenCut];
}

/// Whose arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// Rounds halves up, never enlarges, an odd margin is smaller on the left.
    Php,
    /// Rounds halves to even, never enlarges, an odd margin is smaller on the left.
    Python,
    /// Rounds halves up, enlarges, the margin is the difference of halves.
    Magick,
    /// One factor for both sides, enlarges, an odd margin is rounded to even.
    Vips,
}

/// One way in which a picture lies in a thumbnail, in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Placement {
    /// The part of the picture that is used: left, top, width, height.
    pub part: (usize, usize, usize, usize),
    /// The size to which that part is brought.
    pub scaled: (usize, usize),
    /// The left and top of what is cut out of that, when it is larger than the thumbnail.
    pub cut: (usize, usize),
    /// Where it lies in the thumbnail, when it is smaller.
    pub at: (usize, usize),
}

/// A side of a fitted thumbnail may differ by so much from the exact quotient, in pixels: rounding, and a copy whose own
/// sides were rounded.
const ROUNDING: f64 = 1.0;

/// How a picture of `size` lies in a thumbnail of `thumbnail` size; nothing if it cannot.
pub(super) fn place(
    frame: Frame,
    arithmetic: Arithmetic,
    size: (usize, usize),
    thumbnail: (usize, usize),
) -> Option<Placement> {
    let (w, h) = (size.0 as f64, size.1 as f64);
    let (tw, th) = (thumbnail.0 as f64, thumbnail.1 as f64);
    let whole = (0, 0, size.0, size.1);
    let plain = Placement { part: whole, scaled: thumbnail, cut: (0, 0), at: (0, 0) };
    match frame {
        Frame::Fit => {
            let fits = (tw - th * w / h).abs() <= ROUNDING || (th - tw * h / w).abs() <= ROUNDING;
            (fits && tw <= w && th <= h).then_some(plain)
        }
        Frame::Pad => {
            let scale = (tw / w).min(th / h);
            let scale = if arithmetic.enlarges() { scale } else { scale.min(1.0) };
            let scaled = (arithmetic.round(w * scale, thumbnail.0), arithmetic.round(h * scale, thumbnail.1));
            let at = (arithmetic.margin(thumbnail.0, scaled.0), arithmetic.margin(thumbnail.1, scaled.1));
            Some(Placement { scaled, at, ..plain })
        }
        Frame::CutThenScale => {
            let part = ((h * tw / th).round().min(w), (w * th / tw).round().min(h));
            let part = (part.0.max(1.0) as usize, part.1.max(1.0) as usize);
            let corner = ((size.0 - part.0) / 2, (size.1 - part.1) / 2);
            let larger = part.0 >= thumbnail.0 && part.1 >= thumbnail.1;
            larger.then_some(Placement { part: (corner.0, corner.1, part.0, part.1), ..plain })
        }
        Frame::ScaleThenCut => {
            let scale = (tw / w).max(th / h);
            let scaled = (arithmetic.round(w * scale, usize::MAX), arithmetic.round(h * scale, usize::MAX));
            let cut = (arithmetic.surplus(scaled.0, thumbnail.0), arithmetic.surplus(scaled.1, thumbnail.1));
            let covers = scaled.0 >= thumbnail.0 && scaled.1 >= thumbnail.1;
            covers.then_some(Placement { scaled, cut, ..plain })
        }
    }
}

/// Other placements that a copy may have by its original's size: a smaller copy's own sides were rounded, so that its
/// proportions give a short side that is off by a pixel. None where the picture fills the thumbnail.
pub(super) fn beside(
    frame: Frame,
    arithmetic: Arithmetic,
    placement: &Placement,
    thumbnail: (usize, usize),
) -> Vec<Placement> {
    let (width, height) = placement.scaled;
    let off = |to: (usize, usize)| {
        let at = (arithmetic.margin(thumbnail.0, to.0), arithmetic.margin(thumbnail.1, to.1));
        let cut = (arithmetic.surplus(to.0, thumbnail.0), arithmetic.surplus(to.1, thumbnail.1));
        Placement { scaled: to, at, cut, ..*placement }
    };
    let fits = |to: &(usize, usize)| match frame {
        Frame::Pad => (1..=thumbnail.0).contains(&to.0) && (1..=thumbnail.1).contains(&to.1),
        _ => to.0 >= thumbnail.0 && to.1 >= thumbnail.1,
    };
    let around = match frame {
        Frame::Fit | Frame::CutThenScale => vec![],
        Frame::Pad | Frame::ScaleThenCut if width != thumbnail.0 => vec![(width - 1, height), (width + 1, height)],
        Frame::Pad | Frame::ScaleThenCut if height != thumbnail.1 => vec![(width, height - 1), (width, height + 1)],
        Frame::Pad | Frame::ScaleThenCut => vec![],
    };
    around.into_iter().filter(fits).map(off).collect()
}

impl Arithmetic {
    fn enlarges(self) -> bool {
        matches!(self, Arithmetic::Magick | Arithmetic::Vips)
    }

    fn round(self, value: f64, most: usize) -> usize {
        let rounded = match self {
            Arithmetic::Python => value.round_ties_even(),
            _ => (value + 0.5).floor(),
        };
        (rounded as usize).clamp(1, most.max(1))
    }

    /// What is cut off on the left of `outer` to keep `inner` in the middle.
    fn surplus(self, outer: usize, inner: usize) -> usize {
        match self {
            Arithmetic::Magick => (outer / 2).saturating_sub(inner / 2),
            _ => outer.saturating_sub(inner) / 2,
        }
    }

    /// The margin on the left of `inner` in `outer`.
    fn margin(self, outer: usize, inner: usize) -> usize {
        match self {
            Arithmetic::Php | Arithmetic::Python => outer.saturating_sub(inner) / 2,
            Arithmetic::Magick => (outer / 2).saturating_sub(inner / 2),
            Arithmetic::Vips => (outer.saturating_sub(inner) as f64 / 2.0).round_ties_even() as usize,
        }
    }
}
