//! The open sequences of first fit: the lowest-numbered one that holds the piece. A binary tree over the sequences keeps
//! in every node the largest room below it, so the way down to the first fitting leaf is O(log N).

use crate::place::OpenSequences;

/// The sequences are the leaves; a closed or unopened one has no room.
pub(crate) struct FirstFit {
    /// Node 1 is the root, node `n` has the children `2n` and `2n + 1`, and the last half of the nodes are the leaves.
    largest_room: Vec<u32>,
}

impl FirstFit {
    pub(crate) fn new() -> Self {
        Self { largest_room: vec![0; 2] }
    }

    fn leaves(&self) -> usize {
        self.largest_room.len() / 2
    }

    fn set(&mut self, sequence: usize, room: u32) {
        let mut node = self.leaves() + sequence;
        self.largest_room[node] = room;
        while node > 1 {
            node /= 2;
            self.largest_room[node] = self.largest_room[2 * node].max(self.largest_room[2 * node + 1]);
        }
    }

    /// The first sequence from `from` on that has this much room.
    fn first_with(&self, room: u32, from: usize) -> Option<usize> {
        if from >= self.leaves() {
            return None;
        }
        // Up from the leaf, to the right of all that comes before it, until there is room below; then down to it.
        let mut node = self.leaves() + from;
        while self.largest_room[node] < room {
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
        while node < self.leaves() {
            node *= 2;
            if self.largest_room[node] < room {
                node += 1;
            }
        }
        Some(node - self.leaves())
    }

    /// Twice as many leaves: one tree more, without room, on the right of the old one at every height.
    fn double(&mut self) {
        let leaves = self.leaves();
        let old = std::mem::replace(&mut self.largest_room, vec![0; 4 * leaves]);
        self.largest_room[1] = old[1];
        let mut row = 1;
        while row <= leaves {
            self.largest_room[2 * row..3 * row].copy_from_slice(&old[row..2 * row]);
            row *= 2;
        }
    }
}

impl OpenSequences for FirstFit {
    fn take(&mut self, weight: u32, mut accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)> {
        let mut from = 0;
        loop {
            let sequence = self.first_with(weight, from)?;
            if accepts(sequence as u32) {
                let room = self.largest_room[self.leaves() + sequence];
                self.set(sequence, 0);
                return Some((sequence as u32, room));
            }
            from = sequence + 1;
        }
    }

    fn put(&mut self, sequence: u32, room: u32) {
        while sequence as usize >= self.leaves() {
            self.double();
        }
        self.set(sequence as usize, room);
    }
}
