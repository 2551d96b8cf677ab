//! From a plan to arrays: every function here fills a buffer of the caller, row by row, where row `i` holds the
//! `capacity` positions of sequence `i`. Each piece is a segment of its own: positions restart at 0 in it, and its first
//! token has no label, also where it continues a document that was split, since attention does not reach back.

use crate::error::{Error, Result};
use crate::options::Framing;
use crate::plan::{PackPlan, PieceSlices};

/// What labels hold where there is nothing to predict: the `ignore_index` of `PyTorch`'s cross entropy.
pub const IGNORED_LABEL: i64 = -100;

/// Pieces laid out in sequences, checked: arrays agree in length, no sequence is over capacity.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    capacity: u32,
    framing: Framing,
    pieces: PieceSlices<'a>,
    sequence_offsets: &'a [u64],
}

/// The ids of documents: document `i` is `ids[offsets[i] .. offsets[i + 1]]`, as in an Arrow large list.
#[derive(Debug, Clone, Copy)]
pub struct Documents<'a> {
    ids: &'a [u32],
    offsets: &'a [i64],
}

/// The ids that the positions take which no document fills.
#[derive(Debug, Clone, Copy, Default)]
pub struct FillIds {
    /// Behind the last piece of a sequence.
    pub pad: u32,
    /// Before every document, if the plan has room for it.
    pub bos: Option<u32>,
    /// After every document, if the plan has room for it.
    pub eos: Option<u32>,
}

impl<'a> Documents<'a> {
    /// Pairs ids with offsets.
    ///
    /// # Errors
    /// If there are no offsets. Single offsets are checked where they are used.
    pub fn new(ids: &'a [u32], offsets: &'a [i64]) -> Result<Self> {
        if offsets.is_empty() {
            return Err(Error::new("the batch has no offsets; for documents without any, they are [0]"));
        }
        Ok(Self { ids, offsets })
    }

    /// The ids of one document.
    fn get(&self, document: u32) -> Result<&'a [u32]> {
        let bound = |index: usize| self.offsets.get(index).and_then(|&offset| usize::try_from(offset).ok());
        let index = document as usize;
        bound(index).zip(bound(index + 1)).and_then(|(start, end)| self.ids.get(start..end)).ok_or_else(|| {
            let message = format!(
                "is not within the batch, which has {} documents and {} ids; apply the plan to the batch it was made for",
                self.offsets.len() - 1,
                self.ids.len()
            );
            Error::new(message).in_document(index)
        })
    }
}

impl PackPlan {
    /// The checked layout of this plan.
    ///
    /// # Errors
    /// See [`Layout::new`]; never for a plan that [`crate::pack`] made.
    pub fn layout(&self) -> Result<Layout<'_>> {
        Layout::new(self.capacity, self.framing, self.pieces.as_slices(), &self.sequence_offsets)
    }
}

