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
//! they will at inference) and goes on, under a few vetoes ([`SuperwordOptions`]).

mod counting;
mod growing;
mod memory;
mod merging;
mod pair_counters;
mod reduction;
mod sequences;
mod stage;
mod superbpe;
mod temporary_file;
mod token_store;
mod tokenizing;
mod watch;

use std::ops::ControlFlow;

pub use counting::{Block, BlockIter, Blocks, CountFile, Counter, CutOff, Record, UnitCounts, Units};
pub use memory::Memory;
pub use superbpe::SuperwordOptions;
pub use watch::{Phase, Progress};

use self::growing::Growing;
use self::stage::Stage;
use self::watch::Watch;
use crate::byte_level::ALPHABET_ORDER;
use crate::{Error, ErrorKind};

/// Which single bytes are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialAlphabet {
    /// All 256, so that every text can be encoded.
    #[default]
    All,
    /// Those that occur in the text.
    Seen,
}

/// The options of training, for both stages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrainingOptions {
    /// The number of ids to reach: special tokens, alphabet and new tokens.
    pub vocab_size: usize,
    /// Pairs that occur less often are not merged; 0 and 1 are the same.
    pub min_frequency: u64,
    /// No new token is longer than this many bytes.
    pub max_token_bytes: Option<usize>,
    /// Texts that take the ids from 0 on, in this order. No merge makes one of them out of ordinary text.
    pub special_tokens: Vec<String>,
    /// Which single bytes are tokens.
    pub initial_alphabet: InitialAlphabet,
    /// The memory to take.
    pub memory: Memory,
}

/// The distinct units of a text and their multiplicities: what training reads.
#[derive(Debug, Clone)]
pub struct Counts {
    /// The units of BPE, or of the first stage of SuperBPE.
    pub units: UnitCounts,
    /// The units of the second stage of SuperBPE and its options; `None` for plain BPE.
    pub superwords: Option<(UnitCounts, SuperwordOptions)>,
}

/// What training made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trained {
    /// The bytes of each token, by id: special tokens, alphabet, new tokens.
    pub tokens: Vec<Vec<u8>>,
    /// (left id, right id) in order of rank.
    pub merges: Vec<(u32, u32)>,
    /// The number of tokens when the first stage stopped; for plain BPE, at the end.
    pub stage1_size: usize,
}

/// Trains a vocabulary and its merges. If the text has too few pairs, the vocabulary is smaller than was asked for.
///
/// The same counts and options give the same result for any number of threads. `progress` is called about every 50 ms
/// and may stop the work.
///
/// # Errors
/// [`ErrorKind::Training`] if the options contradict each other or the text is too large for the merge loop (2³¹
/// tokens of distinct units); [`ErrorKind::File`] if counts in files cannot be read; [`ErrorKind::Interrupted`] if `progress` breaks.
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
    let Counts { units, superwords } = counts;
    let mut watch = Watch::new(Phase::Merging, 0, progress);
    let superword_units = superwords.as_ref().map(|(units, _)| units);
    let mut growing = Growing::new(options, &alphabet(options, &units, superword_units)?)?;
    let superword_options = superwords.as_ref().map(|(_, superwords)| superwords);
    check_sizes(growing.tokens.len(), options, superword_options)?;

    let size = superword_options.map_or(options.vocab_size, |superwords| superwords.transition_size);
    let stage = Stage {
        size,
        min_frequency: options.min_frequency,
        superwords: None,
        threads,
        memory: &options.memory,
    };
    stage.run_on_bytes(units, &mut growing, &mut watch)?;
    let stage1_size = growing.tokens.len();

    if let Some((units, superwords)) = &superwords {
        let stage = Stage { size: options.vocab_size, superwords: Some(superwords), ..stage };
        stage.run(units, &mut growing, &mut watch)?;
    }
    let merges = growing.merges.iter().map(|merge| (merge.left, merge.right)).collect();
    Ok(Trained { tokens: growing.tokens, merges, stage1_size })
}

/// The single bytes that become tokens, in order of id.
fn alphabet(
    options: &TrainingOptions,
    units: &UnitCounts,
    superword_units: Option<&UnitCounts>,
) -> Result<Vec<u8>, Error> {
    let mut kept = [options.initial_alphabet == InitialAlphabet::All; 256];
    if options.initial_alphabet == InitialAlphabet::Seen {
        for units in [Some(units), superword_units].into_iter().flatten() {
            units.try_for_each(|unit, _| {
                for &byte in unit {
                    kept[usize::from(byte)] = true;
                }
                Ok(())
            })?;
        }
    }
    Ok(ALPHABET_ORDER.into_iter().filter(|&byte| kept[usize::from(byte)]).collect())
}

fn check_sizes(
    n_initial: usize,
    options: &TrainingOptions,
    superwords: Option<&SuperwordOptions>,
) -> Result<(), Error> {
    const LARGEST: usize = crate::vocabulary::MAX_TOKEN_ID as usize + 1;
    let refuse = |message: String| Err(Error::new(ErrorKind::Training, message));
    let vocab_size = options.vocab_size;
    if vocab_size < n_initial {
        let n_special = options.special_tokens.len();
        return refuse(format!(
            "vocab_size is {vocab_size}, but {n_special} special tokens and {} single bytes need {n_initial}; \
             ask for {n_initial} or more",
            n_initial - n_special
        ));
    }
    if vocab_size > LARGEST {
        return refuse(format!("vocab_size is {vocab_size}; the largest vocabulary has {LARGEST} tokens"));
    }
    let Some(superwords) = superwords else { return Ok(()) };
    let transition_size = superwords.transition_size;
    if !(n_initial..vocab_size).contains(&transition_size) {
        return refuse(format!(
            "transition_size is {transition_size}, but the first stage starts with {n_initial} tokens and the second \
             must have some left to add before vocab_size {vocab_size}; choose a size from {n_initial} to {}",
            vocab_size.saturating_sub(1).max(n_initial)
        ));
    }
    if superwords.forbid.iter().any(Vec::is_empty) {
        return refuse("forbid has an empty string, which every token contains; remove it".to_owned());
    }
    Ok(())
}
