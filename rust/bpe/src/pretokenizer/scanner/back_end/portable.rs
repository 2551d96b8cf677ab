//! One look-up after the other, on any processor.

use super::{run_in_lanes, Block, Blocks, Operations};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;

/// As [`super::Run`].
pub(super) fn run(table: &Table, state: u8, blocks: Blocks<'_>) -> u8 {
    run_in_lanes(table, state, blocks, run_lanes::<4>, |table, state, blocks| {
        run_lanes(table, [state], [blocks])[0]
    })
}

fn run_lanes<const N_LANES: usize>(
    table: &Table,
    mut states: [u8; N_LANES],
    mut lanes: [Blocks<'_>; N_LANES],
) -> [u8; N_LANES] {
    for block in 0..lanes[0].rows.len() {
        let mut entries = [[0; 64]; N_LANES];
        let rows: [&Block; N_LANES] = lanes.each_ref().map(|lane| &lane.rows[block]);
        for place in 0..64 {
            for lane in 0..N_LANES {
                let entry = table.0[usize::from(rows[lane][place])][usize::from(states[lane] & STATE)];
                entries[lane][place] = entry;
                states[lane] = entry;
            }
        }
        for ((lane, entries), rows) in lanes.iter_mut().zip(&entries).zip(rows) {
            lane.entries[block] = *entries;
            lane.operations[block] = Operations {
                here: mask(entries, HERE),
                previous: mask(entries, PREVIOUS),
                special: mask(entries, SPECIAL),
                continuation: mask(&rows.map(|row| u8::from(row == CONTINUATION)), 1),
            };
        }
    }
    states.map(|state| state & STATE)
}

/// A bit for every byte that has the bit of `tested`.
fn mask(block: &Block, tested: u8) -> u64 {
    let eights = block.as_chunks::<8>().0.iter().rev();
    eights.fold(0, |mask, eight| {
        let ones = u64::from_le_bytes(*eight) >> tested.trailing_zeros() & 0x0101_0101_0101_0101;
        // Gathers the lowest bits of eight bytes in the highest byte.
        mask << 8 | ones.wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}
