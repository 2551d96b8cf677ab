//! A run of pretokens at a time, so that the memory that one needs is on its way while others are worked on.
//!
//! 1. Every short word becomes a key, and the memory of its place in the cache is asked for.
//! 2. Every key is looked up; the words that are not in the cache are listed.
//! 3. The words on the list are looked for in the vocabulary, and those that are not there are merged, side by side.
//! 4. The ids are written, in order. Only then do the new words enter the cache, so that no place found in 2 moves.

use super::cache::{self, Key, LongWords, LONGEST_SHORT, NOWHERE};
use super::canonical::NONE;
use super::dispatch::with_best_features;
use super::merge::{merge_side_by_side, Word};
use super::words::{Rule, Words};
use super::Scratch;
use crate::Error;

/// Pretokens in a batch.
pub(super) const BATCH: usize = 256;

/// Marks a place in [`Batch::found`] as one of [`Batch::fresh`].
const FRESH: u32 = 1 << 31;

/// What is known of the pretokens of a batch.
#[derive(Debug)]
pub(super) struct Batch {
    keys: [Key; BATCH],
    homes: [u32; BATCH],
    /// By pretoken: its place in the cache of short words, or [`FRESH`] and its place in `fresh`.
    found: [u32; BATCH],
    missing: [u8; BATCH],
    /// Pretokens that are not in the cache of short words: where their ids end in `fresh_ids`.
    fresh: Vec<Fresh>,
    fresh_ids: Vec<u32>,
    words: Vec<Word<16>>,
}

/// A pretoken that is not in the cache of short words.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    start: usize,
    length: usize,
    number: usize,
    hash: u64,
    ids: (u32, u32),
    word: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            keys: [[0; 2]; BATCH],
            homes: [0; BATCH],
            found: [0; BATCH],
            missing: [0; BATCH],
            fresh: Vec::new(),
            fresh_ids: Vec::new(),
            words: vec![Word::default(); BATCH],
        }
    }
}

/// What the words of a text come out as.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    buffer: Vec<u32>,
    n_filled: usize,
    /// By word: where its outputs end.
    pub(super) ends: Vec<u32>,
}

impl Outputs {
    pub(super) fn get(&self) -> &[u32] {
        &self.buffer[..self.n_filled]
    }
}

impl Words {
    /// Leaves what the words of `text` come out as in `outputs`; `ends` as in [`super::Encoder::encode_pretokens`].
    pub(super) fn encode_all(
        &self,
        text: &[u8],
        start: usize,
        ends: &[u32],
        scratch: &mut Scratch,
        outputs: &mut Outputs,
    ) -> Result<(), Error> {
        // A word has at most one output a byte; the last few may be written past their number.
        let most = ends.last().map_or(0, |&end| end as usize) + 4;
        if outputs.buffer.len() < most {
            outputs.buffer.resize(most, 0);
        }
        outputs.n_filled = 0;
        outputs.ends.resize(ends.len(), 0);
        with_best_features(
            #[inline(always)]
            || {
                let mut from = start;
                for (ends, output_ends) in ends.chunks(BATCH).zip(outputs.ends.chunks_mut(BATCH)) {
                    let buffer = &mut outputs.buffer;
                    outputs.n_filled = self.encode_batch(
                        text,
                        start,
                        from,
                        ends,
                        scratch,
                        buffer,
                        outputs.n_filled,
                        output_ends,
                    )?;
                    from = start + ends[ends.len() - 1] as usize;
                }
                Ok(())
            },
        )
    }

    /// Writes what up to [`BATCH`] words come out as behind the first `filled` of `out`, which has room for one a byte and four more;
    /// returns how many are filled then.
    #[inline(always)]
    pub(super) fn encode_batch(
        &self,
        text: &[u8],
        base: usize,
        start: usize,
        ends: &[u32],
        scratch: &mut Scratch,
        out: &mut [u32],
        mut filled: usize,
        output_ends: &mut [u32],
    ) -> Result<usize, Error> {
        let n = ends.len().min(BATCH);
        let ends = &ends[..n];
        let batch = &mut scratch.batch;
        let table = scratch.short_words.table();
        let mut at = start;
        for ((&end, key), home) in ends.iter().zip(&mut batch.keys).zip(&mut batch.homes) {
            let to = base + end as usize;
            *key = cache::key(text, at, to - at);
            *home = table.home(key);
            table.prefetch(*home);
            at = to;
        }
        let mut n_missing = 0;
        for (place, (found, (key, &home))) in
            batch.found[..n].iter_mut().zip(batch.keys.iter().zip(&batch.homes)).enumerate()
        {
            *found = table.find(home, key);
            batch.missing[n_missing] = place as u8;
            n_missing += usize::from(*found == NOWHERE);
        }
        if n_missing > 0 {
            self.encode_missing_outlined(text, base, start, ends, n_missing, scratch)?;
        }
        let batch = &scratch.batch;
        let table = scratch.short_words.table();
        for (&found, end) in batch.found[..n].iter().zip(output_ends) {
            if found < FRESH {
                filled += table.write_ids(found, &mut out[filled..]);
            } else {
                let (from, to) = batch.fresh[(found - FRESH) as usize].ids;
                let ids = &batch.fresh_ids[from as usize..to as usize];
                out[filled..filled + ids.len()].copy_from_slice(ids);
                filled += ids.len();
            }
            *end = filled as u32;
        }
        if n_missing > 0 {
            keep(scratch);
        }
        Ok(filled)
    }

