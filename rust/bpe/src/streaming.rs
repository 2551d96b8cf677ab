//! Encoding a text that comes in chunks: the ids of the whole text, in memory that does not grow with it.
//!
//! A text goes through the stages that [`Tokenizer::encode`] has, one after the other: added tokens, normalization, added
//! tokens in the normalized text, pretokens. Here each stage holds back the end of what it was given, as far as what
//! follows can still change it, and gives the rest to the next stage:
//!
//! - bytes: a character of which bytes are missing;
//! - added tokens: what may be the beginning of one, and white space that one may swallow;
//! - normalization: from the last character that it leaves alone;
//! - pretokens: from the last boundary that the scanner knows to stay.
//!
//! An added token, like the end of the text, makes the stages after it give out everything. What a stage holds back is a
//! few words in most texts, but a pretoken, a run of white space before or after an added token, or a run of combining
//! marks has to be held as a whole, however long it is. Without a scanner the text up to the next added token is held.
//!
//! A stage that held back n bytes waits until it has 2n before it looks at them again. So the cost is linear in the text,
//! however small the chunks are and however long a pretoken is.

use crate::added_tokens::{AddedTokenFinder, Part, Progress};
use crate::normalizer::{normalize, settled};
use crate::{Error, ErrorKind, Scratch, SpecialTokens, Tokenizer};
use std::sync::Arc;

/// A text that is being encoded while it comes.
///
/// ```
/// # use portmanteau_bpe::{format::tiktoken, Pretokenizer, Scratch, SpecialTokens, Streaming, Tokenizer};
/// # let ranks = (0..=255).map(|byte| (u32::from(byte), vec![byte])).chain([(256, b"ab".to_vec())]).collect();
/// # let definition = tiktoken::from_ranks::<Vec<u8>>(ranks, Pretokenizer::named("cl100k")?, vec![])?;
/// let tokenizer = std::sync::Arc::new(Tokenizer::new(definition)?);
/// let (mut stream, mut scratch, mut ids) =
///     (Streaming::new(tokenizer, SpecialTokens::Text), Scratch::default(), Vec::new());
/// for chunk in ["a", "b a", "b"] {
///     stream.feed(chunk.as_bytes(), &mut scratch, &mut ids)?;
/// }
/// stream.finish(&mut scratch, &mut ids)?;
/// assert_eq!(ids, [256, 32, 256]);
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
#[derive(Debug)]
pub struct Streaming {
    tokenizer: Arc<Tokenizer>,
    special: SpecialTokens,
    /// The bytes of a character that a chunk ended in.
    unfinished: Vec<u8>,
    /// Bytes of whole characters so far.
    n_bytes: usize,
    added_tokens: AddedTokens<Normalization>,
}

impl Streaming {
    /// At the beginning of a text.
    pub fn new(tokenizer: Arc<Tokenizer>, special: SpecialTokens) -> Self {
        Self { tokenizer, special, unfinished: Vec::new(), n_bytes: 0, added_tokens: AddedTokens::default() }
    }

    /// The bytes of text that were fed.
    pub fn n_bytes(&self) -> usize {
        self.n_bytes + self.unfinished.len()
    }

