//! JPEG markers: size, tables, metadata and scans, found without decoding anything.
//!
//! One walk over the file's segments. It trusts no length, reads nothing beyond the end, and tells whether the end is
//! there: libjpeg fakes a missing one.

use super::exif::{self, Exif};

/// The frame header.
pub(super) struct Frame {
    /// The marker byte, SOF0 to SOF15, which names the coding process.
    pub process: u8,
    pub precision: u8,
    pub width: u16,
    pub height: u16,
    pub components: Vec<Component>,
}

/// One component of the frame header.
#[derive(Clone, Copy)]
pub(super) struct Component {
    pub id: u8,
    pub horizontal: u8,
    pub vertical: u8,
    table: u8,
}

/// What the markers of a file say.
#[derive(Default)]
pub(super) struct Markers {
    pub frame: Option<Frame>,
    tables: [Option<[u16; 64]>; 4],
    pub exif: Option<Exif>,
    profile_parts: Vec<(u8, u8, Vec<u8>)>,
    /// The colour transform that an Adobe segment names, if there is one.
    pub adobe_transform: Option<u8>,
    /// Scans met.
    pub scans: u32,
    /// The first scan does not hold all components, so that a decoder has to keep coefficients.
    pub split: bool,
    /// Where the leading DC scans end, once they cover every component.
    pub leading_dc_end: Option<usize>,
    /// The end-of-image marker is there.
    pub ended: bool,
    /// Where the last complete segment ends; beyond it nothing can be relied upon unless the file ended properly.
    pub usable_end: usize,
    leading: LeadingDc,
}

#[derive(Default)]
enum LeadingDc {
    #[default]
    Before,
    Seen(Vec<u8>),
    Over,
}

/// Natural positions of coefficients in the order in which files store them.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

impl Frame {
    /// Whether scans refine one another, so that the whole picture's coefficients have to be kept.
    pub fn is_progressive(&self) -> bool {
        matches!(self.process, 0xc2 | 0xc6 | 0xca | 0xce)
    }

    /// Bytes that the coefficients of the whole picture take: two for each.
    pub fn coefficient_bytes(&self) -> u64 {
        let across = |size: u16, factor: u8, max: u8| {
            (u64::from(size) * u64::from(factor)).div_ceil(u64::from(max) * 8) + u64::from(factor)
        };
        let max = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1).max(1);
        let (max_h, max_v) = (max(|component| component.horizontal), max(|component| component.vertical));
        let blocks = |component: &Component| {
            across(self.width, component.horizontal, max_h) * across(self.height, component.vertical, max_v)
        };
        self.components.iter().map(|component| blocks(component) * 128).sum()
    }
}

impl Markers {
    /// The quantisation steps of a component, row by row.
    pub fn steps(&self, component: usize) -> Option<[u16; 64]> {
        let slot = usize::from(self.frame.as_ref()?.components.get(component)?.table);
        *self.tables.get(slot)?
    }

    /// Whether there is a profile, or a part of one.
    pub fn has_profile(&self) -> bool {
        !self.profile_parts.is_empty()
    }

    /// The embedded profile, when all its parts are there.
    pub fn profile(&self) -> Option<Vec<u8>> {
        let mut parts: Vec<_> = self.profile_parts.iter().collect();
        parts.sort_by_key(|(sequence, _, _)| *sequence);
        let complete = parts.iter().enumerate().all(|(at, (sequence, count, _))| {
            usize::from(*sequence) == at + 1 && usize::from(*count) == self.profile_parts.len()
        });
        (complete && !parts.is_empty()).then(|| parts.iter().flat_map(|(_, _, bytes)| bytes).copied().collect())
    }
}

/// Walks the markers of `bytes`. A file that ends too early simply has said less.
///
/// A file that cannot be progressive and ends in an end-of-image marker is not walked beyond its first scan: inside
/// entropy-coded data that marker cannot occur.
pub(super) fn walk(bytes: &[u8]) -> Markers {
    let mut markers = Markers::default();
    let mut at = 2;
    while let Some((marker, body, end)) = next_segment(bytes, at) {
        at = end;
        match marker {
            0xd9 => {
                markers.ended = true;
                break;
            }
            0xda => {
                let begins_ac = markers.scan(body);
                let progressive = markers.frame.as_ref().is_some_and(Frame::is_progressive);
                if !progressive && !markers.split && bytes.ends_with(b"\xff\xd9") {
                    markers.ended = true;
                    break;
                }
                at = entropy_end(bytes, end);
                if !begins_ac {
                    markers.note_leading_dc(at);
                }
            }
            _ => markers.segment(marker, body),
        }
        markers.usable_end = at;
    }
    markers
}

/// The next marker at or after `at`: its byte, its body and where it ends. Nothing when the file ends first, or before
/// the segment is complete.
pub(super) fn next_segment(bytes: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let mut at = at;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        at += bytes[at..].iter().position(|&byte| byte != 0xff)?;
        let marker = bytes[at];
        at += 1;
        match marker {
            0xd9 => return Some((marker, &[], at)),
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
                let body = bytes.get(at + 2..at + length.max(2))?;
                return Some((marker, body, at + length.max(2)));
            }
        }
    }
}

