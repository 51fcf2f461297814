//! TIFF, strip by strip or one row of tiles at a time; of several pages, the first.
//!
//! The raw formats of cameras wear TIFF's signature, and their first picture is a small preview: they are told apart here
//! and not read as TIFF.

use std::borrow::Cow;
use std::io::Cursor;

use ::tiff::decoder::ifd::Value;
use ::tiff::decoder::{ChunkType, Decoder, DecodingSampleType, TiffCodingUnit};
use ::tiff::tags::{IfdPointer, Tag};
use ::tiff::{ColorType, TiffError};

use super::exif::{self, Exif};
use super::raster::{BoxShrink, Inks, Raster};
use super::{Limits, Scale, Stored, Unreadable};
use crate::identify::Kind;

type Reader<'a> = Decoder<Cursor<Cow<'a, [u8]>>>;

/// More pages than this are not counted.
const PAGES_MAX: u32 = 10_000;

const DATE_TIME_ORIGINAL: Tag = Tag::Unknown(36867);
const SUB_SECOND_ORIGINAL: Tag = Tag::Unknown(37521);
const DNG_VERSION: u16 = 50706;

pub(super) fn stored(bytes: &[u8], limits: &Limits) -> Result<Stored, Unreadable> {
    if is_camera_raw(bytes) {
        return Err(Unreadable::NotReadable(Kind::Raw));
    }
    let mut reader = open(bytes, limits)?;
    let (width, height) = reader.dimensions().map_err(|error| failed(bytes, error))?;
    let truncated = is_cut(bytes, &mut reader);
    // A profile that cannot be read is no profile.
    let icc = reader.find_tag(Tag::IccProfile).ok().flatten().and_then(|value| value.into_u8_vec().ok());
    let exif = exif_of(&mut reader);
    // Before the pages are counted, which moves the reader on.
    let compressed = reader.find_tag_unsigned::<u16>(Tag::Compression).ok().flatten().is_some_and(|method| method != 1);
    Ok(Stored { width, height, frames: pages(&mut reader), truncated, exif, icc, compressed })
}

pub(super) fn raster(bytes: &[u8], stored: &Stored, scale: Scale, limits: &Limits) -> Result<Raster, Unreadable> {
    let mut reader = open(bytes, limits)?;
    let samples = Samples::of(bytes, &mut reader)?;
    let divisor = scale.divisor(stored.width, stored.height);
    let inks = samples.inks();
    let (band_width, band_height) = match reader.get_chunk_type() {
        ChunkType::Strip => (stored.width, reader.chunk_dimensions().1.min(stored.height)),
        ChunkType::Tile => reader.chunk_dimensions(),
    };
    if band_width == 0 || band_height == 0 {
        return Err(corrupt("its strips or tiles have no size".to_owned()));
    }
    let across = stored.width.div_ceil(band_width);
    let unit = reader.image_coding_unit_layout(TiffCodingUnit(0)).map_err(|error| failed(bytes, error))?;
    let band_bytes = u64::from(stored.width) * u64::from(band_height) * inks.count() as u64;
    let memory = BoxShrink::memory(inks, stored.width, stored.height, divisor);
    limits.check_memory(memory + band_bytes + unit.complete_len as u64 * 2)?;
    let mut shrink = BoxShrink::new(inks, stored.width, stored.height, divisor);

    let mut cut = false;
    let row_bytes = shrink.row_bytes();
    let mut band = vec![0; band_bytes as usize];
    for band_at in 0..stored.height.div_ceil(band_height) {
        let rows = band_height.min(stored.height - band_at * band_height) as usize;
        for column in 0..across {
            let at = column as usize * band_width as usize * inks.count();
            match samples.read_unit(&mut reader, band_at * across + column) {
                Ok(unit) => unit.place(&mut band, row_bytes, at),
                Err(_) if stored.truncated => {
                    cut = true;
                    blank(&mut band, row_bytes, at, band_width as usize * inks.count());
                }
                Err(error) => return Err(failed(bytes, error)),
            }
        }
        band.chunks_exact(row_bytes).take(rows).for_each(|row| shrink.push(row));
    }
    let raster = shrink.finish();
    if cut && raster.samples.iter().all(|&sample| sample == 0) {
        return Err(Unreadable::TruncatedBeforePixels(Kind::Tiff));
    }
    Ok(if cut { raster.marked_cut() } else { raster })
}

fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Reader<'a>, Unreadable> {
    let bytes_max = usize::try_from(limits.bytes_max).unwrap_or(usize::MAX);
    let mut tiff_limits = ::tiff::decoder::Limits::default();
    tiff_limits.decoding_buffer_size = bytes_max;
    tiff_limits.intermediate_buffer_size = bytes_max;
    tiff_limits.ifd_value_size = bytes_max.min(16 << 20);
    let mut reader = Decoder::new(Cursor::new(without_palette(bytes))).map_err(|error| failed(bytes, error))?;
    reader = reader.with_limits(tiff_limits);
    Ok(reader)
}

/// The `tiff` crate refuses palettes, so it is shown a file whose indices claim to be grey; [`Samples`] looks them up.
fn without_palette(bytes: &[u8]) -> Cow<'_, [u8]> {
    match photometric(bytes) {
        Some((at, PALETTE)) => {
            let mut grey = bytes.to_vec();
            let one = if bytes.starts_with(b"II") { [1, 0] } else { [0, 1] };
            grey[at..at + 2].copy_from_slice(&one);
            Cow::Owned(grey)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Photometric interpretation: indices into a colour map.
const PALETTE: u16 = 3;

/// The first directory's photometric interpretation, and where its value stands.
fn photometric(bytes: &[u8]) -> Option<(usize, u16)> {
    entry(bytes, 262)
}

/// Whether the first picture is a preview (bit 0 of the subfile type), or the file calls itself a digital negative.
fn is_camera_raw(bytes: &[u8]) -> bool {
    let is_preview = entry(bytes, 254).is_some_and(|(at, short)| {
        // A number of four bytes as a rule, of two in some old files.
        let low = if bytes.starts_with(b"II") { at } else { at + 3 };
        short == 1 || bytes.get(low).is_some_and(|byte| byte & 1 == 1)
    });
    is_preview || entry(bytes, DNG_VERSION).is_some()
}

/// An entry of the first directory: where its value stands, and the value's first two bytes as a number. The `tiff`
/// crate would have to accept the file first. Files in the format beyond 4 GiB (BigTIFF) are not looked into.
fn entry(bytes: &[u8], tag: u16) -> Option<(usize, u16)> {
    let little = bytes.starts_with(b"II*\0");
    let short = |at: usize| {
        let pair = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    if !little && !bytes.starts_with(b"MM\0*") {
        return None;
    }
    let (high, low) = if little { (6, 4) } else { (4, 6) };
    let directory = usize::from(short(high)?) << 16 | usize::from(short(low)?);
    (0..usize::from(short(directory)?))
        .map(|entry| directory + 2 + entry * 12)
        .find(|&entry| short(entry) == Some(tag))
        .and_then(|entry| Some((entry + 8, short(entry + 8)?)))
}

fn failed(bytes: &[u8], error: TiffError) -> Unreadable {
    match error {
        TiffError::UnsupportedError(what) => Unreadable::Unsupported { kind: Kind::Tiff, detail: what.to_string() },
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof || bytes.len() < 16 => {
            Unreadable::TruncatedBeforePixels(Kind::Tiff)
        }
        error => corrupt(error.to_string()),
    }
}

fn corrupt(detail: String) -> Unreadable {
    Unreadable::Corrupt { kind: Kind::Tiff, detail }
}

/// Whether a strip or tile of the first page lies beyond the end.
fn is_cut(bytes: &[u8], reader: &mut Reader<'_>) -> bool {
    let mut list = |tag| reader.find_tag_unsigned_vec::<u64>(tag).ok().flatten();
    let offsets = list(Tag::StripOffsets).or_else(|| list(Tag::TileOffsets)).unwrap_or_default();
    let counts = list(Tag::StripByteCounts).or_else(|| list(Tag::TileByteCounts)).unwrap_or_default();
    offsets.iter().zip(&counts).any(|(offset, count)| offset.saturating_add(*count) > bytes.len() as u64)
}

fn exif_of(reader: &mut Reader<'_>) -> Exif {
    // Damaged metadata says nothing; it never makes a picture unreadable.
    let orientation = reader.find_tag_unsigned::<u32>(Tag::Orientation).ok().flatten();
    let directory = reader.find_tag_unsigned::<u64>(Tag::ExifDirectory).ok().flatten();
    let directory = directory.and_then(|at| reader.read_directory(IfdPointer(at)).ok());
    let taken_at = directory.and_then(|directory| {
        let mut tags = reader.read_directory_tags(&directory);
        let mut text = |tag| match tags.find_tag(tag).ok().flatten()? {
            Value::Ascii(text) => Some(text),
            _ => None,
        };
        let time = text(DATE_TIME_ORIGINAL)?;
        exif::moment(time.as_bytes(), text(SUB_SECOND_ORIGINAL).as_deref().map(str::as_bytes))
    });
    Exif { orientation: exif::orientation_from(orientation), taken_at }
}

fn pages(reader: &mut Reader<'_>) -> u32 {
    let mut pages = 1;
    while pages < PAGES_MAX && reader.more_images() && reader.next_image().is_ok() {
        pages += 1;
    }
    pages
}

/// How the samples of this file are to be understood.
struct Samples {
    color: ColorType,
    bits: u8,
    /// Samples a pixel in the file, of which the first few may be all that matter.
    stored_count: usize,
    /// Red, green and blue of each index.
    palette: Vec<[u8; 3]>,
}

/// One strip or tile, in the inks of the result.
struct Unit {
    row_bytes: usize,
    samples: Vec<u8>,
}

impl Unit {
    fn place(&self, band: &mut [u8], band_row_bytes: usize, at: usize) {
        for (row, source) in band.chunks_exact_mut(band_row_bytes).zip(self.samples.chunks_exact(self.row_bytes)) {
            let room = &mut row[at..];
            let length = room.len().min(source.len());
            room[..length].copy_from_slice(&source[..length]);
        }
    }
}

fn blank(band: &mut [u8], band_row_bytes: usize, at: usize, length: usize) {
    for row in band.chunks_exact_mut(band_row_bytes) {
        let end = row.len().min(at + length);
        row[at..end].fill(0);
    }
}

impl Samples {
    fn of(bytes: &[u8], reader: &mut Reader<'_>) -> Result<Samples, Unreadable> {
        let color = reader.colortype().map_err(|error| failed(bytes, error))?;
        let bits = color.bit_depth();
        let palette = match color {
            ColorType::Gray(bits) if matches!(photometric(bytes), Some((_, PALETTE))) => palette(reader, bits)?,
            ColorType::Gray(_) | ColorType::GrayA(_) | ColorType::RGB(_) | ColorType::RGBA(_) => Vec::new(),
            ColorType::CMYK(_) | ColorType::CMYKA(_) | ColorType::YCbCr(_) => Vec::new(),
            // Grey with channels beside it, as scanners write: the first channel is the picture.
            ColorType::Multiband { .. } => Vec::new(),
            other => return Err(Unreadable::Unsupported { kind: Kind::Tiff, detail: format!("{other:?}") }),
        };
        if !matches!(bits, 1 | 2 | 4 | 8 | 16 | 32 | 64) || (bits < 8 && color.num_samples() > 1) {
            return Err(Unreadable::Unsupported { kind: Kind::Tiff, detail: format!("{bits} bits a sample") });
        }
        Ok(Samples { color, bits, stored_count: usize::from(color.num_samples()), palette })
    }

    fn inks(&self) -> Inks {
        match self.color {
            _ if !self.palette.is_empty() => Inks::Rgb,
            ColorType::RGB(_) | ColorType::YCbCr(_) => Inks::Rgb,
            ColorType::RGBA(_) => Inks::Rgba,
            ColorType::CMYK(_) | ColorType::CMYKA(_) => Inks::Cmyk,
            ColorType::GrayA(_) => Inks::GreyAlpha,
            _ => Inks::Grey,
        }
    }

    fn read_unit(&self, reader: &mut Reader<'_>, unit: u32) -> Result<Unit, TiffError> {
        let (width, _) = reader.chunk_data_dimensions(unit);
        let layout = reader.image_coding_unit_layout(TiffCodingUnit(unit))?;
        let mut raw = vec![0; layout.complete_len];
        reader.read_coding_unit_bytes(TiffCodingUnit(unit), &mut raw)?;
        let planes = layout.planes.max(1);
        let plane_bytes = layout.plane_stride.map_or(raw.len(), |stride| stride.get()).max(1);
        let row_bytes = layout.row_stride.map_or(raw.len(), |stride| stride.get()).max(1);
        let samples_in_row = width as usize * self.stored_count / planes;
        let kind = layout.sample_type.unwrap_or(DecodingSampleType::U8);

        let rows = raw.len().min(plane_bytes) / row_bytes;
        let mut samples = Vec::with_capacity(rows * width as usize * self.inks().count());
        let mut pixels = vec![0; width as usize * self.stored_count];
        for row in 0..rows {
            for (plane, bytes) in raw.chunks(plane_bytes).take(planes).enumerate() {
                let Some(bytes) = bytes.get(row * row_bytes..(row + 1) * row_bytes) else { continue };
                let every = if planes > 1 { self.stored_count } else { 1 };
                for at in 0..samples_in_row {
                    pixels[at * every + plane] = self.sample(bytes, at, kind);
                }
            }
            pixels.chunks_exact(self.stored_count).for_each(|pixel| self.push_inks(pixel, &mut samples));
        }
        Ok(Unit { row_bytes: width as usize * self.inks().count(), samples })
    }

    /// One sample as eight bits; a palette index stays an index. Beyond the end is zero.
    fn sample(&self, row: &[u8], at: usize, kind: DecodingSampleType) -> u8 {
        fn native<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
            row.get(at * N..(at + 1) * N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
        }
        // Casting from floating point saturates, and makes zero of what is no number.
        let level = |value: f64| (value * 255.0 + 0.5) as u8;
        match kind {
            DecodingSampleType::U8 if self.bits < 8 => self.packed(row, at),
            DecodingSampleType::U8 => native::<1>(row, at)[0],
            DecodingSampleType::U16 => (u16::from_ne_bytes(native(row, at)) >> 8) as u8,
            DecodingSampleType::U32 => (u32::from_ne_bytes(native(row, at)) >> 24) as u8,
            DecodingSampleType::U64 => (u64::from_ne_bytes(native(row, at)) >> 56) as u8,
            DecodingSampleType::F32 => level(f32::from_ne_bytes(native(row, at)).into()),
            DecodingSampleType::F64 => level(f64::from_ne_bytes(native(row, at))),
            DecodingSampleType::I8 => native::<1>(row, at)[0] ^ 0x80,
            DecodingSampleType::I16 => ((u16::from_ne_bytes(native(row, at)) >> 8) as u8) ^ 0x80,
            // Half floats and wide signed numbers come from instruments, not from print shops' customers.
            _ => 0,
        }
    }

    /// A sample of fewer than eight bits, spread over the whole range unless it is an index.
    fn packed(&self, row: &[u8], at: usize) -> u8 {
        let (bits, mask) = (usize::from(self.bits), (1u16 << self.bits) - 1);
        let byte = u16::from(row.get(at * bits / 8).copied().unwrap_or(0));
        let value = (byte >> (8 - bits - at * bits % 8)) & mask;
        if self.palette.is_empty() { (value * 255 / mask) as u8 } else { value as u8 }
    }

    fn push_inks(&self, pixel: &[u8], samples: &mut Vec<u8>) {
        match self.color {
            _ if !self.palette.is_empty() => {
                samples.extend(self.palette.get(usize::from(pixel[0])).copied().unwrap_or([0; 3]));
            }
            ColorType::YCbCr(_) => samples.extend(ycbcr_to_rgb(pixel)),
            ColorType::CMYKA(_) => samples.extend(&pixel[..4]),
            ColorType::Multiband { .. } => samples.push(pixel[0]),
            _ => samples.extend(pixel),
        }
    }
}

/// The colour map: all reds, all greens, all blues, sixteen bits each.
fn palette(reader: &mut Reader<'_>, bits: u8) -> Result<Vec<[u8; 3]>, Unreadable> {
    let map = reader.find_tag_unsigned_vec::<u16>(Tag::ColorMap).ok().flatten().unwrap_or_default();
    if bits > 8 {
        return Err(Unreadable::Unsupported { kind: Kind::Tiff, detail: format!("a palette of {bits} bits") });
    }
    let count = 1 << bits;
    if map.len() < 3 * count {
        return Err(corrupt("its palette is missing or too short".to_owned()));
    }
    Ok((0..count).map(|at| [0, 1, 2].map(|ink| (map[ink * count + at] >> 8) as u8)).collect())
}

/// The conversion of JFIF, full range.
fn ycbcr_to_rgb(pixel: &[u8]) -> [u8; 3] {
    let [luma, blue, red] = [0, 1, 2].map(|at| f32::from(pixel[at]));
    let (blue, red) = (blue - 128.0, red - 128.0);
    // Casting from floating point saturates.
    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
        .map(|level| (level + 0.5) as u8)
}
