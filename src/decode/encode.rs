//! Pixels to files that browsers show. Nothing but the pixels goes into them: no metadata of the file they came from.

use mozjpeg::{ColorSpace, Compress};

use super::Pixels;

/// Good enough that a thumbnail does not look worse for being made anew.
const QUALITY: f32 = 88.0;

/// Why pixels could not become a file.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// There are not as many bytes as width and height say.
    #[error("the pixels do not fit their size")]
    Size,
    /// The encoder of JPEG failed.
    #[error("cannot write a JPEG: {0}")]
    Jpeg(#[from] std::io::Error),
    /// The encoder of PNG failed.
    #[error("cannot write a PNG: {0}")]
    Png(#[from] ::png::EncodingError),
}

impl Pixels {
    /// A JPEG file, or a PNG where parts can be seen through.
    ///
    /// # Errors
    /// When there are not as many bytes as width and height say, or an encoder fails.
    pub fn to_picture(&self) -> Result<Vec<u8>, EncodeError> {
        let count = self.width as usize * self.height as usize;
        if count == 0 || self.rgb.len() != 3 * count || self.alpha.as_ref().is_some_and(|alpha| alpha.len() != count) {
            return Err(EncodeError::Size);
        }
        match &self.alpha {
            None => self.to_jpeg(),
            Some(alpha) => self.to_png_with(alpha),
        }
    }

    fn to_jpeg(&self) -> Result<Vec<u8>, EncodeError> {
        let mut compress = Compress::new(ColorSpace::JCS_RGB);
        compress.set_fastest_defaults();
        compress.set_size(self.width as usize, self.height as usize);
        compress.set_quality(QUALITY);
        let mut started = compress.start_compress(Vec::new())?;
        started.write_scanlines(&self.rgb)?;
        Ok(started.finish()?)
    }

    fn to_png_with(&self, alpha: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(::png::ColorType::Rgba);
        encoder.set_depth(::png::BitDepth::Eight);
        let pairs = self.rgb.chunks_exact(3).zip(alpha);
        let rgba: Vec<u8> = pairs.flat_map(|(rgb, alpha)| [rgb[0], rgb[1], rgb[2], *alpha]).collect();
        encoder.write_header()?.write_image_data(&rgba)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, Scale, decode};

    #[test]
    fn pixels_go_round_and_only_pixels() {
        let mut pixels = Pixels { width: 9, height: 7, rgb: vec![120; 9 * 7 * 3], alpha: None };
        let jpeg = pixels.to_picture().unwrap();
        assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]) && !jpeg.windows(4).any(|four| four == b"Exif"));
        let again = decode(&jpeg, Scale::Full, &Limits::default()).unwrap();
        assert_eq!((again.header.width, again.header.height), (9, 7));
        assert!(again.renderings[0].rgb.iter().all(|level| level.abs_diff(120) < 3));
        pixels.alpha = Some((0..63).collect());
        let png = pixels.to_picture().unwrap();
        let again = decode(&png, Scale::Full, &Limits::default()).unwrap();
        assert_eq!(again.renderings[0], pixels);
        pixels.rgb.pop();
        assert!(matches!(pixels.to_picture(), Err(EncodeError::Size)));
    }
}
