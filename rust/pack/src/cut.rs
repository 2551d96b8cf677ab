//! From document lengths to pieces. A document that a sequence takes is one piece; what becomes of a longer one is the
//! policy for long documents.
//!
//! Most documents are whole, so pieces are numbers: a piece with the number of a document is all of that document, and the
//! pieces of documents that were cut come after, in a table. So a million whole documents need no table at all.

use crate::error::{Error, Result};
use crate::options::{power_of_two_within, LongDocuments, PackOptions, Strategy, MAX_LENGTH};
use crate::order::Weighted;
use crate::plan::{PieceTable, Pieces};

/// The pieces to be placed, and what is left out.
#[derive(Debug)]
pub(crate) struct CutDocuments<'a> {
    lengths: &'a [u32],
    rule: CutRule<'a>,
    /// The pieces of documents that are not one piece, in order of document and start. The first of them has the number
    /// of documents as its number.
    pub(crate) cut_pieces: Pieces,
    /// What is in no piece, in order of document and start.
    pub(crate) dropped: Pieces,
}

/// How a document becomes pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutRule<'a> {
    options: &'a PackOptions,
    /// The longest piece.
    longest: u32,
    /// The most tokens of a document that is one piece.
    most_whole: u32,
    /// Whether documents of all lengths are cut into powers of two.
    all_by_two: bool,
}

impl<'a> CutRule<'a> {
    pub(crate) fn new(options: &'a PackOptions) -> Self {
        let uncut = options.strategy == Strategy::Concat && options.long_documents == LongDocuments::Split;
        Self {
            options,
            longest: options.longest_piece(),
            // Concatenation cuts documents where sequences end.
            most_whole: if uncut { u32::MAX } else { options.format.room() },
            all_by_two: options.strategy == Strategy::Buckets,
        }
    }

    /// Whether a document with a stream of this length is one piece.
    fn is_whole(&self, framed: u32) -> bool {
        if self.all_by_two {
            framed.is_power_of_two() && framed <= self.longest
        } else {
            framed <= self.most_whole
        }
    }

    /// Turns a document of this many ids into pieces: calls `keep` with the start and the length of each that is to be
    /// placed, and `lose` with those of what is left out. `may_cut_after` says for each id whether a piece may end with it.
    pub(crate) fn cut(
        &self,
        plain_length: u32,
        may_cut_after: Option<&[bool]>,
        keep: &mut impl FnMut(u32, u32),
        lose: &mut impl FnMut(u32, u32),
    ) -> Result<()> {
        let length = self.options.format.document_framing.framed_length(plain_length);
        if length == 0 {
            return Ok(());
        }
        if self.is_whole(length) {
            keep(0, length);
            return Ok(());
        }
        let longest = self.longest;
        if self.all_by_two {
            cut_by_two(length, longest, keep);
            return Ok(());
        }
        match self.options.long_documents {
            LongDocuments::Split => self.split(length, may_cut_after, keep),
            LongDocuments::PowerOfTwo => cut_by_two(length, longest, keep),
            LongDocuments::Truncate => {
                keep(0, longest);
                lose(longest, length - longest);
            }
            LongDocuments::TruncateLeft => {
                lose(0, length - longest);
                keep(length - longest, longest);
            }
            LongDocuments::Drop => lose(0, length),
            LongDocuments::Error => self.check(plain_length)?,
        }
        Ok(())
    }

    /// Refuses a document of this many ids if it is longer than may be.
    pub(crate) fn check(&self, plain_length: u32) -> Result<()> {
        let length = self.options.format.document_framing.framed_length(plain_length);
        if self.options.long_documents != LongDocuments::Error || self.is_whole(length) {
            return Ok(());
        }
        Err(Error::new(format!(
            "has {length} tokens, and a sequence takes {}; raise the capacity, or choose another long_documents policy: \
             split, power_of_two, truncate, truncate_left or drop",
            self.longest
        )))
    }

    /// Pieces as long as may be. Each ends at the last place where the caller allows it, or, if there is none that makes
    /// the piece longer than the overlap, where it is as long as a sequence takes.
    fn split(&self, length: u32, may_cut_after: Option<&[bool]>, keep: &mut impl FnMut(u32, u32)) {
        let format = self.options.format;
        let mut start = 0;
        while length - start > self.longest {
            let mut end = start + self.longest;
            if let Some(allowed) = may_cut_after {
                // A cut before token `place` of the stream is one after the id before it.
                let is_allowed = |&place: &u32| {
                    let id = (place - 1).checked_sub(u32::from(format.document_framing.bos));
                    id.and_then(|id| allowed.get(id as usize)).is_some_and(|&allowed| allowed)
                };
                end = (start + format.overlap + 1..=end).rev().find(is_allowed).unwrap_or(end);
            }
            keep(start, end - start);
            start = end - format.overlap;
        }
        keep(start, length - start);
    }
}

/// Powers of two of at most `longest`, which is one, the longest first.
fn cut_by_two(length: u32, longest: u32, keep: &mut impl FnMut(u32, u32)) {
    let mut start = 0;
    while start < length {
        let piece = longest.min(power_of_two_within(length - start));
        keep(start, piece);
        start += piece;
    }
}

