//! Places between two characters where a text may be cut, because no token reaches over them.
//!
//! What a merge makes is a token of the vocabulary. So where no token has the last bytes before a place and the first
//! bytes after it inside, no merge ever reaches over it, and what lies before it and after it can be encoded apart.
//! Most pairs of Chinese or Korean characters are such *seams*, and a sentence falls apart into pieces that are short
//! and well known.
//!
//! A vocabulary may have tokens that no merge makes but that a word becomes if it is one as a whole. A word is cut so
//! that no piece of it is such a token.
//!
//! What a token has on either side of a place is a whole character, or the end of one at the front of the token, or the
//! beginning of one at its back. All such pairs of a vocabulary are listed, and a place of a text is looked up with as
//! many bytes on either side as some token has there.

use super::bit_set::{hash, BitSet};
use super::cache::LONGEST_SHORT;
use rustc_hash::FxHashSet;
use std::ops::Range;

/// The places that some token of a set has inside.
#[derive(Debug)]
pub(super) struct Seams {
    /// By the byte before and the byte after: the numbers of bytes that tokens have there of the characters on both
    /// sides, a bit for each two.
    shapes: Vec<u16>,
    /// The bytes before and after, where they are not one each; may have too many.
    sides: BitSet,
    /// Tokens that no merge makes.
    only_whole: FxHashSet<Box<[u8]>>,
}

/// The bytes of a character at most.
const LONGEST: usize = 4;

impl Default for Seams {
    fn default() -> Self {
        Self { shapes: vec![0; 1 << 16], sides: BitSet::with_bits(19), only_whole: FxHashSet::default() }
    }
}

impl Seams {
    /// Adds a token that merges make. O(bytes).
    pub(super) fn add(&mut self, token: &[u8]) {
        for place in (1..token.len()).filter(|&place| !is_continuation(token[place])) {
            let sides = Sides::around(token, place);
            self.shapes[sides.bytes] |= shape(sides.n_before, sides.n_after);
            if sides.n_before + sides.n_after > 2 {
                self.sides.insert(hash(sides.pair(sides.n_before, sides.n_after)));
            }
        }
    }

    /// Adds a token that no merge makes: a word that is one as a whole becomes it, a piece of a word does not.
    pub(super) fn add_only_whole(&mut self, token: &[u8]) {
        self.add(token);
        self.only_whole.insert(token.into());
    }

    /// Whether a text may have runs of characters without spaces, which [`Seams::add_cuts`] would cut.
    #[inline]
    pub(super) fn may_cut(text: &[u8]) -> bool {
        text.iter().fold(false, |has, &byte| has | is_without_spaces(byte))
    }

    /// Appends the safe places inside a word to `places`, if it is a long run of characters without spaces. Other words
    /// are short, or come again as they are.
    #[inline]
    pub(super) fn add_cuts(&self, text: &[u8], word: Range<u32>, places: &mut Vec<u32>) {
        if word.end - word.start <= LONGEST_SHORT as u32 {
            return;
        }
        let (start, end) = (word.start as usize, word.end as usize);
        if !text[start..start + 4].iter().any(|&byte| is_without_spaces(byte)) {
            return;
        }
        let (mut piece, mut place) = (start, start);
        loop {
            place += length_of_character(text[place]);
            if place >= end {
                break;
            }
            // A piece that goes on over a safe place is no token.
            if self.is_safe(text, place) && !self.only_whole.contains(&text[piece..place]) {
                places.push(place as u32);
                piece = place;
            }
        }
        if piece > start && self.only_whole.contains(&text[piece..end]) {
            places.pop();
        }
    }

    /// Whether no token has a place between two characters inside that has these bytes around it, if they say so.
    pub(super) fn is_safe_between(&self, before: u8, after: u8) -> Option<bool> {
        match self.shapes[usize::from(u16::from_be_bytes([before, after]))] {
            0 => Some(true),
            shapes if shapes & 1 != 0 => Some(false),
            _ if before.is_ascii() && after.is_ascii() => Some(true),
            _ => None,
        }
    }

    /// Whether no token has this place of a text inside, which is between two characters.
    #[inline]
    pub(super) fn is_safe(&self, text: &[u8], place: usize) -> bool {
        if place == 0 || place >= text.len() {
            return true;
        }
        let sides = Sides::around(text, place);
        let mut shapes = self.shapes[sides.bytes] & SHAPES_UP_TO[sides.n_before - 1][sides.n_after - 1];
        while shapes != 0 {
            let shape = shapes.trailing_zeros() as usize;
            if shape == 0 || self.sides.has(hash(sides.pair(shape / LONGEST + 1, shape % LONGEST + 1))) {
                return false;
            }
            shapes &= shapes - 1;
        }
        true
    }
}

