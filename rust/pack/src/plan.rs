//! Pieces and plans, as flat arrays: three `u32` a piece and one `u64` a sequence, whatever the number of documents.

use crate::options::Framing;

/// Runs of tokens of documents; element `i` of the three arrays is piece `i`. All three have the same length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Index of the document.
    pub document: Vec<u32>,
    /// First token of the piece, within the (framed) document.
    pub start: Vec<u32>,
    /// Number of tokens, at least 1.
    pub length: Vec<u32>,
}

impl Pieces {
    /// Number of pieces.
    pub fn len(&self) -> usize {
        self.document.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.document.is_empty()
    }

    /// Number of tokens in all pieces.
    pub fn tokens(&self) -> u64 {
        self.length.iter().map(|&length| u64::from(length)).sum()
    }

    pub(crate) fn with_capacity(pieces: usize) -> Self {
        Self {
            document: Vec::with_capacity(pieces),
            start: Vec::with_capacity(pieces),
            length: Vec::with_capacity(pieces),
        }
    }

    pub(crate) fn push(&mut self, document: u32, start: u32, length: u32) {
        self.document.push(document);
        self.start.push(start);
        self.length.push(length);
    }

    /// Borrows the three arrays.
    pub fn as_slices(&self) -> PieceSlices<'_> {
        PieceSlices { document: &self.document, start: &self.start, length: &self.length }
    }
}

/// Borrowed [`Pieces`].
#[derive(Debug, Clone, Copy)]
pub struct PieceSlices<'a> {
    /// Index of the document.
    pub document: &'a [u32],
    /// First token of the piece, within the (framed) document.
    pub start: &'a [u32],
    /// Number of tokens, at least 1.
    pub length: &'a [u32],
}

impl<'a> PieceSlices<'a> {
    /// Document, start and length of every piece.
    pub fn iter(self) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        let spans = self.start.iter().zip(self.length);
        self.document.iter().zip(spans).map(|(&document, (&start, &length))| (document, start, length))
    }
}

/// Which tokens stand in which sequence, in which order; and which tokens were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPlan {
    /// Most tokens in a sequence.
    pub capacity: u32,
    /// Tokens around every document.
    pub framing: Framing,
    /// Number of documents that were packed, empty ones included.
    pub n_documents: usize,
    /// Number of documents without tokens; they have no piece.
    pub n_empty_documents: usize,
    /// The pieces, ordered by sequence, then by position in the sequence.
    pub pieces: Pieces,
    /// Pieces `sequence_offsets[i] .. sequence_offsets[i + 1]` make up sequence `i`; starts with 0.
    pub sequence_offsets: Vec<u64>,
    /// Tokens of long documents that are in no sequence, ordered by document.
    pub dropped: Pieces,
}

impl PackPlan {
    /// Number of sequences.
    pub fn n_sequences(&self) -> usize {
        self.sequence_offsets.len() - 1
    }

    /// No plan for these pieces can have fewer sequences: their tokens, divided by the capacity, rounded up.
    pub fn lower_bound(&self) -> u64 {
        self.pieces.tokens().div_ceil(u64::from(self.capacity))
    }

    /// The share of all positions that hold a token, from 0 to 1; 1 if there are no sequences.
    pub fn efficiency(&self) -> f64 {
        if self.n_sequences() == 0 {
            return 1.0;
        }
        self.pieces.tokens() as f64 / (self.n_sequences() as f64 * f64::from(self.capacity))
    }
}
