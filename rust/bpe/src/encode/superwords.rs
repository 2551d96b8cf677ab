//! Superwords: tokens that reach over white space, in two levels, exactly.
//!
//! A SuperBPE vocabulary learns words first and superwords later, so all merges that make words have lower ranks than
//! those that join words, and a pretoken, which is often a whole sentence, is encoded by the former as far as they go,
//! then by the latter. That lets each level work on small pieces:
//!
//! **Words.** The merges below a limit (the rank of the first token with a space inside) are applied to the words of
//! the pretoken, as another pretokenizer finds them, through the cache that encodes words anyway. That is the same as
//! applying them to the whole if none of them can reach over the place between two words. Where one could ([`Seams`]),
//! the two words stay one.
//!
//! **Superwords.** What is left is a sequence of symbols, a few of which merge on. A merge above the limit that joins
//! *a* and *b* makes a token in whose own encoding by the lower merges the last symbol of *a* stands before the first
//! of *b*. So the neighbours that stand side by side in some superword are listed at load, and the sequence falls apart
//! wherever two symbols are not listed, mostly into single symbols. The list may hold too much (it is a bit set of
//! hashes), never too little: too much costs time alone.
//!
//! Source: the two stages are those of A. Liu et al., "SuperBPE: Space Travel for Language Models", COLM 2025, §2.

use super::bit_set::BitSet;
use super::canonical::{Canonical, NONE};
use super::cuts::{Cuts, BLOCK};
use super::dispatch::with_best_features;
use super::joins::{hash_pair, Joins};
use super::merge::{merge_all, MergeRule, MergeScratch, Word, NO_MERGE};
use super::seams::Seams;
use super::words::{Rule, Words};
use super::{Pretokens, Scratch};
use crate::Error;

/// What encodes pretokens of several words.
#[derive(Debug)]
pub(super) struct Superwords {
    cuts: Cuts,
    /// The neighbours that some superword has inside.
    neighbours: BitSet,
    /// The merges of the second level.
    joins: Joins,
}

impl Superwords {
    /// The two levels of a vocabulary, and the first symbol of the second; `None` if it has merges that do not keep to
    /// the levels, or no superwords. With `always`, the second level may be empty.
    pub(super) fn new(words: &Words, always: bool) -> Option<(Self, u32)> {
        let Rule::Canonical(canonical) = &words.rule else { return None };
        let token = |symbol: u32| words.vocabulary.token_bytes(canonical.token_ids[symbol as usize]);
        let n_symbols = canonical.token_ids.len() as u32;
        let first_superword = (256..n_symbols).find(|&symbol| token(symbol).is_some_and(has_two_words));
        let limit = first_superword.or(always.then_some(n_symbols))?;
        let keeps_to_levels = |(left, right, result): (u32, u32, u32)| {
            left.max(right) < if result < limit { limit } else { result }
        };
        // A pretoken that is a token must be found whole, if no merge makes it.
        let finds_all = !words.whole_words_first || canonical.symbols.iter().all(|&symbol| symbol != NONE);
        if !finds_all || !canonical.pairs.iter().all(keeps_to_levels) {
            return None;
        }
        let (neighbours, joins) = (neighbours(canonical, limit), Joins::new(canonical, limit));
        Some((Self { cuts: Cuts::default(), neighbours, joins }, limit))
    }

    /// The same for words that may be cut at these seams.
    pub(super) fn with_cuts(self, seams: &Seams) -> Self {
        Self { cuts: Cuts::new(seams), ..self }
    }

