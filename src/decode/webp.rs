//! WebP, lossy and lossless; of an animation, the first frame. Held whole while decoding.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::exif;
use super::raster::{BoxShrink, Inks, Raster};
use super::{Limits, Scale, Stored, Unreadable};
use crate::identify::Kind;

pub(super) fn stored(bytes: &[u8], limits: &Limits) -> Result<Stored, Unreadable> {
    let mut decoder = open(bytes, limits)?;
    let (width, height) = decoder.dimensions();
    // Metadata that cannot be read says nothing; it never makes a picture unreadable.
    let exif = decoder.exif_metadata().ok().flatten();
    let icc = decoder.icc_profile().ok().flatten();
    Ok(Stored {
        width,
        height,
        frames: if decoder.is_animated() { decoder.num_frames().max(1) } else { 1 },
        truncated: is_cut(bytes),
        exif: exif.map_or_else(exif::Exif::default, |block| exif::read(&block)),
        icc,
        compressed: true,
    })
}

pub(super) fn raster(bytes: &[u8], stored: &Stored, scale: Scale, limits: &Limits) -> Result<Raster, Unreadable> {
    let mut decoder = open(bytes, limits)?;
    let inks = if decoder.has_alpha() { Inks::Rgba } else { Inks::Rgb };
    let divisor = scale.divisor(stored.width, stored.height);
    let pixels = u64::from(stored.width) * u64::from(stored.height);
    // Samples for us, and about as many again inside the decoder.
    let memory =
        BoxShrink::memory(inks, stored.width, stored.height, divisor) + pixels * inks.count() as u64 + pixels * 4;
    let mut shrink = BoxShrink::new_within(inks, stored.width, stored.height, divisor, memory, limits)?;
    let mut samples = vec![0; pixels as usize * inks.count()];
    decoder.read_image(&mut samples).map_err(|error| failed(bytes, error))?;
    samples.chunks_exact(shrink.row_bytes()).for_each(|row| shrink.push(row));
    Ok(shrink.finish())
}

fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<WebPDecoder<Cursor<&'a [u8]>>, Unreadable> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| failed(bytes, error))?;
    decoder.set_memory_limit(usize::try_from(limits.bytes_max).unwrap_or(usize::MAX));
    Ok(decoder)
}

fn failed(bytes: &[u8], error: DecodingError) -> Unreadable {
    if is_cut(bytes) {
        return Unreadable::TruncatedBeforePixels(Kind::Webp);
    }
    Unreadable::Corrupt { kind: Kind::Webp, detail: error.to_string() }
}

/// The RIFF header says how long the file is.
fn is_cut(bytes: &[u8]) -> bool {
    let claimed =
        bytes.get(4..8).map_or(u64::MAX, |size| u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]])));
    (bytes.len() as u64) < claimed.saturating_add(8)
}
