//! `_rust.TokenStream`: a text that is encoded while it comes.

use crate::errors::exception;
use crate::signals::interruptible;
use crate::text::Text;
use crate::tokenizer::{PyTokenizer, SpecialArgument};
use numpy::{IntoPyArray, PyArray1};
use portmanteau_bpe::Streaming;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::{Mutex, MutexGuard};

/// Text that is encoded, in a small part of a second, before Python hears signals again.
const ROUND_BYTES: usize = 1 << 20;

/// One text, chunk by chunk.
#[pyclass(frozen, module = "portmanteau._rust", name = "TokenStream")]
pub(crate) struct PyTokenStream {
    tokenizer: Py<PyTokenizer>,
    /// Only ever locked with `try_lock`: two threads cannot feed one text.
    state: Mutex<State>,
}

enum State {
    Open(Box<Streaming>),
    Finished,
    Failed,
}

impl PyTokenStream {
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, State>> {
        self.state.try_lock().map_err(|_| {
            let message =
                "another thread is using this stream; a stream is one text, fed by one thread at a time";
            exception(py, "EncodingError", message, &[])
        })
    }
}

fn not_open(py: Python<'_>, state: &State) -> PyErr {
    let message = match state {
        State::Failed => {
            "this stream ended with an error or an interrupt; begin the text again in another stream: tokenizer.streaming()"
        }
        _ => "this stream is finished; begin the next text in another stream: tokenizer.streaming()",
    };
    exception(py, "EncodingError", message, &[])
}

/// A chunk of text that Python owns.
enum Chunk {
    Text(Text),
    Bytes(PyBackedBytes),
}

impl Chunk {
    /// Borrows a `str`, or `bytes` that may end within a character. The chunk begins at byte `start` of the stream.
    fn from_python(object: &Bound<'_, PyAny>, start: usize) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(PyBackedBytes::from(bytes.clone())));
        }
        let py = object.py();
        Text::from_python(object, None).map(Self::Text).map_err(|error| {
            let value = error.value(py);
            let offset = value.getattr("offset").and_then(|offset| offset.extract::<u64>()).ok();
            let message = format!("in the chunk at byte {start} of the stream: {value}");
            exception(
                py,
                "EncodingError",
                &message,
                &[("offset", offset.map(|offset| offset + start as u64))],
            )
        })
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_ref().as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

#[pymethods]
impl PyTokenStream {
    #[new]
    fn new(tokenizer: Py<PyTokenizer>, special: SpecialArgument) -> Self {
        let streaming = Streaming::new(tokenizer.get().shared(), special.into_policy());
        Self { tokenizer, state: Mutex::new(State::Open(streaming.into())) }
    }

    /// The ids that are certain after this chunk.
    fn feed<'py>(&self, chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let py = chunk.py();
        let mut state = self.lock(py)?;
        let State::Open(streaming) = &mut *state else { return Err(not_open(py, &state)) };
        let chunk = Chunk::from_python(chunk, streaming.n_bytes())?;
        let mut ids = Vec::new();
        for round in chunk.as_bytes().chunks(ROUND_BYTES) {
            let tokenizer = self.tokenizer.get().shared();
            let fed = interruptible(py, round.len(), |interrupt| {
                tokenizer.with_scratch(interrupt, |scratch| streaming.feed(round, scratch, &mut ids))
            });
            if let Err(error) = fed.and_then(|()| py.check_signals()) {
                *state = State::Failed;
                return Err(error);
            }
        }
        Ok(ids.into_pyarray(py))
    }

    /// The last ids.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let mut state = self.lock(py)?;
        let streaming = match std::mem::replace(&mut *state, State::Finished) {
            State::Open(streaming) => streaming,
            other => {
                *state = other;
                return Err(not_open(py, &state));
            }
        };
        let mut ids = Vec::new();
        let tokenizer = self.tokenizer.get().shared();
        let finished = interruptible(py, streaming.n_bytes(), |interrupt| {
            tokenizer.with_scratch(interrupt, |scratch| streaming.finish(scratch, &mut ids))
        });
        if let Err(error) = finished {
            *state = State::Failed;
            return Err(error);
        }
        Ok(ids.into_pyarray(py))
    }

    /// Ends the stream without its last ids, and says whether text was fed that has none yet.
    fn close(&self, py: Python<'_>) -> PyResult<bool> {
        let mut state = self.lock(py)?;
        let left = matches!(&*state, State::Open(streaming) if streaming.n_bytes() > 0);
        if matches!(*state, State::Open(_)) {
            *state = State::Finished;
        }
        Ok(left)
    }
}
