//! What a thumbnail's file says, and how much it leaves open: a target and a step for every coefficient.
//!
//! A JPEG gives its own integers and tables, so that nothing is lost by decoding. A lossless file (PNG, lossless WebP)
//! leaves open only the rounding to whole levels: it is treated as a JPEG without subsampling and with steps of one. A
//! GIF leaves open how far its palette is from the colours wanted, block by block, which proves little: its software also chose
//! the palette. A lossy WebP gives its integers and steps too, but they stand for what was left after each block had been
//! predicted from its neighbours: see `webp`. Nothing is compared here.

use crate::decode::{Limits, Pixels, Scale, Unreadable, decode};
use crate::identify::Kind;

use super::coefficients;
use super::forward::{Spectrum, spectra};
use super::opacity::laid_on;
use super::partition::Coding;
use super::taps::Grid;
use super::webp::Quantised;

/// What a thumbnail's file allows for each coefficient of one component.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// The width of each coefficient's cell, in natural order.
    pub steps: [f32; 64],
    /// The middle of each cell.
    pub targets: Vec<[f32; 64]>,
    /// For each block, how much more than half a step is allowed; empty means nothing.
    pub allowance: Vec<f32>,
}

/// What a file says of its coefficients.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Coefficients of the picture itself.
    Transformed {
        /// Luma samples in one chroma sample, across and down; nothing for a grey file.
        chroma: Option<(usize, usize)>,
        /// Luma, blue chroma, red chroma and, with opacity, that; or luma alone.
        components: Vec<Component>,
    },
    /// Coefficients of what was left after predicting each block from others.
    Predicted {
        /// Luma and chroma.
        colours: Quantised,
        /// The opacity; none where the file has none.
        alpha: Vec<Component>,
    },
}

/// A thumbnail, ready to be compared with predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// How the file is coded: which recipes come into question.
    pub coding: Coding,
    /// What the file says.
    pub stored: Stored,
    /// The decoded thumbnail; opaque unless its file has opacity.
    pub pixels: Pixels,
}

impl Cells {
    /// Reads a thumbnail's file.
    ///
    /// # Errors
    /// What [`decode`] refuses; more than 4 million pixels; animated lossy WebPs; JPEGs of four components or with chroma
    /// sampled more finely than luma.
    pub fn read(bytes: &[u8]) -> Result<Cells, Unreadable> {
        let limits = Limits { pixels_max: coefficients::PIXELS_MAX, ..Limits::default() };
        let mut decoded = decode(bytes, Scale::Full, &limits)?;
        let kind = decoded.header.kind;
        // As the file has it: with a profile, the last rendering is the one that ignores it.
        let pixels = decoded.renderings.pop().ok_or(Unreadable::NotReadable(kind))?;
        let coding = Coding::of(bytes);
        let size = (pixels.width as usize, pixels.height as usize);
        let stored = match &coding {
            Coding::Jpeg { .. } => from_jpeg(bytes)?,
            Coding::Lossless => of_levels(from_lossless(&pixels, size)),
            Coding::Palette => of_levels(from_palette(&pixels, size)),
            Coding::Lossy => from_lossy(bytes, &pixels, size)?,
        };
        Ok(Cells { width: size.0, height: size.1, coding, stored, pixels })
    }

    /// The longer side, in pixels.
    pub fn long_side(&self) -> usize {
        self.width.max(self.height)
    }

    /// Whether this thumbnail's file kept the picture's opacity.
    pub fn has_alpha(&self) -> bool {
        self.pixels.alpha.is_some()
    }
}

fn from_jpeg(bytes: &[u8]) -> Result<Stored, Unreadable> {
    let stored = coefficients::read(bytes)?;
    let unsupported = |detail: &str| Err(Unreadable::Unsupported { kind: Kind::Jpeg, detail: detail.to_owned() });
    let chroma = match &stored[..] {
        [_] => None,
        [luma, blue, red] if blue.sampling == red.sampling => {
            let (across, down) = (luma.sampling.0 / blue.sampling.0, luma.sampling.1 / blue.sampling.1);
            if across == 0 || down == 0 {
                return unsupported("more chroma than luma");
            }
            Some((across, down))
        }
        _ => return unsupported("components other than luma and two of chroma"),
    };
    let components = stored.into_iter().map(|component| {
        let steps: [f32; 64] = component.steps.map(f32::from);
        let target = |block: &[i16; 64]| std::array::from_fn(|k| f32::from(block[k]) * steps[k]);
        Component {
            columns: component.columns,
            rows: component.rows,
            targets: component.blocks.iter().map(target).collect(),
            steps,
            allowance: Vec::new(),
        }
    });
    Ok(Stored::Transformed { chroma, components: components.collect() })
}

