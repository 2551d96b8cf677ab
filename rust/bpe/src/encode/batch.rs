//! A run of words at a time, so that the memory that one needs is on its way while others are worked on.
//!
//! 1. Every word becomes a key, and the memory of its place in the cache of short words is asked for.
//! 2. Every key is looked up; the words that are not in the cache are listed.
//! 3. The words on the list are looked for in the vocabulary, long ones in their own cache, and those that are not there
//!    are merged, short ones side by side.
//! 4. What the words come out as is written, in order. Only then do the new words enter the cache, so that no place that
//!    step 2 found moves.

use super::cache::{self, Key, LongWords, LONGEST_SHORT, NOWHERE};
use super::canonical::NONE;
use super::dispatch::with_best_features;
use super::merge::{merge_side_by_side, Word};
use super::words::{Rule, Words};
use super::Scratch;
use crate::Error;
use std::ops::Range;

/// Words in a batch: enough that several new ones come together, few enough that their keys stay in the nearest cache.
const BATCH: usize = 256;

/// Words that are merged side by side: more than their memory takes to arrive.
const SIDE_BY_SIDE: usize = 32;

/// Marks a place in [`Batch::found`] as one in [`Batch::new_words`].
const NEW: u32 = 1 << 31;

/// What is known of the words of a batch.
#[derive(Debug)]
pub(super) struct Batch {
    keys: [Key; BATCH],
    homes: [u32; BATCH],
    /// By word: its place in the cache of short words, or [`NEW`] and its place among the new words.
    found: [u32; BATCH],
    /// The words that are not in the cache.
    missing: [u8; BATCH],
    new_words: Vec<NewWord>,
    new_outputs: Vec<u32>,
    merging: Vec<Word<{ LONGEST_SHORT + 1 }>>,
}

/// A word that is not in the cache of short words.
#[derive(Debug, Clone)]
struct NewWord {
    number: usize,
    range: Range<usize>,
    hash: u64,
    /// What it comes out as, in [`Batch::new_outputs`].
    outputs: Range<usize>,
    /// Its place in [`Batch::merging`], or [`NONE`].
    merging: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            keys: [[0; 2]; BATCH],
            homes: [0; BATCH],
            found: [0; BATCH],
            missing: [0; BATCH],
            new_words: Vec::new(),
            new_outputs: Vec::new(),
            merging: vec![Word::default(); BATCH],
        }
    }
}

/// Words of a text: the first starts at `start`, each ends at one of `ends` (counted from `base`), where the next starts.
#[derive(Debug, Clone, Copy)]
struct Run<'t> {
    text: &'t [u8],
    base: usize,
    start: usize,
    ends: &'t [u32],
}

impl Run<'_> {
    fn range(&self, number: usize) -> Range<usize> {
        let start = if number == 0 { self.start } else { self.base + self.ends[number - 1] as usize };
        start..self.base + self.ends[number] as usize
    }
}

/// What words come out as.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    buffer: Vec<u32>,
    n_filled: usize,
    /// By word: where what it comes out as ends.
    pub(super) ends: Vec<u32>,
}

impl Outputs {
    pub(super) fn get(&self) -> &[u32] {
        &self.buffer[..self.n_filled]
    }

    /// Makes room for so many words of so many bytes: at most one output a byte, and four that may be written and do not count.
    fn reset(&mut self, n_words: usize, n_bytes: usize) {
        if self.buffer.len() < n_bytes + 4 {
            self.buffer.resize(n_bytes + 4, 0);
        }
        self.n_filled = 0;
        self.ends.clear();
        self.ends.resize(n_words, 0);
    }
}

impl Words {
    /// Leaves what the words of `text` come out as in `outputs`: the first starts at `start`, each ends at one of `ends`
    /// (counted from `start`), where the next starts.
    pub(super) fn encode_all(
        &self,
        text: &[u8],
        start: usize,
        ends: &[u32],
        scratch: &mut Scratch,
        outputs: &mut Outputs,
    ) -> Result<(), Error> {
        outputs.reset(ends.len(), ends.last().map_or(0, |&end| end as usize));
        with_best_features(
            #[inline(always)]
            || {
                let mut run = Run { text, base: start, start, ends };
                for (number, ends) in ends.chunks(BATCH).enumerate() {
                    run.ends = ends;
                    self.encode_batch(run, number * BATCH, scratch, outputs)?;
                    run.start = run.range(ends.len() - 1).end;
                }
                Ok(())
            },
        )
    }

