//! The reader against a decoder, and the comparison against what real encoders wrote.
//!
//! `samples` are thumbnails of pictures in `fixtures/originals`: made by Pillow 13.0.0 with libwebp 1.6.0, by PHP 8.2's GD with
//! libwebp 1.2.4 where the name says so. Sums of reconstructed samples are those of dwebp 1.2.4 (`-nofilter -yuv`).

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::frame;
use super::quantise::{Kind, cell};
use super::quantised::Quantised;
use super::riff::{chunk, is_lossy};
use super::transform::{forward, forward_means, inverse, inverse_means, spread};
use crate::decode::Limits;
use crate::recipe::{
    Build, Cells, Coding, Excess, Filter, Fit, Frame, Opacity, Orientation, Recipe, Reproducer, Scaler, Sharpen, Upload,
};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("samples/", $name, ".webp"))
    };
}

const REGATTA: &[u8] = sample!("regatta-1-pillow-q70");
const SMILE: &[u8] = sample!("smile-2-pillow-q50");
const CARD: &[u8] = sample!("card-1-pillow-q85");
const TULIPS: &[u8] = sample!("tulips-pillow-q100");
const LOGO: &[u8] = sample!("logo-fox-pillow-q75");
const DOG: &[u8] = sample!("dog-run-1-gd-q80");
const ANIMATED: &[u8] = sample!("animated-pillow");

const PIXELS_MAX: usize = 4_000_000;

#[test]
fn frames_are_reconstructed_to_the_bit() {
    let golden = [
        (REGATTA, "2e972d5ac4dbcbb3"),
        (SMILE, "1e1fdc54dbe31873"),
        (CARD, "f088e3abf770229b"),
        (TULIPS, "8ec789d80f9674a6"),
        (LOGO, "ce0e07b4c5550252"),
        (DOG, "4dca0bcd0090dc39"),
    ];
    for (file, sum) in golden {
        let (frame, planes) = frame::read(chunk(file, b"VP8 ").unwrap(), PIXELS_MAX).unwrap();
        let mut samples = Sha256::new();
        for (plane, by) in planes.iter().zip([1, 2, 2]) {
            let (width, height) = (frame.width.div_ceil(by), frame.height.div_ceil(by));
            (0..height).for_each(|y| samples.update(&plane.bordered(1, y + 1)[..width]));
        }
        let told: String = samples.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(told, sum, "{} x {}", frame.width, frame.height);
    }
}

