//! Symbols: numbers for what merges make, and what each is made of.
//!
//! A byte is its own symbol, and what the merge of rank *r* makes is 256 + *r*. So of two symbols the higher number is
//! the one that was made later.

use super::merge::MergeRule;
use super::pairs::MOST_SYMBOLS;
use crate::{Merges, Vocabulary};

/// No symbol, or no token.
pub(super) const NONE: u32 = u32::MAX;

/// Which symbols stand for which tokens.
#[derive(Debug)]
pub(super) struct Symbols {
    /// By symbol: the token's id; [`NONE`] for a byte that has no token and for a merge that is not canonical.
    pub(super) token_ids: Vec<u32>,
    /// By token id: its symbol; [`NONE`] for a token that no merge makes.
    pub(super) of_tokens: Vec<u32>,
    /// By symbol: the two that it is made of.
    parts: Vec<(u32, u32)>,
}

impl Symbols {
    /// The symbols of the single bytes, with room for those of all merges, or `None` if there are too many.
    pub(super) fn of_bytes(vocabulary: &Vocabulary, merges: &Merges) -> Option<Self> {
        let n_ranks = match merges {
            Merges::Listed(list) => list.len(),
            Merges::ByTokenId => vocabulary.size(),
        };
        let n_symbols = 256 + n_ranks;
        if n_symbols > MOST_SYMBOLS {
            return None;
        }
        let mut symbols = Self {
            token_ids: vec![NONE; n_symbols],
            of_tokens: vec![NONE; vocabulary.size()],
            parts: vec![(NONE, NONE); n_symbols],
        };
        symbols.add_bytes(vocabulary);
        Some(symbols)
    }

    fn add_bytes(&mut self, vocabulary: &Vocabulary) {
        for byte in 0..=255_u8 {
            if let Some(token_id) = vocabulary.byte_id(byte) {
                self.token_ids[usize::from(byte)] = token_id;
                self.of_tokens[token_id as usize] = u32::from(byte);
            }
        }
    }

    /// Forgets all merges.
    pub(super) fn keep_bytes(&mut self, vocabulary: &Vocabulary) {
        self.token_ids.fill(NONE);
        self.of_tokens.fill(NONE);
        self.parts.fill((NONE, NONE));
        self.add_bytes(vocabulary);
    }

    /// The symbols of two tokens, if both have one.
    pub(super) fn of_pair(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        let [left, right] = [left, right].map(|token_id| self.of_tokens[token_id as usize]);
        (left != NONE && right != NONE).then_some((left, right))
    }

    /// Numbers the token that the merge of a rank makes of two symbols.
    pub(super) fn add(&mut self, token_id: u32, left: u32, right: u32, rank: u32) -> u32 {
        let symbol = 256 + rank;
        self.parts[symbol as usize] = (left, right);
        self.token_ids[symbol as usize] = token_id;
        self.of_tokens[token_id as usize] = symbol;
        symbol
    }

    /// The merges: left, right, result.
    pub(super) fn merges(&self) -> impl Iterator<Item = (u32, u32, u32)> + Clone + '_ {
        let merges = (0..).zip(&self.parts).map(|(symbol, &(left, right))| (left, right, symbol));
        merges.filter(|&(left, ..)| left != NONE)
    }

    /// Whether the bytes of two symbols, together, encode to the two by the merges that are older than what the two
    /// would become.
    ///
    /// Goes back in time: of the two symbols next to the seam, the one that was made last is taken apart again, and so
    /// on to single bytes. If at any time the two could have merged before one of them was taken up by what it became
    /// part of, they would have. (Of equal ranks the left goes first.) Source: `is_valid_token_pair` of H. van
    /// Antwerpen, A. Neubeck, "So many tokens, so little time", GitHub 2024, where it is proved.
    pub(super) fn stay_apart(
        &self,
        mut left: u32,
        mut right: u32,
        result: u32,
        pairs: &impl MergeRule,
    ) -> bool {
        let mut taken_up = result;
        loop {
            if pairs.rank(left, right) < taken_up {
                return false;
            }
            if left.max(right) < 256 {
                return true;
            }
            // Without a branch: nobody can foresee which of the two is the older.
            let (inner_left, inner_right) = (self.parts[left as usize].1, self.parts[right as usize].0);
            let from_left = left > right;
            taken_up = if from_left { left } else { right + 1 };
            (left, right) =
                (if from_left { inner_left } else { left }, if from_left { right } else { inner_right });
        }
    }
}
