//! What counting comes to: [`UnitCounts`], units in memory and any number of runs, read in passes.

use super::entries::Block;
use super::file::CountFile;
use super::run::{Run, RunBlocks};
use super::units::{UnitBlocks, Units};
use super::{Callback, Phase, Watch};
use crate::Error;

/// Units with their counts, as many as there are, read in passes of blocks.
///
/// Those in memory are distinct. If there are runs (memory was full, or files were added), a unit may come several times,
/// and its counts are to be added up. The order says nothing.
///
/// ```
/// use portmanteau_bpe::train::{UnitCounts, Units};
/// let mut units = Units::default();
/// units.add(b"low", 5)?;
/// let counts = UnitCounts::from(units);
/// for block in counts.blocks()? {
///     for (unit, count) in &block? {
///         assert_eq!((unit, count), (&b"low"[..], 5));
///     }
/// }
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct UnitCounts {
    units: Units,
    runs: Vec<Run>,
}

impl From<Units> for UnitCounts {
    fn from(units: Units) -> Self {
        Self::new(units, Vec::new())
    }
}

impl UnitCounts {
    /// The counts of several files together, which stay where they are and must not change.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Training`] if the files are not of the same pretokenizer and records, naming two that differ.
    pub fn from_files(files: &[CountFile]) -> Result<Self, Error> {
        if let Some((first, others)) = files.split_first() {
            others.iter().try_for_each(|other| first.check_is_like(other))?;
        }
        Ok(Self { units: Units::default(), runs: files.iter().map(CountFile::run).collect() })
    }

    pub(super) fn new(mut units: Units, runs: Vec<Run>) -> Self {
        units.shrink();
        Self { units, runs }
    }

    /// Adds other counts to these. O(n) in the units in memory of the other.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Training`] if a unit occurs more than 2⁶⁴ − 1 times.
    pub fn add(&mut self, other: Self) -> Result<(), Error> {
        other.units.try_for_each(|unit, count| self.units.add(unit, count))?;
        self.runs.extend(other.runs);
        Ok(())
    }

    /// Brings the units of all runs into memory, where each is once. `progress` is called about every 50 ms and may stop
    /// the work. O(n) in the units.
    ///
    /// # Errors
    /// [`crate::ErrorKind::File`] if a run cannot be read, [`crate::ErrorKind::Training`] if a unit occurs more than
    /// 2⁶⁴ − 1 times, [`crate::ErrorKind::Interrupted`] if `progress` breaks.
    pub fn gather(mut self, progress: &mut Callback<'_>) -> Result<Self, Error> {
        let n_bytes = self.runs.iter().map(|run| run.n_bytes).sum();
        let mut watch = Watch::new(Phase::ReadingCounts, n_bytes, progress);
        let mut done = 0;
        for run in &self.runs {
            for block in run.blocks()? {
                let block = block?;
                block.iter().try_for_each(|(unit, count)| self.units.add(unit, count))?;
                done += block.n_bytes();
                watch.look(done)?;
            }
        }
        Ok(self.units.into())
    }

    /// The units in memory. If [`UnitCounts::n_runs`] is 0, that is all.
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// The number of runs.
    pub fn n_runs(&self) -> usize {
        self.runs.len()
    }

    /// The bytes of all blocks of a pass ([`Block::n_bytes`]), to tell how far it is. O(n) in the units in memory.
    pub fn n_bytes(&self) -> u64 {
        let in_memory: u64 = self.units.blocks().map(|block| block.n_bytes()).sum();
        in_memory + self.runs.iter().map(|run| run.n_bytes).sum::<u64>()
    }

    /// Begins a pass over all units: those in memory, then run after run. A pass holds one block at a time in memory, and
    /// reads files only as blocks are taken.
    ///
    /// # Errors
    /// [`crate::ErrorKind::File`], here and from the iterator, if a file cannot be read or is not what was written.
    pub fn blocks(&self) -> Result<Blocks<'_>, Error> {
        Blocks::new(self.units.blocks(), &self.runs)
    }

    /// As [`UnitCounts::blocks`]; the memory of the units is given back on the way.
    ///
    /// # Errors
    /// As [`UnitCounts::blocks`].
    pub fn into_blocks(self) -> Result<Blocks<'static>, Error> {
        Blocks::new(self.units.into_blocks(), &self.runs)
    }

    /// Calls `visit` with every unit and its count: one pass, on one thread.
    ///
    /// # Errors
    /// As [`UnitCounts::blocks`], and what `visit` returns.
    pub fn try_for_each(&self, mut visit: impl FnMut(&[u8], u64) -> Result<(), Error>) -> Result<(), Error> {
        for block in self.blocks()? {
            block?.iter().try_for_each(|(unit, count)| visit(unit, count))?;
        }
        Ok(())
    }
}

/// A pass over [`UnitCounts`]: blocks of about a megabyte, each of which a thread may take.
#[derive(Debug)]
pub struct Blocks<'c> {
    units: UnitBlocks<'c>,
    runs: std::vec::IntoIter<RunBlocks>,
    run: Option<RunBlocks>,
}

impl<'c> Blocks<'c> {
    fn new(units: UnitBlocks<'c>, runs: &[Run]) -> Result<Self, Error> {
        // Whether the files are there is better known before hours of work than after.
        let runs = runs.iter().map(Run::blocks).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { units, runs: runs.into_iter(), run: None })
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(block) = self.units.next() {
            return Some(Ok(block));
        }
        loop {
            if let Some(block) = self.run.as_mut().and_then(Iterator::next) {
                return Some(block);
            }
            self.run = Some(self.runs.next()?);
        }
    }
}
