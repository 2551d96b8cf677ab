//! A vocabulary while it grows: ids and bytes of tokens, the merges so far, and what no merge may make.

use rustc_hash::{FxHashMap, FxHashSet};

use super::options::{TrainedMerge, TrainingOptions};
use crate::byte_level::unspell;
use crate::encode::Encoder;
use crate::{Definition, Error, ErrorKind, Merges, Vocabulary};

/// What there was when the first stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstStage {
    /// The number of tokens.
    pub(super) size: usize,
    /// The number of merges; of those that are left, once the unused ones are dropped.
    pub(super) n_merges: usize,
    pub(super) n_vetoed: usize,
    /// Whether unused merges have been dropped.
    pub(super) has_dropped: bool,
}

/// A vocabulary as it grows.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) tokens: Vec<Vec<u8>>,
    n_special: usize,
    pub(super) byte_ids: [Option<u32>; 256],
    /// In order of rank.
    pub(super) merges: Vec<TrainedMerge>,
    /// What was not made though it was frequent enough: bytes, and how often. A pair is here once for each stage.
    pub(super) vetoed: Vec<(Vec<u8>, u64)>,
    /// The pairs of these.
    vetoed_pairs: Vec<(u32, u32)>,
    vetoed_in_stage: FxHashSet<(u32, u32)>,
    /// Once it has ended.
    first_stage: Option<FirstStage>,
    is_told_by_its_merges: bool,
    /// Ids of the tokens that merges can make or start from; not the special tokens.
    ids: FxHashMap<Vec<u8>, u32>,
    merged: FxHashSet<(u32, u32)>,
    /// Byte strings that no merge may make, because a special token is written so (in UTF-8, or in a file that spells
    /// tokens in byte-level characters).
    reserved: FxHashSet<Vec<u8>>,
    max_token_bytes: usize,
}

impl Growing {
    /// The special tokens and the single bytes, in this order.
    pub(super) fn new(options: &TrainingOptions, alphabet: &[u8]) -> Result<Self, Error> {
        let mut growing = Self {
            tokens: Vec::with_capacity(options.vocab_size.min(1 << 20)),
            n_special: options.special_tokens.len(),
            byte_ids: [None; 256],
            merges: Vec::new(),
            vetoed: Vec::new(),
            vetoed_pairs: Vec::new(),
            vetoed_in_stage: FxHashSet::default(),
            first_stage: None,
            is_told_by_its_merges: true,
            ids: FxHashMap::default(),
            merged: FxHashSet::default(),
            reserved: FxHashSet::default(),
            max_token_bytes: options.max_token_bytes.unwrap_or(usize::MAX),
        };
        let mut seen = FxHashSet::default();
        for special in &options.special_tokens {
            let refuse =
                |why| Err(Error::new(ErrorKind::Training, format!("special token {special:?} {why}")));
            if !seen.insert(special) {
                return refuse("is given twice; give each once");
            }
            let spelled = unspell(special).unwrap_or_default();
            if special.is_empty() || special.len() == 1 || spelled.len() == 1 {
                return refuse(
                    "must differ from the single bytes, which are tokens already; choose a longer text",
                );
            }
            growing.tokens.push(special.as_bytes().to_vec());
            growing.reserved.extend([special.as_bytes().to_vec(), spelled]);
        }
        for &byte in alphabet {
            let token_id = growing.add(vec![byte]);
            growing.byte_ids[usize::from(byte)] = Some(token_id);
        }
        Ok(growing)
    }

