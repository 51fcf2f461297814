//! Marks that a shop burned into its thumbnails: found where they are, and nowhere else.

use super::*;
use crate::recipe::{Anchor, Learned, Mark};

const SIDE: usize = 120;
const RIGHT: Scaler = Scaler::Pillow { filter: Filter::Bicubic };
const WRONG: Scaler = Scaler::Pillow { filter: Filter::Lanczos };

/// Landscapes and portraits of several proportions.
fn size(seed: u32) -> (u32, u32) {
    let (long, short) = (300 + seed % 4 * 10, 200 + seed % 5 * 16);
    if seed.is_multiple_of(2) { (long, short) } else { (short, long) }
}

/// Paints a rectangle: left, top, right, bottom in pixels. Each level keeps `kept` hundredths of itself.
fn paint(picture: &mut Grid<u8>, [left, top, right, bottom]: [usize; 4], level: u8, kept: u32) {
    for y in top..bottom {
        for x in left..right {
            for channel in 0..3 {
                let at = (y * picture.width + x) * 3 + channel;
                let mixed = u32::from(picture.values[at]) * kept + u32::from(level) * (100 - kept);
                picture.values[at] = (mixed / 100) as u8;
            }
        }
    }
}

/// A half transparent badge of fixed size with a line of dark letters in it, near the lower right corner.
fn badge(picture: &mut Grid<u8>) {
    let (right, bottom) = (picture.width - 5, picture.height - 4);
    paint(picture, [right - 40, bottom - 14, right, bottom], 235, 50);
    for letter in 0..6 {
        paint(picture, [right - 37 + 6 * letter, bottom - 11, right - 34 + 6 * letter, bottom - 4], 60, 0);
    }
}

/// What is learned of thumbnails that this mark was painted on, if two engines are known, and no sharpening.
fn learned(seeds: &[u32], mark: impl Fn(u32, &mut Grid<u8>)) -> Result<Vec<Learned>, Refusal> {
    let of_seed = |&seed: &u32| marked_pair(seed, size(seed), Filter::Bicubic, SIDE, |small| mark(seed, small));
    let pairs: Vec<_> = seeds.iter().map(of_seed).collect();
    let uploads: Vec<_> =
        pairs.iter().map(|(_, original)| Upload::read(original, &Limits::default()).unwrap()).collect();
    let cells: Vec<_> = pairs.iter().map(|(thumbnail, _)| Cells::read(thumbnail).unwrap()).collect();
    let reproducers: Vec<_> = uploads.iter().map(Reproducer::new).collect();
    let one = |&pair: &usize, recipes: &[Recipe]| {
        let is_known = |recipe: &&Recipe| [RIGHT, WRONG].contains(&recipe.scaler) && recipe.sharpen == Sharpen::None;
        let excess = |recipe: &Recipe| reproducers[pair].excess(Some(recipe).filter(is_known)?, &cells[pair], 1);
        recipes.iter().map(excess).collect()
    };
    let mut measure = |pairs: &[usize], recipes: &[Recipe]| pairs.iter().map(|pair| one(pair, recipes)).collect();
    let map = |&pair: &usize, recipe: &Recipe| reproducers[pair].map(recipe, &cells[pair], 1);
    let mut maps = |pairs: &[usize], recipe: &Recipe| pairs.iter().map(|pair| map(pair, recipe)).collect();
    learn(SIDE as u32, &vec![SIDE; seeds.len()], &mut measure, &mut maps)
}

fn seeds(count: u32) -> Vec<u32> {
    (0..count).collect()
}

#[test]
fn a_badge_is_learned_with_its_place_and_proves_nothing_by_itself() {
    let learned = learned(&seeds(15), |_, small| badge(small)).unwrap();
    let [one] = &learned[..] else { panic!("{learned:?}") };
    assert_eq!((one.recipe.scaler, one.recipe.sharpen, one.explained), (RIGHT, Sharpen::None, 15));
    let mark: Mark = one.recipe.mark.unwrap();
    assert_eq!((mark.across.anchor, mark.down.anchor), (Anchor::End, Anchor::End));

    // On proportions that it was not learned from.
    let wide = |seed| marked_pair(seed, (400, 170), Filter::Bicubic, SIDE, badge);
    let (thumbnail, original) = wide(100);
    let fit = |thumbnail: &[u8], original: &[u8]| {
        let upload = Upload::read(original, &Limits::default()).unwrap();
        Reproducer::new(&upload).fit(one, &Cells::read(thumbnail).unwrap(), &[1]).unwrap()
    };
    assert!(fit(&thumbnail, &original).near);
    let (_, sibling) = wide(101);
    assert!(!fit(&thumbnail, &sibling).near);
    // Nothing to see but the badge: then it makes no difference whose it is.
    let flat = |level: u8| {
        let rgb = vec![level; 400 * 170 * 3];
        samples::png(400, 170, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &rgb, |_| {})
    };
    let mut small = Grid { width: 120, height: 51, channels: 3, values: vec![90; 120 * 51 * 3] };
    badge(&mut small);
    let thumbnail = samples::jpeg(&small.values, 120, 51, mozjpeg::ColorSpace::JCS_RGB, samples::Jpeg::Baseline);
    let made = fit(&thumbnail, &flat(90));
    assert!(made.d < 0.01 && !made.near && !made.within && made.alike, "{made:?}");
}

#[test]
fn a_mark_may_grow_with_the_frame() {
    let relative = |picture: &mut Grid<u8>| {
        let (w, h) = (picture.width, picture.height);
        paint(picture, [w * 62 / 100, h * 84 / 100, w * 97 / 100, h * 96 / 100], 235, 0);
    };
    let learned = learned(&seeds(15), |_, small| relative(small)).unwrap();
    let [one] = &learned[..] else { panic!("{learned:?}") };
    // On proportions that it was not learned from, where its edges lie in other blocks.
    let shorts = (150..400).step_by(14);
    for (seed, size) in (100..).zip(shorts.flat_map(|short| [(short, 400), (400, short)])) {
        let (thumbnail, original) = marked_pair(seed, size, Filter::Bicubic, SIDE, relative);
        let excess = excess(&thumbnail, &original, &one.recipe, 1).unwrap();
        assert!(excess.d < 0.1, "{size:?} {:?} {excess:?}", one.recipe.mark);
    }
}

#[test]
fn what_is_no_mark_is_not_learned() {
    // In another place each time.
    let wandering = |seed: u32, small: &mut Grid<u8>| {
        let (left, top) = ((seed as usize * 37) % (small.width - 40), (seed as usize * 23) % (small.height - 20));
        paint(small, [left, top, left + 36, top + 16], 235, 0);
    };
    assert!(learned(&seeds(15), wandering).is_err());
    // So large that too little is left.
    let large = |_: u32, small: &mut Grid<u8>| {
        let (w, h) = (small.width, small.height);
        paint(small, [0, h * 55 / 100, w, h], 235, 0);
    };
    assert!(learned(&seeds(15), large).is_err());
    // On many thumbnails of few pictures: what is in the same place there may be in the pictures.
    assert!(learned(&[1, 2, 3, 4].repeat(4), |_, small| badge(small)).is_err());
}

#[test]
fn thumbnails_with_and_without_a_mark_are_both_learned() {
    let learned = learned(&seeds(20), |seed, small| {
        if seed % 4 < 2 {
            badge(small)
        }
    })
    .unwrap();
    let mut marked: Vec<bool> = learned.iter().map(|one| one.recipe.mark.is_some()).collect();
    marked.sort_unstable();
    assert_eq!(marked, [false, true]);
}
