//! The bits of entropy-coded data, and how blocks are read from them (ITU-T T.81, annex F).
//!
//! Bytes come through a small buffer in which the stuffing of 0xff is removed, so that the loop that eats most of the time
//! fills its register without a question.

use super::super::jpeg_markers::ZIGZAG;
use super::codes::{AcTable, BLOCK, Codes, ENDS, SKIP_BITS_MAX, WINDOW_BITS, ac_step, extend};

/// Blocks that a unit may have; the standard's own limit, and libjpeg's.
pub(super) const UNIT_BLOCKS_MAX: usize = 10;
/// The longest code with the most bits behind it.
const CODED_BITS_MAX: usize = 16 + 15;
/// Bytes that reading one unit may take, those read ahead included.
const UNIT_BYTES_MAX: usize = UNIT_BLOCKS_MAX * BLOCK as usize * CODED_BITS_MAX / 8 + 16;
/// Bytes of the buffer: a few units, and little enough for a first-level cache.
const BUFFER: usize = 8 << 10;
/// Bits that there are after [`Bits::fill`].
const FILLED: u32 = 56;

// Two skips, or a code with its bits, need no second look at how many bits there are.
const _: () = assert!(2 * SKIP_BITS_MAX <= FILLED && CODED_BITS_MAX <= FILLED as usize);

pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte of `data` to take.
    at: usize,
    /// Bytes without stuffing; zeros behind `filled`.
    buffer: Box<[u8; BUFFER]>,
    filled: usize,
    /// The next byte of the buffer to take.
    next: usize,
    /// Whether there is nothing beyond `filled`: the data ends, or a marker comes.
    ended: bool,
    /// The next bits, from the highest on. Below `count` there may be some of the next byte's, as they will come.
    head: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        let buffer = Box::new([0; BUFFER]);
        Bits { data, at: 0, buffer, filled: 0, next: 0, ended: false, head: 0, count: 0 }
    }

    /// Makes sure that a unit can be read; nothing when more was read than there is.
    #[inline(always)]
    pub fn prepare(&mut self) -> Option<()> {
        if self.next + UNIT_BYTES_MAX <= self.filled { Some(()) } else { self.prepare_slowly() }
    }

    #[cold]
    fn prepare_slowly(&mut self) -> Option<()> {
        if self.ended {
            return self.are_real().then_some(());
        }
        self.buffer.copy_within(self.next..self.filled, 0);
        self.filled -= self.next;
        self.next = 0;
        self.unstuff();
        self.buffer[self.filled..].fill(0);
        Some(())
    }

    /// Moves bytes into the buffer, as many as leave room for the zeros that a unit may take.
    fn unstuff(&mut self) {
        let room = BUFFER - UNIT_BYTES_MAX;
        while self.filled + 8 <= room {
            let rest = &self.data[self.at..];
            let Some(bytes) = rest.first_chunk::<8>() else { break };
            let inverse = !u64::from_le_bytes(*bytes);
            // The lowest byte that is 0xff has its highest bit set here: its complement is a zero byte.
            let found = inverse.wrapping_sub(0x0101_0101_0101_0101) & !inverse & 0x8080_8080_8080_8080;
            let plain = found.trailing_zeros() as usize / 8;
            self.buffer[self.filled..][..8].copy_from_slice(bytes);
            self.filled += plain;
            self.at += plain;
            if plain < 8 && !self.take_ff() {
                return;
            }
        }
        while self.filled < room {
            match self.data.get(self.at) {
                Some(0xff) if self.take_ff() => {}
                Some(0xff) => return,
                Some(&byte) => {
                    self.buffer[self.filled] = byte;
                    self.filled += 1;
                    self.at += 1;
                }
                None => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    /// Takes the byte 0xff that comes next with its stuffing; otherwise it begins a marker, and the data ends.
    fn take_ff(&mut self) -> bool {
        self.ended = self.data.get(self.at + 1) != Some(&0);
        if !self.ended {
            self.buffer[self.filled] = 0xff;
            self.filled += 1;
            self.at += 2;
        }
        !self.ended
    }

    /// Bits read beyond the end are zeros, and not the file's.
    pub fn are_real(&self) -> bool {
        self.next * 8 <= self.filled * 8 + self.count as usize
    }

    /// Goes behind the restart marker that has to come now, the one with this number.
    pub fn restart(&mut self, number: u8) -> Option<()> {
        if !self.ended {
            self.prepare_slowly()?;
        }
        // Whole bytes that were taken and not used would lie between the data and the marker.
        let unused = (self.filled * 8 + self.count as usize).checked_sub(self.next * 8)?;
        if !self.ended || unused >= 8 || !self.data[self.at..].starts_with(&[0xff, 0xd0 + number]) {
            return None;
        }
        (self.at, self.filled, self.next) = (self.at + 2, 0, 0);
        (self.ended, self.head, self.count) = (false, 0, 0);
        Some(())
    }

    /// Makes sure that there are at least [`FILLED`] bits.
    #[inline(always)]
    fn fill(&mut self) {
        let bytes = self.buffer[self.next..].first_chunk().copied().unwrap_or_default();
        self.head |= u64::from_be_bytes(bytes) >> self.count;
        self.next += (63 - self.count as usize) / 8;
        self.count |= FILLED;
    }

    #[inline(always)]
    fn drop(&mut self, bits: u32) {
        self.head <<= bits;
        self.count -= bits;
    }

    /// The difference that begins a block.
    #[inline(always)]
    pub fn dc(&mut self, codes: &Codes) -> Option<i32> {
        self.fill();
        let (bits, code_bits) = codes.look_up((self.head >> 48) as u32)?;
        self.drop(code_bits);
        Some(self.number(bits.into()))
    }

    /// The number that the next bits, fewer than 16, stand for.
    #[inline(always)]
    fn number(&mut self, bits: u32) -> i32 {
        // Twice, since shifting by all 64 bits at once would not be shifting.
        let value = (self.head >> 1 >> (63 - bits)) as u32;
        self.drop(bits);
        extend(value, bits)
    }

    /// Reads the 63 AC coefficients of a block of zeros, each times its step; the sum of their magnitudes.
    #[inline(always)]
    pub fn ac(&mut self, table: &AcTable, steps: &[i32; 64], block: &mut [i32; 64]) -> Option<u64> {
        let (mut at, mut magnitude) = (0, 0u64);
        'block: loop {
            self.fill();
            for _ in 0..FILLED / WINDOW_BITS {
                let value = table.value(self.head);
                let after = at + u32::from(value.passes);
                if after < BLOCK {
                    self.drop(value.bits.into());
                    at = after;
                    magnitude += put(block, steps, at, value.level.into());
                } else if (ENDS.into()..u32::from(ENDS) + BLOCK).contains(&after) {
                    self.drop(value.bits.into());
                    break 'block;
                } else {
                    self.fill();
                    let (symbol, code_bits) = table.codes.look_up((self.head >> 48) as u32)?;
                    let step = ac_step(symbol);
                    self.drop(code_bits);
                    if step.ends {
                        break 'block;
                    }
                    at += step.coefficients;
                    if at >= BLOCK {
                        return None;
                    }
                    magnitude += put(block, steps, at, self.number(step.bits));
                    break;
                }
                if at == BLOCK - 1 {
                    break 'block;
                }
            }
            if at == BLOCK - 1 {
                break;
            }
        }
        Some(magnitude)
    }

    /// Passes the 63 AC coefficients of a block.
    #[inline(always)]
    pub fn skip_ac(&mut self, table: &AcTable) -> Option<()> {
        let mut passed = 1;
        loop {
            self.fill();
            for _ in 0..2 {
                let skip = table.skip(self.head);
                let after = passed + u32::from(skip.coefficients);
                if after < BLOCK {
                    self.drop(skip.bits.into());
                    passed = after;
                } else if after == BLOCK || (ENDS.into()..u32::from(ENDS) + BLOCK).contains(&after) {
                    self.drop(skip.bits.into());
                    return Some(());
                } else {
                    match self.skip_one(table)? {
                        Some(coefficients) => passed += coefficients,
                        None => return Some(()),
                    }
                    if passed >= BLOCK {
                        return (passed == BLOCK).then_some(());
                    }
                    break;
                }
            }
        }
    }

    /// Passes what one code says, where it is longer than a window or the last of its block; nothing where that is that the
    /// rest is zero.
    fn skip_one(&mut self, table: &AcTable) -> Option<Option<u32>> {
        self.fill();
        let (symbol, code_bits) = table.codes.look_up((self.head >> 48) as u32)?;
        let step = ac_step(symbol);
        self.drop(code_bits + step.bits);
        Some((!step.ends).then_some(step.coefficients))
    }
}

/// Puts a coefficient that comes so late in the file's order into its place; its magnitude.
#[inline(always)]
fn put(block: &mut [i32; 64], steps: &[i32; 64], at: u32, level: i32) -> u64 {
    // The mask changes nothing, and tells the compiler that the place is one of a block.
    let place = usize::from(ZIGZAG[at as usize % 64] & 63);
    block[place] = level * steps[place];
    block[place].unsigned_abs().into()
}
