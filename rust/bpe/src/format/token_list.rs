//! Tokens as a file lists them, in one buffer.

/// Ids and bytes of tokens, in the order in which a file lists them.
#[derive(Default)]
pub(super) struct TokenList {
    bytes: Vec<u8>,
    /// (id, where in `bytes` the token ends).
    ends: Vec<(u32, usize)>,
}

impl TokenList {
    /// A list with room for this many tokens.
    pub(super) fn with_capacity(n_tokens: usize) -> Self {
        Self { bytes: Vec::new(), ends: Vec::with_capacity(n_tokens) }
    }

    /// Adds the token whose bytes `append` puts at the end of the buffer, or none where it returns `false`.
    pub(super) fn push_with(&mut self, token_id: u32, append: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let start = self.bytes.len();
        let is_token = append(&mut self.bytes);
        if is_token {
            self.ends.push((token_id, self.bytes.len()));
        } else {
            self.bytes.truncate(start);
        }
        is_token
    }

    /// (id, bytes) of each token, in the order of the file.
    pub(super) fn tokens(&self) -> Vec<(u32, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        starts.zip(&self.ends).map(|(start, &(token_id, end))| (token_id, &self.bytes[start..end])).collect()
    }
}
