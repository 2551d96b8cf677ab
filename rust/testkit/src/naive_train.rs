//! The oracle of training: the definition of BPE and SuperBPE, with everything recounted at every step.

use crate::naive_encode::{naive_encode, Merge};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Byte strings no token may cross, with multiplicities.
pub type Units = Vec<(Vec<u8>, u64)>;

/// What to train.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NaiveOptions {
    /// The number of ids to reach.
    pub vocab_size: usize,
    /// Rarer pairs are not merged.
    pub min_frequency: u64,
    /// Longer tokens are not made.
    pub max_token_bytes: Option<usize>,
    /// Texts that take the ids from 0 on, and that no merge makes.
    pub special_tokens: Vec<String>,
    /// Only the bytes that occur are tokens, not all 256.
    pub seen_bytes_only: bool,
    /// The single bytes are numbered in the order of the bytes, not of their characters.
    pub byte_order: bool,
    /// The second stage of SuperBPE.
    pub superwords: Option<NaiveSuperwords>,
}

/// The second stage of SuperBPE.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // one for each option
pub struct NaiveSuperwords {
    /// The number of ids at which the first stage stops.
    pub transition_size: usize,
    /// Tokens of the second stage have at most so many words.
    pub max_words_per_token: usize,
    /// Tokens of the second stage contain none of these.
    pub forbid: Vec<String>,
    /// Tokens of the second stage do not go beyond a sentence.
    #[serde(default)]
    pub within_sentences: bool,
    /// The transition size is found, not given.
    #[serde(default)]
    pub is_automatic: bool,
    /// The parts of superwords are whole words.
    #[serde(default)]
    pub whole_words: bool,
    /// Merges of the first stage that do not happen in the second stage's units are dropped.
    #[serde(default)]
    pub drop_unused_merges: bool,
}

/// Tokens by id, and merges (left id, right id) in order of rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NaiveTrained {
    /// Tokens by id.
    pub tokens: Vec<Vec<u8>>,
    /// (left id, right id) in order of rank.
    pub merges: Vec<(u32, u32)>,
}

/// Trains on `units`, and on `superword_units` if there is a second stage.
pub fn naive_train(units: &Units, superword_units: &Units, options: &NaiveOptions) -> NaiveTrained {
    naive_train_with_words(units, superword_units, options, &|unit| vec![unit.len()])
}

