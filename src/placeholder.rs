//! The picture that stands for a lost original: what survived of it, with words burned in that say so.
//!
//! Pure functions from pixels to pixels. Nobody may take such a picture for the original: the words are in it, on a dark band at
//! its foot, at any size.

use crate::decode::Pixels;
use crate::fingerprint::flatten;

/// What stands on the band.
const WORDS: &str = "ORIGINAL MISSING";

/// Letters as five columns of seven rows, the lowest bit on top.
const LETTERS: [(char, [u8; 5]); 10] = [
    (' ', [0, 0, 0, 0, 0]),
    ('A', [0x7e, 0x09, 0x09, 0x09, 0x7e]),
    ('G', [0x3e, 0x41, 0x49, 0x49, 0x7a]),
    ('I', [0x00, 0x41, 0x7f, 0x41, 0x00]),
    ('L', [0x7f, 0x40, 0x40, 0x40, 0x40]),
    ('M', [0x7f, 0x02, 0x0c, 0x02, 0x7f]),
    ('N', [0x7f, 0x04, 0x08, 0x10, 0x7f]),
    ('O', [0x3e, 0x41, 0x41, 0x41, 0x3e]),
    ('R', [0x7f, 0x09, 0x19, 0x29, 0x46]),
    ('S', [0x46, 0x49, 0x49, 0x49, 0x31]),
];

/// Pixels of a letter with the gap behind it, and the height of a letter, before they are enlarged.
const ADVANCE: u32 = 6;
const HEIGHT: u32 = 7;

/// The shortest and the longest long side of a placeholder, in pixels: the words need room, and nobody prints it.
const SIDE_MIN: u32 = 240;
const SIDE_MAX: u32 = 1_000;

/// The size of a placeholder of which nothing survived.
const EMPTY: (u32, u32) = (480, 320);

/// Grey levels of an empty placeholder, of the band, and of the words.
const PAPER: u8 = 200;
const BAND: u8 = 24;
const INK: u8 = 255;

/// What survived, at a size at which the words can be read, with the words.
pub fn marked(survived: &Pixels) -> Pixels {
    let mut picture = sized(&flatten(survived, 255));
    mark(&mut picture);
    picture
}

/// A placeholder as JPEG for a record of which nothing survived. Its pixels are ours, so no child has to make it.
pub fn empty() -> Vec<u8> {
    let (width, height) = EMPTY;
    let mut picture = Pixels { width, height, rgb: vec![PAPER; (width * height * 3) as usize], alpha: None };
    mark(&mut picture);
    // The pixels fit their size, so only a want of memory could keep the encoder from its work.
    picture.to_picture().unwrap_or_default()
}

/// The picture at a long side within the limits: the mean of what each pixel covers, or the nearest where it is enlarged.
fn sized(picture: &Pixels) -> Pixels {
    let long = picture.width.max(picture.height).max(1);
    let target = long.clamp(SIDE_MIN, SIDE_MAX);
    let to = |side: u32| ((u64::from(side) * u64::from(target)).div_ceil(u64::from(long)) as u32).max(1);
    let (width, height) = (to(picture.width), to(picture.height));
    if (width, height) == (picture.width, picture.height) {
        return picture.clone();
    }
    let span = |at: u32, of: u32, from: u32| {
        let begin = u64::from(at) * u64::from(from) / u64::from(of);
        let end = (u64::from(at + 1) * u64::from(from)).div_ceil(u64::from(of)).max(begin + 1);
        begin as usize..(end as usize).min(from as usize)
    };
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        let rows = span(y, height, picture.height);
        for x in 0..width {
            let columns = span(x, width, picture.width);
            let count = (rows.len() * columns.len()).max(1) as u64;
            for channel in 0..3 {
                let sum: u64 = rows
                    .clone()
                    .flat_map(|row| columns.clone().map(move |column| row * picture.width as usize + column))
                    .map(|at| u64::from(picture.rgb[at * 3 + channel]))
                    .sum();
                rgb.push((sum / count) as u8);
            }
        }
    }
    Pixels { width, height, rgb, alpha: None }
}

/// Burns the words in, across three quarters of the width where the height allows it.
fn mark(picture: &mut Pixels) {
    let length = WORDS.chars().count() as u32 * ADVANCE - 1;
    // A narrow strip shows as much of the words as it has room for.
    let scale = (picture.width * 3 / 4 / length).min(picture.height / (3 * HEIGHT)).max(1);
    let band = (HEIGHT * scale * 2).min(picture.height);
    let top = picture.height - band;
    for row in top..picture.height {
        for column in 0..picture.width {
            let at = (row as usize * picture.width as usize + column as usize) * 3;
            // A fifth of the picture shines through.
            for value in &mut picture.rgb[at..at + 3] {
                *value = ((u16::from(*value) + u16::from(BAND) * 4) / 5) as u8;
            }
        }
    }
    let left = picture.width.saturating_sub(length * scale) / 2;
    let above = top + (band.saturating_sub(HEIGHT * scale)) / 2;
    for (place, letter) in WORDS.chars().enumerate() {
        let columns = LETTERS.iter().find(|(known, _)| *known == letter).map_or([0; 5], |(_, columns)| *columns);
        for (x, bits) in columns.into_iter().enumerate() {
            for y in (0..HEIGHT).filter(|y| bits >> y & 1 == 1) {
                let corner = (left + (place as u32 * ADVANCE + x as u32) * scale, above + y * scale);
                fill(picture, corner, scale);
            }
        }
    }
}

/// Draws one dot of a letter, as far as it lies in the picture.
fn fill(picture: &mut Pixels, (left, top): (u32, u32), side: u32) {
    for row in top..(top + side).min(picture.height) {
        for column in left..(left + side).min(picture.width) {
            let at = (row as usize * picture.width as usize + column as usize) * 3;
            picture.rgb[at..at + 3].fill(INK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, level: u8) -> Pixels {
        Pixels { width, height, rgb: vec![level; (width * height * 3) as usize], alpha: None }
    }

    #[test]
    fn the_words_are_in_it_at_any_size() {
        for (width, height) in [(1, 1), (75, 50), (320, 200), (4000, 30), (30, 4000), (1500, 1000)] {
            let picture = marked(&plain(width, height, 128));
            assert_eq!(picture.rgb.len(), (picture.width * picture.height * 3) as usize);
            assert!((SIDE_MIN..=SIDE_MAX).contains(&picture.width.max(picture.height)), "{width}x{height}");
            let white = picture.rgb.chunks_exact(3).filter(|pixel| *pixel == [INK; 3]).count();
            assert!(white > 5, "{width}x{height}: {white} pixels of words");
        }
    }

    #[test]
    fn every_letter_of_the_words_is_known() {
        for letter in WORDS.chars() {
            assert!(LETTERS.iter().any(|(known, _)| *known == letter), "{letter}");
        }
    }

    #[test]
    fn the_picture_above_the_band_stays_itself() {
        let picture = marked(&plain(600, 400, 77));
        assert_eq!((picture.width, picture.height), (600, 400));
        assert!(picture.rgb[..600 * 3 * 300].iter().all(|level| *level == 77));
        assert_ne!(picture.rgb[600 * 3 * 399], 77);
    }

    #[test]
    fn a_large_preview_becomes_the_mean_of_what_it_was() {
        let mut preview = plain(2000, 2, 0);
        preview.rgb[..2000 * 3].fill(100);
        let picture = sized(&preview);
        assert_eq!((picture.width, picture.height), (1000, 1));
        assert!(picture.rgb.iter().all(|level| *level == 50));
    }
}
