//! From pretokens to token ids.
//!
//! A word goes through three stages, each exact, each for what the one before leaves: a bounded cache of words seen
//! before (`cache`), the vocabulary (a word that is a token, as most are), the merge rule (`merge`) over the merges
//! that can happen (`canonical`). Vocabularies with superwords do this for words and then join them (`superwords`). A very
//! long pretoken is encoded in windows (`windows`), so that it needs no more memory than others.
#![allow(clippy::inline_always)] // What `dispatch` compiles for this machine must be part of it.

mod batch;
mod bit_set;
mod cache;
mod canonical;
mod cuts;
mod dispatch;
mod ids;
mod joins;
mod large_pages;
mod merge;
mod pairs;
mod prefetch;
mod pretokens;
mod rows;
mod seams;
mod superwords;
mod symbols;
mod windows;
mod words;

pub use merge::{merge_all, MergeRule, MergeScratch};

pub use pretokens::Pretokens;

pub(crate) use cache::{bytes, key, Key, LONGEST_SHORT};
pub(crate) use ids::Ids;
pub(crate) use prefetch::prefetch;

use crate::pretokenizer::scanner::ScanScratch;
use crate::{environment, Error, Interrupt, MergeTable, Merges, Vocabulary};
use batch::Batch;
use cache::{LongWords, ShortWords};
use canonical::{Canonical, NONE};
use seams::Seams;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use superwords::{Links, Superwords};
use windows::Windows;
use words::{Rule, Words};

/// What to do with a byte that has no token of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownToken {
    /// The token that stands for such a byte.
    pub token_id: u32,
    /// Whether several in a row become one token.
    pub fuse: bool,
}

/// What the caches of words take at most, in bytes, half of it for short words, unless the environment says otherwise.
const CACHE_BYTES: usize = 32 << 20;

/// Memory that an encoder keeps from word to word: give each thread its own, and keep it warm. Another encoder may go on
/// with it, but starts with empty caches.
#[derive(Debug)]
pub struct Scratch {
    /// The number of the encoder whose words the caches hold.
    owner: u64,
    /// What the caches take at most.
    cache_bytes: usize,
    symbols: Vec<u32>,
    merge: MergeScratch,
    short_words: ShortWords,
    long_words: LongWords,
    batch: Batch,
    /// What the pretokenizer found.
    pub(crate) found: ScanScratch,
    /// How many ids there are up to the end of each piece.
    piece_ends: Vec<u32>,
    /// The pieces of the pretokens, and the numbers of those that are the last of theirs.
    pieces: (Vec<u32>, Vec<u32>),
    links: Links,
    /// The ids of a window of a long pretoken.
    window_ids: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::with_cache_of(environment::cache_bytes().unwrap_or(CACHE_BYTES))
    }
}

impl Scratch {
    /// Memory of which the caches of words take about so many bytes at most, though never less than a few hundred words.
    #[must_use]
    pub fn with_cache_of(cache_bytes: usize) -> Self {
        let (short_words, long_words) = caches(cache_bytes);
        Self {
            owner: 0,
            cache_bytes,
            symbols: Vec::new(),
            merge: MergeScratch::default(),
            short_words,
            long_words,
            batch: Batch::default(),
            found: ScanScratch::default(),
            piece_ends: Vec::new(),
            pieces: Default::default(),
            links: Links::default(),
            window_ids: Vec::new(),
        }
    }

    /// Lets `interrupt` stop the encoding that this takes part in.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.listen_to(interrupt);
        self
    }

    /// The same for one that is in use again.
    pub(crate) fn listen_to(&mut self, interrupt: &Interrupt) {
        self.merge.interrupt.clone_from(interrupt);
    }

    /// An error, if the encoding is to stop.
    pub(crate) fn check_interrupt(&self) -> Result<(), Error> {
        self.merge.interrupt.check()
    }

    /// Empties the caches if they hold the words of another encoder.
    fn belong_to(&mut self, encoder: &Encoder) {
        if self.owner != encoder.number {
            self.owner = encoder.number;
            (self.short_words, self.long_words) = caches(self.cache_bytes);
        }
    }
}

/// Empty caches that take about so many bytes at most together.
fn caches(bytes: usize) -> (ShortWords, LongWords) {
    (ShortWords::new(bytes / 2), LongWords::new(bytes / 2))
}

