//! Byte-level BPE and SuperBPE: exact encoding with any vocabulary, and training.
//!
#![doc = include_str!("../README.md")]

mod added_tokens;
mod alignment;
mod batch;
mod byte_lengths;
pub mod byte_level;
mod cutting;
mod definition;
pub mod encode;
mod environment;
mod error;
mod fingerprint;
pub mod format;
mod gathering;
mod interrupt;
mod merge_order;
mod merges;
pub mod normalizer;
mod offsets;
mod output;
pub mod parallel;
pub mod pretokenizer;
mod scratch_pool;
mod streaming;
mod token_index;
mod tokenizer;
pub mod train;
mod vocabulary;
mod word_ids;

pub use added_tokens::{AddedToken, SpecialTokens};
pub use batch::EncodedBatch;
pub use definition::{CarriedParts, Definition};
pub use encode::{Encoder, Pretokens, Scratch, UnknownToken};
pub use error::{Error, ErrorKind};
pub use interrupt::Interrupt;
pub use merge_order::{CanonicalMerge, MergeOrder};
pub use merges::{Merge, MergeTable, Merges};
pub use offsets::{EncodedWithOffsets, OffsetUnit};
pub use pretokenizer::Pretokenizer;
pub use streaming::Streaming;
pub use tokenizer::Tokenizer;
pub use vocabulary::{Vocabulary, MAX_TOKEN_ID};
