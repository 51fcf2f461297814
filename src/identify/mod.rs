//! What a file is: its kind by content, never by name.
//!
//! Looks at the first bytes only and decides nothing else: whether a file of a readable kind is whole and sane is found
//! out by [`crate::decode`], inside a child. Kinds that cannot be read yet are told apart so that a report can name them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many leading bytes [`Kind::of`] looks at; more change nothing.
pub const SNIFF_BYTES: usize = 4096;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $word:literal, $plain:literal;)+) => {
        /// What a file is, told by its content.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Kind {
            $($(#[$doc])* $name,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$name),+];

            /// The word for this kind in schema and reports: lower case, no spaces.
            pub fn word(self) -> &'static str {
                match self { $(Kind::$name => $word),+ }
            }

            /// The name of this kind in a sentence, with its article.
            pub fn plain(self) -> &'static str {
                match self { $(Kind::$name => $plain),+ }
            }
        }
    };
}

kinds! {
    /// JPEG.
    Jpeg, "jpeg", "a JPEG picture";
    /// PNG.
    Png, "png", "a PNG picture";
    /// GIF.
    Gif, "gif", "a GIF picture";
    /// WebP.
    Webp, "webp", "a WebP picture";
    /// TIFF, except the camera raw formats that look like it.
    Tiff, "tiff", "a TIFF picture";
    /// Windows bitmap.
    Bmp, "bmp", "a BMP picture";
    /// HEIC and HEIF.
    Heic, "heic", "a HEIC picture";
    /// AVIF.
    Avif, "avif", "an AVIF picture";
    /// JPEG 2000, boxed or bare.
    Jp2, "jp2", "a JPEG 2000 picture";
    /// JPEG XL, boxed or bare.
    Jxl, "jxl", "a JPEG XL picture";
    /// SVG, not compressed.
    Svg, "svg", "an SVG drawing";
    /// PDF, and Illustrator files that are PDF inside.
    Pdf, "pdf", "a PDF document";
    /// PostScript, encapsulated or not.
    Eps, "eps", "a PostScript drawing";
    /// Photoshop, PSD and PSB.
    Psd, "psd", "a Photoshop document";
    /// The raw formats of cameras.
    Raw, "raw", "a camera raw file";
    /// Windows icon or cursor.
    Ico, "ico", "a Windows icon";
    /// Zip, and everything that is a zip inside.
    Zip, "zip", "a zip archive";
    /// 7-Zip.
    SevenZip, "7z", "a 7-Zip archive";
    /// RAR.
    Rar, "rar", "a RAR archive";
    /// Tar, not compressed.
    Tar, "tar", "a tar archive";
    /// Gzip, whatever is inside.
    Gzip, "gzip", "a gzip archive";
    /// Bzip2, xz and zstd.
    Compressed, "compressed", "a compressed file";
    /// Moving pictures.
    Video, "video", "a video";
    /// Sound without pictures.
    Audio, "audio", "a sound file";
    /// Readable text of any kind.
    Text, "text", "a text file";
    /// No bytes at all.
    Empty, "empty", "an empty file";
    /// None of these.
    Unknown, "unknown", "a file of unknown kind";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Kind {
    /// The kind of a file that begins with `bytes`; give it [`SNIFF_BYTES`] of them when the file has so many.
    pub fn of(bytes: &[u8]) -> Kind {
        let bytes = &bytes[..bytes.len().min(SNIFF_BYTES)];
        if bytes.is_empty() {
            return Kind::Empty;
        }
        by_prefix(bytes)
            .or_else(|| riff(bytes))
            .or_else(|| base_media(bytes))
            .or_else(|| tiff(bytes))
            .or_else(|| bmp(bytes))
            .or_else(|| (bytes.get(257..262) == Some(b"ustar")).then_some(Kind::Tar))
            .or_else(|| text(bytes))
            .unwrap_or(Kind::Unknown)
    }

    /// Whether [`crate::decode`] can turn this kind into pixels.
    pub fn is_readable(self) -> bool {
        matches!(self, Kind::Jpeg | Kind::Png | Kind::Gif | Kind::Webp | Kind::Tiff | Kind::Bmp)
    }
}

/// Signatures that stand at the very beginning and need no second look.
const PREFIXES: &[(&[u8], Kind)] = &[
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"GIF87a", Kind::Gif),
    (b"GIF89a", Kind::Gif),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Kind::Jp2),
    (b"\xff\x4f\xff\x51", Kind::Jp2),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", Kind::Jxl),
    (b"\xff\x0a", Kind::Jxl),
    (b"%PDF-", Kind::Pdf),
    (b"%!PS", Kind::Eps),
    (b"\xc5\xd0\xd3\xc6", Kind::Eps),
    (b"8BPS", Kind::Psd),
    (b"FUJIFILMCCD-RAW", Kind::Raw),
    (b"IIRO", Kind::Raw),
    (b"IIRS", Kind::Raw),
    (b"MMOR", Kind::Raw),
    (b"IIU\0", Kind::Raw),
    (b"FOVb", Kind::Raw),
    (b"\0MRM", Kind::Raw),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"7z\xbc\xaf\x27\x1c", Kind::SevenZip),
    (b"Rar!\x1a\x07", Kind::Rar),
    (b"\x1f\x8b", Kind::Gzip),
    (b"BZh", Kind::Compressed),
    (b"\xfd7zXZ\0", Kind::Compressed),
    (b"\x28\xb5\x2f\xfd", Kind::Compressed),
    (b"\x00\x00\x01\x00", Kind::Ico),
    (b"\x00\x00\x02\x00", Kind::Ico),
    (b"\x1aE\xdf\xa3", Kind::Video),
    (b"FLV\x01", Kind::Video),
    (b"\x00\x00\x01\xba", Kind::Video),
    (b"\x00\x00\x01\xb3", Kind::Video),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind::Video),
    (b"ID3", Kind::Audio),
    (b"OggS", Kind::Audio),
    (b"fLaC", Kind::Audio),
];

