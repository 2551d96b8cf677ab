//! Units of text as the tokens that a vocabulary has so far.
//!
//! The merges that were made are applied as encoding applies them, lowest rank first, leftmost first. What comes out is what
//! the merge loop would have come to on these units; boundaries that another stage's pretokenizer had are not there any
//! more.

use super::counting::{Block, Blocks};
use super::token_store::TokenStore;
use super::watch::{Phase, Watch};
use crate::encode::{merge_all, Encoder, MergeScratch};
use crate::scratch_pool::ScratchPool;
use crate::{Error, ErrorKind, Interrupt, MergeTable, Pretokenizer, Pretokens};
use std::ops::{ControlFlow, Range};

/// What turns units into tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitEncoder<'e> {
    pub(super) encoder: &'e Encoder,
    /// The bytes of each token, by id.
    pub(super) lengths: &'e [u32],
    /// If there is such a pretokenizer, only runs of tokens that each are one whole piece of it are stored; the other
    /// tokens end a run.
    pub(super) words: Option<&'e Pretokenizer>,
}

/// Tokenizes a pass over units, of `n_bytes` bytes, on `threads` threads, into a store that is empty. `see` is called with
/// all tokens.
pub(super) fn tokenize(
    (units, n_bytes): (Blocks<'_>, u64),
    unit_encoder: UnitEncoder<'_>,
    mut see: impl FnMut(u32),
    mut store: TokenStore,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<TokenStore, Error> {
    let UnitEncoder { encoder, lengths, words } = unit_encoder;
    watch.phase(Phase::Tokenizing, n_bytes)?;
    let scratches = ScratchPool::default();
    let tokenize_block = |block: &Block, interrupt: &Interrupt| {
        let mut bytes = Vec::with_capacity(block.n_bytes() as usize);
        let (mut ends, mut weights) = (Vec::new(), Vec::new());
        for (unit, weight) in block {
            bytes.extend_from_slice(unit);
            ends.push(u32::try_from(bytes.len()).map_err(|_| too_long())?);
            weights.push(weight);
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorKind::Training, "a counted unit is not UTF-8; count the text again")
        })?;
        let mut scratch = scratches.take(interrupt);
        let mut token_ids = Vec::new();
        encoder.encode_pretokens(Pretokens::new(&text, 0, &ends), &mut scratch, &mut token_ids)?;
        scratches.give_back(scratch);
        let runs = find_runs(&text, &ends, &token_ids, lengths, words)?;
        Ok((token_ids, weights, runs))
    };
    watch.share(units, Block::n_bytes, threads, tokenize_block, |(token_ids, weights, runs)| {
        token_ids.iter().copied().for_each(&mut see);
        for (unit, run) in runs {
            store.push(token_ids[run].iter().copied(), weights[unit])?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(store)
}

fn too_long() -> Error {
    let message =
        "a line, or a document, has a unit of more than 4 GB; cut the text, or set document_byte_limit";
    Error::new(ErrorKind::Training, message)
}

/// The runs of tokens to be stored, each with the number of its unit: whole units, or what is left of them.
fn find_runs(
    text: &str,
    ends: &[u32],
    token_ids: &[u32],
    lengths: &[u32],
    words: Option<&Pretokenizer>,
) -> Result<Vec<(usize, Range<usize>)>, Error> {
    let mut runs = Vec::with_capacity(ends.len());
    let mut word_ends = Vec::new();
    let (mut place, mut at) = (0, 0);
    for (unit, &end) in ends.iter().enumerate() {
        if let Some(words) = words {
            word_ends.clear();
            words.split_with_ranges(&text[at as usize..end as usize], &mut |_, range| {
                word_ends.push(at + range.end as u32);
                Ok(())
            })?;
        }
        let mut word_ends = word_ends.iter().copied().peekable();
        let (mut run, mut word_start) = (place, at);
        while at < end {
            let start = at;
            at += lengths[token_ids[place] as usize];
            place += 1;
            if words.is_some() {
                while let Some(word_end) = word_ends.next_if(|&word_end| word_end <= start) {
                    word_start = word_end;
                }
                let is_word = word_start == start && word_ends.peek() == Some(&at);
                if !is_word {
                    runs.push((unit, run..place - 1));
                    run = place;
                }
            }
        }
        runs.push((unit, run..place));
    }
    Ok(runs)
}

/// Applies further merges to a text that is tokenized already.
pub(super) fn tokenize_on(
    store: &TokenStore,
    merges: &MergeTable,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<TokenStore, Error> {
    watch.phase(Phase::Tokenizing, store.n_chunks() as u64)?;
    let mut further = store.like();
    let merge_chunk = |&number: &usize, interrupt: &Interrupt| {
        let mut scratch = MergeScratch::interrupted_by(interrupt);
        let (mut token_ids, mut ends) = (Vec::new(), Vec::new());
        let mut unit = Vec::new();
        store.chunk(number)?.for_each_unit(|tokens, weight| {
            unit.clear();
            unit.extend_from_slice(tokens);
            merge_all(&mut unit, merges, &mut scratch);
            token_ids.extend_from_slice(&unit);
            ends.push((token_ids.len(), weight));
            Ok(())
        })?;
        Ok((token_ids, ends))
    };
    watch.share(
        store.numbers(),
        |_| 1,
        threads,
        merge_chunk,
        |(token_ids, ends)| {
            let mut start = 0;
            for (end, weight) in ends {
                further.push(token_ids[start..end].iter().copied(), weight)?;
                start = end;
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(further)
}
