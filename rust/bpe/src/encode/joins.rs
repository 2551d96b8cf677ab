//! The merges of superwords, apart from those of words, in a table that is small enough for a near cache.
//!
//! A vocabulary has ten times as many words as superwords, and the rows of all merges ([`super::rows`]) are megabytes.
//! Here a hash leads to the number of what a pair becomes, and the two parts of every number lie in the order of the
//! numbers, which is about by how often they occur. So what is used most lies together.

use super::bit_set;
use super::merge::{MergeRule, NO_MERGE};

/// (left symbol, right symbol) → the symbol that they become, for those from a first symbol on.
#[derive(Debug)]
pub(super) struct Joins {
    first: u32,
    /// By hash: the symbol less the first, or [`NO_MERGE`].
    joined: Vec<u32>,
    shift: u32,
    /// By symbol less the first: its parts.
    parts: Vec<[u32; 2]>,
}

impl Joins {
    /// A table of (left, right, result) with results from `first` on.
    pub(super) fn new(first: u32, pairs: &[(u32, u32, u32)]) -> Self {
        let n_symbols = pairs.iter().map(|&(.., result)| (result - first) as usize + 1).max().unwrap_or(0);
        let bits = (2 * pairs.len() + 2).next_power_of_two().trailing_zeros();
        let mut joins = Self {
            first,
            joined: vec![NO_MERGE; 1 << bits],
            shift: u64::BITS - bits,
            parts: vec![[NO_MERGE; 2]; n_symbols],
        };
        for &(left, right, result) in pairs {
            let mut place = joins.home(left, right);
            while joins.joined[place] != NO_MERGE {
                place = joins.after(place);
            }
            joins.joined[place] = result - first;
            joins.parts[(result - first) as usize] = [left, right];
        }
        joins
    }

    #[inline(always)]
    fn home(&self, left: u32, right: u32) -> usize {
        (hash_pair(left, right) >> self.shift) as usize
    }

    #[inline(always)]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.joined.len() - 1)
    }
}

impl MergeRule for Joins {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        let mut place = self.home(left, right);
        loop {
            let joined = self.joined[place];
            if joined == NO_MERGE {
                return NO_MERGE;
            }
            if self.parts[joined as usize] == [left, right] {
                return self.first + joined;
            }
            place = self.after(place);
        }
    }

    #[inline(always)]
    fn merged(&self, _left: u32, _right: u32, rank: u32) -> u32 {
        rank
    }
}

/// Of two symbols; the top bits are the good ones.
#[inline(always)]
pub(super) fn hash_pair(left: u32, right: u32) -> u64 {
    bit_set::hash(u64::from(left) << 32 | u64::from(right))
}
