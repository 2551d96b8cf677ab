//! Decreasing placement, the loop that best fit and first fit share: take the longest piece, ask the open sequences for
//! one that holds it, open a new one if none does, put the piece in, hand the sequence back with the room it has left.

use std::num::NonZeroU32;

/// The sequences that can still take a piece. What sets the strategies apart is which of them [`take`] chooses.
///
/// [`take`]: OpenSequences::take
pub(crate) trait OpenSequences {
    /// Takes out the chosen sequence among those with room for `length` tokens; gives it and its room.
    fn take(&mut self, length: u32) -> Option<(u32, u32)>;

    /// Puts a sequence (back) in, with this room, at least 1. A new one has the number after the last new one.
    fn put(&mut self, sequence: u32, room: u32);
}

/// Pieces in the order of their placement, and the limits of a sequence.
pub(crate) struct Placement<'a> {
    /// Length of every piece.
    pub(crate) lengths: &'a [u32],
    /// Indices of the pieces, longest first.
    pub(crate) order: &'a [u32],
    /// Most tokens in a sequence.
    pub(crate) capacity: u32,
    /// Most pieces in a sequence.
    pub(crate) max_documents: Option<NonZeroU32>,
}

impl Placement<'_> {
    /// Places every piece; gives the sequence of each piece and the number of sequences.
    pub(crate) fn place(&self, mut open: impl OpenSequences) -> (Vec<u32>, usize) {
        let most = self.max_documents.map_or(u32::MAX, NonZeroU32::get);
        let mut sequence_of = vec![0u32; self.lengths.len()];
        let mut pieces_in: Vec<u32> = Vec::new();
        let mut next = 0;
        while let Some(&first) = self.order.get(next) {
            let length = self.lengths[first as usize];
            let (sequence, mut room) = open.take(length).unwrap_or_else(|| {
                pieces_in.push(0);
                (pieces_in.len() as u32 - 1, self.capacity)
            });
            // A sequence that was chosen for this length is chosen again for the same length while it has room: it was
            // the first, or had the least room, and nothing else has changed.
            let count = &mut pieces_in[sequence as usize];
            while let Some(&piece) = self.order.get(next) {
                if self.lengths[piece as usize] != length || room < length || *count == most {
                    break;
                }
                sequence_of[piece as usize] = sequence;
                room -= length;
                *count += 1;
                next += 1;
            }
            if room > 0 && *count < most {
                open.put(sequence, room);
            }
        }
        (sequence_of, pieces_in.len())
    }
}