/// What stands before and after a place.
#[derive(Debug, Clone, Copy)]
struct Sides {
    /// The byte before and the byte after.
    bytes: usize,
    /// Four bytes before, the last in the lowest byte, and the number of those that are of the last character.
    before: u32,
    n_before: usize,
    /// Four bytes after, the first in the highest byte, and the number of those that are of the first character.
    after: u32,
    n_after: usize,
}

impl Sides {
    #[inline]
    fn around(text: &[u8], place: usize) -> Self {
        let (before, after) = text.split_at(place);
        let (n_before, n_after) = (before.len().min(LONGEST), after.len().min(LONGEST));
        let before = match before.last_chunk() {
            Some(bytes) => u32::from_be_bytes(*bytes),
            None => before.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)),
        };
        let after = match after.first_chunk() {
            Some(bytes) => u32::from_be_bytes(*bytes),
            None => after.iter().rev().fold(0, |number, &byte| number >> 8 | u32::from(byte) << 24),
        };
        // The highest bit of a byte is set where it continues a character.
        let continues = |bytes: u32| bytes & !(bytes << 1) & 0x8080_8080;
        Self {
            bytes: (before << 8 & 0xFF00 | after >> 24) as usize,
            before,
            n_before: n_before.min((!continues(before) & 0x8080_8080).trailing_zeros() as usize / 8 + 1),
            after,
            n_after: n_after.min((!continues(after << 8) & 0x8080_8080).leading_zeros() as usize / 8 + 1),
        }
    }

    /// So many bytes before and after.
    #[inline]
    fn pair(self, n_before: usize, n_after: usize) -> u64 {
        let before = self.before & u32::MAX >> (32 - 8 * n_before);
        let after = self.after & u32::MAX << (32 - 8 * n_after);
        u64::from(before) << 32 | u64::from(after)
    }
}

/// Whether a byte starts a character of those of three or four bytes, most of whose scripts are written without spaces;
/// not those with 0xE2, which are signs.
#[inline]
pub(super) fn is_without_spaces(byte: u8) -> bool {
    byte >= 0xE0 && byte != 0xE2
}

/// The bytes of a character that starts with this one.
#[inline]
fn length_of_character(first: u8) -> usize {
    match first {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

#[inline]
pub(super) fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The bit of so many bytes before and after.
const fn shape(n_before: usize, n_after: usize) -> u16 {
    1 << ((n_before - 1) * LONGEST + n_after - 1)
}

/// By number of bytes before and after, less one: the shapes that have no more.
const SHAPES_UP_TO: [[u16; LONGEST]; LONGEST] = {
    let mut shapes = [[0; LONGEST]; LONGEST];
    let mut place = 0;
    while place < (LONGEST * LONGEST) * (LONGEST * LONGEST) {
        let (n_before, n_after) = (place / 64 + 1, place / 16 % 4 + 1);
        let (less_before, less_after) = (place / 4 % 4 + 1, place % 4 + 1);
        if less_before <= n_before && less_after <= n_after {
            shapes[n_before - 1][n_after - 1] |= shape(less_before, less_after);
        }
        place += 1;
    }
    shapes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_safe_where_no_token_has_it_inside() {
        // Tokens that end and start in the middle of é (C3 A9) and 中 (E4 B8 AD).
        let tokens: [&[u8]; 5] = [b"ab", "é中".as_bytes(), b"\xA9b", b"c\xE4\xB8", b"\xAD\xC3"];
        let mut seams = Seams::default();
        for token in tokens {
            seams.add(token);
        }
        for left in ["a", "b", "c", "é", "è", "中", "丬", "😀"] {
            for right in ["a", "b", "c", "é", "è", "中", "丬", "且", "😀"] {
                let text = [left, right].concat();
                let has_inside = tokens.iter().any(|token| {
                    (1..token.len()).any(|place| {
                        let (before, after) = token.split_at(place);
                        // One side of the place ends the other, unless the token goes on beyond the text.
                        (left.as_bytes().ends_with(before) || before.ends_with(left.as_bytes()))
                            && (right.as_bytes().starts_with(after) || after.starts_with(right.as_bytes()))
                    })
                });
                assert_eq!(seams.is_safe(text.as_bytes(), left.len()), !has_inside, "{text}");
            }
        }
    }
}
