//! The emulations against what the engines themselves made of a small picture.
//!
//! Golden values by Pillow 13.0.0, libgd 2.3.3 through PHP 8.2, ImageMagick 6.9.11-60 Q16 and libvips 8.14.1.

use crate::decode::{Limits, Scale, decode, samples, upright};

mod marks;

use super::cells::Cells;
use super::engines::learn_engines;
use super::family::{Opacity, Orientation, Recipe, Scaler, Sharpen};
use super::frame::{Arithmetic, Frame, place};
use super::kernel::{Kernel, Passes, Shrink};
use super::learn::{PAIRS_MIN, Refusal, learn};
use super::partition::{Coding, Partition};
use super::pillow::{Filter, Part};
use super::reproduce::{Reproducer, TURNS};
use super::statistic::{Excess, Map};
use super::taps::Grid;
use super::upload::Upload;
use super::{gd, magick, opacity, pillow, vips};

const PILLOW_BOX: &[u8] = &[
    90, 123, 147, 119, 127, 134, 131, 122, 120, 112, 119, 137, 129, 120, 127, 123, 142, 140, 130, 141, 114, 123, 132,
    121, 132, 130, 129, 121, 141, 129, 136, 127, 100, 136, 132, 129, 117, 116, 123, 147, 133, 109, 130, 121, 119,
];
const PILLOW_BILINEAR: &[u8] = &[
    91, 126, 148, 125, 132, 131, 122, 124, 126, 122, 125, 127, 132, 125, 124, 132, 145, 133, 127, 128, 126, 125, 128,
    125, 132, 122, 115, 124, 134, 123, 132, 122, 107, 129, 136, 124, 121, 123, 119, 128, 129, 125, 132, 125, 123,
];
const PILLOW_HAMMING: &[u8] = &[
    83, 124, 154, 124, 130, 133, 122, 122, 125, 121, 124, 131, 132, 127, 125, 136, 149, 132, 126, 130, 126, 126, 129,
    126, 134, 126, 116, 121, 137, 126, 131, 118, 106, 132, 137, 124, 119, 119, 118, 127, 127, 129, 136, 122, 121,
];
const PILLOW_BICUBIC: &[u8] = &[
    85, 125, 150, 129, 132, 131, 122, 123, 126, 120, 122, 127, 133, 123, 124, 133, 148, 136, 126, 128, 125, 125, 128,
    124, 132, 124, 115, 122, 138, 123, 134, 121, 104, 130, 136, 126, 120, 123, 119, 129, 129, 124, 132, 123, 122,
];
const PILLOW_LANCZOS: &[u8] = &[
    84, 123, 151, 132, 133, 131, 120, 122, 127, 121, 122, 126, 135, 121, 124, 134, 149, 137, 126, 127, 122, 125, 129,
    125, 132, 123, 114, 123, 141, 123, 134, 120, 101, 128, 136, 129, 120, 123, 118, 130, 129, 123, 131, 122, 123,
];
const PILLOW_PART: &[u8] = &[
    114, 134, 143, 125, 123, 130, 117, 123, 126, 133, 128, 120, 132, 136, 126, 127, 133, 124, 127, 124, 120, 133, 131,
    120, 129, 124, 115, 129, 137, 125, 122, 120, 121, 126, 128, 122,
];
const PILLOW_REDUCE: &[u8] = &[
    61, 111, 144, 135, 134, 133, 132, 131, 113, 104, 103, 153, 124, 117, 139, 118, 134, 150, 117, 116, 132, 109, 124,
    140, 143, 107, 89, 124, 146, 139, 124, 140, 138, 134, 133, 132, 119, 118, 117, 164, 146, 110, 125, 118, 111, 130,
    145, 144, 134, 150, 97, 130, 128, 127, 117, 150, 132, 97, 147, 112, 135, 134, 82, 116, 132, 131, 123, 122, 121,
    104, 103, 136, 154, 119, 112, 132, 105, 104, 142, 140, 139, 117, 116, 115, 162, 135, 108, 131, 96, 146,
];
const PILLOW_GAP: &[u8] = &[
    93, 126, 146, 131, 129, 128, 119, 122, 125, 131, 123, 125, 133, 145, 137, 125, 128, 123, 128, 125, 120, 125, 138,
    119, 132, 124, 108, 123, 132, 125, 130, 123, 118, 132, 119, 126,
];
const PILLOW_RGBA: &[u8] = &[
    75, 110, 145, 145, 106, 108, 130, 129, 98, 105, 133, 130, 112, 107, 128, 131, 112, 121, 133, 118, 107, 111, 127,
    126, 108, 102, 121, 120, 107, 117, 129, 128, 114, 104, 114, 120, 106, 112, 125, 122, 103, 107, 126, 123, 112, 106,
    128, 129,
];
const PILLOW_UNSHARP: &[u8] = &[
    0, 46, 96, 3, 53, 103, 22, 72, 123, 57, 107, 163, 106, 157, 248, 182, 235, 0, 11, 61, 111, 21, 71, 121, 45, 95,
    146, 83, 134, 194, 137, 194, 255, 219, 255, 23, 24, 74, 124, 37, 87, 137, 64, 114, 167, 106, 159, 237, 169, 244, 0,
    255, 0, 75, 36, 86, 136, 53, 103, 153, 83, 135, 187, 130, 190, 255, 217, 255, 0, 0, 28, 112, 50, 100, 150, 71, 121,
    171, 106, 158, 210, 157, 234, 255, 255, 0, 19, 1, 85, 146,
];
const GD: &[u8] = &[
    79, 120, 151, 127, 128, 129, 129, 122, 121, 116, 117, 130, 130, 119, 127, 129, 145, 139, 123, 138, 122, 127, 128,
    122, 130, 134, 124, 120, 141, 127, 134, 127, 99, 135, 130, 125, 115, 117, 122, 141, 129, 114, 133, 117, 122,
];
const GD_ON_WHITE: &[u8] = &[
    151, 171, 189, 176, 178, 192, 173, 177, 191, 178, 172, 187, 189, 196, 202, 179, 184, 190, 187, 186, 195, 179, 188,
    193, 188, 182, 187, 186, 188, 195, 184, 181, 190, 183, 177, 188,
];
const MAGICK: &[u8] = &[
    83, 123, 150, 132, 133, 130, 120, 122, 127, 120, 122, 126, 134, 121, 123, 134, 148, 136, 126, 127, 122, 124, 129,
    125, 132, 123, 114, 122, 140, 122, 134, 120, 101, 128, 136, 128, 120, 123, 118, 129, 128, 123, 131, 121, 122,
];
/// The first 12 pixels.
const MAGICK_THUMBNAIL: &[u8] = &[
    120, 133, 131, 115, 135, 116, 124, 125, 122, 160, 122, 109, 117, 130, 140, 132, 128, 130, 120, 138, 143, 121, 139,
    152, 121, 120, 135, 131, 109, 137, 140, 108, 101, 158, 137, 99,
];
const MAGICK_OPACITY: &[u8] = &[
    79, 111, 144, 143, 106, 110, 131, 129, 100, 106, 131, 131, 111, 106, 129, 131, 109, 119, 134, 120, 106, 110, 127,
    126, 108, 104, 122, 122, 106, 114, 128, 128, 113, 105, 115, 120, 106, 111, 125, 123, 105, 107, 126, 124, 111, 107,
    128, 129,
];
const VIPS_7: &[u8] = &[
    118, 134, 139, 131, 126, 120, 125, 131, 122, 129, 129, 129, 139, 129, 124, 125, 123, 129, 138, 124, 134, 133, 132,
    119, 117, 127, 132, 128, 124, 128, 124, 124, 125, 127, 132, 127, 127, 120, 132, 129, 125, 134, 123, 128, 134, 132,
    127, 121, 127, 130, 123, 126, 133, 126, 129, 133, 125, 123, 130, 123, 122, 139, 134, 137, 132, 127, 132, 130, 127,
    124, 139, 120, 124, 131, 126, 143, 109, 128, 129, 128, 125, 133, 123, 124, 128, 124, 127, 134, 127, 131, 129, 121,
    123, 129, 122, 129, 135, 113, 131, 118, 131, 119, 118, 130, 122,
];
const VIPS_9: &[u8] = &[
    7, 57, 118, 98, 151, 154, 165, 146, 114, 124, 146, 131, 143, 121, 108, 130, 135, 127, 76, 99, 154, 154, 54, 105,
    103, 106, 142, 50, 107, 168, 139, 153, 144, 110, 121, 130, 120, 117, 141, 116, 119, 119, 91, 125, 145, 152, 125,
    113, 135, 155, 107, 142, 136, 129, 98, 153, 184, 150, 135, 118, 103, 115, 137, 144, 135, 116, 124, 121, 142, 130,
    122, 97, 120, 133, 132, 142, 122, 118, 122, 131, 133, 144, 179, 171, 128, 121, 97, 126, 124, 142, 121, 132, 111,
    134, 140, 124, 106, 116, 136, 153, 116, 103, 135, 144, 128, 108, 140, 123, 155, 168, 111, 114, 114, 116, 141, 148,
    123, 130, 152, 126, 113, 116, 134, 148, 125, 93, 135, 136, 100, 113, 133, 148, 107, 142, 99, 154, 139, 61, 114,
    106, 133, 138, 141, 118, 125, 134, 124, 132, 129, 109, 98, 110, 147, 108, 100, 133, 123, 140, 112, 158, 116, 115,
    139, 89, 95, 102, 120, 129, 141, 120, 128, 123, 155, 138, 80, 77, 113, 170, 165, 101, 168, 146, 121, 132, 120, 122,
    131, 88, 150,
];
const VIPS_OPACITY: &[u8] = &[
    16, 66, 121, 177, 75, 126, 148, 121, 158, 120, 113, 112, 103, 128, 140, 148, 123, 105, 122, 134, 107, 120, 146,
    140, 68, 99, 149, 168, 137, 59, 109, 138, 86, 97, 142, 153, 53, 107, 161, 204, 123, 133, 142, 102, 86, 102, 125,
    129, 99, 103, 139, 132, 94, 102, 127, 126, 65, 101, 125, 118, 132, 110, 127, 129, 116, 133, 129, 127, 126, 110,
    116, 107, 88, 141, 185, 182, 135, 110, 110, 102, 81, 99, 134, 133, 127, 113, 125, 124, 105, 113, 147, 155, 110, 88,
    92, 93, 102, 111, 131, 118, 123, 104, 124, 125, 102, 115, 135, 135, 133, 163, 169, 93, 105, 95, 98, 116, 108, 110,
    142, 135, 101, 113, 126, 133, 114, 113, 117, 107, 85, 98, 131, 131, 135, 100, 118, 135, 118, 117, 125, 121, 85,
    118, 124, 121, 152, 140, 78, 69, 96, 96, 120, 131, 125, 125, 123, 117, 110, 125, 124, 116, 93, 94, 124, 120, 132,
    93, 86, 94, 116, 119, 130, 125, 92, 114, 139, 131, 86, 123, 129, 143, 136, 113, 81, 111, 96, 99, 139, 144, 118,
    114, 117, 113, 105, 119, 137, 149, 113, 102, 108, 99, 80, 99, 146, 144, 90, 100, 144, 167, 105, 116, 120, 117, 140,
    97, 127, 129, 119, 86, 110, 141, 78, 94, 128, 113, 130, 104, 119, 115, 102, 129, 131, 112, 60, 66, 113, 128, 163,
    147, 91, 92, 153, 131, 121, 108, 114, 100, 121, 130, 109, 71, 126, 113,
];

