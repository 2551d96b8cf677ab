//! When the second stage begins, if that is to be found out: [`Transition::Auto`](super::Transition::Auto).
//!
//! Merges of words and superwords compete by how often they occur, as in C. Schmidt et al., "Faster Superword
//! Tokenization" (arXiv 2604.05192), where each supermerge competes with the next merge of words. Here the two lists are
//! compared once, because what comes out must be a plain list of merges: first all words, then all superwords.

use rustc_hash::FxHashMap;

use super::counting::UnitCounts;
use super::growing::Growing;
use super::pair_counters::PairCounters;
use super::stage::Stage;
use super::token_store::TokenStore;
use super::watch::Watch;
use crate::{Error, Pretokenizer};

/// By how much the cutoff is lowered when too few pairs are above it.
const CUTOFF_STEP: u64 = 8;

/// The number of merges, of those that were made for a vocabulary of the size of `stage`, after which superwords begin.
pub(super) fn find_transition(
    stage: &Stage<'_>,
    units: &UnitCounts,
    words: &Pretokenizer,
    growing: &Growing,
    watch: &mut Watch<'_>,
) -> Result<usize, Error> {
    let pass = (units.blocks()?, units.n_bytes());
    let store = stage.tokenize(pass, &growing.encoder()?, Some(words), |_| (), growing, watch)?;
    let pairs = PairCounters::of_store(&store, stage.memory.for_counters(), stage.threads, watch)?;
    let n_merges = growing.merges.len();
    let is_allowed = |&(left, right): &(u32, u32)| !stage.vetoes(growing, &growing.joined(left, right));
    let mut cutoff = pairs.cutoff_for(n_merges).max(stage.min_count());
    let superwords = loop {
        let mut counts = counts_from(&store, &pairs, cutoff)?;
        counts.retain(|pair, &mut count| count >= cutoff && is_allowed(pair));
        if counts.len() >= n_merges || cutoff == stage.min_count() {
            let mut counts: Vec<u64> = counts.into_values().collect();
            counts.sort_unstable_by(|one, other| other.cmp(one));
            break counts;
        }
        cutoff = (cutoff / CUTOFF_STEP).max(stage.min_count());
    };
    // How many superwords occur more often than the merges of words whose places they take.
    let word = |superword: usize| growing.merges[n_merges - 1 - superword].count;
    let n_superwords =
        (0..n_merges.min(superwords.len())).take_while(|&number| superwords[number] > word(number)).count();
    let is_full = growing.tokens.len() >= stage.size;
    Ok(n_merges - n_superwords.max(usize::from(is_full)).min(n_merges))
}

/// How often the pairs occur that may occur at least `cutoff` times.
fn counts_from(
    store: &TokenStore,
    pairs: &PairCounters,
    cutoff: u64,
) -> Result<FxHashMap<(u32, u32), u64>, Error> {
    let mut counts = FxHashMap::default();
    store.for_each_unit(|token_ids, weight| {
        for pair in token_ids.windows(2) {
            if pairs.most(pair[0], pair[1]) >= cutoff {
                *counts.entry((pair[0], pair[1])).or_default() += weight;
            }
        }
        Ok(())
    })?;
    Ok(counts)
}
