use super::*;
use crate::matcher::geometry::turn;
use crate::recipe::{Anchor, Span};

/// A picture with texture, edges and a disc, the same for every reader: also the input of the reference numbers.
fn picture(width: u32, height: u32) -> Pixels {
    let (w, h) = (i64::from(width), i64::from(height));
    let mut rgb = Vec::new();
    for y in 0..h {
        for x in 0..w {
            for channel in 0..3 {
                let texture = (x * (3 + channel) + y * 2) % 61 - 30;
                let chequer = if (x / 9 + y / 7) % 2 == 1 { 40 } else { -40 };
                let disc = if (x - w / 2).pow(2) + (y - h / 2).pow(2) < (h / 4).pow(2) { 50 } else { 0 };
                rgb.push((128 + texture + chequer + disc).rem_euclid(256) as u8);
            }
        }
    }
    Pixels { width, height, rgb, alpha: None }
}

/// The picture at another size.
fn shrunk(pixels: &Pixels, width: u32, height: u32) -> Pixels {
    let whole = (0.0, 0.0, f64::from(pixels.width), f64::from(pixels.height));
    let rgb = resample(&pixels.rgb, (pixels.width, pixels.height), whole, (width, height), Kernel::Triangle);
    Pixels { width, height, rgb: rgb.expect("the size is right"), alpha: None }
}

fn turned(pixels: &Pixels, by: u8) -> Pixels {
    let rgb = turn(&pixels.rgb, (pixels.width as usize, pixels.height as usize), 3, by);
    let (width, height) = turned_size((pixels.width, pixels.height), by);
    Pixels { width, height, rgb, alpha: None }
}

fn measured(thumbnail: &Pixels, upload: &Pixels) -> Residual {
    let master = Master::new(std::slice::from_ref(upload), (upload.width, upload.height));
    Verifier::new(&master).residual(&Thumbnail::new(thumbnail, Coding::Other)).expect("both have pixels")
}

/// The thumbnail with a few pixels 60 levels brighter, as a changed digit would be.
fn tampered(thumbnail: &Pixels) -> Pixels {
    let mut out = thumbnail.clone();
    for y in 20..24 {
        for x in 30..36 {
            for channel in 0..3 {
                let level = &mut out.rgb[(y * 64 + x) * 3 + channel];
                *level = level.saturating_add(60);
            }
        }
    }
    out
}

fn close(value: f32, reference: f32) -> bool {
    (value - reference).abs() <= 0.05 * reference.abs() + 0.02
}

#[test]
fn numbers_agree_with_the_reference() {
    // From the experiments' own implementation (numpy, OpenCV, Pillow) on the same pixels.
    let upload = picture(192, 144);
    let thumbnail = shrunk(&upload, 64, 48);
    let plain = measured(&thumbnail, &upload);
    let changed = measured(&tampered(&thumbnail), &upload);
    let found = [
        plain.z_strict,
        plain.z_fine,
        plain.rms,
        plain.detail,
        changed.z_strict,
        changed.z_colour,
        changed.z_fine,
        changed.chroma,
        changed.zncc,
        changed.colour_deviation,
        changed.rms,
    ];
    let reference = [0.3215, 0.2507, 1.567, 33.536, 5.3137, 5.1133, 9.7995, 5.0343, 0.9892, 0.6218, 5.0997];
    for (at, (found, reference)) in found.iter().zip(&reference).enumerate() {
        assert!(close(*found, *reference), "number {at}: {found} instead of {reference}");
    }
}

#[test]
fn a_changed_detail_shows() {
    let upload = picture(192, 144);
    let thumbnail = shrunk(&upload, 64, 48);
    assert!(measured(&thumbnail, &upload).z_fine < 1.0);
    assert!(measured(&tampered(&thumbnail), &upload).z_fine > 5.0);
}

#[test]
fn every_turn_is_found() {
    let upload = picture(192, 144);
    let thumbnail = shrunk(&upload, 64, 48);
    for by in 0..8 {
        // The thumbnail shows the upload turned by the inverse of what made this upload.
        let sent = turned(&upload, by);
        let residual = measured(&thumbnail, &sent);
        assert!(residual.z_strict < 1.0, "turn {by} left {residual:?}");
        assert_eq!(residual.frame, Frame::Fit);
    }
}

