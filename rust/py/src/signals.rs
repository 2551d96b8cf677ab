//! Long work that Ctrl-C stops at once.
//!
//! Python runs signal handlers on its main thread only, when that asks. So the work goes on on a thread of its own, and
//! the calling thread waits for it and asks.

use crate::errors::{detached, Stop};
use portmanteau_bpe::{Error, Interrupt};
use pyo3::prelude::*;
use std::panic::resume_unwind;
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread::{scope, Builder};
use std::time::Duration;

/// Time between two looks at the signals.
const PERIOD: Duration = Duration::from_millis(50);

/// Work on less text is done before anybody notices, and is not worth a thread.
const SHORT_WORK_BYTES: usize = 256 << 10;

/// Runs `work` on `n_bytes` of text with the GIL released. The interrupt that it is given is set when a signal handler has
/// raised an exception, which is raised here as soon as `work` returns.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    n_bytes: usize,
    work: impl FnOnce(&Interrupt) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let interrupt = Interrupt::default();
    if n_bytes < SHORT_WORK_BYTES {
        return detached(py, || work(&interrupt));
    }
    detached(py, || {
        scope(|scope| {
            // Closed when the work is done, or has panicked.
            let (done, news) = channel::<()>();
            let interrupt = &interrupt;
            let worker = Builder::new()
                .spawn_scoped(scope, move || {
                    let _done = done;
                    work(interrupt)
                })
                .map_err(|error| Stop::Raised(error.into()))?;
            let mut raised = None;
            while raised.is_none() && news.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                raised = Python::attach(|py| py.check_signals().err());
            }
            if raised.is_some() {
                interrupt.set();
            }
            let result = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            match raised {
                Some(raised) => Err(Stop::Raised(raised)),
                None => result.map_err(Stop::Ours),
            }
        })
    })
}
