//! The merges that can ever happen, numbered so that looking them up is cheap.
//!
//! A token that comes up in an encoding was made as if its bytes stood alone: no merge that took part in it reached
//! beyond it, and those inside it happen in the same order with or without the text around. So a token that its own
//! bytes do not encode to never comes up, and one that does comes up through one pair alone, the last merge of its own
//! encoding: its
//! *canonical* merge. All other merges may be dropped, though a rank file has three times as many (any two tokens whose
//! concatenation is a token), and so may all tokens that no merge makes.
//!
//! **One pass finds almost all.** Let `<r` be the canonical merges of lower rank than *r*. If the bytes of the token of
//! rank *r* encode by `<r` to two symbols, these are its canonical pair; if to more, the token is *stuck*: it comes up
//! only if a merge that it is built on has a higher rank than its own. The full rule says whether it does. In a
//! vocabulary as training leaves it no stuck token comes up, and then the pass was right: take the shortest token that
//! the full rule makes by a pair that was dropped; up to that last merge its own encoding used canonical merges only,
//! the lowest first, which is how its canonical pair was found.
//!
//! **Otherwise** (Llama 3 has tokens that were added to another vocabulary, below the rank of what they are built on)
//! those that come up get the merge that made them, and every token that has a merge is encoded by all canonical
//! merges. Where all encode to themselves, the same argument holds. A token that does not is asked of the full rule in
//! its turn, until nothing changes.

use super::merge::{merge_all, MergeRule, MergeScratch, NO_MERGE};
use super::pairs::PairTable;
use super::rows::PairRows;
use super::symbols::Symbols;

pub(super) use super::symbols::NONE;
use crate::{MergeTable, Merges, Vocabulary};
use std::cell::Cell;

/// Rounds of correction before the canonical form is given up.
const MOST_ROUNDS: usize = 8;

/// Canonical merges over symbols.
#[derive(Debug)]
pub(super) struct Canonical {
    /// Which symbols merge.
    pub(super) pairs: PairRows,
    /// By symbol: the token's id; [`NONE`] for a byte that has no token and for a merge that never happens.
    pub(super) token_ids: Vec<u32>,
    /// By token id: its symbol; [`NONE`] for a token that no merge makes.
    pub(super) symbols: Vec<u32>,
}

impl Canonical {
    /// The canonical merges of a vocabulary, or `None` if the full table must be used: for more than two million
    /// merges, or a pair that is listed twice. O(bytes of the vocabulary).
    pub(super) fn new(vocabulary: &Vocabulary, merges: &Merges) -> Option<Self> {
        if let Some(canonical) = Self::from_known_pairs(vocabulary, merges) {
            return Some(canonical);
        }
        let mut builder = Builder::new(vocabulary, merges)?;
        match merges {
            Merges::Listed(list) => {
                builder.read_list(list)?;
                if builder.stuck.is_empty() {
                    return Some(builder.finish());
                }
                builder.correct(&MergeTable::new(vocabulary, merges))
            }
            Merges::ByTokenId => {
                builder.read_vocabulary();
                builder.correct(&AnyPair { vocabulary })
            }
        }
    }

    /// The canonical merges if they are the only ones that are listed, or the pairs that the vocabulary was built of.
    fn from_known_pairs(vocabulary: &Vocabulary, merges: &Merges) -> Option<Self> {
        let mut symbols = Symbols::of_bytes(vocabulary, merges)?;
        let mut add = |token_id: u32, left, right, rank| {
            let is_new = symbols.of_tokens[token_id as usize] == NONE;
            let (left, right) = symbols.of_pair(left, right).filter(|_| is_new)?;
            Some(symbols.add(token_id, left, right, rank))
        };
        match merges {
            Merges::Listed(list) => {
                for (rank, &(left, right, token_id)) in (0..).zip(list) {
                    add(token_id, left, right, rank)?;
                }
            }
            Merges::ByTokenId => {
                for (token_id, _) in vocabulary.iter().filter(|(_, bytes)| bytes.len() > 1) {
                    let (left, right) = vocabulary.parts(token_id)?;
                    add(token_id, left, right, token_id)?;
                }
            }
        }
        let pairs = PairRows::new(symbols.token_ids.len(), symbols.merges());
        let all =
            symbols.merges().all(|(left, right, result)| symbols.stay_apart(left, right, result, &pairs));
        all.then(|| Self::from_symbols(symbols, pairs))
    }

