//! Packing a stream: documents come one after the other, sequences leave as soon as they are full, and in between a
//! bounded number of tokens waits.
//!
//! Pieces wait in a *pool*. As long as it holds as many tokens as it may, there is a *round*: the pool is packed by best fit
//! decreasing, and of the sequences that this gives leave
//!
//! - those with hardly any room: at most a thousandth of the capacity;
//! - those with a piece that was put back [`MOST_ROUNDS`] times already;
//! - the fullest of the others (of equally full ones the one with the lower number), if these are less than half of all,
//!   until half have left.
//!
//! The pieces of the others are put back. So a piece leaves at the latest in its round `MOST_ROUNDS` + 1, and every round
//! makes room. Rounds depend on the documents alone, and not on how many are pushed at a time.
//!
//! Pieces that must leave are placed first, before the longest. Otherwise it would be the shortest that wait, since they
//! come last and stand in the sequence that is not full; and when their time is over, that one would have to leave as it
//! is. As the first they are what the longer ones fill up: of 64 sequences that wait, this halves what is lost and more.
//!
//! The pool is kept in the order of arrival, which is that of the pieces in a sequence and of the sequences that leave; so
//! only the order of placement is found anew, by sorting numbers.

use crate::best_fit::BestFit;
use crate::cut::{check_length, CutRule};
use crate::error::{Error, Result};
use crate::format::SequenceFormat;
use crate::options::{PackOptions, Strategy};
use crate::order::{heaviest_first, PlacementOrder, Weighted};
use crate::place::{place, Limits, Placed};

/// How often a piece is put back at the most.
pub const MOST_ROUNDS: u8 = 8;
/// A sequence with at most this part of its capacity as room is full.
const ROOM_OF_FULL: u32 = 1000;
/// At least this part of the sequences leaves in every round.
const LEAST_LEAVING: usize = 2;

/// A run of tokens of a document that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the document in the stream, from 0 on.
    pub document: u64,
    /// First token of the piece, within the (framed) document.
    pub start: u32,
    /// Number of tokens, at least 1.
    pub length: u32,
    /// How many rounds it was put back in.
    pub n_rounds: u8,
}

impl Waiting {
    /// Whether it must leave in the next round.
    fn is_due(&self) -> bool {
        self.n_rounds == MOST_ROUNDS
    }
}

/// Sequences that have left, or pieces that were left out, as flat arrays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streamed {
    /// Number of the document of every piece.
    pub document: Vec<u64>,
    /// First token of every piece, within the (framed) document.
    pub start: Vec<u32>,
    /// Number of tokens of every piece.
    pub length: Vec<u32>,
    /// Where every sequence ends among the pieces.
    pub sequence_ends: Vec<u64>,
    /// Pieces that are in no sequence, because of the policy for long documents.
    pub dropped: Vec<Waiting>,
}

/// Packs a stream of documents. See the module.
///
/// ```
/// use portmanteau_pack::{PackOptions, Streamed, StreamPacker};
/// let mut packer = StreamPacker::new(PackOptions::new(8), 24)?;
/// let mut left = Streamed::default();
/// packer.push(&[3, 5, 2, 4, 6, 1, 2, 4], &mut left)?;
/// // 27 tokens came. After the seventh document there were 23, and after the eighth a round.
/// assert_eq!(left.sequence_ends, [2, 4, 6]);
/// packer.finish(&mut left);
/// assert_eq!(left.length.iter().sum::<u32>(), 27);
/// # Ok::<(), portmanteau_pack::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamPacker {
    options: PackOptions,
    most_tokens: u64,
    /// What the order of sequences that leave together is drawn with.
    seed: Option<u64>,
    /// In the order in which they came.
    pool: Vec<Waiting>,
    n_tokens: u64,
    n_documents: u64,
    /// Empty between rounds; kept because for a large capacity it takes time to make.
    open: BestFit,
}

/// The pieces that wait, by their places in the pool.
struct Pool<'a>(&'a [Waiting], SequenceFormat);

impl Weighted for Pool<'_> {
    fn for_each(&self, mut visit: impl FnMut(u32, u32)) {
        (0..).zip(self.0).for_each(|(place, piece)| visit(place, self.1.weight(piece.length)));
    }

    fn weight(&self, place: u32) -> u32 {
        self.1.weight(self.0[place as usize].length)
    }

    fn size_hint(&self) -> usize {
        self.0.len()
    }
}

