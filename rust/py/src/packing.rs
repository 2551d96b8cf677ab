//! `portmanteau._rust.pack_*`: plans, for `portmanteau.packing`, on `NumPy` arrays. A plan lives in Python, as arrays; the
//! functions here take them from its attributes and hand them to the crate, which checks them before it follows an index.

use crate::errors::{detached, exception, IntoException};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use portmanteau_pack::{
    merge, pack, pack_in_windows, verify_plan, Constraints, Error, Framing, PackOptions, PackPlan,
    PieceSlices, PieceTable, Pieces, Secondary, SequenceFormat,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::num::NonZeroU32;

impl IntoException for Error {
    fn into_exception(self, py: Python<'_>) -> PyErr {
        exception(py, "PackingError", &self.to_string(), &[("document", self.document())])
    }
}

/// A `SequenceFormat` of Python.
#[derive(FromPyObject, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "as Python has it")]
pub(crate) struct FormatAttributes {
    capacity: u32,
    document_bos: bool,
    document_eos: bool,
    sequence_bos: bool,
    sequence_eos: bool,
    align: u32,
    overlap: u32,
}

impl From<FormatAttributes> for SequenceFormat {
    fn from(format: FormatAttributes) -> Self {
        Self {
            capacity: format.capacity,
            document_framing: Framing { bos: format.document_bos, eos: format.document_eos },
            sequence_framing: Framing { bos: format.sequence_bos, eos: format.sequence_eos },
            align: format.align,
            overlap: format.overlap,
        }
    }
}

/// The options of `pack` that have names, as a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct OptionItems {
    format: FormatAttributes,
    strategy: String,
    cost: String,
    long_documents: String,
    max_documents_per_sequence: Option<NonZeroU32>,
    least_tokens: u32,
}

impl OptionItems {
    pub(crate) fn parse(&self) -> portmanteau_pack::Result<PackOptions> {
        Ok(PackOptions {
            format: self.format.into(),
            strategy: self.strategy.parse()?,
            cost: self.cost.parse()?,
            long_documents: self.long_documents.parse()?,
            max_documents_per_sequence: self.max_documents_per_sequence,
            least_tokens: self.least_tokens,
        })
    }
}

/// The constraints of `pack`, as a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ConstraintItems<'py> {
    may_cut_after: Option<PyReadonlyArray1<'py, bool>>,
    together: Option<PyReadonlyArray1<'py, u32>>,
    apart: Option<PyReadonlyArray1<'py, u32>>,
    secondary: Vec<(String, PyReadonlyArray1<'py, u32>, u32)>,
}

impl ConstraintItems<'_> {
    fn constraints(&self) -> PyResult<Constraints<'_>> {
        let secondary = self.secondary.iter().map(|(name, amounts, capacity)| {
            Ok(Secondary { name, amounts: amounts.as_slice()?, capacity: *capacity })
        });
        Ok(Constraints {
            may_cut_after: self.may_cut_after.as_ref().map(|array| array.as_slice()).transpose()?,
            together: self.together.as_ref().map(|array| array.as_slice()).transpose()?,
            apart: self.apart.as_ref().map(|array| array.as_slice()).transpose()?,
            secondary: secondary.collect::<PyResult<_>>()?,
        })
    }
}

/// Any object with these arrays as attributes.
#[derive(FromPyObject)]
pub(crate) struct PieceAttributes<'py> {
    document: PyReadonlyArray1<'py, u32>,
    start: PyReadonlyArray1<'py, u32>,
    length: PyReadonlyArray1<'py, u32>,
}

impl PieceAttributes<'_> {
    pub(crate) fn as_slices(&self) -> PyResult<PieceSlices<'_>> {
        Ok(PieceSlices {
            document: self.document.as_slice()?,
            start: self.start.as_slice()?,
            length: self.length.as_slice()?,
        })
    }

    fn to_pieces(&self) -> PyResult<Pieces> {
        let PieceSlices { document, start, length } = self.as_slices()?;
        Ok(Pieces { document: document.to_vec(), start: start.to_vec(), length: length.to_vec() })
    }
}

