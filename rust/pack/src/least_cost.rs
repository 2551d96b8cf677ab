//! Sequences of even cost: as many as best fit needs are open from the start, and every piece, the heaviest first, goes into
//! the one in which attention costs least so far, among those with room. Attention within pieces costs the square of their
//! lengths, so this is the longest-first rule of scheduling (Graham 1969) with a limit of room. Where sequences have many
//! pieces, it makes hardly more of them than best fit, since the light ones come last and find room everywhere.
//!
//! Weights only descend, so a sequence without room for one is parked under its room, until a weight comes that it has room
//! for. All others are in a heap by cost. Every piece moves one sequence, so it is O(N log N).

use crate::place::OpenSequences;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The open sequences; the heaviest piece comes first.
pub(crate) struct LeastCost {
    /// Cost, number and room of the sequences that had room for the last weight.
    ready: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// Cost and number of the others, by room.
    parked: BTreeMap<u32, Vec<(u64, u32)>>,
    /// Cost of the sequence that was taken last, 0 if it is a new one, and the weight that it was taken for.
    taken: (u64, u32),
}

impl LeastCost {
    /// This many sequences, all empty.
    pub(crate) fn new(n_sequences: usize, room: u32) -> Self {
        let ready = (0..n_sequences as u32).map(|sequence| Reverse((0, sequence, room))).collect();
        Self { ready, parked: BTreeMap::new(), taken: (0, 0) }
    }
}

impl OpenSequences for LeastCost {
    const TAKES_RUNS: bool = false;

    fn take(&mut self, weight: u32, mut accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)> {
        for (room, sequences) in self.parked.split_off(&weight) {
            self.ready.extend(sequences.into_iter().map(|(cost, sequence)| Reverse((cost, sequence, room))));
        }
        let mut refused = Vec::new();
        let mut chosen = None;
        while let Some(Reverse((cost, sequence, room))) = self.ready.pop() {
            if room < weight {
                self.parked.entry(room).or_default().push((cost, sequence));
            } else if accepts(sequence) {
                chosen = Some((cost, sequence, room));
                break;
            } else {
                refused.push(Reverse((cost, sequence, room)));
            }
        }
        self.ready.extend(refused);
        self.taken = (chosen.map_or(0, |(cost, ..)| cost), weight);
        chosen.map(|(_, sequence, room)| (sequence, room))
    }

    fn put(&mut self, sequence: u32, room: u32) {
        let (cost, weight) = self.taken;
        self.ready.push(Reverse((cost + u64::from(weight).pow(2), sequence, room)));
    }
}
