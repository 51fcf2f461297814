use proptest::prelude::*;

use super::*;
use crate::matcher::geometry::{turn, turned_size};

/// A picture with large shapes, different for every seed.
fn picture(width: u32, height: u32, seed: u32) -> Pixels {
    let wave = |value: f32, by: u32| ((value * (2.0 + by as f32) + (seed * by) as f32).sin() * 55.0) as i32;
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32 * 3.0, y as f32 / height as f32 * 3.0);
            let level = 128 + wave(u, 1) + wave(v + u * u, 2) / 2 + wave(v * 2.0 - u, 3) / 2;
            rgb.extend([level, level - 20, level + 20].map(|level| level.clamp(0, 255) as u8));
        }
    }
    Pixels { width, height, rgb, alpha: None }
}

#[test]
fn a_reduction_stays_near_and_another_picture_far() {
    let upload = of_upload(&[picture(640, 480, 1)]);
    let near = upload.distance(&of_thumbnail(&picture(120, 90, 1))).expect("enough detail");
    let far = upload.distance(&of_thumbnail(&picture(120, 90, 8))).expect("enough detail");
    assert!(near <= 16, "{near}");
    assert!(far > 60, "{far}");
}

#[test]
fn every_turn_of_a_thumbnail_is_near() {
    let picture = picture(320, 240, 3);
    let upload = of_upload(std::slice::from_ref(&picture));
    for by in 0..8 {
        let rgb = turn(&picture.rgb, (320, 240), 3, by);
        let (width, height) = turned_size((320, 240), by);
        let distance = upload.distance(&of_thumbnail(&Pixels { width, height, rgb, alpha: None }));
        assert!(distance.is_some_and(|distance| distance <= 8), "turn {by}: {distance:?}");
    }
}

/// A picture on a ground of one level, so far from the left and from above.
fn on_ground(picture: &Pixels, (width, height): (u32, u32), (left, above): (u32, u32), level: u8) -> Pixels {
    let mut rgb = vec![level; (width * height * 3) as usize];
    for (row, values) in picture.rgb.chunks_exact(picture.width as usize * 3).enumerate() {
        let at = (((row as u32 + above) * width + left) * 3) as usize;
        rgb[at..at + values.len()].copy_from_slice(values);
    }
    Pixels { width, height, rgb, alpha: None }
}

#[test]
fn what_lies_in_a_margin_all_around_is_near() {
    // An edge of its own keeps it from running into either ground.
    let picture = on_ground(&picture(116, 87, 5), (120, 91), (2, 2), 128);
    let upload = of_upload(std::slice::from_ref(&picture));
    for level in [255u8, 0] {
        let thumbnail = of_thumbnail(&on_ground(&picture, (200, 200), (40, 54), level));
        assert_eq!(thumbnail.len(), 2);
        assert!(
            upload.distance(&thumbnail[..1]).is_none_or(|distance| distance > 60),
            "as a whole it is another picture"
        );
        assert!(upload.distance(&thumbnail).is_some_and(|distance| distance <= 2), "on {level}");
    }
    assert_eq!(of_thumbnail(&on_ground(&picture, (200, 200), (20, 54), 255)).len(), 1, "it lies where no shop puts it");
    assert_eq!(
        of_thumbnail(&on_ground(&picture, (120, 200), (0, 54), 255)).len(),
        1,
        "padded in one direction, as a whole"
    );
    assert_eq!(
        of_thumbnail(&Pixels { width: 50, height: 50, rgb: vec![255; 7500], alpha: None }).len(),
        1,
        "a blank page"
    );
}

#[test]
fn a_padded_and_a_cut_thumbnail_are_near() {
    let picture = picture(320, 160, 5);
    let upload = of_upload(std::slice::from_ref(&picture));
    for level in [255u8, 0] {
        let mut rgb = vec![level; 320 * 80 * 3];
        rgb.extend(&picture.rgb);
        rgb.extend(vec![level; 320 * 80 * 3]);
        let distance = upload.distance(&of_thumbnail(&Pixels { width: 320, height: 320, rgb, alpha: None }));
        assert!(distance.is_some_and(|distance| distance <= 16), "padded with {level}: {distance:?}");
    }
    let rows = picture.rgb.chunks_exact(320 * 3).flat_map(|row| row[80 * 3..240 * 3].to_vec());
    let cut = Pixels { width: 160, height: 160, rgb: rows.collect(), alpha: None };
    assert!(upload.distance(&of_thumbnail(&cut)).is_some_and(|distance| distance <= 8));
}

#[test]
fn a_plain_picture_does_not_speak() {
    let plain = Pixels { width: 50, height: 50, rgb: vec![250; 50 * 50 * 3], alpha: None };
    assert_eq!(of_thumbnail(&plain)[0].quality, 0);
    assert_eq!(of_upload(std::slice::from_ref(&plain)).distance(&of_thumbnail(&plain)), None);
}

#[test]
fn a_transparent_thumbnail_is_laid_where_it_shows() {
    let alpha: Vec<u8> = (0..64 * 64).map(|at| if (at / 8 + at / 512) % 2 == 0 { 255 } else { 0 }).collect();
    let white_logo = Pixels { width: 64, height: 64, rgb: vec![255; 64 * 64 * 3], alpha: Some(alpha) };
    assert!(of_thumbnail(&white_logo)[0].speaks());
    let upload = of_upload(std::slice::from_ref(&white_logo));
    assert_eq!(upload.distance(&of_thumbnail(&white_logo)), Some(0));
}

#[test]
fn broken_bytes_are_no_fingerprint() {
    let bytes = of_upload(&[picture(64, 48, 2)]).to_bytes();
    assert_eq!(Views::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Views::from_bytes(&[]), None);
    assert_eq!(Views::from_bytes(&[9]), None);
    assert_eq!(Fingerprint::from_bytes(&[0; 32]), None);
}

proptest! {
    #[test]
    fn fingerprints_survive_their_bytes_and_repeat(width in 1u32..40, height in 1u32..40, seed in 0u32..50) {
        let picture = picture(width, height, seed);
        let views = of_upload(std::slice::from_ref(&picture));
        prop_assert_eq!(Views::from_bytes(&views.to_bytes()), Some(views.clone()));
        prop_assert_eq!(of_upload(std::slice::from_ref(&picture)), views);
        let thumbnail = of_thumbnail(&picture);
        prop_assert_eq!(Fingerprint::all_from_bytes(&Fingerprint::all_to_bytes(&thumbnail)), Some(thumbnail));
    }

    #[test]
    fn distance_is_symmetric(a in any::<[u64; 4]>(), b in any::<[u64; 4]>()) {
        prop_assert_eq!(Hash(a).distance(&Hash(b)), Hash(b).distance(&Hash(a)));
        prop_assert_eq!(Hash(a).distance(&Hash(a)), 0);
    }
}
