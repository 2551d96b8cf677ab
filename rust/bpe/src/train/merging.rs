//! The merge loop of BPE training: take the most frequent pair, make it a token, replace it everywhere, repeat.
//!
//! All units lie in one `u32` array, a separator before and after each. A merged span keeps its token in its first
//! slot; its second and its last slot hold its length (marked by the high bit), so the next and the previous token are
//! one look away without link arrays: four bytes a slot.
//!
//! A table maps each pair to its weighted count and to the positions where it was seen. Positions are only appended; a
//! stale one is recognised on use, when the slots no longer hold the pair. The best pair comes from a lazy heap ordered
//! by (count descending, pair ascending): an entry whose count has fallen since is pushed back with the true count.
//! Every rise of a count pushes a fresh entry, so the heap always holds each live pair at its true count or above, and
//! the first entry popped that agrees with the table is the maximum.
//!
//! The cost is linear in the slots plus the occurrences merged, plus the heap: O(n + m + P log P). A replacement costs
//! O(1), so the length of a unit does not matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::watch::{Phase, Watch};
use crate::{Error, ErrorKind};

/// Between units.
const SEPARATOR: u32 = u32::MAX;
/// Marks a slot inside a merged span; in its second and last slot the lower bits hold the length of the span.
const INSIDE: u32 = 1 << 31;
/// Positions are `u32`, span lengths have 31 bits.
const MAX_SLOTS: usize = (1 << 31) - 1;

/// Units as token ids, with multiplicities: what the merge loop works on.
#[derive(Debug)]
pub(super) struct Sequences {
    slots: Vec<u32>,
    /// The first slot of each unit, ascending.
    starts: Vec<u32>,
    weights: Vec<u64>,
    /// The sum over the units of weight × length, which bounds every count.
    weighted_length: u64,
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self { slots: vec![SEPARATOR], starts: Vec::new(), weights: Vec::new(), weighted_length: 0 }
    }

    /// Appends a unit; units of fewer than two tokens, or of weight 0, have no pair and are left out.
    pub(super) fn push(&mut self, token_ids: &[u32], weight: u64) -> Result<(), Error> {
        if token_ids.len() < 2 || weight == 0 {
            return Ok(());
        }
        // Two separators close the array, so that the slot after a last token of one slot can be read.
        if self.slots.len() + token_ids.len() + 2 > MAX_SLOTS {
            return Err(Error::new(
                ErrorKind::Training,
                "the distinct units of the text have more than 2^31 tokens together; train on a sample of the text",
            ));
        }
        let weighted = weight.checked_mul(token_ids.len() as u64);
        self.weighted_length =
            weighted.and_then(|sum| sum.checked_add(self.weighted_length)).ok_or_else(|| {
                Error::new(
                    ErrorKind::Training,
                    "the pairs of the text are more than 2^64 - 1; scale the weights down",
                )
            })?;
        self.starts.push(self.slots.len() as u32);
        self.weights.push(weight);
        self.slots.extend_from_slice(token_ids);
        self.slots.push(SEPARATOR);
        Ok(())
    }

    fn next(&self, position: usize) -> usize {
        position + self.span(position + 1)
    }

    fn previous(&self, position: usize) -> usize {
        position - self.span(position - 1)
    }

    /// The length of the span that `slot`, its second or last slot, belongs to; 1 if that slot starts a token or a
    /// separator.
    fn span(&self, slot: usize) -> usize {
        match self.slots[slot] {
            SEPARATOR => 1,
            value if value & INSIDE != 0 => (value & !INSIDE) as usize,
            _ => 1,
        }
    }

    /// Puts `token_id` over the tokens at `left` and `right`, the latter ending before `end`.
    fn replace(&mut self, left: usize, right: usize, end: usize, token_id: u32) {
        let length = (end - left) as u32;
        self.slots[left] = token_id;
        self.slots[right] = INSIDE;
        self.slots[left + 1] = INSIDE | length;
        self.slots[end - 1] = INSIDE | length;
    }
}

/// Two neighbouring token ids as one integer, in the order of (left, right).
fn pair_key(left: u32, right: u32) -> u64 {
    (u64::from(left) << 32) | u64::from(right)
}

#[derive(Debug, Default)]
struct Pair {
    count: u64,
    positions: Vec<u32>,
    /// The count rose in the current step.
    risen: bool,
}

/// The merge loop between two merges.
#[derive(Debug)]
pub(super) struct MergeLoop {
    sequences: Sequences,
    index: FxHashMap<u64, usize>,
    pairs: Vec<Pair>,
    heap: BinaryHeap<(u64, Reverse<u64>)>,
    min_count: u64,
    risen: Vec<u64>,
}