#[test]
fn padded_and_cut_thumbnails_are_recognised() {
    let upload = picture(192, 96);
    let inner = shrunk(&upload, 64, 32);
    let mut rgb = vec![255; 64 * 16 * 3];
    rgb.extend(&inner.rgb);
    rgb.extend(vec![255; 64 * 16 * 3]);
    let padded = measured(&Pixels { width: 64, height: 64, rgb, alpha: None }, &upload);
    assert_eq!(padded.frame, Frame::Pad);
    assert!(padded.z_strict < 1.0, "{padded:?}");

    let rgb = resample(&upload.rgb, (192, 96), (48.0, 0.0, 96.0, 96.0), (48, 48), Kernel::Triangle);
    let cut = measured(&Pixels { width: 48, height: 48, rgb: rgb.expect("right size"), alpha: None }, &upload);
    assert_eq!(cut.frame, Frame::Crop);
    assert!(cut.z_strict < 1.0, "{cut:?}");
}

#[test]
fn a_change_of_colour_is_told_from_the_picture() {
    let upload = picture(192, 144);
    let mut edited = shrunk(&upload, 64, 48);
    edited.rgb.iter_mut().for_each(|level| *level = (f32::from(*level) * 0.8 + 10.0) as u8);
    let residual = measured(&edited, &upload);
    assert!(residual.colour_deviation > COLOUR_TOLERANCE, "{residual:?}");
    assert!(residual.z_colour < 1.5 && residual.z_strict > 5.0, "{residual:?}");
    assert_eq!(residual.z(), residual.z_strict);
}

#[test]
fn another_picture_does_not_fit() {
    let rings = (0..192 * 144).map(|at| ((at % 192 - 60i64).pow(2) + (at / 192 - 40i64).pow(2)) / 40 % 2 * 200);
    let rgb = rings.flat_map(|level| [level as u8 + 20, level as u8, level as u8 + 40]).collect();
    let other = Pixels { rgb, ..picture(192, 144) };
    assert!(measured(&shrunk(&other, 64, 48), &picture(192, 144)).z() > 8.0);
}

#[test]
fn transparency_is_tried_on_white_and_on_black() {
    let mut upload = picture(192, 144);
    upload.alpha = Some((0..192 * 144).map(|at| if at % 192 < 96 { 255 } else { 0 }).collect());
    for background in [255, 0] {
        let flat = crate::fingerprint::flatten(&upload, background);
        let residual = measured(&shrunk(&flat, 64, 48), &upload);
        assert!(residual.z_strict < 1.0, "{residual:?}");
        assert_eq!(residual.rendering, u8::from(background == 0));
    }
}

#[test]
fn nothing_to_compare_is_no_residual() {
    let empty = Pixels { width: 0, height: 0, rgb: vec![], alpha: None };
    let master = Master::new(std::slice::from_ref(&empty), (0, 0));
    assert_eq!(Verifier::new(&master).residual(&Thumbnail::new(&picture(8, 8), Coding::Other)), None);
}

#[test]
fn tiny_pictures_are_no_trouble() {
    for (width, height) in [(1, 1), (2, 1), (1, 7), (3, 3), (9, 2)] {
        let thumbnail = Thumbnail::new(&picture(width, height), Coding::Other);
        let upload = picture(width * 5, height * 5);
        let residual =
            Verifier::new(&Master::new(std::slice::from_ref(&upload), (width * 5, height * 5))).residual(&thumbnail);
        assert!(residual.is_none_or(|residual| residual.z().is_finite() && residual.zncc.is_finite()));
    }
}

#[test]
fn what_is_remembered_of_an_upload_changes_no_residual() {
    let upload = picture(160, 120);
    let master = Master::new(std::slice::from_ref(&upload), (160, 120));
    let together = Verifier::new(&master);
    // More sizes than are remembered, each of them twice, and one size with two pictures in it.
    let sizes = [(40, 30), (36, 27), (30, 40), (48, 36), (32, 32), (44, 33), (28, 21)];
    for (width, height) in sizes.into_iter().chain(sizes) {
        for other in [false, true] {
            let mut shown = picture(width, height);
            if other {
                shown.rgb.iter_mut().step_by(5).for_each(|level| *level = level.saturating_add(40));
            }
            let thumbnail = Thumbnail::new(&shown, Coding::Other);
            let alone = Verifier::new(&master).residual(&thumbnail);
            assert!(alone.is_some());
            assert_eq!(together.residual(&thumbnail), alone);
        }
    }
}

