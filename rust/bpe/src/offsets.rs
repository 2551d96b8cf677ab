//! Ids with their places in the text.
//!
//! The tokens of a pretoken are, one after the other, its bytes. So their places follow from their lengths; what is added
//! is bookkeeping for what is not in the text as it is. A token that stands for bytes that the vocabulary lacks has their
//! length, not its own; a prefix space has no place; a normalized text leads back to the original by its alignment.

use crate::added_tokens::Part;
use crate::alignment::{Alignment, Cover};
use crate::{Definition, Error, Scratch, SpecialTokens, Tokenizer, UnknownToken};
use std::borrow::Cow;
use std::ops::Range;

/// What offsets count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Bytes of UTF-8.
    Bytes,
    /// Characters (code points). A token that holds a part of a character counts as covering it.
    Characters,
    /// Characters, as Hugging Face's `tokenizers` has them: what normalization composed covers only the first of the
    /// characters that it was made from, and a prefix space by itself covers the character that it was put before.
    HuggingFace,
}

impl OffsetUnit {
    /// What counts as the origin of a character that normalization composed.
    fn cover(self) -> Cover {
        if self == Self::HuggingFace {
            Cover::First
        } else {
            Cover::All
        }
    }
}

/// The ids of a text with their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedWithOffsets {
    /// The ids, as [`Tokenizer::encode`] gives them.
    pub ids: Vec<u32>,
    /// Where each lies in the original text.
    pub offsets: Vec<Range<usize>>,
}

impl Tokenizer {
    /// Encodes a text, and says where in it each token lies.
    ///
    /// Without normalization, the bytes of the tokens one after the other are the bytes of the text (but for what the
    /// pretokenizer removes). An added token covers the white space that it swallows. Where normalization changed the
    /// text, a token covers the whole of what the characters that it has a part in were made from. A prefix space covers
    /// nothing. [`OffsetUnit::HuggingFace`] differs in the last two.
    ///
    /// Time as for [`Tokenizer::encode`].
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_offsets(
        &self,
        text: &str,
        special: &SpecialTokens,
        unit: OffsetUnit,
        scratch: &mut Scratch,
    ) -> Result<EncodedWithOffsets, Error> {
        let mut encoded = EncodedWithOffsets::default();
        self.raw_added_tokens.for_each_part(text, special, &mut |part| {
            match part {
                Part::Token(token_id, range) => encoded.push(token_id, range),
                Part::Text(range) => self.encode_part(text, range, special, unit, scratch, &mut encoded)?,
            }
            Ok(())
        })?;
        if unit != OffsetUnit::Bytes && !text.is_ascii() {
            let characters = CharacterCounts::new(text);
            for offsets in &mut encoded.offsets {
                *offsets = characters.covering(offsets);
            }
        }
        Ok(encoded)
    }

    /// A part of the original text between two added tokens.
    fn encode_part(
        &self,
        text: &str,
        range: Range<usize>,
        special: &SpecialTokens,
        unit: OffsetUnit,
        scratch: &mut Scratch,
        encoded: &mut EncodedWithOffsets,
    ) -> Result<(), Error> {
        let mut normalized = Cow::Borrowed(&text[range.clone()]);
        let mut alignments = Vec::new();
        for &form in &self.definition().normalization {
            if let Some((changed, alignment)) = Alignment::of(form, &normalized, unit.cover()) {
                normalized = Cow::Owned(changed);
                alignments.push(alignment);
            }
        }
        let first = encoded.ids.len();
        self.normalized_added_tokens
            .for_each_part(&normalized, special, &mut |part| match part {
                Part::Token(token_id, inner) => {
                    encoded.push(token_id, inner);
                    Ok(())
                }
                Part::Text(inner) => self
                    .encode_plain_with_offsets(
                        &normalized[inner.clone()],
                        inner.start,
                        unit,
                        scratch,
                        encoded,
                    )
                    .map_err(|error| error.shifted_by(inner.start)),
            })
            .map_err(|error| {
                if alignments.is_empty() {
                    error.shifted_by(range.start)
                } else {
                    error.without_offset()
                }
            })?;
        for offsets in &mut encoded.offsets[first..] {
            for alignment in alignments.iter().rev() {
                *offsets = alignment.original(offsets);
            }
            offsets.start += range.start;
            offsets.end += range.start;
        }
        Ok(())
    }

