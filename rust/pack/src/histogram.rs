//! Packing by numbers of pieces alone: a histogram says how many pieces have which length, and the answer says how many
//! sequences hold which lengths. A million pieces of one length cost no more than one.
//!
//! The strategies are those of Krell, Kosec, Perez and Fitzgibbon, "Efficient Sequence Packing without
//! Cross-contamination" (2021, arXiv 2107.02027): two that put the pieces of one length into packs of others at once
//! (`pack_first.rs`), and one that looks at all ways to fill a sequence with up to three pieces (`nnls_histogram.rs`).

use std::num::NonZeroU32;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::nnls_histogram::pack_by_least_squares;
use crate::options::{by_name, PackOptions};
use crate::pack_first::{pack_first, Room};

/// How the pieces of a histogram are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HistogramStrategy {
    /// The longest pieces first, each into the sequence with the most room; pieces that fit into none open a sequence each,
    /// however short they are. O(G·log D) time for D lengths, where G is how often sequences of equal content get a piece
    /// each. It is here because it is published: where all pieces are short, it puts each into a sequence of its own.
    ShortestPackFirst,
    /// The longest pieces first, each into the sequence with the least room that holds it. The sequences are those of
    /// [`crate::Strategy::BestFitDecreasing`], in O(D·log D·log capacity) time for D lengths.
    LongestPackFirst,
    /// Full sequences of up to three pieces, as often as a least squares fit to the histogram has them, and longest pack
    /// first for what is left. For where sequences must have few pieces: mostly, but not always, fewer sequences than
    /// longest pack first makes with the same limit. O(capacity³) time, 0.3 seconds for a capacity of 512.
    NonNegativeLeastSquares,
}

/// The strategies by name.
pub(crate) const HISTOGRAM_STRATEGIES: [(&str, HistogramStrategy); 3] = [
    ("shortest_pack_first", HistogramStrategy::ShortestPackFirst),
    ("longest_pack_first", HistogramStrategy::LongestPackFirst),
    ("nnls_histogram", HistogramStrategy::NonNegativeLeastSquares),
];

impl FromStr for HistogramStrategy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        by_name("strategy for histograms", name, &HISTOGRAM_STRATEGIES)
    }
}

/// Some lengths that fill a sequence, and the number of sequences filled so.
pub(crate) type Pattern = (Vec<u32>, u64);

/// What sequences hold: patterns of lengths, and how many sequences have each.
///
/// The lengths of a pattern descend. Patterns are all different and descend as well, compared by their first length,
/// then by their second and so on; one that another one begins with comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns {
    /// The lengths of all patterns, one after the other.
    pub lengths: Vec<u32>,
    /// Pattern `i` is `lengths[offsets[i] .. offsets[i + 1]]`; starts with 0.
    pub offsets: Vec<u64>,
    /// The number of sequences with each pattern, at least 1.
    pub repeats: Vec<u64>,
}

impl Patterns {
    fn new(mut patterns: Vec<Pattern>) -> Self {
        patterns.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        patterns.dedup_by(|(lengths, repeats), (kept_lengths, kept_repeats)| {
            let is_equal = lengths == kept_lengths;
            if is_equal {
                *kept_repeats += *repeats;
            }
            is_equal
        });
        let mut all = Self { lengths: Vec::new(), offsets: vec![0], repeats: Vec::new() };
        for (lengths, repeats) in patterns {
            all.lengths.extend(lengths);
            all.offsets.push(all.lengths.len() as u64);
            all.repeats.push(repeats);
        }
        all
    }

    /// Every pattern: its lengths, and the number of sequences with it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u32], u64)> {
        let bounds = self.offsets.windows(2).map(|bounds| bounds[0] as usize..bounds[1] as usize);
        bounds.map(|bounds| &self.lengths[bounds]).zip(self.repeats.iter().copied())
    }

    /// Number of sequences.
    pub fn n_sequences(&self) -> u64 {
        self.repeats.iter().sum()
    }

    /// Number of tokens in all sequences.
    pub fn tokens(&self) -> u64 {
        self.iter()
            .map(|(lengths, repeats)| repeats * lengths.iter().map(|&length| u64::from(length)).sum::<u64>())
            .sum()
    }

    /// The share of all positions in sequences of `capacity` tokens that hold a token, from 0 to 1; 1 if there are no
    /// sequences.
    pub fn efficiency(&self, capacity: u32) -> f64 {
        if self.repeats.is_empty() {
            return 1.0;
        }
        self.tokens() as f64 / (self.n_sequences() as f64 * f64::from(capacity))
    }
}

/// Packs `counts[length]` pieces of every length into sequences of at most `capacity` tokens, and at most `max_pieces`
/// pieces where that is set. Pieces of length 0 are ignored. Every other piece is in exactly one sequence.
///
/// [`HistogramStrategy`] says how, and what it costs. With least squares, `max_pieces` is at most 3, and 3 if `None`.
///
/// # Errors
/// For a capacity that is 0 or above [`crate::MAX_LENGTH`]; pieces longer than the capacity; 2⁶⁴ tokens or more; patterns
/// of more than 2²⁶ lengths together; and, with least squares, a capacity above 2,048 or more than 3 pieces.
///
/// ```
/// use portmanteau_pack::{pack_histogram, HistogramStrategy};
/// // A thousand pieces of length 5, two thousand of 3, one thousand of 2.
/// let counts = [0, 0, 1000, 2000, 0, 1000];
/// let patterns = pack_histogram(&counts, 8, HistogramStrategy::LongestPackFirst, None)?;
/// let patterns: Vec<(&[u32], u64)> = patterns.iter().collect();
/// assert_eq!(patterns, [(&[5, 3][..], 1000), (&[3, 3, 2], 500), (&[2, 2, 2, 2], 125)]);
/// # Ok::<(), portmanteau_pack::Error>(())
/// ```
pub fn pack_histogram(
    counts: &[u64],
    capacity: u32,
    strategy: HistogramStrategy,
    max_pieces: Option<NonZeroU32>,
) -> Result<Patterns> {
    PackOptions::new(capacity).check()?;
    if let Some(length) = (capacity as usize + 1..counts.len()).find(|&length| counts[length] > 0) {
        let message = format!(
            "{} pieces have {length} tokens, but a sequence holds {capacity}; cut them before counting",
            counts[length]
        );
        return Err(Error::new(message));
    }
    let tokens = counts.iter().zip(0..).try_fold(0u64, |tokens, (&count, length)| {
        count.checked_mul(length).and_then(|more| tokens.checked_add(more))
    });
    if tokens.is_none() {
        return Err(Error::new("the pieces have 2^64 tokens or more together; pack a share of every count"));
    }
    let patterns = match strategy {
        HistogramStrategy::ShortestPackFirst => pack_first(counts, capacity, Room::Most, max_pieces)?,
        HistogramStrategy::LongestPackFirst => pack_first(counts, capacity, Room::Least, max_pieces)?,
        HistogramStrategy::NonNegativeLeastSquares => pack_by_least_squares(counts, capacity, max_pieces)?,
    };
    Ok(Patterns::new(patterns))
}
