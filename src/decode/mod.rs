//! Bytes to pixels: headers, limits, one file per family of formats.
//!
//! Pure: no sockets, SQL, paths or settings. It runs inside the decode children (see [`crate::children`]), because its
//! input is hostile. It decodes at the smallest scale that serves and applies the EXIF orientation exactly once, here.
//!
//! Where the right colours cannot be known (CMYK, a wide-gamut profile that a thumbnailer may have ignored) the answer
//! holds more than one rendering and whoever compares tries each. It deliberately does not judge: a truncated picture is
//! marked as such and still given, as far as it goes.

mod bmp;
mod colour;
mod encode;
mod exif;
mod gif;
mod jpeg;
mod jpeg_markers;
mod jpeg_reduced;
mod orient;
mod png;
mod raster;
mod tiff;
mod unreadable;
mod webp;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::identify::Kind;
pub use encode::EncodeError;
pub use jpeg_markers::{JpegTables, jpeg_tables};
pub(crate) use orient::upright;
pub use unreadable::Unreadable;

/// A picture in memory: 8-bit sRGB, rows from the top, oriented as a person should see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pixels {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue; three bytes a pixel.
    pub rgb: Vec<u8>,
    /// Opacity, one byte a pixel, not multiplied into `rgb`; absent when every pixel is opaque.
    pub alpha: Option<Vec<u8>>,
}

impl Pixels {
    /// The colours as a PNG file; opacity is left out.
    ///
    /// # Errors
    /// When there are not as many bytes as width and height say.
    pub fn to_png(&self) -> Result<Vec<u8>, ::png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(::png::ColorType::Rgb);
        encoder.set_depth(::png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.rgb)?;
        Ok(bytes)
    }
}

/// What one picture may cost. A picture beyond a limit is refused with [`Unreadable::TooLarge`] or
/// [`Unreadable::TooMuchMemory`] before anything of its size is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most pixels a file may claim, width times height: 400 million by default, which lets gigantic panoramas pass and
    /// stops bombs.
    pub pixels_max: u64,
    /// Most bytes that decoding may hold at once beside the file itself, by our reckoning: 768 MiB by default.
    pub bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { pixels_max: 400_000_000, bytes_max: 768 << 20 }
    }
}

impl Limits {
    /// Refuses a picture that claims no pixels or more than allowed.
    fn check_size(&self, kind: Kind, width: u32, height: u32) -> Result<(), Unreadable> {
        if width == 0 || height == 0 {
            return Err(Unreadable::Corrupt { kind, detail: format!("it claims {width} x {height} pixels") });
        }
        if u64::from(width) * u64::from(height) > self.pixels_max {
            return Err(Unreadable::TooLarge { width, height, pixels_max: self.pixels_max });
        }
        Ok(())
    }

    /// Refuses to allocate more than allowed.
    fn check_memory(&self, bytes: u64) -> Result<(), Unreadable> {
        if bytes > self.bytes_max {
            return Err(Unreadable::TooMuchMemory { bytes, bytes_max: self.bytes_max });
        }
        Ok(())
    }
}

/// How many pixels are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// Every pixel the file has.
    Full,
    /// The smallest rendering whose long side has at least so many pixels (or all that the file has).
    AtLeast(u32),
    /// Like `AtLeast`, for those who look at luma alone: colours may be left out and details below the scale estimated,
    /// as a progressive JPEG is then read only as far as its leading scans. Good enough to propose, not to prove.
    Sketch(u32),
    /// Of a JPEG, what libjpeg gives when told to shrink by 2, 4 or 8 while decoding, as some thumbnailers do; every pixel
    /// of other files.
    Reduced(u32),
}

impl Scale {
    /// How many stored pixels may go into one wanted pixel, along each side. The short side keeps a quarter of what the
    /// long side was promised, so that a panorama does not become a line.
    fn divisor(self, width: u32, height: u32) -> u32 {
        match self {
            Scale::Full | Scale::Reduced(_) => 1,
            Scale::AtLeast(long_px) | Scale::Sketch(long_px) => {
                let long_px = long_px.max(1);
                let by_long = width.max(height) / long_px;
                let by_short = width.min(height) / long_px.div_ceil(4);
                by_long.min(by_short).max(1)
            }
        }
    }
}

/// What a file says about itself, checked against its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the file is.
    pub kind: Kind,
    /// Columns as stored in the file, before its orientation is applied.
    pub width: u32,
    /// Rows as stored in the file, before its orientation is applied.
    pub height: u32,
    /// EXIF orientation, 1 to 8; 1 when the file says nothing or nonsense.
    pub orientation: u8,
    /// Pictures in the file: frames of an animation, pages of a TIFF. The first is the one that gets decoded.
    pub frames: u32,
    /// When the picture was taken by the camera's clock, as `YYYY-MM-DDTHH:MM:SS` without a zone, with the digits of
    /// a fraction behind a point where the camera told them.
    pub taken_at: Option<String>,
    /// Its end, or a part of its picture data, is missing. Told by the content even where decoding succeeds.
    pub truncated: bool,
    /// A check sum says that its picture data is not what was written. Told only where decoding succeeds all the same.
    pub altered: bool,
    /// Its pixels are compressed, so that pictures of one size differ in length. Of TIFF that depends on the file; of BMP as good as never.
    pub compressed: bool,
}

