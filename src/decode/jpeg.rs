//! JPEG by mozjpeg (libjpeg-turbo inside), shrunk while decoding.
//!
//! Full-size pixels come out as libjpeg's defaults make them (accurate integer DCT, smooth chroma upsampling), because
//! that is what nearly every thumbnailer started from. Fatal errors of the C library unwind and are contained by the
//! caller; its memory is released on the way.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Decompress};

use super::jpeg_markers::{Frame, Markers, walk};
use super::jpeg_reduced::{push_luma, push_rows};
use super::raster::{BoxShrink, Inks, Raster};
use super::{Limits, Scale, Stored, Unreadable, panic_text};
use crate::identify::Kind;

/// A progressive file needs about ten scans; one with more than this is made to waste time.
const SCANS_MAX: u32 = 500;

pub(super) fn stored(bytes: &[u8]) -> Result<Stored, Unreadable> {
    let markers = walk(bytes);
    let frame = frame(&markers)?;
    Ok(Stored {
        width: frame.width.into(),
        height: frame.height.into(),
        frames: 1,
        truncated: !markers.ended,
        icc: markers.profile(),
        exif: markers.exif.clone().unwrap_or_default(),
        compressed: true,
    })
}

fn frame(markers: &Markers) -> Result<&Frame, Unreadable> {
    let unsupported = |detail: String| Err(Unreadable::Unsupported { kind: Kind::Jpeg, detail });
    let corrupt = |detail: String| Err(Unreadable::Corrupt { kind: Kind::Jpeg, detail });
    let Some(frame) = &markers.frame else {
        return match markers.ended {
            true => corrupt("it has no frame header".to_owned()),
            false => Err(Unreadable::TruncatedBeforePixels(Kind::Jpeg)),
        };
    };
    if !matches!(frame.process, 0xc0..=0xc2) {
        return unsupported(format!("coding process {}", frame.process - 0xc0));
    }
    if frame.precision != 8 {
        return unsupported(format!("{} bits a sample", frame.precision));
    }
    if !matches!(frame.components.len(), 1 | 3 | 4) {
        return unsupported(format!("{} components", frame.components.len()));
    }
    let sane = |factor: u8| (1..=4).contains(&factor);
    if !frame.components.iter().all(|component| sane(component.horizontal) && sane(component.vertical)) {
        return corrupt("its sampling factors are out of range".to_owned());
    }
    if markers.scans > SCANS_MAX {
        return corrupt(format!("it has {} scans", markers.scans));
    }
    if markers.scans == 0 {
        return match markers.ended {
            true => corrupt("it has no picture data".to_owned()),
            false => Err(Unreadable::TruncatedBeforePixels(Kind::Jpeg)),
        };
    }
    Ok(frame)
}

pub(super) fn raster(bytes: &[u8], scale: Scale, limits: &Limits) -> Result<Raster, Unreadable> {
    let markers = walk(bytes);
    let frame = frame(&markers)?;
    let (inks, space) = match frame.components.len() {
        1 => (Inks::Grey, ColorSpace::JCS_GRAYSCALE),
        // Luma is stored apart, so leaving the colours out saves a third; a profile would want all of them.
        3 if matches!(scale, Scale::Sketch(_)) && !markers.has_profile() => (Inks::Grey, ColorSpace::JCS_GRAYSCALE),
        3 => (Inks::Rgb, ColorSpace::JCS_RGB),
        _ => (Inks::Cmyk, ColorSpace::JCS_CMYK),
    };
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let wanted = if let Scale::Reduced(divisor) = scale { divisor.clamp(1, 8) } else { scale.divisor(width, height) };
    // The largest power of two within reach: these have fast, well-known reduced transforms.
    let by_dct = [8, 4, 2].into_iter().find(|&divisor| divisor <= wanted).unwrap_or(1);
    let by_box = wanted / by_dct;

    let end = match (scale, markers.leading_dc_end) {
        // Whole blocks become single pixels, and those are the DC coefficients.
        (Scale::Sketch(_), Some(end)) if by_dct == 8 && frame.is_progressive() => Some(end),
        // Half a segment would be taken for a whole one.
        _ => Some(markers.usable_end).filter(|_| !markers.ended),
    };
    let shortened = end.map(|end| [&bytes[..end], b"\xff\xd9"].concat());
    let buffered = frame.is_progressive() || markers.split;
    let (columns, rows) = (width.div_ceil(by_dct), height.div_ceil(by_dct));
    limits.check_memory(
        BoxShrink::memory(inks, columns, rows, by_box)
            + if buffered { frame.coefficient_bytes() } else { 0 }
            + shortened.as_ref().map_or(0, |bytes| bytes.len() as u64),
    )?;

    let mut shrink = BoxShrink::new(inks, columns, rows, by_box);
    if by_dct > 1 && !buffered && end.is_none() {
        let whole_blocks = by_dct == 8 && inks == Inks::Grey;
        let mut ours = BoxShrink::new(inks, columns, rows, by_box);
        let read = match whole_blocks {
            true => push_luma(bytes, &markers, &mut ours),
            false => push_rows(bytes, &markers, inks, 8 / by_dct as usize, &mut ours),
        };
        if read.is_some() {
            let mut raster = ours.finish();
            raster.divisor *= by_dct;
            return Ok(raster);
        }
    }
    let read = catch_unwind(AssertUnwindSafe(|| {
        read_rows(shortened.as_deref().unwrap_or(bytes), 8 / by_dct as u8, space, &mut shrink)
    }))
    .unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
    let mut raster = finish(shrink, read)?;
    raster.divisor *= by_dct;
    if inks == Inks::Cmyk {
        // Files store paint as light, Adobe's say so; those that say nothing are read the same way by nearly everyone.
        raster.samples.iter_mut().for_each(|sample| *sample = 255 - *sample);
        raster.polarity_unsure = markers.adobe_transform.is_none();
    }
    Ok(raster)
}

/// An error after the first rows costs the rest of the picture, not all of it.
fn finish(shrink: BoxShrink, read: Result<(), String>) -> Result<Raster, Unreadable> {
    match read {
        Err(detail) if shrink.is_untouched() => Err(Unreadable::Corrupt { kind: Kind::Jpeg, detail }),
        _ => Ok(shrink.finish()),
    }
}

fn read_rows(bytes: &[u8], eighths: u8, space: ColorSpace, shrink: &mut BoxShrink) -> Result<(), String> {
    let mut picture = Decompress::new_mem(bytes).map_err(|error| error.to_string())?;
    picture.scale(eighths);
    // Smoothing guesses at coefficients that have not come yet, and so would differ between a cut file and a whole one.
    picture.do_block_smoothing(false);
    let mut picture = picture.to_colorspace(space).map_err(|error| error.to_string())?;
    let mut row = vec![0; shrink.row_bytes()];
    if picture.min_flat_buffer_size() != row.len() * picture.height() {
        return Err("its size is not the one it claims".to_owned());
    }
    for _ in 0..picture.height() {
        picture.read_scanlines_into(&mut row).map_err(|error| error.to_string())?;
        shrink.push(&row);
    }
    Ok(())
}
