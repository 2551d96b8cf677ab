//! Byte-level BPE and SuperBPE: exact encoding with any vocabulary, and training.
//!
#![doc = include_str!("../README.md")]

mod added_tokens;
pub mod byte_level;
mod definition;
pub mod encode;
mod error;
mod fingerprint;
pub mod format;
mod merges;
pub mod normalizer;
pub mod parallel;
pub mod pretokenizer;
mod token_index;
mod tokenizer;
pub mod train;
mod vocabulary;

pub use added_tokens::{AddedToken, SpecialTokens};
pub use definition::{CarriedParts, Definition};
pub use encode::{Encoder, Scratch, UnknownToken};
pub use error::{Error, ErrorKind};
pub use merges::{Merge, MergeTable, Merges};
pub use pretokenizer::Pretokenizer;
pub use tokenizer::{EncodedBatch, Tokenizer};
pub use vocabulary::{Vocabulary, MAX_TOKEN_ID};
