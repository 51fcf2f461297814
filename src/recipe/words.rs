//! Recipes in words, for a person who knows image software by its names.

use std::fmt::{self, Display, Formatter};

use super::family::{Opacity, Orientation, Recipe, Scaler, Sharpen};
use super::frame::Frame;
use super::kernel::{Kernel, Shrink};
use super::magick::Operator;
use super::mark::{Area, Mark};
use super::partition::Coding;
use super::pillow::Filter;

/// Engine, sharpening, frame, and what is known of orientation and opacity; the size stands in the partition.
impl Display for Recipe {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{}", self.scaler)?;
        match self.sharpen {
            Sharpen::None => {}
            Sharpen::Pillow { radius, percent, threshold } => {
                write!(f, ", UnsharpMask({}, {percent}, {threshold})", f64::from(radius) / 100.0)?;
            }
            Sharpen::Magick { sigma, amount, threshold } => {
                let [sigma, amount, threshold] = [sigma, amount, threshold].map(|value| f64::from(value) / 100.0);
                write!(f, ", -unsharp 0x{sigma}+{amount}+{threshold}")?;
            }
        }
        f.write_str(match self.frame {
            Frame::Fit => ", the whole picture",
            Frame::Pad => ", the whole picture with margins",
            Frame::CutThenScale | Frame::ScaleThenCut => ", the middle cut out",
        })?;
        f.write_str(match self.orientation {
            None => "",
            Some(Orientation::Applied) => ", turned upright",
            Some(Orientation::Ignored) => ", recorded orientation ignored",
        })?;
        match self.opacity {
            None => {}
            Some(Opacity::Before(level) | Opacity::After(level)) => write!(f, ", on a ground of level {level}")?,
            Some(Opacity::Kept) => f.write_str(", opacity kept")?,
            Some(Opacity::Dropped) => f.write_str(", opacity forgotten")?,
        }
        self.mark.map_or(Ok(()), |mark| write!(f, "; a mark {} is left out", place(&mark, self.side_px)))
    }
}

/// Where a mark lies in a square thumbnail of this side.
fn place(mark: &Mark, side_px: u32) -> &'static str {
    // A recipe for any size has no side; then a usual one serves.
    let side = if side_px == 0 { 200 } else { side_px as usize };
    let Area { columns, rows } = mark.pixels((side, side));
    let third = |range: std::ops::Range<usize>| (range.start + range.end) * 3 / (2 * side);
    match (third(columns), third(rows)) {
        (0, 0) => "at the upper left",
        (1, 0) => "at the top",
        (_, 0) => "at the upper right",
        (0, 1) => "at the left",
        (1, 1) => "in the middle",
        (_, 1) => "at the right",
        (0, _) => "at the lower left",
        (1, _) => "at the bottom",
        (..) => "at the lower right",
    }
}

impl Display for Scaler {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Scaler::Pillow { filter } => write!(f, "Pillow resize, {}", pillow_name(*filter)),
            Scaler::PillowThumbnail { filter } => write!(f, "Pillow thumbnail, {}", pillow_name(*filter)),
            Scaler::Gd { .. } => f.write_str("GD imagecopyresampled"),
            Scaler::Magick { operator, kernel, .. } => {
                let operator = match operator {
                    Operator::Resize => "-resize",
                    Operator::Thumbnail => "-thumbnail",
                };
                write!(f, "ImageMagick {operator}")?;
                kernel.map_or(Ok(()), |kernel| write!(f, " -filter {}", kernel_name(kernel)))
            }
            Scaler::Vips { export: false } => f.write_str("vipsthumbnail"),
            Scaler::Vips { export: true } => f.write_str("vipsthumbnail --export-profile srgb"),
            Scaler::Kernel { shrink, kernel, .. } => {
                write!(f, "unnamed software, {}", kernel_name(*kernel))?;
                f.write_str(if *shrink == Shrink::None { "" } else { " after shrinking by a whole number" })
            }
        }
    }
}

