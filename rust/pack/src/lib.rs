//! Packs documents of tokens into training sequences of a fixed length, near the optimum and with nothing lost.
//!
//! A *document* is a run of token ids; a *piece* is a run of tokens of one document; a *sequence* holds at most
//! `capacity` tokens in pieces. [`pack`] looks at the lengths of documents only and gives a [`PackPlan`]: flat arrays that
//! say which piece stands where. [`PackPlan::verify`] proves that every token is there exactly once, and [`Layout`] fills
//! the arrays that models and attention kernels take: ids, positions, segments, labels, cumulative lengths.
//!
//! ```
//! use portmanteau_pack::{pack, Constraints, Documents, FillIds, Layout, PackOptions};
//!
//! let lengths = [3, 5, 2, 4];
//! let plan = pack(&lengths, &PackOptions::new(8), &Constraints::default())?;
//! plan.verify(&lengths)?;
//! // The longest document, 1, shares a sequence with 0, which fills it exactly; 2 and 3 share the other.
//! assert_eq!(plan.piece_numbers, [0, 1, 2, 3]);
//! assert_eq!(plan.sequence_offsets, [0, 2, 4]);
//!
//! let ids: Vec<u32> = (100..114).collect();
//! let documents = Documents::new(&ids, &[0, 3, 8, 10, 14])?;
//! let pieces = plan.pieces(&lengths)?;
//! let layout = Layout::new(plan.format, pieces.as_slices(), &plan.sequence_offsets)?;
//! let mut input_ids = vec![0i64; 16];
//! layout.input_ids(&documents, &lengths, FillIds::default(), &mut input_ids)?;
//! assert_eq!(input_ids[8..], [108, 109, 110, 111, 112, 113, 0, 0]);
//! # Ok::<(), portmanteau_pack::Error>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

mod arrange;
mod balance;
mod best_fit;
mod bitmap;
mod by_histogram;
mod concat;
mod cut;
mod documents;
mod error;
mod first_fit;
mod format;
mod groups;
mod histogram;
mod layout;
mod least_cost;
mod merge;
mod mix;
mod next_fit;
mod nnls;
mod nnls_histogram;
mod options;
mod order;
mod pack;
mod pack_first;
mod permutation;
mod place;
mod plan;
mod stream;
mod verify;
mod waiting;
mod window;

pub use balance::{balance, Balancing};
pub use documents::{Documents, Shard};
pub use error::{Error, Result};
pub use format::{Framing, SequenceFormat};
pub use groups::{Constraints, Secondary, NO_GROUP};
pub use histogram::{pack_histogram, HistogramStrategy, Patterns};
pub use layout::{FillIds, IdOut, Layout, IGNORED_LABEL};
pub use merge::merge;
pub use options::{Cost, LongDocuments, PackOptions, Strategy, MAX_LENGTH};
pub use pack::pack;
pub use permutation::Permutation;
pub use plan::{PackPlan, PieceSlices, PieceTable, Pieces};
pub use stream::{StreamPacker, Streamed, Waiting};
pub use verify::verify_plan;
pub use window::pack_in_windows;
