//! 16-byte look-ups in the registers of x86-64 processors.
//!
//! `pshufb` looks up 16 bytes in a table of 16 bytes at once. Here the table is that of a row, and all 16 bytes of the
//! register that is looked up are the current state; so are all 16 bytes of the result the next entry, whose upper bits
//! the next look-up ignores. The chain from state to state is one `pshufb` long, a single cycle; the tables are loaded
//! ahead.
#![allow(unsafe_code)] // Processor instructions that not every processor has.

use super::{run_in_lanes, Blocks, Operations, Run};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;
use std::arch::x86_64::{
    __m128i, _mm_alignr_epi8, _mm_cmpeq_epi8, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_set1_epi8, _mm_setzero_si128, _mm_shuffle_epi8, _mm_slli_epi16, _mm_storeu_si128,
};

/// The function for SSSE3, if this processor has it.
pub(super) fn ssse3() -> Option<Run> {
    is_x86_feature_detected!("ssse3").then_some(|table, state, blocks| {
        // SAFETY: this function is handed out only where the processor has SSSE3.
        unsafe { run(table, state, blocks) }
    })
}

#[target_feature(enable = "ssse3")]
fn run(table: &Table, state: u8, blocks: Blocks<'_>) -> u8 {
    let run_one = |table: &Table, state, blocks: Blocks<'_>| run_lanes(table, [state], [blocks])[0];
    let run_two = |table: &Table, states, lanes: [Blocks<'_>; 2]| run_lanes(table, states, lanes);
    run_in_lanes(table, state, blocks, run_two, run_one)
}

#[inline]
#[target_feature(enable = "ssse3")]
fn run_lanes<const N_LANES: usize>(
    table: &Table,
    states: [u8; N_LANES],
    mut lanes: [Blocks<'_>; N_LANES],
) -> [u8; N_LANES] {
    let mut states = states.map(|state| _mm_set1_epi8(state as i8));
    for block in 0..lanes[0].rows.len() {
        let mut collected = [Operations::default(); N_LANES];
        for quarter in 0..4 {
            let rows: [&[u8; 16]; N_LANES] =
                lanes.each_ref().map(|lane| &lane.rows[block].as_chunks::<16>().0[quarter]);
            let mut found = [_mm_setzero_si128(); N_LANES];
            for place in 0..16 {
                for ((rows, state), found) in rows.iter().zip(&mut states).zip(&mut found) {
                    *state = _mm_shuffle_epi8(load(&table.0[usize::from(rows[place])]), *state);
                    // One entry enters at the end, and those before it move down.
                    *found = _mm_alignr_epi8::<1>(*state, *found);
                }
            }
            for lane in 0..N_LANES {
                let entries = &mut lanes[lane].entries[block].as_chunks_mut::<16>().0[quarter];
                // SAFETY: `entries` is 16 bytes that may be written.
                unsafe { _mm_storeu_si128(entries.as_mut_ptr().cast(), found[lane]) };
                const { assert!(HERE == 16 && PREVIOUS == 32 && SPECIAL == 64) };
                let continuations = _mm_cmpeq_epi8(load(rows[lane]), _mm_set1_epi8(CONTINUATION as i8));
                let collected = &mut collected[lane];
                let shift = 16 * quarter;
                collected.here |= top_bits(_mm_slli_epi16::<3>(found[lane])) << shift;
                collected.previous |= top_bits(_mm_slli_epi16::<2>(found[lane])) << shift;
                collected.special |= top_bits(_mm_slli_epi16::<1>(found[lane])) << shift;
                collected.continuation |= top_bits(continuations) << shift;
            }
        }
        for (lane, collected) in lanes.iter_mut().zip(collected) {
            lane.operations[block] = collected;
        }
    }
    states.map(|state| _mm_cvtsi128_si32(state).cast_unsigned() as u8 & STATE)
}

#[inline]
#[target_feature(enable = "ssse3")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: `bytes` is 16 bytes that may be read.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "ssse3")]
fn top_bits(bytes: __m128i) -> u64 {
    u64::from(_mm_movemask_epi8(bytes).cast_unsigned())
}