    /// Adds what a batch of words, of which the first has the number `first`, comes out as.
    #[inline(always)]
    fn encode_batch(
        &self,
        run: Run<'_>,
        first: usize,
        scratch: &mut Scratch,
        outputs: &mut Outputs,
    ) -> Result<(), Error> {
        let n_words = run.ends.len();
        let batch = &mut scratch.batch;
        let table = scratch.short_words.table();
        let mut start = run.start;
        for ((&end, key), home) in run.ends.iter().zip(&mut batch.keys).zip(&mut batch.homes) {
            let end = run.base + end as usize;
            *key = cache::key(run.text, start, end - start);
            *home = table.home(key);
            table.prefetch(*home);
            start = end;
        }

        let mut n_missing = 0;
        let homes = batch.keys.iter().zip(&batch.homes);
        for (number, (found, (key, &home))) in batch.found[..n_words].iter_mut().zip(homes).enumerate() {
            *found = table.find(home, key);
            batch.missing[n_missing] = number as u8;
            n_missing += usize::from(*found == NOWHERE);
        }
        if n_missing > 0 {
            self.encode_missing(run, n_missing, scratch)?;
        }

        let batch = &scratch.batch;
        let table = scratch.short_words.table();
        let mut n_filled = outputs.n_filled;
        for (&found, output_end) in batch.found[..n_words].iter().zip(&mut outputs.ends[first..]) {
            let free = &mut outputs.buffer[n_filled..];
            if found < NEW {
                n_filled += table.write_ids(found, free);
            } else {
                let new = &batch.new_outputs[batch.new_words[(found - NEW) as usize].outputs.clone()];
                free[..new.len()].copy_from_slice(new);
                n_filled += new.len();
            }
            *output_end = n_filled as u32;
        }
        outputs.n_filled = n_filled;
        if n_missing > 0 {
            keep(scratch);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn encode_missing(&self, run: Run<'_>, n_missing: usize, scratch: &mut Scratch) -> Result<(), Error> {
        with_best_features(
            #[inline(always)]
            || {
                self.list_missing(run, n_missing, scratch);
                self.encode_new_words(run, scratch)
            },
        )
    }

    #[inline(always)]
    fn list_missing(&self, run: Run<'_>, n_missing: usize, scratch: &mut Scratch) {
        let Scratch { batch, long_words, .. } = scratch;
        batch.new_words.clear();
        for &number in &batch.missing[..n_missing] {
            let number = usize::from(number);
            let range = run.range(number);
            let word = &run.text[range.clone()];
            let mut hash = 0;
            if word.len() <= LONGEST_SHORT {
                self.vocabulary.prefetch(word);
            } else {
                hash = LongWords::hash(word);
                long_words.prefetch(hash);
            }
            batch.found[number] = NEW + batch.new_words.len() as u32;
            batch.new_words.push(NewWord { number, range, hash, outputs: 0..0, merging: NONE });
        }
    }

    #[inline(always)]
    fn encode_new_words(&self, run: Run<'_>, scratch: &mut Scratch) -> Result<(), Error> {
        let Scratch { batch, symbols, merge, long_words, .. } = scratch;
        let Batch { new_words, new_outputs, merging, .. } = batch;
        new_outputs.clear();
        let mut n_merging = 0;
        for new in &mut *new_words {
            let word = &run.text[new.range.clone()];
            let start = new_outputs.len();
            let is_short = word.len() <= LONGEST_SHORT;
            let known = if is_short { None } else { long_words.get(new.hash, word) };
            if let Some(known) = known {
                new_outputs.extend_from_slice(known);
            } else if let Some(whole) = self.whole_word(word) {
                new_outputs.push(whole);
            } else if let (Rule::Canonical(canonical), true) = (&self.rule, is_short) {
                merging[n_merging].start(word.iter().map(|&byte| u32::from(byte)), &self.merges(canonical));
                new.merging = n_merging as u32;
                n_merging += 1;
            } else {
                self.encode(word, symbols, merge).map_err(|error| error.shifted_by(new.range.start))?;
                new_outputs.extend_from_slice(symbols);
                if !is_short {
                    long_words.insert(new.hash, word, symbols);
                }
            }
            new.outputs = start..new_outputs.len();
        }
        let Rule::Canonical(canonical) = &self.rule else { return Ok(()) };
        for words in merging[..n_merging].chunks_mut(SIDE_BY_SIDE) {
            merge_side_by_side(words, &self.merges(canonical));
        }
        for new in new_words.iter_mut().filter(|new| new.merging != NONE) {
            let start = new_outputs.len();
            let symbols = merging[new.merging as usize].symbols();
            new_outputs.extend(symbols.map(|symbol| self.output(canonical, symbol)));
            new.outputs = start..new_outputs.len();
            if new_outputs[start..].contains(&NONE) {
                return Err(self.no_token_in(&run.text[new.range.clone()]).shifted_by(new.range.start));
            }
        }
        Ok(())
    }
}

/// Lets the new short words enter the cache.
#[cold]
#[inline(never)]
fn keep(scratch: &mut Scratch) {
    let Scratch { batch, short_words, .. } = scratch;
    for new in batch.new_words.iter().filter(|new| new.range.len() <= LONGEST_SHORT) {
        short_words.insert(&batch.keys[new.number], &batch.new_outputs[new.outputs.clone()]);
    }
}