    /// The tokens of a tokenizer, without its merges.
    pub(super) fn on_top_of(base: &Definition, max_token_bytes: Option<usize>) -> Self {
        let mut tokens = vec![Vec::new(); base.vocab_size()];
        let mut ids = FxHashMap::default();
        for (token_id, bytes) in base.vocabulary.iter() {
            tokens[token_id as usize] = bytes.to_vec();
            ids.insert(bytes.to_vec(), token_id);
        }
        let added = base.added_tokens.iter().map(|token| token.content.clone().into_bytes());
        Self {
            tokens,
            n_special: 0,
            byte_ids: [None; 256],
            merges: Vec::new(),
            vetoed: Vec::new(),
            vetoed_pairs: Vec::new(),
            vetoed_in_stage: FxHashSet::default(),
            first_stage: None,
            is_told_by_its_merges: true,
            ids,
            merged: FxHashSet::default(),
            reserved: added.collect(),
            max_token_bytes: max_token_bytes.unwrap_or(usize::MAX),
        }
    }

    /// What training starts with, in words.
    pub(super) fn initial_tokens(&self) -> String {
        match self.tokens.len() - self.n_special {
            n_bytes if n_bytes <= 256 => {
                format!("{} special tokens and {n_bytes} single bytes", self.n_special)
            }
            _ => "those of the tokenizer".to_owned(),
        }
    }

    /// The id of a token, a new one if there is no such token yet.
    fn add(&mut self, token: Vec<u8>) -> u32 {
        if let Some(&token_id) = self.ids.get(&token) {
            return token_id;
        }
        let token_id = self.tokens.len() as u32;
        self.tokens.push(token.clone());
        self.ids.insert(token, token_id);
        token_id
    }

    /// Whether no merge may make these bytes.
    pub(super) fn vetoes(&self, token: &[u8]) -> bool {
        token.len() > self.max_token_bytes || self.reserved.contains(token)
    }

    /// The bytes that a pair makes.
    pub(super) fn joined(&self, left: u32, right: u32) -> Vec<u8> {
        [&self.tokens[left as usize][..], &self.tokens[right as usize]].concat()
    }

    /// The same, if there are such tokens.
    pub(super) fn checked_join(&self, left: u32, right: u32) -> Option<Vec<u8>> {
        Some([&self.tokens.get(left as usize)?[..], self.tokens.get(right as usize)?].concat())
    }

    /// Notes a pair that is passed over. It may be met again when pairs are counted anew.
    pub(super) fn veto(&mut self, left: u32, right: u32, token: Vec<u8>, count: u64) {
        if self.vetoed_in_stage.insert((left, right)) {
            self.vetoed.push((token, count));
            self.vetoed_pairs.push((left, right));
        }
    }