/// The same, where `word_ends` says where in a unit of the second stage the words end.
pub fn naive_train_with_words(
    units: &Units,
    superword_units: &Units,
    options: &NaiveOptions,
    word_ends: &dyn Fn(&[u8]) -> Vec<usize>,
) -> NaiveTrained {
    let mut tokens: Vec<Vec<u8>> =
        options.special_tokens.iter().map(|text| text.clone().into_bytes()).collect();
    let n_special = tokens.len();
    let seen = |byte: &u8| units.iter().chain(superword_units).any(|(unit, _)| unit.contains(byte));
    tokens.extend(
        alphabet(options.byte_order)
            .into_iter()
            .filter(|byte| !options.seen_bytes_only || seen(byte))
            .map(|byte| vec![byte]),
    );
    let byte_ids = |unit: &Vec<u8>| -> Vec<u32> {
        unit.iter().map(|&byte| id_of(&tokens, n_special, &[byte]).unwrap_or(u32::MAX)).collect()
    };
    let stage1: Vec<(Vec<u32>, u64)> = units.iter().map(|(unit, count)| (byte_ids(unit), *count)).collect();
    let stage2: Vec<(Vec<u32>, u64)> =
        superword_units.iter().map(|(unit, count)| (byte_ids(unit), *count)).collect();

    let mut merges = Vec::new();
    let forbidden = |token: &[u8]| {
        options.max_token_bytes.is_some_and(|longest| token.len() > longest)
            || options.special_tokens.iter().any(|special| special.as_bytes() == token)
    };
    let is_automatic = options.superwords.as_ref().is_some_and(|superwords| superwords.is_automatic);
    let target = match &options.superwords {
        Some(superwords) if !is_automatic => superwords.transition_size,
        _ => options.vocab_size,
    };
    let n_initial = tokens.len();
    let counts = grow(stage1, target, options.min_frequency, n_special, &forbidden, &mut tokens, &mut merges);
    if let Some(superwords) = &options.superwords {
        let vetoed = |token: &[u8]| {
            let contains = |text: &String| token.windows(text.len()).any(|window| window == text.as_bytes());
            let n_words = token.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
            forbidden(token)
                || n_words > superwords.max_words_per_token
                || superwords.forbid.iter().any(contains)
                || superwords.within_sentences && goes_beyond_a_sentence(token)
        };
        if is_automatic {
            let encoded = encode_all(&stage2, &merges);
            let words = whole_words(&encoded, &tokens, word_ends);
            let n_kept = transition(&words, &tokens, &counts, options, &vetoed);
            tokens.truncate(n_initial + n_kept);
            merges.truncate(n_kept);
        }
        let mut bytes = stage2;
        if superwords.drop_unused_merges {
            let used = used_merges(&bytes, &merges);
            let kept: Vec<Vec<u8>> = merges
                .iter()
                .zip(used)
                .filter(|(_, is_used)| *is_used)
                .map(|(&(.., token_id), _)| tokens[token_id as usize].clone())
                .collect();
            let parts: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = merges
                .iter()
                .map(|&(left, right, id)| [left, right, id].map(|id| tokens[id as usize].clone()).into())
                .collect();
            tokens.truncate(n_initial);
            tokens.extend(kept.iter().cloned());
            let id = |token: &Vec<u8>| id_of(&tokens, n_special, token);
            merges = parts
                .iter()
                .filter(|(.., token)| kept.contains(token))
                .filter_map(|(left, right, token)| Some((id(left)?, id(right)?, id(token)?)))
                .collect();
            // The ids of the bytes are the same.
            bytes.retain(|(ids, _)| !ids.is_empty());
        }
        let mut units = encode_all(&bytes, &merges);
        if superwords.whole_words {
            units = whole_words(&units, &tokens, word_ends);
        }
        grow(units, options.vocab_size, options.min_frequency, n_special, &vetoed, &mut tokens, &mut merges);
    }
    NaiveTrained { tokens, merges: merges.into_iter().map(|(left, right, _)| (left, right)).collect() }
}

/// The merge loop: count all pairs, take the best that may be merged, replace it everywhere.
fn grow(
    mut units: Vec<(Vec<u32>, u64)>,
    vocab_size: usize,
    min_frequency: u64,
    n_special: usize,
    vetoed: &dyn Fn(&[u8]) -> bool,
    tokens: &mut Vec<Vec<u8>>,
    merges: &mut Vec<Merge>,
) -> Vec<u64> {
    let mut merge_counts = Vec::new();
    while tokens.len() < vocab_size {
        let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for (unit, weight) in &units {
            for pair in unit.windows(2) {
                *counts.entry((pair[0], pair[1])).or_default() += weight;
            }
        }
        let joined =
            |(left, right): (u32, u32)| [&tokens[left as usize][..], &tokens[right as usize]].concat();
        let best = counts
            .iter()
            .map(|(&pair, &count)| (pair, count))
            .filter(|&(pair, count)| count >= min_frequency.max(1) && !vetoed(&joined(pair)))
            .min_by_key(|&(pair, count)| (Reverse(count), pair));
        let Some(((left, right), count)) = best else { break };
        merge_counts.push(count);
        let token = joined((left, right));
        let token_id = id_of(tokens, n_special, &token).unwrap_or(tokens.len() as u32);
        if token_id as usize == tokens.len() {
            tokens.push(token);
        }
        if !merges.contains(&(left, right, token_id)) {
            merges.push((left, right, token_id));
        }
        for (unit, _) in &mut units {
            let mut place = 0;
            while place + 1 < unit.len() {
                if (unit[place], unit[place + 1]) == (left, right) {
                    unit.splice(place..place + 2, [token_id]);
                }
                place += 1;
            }
        }
    }
    merge_counts
}

fn encode_all(units: &[(Vec<u32>, u64)], merges: &[Merge]) -> Vec<(Vec<u32>, u64)> {
    units.iter().map(|(ids, count)| (naive_encode(ids.clone(), merges), *count)).collect()
}

