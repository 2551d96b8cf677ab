//! The merge rule: of all adjacent pairs that may merge, the one with the lowest rank does, the leftmost first,
//! until none may.
//!
//! The rank of every pair lies at the place of its left symbol, so finding the next merge is finding the least of an
//! array. Words of up to 16, 32 and 64 symbols ([`Word`]) take one pass over an array of that fixed size, which
//! compiles to a few vector instructions; a key holds rank and place, so that its minimum is the leftmost of the lowest
//! rank, and a bit mask of the places still in use says who the neighbours are. What costs is waiting for the memory in
//! which a pair is looked up, so several words take their steps in turn ([`merge_side_by_side`]): what a step needs to know of
//! its two new pairs is put on a list of questions, whose memory is asked for, and answered before the next step.
//!
//! **Early merges.** Almost half of the merges of a word of bytes are made before the first step, all at once
//! ([`Word::start_bytes`]): those of two bytes that are sure to merge. Symbols are numbered by rank. Take x and y in z x y c,
//! which merge to r. They merge early if
//!
//! 1. every merge of y with something that starts with c makes a symbol above r, and so does every merge of something that
//!    ends with z with x;
//! 2. everything that r is a part of is above r.
//!
//! By 1 the rule is sure to merge them: the first merge that took one of the two without the other would be one of those, and
//! would be made although r, which is lower, could be. By 2 it makes no difference that they merge too soon: as long as the rule
//! would leave them as they are, it could make r, so it makes nothing above r, hence nothing of which r is a part; and all
//! other pairs are the same with r in their place. Two early merges never overlap, as each would be lower than the
//! other. Where only symbols below a limit are made, there are fewer of the merges of 1 and 2, so both still hold.
//! A vocabulary may have merges against 2: a token that was added later with a low rank (Llama 3). For every two bytes
//! `rows::BytePair` has the least symbol of the merges of 1, and whether 2 holds.
//!
//! Longer sequences keep a tree of minima over blocks of 16 places: a merge changes three places and the minima above
//! them, O(log n). Altogether O(n log n), whatever the symbols are, in 17 bytes of memory for each; so very long pretokens are
//! cut before (`windows`).

use super::dispatch::with_best_features;
use super::rows::BytePair;
use super::words::MergesBelow;
use crate::merges::MergeTable;
use crate::Interrupt;

/// The rank of a pair that does not merge.
pub(crate) const NO_MERGE: u32 = u32::MAX;

/// Which pairs of symbols merge.
///
/// A rank is below 2²⁴, so that it fits a key with its place.
pub trait MergeRule {
    /// The rank of a pair, or `u32::MAX` if it does not merge.
    fn rank(&self, left: u32, right: u32) -> u32;
    /// What a pair of this rank becomes.
    fn merged(&self, left: u32, right: u32, rank: u32) -> u32;
    /// Asks for the memory that [`MergeRule::may_merge`] will read.
    fn prefetch_left(&self, _left: u32) {}
    /// Asks for the memory that [`MergeRule::rank`] will read; `false` if it is easily seen that the pair does not merge.
    fn may_merge(&self, _left: u32, _right: u32) -> bool {
        true
    }
}

impl MergeRule for MergeTable {
    fn rank(&self, left: u32, right: u32) -> u32 {
        self.get(left, right).map_or(NO_MERGE, |merge| merge.rank)
    }

    fn merged(&self, left: u32, right: u32, _rank: u32) -> u32 {
        self.get(left, right).map_or(left, |merge| merge.token_id)
    }
}

/// Memory that is kept from one call to the next.
#[derive(Debug, Default)]
pub struct MergeScratch {
    /// Of every place, the rank of its symbol with the next; above it, level by level, the least of every 16.
    levels: Vec<Vec<u32>>,
    next: Vec<u32>,
    previous: Vec<u32>,
    /// What a sequence stops at, half merged; whoever set it must ask whether it did.
    pub(super) interrupt: Interrupt,
}

impl MergeScratch {
    /// Of work that `interrupt` stops.
    pub(crate) fn interrupted_by(interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), ..Self::default() }
    }
}

