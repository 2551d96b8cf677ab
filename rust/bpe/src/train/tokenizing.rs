//! Units of text as the tokens that a vocabulary has so far.
//!
//! The merges that were made are applied as encoding applies them, lowest rank first, leftmost first. What comes out is what
//! the merge loop would have come to on these units; boundaries that another stage's pretokenizer had are not there any
//! more.

use super::counting::Units;
use super::token_store::TokenStore;
use super::watch::{Phase, Watch};
use crate::encode::{merge_all, Encoder, MergeScratch, Scratch};
use crate::{Error, ErrorKind, MergeTable, Pretokens};
use std::sync::Mutex;

/// Bytes of units that a thread takes at a time.
const BLOCK_BYTES: usize = 256 << 10;
/// Memory of the caches of a thread.
const CACHE_BYTES: usize = 16 << 20;

/// Tokenizes units with an encoder, on `threads` threads. `lengths` has the bytes of each token, by id.
pub(super) fn tokenize(
    units: &Units,
    encoder: &Encoder,
    lengths: &[u32],
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<TokenStore, Error> {
    let mut blocks = Vec::new();
    let (mut start, mut n_bytes) = (0, 0);
    for (number, (unit, _)) in units.iter().enumerate() {
        n_bytes += unit.len();
        if n_bytes >= BLOCK_BYTES {
            blocks.push(start..number + 1);
            (start, n_bytes) = (number + 1, 0);
        }
    }
    blocks.push(start..units.len());

    watch.phase(Phase::Tokenizing, blocks.len() as u64);
    let mut store = TokenStore::new();
    let scratches = Mutex::new(Vec::new());
    let tokenize_block = |number: usize| {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES * 2);
        let mut ends = Vec::new();
        for unit in blocks[number].clone() {
            bytes.extend_from_slice(units.get(unit).0);
            ends.push(bytes.len() as u32);
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorKind::Training, "a counted unit is not UTF-8; count the text again")
        })?;
        let kept =
            scratches.lock().ok().and_then(|mut kept: std::sync::MutexGuard<'_, Vec<Scratch>>| kept.pop());
        let mut scratch = kept.unwrap_or_else(|| Scratch::with_cache_of(CACHE_BYTES));
        let mut token_ids = Vec::new();
        encoder.encode_pretokens(Pretokens::new(&text, 0, &ends), &mut scratch, &mut token_ids)?;
        if let Ok(mut kept) = scratches.lock() {
            kept.push(scratch);
        }
        Ok((number, ends, token_ids))
    };
    watch.share(blocks.len(), threads, tokenize_block, |(number, ends, token_ids)| {
        let (mut start, mut n_bytes, mut place) = (0, 0, 0);
        for (unit, end) in blocks[number].clone().zip(ends) {
            while n_bytes < end {
                n_bytes += lengths[token_ids[place] as usize];
                place += 1;
            }
            store.push(&token_ids[start..place], units.get(unit).1)?;
            start = place;
        }
        Ok(())
    })?;
    Ok(store)
}

/// Applies further merges to a text that is tokenized already.
pub(super) fn tokenize_on(
    store: TokenStore,
    merges: &MergeTable,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<TokenStore, Error> {
    watch.phase(Phase::Tokenizing, store.n_chunks() as u64);
    let mut merged = TokenStore::new();
    let merge_chunk = |number| {
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
    watch.share(store.n_chunks(), threads, merge_chunk, |(token_ids, ends)| {
        let mut start = 0;
        for (end, weight) in ends {
            merged.push(&token_ids[start..end], weight)?;
            start = end;
        }
        Ok(())
    })?;
    Ok(merged)
}
