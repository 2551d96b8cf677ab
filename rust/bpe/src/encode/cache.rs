//! Words that were encoded before, with their ids: bounded, and made to be read with few instructions and without a
//! branch that may go wrong.
//!
//! **Short words**, of up to 15 bytes, have entries of 32 bytes. An entry holds the word in full, padded with zeros to
//! 16 bytes with its length in the last, so that one comparison decides, and up to four ids in place (more lie in a
//! common pool). Entries lie in pairs, a cache line each; where the two of a pair are taken, the older goes. The table
//! starts small and grows until it reaches its bound, so that a short text does not pay for a large table.
//!
//! **Long words** lie with their ids in one arena, found through a table of hashes in sets of four. When the arena is
//! full, it is emptied.

use super::prefetch;

/// The bytes of a short word, padded with zeros, and its length in the last byte.
pub(super) type Key = [u64; 2];

/// The longest short word.
pub(super) const LONGEST_SHORT: usize = 15;

/// No place.
pub(super) const NOWHERE: u32 = u32::MAX;

/// By length: the bytes of a key that are the word's. A longer word has none.
const MASKS: [Key; LONGEST_SHORT + 2] = {
    let mut masks = [[0; 2]; LONGEST_SHORT + 2];
    let mut length = 0;
    while length <= LONGEST_SHORT {
        let mask = (1_u128 << (8 * length)) - 1;
        masks[length] = [mask as u64, (mask >> 64) as u64];
        length += 1;
    }
    masks
};

/// The up to 16 bytes from `start` to the end of a text.
#[cold]
#[inline(never)]
fn padded_end(text: &[u8], start: usize) -> u128 {
    let mut padded = [0; 16];
    let bytes = &text[start..];
    padded[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(padded)
}

/// Makes the key of the `length` bytes at `start` of `text`. A word that is not short has a key that no short word has.
#[inline(always)]
pub(super) fn key(text: &[u8], start: usize, length: usize) -> Key {
    let length = length.min(LONGEST_SHORT + 1);
    let bytes = if let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk::<16>) {
        u128::from_le_bytes(*bytes)
    } else {
        padded_end(text, start)
    };
    let mask = &MASKS[length];
    [bytes as u64 & mask[0], (bytes >> 64) as u64 & mask[1] | (length as u64) << 56]
}

/// Two words in a cache line, the newer first.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Pair([Entry; 2]);

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// All zeros where there is no word.
    key: Key,
    /// The ids, and their number in the top byte of the first. Of more than four, the second says where they start in
    /// the pool.
    ids: [u32; 4],
}

/// Below the number of ids.
const ID_BITS: u32 = 24;

/// Pairs that a table starts with.
const FIRST_PAIRS: usize = 1 << 9;

/// The cache of short words.
#[derive(Debug)]
pub(super) struct ShortWords {
    pairs: Vec<Pair>,
    /// The ids of words that have more than four.
    pool: Vec<u32>,
    /// Words written since the table had its size.
    n_written: usize,
    most_pairs: usize,
}

impl ShortWords {
    /// An empty table that grows to about this many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        let most_pairs = (most_bytes / size_of::<Pair>() + 1).next_power_of_two() / 2;
        Self {
            pairs: vec![Pair::default(); FIRST_PAIRS],
            pool: Vec::new(),
            n_written: 0,
            most_pairs: most_pairs.max(FIRST_PAIRS),
        }
    }

    /// The table, to look several words up.
    #[inline(always)]
    pub(super) fn table(&self) -> ShortTable<'_> {
        ShortTable { pairs: &self.pairs, pool: &self.pool }
    }

    /// Keeps a word with its ids, of which there is at least one.
    pub(super) fn insert(&mut self, key: &Key, ids: &[u32]) {
        if self.n_written >= self.pairs.len() && self.pairs.len() < self.most_pairs {
            self.grow();
        }
        let mut entry = Entry { key: *key, ids: [0; 4] };
        if ids.len() <= 4 {
            entry.ids[..ids.len()].copy_from_slice(ids);
        } else {
            if self.pool.len() * 16 > self.most_pairs * size_of::<Pair>() {
                self.pairs.fill(Pair::default());
                self.pool.clear();
            }
            entry.ids[1] = self.pool.len() as u32;
            self.pool.extend_from_slice(ids);
        }
        entry.ids[0] |= (ids.len() as u32) << ID_BITS;
        self.put(entry);
    }

    fn put(&mut self, entry: Entry) {
        let home = self.table().home(&entry.key);
        let Pair(pair) = &mut self.pairs[home as usize];
        if pair[0].key != entry.key {
            *pair = [entry, pair[0]];
            self.n_written += 1;
        }
    }

    fn grow(&mut self) {
        let n_pairs = (self.pairs.len() * 8).min(self.most_pairs);
        let old = std::mem::replace(&mut self.pairs, vec![Pair::default(); n_pairs]);
        self.n_written = 0;
        // The newer of two goes in last, which makes it the newer again.
        for entry in old.into_iter().flat_map(|Pair([newer, older])| [older, newer]) {
            if entry.key != Key::default() {
                self.put(entry);
            }
        }
    }
}

