//! Carries a recipe out on an upload: [`scale`] brings it to size, [`finish`] sharpens it and adds margins. Recipes that
//! differ only in the latter share the former.

use std::rc::Rc;

use super::family::{Opacity, Orientation, Recipe, Scaler, Sharpen};
use super::frame::{Frame, Placement};
use super::kernel::{self, Kernel};
use super::taps::Grid;
use super::upload::{Mapped, Upload, View};
use super::{gd, magick, opacity, pillow, vips};

/// What is not settled by a recipe alone: choices among which the best-fitting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Choice {
    pub rendering: usize,
    pub orientation: Orientation,
    pub opacity: Opacity,
    /// Whether ImageMagick held the original as colour-mapped, or libvips as having opacity, though all is opaque.
    pub mapped: bool,
    /// Whether the original was a JPEG, which the decoder may have shrunk.
    pub from_jpeg: bool,
    /// The EXIF orientation by which the customer has turned the picture since; 1 is none.
    pub turn: u8,
}

/// All choices worth a try for an upload of this recipe, lying this way.
pub(super) fn choices(recipe: &Recipe, upload: &Upload, turn: u8) -> Vec<Choice> {
    let orientations = match recipe.orientation {
        Some(one) => vec![one],
        None if upload.header.orientation == 1 => vec![Orientation::Applied],
        None => vec![Orientation::Applied, Orientation::Ignored],
    };
    let opacities = match (upload.has_alpha(), recipe.opacity) {
        (false, _) => vec![Opacity::Before(255)],
        (true, Some(one)) => vec![one],
        (true, None) => opacity::candidates(recipe.scaler),
    };
    let mapped: &[bool] = match (recipe.scaler, upload.mapped()) {
        (Scaler::Magick { kernel: None, .. } | Scaler::Vips { .. }, Mapped::Yes) => &[true, false],
        _ => &[false],
    };
    let from_jpeg: &[bool] = match recipe.scaler {
        Scaler::Vips { .. } | Scaler::PillowThumbnail { .. } if !upload.is_jpeg() => &[false, true],
        _ => &[true],
    };
    let mut out = Vec::new();
    for rendering in 0..upload.renderings() {
        for &orientation in &orientations {
            for &opacity in &opacities {
                for &mapped in mapped {
                    out.extend(from_jpeg.iter().map(|&from_jpeg| Choice {
                        rendering,
                        orientation,
                        opacity,
                        mapped,
                        from_jpeg,
                        turn,
                    }));
                }
            }
        }
    }
    out
}

pub(super) fn view(choice: &Choice) -> View {
    View {
        rendering: choice.rendering,
        reduced: 1,
        stored: choice.orientation == Orientation::Ignored,
        turn: choice.turn,
    }
}

/// A picture brought to size: the part of the work that recipes share which differ in sharpening or in margins.
pub(super) enum Scaled {
    /// In levels, final but for margins.
    Levels(Grid<u8>),
    /// ImageMagick's 16 bits.
    Quanta(Grid<f32>),
    /// The general family's levels with their fractions, by this kernel.
    Fractions(Grid<f32>, Kernel),
}

/// All that [`scale`] depends on, but for the upload.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ScaleKey {
    scaler: Scaler,
    choice: Choice,
    part: (usize, usize, usize, usize),
    to: (usize, usize),
    ground: u8,
    /// The recipe's side, its frame and the thumbnail's size, for engines that look at the box themselves.
    boxed: Option<(u32, Frame, (usize, usize))>,
}

impl ScaleKey {
    pub(super) fn new(
        recipe: &Recipe,
        choice: &Choice,
        placement: &Placement,
        thumbnail: (usize, usize),
        ground: u8,
    ) -> Self {
        let scaler = match recipe.scaler {
            // What the file's writer does comes later.
            Scaler::Magick { operator, kernel, .. } => {
                Scaler::Magick { operator, kernel, depth: magick::Depth::Rounded }
            }
            other => other,
        };
        let boxed = matches!(scaler, Scaler::Vips { .. } | Scaler::PillowThumbnail { .. });
        ScaleKey {
            scaler,
            choice: *choice,
            part: placement.part,
            to: placement.scaled,
            ground,
            boxed: boxed.then_some((recipe.side_px, recipe.frame, thumbnail)),
        }
    }
}

/// The thumbnail that a recipe makes of a picture brought to size: 3 channels, or 4 where opacity is kept. `ground` is
/// the level of its margins. Nothing when sizes do not agree.
pub(super) fn finish(
    recipe: &Recipe,
    scaled: &Scaled,
    choice: &Choice,
    placement: &Placement,
    thumbnail: (usize, usize),
    ground: u8,
) -> Option<Grid<u8>> {
    let inner = levels(scaled, recipe);
    let inner = match choice.opacity {
        Opacity::Kept => inner,
        Opacity::Dropped => opacity::dropped(&inner),
        Opacity::Before(level) | Opacity::After(level) => opacity::laid_on(&inner, level),
    };
    let framed = framed(inner, placement, thumbnail, ground)?;
    Some(match recipe.sharpen {
        Sharpen::Pillow { radius, percent, threshold } => {
            pillow::unsharp(&framed, f32::from(radius) / 100.0, i32::from(percent), i32::from(threshold))
        }
        _ => framed,
    })
}

