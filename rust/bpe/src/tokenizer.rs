//! A tokenizer ready to encode and decode: added tokens → normalization → pretokens → ids, and back.

use crate::added_tokens::{AddedTokenFinder, Part};
use crate::cutting::Cutter;
use crate::encode::{Encoder, Pretokens, Scratch};
use crate::normalizer::normalize_in_pieces;
use crate::output::Sink;
use crate::scratch_pool::ScratchPool;
use crate::{fingerprint, Definition, Error, ErrorKind, Interrupt, Merges, SpecialTokens};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of text that are normalized between two looks at the interrupt.
const PIECE: usize = 1 << 20;

/// Pretokens of an expression that are encoded together.
const MOST_ENDS: usize = 1024;

/// Encodes text to token ids and decodes them, exactly as the file that it was loaded from defines.
///
/// It never changes, so threads may share it. [`Tokenizer::encode`] takes a [`Scratch`] from its caller, one for each
/// thread; the other methods keep their own.
#[derive(Debug)]
pub struct Tokenizer {
    definition: Definition,
    pub(crate) encoder: Encoder,
    pub(crate) raw_added_tokens: AddedTokenFinder,
    pub(crate) normalized_added_tokens: AddedTokenFinder,
    /// Bytes of every token by id, ordinary or not: the table to decode with.
    decoding: Vec<Option<Range<u32>>>,
    decoding_bytes: Vec<u8>,
    pub(crate) scratches: ScratchPool,
}

impl Tokenizer {
    /// Makes a definition ready to encode.
    ///
    /// # Errors
    /// [`ErrorKind::Vocabulary`] if the added tokens contradict each other or the vocabulary.
    pub fn new(definition: Definition) -> Result<Self, Error> {
        definition.check_added_tokens()?;
        let encoder = Encoder::new(
            definition.vocabulary.clone(),
            &definition.merges,
            definition.whole_words_first,
            definition.unknown,
        );
        let finder = |normalized| {
            AddedTokenFinder::new(&definition.added_tokens, normalized, &definition.normalization)
        };
        let (raw_added_tokens, normalized_added_tokens) = (finder(false)?, finder(true)?);
        let (decoding, decoding_bytes) = decoding_table(&definition);
        Ok(Self {
            definition,
            encoder,
            raw_added_tokens,
            normalized_added_tokens,
            decoding,
            decoding_bytes,
            scratches: ScratchPool::default(),
        })
    }

    /// The data that this tokenizer was made from.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// One more than the largest id of any token: the rows of an embedding table.
    pub fn vocab_size(&self) -> usize {
        self.decoding.len()
    }

    /// The number of merges: of pairs in the list; where ranks are ids, of the pairs that merge in some text, one for
    /// each token that can come up.
    pub fn n_merges(&self) -> usize {
        match &self.definition.merges {
            Merges::Listed(list) => list.len(),
            Merges::ByTokenId => self.encoder.n_merges(),
        }
    }

    /// The bytes of a token, or `None` where no token has this id.
    pub fn token_bytes(&self, token_id: u32) -> Option<&[u8]> {
        let range = self.decoding.get(token_id as usize)?.as_ref()?;
        Some(&self.decoding_bytes[range.start as usize..range.end as usize])
    }

    /// SHA-256, in hexadecimal, over everything that decides which ids a text gets.
    pub fn fingerprint(&self) -> String {
        fingerprint::of(&self.definition)
    }

    /// Appends the ids of a text to `ids`.
    ///
    /// # Errors
    /// [`ErrorKind::Text`] for a special token that `special` refuses or a byte without a token, with its offset;
    /// [`ErrorKind::Pattern`] if the pretokenizer gives up; [`ErrorKind::Interrupted`] if the interrupt of the scratch
    /// is set.
    pub fn encode(
        &self,
        text: &str,
        special: &SpecialTokens,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        self.encode_to(text, special, scratch, ids)
    }

    /// Adds the ids of a text to `output`.
    pub(crate) fn encode_to(
        &self,
        text: &str,
        special: &SpecialTokens,
        scratch: &mut Scratch,
        output: &mut impl Sink,
    ) -> Result<(), Error> {
        self.raw_added_tokens.for_each_part(text, special, &mut |part| {
            let range = match part {
                Part::Token(token_id, _) => return push(output, token_id),
                Part::Text(range) => range,
            };
            let check = &mut || scratch.check_interrupt();
            let normalized =
                normalize_in_pieces(&self.definition.normalization, &text[range.clone()], PIECE, check)?;
            let unchanged = matches!(normalized, Cow::Borrowed(_));
            self.normalized_added_tokens
                .for_each_part(&normalized, special, &mut |part| match part {
                    Part::Token(token_id, _) => push(output, token_id),
                    Part::Text(inner) => self
                        .encode_plain(&normalized[inner.clone()], true, scratch, output)
                        .map(|_| ())
                        .map_err(|error| error.shifted_by(inner.start)),
                })
                // Offsets in a text that normalization changed would name bytes that the caller never saw.
                .map_err(
                    |error| if unchanged { error.shifted_by(range.start) } else { error.without_offset() },
                )
        })
    }

