//! From the operations of an automaton to boundaries.
//!
//! Boundaries are bits, set by what the automaton found before a character ([`Operations::here`]). The other operations
//! reach back: to the previous character, which is a shift of all bits at once, or, rarely, further, which takes a walk.
//! A walk goes over characters of one state, and no two walks over the same ones, so all of them together are linear.

use super::automaton::{
    Automaton, Special, AFTER_LINE_END, CAPITALS, IN_BLANKS, IN_WHITE, LATER_CAPITALS, STATE, WITHOUT_CASE,
};
use super::back_end::Operations;

/// Applies [`Operations::previous`], so that `here` has its boundaries too.
pub(super) fn apply_previous(operations: &mut [Operations]) {
    // Bits on their way to the block before.
    let mut before = 0;
    for block in operations.iter_mut().rev() {
        let mut bits = block.previous >> 1 | before;
        before = block.previous << 63;
        // On to the first byte of the character.
        while bits & block.continuation != 0 {
            let moving = bits & block.continuation;
            before |= moving << 63;
            bits = bits & !moving | moving >> 1;
        }
        block.here |= bits;
    }
}

/// Applies [`Operations::special`]. `bytes` is the text, `entries` has the entry met at every byte of it and at its end.
pub(super) fn apply_specials(
    automaton: &Automaton,
    bytes: &[u8],
    entries: &[u8],
    operations: &mut [Operations],
) {
    for block in 0..operations.len() {
        let mut bits = operations[block].special;
        while bits != 0 {
            apply_special(automaton, bytes, entries, operations, block * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

fn apply_special(
    automaton: &Automaton,
    bytes: &[u8],
    entries: &[u8],
    operations: &mut [Operations],
    position: usize,
) {
    let state_after = |position: usize| entries[position] & STATE;
    let Some(met) = position.checked_sub(1).map(state_after) else { return };
    let special = automaton.specials[usize::from(met)];
    let belongs = |&start: &usize| match special {
        Special::JoinsLineEnd => matches!(state_after(start), IN_BLANKS | IN_WHITE),
        _ => state_after(start) == met,
    };
    let run = (0..position).rev().take_while(belongs).last().unwrap_or(position);
    let mut set = |position: usize| operations[position / 64].here |= 1 << (position % 64);
    match special {
        Special::None => {}
        Special::JoinsLineEnd => {
            if run > 0 && state_after(run - 1) == AFTER_LINE_END {
                operations[run / 64].here &= !(1 << (run % 64));
            }
        }
        Special::RunBegins => set(run),
        Special::BeginsBeforeRun => set(run - 1),
        Special::ContractionFails => {
            set(run - 1);
            if bytes[position - 1].is_ascii_lowercase() {
                // The rules, which have one state for `'l` and `'L`, went on as if it were a capital.
                let state_there = state_after(position);
                let next = (position..entries.len())
                    .find(|&next| state_there != WITHOUT_CASE || state_after(next) != WITHOUT_CASE);
                if let Some(next) =
                    next.filter(|&next| [CAPITALS, LATER_CAPITALS].contains(&state_after(next)))
                {
                    set(next);
                }
            }
        }
        Special::GroupsOfThree => {
            let starts = (run..position).rev().filter(|&start| bytes[start] & 0xC0 != 0x80);
            for start in starts.skip(2).step_by(3) {
                set(start);
            }
        }
    }
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

/// Writes the positions of the bits of [`Operations::here`], ascending. For every byte of bits, eight positions are
/// written, of which the next ones overwrite those that are none: there is no branch to mispredict.
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
    let eights = (fours + (fours >> 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    eights.wrapping_mul(0x0101_0101_0101_0101)
}
