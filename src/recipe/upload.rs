//! An upload as the emulations need it: every pixel, in each plausible reading, lying each plausible way.
//!
//! Decodes when first asked and keeps what was decoded, because one upload is compared with many thumbnails. It runs
//! where hostile bytes may be read (see [`crate::decode`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::decode::{Decoded, Header, Limits, Pixels, Scale, Unreadable, decode, jpeg_tables, upright};
use crate::identify::Kind;

use super::taps::Grid;

/// One reading of an upload's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    /// Which rendering of the decoder.
    pub rendering: usize,
    /// Shrunk by this while decoding; 1 is every pixel.
    pub reduced: u32,
    /// Whether the pixels lie as stored, with the recorded orientation ignored.
    pub stored: bool,
    /// The EXIF orientation by which they are turned on top of that; 1 is none.
    pub turn: u8,
}

/// How ImageMagick holds a picture: it resizes colour-mapped ones by another kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapped {
    /// A GIF, a grey picture, one with a palette or with room for opacity.
    Yes,
    /// Colours, each pixel for itself.
    No,
}

/// A decoded upload.
pub struct Upload<'bytes> {
    bytes: &'bytes [u8],
    limits: Limits,
    /// What the file says about itself.
    pub header: Header,
    full: Decoded,
    reduced: RefCell<HashMap<u32, Option<Rc<Decoded>>>>,
    grids: RefCell<HashMap<View, Rc<Grid<u8>>>>,
}

impl<'bytes> Upload<'bytes> {
    /// Decodes every pixel of a file.
    ///
    /// # Errors
    /// What [`decode`] refuses, and [`Unreadable::Corrupt`] for a picture that is cut short: what is missing cannot be
    /// compared.
    pub fn read(bytes: &'bytes [u8], limits: &Limits) -> Result<Self, Unreadable> {
        let full = decode(bytes, Scale::Full, limits)?;
        let header = full.header.clone();
        Ok(Upload { bytes, limits: *limits, header, full, reduced: RefCell::default(), grids: RefCell::default() })
    }

    /// How many readings of its colours there are.
    pub(super) fn renderings(&self) -> usize {
        self.full.renderings.len()
    }

    /// Whether a pixel is not opaque.
    pub(super) fn has_alpha(&self) -> bool {
        self.full.renderings.first().is_some_and(|pixels| pixels.alpha.is_some())
    }

    pub(super) fn is_jpeg(&self) -> bool {
        self.header.kind == Kind::Jpeg
    }

    /// How ImageMagick would hold it.
    pub(super) fn mapped(&self) -> Mapped {
        let mapped = match self.header.kind {
            Kind::Gif => true,
            Kind::Jpeg => jpeg_tables(self.bytes).is_some_and(|tables| tables.quantisation.len() == 1),
            // The header chunk of a PNG: depth and colour type, of which 0 is grey, 3 has a palette, 4 and 6 opacity.
            Kind::Png => matches!(self.bytes.get(24..26), Some([..=8, 0 | 3 | 4 | 6])),
            _ => false,
        };
        if mapped { Mapped::Yes } else { Mapped::No }
    }

    /// Columns and rows of every pixel in this reading, whatever it is reduced by.
    pub(super) fn size(&self, view: View) -> (usize, usize) {
        let (width, height) = (self.header.width as usize, self.header.height as usize);
        let turned = (!view.stored && self.header.orientation >= 5) != (view.turn >= 5);
        if turned { (height, width) } else { (width, height) }
    }

    /// The pixels: 3 channels, or 4 with opacity last; nothing when the file cannot be decoded so.
    pub(super) fn grid(&self, view: View) -> Option<Rc<Grid<u8>>> {
        if let Some(grid) = self.grids.borrow().get(&view) {
            return Some(grid.clone());
        }
        let decoded = match view.reduced {
            1 => None,
            by => Some(self.decoded(by)?),
        };
        let pixels = decoded.as_deref().unwrap_or(&self.full).renderings.get(view.rendering)?;
        let undone = match (view.stored, self.header.orientation) {
            (false, _) => 1,
            // A quarter turn is undone by the other one; everything else by itself.
            (true, 6) => 8,
            (true, 8) => 6,
            (true, orientation) => orientation,
        };
        let grid = if undone == 1 && view.turn == 1 {
            grid(pixels)
        } else {
            grid(&upright(upright(pixels.clone(), undone), view.turn))
        };
        let grid = Rc::new(grid);
        self.grids.borrow_mut().insert(view, grid.clone());
        Some(grid)
    }

    fn decoded(&self, by: u32) -> Option<Rc<Decoded>> {
        let mut reduced = self.reduced.borrow_mut();
        let decoded =
            reduced.entry(by).or_insert_with(|| decode(self.bytes, Scale::Reduced(by), &self.limits).ok().map(Rc::new));
        decoded.clone()
    }
}

fn grid(pixels: &Pixels) -> Grid<u8> {
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    match &pixels.alpha {
        None => Grid { width, height, channels: 3, values: pixels.rgb.clone() },
        Some(alpha) => {
            let with = pixels.rgb.as_chunks::<3>().0.iter().zip(alpha).flat_map(|(&[r, g, b], &a)| [r, g, b, a]);
            Grid { width, height, channels: 4, values: with.collect() }
        }
    }
}
