//! What SuperBPE's second stage adds to the merge loop: the vetoes on new tokens.
//!
//! Source: Liu et al., "SuperBPE: Space Travel for Language Models", COLM 2025 (arXiv 2503.13423), and its reference
//! implementation. There a token may not contain `": "`, because prompts end there, nor more than four words.

/// The options of the second stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuperwordOptions {
    /// The size of the vocabulary at which the first stage stops.
    pub transition_size: usize,
    /// A superword has at most so many non-empty parts when it is split at spaces.
    pub max_words_per_token: usize,
    /// No superword contains any of these.
    pub forbid: Vec<Vec<u8>>,
}

impl SuperwordOptions {
    /// The reference's vetoes: at most four words and no `": "`.
    pub fn new(transition_size: usize) -> Self {
        Self { transition_size, max_words_per_token: 4, forbid: vec![b": ".to_vec()] }
    }

    /// Whether these bytes may not become a token. What contains a vetoed string is vetoed too, so a veto holds for
    /// ever.
    pub(super) fn vetoes(&self, token: &[u8]) -> bool {
        let contains = |needle: &Vec<u8>| token.windows(needle.len()).any(|window| window == needle);
        let n_words = token.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
        n_words > self.max_words_per_token || self.forbid.iter().any(contains)
    }
}