/// Applies the merge rule to `symbols` (of the single bytes, or of any tokens) in place. O(n log n).
///
/// ```
/// use portmanteau_bpe::{encode::{merge_all, MergeScratch}, Merges, MergeTable, Vocabulary};
/// let tokens = ["a", "b", "ab", "aba"].iter().enumerate().map(|(id, t)| (id as u32, t.as_bytes().to_vec()));
/// let vocabulary = Vocabulary::new(tokens.collect())?;
/// let merges = Merges::from_pairs(&vocabulary, &[(0, 1), (2, 0)])?;
/// let table = MergeTable::new(&vocabulary, &merges);
/// let mut symbols = vec![0, 1, 0, 1];
/// merge_all(&mut symbols, &table, &mut MergeScratch::default());
/// assert_eq!(symbols, [2, 2]);
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
pub fn merge_all(symbols: &mut Vec<u32>, rule: &impl MergeRule, scratch: &mut MergeScratch) {
    match symbols.len() {
        0 | 1 => {}
        2..=16 => merge_word::<16>(symbols, rule),
        17..=32 => merge_word::<32>(symbols, rule),
        33..=64 => merge_word::<64>(symbols, rule),
        _ => with_best_features(
            #[inline(always)]
            || merge_by_tree(symbols, rule, scratch),
        ),
    }
}

fn merge_word<const LANES: usize>(symbols: &mut Vec<u32>, rule: &impl MergeRule) {
    let mut word = Word::<LANES>::default();
    with_best_features(
        #[inline(always)]
        || {
            word.start(symbols.iter().copied(), rule);
            while word.step(rule) {}
        },
    );
    symbols.clear();
    symbols.extend(word.symbols());
}

/// Words that may be merged side by side.
pub(super) const SIDE_BY_SIDE: usize = 64;

/// A pair whose rank is not known yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Question {
    left: u32,
    right: u32,
    /// The number of the word.
    word: u32,
    /// The place of `left` in the word.
    place: u32,
}

/// Merges up to [`SIDE_BY_SIDE`] words that are started; they take their steps in turn. `questions` is memory that is kept
/// from one call to the next.
#[inline(always)]
pub(super) fn merge_side_by_side<const LANES: usize>(
    words: &mut [Word<LANES>],
    rule: &impl MergeRule,
    questions: &mut Vec<Question>,
) {
    // The words that are not done, by number.
    let mut busy = [0_u8; SIDE_BY_SIDE];
    for (number, busy) in busy.iter_mut().enumerate() {
        *busy = number as u8;
    }
    let mut n_busy = words.len().min(SIDE_BY_SIDE);
    questions.resize(SIDE_BY_SIDE * LANES, Question::default());
    let mut n_questions = 0;
    for (word, number) in words.iter().zip(0..) {
        for question in word.first_questions(number) {
            questions[n_questions] = question;
            n_questions += 1;
            rule.prefetch_left(question.left);
        }
    }
    while n_busy > 0 {
        // Nobody can foresee which pairs may merge, so what is written counts, or not, without a branch.
        let mut n_open = 0;
        for number in 0..n_questions {
            let question = questions[number];
            questions[n_open] = question;
            n_open += usize::from(rule.may_merge(question.left, question.right));
        }
        for question in &questions[..n_open] {
            let rank = rule.rank(question.left, question.right);
            words[question.word as usize].set_rank(question.place as usize, rank);
        }
        n_questions = 0;
        let mut kept = 0;
        for place in 0..n_busy {
            let number = busy[place];
            let word = &mut words[usize::from(number)];
            let Some(place) = word.make_next(rule) else { continue };
            busy[kept] = number;
            kept += 1;
            for (is_there, question) in word.next_questions(u32::from(number), place) {
                questions[n_questions] = question;
                n_questions += usize::from(is_there);
            }
        }
        n_busy = kept;
    }
}

