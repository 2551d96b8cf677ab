//! The proof that nothing was lost: the pieces of every document, kept and dropped, sorted by start, must follow each
//! other from its first token to its last, without a gap and without an overlap other than the one that was asked for.
//! O(N log N), independent of how the plan was made.

use crate::error::{Error, Result};
use crate::format::SequenceFormat;
use crate::layout::Layout;
use crate::plan::{PackPlan, PieceSlices, PieceTable};

impl PackPlan {
    /// Proves that this plan holds every token of documents with these lengths exactly once, in a sequence or among what
    /// was dropped, that no sequence is over capacity, and that segments keep the alignment.
    ///
    /// # Errors
    /// Names the first document of which a token is missing or there twice.
    pub fn verify(&self, lengths: &[u32]) -> Result<()> {
        check_documents(self.n_documents, lengths)?;
        let (numbers, offsets) = (&self.piece_numbers, &self.sequence_offsets);
        verify_plan(self.format, self.table(lengths), numbers, offsets, self.dropped.as_slices(), lengths)
    }
}

/// Proves the same of a plan that lies in arrays; `table` is that of the documents that it was made for.
///
/// # Errors
/// As [`PackPlan::verify`], and for numbers and offsets that are of no piece.
pub fn verify_plan(
    format: SequenceFormat,
    table: PieceTable<'_>,
    piece_numbers: &[u32],
    sequence_offsets: &[u64],
    dropped: PieceSlices<'_>,
    lengths: &[u32],
) -> Result<()> {
    let pieces = table.expand(piece_numbers)?;
    Layout::new(format, pieces.as_slices(), sequence_offsets)?;
    check_documents(table.document_lengths.len(), lengths)?;
    verify_conservation(pieces.as_slices(), dropped, format, lengths)
}

/// Refuses another number of documents than the plan is for.
pub(crate) fn check_documents(planned: usize, lengths: &[u32]) -> Result<()> {
    if lengths.len() == planned {
        return Ok(());
    }
    let message = format!("the plan is for {planned} documents, but there are {}", lengths.len());
    Err(Error::new(message).in_document(planned.min(lengths.len())))
}

/// Proves that pieces and dropped pieces together hold every token of documents with these lengths exactly once, but for
/// the overlap of pieces that follow each other.
fn verify_conservation(
    pieces: PieceSlices<'_>,
    dropped: PieceSlices<'_>,
    format: SequenceFormat,
    lengths: &[u32],
) -> Result<()> {
    let mut spans: Vec<(u32, u32, u32)> = pieces.iter().chain(dropped.iter()).collect();
    spans.sort_unstable();
    let mut spans = spans.into_iter().peekable();
    for (document, &length) in lengths.iter().enumerate() {
        let total = u64::from(format.document_framing.framed_length(length));
        let mut covered = 0u64;
        while let Some((_, start, length)) = spans.next_if(|span| span.0 as usize == document) {
            let start = u64::from(start);
            let expected = covered.saturating_sub(u64::from(format.overlap));
            if start != expected {
                let (kind, low, high) = if start > expected {
                    ("are in no piece", expected, start)
                } else {
                    ("are in more than one piece", start, expected)
                };
                return Err(Error::new(format!("tokens {low}..{high} {kind}")).in_document(document));
            }
            covered = start + u64::from(length);
        }
        if covered != total {
            let message = format!("has {total} tokens, but its pieces cover {covered}");
            return Err(Error::new(message).in_document(document));
        }
    }
    match spans.next() {
        None => Ok(()),
        Some((document, ..)) => {
            let message = format!("has a piece, but there are only {} documents", lengths.len());
            Err(Error::new(message).in_document(document as usize))
        }
    }
}
