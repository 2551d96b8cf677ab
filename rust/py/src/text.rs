//! Python text → borrowed UTF-8: the one place that touches Python strings.
//!
//! `str` lends its UTF-8 without a copy (CPython keeps it with the object), `bytes` lend themselves after a check.

use crate::errors::exception;
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};

/// A text that Python owns.
pub(crate) enum Text {
    Str(PyBackedStr),
    Bytes(PyBackedBytes),
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        match self {
            Self::Str(text) => text,
            // Checked when it was made; an empty text stands for what cannot happen.
            Self::Bytes(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        }
    }
}

impl Text {
    /// Borrows a `str` or `bytes`.
    ///
    /// # Errors
    /// `EncodingError` for another type, a lone surrogate or invalid UTF-8, with the document and the byte offset.
    pub(crate) fn from_python(object: &Bound<'_, PyAny>, document: Option<u64>) -> PyResult<Self> {
        let py = object.py();
        let refuse = |message: String, offset: Option<u64>| {
            let place = document.map(|document| format!("document {document}: ")).unwrap_or_default();
            let fields = [("document", document), ("offset", offset)];
            exception(py, "EncodingError", &format!("{place}{message}"), &fields)
        };
        if let Ok(string) = object.cast::<PyString>() {
            return match PyBackedStr::try_from(string.clone()) {
                Ok(text) => Ok(Self::Str(text)),
                Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => {
                    let start: usize = error.value(py).getattr("start")?.extract()?;
                    let before = string.call_method1(
                        "__getitem__",
                        (pyo3::types::PySlice::new(py, 0, start as isize, 1),),
                    )?;
                    let offset = before.extract::<PyBackedStr>()?.len() as u64;
                    let message = format!(
                        "the str has a lone surrogate at character {start} (byte {offset}), which UTF-8 cannot \
                         express; replace it first: text.encode('utf-8', 'replace')"
                    );
                    Err(refuse(message, Some(offset)))
                }
                Err(error) => Err(error),
            };
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            let bytes = PyBackedBytes::from(bytes.clone());
            if let Err(error) = std::str::from_utf8(&bytes) {
                let offset = error.valid_up_to();
                let message = format!(
                    "the bytes are not UTF-8 at byte {offset} (0x{:02x}); decode them first, for example \
                     data.decode('utf-8', 'replace')",
                    bytes[offset]
                );
                return Err(refuse(message, Some(offset as u64)));
            }
            return Ok(Self::Bytes(bytes));
        }
        let type_name = object.get_type().qualname()?;
        Err(refuse(
            format!("expected str or bytes, got {type_name}; remove or convert such rows first"),
            None,
        ))
    }

    /// Borrows every text of an iterable.
    ///
    /// # Errors
    /// As [`Text::from_python`], and what the iterable raises.
    pub(crate) fn from_iterable(documents: &Bound<'_, PyAny>) -> PyResult<Vec<Self>> {
        let numbered = documents.try_iter()?.enumerate();
        numbered.map(|(index, document)| Self::from_python(&document?, Some(index as u64))).collect()
    }
}

/// Cuts a chunk of an Arrow-style string column (`data` with `documents + 1` offsets) into texts, which are appended to
/// `texts`: those of the chunks before it.
///
/// # Errors
/// `EncodingError` for offsets that descend or leave the data, and for invalid UTF-8, with the document.
pub(crate) fn cut_chunk<'d>(
    py: Python<'_>,
    data: &'d [u8],
    offsets: &[i64],
    texts: &mut Vec<&'d str>,
) -> PyResult<()> {
    for pair in offsets.windows(2) {
        let document = texts.len();
        let refuse = |message: &str, offset: Option<u64>| {
            let fields = [("document", Some(document as u64)), ("offset", offset)];
            exception(py, "EncodingError", &format!("document {document}: {message}"), &fields)
        };
        let range = usize::try_from(pair[0]).ok().zip(usize::try_from(pair[1]).ok());
        let bytes = range
            .and_then(|(start, end)| data.get(start..end))
            .ok_or_else(|| refuse("the offsets of the column leave its data", None))?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            refuse(
                &format!("the text is not UTF-8 at byte {offset}; clean the column first"),
                Some(offset as u64),
            )
        })?;
        texts.push(text);
    }
    Ok(())
}
