//! A run of words at a time, so that the memory that one needs is on its way while others are worked on.
//!
//! 1. Every word becomes a key, and the memory of its place in the cache of short words is asked for.
//! 2. Every key is looked up, and the ids of what is there are written one after another. What is not there leaves a gap.
//! 3. The words of the gaps are looked for elsewhere in the cache, long ones in their own.
//! 4. Those that are new are looked for in the vocabulary, and those that are not there are merged, short ones side by
//!    side. Then they enter the cache.
//! 5. Ids and gaps are put together, in order.

use super::cache::{self, Key, ShortTable, LONGEST_SHORT, NOWHERE};
use super::canonical::NONE;
use super::dispatch::with_best_features;
use super::ids::Ids;
use super::merge::{merge_side_by_side, Question, Word, SIDE_BY_SIDE};
use super::words::{Rule, Words};
use super::{Pretokens, Scratch};
use crate::{Error, ErrorKind};
use std::ops::Range;

/// Words in a batch: enough that several new ones come together, few enough that what they need stays in the nearest
/// cache.
const BATCH: usize = 512;

/// Room for the symbols of a short word.
const MOST_SYMBOLS: usize = LONGEST_SHORT + 1;

/// What is known of the words of a batch.
#[derive(Debug)]
pub(super) struct Batch {
    keys: [Key; BATCH],
    homes: [u32; BATCH],
    /// By word: its place in the cache.
    places: [u32; BATCH],
    /// The ids of the words that are in the cache. As many as bytes may be written, and four that do not count.
    ids: Vec<u32>,
    /// By word: how many of these ids there are up to its end.
    ends: [u32; BATCH],
    gaps: Vec<Gap>,
    /// The numbers of the gaps whose words are in no cache.
    new: Vec<usize>,
    /// The ids of the gaps.
    gap_ids: Vec<u32>,
    /// The numbers of those of them that are merged side by side.
    to_merge: Vec<usize>,
    merging: Vec<Word<MOST_SYMBOLS>>,
    /// What merging asks.
    questions: Vec<Question>,
}

/// A word that is not in the cache of short words.
#[derive(Debug, Clone)]
struct Gap {
    /// The word's place in the batch.
    number: usize,
    /// The ids of the batch before it.
    n_before: usize,
    /// The word's place in the text.
    range: Range<usize>,
    /// The word's hash, as the vocabulary has it, if it is long or new.
    hash: u64,
    /// The one token that a new word may be, perhaps.
    candidate: Option<u32>,
    /// What it comes out as, in [`Batch::gap_ids`].
    ids: Range<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            keys: [[0; 2]; BATCH],
            homes: [0; BATCH],
            places: [0; BATCH],
            ids: vec![0; BATCH * LONGEST_SHORT + 4],
            ends: [0; BATCH],
            gaps: Vec::new(),
            new: Vec::new(),
            gap_ids: Vec::new(),
            to_merge: Vec::new(),
            merging: vec![Word::default(); SIDE_BY_SIDE],
            questions: Vec::new(),
        }
    }
}

// Each step is a function of its own, which leaves the compiler the most registers.
impl Batch {
    /// Makes the keys of words, and asks for the memory of their places in the cache.
    fn make_keys(&mut self, words: Pretokens<'_>, table: ShortTable<'_>) {
        let Self { keys, homes, .. } = self;
        with_best_features(
            #[inline(always)]
            move || {
                // Only what is a variable here stays in registers.
                let (Pretokens { text, start, ends, base }, table) = (words, table);
                let text = &text.as_bytes()[base..];
                let mut start = (start - base) as u32;
                for ((&end, own_key), own_home) in ends.iter().zip(keys).zip(homes) {
                    let key = cache::key(text, start, end - start);
                    let home = table.home(&key);
                    table.prefetch(home);
                    (*own_key, *own_home) = (key, home);
                    start = end;
                }
            },
        );
    }

    /// Looks the keys up.
    fn find(&mut self, n_words: usize, table: ShortTable<'_>) {
        let Self { keys, homes, places, .. } = self;
        with_best_features(
            #[inline(always)]
            move || {
                let table = table;
                for (place, (key, &home)) in places[..n_words].iter_mut().zip(keys.iter().zip(&*homes)) {
                    *place = table.find(home, key);
                }
            },
        );
    }

