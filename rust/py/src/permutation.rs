//! `portmanteau._rust.permute`: a shuffled order that needs no memory.

use crate::errors::exception;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use portmanteau_pack::Permutation;
use pyo3::prelude::*;

/// Which of `n` items stand at these places in the order of an epoch.
#[pyfunction]
pub(crate) fn permute<'py>(
    py: Python<'py>,
    places: PyReadonlyArray1<'py, i64>,
    n: u64,
    seed: u64,
    epoch: u64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let permutation = Permutation::new(n, seed, epoch);
    let items = places.as_slice()?.iter().map(|&place| {
        let item = u64::try_from(place).ok().and_then(|place| permutation.get(place));
        let message = || format!("there is no place {place} among {n}");
        item.map(u64::cast_signed).ok_or_else(|| exception(py, "InternalError", &message(), &[]))
    });
    Ok(items.collect::<PyResult<Vec<i64>>>()?.into_pyarray(py))
}