impl Header {
    /// What is wrong with a file that could be read, in words: what it shows is not all, or not what it was.
    pub fn damage(&self) -> Option<&'static str> {
        match (self.truncated, self.altered) {
            (true, _) => Some("the file is cut off: its end is missing"),
            (false, true) => Some("the file is damaged: a check sum in it is wrong"),
            (false, false) => None,
        }
    }

    /// Columns and rows as a person sees the picture, that is, with the orientation applied.
    pub fn upright_size(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What the file says about itself.
    pub header: Header,
    /// Stored pixels along each side that went into one decoded pixel; 1 is full size. The last column and row may be
    /// made from fewer.
    pub divisor: u32,
    /// The picture, upright; the first is the preferred one, and there is always a first.
    pub renderings: Vec<Pixels>,
}

/// What a format's reader finds before any pixel is touched.
struct Stored {
    width: u32,
    height: u32,
    frames: u32,
    truncated: bool,
    exif: exif::Exif,
    icc: Option<Vec<u8>>,
    compressed: bool,
}

/// Reads what the file says about itself, and whether its end is there, without decoding it.
pub fn read_header(bytes: &[u8], limits: &Limits) -> Result<Header, Unreadable> {
    let kind = Kind::of(bytes);
    contained(kind, || Ok(header(kind, &stored(kind, bytes, limits)?)))
}

/// Decodes the file's first picture.
///
/// The answer is a function of the bytes, the scale and the limits alone. Hostile bytes give an [`Unreadable`]; a panic
/// in a decoder is contained and reported as [`Unreadable::Corrupt`].
pub fn decode(bytes: &[u8], scale: Scale, limits: &Limits) -> Result<Decoded, Unreadable> {
    let kind = Kind::of(bytes);
    contained(kind, || {
        let stored = stored(kind, bytes, limits)?;
        let raster = match kind {
            Kind::Jpeg => jpeg::raster(bytes, scale, limits),
            Kind::Png => png::raster(bytes, &stored, scale, limits),
            Kind::Gif => gif::raster(bytes, &stored, scale, limits),
            Kind::Webp => webp::raster(bytes, &stored, scale, limits),
            Kind::Tiff => tiff::raster(bytes, &stored, scale, limits),
            Kind::Bmp => bmp::raster(bytes, &stored, scale, limits),
            _ => Err(Unreadable::NotReadable(kind)),
        }?;
        let mut header = header(kind, &stored);
        header.truncated |= raster.cut;
        header.altered = raster.altered;
        let divisor = raster.divisor;
        let renderings = colour::renderings(raster, stored.icc.as_deref())
            .into_iter()
            .map(|pixels| upright(pixels, header.orientation))
            .collect();
        Ok(Decoded { header, divisor, renderings })
    })
}

fn stored(kind: Kind, bytes: &[u8], limits: &Limits) -> Result<Stored, Unreadable> {
    let stored = match kind {
        Kind::Jpeg => jpeg::stored(bytes),
        Kind::Png => png::stored(bytes),
        Kind::Gif => gif::stored(bytes),
        Kind::Webp => webp::stored(bytes, limits),
        Kind::Tiff => tiff::stored(bytes, limits),
        Kind::Bmp => bmp::stored(bytes),
        Kind::Empty => Err(Unreadable::Empty),
        _ => Err(Unreadable::NotReadable(kind)),
    }?;
    limits.check_size(kind, stored.width, stored.height)?;
    Ok(stored)
}

fn header(kind: Kind, stored: &Stored) -> Header {
    Header {
        kind,
        width: stored.width,
        height: stored.height,
        orientation: stored.exif.orientation,
        frames: stored.frames,
        taken_at: stored.exif.taken_at.clone(),
        truncated: stored.truncated,
        altered: false,
        compressed: stored.compressed,
    }
}

/// Runs `read`; a panic in it becomes [`Unreadable::Corrupt`]. Nothing outlives the call that a panic could leave half
/// done, which makes the assertion of unwind safety true.
fn contained<T>(kind: Kind, read: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|panic| Err(Unreadable::Corrupt { kind, detail: panic_text(panic.as_ref()) }))
}

/// What a panic said. libjpeg's fatal errors arrive this way too.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the decoder gave up without a word");
    text.strip_prefix("libjpeg fatal error: ").unwrap_or(text).chars().take(200).collect()
}
