//! How much memory training may take, and what it is for.
//!
//! Counts are in memory while text is read, at most a quarter for each stage. When a stage is trained, the text as tokens
//! takes up to a quarter, counters of pairs an eighth, and the merge loop up to a half, which is not needed before the
//! counters are gone; what is left over is the caller's, the encoder's and the threads'.

use std::path::{Path, PathBuf};

use super::token_store::TokenStore;

/// Without so many bytes for pieces nothing can be trained.
const LEAST_PIECES: usize = 1 << 20;

/// The memory that training may take, and the folder for what does not fit.
///
/// ```
/// use portmanteau_bpe::train::Memory;
/// let memory = Memory::new(4 << 30, &std::env::temp_dir());
/// assert_eq!(memory.for_counts(), 1 << 30);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    bytes: usize,
    folder: PathBuf,
}

impl Default for Memory {
    /// As much as there is.
    fn default() -> Self {
        Self::new(usize::MAX, &std::env::temp_dir())
    }
}

impl Memory {
    /// About `bytes` of memory. What does not fit goes to temporary files in `folder`.
    pub fn new(bytes: usize, folder: &Path) -> Self {
        Self { bytes, folder: folder.to_owned() }
    }

    /// The folder for temporary files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        self.bytes == usize::MAX
    }

    /// What the units of one stage may take, in bytes: for [`super::Counter::with_memory_limit`].
    pub fn for_counts(&self) -> usize {
        self.bytes / 4
    }

    /// What the merge loop may take, in bytes.
    pub(super) fn for_merging(&self) -> usize {
        self.bytes / 2
    }

    /// What the pieces of a text that was cut may take, in bytes, before they are what the merge loop works on.
    pub(super) fn for_pieces(&self) -> usize {
        (self.bytes / 4).max(LEAST_PIECES)
    }

    /// What counters of pairs may take, in bytes.
    pub(super) fn for_counters(&self) -> usize {
        self.bytes / 8
    }

    /// An empty store for a text as tokens.
    pub(super) fn new_store(&self) -> TokenStore {
        TokenStore::new(self.bytes / 4, &self.folder)
    }
}
