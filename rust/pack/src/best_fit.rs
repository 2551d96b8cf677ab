//! The open sequences of best fit: the one with the least room that still holds the piece; of several with that room, the
//! one that a piece was put into last. So every amount of room has a stack of sequences, and the question is which stacks
//! are not empty.
//!
//! For the capacities of practice, a bitmap has a bit for every amount of room, with a bit above for every 64 below, so
//! that the next set bit is found in a handful of steps ([`BestFitByBitmap`]). For huge capacities that bitmap would be
//! larger than the work, and an ordered map of the stacks takes its place ([`BestFitByMap`]). Both answer the same.

use crate::place::OpenSequences;
use std::collections::BTreeMap;

/// Up to this room the bitmap and its stacks take at most 20 MB, allocated but not touched where not used.
const LARGEST_BITMAP: u32 = 1 << 22;

/// The open sequences of best fit.
#[derive(Debug, Clone)]
pub(crate) enum BestFit {
    ByBitmap(BestFitByBitmap),
    ByMap(BestFitByMap),
}

impl BestFit {
    /// None yet; a new one has this much room.
    pub(crate) fn new(room: u32) -> Self {
        if room <= LARGEST_BITMAP {
            Self::ByBitmap(BestFitByBitmap::new(room))
        } else {
            Self::ByMap(BestFitByMap::default())
        }
    }

    /// None again.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::ByBitmap(open) => open.clear(),
            Self::ByMap(open) => open.stacks.clear(),
        }
    }
}

impl OpenSequences for BestFit {
    fn take(&mut self, weight: u32, accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)> {
        match self {
            Self::ByBitmap(open) => open.take(weight, accepts),
            Self::ByMap(open) => open.take(weight, accepts),
        }
    }

    fn put(&mut self, sequence: u32, room: u32) {
        match self {
            Self::ByBitmap(open) => open.put(sequence, room),
            Self::ByMap(open) => open.put(sequence, room),
        }
    }
}

/// A set of small integers that finds its smallest member from a given one on, in one step for each factor of 64.
#[derive(Debug, Clone)]
struct Bitmap {
    /// `levels[0]` has a bit for every integer; every bit of the next level says whether a word of this one is not zero.
    levels: Vec<Vec<u64>>,
}

impl Bitmap {
    fn new(size: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = size.max(1);
        loop {
            let words = bits.div_ceil(64);
            levels.push(vec![0u64; words]);
            if words == 1 {
                return Self { levels };
            }
            bits = words;
        }
    }

    fn clear(&mut self) {
        for level in &mut self.levels {
            level.fill(0);
        }
    }

    fn insert(&mut self, mut member: usize) {
        for level in &mut self.levels {
            let word = &mut level[member / 64];
            let was_empty = *word == 0;
            *word |= 1 << (member % 64);
            if !was_empty {
                return;
            }
            member /= 64;
        }
    }

    fn remove(&mut self, mut member: usize) {
        for level in &mut self.levels {
            let word = &mut level[member / 64];
            *word &= !(1 << (member % 64));
            if *word != 0 {
                return;
            }
            member /= 64;
        }
    }

    fn contains(&self, member: usize) -> bool {
        self.levels[0][member / 64] >> (member % 64) & 1 == 1
    }

    /// The smallest member that is at least `from`.
    fn next_from(&self, mut from: usize) -> Option<usize> {
        for (height, level) in self.levels.iter().enumerate() {
            let word = level.get(from / 64)? & (u64::MAX << (from % 64));
            if word != 0 {
                let mut member = from / 64 * 64 + word.trailing_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    member = member * 64 + below[member].trailing_zeros() as usize;
                }
                return Some(member);
            }
            from = from / 64 + 1;
        }
        None
    }
}

/// Best fit for rooms up to [`LARGEST_BITMAP`].
#[derive(Debug, Clone)]
pub(crate) struct BestFitByBitmap {
    rooms: Bitmap,
    /// The sequence on top of the stack of every room in `rooms`, and one below every sequence.
    top: Vec<u32>,
    below: Vec<u32>,
}

/// Below the bottom of a stack.
const NONE: u32 = u32::MAX;

impl BestFitByBitmap {
    fn new(room: u32) -> Self {
        let sizes = room as usize + 1;
        Self { rooms: Bitmap::new(sizes), top: vec![0; sizes], below: Vec::new() }
    }

    fn clear(&mut self) {
        self.rooms.clear();
        self.below.clear();
    }
}

impl OpenSequences for BestFitByBitmap {
    fn take(&mut self, weight: u32, mut accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)> {
        let mut room = self.rooms.next_from(weight as usize)?;
        loop {
            let (mut above, mut sequence) = (NONE, self.top[room]);
            while sequence != NONE {
                let below = self.below[sequence as usize];
                if accepts(sequence) {
                    match (above, below) {
                        (NONE, NONE) => self.rooms.remove(room),
                        (NONE, below) => self.top[room] = below,
                        (above, below) => self.below[above as usize] = below,
                    }
                    return Some((sequence, room as u32));
                }
                (above, sequence) = (sequence, below);
            }
            room = self.rooms.next_from(room + 1)?;
        }
    }

    fn put(&mut self, sequence: u32, room: u32) {
        let stack = room as usize;
        let below = if self.rooms.contains(stack) { self.top[stack] } else { NONE };
        if self.below.len() <= sequence as usize {
            self.below.resize(sequence as usize + 1, NONE);
        }
        self.below[sequence as usize] = below;
        self.top[stack] = sequence;
        self.rooms.insert(stack);
    }
}

/// Best fit for any room.
#[derive(Debug, Clone, Default)]
pub(crate) struct BestFitByMap {
    stacks: BTreeMap<u32, Vec<u32>>,
}

impl OpenSequences for BestFitByMap {
    fn take(&mut self, weight: u32, mut accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)> {
        let chosen = self.stacks.range_mut(weight..).find_map(|(&room, stack)| {
            let place = stack.iter().rposition(|&sequence| accepts(sequence))?;
            Some((stack.remove(place), room, stack.is_empty()))
        });
        let (sequence, room, is_last) = chosen?;
        if is_last {
            self.stacks.remove(&room);
        }
        Some((sequence, room))
    }

    fn put(&mut self, sequence: u32, room: u32) {
        self.stacks.entry(room).or_default().push(sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bitmap_and_map_choose_alike(
            capacity in 1u32..5000,
            steps in prop::collection::vec((any::<bool>(), any::<u32>(), 0u32..4), 0..300),
        ) {
            let mut bitmap = BestFitByBitmap::new(capacity);
            let mut map = BestFitByMap::default();
            let mut sequences = 0;
            for (put, amount, refused) in steps {
                let amount = amount % capacity + 1;
                if put {
                    bitmap.put(sequences, amount);
                    map.put(sequences, amount);
                    sequences += 1;
                } else {
                    let accepts = |sequence: u32| refused == 0 || sequence % 4 != refused;
                    prop_assert_eq!(bitmap.take(amount, accepts), map.take(amount, accepts));
                }
            }
        }
    }
}
