//! Counting: text in, distinct units with their multiplicities out.
//!
//! A unit is what no token may cross: one pretoken of one record, where a record is a line with its `\n` (as
//! Hugging Face's `train(files)` reads) or a whole document. Training needs nothing of the text but its distinct units
//! and how often each occurs, so a [`Counter`] is all that stays in memory of a corpus. Every thread counts into a
//! table of its own; the tables are added up between rounds of a few megabytes. Counts are sums of integers, so the
//! result does not depend on how the text was cut or on the number of threads.

use std::hash::Hasher;
use std::ops::{ControlFlow, Range};

use rustc_hash::FxHasher;

use super::watch::{Phase, Progress, Watch};
use crate::parallel::{map_ranges, split_by_weight};
use crate::pretokenizer::Pretokenizer;
use crate::{Error, ErrorKind};

/// Bytes of text counted between two looks at the caller's callback.
const ROUND_BYTES: usize = 4 << 20;
/// Records are handed to threads in blocks of about this size.
const BLOCK_BYTES: usize = 64 << 10;
/// Marks a free slot of the hash table; also the limit of the number of distinct units.
const FREE: u32 = u32::MAX;

/// Where the text is cut before the pretokenizer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// At every line end, the `\n` staying with its line: no token spans lines, as in Hugging Face's `train(files)`.
    #[default]
    Line,
    /// Only between documents.
    Document,
}

/// Distinct byte strings, each with a count: an open-addressing table over one flat byte buffer.
#[derive(Debug, Clone, Default)]
pub struct Units {
    bytes: Vec<u8>,
    /// End of each unit in `bytes`; the start is the end of the one before.
    ends: Vec<usize>,
    counts: Vec<u64>,
    /// (high bits of the hash, index of the unit), or [`FREE`] as index; the length is a power of two.
    table: Vec<(u32, u32)>,
}

impl Units {
    /// The number of distinct units.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is no unit.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The total length in bytes of the distinct units.
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The memory that it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
            + size_of::<usize>() * self.ends.capacity()
            + size_of::<u64>() * (self.counts.capacity() + self.table.capacity())
    }

    /// The bytes and the multiplicity of one unit.
    ///
    /// # Panics
    /// If `index` is not below [`Units::len`].
    pub fn get(&self, index: usize) -> (&[u8], u64) {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        (&self.bytes[start..self.ends[index]], self.counts[index])
    }

    /// Every unit with its multiplicity, in the order in which they were first added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Adds `count` occurrences of a unit.
    ///
    /// # Errors
    /// If there are more than 2³² − 1 distinct units, or one occurs more than 2⁶⁴ − 1 times.
    pub fn add(&mut self, unit: &[u8], count: u64) -> Result<(), Error> {
        if self.table.len() * 3 <= self.len() * 4 {
            self.grow();
        }
        let hash = hash_of(unit);
        let tag = (hash >> 32) as u32;
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let (other_tag, index) = self.table[slot];
            if index == FREE {
                break;
            }
            if other_tag == tag && self.get(index as usize).0 == unit {
                let sum = &mut self.counts[index as usize];
                *sum = sum.checked_add(count).ok_or_else(too_many_occurrences)?;
                return Ok(());
            }
            slot = (slot + 1) & mask;
        }
        let index = u32::try_from(self.len()).ok().filter(|&index| index != FREE).ok_or_else(|| {
            Error::new(
                ErrorKind::Training,
                "the text has more than 2^32 - 1 distinct units; train on a sample, or cut the text at lines",
            )
        })?;
        self.table[slot] = (tag, index);
        self.bytes.extend_from_slice(unit);
        self.ends.push(self.bytes.len());
        self.counts.push(count);
        Ok(())
    }

    /// Adds every unit of another table.
    ///
    /// # Errors
    /// As [`Units::add`].
    pub fn add_all(&mut self, other: &Units) -> Result<(), Error> {
        other.iter().try_for_each(|(unit, count)| self.add(unit, count))
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(1024);
        let mask = size - 1;
        let mut table = vec![(0, FREE); size];
        for (index, (unit, _)) in self.iter().enumerate() {
            let hash = hash_of(unit);
            let mut slot = hash as usize & mask;
            while table[slot].1 != FREE {
                slot = (slot + 1) & mask;
            }
            table[slot] = ((hash >> 32) as u32, index as u32);
        }
        self.table = table;
    }
}

fn hash_of(unit: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(unit);
    hasher.finish()
}

