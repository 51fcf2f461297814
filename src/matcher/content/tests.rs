use proptest::prelude::*;

use super::*;
use crate::decode::Pixels;
use crate::domain::Digest;
use crate::fingerprint::flatten;
use crate::fingerprint::resample::{Kernel, resample};
use crate::matcher::geometry;

/// A picture with structure everywhere: overlapping waves, and steps that no wave has. `seed` moves everything.
fn picture(width: u32, height: u32, seed: u32) -> Pixels {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 * 640.0 / width as f32, y as f32 * 640.0 / width as f32);
            let wave = (u / 9.0 + seed as f32).sin() * 30.0 + (v / 13.0 + u / 37.0).cos() * 30.0;
            let step = if (u / 50.0) as u32 * 7 % 5 > (v / 60.0) as u32 % 4 { 40.0 } else { -10.0 };
            let level = |offset: f32| (110.0 + wave + step + offset).clamp(0.0, 255.0) as u8;
            rgb.extend([level(u / 30.0), level(0.0), level(v / 20.0)]);
        }
    }
    Pixels { width, height, rgb, alpha: None }
}

fn detail(pixels: &Pixels) -> Detail {
    Detail::new(std::slice::from_ref(pixels), (pixels.width, pixels.height)).unwrap()
}

/// What a lossy copy does: every level errs a little.
fn noisy(pixels: &Pixels) -> Pixels {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i16 % 7 - 3
    };
    let rgb = pixels.rgb.iter().map(|&level| (i16::from(level) + noise()).clamp(0, 255) as u8).collect();
    Pixels { rgb, ..pixels.clone() }
}

fn changed(pixels: &Pixels, change: impl Fn(usize, usize, u8) -> u8) -> Pixels {
    let width = pixels.width as usize;
    let rgb = pixels.rgb.iter().enumerate().map(|(at, &level)| change(at / 3 % width, at / 3 / width, level)).collect();
    Pixels { rgb, ..pixels.clone() }
}

fn likeness(a: &Pixels, b: &Pixels) -> Likeness {
    compare(&detail(a), &detail(b)).likeness
}

/// The same picture at another size.
fn resized_to(pixels: &Pixels, (width, height): (u32, u32)) -> Pixels {
    let whole = (0.0, 0.0, f64::from(pixels.width), f64::from(pixels.height));
    let rgb = resample(&pixels.rgb, (pixels.width, pixels.height), whole, (width, height), Kernel::Triangle).unwrap();
    Pixels { width, height, rgb, alpha: None }
}

#[test]
fn a_copy_is_the_same_at_any_size() {
    let original = picture(1280, 960, 0);
    assert_eq!(likeness(&original, &noisy(&original)), Likeness::Same);
    assert_eq!(likeness(&original, &noisy(&resized_to(&original, (800, 600)))), Likeness::Same);
    assert_eq!(likeness(&original, &noisy(&resized_to(&original, (401, 301)))), Likeness::Same);
}

#[test]
fn a_small_copy_of_a_larger_picture_stays_open() {
    let original = picture(1280, 960, 0);
    let small = resized_to(&original, (240, 180));
    assert_eq!(likeness(&original, &small), Likeness::Unknown);
    assert_eq!(likeness(&small, &noisy(&small)), Likeness::Same, "nothing was lost here");
}

#[test]
fn every_turn_is_found_from_both_sides() {
    let original = picture(640, 480, 0);
    for by in 0..8 {
        let rgb = geometry::turn(&original.rgb, (640, 480), 3, by);
        let (width, height) = turned_size((640, 480), by);
        let turned = Pixels { width, height, rgb, alpha: None };
        let there = compare(&detail(&turned), &detail(&original));
        assert_eq!((there.likeness, there.turn), (Likeness::Same, by));
        let back = compare(&detail(&original), &detail(&turned));
        assert_eq!(back, Comparison { turn: inverse(by), ..there });
    }
}

