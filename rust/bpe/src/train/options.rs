//! What is asked of training, and what comes of it.

use super::checkpoint::Checkpoint;
use super::counting::UnitCounts;
use super::growing::Growing;
use super::memory::Memory;
use super::superwords::SuperwordOptions;
use crate::byte_level::ALPHABET_ORDER;
use crate::vocabulary::MAX_TOKEN_ID;
use crate::{Error, ErrorKind, Pretokenizer};

/// Which single bytes are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialAlphabet {
    /// All 256, so that every text can be encoded.
    #[default]
    All,
    /// Those that occur in the text.
    Seen,
}

/// The ids of the single bytes, and with them which of two pairs of equal counts is merged first: that of smaller ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ties {
    /// In the order of their byte-level characters, as Hugging Face numbers them: a space comes after the letters.
    #[default]
    HuggingFace,
    /// In the order of the bytes, as tiktoken and rustbpe number them.
    Bytes,
}

/// The options of training, for all stages.
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
    /// The order of the single bytes.
    pub ties: Ties,
    /// The memory to take.
    pub memory: Memory,
    /// Where the merges are kept, so that training that is interrupted goes on when it is started again.
    pub checkpoint: Option<Checkpoint>,
}

/// The distinct units of a text and their multiplicities: what training reads.
#[derive(Debug, Clone)]
pub struct Counts {
    /// The units of BPE, or of the first stage of SuperBPE.
    pub units: UnitCounts,
    /// The second stage of SuperBPE; `None` for plain BPE.
    pub superwords: Option<SuperwordStage>,
}

/// The second stage of SuperBPE.
#[derive(Debug, Clone)]
pub struct SuperwordStage {
    /// Its units.
    pub units: UnitCounts,
    /// When it begins.
    pub transition: Transition,
    /// What superwords may be.
    pub options: SuperwordOptions,
    /// With the pretokenizer of the first stage: superwords are counted only where each of their parts is one of its
    /// pieces, or several (as in Schmidt et al., "Boundless Byte Pair Encoding", 2025). [`Transition::Auto`] needs it too.
    pub words: Option<Pretokenizer>,
    /// Whether [`SuperwordStage::words`] holds for all superwords, and not only for finding the transition.
    pub whole_words: bool,
    /// Whether merges of the first stage that nothing in the units of the second is made by are dropped, with their
    /// tokens; the ids of the others move up. So does the program of SuperBPE's authors.
    pub drop_unused_merges: bool,
}

/// When the second stage begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// At this size of the vocabulary.
    Size(usize),
    /// Where words and superwords come out even. Of the merges that plain BPE would make up to the size that is wanted,
    /// and the pairs of whole words that stand side by side when it has made them and that a superword may be, the
    /// most frequent are taken, as many as there is room for (of equals, the merges of words first); the second stage
    /// begins when as many merges of words are made as there are among them, and with room for one superword at least.
    Auto,
}

/// A merge that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainedMerge {
    /// The id of the left part.
    pub left: u32,
    /// The id of the right part.
    pub right: u32,
    /// The id of what they make.
    pub token_id: u32,
    /// How often they stood side by side when they were merged, weights included.
    pub count: u64,
}

/// What training made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trained {
    /// The bytes of each token, by id: special tokens, alphabet, new tokens.
    pub tokens: Vec<Vec<u8>>,
    /// In order of rank.
    pub merges: Vec<TrainedMerge>,
    /// The number of tokens when the first stage stopped; for plain BPE, at the end.
    pub stage1_size: usize,
    /// The number of merges of the first stage that are left, which begin the list; for plain BPE, all.
    pub stage1_merges: usize,
    /// The pairs that were frequent enough, and passed over for what they would make: their bytes, and how often they
    /// occurred. A pair is here once for each stage.
    pub vetoed: Vec<(Vec<u8>, u64)>,
}

impl SuperwordStage {
    /// All that the result depends on beside the units.
    pub(super) fn rules(&self) -> impl std::fmt::Debug + '_ {
        (self.transition, &self.options, self.whole_words, self.drop_unused_merges)
    }
}

impl Counts {
    /// The single bytes that become tokens, in order of id.
    pub(super) fn alphabet(&self, options: &TrainingOptions) -> Result<Vec<u8>, Error> {
        let mut kept = [options.initial_alphabet == InitialAlphabet::All; 256];
        if options.initial_alphabet == InitialAlphabet::Seen {
            let superword_units = self.superwords.as_ref().map(|superwords| &superwords.units);
            for units in [Some(&self.units), superword_units].into_iter().flatten() {
                units.try_for_each(|unit, _| {
                    for &byte in unit {
                        kept[usize::from(byte)] = true;
                    }
                    Ok(())
                })?;
            }
        }
        let mut alphabet = ALPHABET_ORDER.to_vec();
        if options.ties == Ties::Bytes {
            alphabet.sort_unstable();
        }
        alphabet.retain(|&byte| kept[usize::from(byte)]);
        Ok(alphabet)
    }
}

/// Refuses sizes that cannot be reached from a vocabulary.
pub(super) fn check_sizes(
    growing: &Growing,
    vocab_size: usize,
    transition: Option<Transition>,
) -> Result<(), Error> {
    const LARGEST: usize = MAX_TOKEN_ID as usize + 1;
    let refuse = |message: String| Err(Error::new(ErrorKind::Training, message));
    let n_initial = growing.tokens.len();
    if vocab_size < n_initial {
        return refuse(format!(
            "vocab_size is {vocab_size}, but training starts with {n_initial} tokens ({}); ask for {n_initial} or more",
            growing.initial_tokens()
        ));
    }
    if vocab_size > LARGEST {
        return refuse(format!("vocab_size is {vocab_size}; the largest vocabulary has {LARGEST} tokens"));
    }
    match transition {
        Some(Transition::Size(size)) if !(n_initial..vocab_size).contains(&size) => refuse(format!(
            "transition_size is {size}, but the first stage starts with {n_initial} tokens and the second must have \
             some left to add before vocab_size {vocab_size}; choose a size from {n_initial} to {}",
            vocab_size.saturating_sub(1).max(n_initial)
        )),
        Some(Transition::Auto) if vocab_size == n_initial => {
            refuse(format!("vocab_size is {vocab_size}, which leaves no room for superwords; ask for more"))
        }
        _ => Ok(()),
    }
}

impl SuperwordStage {
    /// Refuses what contradicts itself.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.options.check()?;
        if self.words.is_none() && (self.whole_words || self.transition == Transition::Auto) {
            let message =
                "whole words, and a transition that is to be found, need the pretokenizer of the words";
            return Err(Error::new(ErrorKind::Training, message));
        }
        Ok(())
    }
}
