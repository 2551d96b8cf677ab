//! The merges that can ever happen, numbered so that looking them up is cheap.
//!
//! A token that comes up in an encoding was made as if its bytes stood alone: no merge that took part in it reached beyond
//! it, and those inside it happen in the same order with or without the text around. So a token that its own bytes do not
//! encode to never comes up, and one that does comes up through one pair alone, the last merge of its own encoding: its
//! *canonical* merge. All other merges may be dropped, though a rank file has three times as many (any two tokens whose
//! concatenation is a token), and so may all tokens that no merge makes.
//!
//! **One pass finds almost all.** Let `<r` be the canonical merges of lower rank than *r*. If the bytes of the token of
//! rank *r* encode by `<r` to two symbols, these are its canonical pair; if to more, the token is *stuck*: it comes up
//! only if a merge that it is built on has a higher rank than its own. The full rule says whether it does. In
//! a vocabulary as training leaves it no stuck token comes up, and then the pass was right: take the shortest token that
//! the full rule makes by a pair that was dropped; up to that last merge its own encoding used canonical merges only, the
//! lowest first, which is how its canonical pair was found.
//!
//! **Otherwise** (Llama 3 has tokens that were added to another vocabulary, below the rank of what they are built on) those
//! that come up get the merge that made them, and every token that has a merge is encoded by all canonical merges. Where all encode to
//! themselves, the same argument holds. A token that does not is asked of the full rule in its turn, until nothing
//! changes.

use super::merge::{merge_all, MergeRule, MergeScratch, NO_MERGE};
use super::pairs::{PairTable, MOST_SYMBOLS};
use super::rows::PairRows;
use crate::{MergeTable, Merges, Vocabulary};
use std::cell::Cell;

/// No symbol, or no token.
pub(super) const NONE: u32 = u32::MAX;

/// Rounds of correction before the canonical form is given up.
const MOST_ROUNDS: usize = 8;

/// Canonical merges over symbols: a byte is its own symbol, what the merge of rank *r* makes is 256 + *r*.
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
    token_ids: Vec<u32>,
    symbols: Vec<u32>,
    /// By symbol: the two that it is made of.
    parts: Vec<(u32, u32)>,
    /// By token id: its canonical merge.
    merges: Vec<Option<TokenMerge>>,
    stuck: Vec<u32>,
    scratch: MergeScratch,
    encoded: Vec<u32>,
}

impl<'v> Builder<'v> {
    fn new(vocabulary: &'v Vocabulary, merges: &Merges) -> Option<Self> {
        let n_ranks = match merges {
            Merges::Listed(list) => list.len(),
            Merges::ByTokenId => vocabulary.size(),
        };
        let n_symbols = 256 + n_ranks;
        let mut builder = Self {
            vocabulary,
            pairs: PairTable::with_capacity(vocabulary.n_tokens()),
            token_ids: vec![NONE; n_symbols],
            symbols: vec![NONE; vocabulary.size()],
            parts: vec![(NONE, NONE); n_symbols],
            merges: vec![None; vocabulary.size()],
            stuck: Vec::new(),
            scratch: MergeScratch::default(),
            encoded: Vec::new(),
        };
        builder.number_bytes();
        (n_symbols <= MOST_SYMBOLS).then_some(builder)
    }

    fn number_bytes(&mut self) {
        for byte in 0..=255_u8 {
            if let Some(token_id) = self.vocabulary.byte_id(byte) {
                self.token_ids[usize::from(byte)] = token_id;
                self.symbols[token_id as usize] = u32::from(byte);
            }
        }
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
            } else {
                let [left, right] = [left, right].map(|id| self.symbols[id as usize]);
                if left != NONE && right != NONE && self.stay_apart(left, right) {
                    self.merges[token_id as usize] = Some(merge);
                    self.number(token_id, merge);
                } else {
                    self.stuck.push(token_id);
                }
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
            let token = |symbol: u32| Some(self.token_ids[symbol as usize]).filter(|&id| id != NONE);
            let pair = match *self.encoded.as_slice() {
                [left, right] => token(left).zip(token(right)),
                _ => None,
            };
            match pair {
                Some((left, right)) => {
                    let merge = TokenMerge { left, right, rank: token_id };
                    self.merges[token_id as usize] = Some(merge);
                    self.number(token_id, merge);
                }
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
        self.encoded != [self.symbols[token_id as usize]]
    }

    /// Whether the bytes of two symbols, together, encode to the two by the merges so far.
    ///
    /// Goes back in time: of the two symbols next to the seam, the one that was made last is taken apart again, and so
    /// on to single bytes. If at any time the two could have merged before one of them was taken up by what it became part of, they would have.
    /// (Of equal ranks the left goes first.) Source: `is_valid_token_pair` of H. van Antwerpen, A. Neubeck, "So many
    /// tokens, so little time", GitHub 2024, where it is proved.
    fn stay_apart(&self, mut left: u32, mut right: u32) -> bool {
        let age = |symbol: u32| if symbol < 256 { 0 } else { symbol };
        let mut taken_up = NO_MERGE;
        loop {
            if self.pairs.rank(left, right) < taken_up {
                return false;
            }
            if age(left) > age(right) {
                taken_up = left;
                left = self.parts[left as usize].1;
            } else if right >= 256 {
                taken_up = right + 1;
                right = self.parts[right as usize].0;
            } else {
                return true;
            }
        }
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
        let pairs = PairRows::new(self.token_ids.len(), &self.pairs.iter().collect::<Vec<_>>());
        Canonical { pairs, token_ids: self.token_ids, symbols: self.symbols }
    }

    fn number(&mut self, token_id: u32, merge: TokenMerge) {
        let symbol = 256 + merge.rank;
        let [left, right] = [merge.left, merge.right].map(|id| match self.merges[id as usize] {
            Some(merge) => 256 + merge.rank,
            None => self.symbols[id as usize],
        });
        self.pairs.insert(left, right, symbol);
        self.parts[symbol as usize] = (left, right);
        self.token_ids[symbol as usize] = token_id;
        self.symbols[token_id as usize] = symbol;
    }

    fn renumber(&mut self) {
        self.pairs = PairTable::with_capacity(self.vocabulary.n_tokens());
        self.token_ids.fill(NONE);
        self.symbols.fill(NONE);
        self.number_bytes();
        for token_id in 0..self.merges.len() {
            if let Some(merge) = self.merges[token_id] {
                self.number(token_id as u32, merge);
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
