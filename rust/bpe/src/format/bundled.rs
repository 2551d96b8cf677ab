//! The form in which the bundled vocabularies lie in the Python package: as the merges that make the tokens.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the number of tokens `n`, little-endian |
//! | 256 | the single bytes, in order of id from 0 |
//! | 3 (`n` − 256) | the left part of every other token, in order of id: the low bytes of all, the middle ones, the high ones |
//! | 3 (`n` − 256) | the right part of every other token, likewise |
//!
//! A part is the id of an earlier token. As in a rank file, the id of a token is its merge rank, and pattern and special
//! tokens are said elsewhere. The two parts of a token are those that its bytes are merged to before it is made, so that
//! the encoder need not search for them; it does not take them on trust. `tools/make_vocabularies.py` writes these files.

use super::tiktoken::from_vocabulary;
use crate::{Definition, Error, ErrorKind, Pretokenizer, Vocabulary};

/// Reads the content of such a file, for use with this pretokenizer and these special tokens.
///
/// # Errors
/// [`ErrorKind::Vocabulary`] for a damaged file, tokens that repeat, and a file without a token for one of the 256 bytes.
pub fn read(
    content: &[u8],
    pretokenizer: Pretokenizer,
    special_tokens: Vec<(String, u32)>,
) -> Result<Definition, Error> {
    let vocabulary = vocabulary_in(content).unwrap_or_else(|| {
        let message = "the file is not a whole bundled vocabulary; it was damaged: install the package again";
        Err(Error::new(ErrorKind::Vocabulary, message))
    });
    from_vocabulary(vocabulary?, pretokenizer, special_tokens)
}

/// The tokens, or `None` for a file that is not of the length that it says.
fn vocabulary_in(content: &[u8]) -> Option<Result<Vocabulary, Error>> {
    let (n_tokens, content) = content.split_first_chunk()?;
    let (bytes, parts) = content.split_first_chunk::<256>()?;
    let n_parts = (u32::from_le_bytes(*n_tokens) as usize).checked_sub(bytes.len())?;
    if parts.len() != n_parts.checked_mul(6)? {
        return None;
    }
    let (left, right) = parts.split_at(3 * n_parts);
    Some(Vocabulary::from_parts(bytes, numbers(left).zip(numbers(right)).collect()))
}

/// Numbers of three bytes, of which first the lowest of all are given, then the middle ones, then the highest.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let (low, rest) = bytes.split_at(bytes.len() / 3);
    let (middle, high) = rest.split_at(bytes.len() / 3);
    let bytes = low.iter().zip(middle).zip(high);
    bytes.map(|((&low, &middle), &high)| u32::from_le_bytes([low, middle, high, 0]))
}