/// The picture that the engines were given.
fn scene(width: usize, height: usize, channels: usize) -> Grid<u8> {
    let level = |x: usize, y: usize, c: usize| ((x * x * 7 + y * 13 + c * 50 + x * y * 3) % 256) as u8;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let values = places.flat_map(|(x, y)| (0..channels).map(move |c| level(x, y, c))).collect();
    Grid { width, height, channels, values }
}

const WHOLE: Part = [0.0, 0.0, 23.0, 17.0];

#[test]
fn pillows_filters_are_exact() {
    let golden = [PILLOW_BOX, PILLOW_BILINEAR, PILLOW_HAMMING, PILLOW_BICUBIC, PILLOW_LANCZOS];
    for (filter, golden) in Filter::ALL.into_iter().zip(golden) {
        assert_eq!(pillow::resize(&scene(23, 17, 3), (5, 3), filter, WHOLE).values, golden, "{filter:?}");
    }
}

#[test]
fn pillows_parts_reductions_and_gaps_are_exact() {
    let scene = scene(23, 17, 3);
    assert_eq!(pillow::resize(&scene, (4, 3), Filter::Bicubic, [1.5, 2.0, 20.25, 15.5]).values, PILLOW_PART);
    let reduced = pillow::reduce(&scene, (5, 3));
    assert_eq!((reduced.width, reduced.height), (5, 6));
    assert_eq!(reduced.values, PILLOW_REDUCE);
    assert_eq!(pillow::resize_with_gap(&scene, (4, 3), Filter::Lanczos, WHOLE, 2.0).values, PILLOW_GAP);
}

