//! The part of a text that training can change: units cut where nothing will ever merge, equal pieces counted together.
//!
//! Take two tokens that stand side by side less often than the last merge of a run will. No merge of the run reaches over
//! the place between them: the token that did would contain the one as its own last part before the seam and the other
//! as the first behind it, so it stands, at every place where it is, on a different occurrence of the pair, and occurs
//! no more often. So units may be cut at all pairs below a cutoff, as long as merging stops before the best count falls
//! below it. What is left are short pieces, most of which occur many times: of 32 million tokens, three million.

use std::ops::ControlFlow;

use super::counting::Units;
use super::pair_counters::PairCounters;
use super::sequences::Sequences;
use super::token_store::TokenStore;
use super::watch::{Phase, Watch};
use crate::{Error, Interrupt};

/// Bytes that a token id takes in a piece.
const ID_BYTES: usize = 3;

/// Cuts the units of a text at pairs that occur less often than `cutoff`, and counts equal pieces together; `None` if
/// they are more than fit `most_bytes`. O(tokens).
pub(super) fn reduce(
    store: &TokenStore,
    pairs: &PairCounters,
    cutoff: u64,
    most_bytes: usize,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Option<Sequences>, Error> {
    watch.phase(Phase::Cutting, store.n_chunks() as u64)?;
    let mut pieces = Units::default();
    let mut is_too_large = false;
    let cut_chunk = |&number: &usize, interrupt: &Interrupt| {
        let mut pieces = Units::default();
        let (mut linked, mut bytes) = (Vec::new(), Vec::new());
        store.chunk(number)?.for_each_unit(|token_ids, weight| {
            interrupt.check()?;
            // All counters before the first decision: so their memory is waited for together.
            linked.clear();
            linked.extend(token_ids.windows(2).map(|pair| pairs.most(pair[0], pair[1]) >= cutoff));
            linked.push(false);
            bytes.clear();
            for (&token_id, &is_linked) in token_ids.iter().zip(&linked) {
                bytes.extend_from_slice(&token_id.to_le_bytes()[..ID_BYTES]);
                if !is_linked {
                    if bytes.len() > ID_BYTES {
                        pieces.add(&bytes, weight)?;
                    }
                    bytes.clear();
                }
            }
            Ok(())
        })?;
        Ok(pieces)
    };
    watch.share(
        store.numbers(),
        |_| 1,
        threads,
        cut_chunk,
        |more| {
            more.try_for_each(|piece, weight| pieces.add(piece, weight))?;
            is_too_large = pieces.memory() > most_bytes;
            Ok(if is_too_large { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        },
    )?;
    if is_too_large {
        return Ok(None);
    }
    let mut sequences = Sequences::new();
    pieces.try_for_each(|piece, weight| {
        let token_ids = piece.as_chunks::<ID_BYTES>().0;
        let token_ids =
            token_ids.iter().map(|&[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]));
        sequences.push(token_ids, weight)
    })?;
    Ok(Some(sequences))
}
