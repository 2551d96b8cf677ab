//! The pieces that wait in a stream: in order of arrival, and by weight, so that both the oldest and the heaviest that fits
//! are found at once. Pieces of one weight are a list, oldest first, through the pieces themselves; which weights there are
//! is a bitmap, or for huge capacities an ordered map.

use crate::bitmap::{Bitmap, LARGEST_BITMAP};
use crate::stream::Waiting;
use std::collections::{BTreeMap, VecDeque};

/// The pieces that wait.
#[derive(Debug, Clone)]
pub(crate) struct WaitingPieces {
    /// In order of arrival. What was taken stays as long as an older piece waits.
    slots: VecDeque<Slot>,
    /// The number of the first slot. Numbers wrap around.
    first: u32,
    lists: Lists,
    /// What all that wait weigh.
    weight: u64,
}

/// A piece, small: most time goes into fetching slots from memory.
#[derive(Debug, Clone)]
struct Slot {
    document: u64,
    start: u32,
    /// 0 if the piece was taken.
    length: u32,
    /// The number of the next one of the same weight; its own if there is none.
    next: u32,
}

impl Slot {
    fn is_taken(&self) -> bool {
        self.length == 0
    }

    fn piece(&self) -> Waiting {
        Waiting { document: self.document, start: self.start, length: self.length }
    }
}

/// The oldest and the newest piece of every weight.
#[derive(Debug, Clone)]
enum Lists {
    /// The bitmap has `most - weight` for every weight that there is.
    ByBitmap {
        present: Bitmap,
        ends: Vec<(u32, u32)>,
        most: u32,
    },
    ByMap(BTreeMap<u32, (u32, u32)>),
}

impl Lists {
    #[inline]
    fn get(&mut self, weight: u32) -> Option<&mut (u32, u32)> {
        match self {
            Self::ByBitmap { present, ends, most } => {
                present.contains((*most - weight) as usize).then(|| &mut ends[weight as usize])
            }
            Self::ByMap(ends) => ends.get_mut(&weight),
        }
    }

    /// Begins the list of a weight that there was none of.
    fn insert(&mut self, weight: u32, of_weight: (u32, u32)) {
        match self {
            Self::ByBitmap { present, ends, most } => {
                present.insert((*most - weight) as usize);
                ends[weight as usize] = of_weight;
            }
            Self::ByMap(ends) => {
                ends.insert(weight, of_weight);
            }
        }
    }

    fn remove(&mut self, weight: u32) {
        match self {
            Self::ByBitmap { present, most, .. } => present.remove((*most - weight) as usize),
            Self::ByMap(ends) => {
                ends.remove(&weight);
            }
        }
    }

    /// The largest weight of at most this.
    #[inline]
    fn within(&self, room: u32) -> Option<u32> {
        match self {
            Self::ByBitmap { present, most, .. } => {
                present.next_from((most - room) as usize).map(|member| most - member as u32)
            }
            Self::ByMap(ends) => ends.range(..=room).next_back().map(|(&weight, _)| weight),
        }
    }
}

impl WaitingPieces {
    /// None yet; no piece will weigh more than `most`.
    pub(crate) fn new(most: u32) -> Self {
        let lists = if most <= LARGEST_BITMAP {
            let sizes = most as usize + 1;
            Lists::ByBitmap { present: Bitmap::new(sizes), ends: vec![(0, 0); sizes], most }
        } else {
            Lists::ByMap(BTreeMap::new())
        };
        Self { slots: VecDeque::new(), first: 0, lists, weight: 0 }
    }

    /// What all that wait weigh.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// All that wait, in order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Waiting> + '_ {
        self.slots.iter().filter(|slot| !slot.is_taken()).map(Slot::piece)
    }

    /// Adds a piece.
    pub(crate) fn push(&mut self, piece: Waiting, weight: u32) {
        let number = self.first.wrapping_add(self.slots.len() as u32);
        let Waiting { document, start, length } = piece;
        self.slots.push_back(Slot { document, start, length, next: number });
        self.weight += u64::from(weight);
        match self.lists.get(weight) {
            None => self.lists.insert(weight, (number, number)),
            Some((_, newest)) => {
                let last = std::mem::replace(newest, number);
                let place = self.place(last);
                self.slots[place].next = number;
            }
        }
    }

    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    /// The length of the oldest piece.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.slots.front().map(|slot| slot.length)
    }

    /// The weight of the heaviest piece that weighs at most this.
    pub(crate) fn heaviest_within(&self, room: u32) -> Option<u32> {
        self.lists.within(room)
    }

    /// Whether several pieces have this weight.
    pub(crate) fn has_several(&mut self, weight: u32) -> bool {
        self.lists.get(weight).is_some_and(|(oldest, newest)| oldest != newest)
    }

    /// Takes the oldest piece of this weight, if there is one.
    #[inline]
    pub(crate) fn take(&mut self, weight: u32) -> Option<Waiting> {
        let (oldest, newest) = self.lists.get(weight)?;
        let place = oldest.wrapping_sub(self.first) as usize;
        let slot = &mut self.slots[place];
        let piece = slot.piece();
        slot.length = 0;
        if oldest == newest {
            self.lists.remove(weight);
        } else {
            *oldest = slot.next;
        }
        self.weight -= u64::from(weight);
        if place == 0 {
            while self.slots.front().is_some_and(Slot::is_taken) {
                self.slots.pop_front();
                self.first = self.first.wrapping_add(1);
            }
        }
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list that is looked through.
        #[test]
        fn finds_and_takes_what_a_list_would(
            huge in any::<bool>(),
            steps in prop::collection::vec((0..4u8, 1..40u32), 0..300),
        ) {
            let mut pieces = WaitingPieces::new(if huge { LARGEST_BITMAP + 1 } else { 40 });
            let mut list: Vec<(Waiting, u32)> = Vec::new();
            for (document, (step, weight)) in (0..).zip(steps) {
                let piece = Waiting { document, start: 0, length: weight };
                if step > 1 {
                    pieces.push(piece, weight);
                    list.push((piece, weight));
                    continue;
                }
                let expected = list.iter().map(|&(_, of)| of).filter(|&of| of <= weight).max();
                let found = pieces.heaviest_within(weight);
                prop_assert_eq!(found, expected);
                prop_assert_eq!(pieces.oldest(), list.first().map(|&(_, of)| of));
                let taken = if step == 0 { found } else { pieces.oldest() };
                if let Some(weight) = taken {
                    let several = list.iter().filter(|&&(_, of)| of == weight).count() > 1;
                    prop_assert_eq!(pieces.has_several(weight), several);
                    let place = list.iter().position(|&(_, of)| of == weight);
                    let expected = place.map(|place| list.remove(place).0);
                    prop_assert_eq!(pieces.take(weight), expected);
                }
                prop_assert_eq!(pieces.weight(), list.iter().map(|&(_, of)| u64::from(of)).sum::<u64>());
                prop_assert_eq!(pieces.iter().collect::<Vec<_>>(), list.iter().map(|&(piece, _)| piece).collect::<Vec<_>>());
            }
        }
    }
}