    /// Takes the next bytes of the text, which may end anywhere, and appends the ids that are certain to `ids`.
    ///
    /// # Errors
    /// [`ErrorKind::Text`] for bytes that are not UTF-8, a special token that is refused or a byte without a token, with
    /// its offset in the whole text (unless the tokenizer normalizes). After an error the stream is of no more use.
    pub fn feed(&mut self, chunk: &[u8], scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<(), Error> {
        let mut chunk = chunk;
        while let (false, Some((&byte, rest))) = (self.unfinished.is_empty(), chunk.split_first()) {
            self.unfinished.push(byte);
            chunk = rest;
            let character = std::mem::take(&mut self.unfinished);
            self.unfinished = self.feed_characters(&character, scratch, ids)?.to_vec();
        }
        if !chunk.is_empty() {
            self.unfinished = self.feed_characters(chunk, scratch, ids)?.to_vec();
        }
        Ok(())
    }

    /// Takes the whole characters of a chunk, and returns the bytes of the one it ends in.
    fn feed_characters<'c>(
        &mut self,
        chunk: &'c [u8],
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<&'c [u8], Error> {
        let (text, rest) = match std::str::from_utf8(chunk) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (valid, rest) = chunk.split_at(error.valid_up_to());
                if error.error_len().is_some() {
                    return Err(self.not_utf8(rest[0], valid.len(), "are not UTF-8 here"));
                }
                (std::str::from_utf8(valid).unwrap_or_default(), rest)
            }
        };
        let offset = self.n_bytes;
        self.n_bytes += text.len();
        let mut work = Work { tokenizer: &self.tokenizer, special: &self.special, scratch, ids };
        self.added_tokens.push(text, offset, &mut work)?;
        Ok(rest)
    }

    /// Ends the text, and appends the last ids to `ids`.
    ///
    /// # Errors
    /// As [`Streaming::feed`]; also if the text ends within a character.
    pub fn finish(mut self, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<(), Error> {
        if let Some(&first) = self.unfinished.first() {
            return Err(self.not_utf8(first, 0, "end within a character of UTF-8"));
        }
        let mut work = Work { tokenizer: &self.tokenizer, special: &self.special, scratch, ids };
        self.added_tokens.end(&mut work)
    }

    fn not_utf8(&self, byte: u8, after: usize, what: &str) -> Error {
        let message = format!(
            "the bytes of the stream {what} (0x{byte:02x}); decode them first, for example with an incremental decoder and \
             errors='replace'"
        );
        Error::new(ErrorKind::Text, message).at_offset((self.n_bytes + after) as u64)
    }
}

/// What the stages work with.
struct Work<'w> {
    tokenizer: &'w Tokenizer,
    special: &'w SpecialTokens,
    scratch: &'w mut Scratch,
    ids: &'w mut Vec<u32>,
}

