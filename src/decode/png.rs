//! PNG, row by row; only interlaced files are held whole.

use std::io::Cursor;

use ::png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};

use super::exif::{self, Exif};
use super::raster::{BoxShrink, Inks, Raster};
use super::{Limits, Scale, Stored, Unreadable};
use crate::identify::Kind;

pub(super) fn stored(bytes: &[u8]) -> Result<Stored, Unreadable> {
    let reader = open(bytes)?;
    let info = reader.info();
    Ok(Stored {
        width: info.width,
        height: info.height,
        frames: info.animation_control.map_or(1, |animation| animation.num_frames.max(1)),
        truncated: !has_end(bytes),
        exif: exif_of(bytes),
        // An explicit sRGB chunk outranks a profile.
        icc: if info.srgb.is_some() { None } else { info.icc_profile.as_ref().map(|profile| profile.to_vec()) },
        compressed: true,
    })
}

pub(super) fn raster(bytes: &[u8], stored: &Stored, scale: Scale, limits: &Limits) -> Result<Raster, Unreadable> {
    let mut reader = open(bytes)?;
    let (color, depth) = reader.output_color_type();
    let inks = match (color, depth) {
        (ColorType::Grayscale, BitDepth::Eight) => Inks::Grey,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Inks::GreyAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Inks::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Inks::Rgba,
        _ => return Err(corrupt(format!("colour type {color:?} at {depth:?} bits"))),
    };
    let divisor = scale.divisor(stored.width, stored.height);
    let memory = BoxShrink::memory(inks, stored.width, stored.height, divisor);
    let mut shrink = BoxShrink::new_within(inks, stored.width, stored.height, divisor, memory, limits)?;
    let read = if reader.info().interlaced {
        read_whole(&mut reader, &mut shrink, memory, limits)?
    } else {
        read_rows(&mut reader, &mut shrink)
    };
    match read {
        Ok(()) => {
            // The last rows come before the check sum of what they came from.
            let altered = !stored.truncated && reader.finish().is_err();
            Ok(Raster { altered, ..shrink.finish() })
        }
        Err(_) if stored.truncated && !shrink.is_untouched() => Ok(shrink.finish().marked_cut()),
        Err(_) if stored.truncated => Err(Unreadable::TruncatedBeforePixels(Kind::Png)),
        Err(error) => Err(corrupt(error.to_string())),
    }
}

fn read_rows(reader: &mut Reader<Cursor<&[u8]>>, shrink: &mut BoxShrink) -> Result<(), DecodingError> {
    for _ in 0..reader.info().height {
        match reader.next_row()? {
            Some(row) => shrink.push(row.data()),
            None => break,
        }
    }
    Ok(())
}

/// Interlaced pictures come in seven passes over all rows. Where the file ends early, what has come is kept.
fn read_whole(
    reader: &mut Reader<Cursor<&[u8]>>,
    shrink: &mut BoxShrink,
    memory: u64,
    limits: &Limits,
) -> Result<Result<(), DecodingError>, Unreadable> {
    let size = reader
        .output_buffer_size()
        .ok_or(Unreadable::TooMuchMemory { bytes: u64::MAX, bytes_max: limits.bytes_max })?;
    limits.check_memory(memory + size as u64)?;
    let mut samples = vec![0; size];
    let read = reader.next_frame(&mut samples).map(|_| ());
    if read.is_ok() || samples.iter().any(|&sample| sample != 0) {
        samples.chunks_exact(shrink.row_bytes()).for_each(|row| shrink.push(row));
    }
    Ok(read)
}

fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Unreadable> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), ::png::Limits { bytes: 64 << 20 });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.read_info().map_err(|error| match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Unreadable::TruncatedBeforePixels(Kind::Png)
        }
        error => corrupt(error.to_string()),
    })
}

fn corrupt(detail: String) -> Unreadable {
    Unreadable::Corrupt { kind: Kind::Png, detail }
}

/// The chunks of a file as far as they are complete: name and content.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let name = rest.get(4..8)?;
        let content = rest.get(8..8usize.checked_add(length)?)?;
        // Four bytes of checksum follow.
        rest = rest.get(length + 12..)?;
        Some((name, content))
    })
}

fn has_end(bytes: &[u8]) -> bool {
    chunks(bytes).any(|(name, _)| name == b"IEND")
}

/// EXIF may stand behind the picture data, where the decoder has not been yet.
fn exif_of(bytes: &[u8]) -> Exif {
    chunks(bytes).find(|(name, _)| name == b"eXIf").map_or_else(Exif::default, |(_, block)| exif::read(block))
}
