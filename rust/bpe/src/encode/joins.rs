//! The merges of superwords, apart from those of words, in a table that is small enough for a near cache.
//!
//! A vocabulary has ten times as many words as superwords, and the rows of all merges ([`super::rows`]) are megabytes.
//! Here a hash leads to the number of what a pair becomes, and the two parts of every number lie in the order of the
//! numbers, which is about by how often they occur. So what is used most lies together.

use super::bit_set;
use super::canonical::Canonical;
use super::merge::{MergeRule, NO_MERGE};

/// (left token, right token) → the token that they become, by ids, for the symbols from a first one on.
#[derive(Debug)]
pub(super) struct Joins {
    /// By hash: the rank, which is that of the merge less that of the first, or [`NO_MERGE`].
    ranks: Vec<u32>,
    shift: u32,
    /// By rank: the parts, and what they become.
    parts: Vec<[u32; 2]>,
    results: Vec<u32>,
}

impl Joins {
    /// A table of the merges that make the symbols from `first` on.
    pub(super) fn new(canonical: &Canonical, first: u32) -> Self {
        let token_id = |symbol: u32| canonical.token_ids[symbol as usize];
        let pairs: Vec<_> = canonical.pairs.iter().filter(|&(.., result)| result >= first).collect();
        let bits = (2 * pairs.len() + 2).next_power_of_two().trailing_zeros();
        let n_ranks = canonical.token_ids.len() - first as usize;
        let mut joins = Self {
            ranks: vec![NO_MERGE; 1 << bits],
            shift: u64::BITS - bits,
            parts: vec![[NO_MERGE; 2]; n_ranks],
            results: vec![NO_MERGE; n_ranks],
        };
        for (left, right, result) in pairs {
            let (parts, rank) = ([left, right].map(token_id), result - first);
            let mut place = joins.home(parts);
            while joins.ranks[place] != NO_MERGE {
                place = joins.after(place);
            }
            joins.ranks[place] = rank;
            joins.parts[rank as usize] = parts;
            joins.results[rank as usize] = token_id(result);
        }
        joins
    }

    #[inline(always)]
    fn home(&self, pair: [u32; 2]) -> usize {
        (hash_pair(pair[0], pair[1]) >> self.shift) as usize
    }

    #[inline(always)]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.ranks.len() - 1)
    }
}

impl MergeRule for Joins {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        let mut place = self.home([left, right]);
        loop {
            let rank = self.ranks[place];
            if rank == NO_MERGE || self.parts[rank as usize] == [left, right] {
                return rank;
            }
            place = self.after(place);
        }
    }

    #[inline(always)]
    fn merged(&self, _left: u32, _right: u32, rank: u32) -> u32 {
        self.results[rank as usize]
    }
}

/// Of two tokens; the top bits are the good ones.
#[inline(always)]
pub(super) fn hash_pair(left: u32, right: u32) -> u64 {
    bit_set::hash(u64::from(left) << 32 | u64::from(right))
}
