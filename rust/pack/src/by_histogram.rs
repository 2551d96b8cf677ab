//! Placement by a histogram: the pieces are counted by weight, the counts are packed, and every sequence takes, of each
//! weight that its pattern has, the first pieces that are left. O(pieces), beside what packing the counts takes.

use crate::cut::CutDocuments;
use crate::error::Result;
use crate::histogram::{pack_histogram, HistogramStrategy};
use crate::options::PackOptions;
use crate::order::heaviest_first;
use crate::place::Placed;

/// Places every piece in sequences as a histogram of weights is packed.
pub(crate) fn place_by_histogram(
    cut: &CutDocuments<'_>,
    strategy: HistogramStrategy,
    options: &PackOptions,
) -> Result<Placed> {
    let room = options.format.room();
    let order = heaviest_first(cut, room);
    let mut counts = vec![0; order.runs.first().map_or(0, |&(heaviest, _)| heaviest as usize + 1)];
    // For every run, the place in the order of its first piece that is left.
    let mut next = 0;
    let mut left = Vec::with_capacity(order.runs.len());
    for &(weight, count) in &order.runs {
        counts[weight as usize] = u64::from(count);
        left.push(next);
        next += count as usize;
    }
    let patterns = pack_histogram(&counts, room, strategy, options.max_documents_per_sequence)?;
    let mut placed = Placed { sequence_of: vec![0; cut.end()], pieces_in: Vec::new() };
    for (weights, repeats) in patterns.iter() {
        let run_of = |weight: &u32| order.runs.partition_point(|&(heavier, _)| heavier > *weight);
        let runs: Vec<usize> = weights.iter().map(run_of).collect();
        for _ in 0..repeats {
            for &run in &runs {
                let piece = order.pieces[left[run]];
                left[run] += 1;
                placed.sequence_of[piece as usize] = placed.pieces_in.len() as u32;
            }
            placed.pieces_in.push(runs.len() as u32);
        }
    }
    Ok(placed)
}