/// The cache of short words while it does not change.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortTable<'c> {
    pairs: &'c [Pair],
    pool: &'c [u32],
}

impl ShortTable<'_> {
    /// Where a word would be, if it is here.
    #[inline(always)]
    pub(super) fn home(self, key: &Key) -> u32 {
        let mixed = (key[0] ^ key[1].rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as u32 & (self.pairs.len() as u32 - 1)
    }

    /// Asks for the memory of a home.
    #[inline(always)]
    pub(super) fn prefetch(self, home: u32) {
        prefetch(self.pairs.as_ptr().wrapping_add(home as usize));
    }

    /// The place of a word, or [`NOWHERE`].
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool)] // a branch less that may go wrong
    pub(super) fn find(self, home: u32, key: &Key) -> u32 {
        let Pair([first, second]) = &self.pairs[home as usize];
        let is_second = second.key == *key;
        let place = home * 2 + u32::from(is_second);
        if is_second | (first.key == *key) {
            place
        } else {
            NOWHERE
        }
    }

    /// The number of ids of the word at a place.
    #[inline(always)]
    pub(super) fn n_ids(self, place: u32) -> usize {
        (self.pairs[place as usize / 2].0[place as usize % 2].ids[0] >> ID_BITS) as usize
    }

    /// Writes the ids of the word at a place to the front of `out`, and perhaps rubbish behind them, up to four in all;
    /// returns how many.
    #[inline(always)]
    pub(super) fn write_ids(self, place: u32, out: &mut [u32]) -> usize {
        let ids = &self.pairs[place as usize / 2].0[place as usize % 2].ids;
        let n_ids = (ids[0] >> ID_BITS) as usize;
        if n_ids > ids.len() {
            out[..n_ids].copy_from_slice(&self.pool[ids[1] as usize..][..n_ids]);
        } else if let Some(out) = out.first_chunk_mut() {
            *out = [ids[0] & ((1 << ID_BITS) - 1), ids[1], ids[2], ids[3]];
        }
        n_ids
    }
}

/// The cache of long words.
#[derive(Debug)]
pub(super) struct LongWords {
    sets: Vec<[Slot; SLOTS]>,
    /// Of every word: its bytes, padded to a multiple of four, then its ids.
    arena: Vec<u32>,
    most_ids: usize,
}

/// Slots of a set.
const SLOTS: usize = 4;

/// The longest word that is kept.
pub(super) const LONGEST_LONG: usize = 512;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    start: u32,
    n_bytes: u16,
    n_ids: u16,
}

impl LongWords {
    /// An empty cache that grows to about this many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { sets: Vec::new(), arena: Vec::new(), most_ids: most_bytes / 5 }
    }

    /// Asks for the memory that a word with this hash will need.
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch(self.sets.as_ptr().wrapping_add(self.home(hash)));
    }

    fn home(&self, hash: u64) -> usize {
        hash as usize & self.sets.len().wrapping_sub(1)
    }

    /// The ids of a word, whose hash is the vocabulary's.
    pub(super) fn get(&self, hash: u64, word: &[u8]) -> Option<&[u32]> {
        let set = self.sets.get(self.home(hash))?;
        set.iter().find_map(|slot| {
            if slot.hash != (hash >> 32) as u32 || usize::from(slot.n_bytes) != word.len() {
                return None;
            }
            let (bytes, rest) = self.arena[slot.start as usize..].split_at(word.len().div_ceil(4));
            let same = bytes.iter().zip(word.chunks(4)).all(|(own, chunk)| *own == padded(chunk));
            same.then(|| &rest[..usize::from(slot.n_ids)])
        })
    }

    /// Keeps a word that is not here.
    pub(super) fn insert(&mut self, hash: u64, word: &[u8], ids: &[u32]) {
        if word.len() > LONGEST_LONG {
            return;
        }
        if self.sets.is_empty() {
            self.sets = vec![[Slot::default(); SLOTS]; (self.most_ids / 64).next_power_of_two()];
        }
        if self.arena.len() + word.len() + ids.len() > self.most_ids {
            self.arena.clear();
            self.sets.fill([Slot::default(); SLOTS]);
        }
        let start = self.arena.len() as u32;
        self.arena.extend(word.chunks(4).map(padded));
        self.arena.extend_from_slice(ids);
        let slot =
            Slot { hash: (hash >> 32) as u32, start, n_bytes: word.len() as u16, n_ids: ids.len() as u16 };
        let home = self.home(hash);
        let set = &mut self.sets[home];
        set.rotate_right(1);
        set[0] = slot;
    }
}

/// Up to four bytes as a number.
fn padded(bytes: &[u8]) -> u32 {
    let mut padded = [0; 4];
    padded[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(padded)
}