    #[cold]
    #[inline(never)]
    fn encode_missing_outlined(
        &self,
        text: &[u8],
        base: usize,
        start: usize,
        ends: &[u32],
        n_missing: usize,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        with_best_features(
            #[inline(always)]
            || self.encode_missing(text, base, start, ends, n_missing, scratch),
        )
    }

    #[inline(always)]
    fn encode_missing(
        &self,
        text: &[u8],
        base: usize,
        start: usize,
        ends: &[u32],
        n_missing: usize,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let Scratch { batch, symbols, merge, long_words, .. } = scratch;
        batch.fresh.clear();
        batch.fresh_ids.clear();
        for &number in &batch.missing[..n_missing] {
            let number = usize::from(number);
            let from = if number == 0 { start } else { base + ends[number - 1] as usize };
            let length = base + ends[number] as usize - from;
            let hash = LongWords::hash(&text[from..from + length]);
            if length > LONGEST_SHORT {
                long_words.prefetch(hash);
            } else {
                self.vocabulary.prefetch(&text[from..from + length]);
            }
            batch.found[number] = FRESH + batch.fresh.len() as u32;
            batch.fresh.push(Fresh { start: from, length, number, hash, ids: (0, 0), word: NONE });
        }
        let mut n_words = 0;
        for fresh in &mut batch.fresh {
            let word = &text[fresh.start..fresh.start + fresh.length];
            let ids_start = batch.fresh_ids.len() as u32;
            if fresh.length > LONGEST_SHORT {
                if let Some(ids) = long_words.get(fresh.hash, word) {
                    batch.fresh_ids.extend_from_slice(ids);
                } else {
                    self.encode(word, symbols, merge).map_err(|error| error.shifted_by(fresh.start))?;
                    batch.fresh_ids.extend_from_slice(symbols);
                    long_words.insert(fresh.hash, word, symbols);
                }
            } else if let Some(token_id) = self.whole_word(word) {
                batch.fresh_ids.push(token_id);
            } else if let Rule::Canonical(canonical) = &self.rule {
                batch.words[n_words].start(word.iter().map(|&byte| u32::from(byte)), &self.merges(canonical));
                fresh.word = n_words as u32;
                n_words += 1;
            } else {
                self.encode(word, symbols, merge).map_err(|error| error.shifted_by(fresh.start))?;
                batch.fresh_ids.extend_from_slice(symbols);
            }
            fresh.ids = (ids_start, batch.fresh_ids.len() as u32);
        }
        if let Rule::Canonical(canonical) = &self.rule {
            for words in batch.words[..n_words].chunks_mut(32) {
                merge_side_by_side(words, &self.merges(canonical));
            }
            for fresh in batch.fresh.iter_mut().filter(|fresh| fresh.word != NONE) {
                let start = batch.fresh_ids.len();
                let symbols = batch.words[fresh.word as usize].symbols();
                batch.fresh_ids.extend(symbols.map(|symbol| self.output(canonical, symbol)));
                fresh.ids = (start as u32, batch.fresh_ids.len() as u32);
                if batch.fresh_ids[start..].contains(&NONE) {
                    let word = &text[fresh.start..fresh.start + fresh.length];
                    return Err(self.no_token_in(word).shifted_by(fresh.start));
                }
            }
        }
        Ok(())
    }
}

/// Lets the new words enter the cache.
#[cold]
#[inline(never)]
fn keep(scratch: &mut Scratch) {
    let batch = &scratch.batch;
    for fresh in batch.fresh.iter().filter(|fresh| fresh.length <= LONGEST_SHORT) {
        let ids = &batch.fresh_ids[fresh.ids.0 as usize..fresh.ids.1 as usize];
        scratch.short_words.insert(&batch.keys[fresh.number], ids);
    }
}
