//! The family of recipes: what a shop's software may have done to a picture to make a thumbnail of it.
//!
//! A [`Recipe`] is plain data: it is learned, stored as JSON and sent to where pictures are decoded. `predict` carries it
//! out. Which member of the family a shop used is found in `learn`; what a prediction proves, in `reproduce`.

use serde::{Deserialize, Serialize};

use super::frame::{Arithmetic, Frame};
use super::kernel::{Kernel, Passes, Shrink};
use super::mark::Mark;
use super::{gd, magick, pillow};

/// How pixels become fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaler {
    /// Pillow's `Image.resize`.
    Pillow {
        /// With this filter.
        filter: pillow::Filter,
    },
    /// Pillow's `Image.thumbnail`: shrunk by the JPEG decoder and by whole numbers before the filter.
    PillowThumbnail {
        /// With this filter.
        filter: pillow::Filter,
    },
    /// GD's `imagecopyresampled`.
    Gd {
        /// Of this build.
        build: gd::Build,
    },
    /// ImageMagick 6.
    Magick {
        /// By this operator.
        operator: magick::Operator,
        /// With this kernel; without one, Lanczos for most pictures and Mitchell for colour-mapped ones.
        kernel: Option<Kernel>,
        /// What the file's writer does with 16 bits.
        depth: magick::Depth,
    },
    /// libvips 8.13 or later, `vipsthumbnail`.
    Vips {
        /// With `--export-profile srgb`.
        export: bool,
    },
    /// Software without a module of its own here.
    Kernel {
        /// What happens before.
        shrink: Shrink,
        /// The kernel.
        kernel: Kernel,
        /// The order of passes.
        passes: Passes,
    },
}

/// Sharpening after scaling. Numbers are in hundredths, so that recipes can be compared and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharpen {
    /// None.
    None,
    /// Pillow's `UnsharpMask`, after margins were added.
    Pillow {
        /// Hundredths of a pixel.
        radius: u16,
        /// Percent of the difference that is added.
        percent: u16,
        /// Levels.
        threshold: u16,
    },
    /// ImageMagick's `-unsharp`, before margins are added.
    Magick {
        /// Hundredths of a pixel.
        sigma: u16,
        /// Hundredths of the difference that is added.
        amount: u16,
        /// Hundredths of the whole range.
        threshold: u16,
    },
}

/// What became of transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opacity {
    /// Laid on a ground of this level, then scaled.
    Before(u8),
    /// Scaled, then laid on a ground of this level.
    After(u8),
    /// Kept in the file.
    Kept,
    /// Forgotten: the colours that lay under it show.
    Dropped,
}

/// Whether the orientation that a camera recorded was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// It was.
    Applied,
    /// It was not.
    Ignored,
}

/// How a shop made thumbnails of one size and format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recipe {
    /// The box that thumbnails fit into: its side, in pixels; 0 for any, see [`Recipe::sized`].
    pub side_px: u32,
    /// How the picture fills the thumbnail.
    pub frame: Frame,
    /// How pixels become fewer.
    pub scaler: Scaler,
    /// What follows.
    pub sharpen: Sharpen,
    /// What becomes of transparency; unknown where no pair told.
    pub opacity: Option<Opacity>,
    /// Whether pictures are turned upright; unknown where no pair told.
    pub orientation: Option<Orientation>,
    /// What was burned into the thumbnail at the end, and is left out of every comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

impl Recipe {
    /// The recipe of which nothing is known but size and engine.
    pub(super) fn plain(side_px: u32, scaler: Scaler) -> Recipe {
        let (frame, sharpen) = (Frame::Fit, Sharpen::None);
        Recipe { side_px, frame, scaler, sharpen, opacity: None, orientation: None, mark: None }
    }

    /// A recipe for any size as it makes thumbnails of this long side.
    pub fn sized(self, long_side_px: u32) -> Recipe {
        if self.side_px == 0 { Recipe { side_px: long_side_px, ..self } } else { self }
    }
}

impl Scaler {
    pub(super) fn arithmetic(self) -> Arithmetic {
        match self {
            Scaler::Pillow { .. } | Scaler::PillowThumbnail { .. } => Arithmetic::Python,
            Scaler::Gd { .. } | Scaler::Kernel { .. } => Arithmetic::Php,
            Scaler::Magick { .. } => Arithmetic::Magick,
            Scaler::Vips { .. } => Arithmetic::Vips,
        }
    }
}

/// Every engine by name, in the order in which they are tried.
pub(super) fn engines() -> Vec<Scaler> {
    let mut out: Vec<Scaler> = pillow::Filter::ALL.iter().map(|&filter| Scaler::Pillow { filter }).collect();
    out.extend([gd::Build::Library, gd::Build::Bundled].map(|build| Scaler::Gd { build }));
    for operator in [magick::Operator::Thumbnail, magick::Operator::Resize] {
        out.extend([magick::Depth::Cut, magick::Depth::Rounded].map(|depth| Scaler::Magick {
            operator,
            kernel: None,
            depth,
        }));
    }
    out.extend([false, true].map(|export| Scaler::Vips { export }));
    out.extend([pillow::Filter::Bicubic, pillow::Filter::Lanczos].map(|filter| Scaler::PillowThumbnail { filter }));
    out
}

/// Sharpenings that are common: Pillow's default, mild ones, and ImageMagick's that manuals recommend. The latter work on
/// what is not rounded yet.
pub(super) fn sharpenings(scaler: Scaler) -> impl Iterator<Item = Sharpen> {
    let pillow = |(radius, percent, threshold)| Sharpen::Pillow { radius, percent, threshold };
    let magick = |(sigma, amount, threshold)| Sharpen::Magick { sigma, amount, threshold };
    let fine = matches!(scaler, Scaler::Magick { .. } | Scaler::Kernel { .. });
    let by_pillow = [(80, 70, 0), (200, 150, 3), (100, 100, 0), (50, 100, 0), (50, 50, 0), (100, 50, 0)];
    let by_magick = [(50, 100, 0), (75, 100, 0), (100, 100, 0), (50, 50, 0), (75, 75, 2), (50, 100, 5), (75, 100, 5)];
    by_pillow.into_iter().map(pillow).chain(by_magick.into_iter().map(magick).filter(move |_| fine))
}
