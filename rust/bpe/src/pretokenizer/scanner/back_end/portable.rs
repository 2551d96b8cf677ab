//! One look-up after the other, on any processor.

use super::{run_in_lanes, Block, Blocks, Functions, Operations};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;

pub(super) const FUNCTIONS: Functions = Functions { run, write_positions };

fn run(table: &Table, state: u8, blocks: Blocks<'_>) -> u8 {
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

/// The places of the bits of every byte, from the lowest.
static BIT_PLACES: [[u32; 8]; 256] = bit_places();

const fn bit_places() -> [[u32; 8]; 256] {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut n_places, mut bit) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                places[byte][n_places] = bit;
                n_places += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
}

/// As [`Functions::write_positions`]: for every byte of bits, eight positions are written, of which the next ones
/// overwrite those that are none. There is no branch to mispredict.
#[inline(always)]
pub(super) fn write_positions(operations: &[Operations], positions: &mut Vec<u32>) {
    let n_positions: usize = operations.iter().map(|block| (bits_so_far(block.here) >> 56) as usize).sum();
    positions.clear();
    positions.resize(n_positions + 72, 0);
    let mut n_written = 0;
    for (base, block) in (0_u32..).step_by(64).zip(operations) {
        let so_far = bits_so_far(block.here);
        let Some(next) = positions[n_written..].first_chunk_mut::<72>() else { break };
        for byte in 0..8 {
            let n_before = (so_far << 8 >> (8 * byte)) as usize & 63;
            let places = BIT_PLACES[(block.here >> (8 * byte)) as usize & 0xFF];
            let eight = places.map(|place| base + 8 * byte + place);
            if let Some(next) = next[n_before..].first_chunk_mut::<8>() {
                *next = eight;
            }
        }
        n_written += (so_far >> 56) as usize;
    }
    positions.truncate(n_positions);
}

/// In every byte, the number of bits in it and in the lower ones.
fn bits_so_far(bits: u64) -> u64 {
    let pairs = bits - (bits >> 1 & 0x5555_5555_5555_5555);
    let fours = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    let eights = fours + (fours >> 4) & 0x0F0F_0F0F_0F0F_0F0F;
    eights.wrapping_mul(0x0101_0101_0101_0101)
}
