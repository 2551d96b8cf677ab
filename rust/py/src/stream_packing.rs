//! `_rust.StreamPacker`: documents that are packed while they come, for `portmanteau.packing.stream`.

use crate::errors::{detached, exception, IntoException};
use crate::packing::OptionItems;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use portmanteau_pack::{StreamPacker, Streamed, Waiting};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a stream is packed by, beside the options of `pack`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct StreamItems {
    most_tokens: u64,
    seed: Option<u64>,
}

/// Pieces that wait, as arrays.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct WaitingArrays<'py> {
    document: PyReadonlyArray1<'py, u64>,
    start: PyReadonlyArray1<'py, u32>,
    length: PyReadonlyArray1<'py, u32>,
}

impl WaitingArrays<'_> {
    fn pieces(&self) -> PyResult<Vec<Waiting>> {
        let (document, start) = (self.document.as_slice()?, self.start.as_slice()?);
        let pieces = document.iter().zip(start).zip(self.length.as_slice()?);
        Ok(pieces.map(|((&document, &start), &length)| Waiting { document, start, length }).collect())
    }
}

/// A stream of documents, of which it sees the lengths.
#[pyclass(module = "portmanteau._rust", name = "StreamPacker")]
pub(crate) struct PyStreamPacker(StreamPacker);

#[pymethods]
impl PyStreamPacker {
    /// An empty stream, or one as it was after `n_documents`, with what waited then.
    #[new]
    #[pyo3(signature = (options, stream, n_documents = 0, waiting = None))]
    fn new(
        py: Python<'_>,
        options: OptionItems,
        stream: StreamItems,
        n_documents: u64,
        waiting: Option<WaitingArrays<'_>>,
    ) -> PyResult<Self> {
        let waiting = waiting.map_or(Ok(Vec::new()), |arrays| arrays.pieces())?;
        let packer = options.parse().and_then(|pack| {
            let packer = StreamPacker::resume(pack, stream.most_tokens, n_documents, &waiting)?;
            Ok(match stream.seed {
                Some(seed) => packer.shuffled(seed),
                None => packer,
            })
        });
        packer.map(Self).map_err(|error| error.into_exception(py))
    }

    /// Adds documents; gives the arrays of the sequences that leave, by name. An error leaves the stream as it was.
    fn push<'py>(
        &mut self,
        py: Python<'py>,
        lengths: PyReadonlyArray1<'py, u32>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let lengths = lengths.as_slice()?;
        let packer = &mut self.0;
        let left = detached(py, || {
            let mut left = Streamed::default();
            packer.push(lengths, &mut left).map(|()| left)
        })?;
        arrays(py, left)
    }

    /// Gives all that waits.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let mut left = Streamed::default();
        self.0.finish(&mut left);
        arrays(py, left)
    }

    fn n_documents(&self) -> u64 {
        self.0.n_documents()
    }

    /// The pieces that wait, as arrays by name.
    fn waiting<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        waiting_arrays(py, self.0.waiting())
    }
}

fn arrays(py: Python<'_>, left: Streamed) -> PyResult<Bound<'_, PyDict>> {
    let offsets: Vec<i64> = [0].into_iter().chain(left.sequence_ends).map(u64::cast_signed).collect();
    let by_name = PyDict::new(py);
    by_name.set_item("document", left.document.into_pyarray(py))?;
    by_name.set_item("start", left.start.into_pyarray(py))?;
    by_name.set_item("length", left.length.into_pyarray(py))?;
    by_name.set_item("sequence_offsets", offsets.into_pyarray(py))?;
    by_name.set_item("dropped", waiting_arrays(py, left.dropped.into_iter())?)?;
    Ok(by_name)
}

fn waiting_arrays(py: Python<'_>, pieces: impl Iterator<Item = Waiting>) -> PyResult<Bound<'_, PyDict>> {
    let pieces: Vec<Waiting> = pieces.collect();
    let column = |value: fn(&Waiting) -> u32| -> Vec<u32> { pieces.iter().map(value).collect() };
    let document: Vec<u64> = pieces.iter().map(|piece| piece.document).collect();
    let by_name = PyDict::new(py);
    by_name.set_item("document", document.into_pyarray(py))?;
    by_name.set_item("start", column(|piece| piece.start).into_pyarray(py))?;
    by_name.set_item("length", column(|piece| piece.length).into_pyarray(py))?;
    Ok(by_name)
}

/// The ids of some documents of a batch, one after the other.
#[pyfunction]
pub(crate) fn take_documents<'py>(
    py: Python<'py>,
    ids: PyReadonlyArray1<'py, u32>,
    offsets: PyReadonlyArray1<'py, i64>,
    documents: PyReadonlyArray1<'py, i64>,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let (ids, offsets) = (ids.as_slice()?, offsets.as_slice()?);
    let mut taken = Vec::new();
    for &document in documents.as_slice()? {
        let of_document = usize::try_from(document).ok().and_then(|document| {
            let bound = |index: usize| usize::try_from(*offsets.get(index)?).ok();
            ids.get(bound(document)?..bound(document + 1)?)
        });
        let message = "a document that waits is not in the batch";
        taken.extend_from_slice(of_document.ok_or_else(|| exception(py, "InternalError", message, &[]))?);
    }
    Ok(taken.into_pyarray(py))
}
