//! What the automata tell apart: kinds of characters, and the rows of the transition tables that stand for them.
//!
//! A row is one byte. An ASCII character is its own row, so ASCII text *is* its sequence of rows. Any other character
//! is written as the row of its kind in place of its first byte, and [`CONTINUATION`] in place of the others.
//!
//! The kinds come from the tables of `regex-syntax`, the same that the regular expressions are compiled from: the two
//! can never disagree about a character. They are put into 64-entry blocks, one for every first part of a UTF-8
//! sequence (all bytes but the last), and equal blocks are stored once.

use regex_syntax::hir::{Class, HirKind};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A set of kinds of characters, one bit each.
pub(super) type Kinds = u32;

/// The letters of `'s`, `'d`, `'m` and `'t`.
pub(super) const LOWER_SDMT: Kinds = 1 << 0;
/// The same as capitals.
pub(super) const UPPER_SDMT: Kinds = 1 << 1;
/// The letter of `'ll`.
pub(super) const LOWER_L: Kinds = 1 << 2;
/// The same as a capital.
pub(super) const UPPER_L: Kinds = 1 << 3;
/// The first letters of `'ve` and `'re`.
pub(super) const LOWER_VR: Kinds = 1 << 4;
/// The same as capitals.
pub(super) const UPPER_VR: Kinds = 1 << 5;
/// The last letter of `'ve` and `'re`.
pub(super) const LOWER_E: Kinds = 1 << 6;
/// The same as a capital.
pub(super) const UPPER_E: Kinds = 1 << 7;
/// The other small letters of ASCII.
pub(super) const LOWER_ASCII: Kinds = 1 << 8;
/// The other capitals of ASCII.
pub(super) const UPPER_ASCII: Kinds = 1 << 9;
/// `\p{Ll}` beyond ASCII.
pub(super) const LOWER_OTHER: Kinds = 1 << 10;
/// `\p{Lu}` and `\p{Lt}` beyond ASCII.
pub(super) const UPPER_OTHER: Kinds = 1 << 11;
/// `ſ`, a small letter that is an `s` where case does not matter.
pub(super) const LONG_S: Kinds = 1 << 12;
/// `\p{Lm}` and `\p{Lo}`.
pub(super) const UNCASED: Kinds = 1 << 13;
/// `\p{M}`.
pub(super) const MARK: Kinds = 1 << 14;
/// `\d`, which is `\p{Nd}`.
pub(super) const DIGIT: Kinds = 1 << 15;
/// The rest of `\p{N}`.
pub(super) const NUMBER_OTHER: Kinds = 1 << 16;
/// The space.
pub(super) const BLANK: Kinds = 1 << 17;
/// `[\r\n]`.
pub(super) const LINE_END: Kinds = 1 << 18;
/// The rest of `\s`.
pub(super) const WHITE_OTHER: Kinds = 1 << 19;
/// `'`.
pub(super) const APOSTROPHE: Kinds = 1 << 20;
/// `/`.
pub(super) const SLASH: Kinds = 1 << 21;
/// The rest of ASCII's `[\p{P}\p{S}]`.
pub(super) const SYMBOL_ASCII: Kinds = 1 << 22;
/// `[\p{P}\p{S}]` beyond ASCII.
pub(super) const SYMBOL_OTHER: Kinds = 1 << 23;
/// Control characters, formats, private use, unassigned.
pub(super) const OTHER: Kinds = 1 << 24;
/// The letters of [`CJK`].
pub(super) const CJK_LETTER: Kinds = 1 << 25;
/// The marks of [`CJK`].
pub(super) const CJK_MARK: Kinds = 1 << 26;
/// The punctuation and symbols of [`CJK`].
pub(super) const CJK_SYMBOL: Kinds = 1 << 27;
/// The unassigned characters of [`CJK`].
pub(super) const CJK_OTHER: Kinds = 1 << 28;
/// Not a character: the end of the text.
pub(super) const END: Kinds = 1 << 29;

