//! Sequential JPEGs at a reduced size, several coefficients at a time.
//!
//! At an eighth of the size libjpeg makes each block of 8 x 8 pixels one pixel, its DC coefficient, and still takes every AC
//! coefficient apart. [`push_luma`] skips with one look-up all the AC coefficients whose codes lie within the next few bits.
//! [`push_rows`] gives colours and larger scales; there a look-up gives a coefficient with its value. What comes out is what
//! libjpeg gives, bit for bit; of a file that is in any way unusual nothing comes out, and libjpeg reads it.

mod bits;
mod codes;
mod colours;
mod transform;

use self::bits::{Bits, UNIT_BLOCKS_MAX};
use self::codes::{AcTable, Codes};
use super::jpeg_markers::{Component, Frame, Markers, next_segment};
use super::raster::BoxShrink;
pub(super) use colours::push_rows;
use transform::level;

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
    dc_tables: [Option<Codes>; 4],
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

/// One block of a unit.
struct Block<'a> {
    /// Which component it belongs to.
    part: usize,
    /// Its place among the component's blocks of the unit.
    x: usize,
    y: usize,
    dc: &'a Codes,
    ac: &'a AcTable,
}

/// Units on their way out of the entropy-coded data.
struct Units<'a> {
    bits: Bits<'a>,
    /// The last DC coefficient of each component.
    levels: [i32; 4],
    /// Units between restart markers, and how many are left until the next; 0 is none.
    interval: usize,
    left: usize,
    restarts: u8,
}

impl Units<'_> {
    /// Goes to the beginning of the next unit.
    #[inline(always)]
    fn begin(&mut self) -> Option<()> {
        if self.interval > 0 {
            if self.left == 0 {
                self.bits.restart(self.restarts)?;
                (self.left, self.restarts) = (self.interval, (self.restarts + 1) % 8);
                self.levels.fill(0);
            }
            self.left -= 1;
        }
        self.bits.prepare()
    }

    /// The DC coefficient of the next block, as many bits of it as libjpeg keeps.
    #[inline(always)]
    fn dc(&mut self, block: &Block) -> Option<i16> {
        let level = self.levels.get_mut(block.part)?;
        *level = level.wrapping_add(self.bits.dc(block.dc)?);
        Some(*level as i16)
    }
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
            luma_step: i32::from(markers.steps(0)?[0]),
        })
    }

    /// Blocks of luma in one row, those beyond the picture's edge included.
    fn luma_stride(&self) -> usize {
        self.units_across * self.parts[0].horizontal
    }

    /// One sample for each block of luma, row by row.
    fn luma(&self) -> Option<Vec<u8>> {
        #[cfg(target_arch = "x86_64")]
        if has_wide_shifts() {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { self.luma_wide() };
        }
        self.luma_plainly()
    }

    /// The same compiled for processors that shift by any number at once.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn luma_wide(&self) -> Option<Vec<u8>> {
        self.luma_plainly()
    }

    #[inline(always)]
    fn luma_plainly(&self) -> Option<Vec<u8>> {
        let (stride, rows) = (self.luma_stride(), self.parts[0].vertical);
        let mut luma = vec![0; stride * self.units_down * rows];
        let (blocks, mut units) = (self.blocks()?, self.units());
        for luma in luma.chunks_exact_mut(stride * rows) {
            for column in (0..stride).step_by(self.parts[0].horizontal) {
                units.begin()?;
                for block in &blocks {
                    let dc = units.dc(block)?;
                    if block.part == 0 {
                        luma[block.y * stride + column + block.x] = level(i32::from(dc) * self.luma_step, 3);
                    }
                    units.bits.skip_ac(block.ac)?;
                }
            }
        }
        units.bits.are_real().then_some(luma)
    }

    /// The units, to be read one after the other.
    fn units(&self) -> Units<'_> {
        let interval = self.restart_interval;
        Units { bits: Bits::new(self.data), levels: [0; 4], interval, left: interval, restarts: 0 }
    }

    /// The blocks of one unit, in their order.
    fn blocks(&self) -> Option<Vec<Block<'_>>> {
        let mut blocks = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let (dc, ac) = self.tables(part)?;
            let places = (0..part.vertical).flat_map(|y| (0..part.horizontal).map(move |x| (x, y)));
            blocks.extend(places.map(|(x, y)| Block { part: at, x, y, dc, ac }));
        }
        (blocks.len() <= UNIT_BLOCKS_MAX).then_some(blocks)
    }

    /// The tables by which a component's blocks are coded.
    fn tables(&self, part: &Part) -> Option<(&Codes, &AcTable)> {
        Some((self.dc_tables.get(part.dc_table)?.as_ref()?, self.ac_tables.get(part.ac_table)?.as_ref()?))
    }
}

#[cfg(target_arch = "x86_64")]
fn has_wide_shifts() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")
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

/// Reads a segment that defines Huffman tables.
fn define_tables(body: &[u8], dc_tables: &mut [Option<Codes>; 4], ac_tables: &mut [Option<AcTable>; 4]) -> Option<()> {
    let mut body = body;
    while let Some((&head, rest)) = body.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let symbols = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(symbols)?;
        let codes = Codes::new(counts, symbols)?;
        match head >> 4 {
            0 => *dc_tables.get_mut(usize::from(head & 15))? = Some(codes).filter(Codes::are_of_dc),
            1 => *ac_tables.get_mut(usize::from(head & 15))? = Some(AcTable::new(codes)),
            _ => return None,
        }
        body = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests;