#[test]
fn another_picture_is_different() {
    assert_eq!(likeness(&picture(640, 480, 0), &picture(640, 480, 2)), Likeness::Different);
    assert_eq!(compare(&detail(&picture(640, 480, 0)), &detail(&picture(640, 400, 0))), NOT_MEASURED, "another shape");
}

#[test]
fn an_edit_is_not_the_same() {
    let original = picture(640, 480, 0);
    let brighter = changed(&original, |_, _, level| level.saturating_add(6));
    assert_eq!(likeness(&original, &brighter), Likeness::Different);
    let patched = changed(&original, |x, y, level| if (300..316).contains(&x) && y < 12 { 255 - level } else { level });
    assert_ne!(likeness(&original, &patched), Likeness::Same);
    assert_ne!(likeness(&original, &noisy(&patched)), Likeness::Same, "nor when it was saved again");
    // Two levels in one place are less than coding may change; but where all else is equal, coding changed nothing.
    let touched = changed(&original, |x, y, level| level + if (300..316).contains(&x) && y < 12 { 2 } else { 0 });
    assert_eq!(likeness(&original, &touched), Likeness::Unknown);
    let cut = Pixels { height: 476, rgb: original.rgb[640 * 3 * 4..].to_vec(), ..original.clone() };
    assert_ne!(likeness(&original, &cut), Likeness::Same);
}

#[test]
fn the_last_columns_count() {
    let original = picture(637, 477, 0);
    let changed = changed(&original, |x, y, level| if x >= 634 || y >= 474 { 255 - level } else { level });
    assert_ne!(likeness(&original, &changed), Likeness::Same);
}

#[test]
fn a_colour_alone_makes_a_difference() {
    let original = picture(640, 480, 0);
    let mut other = original.clone();
    for pixel in other.rgb.chunks_exact_mut(3).skip(640 * 100).take(640 * 40) {
        // Red up and blue down, such that luma hardly moves.
        (pixel[0], pixel[2]) = (pixel[0].saturating_add(16), pixel[2].saturating_sub(42));
    }
    assert_ne!(likeness(&original, &other), Likeness::Same);
}

#[test]
fn plain_pictures_stay_open() {
    let blank = Pixels { width: 640, height: 480, rgb: vec![255; 640 * 480 * 3], alpha: None };
    let faint = changed(&blank, |x, y, level| if (x / 40 + y / 40) % 5 == 0 { level - 2 } else { level });
    assert_eq!(likeness(&blank, &blank), Likeness::Unknown);
    assert_ne!(likeness(&blank, &faint), Likeness::Same);
    assert_ne!(likeness(&faint, &faint), Likeness::Same);
}

#[test]
fn a_transparent_picture_is_the_same_as_itself_on_a_background() {
    let mut original = picture(640, 480, 0);
    original.alpha = Some((0..640 * 480).map(|at| if at % 640 < 320 { 255 } else { 0 }).collect());
    assert_eq!(likeness(&original, &original), Likeness::Same);
    assert_eq!(likeness(&original, &flatten(&original, 255)), Likeness::Same);
    assert_eq!(likeness(&flatten(&original, 0), &original), Likeness::Same);
    assert_ne!(likeness(&flatten(&original, 0), &flatten(&original, 255)), Likeness::Same);
    // On white the two look alike, on black they do not.
    let mut white = original.clone();
    white.rgb.chunks_exact_mut(3).enumerate().filter(|(at, _)| at % 640 >= 320).for_each(|(_, pixel)| pixel.fill(255));
    white.alpha = None;
    assert_eq!(likeness(&original, &white), Likeness::Same);
    white.alpha = Some((0..640 * 480).map(|at| if at % 640 < 560 { 255 } else { 0 }).collect());
    assert_ne!(likeness(&original, &white), Likeness::Same);
}