#[test]
fn pillow_multiplies_colours_with_their_opacity() {
    let out = opacity::premultiplied(&scene(23, 17, 4), |grid| pillow::resize(grid, (4, 3), Filter::Bicubic, WHOLE));
    assert_eq!(out.values, PILLOW_RGBA);
}

#[test]
fn pillows_unsharp_mask_is_exact() {
    let corner = pillow::cut(&scene(23, 17, 3), (0, 0), (6, 5));
    assert_eq!(pillow::unsharp(&corner, 0.8, 70, 0).values, PILLOW_UNSHARP);
}

#[test]
fn gd_is_exact() {
    assert_eq!(gd::resample(&scene(23, 17, 3), (5, 3), gd::Build::Library, 255).values, GD);
    assert_eq!(gd::resample(&scene(23, 17, 4), (4, 3), gd::Build::Library, 255).values, GD_ON_WHITE);
}

#[test]
fn magick_is_exact() {
    let by = |grid: &Grid<u8>, to, kernel, operator| {
        magick::levels(&magick::resize(grid, to, kernel, operator), magick::Depth::Cut).values
    };
    assert_eq!(by(&scene(23, 17, 3), (5, 3), Kernel::Lanczos3, magick::Operator::Resize), MAGICK);
    let thumbnail = by(&scene(400, 300, 3), (36, 27), Kernel::Lanczos3, magick::Operator::Thumbnail);
    assert_eq!(&thumbnail[..36], MAGICK_THUMBNAIL);
    assert_eq!(by(&scene(23, 17, 4), (4, 3), Kernel::Mitchell, magick::Operator::Resize), MAGICK_OPACITY);
}