#[test]
fn a_picture_shows_where_the_difference_is() {
    let upload = picture(160, 120);
    let mut shown = shrunk(&upload, 80, 60);
    for y in 20..30 {
        shown.rgb[(y * 80 + 40) * 3..(y * 80 + 50) * 3].fill(255);
    }
    let master = Master::new(std::slice::from_ref(&upload), (160, 120));
    let drawn = Verifier::new(&master).picture(&Thumbnail::new(&shown, Coding::Other)).unwrap();
    assert_eq!((drawn.width, drawn.height), (240, 60));
    let luma = |panel: usize, x: usize, y: usize| u32::from(drawn.rgb[(y * 240 + panel * 80 + x) * 3 + 1]);
    assert_eq!(luma(0, 45, 25), 255, "the thumbnail as it is");
    let strength = |x: usize, y: usize| luma(2, x, y).abs_diff(127);
    let mean = |columns: std::ops::Range<usize>| {
        let all: Vec<u32> =
            (20..30).flat_map(|y| columns.clone().map(move |x| (x, y))).map(|(x, y)| strength(x, y)).collect();
        all.iter().sum::<u32>() / all.len() as u32
    };
    assert!(mean(40..50) > 4 * mean(0..30).max(1), "{} there, {} elsewhere", mean(40..50), mean(0..30));
}

#[test]
fn art_that_vanished_on_its_ground_still_agrees() {
    // Black art on a transparent ground, laid on black by the shop: nothing is left to see.
    let art = |x: u32, y: u32| x.abs_diff(80) + y.abs_diff(60) < 40;
    let places = (0..120).flat_map(|y| (0..160).map(move |x| (x, y)));
    let alpha: Vec<u8> = places.map(|(x, y)| if art(x, y) { 255 } else { 0 }).collect();
    let upload = Pixels { width: 160, height: 120, rgb: vec![0; 160 * 120 * 3], alpha: Some(alpha) };
    let master = Master::new(std::slice::from_ref(&upload), (160, 120));
    let plain = |level: u8| {
        let pixels = Pixels { width: 80, height: 60, rgb: vec![level; 80 * 60 * 3], alpha: None };
        Verifier::new(&master).residual(&Thumbnail::new(&pixels, Coding::Other)).unwrap()
    };
    let black = plain(0);
    assert!(black.z() < 1.0 && black.detail < 1.0, "{black:?}");
    assert_eq!(plain(128).z(), UNLIKE_Z, "another level is another picture");
}

#[test]
fn what_lies_under_a_mark_says_nothing_and_the_rest_as_much_as_ever() {
    let upload = picture(192, 144);
    let plain = shrunk(&upload, 64, 48);
    let mut marked = plain.clone();
    for y in 35..46 {
        for x in 41..62 {
            marked.rgb[(y * 64 + x) * 3..][..3].copy_from_slice(&[235; 3]);
        }
    }
    let span = |from, to| Span { anchor: Anchor::Start, from, to };
    let mark = Mark { across: span(41, 62), down: span(35, 46) };
    let master = Master::new(std::slice::from_ref(&upload), (192, 144));
    let residual = |pixels: &Pixels, marks: &[Mark]| {
        Verifier::new(&master).residual(&Thumbnail::new(pixels, Coding::Other).beside(marks)).unwrap()
    };
    let (seen, beside) = (residual(&marked, &[]), residual(&marked, &[mark]));
    assert!(seen.z() > 2.0 * beside.z() && seen.zncc < beside.zncc, "{seen:?} {beside:?}");
    assert!(close(beside.z(), residual(&plain, &[mark]).z()), "whatever the mark shows");
    assert!(residual(&tampered(&marked), &[mark]).z_fine > 1.5 * beside.z_fine, "a digit beside it");
    // A mark that takes everything is none.
    let all = Mark { across: span(0, 64), down: span(0, 48) };
    assert_eq!(residual(&marked, &[all]), seen);
}