    /// Appends the ids of pretokens; as [`super::Encoder::encode_pretokens`].
    pub(super) fn encode(
        &self,
        words: &Words,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let Some(seams) = &words.seams else { return Ok(()) };
        let (mut pieces, mut last_pieces) = std::mem::take(&mut scratch.pieces);
        with_best_features(
            #[inline(always)]
            || self.find_pieces(pretokens, seams, &mut pieces, &mut last_pieces),
        );
        let mut ends = std::mem::take(&mut scratch.piece_ends);
        ends.clear();
        let pieces_of_text = Pretokens::new(pretokens.text, pretokens.start, &pieces);
        let n_before = ids.len();
        let result = words.encode_all::<true>(pieces_of_text, scratch, ids, &mut ends);
        if result.is_ok() {
            let Scratch { links, symbols, merge, .. } = scratch;
            let last_tokens = last_pieces.iter().map(|&piece| ends[piece as usize] as usize - 1);
            let n_ids = with_best_features(
                #[inline(always)]
                || {
                    let ids = &mut ids[n_before..];
                    self.find_links(ids, last_tokens, links);
                    self.join_linked(ids, links, symbols, merge);
                    compact(ids, &links.gone)
                },
            );
            ids.truncate(n_before + n_ids);
        } else {
            ids.truncate(n_before);
        }
        scratch.piece_ends = ends;
        scratch.pieces = (pieces, last_pieces);
        result
    }

    /// Finds the pieces that the first level may work on one by one, and which of them are the last of a pretoken.
    #[inline(always)]
    fn find_pieces(
        &self,
        pretokens: Pretokens<'_>,
        seams: &Seams,
        pieces: &mut Vec<u32>,
        last_pieces: &mut Vec<u32>,
    ) {
        pieces.clear();
        last_pieces.clear();
        let text = pretokens.content().as_bytes();
        let mut ends = pretokens.ends.iter().copied().filter(|&end| end > 0).peekable();
        for start in (0..=text.len()).step_by(BLOCK) {
            let mut last = 0;
            while let Some(end) = ends.next_if(|&end| (end as usize) < start + BLOCK) {
                last |= 1_u64 << (end as usize - start);
            }
            let mut places = self.cuts.of_block(text, start, seams) | last;
            let n_before = pieces.len() as u32;
            while last != 0 {
                last_pieces.push(n_before + (places & ((last & last.wrapping_neg()) - 1)).count_ones());
                last &= last - 1;
            }
            while places != 0 {
                pieces.push(start as u32 + places.trailing_zeros());
                places &= places - 1;
            }
        }
    }

    /// Finds the tokens that may come to be one with the next.
    #[inline(always)]
    fn find_links(&self, ids: &[u32], last_tokens: impl Iterator<Item = usize>, links: &mut Links) {
        let n_words = ids.len() / 64 + 1;
        links.linked.clear();
        links.linked.resize(n_words, 0);
        links.gone.clear();
        links.gone.resize(n_words, 0);
        for (linked, start) in links.linked.iter_mut().zip((0..ids.len()).step_by(64)) {
            let ids = &ids[start..ids.len().min(start + 65)];
            for (place, pair) in ids.windows(2).enumerate() {
                *linked |= u64::from(self.neighbours.has(hash_pair(pair[0], pair[1]))) << place;
            }
        }
        for last in last_tokens {
            links.linked[last / 64] &= !(1 << (last % 64));
        }
    }

