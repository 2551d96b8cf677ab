//! Errors of the library crates become the exceptions of `portmanteau.errors`, with their fields; a panic becomes
//! `portmanteau.InternalError`, never a `PanicException` that `except Exception` would miss.

use portmanteau_bpe::{Error as BpeError, ErrorKind};
use pyo3::prelude::*;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Builds an exception of class `portmanteau.errors.<class_name>` with integer attributes set on it.
pub(crate) fn exception(
    py: Python<'_>,
    class_name: &str,
    message: &str,
    fields: &[(&str, Option<u64>)],
) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let class = py.import("portmanteau.errors")?.getattr(class_name)?;
        let value = class.call1((message,))?;
        for (name, field) in fields {
            if let Some(field) = field {
                value.setattr(*name, *field)?;
            }
        }
        Ok(PyErr::from_value(value))
    };
    build().unwrap_or_else(|error| error)
}

/// A library error that knows how to become an exception.
pub(crate) trait IntoException: Send {
    /// The exception to raise.
    fn into_exception(self, py: Python<'_>) -> PyErr;
}

impl IntoException for BpeError {
    fn into_exception(self, py: Python<'_>) -> PyErr {
        let class_name = match self.kind() {
            ErrorKind::Vocabulary => "VocabularyError",
            ErrorKind::Unsupported => "UnsupportedError",
            ErrorKind::Pattern => "PatternError",
            ErrorKind::Text => "EncodingError",
            ErrorKind::TokenId => "DecodingError",
            ErrorKind::Training => "TrainingError",
            ErrorKind::File => "FileError",
            _ => "InternalError",
        };
        let fields = [
            ("token_id", self.token_id().map(u64::from)),
            ("offset", self.offset()),
            ("line", self.line()),
            ("document", self.document()),
        ];
        exception(py, class_name, &self.to_string(), &fields)
    }
}

/// A [`PyErr`] raised inside a detached section (an interrupt) passes through unchanged.
impl IntoException for PyErr {
    fn into_exception(self, _py: Python<'_>) -> PyErr {
        self
    }
}

/// Runs `work` with the GIL released and turns its error, or a panic, into an exception.
pub(crate) fn detached<T: Send, E: IntoException>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> PyResult<T> {
    let outcome = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    match outcome {
        Ok(result) => result.map_err(|error| error.into_exception(py)),
        Err(panic) => {
            let cause = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            let message = format!("this is a bug in portmanteau, please report it with the input: {cause}");
            Err(exception(py, "InternalError", &message, &[]))
        }
    }
}

/// What stopped long work: an error of ours, or an exception that a signal handler or a callback raised.
pub(crate) enum Stop {
    Ours(BpeError),
    Raised(PyErr),
}

impl IntoException for Stop {
    fn into_exception(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Ours(error) => error.into_exception(py),
            Self::Raised(error) => error,
        }
    }
}