impl StreamPacker {
    /// An empty one, in which up to about `most_tokens` tokens wait.
    ///
    /// # Errors
    /// For a capacity that is 0 or too large, another strategy than best fit decreasing, or room for less than a sequence.
    pub fn new(options: PackOptions, most_tokens: u64) -> Result<Self> {
        options.check()?;
        if options.strategy != Strategy::BestFitDecreasing {
            return Err(Error::new("a stream is packed by best_fit_decreasing; choose that strategy"));
        }
        if options.least_tokens > 0 {
            return Err(Error::new("a stream leaves no sequence out; leave least_tokens at 0"));
        }
        let capacity = options.format.capacity;
        if most_tokens < u64::from(capacity) {
            return Err(Error::new(format!(
                "{most_tokens} tokens may wait, and a sequence has {capacity}; let more wait, best 60 sequences"
            )));
        }
        let open = BestFit::new(options.format.room());
        Ok(Self { options, most_tokens, seed: None, pool: Vec::new(), n_tokens: 0, n_documents: 0, open })
    }

    /// Sequences that leave in the same round come in an order drawn with this seed, instead of that of their first
    /// documents.
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// As it was after `n_documents` documents, when these pieces waited.
    ///
    /// # Errors
    /// As [`StreamPacker::new`], and for pieces that cannot have waited.
    pub fn resume(
        options: PackOptions,
        most_tokens: u64,
        n_documents: u64,
        waiting: &[Waiting],
    ) -> Result<Self> {
        let mut packer = Self::new(options, most_tokens)?;
        for piece in waiting {
            let is_known = piece.document < n_documents && piece.n_rounds <= MOST_ROUNDS;
            if !is_known || piece.length == 0 || piece.length > packer.options.format.room() {
                let document = piece.document;
                let message = format!(
                    "a piece of document {document} cannot have waited; the state is of another stream"
                );
                return Err(Error::new(message));
            }
            packer.n_tokens += u64::from(piece.length);
        }
        packer.pool = waiting.to_vec();
        packer.pool.sort_by_key(|piece| (piece.document, piece.start));
        packer.n_documents = n_documents;
        Ok(packer)
    }

