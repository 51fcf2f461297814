//! The luma of a sequential JPEG at an eighth of its size, read without reading its fine detail.
//!
//! At that scale libjpeg makes each block of 8 x 8 pixels one pixel, its DC coefficient, and still takes every AC
//! coefficient apart. Here one look-up skips all the AC coefficients whose codes and bits lie within the next
//! [`WINDOW_BITS`] bits. What comes out is what libjpeg gives, bit for bit; of a file that is in any way unusual nothing
//! comes out, and libjpeg reads it.
//!
//! Huffman decoding is that of ITU-T T.81, annexes C and F.

use super::jpeg_markers::{Component, Frame, Markers, next_segment};
use super::raster::BoxShrink;

/// Bits that one look-up sees. With 12, the tables of luma and chroma fit a first-level cache together.
const WINDOW_BITS: u32 = 12;
/// The longest Huffman code.
const CODE_BITS_MAX: u32 = 16;
/// Coefficients of a block.
const BLOCK: u32 = 64;

/// Pushes the luma's rows, one pixel for each block, into `shrink`; nothing when the file is not for this reader, and then
/// `shrink` is as it was.
pub(super) fn push_luma(bytes: &[u8], markers: &Markers, shrink: &mut BoxShrink) -> Option<()> {
    let scan = Scan::new(bytes, markers)?;
    let luma = scan.luma()?;
    for row in luma.chunks_exact(scan.luma_stride()) {
        shrink.push(row);
    }
    Some(())
}

struct Scan<'a> {
    data: &'a [u8],
    parts: Vec<Part>,
    dc_tables: [Option<DcTable>; 4],
    ac_tables: [Option<AcTable>; 4],
    /// Units of the scan along each side; a unit has `horizontal` x `vertical` blocks of each component.
    units_across: usize,
    units_down: usize,
    /// Units between restart markers; 0 is none.
    restart_interval: usize,
    /// What a step of the luma's DC coefficient is worth.
    luma_step: i32,
}

/// One component's part in the scan.
struct Part {
    horizontal: usize,
    vertical: usize,
    dc_table: usize,
    ac_table: usize,
}

impl<'a> Scan<'a> {
    /// Reads everything before the entropy-coded data. The file has to be sequential, with one scan.
    fn new(bytes: &'a [u8], markers: &Markers) -> Option<Self> {
        let frame = markers.frame.as_ref()?;
        let (mut dc_tables, mut ac_tables) = ([const { None }; 4], [const { None }; 4]);
        let mut restart_interval = 0;
        let mut at = 2;
        let (header, data) = loop {
            let (marker, body, end) = next_segment(bytes, at)?;
            at = end;
            match marker {
                0xc4 => define_tables(body, &mut dc_tables, &mut ac_tables)?,
                0xdd => restart_interval = usize::from(u16::from_be_bytes(*body.first_chunk()?)),
                0xda => break (body, &bytes[end..]),
                _ => {}
            }
        };
        let parts = parts(frame, header)?;
        // The luma comes first, and at full resolution.
        let max = |factor: fn(&Part) -> usize| parts.iter().map(factor).max().unwrap_or(1);
        let (max_h, max_v) = (max(|part| part.horizontal), max(|part| part.vertical));
        if !has_luma(frame, markers) || (parts[0].horizontal, parts[0].vertical) != (max_h, max_v) {
            return None;
        }
        let units = |size: u16, factor: usize| usize::from(size).div_ceil(factor * 8);
        Some(Scan {
            data,
            parts,
            dc_tables,
            ac_tables,
            units_across: units(frame.width, max_h),
            units_down: units(frame.height, max_v),
            restart_interval,
            luma_step: i32::from(markers.luma_dc_step()?),
        })
    }

    /// Blocks of luma in one row, those beyond the picture's edge included.
    fn luma_stride(&self) -> usize {
        self.units_across * self.parts[0].horizontal
    }

    /// One sample for each block of luma, row by row.
    fn luma(&self) -> Option<Vec<u8>> {
        let tables: Vec<_> = self.parts.iter().map(|part| self.tables(part)).collect::<Option<_>>()?;
        let stride = self.luma_stride();
        let (horizontal, vertical) = (self.parts[0].horizontal, self.parts[0].vertical);
        let mut luma = vec![0; stride * self.units_down * vertical];
        let mut bits = Bits::new(self.data);
        let mut levels = vec![0i32; self.parts.len()];
        let mut restarts = 0;
        for unit in 0..self.units_across * self.units_down {
            if self.restart_interval > 0 && unit > 0 && unit % self.restart_interval == 0 {
                bits.restart(restarts)?;
                restarts = (restarts + 1) % 8;
                levels.fill(0);
            }
            let (row, column) = (unit / self.units_across * vertical, unit % self.units_across * horizontal);
            for (at, ((part, (dc, ac)), level)) in self.parts.iter().zip(&tables).zip(&mut levels).enumerate() {
                for y in 0..part.vertical {
                    for x in 0..part.horizontal {
                        *level = level.wrapping_add(bits.dc(dc)?);
                        bits.skip_ac(ac)?;
                        if at == 0 {
                            luma[(row + y) * stride + column + x] = sample(*level, self.luma_step);
                        }
                    }
                }
            }
            if column == 0 && !bits.are_real() {
                return None;
            }
        }
        bits.are_real().then_some(luma)
    }

