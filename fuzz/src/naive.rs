//! The definition of a tokenizer, word for word: added tokens, pretokens, the bytes of each, merges one by one.

use fancy_regex::Regex;
use portmanteau_bpe::{AddedToken, Definition, Merges};
use portmanteau_testkit::naive_encode::{naive_encode, naive_encode_by_token_id};
use portmanteau_testkit::naive_pretokenize::naive_pretokenize;

/// A tokenizer without normalization, whose added tokens have no flags.
pub(crate) struct NaiveTokenizer {
    tokens: Vec<(u32, Vec<u8>)>,
    merges: Merges,
    whole_words_first: bool,
    /// The token for bytes that have none, and whether several in a row become one.
    unknown: Option<(u32, bool)>,
    adds_space: bool,
    regexes: Vec<Regex>,
    added_tokens: Vec<AddedToken>,
    parses_special: bool,
}

impl NaiveTokenizer {
    /// The naive twin of a definition, whose pretokens are those of the expressions.
    pub(crate) fn new(
        definition: &Definition,
        adds_space: bool,
        regexes: Vec<Regex>,
        parses_special: bool,
    ) -> Self {
        Self {
            tokens: definition.vocabulary.iter().map(|(id, bytes)| (id, bytes.to_vec())).collect(),
            merges: definition.merges.clone(),
            whole_words_first: definition.whole_words_first,
            unknown: definition.unknown.map(|unknown| (unknown.token_id, unknown.fuse)),
            adds_space,
            regexes,
            added_tokens: definition.added_tokens.clone(),
            parses_special,
        }
    }

    /// The ids of a text, or `None` if a byte has no token.
    pub(crate) fn encode(&self, text: &str) -> Option<Vec<u32>> {
        let mut ids = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            let rest = &text[at..];
            let found = self.added_tokens.iter().filter(|token| rest.starts_with(&token.content));
            let Some(token) = found.max_by_key(|token| token.content.len()) else {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            // What is taken as text hides other tokens all the same.
            if self.parses_special || !token.special {
                self.encode_part(&text[start..at], &mut ids)?;
                ids.push(token.token_id);
                start = at + token.content.len();
            }
            at += token.content.len();
        }
        self.encode_part(&text[start..at], &mut ids)?;
        Some(ids)
    }

    /// Appends the ids of a text in which no added token is left.
    fn encode_part(&self, part: &str, ids: &mut Vec<u32>) -> Option<()> {
        let gets_space = self.adds_space && !part.is_empty() && !part.starts_with(' ');
        let part = [if gets_space { " " } else { "" }, part].concat();
        for pretoken in naive_pretokenize(&part, &self.regexes).unwrap() {
            self.encode_pretoken(pretoken.as_bytes(), ids)?;
        }
        Some(())
    }

    /// Appends the ids of a pretoken.
    fn encode_pretoken(&self, bytes: &[u8], ids: &mut Vec<u32>) -> Option<()> {
        let id_of = |bytes: &[u8]| self.tokens.iter().find(|token| token.1 == bytes).map(|token| token.0);
        if let Some(token_id) = id_of(bytes).filter(|_| self.whole_words_first) {
            ids.push(token_id);
            return Some(());
        }
        let mut symbols = Vec::new();
        let mut follows_unknown = false;
        for &byte in bytes {
            let own = id_of(&[byte]);
            let (unknown, fuse) = match (own, self.unknown) {
                (None, None) => return None,
                (None, Some(unknown)) => unknown,
                (Some(token_id), _) => (token_id, false),
            };
            if !(fuse && follows_unknown && own.is_none()) {
                symbols.push(unknown);
            }
            follows_unknown = own.is_none();
        }
        ids.extend(match &self.merges {
            Merges::Listed(merges) => naive_encode(symbols, merges),
            Merges::ByTokenId => naive_encode_by_token_id(symbols, &self.tokens),
        });
        Some(())
    }
}