    /// The number of documents that have come.
    pub fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// The pieces that wait, in the order in which they came.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> + '_ {
        self.pool.iter().copied()
    }

    /// Adds documents, and the sequences that leave to `left`. Amortized O(log P) a document, P being the pieces in the pool.
    ///
    /// # Errors
    /// For a document that is too long, by itself or for the policy; then none is added.
    pub fn push(&mut self, lengths: &[u32], left: &mut Streamed) -> Result<()> {
        let options = self.options.clone();
        let rule = CutRule::new(&options);
        for (document, &length) in (self.n_documents..).zip(lengths) {
            check_length(length)
                .and_then(|()| rule.cut(length, None, &mut |_, _| (), &mut |_, _| ()))
                .map_err(|error| error.in_document(document as usize))?;
        }
        for &length in lengths {
            let document = self.n_documents;
            let pool = &mut self.pool;
            let n_tokens = &mut self.n_tokens;
            let mut keep = |start, length| {
                *n_tokens += u64::from(length);
                pool.push(Waiting { document, start, length, n_rounds: 0 });
            };
            let mut lose =
                |start, length| left.dropped.push(Waiting { document, start, length, n_rounds: 0 });
            rule.cut(length, None, &mut keep, &mut lose)?;
            self.n_documents += 1;
            self.make_room(left);
        }
        Ok(())
    }

    /// Adds a piece. Before the first piece of a document, there is a round if it is time for one, so that all is as if
    /// documents had been pushed.
    pub(crate) fn add(&mut self, document: u32, start: u32, length: u32, left: &mut Streamed) {
        if self.pool.last().is_some_and(|last| last.document != u64::from(document)) {
            self.make_room(left);
        }
        self.n_tokens += u64::from(length);
        self.pool.push(Waiting { document: u64::from(document), start, length, n_rounds: 0 });
    }

    fn make_room(&mut self, left: &mut Streamed) {
        while self.n_tokens >= self.most_tokens {
            self.round(left, false);
        }
    }

    /// All that waits leaves.
    pub fn finish(&mut self, left: &mut Streamed) {
        self.make_room(left);
        self.round(left, true);
    }

    fn round(&mut self, left: &mut Streamed, all: bool) {
        let order = self.placement_order();
        let format = self.options.format;
        let limits = Limits::new(format.room(), self.options.max_documents_per_sequence);
        self.open.clear();
        let Placed { sequence_of, pieces_in } = place(&order, self.pool.len(), limits, &mut self.open);
        let n_sequences = pieces_in.len();
        let leaves = if all { vec![true; n_sequences] } else { self.who_leaves(&sequence_of, n_sequences) };
        append(&self.pool, &sequence_of, &leaves, self.seed, left);
        let mut sequences = sequence_of.iter();
        self.pool.retain_mut(|piece| {
            let waits = sequences.next().is_some_and(|&sequence| !leaves[sequence as usize]);
            piece.n_rounds += 1;
            waits
        });
        self.n_tokens = self.pool.iter().map(|piece| u64::from(piece.length)).sum();
    }

    /// The pieces in the pool: what must leave, then the others, the heaviest first.
    fn placement_order(&self) -> PlacementOrder {
        let pool = Pool(&self.pool, self.options.format);
        let order = heaviest_first(&pool, self.options.format.room());
        let is_due = |&place: &u32| self.pool[place as usize].is_due();
        if !order.pieces.iter().any(is_due) {
            return order;
        }
        let (due, others): (Vec<u32>, Vec<u32>) = order.pieces.into_iter().partition(is_due);
        PlacementOrder::new([due, others].concat(), &pool)
    }

    /// By sequence: whether it leaves in this round.
    fn who_leaves(&self, sequence_of: &[u32], n_sequences: usize) -> Vec<bool> {
        let format = self.options.format;
        let mut rooms = vec![format.room(); n_sequences];
        let mut leaves = vec![false; n_sequences];
        for (piece, &sequence) in self.pool.iter().zip(sequence_of) {
            rooms[sequence as usize] -= format.weight(piece.length);
            leaves[sequence as usize] |= piece.is_due();
        }
        for (leaves, &room) in leaves.iter_mut().zip(&rooms) {
            *leaves |= room <= format.capacity / ROOM_OF_FULL;
        }
        let n_leaving = leaves.iter().filter(|&&leaves| leaves).count();
        let least = n_sequences.div_ceil(LEAST_LEAVING);
        if n_leaving < least {
            let mut others: Vec<usize> = (0..n_sequences).filter(|&sequence| !leaves[sequence]).collect();
            others.sort_by_key(|&sequence| rooms[sequence]);
            for sequence in others.into_iter().take(least - n_leaving) {
                leaves[sequence] = true;
            }
        }
        leaves
    }
}

/// Appends the sequences that leave, in order of their first documents or as `seed` says; within one, pieces are in order of
/// documents. The pool is in that order.
fn append(pool: &[Waiting], sequence_of: &[u32], leaves: &[bool], seed: Option<u64>, left: &mut Streamed) {
    let mut counts = vec![0_usize; leaves.len()];
    let mut leaving: Vec<(u64, u32)> = Vec::new();
    for (piece, &sequence) in pool.iter().zip(sequence_of) {
        let count = &mut counts[sequence as usize];
        if *count == 0 && leaves[sequence as usize] {
            leaving.push((seed.map_or(0, |seed| drawn(seed, piece)), sequence));
        }
        *count += 1;
    }
    leaving.sort_by_key(|&(drawn, _)| drawn);
    let mut next = left.document.len();
    let mut place_in = counts;
    for &(_, sequence) in &leaving {
        let place = &mut place_in[sequence as usize];
        (*place, next) = (next, next + *place);
        left.sequence_ends.push(next as u64);
    }
    left.document.resize(next, 0);
    left.start.resize(next, 0);
    left.length.resize(next, 0);
    for (piece, &sequence) in pool.iter().zip(sequence_of) {
        if leaves[sequence as usize] {
            let place = &mut place_in[sequence as usize];
            left.document[*place] = piece.document;
            left.start[*place] = piece.start;
            left.length[*place] = piece.length;
            *place += 1;
        }
    }
}

/// What the place of a sequence with this first piece is drawn by; a function of it needs no state that would have to be
/// resumed.
fn drawn(seed: u64, first: &Waiting) -> u64 {
    mix(mix(seed) ^ mix(first.document) ^ u64::from(first.start))
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}
