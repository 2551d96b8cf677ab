//! `portmanteau._rust.pack_*`: packing for `portmanteau.packing`, on `NumPy` arrays. A plan lives in Python, as
//! arrays; the functions here take them from its attributes and hand them to the crate, which checks them before it follows an index.

use crate::errors::{detached, exception, IntoException};
use numpy::{
    IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods,
};
use portmanteau_pack::{
    balance, pack, planned_lengths, verify_conservation, Balancing, Documents, Error, FillIds, Framing,
    Layout, PackOptions, PieceSlices,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::num::NonZeroU32;

impl IntoException for Error {
    fn into_exception(self, py: Python<'_>) -> PyErr {
        exception(py, "PackingError", &self.to_string(), &[("document", self.document())])
    }
}

/// Any object with these arrays as attributes.
#[derive(FromPyObject)]
pub(crate) struct PieceArrays<'py> {
    document: PyReadonlyArray1<'py, u32>,
    start: PyReadonlyArray1<'py, u32>,
    length: PyReadonlyArray1<'py, u32>,
}

impl PieceArrays<'_> {
    fn as_slices(&self) -> PyResult<PieceSlices<'_>> {
        Ok(PieceSlices {
            document: self.document.as_slice()?,
            start: self.start.as_slice()?,
            length: self.length.as_slice()?,
        })
    }
}

/// Pieces laid out in sequences: a `PackPlan` of Python, or a selection of its sequences.
#[derive(FromPyObject)]
pub(crate) struct LayoutArrays<'py> {
    capacity: u32,
    bos: bool,
    eos: bool,
    pieces: PieceArrays<'py>,
    sequence_offsets: PyReadonlyArray1<'py, i64>,
}

impl LayoutArrays<'_> {
    fn framing(&self) -> Framing {
        Framing { bos: self.bos, eos: self.eos }
    }

    /// Runs `work` on the checked layout with the GIL released.
    fn detached<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Layout<'_>) -> portmanteau_pack::Result<T> + Send,
    ) -> PyResult<T> {
        let (capacity, framing, pieces) = (self.capacity, self.framing(), self.pieces.as_slices()?);
        let offsets = self.sequence_offsets.as_slice()?;
        detached(py, || {
            // A negative offset becomes one that is out of range, which the layout refuses.
            let offsets: Vec<u64> = offsets.iter().map(|offset| offset.cast_unsigned()).collect();
            work(&Layout::new(capacity, framing, pieces, &offsets)?)
        })
    }
}

/// Plans how documents of these lengths stand in sequences; gives the arrays of the plan by name.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one argument for each option of portmanteau.pack")]
pub(crate) fn pack_plan<'py>(
    py: Python<'py>,
    lengths: PyReadonlyArray1<'py, u32>,
    capacity: u32,
    strategy: &str,
    long_documents: &str,
    max_documents_per_sequence: Option<NonZeroU32>,
    bos: bool,
    eos: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let lengths = lengths.as_slice()?;
    let plan = detached(py, || {
        let options = PackOptions {
            capacity,
            strategy: strategy.parse()?,
            long_documents: long_documents.parse()?,
            max_documents_per_sequence,
            framing: Framing { bos, eos },
        };
        pack(lengths, &options)
    })?;
    let offsets: Vec<i64> = plan.sequence_offsets.iter().map(|offset| offset.cast_signed()).collect();
    let arrays = PyDict::new(py);
    arrays.set_item("document", plan.pieces.document.into_pyarray(py))?;
    arrays.set_item("start", plan.pieces.start.into_pyarray(py))?;
    arrays.set_item("length", plan.pieces.length.into_pyarray(py))?;
    arrays.set_item("sequence_offsets", offsets.into_pyarray(py))?;
    arrays.set_item("dropped_document", plan.dropped.document.into_pyarray(py))?;
    arrays.set_item("dropped_start", plan.dropped.start.into_pyarray(py))?;
    arrays.set_item("dropped_length", plan.dropped.length.into_pyarray(py))?;
    Ok(arrays)
}

/// The rank of every item, so that the sums of their costs are about equal.
#[pyfunction]
pub(crate) fn balance_items<'py>(
    py: Python<'py>,
    costs: PyReadonlyArray1<'py, f64>,
    n_ranks: usize,
    method: &str,
    equal_counts: bool,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let costs = costs.as_slice()?;
    let ranks = detached(py, || balance(costs, n_ranks, method.parse()?, equal_counts))?;
    Ok(ranks.into_pyarray(py))
}

/// For every row of `n_ranks` × `per_rank` costs, the places in it in order of ranks, which get about equal sums.
#[pyfunction]
pub(crate) fn balance_rows<'py>(
    py: Python<'py>,
    costs: PyReadonlyArray2<'py, f64>,
    n_ranks: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (row, costs) = (costs.shape()[1], costs.as_slice()?);
    let places = detached(py, || {
        let mut places = Vec::with_capacity(costs.len());
        for costs in costs.chunks_exact(row.max(1)) {
            let ranks = balance(costs, n_ranks, Balancing::LongestFirst, true)?;
            let mut by_rank: Vec<(u32, i64)> = ranks.into_iter().zip(0..).collect();
            by_rank.sort_unstable();
            places.extend(by_rank.into_iter().map(|(_, place)| place));
        }
        Ok::<_, Error>(places)
    })?;
    Ok(places.into_pyarray(py))
}

