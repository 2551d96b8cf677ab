//! Everything that makes a tokenizer, as plain data: what a file says, what training returns, what is saved.

use crate::normalizer::NormalizationForm;
use crate::{AddedToken, Error, ErrorKind, Merges, Pretokenizer, UnknownToken, Vocabulary};
use serde_json::Value;

/// The data of a tokenizer. [`crate::Tokenizer::new`] makes it ready to encode.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The ordinary tokens.
    pub vocabulary: Vocabulary,
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
        let numbered = tokens.into_iter().enumerate().map(|(id, bytes)| (id as u32, bytes));
        let vocabulary = Vocabulary::new(numbered.skip(special_tokens.len()).collect())?;
        let merges = Merges::from_pairs(&vocabulary, merges)?;
        let added_tokens = special_tokens.into_iter().enumerate();
        Ok(Self {
            vocabulary,
            merges,
            whole_words_first: false,
            unknown: None,
            normalization: Vec::new(),
            pretokenizer,
            added_tokens: added_tokens.map(|(id, content)| AddedToken::special(id as u32, content)).collect(),
            unreachable_tokens: Vec::new(),
            carried: CarriedParts::default(),
        })
    }

    /// One more than the largest id of any token: the rows of an embedding table.
    pub fn vocab_size(&self) -> usize {
        let added = self.added_tokens.iter().map(|token| token.token_id);
        let unreachable = self.unreachable_tokens.iter().map(|(token_id, _)| *token_id);
        added.chain(unreachable).map(|id| id as usize + 1).max().unwrap_or(0).max(self.vocabulary.size())
    }

    /// The bytes of any token: ordinary, added or unreachable.
    pub fn token_bytes(&self, token_id: u32) -> Option<&[u8]> {
        self.vocabulary.token_bytes(token_id).or_else(|| {
            let added = self.added_tokens.iter().map(|token| (token.token_id, token.content.as_bytes()));
            let unreachable = self.unreachable_tokens.iter().map(|(id, spelling)| (*id, spelling.as_bytes()));
            added.chain(unreachable).find(|(id, _)| *id == token_id).map(|(_, bytes)| bytes)
        })
    }

    /// The id of the token with these bytes, ordinary tokens first.
    pub fn token_id(&self, bytes: &[u8]) -> Option<u32> {
        self.vocabulary.token_id(bytes).or_else(|| {
            let added = self.added_tokens.iter().map(|token| (token.token_id, token.content.as_bytes()));
            let unreachable = self.unreachable_tokens.iter().map(|(id, spelling)| (*id, spelling.as_bytes()));
            added.chain(unreachable).find(|(_, own)| *own == bytes).map(|(id, _)| id)
        })
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
            match self.vocabulary.token_bytes(id) {
                Some(bytes) if bytes != token.content.as_bytes() => {
                    let other = crate::vocabulary::show(bytes);
                    return malformed(token, format!("has id {id}, which the vocabulary gives to {other}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
