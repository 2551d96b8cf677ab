//! `portmanteau._rust.fill_*`: the arrays that a plan makes of ids, written into `NumPy` arrays of the caller's. The pieces
//! are attributes of a Python object; the crate checks them before it follows an index.

use crate::errors::{detached, exception};
use crate::packing::{FormatAttributes, PieceAttributes};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadwriteArray2, PyUntypedArrayMethods,
};
use portmanteau_pack::{Documents, FillIds, IdOut, Layout, Shard};
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

/// Shards of documents: the number of the first document, the values of all tokens, the offsets of documents.
type ShardArrays<'py> = Vec<(u32, Bound<'py, PyAny>, PyReadonlyArray1<'py, i64>)>;

/// Fills `out`, `uint32`, `int32` or `int64`, with the ids of every position; those of documents are `uint32` or `uint16`,
/// the same in all shards.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the batch and the ids that fill what it does not")]
pub(crate) fn fill_input_ids<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    shards: ShardArrays<'py>,
    planned_lengths: PyReadonlyArray1<'py, u32>,
    pad_id: u32,
    bos_id: Option<u32>,
    eos_id: Option<u32>,
    out: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let gathering = Gathering {
        layout: &layout,
        planned_lengths: planned_lengths.as_slice()?,
        fill: FillIds { pad: pad_id, bos: bos_id, eos: eos_id },
    };
    // A cast that fails is cheap; the conversion of an argument to an enum of arrays would make an error of each.
    if shards.first().is_some_and(|(_, ids, _)| ids.cast::<PyArray1<u16>>().is_ok()) {
        return gathering.run::<u16>(py, &shards, out);
    }
    gathering.run::<u32>(py, &shards, out)
}

/// Borrows the values of shards while `work` goes on.
fn with_shards<T: Element, R>(
    shards: &ShardArrays<'_>,
    work: impl FnOnce(Vec<Shard<'_, T>>) -> PyResult<R>,
) -> PyResult<R> {
    let values: Vec<PyReadonlyArray1<'_, T>> = shards
        .iter()
        .map(|(_, values, _)| Ok(values.cast::<PyArray1<T>>()?.try_readonly()?))
        .collect::<PyResult<_>>()?;
    let borrowed = shards.iter().zip(&values).map(|((first_document, _, offsets), values)| {
        let (values, offsets) = (values.as_slice()?, offsets.as_slice()?);
        Ok(Shard { first_document: *first_document, values, offsets })
    });
    work(borrowed.collect::<PyResult<_>>()?)
}

/// Ids of documents on their way into rows.
struct Gathering<'a, 'py> {
    layout: &'a LayoutAttributes<'py>,
    planned_lengths: &'a [u32],
    fill: FillIds,
}

impl Gathering<'_, '_> {
    fn run<Id: Copy + Into<u32> + Sync + Element>(
        &self,
        py: Python<'_>,
        shards: &ShardArrays<'_>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if let Ok(out) = out.cast::<PyArray2<i64>>() {
            self.write::<Id, i64>(py, shards, out)
        } else if let Ok(out) = out.cast::<PyArray2<i32>>() {
            self.write::<Id, i32>(py, shards, out)
        } else {
            self.write::<Id, u32>(py, shards, out.cast::<PyArray2<u32>>()?)
        }
    }

    fn write<Id: Copy + Into<u32> + Sync + Element, T: IdOut + Send + Element>(
        &self,
        py: Python<'_>,
        shards: &ShardArrays<'_>,
        out: &Bound<'_, PyArray2<T>>,
    ) -> PyResult<()> {
        let (width, mut out) = (out.shape()[1], out.try_readwrite()?);
        let out = out.as_slice_mut()?;
        let Self { layout, planned_lengths, fill } = *self;
        with_shards::<Id, _>(shards, |shards| {
            layout.detached(py, width, |layout| {
                layout.input_ids(&Documents::in_shards(shards)?, planned_lengths, fill, out)
            })
        })
    }
}

/// Fills `out` with values that lie beside the ids, as bits: `uint8`, `uint16`, `uint32` or `uint64` in shards and in `out`.
#[pyfunction]
pub(crate) fn fill_values<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    shards: ShardArrays<'py>,
    planned_lengths: PyReadonlyArray1<'py, u32>,
    around: u64,
    pad: u64,
    out: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let beside = Beside { layout: &layout, planned_lengths: planned_lengths.as_slice()?, around, pad };
    if let Ok(out) = out.cast::<PyArray2<u8>>() {
        beside.write(py, &shards, out)
    } else if let Ok(out) = out.cast::<PyArray2<u16>>() {
        beside.write(py, &shards, out)
    } else if let Ok(out) = out.cast::<PyArray2<u32>>() {
        beside.write(py, &shards, out)
    } else {
        beside.write(py, &shards, out.cast::<PyArray2<u64>>()?)
    }
}

/// Values beside the ids on their way into rows.
struct Beside<'a, 'py> {
    layout: &'a LayoutAttributes<'py>,
    planned_lengths: &'a [u32],
    around: u64,
    pad: u64,
}

impl Beside<'_, '_> {
    fn write<T: Copy + Send + Sync + Element + TryFrom<u64, Error: std::fmt::Debug> + Default>(
        &self,
        py: Python<'_>,
        shards: &ShardArrays<'_>,
        out: &Bound<'_, PyArray2<T>>,
    ) -> PyResult<()> {
        let (width, mut out) = (out.shape()[1], out.try_readwrite()?);
        let out = out.as_slice_mut()?;
        let Self { layout, planned_lengths, .. } = *self;
        let fits = "a value for what is no token does not fit the dtype";
        let bits = |value| T::try_from(value).map_err(|_| exception(py, "PackingError", fits, &[]));
        let (around, pad) = (bits(self.around)?, bits(self.pad)?);
        with_shards::<T, _>(shards, |shards| {
            layout.detached(py, width, |layout| {
                layout.values(&Documents::in_shards(shards)?, planned_lengths, around, pad, out)
            })
        })
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

/// Fills `out` with labels; `input_ids` are `uint32`, `int32` or `int64`.
#[pyfunction]
pub(crate) fn fill_labels<'py>(
    py: Python<'py>,
    layout: LayoutAttributes<'py>,
    input_ids: &Bound<'py, PyAny>,
    mut out: PyReadwriteArray2<'py, i64>,
) -> PyResult<()> {
    let (width, out) = (out.shape()[1], out.as_slice_mut()?);
    if let Ok(ids) = input_ids.cast::<PyArray2<i64>>() {
        labels_of(py, &layout, width, ids.try_readonly()?.as_slice()?, out)
    } else if let Ok(ids) = input_ids.cast::<PyArray2<i32>>() {
        labels_of(py, &layout, width, ids.try_readonly()?.as_slice()?, out)
    } else {
        let ids = input_ids.cast::<PyArray2<u32>>()?.try_readonly()?;
        labels_of(py, &layout, width, ids.as_slice()?, out)
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
