//! 16-byte look-ups in the registers of 64-bit ARM processors.
//!
//! `tbl` looks up 16 bytes in a table of 16 bytes at once. As on x86-64, the table is that of a row, and all 16 bytes
//! that are looked up are the current state; here its upper bits must be cleared first.
#![allow(unsafe_code)] // Loads and stores of registers.

use super::{run_in_lanes, Blocks, Operations, Run};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;
use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vdupq_n_u8, vextq_u8, vgetq_lane_u64, vgetq_lane_u8, vld1q_u8, vpaddq_u8,
    vqtbl1q_u8, vreinterpretq_u64_u8, vst1q_u8, vtstq_u8,
};
use std::arch::is_aarch64_feature_detected;

/// The function for NEON, if this processor has it.
pub(super) fn neon() -> Option<Run> {
    is_aarch64_feature_detected!("neon").then_some(|table, state, blocks| {
        // SAFETY: this function is handed out only where the processor has NEON.
        unsafe { run(table, state, blocks) }
    })
}

#[target_feature(enable = "neon")]
fn run(table: &Table, state: u8, blocks: Blocks<'_>) -> u8 {
    let run_one = |table: &Table, state, blocks: Blocks<'_>| run_lanes(table, [state], [blocks])[0];
    let run_four = |table: &Table, states, lanes: [Blocks<'_>; 4]| run_lanes(table, states, lanes);
    run_in_lanes(table, state, blocks, run_four, run_one)
}

#[inline]
#[target_feature(enable = "neon")]
fn run_lanes<const N_LANES: usize>(
    table: &Table,
    states: [u8; N_LANES],
    mut lanes: [Blocks<'_>; N_LANES],
) -> [u8; N_LANES] {
    let mut states = states.map(|state| vdupq_n_u8(state));
    for block in 0..lanes[0].rows.len() {
        let mut found = [[vdupq_n_u8(0); 4]; N_LANES];
        for quarter in 0..4 {
            let rows: [&[u8; 16]; N_LANES] =
                lanes.each_ref().map(|lane| &lane.rows[block].as_chunks::<16>().0[quarter]);
            for place in 0..16 {
                for ((rows, state), found) in rows.iter().zip(&mut states).zip(&mut found) {
                    let entries = load(&table.0[usize::from(rows[place])]);
                    *state = vqtbl1q_u8(entries, vandq_u8(*state, vdupq_n_u8(STATE)));
                    // One entry enters at the end, and those before it move down.
                    found[quarter] = vextq_u8::<1>(found[quarter], *state);
                }
            }
        }
        for (lane, found) in lanes.iter_mut().zip(found) {
            for (entries, found) in lane.entries[block].as_chunks_mut::<16>().0.iter_mut().zip(found) {
                // SAFETY: `entries` is 16 bytes that may be written.
                unsafe { vst1q_u8(entries.as_mut_ptr(), found) };
            }
            let mut continuations = found;
            for (continuations, rows) in continuations.iter_mut().zip(lane.rows[block].as_chunks().0) {
                *continuations = vceqq_u8(load(rows), vdupq_n_u8(CONTINUATION));
            }
            lane.operations[block] = Operations {
                here: bits(found, HERE),
                previous: bits(found, PREVIOUS),
                special: bits(found, SPECIAL),
                continuation: bits(continuations, !0),
            };
        }
    }
    states.map(|state| vgetq_lane_u8::<0>(state) & STATE)
}

#[inline]
#[target_feature(enable = "neon")]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: `bytes` is 16 bytes that may be read.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// A bit for every byte that has any of the bits of `tested`.
#[inline]
#[target_feature(enable = "neon")]
fn bits(block: [uint8x16_t; 4], tested: u8) -> u64 {
    let place = load(&[1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
    let [a, b, c, d] = block.map(|bytes| vandq_u8(vtstq_u8(bytes, vdupq_n_u8(tested)), place));
    let sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
}
