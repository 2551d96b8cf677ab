//! How to pack: the options, their names, their limits.

use crate::error::{Error, Result};
use crate::format::SequenceFormat;
use crate::histogram::{HistogramStrategy, HISTOGRAM_STRATEGIES};
use std::num::NonZeroU32;
use std::str::FromStr;

/// The longest document, and the largest capacity: 2³¹ − 1 tokens, so that positions fit the int32 of attention kernels.
pub const MAX_LENGTH: u32 = i32::MAX as u32;

/// Which sequence a piece goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The longest piece first, each into the sequence with the least room that still holds it.
    BestFitDecreasing,
    /// The longest piece first, each into the first sequence with room for it.
    FirstFitDecreasing,
    /// Documents one after the other, each into the last sequence if that holds it, and else into a new one.
    NextFit,
    /// Documents one after the other, cut wherever a sequence is full.
    Concat,
    /// As many sequences with the same lengths as a plan of the histogram of lengths has.
    Histogram(HistogramStrategy),
    /// Documents cut into powers of two, each of them a sequence.
    Buckets,
}

/// What becomes of a document that is longer than a sequence takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LongDocuments {
    /// It is cut into pieces as long as a sequence takes and a rest; nothing is lost.
    Split,
    /// It is cut into pieces whose lengths are powers of two, the longest first; nothing is lost.
    PowerOfTwo,
    /// Its first tokens, as many as a sequence takes, are kept; the rest is dropped.
    Truncate,
    /// Its last tokens, as many as a sequence takes, are kept; the rest is dropped.
    TruncateLeft,
    /// All of it is dropped.
    Drop,
    /// Packing fails and names it.
    Error,
}

/// What best fit decreasing makes even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// The number of tokens: sequences are as full as may be.
    Tokens,
    /// The sum of the squared lengths of pieces: of as many sequences, the costliest cost less.
    Attention,
}

/// Finds `name` in a table of names, or says which names there are.
pub(crate) fn by_name<T: Copy>(what: &str, name: &str, table: &[(&str, T)]) -> Result<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = table.iter().map(|(known, _)| format!("{known:?}")).collect();
        Error::new(format!("{what} {name:?} is unknown; use one of {}", known.join(", ")))
    })
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let mut table = vec![
            ("best_fit_decreasing", Self::BestFitDecreasing),
            ("first_fit_decreasing", Self::FirstFitDecreasing),
            ("next_fit", Self::NextFit),
            ("concat", Self::Concat),
            ("buckets", Self::Buckets),
        ];
        table.extend(HISTOGRAM_STRATEGIES.map(|(name, strategy)| (name, Self::Histogram(strategy))));
        by_name("strategy", name, &table)
    }
}

impl FromStr for LongDocuments {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let table = [
            ("split", Self::Split),
            ("power_of_two", Self::PowerOfTwo),
            ("truncate", Self::Truncate),
            ("truncate_left", Self::TruncateLeft),
            ("drop", Self::Drop),
            ("error", Self::Error),
        ];
        by_name("long_documents policy", name, &table)
    }
}

impl FromStr for Cost {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        by_name("cost", name, &[("tokens", Self::Tokens), ("attention", Self::Attention)])
    }
}

/// How to pack.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// What a sequence is made of.
    pub format: SequenceFormat,
    /// Which sequence a piece goes into.
    pub strategy: Strategy,
    /// What best fit decreasing makes even.
    pub cost: Cost,
    /// What becomes of a document that is longer than a sequence takes.
    pub long_documents: LongDocuments,
    /// Most pieces in a sequence; no limit if `None`.
    pub max_documents_per_sequence: Option<NonZeroU32>,
    /// Sequences with fewer tokens are left out, and their pieces are among the dropped ones.
    pub least_tokens: u32,
}

impl PackOptions {
    /// Best-fit decreasing with long documents split: near the optimum, and nothing is lost.
    pub fn new(capacity: u32) -> Self {
        Self {
            format: SequenceFormat::new(capacity),
            strategy: Strategy::BestFitDecreasing,
            cost: Cost::Tokens,
            long_documents: LongDocuments::Split,
            max_documents_per_sequence: None,
            least_tokens: 0,
        }
    }

    /// Refuses options that cannot be, or that do not go together.
    pub(crate) fn check(&self) -> Result<()> {
        self.format.check()?;
        if self.format.overlap > 0 && self.long_documents != LongDocuments::Split {
            return Err(Error::new(
                "overlap is of long documents that are split; choose long_documents split",
            ));
        }
        if self.format.overlap > 0 && matches!(self.strategy, Strategy::Concat | Strategy::Buckets) {
            return Err(Error::new(
                "concat and buckets cut without overlap; choose another strategy, or no overlap",
            ));
        }
        if self.cost == Cost::Attention && self.strategy != Strategy::BestFitDecreasing {
            return Err(Error::new("cost attention goes with best_fit_decreasing; choose that strategy"));
        }
        let cuts_by_two = matches!(self.long_documents, LongDocuments::Split | LongDocuments::PowerOfTwo);
        if self.strategy == Strategy::Buckets && !cuts_by_two {
            return Err(Error::new(
                "buckets cut every document into powers of two; leave long_documents at split",
            ));
        }
        if self.least_tokens > self.format.capacity {
            return Err(Error::new(format!(
                "sequences would need {} tokens, and have at most {}",
                self.least_tokens, self.format.capacity
            )));
        }
        Ok(())
    }

    /// The longest piece: what a sequence takes, and the power of two below that where every piece must be one.
    pub(crate) fn longest_piece(&self) -> u32 {
        let room = self.format.room();
        let by_two = self.strategy == Strategy::Buckets || self.long_documents == LongDocuments::PowerOfTwo;
        if by_two {
            power_of_two_within(room)
        } else {
            room
        }
    }
}

/// The largest power of two that is at most `length`, which is at least 1.
pub(crate) fn power_of_two_within(length: u32) -> u32 {
    1 << (u32::BITS - 1 - length.max(1).leading_zeros())
}
