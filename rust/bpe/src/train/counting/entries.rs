//! Units with their counts as bytes: what runs and count files consist of, and what those who train are handed.
//!
//! An *entry* is the length of a unit and its count, both as varints (seven bits a byte, the lowest first, the highest bit
//! set in all but the last), then the bytes of the unit. A [`Block`] is about a megabyte of whole entries: enough work
//! for a thread, and little enough that a pass over all of them needs no memory to speak of.

use std::borrow::Cow;

/// Bytes of entries in a block; the last entry may go beyond.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// The longest varint of 64 bits.
const LONGEST_VARINT: usize = 10;

/// Appends a number.
#[inline]
pub(super) fn write_varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The number that these bytes begin with, and how many bytes it takes; `None` if they end within it, or if it has more
/// than 64 bits.
#[inline]
pub(super) fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for (place, &byte) in bytes.iter().enumerate().take(LONGEST_VARINT) {
        let bits = u64::from(byte & 0x7F);
        if place == LONGEST_VARINT - 1 && bits > 1 {
            return None;
        }
        number |= bits << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, place + 1));
        }
    }
    None
}

/// Appends an entry.
#[inline]
pub(super) fn write_entry(unit: &[u8], count: u64, bytes: &mut Vec<u8>) {
    write_varint(unit.len() as u64, bytes);
    write_varint(count, bytes);
    bytes.extend_from_slice(unit);
}

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start<'b> {
    /// An entry, of `length` bytes in all.
    Entry { unit: &'b [u8], count: u64, length: usize },
    /// A part of an entry, or of its numbers.
    Part,
    /// No entry, whatever follows.
    Nonsense,
}

/// Reads the entry that bytes begin with.
#[inline]
pub(super) fn read_entry(bytes: &[u8]) -> Start<'_> {
    let part = |rest: &[u8]| if rest.len() < LONGEST_VARINT { Start::Part } else { Start::Nonsense };
    let Some((unit_length, n_first)) = read_varint(bytes) else { return part(bytes) };
    let rest = &bytes[n_first..];
    let Some((count, n_second)) = read_varint(rest) else { return part(rest) };
    let Ok(unit_length) = usize::try_from(unit_length) else { return Start::Nonsense };
    match rest[n_second..].get(..unit_length) {
        Some(unit) => Start::Entry { unit, count, length: n_first + n_second + unit_length },
        None => Start::Part,
    }
}

/// Whole entries, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    bytes: Vec<u8>,
    /// How often each count counts.
    multiplier: u64,
}

impl Block {
    /// A block of bytes that are known to be whole entries.
    pub(super) fn of_entries(bytes: Vec<u8>) -> Self {
        Self { bytes, multiplier: 1 }
    }

    /// The same with all counts multiplied.
    pub(super) fn times(self, multiplier: u64) -> Self {
        Self { multiplier: self.multiplier * multiplier, ..self }
    }

    /// The bytes of the entries, lengths and counts included.
    pub fn n_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The entries as bytes.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        if self.multiplier == 1 {
            return Cow::Borrowed(&self.bytes);
        }
        let mut bytes = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        self.iter().for_each(|(unit, count)| write_entry(unit, count, &mut bytes));
        Cow::Owned(bytes)
    }

    /// The units with their counts. The order says nothing.
    pub fn iter(&self) -> BlockIter<'_> {
        BlockIter { rest: &self.bytes, multiplier: self.multiplier }
    }
}

impl<'b> IntoIterator for &'b Block {
    type Item = (&'b [u8], u64);
    type IntoIter = BlockIter<'b>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The units of a [`Block`] with their counts.
#[derive(Debug, Clone)]
pub struct BlockIter<'b> {
    rest: &'b [u8],
    multiplier: u64,
}

impl<'b> Iterator for BlockIter<'b> {
    type Item = (&'b [u8], u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Start::Entry { unit, count, length } = read_entry(self.rest) else { return None };
        self.rest = &self.rest[length..];
        // Files of which a count would be too large are refused.
        Some((unit, count.saturating_mul(self.multiplier)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]).chain([u64::MAX]) {
            let mut bytes = Vec::new();
            write_varint(number, &mut bytes);
            assert_eq!(read_varint(&bytes), Some((number, bytes.len())));
            assert_eq!(read_varint(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(read_varint(&[0xFF; 10]), None);
        assert_eq!(read_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]), None);
    }

    #[test]
    fn counts_are_multiplied() {
        let mut bytes = Vec::new();
        write_entry(b"unit", 300, &mut bytes);
        let block = Block::of_entries(bytes).times(7);
        assert_eq!(block.iter().collect::<Vec<_>>(), [(&b"unit"[..], 2100)]);
        assert_eq!(
            Block::of_entries(block.bytes().into_owned()).iter().collect::<Vec<_>>(),
            [(&b"unit"[..], 2100)]
        );
    }

    #[test]
    fn an_entry_is_whole_a_part_or_nonsense() {
        let mut bytes = Vec::new();
        write_entry(b"unit", 300, &mut bytes);
        assert_eq!(read_entry(&bytes), Start::Entry { unit: b"unit", count: 300, length: 7 });
        for end in 0..bytes.len() {
            assert_eq!(read_entry(&bytes[..end]), Start::Part);
        }
        assert_eq!(read_entry(&[0xFF; 10]), Start::Nonsense);
        assert_eq!(read_entry(&[&[1], &[0xFF; 10][..]].concat()), Start::Nonsense);
    }
}