    /// The merges in order of rank, as (left id, right id, merged id).
    pub(super) fn listed(&self) -> Vec<(u32, u32, u32)> {
        let mut merges: Vec<_> = self.pairs.iter().collect();
        merges.sort_unstable_by_key(|&(.., result)| result);
        let token_id = |symbol: u32| self.token_ids[symbol as usize];
        let merges = merges.into_iter();
        merges.map(|(left, right, result)| (token_id(left), token_id(right), token_id(result))).collect()
    }

    fn from_symbols(symbols: Symbols, pairs: PairRows) -> Self {
        Self { pairs, token_ids: symbols.token_ids, symbols: symbols.of_tokens }
    }
}

/// A merge in terms of token ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct TokenMerge {
    left: u32,
    right: u32,
    rank: u32,
}

struct Builder<'v> {
    vocabulary: &'v Vocabulary,
    pairs: PairTable,
    symbols: Symbols,
    /// By token id: its canonical merge.
    merges: Vec<Option<TokenMerge>>,
    stuck: Vec<u32>,
    scratch: MergeScratch,
    encoded: Vec<u32>,
}

impl<'v> Builder<'v> {
    fn new(vocabulary: &'v Vocabulary, merges: &Merges) -> Option<Self> {
        Some(Self {
            vocabulary,
            pairs: PairTable::with_capacity(vocabulary.n_tokens()),
            symbols: Symbols::of_bytes(vocabulary, merges)?,
            merges: vec![None; vocabulary.size()],
            stuck: Vec::new(),
            scratch: MergeScratch::default(),
            encoded: Vec::new(),
        })
    }

    /// A merge of rank *r* is the one at place *r* of the list.
    fn read_list(&mut self, list: &[(u32, u32, u32)]) -> Option<()> {
        for (rank, &(left, right, token_id)) in list.iter().enumerate() {
            let merge = TokenMerge { left, right, rank: rank as u32 };
            if let Some(known) = self.merges[token_id as usize] {
                // The last of two equal pairs is the one that counts.
                if (known.left, known.right) == (left, right) {
                    return None;
                }
            } else if self.symbols.of_pair(left, right).is_some_and(|(left, right)| {
                let result = 256 + merge.rank;
                self.symbols.stay_apart(left, right, result, &self.pairs)
            }) {
                self.add(token_id, merge);
            } else {
                self.stuck.push(token_id);
            }
        }
        let merges = &self.merges;
        self.stuck.retain(|&token_id| merges[token_id as usize].is_none());
        Some(())
    }

    /// Any two tokens that make a token may merge, and the rank of a merge is the id of what it makes.
    fn read_vocabulary(&mut self) {
        let vocabulary = self.vocabulary;
        for (token_id, _) in vocabulary.iter().filter(|(_, bytes)| bytes.len() > 1) {
            self.encode(token_id);
            let token = |symbol: u32| Some(self.symbols.token_ids[symbol as usize]).filter(|&id| id != NONE);
            let pair = match *self.encoded.as_slice() {
                [left, right] => token(left).zip(token(right)),
                _ => None,
            };
            match pair {
                Some((left, right)) => self.add(token_id, TokenMerge { left, right, rank: token_id }),
                None => self.stuck.push(token_id),
            }
        }
    }

