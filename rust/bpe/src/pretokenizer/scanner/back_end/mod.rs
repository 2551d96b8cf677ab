//! The ways to run an automaton: one for every kind of processor, and one that runs on all.
//!
//! All do the same: they step through blocks of 64 rows, note every entry of the table that they meet, and collect the
//! operations as bits.
//!
//! A step has to wait for the one before it, though a processor could do several in that time. So the blocks are divided
//! into lanes of which one step each is done in turn. All lanes but the first begin in a guessed state. Patterns come
//! to the same state from any other within a word or so; therefore, at the end, the first block of each lane is done
//! again from the right state, and the next ones as long as they end in another state than before.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::automaton::{Table, START, STATE};
use crate::environment;

/// Rows, or entries, that are worked on together.
pub(super) type Block = [u8; 64];

/// The operations in a block, a bit for every row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Operations {
    pub(super) here: u64,
    pub(super) previous: u64,
    pub(super) special: u64,
    /// Not an operation: the rows that are not the first of their character.
    pub(super) continuation: u64,
}

/// What a processor is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackEnd {
    /// Table look-ups one by one.
    Portable,
    /// x86-64 with SSSE3: 16-byte look-ups in registers.
    Ssse3,
    /// 64-bit ARM.
    Neon,
}

impl BackEnd {
    /// All back ends with the names that `PORTMANTEAU_SIMD` may have.
    pub const NAMED: [(&'static str, Self); 3] =
        [("portable", Self::Portable), ("ssse3", Self::Ssse3), ("neon", Self::Neon)];

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        self.run().is_some()
    }

    /// The one to use: the one that the environment variable `PORTMANTEAU_SIMD` names, or the fastest.
    pub fn best() -> Self {
        let fastest = || [Self::Ssse3, Self::Neon].into_iter().find(|back_end| back_end.is_available());
        environment::back_end().or_else(fastest).unwrap_or(Self::Portable)
    }

    /// Its function, if this processor can run it.
    pub(super) fn run(self) -> Option<Run> {
        match self {
            Self::Portable => Some(portable::run),
            #[cfg(target_arch = "x86_64")]
            Self::Ssse3 => x86_64::ssse3(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ssse3 => None,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::neon(),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => None,
        }
    }
}

/// Runs over blocks of rows from a state, notes what it finds in them, and returns the state at their end.
pub(super) type Run = fn(&Table, u8, Blocks<'_>) -> u8;

/// Blocks of rows, with the place for what is noted about them: the entries met, and the operations.
#[derive(Debug, Default)]
pub(super) struct Blocks<'b> {
    pub(super) rows: &'b [Block],
    pub(super) entries: &'b mut [Block],
    pub(super) operations: &'b mut [Operations],
}

impl Blocks<'_> {
    fn split_at(self, place: usize) -> (Self, Self) {
        let rows = self.rows.split_at(place);
        let entries = self.entries.split_at_mut(place);
        let operations = self.operations.split_at_mut(place);
        (
            Self { rows: rows.0, entries: entries.0, operations: operations.0 },
            Self { rows: rows.1, entries: entries.1, operations: operations.1 },
        )
    }

    fn reborrow(&mut self) -> Blocks<'_> {
        Blocks { rows: self.rows, entries: self.entries, operations: self.operations }
    }
}

/// Lanes shorter than this many blocks are not worth their second run.
const MIN_BLOCKS_OF_LANE: usize = 4;

/// As [`Run`], in lanes: `run_lanes` runs over as many blocks in each lane, from a state for each, `run` over
/// blocks one after the other.
#[inline]
fn run_in_lanes<const N_LANES: usize>(
    table: &Table,
    mut state: u8,
    blocks: Blocks<'_>,
    run_lanes: impl Fn(&Table, [u8; N_LANES], [Blocks<'_>; N_LANES]) -> [u8; N_LANES],
    run: impl Fn(&Table, u8, Blocks<'_>) -> u8,
) -> u8 {
    let n_blocks = blocks.rows.len() / N_LANES;
    if n_blocks < MIN_BLOCKS_OF_LANE {
        return run(table, state, blocks);
    }
    let mut rest = blocks;
    let mut lanes = std::array::from_fn(|_| {
        let (lane, after) = std::mem::take(&mut rest).split_at(n_blocks);
        rest = after;
        lane
    });
    let mut states = [START; N_LANES];
    states[0] = state;
    let ends = run_lanes(table, states, lanes.each_mut().map(Blocks::reborrow));
    state = ends[0];
    for (lane, end) in lanes.into_iter().zip(ends).skip(1) {
        let mut lane = lane;
        while !lane.rows.is_empty() {
            let (mut block, after) = lane.split_at(1);
            let guessed_end = block.entries[0][63] & STATE;
            state = run(table, state, block.reborrow());
            if state == guessed_end {
                state = end;
                break;
            }
            lane = after;
        }
    }
    run(table, state, rest)
}
