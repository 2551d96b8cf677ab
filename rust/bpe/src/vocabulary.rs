//! Token bytes by id: one flat byte buffer and the starts of the tokens in it. Ids may have holes.

use crate::encode::prefetch;
use crate::token_index::TokenIndex;
use crate::{Error, ErrorKind};

/// The largest token id that a file may use: bounds what a hostile file can make us allocate.
pub const MAX_TOKEN_ID: u32 = (1 << 24) - 1;

/// The ordinary tokens of a tokenizer, those that merges and whole words can produce.
///
/// Every id has one byte string and every byte string one id. Some of the 256 single bytes may be missing.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// `starts[id]..starts[id + 1]` are the bytes of `id`; a hole is an empty range.
    starts: Vec<u32>,
    index: TokenIndex,
    byte_ids: Vec<Option<u32>>,
    /// Of the last tokens, as many as these: two earlier ones that the token is made of.
    parts: Vec<(u32, u32)>,
}

impl Vocabulary {
    /// Builds a vocabulary from (id, bytes) in any order. O(bytes), and O(n log n) if the ids do not ascend.
    ///
    /// # Errors
    /// [`ErrorKind::Vocabulary`] for an id or a byte string that occurs twice, an empty byte string, and an id above
    /// [`MAX_TOKEN_ID`].
    pub fn new<B: AsRef<[u8]>>(mut tokens: Vec<(u32, B)>) -> Result<Self, Error> {
        tokens.sort_by_key(|(id, _)| *id);
        let size = tokens.last().map_or(0, |(id, _)| *id as usize + 1);
        if let Some((id, bytes)) = tokens.last().filter(|(id, _)| *id > MAX_TOKEN_ID) {
            let message = format!(
                "token {} has id {id}, above the largest that is accepted, {MAX_TOKEN_ID}; renumber the vocabulary",
                show(bytes.as_ref())
            );
            return Err(Error::new(ErrorKind::Vocabulary, message).at_token(*id));
        }
        let n_bytes = tokens.iter().map(|(_, bytes)| bytes.as_ref().len()).sum();
        let mut vocabulary = Self::with_capacity(size, n_bytes);
        for (id, bytes) in &tokens {
            vocabulary.push(*id, bytes.as_ref())?;
        }
        vocabulary.indexed(tokens.len())
    }

    /// Builds a vocabulary from single bytes, with ids from 0, and pairs of earlier tokens, each of which, joined, is the
    /// next token. O(bytes).
    ///
    /// # Errors
    /// [`ErrorKind::Vocabulary`] for a byte string that occurs twice, a pair that names no earlier token, and a token of
    /// more than 255 bytes, so that few pairs cannot fill the memory.
    pub(crate) fn from_parts(single_bytes: &[u8], parts: Vec<(u32, u32)>) -> Result<Self, Error> {
        let n_tokens = single_bytes.len() + parts.len();
        let mut vocabulary = Self::with_capacity(n_tokens, 8 * n_tokens);
        for (id, &byte) in (0..).zip(single_bytes) {
            vocabulary.push(id, &[byte])?;
        }
        let mut joined = Vec::new();
        for (id, &(left, right)) in (single_bytes.len() as u32..).zip(&parts) {
            joined.clear();
            for part in [left, right] {
                joined.extend_from_slice(vocabulary.token_bytes(part).unwrap_or(&[0; 256]));
            }
            if joined.len() > usize::from(u8::MAX) {
                let message = format!(
                    "token {id} is said to be made of {left} and {right}, which are not two earlier tokens of up to 255 \
                     bytes together"
                );
                return Err(Error::new(ErrorKind::Vocabulary, message).at_token(id));
            }
            vocabulary.push(id, &joined)?;
        }
        vocabulary.parts = parts;
        vocabulary.indexed(n_tokens)
    }

