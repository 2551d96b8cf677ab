//! `portmanteau._rust.fill_*`: the arrays that a plan makes of ids, written into `NumPy` arrays of the caller's. The pieces
//! are attributes of a Python object; the crate checks them before it follows an index.

use crate::errors::detached;
use crate::packing::{FormatAttributes, PieceAttributes};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods};
use portmanteau_pack::{Documents, FillIds, IdOut, Layout};
use pyo3::prelude::*;

/// Pieces laid out in rows: a `PackedSequences` of Python.
#[derive(FromPyObject)]
pub(crate) struct LayoutAttributes<'py> {
    format: FormatAttributes,
    pieces: PieceAttributes<'py>,
    sequence_offsets: PyReadonlyArray1<'py, i64>,
}

impl LayoutAttributes<'_> {
    /// Runs `work` on the checked layout with the GIL released.
    fn detached<T: Send>(
        &self,
        py: Python<'_>,
        width: usize,
        work: impl FnOnce(&Layout<'_>) -> portmanteau_pack::Result<T> + Send,
    ) -> PyResult<T> {
        let (format, pieces) = (self.format.into(), self.pieces.as_slices()?);
        let offsets = self.sequence_offsets.as_slice()?;
        detached(py, || {
            // A negative offset becomes one that is out of range, which the layout refuses.
            let offsets: Vec<u64> = offsets.iter().map(|offset| offset.cast_unsigned()).collect();
            work(&Layout::new(format, pieces, &offsets)?.with_width(width)?)
        })
    }
}

/// A matrix of ids to fill, in one of the dtypes that models take.
#[derive(FromPyObject)]
pub(crate) enum IdsOut<'py> {
    Uint32(PyReadwriteArray2<'py, u32>),
    Int32(PyReadwriteArray2<'py, i32>),
    Int64(PyReadwriteArray2<'py, i64>),
}

/// The ids of documents, in one of the dtypes that a store has.
#[derive(FromPyObject)]
pub(crate) enum DocumentIds<'py> {
    Uint32(PyReadonlyArray1<'py, u32>),
    Uint16(PyReadonlyArray1<'py, u16>),
}

/// Fills `out` with the ids of every position.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the batch and the ids that fill what it does not")]
pub(crate) fn fill_input_ids<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    ids: DocumentIds<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    planned_lengths: PyReadonlyArray1<'py, u32>,
    pad_id: u32,
    bos_id: Option<u32>,
    eos_id: Option<u32>,
    out: IdsOut<'py>,
) -> PyResult<()> {
    let (offsets, planned_lengths) = (offsets.as_slice()?, planned_lengths.as_slice()?);
    let fill = FillIds { pad: pad_id, bos: bos_id, eos: eos_id };
    match ids {
        DocumentIds::Uint32(ids) => {
            fill_from(py, &layout, ids.as_slice()?, offsets, planned_lengths, fill, out)
        }
        DocumentIds::Uint16(ids) => {
            fill_from(py, &layout, ids.as_slice()?, offsets, planned_lengths, fill, out)
        }
    }
}

fn fill_from<Id: Copy + Into<u32> + Sync>(
    py: Python<'_>,
    layout: &LayoutAttributes<'_>,
    ids: &[Id],
    offsets: &[i64],
    planned_lengths: &[u32],
    fill: FillIds,
    out: IdsOut<'_>,
) -> PyResult<()> {
    fn into<Id: Copy + Into<u32> + Sync, T: IdOut + Send + numpy::Element>(
        py: Python<'_>,
        layout: &LayoutAttributes<'_>,
        batch: (&[Id], &[i64]),
        planned_lengths: &[u32],
        fill: FillIds,
        mut out: PyReadwriteArray2<'_, T>,
    ) -> PyResult<()> {
        let (width, out) = (out.shape()[1], out.as_slice_mut()?);
        layout.detached(py, width, |layout| {
            layout.input_ids(&Documents::new(batch.0, batch.1)?, planned_lengths, fill, out)
        })
    }
    let batch = (ids, offsets);
    match out {
        IdsOut::Uint32(out) => into(py, layout, batch, planned_lengths, fill, out),
        IdsOut::Int32(out) => into(py, layout, batch, planned_lengths, fill, out),
        IdsOut::Int64(out) => into(py, layout, batch, planned_lengths, fill, out),
    }
}

/// Fills `out` with positions, from 0 on in every segment.
#[pyfunction]
pub(crate) fn fill_position_ids<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    mut out: PyReadwriteArray2<'py, i32>,
) -> PyResult<()> {
    let (width, out) = (out.shape()[1], out.as_slice_mut()?);
    layout.detached(py, width, |layout| layout.position_ids(out))
}

/// Fills `out` with segment numbers, from 1 on in every sequence.
#[pyfunction]
pub(crate) fn fill_segment_ids<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    mut out: PyReadwriteArray2<'py, i32>,
) -> PyResult<()> {
    let (width, out) = (out.shape()[1], out.as_slice_mut()?);
    layout.detached(py, width, |layout| layout.segment_ids(out))
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
pub(crate) fn fill_labels<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    input_ids: IdsIn<'py>,
    mut out: PyReadwriteArray2<'py, i64>,
) -> PyResult<()> {
    let (width, out) = (out.shape()[1], out.as_slice_mut()?);
    match input_ids {
        IdsIn::Uint32(ids) => labels_of(py, &layout, width, ids.as_slice()?, out),
        IdsIn::Int32(ids) => labels_of(py, &layout, width, ids.as_slice()?, out),
        IdsIn::Int64(ids) => labels_of(py, &layout, width, ids.as_slice()?, out),
    }
}

fn labels_of<T: Copy + Send + Sync + Into<i64>>(
    py: Python<'_>,
    layout: &LayoutAttributes<'_>,
    width: usize,
    input_ids: &[T],
    out: &mut [i64],
) -> PyResult<()> {
    layout.detached(py, width, |layout| layout.labels(input_ids, out))
}
