//! tiktoken's rank files: a line for each token, its bytes in base64, a space, and its rank, which is its id.
//!
//! The file says nothing of the pattern and the special tokens, so the caller must.

use super::token_list::TokenList;
use crate::definition::CarriedParts;
use crate::{AddedToken, Definition, Encoder, Error, ErrorKind, Merges, Pretokenizer, Vocabulary};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use std::fmt::Write;

/// Reads the content of a rank file, for use with this pretokenizer and these special tokens.
///
/// # Errors
/// [`ErrorKind::Vocabulary`] for a malformed line (named), tokens or ids that repeat, and a file in which one of the 256
/// bytes has no token: such a rank file is cut short, or is none.
pub fn read(
    content: &[u8],
    pretokenizer: Pretokenizer,
    special_tokens: Vec<(String, u32)>,
) -> Result<Definition, Error> {
    let mut listed = TokenList::default();
    for (number, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        read_line(line, &mut listed).ok_or_else(|| {
            let message = format!(
                "{} is not a token in base64, a space and a rank; is this a complete .tiktoken file?",
                crate::vocabulary::show(line)
            );
            Error::new(ErrorKind::Vocabulary, message).at_line(number as u64 + 1)
        })?;
    }
    from_ranks(listed.tokens(), pretokenizer, special_tokens)
}

fn read_line(line: &[u8], listed: &mut TokenList) -> Option<()> {
    let space = line.iter().position(|&byte| byte == b' ')?;
    let rank = std::str::from_utf8(&line[space + 1..]).ok()?.parse().ok()?;
    listed.push_with(rank, |bytes| STANDARD.decode_vec(&line[..space], bytes).is_ok()).then_some(())
}

/// A definition from (rank, bytes), as a live `tiktoken.Encoding` holds them.
///
/// # Errors
/// As [`read`].
pub fn from_ranks<B: AsRef<[u8]>>(
    tokens: Vec<(u32, B)>,
    pretokenizer: Pretokenizer,
    special_tokens: Vec<(String, u32)>,
) -> Result<Definition, Error> {
    from_vocabulary(Vocabulary::new(tokens)?, pretokenizer, special_tokens)
}

/// The same from the tokens by rank.
pub(super) fn from_vocabulary(
    vocabulary: Vocabulary,
    pretokenizer: Pretokenizer,
    special_tokens: Vec<(String, u32)>,
) -> Result<Definition, Error> {
    let missing = vocabulary.missing_bytes();
    if let Some(first) = missing.first() {
        let message = format!(
            "{} of the 256 bytes have no token, 0x{first:02x} first; a rank file needs them all: is it complete?",
            missing.len()
        );
        return Err(Error::new(ErrorKind::Vocabulary, message));
    }
    Ok(Definition {
        vocabulary: vocabulary.into(),
        merges: Merges::ByTokenId,
        whole_words_first: true,
        unknown: None,
        normalization: Vec::new(),
        pretokenizer,
        added_tokens: special_tokens
            .into_iter()
            .map(|(content, id)| AddedToken::special(id, content))
            .collect(),
        unreachable_tokens: Vec::new(),
        carried: CarriedParts::default(),
    })
}

/// Writes a definition as a rank file, if that gives the same ids. O(bytes of the vocabulary).
///
/// # Errors
/// [`ErrorKind::Unsupported`] where it does not, with the reason: tiktoken knows no normalizer and no unknown token, wants a
/// token for every byte, and merges any two tokens whose concatenation is a token, the one of the lowest id first.
pub fn write(definition: &Definition) -> Result<Vec<u8>, Error> {
    let refuse = |reason: &str| {
        let message =
            format!("a .tiktoken file cannot hold this tokenizer: {reason}; save it as tokenizer.json");
        Err(Error::new(ErrorKind::Unsupported, message))
    };
    if !definition.normalization.is_empty() {
        return refuse("it has a normalizer");
    }
    if !definition.vocabulary.missing_bytes().is_empty() {
        return refuse("some of the 256 bytes have no token");
    }
    let is_ranked = definition.merges == Merges::ByTokenId && definition.whole_words_first;
    if !is_ranked && !Encoder::is_by_ranks(&definition.vocabulary, &definition.merges) {
        return refuse(
            "tiktoken merges any two tokens whose concatenation is a token, by their ids, and its list of merges gives \
             other ids for some texts",
        );
    }
    let mut text = String::new();
    for (token_id, bytes) in definition.vocabulary.iter() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {token_id}", STANDARD.encode(bytes));
    }
    Ok(text.into_bytes())
}
