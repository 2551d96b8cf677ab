//! What encoding makes: the ids, or only their number.

use crate::encode::Ids;
use crate::{Encoder, Error, Pretokens, Scratch};

/// Takes what is found in a text, in order.
pub(crate) trait Sink {
    /// Takes an id.
    fn push(&mut self, token_id: u32);

    /// Takes the ids of pretokens; see [`Encoder::encode_pretokens`].
    fn encode_pretokens(
        &mut self,
        encoder: &Encoder,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Error>;
}

/// Takes ids as they are found, and is put together from parts.
pub(crate) trait Output: Sink + Ids + Default + Send {
    /// Makes room for the ids of about so many bytes of text.
    fn reserve_for(&mut self, n_bytes: usize);

    /// Takes what another has, which is empty then.
    fn append(&mut self, other: &mut Self);
}

impl Sink for Vec<u32> {
    fn push(&mut self, token_id: u32) {
        self.push(token_id);
    }

    fn encode_pretokens(
        &mut self,
        encoder: &Encoder,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        encoder.encode_pretokens(pretokens, scratch, self)
    }
}

impl Output for Vec<u32> {
    fn reserve_for(&mut self, n_bytes: usize) {
        // Few texts have a token for every three bytes. Pages that are not written to take no memory.
        let _ = self.try_reserve(n_bytes / 3);
    }

    fn append(&mut self, other: &mut Self) {
        self.append(other);
    }
}

/// The number of ids.
#[derive(Debug, Default)]
pub(crate) struct Count {
    n_ids: usize,
}

impl Ids for Count {
    const ARE_KEPT: bool = false;

    fn n_ids(&self) -> usize {
        self.n_ids
    }

    fn add(&mut self, ids: &[u32]) {
        self.n_ids += ids.len();
    }
}

impl Sink for Count {
    fn push(&mut self, _token_id: u32) {
        self.n_ids += 1;
    }

    fn encode_pretokens(
        &mut self,
        encoder: &Encoder,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        encoder.count(pretokens, scratch, self)
    }
}

impl Output for Count {
    fn reserve_for(&mut self, _n_bytes: usize) {}

    fn append(&mut self, other: &mut Self) {
        self.n_ids += std::mem::take(&mut other.n_ids);
    }
}