impl MergeLoop {
    /// Counts the pairs of the sequences. Pairs seen fewer than `min_count` times (at least 1) are never offered.
    pub(super) fn new(
        mut sequences: Sequences,
        min_count: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        sequences.slots.push(SEPARATOR);
        let mut merge_loop = Self {
            sequences,
            index: FxHashMap::default(),
            pairs: Vec::new(),
            heap: BinaryHeap::new(),
            min_count: min_count.max(1),
            risen: Vec::new(),
        };
        watch.phase(Phase::CountingPairs, merge_loop.sequences.slots.len() as u64);
        for unit in 0..merge_loop.sequences.starts.len() {
            let weight = merge_loop.sequences.weights[unit];
            let mut position = merge_loop.sequences.starts[unit] as usize;
            while merge_loop.sequences.slots[position + 1] != SEPARATOR {
                let (left, right) =
                    (merge_loop.sequences.slots[position], merge_loop.sequences.slots[position + 1]);
                merge_loop.raise(left, right, position, weight);
                position += 1;
            }
            watch.step(position as u64)?;
        }
        merge_loop.offer_risen();
        Ok(merge_loop)
    }

    /// Takes the pair with the largest count, ties by the smallest (left id, right id), out of the heap; `None` when no
    /// pair is left.
    pub(super) fn pop_best(&mut self) -> Option<(u32, u32)> {
        while let Some((count, Reverse(key))) = self.heap.pop() {
            let current = self.index.get(&key).map_or(0, |&entry| self.pairs[entry].count);
            if current == count {
                return Some(((key >> 32) as u32, key as u32));
            }
            // Above, a fresher entry is in the heap already.
            if current < count && current >= self.min_count {
                self.heap.push((current, Reverse(key)));
            }
        }
        None
    }

    /// Replaces every occurrence of the pair, left to right, and brings the counts of its neighbours up to date.
    pub(super) fn merge(
        &mut self,
        left: u32,
        right: u32,
        merged: u32,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let key = pair_key(left, right);
        let Some(&entry) = self.index.get(&key) else { return Ok(()) };
        let entry = &mut self.pairs[entry];
        let mut positions = std::mem::take(&mut entry.positions);
        // After this step the pair occurs nowhere: a run of equal tokens is merged in twos, with at most one left.
        entry.count = 0;
        // One step appends in order, but a token reached in a second way gets positions in a second step.
        if !positions.is_sorted() {
            positions.sort_unstable();
        }
        let mut unit = 0;
        for position in positions {
            watch.step_within()?;
            let start = position as usize;
            if self.sequences.slots[start] != left {
                continue;
            }
            let second = self.sequences.next(start);
            if self.sequences.slots[second] != right {
                continue;
            }
            unit += self.sequences.starts[unit..].partition_point(|&first| first <= position) - 1;
            let weight = self.sequences.weights[unit];
            let end = self.sequences.next(second);
            if self.sequences.slots[start - 1] != SEPARATOR {
                let before = self.sequences.previous(start);
                let neighbour = self.sequences.slots[before];
                self.lower(neighbour, left, key, weight);
                self.raise(neighbour, merged, before, weight);
            }
            let neighbour = self.sequences.slots[end];
            if neighbour != SEPARATOR {
                self.lower(right, neighbour, key, weight);
                self.raise(merged, neighbour, start, weight);
            }
            self.sequences.replace(start, second, end, merged);
        }
        self.offer_risen();
        Ok(())
    }

    /// One occurrence of a pair is gone, unless it is the pair being merged, whose count is settled.
    fn lower(&mut self, left: u32, right: u32, merging: u64, weight: u64) {
        let key = pair_key(left, right);
        if key == merging {
            return;
        }
        if let Some(&entry) = self.index.get(&key) {
            let pair = &mut self.pairs[entry];
            debug_assert!(pair.count >= weight, "a pair was counted down more often than up");
            pair.count -= weight;
        }
    }

    /// One more occurrence of a pair, at `position`.
    fn raise(&mut self, left: u32, right: u32, position: usize, weight: u64) {
        let key = pair_key(left, right);
        let entry = *self.index.entry(key).or_insert_with(|| {
            self.pairs.push(Pair::default());
            self.pairs.len() - 1
        });
        let pair = &mut self.pairs[entry];
        pair.count += weight;
        pair.positions.push(position as u32);
        if !pair.risen {
            pair.risen = true;
            self.risen.push(key);
        }
    }

    /// Puts the pairs whose count rose in this step into the heap.
    fn offer_risen(&mut self) {
        for key in self.risen.drain(..) {
            if let Some(&entry) = self.index.get(&key) {
                let pair = &mut self.pairs[entry];
                pair.risen = false;
                if pair.count >= self.min_count {
                    self.heap.push((pair.count, Reverse(key)));
                }
            }
        }
    }
}
