//! Sets that may have more than was put in, never less: bits by hash.

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

    /// A set that has about one in sixteen of what was not put in, for this many.
    pub(super) fn with_capacity(n: usize) -> Self {
        Self::with_bits((16 * n).next_power_of_two().trailing_zeros().max(16))
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let bit = hash >> self.shift;
        self.words[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    #[inline]
    pub(super) fn has(&self, hash: u64) -> bool {
        let bit = hash >> self.shift;
        self.words[(bit / 64) as usize] >> (bit % 64) & 1 == 1
    }
}