    /// Writes the ids of the words that were found, and lists the others; returns the number of ids.
    fn write_known<const ENDS: bool, I: Ids>(&mut self, n_words: usize, table: ShortTable<'_>) -> usize {
        let Self { places, ids, ends, gaps, .. } = self;
        gaps.clear();
        with_best_features(
            #[inline(always)]
            move || {
                let table = table;
                let ids = ids.as_mut_slice();
                let mut n_known = 0_u32;
                for (number, (&place, end)) in places[..n_words].iter().zip(ends).enumerate() {
                    if place == NOWHERE {
                        gaps.push(Gap::new(number, n_known as usize));
                    } else if I::ARE_KEPT {
                        n_known += table.write_ids(place, ids, n_known);
                    } else {
                        n_known += table.n_ids(place);
                    }
                    if ENDS {
                        *end = n_known;
                    }
                }
                n_known as usize
            },
        )
    }
}

impl Words {
    /// Appends what the words of a text come out as to `ids`. With `ENDS`, appends how many of these there are up to the
    /// end of each word to `ends`.
    pub(super) fn encode_all<const ENDS: bool>(
        &self,
        words: Pretokens<'_>,
        scratch: &mut Scratch,
        ids: &mut impl Ids,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let n_before = ids.n_ids();
        for words in words.chunks(BATCH) {
            let n_done = (ids.n_ids() - n_before) as u32;
            self.encode_batch::<ENDS, _>(words, n_done, scratch, ids, ends)?;
        }
        Ok(())
    }

    fn encode_batch<const ENDS: bool, I: Ids>(
        &self,
        words: Pretokens<'_>,
        n_done: u32,
        scratch: &mut Scratch,
        ids: &mut I,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let n_words = words.ends.len();
        let table = scratch.short_words.table();
        scratch.batch.make_keys(words, table);
        scratch.batch.find(n_words, table);
        let n_known = scratch.batch.write_known::<ENDS, I>(n_words, table);
        if !scratch.batch.gaps.is_empty() {
            self.encode_gaps(words, scratch)?;
        }

        let Batch { ids: known_ids, ends: known_ends, gaps, gap_ids, .. } = &scratch.batch;
        if ENDS {
            let (mut base, mut done) = (n_done, 0);
            for gap in gaps {
                ends.extend(known_ends[done..gap.number].iter().map(|end| base + end));
                base += gap.ids.len() as u32;
                done = gap.number;
            }
            ends.extend(known_ends[done..n_words].iter().map(|end| base + end));
        }
        let mut done = 0;
        for gap in gaps {
            ids.add(&known_ids[done..gap.n_before]);
            ids.add(&gap_ids[gap.ids.clone()]);
            done = gap.n_before;
        }
        ids.add(&known_ids[done..n_known]);
        Ok(())
    }

    /// Finds what the words of the gaps come out as.
    #[cold]
    #[inline(never)]
    fn encode_gaps(&self, words: Pretokens<'_>, scratch: &mut Scratch) -> Result<(), Error> {
        let text = words.text.as_bytes();
        with_best_features(
            #[inline(always)]
            || {
                self.find_elsewhere(words, scratch);
                self.ask_for_memory(scratch);
                self.encode_new_words(text, scratch)
            },
        )
        .map_err(|error| self.first_error(error, text, &scratch.batch))?;
        let Scratch { batch, short_words, .. } = scratch;
        for gap in batch.new.iter().map(|&number| &batch.gaps[number]) {
            if gap.range.len() <= LONGEST_SHORT {
                short_words.insert(&batch.keys[gap.number], &batch.gap_ids[gap.ids.clone()]);
            }
        }
        Ok(())
    }

    /// Finds the words of gaps that are in a cache after all, and lists the others.
    #[inline(always)]
    fn find_elsewhere(&self, words: Pretokens<'_>, scratch: &mut Scratch) {
        let Scratch { batch, long_words, short_words, .. } = scratch;
        let Batch { gaps, new, gap_ids, homes, keys, .. } = batch;
        let text = words.text.as_bytes();
        for gap in gaps.iter_mut() {
            gap.range = words.range(gap.number);
            if gap.range.len() > LONGEST_SHORT {
                gap.hash = self.vocabulary.hash(&text[gap.range.clone()]);
                long_words.prefetch(gap.hash);
            } else {
                short_words.table().prefetch_next(homes[gap.number]);
            }
        }
        gap_ids.clear();
        new.clear();
        for (number, gap) in gaps.iter_mut().enumerate().filter(|(_, gap)| !gap.range.is_empty()) {
            let start = gap_ids.len();
            if gap.range.len() > LONGEST_SHORT {
                match long_words.get(gap.hash, &text[gap.range.clone()]) {
                    Some(ids) => gap_ids.extend_from_slice(ids),
                    None => new.push(number),
                }
            } else {
                match short_words.bring_home(homes[gap.number], &keys[gap.number]) {
                    NOWHERE => {
                        gap.hash = self.vocabulary.hash(&text[gap.range.clone()]);
                        new.push(number);
                    }
                    place => short_words.table().add_ids(place, gap_ids),
                }
            }
            gap.ids = start..gap_ids.len();
        }
    }

