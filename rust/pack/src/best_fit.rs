//! The open sequences of best fit: the one with the least room that still holds the piece; of several with that room, the
//! one that a piece was put into last. So every amount of room has a stack of sequences, and the question is which stacks
//! are not empty.
//!
//! For the capacities of practice, a bitmap has a bit for every amount of room, with a bit above for every 64 below, so
//! that the next set bit is found in a handful of steps ([`BestFitByBitmap`]). For huge capacities that bitmap would be
//! larger than the work, and an ordered map of the stacks takes its place ([`BestFitByMap`]). Both answer the same.

use crate::bitmap::{Bitmap, LARGEST_BITMAP};
use crate::place::OpenSequences;
use std::collections::BTreeMap;

/// The open sequences of best fit.
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

/// Best fit for rooms up to [`LARGEST_BITMAP`].
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
#[derive(Default)]
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
