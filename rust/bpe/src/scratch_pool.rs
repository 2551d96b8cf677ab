//! Scratch memory that is kept warm between calls.
//!
//! Nobody ever waits for a lock here: one that another thread held during `fork` stays locked in the child, where its
//! place is passed over.

use crate::{Interrupt, Scratch};
use std::sync::Mutex;

/// At most so many are kept.
const MOST_KEPT: usize = 32;

/// Scratch memory of one tokenizer that nobody uses at the moment.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    places: [Mutex<Option<Box<Scratch>>>; MOST_KEPT],
}

impl ScratchPool {
    /// Takes one that is warm, or a new one, for work that `interrupt` stops.
    pub(crate) fn take(&self, interrupt: &Interrupt) -> Box<Scratch> {
        let mut open = self.places.iter().filter_map(|place| place.try_lock().ok());
        let mut scratch = open.find_map(|mut place| place.take()).unwrap_or_default();
        scratch.listen_to(interrupt);
        scratch
    }

    /// Keeps one for the next call, if there is room.
    pub(crate) fn give_back(&self, scratch: Box<Scratch>) {
        let mut open = self.places.iter().filter_map(|place| place.try_lock().ok());
        if let Some(mut place) = open.find(|place| place.is_none()) {
            *place = Some(scratch);
        }
    }
}
