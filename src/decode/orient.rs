//! The EXIF orientation: turned upright once, after decoding.

use super::Pixels;

/// Turns `pixels`, which lie as stored, upright. `orientation` is EXIF's, 1 to 8; anything else leaves them alone.
pub(crate) fn upright(pixels: Pixels, orientation: u8) -> Pixels {
    if !(2..=8).contains(&orientation) {
        return pixels;
    }
    let (width, height) = if orientation >= 5 { (pixels.height, pixels.width) } else { (pixels.width, pixels.height) };
    let from = |x: u32, y: u32| {
        let (last_x, last_y) = (pixels.width - 1, pixels.height - 1);
        let (x, y) = match orientation {
            2 => (last_x - x, y),
            3 => (last_x - x, last_y - y),
            4 => (x, last_y - y),
            5 => (y, x),
            6 => (y, last_y - x),
            7 => (last_x - y, last_y - x),
            _ => (last_x - y, x),
        };
        y as usize * pixels.width as usize + x as usize
    };
    let mut rgb = Vec::with_capacity(pixels.rgb.len());
    let mut alpha = pixels.alpha.as_ref().map(|alpha| Vec::with_capacity(alpha.len()));
    for y in 0..height {
        for x in 0..width {
            let at = from(x, y);
            rgb.extend_from_slice(&pixels.rgb[at * 3..at * 3 + 3]);
            if let (Some(alpha), Some(source)) = (&mut alpha, &pixels.alpha) {
                alpha.push(source[at]);
            }
        }
    }
    Pixels { width, height, rgb, alpha }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letters of a picture, three wide: "abc" over "def".
    fn letters(pixels: &Pixels) -> Vec<String> {
        let rows = pixels.rgb.chunks(pixels.width as usize * 3);
        rows.map(|row| row.iter().step_by(3).map(|&byte| byte as char).collect()).collect()
    }

    #[test]
    fn each_orientation_turns_the_picture_as_exif_says() {
        let stored = Pixels {
            width: 3,
            height: 2,
            rgb: b"abcdef".iter().flat_map(|&letter| [letter; 3]).collect(),
            alpha: Some(b"abcdef".to_vec()),
        };
        let expected: [&[&str]; 8] = [
            &["abc", "def"],
            &["cba", "fed"],
            &["fed", "cba"],
            &["def", "abc"],
            &["ad", "be", "cf"],
            &["da", "eb", "fc"],
            &["fc", "eb", "da"],
            &["cf", "be", "ad"],
        ];
        for (at, expected) in expected.iter().enumerate() {
            let upright = upright(stored.clone(), at as u8 + 1);
            assert_eq!(letters(&upright), *expected, "orientation {}", at + 1);
            assert_eq!(upright.alpha.unwrap(), expected.concat().into_bytes());
        }
    }
}
