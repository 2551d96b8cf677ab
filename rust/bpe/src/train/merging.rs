//! The merge loop of BPE training: take the most frequent pair, make it a token, replace it everywhere, repeat.
//!
//! **Frequent pairs only.** The count of a pair never rises after the step that made the later of its two tokens. So a pair
//! below a cutoff stays below it, and as long as the best pair is above, the others need neither a count nor a list of
//! places. The loop keeps those at or above the cutoff; when none is left, it lowers the cutoff and reads the pairs
//! anew. A few such readings cost less than the places of all pairs, which are most of the memory of a training.
//!
//! **The best pair** comes from a lazy heap ordered by (count descending, pair ascending): an entry whose count has
//! fallen since is pushed back with the true count. So the heap always holds each frequent pair at its true count or
//! above, and the first entry popped that agrees is the maximum.
//!
//! **A step** goes through the places where the pair was seen. Some are stale, which the slots show. What happens to the
//! pairs around is added up by neighbour first: however often a token stands beside the pair, the table is asked once.
//!
//! Altogether linear in the slots, times the readings, plus the occurrences merged, plus the heap: O(n log c + m + P log
//! P). A replacement costs O(1), so the length of a unit does not matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::pair_counters::PairCounters;
use super::sequences::Sequences;
use super::watch::Watch;
use crate::Error;

/// By how much the cutoff is lowered when no pair is above it.
const CUTOFF_RATIO: u64 = 16;

/// How many places ahead the memory of a place is asked for.
const AHEAD: usize = 16;

/// Two neighbouring token ids as one integer, in the order of (left, right).
fn pair_key(left: u32, right: u32) -> u64 {
    (u64::from(left) << 32) | u64::from(right)
}

/// A pair that occurs at least as often as the cutoff, or did when it was last looked at.
#[derive(Debug, Default)]
struct Pair {
    count: u64,
    /// Where it was seen, ascending; all places where it is, and perhaps some where it was.
    places: Vec<u32>,
}

/// The merge loop between two merges.
#[derive(Debug)]
pub(super) struct MergeLoop {
    sequences: Sequences,
    pairs: FxHashMap<u64, Pair>,
    heap: BinaryHeap<(u64, Reverse<u64>)>,
    /// No pair below is merged.
    min_count: u64,
    /// All pairs that occur at least so often are in the table.
    cutoff: u64,
    left: Neighbours,
    right: Neighbours,
}

impl MergeLoop {
    /// A loop that merges pairs that occur at least `min_count` times, and at least once.
    pub(super) fn new(sequences: Sequences, min_count: u64) -> Self {
        Self {
            sequences,
            pairs: FxHashMap::default(),
            heap: BinaryHeap::new(),
            min_count: min_count.max(1),
            cutoff: u64::MAX,
            left: Neighbours::default(),
            right: Neighbours::default(),
        }
    }

    /// Takes the pair with the largest count, ties by the smallest (left id, right id), out of the heap; `None` when no
    /// pair is left. Returns its count too.
    pub(super) fn pop_best(&mut self, watch: &mut Watch<'_>) -> Result<Option<(u32, u32, u64)>, Error> {
        loop {
            while let Some((count, Reverse(key))) = self.heap.pop() {
                let current = self.pairs.get(&key).map_or(0, |pair| pair.count);
                if current == count {
                    return Ok(Some(((key >> 32) as u32, key as u32, count)));
                }
                if current >= self.cutoff {
                    self.heap.push((current, Reverse(key)));
                } else {
                    self.pairs.remove(&key);
                }
            }
            if self.cutoff == self.min_count {
                return Ok(None);
            }
            self.read_pairs(watch, |best, cutoff| best.min(cutoff) / CUTOFF_RATIO)?;
        }
    }

    /// Reads all pairs anew, and keeps those at or above a cutoff, given the largest count and the cutoff so far.
    fn read_pairs(
        &mut self,
        watch: &mut Watch<'_>,
        cutoff: impl FnOnce(u64, u64) -> u64,
    ) -> Result<(), Error> {
        self.pairs = FxHashMap::default();
        self.heap.clear();
        self.sequences.compact();
        let counters = PairCounters::of_sequences(&self.sequences, watch)?;
        self.cutoff = cutoff(counters.most_of_all(), self.cutoff).max(self.min_count);
        let mut counts: FxHashMap<u64, (u64, u32)> = FxHashMap::default();
        self.sequences.for_each_pair(|_, left, right, weight| {
            watch.step_within()?;
            if counters.most(left, right) >= self.cutoff {
                let (count, n_places) = counts.entry(pair_key(left, right)).or_default();
                *count += weight;
                *n_places += 1;
            }
            Ok(())
        })?;
        drop(counters);
        let pair = |n_places: u32, count| Pair { count, places: Vec::with_capacity(n_places as usize) };
        let frequent = counts.into_iter().filter(|&(_, (count, _))| count >= self.cutoff);
        self.pairs = frequent.map(|(key, (count, n_places))| (key, pair(n_places, count))).collect();
        self.heap = self.pairs.iter().map(|(&key, pair)| (pair.count, Reverse(key))).collect();
        self.sequences.for_each_pair(|slot, left, right, _| {
            watch.step_within()?;
            if let Some(pair) = self.pairs.get_mut(&pair_key(left, right)) {
                pair.places.push(slot);
            }
            Ok(())
        })
    }

