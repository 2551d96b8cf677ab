//! Superwords: tokens that reach over white space, in two levels, exactly.
//!
//! A SuperBPE vocabulary learns words first and superwords later, so all merges that make words have lower ranks than
//! those that join words, and a pretoken, which is often a whole sentence, is encoded by the former as far as they go,
//! then by the latter. That lets each level work on small pieces:
//!
//! **Words.** The merges below a limit (the rank of the first token with a space inside) are applied to pieces of
//! the pretoken, through the cache that encodes words anyway. A piece ends at every place that no token below the limit
//! has inside ([`Seams`]): no merge below the limit reaches over it, so taking the pieces one by one is the same as
//! taking the whole. There is such a place before almost every word, so pieces are mostly words. Where the pretokens
//! themselves end is kept as the numbers of their last pieces. A table of pairs of bytes finds the places ([`Cuts`]).
//!
//! **Superwords.** What is left is a sequence of tokens, a few of which merge on. A merge above the limit that joins
//! *a* and *b* makes a token in whose own encoding by the lower merges the last token of *a* stands before the first
//! of *b*. So the neighbours that stand side by side in some superword are listed at load, and the sequence falls apart
//! wherever two tokens are not listed, mostly into single tokens. The list may hold too much (it is a bit set of
//! hashes), never too little: too much costs time alone. Most of the runs that are left have two or three tokens, which
//! are joined with one look-up or up to three ([`Joins`]), all runs of one length in turn, so that the processor guesses
//! right. Tokens stay where they are; in the end those that became part of another are left out.
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
    /// The first symbol of the second level; `None` if a vocabulary has no superwords, or merges that do not keep to the
    /// levels. With `always`, the second level may be empty.
    pub(super) fn first_symbol(words: &Words, always: bool) -> Option<u32> {
        let Rule::Canonical(canonical) = &words.rule else { return None };
        let token = |symbol: u32| words.vocabulary.token_bytes(canonical.token_ids[symbol as usize]);
        let n_symbols = canonical.token_ids.len() as u32;
        let first_superword = (256..n_symbols).find(|&symbol| token(symbol).is_some_and(has_two_words));
        let limit = first_superword.or(always.then_some(n_symbols))?;
        let keeps_to_levels = |(left, right, result): (u32, u32, u32)| {
            left.max(right) < if result < limit { limit } else { result }
        };
        // The second level works on tokens.
        let has_tokens = |(left, right, result): (u32, u32, u32)| {
            result < limit || [left, right].iter().all(|&symbol| canonical.token_ids[symbol as usize] != NONE)
        };
        // A pretoken that is a token must be found whole, if no merge makes it.
        let finds_all = !words.whole_words_first || canonical.symbols.iter().all(|&symbol| symbol != NONE);
        (finds_all && canonical.pairs.iter().all(|pair| keeps_to_levels(pair) && has_tokens(pair)))
            .then_some(limit)
    }

    /// The second level of a vocabulary, whose words are those of the first.
    pub(super) fn new(words: &Words) -> Option<Self> {
        let Rule::Canonical(canonical) = &words.rule else { return None };
        let (first, seams) = (words.symbols_below?, words.seams.as_ref()?);
        let neighbours = neighbours(canonical, first);
        Some(Self { cuts: Cuts::new(seams), neighbours, joins: Joins::new(canonical, first) })
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
        let Links { linked, gone } = links;
        let mut before = 0;
        for number in 0..linked.len() {
            let own = linked[number];
            let next = linked.get(number + 1).copied().unwrap_or(0);
            let starts = own & !(own << 1 | before);
            before = own >> 63;
            let (second, third) = (own >> 1 | next << 63, own >> 2 | next << 62);
            let mut pairs = starts & !second;
            while pairs != 0 {
                let place = number * 64 + pairs.trailing_zeros() as usize;
                self.join_two(ids, place, gone);
                pairs &= pairs - 1;
            }
            let mut threes = starts & second & !third;
            while threes != 0 {
                let place = number * 64 + threes.trailing_zeros() as usize;
                self.join_three(ids, place, gone);
                threes &= threes - 1;
            }
            let mut longer = starts & second & third;
            while longer != 0 {
                let start = number * 64 + longer.trailing_zeros() as usize;
                let end = next_clear(linked, start) + 1;
                let n_kept = self.join_many(&mut ids[start..end], symbols, merge);
                for place in start + n_kept..end {
                    set(gone, place);
                }
                longer &= longer - 1;
            }
        }
    }

    #[inline(always)]
    fn join_two(&self, ids: &mut [u32], place: usize, gone: &mut [u64]) {
        let Some(&mut [ref mut left, right]) = ids.get_mut(place..place + 2) else { return };
        let rank = self.joins.rank(*left, right);
        if rank != NO_MERGE {
            *left = self.joins.merged(*left, right, rank);
            set(gone, place + 1);
        }
    }

    #[inline(always)]
    fn join_three(&self, ids: &mut [u32], place: usize, gone: &mut [u64]) {
        let Some(&[left, middle, right]) = ids.get(place..place + 3) else { return };
        let joins = &self.joins;
        let (first, second) = (joins.rank(left, middle), joins.rank(middle, right));
        if first.min(second) == NO_MERGE {
            return;
        }
        let pair = if first <= second {
            [joins.merged(left, middle, first), right]
        } else {
            [left, joins.merged(middle, right, second)]
        };
        ids[place..place + 2].copy_from_slice(&pair);
        set(gone, place + 2);
        self.join_two(ids, place, gone);
    }

    /// Joins what merges of a run of tokens, at its front; returns how many are left.
    #[inline(always)]
    fn join_many(&self, run: &mut [u32], symbols: &mut Vec<u32>, merge: &mut MergeScratch) -> usize {
        if run.len() <= 8 {
            let mut word = Word::<8>::default();
            word.start(run.iter().copied(), &self.joins);
            while word.step(&self.joins) {}
            let mut n_kept = 0;
            for token_id in word.symbols() {
                run[n_kept] = token_id;
                n_kept += 1;
            }
            n_kept
        } else {
            symbols.clear();
            symbols.extend_from_slice(run);
            merge_all(symbols, &self.joins, merge);
            run[..symbols.len()].copy_from_slice(symbols);
            symbols.len()
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

#[inline(always)]
fn set(bits: &mut [u64], place: usize) {
    bits[place / 64] |= 1 << (place % 64);
}

/// The first place from `start` that has no bit.
#[inline(always)]
fn next_clear(bits: &[u64], start: usize) -> usize {
    let mut word = start / 64;
    let mut clear = !bits[word] & u64::MAX << (start % 64);
    while clear == 0 {
        word += 1;
        clear = !bits[word];
    }
    word * 64 + clear.trailing_zeros() as usize
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
