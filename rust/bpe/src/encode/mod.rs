//! From pretokens to token ids.
//!
//! A word goes through three stages, each exact, each for what the one before leaves: a bounded cache of words seen
//! before ([`cache`]), the vocabulary (a word that is a token, as most are), the merge rule ([`merge`]) over the merges
//! that can happen ([`canonical`]).

mod batch;
mod cache;
mod canonical;
mod dispatch;
mod merge;
mod pairs;
mod prefetch;
mod rows;

pub use merge::{merge_all, MergeRule, MergeScratch};

pub(crate) use prefetch::prefetch;

use crate::pretokenizer::scanner::ScanScratch;
use crate::{Error, ErrorKind, MergeTable, Merges, Vocabulary};
use batch::{Batch, BATCH};
use cache::{LongWords, ShortWords};
use canonical::{Canonical, NONE};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// What to do with a byte that has no token of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownToken {
    /// The token that stands for such a byte.
    pub token_id: u32,
    /// Whether several in a row become one token.
    pub fuse: bool,
}

/// What the cache of short words takes at most.
const SHORT_WORDS_BYTES: usize = 16 << 20;
/// What the cache of long words takes at most.
const LONG_WORDS_BYTES: usize = 16 << 20;

/// Memory that an encoder keeps from word to word: give each thread its own, and keep it warm. Another encoder may go on
/// with it, but starts with empty caches.
#[derive(Debug)]
pub struct Scratch {
    /// The number of the encoder whose words the caches hold.
    owner: u64,
    symbols: Vec<u32>,
    merge: MergeScratch,
    short_words: ShortWords,
    long_words: LongWords,
    batch: Batch,
    /// What the pretokenizer found.
    pub(crate) found: ScanScratch,
    /// The ids of the pretokens that are being encoded.
    ids: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            owner: 0,
            symbols: Vec::new(),
            merge: MergeScratch::default(),
            short_words: ShortWords::new(SHORT_WORDS_BYTES),
            long_words: LongWords::new(LONG_WORDS_BYTES),
            batch: Batch::default(),
            found: ScanScratch::default(),
            ids: Vec::new(),
        }
    }
}

impl Scratch {
    /// Empties the caches if they hold the words of another encoder.
    fn belong_to(&mut self, encoder: &Encoder) {
        if self.owner != encoder.number {
            self.owner = encoder.number;
            self.short_words = ShortWords::new(SHORT_WORDS_BYTES);
            self.long_words = LongWords::new(LONG_WORDS_BYTES);
        }
    }
}

/// The number of the next encoder; 0 is that of none.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Encodes pretokens, exactly: equal to applying the lowest-rank merge, leftmost first, until none applies.
#[derive(Debug)]
pub struct Encoder {
    /// No other encoder of this process has the same.
    number: u64,
    vocabulary: Arc<Vocabulary>,
    rule: Rule,
    whole_words_first: bool,
    unknown: Option<UnknownToken>,
    longest_token: usize,
}

