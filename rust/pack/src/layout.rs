//! From a plan to the arrays that models and attention kernels take: ids, positions, segments, labels, cumulative lengths.
//!
//! Every piece is a segment of its own: attention must not cross into another, so positions restart at 0 in it and its
//! first token has no label. A BOS of the sequence belongs to its first segment, and an EOS to its last. A segment may be
//! padded, behind its tokens, and so may the end of a row; padding has the pad id, position 0, segment 0 and no label.
//! Each function fills a buffer of the caller's, `width` elements a sequence. All run in O(positions).

use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::format::{Framing, SequenceFormat};
use crate::plan::PieceSlices;

/// The label of a token without one, which losses leave out.
pub const IGNORED_LABEL: i64 = -100;

/// Pieces in sequences, checked: no index can be out of range, no sequence over capacity.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    format: SequenceFormat,
    width: usize,
    pieces: PieceSlices<'a>,
    sequence_offsets: &'a [u64],
}

/// The ids that are not in any document.
#[derive(Debug, Clone, Copy, Default)]
pub struct FillIds {
    /// Behind the last token of a segment and of a sequence.
    pub pad: u32,
    /// Before every document, or every sequence, if the plan has room for it.
    pub bos: Option<u32>,
    /// After every document, or every sequence, if the plan has room for it.
    pub eos: Option<u32>,
}

/// What ids can be written as.
pub trait IdOut: Copy {
    /// The largest id that fits, a power of two less one.
    const MOST: u32;

    /// The id, which is at most [`IdOut::MOST`].
    fn from_id(id: u32) -> Self;
}

impl IdOut for u32 {
    const MOST: u32 = u32::MAX;

    fn from_id(id: u32) -> Self {
        id
    }
}

impl IdOut for i32 {
    const MOST: u32 = i32::MAX as u32;

    fn from_id(id: u32) -> Self {
        id.cast_signed()
    }
}

impl IdOut for i64 {
    const MOST: u32 = u32::MAX;

    fn from_id(id: u32) -> Self {
        i64::from(id)
    }
}

/// Where a piece stands in its row.
#[derive(Debug, Clone, Copy)]
struct Segment {
    document: u32,
    /// First token of the piece within the (framed) document.
    start: u32,
    /// Where the segment starts in the row.
    position: usize,
    /// Where its tokens end, and where its padding ends.
    end: usize,
    padded_end: usize,
    /// Tokens of the sequence before and after the piece: 0 or 1.
    before: usize,
    after: usize,
}

impl Segment {
    /// How many of its first tokens have no label: the first of all, and what an earlier piece has already.
    fn unlabelled(&self, overlap: u32) -> usize {
        let again = if self.start > 0 { self.before + overlap as usize } else { 0 };
        again.max(1).min(self.end - self.position)
    }
}

impl<'a> Layout<'a> {
    /// Checks that these arrays are sequences of pieces, none over capacity.
    ///
    /// # Errors
    /// Names the first sequence, and its document, where they are not.
    pub fn new(format: SequenceFormat, pieces: PieceSlices<'a>, sequence_offsets: &'a [u64]) -> Result<Self> {
        format.check()?;
        let n_pieces = pieces.document.len();
        if pieces.start.len() != n_pieces || pieces.length.len() != n_pieces {
            return Err(Error::new("the plan is damaged: its piece arrays differ in length"));
        }
        let last = sequence_offsets.last().copied();
        if sequence_offsets.first() != Some(&0) || last != Some(n_pieces as u64) {
            return Err(Error::new(
                "the plan is damaged: its sequence offsets do not run from 0 to all pieces",
            ));
        }
        for (sequence, bounds) in sequence_offsets.windows(2).enumerate() {
            let lengths = usize::try_from(bounds[0])
                .ok()
                .zip(usize::try_from(bounds[1]).ok())
                .and_then(|(start, end)| pieces.length.get(start..end))
                .ok_or_else(|| Error::new("the plan is damaged: its sequence offsets decrease"))?;
            let tokens: u64 = lengths.iter().map(|&length| u64::from(format.weight(length))).sum();
            if tokens > u64::from(format.room()) || lengths.contains(&0) || lengths.is_empty() {
                let document = pieces.document.get(bounds[0] as usize).copied().unwrap_or_default() as usize;
                let message = format!(
                    "the plan is damaged: sequence {sequence}, which starts with this document, has {tokens} tokens \
                     (capacity {}), no piece or an empty one",
                    format.capacity
                );
                return Err(Error::new(message).in_document(document));
            }
        }
        Ok(Self { format, width: format.capacity as usize, pieces, sequence_offsets })
    }

