//! How to pack: the options, their names, their limits.

use crate::error::{Error, Result};
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
    /// Documents one after the other, cut wherever a sequence is full.
    Concat,
}

/// What becomes of a document that is longer than the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LongDocuments {
    /// It is cut into pieces of the capacity and a rest; nothing is lost.
    Split,
    /// Its first tokens, as many as the capacity, are kept; the rest is dropped.
    Truncate,
    /// All of it is dropped.
    Drop,
    /// Packing fails and names it.
    Error,
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
        let table = [
            ("best_fit_decreasing", Self::BestFitDecreasing),
            ("first_fit_decreasing", Self::FirstFitDecreasing),
            ("concat", Self::Concat),
        ];
        by_name("strategy", name, &table)
    }
}

impl FromStr for LongDocuments {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let table = [
            ("split", Self::Split),
            ("truncate", Self::Truncate),
            ("drop", Self::Drop),
            ("error", Self::Error),
        ];
        by_name("long_documents policy", name, &table)
    }
}

/// Tokens that stand around the ids of every document that is not empty, and count against the capacity.
///
/// The document is then the stream `[BOS] + ids + [EOS]`, and pieces are runs of that stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Framing {
    /// A token before the document.
    pub bos: bool,
    /// A token after the document.
    pub eos: bool,
}

impl Framing {
    /// Length of the stream of a document with this many ids: an empty document stays empty.
    pub fn framed_length(self, length: u32) -> u32 {
        if length == 0 {
            0
        } else {
            length + u32::from(self.bos) + u32::from(self.eos)
        }
    }

    /// Number of ids in a document whose stream has this length: the inverse of [`Framing::framed_length`].
    pub fn plain_length(self, framed_length: u32) -> u32 {
        framed_length.saturating_sub(u32::from(self.bos) + u32::from(self.eos))
    }
}

/// How to pack.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// Most tokens in a sequence, from 1 to [`MAX_LENGTH`].
    pub capacity: u32,
    /// Which sequence a piece goes into.
    pub strategy: Strategy,
    /// What becomes of a document that is longer than the capacity.
    pub long_documents: LongDocuments,
    /// Most pieces in a sequence; no limit if `None`.
    pub max_documents_per_sequence: Option<NonZeroU32>,
    /// Tokens around every document.
    pub framing: Framing,
}

impl PackOptions {
    /// Best-fit decreasing with long documents split: near the optimum, and nothing is lost.
    pub fn new(capacity: u32) -> Self {
        Self {
            capacity,
            strategy: Strategy::BestFitDecreasing,
            long_documents: LongDocuments::Split,
            max_documents_per_sequence: None,
            framing: Framing::default(),
        }
    }

    /// Refuses a capacity that cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        let capacity = self.capacity;
        if capacity == 0 || capacity > MAX_LENGTH {
            let message = format!("capacity is {capacity}; a sequence holds from 1 to {MAX_LENGTH} tokens");
            return Err(Error::new(message));
        }
        Ok(())
    }
}
