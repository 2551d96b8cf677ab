//! The merges in a form made for looking pairs up with few visits to far memory.
//!
//! Most pairs that are asked for do not merge, and a hash table answers each of those questions from another cache
//! line. Here every left symbol has a row: a header of eight bytes, with a signature that settles most questions, and a
//! small hash table of the right symbols that it merges with. Symbols are numbered by rank, which is about by how often
//! they occur, so the headers and rows that are used most lie together and stay in the cache. Pairs of bytes, which
//! every word starts with, have a table of their own.

use super::merge::{MergeRule, NO_MERGE};
use super::prefetch;

/// (left symbol, right symbol) → the symbol that they become.
#[derive(Debug)]
pub(super) struct PairRows {
    rows: Vec<Row>,
    cells: Vec<Cell>,
    /// By `left | right << 8`.
    byte_pairs: Vec<BytePair>,
    len: usize,
}

/// What is known of two bytes that stand side by side, in one number, which is read at once: below, what they become, or
/// [`NO_MERGE`]; above, their rival, the least result of all merges of the left byte with what starts with the right one, and
/// of what ends with the left byte with the right one, or 0 if what the two become is part of something with a lower number.
#[derive(Debug, Clone, Copy)]
pub(super) struct BytePair(u64);

impl BytePair {
    pub(super) const NONE: Self = Self::new(NO_MERGE, NO_MERGE);

    const fn new(result: u32, rival: u32) -> Self {
        Self(result as u64 | (rival as u64) << 32)
    }

    /// The same if nothing becomes a symbol from a limit on.
    #[inline(always)]
    pub(super) const fn below(self, limit: u32) -> Self {
        if self.result() < limit {
            self
        } else {
            Self::new(NO_MERGE, self.rival())
        }
    }

    #[inline(always)]
    pub(super) const fn result(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(super) const fn rival(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn set_result(&mut self, result: u32) {
        *self = Self::new(result, self.rival());
    }

    /// Lowers the rival, if it is higher.
    fn add_rival(&mut self, rival: u32) {
        *self = Self::new(self.result(), self.rival().min(rival));
    }
}

/// The header of a left symbol.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// A bit for (the hash of) each right symbol.
    signature: u32,
    /// `start · 32 + log₂ of the number of cells`.
    cells: u32,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    right: u32,
    result: u32,
}

const EMPTY: Cell = Cell { right: NO_MERGE, result: NO_MERGE };

/// Spreads symbols; the top bits are the good ones.
fn hash(right: u32) -> u32 {
    right.wrapping_mul(0x9E37_79B1)
}

impl PairRows {
    /// A table of (left, right, result), for symbols below `n_symbols`.
    pub(super) fn new(n_symbols: usize, pairs: impl Iterator<Item = (u32, u32, u32)> + Clone) -> Self {
        let mut lengths = vec![0_u32; n_symbols];
        let mut len = 0;
        for (left, ..) in pairs.clone() {
            lengths[left as usize] += 1;
            len += 1;
        }
        let mut rows = Vec::with_capacity(n_symbols);
        let mut n_cells = 0;
        for &length in &lengths {
            // A free cell ends every search.
            let bits =
                if length == 0 { 0 } else { (length + length / 2 + 1).next_power_of_two().trailing_zeros() };
            rows.push(Row { signature: 0, cells: n_cells << 5 | bits });
            n_cells += if length == 0 { 0 } else { 1 << bits };
        }
        let byte_pairs = byte_pairs(n_symbols, pairs.clone());
        let mut table = Self { rows, cells: vec![EMPTY; n_cells as usize], byte_pairs, len };
        for (left, right, result) in pairs {
            let row = &mut table.rows[left as usize];
            row.signature |= 1 << (hash(right) >> 27);
            let (start, mask) = row.range();
            let mut place = hash(right) >> 5;
            while table.cells[start + (place as usize & mask)].right != NO_MERGE {
                place += 1;
            }
            table.cells[start + (place as usize & mask)] = Cell { right, result };
        }
        table
    }

    /// What is known of two bytes.
    #[inline(always)]
    pub(super) fn byte_pair(&self, left: u8, right: u8) -> BytePair {
        self.byte_pairs[usize::from(left) | usize::from(right) << 8]
    }

