//! The extension module `portmanteau._rust`: converts between Python and the library crates, and maps errors.

mod errors;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _rust {}
