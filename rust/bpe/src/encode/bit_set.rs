//! Sets that may have more than was put in, never less: two bits of one word, by hash.

/// Spreads a number over the top bits.
#[inline]
pub(super) fn hash(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A set of hashes, by their top bits.
#[derive(Debug)]
pub(super) struct BitSet {
    words: Vec<u64>,
    shift: u32,
}

impl BitSet {
    pub(super) fn with_bits(log2: u32) -> Self {
        Self { words: vec![0; 1 << (log2 - 6)], shift: 64 - log2 }
    }

    /// A set that has one in some hundred of what was not put in, for this many.
    pub(super) fn with_capacity(n: usize) -> Self {
        Self::with_bits((16 * n).next_power_of_two().trailing_zeros().max(16))
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let (word, [first, second]) = self.place(hash);
        self.words[word] |= 1 << first | 1 << second;
    }

    #[inline]
    pub(super) fn has(&self, hash: u64) -> bool {
        let (word, [first, second]) = self.place(hash);
        let word = self.words[word];
        word >> first & word >> second & 1 == 1
    }

    /// The word of a hash, and its bits there.
    #[inline]
    fn place(&self, hash: u64) -> (usize, [u64; 2]) {
        let place = hash >> (self.shift - 6);
        ((place >> 12) as usize, [place >> 6 & 63, place & 63])
    }
}