/// Sharpened where that comes before rounding, and rounded.
fn levels(scaled: &Scaled, recipe: &Recipe) -> Grid<u8> {
    match (scaled, recipe.scaler) {
        (Scaled::Levels(levels), _) => levels.clone(),
        (Scaled::Fractions(fractions, kernel), _) => by_levels(fractions, *kernel, recipe.sharpen),
        (Scaled::Quanta(quanta), scaler) => {
            let depth = if let Scaler::Magick { depth, .. } = scaler { depth } else { magick::Depth::Rounded };
            match recipe.sharpen {
                Sharpen::Magick { sigma, amount, threshold } => {
                    let (sigma, amount, threshold) = hundredths(sigma, amount, threshold);
                    magick::levels(&magick::unsharp(quanta, f64::from(sigma), amount, threshold), depth)
                }
                _ => magick::levels(quanta, depth),
            }
        }
    }
}

/// Brings an upload to the size that it has in a thumbnail. Nothing where the emulation does not reach, such as libvips
/// enlarging.
pub(super) fn scale(
    recipe: &Recipe,
    upload: &Upload,
    choice: &Choice,
    placement: &Placement,
    thumbnail: (usize, usize),
    ground: u8,
) -> Option<Scaled> {
    if let Scaler::Vips { export } = recipe.scaler {
        let reduced = by_vips(recipe, upload, choice, thumbnail)?;
        // A picture with a profile of its own goes from that one, and is then as its reading by the profile has it.
        let exported = export && upload.renderings() == 1;
        return Some(Scaled::Levels(if exported { vips::exported(&reduced) } else { reduced }));
    }
    if let Scaler::PillowThumbnail { filter } = recipe.scaler {
        return by_draft(recipe, upload, choice, placement, filter).map(Scaled::Levels);
    }
    let whole = upload.grid(view(choice))?;
    let (left, top, width, height) = placement.part;
    let mut part = whole;
    if (left, top, width, height) != (0, 0, part.width, part.height) {
        part = Rc::new(pillow::cut(&part, (left, top), (width, height)));
    }
    if part.channels == 4 {
        part = Rc::new(opacity::beforehand(&part, choice.opacity));
    }
    let to = placement.scaled;
    Some(match recipe.scaler {
        Scaler::Pillow { filter } => {
            Scaled::Levels(opacity::premultiplied(&part, |part| pillow::resize(part, to, filter, pillow::whole(part))))
        }
        Scaler::Gd { build } => Scaled::Levels(match choice.opacity {
            Opacity::After(level) => gd::resample(&part, to, build, level),
            _ => gd::resample(&part, to, build, ground),
        }),
        Scaler::Magick { operator, kernel, .. } => {
            let kernel = kernel.unwrap_or(default_kernel(choice, &part, to));
            Scaled::Quanta(magick::resize(&part, to, kernel, operator))
        }
        Scaler::Kernel { shrink, kernel, passes } => {
            let even = (part.width as f64 / to.0 as f64, part.height as f64 / to.1 as f64);
            let fractions = match kernel::shrunk(&part, to, shrink) {
                Some((small, scale)) => kernel::resample(&small, to, scale, kernel, passes),
                None => kernel::resample(&part, to, even, kernel, passes),
            };
            Scaled::Fractions(fractions, kernel)
        }
        Scaler::Vips { .. } | Scaler::PillowThumbnail { .. } => return None,
    })
}

fn hundredths(sigma: u16, amount: u16, threshold: u16) -> (f32, f32, f32) {
    (f32::from(sigma) / 100.0, f32::from(amount) / 100.0, f32::from(threshold) / 100.0)
}

/// What ImageMagick takes when no filter is named.
fn default_kernel(choice: &Choice, part: &Grid<u8>, to: (usize, usize)) -> Kernel {
    let enlarged = to.0 * to.1 > part.width * part.height;
    if choice.mapped || part.channels == 4 || enlarged { Kernel::Mitchell } else { Kernel::Lanczos3 }
}

fn by_levels(fractions: &Grid<f32>, kernel: Kernel, sharpen: Sharpen) -> Grid<u8> {
    let bias = if kernel == Kernel::AreaCut { 0.0 } else { 0.5 };
    match sharpen {
        Sharpen::Magick { sigma, amount, threshold } => {
            let quanta = fractions.map(|value| value * 257.0);
            let (sigma, amount, threshold) = hundredths(sigma, amount, threshold);
            magick::levels(&magick::unsharp(&quanta, f64::from(sigma), amount, threshold), magick::Depth::Rounded)
        }
        _ => fractions.map(|value| (value + bias) as u8),
    }
}

