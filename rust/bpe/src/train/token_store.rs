//! A text as token ids, in chunks that are read again and again.

use super::sequences::Sequences;
use crate::Error;

/// Slots of a chunk.
const CHUNK: usize = 1 << 20;

/// Units as token ids, with weights, in the order in which they were added.
#[derive(Debug)]
pub(super) struct TokenStore {
    chunks: Vec<Sequences>,
    open: Sequences,
    n_tokens: usize,
}

impl TokenStore {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), open: Sequences::new(), n_tokens: 0 }
    }

    /// Appends a unit; units of fewer than two tokens, or of weight 0, are left out.
    pub(super) fn push(&mut self, token_ids: &[u32], weight: u64) -> Result<(), Error> {
        self.open.push(token_ids.iter().copied(), weight)?;
        self.n_tokens += token_ids.len();
        if self.open.len() >= CHUNK {
            self.chunks.push(std::mem::replace(&mut self.open, Sequences::new()));
        }
        Ok(())
    }

    /// The number of tokens of all units, not counting their weights.
    pub(super) fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// The number of chunks.
    pub(super) fn n_chunks(&self) -> usize {
        self.chunks.len() + 1
    }

    /// The numbers of the chunks, as tasks.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Result<usize, Error>> {
        (0..self.n_chunks()).map(Ok)
    }

    /// A chunk, in which every token has one slot.
    pub(super) fn chunk(&self, number: usize) -> Result<&Sequences, Error> {
        Ok(self.chunks.get(number).unwrap_or(&self.open))
    }
}
