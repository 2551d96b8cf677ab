//! The proof that nothing was lost: the pieces of every document, kept and dropped, sorted by start, must follow each
//! other from its first token to its last, without a gap and without an overlap. O(N log N), independent of how the plan
//! was made.

use crate::error::{Error, Result};
use crate::options::Framing;
use crate::plan::{PackPlan, PieceSlices};

impl PackPlan {
    /// Proves that this plan holds every token of documents with these lengths exactly once, in a sequence or among what
    /// was dropped, and that no sequence is over capacity.
    ///
    /// # Errors
    /// Names the first document of which a token is missing or there twice.
    pub fn verify(&self, lengths: &[u32]) -> Result<()> {
        self.layout()?;
        let (pieces, dropped) = (self.pieces.as_slices(), self.dropped.as_slices());
        verify_conservation(pieces, dropped, self.framing, self.n_documents, lengths)
    }

    /// The number of ids in every document, as planned.
    pub fn document_lengths(&self) -> Vec<u32> {
        let (pieces, dropped) = (self.pieces.as_slices(), self.dropped.as_slices());
        planned_lengths(pieces, dropped, self.framing, self.n_documents)
    }
}

/// Proves that pieces and dropped pieces of `n_documents` documents together hold every token of documents with these
/// lengths exactly once.
///
/// # Errors
/// Names the first document of which a token is missing or there twice.
pub fn verify_conservation(
    pieces: PieceSlices<'_>,
    dropped: PieceSlices<'_>,
    framing: Framing,
    n_documents: usize,
    lengths: &[u32],
) -> Result<()> {
    if lengths.len() != n_documents {
        let message = format!("the plan is for {n_documents} documents, but there are {}", lengths.len());
        return Err(Error::new(message).in_document(n_documents.min(lengths.len())));
    }
    let mut spans: Vec<(u32, u32, u32)> = pieces.iter().chain(dropped.iter()).collect();
    spans.sort_unstable();
    let mut spans = spans.into_iter().peekable();
    for (document, &length) in lengths.iter().enumerate() {
        let total = u64::from(framing.framed_length(length));
        let mut covered = 0u64;
        while let Some((_, start, length)) = spans.next_if(|span| span.0 as usize == document) {
            let start = u64::from(start);
            if start != covered {
                let (kind, low, high) = if start > covered {
                    ("are in no piece", covered, start)
                } else {
                    ("are in more than one piece", start, covered)
                };
                return Err(Error::new(format!("tokens {low}..{high} {kind}")).in_document(document));
            }
            covered += u64::from(length);
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

/// The number of ids in every document, from the pieces of a plan; pieces of documents from `n_documents` on are ignored.
pub fn planned_lengths(
    pieces: PieceSlices<'_>,
    dropped: PieceSlices<'_>,
    framing: Framing,
    n_documents: usize,
) -> Vec<u32> {
    let mut lengths = vec![0u32; n_documents];
    for (document, _, length) in pieces.iter().chain(dropped.iter()) {
        if let Some(total) = lengths.get_mut(document as usize) {
            *total = total.saturating_add(length);
        }
    }
    for length in &mut lengths {
        *length = framing.plain_length(*length);
    }
    lengths
}
