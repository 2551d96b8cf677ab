//! The extension module `portmanteau._rust`: converts between Python and the library crates, and maps errors.

// Arguments that Python hands over are extracted values; a function that only reads them still takes them so.
#![allow(clippy::needless_pass_by_value)]

mod balancing;
mod errors;
mod layout;
mod packing;
mod permutation;
mod signals;
mod stream_packing;
mod streaming;
mod text;
mod tokenizer;
mod training;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _rust {
    #[pymodule_export]
    #[allow(non_upper_case_globals)] // the name that Python expects
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::tokenizer::{named_pretokenizers, PyTokenizer};

    #[pymodule_export]
    use crate::balancing::{balance_items, balance_rows};

    #[pymodule_export]
    use crate::layout::{fill_input_ids, fill_labels, fill_position_ids, fill_segment_ids, fill_values};

    #[pymodule_export]
    use crate::packing::{pack_histogram, pack_merge, pack_plan, pack_take, pack_verify};

    #[pymodule_export]
    use crate::permutation::permute;

    #[pymodule_export]
    use crate::stream_packing::{take_documents, PyStreamPacker};

    #[pymodule_export]
    use crate::streaming::PyTokenStream;

    #[pymodule_export]
    use crate::training::PyTrainer;
}