    /// The same with rows of another width than the capacity.
    ///
    /// # Errors
    /// If a sequence is longer.
    pub fn with_width(self, width: usize) -> Result<Self> {
        for sequence in 0..self.n_sequences() {
            let end = self.segments(sequence).last().map_or(0, |segment| segment.padded_end);
            if end > width {
                return Err(Error::new(format!(
                    "sequence {sequence} of those chosen has {end} tokens, and rows are to have {width}; choose \
                     shorter sequences, or wider rows"
                )));
            }
        }
        Ok(Self { width, ..self })
    }

    /// Number of sequences.
    pub fn n_sequences(&self) -> usize {
        self.sequence_offsets.len() - 1
    }

    /// Where the pieces of one sequence stand.
    fn segments(&self, sequence: usize) -> impl Iterator<Item = Segment> + 'a {
        let range = self.sequence_offsets[sequence] as usize..self.sequence_offsets[sequence + 1] as usize;
        let (pieces, format) = (self.pieces, self.format);
        let (first, last) = (range.start, range.end - 1);
        let mut position = 0;
        range.map(move |piece| {
            let before = usize::from(format.sequence_framing.bos && piece == first);
            let after = usize::from(format.sequence_framing.eos && piece == last);
            let length = pieces.length[piece];
            // Where segments are aligned, there are no tokens around sequences.
            let padding = format.weight(length) - length;
            let end = position + before + length as usize + after;
            let segment = Segment {
                document: pieces.document[piece],
                start: pieces.start[piece],
                position,
                end,
                padded_end: end + padding as usize,
                before,
                after,
            };
            position = segment.padded_end;
            segment
        })
    }

    /// Pairs every sequence with its row of a buffer that must hold exactly `n_sequences * width` elements.
    fn rows<'b, T>(&'b self, buffer: &'b mut [T]) -> Result<impl Iterator<Item = (usize, &'b mut [T])>> {
        self.check_size(buffer.len())?;
        Ok(buffer.chunks_exact_mut(self.width.max(1)).enumerate())
    }

    fn check_size(&self, elements: usize) -> Result<()> {
        if elements as u64 == self.n_sequences() as u64 * self.width as u64 {
            return Ok(());
        }
        Err(Error::new(format!(
            "the buffer has {elements} elements; {} rows of {} need exactly as many",
            self.n_sequences(),
            self.width
        )))
    }

    /// Fills the tokens of every segment by `write`, and padding with `pad`.
    fn fill<T: Copy>(
        &self,
        out: &mut [T],
        pad: T,
        mut write: impl FnMut(usize, Segment, &mut [T]) -> Result<()>,
    ) -> Result<()> {
        for (sequence, row) in self.rows(out)? {
            let mut filled = 0;
            for (number, segment) in self.segments(sequence).enumerate() {
                write(number, segment, &mut row[segment.position..segment.end])?;
                row[segment.end..segment.padded_end].fill(pad);
                filled = segment.padded_end;
            }
            row[filled..].fill(pad);
        }
        Ok(())
    }

    /// Fills `out` with the ids of every position. `planned_lengths` has the number of ids that each document had when it
    /// was packed.
    ///
    /// # Errors
    /// If `fill` has a BOS or an EOS where the plan has no room for it, or has none where the plan has room; if `out` has
    /// not `n_sequences * width` elements, if a document of the batch has another length than was planned, if
    /// a piece reaches beyond its document, or if an id does not fit `T`.
    pub fn input_ids<Id: Copy + Into<u32>, T: IdOut>(
        &self,
        documents: &Documents<'_, Id>,
        planned_lengths: &[u32],
        fill: FillIds,
        out: &mut [T],
    ) -> Result<()> {
        let SequenceFormat { document_framing, sequence_framing, .. } = self.format;
        check_fill("bos", document_framing.bos || sequence_framing.bos, fill.bos)?;
        check_fill("eos", document_framing.eos || sequence_framing.eos, fill.eos)?;
        for id in [Some(fill.pad), fill.bos, fill.eos].into_iter().flatten() {
            check_fits::<T>(id)?;
        }
        // Where there is no room for a BOS or EOS, none is written.
        let of_token = |id: Option<u32>| T::from_id(id.unwrap_or_default());
        let around = Around { pad: T::from_id(fill.pad), bos: of_token(fill.bos), eos: of_token(fill.eos) };
        self.gather(documents, planned_lengths, around, out, write_ids)
    }

    /// Fills `out` with a value of every token that lies beside its id, such as a weight; `around` is that of a BOS or EOS
    /// of the plan, and `pad` of padding. What goes for ids goes for these.
    ///
    /// # Errors
    /// If `out` has not `n_sequences * width` elements, if a document has another length than was planned, or if a piece
    /// reaches beyond its document.
    pub fn values<T: Copy>(
        &self,
        documents: &Documents<'_, T>,
        planned_lengths: &[u32],
        around: T,
        pad: T,
        out: &mut [T],
    ) -> Result<()> {
        let around = Around { pad, bos: around, eos: around };
        self.gather(documents, planned_lengths, around, out, |values, span| {
            span.copy_from_slice(values);
            Ok(())
        })
    }

    /// Fills `out` with what documents have for every position; `write` turns some of it into as much of `out`.
    fn gather<Value, T: Copy>(
        &self,
        documents: &Documents<'_, Value>,
        planned_lengths: &[u32],
        around: Around<T>,
        out: &mut [T],
        write: impl Fn(&[Value], &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let framing = self.format.document_framing;
        self.fill(out, around.pad, |_, segment, span| {
            let values = documents.get(segment.document)?;
            let (head, rest) = span.split_at_mut(segment.before);
            let (piece, tail) = rest.split_at_mut(rest.len() - segment.after);
            head.fill(around.bos);
            tail.fill(around.eos);
            let document = segment.document as usize;
            check_length(values.len(), planned_lengths.get(document).copied())
                .and_then(|()| write_piece(values, framing, around, segment.start, piece, &write))
                .map_err(|error| error.in_document(document))
        })
    }

    /// Fills `out` with positions: from 0 on in every segment, 0 on padding.
    ///
    /// # Errors
    /// If `out` has not `n_sequences * width` elements.
    pub fn position_ids(&self, out: &mut [i32]) -> Result<()> {
        self.fill(out, 0, |_, _, span| {
            span.iter_mut().zip(0..).for_each(|(place, position)| *place = position);
            Ok(())
        })
    }

    /// Fills `out` with segment numbers: 1 for the first piece of a sequence, 2 for the second, …, 0 on padding.
    ///
    /// # Errors
    /// If `out` has not `n_sequences * width` elements.
    pub fn segment_ids(&self, out: &mut [i32]) -> Result<()> {
        self.fill(out, 0, |number, _, span| {
            span.fill(number as i32 + 1);
            Ok(())
        })
    }

    /// Fills `out` with labels: the id of every position; [`IGNORED_LABEL`] on padding, on the first token of every segment,
    /// and on tokens that an earlier piece of the document has too. They are not shifted; the loss of a Hugging Face model
    /// shifts them.
    ///
    /// # Errors
    /// If `input_ids` or `out` have not `n_sequences * width` elements.
    pub fn labels<T: Copy + Into<i64>>(&self, input_ids: &[T], out: &mut [i64]) -> Result<()> {
        self.check_size(input_ids.len())?;
        let width = self.width.max(1);
        for ((sequence, row), input) in self.rows(out)?.zip(input_ids.chunks_exact(width)) {
            let mut filled = 0;
            for segment in self.segments(sequence) {
                let labelled = segment.position + segment.unlabelled(self.format.overlap)..segment.end;
                row[filled..labelled.start].fill(IGNORED_LABEL);
                for (label, &id) in row[labelled.clone()].iter_mut().zip(&input[labelled]) {
                    *label = id.into();
                }
                filled = segment.end;
            }
            row[filled..].fill(IGNORED_LABEL);
        }
        Ok(())
    }

    /// Where the segments of a sequence start, and where the last one ends, padding of segments included: what
    /// `FlashAttention` calls `cu_seqlens`. The padding of the row is no segment.
    pub fn cu_seqlens(&self, sequence: usize) -> Option<Vec<i32>> {
        (sequence < self.n_sequences()).then(|| {
            let ends = self.segments(sequence).map(|segment| segment.padded_end as i32);
            std::iter::once(0).chain(ends).collect()
        })
    }
}

