//! Concatenation, as GPT-2 was fed: documents one after the other, cut wherever a sequence is full. No hole but the last,
//! at the price of cutting about one document a sequence. O(pieces).

use crate::plan::Pieces;
use std::num::NonZeroU32;

/// Lays pieces out in their order and gives them, cut, with the first piece of every sequence and the end of the last.
pub(crate) fn concatenate(
    pieces: &Pieces,
    capacity: u32,
    max_documents: Option<NonZeroU32>,
) -> (Pieces, Vec<u64>) {
    let most = max_documents.map_or(u32::MAX, NonZeroU32::get);
    let mut cut = Pieces::with_capacity(pieces.len());
    let mut sequence_offsets = vec![0u64];
    let (mut room, mut count) = (capacity, 0);
    for (document, mut start, mut rest) in pieces.as_slices().iter() {
        while rest > 0 {
            if room == 0 || count == most {
                sequence_offsets.push(cut.len() as u64);
                (room, count) = (capacity, 0);
            }
            let length = rest.min(room);
            cut.push(document, start, length);
            start += length;
            rest -= length;
            room -= length;
            count += 1;
        }
    }
    if count > 0 {
        sequence_offsets.push(cut.len() as u64);
    }
    (cut, sequence_offsets)
}
