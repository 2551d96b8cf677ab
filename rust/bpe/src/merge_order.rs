//! The merges of a tokenizer in the order in which they are to be undone: how a vocabulary grew.
//!
//! The ids that the first merges of a list would give to a text follow from those that all give it. Merges happen in
//! order of rank, except that one may wait until another of higher rank has made its parts. Up to the first merge of rank
//! *k* or higher, encoding with all merges and with those of lower rank are the same, and there the second ends. What
//! happens later has rank *k* or higher, or is built on what has. And a token that comes up is always made by the same
//! merge, its canonical one (`encode::canonical`). So the second is the first with every token undone that is built
//! with a merge of rank *k* or higher.

use crate::{Merges, Tokenizer};
use rustc_hash::FxHashMap;

/// A merge that happens in some text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalMerge {
    /// The id of the left part.
    pub left: u32,
    /// The id of the right part.
    pub right: u32,
    /// The id of what they make; no other merge of the order makes it.
    pub token_id: u32,
    /// The highest rank of the merges that the token is built with: its own, or one of its parts'.
    pub needs: u32,
}

/// How a vocabulary grew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeOrder {
    /// The merges that happen, in order of what they need; a part comes before what is made of it.
    pub merges: Vec<CanonicalMerge>,
    /// The ranks that made a token first, ascending; also of tokens that come up in no text.
    pub new_token_ranks: Vec<u32>,
}

impl MergeOrder {
    /// How the vocabulary of a tokenizer grew; `None` if it has no canonical form: a token for unknown bytes, a pair that is
    /// listed twice, or more than two million merges. O(n log n) in the bytes of the vocabulary.
    ///
    /// ```
    /// use portmanteau_bpe::{Definition, MergeOrder, Pretokenizer, Tokenizer};
    /// let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    /// tokens.extend([b"ab".to_vec(), b"abc".to_vec()]);
    /// let pretokenizer = Pretokenizer::named("r50k")?;
    /// let definition = Definition::from_training(tokens, &[(97, 98), (256, 99)], Vec::new(), pretokenizer)?;
    /// let order = MergeOrder::of(&Tokenizer::new(definition)?).unwrap_or_default();
    /// let needs: Vec<_> = order.merges.iter().map(|merge| (merge.token_id, merge.needs)).collect();
    /// assert_eq!(needs, [(256, 0), (257, 1)]);
    /// assert_eq!(order.new_token_ranks, [0, 1]);
    /// # Ok::<(), portmanteau_bpe::Error>(())
    /// ```
    pub fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let vocabulary = &tokenizer.definition().vocabulary;
        let length = |token_id| vocabulary.token_bytes(token_id).map_or(0, <[u8]>::len);
        let mut ranks = FxHashMap::default();
        let mut first_ranks = FxHashMap::default();
        match &tokenizer.definition().merges {
            Merges::Listed(list) => {
                for (rank, &(left, right, token_id)) in (0_u32..).zip(list) {
                    ranks.insert((left, right), rank);
                    first_ranks.entry(token_id).or_insert(rank);
                }
            }
            Merges::ByTokenId => {
                let merged = vocabulary.iter().filter(|(_, bytes)| bytes.len() > 1);
                first_ranks.extend(merged.map(|(token_id, _)| (token_id, token_id)));
            }
        }
        let mut merges: Vec<CanonicalMerge> = tokenizer
            .encoder
            .canonical_merges()?
            .into_iter()
            .map(|(left, right, token_id)| {
                let needs = ranks.get(&(left, right)).copied().unwrap_or(token_id);
                CanonicalMerge { left, right, token_id, needs }
            })
            .collect();
        merges.sort_by_key(|merge| length(merge.token_id));
        let mut needs = FxHashMap::default();
        for merge in &mut merges {
            let of_part = |part| needs.get(&part).copied().unwrap_or_default();
            merge.needs = merge.needs.max(of_part(merge.left)).max(of_part(merge.right));
            needs.insert(merge.token_id, merge.needs);
        }
        // Stable: of equal needs, the shorter token stays before the longer one.
        merges.sort_by_key(|merge| merge.needs);
        let mut new_token_ranks: Vec<u32> = first_ranks.into_values().collect();
        new_token_ranks.sort_unstable();
        Some(Self { merges, new_token_ranks })
    }
}