/// libvips resizes the picture as it is stored and turns the result.
fn by_vips(recipe: &Recipe, upload: &Upload, choice: &Choice, thumbnail: (usize, usize)) -> Option<Grid<u8>> {
    let late = choice.orientation == Orientation::Applied && choice.turn == 1 && upload.header.orientation != 1;
    let mut view = view(choice);
    view.stored |= late;
    let orientation = if late { upload.header.orientation } else { 1 };
    // The box: for a fitted thumbnail the recipe's side, because a short side does not tell the factor.
    let (bw, bh) = match recipe.frame {
        Frame::Fit => (recipe.side_px as usize, recipe.side_px as usize),
        _ if orientation >= 5 => (thumbnail.1, thumbnail.0),
        _ => thumbnail,
    };
    let factor = |(width, height): (usize, usize)| {
        let (across, down) = (width as f64 / bw as f64, height as f64 / bh as f64);
        match recipe.frame {
            Frame::ScaleThenCut => across.min(down),
            Frame::Fit => across.max(down).max(1.0),
            _ => across.max(down),
        }
    };
    let by = vips::shrink_on_load(factor(upload.size(view)));
    let grid = match (choice.from_jpeg, upload.is_jpeg()) {
        (true, true) => upload.grid(View { reduced: by, ..view })?,
        // The original was a JPEG and this copy of it is not: means of boxes are nearest to the decoder's shrinking.
        (true, false) => Rc::new(pillow::reduce(&*upload.grid(view)?, (by as usize, by as usize))),
        (false, _) => upload.grid(view)?,
    };
    // What the decoder rounded up is cut off again.
    let (width, height) = upload.size(view);
    let kept = (width / by as usize, height / by as usize);
    let grid = match choice.from_jpeg && kept.0 > 0 && kept.1 > 0 {
        true => Rc::new(pillow::cut(&grid, (0, 0), kept)),
        false => grid,
    };
    let factor = factor((grid.width, grid.height));
    if factor < 1.0 {
        return None;
    }
    let mut flat = opacity::beforehand(&grid, choice.opacity);
    if flat.channels == 3 && choice.mapped {
        flat = opacity::with_full(&flat);
    }
    Some(opacity::turned(vips::reduce(&flat, factor, factor), orientation))
}

/// Pillow asks the JPEG decoder for at least twice the target, then reduces by whole numbers, then filters.
fn by_draft(
    recipe: &Recipe,
    upload: &Upload,
    choice: &Choice,
    placement: &Placement,
    filter: pillow::Filter,
) -> Option<Grid<u8>> {
    const GAP: usize = 2;
    let view = view(choice);
    let (width, height) = upload.size(view);
    let to = placement.scaled;
    // The decoder is asked for the box, not for what fits into it.
    let side = recipe.side_px as usize;
    let (bw, bh) = if recipe.frame == Frame::Fit { (side, side) } else { to };
    let scale = (width / (bw * GAP)).min(height / (bh * GAP));
    let by = [8, 4, 2, 1].into_iter().find(|&by| scale >= by).unwrap_or(1);
    let grid = match (choice.from_jpeg, upload.is_jpeg()) {
        (true, true) => upload.grid(View { reduced: by as u32, ..view })?,
        (true, false) => Rc::new(pillow::reduce(&*upload.grid(view)?, (by, by))),
        (false, _) => upload.grid(view)?,
    };
    let part = match (choice.from_jpeg, by) {
        (true, by) if by > 1 => [0.0, 0.0, width as f32 / by as f32, height as f32 / by as f32],
        _ => pillow::whole(&grid),
    };
    let flat = opacity::beforehand(&grid, choice.opacity);
    Some(opacity::premultiplied(&flat, |flat| pillow::resize_with_gap(flat, to, filter, part, GAP as f32)))
}

/// The centre cut out, or margins added; nothing when sizes do not agree.
fn framed(inner: Grid<u8>, placement: &Placement, (tw, th): (usize, usize), ground: u8) -> Option<Grid<u8>> {
    if (inner.width, inner.height) == (tw, th) {
        return Some(inner);
    }
    if inner.width >= tw && inner.height >= th {
        let (left, top) = placement.cut;
        let inside = left + tw <= inner.width && top + th <= inner.height;
        return inside.then(|| pillow::cut(&inner, (left, top), (tw, th)));
    }
    let (left, top) = placement.at;
    if left + inner.width > tw
        || top + inner.height > th
        || (left, top) == (0, 0) && inner.width < tw && inner.height < th
    {
        return None;
    }
    let channels = inner.channels;
    let mut out = Grid { width: tw, height: th, channels, values: vec![ground; tw * th * channels] };
    for y in 0..inner.height {
        let at = ((top + y) * tw + left) * channels;
        out.values[at..at + inner.width * channels].copy_from_slice(inner.row(y));
    }
    Some(out)
}