/// The number of kinds.
pub(super) const N_KINDS: usize = 30;
/// All kinds.
pub(super) const ANY: Kinds = (1 << N_KINDS) - 1;
/// `[\p{Ll}]`.
pub(super) const LOWER: Kinds =
    LOWER_SDMT | LOWER_L | LOWER_VR | LOWER_E | LOWER_ASCII | LOWER_OTHER | LONG_S;
/// `[\p{Lu}\p{Lt}]`.
pub(super) const UPPER: Kinds = UPPER_SDMT | UPPER_L | UPPER_VR | UPPER_E | UPPER_ASCII | UPPER_OTHER;
/// `\p{L}`.
pub(super) const LETTER: Kinds = LOWER | UPPER | UNCASED | CJK_LETTER;
/// `[A-Za-z]`.
pub(super) const LETTER_ASCII: Kinds = (LOWER | UPPER) & !(LOWER_OTHER | UPPER_OTHER | LONG_S);
/// `\p{N}`.
pub(super) const NUMBER: Kinds = DIGIT | NUMBER_OTHER;
/// `\s`.
pub(super) const WHITE: Kinds = BLANK | LINE_END | WHITE_OTHER;

/// The characters that DeepSeek's tokenizers cut out first.
pub(super) const CJK: &str = "[一-龥぀-ゟ゠-ヿ]";

/// The row of a byte that is not the first of its character: it changes nothing.
pub(super) const CONTINUATION: u8 = 128 + N_KINDS as u8;

/// The row of a single kind.
pub(super) const fn row_of(kind: Kinds) -> u8 {
    128 + kind.trailing_zeros() as u8
}

/// The kind that a row stands for; none for [`CONTINUATION`].
pub(super) const fn kind_of(row: u8) -> Kinds {
    match row {
        0..128 => ascii_kind(row),
        128..CONTINUATION => 1 << (row - 128),
        CONTINUATION.. => 0,
    }
}

/// The kind of an ASCII character.
const fn ascii_kind(character: u8) -> Kinds {
    match character {
        b's' | b'd' | b'm' | b't' => LOWER_SDMT,
        b'S' | b'D' | b'M' | b'T' => UPPER_SDMT,
        b'l' => LOWER_L,
        b'L' => UPPER_L,
        b'v' | b'r' => LOWER_VR,
        b'V' | b'R' => UPPER_VR,
        b'e' => LOWER_E,
        b'E' => UPPER_E,
        b'a'..=b'z' => LOWER_ASCII,
        b'A'..=b'Z' => UPPER_ASCII,
        b'0'..=b'9' => DIGIT,
        b' ' => BLANK,
        b'\r' | b'\n' => LINE_END,
        b'\t' | 0x0B | 0x0C => WHITE_OTHER,
        b'\'' => APOSTROPHE,
        b'/' => SLASH,
        b'!'..=b'~' => SYMBOL_ASCII,
        _ => OTHER,
    }
}

/// The rows of all characters beyond ASCII, by UTF-8 sequence.
#[derive(Debug)]
pub(super) struct CharacterTable {
    /// The place in `blocks` of the block of every code point / 64. Those of two-byte sequences are in order.
    block_of: Vec<u16>,
    /// Rows of 64 characters that differ in the last byte only.
    blocks: Vec<[u8; 64]>,
}

static TABLE: LazyLock<CharacterTable> = LazyLock::new(CharacterTable::new);

