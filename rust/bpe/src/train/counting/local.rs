//! What one thread counts by itself: a table that stays so small that it lies in the near caches, where most of the
//! occurrences of a text fall on a few thousand units. When it is full it is added to [`super::Units`], which is where
//! the rare units cost a wait for memory, once for many occurrences.

use super::table::{hash_long, hash_short, write_long, Longs, Short, Table};
use super::too_many_occurrences;
use super::units::{table_of, N_TABLES};
use crate::encode::{key, Key};
use crate::pretokenizer::scanner::SEPARATOR;
use crate::Error;

/// Memory of a table that is full, in bytes.
const FULL: usize = 2 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Local {
    table: Table,
    /// The units of the table as [`super::Units`] divides them, while they are added to it.
    short: [Vec<Short>; N_TABLES],
    long: [Vec<u8>; N_TABLES],
}

impl Local {
    /// Counts units that follow one another from the start of `bytes`, each up to one of `ends`.
    pub(super) fn count(&mut self, bytes: &[u8], ends: &[u32]) -> Result<(), Error> {
        self.table.count(bytes, ends)
    }

    /// Whether nothing was counted since it was emptied.
    pub(super) fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Whether it should be added to the units.
    pub(super) fn is_full(&self) -> bool {
        self.memory() >= FULL
    }

    /// Divides the units among [`Self::part`]s, short ones `weight` times, and empties the table.
    pub(super) fn divide(&mut self, weight: u64) -> Result<(), Error> {
        self.short.iter_mut().for_each(Vec::clear);
        self.long.iter_mut().for_each(Vec::clear);
        let separator: Key = key(&[SEPARATOR], 0, 1);
        for &Short { key, count } in self.table.short().iter().filter(|short| short.key != separator) {
            let count = count.checked_mul(weight).ok_or_else(too_many_occurrences)?;
            self.short[table_of(hash_short(key))].push(Short { key, count });
        }
        for (unit, count) in self.table.long() {
            let count = count.checked_mul(weight).ok_or_else(too_many_occurrences)?;
            write_long(unit, count, &mut self.long[table_of(hash_long(unit))]);
        }
        self.table.clear();
        Ok(())
    }

    /// What belongs to the table of this number.
    pub(super) fn part(&self, number: usize) -> (&[Short], Longs<'_>) {
        (&self.short[number], Longs::new(&self.long[number]))
    }
}
