//! Training: BPE and SuperBPE from counted units of text.
//!
//! The definition, which `merging` only makes fast: count the adjacent pairs of tokens over all units (overlapping
//! windows, weighted by the multiplicity of the unit); take the pair with the largest count, of equals the one with the
//! smallest (left id, right id); give the concatenation an id; replace the pair everywhere, left to right; repeat until
//! the vocabulary is full or no pair is frequent enough. Ids are given to the special tokens first, then to the
//! alphabet of single bytes in the order of their byte-level characters, then to new tokens as they are made. This is
//! what Hugging Face's `BpeTrainer` computes.
//!
//! SuperBPE runs the same loop twice. The first stage stops at the transition size. The second tokenizes the units of
//! a coarser pretokenizer with all merges of the first (so merges may fire where the first stage had a boundary, as
//! they will at inference) and goes on, under a few rules ([`SuperwordOptions`]). [`continue_training`] is such a stage on
//! top of any tokenizer.

mod checkpoint;
mod continuing;
mod counting;
mod growing;
mod memory;
mod merging;
mod options;
mod pair_counters;
mod reduction;
mod sequences;
mod stage;
mod superwords;
mod temporary_file;
mod token_store;
mod tokenizing;
mod transition;
mod watch;

use std::ops::ControlFlow;

pub use checkpoint::Checkpoint;
pub use continuing::{continue_training, Continued};
pub use counting::{Block, BlockIter, Blocks, CountFile, Counter, CutOff, Record, UnitCounts, Units};
pub use memory::Memory;
pub use options::{
    Counts, InitialAlphabet, SuperwordStage, Ties, Trained, TrainedMerge, TrainingOptions, Transition,
};
pub use superwords::SuperwordOptions;
pub use watch::{Phase, Progress};

use self::checkpoint::Keeper;
use self::growing::Growing;
use self::options::check_sizes;
use self::stage::Stage;
use self::transition::find_transition;
use self::watch::Watch;
use crate::Error;

/// Trains a vocabulary and its merges. If the text has too few pairs, the vocabulary is smaller than was asked for.
///
/// The same counts and options give the same result for any number of threads. `progress` is called about every 50 ms,
/// and when a phase begins, and may stop the work. With [`TrainingOptions::checkpoint`], it goes on from there when it
/// is called again.
///
/// # Errors
/// [`crate::ErrorKind::Training`] if the options contradict each other or the text is too large for the merge loop
/// (2³⁰ tokens of what is left of it); [`crate::ErrorKind::File`] if counts in files cannot be read;
/// [`crate::ErrorKind::Interrupted`] if `progress` breaks.
///
/// ```
/// use portmanteau_bpe::train::{train, Counts, TrainingOptions, Units};
/// use std::ops::ControlFlow;
/// let mut units = Units::default();
/// units.add(b"low", 5)?;
/// units.add(b"lower", 2)?;
/// let options = TrainingOptions { vocab_size: 258, ..TrainingOptions::default() };
/// let trained = train(Counts { units: units.into(), superwords: None }, &options, 1, &mut |_| ControlFlow::Continue(()))?;
/// assert_eq!(trained.tokens[256..], [b"lo".to_vec(), b"low".to_vec()]);
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
pub fn train(
    counts: Counts,
    options: &TrainingOptions,
    threads: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, Error> {
    let mut growing = Growing::new(options, &counts.alphabet(options)?)?;
    let Counts { units, mut superwords } = counts;
    let transition = superwords.as_ref().map(|superwords| superwords.transition);
    check_sizes(&growing, options.vocab_size, transition)?;
    superwords.as_ref().map_or(Ok(()), SuperwordStage::check)?;

    // The units are given up as they are tokenized; what holds for superwords is asked for longer.
    let superword_units = superwords.as_mut().map(|superwords| std::mem::take(&mut superwords.units));
    let further = superwords.as_ref().map(SuperwordStage::rules);
    let keeper = Keeper::new(options, &further);
    keeper.resume(&mut growing)?;
    let mut watch = Watch::new(Phase::Merging, 0, progress);
    let stage = Stage {
        size: match transition {
            Some(Transition::Size(size)) => size,
            Some(Transition::Auto) | None => options.vocab_size,
        },
        min_frequency: options.min_frequency,
        superwords: None,
        words: None,
        drops_unused_merges: false,
        threads,
        memory: &options.memory,
        keeper: &keeper,
    };
    if growing.first_stage().is_none() {
        let result = if growing.merges.is_empty() {
            stage.run_on_bytes(units, &mut growing, &mut watch)
        } else {
            stage.run(units, &mut growing, &mut watch)
        };
        keeper.after(result, &growing)?;
    }
    if let (Some(superwords), Some(units)) = (&superwords, superword_units) {
        let stage = Stage {
            size: options.vocab_size,
            superwords: Some(&superwords.options),
            words: superwords.words.as_ref().filter(|_| superwords.whole_words),
            drops_unused_merges: superwords.drop_unused_merges,
            ..stage
        };
        if growing.first_stage().is_none() {
            if let (Transition::Auto, Some(words)) = (superwords.transition, &superwords.words) {
                let n_merges = find_transition(&stage, &units, words, &growing, &mut watch)?;
                growing.truncate(n_merges);
            }
            growing.end_first_stage(growing.tokens.len());
        }
        let result = stage.run(units, &mut growing, &mut watch);
        keeper.after(result, &growing)?;
    }
    let first_stage = growing.first_stage();
    let stage1_size = first_stage.map_or(growing.tokens.len(), |first| first.size);
    let stage1_merges = first_stage.map_or(growing.merges.len(), |first| first.n_merges);
    let Growing { tokens, merges, vetoed, .. } = growing;
    Ok(Trained { tokens, merges, stage1_size, stage1_merges, vetoed })
}