#[test]
fn vips_is_exact() {
    let small = vips::reduce(&scene(61, 47, 3), 61.0 / 7.0, 61.0 / 7.0);
    assert_eq!((small.width, small.height), (7, 5));
    assert_eq!(small.values, VIPS_7);
    assert_eq!(vips::reduce(&scene(23, 17, 3), 23.0 / 9.0, 23.0 / 9.0).values, VIPS_9);
    assert_eq!(vips::reduce(&scene(23, 17, 4), 23.0 / 9.0, 23.0 / 9.0).values, VIPS_OPACITY);
}

/// A thumbnail of the painted scene `seed` by one of Pillow's filters, as a JPEG, with the original as a PNG.
fn pair(seed: u32, filter: Filter, side: usize) -> (Vec<u8>, Vec<u8>) {
    marked_pair(seed, (260 + seed % 7 * 10, 190 + seed % 5 * 10), filter, side, |_| {})
}

/// The same of an original of this size, with a mark that is painted over the small picture.
fn marked_pair(
    seed: u32,
    (width, height): (u32, u32),
    filter: Filter,
    side: usize,
    mark: impl Fn(&mut Grid<u8>),
) -> (Vec<u8>, Vec<u8>) {
    let rgb = samples::scene(width, height, seed);
    let original = samples::png(width, height, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &rgb, |_| {});
    let grid = Grid { width: width as usize, height: height as usize, channels: 3, values: rgb };
    let shrunk = |length: u32| (f64::from(length) * side as f64 / f64::from(width.max(height))).round_ties_even();
    let to = (shrunk(width) as usize, shrunk(height) as usize);
    let mut small = pillow::resize(&grid, to, filter, pillow::whole(&grid));
    mark(&mut small);
    let space = mozjpeg::ColorSpace::JCS_RGB;
    (samples::jpeg(&small.values, to.0 as u32, to.1 as u32, space, samples::Jpeg::Baseline), original)
}

