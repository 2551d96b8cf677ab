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
use super::merge::{merge_all, MergeRule, Word, NO_MERGE};
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
    /// The neighbours that merge.
    merging: BitSet,
    joins: Joins,
    /// Whether some byte has no token.
    lacks_bytes: bool,
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
        let lacks_bytes = !words.vocabulary.missing_bytes().is_empty();
        let (neighbours, merging, joins) = neighbours(canonical, limit);
        Some((Self { cuts: Cuts::default(), neighbours, merging, joins, lacks_bytes }, limit))
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
        let (Rule::Canonical(canonical), Some(seams)) = (&words.rule, &words.seams) else { return Ok(()) };
        let (mut pieces, mut last_pieces) = std::mem::take(&mut scratch.pieces);
        with_best_features(
            #[inline(always)]
            || self.find_pieces(pretokens, seams, &mut pieces, &mut last_pieces),
        );
        let (mut symbols, mut ends) = std::mem::take(&mut scratch.outputs);
        symbols.clear();
        ends.clear();
        let pieces_of_text = Pretokens::new(pretokens.text, pretokens.start, &pieces);
        let mut result = words.encode_all::<true>(pieces_of_text, scratch, &mut symbols, &mut ends);
        if result.is_ok() {
            let last_symbols = last_pieces.iter().map(|&piece| ends[piece as usize] as usize - 1);
            let mut links = std::mem::take(&mut scratch.links);
            let n_before = ids.len();
            with_best_features(
                #[inline(always)]
                || {
                    self.find_links(&symbols, last_symbols, &mut links);
                    join(&self.joins, canonical, &symbols, &links, scratch, ids);
                },
            );
            scratch.links = links;
            if self.lacks_bytes && ids[n_before..].contains(&NONE) {
                ids.truncate(n_before);
                let error = words.no_token_in(pretokens.content().as_bytes());
                result = Err(error.shifted_by(pretokens.start));
            }
        }
        scratch.outputs = (symbols, ends);
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

    /// Finds the symbols that may come to be one with the next, and those that merge with it at once.
    #[inline(always)]
    fn find_links(&self, symbols: &[u32], last_symbols: impl Iterator<Item = usize>, links: &mut Links) {
        let n_words = symbols.len() / 64 + 1;
        links.linked.clear();
        links.linked.resize(n_words, 0);
        links.merging.clear();
        links.merging.resize(n_words, 0);
        for (word, start) in (0..symbols.len()).step_by(64).enumerate() {
            let symbols = &symbols[start..symbols.len().min(start + 65)];
            let (mut linked, mut merging) = (0, 0);
            for (place, pair) in symbols.windows(2).enumerate() {
                let hash = hash_pair(pair[0], pair[1]);
                linked |= u64::from(self.neighbours.has(hash)) << place;
                merging |= u64::from(self.merging.has(hash)) << place;
            }
            links.linked[word] = linked;
            links.merging[word] = merging;
        }
        for last in last_symbols {
            links.linked[last / 64] &= !(1 << (last % 64));
        }
    }
}

/// What is known of the symbols of some pretokens, a bit for each.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Whether it may come to be one with the next.
    linked: Vec<u64>,
    /// Whether it merges with the next as things are (if they are linked).
    merging: Vec<u64>,
}

/// The second level: joins the symbols that are linked as far as they merge, and appends the tokens.
#[inline(always)]
fn join(
    joins: &Joins,
    canonical: &Canonical,
    symbols: &[u32],
    links: &Links,
    scratch: &mut Scratch,
    ids: &mut Vec<u32>,
) {
    let token_id = |symbol: u32| canonical.token_ids[symbol as usize];
    let mut word = Word::<16>::default();
    let mut done = 0;
    while done < symbols.len() {
        // The next pair that merges, and the run of linked symbols around it.
        let merging = next_bit(&links.merging, &links.linked, done, 0).min(symbols.len());
        let start =
            if merging < symbols.len() { run_start(&links.linked, merging).max(done) } else { merging };
        ids.extend(symbols[done..start].iter().map(|&symbol| token_id(symbol)));
        done = start;
        if start < symbols.len() {
            done = next_bit(&links.linked, &links.linked, merging, u64::MAX) + 1;
            let run = &symbols[start..done];
            if let [left, right] = *run {
                let joined = joins.rank(left, right);
                if joined == NO_MERGE {
                    ids.extend([token_id(left), token_id(right)]);
                } else {
                    ids.push(token_id(joined));
                }
            } else if run.len() <= 16 {
                word.start(run.iter().copied(), joins);
                while word.step(joins) {}
                ids.extend(word.symbols().map(token_id));
            } else {
                scratch.symbols.clear();
                scratch.symbols.extend_from_slice(run);
                merge_all(&mut scratch.symbols, joins, &mut scratch.merge);
                ids.extend(scratch.symbols.iter().map(|&symbol| token_id(symbol)));
            }
        }
    }
}

/// The first place from `start` where both sets have a bit once `flip` is applied; beyond the bits if there is none.
#[inline(always)]
fn next_bit(first: &[u64], second: &[u64], start: usize, flip: u64) -> usize {
    let bits = |word: usize| (first[word] ^ flip) & (second[word] ^ flip);
    let mut word = start / 64;
    let mut rest = bits(word) & u64::MAX << (start % 64);
    while rest == 0 {
        word += 1;
        if word == first.len() {
            return word * 64;
        }
        rest = bits(word);
    }
    word * 64 + rest.trailing_zeros() as usize
}

/// The place where the run of bits that `place` is in starts.
#[inline(always)]
fn run_start(bits: &[u64], place: usize) -> usize {
    let mut word = place / 64;
    let mut clear = !bits[word] & ((1 << (place % 64)) - 1);
    while clear == 0 {
        if word == 0 {
            return 0;
        }
        word -= 1;
        clear = !bits[word];
    }
    word * 64 + 64 - clear.leading_zeros() as usize
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

/// The pairs of symbols below the limit that stand side by side in some token above it, and those that merge.
fn neighbours(canonical: &Canonical, limit: u32) -> (BitSet, BitSet, Joins) {
    // By symbol: the first and the last of the symbols below the limit that it is made of.
    let mut sides: Vec<(u32, u32)> =
        (0..canonical.token_ids.len() as u32).map(|symbol| (symbol, symbol)).collect();
    let mut merges: Vec<_> = canonical.pairs.iter().filter(|&(.., result)| result >= limit).collect();
    merges.sort_unstable_by_key(|&(.., result)| result);
    let mut neighbours = BitSet::with_capacity(merges.len());
    let mut merging = BitSet::with_capacity(merges.len());
    for &(left, right, result) in &merges {
        merging.insert(hash_pair(left, right));
        let (left, right) = (sides[left as usize], sides[right as usize]);
        neighbours.insert(hash_pair(left.1, right.0));
        sides[result as usize] = (left.0, right.1);
    }
    (neighbours, merging, Joins::new(limit, &merges))
}