/// Where the entropy-coded data that begins at `at` ends: at the next marker that is no restart, or at the end.
fn entropy_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found;
        match bytes.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    bytes.len()
}

impl Markers {
    fn segment(&mut self, marker: u8, body: &[u8]) {
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if self.frame.is_none() => {
                self.frame = frame(marker, body);
            }
            0xdb => self.quantisation(body),
            0xe1 if self.exif.is_none() && body.starts_with(b"Exif\0\0") => self.exif = Some(exif::read(body)),
            0xe2 => {
                if let Some([sequence, count, part @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
                    self.profile_parts.push((*sequence, *count, part.to_vec()));
                }
            }
            0xee if body.starts_with(b"Adobe") => self.adobe_transform = body.get(11).copied(),
            _ => {}
        }
    }

    fn quantisation(&mut self, body: &[u8]) {
        let mut body = body;
        while let Some((&head, rest)) = body.split_first() {
            let (wide, slot) = (head >> 4 != 0, usize::from(head & 15));
            let length = if wide { 128 } else { 64 };
            let Some(values) = rest.get(..length) else { return };
            let mut table = [0; 64];
            for (at, &natural) in ZIGZAG.iter().enumerate() {
                table[usize::from(natural)] = match wide {
                    true => u16::from_be_bytes([values[at * 2], values[at * 2 + 1]]),
                    false => u16::from(values[at]),
                };
            }
            if let Some(slot) = self.tables.get_mut(slot) {
                *slot = Some(table);
            }
            body = &rest[length..];
        }
    }

    /// Takes a scan header; true when this scan begins the AC coefficients of a progressive file.
    fn scan(&mut self, body: &[u8]) -> bool {
        self.scans += 1;
        let count = body.first().map_or(0, |&count| usize::from(count));
        let components = self.frame.as_ref().map_or(0, |frame| frame.components.len());
        self.split |= self.scans == 1 && count < components;
        let ids = body.get(1..1 + 2 * count).unwrap_or_default().iter().step_by(2).copied();
        let is_dc = matches!(body.get(1 + 2 * count..3 + 2 * count), Some([0, 0]));
        match &mut self.leading {
            LeadingDc::Over => return true,
            _ if !is_dc => self.leading = LeadingDc::Over,
            LeadingDc::Before => self.leading = LeadingDc::Seen(ids.collect()),
            LeadingDc::Seen(seen) => seen.extend(ids),
        }
        !is_dc
    }

    fn note_leading_dc(&mut self, end: usize) {
        if let (LeadingDc::Seen(seen), Some(frame)) = (&self.leading, &self.frame)
            && frame.components.iter().all(|component| seen.contains(&component.id))
        {
            self.leading_dc_end = Some(end);
        }
    }
}

fn frame(marker: u8, body: &[u8]) -> Option<Frame> {
    let [precision, h1, h0, w1, w0, count, rest @ ..] = body else { return None };
    let components = rest.get(..usize::from(*count) * 3)?.chunks_exact(3);
    Some(Frame {
        process: marker,
        precision: *precision,
        width: u16::from_be_bytes([*w1, *w0]),
        height: u16::from_be_bytes([*h1, *h0]),
        components: components
            .map(|c| Component { id: c[0], horizontal: c[1] >> 4, vertical: c[1] & 15, table: c[2] })
            .collect(),
    })
}

/// How a JPEG was quantised and sampled, for whoever wants to make a file like it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JpegTables {
    /// Per component, its quantisation steps in natural order: 64 of them, row by row.
    pub quantisation: Vec<Vec<u16>>,
    /// Per component, its horizontal and vertical sampling factors.
    pub sampling: Vec<(u8, u8)>,
    /// The scans refine one another.
    pub progressive: bool,
    /// The colour transform that an Adobe segment names: 0 none, 1 YCbCr, 2 YCCK; absent without such a segment.
    pub adobe_transform: Option<u8>,
}

/// The tables of a JPEG; nothing when `bytes` are no JPEG or do not get as far as their frame and tables.
pub fn jpeg_tables(bytes: &[u8]) -> Option<JpegTables> {
    if !bytes.starts_with(b"\xff\xd8\xff") {
        return None;
    }
    let markers = walk(bytes);
    let frame = markers.frame.as_ref()?;
    let table = |component: &Component| Some(markers.tables.get(usize::from(component.table))?.as_ref()?.to_vec());
    Some(JpegTables {
        quantisation: frame.components.iter().map(table).collect::<Option<_>>()?,
        sampling: frame.components.iter().map(|component| (component.horizontal, component.vertical)).collect(),
        progressive: frame.is_progressive(),
        adobe_transform: markers.adobe_transform,
    })
}
