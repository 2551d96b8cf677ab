//! Distinct units and their counts, in little memory and few cache misses: one open-addressing table for short units,
//! one for long ones.
//!
//! **Short units**, of up to 15 bytes, are what most text consists of. Each is an entry of 24 bytes, the unit padded to 16
//! with its length in the last and the count, in a list without holes in order of arrival: those that come often came
//! early, so they lie close together. A table of 32-bit slots finds them. A slot has the number of the entry in as many
//! of its lower bits as the table needs, and bits of the hash in the others, so that an entry is hardly ever read in vain.
//!
//! **Long units** lie one after another in a flat buffer, each behind its count and its length. A table of 64-bit slots has
//! where they begin, and bits of the hash.
//!
//! Counting is waiting for memory. So units are counted in batches: the slots of all are asked for, then the entries that
//! the slots point to, and only then is anything compared.

use super::entries::{read_varint, write_varint};
use super::{too_many_occurrences, too_many_units};
use crate::encode::{bytes, key, prefetch, Key, LONGEST_SHORT};
use crate::Error;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// Units that are looked up together.
const BATCH: usize = 256;
/// Long units that are looked up together.
const LONG_BATCH: usize = 32;
/// Slots that a table starts with, or more.
const FIRST_SLOTS: usize = 2 * BATCH;
/// The number of an entry must fit into a slot.
const MOST_SLOTS: usize = 1 << 31;
/// Of a slot of a long unit: the bits that say where it begins, plus one.
const PLACE_BITS: u32 = 40;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
/// Bytes of a count in front of a long unit.
const COUNT_BYTES: usize = 8;

/// A short unit with its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) key: Key,
    pub(super) count: u64,
}

impl Short {
    const NONE: Self = Self { key: [0; 2], count: 0 };

    /// The bytes of the unit, padded, and how many they are.
    pub(super) fn bytes(&self) -> ([u8; 16], usize) {
        (bytes(&self.key), (self.key[1] >> 56) as usize)
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    short: Vec<Short>,
    /// The number of an entry plus one below bits of its hash, or 0; a power of two of them, or none.
    short_slots: Vec<u32>,
    /// Count, length as a varint, bytes; one unit after another.
    long: Vec<u8>,
    n_long: usize,
    /// Where a unit begins in `long` plus one, below bits of its hash, or 0.
    long_slots: Vec<u64>,
}

/// The hash of a short unit: the product of two 64-bit halves, folded.
#[inline]
pub(super) fn hash_short(key: Key) -> u64 {
    fold(key[0] ^ 0x9E37_79B9_7F4A_7C15, key[1] ^ 0xD1B5_4A32_D192_ED03)
}

/// The hash of a long unit.
#[inline]
pub(super) fn hash_long(unit: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(unit);
    fold(hasher.finish() ^ 0x9E37_79B9_7F4A_7C15, unit.len() as u64 ^ 0xD1B5_4A32_D192_ED03)
}

#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

// Of a hash, the highest bits are left to those who divide units among tables; the place where a search begins and what
// is noted in the slot are of different bits.

/// Where a search for a short unit begins.
#[inline]
fn home_short(hash: u64, n_slots: usize) -> usize {
    (hash >> 32) as usize & n_slots.wrapping_sub(1)
}

/// Where a search for a long unit begins.
#[inline]
fn home_long(hash: u64, n_slots: usize) -> usize {
    hash as usize & n_slots.wrapping_sub(1)
}

impl Table {
    /// The number of units.
    pub(super) fn len(&self) -> usize {
        self.short.len() + self.n_long
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.short)
            + size_of_val(&*self.short_slots)
            + self.long.len()
            + size_of_val(&*self.long_slots)
    }

    /// The short units.
    pub(super) fn short(&self) -> &[Short] {
        &self.short
    }

