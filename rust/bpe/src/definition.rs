//! Everything that makes a tokenizer, as plain data: what a file says, what training returns, what is saved.

use crate::byte_level::unspell;
use crate::normalizer::NormalizationForm;
use crate::{AddedToken, Error, ErrorKind, Merges, Pretokenizer, UnknownToken, Vocabulary};
use serde_json::Value;
use std::sync::Arc;

/// The data of a tokenizer. [`crate::Tokenizer::new`] makes it ready to encode.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The ordinary tokens, which the encoder shares.
    pub vocabulary: Arc<Vocabulary>,
    /// Which tokens merge, in which order.
    pub merges: Merges,
    /// Whether a pretoken that is a token becomes that token, whatever its merges make of it.
    pub whole_words_first: bool,
    /// What stands for a byte that has no token.
    pub unknown: Option<UnknownToken>,
    /// The normalization forms applied to the text, in order.
    pub normalization: Vec<NormalizationForm>,
    /// What cuts the text into pretokens.
    pub pretokenizer: Pretokenizer,
    /// The added tokens, special ones among them.
    pub added_tokens: Vec<AddedToken>,
    /// Tokens of the file's vocabulary whose spelling is not byte-level, so that no text can produce them.
    pub unreachable_tokens: Vec<(u32, String)>,
    /// Parts of a `tokenizer.json` that do not concern encoding and are kept for saving.
    pub carried: CarriedParts,
}

/// Parts of a `tokenizer.json` that are carried from loading to saving as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CarriedParts {
    /// What adds begin and end tokens around a text.
    pub post_processor: Value,
    /// How ids become text; `ByteLevel` when a file says nothing.
    pub decoder: Value,
    /// Truncation of long texts.
    pub truncation: Value,
    /// Padding of batches.
    pub padding: Value,
}

impl Definition {
    /// What training returns: `tokens` by id, the first of which are the special tokens, and merges of two ids each.
    ///
    /// # Errors
    /// [`ErrorKind::Vocabulary`] if tokens repeat or merges do not fit the tokens.
    pub fn from_training(
        tokens: Vec<Vec<u8>>,
        merges: &[(u32, u32)],
        special_tokens: Vec<String>,
        pretokenizer: Pretokenizer,
    ) -> Result<Self, Error> {
        let mut numbered: Vec<(u32, Vec<u8>)> = (0_u32..).zip(tokens).skip(special_tokens.len()).collect();
        // A tokenizer.json holds special tokens in its vocabulary too, so a saved tokenizer comes back as it was.
        let mut unreachable_tokens = Vec::new();
        for (token_id, content) in (0_u32..).zip(&special_tokens) {
            match unspell(content) {
                Some(bytes) => numbered.push((token_id, bytes)),
                None => unreachable_tokens.push((token_id, content.clone())),
            }
        }
        let vocabulary = Vocabulary::new(numbered)?;
        let merges = Merges::from_pairs(&vocabulary, merges)?;
        let added_tokens = special_tokens.into_iter().enumerate();
        Ok(Self {
            vocabulary: vocabulary.into(),
            merges,
            whole_words_first: false,
            unknown: None,
            normalization: Vec::new(),
            pretokenizer,
            added_tokens: added_tokens.map(|(id, content)| AddedToken::special(id as u32, content)).collect(),
            unreachable_tokens,
            carried: CarriedParts::default(),
        })
    }

    /// One more than the largest id of any token: the rows of an embedding table.
    pub fn vocab_size(&self) -> usize {
        let added = self.added_tokens.iter().map(|token| token.token_id);
        let unreachable = self.unreachable_tokens.iter().map(|(token_id, _)| *token_id);
        added.chain(unreachable).map(|id| id as usize + 1).max().unwrap_or(0).max(self.vocabulary.size())
    }

    /// Every token with its bytes: added tokens, ordinary ones, and those that no text can produce. An id may come more
    /// than once; the first is what it stands for.
    pub fn tokens(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let added = self.added_tokens.iter().map(|token| (token.token_id, token.content.as_bytes()));
        let unreachable = self.unreachable_tokens.iter().map(|(id, spelling)| (*id, spelling.as_bytes()));
        added.chain(self.vocabulary.iter()).chain(unreachable)
    }

    /// The id of the token with these bytes, ordinary tokens first.
    pub fn token_id(&self, bytes: &[u8]) -> Option<u32> {
        let any = || self.tokens().find(|(_, own)| *own == bytes).map(|(token_id, _)| token_id);
        self.vocabulary.token_id(bytes).or_else(any)
    }

    /// Refuses added tokens that contradict each other or the vocabulary.
    ///
    /// # Errors
    /// [`ErrorKind::Vocabulary`] for two added tokens with one id or one content, and for an id that the vocabulary
    /// gives to other bytes.
    pub fn check_added_tokens(&self) -> Result<(), Error> {
        let malformed = |token: &AddedToken, reason: String| {
            let message = format!("added token {:?} {reason}", token.content);
            Err(Error::new(ErrorKind::Vocabulary, message).at_token(token.token_id))
        };
        let mut by_id: Vec<&AddedToken> = self.added_tokens.iter().collect();
        by_id.sort_by_key(|token| token.token_id);
        for pair in by_id.windows(2) {
            if pair[0].token_id == pair[1].token_id {
                return malformed(
                    pair[1],
                    format!("has id {}, as {:?} has", pair[1].token_id, pair[0].content),
                );
            }
        }
        let mut by_content = by_id.clone();
        by_content.sort_by_key(|token| &token.content);
        for pair in by_content.windows(2) {
            if pair[0].content == pair[1].content {
                return malformed(
                    pair[1],
                    format!("has two ids, {} and {}", pair[0].token_id, pair[1].token_id),
                );
            }
        }
        for token in by_id {
            if token.token_id > crate::MAX_TOKEN_ID {
                let limit = crate::MAX_TOKEN_ID;
                return malformed(
                    token,
                    format!("has id {}, above the largest accepted, {limit}", token.token_id),
                );
            }
            if token.content.is_empty() {
                return malformed(token, "is empty; remove it".to_owned());
            }
            let id = token.token_id;
            // In a tokenizer.json the content of an added token and the spelling of an ordinary one are the same.
            let is_same = |bytes: &&[u8]| {
                *bytes == token.content.as_bytes() || unspell(&token.content).as_deref() == Some(*bytes)
            };
            if let Some(bytes) = self.vocabulary.token_bytes(id).filter(|bytes| !is_same(bytes)) {
                let other = crate::vocabulary::show(bytes);
                return malformed(token, format!("has id {id}, which the vocabulary gives to {other}"));
            }
        }
        Ok(())
    }
}