/// Proves that a plan holds every token of documents with these lengths exactly once, and nothing is over capacity.
#[pyfunction]
pub(crate) fn pack_verify<'py>(
    py: Python<'py>,
    layout: LayoutArrays<'py>,
    dropped: PieceArrays<'py>,
    n_documents: usize,
    lengths: PyReadonlyArray1<'py, u32>,
) -> PyResult<()> {
    let (pieces, dropped) = (layout.pieces.as_slices()?, dropped.as_slices()?);
    let (framing, lengths) = (layout.framing(), lengths.as_slice()?);
    layout.detached(py, |_| verify_conservation(pieces, dropped, framing, n_documents, lengths))
}

/// The number of ids in every document, as planned.
#[pyfunction]
pub(crate) fn pack_document_lengths<'py>(
    py: Python<'py>,
    layout: LayoutArrays<'py>,
    dropped: PieceArrays<'py>,
    n_documents: usize,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let (pieces, dropped, framing) = (layout.pieces.as_slices()?, dropped.as_slices()?, layout.framing());
    let lengths = layout.detached(py, |_| Ok(planned_lengths(pieces, dropped, framing, n_documents)))?;
    Ok(lengths.into_pyarray(py))
}

/// A matrix of ids to fill, in one of the dtypes that models take.
#[derive(FromPyObject)]
pub(crate) enum IdsOut<'py> {
    Uint32(PyReadwriteArray2<'py, u32>),
    Int32(PyReadwriteArray2<'py, i32>),
    Int64(PyReadwriteArray2<'py, i64>),
}

/// Fills `out` with the ids of every position.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the batch and the ids that fill what it does not")]
pub(crate) fn pack_input_ids<'py>(
    py: Python<'py>,
    layout: LayoutArrays<'py>,
    ids: PyReadonlyArray1<'py, u32>,
    offsets: PyReadonlyArray1<'py, i64>,
    pad_id: u32,
    bos_id: Option<u32>,
    eos_id: Option<u32>,
    out: IdsOut<'py>,
) -> PyResult<()> {
    let (ids, offsets) = (ids.as_slice()?, offsets.as_slice()?);
    let fill = FillIds { pad: pad_id, bos: bos_id, eos: eos_id };
    match out {
        IdsOut::Uint32(mut out) => fill_ids(py, &layout, ids, offsets, fill, out.as_slice_mut()?),
        IdsOut::Int32(mut out) => fill_ids(py, &layout, ids, offsets, fill, out.as_slice_mut()?),
        IdsOut::Int64(mut out) => fill_ids(py, &layout, ids, offsets, fill, out.as_slice_mut()?),
    }
}

fn fill_ids<T: Copy + Send + TryFrom<u32>>(
    py: Python<'_>,
    layout: &LayoutArrays<'_>,
    ids: &[u32],
    offsets: &[i64],
    fill: FillIds,
    out: &mut [T],
) -> PyResult<()> {
    layout.detached(py, |layout| layout.input_ids(&Documents::new(ids, offsets)?, fill, out))
}

/// Fills `out` with positions, from 0 on in every piece.
#[pyfunction]
pub(crate) fn pack_position_ids<'py>(
    py: Python<'py>,
    layout: LayoutArrays<'py>,
    mut out: PyReadwriteArray2<'py, i32>,
) -> PyResult<()> {
    let out = out.as_slice_mut()?;
    layout.detached(py, |layout| layout.position_ids(out))
}

/// Fills `out` with segment numbers, from 1 on in every sequence.
#[pyfunction]
pub(crate) fn pack_segment_ids<'py>(
    py: Python<'py>,
    layout: LayoutArrays<'py>,
    mut out: PyReadwriteArray2<'py, i32>,
) -> PyResult<()> {
    let out = out.as_slice_mut()?;
    layout.detached(py, |layout| layout.segment_ids(out))
}

/// A matrix of ids to read, in one of the dtypes that models take.
#[derive(FromPyObject)]
pub(crate) enum IdsIn<'py> {
    Uint32(PyReadonlyArray2<'py, u32>),
    Int32(PyReadonlyArray2<'py, i32>),
    Int64(PyReadonlyArray2<'py, i64>),
}

/// Fills `out` with labels.
#[pyfunction]
pub(crate) fn pack_labels<'py>(
    py: Python<'py>,
    layout: LayoutArrays<'py>,
    input_ids: IdsIn<'py>,
    mut out: PyReadwriteArray2<'py, i64>,
) -> PyResult<()> {
    let out = out.as_slice_mut()?;
    match input_ids {
        IdsIn::Uint32(ids) => fill_labels(py, &layout, ids.as_slice()?, out),
        IdsIn::Int32(ids) => fill_labels(py, &layout, ids.as_slice()?, out),
        IdsIn::Int64(ids) => fill_labels(py, &layout, ids.as_slice()?, out),
    }
}

fn fill_labels<T: Copy + Send + Sync + Into<i64>>(
    py: Python<'_>,
    layout: &LayoutArrays<'_>,
    input_ids: &[T],
    out: &mut [i64],
) -> PyResult<()> {
    layout.detached(py, |layout| layout.labels(input_ids, out))
}