/// A `PackPlan` of Python.
#[derive(FromPyObject)]
pub(crate) struct PlanAttributes<'py> {
    format: FormatAttributes,
    document_lengths: PyReadonlyArray1<'py, u32>,
    piece_numbers: PyReadonlyArray1<'py, u32>,
    sequence_offsets: PyReadonlyArray1<'py, i64>,
    cut_pieces: PieceAttributes<'py>,
}

impl PlanAttributes<'_> {
    fn table(&self) -> PyResult<PieceTable<'_>> {
        Ok(PieceTable {
            document_lengths: self.document_lengths.as_slice()?,
            framing: SequenceFormat::from(self.format).document_framing,
            cut_pieces: self.cut_pieces.as_slices()?,
        })
    }

    /// Offsets as the crate has them: a negative one becomes one that is out of range, which it refuses.
    fn offsets(&self) -> PyResult<Vec<u64>> {
        Ok(self.sequence_offsets.as_slice()?.iter().map(|offset| offset.cast_unsigned()).collect())
    }
}

/// Plans how documents of these lengths stand in sequences; gives the arrays of the plan by name. With `most_tokens`, as a
/// stream in which so many tokens wait.
#[pyfunction]
pub(crate) fn pack_plan<'py>(
    py: Python<'py>,
    lengths: PyReadonlyArray1<'py, u32>,
    options: OptionItems,
    constraints: ConstraintItems<'py>,
    most_tokens: Option<u64>,
) -> PyResult<Bound<'py, PyDict>> {
    let lengths = lengths.as_slice()?;
    let constraints = constraints.constraints()?;
    let plan = detached(py, || {
        let options = options.parse()?;
        match most_tokens {
            Some(most_tokens) => pack_in_windows(lengths, &options, &constraints, most_tokens),
            None => pack(lengths, &options, &constraints),
        }
    })?;
    plan_arrays(py, plan)
}

/// Lengths of patterns, where patterns start among them, and how many sequences have each.
type PatternArrays<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u64>>);

/// Packs a histogram.
#[pyfunction]
pub(crate) fn pack_histogram<'py>(
    py: Python<'py>,
    counts: PyReadonlyArray1<'py, u64>,
    capacity: u32,
    strategy: &str,
    max_pieces: Option<NonZeroU32>,
) -> PyResult<PatternArrays<'py>> {
    let counts = counts.as_slice()?;
    let patterns =
        detached(py, || portmanteau_pack::pack_histogram(counts, capacity, strategy.parse()?, max_pieces))?;
    let offsets: Vec<i64> = patterns.offsets.into_iter().map(u64::cast_signed).collect();
    Ok((patterns.lengths.into_pyarray(py), offsets.into_pyarray(py), patterns.repeats.into_pyarray(py)))
}

/// Makes one plan of several; `dropped` has what each of them dropped.
#[pyfunction]
pub(crate) fn pack_merge<'py>(
    py: Python<'py>,
    plans: Vec<(PlanAttributes<'py>, PieceAttributes<'py>)>,
    least_tokens: u32,
    max_documents_per_sequence: Option<NonZeroU32>,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyArray1<u32>>)> {
    let mut owned = Vec::with_capacity(plans.len());
    for (plan, dropped) in &plans {
        owned.push(PackPlan {
            format: plan.format.into(),
            n_documents: plan.document_lengths.as_slice()?.len(),
            piece_numbers: plan.piece_numbers.as_slice()?.to_vec(),
            cut_pieces: plan.cut_pieces.to_pieces()?,
            sequence_offsets: plan.offsets()?,
            dropped: dropped.to_pieces()?,
        });
    }
    let lengths: Vec<&[u32]> =
        plans.iter().map(|(plan, _)| plan.document_lengths.as_slice()).collect::<Result<_, _>>()?;
    let (plan, lengths) = detached(py, || {
        let shards: Vec<(&PackPlan, &[u32])> = owned.iter().zip(lengths).collect();
        merge(&shards, least_tokens, max_documents_per_sequence)
    })?;
    Ok((plan_arrays(py, plan)?, lengths.into_pyarray(py)))
}

