//! Windows bitmap, by the `image` crate. Held whole while decoding.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::exif::Exif;
use super::raster::{BoxShrink, Inks, Raster};
use super::{Limits, Scale, Stored, Unreadable};
use crate::identify::Kind;

pub(super) fn stored(bytes: &[u8]) -> Result<Stored, Unreadable> {
    let head = head(bytes).ok_or(Unreadable::TruncatedBeforePixels(Kind::Bmp))?;
    Ok(Stored {
        width: head.width,
        height: head.height,
        frames: 1,
        truncated: (bytes.len() as u64) < head.bytes_needed,
        exif: Exif::default(),
        icc: None,
        compressed: false,
    })
}

pub(super) fn raster(bytes: &[u8], stored: &Stored, scale: Scale, limits: &Limits) -> Result<Raster, Unreadable> {
    let head = head(bytes).ok_or(Unreadable::TruncatedBeforePixels(Kind::Bmp))?;
    if bytes.len() as u64 <= u64::from(head.pixels_at) {
        return Err(Unreadable::TruncatedBeforePixels(Kind::Bmp));
    }
    let pixels = u64::from(stored.width) * u64::from(stored.height);
    let divisor = scale.divisor(stored.width, stored.height);
    let memory = BoxShrink::memory(Inks::Rgba, stored.width, stored.height, divisor) + pixels * 4;
    limits.check_memory(memory + if stored.truncated { head.bytes_needed } else { 0 })?;

    let decoder = BmpDecoder::new(Cursor::new(whole(bytes, &head))).map_err(corrupt)?;
    let inks = match decoder.color_type() {
        ColorType::L8 => Inks::Grey,
        ColorType::Rgb8 => Inks::Rgb,
        ColorType::Rgba8 => Inks::Rgba,
        other => return Err(Unreadable::Unsupported { kind: Kind::Bmp, detail: format!("{other:?}") }),
    };
    if decoder.dimensions() != (stored.width, stored.height) {
        return Err(Unreadable::Corrupt { kind: Kind::Bmp, detail: "its size is not the one it claims".to_owned() });
    }
    let mut shrink = BoxShrink::new(inks, stored.width, stored.height, divisor);
    let mut samples = vec![0; pixels as usize * inks.count()];
    decoder.read_image(&mut samples).map_err(corrupt)?;
    samples.chunks_exact(shrink.row_bytes()).for_each(|row| shrink.push(row));
    Ok(shrink.finish())
}

/// The file, filled up with zeros where its end is missing, so that the rows that came can be read.
fn whole<'a>(bytes: &'a [u8], head: &Head) -> Cow<'a, [u8]> {
    let needed = usize::try_from(head.bytes_needed).unwrap_or(usize::MAX);
    if bytes.len() >= needed {
        return Cow::Borrowed(bytes);
    }
    let mut whole = bytes.to_vec();
    whole.resize(needed, 0);
    Cow::Owned(whole)
}

fn corrupt(error: ImageError) -> Unreadable {
    Unreadable::Corrupt { kind: Kind::Bmp, detail: error.to_string() }
}

struct Head {
    width: u32,
    height: u32,
    pixels_at: u32,
    /// Bytes that a whole file has: known exactly where pixels are not compressed, claimed by the file where they are.
    bytes_needed: u64,
}

fn head(bytes: &[u8]) -> Option<Head> {
    let le32 = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let le16 = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let pixels_at = le32(10)?;
    let (width, height, bits, compression) = match le32(14)? {
        12 => (le16(18)?.into(), le16(20)?.into(), le16(24)?, 0),
        _ => (le32(18)?, (le32(22)? as i32).unsigned_abs(), le16(28)?, le32(30)?),
    };
    let row_bytes = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
    let is_run_length = matches!(compression, 1 | 2);
    let pixel_bytes = if is_run_length { u64::from(le32(34)?) } else { row_bytes.saturating_mul(u64::from(height)) };
    Some(Head { width, height, pixels_at, bytes_needed: u64::from(pixels_at).saturating_add(pixel_bytes) })
}
