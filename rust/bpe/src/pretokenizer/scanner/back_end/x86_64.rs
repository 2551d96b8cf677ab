//! 16-byte look-ups in the registers of x86-64 processors.
//!
//! `pshufb` looks up 16 bytes in a table of 16 bytes at once. Here the table is that of a row, and all 16 bytes of the
//! register that is looked up are the current state; so are all 16 bytes of the result the next entry, whose upper bits
//! the next look-up ignores. The chain from state to state is one `pshufb` long, a single cycle; the tables are loaded
//! ahead.
#![allow(unsafe_code)] // Processor instructions that not every processor has.

use super::portable::write_positions;
use super::{Block, Functions, Operations};
use crate::pretokenizer::scanner::automaton::{Table, HERE, PREVIOUS, SPECIAL, STATE};
use crate::pretokenizer::scanner::characters::CONTINUATION;
use std::arch::x86_64::{
    __m128i, _mm_alignr_epi8, _mm_cmpeq_epi8, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_set1_epi8, _mm_setzero_si128, _mm_shuffle_epi8, _mm_slli_epi16, _mm_storeu_si128,
};

/// The back end for SSSE3, if this processor has it.
pub(super) fn ssse3() -> Option<Functions> {
    #[target_feature(enable = "ssse3")]
    fn with_ssse3(
        table: &Table,
        state: u8,
        blocks: &[Block],
        entries: &mut [Block],
        operations: &mut [Operations],
    ) -> u8 {
        run(table, state, blocks, entries, operations)
    }
    is_x86_feature_detected!("ssse3").then_some(Functions {
        run: |table, state, blocks, entries, operations| {
            // SAFETY: this function is handed out only where the processor has SSSE3.
            unsafe { with_ssse3(table, state, blocks, entries, operations) }
        },
        write_positions,
    })
}

/// The back end for AVX2, if this processor has it, with the bit instructions of its time.
pub(super) fn avx2() -> Option<Functions> {
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn with_avx2(
        table: &Table,
        state: u8,
        blocks: &[Block],
        entries: &mut [Block],
        operations: &mut [Operations],
    ) -> u8 {
        run(table, state, blocks, entries, operations)
    }
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn write_with_avx2(operations: &[Operations], positions: &mut Vec<u32>) {
        write_positions(operations, positions);
    }
    let is_available = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt");
    is_available.then_some(Functions {
        run: |table, state, blocks, entries, operations| {
            // SAFETY: this function is handed out only where the processor has AVX2, BMI1 and POPCNT.
            unsafe { with_avx2(table, state, blocks, entries, operations) }
        },
        write_positions: |operations, positions| {
            // SAFETY: this function is handed out only where the processor has AVX2, BMI1 and POPCNT.
            unsafe { write_with_avx2(operations, positions) }
        },
    })
}

/// As [`Functions::run`]. It is compiled into the functions above, with the instructions that they allow.
#[inline]
#[target_feature(enable = "ssse3")]
fn run(
    table: &Table,
    state: u8,
    blocks: &[Block],
    entries: &mut [Block],
    operations: &mut [Operations],
) -> u8 {
    let mut state = _mm_set1_epi8(state as i8);
    for ((rows, entries), operations) in blocks.iter().zip(entries).zip(operations) {
        let mut collected = Operations::default();
        let quarters = rows.as_chunks::<16>().0.iter().zip(entries.as_chunks_mut::<16>().0);
        for ((rows, entries), shift) in quarters.zip([0, 16, 32, 48]) {
            let mut found = _mm_setzero_si128();
            for &row in rows {
                state = _mm_shuffle_epi8(load(&table.0[usize::from(row)]), state);
                // One entry enters at the end, and those before it move down.
                found = _mm_alignr_epi8::<1>(state, found);
            }
            // SAFETY: `entries` is 16 bytes that may be written.
            unsafe { _mm_storeu_si128(entries.as_mut_ptr().cast(), found) };
            const { assert!(HERE == 16 && PREVIOUS == 32 && SPECIAL == 64) };
            collected.here |= top_bits(_mm_slli_epi16::<3>(found)) << shift;
            collected.previous |= top_bits(_mm_slli_epi16::<2>(found)) << shift;
            collected.special |= top_bits(_mm_slli_epi16::<1>(found)) << shift;
            let continuations = _mm_cmpeq_epi8(load(rows), _mm_set1_epi8(CONTINUATION as i8));
            collected.continuation |= top_bits(continuations) << shift;
        }
        *operations = collected;
    }
    _mm_cvtsi128_si32(state).cast_unsigned() as u8 & STATE
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