    /// Joins the tokens that are linked as far as they merge. What becomes one lies where its first token was; the places
    /// of the others are gone.
    #[inline(always)]
    fn join_linked(
        &self,
        ids: &mut [u32],
        links: &mut Links,
        symbols: &mut Vec<u32>,
        merge: &mut MergeScratch,
    ) {
        let joins = &self.joins;
        let mut word = Word::<8>::default();
        let mut done = 0;
        loop {
            let start = next_bit(&links.linked, done, 0);
            if start >= ids.len() {
                return;
            }
            done = next_bit(&links.linked, start, u64::MAX) + 1;
            let run = &mut ids[start..done];
            let mut n_kept = 1;
            match *run {
                [left, right] => {
                    let rank = joins.rank(left, right);
                    if rank == NO_MERGE {
                        continue;
                    }
                    run[0] = joins.merged(left, right, rank);
                }
                [left, middle, right] => {
                    let (first, second) = (joins.rank(left, middle), joins.rank(middle, right));
                    if first == NO_MERGE && second == NO_MERGE {
                        continue;
                    }
                    let pair = if first <= second {
                        [joins.merged(left, middle, first), right]
                    } else {
                        [left, joins.merged(middle, right, second)]
                    };
                    let rank = joins.rank(pair[0], pair[1]);
                    if rank == NO_MERGE {
                        run[..2].copy_from_slice(&pair);
                        n_kept = 2;
                    } else {
                        run[0] = joins.merged(pair[0], pair[1], rank);
                    }
                }
                _ if run.len() <= 8 => {
                    word.start(run.iter().copied(), joins);
                    while word.step(joins) {}
                    n_kept = 0;
                    for symbol in word.symbols() {
                        run[n_kept] = symbol;
                        n_kept += 1;
                    }
                }
                _ => {
                    symbols.clear();
                    symbols.extend_from_slice(run);
                    merge_all(symbols, joins, merge);
                    n_kept = symbols.len();
                    run[..n_kept].copy_from_slice(symbols);
                }
            }
            for gone in start + n_kept..done {
                links.gone[gone / 64] |= 1 << (gone % 64);
            }
        }
    }
}

/// What is known of the tokens of some words, a bit for each.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Whether it may come to be one with the next.
    linked: Vec<u64>,
    /// Whether it has become part of one before it.
    gone: Vec<u64>,
}

/// Moves what is not gone to the front, in order; returns how many there are.
#[inline(always)]
fn compact(ids: &mut [u32], gone: &[u64]) -> usize {
    let mut n_kept = 0;
    for (start, gone) in (0..ids.len()).step_by(64).zip(gone) {
        let mut kept = !gone;
        for place in start..ids.len().min(start + 64) {
            ids[n_kept] = ids[place];
            n_kept += (kept & 1) as usize;
            kept >>= 1;
        }
    }
    n_kept
}

/// The first place from `start` that has a bit once `flip` is applied; beyond the bits if there is none.
#[inline(always)]
fn next_bit(bits: &[u64], start: usize, flip: u64) -> usize {
    let mut word = start / 64;
    let Some(first) = bits.get(word) else { return start };
    let mut rest = (first ^ flip) & u64::MAX << (start % 64);
    while rest == 0 {
        word += 1;
        let Some(next) = bits.get(word) else { break };
        rest = next ^ flip;
    }
    word * 64 + (rest.trailing_zeros() % 64) as usize
}

/// Whether a token has a space between two letters.
fn has_two_words(token: &[u8]) -> bool {
    if !token.iter().skip(1).any(|&byte| byte == b' ') {
        return false; // as almost all tokens, which need not be read as text
    }
    let text = std::str::from_utf8(token).unwrap_or_default();
    let places = text.match_indices(' ').map(|(place, _)| (&text[..place], &text[place + 1..]));
    let mut places = places.filter(|(before, after)| {
        before.ends_with(char::is_alphabetic) && after.starts_with(char::is_alphabetic)
    });
    places.next().is_some()
}

/// The pairs of tokens below the limit that stand side by side in some token above it.
fn neighbours(canonical: &Canonical, limit: u32) -> BitSet {
    // By symbol: the first and the last of the symbols below the limit that it is made of.
    let mut sides: Vec<(u32, u32)> =
        (0..canonical.token_ids.len() as u32).map(|symbol| (symbol, symbol)).collect();
    let mut merges: Vec<_> = canonical.pairs.iter().filter(|&(.., result)| result >= limit).collect();
    merges.sort_unstable_by_key(|&(.., result)| result);
    let token_id = |symbol: u32| canonical.token_ids[symbol as usize];
    let mut neighbours = BitSet::with_capacity(merges.len());
    for &(left, right, result) in &merges {
        let (left, right) = (sides[left as usize], sides[right as usize]);
        neighbours.insert(hash_pair(token_id(left.1), token_id(right.0)));
        sides[result as usize] = (left.0, right.1);
    }
    neighbours
}
