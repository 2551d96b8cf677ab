//! Which two adjacent tokens may become one, and in which order of preference.
//!
//! A merge has a *rank* (its priority: the lowest goes first) and an *id* (the token that it makes). They are
//! different things: in most vocabularies both ascend together, in many they do not.

use crate::{Error, ErrorKind, Vocabulary};
use rustc_hash::FxHashMap;

/// How a vocabulary says which merges it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merges {
    /// An explicit list of (left id, right id, merged id); the rank of a merge is its place in the list.
    ///
    /// This is how Hugging Face's `tokenizer.json` and GPT-2's `merges.txt` put it.
    Listed(Vec<(u32, u32, u32)>),
    /// Any two adjacent tokens whose concatenation is a token may merge, and the rank is the id of that token.
    ///
    /// This is how tiktoken's rank files put it.
    ByTokenId,
}

/// (left id, right id) → (merge rank, merged id).
#[derive(Debug, Clone, Default)]
pub struct MergeTable {
    table: FxHashMap<u64, Merge>,
}

/// What a pair of adjacent tokens becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The priority: of all merges that are possible, the one with the lowest rank is made first.
    pub rank: u32,
    /// The token that the pair becomes.
    pub token_id: u32,
}

const fn key(left: u32, right: u32) -> u64 {
    (left as u64) << 32 | right as u64
}

impl MergeTable {
    /// The table of a vocabulary with these merges. O(total bytes of the vocabulary) look-ups for
    /// [`Merges::ByTokenId`], O(merges) for a list.
    pub fn new(vocabulary: &Vocabulary, merges: &Merges) -> Self {
        let mut table = FxHashMap::default();
        match merges {
            Merges::Listed(list) => {
                table.reserve(list.len());
                // A pair that is listed twice keeps its last rank, as in Hugging Face's loader.
                for (rank, &(left, right, token_id)) in list.iter().enumerate() {
                    table.insert(key(left, right), Merge { rank: rank as u32, token_id });
                }
            }
            Merges::ByTokenId => {
                for (token_id, bytes) in vocabulary.iter() {
                    for (left, right) in splits(vocabulary, bytes) {
                        table.insert(key(left, right), Merge { rank: token_id, token_id });
                    }
                }
            }
        }
        Self { table }
    }

