//! Packing from end to end: cut long documents, place the pieces, lay them out by sequence.

use crate::arrange::{by_sequence, leave_out, one_each};
use crate::best_fit::BestFit;
use crate::by_histogram::place_by_histogram;
use crate::concat::concatenate;
use crate::cut::CutDocuments;
use crate::error::{Error, Result};
use crate::first_fit::FirstFit;
use crate::groups::{place_groups, Constraints};
use crate::least_cost::LeastCost;
use crate::next_fit::NextFit;
use crate::options::{Cost, LongDocuments, PackOptions, Strategy};
use crate::order::{heaviest_first, PlacementOrder, Weighted};
use crate::place::{place, Limits, OpenSequences, Placed};
use crate::plan::PackPlan;

/// Plans which tokens of documents with these lengths stand in which sequence.
///
/// The plan depends on the lengths, the options and the constraints alone. Best fit takes O(N + capacity) time for
/// capacities up to 2²² and O(N log N) above, first fit O(N log N), the others O(N), where N is the number of documents plus
/// cuts. Constraints cost more: see [`Constraints`].
///
/// # Errors
/// For options that cannot be or do not go together, a document longer than [`crate::MAX_LENGTH`], more than 2³² pieces, and,
/// where the options say so, a document longer than a sequence takes; for constraints that no sequence can keep.
pub fn pack(lengths: &[u32], options: &PackOptions, constraints: &Constraints<'_>) -> Result<PackPlan> {
    options.check()?;
    constraints.check(lengths.len())?;
    check_constraints(options, constraints)?;
    let mut cut = CutDocuments::new(lengths, options, constraints.may_cut_after)?;
    let limits = Limits::new(options.format.room(), options.max_documents_per_sequence);
    let (piece_numbers, sequence_offsets) = match options.strategy {
        Strategy::Concat => {
            let laid = concatenate(&cut, &options.format, limits)?;
            cut.cut_pieces = laid.cut_pieces;
            (laid.piece_numbers, laid.sequence_offsets)
        }
        Strategy::Buckets => one_each(heaviest_first(&cut, limits.room).pieces),
        Strategy::Histogram(strategy) => by_sequence(&cut, place_by_histogram(&cut, strategy, options)?),
        Strategy::BestFitDecreasing if options.cost == Cost::Attention => {
            let order = heaviest_first(&cut, limits.room);
            let best_fit = place(&order, cut.end(), limits, 0, &mut BestFit::new(limits.room));
            let n_open = best_fit.pieces_in.len();
            let mut open = LeastCost::new(n_open, limits.room);
            by_sequence(&cut, place(&order, cut.end(), limits, n_open, &mut open))
        }
        Strategy::BestFitDecreasing => {
            let mut open = BestFit::new(limits.room);
            by_sequence(&cut, place_all(&cut, constraints, limits, true, &mut open)?)
        }
        Strategy::FirstFitDecreasing => {
            by_sequence(&cut, place_all(&cut, constraints, limits, true, &mut FirstFit::new())?)
        }
        Strategy::NextFit => {
            by_sequence(&cut, place_all(&cut, constraints, limits, false, &mut NextFit::default())?)
        }
    };
    let plan = PackPlan {
        format: options.format,
        n_documents: lengths.len(),
        piece_numbers,
        cut_pieces: cut.cut_pieces,
        sequence_offsets,
        dropped: cut.dropped,
    };
    Ok(leave_out(plan, lengths, options))
}

/// Places every piece, the heaviest first if `decreasing`, and else in order.
fn place_all(
    cut: &CutDocuments<'_>,
    constraints: &Constraints<'_>,
    limits: Limits,
    decreasing: bool,
    open: &mut impl OpenSequences,
) -> Result<Placed> {
    if constraints.are_of_sequences() {
        return place_groups(cut, constraints, limits, decreasing, open);
    }
    let order = if decreasing {
        heaviest_first(cut, limits.room)
    } else {
        let mut in_order = Vec::with_capacity(cut.size_hint());
        cut.for_each(|piece, _| in_order.push(piece));
        PlacementOrder::new(in_order, cut)
    };
    Ok(place(&order, cut.end(), limits, 0, open))
}

/// Refuses constraints that a strategy cannot keep.
fn check_constraints(options: &PackOptions, constraints: &Constraints<'_>) -> Result<()> {
    let fits = matches!(
        options.strategy,
        Strategy::BestFitDecreasing | Strategy::FirstFitDecreasing | Strategy::NextFit
    );
    if constraints.are_of_sequences() && !fits {
        return Err(Error::new(
            "groups and secondary capacities go with best_fit_decreasing, first_fit_decreasing and next_fit; choose one \
             of these strategies",
        ));
    }
    if constraints.are_of_sequences() && options.cost == Cost::Attention {
        return Err(Error::new(
            "groups and secondary capacities go with cost tokens; choose that, or leave them out",
        ));
    }
    let splits = options.long_documents == LongDocuments::Split;
    let cuts_anywhere = matches!(options.strategy, Strategy::Concat | Strategy::Buckets);
    if constraints.may_cut_after.is_some() && (!splits || cuts_anywhere) {
        return Err(Error::new(
            "may_cut_after is of long documents that are split; choose long_documents split, and not concat or buckets",
        ));
    }
    Ok(())
}
