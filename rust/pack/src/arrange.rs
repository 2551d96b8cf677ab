//! From the sequence of every piece to pieces in order of sequence: a counting sort, O(pieces). Within a sequence, pieces
//! are in order of document and start, whatever the order of their placement.

use crate::options::PackOptions;
use crate::order::Weighted;
use crate::place::Placed;
use crate::plan::PackPlan;

/// The numbers of the pieces, by sequence, and where sequences start among them. `pieces` come in order of document and
/// start.
pub(crate) fn by_sequence(pieces: &impl Weighted, placed: Placed) -> (Vec<u32>, Vec<u64>) {
    let Placed { sequence_of, pieces_in: mut next } = placed;
    let mut n_pieces = 0;
    for count in &mut next {
        n_pieces += std::mem::replace(count, n_pieces);
    }
    let mut numbers = vec![0; n_pieces as usize];
    pieces.for_each(|piece, _| {
        let place = &mut next[sequence_of[piece as usize] as usize];
        numbers[*place as usize] = piece;
        *place += 1;
    });
    drop(sequence_of);
    // Every place has come to where the next sequence starts.
    let offsets = std::iter::once(0).chain(next.into_iter().map(u64::from)).collect();
    (numbers, offsets)
}

/// Every piece a sequence of its own, in this order.
pub(crate) fn one_each(numbers: Vec<u32>) -> (Vec<u32>, Vec<u64>) {
    let offsets = (0..=numbers.len() as u64).collect();
    (numbers, offsets)
}

/// Leaves sequences out that have fewer tokens than they must; their pieces are dropped.
pub(crate) fn leave_out(mut plan: PackPlan, lengths: &[u32], options: &PackOptions) -> PackPlan {
    if options.least_tokens == 0 {
        return plan;
    }
    let mut numbers = Vec::with_capacity(plan.piece_numbers.len());
    let mut offsets = vec![0];
    let mut dropped = std::mem::take(&mut plan.dropped);
    for bounds in plan.sequence_offsets.windows(2) {
        let of_sequence = &plan.piece_numbers[bounds[0] as usize..bounds[1] as usize];
        let pieces = of_sequence.iter().filter_map(|&number| plan.table(lengths).get(number));
        let tokens = options.format.tokens(pieces.clone().map(|(.., length)| length));
        if tokens < u64::from(options.least_tokens) {
            pieces.for_each(|(document, start, length)| dropped.push(document, start, length));
        } else {
            numbers.extend_from_slice(of_sequence);
            offsets.push(numbers.len() as u64);
        }
    }
    plan.dropped = dropped.sorted();
    plan.piece_numbers = numbers;
    plan.sequence_offsets = offsets;
    plan
}