    /// Encodes text in which no added token is left, and returns how much: all of it, or, if more may come, the
    /// pretokens that nothing after it can change.
    pub(crate) fn encode_plain(
        &self,
        text: &str,
        is_last: bool,
        scratch: &mut Scratch,
        output: &mut impl Sink,
    ) -> Result<usize, Error> {
        let Some(scanner) = self.definition.pretokenizer.scanner() else {
            if !is_last {
                return Ok(0);
            }
            return self.encode_by_steps(text, scratch, output).map(|()| text.len());
        };
        let mut start = 0;
        let mut found = std::mem::take(&mut scratch.found);
        let mut result = Ok(());
        while result.is_ok() {
            let settled = if is_last {
                scanner.scan(text, start, &mut found)
            } else {
                scanner.scan_unfinished(text, start, &mut found)
            };
            if settled == start {
                break;
            }
            result = output
                .encode_pretokens(&self.encoder, Pretokens::new(text, start, &found.ends), scratch)
                .and_then(|()| scratch.check_interrupt());
            start = settled;
        }
        scratch.found = found;
        result.map(|()| start)
    }

    /// The same for a pretokenizer without a scanner.
    fn encode_by_steps(
        &self,
        text: &str,
        scratch: &mut Scratch,
        output: &mut impl Sink,
    ) -> Result<(), Error> {
        // Pretokens that follow one another in the text are encoded together; one that a step made anew is not in it.
        let (mut start, mut done, mut ends) = (0, 0, Vec::new());
        self.definition.pretokenizer.split(text, &mut |pretoken| {
            let offset = offset_in(text, pretoken);
            if offset != Some(done) || ends.len() == MOST_ENDS || done - start > u32::MAX as usize / 2 {
                output.encode_pretokens(&self.encoder, Pretokens::new(text, start, &ends), scratch)?;
                scratch.check_interrupt()?;
                ends.clear();
                let Some(offset) = offset else {
                    let word = pretoken;
                    return output
                        .encode_pretokens(
                            &self.encoder,
                            Pretokens::new(word, 0, &[word.len() as u32]),
                            scratch,
                        )
                        .map_err(Error::without_offset);
                };
                (start, done) = (offset, offset);
            }
            done += pretoken.len();
            ends.push((done - start) as u32);
            Ok(())
        })?;
        output.encode_pretokens(&self.encoder, Pretokens::new(text, start, &ends), scratch)?;
        scratch.check_interrupt()
    }

    /// Calls `work` with scratch memory that earlier calls have warmed, for work that `interrupt` stops.
    pub fn with_scratch<R>(&self, interrupt: &Interrupt, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.scratches.take(interrupt);
        let result = work(&mut scratch);
        self.scratches.give_back(scratch);
        result
    }

    /// What knows where texts may be cut, or `None` if they must stay whole.
    pub(crate) fn cutter(&self, special: &SpecialTokens) -> Option<Cutter<'_>> {
        let finders = (&self.raw_added_tokens, &self.normalized_added_tokens);
        Cutter::new(self.definition.pretokenizer.scanner()?, &self.definition.normalization, finders, special)
    }

    /// Appends the bytes of the tokens to `bytes`. O(bytes).
    ///
    /// # Errors
    /// [`ErrorKind::TokenId`] for an id without a token, naming the id and its place.
    pub fn decode(&self, ids: &[u32], bytes: &mut Vec<u8>) -> Result<(), Error> {
        for (place, &token_id) in ids.iter().enumerate() {
            let token = self.token_bytes(token_id).ok_or_else(|| {
                let message = format!(
                    "id {token_id} at place {place} has no token in this vocabulary, whose ids are below {}; were \
                     the ids made by another tokenizer?",
                    self.vocab_size()
                );
                Error::new(ErrorKind::TokenId, message).at_token(token_id).at_offset(place as u64)
            })?;
            bytes.extend_from_slice(token);
        }
        Ok(())
    }
}

#[allow(clippy::unnecessary_wraps)] // the shape that the visitors have
fn push(output: &mut impl Sink, token_id: u32) -> Result<(), Error> {
    output.push(token_id);
    Ok(())
}

/// Where `part` lies in `text`, unless a step of the pretokenizer made it anew (a prefix space).
fn offset_in(text: &str, part: &str) -> Option<usize> {
    let offset = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    (offset + part.len() <= text.len()).then_some(offset)
}

fn decoding_table(definition: &Definition) -> (Vec<Option<Range<u32>>>, Vec<u8>) {
    let mut table = vec![None; definition.vocab_size()];
    let mut buffer: Vec<u8> = Vec::new();
    for (token_id, bytes) in definition.tokens() {
        let entry: &mut Option<Range<u32>> = &mut table[token_id as usize];
        if entry.is_none() {
            let start = buffer.len() as u32;
            buffer.extend_from_slice(bytes);
            *entry = Some(start..buffer.len() as u32);
        }
    }
    (table, buffer)
}
