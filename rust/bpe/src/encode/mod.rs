//! From a pretoken to token ids: the whole word if the vocabulary says so, else what the merge rule makes of its bytes.

mod cache;
mod merge;

pub use merge::{merge_all, MergeScratch};

use crate::{Error, ErrorKind, MergeTable, Merges, Vocabulary};
use cache::WordCache;
use std::sync::Arc;

/// What to do with a byte that has no token of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownToken {
    /// The token that stands for such a byte.
    pub token_id: u32,
    /// Whether several in a row become one token.
    pub fuse: bool,
}

/// Memory that an encoder keeps from word to word: give each thread its own, and keep it warm.
#[derive(Debug, Default)]
pub struct Scratch {
    symbols: Vec<u32>,
    merge: MergeScratch,
    words: WordCache,
}

/// Encodes pretokens, exactly: equal to applying the lowest-rank merge, leftmost first, until none applies.
#[derive(Debug)]
pub struct Encoder {
    vocabulary: Arc<Vocabulary>,
    merges: MergeTable,
    whole_words_first: bool,
    unknown: Option<UnknownToken>,
}

impl Encoder {
    /// An encoder over a vocabulary. With `whole_words_first` (Hugging Face: `ignore_merges`) a pretoken that is a
    /// token becomes that token, whatever its merges would make of it; tiktoken always does so.
    pub fn new(
        vocabulary: impl Into<Arc<Vocabulary>>,
        merges: &Merges,
        whole_words_first: bool,
        unknown: Option<UnknownToken>,
    ) -> Self {
        let vocabulary = vocabulary.into();
        let merges = MergeTable::new(&vocabulary, merges);
        Self { vocabulary, merges, whole_words_first, unknown }
    }

    /// The number of pairs of tokens that merge.
    pub fn n_merges(&self) -> usize {
        self.merges.len()
    }

    /// Appends the ids of one pretoken to `ids`. O(n log n) in the bytes of the pretoken.
    ///
    /// # Errors
    /// [`ErrorKind::Text`] for a byte without a token, at its offset in `word`, unless there is an unknown token.
    pub fn encode(&self, word: &[u8], scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<(), Error> {
        if self.whole_words_first {
            if let Some(token_id) = self.vocabulary.token_id(word) {
                ids.push(token_id);
                return Ok(());
            }
        }
        if let Some(known) = scratch.words.get(word) {
            ids.extend_from_slice(known);
            return Ok(());
        }
        let Scratch { symbols, merge, words } = scratch;
        symbols.clear();
        for (offset, &byte) in word.iter().enumerate() {
            match (self.vocabulary.byte_id(byte), self.unknown) {
                (Some(token_id), _) => symbols.push(token_id),
                (None, Some(unknown)) => {
                    let follows_unknown = offset > 0 && self.vocabulary.byte_id(word[offset - 1]).is_none();
                    if !(unknown.fuse && follows_unknown) {
                        symbols.push(unknown.token_id);
                    }
                }
                (None, None) => {
                    let message = format!(
                        "byte 0x{byte:02x} has no token in this vocabulary, which lacks {} of the 256 bytes; use a \
                         vocabulary with the full byte alphabet, or replace such characters first",
                        self.vocabulary.missing_bytes().len()
                    );
                    return Err(Error::new(ErrorKind::Text, message).at_offset(offset as u64));
                }
            }
        }
        merge_all(symbols, &self.merges, merge);
        words.insert(word, symbols);
        ids.extend_from_slice(symbols);
        Ok(())
    }
}
