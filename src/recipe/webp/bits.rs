//! The arithmetic decoder of VP8 (RFC 6386, section 7).

/// Reads booleans of known probability. Beyond the end it reads zeros, and says so in [`Bits::is_overrun`].
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// The two bytes under way.
    value: u32,
    range: u32,
    /// How many bits of the lower byte were used up.
    shifted: u32,
    /// Bytes read beyond the end.
    beyond: usize,
}

/// An encoder may leave out zeros at the end; the decoder always looks two bytes ahead.
const BEYOND_MAX: usize = 4;

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Bits<'a> {
        let mut bits = Bits { rest: bytes, value: 0, range: 255, shifted: 0, beyond: 0 };
        bits.value = bits.byte() << 8;
        bits.value |= bits.byte();
        bits
    }

    /// Whether more was read than there is.
    pub(super) fn is_overrun(&self) -> bool {
        self.beyond > BEYOND_MAX
    }

    fn byte(&mut self) -> u32 {
        match self.rest.split_first() {
            Some((&first, rest)) => {
                self.rest = rest;
                u32::from(first)
            }
            None => {
                self.beyond = self.beyond.saturating_add(1);
                0
            }
        }
    }

    /// A boolean that is false with this probability, in parts of 256.
    pub(super) fn bool(&mut self, probability: u8) -> bool {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let is_set = self.value >= split << 8;
        if is_set {
            self.range -= split;
            self.value -= split << 8;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            self.value <<= 1;
            self.shifted += 1;
            if self.shifted == 8 {
                self.shifted = 0;
                self.value |= self.byte();
            }
        }
        is_set
    }

    pub(super) fn flag(&mut self) -> bool {
        self.bool(128)
    }

    /// A number of so many bits, the highest first.
    pub(super) fn number(&mut self, bits: u32) -> u8 {
        (0..bits).fold(0, |number, _| number << 1 | u8::from(self.flag()))
    }

    /// A flag; behind it, where it is set, a magnitude and a sign.
    pub(super) fn optional_signed(&mut self, bits: u32) -> i16 {
        if !self.flag() {
            return 0;
        }
        let magnitude = i16::from(self.number(bits));
        if self.flag() { -magnitude } else { magnitude }
    }

    /// The leaf of a tree, from a place in it. Trees are constants of `tables`.
    pub(super) fn leaf(&mut self, tree: &[i8], probabilities: &[u8], from: usize) -> usize {
        let mut at = from;
        loop {
            let next = tree[at + usize::from(self.bool(probabilities[at / 2]))];
            match usize::try_from(next) {
                Ok(place) if place > 0 => at = place,
                _ => return usize::from(next.unsigned_abs()),
            }
        }
    }
}
