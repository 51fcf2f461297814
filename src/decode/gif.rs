//! GIF: the first frame, placed on the canvas as a browser would show it.

use ::gif::{ColorOutput, DecodeOptions, MemoryLimit};

use super::exif::Exif;
use super::raster::{BoxShrink, Inks, Raster};
use super::{Limits, Scale, Stored, Unreadable};
use crate::identify::Kind;

pub(super) fn stored(bytes: &[u8]) -> Result<Stored, Unreadable> {
    let blocks = walk(bytes);
    let (Some(width), Some(height), true) = (le16(bytes, 6), le16(bytes, 8), blocks.frames > 0) else {
        return Err(match blocks.ended {
            true => corrupt("it has no picture"),
            false => Unreadable::TruncatedBeforePixels(Kind::Gif),
        });
    };
    // Old programs left the canvas at zero; then the first frame is the canvas.
    let (width, height) = if width == 0 || height == 0 { blocks.first_frame } else { (width, height) };
    Ok(Stored {
        width: width.into(),
        height: height.into(),
        frames: blocks.frames,
        truncated: !blocks.ended,
        exif: Exif::default(),
        icc: None,
        compressed: true,
    })
}

pub(super) fn raster(bytes: &[u8], stored: &Stored, scale: Scale, limits: &Limits) -> Result<Raster, Unreadable> {
    let failed = |error: &dyn std::fmt::Display| match stored.truncated {
        true => Unreadable::TruncatedBeforePixels(Kind::Gif),
        false => corrupt(&error.to_string()),
    };
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    // Ours is the limit that counts: nothing is allocated for the frame but the buffer below.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(bytes).map_err(|error| failed(&error))?;
    let frame = match decoder.next_frame_info() {
        Ok(Some(frame)) => frame.clone(),
        Ok(None) => return Err(corrupt("it has no picture")),
        Err(error) => return Err(failed(&error)),
    };

    let divisor = scale.divisor(stored.width, stored.height);
    let row_bytes = usize::from(frame.width) * 4;
    let frame_bytes = row_bytes * usize::from(frame.height);
    let memory = BoxShrink::memory(Inks::Rgba, stored.width, stored.height, divisor) + frame_bytes as u64;
    let mut shrink = BoxShrink::new_within(Inks::Rgba, stored.width, stored.height, divisor, memory, limits)?;
    let mut pixels = vec![0; frame_bytes];
    let cut = match decoder.read_into_buffer(&mut pixels) {
        Ok(()) => false,
        Err(_) if stored.truncated && pixels.iter().any(|&byte| byte != 0) => true,
        Err(error) => return Err(failed(&error)),
    };

    let mut row = vec![0; shrink.row_bytes()];
    let (top, left) = (u32::from(frame.top), usize::from(frame.left) * 4);
    for y in 0..stored.height {
        row.fill(0);
        let source = y.checked_sub(top).filter(|&y| y < u32::from(frame.height));
        if let (Some(y), Some(room)) = (source, row.get_mut(left..)) {
            let source = &pixels[y as usize * row_bytes..][..row_bytes.min(room.len())];
            room[..source.len()].copy_from_slice(source);
        }
        shrink.push(&row);
    }
    let mut raster = shrink.finish();
    raster.cut |= cut;
    Ok(raster)
}

fn corrupt(detail: &str) -> Unreadable {
    Unreadable::Corrupt { kind: Kind::Gif, detail: detail.to_owned() }
}

#[derive(Default)]
struct Blocks {
    frames: u32,
    first_frame: (u16, u16),
    ended: bool,
}

/// Walks the blocks without decompressing any: counts frames and looks for the trailer.
fn walk(bytes: &[u8]) -> Blocks {
    let mut blocks = Blocks::default();
    let mut at = 13 + bytes.get(10).map_or(0, |&flags| colour_table_bytes(flags));
    loop {
        let next = match bytes.get(at) {
            Some(0x21) => sub_blocks_end(bytes, at + 2),
            Some(0x2c) => {
                let Some(&flags) = bytes.get(at + 9) else { return blocks };
                if blocks.frames == 0 {
                    blocks.first_frame =
                        (le16(bytes, at + 5).unwrap_or_default(), le16(bytes, at + 7).unwrap_or_default());
                }
                blocks.frames += 1;
                sub_blocks_end(bytes, at + 11 + colour_table_bytes(flags))
            }
            Some(0x3b) => {
                blocks.ended = true;
                return blocks;
            }
            // Encoders have been seen to pad between blocks.
            Some(0) => Some(at + 1),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return blocks,
        }
    }
}

fn colour_table_bytes(flags: u8) -> usize {
    if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 }
}

fn sub_blocks_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
