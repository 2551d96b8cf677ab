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
mod merging;
mod sequences;
mod superbpe;
mod watch;

use std::ops::ControlFlow;

use rustc_hash::{FxHashMap, FxHashSet};

pub use counting::{Counter, Record, Units};
pub use superbpe::SuperwordOptions;
pub use watch::{Phase, Progress};

use self::merging::MergeLoop;
use self::sequences::Sequences;
use self::watch::Watch;
use crate::byte_level::{unspell, ALPHABET_ORDER};
use crate::{Error, ErrorKind, MergeTable, Merges, Vocabulary};

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
}

/// The distinct units of a text and their multiplicities: what training reads.
#[derive(Debug, Clone)]
pub struct Counts {
    /// The units of BPE, or of the first stage of SuperBPE.
    pub units: Units,
    /// The units of the second stage of SuperBPE and its options; `None` for plain BPE.
    pub superwords: Option<(Units, SuperwordOptions)>,
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
/// tokens of distinct units); [`ErrorKind::Interrupted`] if `progress` breaks.
///
/// ```
/// use portmanteau_bpe::train::{train, Counts, TrainingOptions, Units};
/// use std::ops::ControlFlow;
/// let mut units = Units::default();
/// units.add(b"low", 5)?;
/// units.add(b"lower", 2)?;
/// let options = TrainingOptions { vocab_size: 258, ..TrainingOptions::default() };
/// let trained = train(Counts { units, superwords: None }, &options, 1, &mut |_| ControlFlow::Continue(()))?;
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
    let mut watch = Watch::new(Phase::CountingPairs, 0, progress);
    let mut growing =
        Growing::new(options, &alphabet(options, &units, superwords.as_ref().map(|(units, _)| units)))?;
    let stage1_target =
        superwords.as_ref().map_or(options.vocab_size, |(_, superwords)| superwords.transition_size);
    check_sizes(growing.tokens.len(), options, superwords.as_ref().map(|(_, superwords)| superwords))?;

    let mut sequences = Sequences::new();
    for (unit, count) in units.iter() {
        // All bytes of the text have a token.
        let token_ids = unit.iter().map(|&byte| growing.byte_ids[usize::from(byte)].unwrap_or_default());
        sequences.push(token_ids, count)?;
    }
    drop(units);
    growing.grow(sequences, stage1_target, &|_| false, &mut watch)?;
    let stage1_size = growing.tokens.len();

    if let Some((units, superwords)) = superwords {
        let merges = MergeTable::new(&Vocabulary::default(), &Merges::Listed(growing.merges.clone()));
        let sequences = superbpe::tokenize(&units, &growing.byte_ids, &merges, threads, &mut watch)?;
        drop(units);
        growing.grow(sequences, options.vocab_size, &|token| superwords.vetoes(token), &mut watch)?;
    }
    let merges = growing.merges.into_iter().map(|(left, right, _)| (left, right)).collect();
    Ok(Trained { tokens: growing.tokens, merges, stage1_size })
}

/// The single bytes that become tokens, in order of id.
fn alphabet(options: &TrainingOptions, units: &Units, superword_units: Option<&Units>) -> Vec<u8> {
    let mut kept = [options.initial_alphabet == InitialAlphabet::All; 256];
    if options.initial_alphabet == InitialAlphabet::Seen {
        for (unit, _) in units.iter().chain(superword_units.into_iter().flat_map(Units::iter)) {
            for &byte in unit {
                kept[usize::from(byte)] = true;
            }
        }
    }
    ALPHABET_ORDER.into_iter().filter(|&byte| kept[usize::from(byte)]).collect()
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

/// A vocabulary as it grows.
struct Growing {
    tokens: Vec<Vec<u8>>,
    byte_ids: [Option<u32>; 256],
    /// (left id, right id, merged id) in order of rank.
    merges: Vec<(u32, u32, u32)>,
    /// Ids of the tokens that merges can make or start from; not the special tokens.
    ids: FxHashMap<Vec<u8>, u32>,
    merged: FxHashSet<(u32, u32)>,
    /// Byte strings that no merge may make, because a special token is written so (in UTF-8, or in a file that spells
    /// tokens in byte-level characters).
    reserved: FxHashSet<Vec<u8>>,
    min_frequency: u64,
    max_token_bytes: usize,
}

impl Growing {
    fn new(options: &TrainingOptions, alphabet: &[u8]) -> Result<Self, Error> {
        let mut growing = Self {
            tokens: Vec::with_capacity(options.vocab_size.min(1 << 20)),
            byte_ids: [None; 256],
            merges: Vec::new(),
            ids: FxHashMap::default(),
            merged: FxHashSet::default(),
            reserved: FxHashSet::default(),
            min_frequency: options.min_frequency,
            max_token_bytes: options.max_token_bytes.unwrap_or(usize::MAX),
        };
        let mut seen = FxHashSet::default();
        for special in &options.special_tokens {
            let refuse =
                |why| Err(Error::new(ErrorKind::Training, format!("special token {special:?} {why}")));
            if !seen.insert(special) {
                return refuse("is given twice; give each once");
            }
            let spelled = unspell(special).unwrap_or_default();
            if special.is_empty() || special.len() == 1 || spelled.len() == 1 {
                return refuse(
                    "must differ from the single bytes, which are tokens already; choose a longer text",
                );
            }
            growing.tokens.push(special.as_bytes().to_vec());
            growing.reserved.extend([special.as_bytes().to_vec(), spelled]);
        }
        for &byte in alphabet {
            let token_id = growing.add(vec![byte]);
            growing.byte_ids[usize::from(byte)] = Some(token_id);
        }
        Ok(growing)
    }

    /// The id of a token, a new one if there is no such token yet.
    fn add(&mut self, token: Vec<u8>) -> u32 {
        if let Some(&token_id) = self.ids.get(&token) {
            return token_id;
        }
        let token_id = self.tokens.len() as u32;
        self.tokens.push(token.clone());
        self.ids.insert(token, token_id);
        token_id
    }

    /// Merges until there are `vocab_size` tokens or no pair is left that may be merged.
    fn grow(
        &mut self,
        sequences: Sequences,
        vocab_size: usize,
        vetoes: &dyn Fn(&[u8]) -> bool,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let mut merge_loop = MergeLoop::new(sequences, self.min_frequency);
        watch.phase(Phase::Merging, vocab_size as u64);
        while self.tokens.len() < vocab_size {
            let Some((left, right, _)) = merge_loop.pop_best(watch)? else { break };
            let token = [&self.tokens[left as usize][..], &self.tokens[right as usize]].concat();
            if token.len() > self.max_token_bytes || self.reserved.contains(&token) || vetoes(&token) {
                watch.step(self.tokens.len() as u64)?;
                continue;
            }
            let n_known = self.tokens.len();
            let token_id = self.add(token);
            // In the second stage a token may be reached in a second way, and then a pair of it is merged again.
            if self.merged.insert((left, right)) {
                self.merges.push((left, right, token_id));
            }
            if self.tokens.len() > n_known {
                merge_loop.merge(left, right, token_id, watch)?;
            } else {
                merge_loop.merge_into_known(left, right, token_id, watch)?;
            }
            watch.step(self.tokens.len() as u64)?;
        }
        Ok(())
    }
}