    /// Asks the full rule about the tokens that are stuck, and about all that its answers put in doubt.
    fn correct(mut self, full: &impl MergeRule) -> Option<Canonical> {
        let mut doubtful = std::mem::take(&mut self.stuck);
        for _ in 0..MOST_ROUNDS {
            let mut changed = false;
            for token_id in doubtful {
                let merge = self.last_merge(token_id, full);
                changed |= merge != self.merges[token_id as usize];
                self.merges[token_id as usize] = merge;
            }
            if !changed {
                return Some(self.finish());
            }
            self.renumber();
            doubtful = (0..self.merges.len() as u32).filter(|&token_id| self.is_doubtful(token_id)).collect();
        }
        None
    }

    /// Whether a token has a canonical merge and yet does not encode to itself.
    fn is_doubtful(&mut self, token_id: u32) -> bool {
        if self.merges[token_id as usize].is_none() {
            return false;
        }
        self.encode(token_id);
        self.encoded != [self.symbols.of_tokens[token_id as usize]]
    }

    /// Leaves what the canonical merges so far make of a token's bytes in `encoded`.
    fn encode(&mut self, token_id: u32) {
        let bytes = self.vocabulary.token_bytes(token_id).unwrap_or_default();
        self.encoded.clear();
        self.encoded.extend(bytes.iter().map(|&byte| u32::from(byte)));
        merge_all(&mut self.encoded, &self.pairs, &mut self.scratch);
    }

    /// The last merge by which the full rule makes a token of its bytes.
    fn last_merge(&mut self, token_id: u32, full: &impl MergeRule) -> Option<TokenMerge> {
        self.encoded.clear();
        for &byte in self.vocabulary.token_bytes(token_id)? {
            self.encoded.push(self.vocabulary.byte_id(byte)?);
        }
        let recording = Recording { rule: full, last: Cell::default() };
        merge_all(&mut self.encoded, &recording, &mut self.scratch);
        (self.encoded == [token_id]).then(|| recording.last.get())
    }

    fn finish(self) -> Canonical {
        let pairs = PairRows::new(self.symbols.token_ids.len(), self.symbols.merges());
        Canonical::from_symbols(self.symbols, pairs)
    }

    fn add(&mut self, token_id: u32, merge: TokenMerge) {
        self.merges[token_id as usize] = Some(merge);
        let [left, right] = [merge.left, merge.right].map(|id| match self.merges[id as usize] {
            Some(merge) => 256 + merge.rank,
            None => self.symbols.of_tokens[id as usize],
        });
        let symbol = self.symbols.add(token_id, left, right, merge.rank);
        self.pairs.insert(left, right, symbol);
    }

    fn renumber(&mut self) {
        self.pairs = PairTable::with_capacity(self.vocabulary.n_tokens());
        self.symbols.keep_bytes(self.vocabulary);
        for token_id in 0..self.merges.len() {
            if let Some(merge) = self.merges[token_id] {
                self.add(token_id as u32, merge);
            }
        }
    }
}

/// The rule of a vocabulary in which any two tokens whose concatenation is a token may merge, without a table.
struct AnyPair<'v> {
    vocabulary: &'v Vocabulary,
}

impl MergeRule for AnyPair<'_> {
    fn rank(&self, left: u32, right: u32) -> u32 {
        let bytes = [left, right].map(|id| self.vocabulary.token_bytes(id).unwrap_or_default()).concat();
        self.vocabulary.token_id(&bytes).unwrap_or(NO_MERGE)
    }

    fn merged(&self, _left: u32, _right: u32, rank: u32) -> u32 {
        rank
    }
}

/// A rule that remembers the last merge made.
struct Recording<'r, R> {
    rule: &'r R,
    last: Cell<TokenMerge>,
}

impl<R: MergeRule> MergeRule for Recording<'_, R> {
    fn rank(&self, left: u32, right: u32) -> u32 {
        self.rule.rank(left, right)
    }

    fn merged(&self, left: u32, right: u32, rank: u32) -> u32 {
        self.last.set(TokenMerge { left, right, rank });
        self.rule.merged(left, right, rank)
    }
}