fn too_many_occurrences() -> Error {
    Error::new(ErrorKind::Training, "a unit occurs more than 2^64 - 1 times; scale the weights down")
}

/// Counts the units of a text under one pretokenizer. SuperBPE keeps two, one for each stage, and feeds both with the
/// same batches, so the text is read once.
#[derive(Clone)]
pub struct Counter {
    pretokenizer: Pretokenizer,
    record: Record,
    units: Units,
}

impl Counter {
    /// A counter that has seen nothing.
    pub fn new(pretokenizer: Pretokenizer, record: Record) -> Self {
        Self { pretokenizer, record, units: Units::default() }
    }

    /// Counts the units of a batch of documents on `threads` threads. `progress` is called about every 50 ms with the
    /// number of bytes of the batch that are done, and may stop the work.
    ///
    /// # Errors
    /// If the pretokenizer fails on a text (naming the document of the batch), if there are too many units
    /// ([`Units::add`]), or [`ErrorKind::Interrupted`] if `progress` breaks; the counter is then good for nothing more.
    pub fn feed(
        &mut self,
        batch: &[&str],
        threads: usize,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let blocks = self.blocks(batch);
        let total: usize = batch.iter().map(|text| text.len()).sum();
        let mut watch = Watch::new(Phase::Counting, total as u64, progress);
        let mut done = 0;
        let mut start = 0;
        while start < blocks.len() {
            let mut end = start;
            let mut bytes = 0;
            while end < blocks.len() && (end == start || bytes + blocks[end].text.len() <= ROUND_BYTES) {
                bytes += blocks[end].text.len();
                end += 1;
            }
            self.count_round(&blocks[start..end], threads, done, &mut watch)?;
            done += bytes as u64;
            watch.look(done)?;
            start = end;
        }
        Ok(())
    }

    /// The distinct units counted, with their multiplicities.
    pub fn into_units(self) -> Units {
        self.units
    }

    /// Counts blocks of together about [`ROUND_BYTES`], or one block of any size.
    fn count_round(
        &mut self,
        blocks: &[Block<'_>],
        threads: usize,
        done: u64,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let ranges = split_by_weight(blocks.iter().map(|block| block.text.len()), threads);
        if ranges.len() <= 1 {
            let Self { pretokenizer, record, units } = self;
            let mut seen = 0;
            for block in blocks {
                block.units(pretokenizer, *record, &mut |unit| {
                    seen += unit.len() as u64;
                    units.add(unit.as_bytes(), 1)?;
                    watch.step(done + seen)
                })?;
            }
            return Ok(());
        }
        let count = |range: Range<usize>| -> Result<Units, Error> {
            let mut units = Units::default();
            for block in &blocks[range] {
                block.units(&self.pretokenizer, self.record, &mut |unit| units.add(unit.as_bytes(), 1))?;
            }
            Ok(units)
        };
        for units in map_ranges(&ranges, count) {
            self.units.add_all(&units?)?;
        }
        Ok(())
    }

    /// Cuts documents into blocks: whole lines of about [`BLOCK_BYTES`] if records are lines, else the documents.
    fn blocks<'text>(&self, batch: &[&'text str]) -> Vec<Block<'text>> {
        let mut blocks = Vec::with_capacity(batch.len());
        for (document, &text) in batch.iter().enumerate() {
            let mut rest = text;
            while self.record == Record::Line && rest.len() > BLOCK_BYTES {
                let Some(line_end) = rest.as_bytes()[BLOCK_BYTES..].iter().position(|&byte| byte == b'\n')
                else {
                    break;
                };
                let (block, tail) = rest.split_at(BLOCK_BYTES + line_end + 1);
                blocks.push(Block { text: block, document });
                rest = tail;
            }
            if !rest.is_empty() {
                blocks.push(Block { text: rest, document });
            }
        }
        blocks
    }
}

/// A run of whole records of one document.
struct Block<'text> {
    text: &'text str,
    document: usize,
}

impl Block<'_> {
    /// Visits the units of the block in order.
    fn units(
        &self,
        pretokenizer: &Pretokenizer,
        record: Record,
        visit: &mut dyn FnMut(&str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let result = match record {
            Record::Line => {
                self.text.split_inclusive('\n').try_for_each(|line| pretokenizer.split(line, &mut *visit))
            }
            Record::Document => pretokenizer.split(self.text, visit),
        };
        result.map_err(|error| match error.kind() {
            ErrorKind::Interrupted | ErrorKind::Training => error,
            _ => error.in_document(self.document as u64),
        })
    }
}
