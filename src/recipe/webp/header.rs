//! The header of a key frame (RFC 6386, sections 9.1 to 9.11), as far as intra frames without a loop filter need it.

use super::bits::Bits;
use super::tables::{AC_STEPS, DC_STEPS, Probabilities, TOKEN_UPDATES, TOKENS};

/// Quantisation steps of one segment: of each kind the mean's and the others'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps {
    /// Luma.
    pub luma: (u16, u16),
    /// The means of a macroblock's blocks.
    pub means: (u16, u16),
    /// Chroma.
    pub chroma: (u16, u16),
}

/// What the header says.
pub(super) struct Header<'a> {
    pub width: usize,
    pub height: usize,
    /// By segment; a file without segments has the first only.
    pub steps: [Steps; 4],
    /// Where each macroblock says its segment: the probabilities of the tree.
    pub segments: Option<[u8; 3]>,
    pub probabilities: Box<Probabilities>,
    /// Where each macroblock says whether it is empty: how probable it is that it is not.
    pub skipping: Option<u8>,
    /// What follows the header: the modes of macroblocks.
    pub modes: Bits<'a>,
    /// The tokens; rows of macroblocks take turns.
    pub partitions: Vec<Bits<'a>>,
}

/// Reads the header of a `VP8 ` chunk; nothing where it is not one of a whole key frame of a picture of `pixels_max`.
pub(super) fn read(chunk: &[u8], pixels_max: usize) -> Option<Header<'_>> {
    let (head, rest) = chunk.split_at_checked(10)?;
    let tag = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let size = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]) & 0x3fff);
    let (width, height) = (size(6), size(8));
    let is_key = tag & 1 == 0 && head[3..6] == [0x9d, 0x01, 0x2a];
    if !is_key || width == 0 || height == 0 || width * height > pixels_max {
        return None;
    }
    let (first, rest) = rest.split_at_checked((tag >> 5) as usize)?;
    let mut bits = Bits::new(first);
    // Colour space and clamping: nobody but the pixels' reader needs them.
    bits.number(2);
    let mut indices = [(0, true); 4];
    let segments = segments(&mut bits, &mut indices);
    skip_filter(&mut bits);
    let partitions = partitions(rest, 1 << bits.number(2))?;
    let steps = steps(&mut bits, indices);
    // Whether probabilities are kept for later frames: there are none.
    bits.flag();
    let mut probabilities = Box::new(TOKENS);
    for (probability, &update) in probabilities.iter_mut().zip(&TOKEN_UPDATES) {
        if bits.bool(update) {
            *probability = bits.number(8);
        }
    }
    let skipping = bits.flag().then(|| bits.number(8));
    if bits.is_overrun() {
        return None;
    }
    Some(Header { width, height, steps, segments, probabilities, skipping, modes: bits, partitions })
}

/// 9.3: for each segment an index and whether it is relative; the probabilities if macroblocks say theirs.
fn segments(bits: &mut Bits, indices: &mut [(i16, bool); 4]) -> Option<[u8; 3]> {
    if !bits.flag() {
        return None;
    }
    let (has_map, has_data) = (bits.flag(), bits.flag());
    *indices = [(0, false); 4];
    if has_data {
        let is_absolute = bits.flag();
        indices.iter_mut().for_each(|index| *index = (bits.optional_signed(7), !is_absolute));
        // Strengths of the loop filter.
        (0..4).for_each(|_| _ = bits.optional_signed(6));
    }
    has_map.then(|| std::array::from_fn(|_| if bits.flag() { bits.number(8) } else { 255 }))
}

/// 9.4: the loop filter works on what was predicted and is not predicted from.
fn skip_filter(bits: &mut Bits) {
    bits.number(7);
    bits.number(3);
    let has_adjustments = bits.flag();
    if has_adjustments && bits.flag() {
        (0..8).for_each(|_| _ = bits.optional_signed(6));
    }
}

/// 9.5: the sizes of all partitions but the last stand before them.
fn partitions(bytes: &[u8], count: usize) -> Option<Vec<Bits<'_>>> {
    let (sizes, mut rest) = bytes.split_at_checked(3 * (count - 1))?;
    let mut out = Vec::with_capacity(count);
    for size in sizes.as_chunks::<3>().0 {
        let (partition, after) = rest.split_at_checked(u32::from_le_bytes([size[0], size[1], size[2], 0]) as usize)?;
        out.push(Bits::new(partition));
        rest = after;
    }
    out.push(Bits::new(rest));
    Some(out)
}

/// 9.6 and 14.1.
fn steps(bits: &mut Bits, indices: [(i16, bool); 4]) -> [Steps; 4] {
    let base = i16::from(bits.number(7));
    let deltas: [i16; 5] = std::array::from_fn(|_| bits.optional_signed(4));
    let [luma_dc, means_dc, means_ac, chroma_dc, chroma_ac] = deltas;
    indices.map(|(index, is_relative)| {
        let index = if is_relative { index + base } else { index };
        let place = |delta: i16| (index + delta).clamp(0, 127) as usize;
        let (dc, ac) = (|delta| u16::from(DC_STEPS[place(delta)]), |delta| AC_STEPS[place(delta)]);
        Steps {
            luma: (dc(luma_dc), ac(0)),
            means: (2 * dc(means_dc), (u32::from(ac(means_ac)) * 155 / 100).max(8) as u16),
            chroma: (dc(chroma_dc).min(132), ac(chroma_ac)),
        }
    })
}
