//! `portmanteau._rust.balance_*`: work shared out among ranks, for `portmanteau.packing.balancing`.

use crate::errors::detached;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use portmanteau_pack::{balance, Balancing, Error};
use pyo3::prelude::*;

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
