//! The open sequences of next fit: only the last one is open. It takes the piece, or is closed. So documents stay in their
//! order, and of all plans that keep it and cut nothing, none has fewer sequences.

use crate::place::OpenSequences;

/// The last sequence and its room, if it has some.
#[derive(Default)]
pub(crate) struct NextFit {
    last: Option<(u32, u32)>,
}

impl OpenSequences for NextFit {
    fn take(&mut self, weight: u32, mut accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)> {
        self.last.take().filter(|&(sequence, room)| room >= weight && accepts(sequence))
    }

    fn put(&mut self, sequence: u32, room: u32) {
        self.last = Some((sequence, room));
    }
}