/// A word of up to `LANES` symbols that is being merged.
#[derive(Debug, Clone)]
pub(super) struct Word<const LANES: usize> {
    /// By place: `rank · LANES + place` of the pair that starts there.
    keys: [u32; LANES],
    symbols: [u32; LANES],
    /// The places in use, as bits.
    used: u64,
    /// Where the last [`Word::step`] made a merge: the ranks of the pairs on both sides are not known yet.
    merged: u32,
    /// The places that early merges leave without a rank that is known, as bits.
    unknown: u64,
}

impl<const LANES: usize> Default for Word<LANES> {
    fn default() -> Self {
        Self { keys: [NO_MERGE; LANES], symbols: [0; LANES], used: 0, merged: NONE, unknown: 0 }
    }
}

impl<const LANES: usize> Word<LANES> {
    /// Takes a word, of at least one symbol.
    #[inline(always)]
    pub(super) fn start(&mut self, symbols: impl ExactSizeIterator<Item = u32>, rule: &impl MergeRule) {
        let n_symbols = symbols.len().min(LANES);
        self.used = u64::MAX >> (64 - n_symbols);
        self.merged = NONE;
        self.unknown = 0;
        for (own, symbol) in self.symbols.iter_mut().zip(symbols) {
            *own = symbol;
        }
        self.keys = [NO_MERGE; LANES];
        for place in 0..n_symbols - 1 {
            self.look_up(place, place + 1, rule);
        }
    }

    /// Takes a word of at least one byte, padded with zeros, makes its early merges, and leaves the questions that these raise.
    #[inline(always)]
    pub(super) fn start_bytes(&mut self, bytes: [u8; LANES], n_bytes: usize, rule: &MergesBelow<'_>) {
        const { assert!(LANES <= 32, "early merges are the bits of a u32") };
        self.merged = NONE;
        // One place further, so that there is one before the first.
        let mut pairs = [[BytePair::NONE; 2]; LANES];
        let pairs = pairs.as_flattened_mut();
        for place in 0..LANES - 1 {
            let pair = rule.byte_pair(bytes[place], bytes[place + 1]);
            pairs[place + 1] = if place + 1 < n_bytes { pair } else { BytePair::NONE };
        }
        let mut early = 0_u32;
        for place in 0..LANES {
            let [before, own, after] = [pairs[place], pairs[place + 1], pairs[place + 2]];
            let result = own.result();
            let is_early = (own.rival() != 0) & (result < before.rival()) & (result < after.rival());
            early |= if is_early { 1 << place } else { 0 };
        }
        let known = !(early | early << 1 | early >> 1);
        for place in 0..LANES {
            let result = pairs[place + 1].result();
            let is_early = early & 1 << place != 0;
            let is_known = known & 1 << place != 0 && result != NO_MERGE;
            self.symbols[place] = if is_early { result } else { u32::from(bytes[place]) };
            self.keys[place] = if is_known { result * LANES as u32 + place as u32 } else { NO_MERGE };
        }
        let early = u64::from(early);
        self.used = (u64::MAX >> (64 - n_bytes)) & !(early << 1);
        let last = 1 << self.used.ilog2();
        self.unknown = (early | early >> 1) & self.used & !last;
    }

