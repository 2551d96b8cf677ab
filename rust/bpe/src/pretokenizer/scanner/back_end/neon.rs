//! 16-byte look-ups in the registers of 64-bit ARM processors.
//!
//! `tbl` looks up 16 bytes in a table of 16 bytes at once. As on x86-64, the table is that of a row, and all 16 bytes
//! that are looked up are the current state; here its upper bits must be cleared first.
#![allow(unsafe_code)] // Loads and stores of registers.

use super::portable::write_positions;
use super::{Block, Functions, Operations};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;
use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vceqq_u8, vdupq_n_u8, vextq_u8, vgetq_lane_u64, vgetq_lane_u8, vld1q_u8, vpaddq_u8,
    vqtbl1q_u8, vreinterpretq_u64_u8, vst1q_u8, vtstq_u8,
};
use std::arch::is_aarch64_feature_detected;

/// The back end for NEON, if this processor has it.
pub(super) fn neon() -> Option<Functions> {
    is_aarch64_feature_detected!("neon").then_some(Functions {
        run: |table, state, blocks, entries, operations| {
            // SAFETY: this function is handed out only where the processor has NEON.
            unsafe { run(table, state, blocks, entries, operations) }
        },
        write_positions,
    })
}

/// As [`Functions::run`].
#[target_feature(enable = "neon")]
fn run(
    table: &Table,
    state: u8,
    blocks: &[Block],
    entries: &mut [Block],
    operations: &mut [Operations],
) -> u8 {
    let mut state = vdupq_n_u8(state);
    for ((rows, entries), operations) in blocks.iter().zip(entries).zip(operations) {
        let mut found = [vdupq_n_u8(0); 4];
        let mut continuations = found;
        let quarters = rows.as_chunks::<16>().0.iter().zip(entries.as_chunks_mut::<16>().0);
        for ((rows, entries), (found, continuations)) in
            quarters.zip(found.iter_mut().zip(&mut continuations))
        {
            for &row in rows {
                state = vqtbl1q_u8(load(&table.0[usize::from(row)]), vandq_u8(state, vdupq_n_u8(STATE)));
                // One entry enters at the end, and those before it move down.
                *found = vextq_u8::<1>(*found, state);
            }
            // SAFETY: `entries` is 16 bytes that may be written.
            unsafe { vst1q_u8(entries.as_mut_ptr(), *found) };
            *continuations = vceqq_u8(load(rows), vdupq_n_u8(CONTINUATION));
        }
        *operations = Operations {
            here: bits(found, HERE),
            previous: bits(found, PREVIOUS),
            special: bits(found, SPECIAL),
            continuation: bits(continuations, !0),
        };
    }
    vgetq_lane_u8::<0>(state) & STATE
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
