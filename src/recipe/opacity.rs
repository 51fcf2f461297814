//! Transparency: laid on a ground, or carried through a resampler multiplied into the colours.
//!
//! Whole-number arithmetic as Pillow has it; others agree with it to a level.

use crate::decode::{Pixels, upright};

use super::family::{Opacity, Scaler};
use super::taps::Grid;

/// What software of this kind may have done to transparent pictures.
pub(super) fn candidates(scaler: Scaler) -> Vec<Opacity> {
    match scaler {
        // These scale with opacity and lay the result on a ground.
        Scaler::Gd { .. } | Scaler::Vips { .. } => {
            vec![
                Opacity::After(255),
                Opacity::After(0),
                Opacity::Kept,
                Opacity::Before(255),
                Opacity::Before(0),
                Opacity::Dropped,
            ]
        }
        _ => vec![
            Opacity::Before(255),
            Opacity::Before(0),
            Opacity::Kept,
            Opacity::After(255),
            Opacity::After(0),
            Opacity::Dropped,
        ],
    }
}

/// `a * b / 255`, rounded (`MULDIV255`).
fn share(a: u8, b: u8) -> u32 {
    let product = u32::from(a) * u32::from(b) + 128;
    ((product >> 8) + product) >> 8
}

/// A picture of 4 channels on a ground of one level, 3 channels remaining; others are left alone.
pub(super) fn laid_on(grid: &Grid<u8>, level: u8) -> Grid<u8> {
    if grid.channels != 4 {
        return grid.clone();
    }
    let blend = |pixel: &[u8; 4]| {
        [0, 1, 2].map(|c| {
            let sum = u32::from(pixel[c]) * u32::from(pixel[3]) + u32::from(level) * u32::from(255 - pixel[3]) + 128;
            (((sum >> 8) + sum) >> 8) as u8
        })
    };
    let values = grid.values.as_chunks::<4>().0.iter().flat_map(blend).collect();
    Grid { width: grid.width, height: grid.height, channels: 3, values }
}

/// The colours alone.
pub(super) fn dropped(grid: &Grid<u8>) -> Grid<u8> {
    if grid.channels != 4 {
        return grid.clone();
    }
    let values = grid.values.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    Grid { channels: 3, values, ..*grid }
}

/// What happens to opacity before scaling.
pub(super) fn beforehand(grid: &Grid<u8>, opacity: Opacity) -> Grid<u8> {
    match opacity {
        Opacity::Before(level) => laid_on(grid, level),
        Opacity::Dropped => dropped(grid),
        Opacity::After(_) | Opacity::Kept => grid.clone(),
    }
}

/// With a fourth channel that is opaque throughout.
pub(super) fn with_full(grid: &Grid<u8>) -> Grid<u8> {
    let values = grid.values.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    Grid { channels: 4, values, ..*grid }
}

/// `scale` applied to colours multiplied by their opacity, and the product undone.
pub(super) fn premultiplied(grid: &Grid<u8>, scale: impl Fn(&Grid<u8>) -> Grid<u8>) -> Grid<u8> {
    if grid.channels != 4 {
        return scale(grid);
    }
    let mut product = grid.clone();
    for pixel in product.values.as_chunks_mut::<4>().0 {
        let opacity = pixel[3];
        pixel[..3].iter_mut().for_each(|level| *level = share(*level, opacity) as u8);
    }
    let mut out = scale(&product);
    for pixel in out.values.as_chunks_mut::<4>().0 {
        let opacity = u32::from(pixel[3]);
        if opacity != 0 && opacity != 255 {
            pixel[..3].iter_mut().for_each(|level| *level = (255 * u32::from(*level) / opacity).min(255) as u8);
        }
    }
    out
}

/// A picture turned by an EXIF orientation.
pub(super) fn turned(grid: Grid<u8>, orientation: u8) -> Grid<u8> {
    if orientation == 1 {
        return grid;
    }
    let channels = grid.channels;
    let rgb = grid.values.chunks_exact(channels).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let alpha = (channels == 4).then(|| grid.values.iter().skip(3).step_by(4).copied().collect());
    let pixels = upright(Pixels { width: grid.width as u32, height: grid.height as u32, rgb, alpha }, orientation);
    let values = match &pixels.alpha {
        None => pixels.rgb,
        Some(alpha) => {
            let with = pixels.rgb.as_chunks::<3>().0.iter().zip(alpha).flat_map(|(&[r, g, b], &a)| [r, g, b, a]);
            with.collect()
        }
    };
    Grid { width: pixels.width as usize, height: pixels.height as usize, channels, values }
}