    /// What early merges leave to be asked.
    #[inline(always)]
    fn first_questions(&self, number: u32) -> impl Iterator<Item = Question> + '_ {
        let mut unknown = self.unknown;
        std::iter::from_fn(move || {
            let place = (unknown != 0).then(|| unknown.trailing_zeros())?;
            unknown &= unknown - 1;
            let after = (self.used & (u64::MAX - 1) << place).trailing_zeros();
            let [left, right] = [place, after].map(|place| self.symbols[place as usize % LANES]);
            Some(Question { left, right, word: number, place })
        })
    }

    /// What a merge leaves to be asked: of the pairs that it is the left and the right part of, if they are there.
    #[inline(always)]
    fn next_questions(&self, number: u32, place: usize) -> [(bool, Question); 2] {
        let symbol_at = |place: u32| self.symbols[place as usize % LANES];
        let symbol = self.symbols[place % LANES];
        let after = self.used & (u64::MAX - 1) << place;
        let right = symbol_at(after.trailing_zeros());
        let before = self.used & ((1 << place) - 1);
        let place_before = 63_u32.wrapping_sub(before.leading_zeros());
        let left = symbol_at(place_before);
        [
            (after != 0, Question { left: symbol, right, word: number, place: place as u32 }),
            (before != 0, Question { left, right: symbol, word: number, place: place_before }),
        ]
    }

    #[inline(always)]
    fn look_up(&mut self, left: usize, right: usize, rule: &impl MergeRule) {
        self.set_rank(left, rule.rank(self.symbols[left % LANES], self.symbols[right % LANES]));
    }

    /// Makes the next merge; `false` if there is none.
    #[inline(always)]
    pub(super) fn step(&mut self, rule: &impl MergeRule) -> bool {
        if self.merged != NONE {
            let place = self.merged as usize;
            if let Some(after) = self.after(place) {
                self.look_up(place, after, rule);
            }
            if let Some(before) = self.before(place) {
                self.look_up(before, place, rule);
            }
        }
        self.make_next(rule).is_some()
    }

    /// Makes the next merge, and forgets the ranks of the pairs that it changes; returns where it was made.
    #[inline(always)]
    fn make_next(&mut self, rule: &impl MergeRule) -> Option<usize> {
        let least = self.keys.iter().fold(NO_MERGE, |least, &key| least.min(key));
        if least == NO_MERGE {
            return None;
        }
        let place = least as usize % LANES;
        let right = self.after(place)?;
        let symbol = rule.merged(self.symbols[place], self.symbols[right % LANES], least / LANES as u32);
        self.symbols[place] = symbol;
        self.used &= !(1 << right);
        self.keys[right % LANES] = NO_MERGE;
        self.keys[place] = NO_MERGE;
        // Where there is none before, of the last place, which has no pair.
        let before = 63_u32.wrapping_sub((self.used & ((1 << place) - 1)).leading_zeros());
        self.keys[before as usize % LANES] = NO_MERGE;
        self.merged = place as u32;
        rule.prefetch_left(symbol);
        Some(place)
    }

    #[inline(always)]
    fn set_rank(&mut self, place: usize, rank: u32) {
        self.keys[place % LANES] =
            if rank == NO_MERGE { NO_MERGE } else { rank * LANES as u32 + place as u32 };
    }

    #[inline]
    fn after(&self, place: usize) -> Option<usize> {
        let after = self.used & (u64::MAX - 1) << place;
        (after != 0).then(|| after.trailing_zeros() as usize)
    }

    #[inline]
    fn before(&self, place: usize) -> Option<usize> {
        let before = self.used & ((1 << place) - 1);
        (before != 0).then(|| 63 - before.leading_zeros() as usize)
    }

    /// Writes the symbols that are left to `out`, in order, and perhaps rubbish behind them; returns how many.
    #[inline(always)]
    pub(super) fn write_symbols(&self, out: &mut [u32; LANES]) -> usize {
        let mut n_symbols = 0;
        for (place, &symbol) in self.symbols.iter().enumerate() {
            out[n_symbols % LANES] = symbol;
            n_symbols += (self.used >> place & 1) as usize;
        }
        n_symbols
    }

    /// The symbols that are left, in order.
    #[inline]
    pub(super) fn symbols(&self) -> impl Iterator<Item = u32> + '_ {
        let mut used = self.used;
        std::iter::from_fn(move || {
            let place = used.trailing_zeros() as usize;
            let symbol = *self.symbols.get(place)?;
            used &= used - 1;
            Some(symbol)
        })
    }
}

/// Steps between two looks at the interrupt.
const STEPS: usize = 1 << 14;

/// The places under one minimum.
const BRANCHES: usize = 16;
const NONE: u32 = u32::MAX;

