//! The form in which the bundled vocabularies lie in the Python package: quick to read, and as small as the tokens.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the number of tokens `n`, little-endian |
//! | `n` | the length of every token, in order of id from 0 |
//! | the rest | the bytes of the tokens, one after the other |
//!
//! As in a rank file, the id of a token is its merge rank, and pattern and special tokens are said elsewhere.
//! `tools/make_vocabularies.py` writes these files.

use super::tiktoken::from_ranks;
use crate::{Definition, Error, ErrorKind, Pretokenizer};

/// Reads the content of such a file, for use with this pretokenizer and these special tokens.
///
/// # Errors
/// [`ErrorKind::Vocabulary`] for a damaged file, tokens that repeat, and a file without a token for one of the 256 bytes.
pub fn read(
    content: &[u8],
    pretokenizer: Pretokenizer,
    special_tokens: Vec<(String, u32)>,
) -> Result<Definition, Error> {
    let tokens = tokens_of(content).ok_or_else(|| {
        let message = "the file is not a whole bundled vocabulary; it was damaged: install the package again";
        Error::new(ErrorKind::Vocabulary, message)
    })?;
    from_ranks(tokens, pretokenizer, special_tokens)
}

fn tokens_of(content: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let (n_tokens, content) = content.split_first_chunk()?;
    let (lengths, mut rest) = content.split_at_checked(u32::from_le_bytes(*n_tokens) as usize)?;
    let mut tokens = Vec::with_capacity(lengths.len());
    for (token_id, &length) in (0..).zip(lengths) {
        let (token, after) = rest.split_at_checked(usize::from(length))?;
        tokens.push((token_id, token));
        rest = after;
    }
    rest.is_empty().then_some(tokens)
}
