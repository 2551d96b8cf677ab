//! What a superword may be.
//!
//! Source: Liu et al., "SuperBPE: Space Travel for Language Models", COLM 2025 (arXiv 2503.13423), and its reference
//! implementation. There a token may not contain `": "`, because prompts end there, nor more than four words.

use crate::{Error, ErrorKind};

/// What a superword may be. Whatever contains a string that may not be a token may not be one either.
///
/// ```
/// use portmanteau_bpe::train::SuperwordOptions;
/// let options = SuperwordOptions { within_sentences: true, ..SuperwordOptions::default() };
/// assert!(options.allows(b" by the way."));
/// assert!(!options.allows(b" now. Then"));
/// assert!(!options.allows(b"as long as it takes"), "five words");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuperwordOptions {
    /// A superword has at most so many non-empty parts when it is split at spaces.
    pub max_words_per_token: usize,
    /// No superword contains any of these.
    pub forbid: Vec<Vec<u8>>,
    /// No superword goes on behind the end of a sentence: `.`, `!`, `?` or `…`, perhaps quotes and brackets that close,
    /// white space, and something else; or `。`, `！`, `？` or `।`, and a letter or digit.
    pub within_sentences: bool,
}

impl Default for SuperwordOptions {
    /// The reference's rules: at most four words and no `": "`.
    fn default() -> Self {
        Self { max_words_per_token: 4, forbid: vec![b": ".to_vec()], within_sentences: false }
    }
}

impl SuperwordOptions {
    /// Refuses rules that no token can keep.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.forbid.iter().any(Vec::is_empty) {
            let message = "forbid has an empty string, which every token contains; remove it";
            return Err(Error::new(ErrorKind::Training, message));
        }
        Ok(())
    }

    /// Whether these bytes may become a token. O(n).
    pub fn allows(&self, token: &[u8]) -> bool {
        let contains = |needle: &Vec<u8>| token.windows(needle.len()).any(|window| window == needle);
        let n_words = token.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
        n_words <= self.max_words_per_token
            && !self.forbid.iter().any(contains)
            && !(self.within_sentences && goes_beyond_a_sentence(token))
    }
}

fn goes_beyond_a_sentence(token: &[u8]) -> bool {
    // A part of a character at the end becomes a replacement character, which is neither white space nor a letter.
    let token = String::from_utf8_lossy(token);
    token.match_indices(['.', '!', '?', '…', '。', '！', '？', '।']).any(|(place, mark)| {
        let rest = &token[place + mark.len()..];
        if matches!(mark, "。" | "！" | "？" | "।") {
            return rest.starts_with(char::is_alphanumeric);
        }
        let closed = rest.trim_start_matches(['"', '\'', ')', ']', '”', '’', '»']);
        let next = closed.trim_start();
        next.len() < closed.len() && !next.is_empty()
    })
}