/// The runs of tokens that are whole words.
fn whole_words(
    units: &[(Vec<u32>, u64)],
    tokens: &[Vec<u8>],
    word_ends: &dyn Fn(&[u8]) -> Vec<usize>,
) -> Vec<(Vec<u32>, u64)> {
    let mut runs = Vec::new();
    for (ids, count) in units {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokens[id as usize].clone()).collect();
        let ends = word_ends(&bytes);
        let starts: Vec<usize> = [0].into_iter().chain(ends.iter().copied()).collect();
        let (mut at, mut run) = (0, Vec::new());
        for &id in ids {
            let start = at;
            at += tokens[id as usize].len();
            let is_word = starts.iter().zip(&ends).any(|word| word == (&start, &at));
            if is_word {
                run.push(id);
            } else {
                runs.push((std::mem::take(&mut run), *count));
            }
        }
        runs.push((run, *count));
    }
    runs
}

/// Of the merges that were made and the superwords that may be, sorted by how often they occur (merges first), how many
/// merges are among the first as many as there are merges; one fewer if that leaves no room for a superword.
fn transition(
    words: &[(Vec<u32>, u64)],
    tokens: &[Vec<u8>],
    merge_counts: &[u64],
    options: &NaiveOptions,
    vetoed: &dyn Fn(&[u8]) -> bool,
) -> usize {
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for (unit, weight) in words {
        for pair in unit.windows(2) {
            *counts.entry((pair[0], pair[1])).or_default() += weight;
        }
    }
    let joined = |(left, right): (u32, u32)| [&tokens[left as usize][..], &tokens[right as usize]].concat();
    counts.retain(|&pair, count| *count >= options.min_frequency.max(1) && !vetoed(&joined(pair)));
    let superwords = counts.values().map(|&count| (Reverse(count), true));
    let mut both: Vec<_> =
        merge_counts.iter().map(|&count| (Reverse(count), false)).chain(superwords).collect();
    both.sort_unstable();
    let n_kept = both[..merge_counts.len()].iter().filter(|(_, is_superword)| !is_superword).count();
    let is_full = tokens.len() >= options.vocab_size;
    if is_full {
        n_kept.min(merge_counts.len().saturating_sub(1))
    } else {
        n_kept
    }
}

/// Which merges are made at least once when they are applied to units, one after the other.
fn used_merges(units: &[(Vec<u32>, u64)], merges: &[Merge]) -> Vec<bool> {
    (0..merges.len())
        .map(|rank| {
            let before = encode_all(units, &merges[..rank]);
            before != encode_all(units, &merges[..=rank])
        })
        .collect()
}

fn id_of(tokens: &[Vec<u8>], n_special: usize, token: &[u8]) -> Option<u32> {
    tokens.iter().skip(n_special).position(|other| other == token).map(|place| (place + n_special) as u32)
}

/// A sentence ends with a mark of the first kind, quotes and brackets that close, and white space, or with one of the second
/// kind; anything behind the former, and a letter or digit behind the latter, is beyond it.
fn goes_beyond_a_sentence(token: &[u8]) -> bool {
    let characters: Vec<char> = String::from_utf8_lossy(token).chars().collect();
    for (place, mark) in characters.iter().enumerate() {
        let mut next = place + 1;
        let mut skip = |may_be: &dyn Fn(char) -> bool| {
            let start = next;
            while next < characters.len() && may_be(characters[next]) {
                next += 1;
            }
            next - start
        };
        if ".!?…".contains(*mark) {
            skip(&|character| "\"')]”’»".contains(character));
            if skip(&char::is_whitespace) > 0 && next < characters.len() {
                return true;
            }
        } else if "。！？।".contains(*mark) && characters.get(next).is_some_and(|next| next.is_alphanumeric())
        {
            return true;
        }
    }
    false
}

/// The 256 bytes in their order, or in that of the code points of GPT-2's byte characters: those that are printable in
/// Latin-1 stand for themselves, the others come after them.
fn alphabet(byte_order: bool) -> Vec<u8> {
    let printable = |byte: &u8| byte_order || matches!(byte, 33..=126 | 161..=172 | 174..=255);
    (0..=255).filter(printable).chain((0..=255).filter(|byte| !printable(byte))).collect()
}
