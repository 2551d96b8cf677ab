//! Where ids go: into a list, or only into their number.

/// Takes ids.
pub(crate) trait Ids {
    /// Whether the ids themselves are wanted; otherwise those that are added may be any.
    const ARE_KEPT: bool;

    /// How many there are.
    fn n_ids(&self) -> usize;

    /// Takes some more.
    fn add(&mut self, ids: &[u32]);
}

impl Ids for Vec<u32> {
    const ARE_KEPT: bool = true;

    fn n_ids(&self) -> usize {
        self.len()
    }

    #[inline]
    fn add(&mut self, ids: &[u32]) {
        self.extend_from_slice(ids);
    }
}
