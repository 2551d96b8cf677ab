//! Python text → borrowed UTF-8: the one place that touches Python strings.
//!
//! `str` lends its UTF-8 without a copy (CPython keeps it with the object), `bytes` lend themselves after a check.

use crate::errors::exception;
use crate::signals::interruptible;
use numpy::PyReadonlyArray1;
use portmanteau_bpe::parallel::{map_ranges, split_by_weight};
use portmanteau_bpe::{Error, ErrorKind};
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};
use std::ops::Range;

/// So many documents are borrowed between two looks at the signals.
const DOCUMENTS_PER_LOOK: usize = 1 << 16;

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

    /// The texts themselves, once and for all: `bytes` are checked each time that they are asked for their text.
    pub(crate) fn borrowed(texts: &[Self]) -> Vec<&str> {
        texts.iter().map(Self::as_ref).collect()
    }

    /// Borrows every text of an iterable.
    ///
    /// # Errors
    /// As [`Text::from_python`], and what the iterable raises.
    pub(crate) fn from_iterable(documents: &Bound<'_, PyAny>) -> PyResult<Vec<Self>> {
        let mut texts = Vec::with_capacity(documents.len().unwrap_or(0));
        for (index, document) in documents.try_iter()?.enumerate() {
            if index % DOCUMENTS_PER_LOOK == DOCUMENTS_PER_LOOK - 1 {
                documents.py().check_signals()?;
            }
            texts.push(Self::from_python(&document?, Some(index as u64))?);
        }
        Ok(texts)
    }
}

/// A chunk of an Arrow-style string column: the text of all documents, and where each begins and ends.
pub(crate) type Chunk<'py> = (PyReadonlyArray1<'py, u8>, PyReadonlyArray1<'py, i64>);

/// The texts of a string column, which are checked on `threads` threads.
///
/// # Errors
/// `EncodingError` for offsets that descend or leave the data, and for invalid UTF-8, with the document.
pub(crate) fn texts_of_column<'c>(
    py: Python<'_>,
    chunks: &'c [Chunk<'_>],
    threads: usize,
) -> PyResult<Vec<&'c str>> {
    let mut texts = Vec::new();
    for (data, offsets) in chunks {
        let (data, offsets, before) = (data.as_slice()?, offsets.as_slice()?, texts.len() as u64);
        let n_documents = offsets.len().saturating_sub(1);
        let weights = offsets.windows(2).map(|pair| usize::try_from(pair[1] - pair[0]).unwrap_or(0));
        let parts = interruptible(py, data.len(), |interrupt| {
            let cut = |documents: Range<usize>| -> Result<Vec<&str>, Error> {
                let cut_one = |document: usize| {
                    if interrupt.is_set() {
                        return Err(Error::new(ErrorKind::Interrupted, "reading the column was stopped"));
                    }
                    document_of(data, offsets[document], offsets[document + 1])
                        .map_err(|error| error.in_document(before + document as u64))
                };
                documents.map(cut_one).collect()
            };
            map_ranges(&split_by_weight(weights, threads), cut).into_iter().collect::<Result<Vec<_>, _>>()
        })?;
        texts.reserve(n_documents);
        texts.extend(parts.into_iter().flatten());
    }
    Ok(texts)
}

fn document_of(data: &[u8], start: i64, end: i64) -> Result<&str, Error> {
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let bytes = range
        .and_then(|(start, end)| data.get(start..end))
        .ok_or_else(|| Error::new(ErrorKind::Text, "the offsets of the column leave its data"))?;
    std::str::from_utf8(bytes).map_err(|error| {
        Error::new(ErrorKind::Text, "the text is not UTF-8; clean the column first")
            .at_offset(error.valid_up_to() as u64)
    })
}
