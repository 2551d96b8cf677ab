//! The part of a text that training can change: units cut where nothing will ever merge, equal pieces counted together.
//!
//! Take two tokens that stand side by side less often than the last merge of a run will. No merge of the run reaches over
//! the place between them: the token that did would contain the one as its own last part before the seam and the other
//! as the first behind it, so it stands, at every place where it is, on a different occurrence of the pair, and occurs
//! no more often. So units may be cut at all pairs below a cutoff, as long as merging stops before the best count falls
//! below it. What is left are short pieces, most of which occur
//! many times: of a text of 32 million tokens, one or two million.
//!
//! How often a pair occurs is counted in an array of counters, without keys. Pairs that share a counter look more frequent
//! than they are, which keeps places that could have been cut, and costs time alone. So memory does not grow with the
//! number of pairs.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counting::Units;
use super::sequences::Sequences;
use super::token_store::TokenStore;
use super::watch::{Phase, Watch};
use crate::encode::prefetch;
use crate::Error;

/// Pairs that wait together for the memory of their counters.
const AT_A_TIME: usize = 64;

/// Bytes that a token id takes in a piece.
const ID_BYTES: usize = 3;

/// How often pairs of neighbours occur in a text, or more.
#[derive(Debug)]
pub(super) struct PairCounters {
    counters: Vec<AtomicU64>,
    shift: u32,
}

impl PairCounters {
    /// Counts the pairs of a text, with as many counters as `most_bytes` of memory hold, or as there are tokens. O(tokens).
    pub(super) fn count(
        store: &TokenStore,
        most_bytes: usize,
        threads: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        let most = (most_bytes / size_of::<AtomicU64>()).max(1 << 16).ilog2();
        let bits = store.n_tokens().max(1 << 16).ilog2().min(most);
        let mut counters = Vec::new();
        counters.resize_with(1 << bits, AtomicU64::default);
        let pairs = Self { counters, shift: 64 - bits };
        watch.phase(Phase::CountingPairs, store.n_chunks() as u64);
        let count_chunk = |&number: &usize| {
            let mut waiting: Vec<(&AtomicU64, u64)> = Vec::with_capacity(AT_A_TIME);
            // Sums of integers: the order of the threads does not matter, and they stay below the sum of all weights.
            let add = |waiting: &mut Vec<(&AtomicU64, u64)>| {
                for (counter, weight) in waiting.drain(..) {
                    counter.fetch_add(weight, Ordering::Relaxed);
                }
            };
            store.chunk(number)?.for_each_pair(|_, left, right, weight| {
                let counter = pairs.counter(left, right);
                prefetch(counter);
                waiting.push((counter, weight));
                if waiting.len() == AT_A_TIME {
                    add(&mut waiting);
                }
                Ok(())
            })?;
            add(&mut waiting);
            Ok(())
        };
        let go_on = |()| Ok(ControlFlow::Continue(()));
        watch.share(store.numbers(), |_| 1, threads, count_chunk, go_on)?;
        Ok(pairs)
    }

    #[inline]
    fn counter(&self, left: u32, right: u32) -> &AtomicU64 {
        let pair = u64::from(left) << 32 | u64::from(right);
        // Both halves must reach the upper bits: ids are small numbers.
        let mixed = (pair ^ pair >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.counters[((mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> self.shift) as usize]
    }

    #[inline]
    fn most(&self, left: u32, right: u32) -> u64 {
        self.counter(left, right).load(Ordering::Relaxed)
    }

    /// A count that most of the next `n_merges` merges will reach: half of that of the pair of this rank, at least 1.
    pub(super) fn cutoff_for(&self, n_merges: usize) -> u64 {
        let mut counts: Vec<u64> = self
            .counters
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .filter(|&count| count > 1)
            .collect();
        if counts.len() <= n_merges {
            return 1;
        }
        let rank = counts.len() - n_merges.max(1);
        (*counts.select_nth_unstable(rank).1 / 2).max(1)
    }
}

/// Cuts the units of a text at pairs that occur less often than `cutoff`, and counts equal pieces together; `None` if
/// they are more than fit `most_bytes`. O(tokens).
pub(super) fn reduce(
    store: &TokenStore,
    pairs: &PairCounters,
    cutoff: u64,
    most_bytes: usize,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Option<Sequences>, Error> {
    watch.phase(Phase::Cutting, store.n_chunks() as u64);
    let mut pieces = Units::default();
    let mut is_too_large = false;
    let cut_chunk = |&number: &usize| {
        let mut pieces = Units::default();
        let (mut linked, mut bytes) = (Vec::new(), Vec::new());
        store.chunk(number)?.for_each_unit(|token_ids, weight| {
            // All counters before the first decision: so their memory is waited for together.
            linked.clear();
            linked.extend(token_ids.windows(2).map(|pair| pairs.most(pair[0], pair[1]) >= cutoff));
            linked.push(false);
            bytes.clear();
            for (&token_id, &is_linked) in token_ids.iter().zip(&linked) {
                bytes.extend_from_slice(&token_id.to_le_bytes()[..ID_BYTES]);
                if !is_linked {
                    if bytes.len() > ID_BYTES {
                        pieces.add(&bytes, weight)?;
                    }
                    bytes.clear();
                }
            }
            Ok(())
        })?;
        Ok(pieces)
    };
    watch.share(
        store.numbers(),
        |_| 1,
        threads,
        cut_chunk,
        |more| {
            more.try_for_each(|piece, weight| pieces.add(piece, weight))?;
            // What is made of them takes as much again.
            is_too_large = pieces.memory() > most_bytes / 2;
            Ok(if is_too_large { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        },
    )?;
    if is_too_large {
        return Ok(None);
    }
    let mut sequences = Sequences::new();
    pieces.try_for_each(|piece, weight| {
        let token_ids = piece.as_chunks::<ID_BYTES>().0;
        let token_ids =
            token_ids.iter().map(|&[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]));
        sequences.push(token_ids, weight)
    })?;
    Ok(Some(sequences))
}
