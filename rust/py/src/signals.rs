//! Long work that Ctrl-C stops at once.
//!
//! Python runs signal handlers on its main thread only, when that asks. So the work goes on on a thread of its own, and
//! the calling thread waits for it and asks.

use crate::errors::{detached, Stop};
use portmanteau_bpe::Error;
use pyo3::prelude::*;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread::{scope, Builder};
use std::time::Duration;

/// Time between two looks at the signals.
const PERIOD: Duration = Duration::from_millis(50);

/// Work on less text is done before anybody notices, and is not worth a thread.
const SHORT_WORK_BYTES: usize = 256 << 10;

/// Runs `work` on `n_bytes` of text with the GIL released. It must return soon after the function that it is given says
/// so: a signal handler has raised an exception, which is raised here then.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    n_bytes: usize,
    work: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> Result<T, Error> + Send,
) -> PyResult<T> {
    if n_bytes < SHORT_WORK_BYTES {
        return detached(py, || work(&|| false));
    }
    let interrupted = AtomicBool::new(false);
    detached(py, || {
        scope(|scope| {
            // Closed when the work is done, or has panicked.
            let (done, news) = channel::<()>();
            let interrupted = &interrupted;
            let worker = Builder::new()
                .spawn_scoped(scope, move || {
                    let _done = done;
                    work(&|| interrupted.load(Ordering::Relaxed))
                })
                .map_err(|error| Stop::Raised(error.into()))?;
            let mut raised = None;
            while raised.is_none() && news.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                raised = Python::attach(|py| py.check_signals().err());
                interrupted.store(raised.is_some(), Ordering::Relaxed);
            }
            let result = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            match raised {
                Some(raised) => Err(Stop::Raised(raised)),
                None => result.map_err(Stop::Ours),
            }
        })
    })
}
