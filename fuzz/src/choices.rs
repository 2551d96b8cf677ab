//! Bytes as a sequence of choices. After the last byte every choice is the first one, so any bytes are a case.

pub(crate) struct Choices<'b> {
    bytes: &'b [u8],
}

impl<'b> Choices<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn are_over(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A number below `n`, which is at least 1 and at most 65,536. A number of one byte takes one.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let high = if n > 256 { self.byte() } else { 0 };
        (usize::from(high) << 8 | usize::from(self.byte())) % n
    }

    pub(crate) fn is_one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }
}