    /// The pairs that were passed over, in order, what they would have made, and how often they occurred. The ids of the
    /// first stage mean nothing any more when merges of it were dropped.
    pub(super) fn vetoed_with_pairs(&self) -> impl Iterator<Item = ((u32, u32), &[u8], u64)> + '_ {
        self.vetoed_pairs.iter().zip(&self.vetoed).map(|(&pair, (token, count))| (pair, &token[..], *count))
    }

    /// Notes that the first stage ended with so many tokens.
    pub(super) fn end_first_stage(&mut self, size: usize) {
        let (n_merges, n_vetoed) = (self.merges.len(), self.vetoed.len());
        self.first_stage = Some(FirstStage { size, n_merges, n_vetoed, has_dropped: false });
        self.vetoed_in_stage.clear();
    }

    /// Takes up what was passed over, and how the first stage ended, as another training left them.
    pub(super) fn take_up(
        &mut self,
        vetoed: Vec<((u32, u32), Vec<u8>, u64)>,
        first_stage: Option<FirstStage>,
    ) {
        self.first_stage = first_stage;
        let n_before = first_stage.map_or(0, |first| first.n_vetoed);
        self.vetoed_in_stage = vetoed.iter().skip(n_before).map(|(pair, ..)| *pair).collect();
        for (pair, token, count) in vetoed {
            self.vetoed_pairs.push(pair);
            self.vetoed.push((token, count));
        }
    }

    /// What there was when the first stage ended, if it has.
    pub(super) fn first_stage(&self) -> Option<FirstStage> {
        self.first_stage
    }

    /// Whether text that is tokenized with the merges so far is what the merge loop has come to. It is not any more if a
    /// merge made a token that was there, and that an earlier merge takes up: encoding would do that one after it. It
    /// takes a tokenizer whose own merges do not make all of its tokens to come to that.
    pub(super) fn is_told_by_its_merges(&self) -> bool {
        self.is_told_by_its_merges
    }

    /// Notes a merge; returns the id of what it makes, and whether that is a new token.
    pub(super) fn merge(&mut self, left: u32, right: u32, token: Vec<u8>, count: u64) -> (u32, bool) {
        let n_known = self.tokens.len();
        let token_id = self.add(token);
        // In the second stage a token may be reached in a second way, and then a pair of it is merged again.
        let is_new = self.tokens.len() > n_known;
        let is_first = self.merged.insert((left, right));
        if !is_new && self.is_told_by_its_merges {
            let mut parts = self.merges.iter().flat_map(|merge| [merge.left, merge.right]);
            self.is_told_by_its_merges = is_first && !parts.any(|part| part == token_id);
        }
        if is_first {
            self.merges.push(TrainedMerge { left, right, token_id, count });
        }
        (token_id, is_new)
    }

    /// Takes back all merges from a rank on, each of which made a token of its own.
    pub(super) fn truncate(&mut self, n_merges: usize) {
        for merge in self.merges.drain(n_merges..).rev() {
            self.merged.remove(&(merge.left, merge.right));
            if let Some(token) = self.tokens.pop() {
                self.ids.remove(&token);
            }
        }
    }

    /// Drops the merges that none of the tokens in use is made by, with the tokens that they make. Returns the new ids, by
    /// old id.
    pub(super) fn drop_unused_merges(&mut self, mut used: Vec<bool>) -> Vec<u32> {
        // What a token is made of was made before it.
        for merge in self.merges.iter().rev() {
            if used[merge.token_id as usize] {
                used[merge.left as usize] = true;
                used[merge.right as usize] = true;
            }
        }
        let mut new_ids: Vec<u32> = (0..self.tokens.len() as u32).collect();
        let tokens = self.tokens.split_off(self.tokens.len() - self.merges.len());
        self.merged.clear();
        for (token, merge) in tokens.into_iter().zip(std::mem::take(&mut self.merges)) {
            self.ids.remove(&token);
            if used[merge.token_id as usize] {
                let [left, right] = [merge.left, merge.right].map(|id| new_ids[id as usize]);
                (new_ids[merge.token_id as usize], _) = self.merge(left, right, token, merge.count);
            }
        }
        if let Some(first_stage) = &mut self.first_stage {
            first_stage.n_merges = self.merges.len();
            first_stage.has_dropped = true;
        }
        new_ids
    }

    /// The merges from a rank on, as (left id, right id, merged id).
    pub(super) fn merges_from(&self, rank: usize) -> Merges {
        Merges::Listed(listed(&self.merges[rank..]))
    }

    /// The vocabulary without the special tokens.
    fn vocabulary(&self) -> Result<Vocabulary, Error> {
        let tokens = (0_u32..).zip(&self.tokens).skip(self.n_special);
        Vocabulary::new(tokens.collect())
    }

    /// What the merges so far make of text.
    pub(super) fn encoder(&self) -> Result<Encoder, Error> {
        self.encoder_of(self.merges.len())
    }

    /// What the first merges make of text.
    pub(super) fn encoder_of(&self, n_merges: usize) -> Result<Encoder, Error> {
        let merges = Merges::Listed(listed(&self.merges[..n_merges]));
        Ok(Encoder::of_words_within(self.vocabulary()?, &merges, false))
    }

    /// By token id: its bytes.
    pub(super) fn lengths(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.len() as u32).collect()
    }
}

fn listed(merges: &[TrainedMerge]) -> Vec<(u32, u32, u32)> {
    merges.iter().map(|merge| (merge.left, merge.right, merge.token_id)).collect()
}