    fn with_capacity(size: usize, n_bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(n_bytes),
            starts: Vec::with_capacity(size + 1),
            index: TokenIndex::default(),
            byte_ids: vec![None; 256],
            parts: Vec::new(),
        }
    }

    /// Makes the index of the tokens, which must not repeat.
    fn indexed(mut self, n_tokens: usize) -> Result<Self, Error> {
        let mut index = TokenIndex::with_capacity(n_tokens);
        for (id, bytes) in self.iter() {
            if let Some(other) = index.insert(bytes, id, |other| self.token_bytes(other) == Some(bytes)) {
                let message =
                    format!("tokens {other} and {id} are both {}; every token must have one id", show(bytes));
                return Err(Error::new(ErrorKind::Vocabulary, message).at_token(id));
            }
        }
        self.index = index;
        Ok(self)
    }

    fn push(&mut self, id: u32, bytes: &[u8]) -> Result<(), Error> {
        let malformed = |message| Err(Error::new(ErrorKind::Vocabulary, message).at_token(id));
        if (id as usize) < self.size() {
            return malformed(format!(
                "id {id} is given to two tokens, {} and {}; every id must name one token",
                show(&self.bytes[self.starts[id as usize] as usize..]),
                show(bytes)
            ));
        }
        if bytes.is_empty() {
            return malformed(format!("token {id} is empty; remove it from the vocabulary"));
        }
        self.starts.resize(id as usize + 1, self.bytes.len() as u32);
        self.bytes.extend_from_slice(bytes);
        self.starts.push(self.bytes.len() as u32);
        if u32::try_from(self.bytes.len()).is_err() {
            return malformed(
                "the tokens are longer than 4 GiB together; this is not a vocabulary".to_owned(),
            );
        }
        if let &[byte] = bytes {
            self.byte_ids[usize::from(byte)] = Some(id);
        }
        Ok(())
    }

    /// One more than the largest id; 0 for an empty vocabulary.
    pub fn size(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The number of tokens, holes not counted.
    pub fn n_tokens(&self) -> usize {
        self.index.n_tokens()
    }

    /// The bytes of a token, or `None` where no token has this id.
    pub fn token_bytes(&self, token_id: u32) -> Option<&[u8]> {
        let start = *self.starts.get(token_id as usize)?;
        let end = *self.starts.get(token_id as usize + 1)?;
        (start < end).then(|| &self.bytes[start as usize..end as usize])
    }

    /// Two earlier tokens whose bytes, joined, are those of a token, if the vocabulary was built of such pairs. Whether
    /// merges make it of these two is another question.
    pub(crate) fn parts(&self, token_id: u32) -> Option<(u32, u32)> {
        let n_others = self.size() - self.parts.len();
        self.parts.get((token_id as usize).checked_sub(n_others)?).copied()
    }

    /// The id of the token with exactly these bytes. O(bytes).
    pub fn token_id(&self, bytes: &[u8]) -> Option<u32> {
        self.token_id_of(self.hash(bytes), bytes)
    }

    /// The same for bytes whose [`Vocabulary::hash`] is known.
    #[inline]
    pub(crate) fn token_id_of(&self, hash: u64, bytes: &[u8]) -> Option<u32> {
        self.index.find(hash, |token_id| self.token_bytes(token_id) == Some(bytes))
    }

    /// The hash of a token's bytes.
    #[inline]
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        self.index.hash(bytes)
    }

    /// The same if also its [`Vocabulary::candidate`] is known, whose memory was asked for.
    #[inline]
    pub(crate) fn token_id_from(&self, candidate: Option<u32>, hash: u64, bytes: &[u8]) -> Option<u32> {
        let candidate = candidate?;
        if self.token_bytes(candidate) == Some(bytes) {
            return Some(candidate);
        }
        self.token_id_of(hash, bytes)
    }

    /// Asks for the memory that [`Vocabulary::candidate`] reads.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// The one token that bytes with this hash may be, if there is no second; `None` if they are none.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<u32> {
        self.index.candidate(hash)
    }

    /// Asks for the memory that says where the bytes of a token are.
    #[inline]
    pub(crate) fn prefetch_place(&self, token_id: u32) {
        prefetch(self.starts.as_ptr().wrapping_add(token_id as usize));
    }

    /// Asks for the memory of the bytes of a token.
    #[inline]
    pub(crate) fn prefetch_bytes(&self, token_id: u32) {
        prefetch(self.bytes.as_ptr().wrapping_add(self.starts[token_id as usize] as usize));
    }

    /// The id of the token that is this one byte.
    pub fn byte_id(&self, byte: u8) -> Option<u32> {
        self.byte_ids.get(usize::from(byte)).copied().flatten()
    }

    /// The byte values that have no token of their own, in ascending order.
    pub fn missing_bytes(&self) -> Vec<u8> {
        (0..=255).filter(|&byte| self.byte_id(byte).is_none()).collect()
    }

    /// All tokens in order of id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..self.size() as u32).filter_map(|id| self.token_bytes(id).map(|bytes| (id, bytes)))
    }
}

