//! GPT-2's table between bytes and printable characters, in which vocabularies in JSON spell their tokens.
//!
//! Bytes that are printable in Latin-1 (`!`..`~`, `¡`..`¬`, `®`..`ÿ`) stand for themselves; the other 68, in byte
//! order, are written as the characters from U+0100 on. So a space is `Ġ` (U+0120) and a newline `Ċ` (U+010A).
//! Source: `bytes_to_unicode` of the GPT-2 release.

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

const CODE_POINT_OF_BYTE: [u16; 256] = {
    let mut table = [0_u16; 256];
    let (mut byte, mut next) = (0_usize, 256_u16);
    while byte < 256 {
        if is_printable(byte as u8) {
            table[byte] = byte as u16;
        } else {
            table[byte] = next;
            next += 1;
        }
        byte += 1;
    }
    table
};

/// Number of code points that the table reaches: U+0000 to U+0143.
const N_CODE_POINTS: usize = 256 + 68;

const BYTE_OF_CODE_POINT: [Option<u8>; N_CODE_POINTS] = {
    let mut table = [None; N_CODE_POINTS];
    let mut byte = 0_usize;
    while byte < 256 {
        table[CODE_POINT_OF_BYTE[byte] as usize] = Some(byte as u8);
        byte += 1;
    }
    table
};

/// The 256 bytes in order of the code point of their byte-level character.
///
/// This is the order in which Hugging Face's trainer numbers the alphabet, and so the order that decides ties.
pub const ALPHABET_ORDER: [u8; 256] = {
    let mut order = [0_u8; 256];
    let (mut code_point, mut index) = (0_usize, 0_usize);
    while code_point < N_CODE_POINTS {
        if let Some(byte) = BYTE_OF_CODE_POINT[code_point] {
            order[index] = byte;
            index += 1;
        }
        code_point += 1;
    }
    order
};

/// The character that stands for a byte.
///
/// ```
/// assert_eq!(portmanteau_bpe::byte_level::byte_to_char(b' '), 'Ġ');
/// ```
pub fn byte_to_char(byte: u8) -> char {
    char::from_u32(u32::from(CODE_POINT_OF_BYTE[usize::from(byte)])).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for, or `None` for a character outside the table.
pub fn char_to_byte(character: char) -> Option<u8> {
    BYTE_OF_CODE_POINT.get(character as usize).copied().flatten()
}

/// Spells bytes in byte-level characters.
pub fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| byte_to_char(byte)).collect()
}

/// Reads a spelling back into bytes, or `None` if a character is outside the table.
pub fn unspell(spelling: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(spelling.len());
    unspell_onto(spelling, &mut bytes).then_some(bytes)
}

/// Appends the bytes of a spelling to `bytes`, up to the first character outside the table; whether there was none.
pub(crate) fn unspell_onto(spelling: &str, bytes: &mut Vec<u8>) -> bool {
    spelling.chars().all(|character| char_to_byte(character).map(|byte| bytes.push(byte)).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_bijection() {
        for byte in 0..=255 {
            assert_eq!(char_to_byte(byte_to_char(byte)), Some(byte));
        }
        let mut sorted = ALPHABET_ORDER;
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(index, &byte)| index == usize::from(byte)));
        assert_eq!(ALPHABET_ORDER[0], b'!');
        assert_eq!(char_to_byte('x'), Some(b'x'));
        assert_eq!(char_to_byte(' '), None);
        assert_eq!(char_to_byte('語'), None);
        assert_eq!(unspell("Ġtheé"), Some(b" the\xe9".to_vec()));
        assert_eq!(unspell("Ġthe 語"), None);
    }
}
