//! [`Units`]: all distinct units in memory, divided by their hashes among tables that several threads can add to at the
//! same time, each to its own.

use super::entries::{write_entry, Block, BLOCK_BYTES};
use super::local::Local;
use super::table::{hash_long, hash_short, Table};
use crate::encode::{key, LONGEST_SHORT};
use crate::parallel::share_tasks;
use crate::Error;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// Tables that the units are divided among: a power of two.
pub(super) const N_TABLES: usize = 16;

/// The table of a unit with this hash.
pub(super) fn table_of(hash: u64) -> usize {
    (hash >> (u64::BITS - N_TABLES.trailing_zeros())) as usize
}

/// Distinct byte strings, each with a count.
///
/// A unit of up to 15 bytes takes 30 to 40 bytes of memory, a longer one 20 to 30 more than its own. There may be 2³⁴
/// of them.
#[derive(Debug, Clone, Default)]
pub struct Units {
    tables: [Table; N_TABLES],
}

impl Units {
    /// The number of distinct units.
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }

    /// Whether there is no unit.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory in use.
    pub fn memory(&self) -> usize {
        self.tables.iter().map(Table::memory).sum()
    }

    /// Adds `count` occurrences of a unit.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Training`] if one occurs more than 2⁶⁴ − 1 times, or there are too many.
    pub fn add(&mut self, unit: &[u8], count: u64) -> Result<(), Error> {
        let hash = if unit.len() <= LONGEST_SHORT {
            hash_short(key(unit, 0, unit.len() as u32))
        } else {
            hash_long(unit)
        };
        self.tables[table_of(hash)].add(unit, count)
    }

    /// Calls `visit` with every unit and its count. The order says nothing, and may be another in another run.
    ///
    /// # Errors
    /// What `visit` returns.
    pub fn try_for_each(&self, mut visit: impl FnMut(&[u8], u64) -> Result<(), Error>) -> Result<(), Error> {
        for table in &self.tables {
            for short in table.short() {
                let (bytes, length) = short.bytes();
                visit(&bytes[..length], short.count)?;
            }
            table.long().try_for_each(|(unit, count)| visit(unit, count))?;
        }
        Ok(())
    }

    /// The units as blocks of entries.
    pub(super) fn blocks(&self) -> UnitBlocks<'_> {
        UnitBlocks::of(self.tables.iter().map(Cow::Borrowed).collect())
    }

    /// The units as blocks of entries; their memory is given back on the way.
    pub(super) fn into_blocks(self) -> UnitBlocks<'static> {
        UnitBlocks::of(self.tables.into_iter().map(Cow::Owned).collect())
    }

    /// Gives back the memory that is needed only to add more.
    pub(super) fn shrink(&mut self) {
        self.tables.iter_mut().for_each(Table::shrink);
    }

    /// Adds what several threads have counted, `weight` times, on as many threads, and leaves them empty.
    pub(super) fn absorb(&mut self, locals: &mut [&mut Local], weight: u64) -> Result<(), Error> {
        let n_threads = locals.len();
        in_parallel(locals, n_threads, |_, local| local.divide(weight))?;
        let locals = &*locals;
        in_parallel(&mut self.tables, n_threads, |number, table| {
            for local in locals {
                let (short, long) = local.part(number);
                table.add_short(short)?;
                table.add_long(long)?;
            }
            Ok(())
        })
    }
}

