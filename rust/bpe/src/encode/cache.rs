//! Words that were encoded before, with their ids: bounded, and made to be read with few instructions and without a
//! branch that may go wrong.
//!
//! **Short words**, of up to 15 bytes, have entries of 32 bytes. An entry holds the word in full, padded with zeros to
//! 16 bytes with its length in the last, so that one comparison decides, and up to four ids in place (more lie in a
//! common pool). Entries lie in pairs, a cache line each. A word has its home in one of them, and where both of its entries are
//! taken, in the pair next to it: whoever finds it there puts it back home, so that the words that come often are at
//! home. Where all four are taken, an entry of the home goes. The table starts small and grows until it reaches its
//! bound, so that a short text does not pay for a large table.
//!
//! **Long words** lie with their ids in one arena, found through a table of hashes in sets of four. When the arena is
//! full, it is emptied.

use super::{large_pages, prefetch};

/// The bytes of a short word, padded with zeros, and its length in the last byte.
pub(crate) type Key = [u64; 2];

/// The longest short word.
pub(crate) const LONGEST_SHORT: usize = 15;

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
pub(crate) fn key(text: &[u8], start: u32, length: u32) -> Key {
    let length = length.min(LONGEST_SHORT as u32 + 1) as usize;
    let start = start as usize;
    let bytes = if let Some(bytes) = text.get(start..start + 16) {
        u128::from_le_bytes(bytes.try_into().unwrap_or_default())
    } else {
        padded_end(text, start)
    };
    let mask = &MASKS[length];
    [bytes as u64 & mask[0], (bytes >> 64) as u64 & mask[1] | (length as u64) << 56]
}

/// The bytes of the short word that has this key, padded with zeros.
#[inline(always)]
pub(crate) fn bytes(key: &Key) -> [u8; LONGEST_SHORT + 1] {
    let mask = &MASKS[LONGEST_SHORT];
    (u128::from(key[0]) | u128::from(key[1] & mask[1]) << 64).to_le_bytes()
}

/// A word and its ids: the key, all zeros where there is no word; then up to four ids of 32 bits each, their number in the
/// top byte of the first. Of more than four, the second says where they start in the pool.
type Entry = [u64; 4];

/// Below the number of ids.
const ID_BITS: u32 = 24;

/// Pairs that a table starts with.
const FIRST_PAIRS: usize = 1 << 9;

/// Bytes of a cache line.
const LINE: usize = 64;

/// The cache of short words.
#[derive(Debug)]
pub(super) struct ShortWords {
    /// The entries, after `skip` words that align them to cache lines, or to large pages.
    memory: Vec<u64>,
    skip: usize,
    n_pairs: usize,
    /// The ids of words that have more than four.
    pool: Vec<u32>,
    /// Words written since the table had its size.
    n_written: usize,
    most_pairs: usize,
}