/// A stage: takes a text piece by piece.
trait Stage: Default {
    /// Takes the next piece of the text, which lies at `offset` in the stream.
    fn push(&mut self, piece: &str, offset: usize, work: &mut Work<'_>) -> Result<(), Error>;

    /// Ends the text; what is pushed next begins another.
    fn end(&mut self, work: &mut Work<'_>) -> Result<(), Error>;
}

/// Text that a stage holds back.
#[derive(Debug, Default)]
struct Held {
    text: String,
    /// Where it lies in the stream.
    offset: usize,
    /// The length from which on it pays to look at it again.
    enough: usize,
}

impl Held {
    /// Adds a piece, and says whether to look at the text now.
    fn add(&mut self, piece: &str, offset: usize) -> bool {
        if self.text.is_empty() {
            self.offset = offset;
        }
        self.text.push_str(piece);
        self.text.len() >= self.enough
    }

    /// Forgets the first bytes, for which nothing is left to do.
    fn forget(&mut self, n_bytes: usize) {
        self.text.drain(..n_bytes);
        self.offset += n_bytes;
        self.enough = 2 * self.text.len();
    }
}

/// Finds added tokens.
#[derive(Debug, Default)]
struct AddedTokens<N> {
    held: Held,
    progress: Progress,
    next: N,
}

/// A stage before which added tokens are found.
trait AfterAddedTokens: Stage {
    /// What finds them.
    fn finder(tokenizer: &Tokenizer) -> &AddedTokenFinder;
}

impl<N: AfterAddedTokens> AddedTokens<N> {
    fn search(&mut self, is_last: bool, work: &mut Work<'_>) -> Result<(), Error> {
        let Self { held, progress, next } = self;
        let (finder, special, offset) = (N::finder(work.tokenizer), work.special, held.offset);
        let mut is_own = true;
        let result = finder.for_each_settled_part(&held.text, is_last, special, progress, &mut |part| {
            let visited = match part {
                Part::Text(range) => next.push(&held.text[range.clone()], offset + range.start, work),
                Part::Token(token_id, _) => next.end(work).map(|()| work.ids.push(token_id)),
            };
            is_own = visited.is_ok();
            visited
        });
        // The stages after this one say where in the stream an error is; the finder, where in the text that is held.
        result.map_err(|error| if is_own { error.shifted_by(offset) } else { error })?;
        let before = &held.text[..progress.searched.min(progress.visited)];
        let done = before.char_indices().next_back().map_or(0, |(place, _)| place);
        held.forget(done);
        progress.searched -= done;
        progress.visited -= done;
        Ok(())
    }
}

impl<N: AfterAddedTokens> Stage for AddedTokens<N> {
    fn push(&mut self, piece: &str, offset: usize, work: &mut Work<'_>) -> Result<(), Error> {
        if N::finder(work.tokenizer).finds_nothing(work.special) {
            self.next.push(piece, offset, work)
        } else if self.held.add(piece, offset) {
            self.search(false, work)
        } else {
            Ok(())
        }
    }

    fn end(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        self.search(true, work)?;
        self.next.end(work)?;
        (self.held, self.progress) = (Held::default(), Progress::default());
        Ok(())
    }
}

/// Normalizes text.
#[derive(Debug, Default)]
struct Normalization {
    held: Held,
    next: AddedTokens<Pretokens>,
}

impl Normalization {
    fn normalize(&mut self, n_bytes: usize, work: &mut Work<'_>) -> Result<(), Error> {
        let normalized = normalize(&work.tokenizer.definition().normalization, &self.held.text[..n_bytes]);
        // Offsets in the normalized text would name bytes that the caller never saw.
        self.next.push(&normalized, 0, work).map_err(Error::without_offset)?;
        self.held.forget(n_bytes);
        Ok(())
    }
}

impl Stage for Normalization {
    fn push(&mut self, piece: &str, offset: usize, work: &mut Work<'_>) -> Result<(), Error> {
        let forms = &work.tokenizer.definition().normalization;
        if forms.is_empty() {
            self.next.push(piece, offset, work)
        } else if self.held.add(piece, offset) {
            self.normalize(settled(forms, &self.held.text), work)
        } else {
            Ok(())
        }
    }

    fn end(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        if work.tokenizer.definition().normalization.is_empty() {
            return self.next.end(work);
        }
        self.normalize(self.held.text.len(), work)?;
        self.next.end(work).map_err(Error::without_offset)
    }
}

impl AfterAddedTokens for Normalization {
    fn finder(tokenizer: &Tokenizer) -> &AddedTokenFinder {
        &tokenizer.raw_added_tokens
    }
}

/// Cuts text into pretokens and encodes these.
#[derive(Debug, Default)]
struct Pretokens {
    held: Held,
}

impl Pretokens {
    fn encode(&mut self, is_last: bool, work: &mut Work<'_>) -> Result<(), Error> {
        let Held { text, offset, .. } = &self.held;
        let encoded = work.tokenizer.encode_plain(text, is_last, work.scratch, work.ids);
        self.held.forget(encoded.map_err(|error| error.shifted_by(*offset))?);
        Ok(())
    }
}

impl Stage for Pretokens {
    fn push(&mut self, piece: &str, offset: usize, work: &mut Work<'_>) -> Result<(), Error> {
        if self.held.add(piece, offset) {
            self.encode(false, work)
        } else {
            Ok(())
        }
    }

    fn end(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        self.encode(true, work)
    }
}

impl AfterAddedTokens for Pretokens {
    fn finder(tokenizer: &Tokenizer) -> &AddedTokenFinder {
        &tokenizer.normalized_added_tokens
    }
}