fn plain(side_px: u32, scaler: Scaler) -> Recipe {
    Recipe {
        side_px,
        frame: Frame::Fit,
        scaler,
        sharpen: Sharpen::None,
        opacity: Some(Opacity::Before(255)),
        orientation: Some(Orientation::Applied),
        mark: None,
    }
}

/// Where there is no mark, nobody asks for a map.
fn unmapped(pairs: &[usize], _: &Recipe) -> Vec<Option<Map>> {
    vec![None; pairs.len()]
}

fn excess(thumbnail: &[u8], original: &[u8], recipe: &Recipe, turn: u8) -> Option<Excess> {
    let upload = Upload::read(original, &Limits::default()).unwrap();
    Reproducer::new(&upload).excess(recipe, &Cells::read(thumbnail).unwrap(), turn)
}

#[test]
fn the_right_recipe_leaves_nothing_and_a_wrong_one_or_another_picture_does() {
    let (thumbnail, original) = pair(1, Filter::Bicubic, 90);
    let right = plain(90, Scaler::Pillow { filter: Filter::Bicubic });
    assert!(excess(&thumbnail, &original, &right, 1).unwrap().d < 0.01);
    let wrong = plain(90, Scaler::Pillow { filter: Filter::Box });
    assert!(excess(&thumbnail, &original, &wrong, 1).unwrap().d > 0.1);
    let (_, sibling) = pair(36, Filter::Bicubic, 90);
    assert!(excess(&thumbnail, &sibling, &right, 1).unwrap().d > 0.1);
}

#[test]
fn a_picture_turned_since_is_turned_back() {
    let (thumbnail, original) = pair(2, Filter::Lanczos, 90);
    let right = plain(90, Scaler::Pillow { filter: Filter::Lanczos });
    let decoded = decode(&original, Scale::Full, &Limits::default()).unwrap().renderings.remove(0);
    let turned = upright(decoded, 6);
    let (width, height) = (turned.width, turned.height);
    let turned = samples::png(width, height, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &turned.rgb, |_| {});
    assert!(excess(&thumbnail, &turned, &right, 1).is_none(), "it cannot lie in the thumbnail as it is");
    let fits = TURNS.iter().filter(|&&turn| excess(&thumbnail, &turned, &right, turn).is_some_and(|e| e.d < 0.01));
    assert_eq!(fits.collect::<Vec<_>>(), [&8]);
}

