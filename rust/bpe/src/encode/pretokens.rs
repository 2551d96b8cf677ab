//! Pieces of text that are encoded one by one.

use std::ops::Range;

/// Pretokens that follow one another in a text.
#[derive(Debug, Clone, Copy)]
pub struct Pretokens<'t> {
    /// The text that they are in.
    pub(crate) text: &'t str,
    /// Where the first starts.
    pub(super) start: usize,
    /// Where each ends and the next starts, counted from `base`.
    pub(super) ends: &'t [u32],
    pub(super) base: usize,
}

impl<'t> Pretokens<'t> {
    /// Pretokens of which the first starts at byte `start` of `text`, and each ends at one of `ends`, counted in bytes
    /// from `start`, where the next starts.
    ///
    /// ```
    /// use portmanteau_bpe::Pretokens;
    /// let pretokens = Pretokens::new("one two", 0, &[3, 7]);
    /// assert_eq!(pretokens.n_bytes(), 7);
    /// ```
    pub fn new(text: &'t str, start: usize, ends: &'t [u32]) -> Self {
        Self { text, start, ends, base: start }
    }

    /// All of them together, as one text.
    pub(crate) fn content(&self) -> &'t str {
        &self.text[self.start..][..self.n_bytes()]
    }

    /// Where each ends, counted from where the first starts.
    pub(crate) fn ends(&self) -> &'t [u32] {
        self.ends
    }

    /// How many bytes they have together.
    pub fn n_bytes(&self) -> usize {
        self.ends.last().map_or(0, |&end| self.base + end as usize - self.start)
    }

    /// Whether one of them has more bytes than this.
    pub(super) fn is_any_longer_than(&self, n_bytes: usize) -> bool {
        let Some(&first) = self.ends.first().filter(|_| self.n_bytes() > n_bytes) else { return false };
        let others = self.ends.iter().zip(&self.ends[1..]).map(|(&start, &end)| end - start);
        let longest_other = others.fold(0, u32::max) as usize;
        longest_other.max(self.base + first as usize - self.start) > n_bytes
    }

    /// Where a pretoken lies in the text.
    #[inline]
    pub(super) fn range(&self, number: usize) -> Range<usize> {
        let start = if number == 0 { self.start } else { self.base + self.ends[number - 1] as usize };
        start..self.base + self.ends[number] as usize
    }

    /// The same in runs of `length`, the last of which may be shorter.
    #[inline(always)]
    pub(super) fn chunks(self, length: usize) -> impl Iterator<Item = Self> {
        let mut start = self.start;
        self.ends.chunks(length).map(move |ends| {
            let chunk = Self { start, ends, ..self };
            start = chunk.start + chunk.n_bytes();
            chunk
        })
    }
}
