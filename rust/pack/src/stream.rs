//! Packing a stream: documents come one after the other, sequences leave as soon as they are full, and in between a
//! bounded number of tokens waits.
//!
//! A piece that fills a sequence alone leaves at once. The others wait, and as long as they are as many tokens as may be, a
//! sequence leaves. It is made of
//!
//! 1. the oldest pieces, until they take an eighth of the room or the next one does not fit: so no piece waits
//!    for ever;
//! 2. then, again and again, the heaviest piece that fits, and of equal ones the oldest: as first fit decreasing fills its
//!    first sequence. It is a good fill because the light pieces, which come last, are many.
//!
//! The last two pieces are chosen together. If after the heaviest piece that fits and the heaviest that then fits hardly any
//! room is left (a 32nd of all at most), four lighter weights are tried in the place of the first of the two,
//! and the one that leaves the least hole is taken. That divides what is lost by three.
//!
//! So every piece is placed once, in O(1), and a sequence leaves whenever one more can be filled. A piece that came when `n`
//! sequences' worth of tokens waited leaves with one of the next 8 n + 2 sequences (without a limit of pieces): each takes an
//! eighth of a sequence from the oldest, or is followed by one that begins with the piece that did not fit.

use crate::cut::{check_length, CutRule};
use crate::error::{Error, Result};
use crate::mix::mix;
use crate::options::{Cost, PackOptions, Strategy};
use crate::waiting::WaitingPieces;

/// A sequence takes pieces in order of arrival until they take this part of its room.
const PART_OF_OLDEST: u32 = 8;
/// The last two pieces are chosen together if they leave this part of the room at most.
const PART_OF_HOLE: u32 = 32;
/// How many other weights are tried in the place of the first of the last two pieces.
const MOST_TRIED: usize = 4;
/// With a seed, this part of what waits leaves together.
const PART_LEAVING: u64 = 4;

