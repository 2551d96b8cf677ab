//! Byte-level BPE and SuperBPE: exact encoding with any vocabulary, and training.
//!
#![doc = include_str!("../README.md")]

mod added_tokens;
mod alignment;
pub mod byte_level;
mod definition;
pub mod encode;
mod error;
mod fingerprint;
pub mod format;
mod merges;
pub mod normalizer;
mod offsets;
pub mod parallel;
pub mod pretokenizer;
mod streaming;
mod token_index;
mod tokenizer;
pub mod train;
mod vocabulary;

pub use added_tokens::{AddedToken, SpecialTokens};
pub use definition::{CarriedParts, Definition};
pub use encode::{Encoder, Scratch, UnknownToken};
pub use error::{Error, ErrorKind};
pub use merges::{Merge, MergeTable, Merges};
pub use offsets::{EncodedWithOffsets, OffsetUnit};
pub use pretokenizer::Pretokenizer;
pub use streaming::Streaming;
pub use tokenizer::{EncodedBatch, Tokenizer};
pub use vocabulary::{Vocabulary, MAX_TOKEN_ID};