/// The merges in the form that encoding uses.
#[derive(Debug)]
enum Rule {
    /// Those that can happen, over symbols.
    Canonical(Canonical),
    /// All, over token ids: for vocabularies without a canonical form.
    Full(MergeTable),
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
        // What stands for a byte may itself take part in merges.
        let canonical = if unknown.is_some() { None } else { Canonical::new(&vocabulary, merges) };
        let rule = match canonical {
            Some(canonical) => Rule::Canonical(canonical),
            None => Rule::Full(MergeTable::new(&vocabulary, merges)),
        };
        let longest_token = vocabulary.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { number, vocabulary, rule, whole_words_first, unknown, longest_token }
    }

    /// The number of pairs of tokens that merge.
    pub fn n_merges(&self) -> usize {
        match &self.rule {
            Rule::Canonical(canonical) => canonical.pairs.len(),
            Rule::Full(table) => table.len(),
        }
    }

    /// Appends the ids of the pretokens of `text` to `ids`: the first starts at `start`, each ends at one of `ends`
    /// (counted from `start`), where the next starts.
    ///
    /// # Errors
    /// [`ErrorKind::Text`] for a byte without a token, at its offset in `text`, unless there is an unknown token.
    pub fn encode_pretokens(
        &self,
        text: &[u8],
        start: usize,
        ends: &[u32],
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        scratch.belong_to(self);
        let n_bytes = ends.last().map_or(0, |&end| end as usize);
        let mut buffer = std::mem::take(&mut scratch.ids);
        if buffer.len() < n_bytes + 4 {
            buffer.resize(n_bytes + 4, 0);
        }
        let mut filled = 0;
        let mut from = start;
        let result = dispatch::with_best_features(
            #[inline(always)]
            || {
                for ends in ends.chunks(BATCH) {
                    filled += self.encode_batch(text, start, from, ends, scratch, &mut buffer[filled..])?;
                    from = start + ends[ends.len() - 1] as usize;
                }
                Ok(())
            },
        );
        ids.extend_from_slice(&buffer[..filled]);
        scratch.ids = buffer;
        result
    }

    /// Appends the ids of one pretoken to `ids`. O(n log n) in the bytes of the pretoken.
    ///
    /// # Errors
    /// [`ErrorKind::Text`] for a byte without a token, at its offset in `word`, unless there is an unknown token.
    pub fn encode(&self, word: &[u8], scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<(), Error> {
        self.encode_new(word, &mut scratch.symbols, &mut scratch.merge)?;
        ids.extend_from_slice(&scratch.symbols);
        Ok(())
    }

    /// The token that a word as a whole is.
    fn whole_word(&self, word: &[u8]) -> Option<u32> {
        if word.len() > self.longest_token {
            return None;
        }
        let token_id = self.vocabulary.token_id(word)?;
        let is_made = || match &self.rule {
            Rule::Canonical(canonical) => canonical.symbols[token_id as usize] != NONE,
            Rule::Full(_) => false,
        };
        (self.whole_words_first || is_made()).then_some(token_id)
    }

    /// Leaves the ids of a word in `symbols`.
    fn encode_new(&self, word: &[u8], symbols: &mut Vec<u32>, merge: &mut MergeScratch) -> Result<(), Error> {
        symbols.clear();
        if let Some(token_id) = self.whole_word(word) {
            symbols.push(token_id);
            return Ok(());
        }
        match &self.rule {
            Rule::Canonical(canonical) => {
                symbols.extend(word.iter().map(|&byte| u32::from(byte)));
                merge_all(symbols, &canonical.pairs, merge);
                for symbol in &mut *symbols {
                    *symbol = canonical.token_ids[*symbol as usize];
                }
                if symbols.contains(&NONE) {
                    Err(self.no_token_in(word))
                } else {
                    Ok(())
                }
            }
            Rule::Full(table) => {
                self.spell(word, symbols)?;
                merge_all(symbols, table, merge);
                Ok(())
            }
        }
    }

    /// Appends the ids of single bytes.
    fn spell(&self, word: &[u8], symbols: &mut Vec<u32>) -> Result<(), Error> {
        for (offset, &byte) in word.iter().enumerate() {
            match (self.vocabulary.byte_id(byte), self.unknown) {
                (Some(token_id), _) => symbols.push(token_id),
                (None, Some(unknown)) => {
                    let follows_unknown = offset > 0 && self.vocabulary.byte_id(word[offset - 1]).is_none();
                    if !(unknown.fuse && follows_unknown) {
                        symbols.push(unknown.token_id);
                    }
                }
                (None, None) => return Err(self.no_token_in(word)),
            }
        }
        Ok(())
    }

    /// The error of a word that has a byte without a token.
    fn no_token_in(&self, word: &[u8]) -> Error {
        let offset = word.iter().position(|&byte| self.vocabulary.byte_id(byte).is_none()).unwrap_or(0);
        let message = format!(
            "byte 0x{:02x} has no token in this vocabulary, which lacks {} of the 256 bytes; use a \
             vocabulary with the full byte alphabet, or replace such characters first",
            word[offset],
            self.vocabulary.missing_bytes().len()
        );
        Error::new(ErrorKind::Text, message).at_offset(offset as u64)
    }
}