impl<'a> Layout<'a> {
    /// Checks that these arrays are sequences of pieces, none over capacity.
    ///
    /// # Errors
    /// Names the first sequence, and its document, where they are not.
    pub fn new(
        capacity: u32,
        framing: Framing,
        pieces: PieceSlices<'a>,
        sequence_offsets: &'a [u64],
    ) -> Result<Self> {
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
            let tokens: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
            if tokens > u64::from(capacity) || lengths.contains(&0) {
                let document = pieces.document.get(bounds[0] as usize).copied().unwrap_or_default() as usize;
                let message = format!(
                    "the plan is damaged: sequence {sequence}, which starts with this document, has {tokens} tokens \
                     (capacity {capacity}) or an empty piece"
                );
                return Err(Error::new(message).in_document(document));
            }
        }
        Ok(Self { capacity, framing, pieces, sequence_offsets })
    }

    /// Number of sequences.
    pub fn n_sequences(&self) -> usize {
        self.sequence_offsets.len() - 1
    }

    /// The pieces of one sequence.
    fn sequence(&self, sequence: usize) -> PieceSlices<'a> {
        let range = self.sequence_offsets[sequence] as usize..self.sequence_offsets[sequence + 1] as usize;
        PieceSlices {
            document: &self.pieces.document[range.clone()],
            start: &self.pieces.start[range.clone()],
            length: &self.pieces.length[range],
        }
    }

    /// Pairs every sequence with its row of a buffer that must hold exactly `n_sequences * capacity` elements.
    fn rows<'b, T>(
        &'b self,
        buffer: &'b mut [T],
    ) -> Result<impl Iterator<Item = (PieceSlices<'a>, &'b mut [T])>> {
        self.check_size(buffer.len())?;
        let rows = buffer.chunks_exact_mut(self.capacity as usize);
        Ok(rows.enumerate().map(|(sequence, row)| (self.sequence(sequence), row)))
    }

    fn check_size(&self, elements: usize) -> Result<()> {
        if elements as u64 == self.n_sequences() as u64 * u64::from(self.capacity) {
            return Ok(());
        }
        Err(Error::new(format!(
            "the buffer has {elements} elements; {} sequences of {} tokens need exactly as many",
            self.n_sequences(),
            self.capacity
        )))
    }

    /// Fills `out` with the ids of every position.
    ///
    /// # Errors
    /// If `fill` has a BOS or an EOS where the plan has no room for it, or has none where the plan has room; if `out` has
    /// not `n_sequences * capacity` elements, if a piece reaches beyond its document in the batch (which is
    /// then another batch than was planned), or if an id does not fit `T`.
    pub fn input_ids<T: Copy + TryFrom<u32>>(
        &self,
        documents: &Documents<'_>,
        fill: FillIds,
        out: &mut [T],
    ) -> Result<()> {
        check_fill("bos", self.framing.bos, fill.bos)?;
        check_fill("eos", self.framing.eos, fill.eos)?;
        let pad = convert(fill.pad)?;
        for (pieces, row) in self.rows(out)? {
            let mut position = 0;
            for (document, start, length) in pieces.iter() {
                let ids = documents.get(document)?;
                let span = &mut row[position..position + length as usize];
                write_piece(ids, self.framing, fill, start, span)
                    .map_err(|error| error.in_document(document as usize))?;
                position += length as usize;
            }
            row[position..].fill(pad);
        }
        Ok(())
    }

    /// Fills `out` with positions: from 0 on in every piece, 0 on padding.
    ///
    /// # Errors
    /// If `out` has not `n_sequences * capacity` elements.
    pub fn position_ids(&self, out: &mut [i32]) -> Result<()> {
        for (pieces, row) in self.rows(out)? {
            let mut rest = row;
            for &length in pieces.length {
                let (span, after) = rest.split_at_mut(length as usize);
                for (id, position) in span.iter_mut().zip(0..) {
                    *id = position;
                }
                rest = after;
            }
            rest.fill(0);
        }
        Ok(())
    }

    /// Fills `out` with segment numbers: 1 for the first piece of a sequence, 2 for the second, …, 0 on padding.
    ///
    /// # Errors
    /// If `out` has not `n_sequences * capacity` elements.
    pub fn segment_ids(&self, out: &mut [i32]) -> Result<()> {
        for (pieces, row) in self.rows(out)? {
            let mut rest = row;
            for (&length, segment) in pieces.length.iter().zip(1..) {
                let (span, after) = rest.split_at_mut(length as usize);
                span.fill(segment);
                rest = after;
            }
            rest.fill(0);
        }
        Ok(())
    }

    /// Fills `out` with labels: the id of every position, [`IGNORED_LABEL`] on padding and on the first token of every
    /// piece. They are not shifted; the loss of a Hugging Face model shifts them.
    ///
    /// # Errors
    /// If `input_ids` or `out` have not `n_sequences * capacity` elements.
    pub fn labels<T: Copy + Into<i64>>(&self, input_ids: &[T], out: &mut [i64]) -> Result<()> {
        self.check_size(input_ids.len())?;
        let inputs = input_ids.chunks_exact(self.capacity as usize);
        for ((pieces, row), input) in self.rows(out)?.zip(inputs) {
            let mut position = 0;
            for &length in pieces.length {
                let end = position + length as usize;
                row[position] = IGNORED_LABEL;
                for (label, &id) in row[position + 1..end].iter_mut().zip(&input[position + 1..end]) {
                    *label = id.into();
                }
                position = end;
            }
            row[position..].fill(IGNORED_LABEL);
        }
        Ok(())
    }

    /// Where the pieces of a sequence start, and where the last one ends: what `FlashAttention` calls `cu_seqlens`.
    ///
    /// The last entry is the number of real tokens; padding is no segment.
    pub fn cu_seqlens(&self, sequence: usize) -> Option<Vec<i32>> {
        (sequence < self.n_sequences()).then(|| {
            let mut end = 0;
            let ends = self.sequence(sequence).length.iter().map(|&length| {
                end += length.cast_signed();
                end
            });
            std::iter::once(0).chain(ends).collect()
        })
    }
}

/// The plan has room for this token if and only if it is given.
fn check_fill(name: &str, planned: bool, id: Option<u32>) -> Result<()> {
    match (planned, id) {
        (true, None) => Err(Error::new(format!(
            "the plan has room for one {name} token a document; give {name}_id, or pack with {name}=False"
        ))),
        (false, Some(_)) => Err(Error::new(format!(
            "the plan has no room for {name} tokens; leave {name}_id out, or pack with {name}=True"
        ))),
        _ => Ok(()),
    }
}

/// Writes the tokens from `start` on of the stream `[BOS] + ids + [EOS]`, as many as `span` takes.
fn write_piece<T: Copy + TryFrom<u32>>(
    ids: &[u32],
    framing: Framing,
    fill: FillIds,
    start: u32,
    span: &mut [T],
) -> Result<()> {
    let stream_length = ids.len() + usize::from(framing.bos) + usize::from(framing.eos);
    let (start, length) = (start as usize, span.len());
    if ids.is_empty() || start + length > stream_length {
        return Err(Error::new(format!(
            "has {} ids, but the plan takes tokens {start}..{} of it; apply the plan to the batch it was made for",
            ids.len(),
            start + length
        )));
    }
    let (mut first, mut last) = (0, length);
    if let (Some(bos), 0) = (fill.bos, start) {
        span[0] = convert(bos)?;
        first = 1;
    }
    if let (Some(eos), true) = (fill.eos, start + length == stream_length) {
        last -= 1;
        span[last] = convert(eos)?;
    }
    let from = start + first - usize::from(framing.bos);
    for (place, &id) in span[first..last].iter_mut().zip(&ids[from..]) {
        *place = convert(id)?;
    }
    Ok(())
}

fn convert<T: TryFrom<u32>>(id: u32) -> Result<T> {
    T::try_from(id).map_err(|_| Error::new(format!("id {id} does not fit the dtype; use uint32 or int64")))
}
