//! A shuffled order of any number of items that needs no memory: where each item goes is computed from its number.
//!
//! A number of *b* bits is cut into a high and a low half. In each of eight rounds one half is changed by a hash of the
//! other and of the round's key: a Feistel network, which permutes the 2^b numbers whatever the hash is (Luby and Rackoff,
//! "How to construct pseudorandom permutations from pseudorandom functions", 1988). Here *b* is as small as it can be for
//! *n* items; where a number that is not among them comes out, it goes through again, until one does that is (Black and
//! Rogaway, "Ciphers with arbitrary finite domains", 2002). That takes two rounds or fewer on average, since 2^b < 2 n.

use crate::mix::mix;

const ROUNDS: u64 = 8;

/// An order of the numbers below `n` that is drawn with a seed and the number of an epoch.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    n: u64,
    low_bits: u32,
    high_bits: u32,
    keys: [u64; ROUNDS as usize],
}

impl Permutation {
    /// The order of this epoch: for the same numbers, the same on every machine.
    pub fn new(n: u64, seed: u64, epoch: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let low_bits = bits.div_ceil(2);
        let key = mix(mix(seed) ^ epoch);
        let keys = std::array::from_fn(|round| mix(key.wrapping_add(round as u64)));
        Self { n, low_bits, high_bits: bits - low_bits, keys }
    }

    /// Which item stands at a place; `None` if there are not so many.
    pub fn get(&self, place: u64) -> Option<u64> {
        if place >= self.n {
            return None;
        }
        let mut number = self.once(place);
        while number >= self.n {
            number = self.once(number);
        }
        Some(number)
    }

    /// One pass through all rounds.
    fn once(&self, number: u64) -> u64 {
        let mask = |bits: u32| (1 << bits) - 1;
        let (mut high, mut low) = (number >> self.low_bits, number & mask(self.low_bits));
        for keys in self.keys.chunks_exact(2) {
            high ^= mix(keys[0] ^ low) & mask(self.high_bits);
            low ^= mix(keys[1] ^ high) & mask(self.low_bits);
        }
        high << self.low_bits | low
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Permutation;
    use std::collections::HashMap;

    fn order(n: u64, seed: u64, epoch: u64) -> Vec<u64> {
        let permutation = Permutation::new(n, seed, epoch);
        assert_eq!(permutation.get(n), None);
        (0..n).map(|place| permutation.get(place).unwrap()).collect()
    }

    #[test]
    fn has_every_item_once() {
        for n in (0..70).chain([255, 256, 257, 1000, 4096, 4097, 65_537]) {
            for (seed, epoch) in [(0, 0), (0, 1), (1, 0), (u64::MAX, u64::MAX)] {
                let mut items = order(n, seed, epoch);
                items.sort_unstable();
                assert_eq!(items, (0..n).collect::<Vec<_>>(), "{n} items");
            }
        }
    }

    #[test]
    fn reaches_the_largest_numbers() {
        for n in [1 << 32, (1 << 63) + 1, u64::MAX] {
            let permutation = Permutation::new(n, 3, 4);
            assert!([0, n / 2, n - 1].into_iter().all(|place| permutation.get(place).unwrap() < n));
        }
    }

    #[test]
    fn every_order_of_a_few_is_about_as_frequent() {
        let mut counts: HashMap<Vec<u64>, u32> = HashMap::new();
        for seed in 0..100 {
            for epoch in 0..60 {
                *counts.entry(order(3, seed, epoch)).or_default() += 1;
            }
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    }

    #[test]
    fn neighbours_go_far_apart() {
        let items = order(10_000, 0, 0);
        let distance: u64 = items.windows(2).map(|pair| pair[0].abs_diff(pair[1])).sum::<u64>() / 9_999;
        // A third of the number of items, by chance.
        assert!((3_200..3_466).contains(&distance), "{distance}");
        assert!(items.iter().enumerate().filter(|&(place, &item)| place as u64 == item).count() < 8);
    }

    /// What stores and checkpoints of earlier versions count on.
    #[test]
    fn does_not_change() {
        assert_eq!(order(10, 0, 0), [7, 8, 2, 6, 9, 3, 0, 4, 5, 1]);
    }
}
