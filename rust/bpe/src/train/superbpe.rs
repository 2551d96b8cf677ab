//! What SuperBPE's second stage adds to the merge loop: the vetoes on new tokens, and the text tokenized by the first
//! stage without the first stage's boundaries.
//!
//! Source: Liu et al., "SuperBPE: Space Travel for Language Models", COLM 2025 (arXiv 2503.13423), and its reference
//! implementation. There a token may not contain `": "`, because prompts end there, nor more than four words.

use std::ops::Range;

use super::counting::Units;
use super::sequences::Sequences;
use super::watch::{Phase, Watch};
use crate::encode::{merge_all, MergeScratch};
use crate::parallel::{map_ranges, split_by_weight};
use crate::{Error, MergeTable};

/// Bytes of distinct units tokenized between two looks at the caller's callback.
const ROUND_BYTES: usize = 1 << 20;

/// The options of the second stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuperwordOptions {
    /// The size of the vocabulary at which the first stage stops.
    pub transition_size: usize,
    /// A superword has at most so many non-empty parts when it is split at spaces.
    pub max_words_per_token: usize,
    /// No superword contains any of these.
    pub forbid: Vec<Vec<u8>>,
}

impl SuperwordOptions {
    /// The reference's vetoes: at most four words and no `": "`.
    pub fn new(transition_size: usize) -> Self {
        Self { transition_size, max_words_per_token: 4, forbid: vec![b": ".to_vec()] }
    }

    /// Whether these bytes may not become a token. What contains a vetoed string is vetoed too, so a veto holds for
    /// ever.
    pub(super) fn vetoes(&self, token: &[u8]) -> bool {
        let contains = |needle: &Vec<u8>| token.windows(needle.len()).any(|window| window == needle);
        let n_words = token.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
        n_words > self.max_words_per_token || self.forbid.iter().any(contains)
    }
}

/// Tokenizes units by the merges of the first stage, on `threads` threads.
pub(super) fn tokenize(
    units: &Units,
    byte_ids: &[Option<u32>; 256],
    merges: &MergeTable,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Sequences, Error> {
    watch.phase(Phase::Tokenizing, units.n_bytes() as u64);
    let mut sequences = Sequences::new();
    let mut done = 0;
    let mut start = 0;
    while start < units.len() {
        let mut end = start;
        let mut bytes = 0;
        while end < units.len() && bytes < ROUND_BYTES {
            bytes += units.get(end).0.len();
            end += 1;
        }
        let tokenize_range = |range: Range<usize>| {
            let mut scratch = MergeScratch::default();
            let mut symbols = Vec::new();
            let mut token_ids = Vec::new();
            let mut lengths = Vec::with_capacity(range.len());
            for index in range {
                let (unit, _) = units.get(start + index);
                symbols.clear();
                symbols.extend(unit.iter().filter_map(|&byte| byte_ids[usize::from(byte)]));
                merge_all(&mut symbols, merges, &mut scratch);
                token_ids.extend_from_slice(&symbols);
                lengths.push(symbols.len());
            }
            (token_ids, lengths)
        };
        let lengths = (start..end).map(|index| units.get(index).0.len());
        let mut index = start;
        for (token_ids, lengths) in map_ranges(&split_by_weight(lengths, threads), tokenize_range) {
            let mut rest = &token_ids[..];
            for length in lengths {
                let (unit, tail) = rest.split_at(length);
                sequences.push(unit.iter().copied(), units.get(index).1)?;
                rest = tail;
                index += 1;
            }
        }
        done += bytes as u64;
        watch.look(done)?;
        start = end;
    }
    Ok(sequences)
}