/// The plan has room for this token if and only if it is given.
fn check_fill(name: &str, planned: bool, id: Option<u32>) -> Result<()> {
    match (planned, id) {
        (true, None) => Err(Error::new(format!(
            "the plan has room for {name} tokens; give {name}_id, or pack with {name}=False"
        ))),
        (false, Some(_)) => Err(Error::new(format!(
            "the plan has no room for {name} tokens; leave {name}_id out, or pack with {name}=True"
        ))),
        _ => Ok(()),
    }
}

fn check_length(length: usize, planned: Option<u32>) -> Result<()> {
    if planned.is_some_and(|planned| planned as usize == length) {
        return Ok(());
    }
    let planned = planned.map_or("is for fewer documents".to_owned(), |planned| format!("is for {planned}"));
    Err(Error::new(format!(
        "has {length} ids, but the plan {planned}; apply a plan to the batch that it was made for, or pack this batch"
    )))
}

fn check_fits<T: IdOut>(id: u32) -> Result<()> {
    if id <= T::MOST {
        return Ok(());
    }
    Err(Error::new(format!("id {id} does not fit the dtype; use uint32 or int64")))
}

/// What stands where no token of a document is.
#[derive(Clone, Copy)]
struct Around<T> {
    pad: T,
    bos: T,
    eos: T,
}

