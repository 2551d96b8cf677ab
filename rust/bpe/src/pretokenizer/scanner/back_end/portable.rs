//! One look-up after the other, on any processor.

use super::{Block, Functions, Operations};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;

pub(super) const FUNCTIONS: Functions = Functions { run, write_positions };

fn run(
    table: &Table,
    mut state: u8,
    blocks: &[Block],
    entries: &mut [Block],
    operations: &mut [Operations],
) -> u8 {
    for ((rows, entries), operations) in blocks.iter().zip(entries).zip(operations) {
        for (row, entry) in rows.iter().zip(entries.iter_mut()) {
            *entry = table.0[usize::from(*row)][usize::from(state & STATE)];
            state = *entry;
        }
        *operations = Operations {
            here: mask(entries, |entry| entry & HERE != 0),
            previous: mask(entries, |entry| entry & PREVIOUS != 0),
            special: mask(entries, |entry| entry & SPECIAL != 0),
            continuation: mask(rows, |row| row == CONTINUATION),
        };
    }
    state & STATE
}

fn mask(block: &Block, is_set: impl Fn(u8) -> bool) -> u64 {
    block.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(is_set(byte)))
}

/// As [`Functions::write_positions`]; the other back ends compile it with their instructions for counting bits.
#[inline(always)]
pub(super) fn write_positions(operations: &[Operations], positions: &mut Vec<u32>) {
    /// As many are written at once, whether there are so many or not.
    const AT_ONCE: usize = 8;

    let n_positions: usize = operations.iter().map(|block| block.here.count_ones() as usize).sum();
    positions.clear();
    positions.resize(n_positions + AT_ONCE, 0);
    let mut n_written = 0;
    for (base, block) in (0..).step_by(64).zip(operations) {
        let (mut bits, mut n_bits) = (block.here, block.here.count_ones() as usize);
        while n_bits > 0 {
            let n_now = n_bits.min(AT_ONCE);
            if let Some(next) = positions[n_written..].first_chunk_mut::<AT_ONCE>() {
                for position in next {
                    *position = base + bits.trailing_zeros();
                    bits &= bits.wrapping_sub(1);
                }
            }
            n_written += n_now;
            n_bits -= n_now;
        }
    }
    positions.truncate(n_positions);
}
