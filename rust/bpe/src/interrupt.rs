//! Stopping work from another thread.

use crate::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Stops the work that it was given to, from any thread. Clones are the same interrupt.
///
/// ```
/// use portmanteau_bpe::Interrupt;
/// let interrupt = Interrupt::default();
/// assert!(!interrupt.is_set());
/// interrupt.clone().set();
/// assert!(interrupt.is_set());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Stops the work, for good.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work is to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error, if the work is to stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_set() {
            return Err(Error::new(ErrorKind::Interrupted, "the work was interrupted"));
        }
        Ok(())
    }
}