    /// The tables by which a component's blocks are coded.
    fn tables(&self, part: &Part) -> Option<(&DcTable, &AcTable)> {
        Some((self.dc_tables.get(part.dc_table)?.as_ref()?, self.ac_tables.get(part.ac_table)?.as_ref()?))
    }
}

/// The frame's components as the header of the only scan lists them: all, in the same order.
fn parts(frame: &Frame, header: &[u8]) -> Option<Vec<Part>> {
    let (&count, selectors) = header.split_first()?;
    // Alone in its scan a component comes block by block, whatever its factors.
    let factor = |factor: u8| if count == 1 { 1 } else { usize::from(factor) };
    let part = |(component, selector): (&Component, &[u8])| {
        (component.id == selector[0]).then(|| Part {
            horizontal: factor(component.horizontal),
            vertical: factor(component.vertical),
            dc_table: usize::from(selector[1] >> 4),
            ac_table: usize::from(selector[1] & 15),
        })
    };
    let parts: Vec<_> = frame.components.iter().zip(selectors.chunks_exact(2)).map(part).collect::<Option<_>>()?;
    (parts.len() == frame.components.len() && parts.len() == usize::from(count)).then_some(parts)
}

/// Whether the first component is luma by the rules of libjpeg, or might be red.
fn has_luma(frame: &Frame, markers: &Markers) -> bool {
    markers.adobe_transform != Some(0) && !frame.components.iter().map(|component| component.id).eq(*b"RGB")
}

/// The pixel that a block becomes: libjpeg's 1 x 1 transform, its wrapping of impossible values included.
fn sample(level: i32, step: i32) -> u8 {
    let eighth = (i32::from(level as i16) * step + 4) >> 3;
    (((eighth + 512) & 1023) - 512 + 128).clamp(0, 255) as u8
}

/// Reads a segment that defines Huffman tables.
fn define_tables(
    body: &[u8],
    dc_tables: &mut [Option<DcTable>; 4],
    ac_tables: &mut [Option<AcTable>; 4],
) -> Option<()> {
    let mut body = body;
    while let Some((&head, rest)) = body.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let symbols = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(symbols)?;
        let codes = Codes::new(counts, symbols)?;
        match head >> 4 {
            0 => *dc_tables.get_mut(usize::from(head & 15))? = Some(DcTable::new(codes)?),
            1 => *ac_tables.get_mut(usize::from(head & 15))? = Some(AcTable::new(codes)),
            _ => return None,
        }
        body = rest;
    }
    Some(())
}

/// A canonical Huffman code.
struct Codes {
    symbols: Vec<u8>,
    /// For each length in bits, one more than its last code, aligned to [`CODE_BITS_MAX`] bits; grows with the length.
    ends: [u32; CODE_BITS_MAX as usize + 1],
    /// For each length, what is to be added to a code of that length to get its symbol's place.
    offsets: [i32; CODE_BITS_MAX as usize + 1],
}

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Codes { symbols: symbols.to_vec(), ends: [0; 17], offsets: [0; 17] };
        let (mut code, mut place) = (0u32, 0);
        for bits in 1..=16 {
            let count = counts[bits - 1];
            codes.offsets[bits] = place - code as i32;
            code += u32::from(count);
            place += i32::from(count);
            // The code of all ones is kept free by the standard; what has it was not made by a coder of JPEG.
            if code >= 1 << bits && count > 0 {
                return None;
            }
            codes.ends[bits] = code << (16 - bits);
            code <<= 1;
        }
        Some(codes)
    }

    /// The symbol at the head of 16 bits, and the length of its code.
    fn look_up(&self, head: u32) -> Option<(u8, u32)> {
        let bits = (1..=16).find(|&bits| head < self.ends[bits])?;
        let place = (head >> (16 - bits)) as i32 + self.offsets[bits];
        Some((*self.symbols.get(usize::try_from(place).ok()?)?, bits as u32))
    }
}

/// How to read a DC difference: for each window, the bits of the code and the bits that follow it; 0 is a longer code.
struct DcTable {
    codes: Codes,
    windows: Vec<(u8, u8)>,
}

impl DcTable {
    fn new(codes: Codes) -> Option<Self> {
        if codes.symbols.iter().any(|&symbol| symbol > 15) {
            return None;
        }
        let entry = |window: u32| match codes.look_up(window << (CODE_BITS_MAX - WINDOW_BITS)) {
            Some((symbol, bits)) if bits <= WINDOW_BITS => (bits as u8, symbol),
            _ => (0, 0),
        };
        let windows = (0..1 << WINDOW_BITS).map(entry).collect();
        Some(DcTable { codes, windows })
    }
}

/// How to skip AC coefficients: for each window, all those whose codes and bits lie within it.
struct AcTable {
    codes: Codes,
    windows: Vec<Skip>,
}