impl ShortWords {
    /// An empty table that grows to about this many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        let most_pairs = (most_bytes / (2 * size_of::<Entry>()) + 1).next_power_of_two() / 2;
        let mut words = Self {
            memory: Vec::new(),
            skip: 0,
            n_pairs: 0,
            pool: Vec::new(),
            n_written: 0,
            most_pairs: most_pairs.max(FIRST_PAIRS),
        };
        words.allocate(FIRST_PAIRS);
        words
    }

    /// Makes an empty table, and returns the memory of the old one.
    fn allocate(&mut self, n_pairs: usize) -> Vec<u64> {
        let n_words = n_pairs * 2 * Entry::default().len();
        let alignment = if n_words * size_of::<u64>() < large_pages::SIZE { LINE } else { large_pages::SIZE };
        // Zeros that nobody writes to take no memory.
        let mut memory = vec![0; n_words + alignment / size_of::<u64>()];
        self.skip = memory.as_ptr().align_offset(alignment).min(memory.len() - n_words);
        large_pages::ask_for(&mut memory[self.skip..][..n_words]);
        self.n_pairs = n_pairs;
        self.n_written = 0;
        std::mem::replace(&mut self.memory, memory)
    }

    /// The table, to look several words up.
    #[inline(always)]
    pub(super) fn table(&self) -> ShortTable<'_> {
        let entries = self.memory[self.skip..].as_chunks().0;
        ShortTable { entries, pool: &self.pool, shift: u64::BITS - self.n_pairs.trailing_zeros() }
    }

    fn entries(&mut self) -> &mut [Entry] {
        self.memory[self.skip..].as_chunks_mut().0
    }

    /// Keeps a word with its ids, of which there is at least one.
    pub(super) fn insert(&mut self, key: &Key, ids: &[u32]) {
        if self.n_written >= self.n_pairs && self.n_pairs < self.most_pairs {
            self.grow();
        }
        let mut inline = [0; 4];
        if ids.len() <= 4 {
            inline[..ids.len()].copy_from_slice(ids);
        } else {
            if self.pool.len() * 8 > self.most_pairs * size_of::<Entry>() {
                self.memory.fill(0);
                self.pool.clear();
                self.n_written = 0;
            }
            inline[1] = self.pool.len() as u32;
            self.pool.extend_from_slice(ids);
        }
        inline[0] |= (ids.len() as u32) << ID_BITS;
        let [a, b, c, d] = inline.map(u64::from);
        self.put([key[0], key[1], a | b << 32, c | d << 32]);
    }

    fn put(&mut self, entry: Entry) {
        let home = 2 * self.table().home(&key_of(&entry)) as usize;
        let entries = self.entries();
        for place in [home, home + 1, home ^ 2, (home ^ 2) + 1] {
            let own = &mut entries[place];
            if key_of(own) == key_of(&entry) {
                return;
            }
            if key_of(own) == Key::default() {
                *own = entry;
                self.n_written += 1;
                return;
            }
        }
        entries.swap(home, home + 1);
        entries[home] = entry;
        self.n_written += 1;
    }

    /// Looks for a word next to its home, where it may be if it is not at home, and if it is there, exchanges it for one that
    /// is at home. Returns its place, or [`NOWHERE`].
    pub(super) fn bring_home(&mut self, home: u32, key: &Key) -> u32 {
        let place = self.table().find(home ^ 1, key);
        if place == NOWHERE {
            return NOWHERE;
        }
        let place_at_home = 2 * home + 1;
        self.entries().swap(place as usize, place_at_home as usize);
        place_at_home
    }

    fn grow(&mut self) {
        let skip = self.skip;
        let old = self.allocate((self.n_pairs * 8).min(self.most_pairs));
        for &entry in old[skip..].as_chunks().0 {
            if key_of(&entry) != Key::default() {
                self.put(entry);
            }
        }
    }
}

#[inline(always)]
fn key_of(entry: &Entry) -> Key {
    [entry[0], entry[1]]
}

/// The cache of short words while it does not change.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortTable<'c> {
    entries: &'c [Entry],
    pool: &'c [u32],
    shift: u32,
}

impl ShortTable<'_> {
    /// Where a word would be, if it is here.
    #[inline(always)]
    pub(super) fn home(self, key: &Key) -> u32 {
        let mixed = (key[0] ^ key[1].rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> self.shift) as u32
    }

    /// Asks for the memory of a home.
    #[inline(always)]
    pub(super) fn prefetch(self, home: u32) {
        prefetch(self.entries.as_ptr().wrapping_add(2 * home as usize));
    }

    /// Asks for the memory next to a home.
    #[inline(always)]
    pub(super) fn prefetch_next(self, home: u32) {
        self.prefetch(home ^ 1);
    }

    /// The place of a word that is at home, or [`NOWHERE`].
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool)] // a branch less that may go wrong
    pub(super) fn find(self, home: u32, key: &Key) -> u32 {
        let [first, second]: &[Entry; 2] = &self.entries.as_chunks().0[home as usize];
        // Slices are compared in one piece, without branches.
        let is_second = second[..2] == *key;
        let place = 2 * home + u32::from(is_second);
        if is_second | (first[..2] == *key) {
            place
        } else {
            NOWHERE
        }
    }

    /// The number of ids of the word at a place.
    #[inline(always)]
    pub(super) fn n_ids(self, place: u32) -> u32 {
        self.entries[place as usize][2] as u32 >> ID_BITS
    }

    /// Writes the ids of the word at a place to `out`, from `start`, and perhaps rubbish behind them, up to four in all;
    /// returns how many.
    #[inline(always)]
    pub(super) fn write_ids(self, place: u32, out: &mut [u32], start: u32) -> u32 {
        let [.., first, last] = self.entries[place as usize];
        let (n_ids, start) = (first as u32 >> ID_BITS, start as usize);
        if n_ids > 4 {
            let (from, n_ids) = ((first >> 32) as usize, n_ids as usize);
            out[start..start + n_ids].copy_from_slice(&self.pool[from..from + n_ids]);
        } else if let Some(out) = out.get_mut(start..start + 4) {
            let first = first & !(0xFF << ID_BITS);
            out.copy_from_slice(&[first as u32, (first >> 32) as u32, last as u32, (last >> 32) as u32]);
        }
        n_ids
    }

    /// Appends the ids of the word at a place.
    pub(super) fn add_ids(self, place: u32, ids: &mut Vec<u32>) {
        let start = ids.len();
        ids.resize(start + LONGEST_SHORT, 0);
        let n_ids = self.write_ids(place, ids, start as u32);
        ids.truncate(start + n_ids as usize);
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

/// Of a word: the upper half of its hash, where it starts in the arena, and the number of its bytes above that of its ids.
type Slot = [u32; 3];

fn lengths(n_bytes: usize, n_ids: usize) -> u32 {
    (n_bytes << 16 | n_ids) as u32
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
        set.iter().find_map(|&[own_hash, start, lengths]| {
            if own_hash != (hash >> 32) as u32 || (lengths >> 16) as usize != word.len() {
                return None;
            }
            let (bytes, rest) = self.arena[start as usize..].split_at(word.len().div_ceil(4));
            let same = bytes.iter().zip(word.chunks(4)).all(|(own, chunk)| *own == padded(chunk));
            same.then(|| &rest[..(lengths & 0xFFFF) as usize])
        })
    }

    /// Keeps a word that is not here.
    pub(super) fn insert(&mut self, hash: u64, word: &[u8], ids: &[u32]) {
        if word.len() > LONGEST_LONG {
            return;
        }
        if self.sets.is_empty() {
            // Zeros that nobody writes to take no memory.
            self.sets = vec![[[0; 3]; SLOTS]; (self.most_ids / 64).next_power_of_two()];
        }
        if self.arena.len() + word.len() + ids.len() > self.most_ids {
            self.arena.clear();
            self.sets.fill([[0; 3]; SLOTS]);
        }
        let start = self.arena.len() as u32;
        self.arena.extend(word.chunks(4).map(padded));
        self.arena.extend_from_slice(ids);
        let home = self.home(hash);
        let set = &mut self.sets[home];
        set.rotate_right(1);
        set[0] = [(hash >> 32) as u32, start, lengths(word.len(), ids.len())];
    }
}

