//! Packing from end to end: cut long documents, place the pieces, lay them out by sequence.

use crate::best_fit::place_best_fit;
use crate::concat::concatenate;
use crate::cut::{cut_documents, CutDocuments};
use crate::error::Result;
use crate::first_fit::FirstFit;
use crate::options::{PackOptions, Strategy};
use crate::order::longest_first;
use crate::place::Placement;
use crate::plan::{PackPlan, Pieces};

/// Plans which tokens of documents with these lengths stand in which sequence.
///
/// The plan depends on the lengths and the options alone. Best fit takes O(N + capacity) time for capacities up to 2²²
/// and O(N log N) above, first fit O(N log N), concatenation O(N), where N is the number of documents plus cuts.
///
/// # Errors
/// For a capacity that is 0 or above [`crate::MAX_LENGTH`], a document longer than that, more than 2³² pieces, and, where
/// the options say so, a document longer than the capacity.
pub fn pack(lengths: &[u32], options: &PackOptions) -> Result<PackPlan> {
    options.check()?;
    let capacity = options.capacity;
    let CutDocuments { pieces, dropped, n_empty_documents } = cut_documents(lengths, options)?;

    let max_documents = options.max_documents_per_sequence;
    let (pieces, sequence_offsets) = match options.strategy {
        Strategy::Concat => concatenate(&pieces, capacity, max_documents),
        Strategy::BestFitDecreasing | Strategy::FirstFitDecreasing => {
            let order = longest_first(&pieces.length);
            let placement = Placement { lengths: &pieces.length, order: &order, capacity, max_documents };
            let (sequence_of, n_sequences) = match options.strategy {
                Strategy::FirstFitDecreasing => placement.place(FirstFit::new()),
                _ => place_best_fit(&placement),
            };
            group_by_sequence(&pieces, &sequence_of, n_sequences)
        }
    };
    Ok(PackPlan {
        capacity,
        framing: options.framing,
        n_documents: lengths.len(),
        n_empty_documents,
        pieces,
        sequence_offsets,
        dropped,
    })
}

/// Orders pieces by sequence; within one they keep their order, which is that of documents. A counting sort, O(N).
fn group_by_sequence(pieces: &Pieces, sequence_of: &[u32], n_sequences: usize) -> (Pieces, Vec<u64>) {
    let mut offsets = vec![0u64; n_sequences + 1];
    for &sequence in sequence_of {
        offsets[sequence as usize + 1] += 1;
    }
    for sequence in 0..n_sequences {
        offsets[sequence + 1] += offsets[sequence];
    }
    let mut next = offsets.clone();
    let mut grouped = Pieces {
        document: vec![0; pieces.len()],
        start: vec![0; pieces.len()],
        length: vec![0; pieces.len()],
    };
    for ((document, start, length), &sequence) in pieces.as_slices().iter().zip(sequence_of) {
        let place = next[sequence as usize] as usize;
        next[sequence as usize] += 1;
        grouped.document[place] = document;
        grouped.start[place] = start;
        grouped.length[place] = length;
    }
    (grouped, offsets)
}