    /// Replaces every occurrence of a pair, left to right, by a token that is new, or at least occurs nowhere yet.
    pub(super) fn merge(
        &mut self,
        left: u32,
        right: u32,
        merged: u32,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let Some(pair) = self.pairs.remove(&pair_key(left, right)) else { return Ok(()) };
        let sequences = &mut self.sequences;
        let mut doubled = Doubled::default();
        for (number, &place) in pair.places.iter().enumerate() {
            watch.step_within()?;
            if let Some(&place) = pair.places.get(number + AHEAD) {
                sequences.prefetch(place);
            }
            let start = place as usize;
            let Some((second, end)) = sequences.find_pair(start, left, right) else { continue };
            let weight = sequences.weight_at(start);
            match sequences.before(start) {
                Some((before, neighbour)) if neighbour == merged => {
                    // Made in this step, with what is now replaced as its neighbour.
                    self.right.take_back(left, weight);
                    doubled.add(before as u32, weight);
                }
                Some((before, neighbour)) => self.left.add(neighbour, before as u32, weight),
                None => {}
            }
            if let Some(neighbour) = sequences.token(end) {
                self.right.add(neighbour, place, weight);
            }
            sequences.replace(start, second, end, merged);
        }
        // The pair itself is gone: a run of equal tokens is merged in twos, with at most one left.
        let settled = pair_key(left, right);
        let mut left_neighbours = std::mem::take(&mut self.left);
        let mut right_neighbours = std::mem::take(&mut self.right);
        left_neighbours.drain(self.cutoff, |neighbour, lost, pair| {
            self.lower(pair_key(neighbour, left), lost, settled);
            self.insert(pair_key(neighbour, merged), pair);
        });
        right_neighbours.drain(self.cutoff, |neighbour, lost, pair| {
            self.lower(pair_key(right, neighbour), lost, settled);
            self.insert(pair_key(merged, neighbour), pair);
        });
        (self.left, self.right) = (left_neighbours, right_neighbours);
        self.insert(pair_key(merged, merged), doubled.0);
        Ok(())
    }

    /// As [`MergeLoop::merge`], by a token that may occur already.
    pub(super) fn merge_into_known(
        &mut self,
        left: u32,
        right: u32,
        merged: u32,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let Some(pair) = self.pairs.remove(&pair_key(left, right)) else { return Ok(()) };
        for place in pair.places {
            watch.step_within()?;
            let start = place as usize;
            if let Some((second, end)) = self.sequences.find_pair(start, left, right) {
                self.sequences.replace(start, second, end, merged);
            }
        }
        self.read_pairs(watch, |_, cutoff| cutoff)
    }

    fn lower(&mut self, key: u64, by: u64, settled: u64) {
        if key != settled {
            if let Some(pair) = self.pairs.get_mut(&key) {
                debug_assert!(pair.count >= by, "a pair was counted down more often than up");
                pair.count -= by;
            }
        }
    }

    /// Keeps a pair that this step made, if it is frequent.
    fn insert(&mut self, key: u64, pair: Pair) {
        if pair.count >= self.cutoff {
            self.heap.push((pair.count, Reverse(key)));
            self.pairs.insert(key, pair);
        }
    }
}

/// Pairs of a token with itself that one step makes.
#[derive(Debug, Default)]
struct Doubled(Pair);

impl Doubled {
    fn add(&mut self, place: u32, weight: u64) {
        self.0.count += weight;
        self.0.places.push(place);
    }
}

/// What one step does to the pairs on one side of what it merges, by the token on that side.
#[derive(Debug, Default)]
struct Neighbours {
    /// By token id: its place in `found`, or [`NONE`].
    numbers: Vec<u32>,
    found: Vec<Neighbour>,
    /// The number of a neighbour, and where its pair with the new token starts.
    places: Vec<(u32, u32)>,
}

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Neighbour {
    token_id: u32,
    /// By how much the count of its pair with the old token falls.
    lost: u64,
    /// How often it stands beside the new token.
    count: u64,
    n_places: u32,
}

impl Neighbours {
    #[inline]
    fn add(&mut self, token_id: u32, place: u32, weight: u64) {
        let at = token_id as usize;
        if at >= self.numbers.len() {
            self.numbers.resize(at + 1, NONE);
        }
        let mut number = self.numbers[at];
        if number == NONE {
            number = self.found.len() as u32;
            self.numbers[at] = number;
            self.found.push(Neighbour { token_id, lost: 0, count: 0, n_places: 0 });
        }
        let neighbour = &mut self.found[number as usize];
        neighbour.lost += weight;
        neighbour.count += weight;
        neighbour.n_places += 1;
        self.places.push((number, place));
    }

    /// A neighbour that was added has become part of the new token too.
    fn take_back(&mut self, token_id: u32, weight: u64) {
        self.found[self.numbers[token_id as usize] as usize].count -= weight;
    }

    /// Visits every neighbour with what its old pair lost and its new pair, whose places are there if its count is at
    /// least `cutoff`; and forgets all.
    fn drain(&mut self, cutoff: u64, mut visit: impl FnMut(u32, u64, Pair)) {
        let new_pair = |neighbour: &Neighbour| {
            let n_places = if neighbour.count >= cutoff { neighbour.n_places } else { 0 };
            Pair { count: neighbour.count, places: Vec::with_capacity(n_places as usize) }
        };
        let mut pairs: Vec<Pair> = self.found.iter().map(new_pair).collect();
        for (number, place) in self.places.drain(..) {
            let pair = &mut pairs[number as usize];
            if pair.count >= cutoff {
                pair.places.push(place);
            }
        }
        for (neighbour, pair) in self.found.drain(..).zip(pairs) {
            self.numbers[neighbour.token_id as usize] = NONE;
            visit(neighbour.token_id, neighbour.lost, pair);
        }
    }
}
