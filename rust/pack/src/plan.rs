//! Pieces and plans, as flat arrays: one `u32` a piece and one `u64` a sequence, whatever the number of documents.
//!
//! In a plan a piece is a number. Below the number of documents it is all of that document, as almost all pieces are; from
//! there on, it is a row of a table of the pieces of documents that were cut. The table of a plan is small, and with it and
//! the lengths of the documents every number says which tokens it means ([`PieceTable`]).

use crate::error::{Error, Result};
use crate::format::{Framing, SequenceFormat};
use crate::verify::check_documents;

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

    pub(crate) fn push(&mut self, document: u32, start: u32, length: u32) {
        self.document.push(document);
        self.start.push(start);
        self.length.push(length);
    }

    /// The same pieces, ordered by document and start.
    pub(crate) fn sorted(&self) -> Self {
        let mut rows: Vec<(u32, u32, u32)> = self.as_slices().iter().collect();
        rows.sort_unstable();
        let mut sorted = Self::default();
        for (document, start, length) in rows {
            sorted.push(document, start, length);
        }
        sorted
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

    /// Document, start and length of a piece.
    pub(crate) fn get(self, piece: usize) -> Option<(u32, u32, u32)> {
        Some((*self.document.get(piece)?, *self.start.get(piece)?, *self.length.get(piece)?))
    }
}

/// What the numbers of pieces mean.
#[derive(Debug, Clone, Copy)]
pub struct PieceTable<'a> {
    /// The number of ids in every document.
    pub document_lengths: &'a [u32],
    /// Tokens around every document.
    pub framing: Framing,
    /// The pieces of documents that were cut; the first has the number of documents as its number.
    pub cut_pieces: PieceSlices<'a>,
}

impl PieceTable<'_> {
    /// Document, start and length of a piece, if there is one with this number.
    pub fn get(&self, number: u32) -> Option<(u32, u32, u32)> {
        let n_documents = self.document_lengths.len();
        match (number as usize).checked_sub(n_documents) {
            None => {
                let length = self.framing.framed_length(self.document_lengths[number as usize]);
                Some((number, 0, length))
            }
            Some(cut) => self.cut_pieces.get(cut),
        }
    }

    /// Document, start and length of all these pieces.
    ///
    /// # Errors
    /// If a number is of no piece.
    pub fn expand(&self, numbers: &[u32]) -> Result<Pieces> {
        let mut pieces = Pieces {
            document: Vec::with_capacity(numbers.len()),
            start: Vec::with_capacity(numbers.len()),
            length: Vec::with_capacity(numbers.len()),
        };
        for &number in numbers {
            let (document, start, length) = self.get(number).ok_or_else(|| {
                Error::new(format!("the plan is damaged: it has no piece with the number {number}"))
            })?;
            pieces.push(document, start, length);
        }
        Ok(pieces)
    }
}

/// Which tokens stand in which sequence, in which order; and which tokens were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPlan {
    /// What a sequence is made of.
    pub format: SequenceFormat,
    /// Number of documents that were packed, empty ones included.
    pub n_documents: usize,
    /// The numbers of the pieces, ordered by sequence, then by position in the sequence.
    pub piece_numbers: Vec<u32>,
    /// The pieces of documents that are not one piece; the first has [`PackPlan::n_documents`] as its number.
    pub cut_pieces: Pieces,
    /// Pieces `sequence_offsets[i] .. sequence_offsets[i + 1]` make up sequence `i`; starts with 0.
    pub sequence_offsets: Vec<u64>,
    /// What is in no sequence, ordered by document and start.
    pub dropped: Pieces,
}

impl PackPlan {
    /// Number of sequences.
    pub fn n_sequences(&self) -> usize {
        self.sequence_offsets.len() - 1
    }

    /// Document, start and length of all pieces, ordered by sequence and position; of documents of these lengths.
    ///
    /// # Errors
    /// If the documents are not those of the plan.
    pub fn pieces(&self, lengths: &[u32]) -> Result<Pieces> {
        check_documents(self.n_documents, lengths)?;
        self.table(lengths).expand(&self.piece_numbers)
    }

    pub(crate) fn table<'a>(&'a self, document_lengths: &'a [u32]) -> PieceTable<'a> {
        let framing = self.format.document_framing;
        PieceTable { document_lengths, framing, cut_pieces: self.cut_pieces.as_slices() }
    }
}
