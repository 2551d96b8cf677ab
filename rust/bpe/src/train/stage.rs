//! One stage of training: units that no token may cross, merged until the vocabulary has a size.

use super::checkpoint::Keeper;
use super::counting::{Blocks, UnitCounts};
use super::growing::Growing;
use super::memory::Memory;
use super::merging::MergeLoop;
use super::pair_counters::PairCounters;
use super::reduction::reduce;
use super::sequences::Sequences;
use super::superwords::SuperwordOptions;
use super::token_store::TokenStore;
use super::tokenizing::{tokenize, tokenize_on, UnitEncoder};
use super::watch::{Phase, Watch};
use crate::encode::Encoder;
use crate::{Error, ErrorKind, MergeTable, Pretokenizer, Vocabulary};

/// What a stage is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage<'o> {
    /// The size that the vocabulary is to reach.
    pub(super) size: usize,
    /// Pairs that occur less often are not merged.
    pub(super) min_frequency: u64,
    /// What superwords may be, if this is their stage.
    pub(super) superwords: Option<&'o SuperwordOptions>,
    /// What the parts of superwords must be pieces of.
    pub(super) words: Option<&'o Pretokenizer>,
    pub(super) drops_unused_merges: bool,
    pub(super) threads: usize,
    pub(super) memory: &'o Memory,
    pub(super) keeper: &'o Keeper,
}

/// Bytes that the merge loop takes for a token, at most: its slot, its place in two lists, and what finds them.
const BYTES_PER_TOKEN: usize = 12;

/// By how much the cutoff is raised when what is left is too large.
const CUTOFF_STEP: u64 = 8;

