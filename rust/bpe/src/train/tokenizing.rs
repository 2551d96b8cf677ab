//! Units of text as the tokens that a vocabulary has so far.
//!
//! The merges that were made are applied as encoding applies them, lowest rank first, leftmost first. What comes out is what
//! the merge loop would have come to on these units; boundaries that another stage's pretokenizer had are not there any
//! more.

use super::counting::{Block, UnitCounts};
use super::token_store::TokenStore;
use super::watch::{Phase, Watch};
use crate::encode::{merge_all, Encoder, MergeScratch, Scratch};
use crate::{Error, ErrorKind, MergeTable, Pretokens};
use std::ops::ControlFlow;
use std::sync::Mutex;

/// Memory of the caches of a thread.
const CACHE_BYTES: usize = 16 << 20;

/// Tokenizes units with an encoder, on `threads` threads, into a store that is empty. `lengths` has the bytes of each
/// token, by id.
pub(super) fn tokenize(
    units: &UnitCounts,
    encoder: &Encoder,
    lengths: &[u32],
    mut store: TokenStore,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<TokenStore, Error> {
    watch.phase(Phase::Tokenizing, units.n_bytes());
    let scratches = Mutex::new(Vec::new());
    let tokenize_block = |block: &Block| {
        let mut bytes = Vec::with_capacity(block.n_bytes() as usize);
        let mut ends = Vec::new();
        for (unit, weight) in block {
            bytes.extend_from_slice(unit);
            ends.push((bytes.len() as u32, weight));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorKind::Training, "a counted unit is not UTF-8; count the text again")
        })?;
        let mut scratch = take(&scratches).unwrap_or_else(|| Scratch::with_cache_of(CACHE_BYTES));
        let mut token_ids = Vec::new();
        let text_ends: Vec<u32> = ends.iter().map(|&(end, _)| end).collect();
        encoder.encode_pretokens(Pretokens::new(&text, 0, &text_ends), &mut scratch, &mut token_ids)?;
        give_back(&scratches, scratch);
        Ok((token_ids, ends))
    };
    watch.share(units.blocks()?, Block::n_bytes, threads, tokenize_block, |(token_ids, ends)| {
        let (mut start, mut n_bytes, mut place) = (0, 0, 0);
        for (end, weight) in ends {
            while n_bytes < end {
                n_bytes += lengths[token_ids[place] as usize];
                place += 1;
            }
            store.push(token_ids[start..place].iter().copied(), weight)?;
            start = place;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(store)
}

/// Warm memory that no thread uses at the moment.
fn take(scratches: &Mutex<Vec<Scratch>>) -> Option<Scratch> {
    scratches.lock().ok()?.pop()
}

fn give_back(scratches: &Mutex<Vec<Scratch>>, scratch: Scratch) {
    if let Ok(mut scratches) = scratches.lock() {
        scratches.push(scratch);
    }
}

/// Applies further merges to a text that is tokenized already.
pub(super) fn tokenize_on(
    store: TokenStore,
    merges: &MergeTable,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<TokenStore, Error> {
    watch.phase(Phase::Tokenizing, store.n_chunks() as u64);
    let mut merged = store.like();
    let merge_chunk = |&number: &usize| {
        let mut scratch = MergeScratch::default();
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
                merged.push(token_ids[start..end].iter().copied(), weight)?;
                start = end;
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(merged)
}
