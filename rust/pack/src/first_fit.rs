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
    fn take(&mut self, length: u32) -> Option<(u32, u32)> {
        if self.largest_room[1] < length {
            return None;
        }
        let mut node = 1;
        while node < self.leaves() {
            node *= 2;
            if self.largest_room[node] < length {
                node += 1;
            }
        }
        let sequence = node - self.leaves();
        let room = self.largest_room[node];
        self.set(sequence, 0);
        Some((sequence as u32, room))
    }

    fn put(&mut self, sequence: u32, room: u32) {
        while sequence as usize >= self.leaves() {
            self.double();
        }
        self.set(sequence as usize, room);
    }
}