/// Writes from `start` on what belongs to the stream `[BOS] + tokens + [EOS]`, as much as `span` takes.
fn write_piece<Value, T: Copy>(
    values: &[Value],
    framing: Framing,
    around: Around<T>,
    start: u32,
    span: &mut [T],
    write: impl Fn(&[Value], &mut [T]) -> Result<()>,
) -> Result<()> {
    let stream_length = values.len() + usize::from(framing.bos) + usize::from(framing.eos);
    let (start, length) = (start as usize, span.len());
    if values.is_empty() || start + length > stream_length {
        return Err(Error::new(format!(
            "has {} ids, but the plan takes tokens {start}..{} of it; apply the plan to the batch it was made for",
            values.len(),
            start + length
        )));
    }
    let (mut first, mut last) = (0, length);
    if framing.bos && start == 0 {
        span[0] = around.bos;
        first = 1;
    }
    if framing.eos && start + length == stream_length {
        last -= 1;
        span[last] = around.eos;
    }
    let from = start + first - usize::from(framing.bos);
    write(&values[from..from + (last - first)], &mut span[first..last])
}

/// Writes ids as another type.
fn write_ids<Id: Copy + Into<u32>, T: IdOut>(ids: &[Id], span: &mut [T]) -> Result<()> {
    let mut bits = 0;
    for (place, &id) in span.iter_mut().zip(ids) {
        bits |= id.into();
        *place = T::from_id(id.into());
    }
    // An id has a bit above those of the largest that fits, if and only if it does not fit.
    if T::MOST < u32::MAX && bits > T::MOST {
        ids.iter().try_for_each(|&id| check_fits::<T>(id.into()))?;
    }
    Ok(())
}