/// Up to four bytes as a number.
fn padded(bytes: &[u8]) -> u32 {
    let mut padded = [0; 4];
    padded[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids that a test gives to a word: one to nine of them, which it shares with no other.
    fn ids_of(word: u32) -> Vec<u32> {
        (0..=word % 9).map(|place| word * 10 + place).collect()
    }

    fn key_of_word(word: u32) -> Key {
        let text = format!("{word:<16}");
        key(text.as_bytes(), 0, 8 + word % 8)
    }

    /// The ids of a word that is at home or next to it.
    fn look_up(words: &mut ShortWords, word: u32) -> Option<Vec<u32>> {
        let key = key_of_word(word);
        let home = words.table().home(&key);
        let mut place = words.table().find(home, &key);
        if place == NOWHERE {
            place = words.bring_home(home, &key);
        }
        let mut ids = Vec::new();
        (place != NOWHERE).then(|| words.table().add_ids(place, &mut ids)).map(|()| ids)
    }

    #[test]
    fn a_word_is_there_with_its_ids_or_not_at_all() {
        // The smallest table, of which the later words take every place, and one that grows.
        for (most_bytes, n_words, least_found) in [(0, 20_000, 100), (1 << 22, 50_000, 47_000)] {
            let mut words = ShortWords::new(most_bytes);
            for word in 0..n_words {
                words.insert(&key_of_word(word), &ids_of(word));
                assert_eq!(look_up(&mut words, word), Some(ids_of(word)));
            }
            let found: Vec<u32> = (0..n_words).filter(|&word| look_up(&mut words, word).is_some()).collect();
            assert!(found.len() > least_found, "{}", found.len());
            assert!(found.iter().all(|&word| look_up(&mut words, word) == Some(ids_of(word))));
        }
    }

    #[test]
    fn a_word_that_is_looked_for_is_brought_home() {
        let mut words = ShortWords::new(0);
        (0..700).for_each(|word| words.insert(&key_of_word(word), &[word]));
        let mut n_brought = 0;
        for word in 0..700 {
            let key = key_of_word(word);
            let home = words.table().home(&key);
            let was_at_home = words.table().find(home, &key) != NOWHERE;
            if look_up(&mut words, word).is_some() {
                n_brought += u32::from(!was_at_home);
                assert_ne!(words.table().find(home, &key), NOWHERE);
            }
        }
        assert!(n_brought > 10, "{n_brought}");
    }
}