fn plan_arrays(py: Python<'_>, plan: PackPlan) -> PyResult<Bound<'_, PyDict>> {
    let offsets: Vec<i64> = plan.sequence_offsets.into_iter().map(u64::cast_signed).collect();
    let arrays = PyDict::new(py);
    arrays.set_item("piece_numbers", plan.piece_numbers.into_pyarray(py))?;
    arrays.set_item("sequence_offsets", offsets.into_pyarray(py))?;
    arrays.set_item("cut_pieces", piece_arrays(py, plan.cut_pieces))?;
    arrays.set_item("dropped", piece_arrays(py, plan.dropped))?;
    Ok(arrays)
}

/// Document, start and length, each an array.
type PieceArrays<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>);

fn piece_arrays(py: Python<'_>, pieces: Pieces) -> PieceArrays<'_> {
    let Pieces { document, start, length } = pieces;
    (document.into_pyarray(py), start.into_pyarray(py), length.into_pyarray(py))
}

/// Document, start and length of pieces, and where sequences start among them.
type TakenArrays<'py> = (PieceArrays<'py>, Bound<'py, PyArray1<i64>>);

/// The pieces of some sequences, one after the other, or of all.
#[pyfunction]
pub(crate) fn pack_take<'py>(
    py: Python<'py>,
    plan: PlanAttributes<'py>,
    sequences: Option<PyReadonlyArray1<'py, i64>>,
) -> PyResult<TakenArrays<'py>> {
    let (table, numbers) = (plan.table()?, plan.piece_numbers.as_slice()?);
    let bounds = plan.sequence_offsets.as_slice()?;
    let sequences = sequences.as_ref().map(|sequences| sequences.as_slice()).transpose()?;
    let (pieces, offsets) = detached(py, || {
        let Some(sequences) = sequences else {
            return Ok::<_, Error>((table.expand(numbers)?, bounds.to_vec()));
        };
        let mut taken = Vec::new();
        let mut offsets = Vec::with_capacity(sequences.len() + 1);
        offsets.push(0);
        for &sequence in sequences {
            let bound = |index: i64| usize::try_from(*bounds.get(usize::try_from(index).ok()?)?).ok();
            let range = bound(sequence).zip(sequence.checked_add(1).and_then(bound));
            let of_sequence = range.and_then(|(start, end)| numbers.get(start..end)).ok_or_else(|| {
                Error::new(format!(
                    "there is no sequence {sequence}: the plan has {} sequences, numbered from 0 on, or is damaged",
                    bounds.len().saturating_sub(1)
                ))
            })?;
            taken.extend_from_slice(of_sequence);
            offsets.push(taken.len() as i64);
        }
        Ok((table.expand(&taken)?, offsets))
    })?;
    Ok((piece_arrays(py, pieces), offsets.into_pyarray(py)))
}

/// Proves that a plan holds every token of documents with these lengths exactly once, and nothing is over capacity.
#[pyfunction]
pub(crate) fn pack_verify<'py>(
    py: Python<'py>,
    plan: PlanAttributes<'py>,
    dropped: PieceAttributes<'py>,
    lengths: PyReadonlyArray1<'py, u32>,
) -> PyResult<()> {
    let (table, numbers, offsets) = (plan.table()?, plan.piece_numbers.as_slice()?, plan.offsets()?);
    let (dropped, lengths) = (dropped.as_slices()?, lengths.as_slice()?);
    let format = plan.format.into();
    detached(py, || verify_plan(format, table, numbers, &offsets, dropped, lengths))
}
