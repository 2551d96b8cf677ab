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
    /// By `left << 8 | right` for bytes: the result, or [`NO_MERGE`].
    byte_pairs: Vec<u32>,
    len: usize,
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
        let mut table =
            Self { rows, cells: vec![EMPTY; n_cells as usize], byte_pairs: vec![NO_MERGE; 1 << 16], len };
        for (left, right, result) in pairs {
            if left < 256 && right < 256 {
                table.byte_pairs[(left << 8 | right) as usize] = result;
            }
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

impl Row {
    #[inline(always)]
    fn range(self) -> (usize, usize) {
        ((self.cells >> 5) as usize, (1 << (self.cells & 31)) - 1)
    }
}

impl MergeRule for PairRows {
    #[inline(always)]
    fn rank(&self, left: u32, right: u32) -> u32 {
        if left < 256 && right < 256 {
            return self.byte_pairs[(left << 8 | right) as usize];
        }
        let hash = hash(right);
        let row = self.rows[left as usize];
        if row.signature >> (hash >> 27) & 1 == 0 {
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
    fn prefetch_pair(&self, left: u32, right: u32) {
        let (start, mask) = self.rows[left as usize].range();
        prefetch(self.cells.as_ptr().wrapping_add(start + ((hash(right) >> 5) as usize & mask)));
    }

    #[inline(always)]
    fn merged(&self, _left: u32, _right: u32, rank: u32) -> u32 {
        rank
    }
}
