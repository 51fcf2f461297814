//! Huffman codes, and tables that tell by the next bits what may be passed at once (ITU-T T.81, annex C).

/// Bits that one look-up sees. With 12, the tables of luma and chroma fit a first-level cache together.
pub(super) const WINDOW_BITS: u32 = 12;
const WINDOWS: usize = 1 << WINDOW_BITS;
/// The longest code.
const CODE_BITS_MAX: u32 = 16;
/// Coefficients of a block.
pub(super) const BLOCK: u32 = 64;

/// A canonical Huffman code: symbols and the lengths of their codes, by what the next bits are.
pub(super) struct Codes {
    /// For each window; length 0 where the code is longer or there is none.
    short: Box<[(u8, u8); WINDOWS]>,
    /// For each head of 16 bits from `long_from` on, where codes are longer than a window.
    long: Vec<(u8, u8)>,
    long_from: u32,
}

impl Codes {
    /// The code that a file defines by how many codes there are of each length, and by their symbols.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut by_head = Vec::new();
        let (mut symbols, mut code) = (symbols.iter(), 0u32);
        for bits in 1..=CODE_BITS_MAX {
            let count = counts[bits as usize - 1];
            code = (code << 1) + u32::from(count);
            // The code of all ones is kept free by the standard; what has it was not made by a coder of JPEG.
            if code >= 1 << bits && count > 0 {
                return None;
            }
            for &symbol in symbols.by_ref().take(count.into()) {
                by_head.push(((symbol, bits as u8), 1usize << (CODE_BITS_MAX - bits)));
            }
        }
        let mut heads = by_head.into_iter().flat_map(|(code, heads)| std::iter::repeat_n(code, heads));
        const HEADS: usize = 1 << (CODE_BITS_MAX - WINDOW_BITS);
        let mut short = Box::new([(0, 0); WINDOWS]);
        let mut long = Vec::new();
        let mut long_from = 0;
        for window in short.iter_mut() {
            let Some(first) = heads.next() else { break };
            if u32::from(first.1) > WINDOW_BITS {
                long = std::iter::once(first).chain(heads).collect();
                break;
            }
            *window = first;
            heads.nth(HEADS - 2);
            long_from += HEADS as u32;
        }
        Some(Codes { short, long, long_from })
    }

    /// The symbol at the head of 16 bits, and the length of its code.
    #[inline(always)]
    pub fn look_up(&self, head: u32) -> Option<(u8, u32)> {
        let (symbol, bits) = match self.short[(head >> (CODE_BITS_MAX - WINDOW_BITS)) as usize & (WINDOWS - 1)] {
            (_, 0) => *self.long.get(head.checked_sub(self.long_from)? as usize)?,
            short => short,
        };
        Some((symbol, bits.into()))
    }

    /// Whether no symbol says more than 15 bits, as those of DC differences may not.
    pub fn are_of_dc(&self) -> bool {
        self.short.iter().chain(&self.long).all(|&(symbol, _)| symbol <= 15)
    }
}

/// How to read AC coefficients, and how to skip them.
pub(super) struct AcTable {
    pub codes: Codes,
    skips: Box<[Skip; WINDOWS]>,
    values: Box<[Value; WINDOWS]>,
}

/// What a window says of the next coefficient, if code and bits lie within it.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub level: i16,
    /// Bits to drop.
    pub bits: u8,
    /// Coefficients to pass to come to it; [`ENDS`] when the rest of the block is zero, [`LONG`] when the window is too short.
    pub passes: u8,
}

/// What a window skips. The bits that follow its last code may lie beyond it: nobody looks at them.
#[derive(Clone, Copy)]
pub(super) struct Skip {
    /// Bits to drop, at most [`SKIP_BITS_MAX`].
    pub bits: u8,
    /// Coefficients to pass, less than [`BLOCK`]; [`ENDS`] more when the last code says that the rest of the block is zero.
    /// [`LONG`] when not even one code lies within the window.
    pub coefficients: u8,
}

