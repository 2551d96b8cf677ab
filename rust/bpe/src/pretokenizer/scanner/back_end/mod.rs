//! The ways to run an automaton: one for every kind of processor, and one that runs on all.
//!
//! All do the same: they step through blocks of 64 rows, note every entry of the table that they meet, and collect the
//! operations as bits.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::automaton::Table;
use std::sync::LazyLock;

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
    /// x86-64 with AVX2: the same, with instructions of three operands and fast bit counts.
    Avx2,
    /// 64-bit ARM.
    Neon,
}

impl BackEnd {
    /// All back ends with the names that `PORTMANTEAU_SIMD` may have.
    pub const NAMED: [(&'static str, Self); 4] =
        [("portable", Self::Portable), ("ssse3", Self::Ssse3), ("avx2", Self::Avx2), ("neon", Self::Neon)];

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        self.functions().is_some()
    }

    /// The one to use: the one that the environment variable `PORTMANTEAU_SIMD` names when it is first needed, if this
    /// processor can run it; else the fastest.
    pub fn best() -> Self {
        static BEST: LazyLock<BackEnd> = LazyLock::new(|| {
            let name = std::env::var("PORTMANTEAU_SIMD").unwrap_or_default();
            let forced = BackEnd::NAMED.iter().filter(|named| named.0 == name).map(|named| named.1);
            let by_speed = [BackEnd::Avx2, BackEnd::Neon, BackEnd::Ssse3];
            forced.chain(by_speed).find(|back_end| back_end.is_available()).unwrap_or(BackEnd::Portable)
        });
        *BEST
    }

    /// Its functions, if this processor can run them.
    pub(super) fn functions(self) -> Option<Functions> {
        match self {
            Self::Portable => Some(portable::FUNCTIONS),
            #[cfg(target_arch = "x86_64")]
            Self::Ssse3 => x86_64::ssse3(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86_64::avx2(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::neon(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ssse3 | Self::Avx2 => None,
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => None,
        }
    }
}

/// Runs over blocks of rows from a state; writes the entries met and the operations, one for every block; returns the
/// state at the end.
pub(super) type Run = fn(&Table, u8, &[Block], &mut [Block], &mut [Operations]) -> u8;

/// What a back end consists of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Functions {
    pub(super) run: Run,
    /// Writes the positions of the bits of [`Operations::here`] in ascending order.
    pub(super) write_positions: fn(&[Operations], &mut Vec<u32>),
}