#[inline(always)]
fn merge_by_tree(symbols: &mut Vec<u32>, rule: &impl MergeRule, scratch: &mut MergeScratch) {
    if scratch.interrupt.is_set() {
        return;
    }
    let n_symbols = symbols.len() as u32;
    scratch.next.clear();
    scratch.next.extend((1..n_symbols).chain([NONE]));
    scratch.previous.clear();
    scratch.previous.extend([NONE].into_iter().chain(0..n_symbols - 1));
    let MergeScratch { levels, next, previous, interrupt } = scratch;
    let depth = plant(levels, symbols, rule, interrupt);
    let levels = &mut levels[..depth];
    let mut steps = 0_usize;
    while let Some((place, rank)) = least(levels) {
        steps += 1;
        if steps.is_multiple_of(STEPS) && interrupt.is_set() {
            break;
        }
        let right = next[place as usize];
        let symbol = rule.merged(symbols[place as usize], symbols[right as usize], rank);
        symbols[place as usize] = symbol;
        symbols[right as usize] = NONE;
        let (before, after) = (previous[place as usize], next[right as usize]);
        next[place as usize] = after;
        set(levels, right, NO_MERGE);
        if after == NONE {
            set(levels, place, NO_MERGE);
        } else {
            previous[after as usize] = place;
            set(levels, place, rule.rank(symbol, symbols[after as usize]));
        }
        if before != NONE {
            set(levels, before, rule.rank(symbols[before as usize], symbol));
        }
    }
    symbols.retain(|&symbol| symbol != NONE);
}

/// Fills the tree and returns its depth, or 0 if it was interrupted; every level is a whole number of blocks, the last
/// one block.
#[inline(always)]
fn plant(levels: &mut Vec<Vec<u32>>, symbols: &[u32], rule: &impl MergeRule, interrupt: &Interrupt) -> usize {
    let mut depth = 0;
    loop {
        if levels.len() == depth {
            levels.push(Vec::new());
        }
        let (below, level) = levels.split_at_mut(depth);
        let level = &mut level[0];
        level.clear();
        match below.last() {
            None => {
                for start in (0..symbols.len()).step_by(STEPS) {
                    if interrupt.is_set() {
                        return 0;
                    }
                    let symbols = &symbols[start..symbols.len().min(start + STEPS + 1)];
                    level.extend(symbols.windows(2).map(|pair| rule.rank(pair[0], pair[1])));
                }
                level.push(NO_MERGE);
            }
            Some(below) => level.extend(below.chunks_exact(BRANCHES).map(least_of)),
        }
        let n_blocks = level.len().div_ceil(BRANCHES);
        level.resize(n_blocks * BRANCHES, NO_MERGE);
        depth += 1;
        if n_blocks == 1 {
            return depth;
        }
    }
}

#[inline(always)]
fn least_of(block: &[u32]) -> u32 {
    block.iter().fold(NO_MERGE, |least, &rank| least.min(rank))
}

/// The leftmost place of the lowest rank.
#[inline(always)]
fn least(levels: &[Vec<u32>]) -> Option<(u32, u32)> {
    let lowest = least_of(levels.last()?);
    if lowest == NO_MERGE {
        return None;
    }
    let mut place = 0;
    for level in levels.iter().rev() {
        let block = &level[place * BRANCHES..][..BRANCHES];
        let is_lowest = |(bit, &rank): (usize, &u32)| u32::from(rank == lowest) << bit;
        let found: u32 = block.iter().enumerate().map(is_lowest).fold(0, std::ops::BitOr::bitor);
        place = place * BRANCHES + found.trailing_zeros() as usize;
    }
    Some((place as u32, lowest))
}

/// Changes a rank and the minima above it, as far up as they change.
#[inline(always)]
fn set(levels: &mut [Vec<u32>], place: u32, rank: u32) {
    let mut place = place as usize;
    let mut value = rank;
    for number in 0..levels.len() {
        let level = &mut levels[number];
        let old = std::mem::replace(&mut level[place], value);
        place /= BRANCHES;
        let Some(&least) = levels.get(number + 1).map(|above| &above[place]) else { return };
        if value > least {
            if old != least {
                return;
            }
            value = least_of(&levels[number][place * BRANCHES..][..BRANCHES]);
        }
        if value == least {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