/// What a window skips.
#[derive(Clone, Copy, Default)]
struct Skip {
    /// Bits to drop; 0 when not even one coefficient lies within the window.
    bits: u8,
    /// Coefficients to pass.
    coefficients: u8,
    /// 1 when the last code says that the rest of the block is zero.
    ends: u8,
}

impl AcTable {
    fn new(codes: Codes) -> Self {
        let windows = (0..1 << WINDOW_BITS).map(|window| skip(&codes, window)).collect();
        AcTable { codes, windows }
    }
}

fn skip(codes: &Codes, window: u32) -> Skip {
    let mut skip = Skip::default();
    loop {
        let used = u32::from(skip.bits);
        let head = (window << used & ((1 << WINDOW_BITS) - 1)) << (CODE_BITS_MAX - WINDOW_BITS);
        let Some((symbol, bits)) = codes.look_up(head) else { return skip };
        let step = ac_step(symbol);
        let end = used + bits + step.bits;
        let coefficients = u32::from(skip.coefficients) + step.coefficients;
        if end > WINDOW_BITS || coefficients >= BLOCK {
            return skip;
        }
        (skip.bits, skip.coefficients) = (end as u8, coefficients as u8);
        if step.ends {
            skip.ends = 1;
            return skip;
        }
    }
}

/// What one AC symbol says.
struct AcStep {
    /// Bits that follow its code.
    bits: u32,
    /// Coefficients that it passes.
    coefficients: u32,
    ends: bool,
}

fn ac_step(symbol: u8) -> AcStep {
    let (run, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    match (run, bits) {
        (15, 0) => AcStep { bits: 0, coefficients: 16, ends: false },
        (_, 0) => AcStep { bits: 0, coefficients: 0, ends: true },
        _ => AcStep { bits, coefficients: run + 1, ends: false },
    }
}

/// The bits of entropy-coded data, with its stuffing removed on the way.
struct Bits<'a> {
    data: &'a [u8],
    /// The next byte to take.
    at: usize,
    /// The next bits, from the highest on. Below `count` there may be some of the next byte's, as they will come.
    head: u64,
    count: u32,
    /// Zero bits given beyond the end of the data.
    made_up: u32,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Bits { data, at: 0, head: 0, count: 0, made_up: 0 }
    }

    /// Makes sure that there are at least 32 bits.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(bytes) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*bytes);
            // Whether any byte is 0xff: where its complement has a zero byte.
            let inverse = !word;
            if inverse.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0 {
                self.head |= word >> self.count;
                let taken = (63 - self.count) / 8;
                self.at += taken as usize;
                self.count += taken * 8;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.made_up += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.head |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Whether only bits of the file were used so far.
    fn are_real(&self) -> bool {
        self.made_up <= self.count
    }

    fn drop(&mut self, bits: u32) {
        self.head <<= bits;
        self.count -= bits;
    }

    #[inline(always)]
    fn dc(&mut self, table: &DcTable) -> Option<i32> {
        self.fill();
        let (code_bits, bits) = match table.windows[(self.head >> (64 - WINDOW_BITS)) as usize] {
            (0, _) => table.codes.look_up((self.head >> 48) as u32).map(|(symbol, bits)| (bits, u32::from(symbol)))?,
            (code_bits, bits) => (u32::from(code_bits), u32::from(bits)),
        };
        self.drop(code_bits);
        if bits == 0 {
            return Some(0);
        }
        let value = (self.head >> (64 - bits)) as i32;
        self.drop(bits);
        // A leading zero is the sign.
        Some(if value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value })
    }

    /// Passes the 63 AC coefficients of a block.
    #[inline(always)]
    fn skip_ac(&mut self, table: &AcTable) -> Option<()> {
        let mut passed = 1;
        while passed < BLOCK {
            self.fill();
            let skip = table.windows[(self.head >> (64 - WINDOW_BITS)) as usize];
            // What follows the last coefficient of a full block belongs to the next block.
            if skip.bits > 0 && passed + u32::from(skip.coefficients) + u32::from(skip.ends) <= BLOCK {
                self.drop(u32::from(skip.bits));
                passed += u32::from(skip.coefficients);
                if skip.ends == 1 {
                    return Some(());
                }
            } else {
                let (symbol, code_bits) = table.codes.look_up((self.head >> 48) as u32)?;
                let step = ac_step(symbol);
                self.drop(code_bits + step.bits);
                passed += step.coefficients;
                if step.ends {
                    return Some(());
                }
            }
        }
        (passed == BLOCK).then_some(())
    }

    /// Goes behind the restart marker that has to come now, the one with this number.
    fn restart(&mut self, number: u8) -> Option<()> {
        if !self.are_real() {
            return None;
        }
        // Whole bytes that were taken and not used would lie between the data and the marker.
        let unused = self.count - self.made_up;
        let rest = self.data.get(self.at..)?;
        if unused >= 8 || !rest.starts_with(&[0xff, 0xd0 + number]) {
            return None;
        }
        *self = Bits { data: self.data, at: self.at + 2, head: 0, count: 0, made_up: 0 };
        Some(())
    }
}

#[cfg(test)]
mod tests;