impl Stage<'_> {
    /// Trains on units from their single bytes on.
    pub(super) fn run_on_bytes(
        &self,
        units: UnitCounts,
        growing: &mut Growing,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        // All bytes of the text have a token.
        let token_id = |&byte: &u8| growing.byte_ids[usize::from(byte)].unwrap_or_default();
        if units.n_bytes() <= (self.memory.for_merging() / BYTES_PER_TOKEN) as u64 {
            let mut sequences = Sequences::new();
            units.try_for_each(|unit, count| sequences.push(unit.iter().map(token_id), count))?;
            drop(units);
            return self.grow(MergeLoop::new(sequences, self.min_frequency), growing, watch);
        }
        let mut store = self.memory.new_store();
        units.try_for_each(|unit, count| store.push(unit.iter().map(token_id), count))?;
        drop(units);
        self.run_on_store(store, growing, watch)
    }

    /// Trains on units from what the merges so far make of them on. Returns how many of these are left.
    pub(super) fn run(
        &self,
        units: UnitCounts,
        growing: &mut Growing,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        // Only the merges of the first stage make the tokens that superwords are made of.
        let n_known = growing.first_stage().map_or(growing.merges.len(), |first| first.n_merges);
        self.run_on_tokens(units, &growing.encoder_of(n_known)?, n_known, growing, watch)
    }

    /// Trains on units from what an encoder, which knows the first `n_known` merges, and the other merges so far make of
    /// them on.
    pub(super) fn run_on_tokens(
        &self,
        units: UnitCounts,
        encoder: &Encoder,
        n_known: usize,
        growing: &mut Growing,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        if growing.tokens.len() >= self.size {
            return Ok(());
        }
        let n_bytes = units.n_bytes();
        let units = (units.into_blocks()?, n_bytes);
        if !self.drops_unused_merges || growing.first_stage().is_some_and(|first| first.has_dropped) {
            let mut store = self.tokenize(units, encoder, self.words, |_| (), growing, watch)?;
            if n_known < growing.merges.len() {
                let merges = MergeTable::new(&Vocabulary::default(), &growing.merges_from(n_known));
                store = tokenize_on(&store, &merges, self.threads, watch)?;
            }
            return self.run_on_store(store, growing, watch);
        }
        let mut used = vec![false; growing.tokens.len()];
        let see = |token_id| used[token_id as usize] = true;
        let store = self.tokenize(units, encoder, self.words, see, growing, watch)?;
        let new_ids = growing.drop_unused_merges(used);
        let mut renumbered = store.like();
        store.for_each_unit(|token_ids, weight| {
            renumbered.push(token_ids.iter().map(|&token_id| new_ids[token_id as usize]), weight)
        })?;
        drop(store);
        self.run_on_store(renumbered, growing, watch)
    }

    /// What an encoder makes of a pass over units and its number of bytes; only what are whole pieces of `words`, if there
    /// is such a pretokenizer. Calls `see` with all tokens.
    pub(super) fn tokenize(
        &self,
        units: (Blocks<'_>, u64),
        encoder: &Encoder,
        words: Option<&Pretokenizer>,
        see: impl FnMut(u32),
        growing: &Growing,
        watch: &mut Watch<'_>,
    ) -> Result<TokenStore, Error> {
        let store = self.memory.new_store();
        let unit_encoder = UnitEncoder { encoder, lengths: &growing.lengths(), words };
        tokenize(units, unit_encoder, see, store, self.threads, watch)
    }

    fn run_on_store(
        &self,
        mut store: TokenStore,
        growing: &mut Growing,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let mut cutoff = u64::MAX;
        loop {
            let n_merges = growing.merges.len();
            let sequences;
            (sequences, cutoff) = self.reduce(&store, cutoff, growing, watch)?;
            self.grow(MergeLoop::new(sequences, cutoff), growing, watch)?;
            if growing.tokens.len() >= self.size || cutoff == self.min_count() {
                return Ok(());
            }
            // The merges went below what was kept: the same again with the merges made, and a lower cutoff.
            let merges = MergeTable::new(&Vocabulary::default(), &growing.merges_from(n_merges));
            store = tokenize_on(&store, &merges, self.threads, watch)?;
        }
    }

    /// The lowest count at which a pair is merged.
    pub(super) fn min_count(&self) -> u64 {
        self.min_frequency.max(1)
    }

    /// What is left of a text when it is cut where nothing will merge, and the count down to which it may be merged,
    /// which is below `ceiling`.
    fn reduce(
        &self,
        store: &TokenStore,
        ceiling: u64,
        growing: &Growing,
        watch: &mut Watch<'_>,
    ) -> Result<(Sequences, u64), Error> {
        let pairs = PairCounters::of_store(store, self.memory.for_counters(), self.threads, watch)?;
        let wanted = pairs.cutoff_for(self.size - growing.tokens.len());
        let mut cutoff = wanted.min(ceiling / 2).max(self.min_count());
        loop {
            if let Some(sequences) =
                reduce(store, &pairs, cutoff, self.memory.for_pieces(), self.threads, watch)?
            {
                return Ok((sequences, cutoff));
            }
            cutoff = cutoff.saturating_mul(CUTOFF_STEP);
            if cutoff >= ceiling {
                let message = "the text does not fit the memory limit, however it is cut; raise the limit";
                return Err(Error::new(ErrorKind::Training, message));
            }
        }
    }

    /// Merges until the vocabulary has its size, or no pair is left that may be merged.
    fn grow(
        &self,
        mut merge_loop: MergeLoop,
        growing: &mut Growing,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        watch.phase(Phase::Merging, self.size as u64)?;
        while growing.tokens.len() < self.size {
            let Some((left, right, count)) = merge_loop.pop_best(watch)? else { break };
            let token = growing.joined(left, right);
            if self.vetoes(growing, &token) {
                growing.veto(left, right, token, count);
                watch.step(growing.tokens.len() as u64)?;
                continue;
            }
            match growing.merge(left, right, token, count) {
                (token_id, true) => merge_loop.merge(left, right, token_id, watch)?,
                (token_id, false) => merge_loop.merge_into_known(left, right, token_id, watch)?,
            }
            self.keeper.look(growing)?;
            watch.step(growing.tokens.len() as u64)?;
        }
        Ok(())
    }

    /// Whether these bytes may not become a token.
    pub(super) fn vetoes(&self, growing: &Growing, token: &[u8]) -> bool {
        growing.vetoes(token) || self.superwords.is_some_and(|superwords| !superwords.allows(token))
    }
}
