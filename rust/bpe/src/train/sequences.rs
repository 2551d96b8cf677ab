//! Units as token ids, in one array that merges are made in.
//!
//! A slot is a `u32`, and its two highest bits say what it holds. Before every unit lies a separator with the unit's
//! weight, and one closes the array; in a unit every token has a slot. When tokens are merged, the new one takes the first slot
//! of its span; the second and the last slot of the span hold its length. So the next and the previous token are one
//! look away without links, four bytes a token in all, and the weight of a unit lies near its tokens: a walk to the left
//! finds it. In units that are longer than such a walk may be, it is looked up by place.

use crate::{Error, ErrorKind};

/// What a slot holds is in these bits; in a token they are zero.
const KIND: u32 = 3 << 30;
/// In the second and the last slot of a span: its length.
const INSIDE: u32 = 2 << 30;
/// Before a unit, and at the end: the unit's weight.
const SEPARATOR: u32 = 3 << 30;
/// In a separator: the rest is a place in the list of large weights.
const IS_LARGE: u32 = 1 << 29;
/// Positions are `u32`, lengths of spans have 30 bits.
const MOST_SLOTS: usize = 1 << 30;
/// A walk to the left takes at most so many steps.
const LONGEST_WALK: usize = 48;

/// Units as token ids, with weights.
#[derive(Debug)]
pub(super) struct Sequences {
    slots: Vec<u32>,
    /// Weights that do not fit a slot.
    large_weights: Vec<u64>,
    /// The first slots of the units that are longer than a walk, ascending.
    long_units: Vec<u32>,
    /// The sum over the units of weight × length, which bounds every count.
    weighted_length: u64,
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self { slots: vec![SEPARATOR], large_weights: Vec::new(), long_units: Vec::new(), weighted_length: 0 }
    }

    /// The number of slots.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Appends a unit; units of fewer than two tokens, or of weight 0, have no pair and are left out.
    ///
    /// # Errors
    /// If there are more than 2³⁰ tokens, or more than 2⁶⁴ − 1 with their weights.
    pub(super) fn push(
        &mut self,
        token_ids: impl ExactSizeIterator<Item = u32>,
        weight: u64,
    ) -> Result<(), Error> {
        let n_tokens = token_ids.len();
        if n_tokens < 2 || weight == 0 {
            return Ok(());
        }
        if self.slots.len() + n_tokens + 1 > MOST_SLOTS {
            return Err(Error::new(
                ErrorKind::Training,
                "the distinct units of the text have more than 2^30 tokens together; set a memory limit, or train on a \
                 sample of the text",
            ));
        }
        let weighted = weight.checked_mul(n_tokens as u64);
        let weighted_length = weighted.and_then(|sum| sum.checked_add(self.weighted_length));
        self.weighted_length = weighted_length.ok_or_else(|| {
            Error::new(
                ErrorKind::Training,
                "the pairs of the text are more than 2^64 - 1; scale the weights down",
            )
        })?;
        // The separator that closed the array opens the unit.
        let header = self.header(weight);
        if let Some(last) = self.slots.last_mut() {
            *last = header;
        }
        if n_tokens > LONGEST_WALK {
            self.long_units.push(self.slots.len() as u32);
        }
        self.slots.extend(token_ids);
        self.slots.push(SEPARATOR);
        Ok(())
    }

    /// All that is needed to make them again, if every token has one slot.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let n_large = (self.large_weights.len() as u64).to_le_bytes();
        let large = self.large_weights.iter().flat_map(|weight| weight.to_le_bytes());
        let slots = self.slots.iter().flat_map(|slot| slot.to_le_bytes());
        n_large.into_iter().chain(large).chain(slots).collect()
    }

    /// The sequences of [`Sequences::to_bytes`], to be read: neither the places of long units nor the sum of the weights
    /// is known.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (n_large, rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let (large, slots) = rest.split_at(u64::from_le_bytes(*n_large) as usize * size_of::<u64>());
        Self {
            slots: slots.as_chunks().0.iter().map(|&slot| u32::from_le_bytes(slot)).collect(),
            large_weights: large.as_chunks().0.iter().map(|&weight| u64::from_le_bytes(weight)).collect(),
            long_units: Vec::new(),
            weighted_length: 0,
        }
    }

    fn header(&mut self, weight: u64) -> u32 {
        if weight < u64::from(IS_LARGE) {
            return SEPARATOR | weight as u32;
        }
        let place = match self.large_weights.last() {
            Some(&last) if last == weight => self.large_weights.len() - 1,
            _ => {
                self.large_weights.push(weight);
                self.large_weights.len() - 1
            }
        };
        SEPARATOR | IS_LARGE | place as u32
    }

    fn weight_of(&self, separator: u32) -> u64 {
        let value = separator & (IS_LARGE - 1);
        if separator & IS_LARGE == 0 {
            u64::from(value)
        } else {
            self.large_weights[value as usize]
        }
    }

    /// The token that starts at a slot, which is one's first slot or a separator; `None` for the latter.
    #[inline]
    pub(super) fn token(&self, slot: usize) -> Option<u32> {
        let value = self.slots[slot];
        (value & KIND == 0).then_some(value)
    }

    /// Where the second token of a pair that starts at a slot begins, and where it ends; `None` if it is not there any more.
    #[inline]
    pub(super) fn find_pair(&self, slot: usize, left: u32, right: u32) -> Option<(usize, usize)> {
        if self.slots[slot] != left {
            return None;
        }
        let second = self.next(slot);
        (self.slots[second] == right).then(|| (second, self.next(second)))
    }

    /// The slot behind the token at a slot.
    #[inline]
    fn next(&self, slot: usize) -> usize {
        slot + self.span(slot + 1)
    }

    /// The token before a slot, with its first slot; `None` at the start of a unit.
    #[inline]
    pub(super) fn before(&self, slot: usize) -> Option<(usize, u32)> {
        if self.slots[slot - 1] & KIND == SEPARATOR {
            return None;
        }
        let before = slot - self.span(slot - 1);
        Some((before, self.slots[before]))
    }

    /// The length of the span of which a slot is the second or the last; 1 if it is neither.
    #[inline]
    fn span(&self, slot: usize) -> usize {
        let value = self.slots[slot];
        if value & KIND == INSIDE {
            (value & !KIND) as usize
        } else {
            1
        }
    }

    /// The weight of the unit that a token is in.
    #[inline]
    pub(super) fn weight_at(&self, slot: usize) -> u64 {
        let mut at = slot;
        for _ in 0..LONGEST_WALK {
            let value = self.slots[at - 1];
            if value & KIND == SEPARATOR {
                return self.weight_of(value);
            }
            at -= self.span(at - 1);
        }
        let unit = self.long_units.partition_point(|&start| start as usize <= slot) - 1;
        self.weight_of(self.slots[self.long_units[unit] as usize - 1])
    }

    /// Asks for the memory of a slot.
    #[inline]
    pub(super) fn prefetch(&self, slot: u32) {
        crate::encode::prefetch(self.slots.as_ptr().wrapping_add(slot as usize));
    }

    /// Puts a token over those at `left` and `right`, the latter ending before `end`.
    #[inline]
    pub(super) fn replace(&mut self, left: usize, right: usize, end: usize, token_id: u32) {
        let length = (end - left) as u32;
        self.slots[left] = token_id;
        self.slots[right] = INSIDE;
        self.slots[left + 1] = INSIDE | length;
        self.slots[end - 1] = INSIDE | length;
    }

    /// Gives every token one slot again, and drops units of one token. Positions change. O(slots).
    pub(super) fn compact(&mut self) {
        self.long_units.clear();
        let (mut read, mut written) = (0, 0);
        let mut unit = 0;
        while read < self.slots.len() {
            let slot = self.slots[read];
            if slot & KIND == SEPARATOR {
                let n_tokens = written - unit;
                if n_tokens == 1 {
                    written = unit;
                }
                if n_tokens > LONGEST_WALK {
                    self.long_units.push(unit as u32);
                }
                // The separator of a unit that was dropped gives way to the next.
                written -= usize::from(n_tokens <= 1 && written > 0);
                unit = written + 1;
                self.slots[written] = slot;
                read += 1;
            } else {
                let length = self.span(read + 1);
                self.slots[written] = slot;
                read += length;
            }
            written += 1;
        }
        self.slots.truncate(written);
        self.slots.shrink_to(2 * written);
    }

    /// Visits every unit with its weight. To be called when every token has one slot.
    pub(super) fn for_each_unit(
        &self,
        mut visit: impl FnMut(&[u32], u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut weight = 0;
        for unit in self.slots.split_inclusive(|slot| slot & KIND == SEPARATOR) {
            let (&separator, token_ids) = unit.split_last().unwrap_or((&SEPARATOR, &[]));
            if !token_ids.is_empty() {
                visit(token_ids, weight)?;
            }
            weight = self.weight_of(separator);
        }
        Ok(())
    }

    /// Visits every pair of neighbours with the first slot of the left one and the weight of the unit. To be called when
    /// every token has one slot.
    pub(super) fn for_each_pair(
        &self,
        mut visit: impl FnMut(u32, u32, u32, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut weight = 0;
        for (slot, pair) in (0..).zip(self.slots.windows(2)) {
            let (left, right) = (pair[0], pair[1]);
            if left & KIND == SEPARATOR {
                weight = self.weight_of(left);
            } else if right & KIND != SEPARATOR {
                visit(slot, left, right, weight)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pairs(sequences: &Sequences) -> Vec<(u32, u32, u64)> {
        let mut pairs = Vec::new();
        let visit = |_, left, right, weight| {
            pairs.push((left, right, weight));
            Ok(())
        };
        sequences.for_each_pair(visit).unwrap();
        pairs
    }

    #[test]
    fn compacting_leaves_the_units_that_have_pairs() {
        let mut sequences = Sequences::new();
        let units: [(&[u32], u64); 5] =
            [(&[1, 2], 3), (&[4, 5, 6], 1 << 40), (&[7], 9), (&[1, 2], 0), (&[8, 9, 8, 9], 5)];
        for (unit, weight) in units {
            sequences.push(unit.iter().copied(), weight).unwrap();
        }
        // The first unit becomes one token, the second two, the last two of two slots each.
        sequences.replace(1, 2, 3, 20);
        sequences.replace(5, 6, 7, 21);
        sequences.replace(8, 9, 10, 22);
        sequences.replace(10, 11, 12, 22);
        assert_eq!((sequences.next(8), sequences.before(10)), (10, Some((8, 22))));
        assert_eq!((sequences.weight_at(10), sequences.weight_at(5)), (5, 1 << 40));
        sequences.compact();
        assert_eq!(pairs(&sequences), [(4, 21, 1 << 40), (22, 22, 5)]);
        sequences.compact();
        assert_eq!(sequences.len(), 7);
    }

    #[test]
    fn the_weight_of_a_long_unit_is_found_from_any_of_its_tokens() {
        let mut sequences = Sequences::new();
        sequences.push([1, 2].into_iter(), 7).unwrap();
        sequences.push(vec![3; 1000].into_iter(), 8).unwrap();
        sequences.push(vec![4; 1000].into_iter(), 1 << 33).unwrap();
        for _ in 0..2 {
            for (slot, weight) in
                [(1, 7), (2, 7), (4, 8), (600, 8), (1003, 8), (1005, 1 << 33), (2004, 1 << 33)]
            {
                assert_eq!(sequences.weight_at(slot), weight, "{slot}");
            }
            sequences.compact();
        }
    }
}