fn pillow_name(filter: Filter) -> &'static str {
    match filter {
        Filter::Box => "box",
        Filter::Bilinear => "bilinear",
        Filter::Hamming => "hamming",
        Filter::Bicubic => "bicubic",
        Filter::Lanczos => "lanczos",
    }
}

fn kernel_name(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Area | Kernel::AreaCut => "area",
        Kernel::Box => "box",
        Kernel::Triangle => "triangle",
        Kernel::CatmullRom => "catrom",
        Kernel::Mitchell => "mitchell",
        Kernel::Lanczos2 => "lanczos2",
        Kernel::Lanczos3 => "lanczos",
    }
}

/// The format, and of a JPEG with libjpeg's own tables the quality.
impl Display for Coding {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Coding::Jpeg { tables } => match tables.first().and_then(|luma| quality(luma)) {
                Some(quality) => write!(f, "JPEG of quality {quality}"),
                None => f.write_str("JPEG"),
            },
            Coding::Lossless => f.write_str("without loss"),
            Coding::Palette => f.write_str("GIF"),
            Coding::Lossy => f.write_str("lossy WebP"),
        }
    }
}

/// The quality, from 1 to 100, at which libjpeg scales the example table of the standard (ITU-T T.81, table K.1) to this one
/// (`jpeg_set_quality` in `jcparam.c`).
fn quality(luma: &[u16]) -> Option<u32> {
    #[rustfmt::skip]
    const EXAMPLE: [u32; 64] = [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
        14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ];
    (1..=100).find(|&quality| {
        let percent = if quality < 50 { 5_000 / quality } else { 200 - 2 * quality };
        EXAMPLE
            .iter()
            .zip(luma)
            .all(|(example, &step)| ((example * percent + 50) / 100).clamp(1, 255) == u32::from(step))
            && luma.len() == EXAMPLE.len()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Anchor, Span};
    use super::*;

    #[test]
    fn a_recipe_reads_like_a_command() {
        let scaler =
            Scaler::Magick { operator: Operator::Thumbnail, kernel: None, depth: super::super::Depth::Rounded };
        let recipe = Recipe {
            frame: Frame::Pad,
            sharpen: Sharpen::Pillow { radius: 80, percent: 70, threshold: 0 },
            orientation: Some(Orientation::Applied),
            ..Recipe::plain(200, scaler)
        };
        let words = "ImageMagick -thumbnail, UnsharpMask(0.8, 70, 0), the whole picture with margins, turned upright";
        assert_eq!(recipe.to_string(), words);
        let span = |from, to| Span { anchor: Anchor::Share, from, to };
        let marked = Recipe { mark: Some(Mark { across: span(620, 970), down: span(840, 960) }), ..recipe };
        assert_eq!(marked.to_string(), format!("{words}; a mark at the lower right is left out"));
        assert_eq!(Recipe::plain(0, Scaler::Vips { export: false }).to_string(), "vipsthumbnail, the whole picture");
    }

    #[test]
    fn the_quality_of_libjpegs_tables_is_told() {
        // The first coefficients that Pillow writes at quality 75.
        let mut luma: Vec<u16> = vec![8, 6, 5, 8, 12, 20, 26, 31, 6, 6, 7, 10, 13, 29, 30, 28];
        luma.extend([7, 7, 8, 12, 20, 29, 35, 28, 7, 9, 11, 15, 26, 44, 40, 31]);
        luma.extend([9, 11, 19, 28, 34, 55, 52, 39, 12, 18, 28, 32, 41, 52, 57, 46]);
        luma.extend([25, 32, 39, 44, 52, 61, 60, 51, 36, 46, 48, 49, 56, 50, 52, 50]);
        assert_eq!(Coding::Jpeg { tables: vec![luma.clone()] }.to_string(), "JPEG of quality 75");
        luma[5] += 1;
        assert_eq!(Coding::Jpeg { tables: vec![luma] }.to_string(), "JPEG");
    }
}