    /// The long units with their counts.
    pub(super) fn long(&self) -> Longs<'_> {
        Longs::new(&self.long)
    }

    /// The long unit that begins behind so many bytes of long units, its count, and the length of it all.
    pub(super) fn long_at(&self, place: usize) -> Option<(&[u8], u64, usize)> {
        split_long(self.long.get(place..)?)
    }

    /// Gives back the memory that is needed only to add more. The next unit that is added builds it anew.
    pub(super) fn shrink(&mut self) {
        (self.short_slots, self.long_slots) = (Vec::new(), Vec::new());
        self.short.shrink_to_fit();
        self.long.shrink_to_fit();
    }

    /// Forgets all units, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.short.clear();
        self.short_slots.fill(0);
        self.long.clear();
        self.long_slots.fill(0);
        self.n_long = 0;
    }

    /// Adds `count` occurrences of a unit that is not empty.
    pub(super) fn add(&mut self, unit: &[u8], count: u64) -> Result<(), Error> {
        if unit.len() <= LONGEST_SHORT {
            return self.add_short(&[Short { key: key(unit, 0, unit.len() as u32), count }]);
        }
        self.grow_long();
        self.add_long_hashed(unit, count, hash_long(unit))
    }

    /// Counts units that follow one another from the start of `bytes`, each up to one of `ends`, once each.
    pub(super) fn count(&mut self, bytes: &[u8], ends: &[u32]) -> Result<(), Error> {
        let mut start = 0;
        let mut batch = [Short::NONE; BATCH];
        for ends in ends.chunks(BATCH) {
            let mut n_long = 0;
            let first = start;
            for (own, &end) in batch.iter_mut().zip(ends) {
                let length = end - start;
                *own = Short { key: key(bytes, start, length), count: 1 };
                n_long += usize::from(length as usize > LONGEST_SHORT);
                start = end;
            }
            let mut n_short = ends.len();
            if n_long > 0 {
                n_short = 0;
                let mut start = first;
                for (place, &end) in ends.iter().enumerate() {
                    let unit = &bytes[start as usize..end as usize];
                    if unit.len() <= LONGEST_SHORT {
                        batch[n_short] = batch[place];
                        n_short += 1;
                    } else {
                        self.grow_long();
                        self.add_long_hashed(unit, 1, hash_long(unit))?;
                    }
                    start = end;
                }
            }
            self.add_short(&batch[..n_short])?;
        }
        Ok(())
    }

    /// Adds short units, with the occurrences that each of them has.
    pub(super) fn add_short(&mut self, units: &[Short]) -> Result<(), Error> {
        for units in units.chunks(BATCH) {
            self.grow_short()?;
            let mut hashes = [0; BATCH];
            let n_slots = self.short_slots.len();
            for (hash, unit) in hashes.iter_mut().zip(units) {
                *hash = hash_short(unit.key);
                prefetch(self.short_slots.as_ptr().wrapping_add(home_short(*hash, n_slots)));
            }
            let number_bits = n_slots as u32 - 1;
            for &hash in &hashes[..units.len()] {
                let number = self.short_slots[home_short(hash, n_slots)] & number_bits;
                prefetch(self.short.as_ptr().wrapping_add(number as usize).wrapping_sub(1));
            }
            for (unit, &hash) in units.iter().zip(&hashes) {
                self.add_short_hashed(unit, hash)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn add_short_hashed(&mut self, unit: &Short, hash: u64) -> Result<(), Error> {
        let n_slots = self.short_slots.len();
        let number_bits = n_slots as u32 - 1;
        let mut place = home_short(hash, n_slots);
        loop {
            let slot = self.short_slots[place];
            if slot == 0 {
                self.short.push(*unit);
                self.short_slots[place] = hash as u32 & !number_bits | self.short.len() as u32;
                return Ok(());
            }
            if (slot ^ hash as u32) & !number_bits == 0 {
                let own = &mut self.short[(slot & number_bits) as usize - 1];
                if own.key == unit.key {
                    own.count = own.count.checked_add(unit.count).ok_or_else(too_many_occurrences)?;
                    return Ok(());
                }
            }
            place = (place + 1) & (n_slots - 1);
        }
    }

    /// Adds long units, with the occurrences that each of them has.
    pub(super) fn add_long(&mut self, mut units: Longs<'_>) -> Result<(), Error> {
        loop {
            let mut batch = [(&[][..], 0, 0); LONG_BATCH];
            let mut n_units = 0;
            self.grow_long();
            for (own, (unit, count)) in batch.iter_mut().zip(units.by_ref()) {
                *own = (unit, count, hash_long(unit));
                prefetch(self.long_slots.as_ptr().wrapping_add(home_long(own.2, self.long_slots.len())));
                n_units += 1;
            }
            for &(_, _, hash) in &batch[..n_units] {
                let slot = self.long_slots[home_long(hash, self.long_slots.len())];
                prefetch(self.long.as_ptr().wrapping_add((slot & PLACE_MASK) as usize));
            }
            for &(unit, count, hash) in &batch[..n_units] {
                self.add_long_hashed(unit, count, hash)?;
            }
            if n_units < LONG_BATCH {
                return Ok(());
            }
        }
    }

    fn add_long_hashed(&mut self, unit: &[u8], count: u64, hash: u64) -> Result<(), Error> {
        let mask = self.long_slots.len() - 1;
        let mut place = home_long(hash, self.long_slots.len());
        loop {
            let slot = self.long_slots[place];
            if slot == 0 {
                reserve(&mut self.long, unit.len() + COUNT_BYTES + 10);
                self.long_slots[place] = hash & !PLACE_MASK | (self.long.len() as u64 + 1);
                write_long(unit, count, &mut self.long);
                self.n_long += 1;
                return Ok(());
            }
            if (slot ^ hash) & !PLACE_MASK == 0 {
                let own = &mut self.long[(slot & PLACE_MASK) as usize - 1..];
                if let Some((bytes, own_count, _)) = split_long(own) {
                    if bytes == unit {
                        let sum = own_count.checked_add(count).ok_or_else(too_many_occurrences)?;
                        own[..COUNT_BYTES].copy_from_slice(&sum.to_le_bytes());
                        return Ok(());
                    }
                }
            }
            place = (place + 1) & mask;
        }
    }

    /// Makes room for a batch of short units.
    fn grow_short(&mut self) -> Result<(), Error> {
        reserve(&mut self.short, BATCH);
        let n_slots = self.short_slots.len();
        if (self.short.len() + BATCH) * 4 <= n_slots * 3 {
            return Ok(());
        }
        let n_slots = slots_for(self.short.len() + BATCH);
        if n_slots > MOST_SLOTS {
            return Err(too_many_units());
        }
        // The old ones are not needed for the new ones.
        self.short_slots = Vec::new();
        let mut slots = vec![0_u32; n_slots];
        let number_bits = n_slots as u32 - 1;
        for (number, unit) in (1_u32..).zip(&self.short) {
            let hash = hash_short(unit.key);
            let mut place = home_short(hash, n_slots);
            while slots[place] != 0 {
                place = (place + 1) & (n_slots - 1);
            }
            slots[place] = hash as u32 & !number_bits | number;
        }
        self.short_slots = slots;
        Ok(())
    }

    /// Makes room for a batch of long units in their slots.
    fn grow_long(&mut self) {
        let n_slots = self.long_slots.len();
        if (self.n_long + LONG_BATCH) * 4 <= n_slots * 3 {
            return;
        }
        let n_slots = slots_for(self.n_long + LONG_BATCH);
        self.long_slots = Vec::new();
        let mut slots = vec![0_u64; n_slots];
        let mut units = self.long();
        loop {
            let begin = self.long.len() - units.rest.len();
            let Some((unit, _)) = units.next() else { break };
            let hash = hash_long(unit);
            let mut place = home_long(hash, n_slots);
            while slots[place] != 0 {
                place = (place + 1) & (n_slots - 1);
            }
            slots[place] = hash & !PLACE_MASK | (begin as u64 + 1);
        }
        self.long_slots = slots;
    }
}

/// The slots of a table with so many units, of which at most three quarters are taken.
fn slots_for(n_units: usize) -> usize {
    (n_units * 4).div_ceil(3).next_power_of_two().max(FIRST_SLOTS)
}

/// Makes room for `n_more`, a quarter more than there is where there is none: a list that is twice as long as it must be
/// would be most of what is in memory.
fn reserve<T>(list: &mut Vec<T>, n_more: usize) {
    if list.capacity() - list.len() < n_more {
        list.reserve_exact(n_more.max(list.len() / 4));
    }
}

/// The first long unit, its count, and the length of it all.
fn split_long(bytes: &[u8]) -> Option<(&[u8], u64, usize)> {
    let (count, rest) = bytes.split_first_chunk::<COUNT_BYTES>()?;
    let (length, n_bytes) = read_varint(rest)?;
    let unit = rest.get(n_bytes..)?.get(..length as usize)?;
    Some((unit, u64::from_le_bytes(*count), COUNT_BYTES + n_bytes + unit.len()))
}

/// Long units with their counts, one after another.
#[derive(Debug, Clone, Default)]
pub(super) struct Longs<'t> {
    rest: &'t [u8],
}

impl<'t> Longs<'t> {
    /// Those that [`write_long`] wrote.
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self { rest: bytes }
    }
}

/// Appends a long unit with its count.
pub(super) fn write_long(unit: &[u8], count: u64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&count.to_le_bytes());
    write_varint(unit.len() as u64, bytes);
    bytes.extend_from_slice(unit);
}

impl<'t> Iterator for Longs<'t> {
    type Item = (&'t [u8], u64);

    fn next(&mut self) -> Option<Self::Item> {
        let (unit, count, length) = split_long(self.rest)?;
        self.rest = &self.rest[length..];
        Some((unit, count))
    }
}