    /// Text in which no added token is left, and which begins at `base`.
    fn encode_plain_with_offsets(
        &self,
        text: &str,
        base: usize,
        unit: OffsetUnit,
        scratch: &mut Scratch,
        encoded: &mut EncodedWithOffsets,
    ) -> Result<(), Error> {
        let Definition { pretokenizer, unknown, .. } = self.definition();
        // A scanner cuts the text as it is.
        if pretokenizer.scanner().is_some() && unknown.is_none() {
            let first = encoded.ids.len();
            self.encode_plain(text, true, scratch, &mut encoded.ids)?;
            let mut end = base;
            for &token_id in &encoded.ids[first..] {
                let start = end;
                end += self.length(token_id);
                encoded.offsets.push(start..end);
            }
            return Ok(());
        }
        let mut places = Vec::new();
        pretokenizer.split_with_ranges(text, &mut |pretoken, range| {
            let first = encoded.ids.len();
            self.encoder.encode(pretoken, scratch, &mut encoded.ids).map_err(|error| {
                if range.len() == pretoken.len() {
                    error.shifted_by(range.start)
                } else {
                    error.without_offset()
                }
            })?;
            let ids = &encoded.ids[first..];
            // A prefix space, which the range does not have, lies where the range begins.
            let n_added = pretoken.len() - range.len();
            let first_place = encoded.offsets.len();
            if let [_] = ids {
                encoded.offsets.push(base + range.start..base + range.end);
            } else {
                self.write_places(pretoken.as_bytes(), *unknown, &mut places);
                let place_of = |length: usize| base + range.start + places[length].saturating_sub(n_added);
                let mut end = 0;
                for &token_id in ids {
                    let start = end;
                    end += self.length(token_id);
                    encoded.offsets.push(place_of(start)..place_of(end));
                }
            }
            if unit == OffsetUnit::HuggingFace && n_added > 0 {
                let next = text[range.start..].chars().next().map_or(0, char::len_utf8);
                if let Some(prefix) =
                    encoded.offsets.get_mut(first_place).filter(|place| place.start == place.end)
                {
                    prefix.end += next;
                }
            }
            Ok(())
        })
    }

    /// The bytes of a token that merges make, counting the token that stands for missing bytes as itself.
    fn length(&self, token_id: u32) -> usize {
        self.definition().vocabulary.token_bytes(token_id).map_or(1, <[u8]>::len)
    }

    /// Writes the place in `word` that is reached with tokens of so many bytes, for each length of the first few tokens.
    /// They would be the same but for the token that stands for missing bytes.
    fn write_places(&self, word: &[u8], unknown: Option<UnknownToken>, places: &mut Vec<usize>) {
        places.clear();
        places.push(0);
        let mut follows_unknown = false;
        for (place, &byte) in word.iter().enumerate() {
            let missing = unknown.filter(|_| self.definition().vocabulary.byte_id(byte).is_none());
            if missing.is_some_and(|unknown| unknown.fuse) && follows_unknown {
                places.pop();
            } else {
                let length = missing.map_or(1, |unknown| self.length(unknown.token_id));
                places.resize(places.len() + length - 1, place);
            }
            places.push(place + 1);
            follows_unknown = missing.is_some();
        }
    }
}

impl EncodedWithOffsets {
    fn push(&mut self, token_id: u32, range: Range<usize>) {
        self.ids.push(token_id);
        self.offsets.push(range);
    }
}

/// Bytes between two places at which the characters of a text have been counted.
const BLOCK: usize = 64;

/// Counts the characters before a place in a text in constant time.
struct CharacterCounts<'t> {
    text: &'t str,
    /// The characters that begin before each block.
    before: Vec<usize>,
}

impl<'t> CharacterCounts<'t> {
    fn new(text: &'t str) -> Self {
        let blocks = text.as_bytes().chunks(BLOCK);
        let before = std::iter::once(0).chain(blocks.scan(0, |n_characters, block| {
            *n_characters += n_first_bytes(block);
            Some(*n_characters)
        }));
        Self { text, before: before.collect() }
    }

    /// The characters that begin before a place.
    fn before(&self, place: usize) -> usize {
        let block = place / BLOCK;
        self.before[block] + n_first_bytes(&self.text.as_bytes()[block * BLOCK..place])
    }

    /// The characters that these bytes have a part in.
    fn covering(&self, bytes: &Range<usize>) -> Range<usize> {
        let within = usize::from(!self.text.is_char_boundary(bytes.start));
        self.before(bytes.start) - within..self.before(bytes.end)
    }
}

fn n_first_bytes(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}
