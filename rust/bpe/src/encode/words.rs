//! One word at a time: the token that it is, or what the merge rule makes of its bytes.

use super::canonical::{Canonical, NONE};
use super::merge::{merge_all, MergeRule, MergeScratch, NO_MERGE};
use super::rows::{BytePair, PairRows};
use super::seams::Seams;
use super::UnknownToken;
use crate::{Error, ErrorKind, MergeTable, Vocabulary};
use std::sync::Arc;

/// What encodes words.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) rule: Rule,
    pub(super) whole_words_first: bool,
    pub(super) unknown: Option<UnknownToken>,
    /// For superwords: words are made by the merges below this symbol.
    pub(super) symbols_below: Option<u32>,
    /// Where words may be cut; `None` if nowhere.
    pub(super) seams: Option<Seams>,
}

/// The merges in the form that encoding uses.
#[derive(Debug)]
pub(super) enum Rule {
    /// Those that can happen, over symbols.
    Canonical(Canonical),
    /// All, over token ids: for vocabularies without a canonical form.
    Full(MergeTable),
}

/// The merges that make symbols below a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergesBelow<'r> {
    pub(super) pairs: &'r PairRows,
    pub(super) limit: u32,
}

impl MergesBelow<'_> {
    /// What is known of two bytes.
    #[inline(always)]
    pub(super) fn byte_pair(&self, left: u8, right: u8) -> BytePair {
        self.pairs.byte_pair(left, right).below(self.limit)
    }
}

impl MergeRule for MergesBelow<'_> {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        let rank = self.pairs.rank(left, right);
        if rank < self.limit {
            rank
        } else {
            NO_MERGE
        }
    }

    #[inline(always)]
    fn merged(&self, left: u32, right: u32, rank: u32) -> u32 {
        self.pairs.merged(left, right, rank)
    }

    #[inline(always)]
    fn prefetch_left(&self, left: u32) {
        self.pairs.prefetch_left(left);
    }

    #[inline(always)]
    fn may_merge(&self, left: u32, right: u32) -> bool {
        self.pairs.may_merge(left, right)
    }
}

impl Words {
    /// The canonical merges that words are made by.
    #[inline(always)]
    pub(super) fn merges<'w>(&self, canonical: &'w Canonical) -> MergesBelow<'w> {
        MergesBelow { pairs: &canonical.pairs, limit: self.symbols_below.unwrap_or(NO_MERGE) }
    }

    /// The places where words may be cut; `None` if nobody knows.
    pub(super) fn find_seams(&self) -> Option<Seams> {
        let Rule::Canonical(canonical) = &self.rule else { return None };
        let symbol = |token_id: u32| canonical.symbols[token_id as usize];
        let limit = self.symbols_below.unwrap_or(NONE);
        let mut seams = Seams::default();
        for (_, token) in self.vocabulary.iter().filter(|&(token_id, _)| symbol(token_id) < limit) {
            seams.add(token);
        }
        for token in self.only_whole() {
            seams.add_only_whole(token);
        }
        Some(seams)
    }

    /// The tokens that no merge makes, so that only a whole word becomes one; perhaps some more.
    pub(super) fn only_whole(&self) -> impl Iterator<Item = &[u8]> {
        let is_made = |token_id: u32| match &self.rule {
            Rule::Canonical(canonical) => canonical.symbols[token_id as usize] != NONE,
            Rule::Full(_) => false,
        };
        let tokens = self.vocabulary.iter().filter(|_| self.whole_words_first);
        tokens.filter(move |(token_id, _)| !is_made(*token_id)).map(|(_, token)| token)
    }

    /// The token that a word as a whole is, whose [`Vocabulary::hash`] and [`Vocabulary::candidate`] are known.
    #[inline]
    pub(super) fn whole_word(&self, candidate: Option<u32>, hash: u64, word: &[u8]) -> Option<u32> {
        let token_id = self.vocabulary.token_id_from(candidate, hash, word)?;
        if self.whole_words_first && self.symbols_below.is_none() {
            return Some(token_id);
        }
        let Rule::Canonical(canonical) = &self.rule else { return None };
        let symbol = canonical.symbols[token_id as usize];
        (symbol < self.symbols_below.unwrap_or(NONE)).then_some(token_id)
    }

    /// Leaves what a word that is no token is merged to in `symbols`. O(n log n) in its bytes.
    pub(super) fn merge_word(
        &self,
        word: &[u8],
        symbols: &mut Vec<u32>,
        merge: &mut MergeScratch,
    ) -> Result<(), Error> {
        symbols.clear();
        match &self.rule {
            Rule::Canonical(canonical) => {
                symbols.extend(word.iter().map(|&byte| u32::from(byte)));
                merge_all(symbols, &self.merges(canonical), merge);
                merge.interrupt.check()?;
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
                merge.interrupt.check()
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
    pub(super) fn no_token_in(&self, word: &[u8]) -> Error {
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