    /// The pairs: left, right, result.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        self.rows.iter().enumerate().flat_map(|(left, row)| {
            let (start, mask) = row.range();
            let n_cells = if row.signature == 0 { 0 } else { mask + 1 };
            let cells = self.cells[start..start + n_cells].iter();
            cells
                .filter(|cell| cell.right != NO_MERGE)
                .map(move |cell| (left as u32, cell.right, cell.result))
        })
    }

    /// The number of pairs.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// What is known of every two bytes, by `left | right << 8`.
fn byte_pairs(n_symbols: usize, pairs: impl Iterator<Item = (u32, u32, u32)> + Clone) -> Vec<BytePair> {
    let place = |left: u8, right: u8| usize::from(u16::from_le_bytes([left, right]));
    let byte = |symbol: u32| u8::try_from(symbol).ok();
    let mut known = vec![BytePair::NONE; 1 << 16];
    let mut parts = vec![(0, 0); n_symbols];
    for (left, right, result) in pairs.clone() {
        parts[result as usize] = (left, right);
        if let (Some(left), Some(right)) = (byte(left), byte(right)) {
            known[place(left, right)].set_result(result);
        }
    }
    let sides = sides(&parts);
    for (left, right, result) in pairs {
        let last_of_left = sides[left as usize][1];
        let first_of_right = sides[right as usize][0];
        if let Some(left) = byte(left) {
            known[place(left, first_of_right)].add_rival(result);
        }
        if let Some(right) = byte(right) {
            known[place(last_of_left, right)].add_rival(result);
        }
        for part in [left, right].into_iter().filter(|&part| part > result) {
            let (left, right) = parts[part as usize];
            if let (Some(left), Some(right)) = (byte(left), byte(right)) {
                known[place(left, right)].add_rival(0);
            }
        }
    }
    known
}

/// By symbol: the first and the last of its bytes.
fn sides(parts: &[(u32, u32)]) -> Vec<[u8; 2]> {
    let mut sides: Vec<[u8; 2]> = (0..parts.len()).map(|symbol| [symbol as u8; 2]).collect();
    for (symbol, &(left, right)) in (0..).zip(parts).skip(256) {
        let (mut first, mut last) = (left, right);
        // Of a lower symbol they are known.
        while first > symbol {
            first = parts[first as usize].0;
        }
        while last > symbol {
            last = parts[last as usize].1;
        }
        sides[symbol as usize] = [sides[first as usize][0], sides[last as usize][1]];
    }
    sides
}

impl Row {
    /// Whether a right symbol with this hash may be in the row.
    #[inline(always)]
    fn has(self, hash: u32) -> bool {
        self.signature >> (hash >> 27) & 1 != 0
    }

    /// The first cell, and a mask for the numbers of all.
    #[inline(always)]
    fn range(self) -> (usize, usize) {
        ((self.cells >> 5) as usize, (1 << (self.cells & 31)) - 1)
    }
}

impl MergeRule for PairRows {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        if left < 256 && right < 256 {
            return self.byte_pairs[(left | right << 8) as usize].result();
        }
        let hash = hash(right);
        let row = self.rows[left as usize];
        if !row.has(hash) {
            return NO_MERGE;
        }
        let (start, mask) = row.range();
        let mut place = (hash >> 5) as usize;
        loop {
            let cell = self.cells[start + (place & mask)];
            if cell.right == right || cell.right == NO_MERGE {
                return cell.result;
            }
            place += 1;
        }
    }

    #[inline(always)]
    fn prefetch_left(&self, left: u32) {
        prefetch(self.rows.as_ptr().wrapping_add(left as usize));
    }

    #[inline(always)]
    fn may_merge(&self, left: u32, right: u32) -> bool {
        let hash = hash(right);
        let row = self.rows[left as usize];
        let (start, mask) = row.range();
        prefetch(self.cells.as_ptr().wrapping_add(start + ((hash >> 5) as usize & mask)));
        row.has(hash)
    }

    #[inline(always)]
    fn merged(&self, _left: u32, _right: u32, rank: u32) -> u32 {
        rank
    }
}
