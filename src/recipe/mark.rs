//! A mark that a shop burned into its thumbnails: the part of the frame that no upload explains, and how it lies there.
//!
//! Plain data and arithmetic: from a thumbnail's size to pixels, from pixels to the blocks that they touch. Finding marks
//! is `burned`'s part. What lies under a mark proves nothing, neither for a pair nor against it: whatever its blocks say is
//! left out, and the blocks left have to carry the proof (see [`super::Reproducer::fit`]).

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A thumbnail of which a mark takes more than this share, in blocks of luma, is not compared at all.
pub const SHARE_MAX: f32 = 0.3;

/// From where a mark's edges are counted along one side of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// In thousandths of the side.
    Share,
    /// In pixels from the left or the top.
    Start,
    /// In pixels from the right or the bottom, and so below zero.
    End,
    /// In pixels from the middle.
    Middle,
}

impl Anchor {
    /// All of them. Where thumbnails are too much of one size to tell, the first that fits is taken.
    pub(super) const ALL: [Anchor; 4] = [Anchor::Share, Anchor::Start, Anchor::End, Anchor::Middle];
}

/// Where a mark lies along one side of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// From where.
    pub anchor: Anchor,
    /// Its first pixel or thousandth.
    pub from: i32,
    /// Behind its last.
    pub to: i32,
}

/// Where a mark lies in a frame of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// From left to right.
    pub across: Span,
    /// From top to bottom.
    pub down: Span,
}

/// A rectangle of pixels, or of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// From left to right.
    pub columns: Range<usize>,
    /// From top to bottom.
    pub rows: Range<usize>,
}

impl Span {
    /// The pixels of a side of this length.
    fn pixels(&self, length: usize) -> Range<usize> {
        let long = length as i64;
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        let (from, to) = match self.anchor {
            Anchor::Share => ((from * long).div_euclid(1000), (to * long + 999).div_euclid(1000)),
            Anchor::Start => (from, to),
            Anchor::End => (long + from, long + to),
            Anchor::Middle => (long / 2 + from, long / 2 + to),
        };
        from.clamp(0, long) as usize..to.clamp(0, long) as usize
    }
}

impl Mark {
    /// The pixels of a thumbnail of this size that it takes.
    pub fn pixels(&self, (width, height): (usize, usize)) -> Area {
        Area { columns: self.across.pixels(width), rows: self.down.pixels(height) }
    }
}

impl Area {
    /// The blocks of so many pixels across and down that this rectangle of pixels touches.
    pub(super) fn blocks(&self, (across, down): (usize, usize)) -> Area {
        let touched = |pixels: &Range<usize>, side: usize| match pixels.is_empty() {
            true => 0..0,
            false => pixels.start / side..pixels.end.div_ceil(side),
        };
        Area { columns: touched(&self.columns, across), rows: touched(&self.rows, down) }
    }

    /// The pixels of the squares of this side that it touches, in a thumbnail of this size: as far as a file's coding carries
    /// it.
    pub fn in_squares(&self, side: usize, (width, height): (usize, usize)) -> Area {
        let Area { columns, rows } = self.blocks((side, side));
        let within =
            |blocks: Range<usize>, length: usize| (blocks.start * side).min(length)..(blocks.end * side).min(length);
        Area { columns: within(columns, width), rows: within(rows, height) }
    }

    /// Whether this pixel or block is in it.
    pub fn contains(&self, column: usize, row: usize) -> bool {
        self.columns.contains(&column) && self.rows.contains(&row)
    }

    /// How many pixels or blocks it has.
    pub(super) fn count(&self) -> usize {
        self.columns.len() * self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(anchor: Anchor, from: i32, to: i32, length: usize) -> Range<usize> {
        Span { anchor, from, to }.pixels(length)
    }

    #[test]
    fn a_mark_keeps_its_place_in_frames_of_other_sizes() {
        assert_eq!(pixels(Anchor::Share, 620, 970, 100), 62..97);
        assert_eq!(pixels(Anchor::Share, 620, 970, 213), 132..207, "rounded outwards");
        assert_eq!(pixels(Anchor::Start, 4, 30, 100), 4..30);
        assert_eq!(pixels(Anchor::End, -30, -4, 213), 183..209);
        assert_eq!(pixels(Anchor::Middle, -10, 10, 101), 40..60);
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        assert_eq!(pixels(Anchor::Start, -3, 30, 20), 0..20);
        assert_eq!(pixels(Anchor::Start, 40, 50, 20), 20..20);
        assert_eq!(pixels(Anchor::End, -30, -4, 20), 0..16);
    }

    #[test]
    fn every_block_that_a_mark_touches_is_its_own() {
        let area = Area { columns: 15..17, rows: 8..16 };
        assert_eq!(area.blocks((8, 8)), Area { columns: 1..3, rows: 1..2 });
        assert_eq!(area.blocks((16, 16)), Area { columns: 0..2, rows: 0..1 });
        assert_eq!(area.in_squares(8, (20, 12)), Area { columns: 8..20, rows: 8..12 });
        assert_eq!(Area { columns: 9..9, rows: 0..8 }.blocks((8, 8)).count(), 0);
    }
}