    /// Asks for the memory that looking new words up in the vocabulary needs.
    #[inline(always)]
    fn ask_for_memory(&self, scratch: &mut Scratch) {
        let Batch { gaps, new, .. } = &mut scratch.batch;
        for &number in &*new {
            self.vocabulary.prefetch(gaps[number].hash);
        }
        for &number in &*new {
            let gap = &mut gaps[number];
            gap.candidate = self.vocabulary.candidate(gap.hash);
            if let Some(candidate) = gap.candidate {
                self.vocabulary.prefetch_place(candidate);
            }
        }
        for &number in &*new {
            if let Some(candidate) = gaps[number].candidate {
                self.vocabulary.prefetch_bytes(candidate);
            }
        }
    }

    #[inline(always)]
    fn encode_new_words(&self, text: &[u8], scratch: &mut Scratch) -> Result<(), Error> {
        let Scratch { batch, symbols, merge, long_words, .. } = scratch;
        let Batch { gaps, new, gap_ids, to_merge, merging, keys, questions, .. } = batch;
        to_merge.clear();
        for &number in &*new {
            let gap = &mut gaps[number];
            let word = &text[gap.range.clone()];
            let start = gap_ids.len();
            let is_short = word.len() <= LONGEST_SHORT;
            // A long word may be new twice.
            let known = if is_short { None } else { long_words.get(gap.hash, word) };
            if let Some(known) = known {
                gap_ids.extend_from_slice(known);
            } else if let Some(whole) = self.whole_word(gap.candidate, gap.hash, word) {
                gap_ids.push(whole);
            } else if is_short && matches!(self.rule, Rule::Canonical(_)) {
                to_merge.push(number);
            } else {
                self.merge_word(word, symbols, merge)?;
                gap_ids.extend_from_slice(symbols);
                if !is_short {
                    long_words.insert(gap.hash, word, symbols);
                }
            }
            gap.ids = start..gap_ids.len();
        }
        let Rule::Canonical(canonical) = &self.rule else { return Ok(()) };
        let merges = self.merges(canonical);
        let n_before = gap_ids.len();
        let mut n_ids = n_before;
        gap_ids.resize(n_before + to_merge.len() * MOST_SYMBOLS, 0);
        for numbers in to_merge.chunks(SIDE_BY_SIDE) {
            for (word, &number) in merging.iter_mut().zip(numbers) {
                let gap = &gaps[number];
                word.start_bytes(cache::bytes(&keys[gap.number]), gap.range.len(), &merges);
            }
            merge_side_by_side(&mut merging[..numbers.len()], &merges, questions);
            for (word, &number) in merging.iter().zip(numbers) {
                let start = n_ids;
                if let Some(out) = gap_ids[start..].first_chunk_mut() {
                    n_ids += word.write_symbols(out);
                }
                gaps[number].ids = start..n_ids;
            }
        }
        gap_ids.truncate(n_ids);
        for id in &mut gap_ids[n_before..] {
            *id = canonical.token_ids[*id as usize];
        }
        if gap_ids[n_before..].contains(&NONE) {
            let lacking = to_merge
                .iter()
                .map(|&number| &gaps[number])
                .find(|gap| gap_ids[gap.ids.clone()].contains(&NONE));
            return lacking.map_or(Ok(()), |gap| Err(self.no_token_in(&text[gap.range.clone()])));
        }
        Ok(())
    }

    /// The error of the first word that has a byte without a token, where another was found before it.
    #[cold]
    fn first_error(&self, error: Error, text: &[u8], batch: &Batch) -> Error {
        let mut new = batch.new.iter().map(|&number| &batch.gaps[number]);
        let lacks_token = |gap: &&Gap| {
            let word = &text[gap.range.clone()];
            self.whole_word(gap.candidate, gap.hash, word).is_none()
                && word.iter().any(|&byte| self.vocabulary.byte_id(byte).is_none())
        };
        match new.find(lacks_token) {
            Some(gap) if error.kind() == ErrorKind::Text => {
                self.no_token_in(&text[gap.range.clone()]).shifted_by(gap.range.start)
            }
            _ => error,
        }
    }
}

impl Gap {
    fn new(number: usize, n_before: usize) -> Self {
        Self { number, n_before, range: 0..0, hash: 0, candidate: None, ids: 0..0 }
    }
}