impl PartialEq for Vocabulary {
    /// Whether the tokens are the same; each index has a secret of its own.
    fn eq(&self, other: &Self) -> bool {
        (&self.bytes, &self.starts) == (&other.bytes, &other.starts)
    }
}

impl Eq for Vocabulary {}

/// Bytes as a person reads them in a message: quoted text, escapes for what is not printable, cut when long.
pub(crate) fn show(bytes: &[u8]) -> String {
    const LONGEST: usize = 40;
    let cut = &bytes[..bytes.len().min(LONGEST)];
    let ellipsis = if bytes.len() > LONGEST { "…" } else { "" };
    format!("{:?}{ellipsis}", String::from_utf8_lossy(cut))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_have_holes_and_come_in_any_order() {
        let vocabulary =
            Vocabulary::new(vec![(4, b"ab".to_vec()), (0, b"a".to_vec()), (2, b"b".to_vec())]).unwrap();
        assert_eq!((vocabulary.size(), vocabulary.n_tokens()), (5, 3));
        assert_eq!(vocabulary.token_bytes(4), Some(&b"ab"[..]));
        assert_eq!(vocabulary.token_bytes(1), None);
        assert_eq!(vocabulary.token_bytes(5), None);
        assert_eq!(vocabulary.token_id(b"ab"), Some(4));
        assert_eq!(vocabulary.token_id(b""), None);
        let again = Vocabulary::new(vec![(0, b"a".to_vec()), (2, b"b".to_vec()), (4, b"ab".to_vec())]);
        assert_eq!(again, Ok(vocabulary.clone()));
        assert_eq!(vocabulary.byte_id(b'b'), Some(2));
        assert_eq!(vocabulary.missing_bytes().len(), 254);
        assert_eq!(vocabulary.iter().map(|(id, _)| id).collect::<Vec<_>>(), [0, 2, 4]);
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |tokens: Vec<(u32, &[u8])>| {
            let tokens = tokens.into_iter().map(|(id, bytes)| (id, bytes.to_vec())).collect();
            Vocabulary::new(tokens).unwrap_err()
        };
        assert!(refused(vec![(1, b"a"), (1, b"b")]).to_string().contains("two tokens, \"a\" and \"b\""));
        assert!(refused(vec![(1, b"a"), (2, b"a")]).to_string().contains("tokens 1 and 2 are both \"a\""));
        assert_eq!(refused(vec![(7, b"")]).token_id(), Some(7));
        assert_eq!(refused(vec![(u32::MAX, b"a")]).kind(), ErrorKind::Vocabulary);
    }

    #[test]
    fn the_empty_vocabulary_has_no_tokens() {
        let vocabulary = Vocabulary::new(Vec::<(u32, &[u8])>::new()).unwrap();
        assert_eq!((vocabulary.size(), vocabulary.token_bytes(0)), (0, None));
    }
}