/// Calls `work` with every item and its number, on up to `n_threads` threads.
fn in_parallel<T: Send>(
    items: &mut [T],
    n_threads: usize,
    work: impl Fn(usize, &mut T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let mut workers = vec![Ok(()); n_threads.min(items.len())];
    let items: Vec<Mutex<&mut T>> = items.iter_mut().map(Mutex::new).collect();
    share_tasks(items.len(), &mut workers, |number, result| {
        let mut item = items[number].lock().unwrap_or_else(PoisonError::into_inner);
        *result = work(number, &mut item);
        if result.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    workers.into_iter().collect()
}

/// Units in memory, block by block.
#[derive(Debug)]
pub(super) struct UnitBlocks<'u> {
    tables: std::vec::IntoIter<Cow<'u, Table>>,
    table: Cow<'u, Table>,
    /// Of the table: the number of short units that were visited, and the bytes of long ones.
    n_short: usize,
    n_long_bytes: usize,
}

impl<'u> UnitBlocks<'u> {
    fn of(tables: Vec<Cow<'u, Table>>) -> Self {
        Self { tables: tables.into_iter(), table: Cow::default(), n_short: 0, n_long_bytes: 0 }
    }
}

impl Iterator for UnitBlocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 8);
        while bytes.len() < BLOCK_BYTES {
            if let Some(short) = self.table.short().get(self.n_short) {
                let (padded, length) = short.bytes();
                write_entry(&padded[..length], short.count, &mut bytes);
                self.n_short += 1;
                continue;
            }
            if let Some((unit, count, n_bytes)) = self.table.long_at(self.n_long_bytes) {
                write_entry(unit, count, &mut bytes);
                self.n_long_bytes += n_bytes;
            } else if let Some(table) = self.tables.next() {
                (self.table, self.n_short, self.n_long_bytes) = (table, 0, 0);
            } else {
                break;
            }
        }
        (!bytes.is_empty()).then(|| Block::of_entries(bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sorted(units: &Units) -> BTreeMap<Vec<u8>, u64> {
        let mut sorted = BTreeMap::new();
        let insert = |unit: &[u8], count| {
            assert_eq!(sorted.insert(unit.to_vec(), count), None);
            Ok(())
        };
        units.try_for_each(insert).unwrap();
        assert_eq!(sorted.len(), units.len());
        sorted
    }

    fn of_blocks(blocks: UnitBlocks<'_>) -> BTreeMap<Vec<u8>, u64> {
        let mut sorted = BTreeMap::new();
        for block in blocks {
            for (unit, count) in &block {
                assert_eq!(sorted.insert(unit.to_vec(), count), None);
            }
        }
        sorted
    }

    /// Units of 0 to 40 bytes, several of every length.
    fn unit(number: u64) -> Vec<u8> {
        format!("{:0>40}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into_bytes()
            [40 - number as usize % 41..]
            .to_vec()
    }

    #[test]
    fn units_are_kept_as_they_are() {
        let (mut units, mut expected) = (Units::default(), BTreeMap::new());
        for number in 0..60_000_u64 {
            let unit = unit(number % 40_000);
            units.add(&unit, number).unwrap();
            *expected.entry(unit).or_default() += number;
        }
        assert_eq!(sorted(&units), expected);
        assert_eq!(of_blocks(units.blocks()), expected);
        units.shrink();
        assert_eq!(sorted(&units), expected);
        for (number, (unit, count)) in (0..50_000_u64).map(unit).zip(1..).enumerate() {
            // Some are there already.
            units.add(&unit, count).unwrap();
            *expected.entry(unit).or_default() += count;
            if number % 10_000 == 9_999 {
                units.shrink();
            }
        }
        assert_eq!(sorted(&units), expected);
        assert_eq!(of_blocks(units.into_blocks()), expected);
    }

    #[test]
    fn units_that_differ_in_zeros_at_their_end_are_different() {
        let mut units = Units::default();
        for length in 0..20 {
            units.add(&vec![0; length], 1).unwrap();
        }
        assert_eq!(units.len(), 20);
    }

    #[test]
    fn too_many_occurrences_are_refused() {
        for unit in [&b"short"[..], b"longer than fifteen bytes"] {
            let mut units = Units::default();
            units.add(unit, u64::MAX).unwrap();
            units.add(unit, 0).unwrap();
            assert!(units.add(unit, 1).unwrap_err().to_string().contains("2^64"));
            assert_eq!(sorted(&units)[unit], u64::MAX);
            let mut local = Local::default();
            local.count(unit, &[unit.len() as u32]).unwrap();
            assert!(Units::default().absorb(&mut [&mut local], u64::MAX).is_ok());
            local.count(unit, &[unit.len() as u32]).unwrap();
            assert!(units.absorb(&mut [&mut local], 1).is_err());
        }
    }
}
