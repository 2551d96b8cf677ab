//! A set of small integers as a bitmap, with a bit above for every 64 below, so that the next member is found in a handful
//! of steps.

/// Up to this size a bitmap and an array of as many elements take some tens of megabytes, allocated but not touched where
/// not used. Beyond, they would be larger than the work.
pub(crate) const LARGEST_BITMAP: u32 = 1 << 22;

/// A set of small integers that finds its smallest member from a given one on, in one step for each factor of 64.
#[derive(Debug, Clone)]
pub(crate) struct Bitmap {
    /// `levels[0]` has a bit for every integer; every bit of the next level says whether a word of this one is not zero.
    levels: Vec<Vec<u64>>,
}

impl Bitmap {
    pub(crate) fn new(size: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = size.max(1);
        loop {
            let words = bits.div_ceil(64);
            levels.push(vec![0u64; words]);
            if words == 1 {
                return Self { levels };
            }
            bits = words;
        }
    }

    pub(crate) fn insert(&mut self, mut member: usize) {
        for level in &mut self.levels {
            let word = &mut level[member / 64];
            let was_empty = *word == 0;
            *word |= 1 << (member % 64);
            if !was_empty {
                return;
            }
            member /= 64;
        }
    }

    pub(crate) fn remove(&mut self, mut member: usize) {
        for level in &mut self.levels {
            let word = &mut level[member / 64];
            *word &= !(1 << (member % 64));
            if *word != 0 {
                return;
            }
            member /= 64;
        }
    }

    #[inline]
    pub(crate) fn contains(&self, member: usize) -> bool {
        self.levels[0][member / 64] >> (member % 64) & 1 == 1
    }

    /// The smallest member that is at least `from`.
    #[inline]
    pub(crate) fn next_from(&self, from: usize) -> Option<usize> {
        // Mostly it is in the same word.
        let word = self.levels[0].get(from / 64)? & (u64::MAX << (from % 64));
        if word != 0 {
            return Some(from / 64 * 64 + word.trailing_zeros() as usize);
        }
        let mut from = from / 64 + 1;
        for (height, level) in self.levels.iter().enumerate().skip(1) {
            let word = level.get(from / 64)? & (u64::MAX << (from % 64));
            if word != 0 {
                let mut member = from / 64 * 64 + word.trailing_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    member = member * 64 + below[member].trailing_zeros() as usize;
                }
                return Some(member);
            }
            from = from / 64 + 1;
        }
        None
    }
}
