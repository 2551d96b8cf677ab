//! Runs: entries in a file, which are read from its start to its end in every pass.
//!
//! A run of its own is a temporary file that grows whenever memory is full. Nothing is sorted and nothing is looked up: a
//! unit may be in a run many times, and those who read it add the counts up.

use super::entries::{read_entry, Block, Start, BLOCK_BYTES};
use super::{Units, Watch};
use crate::train::temporary_file::{file_error, TemporaryFile};
use crate::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Entries in a file that does not change any more.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) path: PathBuf,
    /// Where the entries begin, and their bytes.
    pub(super) start: u64,
    pub(super) n_bytes: u64,
    /// How often each count counts.
    multiplier: u64,
    /// What must not be removed as long as the run is there.
    _temporary: Option<Arc<TemporaryFile>>,
}

impl Run {
    /// A part of a file, whose counts are multiplied.
    pub(super) fn of_file(path: &Path, start: u64, n_bytes: u64, multiplier: u64) -> Self {
        Self { path: path.to_owned(), start, n_bytes, multiplier, _temporary: None }
    }

    /// Its entries, from the first.
    pub(super) fn blocks(&self) -> Result<RunBlocks, Error> {
        let open = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.start))?;
            Ok(file)
        };
        let file = open().map_err(|error: std::io::Error| self.cannot_read(&error))?;
        Ok(RunBlocks { run: self.clone(), file, n_left: self.n_bytes, pending: Vec::new() })
    }

    fn cannot_read(&self, error: &std::io::Error) -> Error {
        file_error(&self.path, format!("cannot be read ({error})"))
    }
}

/// A run that grows.
#[derive(Debug)]
pub(super) struct GrowingRun {
    file: TemporaryFile,
    n_bytes: u64,
}

impl GrowingRun {
    /// An empty one, with its file in `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self, Error> {
        Ok(Self { file: TemporaryFile::new(folder, "portmanteau-counts")?, n_bytes: 0 })
    }

    /// Appends units; `done` of the work that is watched is done.
    pub(super) fn append(&mut self, units: &Units, done: u64, watch: &mut Watch<'_>) -> Result<(), Error> {
        for block in units.blocks() {
            self.file.write(&block.bytes())?;
            self.n_bytes += block.n_bytes();
            watch.look(done)?;
        }
        Ok(())
    }

    /// What was appended.
    pub(super) fn into_run(self) -> Run {
        let Self { file, n_bytes } = self;
        let path = file.path().to_owned();
        Run { path, start: 0, n_bytes, multiplier: 1, _temporary: Some(Arc::new(file)) }
    }
}

/// The entries of a run, block by block.
#[derive(Debug)]
pub(super) struct RunBlocks {
    run: Run,
    file: File,
    /// Bytes that were not read yet.
    n_left: u64,
    /// Bytes that were read, and given to nobody: a part of an entry.
    pending: Vec<u8>,
}

impl RunBlocks {
    fn read(&mut self) -> Result<Option<Block>, Error> {
        loop {
            if self.n_left == 0 && self.pending.is_empty() {
                return Ok(None);
            }
            self.read_more()?;
            let mut end = 0;
            loop {
                match read_entry(&self.pending[end..]) {
                    Start::Entry { length, .. } => end += length,
                    Start::Part if self.n_left > 0 => break,
                    Start::Part if end == self.pending.len() => break,
                    Start::Part | Start::Nonsense => return Err(self.damaged(end)),
                }
            }
            if end > 0 {
                let rest = self.pending.split_off(end);
                let block = Block::of_entries(std::mem::replace(&mut self.pending, rest));
                return Ok(Some(block.times(self.run.multiplier)));
            }
        }
    }

    /// Reads about as much as a block has.
    fn read_more(&mut self) -> Result<(), Error> {
        let n_bytes = self.n_left.min(BLOCK_BYTES as u64);
        self.pending.reserve(n_bytes as usize);
        let n_read = (&mut self.file).take(n_bytes).read_to_end(&mut self.pending);
        let n_read = n_read.map_err(|error| self.run.cannot_read(&error))?;
        if n_read as u64 != n_bytes {
            return Err(file_error(&self.run.path, "has become shorter while it was in use; count again"));
        }
        self.n_left -= n_bytes;
        Ok(())
    }

    #[cold]
    fn damaged(&self, pending_offset: usize) -> Error {
        let n_before = self.run.n_bytes - self.n_left - self.pending.len() as u64;
        let offset = self.run.start + n_before + pending_offset as u64;
        file_error(&self.run.path, "has no unit with its count here; count again").at_offset(offset)
    }
}

impl Iterator for RunBlocks {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