fn original(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/originals/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn plain(side_px: u32, scaler: Scaler, opacity: Opacity) -> Recipe {
    let (opacity, orientation) = (Some(opacity), Some(Orientation::Applied));
    Recipe { side_px, frame: Frame::Fit, scaler, sharpen: Sharpen::None, opacity, orientation, mark: None }
}

fn excess(thumbnail: &[u8], name: &str, recipe: &Recipe) -> Excess {
    let bytes = original(name);
    let upload = Upload::read(&bytes, &Limits::default()).unwrap();
    let cells = Cells::read(thumbnail).unwrap();
    assert_eq!(cells.coding, Coding::Lossy);
    Reproducer::new(&upload).excess(recipe, &cells, 1).unwrap()
}

const PILLOW_BICUBIC: Scaler = Scaler::Pillow { filter: Filter::Bicubic };
const PILLOW_LANCZOS: Scaler = Scaler::Pillow { filter: Filter::Lanczos };

fn leaves_nothing(excess: &Excess) -> bool {
    (excess.loss, excess.d, excess.hz) == (0.0, 0.0, 0.0)
}

#[test]
fn the_right_recipe_leaves_nothing_and_siblings_much() {
    let on_white = |side_px, scaler| plain(side_px, scaler, Opacity::Before(255));
    let cases: [(&[u8], Recipe, &str, &[&str]); 5] = [
        (REGATTA, on_white(97, PILLOW_LANCZOS), "regatta-1.jpg", &["regatta-2.jpg", "regatta-3.jpg", "regatta-4.jpg"]),
        (SMILE, on_white(90, PILLOW_BICUBIC), "smile-2.jpg", &["smile-1.jpg", "smile-3.jpg", "smile-4.jpg"]),
        (CARD, on_white(120, PILLOW_LANCZOS), "card-1.jpg", &["card-2.jpg", "card-3.jpg"]),
        // Beyond quality 98 no error is passed on.
        (TULIPS, on_white(64, PILLOW_LANCZOS), "tulips.jpg", &["stag.jpg"]),
        (DOG, on_white(90, Scaler::Gd { build: Build::Library }), "dog-run-1.jpg", &["dog-run-2.jpg", "dog-run-3.jpg"]),
    ];
    for (thumbnail, recipe, right, others) in cases {
        assert!(leaves_nothing(&excess(thumbnail, right, &recipe)), "{right}");
        for other in others {
            let excess = excess(thumbnail, other, &recipe);
            assert!(excess.d > Fit::limit(90), "{other} {excess:?}");
        }
    }
    let wrong = on_white(97, PILLOW_BICUBIC);
    assert!(excess(REGATTA, "regatta-1.jpg", &wrong).loss > 0.01);
}

#[test]
fn opacity_is_compared_too() {
    let kept = plain(97, PILLOW_BICUBIC, Opacity::Kept);
    assert!(leaves_nothing(&excess(LOGO, "logo-fox.png", &kept)));
    assert!(excess(LOGO, "logo-petals.png", &kept).d > 1.0);
    let bytes = original("logo-fox.png");
    let upload = Upload::read(&bytes, &Limits::default()).unwrap();
    let on_white = plain(97, PILLOW_BICUBIC, Opacity::Before(255));
    assert_eq!(Reproducer::new(&upload).excess(&on_white, &Cells::read(LOGO).unwrap(), 1), None);
}

#[test]
fn another_size_is_not_compared() {
    let quantised = Quantised::read(TULIPS, PIXELS_MAX).unwrap();
    let of_size = |width: usize, height: usize| {
        let values = vec![0; width * height * 3];
        quantised.errors(&crate::recipe::taps::Grid { width, height, channels: 3, values })
    };
    let cells = Cells::read(TULIPS).unwrap();
    assert!(of_size(cells.width, cells.height).is_some());
    assert!(of_size(cells.width + 1, cells.height).is_none());
}

#[test]
fn a_cell_holds_what_the_encoder_gives_its_level() {
    // `QuantizeBlock` as libwebp has it.
    let level = |kind: Kind, k: usize, coefficient: i32, step: u32| {
        let biases = match kind {
            Kind::Luma => [96, 110],
            Kind::Means => [96, 108],
            Kind::Chroma => [110, 115],
        };
        let sharpening = [0, 30, 60, 90, 30, 60, 90, 90, 60, 90, 90, 90, 90, 90, 90, 90][k] * step / 2048;
        let raised = coefficient.unsigned_abs() + if kind == Kind::Luma { sharpening } else { 0 };
        let inverse = (1 << 17) / step;
        let bias = biases[usize::from(k > 0)] << 9;
        let threshold = ((1 << 17) - 1 - bias) / inverse;
        let magnitude = if raised > threshold { ((raised * inverse + bias) >> 17).min(2047) } else { 0 };
        magnitude as i32 * coefficient.signum()
    };
    for kind in [Kind::Luma, Kind::Means, Kind::Chroma] {
        for (step, k) in [(4, 0), (7, 5), (29, 1), (61, 15), (157, 3), (284, 15), (314, 0), (440, 2)] {
            for coefficient in -9000..9000 {
                let level = level(kind, k, coefficient, step) as i16;
                let beyond = |level: i16| cell(kind, k, level, step as u16).beyond(coefficient);
                assert_eq!(beyond(level), 0, "{coefficient} by {step}");
                if level.abs() < 2047 {
                    assert!(beyond(level + 1) < 0 && beyond(level - 1) > 0, "{coefficient} by {step}");
                }
            }
        }
    }
}

#[test]
fn transforms_undo_each_other() {
    let block = std::array::from_fn(|k| (k as i32 * 37 + k as i32 * k as i32 * 11) % 201 - 100);
    let back = inverse(&forward(&block));
    assert!(block.iter().zip(back).all(|(a, b)| (a - b).abs() <= 1), "{back:?}");
    let back = inverse_means(&forward_means(&block));
    assert!(block.iter().zip(back).all(|(a, b)| (a - b).abs() <= 1), "{back:?}");
    // What is spread is what the means would differ by.
    let means = forward_means(&block).map(|mean| mean as f32 / 2.0);
    assert!(block.iter().zip(spread(&means)).all(|(&a, b)| (a as f32 - b).abs() <= 1.0));
}

#[test]
fn animations_are_lossy_and_refused() {
    assert!(is_lossy(ANIMATED) && is_lossy(REGATTA) && is_lossy(LOGO));
    assert!(!is_lossy(&original("logo-gear.webp")) && !is_lossy(b"RIFF"));
    assert!(Quantised::read(ANIMATED, PIXELS_MAX).is_none());
    assert!(Cells::read(ANIMATED).is_err());
    assert!(Quantised::read(REGATTA, 1000).is_none(), "more pixels than allowed");
}

proptest! {
    #[test]
    fn damage_is_refused_or_read_without_a_crash(
        which in 0..3usize,
        changes in prop::collection::vec((0..1000u32, any::<u8>()), 0..12),
        kept in 0..1000u32,
    ) {
        let (file, width, height) = [(SMILE, 72, 90), (LOGO, 97, 97), (TULIPS, 64, 45)][which];
        let mut file = file.to_vec();
        for (part, byte) in changes {
            let at = file.len() * part as usize / 1000;
            file[at] = byte;
        }
        if kept < 500 {
            file.truncate(file.len() * kept as usize / 500);
        }
        if let Some(quantised) = Quantised::read(&file, PIXELS_MAX) {
            let values = vec![77; width * height * 4];
            quantised.errors(&crate::recipe::taps::Grid { width, height, channels: 4, values });
        }
    }
}