#[test]
fn what_recipes_share_changes_none_of_them() {
    let (thumbnail, original) = pair(7, Filter::Bicubic, 90);
    let upload = Upload::read(&original, &Limits::default()).unwrap();
    let cells = Cells::read(&thumbnail).unwrap();
    let magick = |depth| Scaler::Magick { operator: magick::Operator::Resize, kernel: None, depth };
    let scalers = [
        magick(magick::Depth::Cut),
        magick(magick::Depth::Rounded),
        Scaler::Vips { export: false },
        Scaler::PillowThumbnail { filter: Filter::Bicubic },
        Scaler::Pillow { filter: Filter::Bicubic },
        Scaler::Kernel { shrink: Shrink::None, kernel: Kernel::Mitchell, passes: Passes::RowsClamped },
    ];
    let sharpenings = [
        Sharpen::None,
        Sharpen::Pillow { radius: 100, percent: 100, threshold: 0 },
        Sharpen::Magick { sigma: 50, amount: 100, threshold: 0 },
    ];
    let sides = [90, 120];
    let recipes: Vec<Recipe> = scalers
        .iter()
        .flat_map(|&scaler| sharpenings.map(|sharpen| Recipe { sharpen, ..plain(90, scaler) }))
        .flat_map(|recipe| sides.map(|side_px| Recipe { side_px, ..recipe }))
        .collect();
    let shared = Reproducer::new(&upload);
    for recipe in &recipes {
        let together = shared.excess(recipe, &cells, 1);
        assert_eq!(together, Reproducer::new(&upload).excess(recipe, &cells, 1), "{recipe:?}");
    }
    let distinct: std::collections::BTreeSet<_> =
        recipes.iter().filter_map(|recipe| shared.excess(recipe, &cells, 1)).map(|e| e.loss.to_bits()).collect();
    assert!(distinct.len() >= 12, "{} kinds of thumbnails", distinct.len());
}

#[test]
fn learning_finds_what_was_done_and_says_the_same_again() {
    let pairs: Vec<_> = (0..PAIRS_MIN as u32 + 2).map(|seed| pair(seed, Filter::Bicubic, 90)).collect();
    let uploads: Vec<_> =
        pairs.iter().map(|(_, original)| Upload::read(original, &Limits::default()).unwrap()).collect();
    let cells: Vec<_> = pairs.iter().map(|(thumbnail, _)| Cells::read(thumbnail).unwrap()).collect();
    let one = |&pair: &usize, recipes: &[Recipe]| {
        let reproducer = Reproducer::new(&uploads[pair]);
        recipes.iter().map(|recipe| reproducer.excess(recipe, &cells[pair], 1)).collect()
    };
    let mut measure = |pairs: &[usize], recipes: &[Recipe]| pairs.iter().map(|pair| one(pair, recipes)).collect();
    let learned = learn(90, &vec![90; pairs.len()], &mut measure, &mut unmapped).unwrap();
    assert_eq!(learned.len(), 1);
    assert_eq!(learned[0].recipe.scaler, Scaler::Pillow { filter: Filter::Bicubic });
    assert_eq!((learned[0].recipe.opacity, learned[0].recipe.orientation), (None, None), "no pair told");
    assert_eq!(learned[0].explained, learned[0].pairs);
    assert_eq!(learn(90, &vec![90; pairs.len()], &mut measure, &mut unmapped).unwrap(), learned);
    let stored = serde_json::to_string(&learned[0]).unwrap();
    assert_eq!(serde_json::from_str::<super::Learned>(&stored).unwrap(), learned[0]);
}