fn from_lossy(bytes: &[u8], pixels: &Pixels, size: (usize, usize)) -> Result<Stored, Unreadable> {
    let kind = Kind::Webp;
    let detail = "its frame is damaged, or one of an animation".to_owned();
    let colours =
        Quantised::read(bytes, coefficients::PIXELS_MAX as usize).ok_or(Unreadable::Unsupported { kind, detail })?;
    // Opacity is coded without loss unless somebody asks for less; then nothing explains it.
    let alpha = pixels.alpha.iter().flat_map(|alpha| from_opacity(alpha, size)).collect();
    Ok(Stored::Predicted { colours, alpha })
}

fn of_levels(components: Vec<Component>) -> Stored {
    Stored::Transformed { chroma: Some((1, 1)), components }
}

/// Levels that are known: the cells of a JPEG of the finest quality, without subsampling.
fn from_levels(rgb: &[u8], size: (usize, usize), step: f32) -> Vec<Component> {
    let with_step = |spectrum: Spectrum| Component {
        columns: spectrum.columns,
        rows: spectrum.rows,
        steps: [step; 64],
        targets: spectrum.blocks,
        allowance: Vec::new(),
    };
    spectra(rgb, size, Some((1, 1))).into_iter().map(with_step).collect()
}

/// With opacity: the colours on white, and a fourth component for the opacity itself.
fn from_lossless(pixels: &Pixels, size: (usize, usize)) -> Vec<Component> {
    let Some(alpha) = &pixels.alpha else { return from_levels(&pixels.rgb, size, 1.0) };
    let with = pixels.rgb.as_chunks::<3>().0.iter().zip(alpha).flat_map(|(&[r, g, b], &a)| [r, g, b, a]);
    let grid = Grid { width: size.0, height: size.1, channels: 4, values: with.collect() };
    let mut components = from_levels(&laid_on(&grid, 255).values, size, 1.0);
    components.extend(from_opacity(alpha, size));
    components
}

fn from_opacity(alpha: &[u8], size: (usize, usize)) -> Option<Component> {
    let grey: Vec<u8> = alpha.iter().flat_map(|&a| [a; 3]).collect();
    from_levels(&grey, size, 1.0).into_iter().next()
}

/// Levels known up to the spacing of a palette: the mean distance between neighbouring colours, block by block.
fn from_palette(pixels: &Pixels, size: (usize, usize)) -> Vec<Component> {
    let mut components = from_levels(&pixels.rgb, size, 1.0);
    let spacing = palette_spacing(&pixels.rgb);
    for component in &mut components {
        component.allowance = (0..component.rows * component.columns)
            .map(|at| {
                let (left, top) = (at % component.columns * 8, at / component.columns * 8);
                let within =
                    (top..(top + 8).min(size.1)).flat_map(|y| (left..(left + 8).min(size.0)).map(move |x| (x, y)));
                let colours = within.map(|(x, y)| (y * size.0 + x) * 3).map(|at| &pixels.rgb[at..at + 3]);
                let (sum, count) = colours.fold((0.0, 0), |(sum, count), colour| (sum + spacing(colour), count + 1));
                sum / count.max(1) as f32
            })
            .collect();
    }
    components
}

/// For each colour of the picture, its distance to the nearest other one.
fn palette_spacing(rgb: &[u8]) -> impl Fn(&[u8]) -> f32 {
    let mut colours: Vec<[u8; 3]> = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    colours.sort_unstable();
    colours.dedup();
    let distance =
        |a: &[u8; 3], b: &[u8; 3]| (0..3).map(|c| (f32::from(a[c]) - f32::from(b[c])).powi(2)).sum::<f32>().sqrt();
    // More than a palette holds means that it is none; then every colour is known.
    let spaced: std::collections::HashMap<[u8; 3], f32> = if colours.len() > 256 {
        std::collections::HashMap::new()
    } else {
        let nearest = |a: &[u8; 3]| colours.iter().filter(|b| *b != a).map(|b| distance(a, b)).fold(128.0, f32::min);
        colours.iter().map(|colour| (*colour, nearest(colour))).collect()
    };
    move |colour| spaced.get(&[colour[0], colour[1], colour[2]]).copied().unwrap_or(0.0)
}
