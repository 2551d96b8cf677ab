//! Finds the id of a token by its bytes: open addressing with linear probing.
//!
//! An entry is four bytes: the id, and in the eight bits above the largest id a tag from the token's hash. The bytes stay
//! where the vocabulary keeps them and are read only if the tag agrees, so a word that is no token is mostly settled by
//! one entry. At most half of the entries are taken.
//!
//! The hash reads 16 bytes a step as two words, multiplies them to 128 bits and folds the halves, as wyhash does. Its
//! secret is drawn anew for each index, so that nobody can write a file whose tokens all collide.

use crate::encode::prefetch;
use crate::MAX_TOKEN_ID;
use std::hash::{BuildHasher, RandomState};

/// The bits of an entry below the tag hold any id.
const TAG_SHIFT: u32 = MAX_TOKEN_ID.count_ones();

/// A hash table from token bytes to ids that does not hold the bytes.
#[derive(Debug, Clone)]
pub(crate) struct TokenIndex {
    /// Tag above id; 0, which is no tag, where there is no token. The length is a power of two.
    entries: Vec<u32>,
    n_tokens: usize,
    secret: [u64; 2],
}

impl TokenIndex {
    /// An index with room for this many tokens.
    pub(crate) fn with_capacity(n_tokens: usize) -> Self {
        let random = RandomState::new();
        Self {
            entries: vec![0; (2 * n_tokens).next_power_of_two()],
            n_tokens: 0,
            secret: [random.hash_one(0), random.hash_one(1)],
        }
    }

    /// The number of tokens.
    pub(crate) fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// The id of the token whose bytes have this hash; `is_token` says whether the token of an id has them.
    pub(crate) fn find(&self, hash: u64, is_token: impl Fn(u32) -> bool) -> Option<u32> {
        let (entry, _) = self.probe(hash, is_token);
        token_id_in(self.entries[entry])
    }

    /// Asks for the memory that [`TokenIndex::find`] will read first.
    pub(crate) fn prefetch(&self, hash: u64) {
        let entry = hash as usize & (self.entries.len() - 1);
        prefetch(self.entries.as_ptr().wrapping_add(entry));
    }

    /// The token that [`TokenIndex::find`] will look at first.
    pub(crate) fn candidate(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Adds a token, unless there is one with the same bytes, whose id is returned. The caller keeps to the capacity and
    /// to [`MAX_TOKEN_ID`].
    pub(crate) fn insert(
        &mut self,
        bytes: &[u8],
        token_id: u32,
        is_token: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let (entry, tag) = self.probe(self.hash(bytes), is_token);
        let other = token_id_in(self.entries[entry]);
        if other.is_none() {
            self.entries[entry] = tag | token_id;
            self.n_tokens += 1;
        }
        other
    }

    /// The entry of the token whose bytes have this hash, or the free one where it belongs, and its tag.
    fn probe(&self, hash: u64, is_token: impl Fn(u32) -> bool) -> (usize, u32) {
        let tag = ((hash >> 56) as u32).max(1) << TAG_SHIFT;
        let mask = self.entries.len() - 1;
        let mut entry = hash as usize & mask;
        loop {
            let found = self.entries[entry];
            if found == 0 || (found & !MAX_TOKEN_ID == tag && is_token(found & MAX_TOKEN_ID)) {
                return (entry, tag);
            }
            entry = (entry + 1) & mask;
        }
    }

    /// The hash of a token's bytes.
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        let mut state = self.secret[0] ^ bytes.len() as u64;
        let mut rest = bytes;
        while let Some((step, after)) = rest.split_first_chunk::<16>().filter(|(_, after)| !after.is_empty())
        {
            state = self.mix(state, words(step));
            rest = after;
        }
        self.mix(state, words(rest))
    }

    fn mix(&self, state: u64, (first, last): (u64, u64)) -> u64 {
        let product = u128::from(first ^ state) * u128::from(last ^ self.secret[1]);
        product as u64 ^ (product >> 64) as u64
    }
}

impl Default for TokenIndex {
    /// An index without tokens.
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

fn token_id_in(entry: u32) -> Option<u32> {
    (entry != 0).then_some(entry & MAX_TOKEN_ID)
}

/// At most 16 bytes as two words, which overlap where the bytes are fewer. Slices of one length differ if the words do.
fn words(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    let byte = |index: usize| bytes.get(index).map_or(0, |&byte| u64::from(byte));
    (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_differ_where_bytes_do() {
        for length in 0..=16_usize {
            let mut seen = HashSet::from([words(&vec![0; length])]);
            for place in 0..length {
                for value in 1..=255 {
                    let mut bytes = vec![0; length];
                    bytes[place] = value;
                    assert!(seen.insert(words(&bytes)), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn tokens_of_every_length_are_found_and_others_are_not() {
        // Every token is a part of a long one, so that tokens differ in length, at the front or at the back.
        let text: Vec<u8> = (0..70).map(|place: u8| place / 3).collect();
        let mut tokens: Vec<&[u8]> = Vec::new();
        for start in [0, 1, 17] {
            tokens.extend((start + 1..=text.len()).map(|end| &text[start..end]));
        }
        let distinct: HashSet<&[u8]> = tokens.iter().copied().collect();
        let mut index = TokenIndex::with_capacity(tokens.len());
        for (token_id, token) in (0..).zip(&tokens) {
            let is_token = |other: u32| tokens[other as usize] == *token;
            let earlier =
                tokens.iter().position(|other| other == token).filter(|&other| other < token_id as usize);
            assert_eq!(index.insert(token, token_id, is_token), earlier.map(|other| other as u32));
        }
        assert_eq!(index.n_tokens(), distinct.len());
        for token in &tokens {
            let found = index.find(index.hash(token), |token_id| tokens[token_id as usize] == *token);
            assert_eq!(found.map(|token_id| tokens[token_id as usize]), Some(*token));
            let longer = [token, &[255][..]].concat();
            assert_eq!(index.find(index.hash(&longer), |token_id| tokens[token_id as usize] == longer), None);
        }
        assert_eq!(TokenIndex::default().candidate(0), None);
    }
}