#[test]
fn two_recipes_behind_one_header_are_both_learned_and_chance_is_not() {
    // Pair by pair the one or the other engine leaves nothing, every other one something.
    let (one, other) = (Scaler::Pillow { filter: Filter::Lanczos }, Scaler::Vips { export: false });
    let exact = Excess { loss: 0.0, d: 0.0, hz: 0.0, rest: 0.0, detail: 40.0 };
    let far = Excess { loss: 2.0, d: 9.0, hz: 9.0, rest: 2.0, detail: 40.0 };
    let of_pair = |pair: &usize, recipes: &[Recipe]| {
        let right = if pair.is_multiple_of(2) { one } else { other };
        let fits = |recipe: &Recipe| recipe.scaler == right && recipe.sharpen == Sharpen::None;
        recipes.iter().map(|recipe| Some(if fits(recipe) { exact } else { far })).collect()
    };
    let mut measure = |pairs: &[usize], recipes: &[Recipe]| pairs.iter().map(|pair| of_pair(pair, recipes)).collect();
    let learned = learn(200, &[200; 24], &mut measure, &mut unmapped).unwrap();
    let scalers: Vec<_> = learned.iter().map(|one| one.recipe.scaler).collect();
    assert!(scalers.len() == 2 && scalers.contains(&one) && scalers.contains(&other), "{scalers:?}");
    let mut nothing = |pairs: &[usize], recipes: &[Recipe]| vec![vec![Some(far); recipes.len()]; pairs.len()];
    assert_eq!(
        learn(200, &[200; 24], &mut nothing, &mut unmapped),
        Err(Refusal::NothingFits { explained: 0, pairs: 24 })
    );
    assert_eq!(learn(200, &[200; 9], &mut nothing, &mut unmapped), Err(Refusal::TooFewPairs { pairs: 9 }));
}

#[test]
fn engines_are_learned_across_sizes_and_chance_teaches_none() {
    let sides = [60, 70, 80, 90];
    let mut pairs: Vec<_> = (0..12u32)
        .map(|n| pair(n, if n < 8 { Filter::Bicubic } else { Filter::Lanczos }, sides[n as usize % sides.len()]))
        .collect();
    // A pair that is none: its thumbnail is another picture's.
    pairs[0].0 = pair(40, Filter::Bicubic, sides[0]).0;
    let long_sides: Vec<usize> = (0..pairs.len()).map(|n| sides[n % sides.len()]).collect();
    let uploads: Vec<_> =
        pairs.iter().map(|(_, original)| Upload::read(original, &Limits::default()).unwrap()).collect();
    let cells: Vec<_> = pairs.iter().map(|(thumbnail, _)| Cells::read(thumbnail).unwrap()).collect();
    let one = |&pair: &usize, recipes: &[Recipe]| {
        let reproducer = Reproducer::new(&uploads[pair]);
        let sized = recipes.iter().map(|recipe| recipe.sized(long_sides[pair] as u32));
        sized.map(|recipe| reproducer.excess(&recipe, &cells[pair], 1)).collect()
    };
    let mut measure = |pairs: &[usize], recipes: &[Recipe]| pairs.iter().map(|pair| one(pair, recipes)).collect();
    let learned = learn_engines(&long_sides, &mut measure).unwrap();
    let told: Vec<_> = learned.iter().map(|one| (one.recipe.scaler, one.recipe.sharpen)).collect();
    let [bicubic, lanczos] = [Filter::Bicubic, Filter::Lanczos].map(|filter| Scaler::Pillow { filter });
    assert_eq!(told, [(bicubic, Sharpen::None), (lanczos, Sharpen::None)]);
    // A little thumbnail by Lanczos may be explained by its neighbour, too.
    assert_eq!(learned.iter().map(|one| one.explained).sum::<u32>(), 11);
    assert!(learned.iter().all(|one| one.recipe.side_px == 0 && one.pairs == 12));
}