fn by_prefix(bytes: &[u8]) -> Option<Kind> {
    PREFIXES.iter().find(|(prefix, _)| bytes.starts_with(prefix)).map(|&(_, kind)| kind)
}

fn riff(bytes: &[u8]) -> Option<Kind> {
    match (bytes.starts_with(b"RIFF"), bytes.get(8..12)?) {
        (true, b"WEBP") => Some(Kind::Webp),
        (true, b"AVI ") => Some(Kind::Video),
        (true, b"WAVE") => Some(Kind::Audio),
        _ => None,
    }
}

/// ISO base media: the brands tell still pictures, raw files, sound and video apart.
fn base_media(bytes: &[u8]) -> Option<Kind> {
    if bytes.get(4..8)? != b"ftyp" {
        return (matches!(&bytes[4..8], b"moov" | b"mdat" | b"wide")).then_some(Kind::Video);
    }
    let end = u32::from_be_bytes(bytes[..4].try_into().ok()?).clamp(12, 256) as usize;
    let brands = &bytes[8..end.min(bytes.len())];
    let has = |wanted: &[&[u8]]| brands.chunks_exact(4).any(|brand| wanted.contains(&brand));
    Some(if has(&[b"avif", b"avis"]) {
        Kind::Avif
    } else if has(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) {
        Kind::Heic
    } else if has(&[b"crx "]) {
        Kind::Raw
    } else if has(&[b"M4A ", b"M4B "]) {
        Kind::Audio
    } else {
        Kind::Video
    })
}

/// TIFF. Cameras' raw formats wear the same signature; those with a mark in the first bytes are told here, the others by
/// their first directory, which only the decoder reads.
fn tiff(bytes: &[u8]) -> Option<Kind> {
    match bytes.get(..4)? {
        b"II*\0" | b"MM\0*" if matches!(bytes.get(8..10), Some(b"CR")) => Some(Kind::Raw),
        b"II\x1a\0" if bytes.get(6..14) == Some(b"HEAPCCDR") => Some(Kind::Raw),
        b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" => Some(Kind::Tiff),
        _ => None,
    }
}

/// `BM` alone is a poor signature, so the size of the second header has to be one that exists.
fn bmp(bytes: &[u8]) -> Option<Kind> {
    let header = u32::from_le_bytes(bytes.get(14..18)?.try_into().ok()?);
    (bytes.starts_with(b"BM") && matches!(header, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)).then_some(Kind::Bmp)
}

/// Text has no control characters but white space, and is UTF-8, UTF-16 with its mark, or one byte a letter.
fn text(bytes: &[u8]) -> Option<Kind> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(Kind::Text);
    }
    if bytes.iter().any(|&byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)) {
        return None;
    }
    let foreign = bytes.iter().filter(|&&byte| byte >= 0x80).count();
    if std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some()) && foreign * 3 > bytes.len() {
        return None;
    }
    let is_svg = bytes.windows(4).any(|window| window.eq_ignore_ascii_case(b"<svg"));
    Some(if is_svg { Kind::Svg } else { Kind::Text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        let cases: &[(&[u8], Kind)] = &[
            (b"", Kind::Empty),
            (b"\xff\xd8\xff\xe0", Kind::Jpeg),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Kind::Webp),
            (b"RIFF\x10\0\0\0AVI LIST", Kind::Video),
            (b"II*\0\x10\0\0\0CR\x02\0", Kind::Raw),
            (b"II*\0\x08\0\0\0", Kind::Tiff),
            (b"MM\0*\0\0\0\x08", Kind::Tiff),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Kind::Heic),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Kind::Avif),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", Kind::Raw),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", Kind::Video),
            (b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Kind::Bmp),
            (b"BM is how this letter begins", Kind::Text),
            (b"<?xml version='1.0'?>\n<SVG width='3'>", Kind::Svg),
            ("caf\u{e9}".as_bytes(), Kind::Text),
            (b"caf\xe9 au lait", Kind::Text),
            (b"\x01\x02\x03\x04", Kind::Unknown),
            (b"\0\0\0\x0cftyp", Kind::Video),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Kind::of(bytes), *kind, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_tar_shows_its_mark_late() {
        let mut bytes = vec![0; 512];
        bytes[257..262].copy_from_slice(b"ustar");
        assert_eq!(Kind::of(&bytes), Kind::Tar);
    }

    #[test]
    fn text_cut_inside_a_letter_is_text() {
        let text = format!("x{}", "é".repeat(SNIFF_BYTES));
        assert_eq!(Kind::of(text.as_bytes()), Kind::Text);
    }

    #[test]
    fn words_are_unique() {
        let words: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), Kind::ALL.len());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_kind(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            assert_eq!(Kind::of(&bytes) == Kind::Empty, bytes.is_empty());
        }
    }
}
