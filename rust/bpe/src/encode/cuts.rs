//! All places of a text where it may be cut, found 64 bytes at a time.
//!
//! The byte before a place and the byte after it settle most places: those between two characters of ASCII, and those
//! where no token has the two bytes side by side. They are looked up in a table, which says what [`Seams::is_safe`]
//! would, for a byte a look, and come out as bits. What the two bytes do not settle is asked of [`Seams`].

use super::seams::{is_continuation, is_without_spaces, Seams};

/// Places in a block.
pub(super) const BLOCK: usize = 64;

/// What two bytes say of the place between them.
const UNSAFE: u8 = 0;
const SAFE: u8 = 1;
const ASK: u8 = 2;

/// What is known of places by the two bytes around them.
#[derive(Debug)]
pub(super) struct Cuts {
    /// By `before | after << 8`.
    kinds: Box<[u8; 1 << 16]>,
}

impl Cuts {
    /// The cuts at these seams. Between two characters that are both beyond ASCII only those of scripts without spaces
    /// are looked for; the others are hardly ever safe.
    #[allow(clippy::large_stack_arrays)] // A box of a known size needs no checks of bounds.
    pub(super) fn new(seams: &Seams) -> Self {
        let mut kinds = Box::new([UNSAFE; 1 << 16]);
        for (place, kind) in kinds.iter_mut().enumerate() {
            let (before, after) = (place as u8, (place >> 8) as u8);
            if !is_continuation(after) {
                *kind = match seams.is_safe_between(before, after) {
                    Some(true) => SAFE,
                    None if before.is_ascii() || after.is_ascii() || is_without_spaces(after) => ASK,
                    Some(false) | None => UNSAFE,
                };
            }
        }
        Self { kinds }
    }

    /// The safe places of a block of a text, those before each of the up to 64 bytes from `start`, as bits; not the
    /// place at the start of the text.
    #[inline(always)]
    pub(super) fn of_block(&self, text: &[u8], start: usize, seams: &Seams) -> u64 {
        let mut safe = 0;
        // With the byte before the block; the block at the start has no byte there.
        if let Some(bytes) =
            start.checked_sub(1).and_then(|start| text[start..].first_chunk::<{ BLOCK + 1 }>())
        {
            for place in 0..BLOCK {
                safe |= u64::from(self.kind(bytes[place], bytes[place + 1]) & SAFE) << place;
            }
            if bytes[1..].is_ascii() && bytes[0].is_ascii() {
                return safe;
            }
        }
        self.of_any_block(text, start, seams)
    }

    #[inline(never)]
    fn of_any_block(&self, text: &[u8], start: usize, seams: &Seams) -> u64 {
        let (mut safe, mut ask) = (0_u64, 0_u64);
        let places = start.max(1)..text.len().min(start + BLOCK);
        for place in places {
            let kind = u64::from(self.kind(text[place - 1], text[place]));
            safe |= (kind & 1) << (place - start);
            ask |= (kind >> 1) << (place - start);
        }
        while ask != 0 {
            let place = ask.trailing_zeros();
            safe |= u64::from(seams.is_safe(text, start + place as usize)) << place;
            ask &= ask - 1;
        }
        safe
    }

    #[inline(always)]
    fn kind(&self, before: u8, after: u8) -> u8 {
        self.kinds[usize::from(u16::from_le_bytes([before, after]))]
    }
}