#[test]
fn a_sharpened_engine_is_learned_and_two_pairs_alone_are_chance() {
    let exact = Excess { loss: 0.0, d: 0.0, hz: 0.0, rest: 0.0, detail: 40.0 };
    let far = Excess { loss: 2.0, d: 9.0, hz: 9.0, rest: 2.0, detail: 40.0 };
    let mild = Sharpen::Pillow { radius: 80, percent: 70, threshold: 0 };
    let explains = |pair: usize, recipe: &Recipe| match pair {
        0..6 => recipe.scaler == Scaler::Vips { export: false } && recipe.sharpen == Sharpen::None,
        6..10 => recipe.scaler == Scaler::Vips { export: false } && recipe.sharpen == mild,
        10..12 => recipe.scaler == Scaler::Gd { build: gd::Build::Library },
        _ => false,
    };
    // Pairs 6 to 9 have margins.
    let lies = |pair: usize, recipe: &Recipe| (recipe.frame == Frame::Pad) == (6..10).contains(&pair);
    // Sharpening is looked for where the engine alone comes near.
    let near = Excess { loss: 1.0, ..far };
    let of_pair = |pair: usize, recipe: &Recipe| match recipe.scaler {
        _ if explains(pair, recipe) => exact,
        Scaler::Vips { .. } => near,
        _ => far,
    };
    let one = |&pair: &usize, recipes: &[Recipe]| {
        recipes.iter().map(|recipe| lies(pair, recipe).then(|| of_pair(pair, recipe))).collect()
    };
    let mut measure = |pairs: &[usize], recipes: &[Recipe]| pairs.iter().map(|pair| one(pair, recipes)).collect();
    let learned = learn_engines(&[200; 14], &mut measure).unwrap();
    let told: Vec<_> = learned.iter().map(|one| (one.recipe.sharpen, one.recipe.frame, one.explained)).collect();
    assert_eq!(told, [(Sharpen::None, Frame::Fit, 6), (mild, Frame::Pad, 4)]);
    assert!(learned.iter().all(|one| one.recipe.scaler == Scaler::Vips { export: false }));
    assert_eq!(learn_engines(&[200; 2], &mut measure), Err(Refusal::TooFewPairs { pairs: 2 }));
    let mut nothing = |pairs: &[usize], recipes: &[Recipe]| vec![vec![None; recipes.len()]; pairs.len()];
    assert_eq!(learn_engines(&[200; 14], &mut nothing), Err(Refusal::NothingFits { explained: 0, pairs: 14 }));
}

#[test]
fn hostile_thumbnails_are_refused() {
    let (thumbnail, _) = pair(3, Filter::Box, 90);
    assert!(Cells::read(&thumbnail[..thumbnail.len() / 3]).is_err() || Cells::read(&thumbnail[..40]).is_err());
    assert!(Cells::read(b"").is_err());
    for at in (0..thumbnail.len()).step_by(7) {
        let mut broken = thumbnail.clone();
        broken[at] ^= 0x5a;
        // Whatever it says, it says it without a crash.
        let _ = Cells::read(&broken);
    }
}

#[test]
fn partitions_tell_codings_and_sizes_apart() {
    let (ninety, original) = pair(4, Filter::Box, 90);
    let (eighty, _) = pair(4, Filter::Box, 80);
    let (large, small) = (Partition::of(&ninety).unwrap(), Partition::of(&eighty).unwrap());
    assert_eq!((large.long_side_px, small.long_side_px), (90, 80));
    assert!(large.may_explain(&small) && !small.may_explain(&large));
    assert_eq!(Coding::of(&original), Coding::Lossless);
    assert!(!large.coding.agrees(&Coding::Lossless));
}

#[test]
fn each_engine_rounds_in_its_own_way() {
    let pad = |arithmetic, size| place(Frame::Pad, arithmetic, size, (150, 150)).unwrap();
    // 112.5 rows: PHP and ImageMagick round up, Python to even.
    assert_eq!(pad(Arithmetic::Php, (400, 300)).scaled, (150, 113));
    assert_eq!(pad(Arithmetic::Python, (400, 300)).scaled, (150, 112));
    assert_eq!(pad(Arithmetic::Php, (400, 300)).at, (0, 18));
    assert_eq!(pad(Arithmetic::Magick, (400, 300)).at, (0, 19));
    assert_eq!(pad(Arithmetic::Php, (80, 60)).scaled, (80, 60));
    assert_eq!(pad(Arithmetic::Magick, (80, 60)).scaled, (150, 113));
    let cut = |arithmetic| place(Frame::ScaleThenCut, arithmetic, (640, 480), (200, 200)).unwrap();
    assert_eq!((cut(Arithmetic::Vips).scaled, cut(Arithmetic::Vips).cut), ((267, 200), (33, 0)));
    assert_eq!(place(Frame::Fit, Arithmetic::Php, (400, 300), (150, 150)), None);
}