/// The number of the next encoder; 0 is that of none.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Encodes pretokens, exactly: equal to applying the lowest-rank merge, leftmost first, until none applies.
#[derive(Debug)]
pub struct Encoder {
    /// No other encoder of this process has the same.
    number: u64,
    words: Words,
    superwords: Option<Superwords>,
    /// `None` if the lengths of tokens do not say where in the text they are.
    windows: Option<Windows>,
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
        Self::build(vocabulary.into(), merges, whole_words_first, unknown, false)
    }

    /// An encoder for pretokens of many words, though the vocabulary may have no superwords: their words go through
    /// the cache.
    pub(crate) fn of_words_within(
        vocabulary: impl Into<Arc<Vocabulary>>,
        merges: &Merges,
        whole_words_first: bool,
    ) -> Self {
        Self::build(vocabulary.into(), merges, whole_words_first, None, true)
    }

    /// The merges that can happen, as (left id, right id, merged id) in order of rank; `None` for a vocabulary without a
    /// canonical form.
    pub(crate) fn canonical_merges(&self) -> Option<Vec<(u32, u32, u32)>> {
        match &self.words.rule {
            Rule::Canonical(canonical) => Some(canonical.listed()),
            Rule::Full(_) => None,
        }
    }

    /// Whether a vocabulary comes out the same by these merges as by ranks: as if any two tokens merged whose
    /// concatenation is a token, the one of the lowest id first, and a pretoken that is a token became that. O(bytes of
    /// the vocabulary).
    pub(crate) fn is_by_ranks(vocabulary: &Vocabulary, merges: &Merges) -> bool {
        let [listed, ranked] = [merges, &Merges::ByTokenId].map(|merges| {
            let canonical = Canonical::new(vocabulary, merges)?;
            let makes_all =
                vocabulary.iter().all(|(token_id, _)| canonical.symbols[token_id as usize] != NONE);
            makes_all.then(|| canonical.listed())
        });
        listed.is_some() && listed == ranked
    }

    fn build(
        vocabulary: Arc<Vocabulary>,
        merges: &Merges,
        whole_words_first: bool,
        unknown: Option<UnknownToken>,
        words_within: bool,
    ) -> Self {
        // What stands for a byte may itself take part in merges.
        let canonical = if unknown.is_some() { None } else { Canonical::new(&vocabulary, merges) };
        let rule = match canonical {
            Some(canonical) => Rule::Canonical(canonical),
            None => Rule::Full(MergeTable::new(&vocabulary, merges)),
        };
        let mut words =
            Words { vocabulary, rule, whole_words_first, unknown, symbols_below: None, seams: None };
        words.symbols_below = Superwords::first_symbol(&words, words_within);
        words.seams = words.find_seams();
        let superwords = Superwords::new(&words);
        // A token that stands for missing bytes has no length of its own.
        let windows = words.unknown.is_none().then(|| Windows::new(&words));
        Self { number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed), words, superwords, windows }
    }

    /// The number of pairs of tokens that merge in some text: the canonical ones. For a vocabulary without a canonical
    /// form, of all that may merge.
    pub(crate) fn n_merges(&self) -> usize {
        match &self.words.rule {
            Rule::Canonical(canonical) => canonical.pairs.len(),
            Rule::Full(table) => table.len(),
        }
    }

    /// Appends the ids of pretokens to `ids`. O(n log n) in the bytes of a pretoken that is not known yet.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Text`] for a byte without a token, at its offset in the text, unless there is an unknown
    /// token.
    pub fn encode_pretokens(
        &self,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        scratch.belong_to(self);
        match self.windows_for(pretokens) {
            None => self.encode_whole(pretokens, scratch, ids),
            Some(windows) => self.encode_long(pretokens, windows, scratch, ids),
        }
    }

    /// The windows for pretokens of which some are long.
    fn windows_for(&self, pretokens: Pretokens<'_>) -> Option<Windows> {
        self.windows.filter(|windows| pretokens.is_any_longer_than(windows.longest_whole))
    }

    /// Appends the ids of pretokens, none of which is divided.
    fn encode_whole(
        &self,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        match &self.superwords {
            None => self.encode_words::<false>(pretokens, scratch, ids, &mut Vec::new()),
            Some(superwords) => superwords.encode(&self.words, pretokens, scratch, ids),
        }
    }

    /// As [`Encoder::encode_pretokens`], for what wants the number of ids alone.
    pub(crate) fn count(
        &self,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        number: &mut impl Ids,
    ) -> Result<(), Error> {
        if self.superwords.is_none() && self.windows_for(pretokens).is_none() {
            scratch.belong_to(self);
            return self.encode_words::<false>(pretokens, scratch, number, &mut Vec::new());
        }
        let mut ids = Vec::new();
        self.encode_pretokens(pretokens, scratch, &mut ids)?;
        number.add(&ids);
        Ok(())
    }

    /// Whether [`Encoder::encode_with_ends`] can be called: if pretokens are words.
    pub(crate) fn knows_ends(&self) -> bool {
        self.superwords.is_none()
    }

    /// As [`Encoder::encode_pretokens`], and appends the number of ids up to the end of each pretoken to `ends`.
    pub(crate) fn encode_with_ends(
        &self,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ids: &mut impl Ids,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error> {
        scratch.belong_to(self);
        self.encode_words::<true>(pretokens, scratch, ids, ends)
    }

    /// Appends the ids of pretokens that are words, or runs of characters without spaces, which are cut first.
    fn encode_words<const ENDS: bool>(
        &self,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ids: &mut impl Ids,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let text = pretokens.content().as_bytes();
        let Some(seams) = self.words.seams.as_ref().filter(|_| Seams::may_cut(text)) else {
            return self.words.encode_all::<ENDS>(pretokens, scratch, ids, ends);
        };
        let (mut pieces, mut last_pieces) = std::mem::take(&mut scratch.pieces);
        pieces.clear();
        last_pieces.clear();
        let mut start = 0;
        for &end in pretokens.ends {
            seams.add_cuts(text, start..end, &mut pieces);
            last_pieces.push(pieces.len() as u32);
            pieces.push(end);
            start = end;
        }
        let n_before = ends.len();
        let cut = Pretokens::new(pretokens.text, pretokens.start, &pieces);
        let result = self.words.encode_all::<ENDS>(cut, scratch, ids, ends);
        if ENDS && result.is_ok() {
            for (place, &piece) in (n_before..).zip(&last_pieces) {
                ends[place] = ends[n_before + piece as usize];
            }
            ends.truncate(n_before + last_pieces.len());
        }
        scratch.pieces = (pieces, last_pieces);
        result
    }

    /// Appends the ids of one pretoken to `ids`. O(n log n) in the bytes of the pretoken.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Text`] for a byte without a token, at its offset in `word`, unless there is an unknown token.
    pub fn encode(&self, word: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<(), Error> {
        self.encode_pretokens(Pretokens::new(word, 0, &[word.len() as u32]), scratch, ids)
    }
}
