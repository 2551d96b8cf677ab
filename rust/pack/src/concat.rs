//! Concatenation, as GPT-2 was fed: documents one after the other, cut wherever a sequence is full. No hole but the last,
//! at the price of cutting about one document a sequence. O(pieces).

use crate::cut::{check_count, CutDocuments};
use crate::error::Result;
use crate::format::SequenceFormat;
use crate::place::Limits;
use crate::plan::Pieces;

/// Pieces laid out in their order: their numbers, where every sequence starts and the last one ends, and the table of what
/// is not a whole document.
pub(crate) struct Concatenated {
    pub(crate) piece_numbers: Vec<u32>,
    pub(crate) sequence_offsets: Vec<u64>,
    pub(crate) cut_pieces: Pieces,
}

/// Lays the documents out one after the other.
pub(crate) fn concatenate(
    cut: &CutDocuments<'_>,
    format: &SequenceFormat,
    limits: Limits,
) -> Result<Concatenated> {
    let n_documents = cut.n_documents();
    let mut out = Concatenated {
        piece_numbers: Vec::with_capacity(n_documents),
        sequence_offsets: vec![0],
        cut_pieces: Pieces::default(),
    };
    let (mut room, mut count) = (limits.room, 0);
    cut.for_each(|piece, length| {
        let (document, mut start, _) = cut.piece(piece);
        let mut rest = length;
        while rest > 0 {
            if room == 0 || count == limits.pieces {
                out.sequence_offsets.push(out.piece_numbers.len() as u64);
                (room, count) = (limits.room, 0);
            }
            let length = rest.min(room);
            let is_whole = piece == document && length == rest && start == 0;
            out.piece_numbers.push(if is_whole {
                document
            } else {
                out.cut_pieces.push(document, start, length);
                (n_documents + out.cut_pieces.len() - 1) as u32
            });
            start += length;
            rest -= length;
            room -= format.weight(length);
            count += 1;
        }
    });
    if count > 0 {
        out.sequence_offsets.push(out.piece_numbers.len() as u64);
    }
    check_count(n_documents + out.cut_pieces.len())?;
    Ok(out)
}
