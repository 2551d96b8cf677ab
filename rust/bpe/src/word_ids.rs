//! Which word each token lies in.
//!
//! A word is what no token crosses: a pretoken, or an added token with the white space that it swallows. They are counted
//! from 0 through the text, as Hugging Face's `word_ids` are.

use crate::added_tokens::Part;
use crate::normalizer::normalize;
use crate::{Error, Scratch, SpecialTokens, Tokenizer};

impl Tokenizer {
    /// The word of each token that [`Tokenizer::encode`] makes of a text.
    ///
    /// Every pretoken is encoded by itself, so this takes a few times as long as encoding.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn word_ids(
        &self,
        text: &str,
        special: &SpecialTokens,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>, Error> {
        let mut words = Words::default();
        let mut ids = Vec::new();
        self.raw_added_tokens.for_each_part(text, special, &mut |part| {
            let Part::Text(range) = part else { return words.add(1) };
            let normalized = normalize(&self.definition().normalization, &text[range]);
            self.normalized_added_tokens.for_each_part(&normalized, special, &mut |part| {
                let Part::Text(range) = part else { return words.add(1) };
                self.definition().pretokenizer.split_with_ranges(&normalized[range], &mut |pretoken, _| {
                    ids.clear();
                    self.encoder.encode(pretoken, scratch, &mut ids).map_err(Error::without_offset)?;
                    words.add(ids.len())
                })
            })
        })?;
        Ok(words.of_tokens)
    }
}

/// The words so far.
#[derive(Default)]
struct Words {
    of_tokens: Vec<u32>,
    n_words: u32,
}

impl Words {
    /// The next word has so many tokens.
    #[allow(clippy::unnecessary_wraps)] // the shape that the visitors have
    fn add(&mut self, n_tokens: usize) -> Result<(), Error> {
        self.of_tokens.resize(self.of_tokens.len() + n_tokens, self.n_words);
        self.n_words += 1;
        Ok(())
    }
}
