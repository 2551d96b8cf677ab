//! How often pairs of neighbours occur, or more: counters without keys.
//!
//! Two pairs may share a counter, and then look more frequent than they are. All who ask only leave out what occurs too
//! rarely, so sharing costs them time and never changes what comes out. For that, counting takes a few nanoseconds a
//! pair, on any number of threads, in memory that does not depend on the number of pairs.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sequences::Sequences;
use super::token_store::TokenStore;
use super::watch::{Phase, Watch};
use crate::encode::prefetch;
use crate::{Error, Interrupt};

/// Pairs that wait together for the memory of their counters.
const AT_A_TIME: usize = 64;

/// Tokens for each counter. There are fewer pairs than tokens, mostly.
const TOKENS_PER_COUNTER: usize = 4;

/// Counters of pairs.
#[derive(Debug)]
pub(super) struct PairCounters {
    counters: Vec<AtomicU64>,
    shift: u32,
}

impl PairCounters {
    /// Counters for so many tokens, all zero, in at most about `most_bytes` of memory.
    fn new(n_tokens: usize, most_bytes: usize) -> Self {
        let most = (most_bytes / size_of::<AtomicU64>()).max(1 << 16).ilog2();
        let bits = (n_tokens / TOKENS_PER_COUNTER).max(1 << 16).ilog2().min(most);
        let mut counters = Vec::new();
        counters.resize_with(1 << bits, AtomicU64::default);
        Self { counters, shift: u64::BITS - bits }
    }

    /// Counts the pairs of sequences in which every token has one slot. O(slots).
    pub(super) fn of_sequences(sequences: &Sequences, watch: &mut Watch<'_>) -> Result<Self, Error> {
        let counters = Self::new(sequences.len(), usize::MAX);
        counters.add(sequences, || watch.step_within())?;
        Ok(counters)
    }

    /// Counts the pairs of a text. O(tokens).
    pub(super) fn of_store(
        store: &TokenStore,
        most_bytes: usize,
        threads: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        watch.phase(Phase::CountingPairs, store.n_chunks() as u64)?;
        let counters = Self::new(store.n_tokens(), most_bytes);
        let count_chunk = |&number: &usize, interrupt: &Interrupt| {
            counters.add(&*store.chunk(number)?, || interrupt.check())
        };
        let go_on = |()| Ok(ControlFlow::Continue(()));
        watch.share(store.numbers(), |_| 1, threads, count_chunk, go_on)?;
        Ok(counters)
    }

    fn add(&self, sequences: &Sequences, mut step: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let mut waiting: Vec<(&AtomicU64, u64)> = Vec::with_capacity(AT_A_TIME);
        // Sums of integers: the order of the threads does not matter, and they stay below the sum of all weights.
        let add_waiting = |waiting: &mut Vec<(&AtomicU64, u64)>| {
            for (counter, weight) in waiting.drain(..) {
                counter.fetch_add(weight, Ordering::Relaxed);
            }
        };
        sequences.for_each_pair(|_, left, right, weight| {
            let counter = self.counter(left, right);
            prefetch(counter);
            waiting.push((counter, weight));
            if waiting.len() == AT_A_TIME {
                add_waiting(&mut waiting);
                step()?;
            }
            Ok(())
        })?;
        add_waiting(&mut waiting);
        Ok(())
    }

    #[inline]
    fn counter(&self, left: u32, right: u32) -> &AtomicU64 {
        // Ids are small numbers: both must reach the upper bits.
        let mixed = (u64::from(left) | u64::from(right) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.counters[((mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> self.shift) as usize]
    }

    /// A number that a pair does not occur more often than.
    #[inline]
    pub(super) fn most(&self, left: u32, right: u32) -> u64 {
        self.counter(left, right).load(Ordering::Relaxed)
    }

    /// A number that no pair occurs more often than.
    pub(super) fn most_of_all(&self) -> u64 {
        self.counts().max().unwrap_or(0)
    }

    /// A count that most of the next `n_merges` merges will reach: half of that of the pair of this rank, at least 1.
    pub(super) fn cutoff_for(&self, n_merges: usize) -> u64 {
        let mut counts: Vec<u64> = self.counts().filter(|&count| count > 1).collect();
        if counts.len() <= n_merges {
            return 1;
        }
        let rank = counts.len() - n_merges.max(1);
        (*counts.select_nth_unstable(rank).1 / 2).max(1)
    }

    fn counts(&self) -> impl Iterator<Item = u64> + '_ {
        self.counters.iter().map(|count| count.load(Ordering::Relaxed))
    }
}
