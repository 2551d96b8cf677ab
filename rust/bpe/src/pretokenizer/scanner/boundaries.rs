//! From the operations of an automaton to boundaries.

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
