//! Bytes to pixels: headers, limits, one file per family of formats.
//!
//! Pure: no sockets, SQL, paths or settings. It runs inside the decode children (see [`crate::children`]), because its
//! input is hostile. It decodes at the smallest scale that serves and applies the EXIF orientation exactly once.

/// A picture in memory: 8-bit sRGB, rows from the top, oriented as a person should see it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