/// A code that ends with the window, and the bits that follow it.
pub(super) const SKIP_BITS_MAX: u32 = WINDOW_BITS + 15;
/// More than a block has.
pub(super) const ENDS: u8 = 128;
/// More than a block has with [`ENDS`].
const LONG: u8 = 255;

impl AcTable {
    pub fn new(codes: Codes) -> Self {
        let mut skips = Box::new([Skip { bits: 0, coefficients: LONG }; WINDOWS]);
        let mut values = Box::new([Value { level: 0, bits: 0, passes: LONG }; WINDOWS]);
        for (window, (skip, value)) in (0..).zip(skips.iter_mut().zip(values.iter_mut())) {
            *skip = Skip::new(&codes, window);
            *value = Value::new(&codes, window);
        }
        AcTable { codes, skips, values }
    }

    /// What the window at the head of 64 bits skips.
    #[inline(always)]
    pub fn skip(&self, head: u64) -> Skip {
        self.skips[(head >> (64 - WINDOW_BITS)) as usize]
    }

    /// What the window at the head of 64 bits says of the next coefficient.
    #[inline(always)]
    pub fn value(&self, head: u64) -> Value {
        self.values[(head >> (64 - WINDOW_BITS)) as usize]
    }
}

impl Value {
    fn new(codes: &Codes, window: u32) -> Value {
        let long = Value { level: 0, bits: 0, passes: LONG };
        let Some((symbol, code_bits)) = codes.look_up(window << (CODE_BITS_MAX - WINDOW_BITS)) else { return long };
        let step = ac_step(symbol);
        let bits = code_bits + step.bits;
        if bits > WINDOW_BITS {
            return long;
        }
        let passes = if step.ends { ENDS } else { step.coefficients as u8 };
        let level = extend(window >> (WINDOW_BITS - bits) & ((1 << step.bits) - 1), step.bits);
        Value { level: level as i16, bits: bits as u8, passes }
    }
}

/// The number that so many bits stand for: a leading zero is the sign.
#[inline(always)]
pub(super) fn extend(value: u32, bits: u32) -> i32 {
    let negative = value >> bits.saturating_sub(1) == 0;
    value as i32 - if negative { (1 << bits) - 1 } else { 0 }
}

impl Skip {
    fn new(codes: &Codes, window: u32) -> Skip {
        let (mut bits, mut coefficients) = (0, 0);
        while bits < WINDOW_BITS {
            let head = (window << bits & (WINDOWS as u32 - 1)) << (CODE_BITS_MAX - WINDOW_BITS);
            let within = codes.look_up(head).filter(|(_, code_bits)| bits + code_bits <= WINDOW_BITS);
            let Some((symbol, code_bits)) = within else { break };
            let step = ac_step(symbol);
            if coefficients + step.coefficients >= BLOCK {
                break;
            }
            bits += code_bits + step.bits;
            coefficients += step.coefficients;
            if step.ends {
                return Skip { bits: bits as u8, coefficients: coefficients as u8 + ENDS };
            }
        }
        if bits == 0 {
            Skip { bits: 0, coefficients: LONG }
        } else {
            Skip { bits: bits as u8, coefficients: coefficients as u8 }
        }
    }
}

/// What one AC symbol says.
pub(super) struct AcStep {
    /// Bits that follow its code.
    pub bits: u32,
    /// Coefficients that it passes.
    pub coefficients: u32,
    /// Whether the rest of the block is zero.
    pub ends: bool,
}

pub(super) fn ac_step(symbol: u8) -> AcStep {
    let (run, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    match (run, bits) {
        (15, 0) => AcStep { bits: 0, coefficients: 16, ends: false },
        (_, 0) => AcStep { bits: 0, coefficients: 0, ends: true },
        _ => AcStep { bits, coefficients: run + 1, ends: false },
    }
}
