//! Words that were encoded before, with their ids: bounded, and emptied when it is full.

use rustc_hash::FxHashMap;

/// Words longer than this are rare and are not kept.
const LONGEST_WORD: usize = 64;
/// Bytes of words and ids that one cache holds at most (hash table overhead comes on top, about as much again).
const CAPACITY: usize = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct WordCache {
    /// word → its range in `ids`
    words: FxHashMap<Box<[u8]>, (u32, u32)>,
    ids: Vec<u32>,
    word_bytes: usize,
}

impl WordCache {
    pub(crate) fn get(&self, word: &[u8]) -> Option<&[u32]> {
        let &(start, end) = self.words.get(word)?;
        Some(&self.ids[start as usize..end as usize])
    }

    pub(crate) fn insert(&mut self, word: &[u8], ids: &[u32]) {
        if word.len() > LONGEST_WORD {
            return;
        }
        if self.word_bytes + self.ids.len() * size_of::<u32>() > CAPACITY {
            self.words.clear();
            self.ids.clear();
            self.word_bytes = 0;
        }
        let start = self.ids.len() as u32;
        self.ids.extend_from_slice(ids);
        self.word_bytes += word.len();
        self.words.insert(word.into(), (start, self.ids.len() as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_bounded_and_right() {
        let mut cache = WordCache::default();
        for number in 0..1_000_000_u32 {
            let word = number.to_string();
            cache.insert(word.as_bytes(), &[number, number + 1]);
            assert_eq!(cache.get(word.as_bytes()), Some(&[number, number + 1][..]));
            assert!(cache.word_bytes + cache.ids.len() * 4 <= CAPACITY + LONGEST_WORD + 8);
        }
        cache.insert(&[b'a'; LONGEST_WORD + 1], &[1]);
        assert_eq!(cache.get(&[b'a'; LONGEST_WORD + 1]), None);
    }
}