impl<'a> CutDocuments<'a> {
    /// Turns every document into pieces. No piece is longer than a sequence takes, except for [`Strategy::Concat`] with
    /// [`LongDocuments::Split`]. `may_cut_after` has an element for every id of all documents.
    pub(crate) fn new(
        lengths: &'a [u32],
        options: &'a PackOptions,
        may_cut_after: Option<&[bool]>,
    ) -> Result<Self> {
        let rule = CutRule::new(options);
        let mut cut = Self { lengths, rule, cut_pieces: Pieces::default(), dropped: Pieces::default() };
        check_mask(lengths, may_cut_after)?;
        check_size(lengths, options)?;
        let mut first_id = 0;
        for (document, &length) in lengths.iter().enumerate() {
            let ids = first_id..first_id + length as usize;
            first_id = ids.end;
            // Most documents need no more than this look.
            if rule.is_whole(options.format.document_framing.framed_length(length)) {
                continue;
            }
            let allowed = may_cut_after.and_then(|allowed| allowed.get(ids));
            let (kept, dropped) = (&mut cut.cut_pieces, &mut cut.dropped);
            let mut keep = |start, length| kept.push(document as u32, start, length);
            let mut lose = |start, length| dropped.push(document as u32, start, length);
            let done = rule.cut(length, allowed, &mut keep, &mut lose);
            done.map_err(|error| error.in_document(document))?;
            check_count(lengths.len() + cut.cut_pieces.len())?;
        }
        Ok(cut)
    }

    pub(crate) fn n_documents(&self) -> usize {
        self.lengths.len()
    }

    /// How much of the room of a sequence a piece of this length takes.
    pub(crate) fn weight(&self, length: u32) -> u32 {
        self.rule.options.format.weight(length)
    }

    /// Whether a piece is all of a document.
    pub(crate) fn is_whole(&self, number: u32) -> bool {
        (number as usize) < self.lengths.len()
    }

    /// One past the highest number of a piece.
    pub(crate) fn end(&self) -> usize {
        self.lengths.len() + self.cut_pieces.len()
    }

    /// What the numbers of pieces mean.
    fn table(&self) -> PieceTable<'_> {
        let framing = self.rule.options.format.document_framing;
        PieceTable { document_lengths: self.lengths, framing, cut_pieces: self.cut_pieces.as_slices() }
    }

    /// Document, start and length of a piece; `number` is of one.
    pub(crate) fn piece(&self, number: u32) -> (u32, u32, u32) {
        self.table().get(number).unwrap_or_default()
    }

    /// The number of the piece of a document that starts there.
    pub(crate) fn number_of(&self, document: u32, start: u32) -> u32 {
        let of = |cut: usize| (self.cut_pieces.document[cut], self.cut_pieces.start[cut]);
        let (mut low, mut high) = (0, self.cut_pieces.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if of(middle) < (document, start) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let is_cut = low < self.cut_pieces.len() && of(low) == (document, start);
        if is_cut {
            (self.lengths.len() + low) as u32
        } else {
            document
        }
    }

    /// Calls `visit` with the number and the length of every piece, in order of document and start.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(u32, u32)) {
        let framing = self.rule.options.format.document_framing;
        let n_documents = self.lengths.len() as u32;
        let mut cut = 0;
        for (document, &length) in (0..n_documents).zip(self.lengths) {
            let framed = framing.framed_length(length);
            if self.rule.is_whole(framed) {
                if framed > 0 {
                    visit(document, framed);
                }
                continue;
            }
            while self.cut_pieces.document.get(cut) == Some(&document) {
                visit(n_documents + cut as u32, self.cut_pieces.length[cut]);
                cut += 1;
            }
        }
    }
}

/// Refuses a document whose positions do not fit 31 bits.
pub(crate) fn check_length(length: u32) -> Result<()> {
    if length > MAX_LENGTH {
        let message = format!("has {length} tokens; a document may have at most {MAX_LENGTH}");
        return Err(Error::new(message));
    }
    Ok(())
}

/// Refuses more pieces than 32 bits can number.
pub(crate) fn check_count(pieces: usize) -> Result<()> {
    if pieces as u64 >= u64::from(u32::MAX) {
        return Err(Error::new("there are more than 2^32 documents and pieces; pack them in several plans"));
    }
    Ok(())
}

/// Checks every length, and that there will not be too many pieces.
fn check_size(lengths: &[u32], options: &PackOptions) -> Result<()> {
    let mut tokens = 0u64;
    for (document, &length) in lengths.iter().enumerate() {
        check_length(length).map_err(|error| error.in_document(document))?;
        tokens += u64::from(options.format.document_framing.framed_length(length));
    }
    // Splitting and concatenation cut about once in so many tokens.
    let cuts = tokens / u64::from(options.longest_piece() - options.format.overlap);
    check_count(lengths.len().saturating_add(usize::try_from(cuts).unwrap_or(usize::MAX)))
}

/// Refuses a mask of cuts that does not have an element for every id.
fn check_mask(lengths: &[u32], may_cut_after: Option<&[bool]>) -> Result<()> {
    let ids: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
    match may_cut_after {
        Some(allowed) if allowed.len() as u64 != ids => Err(Error::new(format!(
            "may_cut_after has {} elements, and the documents have {ids} ids; give one for each id",
            allowed.len()
        ))),
        _ => Ok(()),
    }
}

impl Weighted for CutDocuments<'_> {
    fn for_each(&self, mut visit: impl FnMut(u32, u32)) {
        CutDocuments::for_each(self, |piece, length| visit(piece, self.weight(length)));
    }

    fn weight(&self, piece: u32) -> u32 {
        CutDocuments::weight(self, self.piece(piece).2)
    }

    fn size_hint(&self) -> usize {
        self.end()
    }
}
