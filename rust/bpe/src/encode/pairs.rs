//! The merges in a form made for looking pairs up: open addressing in one flat array of 8-byte entries.
//!
//! A symbol is a number for a token that merges can make: a byte is its own value, and what the merge of rank *r* makes
//! is 256 + *r*. So the rank of a merge is (but for 256) the symbol that it makes, one entry holds left, right and
//! result at 21 bits each, and looking a pair up touches one cache line. Pairs of bytes, which every word starts with,
//! have a table of their own.

use super::merge::{MergeRule, NO_MERGE};

const BITS: u32 = 21;
const SYMBOL: u64 = (1 << BITS) - 1;

/// The most symbols that entries have room for.
pub(super) const MOST_SYMBOLS: usize = 1 << BITS;

/// (left symbol, right symbol) → the symbol that they become.
#[derive(Debug)]
pub(super) struct PairTable {
    /// `left << 42 | right << 21 | result`; 0 is empty, since no result is a byte.
    entries: Vec<u64>,
    shift: u32,
    /// By `left << 8 | right` for bytes: the result, or [`NO_MERGE`].
    byte_pairs: Vec<u32>,
}

impl PairTable {
    /// An empty table with room for this many pairs.
    pub(super) fn with_capacity(n_pairs: usize) -> Self {
        let n_entries = (n_pairs * 2).next_power_of_two().max(16);
        Self {
            entries: vec![0; n_entries],
            shift: 64 - n_entries.trailing_zeros(),
            byte_pairs: vec![NO_MERGE; 1 << 16],
        }
    }

    /// Adds a pair that the table does not have.
    pub(super) fn insert(&mut self, left: u32, right: u32, result: u32) {
        if left < 256 && right < 256 {
            self.byte_pairs[(left << 8 | right) as usize] = result;
        }
        let pair = pair(left, right);
        let mut place = self.home(pair);
        while self.entries[place] != 0 {
            place = (place + 1) & (self.entries.len() - 1);
        }
        self.entries[place] = pair << BITS | u64::from(result);
    }

    fn home(&self, pair: u64) -> usize {
        (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }
}

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << BITS | u64::from(right)
}

impl MergeRule for PairTable {
    #[inline]
    fn rank(&self, left: u32, right: u32) -> u32 {
        if left < 256 && right < 256 {
            return self.byte_pairs[(left << 8 | right) as usize];
        }
        let pair = pair(left, right);
        let mut place = self.home(pair);
        loop {
            let entry = self.entries[place];
            if entry >> BITS == pair && entry != 0 {
                return (entry & SYMBOL) as u32;
            }
            if entry == 0 {
                return NO_MERGE;
            }
            place = (place + 1) & (self.entries.len() - 1);
        }
    }

    #[inline]
    fn merged(&self, _left: u32, _right: u32, rank: u32) -> u32 {
        rank
    }
}