/// A run of tokens of a document that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the document in the stream, from 0 on.
    pub document: u64,
    /// First token of the piece, within the (framed) document.
    pub start: u32,
    /// Number of tokens, at least 1.
    pub length: u32,
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
/// let mut packer = StreamPacker::new(PackOptions::new(8), 16)?;
/// let mut left = Streamed::default();
/// packer.push(&[3, 5, 2, 4, 6, 1, 2, 4], &mut left)?;
/// // When 6 came, 20 tokens waited: 3 left, with the heaviest that fits, 5. With the last document, it was 2 with 6.
/// assert_eq!(left.length, [3, 5, 2, 6]);
/// assert_eq!(left.sequence_ends, [2, 4]);
/// packer.finish(&mut left);
/// assert_eq!(left.length.iter().sum::<u32>(), 27);
/// # Ok::<(), portmanteau_pack::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamPacker {
    options: PackOptions,
    /// What the pieces of a sequence may weigh.
    room: u32,
    most_tokens: u64,
    /// What the order of sequences that leave together is drawn with.
    seed: Option<u64>,
    waiting: WaitingPieces,
    n_documents: u64,
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
        if options.cost != Cost::Tokens {
            return Err(Error::new("a stream is packed by tokens; leave cost at tokens"));
        }
        if options.least_tokens > 0 {
            return Err(Error::new("a stream leaves no sequence out; leave the least fill at 0"));
        }
        let capacity = options.format.capacity;
        if most_tokens < u64::from(capacity) {
            return Err(Error::new(format!(
                "{most_tokens} tokens may wait, and a sequence has {capacity}; let more wait, best 60 sequences"
            )));
        }
        let room = options.format.room();
        Ok(Self { options, room, most_tokens, seed: None, waiting: WaitingPieces::new(room), n_documents: 0 })
    }

    /// Sequences leave a quarter of what may wait at a time, in an order drawn with this seed.
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// As it was after `n_documents` documents, when these pieces waited, in this order.
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
        let mut last = None;
        for &piece in waiting {
            let place = Some((piece.document, piece.start));
            let is_known = piece.document < n_documents && last < place;
            last = place;
            if !is_known || piece.length == 0 || piece.length > packer.options.format.room() {
                let document = piece.document;
                let message = format!(
                    "a piece of document {document} cannot have waited; the state is of another stream"
                );
                return Err(Error::new(message));
            }
            packer.waiting.push(piece, packer.options.format.weight(piece.length));
        }
        packer.n_documents = n_documents;
        Ok(packer)
    }

    /// The number of documents that have come.
    pub fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// The pieces that wait, in the order in which they came.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> + '_ {
        self.waiting.iter()
    }

    /// Adds documents, and the sequences that leave to `left`. Amortized O(1) a document, and O(log P) for a capacity above
    /// 2²², P being the pieces that wait.
    ///
    /// # Errors
    /// For a document that is too long, by itself or for the policy; then none is added.
    pub fn push(&mut self, lengths: &[u32], left: &mut Streamed) -> Result<()> {
        let options = self.options.clone();
        let rule = CutRule::new(&options);
        for (document, &length) in (self.n_documents..).zip(lengths) {
            check_length(length)
                .and_then(|()| rule.check(length))
                .map_err(|error| error.in_document(document as usize))?;
        }
        for &length in lengths {
            let document = self.n_documents;
            let mut dropped = Vec::new();
            let mut keep = |start, length| self.add(Waiting { document, start, length }, left);
            let mut lose = |start, length| dropped.push(Waiting { document, start, length });
            rule.cut(length, None, &mut keep, &mut lose)?;
            left.dropped.append(&mut dropped);
            self.n_documents += 1;
        }
        Ok(())
    }

    /// Adds a piece, and the sequences that leave then.
    pub(crate) fn add(&mut self, piece: Waiting, left: &mut Streamed) {
        let weight = self.options.format.weight(piece.length);
        if weight == self.room {
            left.append(&mut vec![piece]);
            return;
        }
        self.waiting.push(piece, weight);
        if self.waiting.weight() < self.most_tokens {
            return;
        }
        match self.seed {
            None => self.leave(self.most_tokens, left),
            Some(seed) => self.leave_shuffled(self.most_tokens - self.most_tokens / PART_LEAVING, seed, left),
        }
    }

    /// All that waits leaves.
    pub fn finish(&mut self, left: &mut Streamed) {
        match self.seed {
            None => self.leave(1, left),
            Some(seed) => self.leave_shuffled(1, seed, left),
        }
    }

    /// Sequences leave as long as so many tokens wait.
    fn leave(&mut self, least: u64, left: &mut Streamed) {
        let mut pieces = Vec::new();
        while self.waiting.weight() >= least {
            self.fill(&mut pieces);
            left.append(&mut pieces);
        }
    }

    fn leave_shuffled(&mut self, least: u64, seed: u64, left: &mut Streamed) {
        let mut sequences: Vec<Vec<Waiting>> = Vec::new();
        while self.waiting.weight() >= least {
            let mut pieces = Vec::new();
            self.fill(&mut pieces);
            sequences.push(pieces);
        }
        sequences.sort_by_cached_key(|pieces| pieces.first().map(|piece| drawn(seed, piece)));
        for pieces in &mut sequences {
            left.append(pieces);
        }
    }

    /// Takes the pieces of a sequence, in order of document. At least one waits.
    fn fill(&mut self, pieces: &mut Vec<Waiting>) {
        let all = self.room;
        let most = self.options.max_documents_per_sequence.map_or(usize::MAX, |most| most.get() as usize);
        let mut room = all;
        while pieces.len() < most && (pieces.is_empty() || all - room < all / PART_OF_OLDEST) {
            let oldest = self.waiting.oldest().map(|length| self.options.format.weight(length));
            let Some(weight) = oldest.filter(|&weight| weight <= room) else { break };
            pieces.extend(self.waiting.take(weight));
            room -= weight;
        }
        while pieces.len() < most {
            let Some(weight) = self.choose(room, most - pieces.len() == 1) else { break };
            pieces.extend(self.waiting.take(weight));
            room -= weight;
        }
        pieces.sort_unstable_by_key(|piece| (piece.document, piece.start));
    }

    /// The weight of the piece that is taken next.
    fn choose(&mut self, room: u32, is_last: bool) -> Option<u32> {
        let heaviest = self.waiting.heaviest_within(room)?;
        let most_left = self.room / PART_OF_HOLE;
        // The second piece is no heavier, and cannot leave less than this.
        if is_last || room - heaviest > heaviest + most_left {
            return Some(heaviest);
        }
        let mut least = self.hole_after(heaviest, room);
        if least > most_left {
            return Some(heaviest);
        }
        let (mut chosen, mut weight) = (heaviest, heaviest);
        for _ in 0..MOST_TRIED {
            if least == 0 {
                break;
            }
            let Some(lighter) = self.waiting.heaviest_within(weight - 1) else { break };
            weight = lighter;
            let hole = self.hole_after(weight, room);
            if hole < least {
                (chosen, least) = (weight, hole);
            }
        }
        Some(chosen)
    }

    /// What is left of the room after a piece of this weight and the heaviest other one that then fits.
    fn hole_after(&mut self, weight: u32, room: u32) -> u32 {
        let rest = room - weight;
        let mut second = self.waiting.heaviest_within(rest);
        if second == Some(weight) && !self.waiting.has_several(weight) {
            second = self.waiting.heaviest_within(weight - 1);
        }
        rest - second.unwrap_or(0)
    }
}

impl Streamed {
    /// Adds a sequence; its pieces are gone then.
    fn append(&mut self, pieces: &mut Vec<Waiting>) {
        self.document.extend(pieces.iter().map(|piece| piece.document));
        self.start.extend(pieces.iter().map(|piece| piece.start));
        self.length.extend(pieces.iter().map(|piece| piece.length));
        pieces.clear();
        self.sequence_ends.push(self.document.len() as u64);
    }
}

/// What the place of a sequence with this first piece is drawn by; a function of it needs no state that would have to be
/// resumed.
fn drawn(seed: u64, first: &Waiting) -> u64 {
    mix(mix(seed) ^ mix(first.document) ^ u64::from(first.start))
}
