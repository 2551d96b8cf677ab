//! The merge rule: of all adjacent pairs that may merge, the one with the lowest rank does, the leftmost first,
//! until none may.
//!
//! Short words are rescanned after every merge: the ranks of all adjacent pairs lie in one small array and finding the
//! least is a linear pass, O(n · merges). Long ones keep the pairs in a heap ordered by (rank, position) over a linked
//! list of symbols, O(n log n); an entry that no longer says the truth is skipped when it is popped.

use crate::merges::{Merge, MergeTable};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Up to this many symbols the rescan is faster than the heap.
const LONGEST_RESCANNED: usize = 48;

const NONE: u32 = u32::MAX;

/// Memory that is kept from one call to the next.
#[derive(Debug, Default)]
pub struct MergeScratch {
    pairs: Vec<Option<Merge>>,
    heap: BinaryHeap<Reverse<(u32, u32, u32)>>,
    next: Vec<u32>,
    previous: Vec<u32>,
}

/// Applies the merge rule to `symbols` (ids of the single bytes, or of any tokens) in place.
///
/// ```
/// use portmanteau_bpe::{encode::{merge_all, MergeScratch}, Merges, MergeTable, Vocabulary};
/// let tokens = ["a", "b", "ab", "aba"].iter().enumerate().map(|(id, t)| (id as u32, t.as_bytes().to_vec()));
/// let vocabulary = Vocabulary::new(tokens.collect())?;
/// let merges = Merges::from_pairs(&vocabulary, &[(0, 1), (2, 0)])?;
/// let table = MergeTable::new(&vocabulary, &merges);
/// let mut symbols = vec![0, 1, 0, 1];
/// merge_all(&mut symbols, &table, &mut MergeScratch::default());
/// assert_eq!(symbols, [2, 2]);
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
pub fn merge_all(symbols: &mut Vec<u32>, merges: &MergeTable, scratch: &mut MergeScratch) {
    if symbols.len() <= LONGEST_RESCANNED {
        merge_by_rescan(symbols, merges, &mut scratch.pairs);
    } else {
        merge_by_heap(symbols, merges, scratch);
    }
}

fn merge_by_rescan(symbols: &mut Vec<u32>, merges: &MergeTable, pairs: &mut Vec<Option<Merge>>) {
    pairs.clear();
    pairs.extend(symbols.windows(2).map(|pair| merges.get(pair[0], pair[1])));
    // `min_by_key` returns the first of equals: the leftmost.
    while let Some((position, merge)) = pairs
        .iter()
        .enumerate()
        .filter_map(|(position, merge)| merge.map(|merge| (position, merge)))
        .min_by_key(|(_, merge)| merge.rank)
    {
        symbols[position] = merge.token_id;
        symbols.remove(position + 1);
        pairs.remove(position);
        if position > 0 {
            pairs[position - 1] = merges.get(symbols[position - 1], symbols[position]);
        }
        if position < pairs.len() {
            pairs[position] = merges.get(symbols[position], symbols[position + 1]);
        }
    }
}

fn merge_by_heap(symbols: &mut Vec<u32>, merges: &MergeTable, scratch: &mut MergeScratch) {
    let MergeScratch { heap, next, previous, .. } = scratch;
    let n_symbols = symbols.len() as u32;
    heap.clear();
    next.clear();
    next.extend((1..n_symbols).chain([NONE]));
    previous.clear();
    previous.extend([NONE].into_iter().chain(0..n_symbols - 1));
    // An entry carries the id that it would make: if the pair at its place makes another by now, it is stale.
    let entry = |symbols: &[u32], left: u32, right: u32| {
        let merge = merges.get(symbols[left as usize], symbols[right as usize])?;
        Some(Reverse((merge.rank, left, merge.token_id)))
    };
    heap.extend((1..n_symbols).filter_map(|right| entry(symbols, right - 1, right)));
    while let Some(Reverse((rank, left, token_id))) = heap.pop() {
        let right = next[left as usize];
        if right == NONE || symbols[left as usize] == NONE {
            continue;
        }
        if merges.get(symbols[left as usize], symbols[right as usize]) != Some(Merge { rank, token_id }) {
            continue;
        }
        symbols[left as usize] = token_id;
        symbols[right as usize] = NONE;
        let after = next[right as usize];
        next[left as usize] = after;
        if after != NONE {
            previous[after as usize] = left;
            heap.extend(entry(symbols, left, after));
        }
        let before = previous[left as usize];
        if before != NONE {
            heap.extend(entry(symbols, before, left));
        }
    }
    symbols.retain(|&symbol| symbol != NONE);
}
