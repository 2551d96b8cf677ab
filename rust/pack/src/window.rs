//! Packing in windows: a plan in which documents that share a sequence stood near each other. It is what a [`StreamPacker`]
//! gives for the same documents, written as a plan.

use crate::cut::CutDocuments;
use crate::error::Result;
use crate::groups::Constraints;
use crate::options::PackOptions;
use crate::plan::PackPlan;
use crate::stream::{StreamPacker, Streamed, Waiting};

/// Plans which tokens of documents stand in which sequence, with at most about `most_tokens` tokens from the first document
/// that is not placed yet to the one that is looked at.
///
/// # Errors
/// As [`crate::pack`] and [`StreamPacker::new`]; for groups and secondary capacities, which a stream does not keep.
pub fn pack_in_windows(
    lengths: &[u32],
    options: &PackOptions,
    constraints: &Constraints<'_>,
    most_tokens: u64,
) -> Result<PackPlan> {
    let mut packer = StreamPacker::new(options.clone(), most_tokens)?;
    constraints.check_of_stream()?;
    let cut = CutDocuments::new(lengths, options, constraints.may_cut_after)?;
    let mut left = Streamed::default();
    cut.for_each(|number, _| {
        let (document, start, length) = cut.piece(number);
        packer.add(Waiting { document: u64::from(document), start, length }, &mut left);
    });
    packer.finish(&mut left);
    let pieces = left.document.iter().zip(&left.start);
    let number_of = |(&document, &start): (&u64, &u32)| cut.number_of(document as u32, start);
    Ok(PackPlan {
        format: options.format,
        n_documents: lengths.len(),
        piece_numbers: pieces.map(number_of).collect(),
        sequence_offsets: std::iter::once(0).chain(left.sequence_ends).collect(),
        cut_pieces: cut.cut_pieces,
        dropped: cut.dropped,
    })
}