    /// What `left` followed by `right` becomes, if anything.
    pub fn get(&self, left: u32, right: u32) -> Option<Merge> {
        self.table.get(&key(left, right)).copied()
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no merge at all.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl Merges {
    /// A list of merges from pairs of ids; what a pair makes is the token with the concatenated bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Vocabulary`] if a pair names an id without a token, or makes something that is not a token.
    pub fn from_pairs(vocabulary: &Vocabulary, pairs: &[(u32, u32)]) -> Result<Self, Error> {
        let mut list = Vec::with_capacity(pairs.len());
        let mut joined = Vec::new();
        for (rank, &(left, right)) in pairs.iter().enumerate() {
            joined.clear();
            for token_id in [left, right] {
                joined.extend_from_slice(vocabulary.token_bytes(token_id).ok_or_else(|| {
                    let message =
                        format!("merge {rank} names token {token_id}, which the vocabulary does not have");
                    Error::new(ErrorKind::Vocabulary, message).at_token(token_id)
                })?);
            }
            let token_id = vocabulary.token_id(&joined).ok_or_else(|| {
                let message = format!(
                    "merge {rank} makes {}, which is not in the vocabulary; add the token or remove the merge",
                    crate::vocabulary::show(&joined)
                );
                Error::new(ErrorKind::Vocabulary, message)
            })?;
            list.push((left, right, token_id));
        }
        Ok(Self::Listed(list))
    }

    /// The merges as an explicit list of (left id, right id), in order of rank.
    ///
    /// For [`Merges::ByTokenId`] that is every way to split every token into two tokens. tiktoken gives all splits of
    /// a token one rank and takes the leftmost; a list must order them. Two splits of one token, at `i` and at
    /// `length - i`, compete for overlapping text only if the token starts with its own last bytes; the split that
    /// the leftmost rule would take is then listed first. (Only in a token that repeats one shorter word can both
    /// orders be asked for at once; then the longer left part goes first.)
    pub fn to_pairs(&self, vocabulary: &Vocabulary) -> Vec<(u32, u32)> {
        match self {
            Self::Listed(list) => list.iter().map(|&(left, right, _)| (left, right)).collect(),
            Self::ByTokenId => {
                let mut pairs = Vec::new();
                for (_, bytes) in vocabulary.iter() {
                    let start = pairs.len();
                    pairs.extend(splits(vocabulary, bytes));
                    pairs[start..].reverse();
                    order_competing_splits(vocabulary, bytes, &mut pairs[start..]);
                }
                pairs
            }
        }
    }
}

/// Every way to cut `bytes` into two tokens, shortest left part first.
fn splits<'v>(vocabulary: &'v Vocabulary, bytes: &'v [u8]) -> impl Iterator<Item = (u32, u32)> + 'v {
    (1..bytes.len()).filter_map(move |cut| {
        Some((vocabulary.token_id(&bytes[..cut])?, vocabulary.token_id(&bytes[cut..])?))
    })
}

/// Puts the split at `cut` before the one at `length - cut` where only that order agrees with the leftmost rule.
fn order_competing_splits(vocabulary: &Vocabulary, bytes: &[u8], pairs: &mut [(u32, u32)]) {
    let left_length = |pair: &(u32, u32)| vocabulary.token_bytes(pair.0).map_or(0, <[u8]>::len);
    let has_border = |length: usize| bytes[..length] == bytes[bytes.len() - length..];
    for index in 0..pairs.len() {
        let long = left_length(&pairs[index]);
        let short = bytes.len() - long;
        if long > short && has_border(long) && !has_border(short) {
            if let Some(other) = (index + 1..pairs.len()).find(|&other| left_length(&pairs[other]) == short) {
                pairs.swap(index, other);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn vocabulary(tokens: &[&str]) -> Vocabulary {
        let numbered = tokens.iter().enumerate().map(|(id, token)| (id as u32, token.as_bytes().to_vec()));
        Vocabulary::new(numbered.collect()).unwrap()
    }

    #[test]
    fn by_token_id_finds_every_split() {
        let vocabulary = vocabulary(&["a", "b", "ab", "aba", "ba"]);
        let table = MergeTable::new(&vocabulary, &Merges::ByTokenId);
        assert_eq!(table.len(), 4);
        assert_eq!(table.get(2, 0), Some(Merge { rank: 3, token_id: 3 }));
        assert_eq!(table.get(0, 4), Some(Merge { rank: 3, token_id: 3 }));
        assert_eq!(table.get(1, 1), None);
    }

    #[test]
    fn rank_and_id_are_different_things() {
        let vocabulary = vocabulary(&["ab", "b", "bc", "a", "c"]);
        let merges = Merges::from_pairs(&vocabulary, &[(1, 4), (3, 1)]).unwrap();
        let table = MergeTable::new(&vocabulary, &merges);
        assert_eq!(table.get(1, 4), Some(Merge { rank: 0, token_id: 2 }));
        assert_eq!(table.get(3, 1), Some(Merge { rank: 1, token_id: 0 }));
    }

    #[test]
    fn merges_that_name_unknown_tokens_are_refused() {
        let vocabulary = vocabulary(&["a", "b"]);
        assert_eq!(Merges::from_pairs(&vocabulary, &[(0, 9)]).unwrap_err().token_id(), Some(9));
        assert!(Merges::from_pairs(&vocabulary, &[(0, 1)]).unwrap_err().to_string().contains("makes \"ab\""));
    }

    #[test]
    fn competing_splits_are_listed_as_the_leftmost_rule_takes_them() {
        // "ababa" starts with its last three bytes "aba" (not with its last two): in "ab" "aba" "ba" the leftmost
        // rule takes ("ab", "aba"), so the split at 2 goes before the split at 3.
        let vocabulary = vocabulary(&["a", "b", "ab", "ba", "aba", "ababa"]);
        let pairs = Merges::ByTokenId.to_pairs(&vocabulary);
        let place = |pair| pairs.iter().position(|&other| other == pair).unwrap();
        assert!(place((2, 4)) < place((4, 3)));
    }
}