impl CharacterTable {
    /// The table, which is made when it is first needed (about a millisecond).
    pub(super) fn get() -> &'static Self {
        &TABLE
    }

    fn new() -> Self {
        let mut rows = vec![row_of(OTHER); 0x11_0000];
        let classes = [
            (r"[\p{P}\p{S}]".to_owned(), SYMBOL_OTHER),
            (r"\p{Ll}".to_owned(), LOWER_OTHER),
            (r"[\p{Lu}\p{Lt}]".to_owned(), UPPER_OTHER),
            (r"[\p{Lm}\p{Lo}]".to_owned(), UNCASED),
            (r"\p{M}".to_owned(), MARK),
            (r"\p{N}".to_owned(), NUMBER_OTHER),
            (r"\d".to_owned(), DIGIT),
            (r"\s".to_owned(), WHITE_OTHER),
            (CJK.to_owned(), CJK_OTHER),
            (format!(r"[{CJK}&&\p{{L}}]"), CJK_LETTER),
            (format!(r"[{CJK}&&\p{{M}}]"), CJK_MARK),
            (format!(r"[{CJK}&&[\p{{P}}\p{{S}}]]"), CJK_SYMBOL),
        ];
        for (expression, kind) in classes {
            for (first, last) in ranges(&expression) {
                rows[first as usize..=last as usize].fill(row_of(kind));
            }
        }
        rows['ſ' as usize] = row_of(LONG_S);
        let mut places = HashMap::new();
        let (mut block_of, mut blocks) = (Vec::new(), Vec::new());
        for block in rows.as_chunks::<64>().0 {
            let next = blocks.len() as u16;
            let place = if blocks.len() < 0x800 / 64 { next } else { *places.entry(*block).or_insert(next) };
            if place == next {
                blocks.push(*block);
            }
            block_of.push(place);
        }
        Self { block_of, blocks }
    }

    /// The row of a character.
    pub(super) fn row(&self, character: char) -> u8 {
        let code_point = character as usize;
        if code_point < 128 {
            return code_point as u8;
        }
        self.blocks[usize::from(self.block_of[code_point / 64])][code_point % 64]
    }

    /// Writes the rows of UTF-8 text; `rows` gets the length of `bytes`.
    #[inline(never)] // So that it is compiled knowing that `rows` is not part of the table.
    pub(super) fn write_rows(&self, bytes: &[u8], rows: &mut Vec<u8>) {
        rows.clear();
        rows.extend(bytes.iter().map(|&byte| if byte & 0xC0 == 0x80 { CONTINUATION } else { byte }));
        let (blocks, rest) = bytes.as_chunks::<64>();
        let mut last_block = [0; 64];
        last_block[..rest.len()].copy_from_slice(rest);
        for (start, block) in (0..).step_by(64).zip(blocks.iter().chain([&last_block])) {
            let mut leads = leads(block);
            while leads != 0 {
                let place = start + leads.trailing_zeros() as usize;
                rows[place] = self.row_of_sequence(first_four(&bytes[place..]));
                leads &= leads - 1;
            }
        }
    }

    /// The row of the character beyond ASCII that these bytes begin with.
    #[inline]
    fn row_of_sequence(&self, bytes: [u8; 4]) -> u8 {
        let [lead, second, third, fourth] = bytes.map(|byte| usize::from(byte & 0x3F));
        let (block, last) = match bytes[0] {
            0..0xE0 => (lead & 0x1F, second),
            0xE0..0xF0 => (usize::from(self.block_of[(lead & 0x0F) << 6 | second]), third),
            _ => (usize::from(self.block_of[(lead & 0x07) << 12 | second << 6 | third]), fourth),
        };
        self.blocks[block][last]
    }
}

/// The first four bytes, and zeros where there are none.
#[inline]
fn first_four(bytes: &[u8]) -> [u8; 4] {
    bytes
        .first_chunk()
        .copied()
        .unwrap_or_else(|| std::array::from_fn(|place| bytes.get(place).copied().unwrap_or(0)))
}

/// A bit for every byte that is the first of a character beyond ASCII.
fn leads(block: &[u8; 64]) -> u64 {
    block.as_chunks::<8>().0.iter().rev().fold(0, |leads, eight| {
        let eight = u64::from_le_bytes(*eight);
        // The highest bits of bytes whose two highest bits are set, moved down.
        let highest = (eight & eight << 1 & 0x8080_8080_8080_8080) >> 7;
        leads << 8 | highest.wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// The ranges of code points that a class of characters covers.
fn ranges(expression: &str) -> Vec<(u32, u32)> {
    let parsed = regex_syntax::parse(expression).map(regex_syntax::hir::Hir::into_kind);
    match parsed {
        Ok(HirKind::Class(Class::Unicode(class))) => {
            class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect()
        }
        _ => Vec::new(),
    }
}