#[test]
fn a_detail_is_stored_and_read_back() {
    let mut original = picture(900, 700, 0);
    for alpha in [None, Some(vec![200; 900 * 700])] {
        original.alpha = alpha;
        let detail = detail(&original);
        let bytes = detail.to_bytes();
        assert_eq!(Detail::from_bytes(&bytes), Some(detail));
        assert_eq!(Detail::from_bytes(&bytes[..bytes.len() - 1]), None, "torn");
        assert_eq!(Detail::from_bytes(&bytes[..17]), None, "without pixels");
        assert_eq!(Detail::from_bytes(&[&[9], &bytes[1..]].concat()), None, "another layout");
    }
    assert_eq!(detail(&picture(4000, 3000, 0)).to_bytes().len(), 17 + 1 + 640 * 480 + 2 * 160 * 120);
    assert_eq!(Detail::new(&[], (1, 1)), None);
}

#[test]
fn tiny_pictures_are_compared_without_harm() {
    for (width, height) in [(1, 1), (7, 900), (900, 3)] {
        assert_ne!(likeness(&picture(width, height, 0), &picture(width, height, 0)), Likeness::Same);
    }
}

fn key(at: u8) -> ImageKey {
    (Digest([at; 32]), 1)
}

fn found(a: u8, b: u8, likeness: Likeness, lz: f32) -> Compared {
    Compared { a: key(a), b: key(b), comparison: Comparison { likeness, lz, ..NOT_MEASURED } }
}

fn grouped(images: &[u8], compared: &[Compared]) -> Vec<Vec<u8>> {
    let keys: Vec<ImageKey> = images.iter().copied().map(key).collect();
    groups(&keys, compared).iter().map(|group| group.iter().map(|key| key.0.0[0]).collect()).collect()
}

#[test]
fn copies_are_one_content_and_everything_is_in_one() {
    let pairs = [found(2, 1, Likeness::Same, 1.0), found(2, 3, Likeness::Unknown, 3.0)];
    assert_eq!(grouped(&[3, 2, 1, 2], &pairs), [vec![1, 2], vec![3]]);
}

#[test]
fn a_chain_does_not_merge_siblings() {
    use Likeness::{Different, Same, Unknown};
    let chain = [found(1, 2, Same, 1.0), found(2, 3, Same, 1.1), found(3, 4, Same, 1.2), found(1, 4, Unknown, 3.0)];
    assert_eq!(grouped(&[1, 2, 3, 4], &chain), [vec![1, 2, 3], vec![4]], "4 was never the same as the hub");
    let parted = [found(1, 2, Same, 1.0), found(2, 3, Same, 0.5), found(1, 3, Different, 5.0)];
    assert_eq!(grouped(&[1, 2, 3], &parted), [vec![1], vec![2, 3]], "the closer pair stays");
    let twice = [found(1, 2, Same, 1.0), found(2, 1, Different, 5.0)];
    assert_eq!(grouped(&[1, 2], &twice), [vec![1], vec![2]], "the more cautious finding counts");
}

proptest! {
    #[test]
    fn groups_depend_on_the_sets_alone(
        pairs in prop::collection::vec((0u8..7, 0u8..7, 0u8..3, 0u8..4), 0..30),
        by in 0usize..30,
    ) {
        let likeness = [Likeness::Same, Likeness::Unknown, Likeness::Different];
        let mut compared: Vec<Compared> = pairs
            .iter()
            .map(|&(a, b, kind, lz)| found(a, b, likeness[usize::from(kind)], f32::from(lz)))
            .collect();
        let first = grouped(&[0, 1, 2, 3, 4, 5, 6], &compared);
        let length = compared.len().max(1);
        compared.rotate_left(by % length);
        compared.iter_mut().for_each(|pair| std::mem::swap(&mut pair.a, &mut pair.b));
        prop_assert_eq!(&first, &grouped(&[6, 2, 4, 0, 1, 3, 5], &compared));
        for group in &first {
            for pair in compared.iter().filter(|pair| pair.comparison.likeness == Likeness::Different && pair.a != pair.b) {
                prop_assert!(!(group.contains(&pair.a.0.0[0]) && group.contains(&pair.b.0.0[0])));
            }
        }
    }
}
