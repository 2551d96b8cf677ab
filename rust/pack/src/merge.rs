//! One plan of several, as for a corpus in shards that were packed each for itself: sequences that are full enough stay as
//! they are, and the pieces of all others are placed anew, together.
//!
//! A shard loses about half a sequence, whatever its size, so that of a thousand sequences or more hardly any is moved,
//! and after the merge the plan is about as good as if all had been packed at once.

use crate::arrange::by_sequence;
use crate::best_fit::BestFit;
use crate::cut::check_count;
use crate::error::{Error, Result};
use crate::format::SequenceFormat;
use crate::order::{heaviest_first, Weighted};
use crate::place::{place, Limits};
use crate::plan::{PackPlan, PieceTable, Pieces};
use std::num::NonZeroU32;

/// Pieces that are placed anew.
struct Moved<'a> {
    format: SequenceFormat,
    table: PieceTable<'a>,
    /// In order of document and start.
    numbers: Vec<u32>,
}

impl Weighted for Moved<'_> {
    fn for_each(&self, mut visit: impl FnMut(u32, u32)) {
        self.numbers.iter().for_each(|&number| visit(number, self.weight(number)));
    }

    fn weight(&self, number: u32) -> u32 {
        self.table.get(number).map_or(0, |(.., length)| self.format.weight(length))
    }

    fn size_hint(&self) -> usize {
        self.numbers.len()
    }
}

/// Makes one plan of the plans of shards, each with the lengths of its documents. Documents are numbered through. Sequences
/// with fewer than `least_tokens` tokens are packed anew by best fit decreasing, with at most `max_documents` pieces each;
/// they come last. O(N) for N pieces.
///
/// # Errors
/// If plans differ in format, are not of these lengths, or have too many pieces.
pub fn merge(
    shards: &[(&PackPlan, &[u32])],
    least_tokens: u32,
    max_documents: Option<NonZeroU32>,
) -> Result<(PackPlan, Vec<u32>)> {
    let format = match shards {
        [] => return Err(Error::new("there is no plan to merge")),
        [(first, _), ..] => first.format,
    };
    let lengths: Vec<u32> = shards.iter().flat_map(|(_, lengths)| lengths.iter().copied()).collect();
    let n_cut: usize = shards.iter().map(|(plan, _)| plan.cut_pieces.len()).sum();
    check_count(lengths.len() + n_cut)?;
    let mut merged = PackPlan {
        format,
        n_documents: lengths.len(),
        piece_numbers: Vec::new(),
        cut_pieces: Pieces::default(),
        sequence_offsets: vec![0],
        dropped: Pieces::default(),
    };
    let mut moved = Vec::new();
    let mut first_document = 0u32;
    for (number, &(plan, of_shard)) in shards.iter().enumerate() {
        if plan.format != format {
            return Err(Error::new(format!(
                "plan {number} has another capacity, framing, alignment or overlap than plan 0; pack all shards alike"
            )));
        }
        let pieces = plan.pieces(of_shard)?;
        let first_cut = merged.n_documents as u32 + merged.cut_pieces.len() as u32;
        let in_merged = |piece: u32| match (piece as usize).checked_sub(plan.n_documents) {
            None => first_document + piece,
            Some(cut) => first_cut + cut as u32,
        };
        for bounds in plan.sequence_offsets.windows(2) {
            let range = bounds[0] as usize..bounds[1] as usize;
            let (numbers, lengths) =
                plan.piece_numbers.get(range.clone()).zip(pieces.length.get(range)).ok_or_else(|| {
                    Error::new(format!("plan {number} is damaged: its offsets are out of range"))
                })?;
            let numbers = numbers.iter().map(|&piece| in_merged(piece));
            if format.tokens(lengths.iter().copied()) < u64::from(least_tokens) {
                moved.extend(numbers);
            } else {
                merged.piece_numbers.extend(numbers);
                merged.sequence_offsets.push(merged.piece_numbers.len() as u64);
            }
        }
        for (document, start, length) in plan.cut_pieces.as_slices().iter() {
            merged.cut_pieces.push(first_document + document, start, length);
        }
        for (document, start, length) in plan.dropped.as_slices().iter() {
            merged.dropped.push(first_document + document, start, length);
        }
        first_document += plan.n_documents as u32;
    }
    let end = merged.n_documents + merged.cut_pieces.len();
    let (numbers, offsets) = {
        let table = merged.table(&lengths);
        moved.sort_unstable_by_key(|&number| table.get(number).map(|(document, start, _)| (document, start)));
        let moved = Moved { format, table, numbers: moved };
        let order = heaviest_first(&moved, format.room());
        let limits = Limits::new(format.room(), max_documents);
        by_sequence(&moved, place(&order, end, limits, 0, &mut BestFit::new(limits.room)))
    };
    let n_kept = merged.piece_numbers.len() as u64;
    merged.piece_numbers.extend(numbers);
    merged.sequence_offsets.extend(offsets.into_iter().skip(1).map(|offset| n_kept + offset));
    Ok((merged, lengths))
}
