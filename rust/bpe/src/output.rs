//! What encoding makes: the ids, or only their number.

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
pub(crate) trait Output: Sink + Default + Send {
    /// Makes room for the ids of about so many bytes of text.
    fn reserve_for(&mut self, n_bytes: usize);

    /// The number of ids so far.
    fn n_ids(&self) -> usize;

    /// As [`Sink::encode_pretokens`], and appends the number of ids up to the end of each pretoken to `ends`.
    fn encode_with_ends(
        &mut self,
        encoder: &Encoder,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error>;

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

    fn n_ids(&self) -> usize {
        self.len()
    }

    fn encode_with_ends(
        &mut self,
        encoder: &Encoder,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error> {
        encoder.encode_with_ends(pretokens, scratch, self, ends)
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
        self.n_ids += encoder.count(pretokens, scratch)?;
        Ok(())
    }
}

impl Output for Count {
    fn reserve_for(&mut self, _n_bytes: usize) {}

    fn n_ids(&self) -> usize {
        self.n_ids
    }

    fn encode_with_ends(
        &mut self,
        encoder: &Encoder,
        pretokens: Pretokens<'_>,
        scratch: &mut Scratch,
        ends: &mut Vec<u32>,
    ) -> Result<(), Error> {
        self.n_ids += encoder.count_with_ends::<true>(pretokens, scratch, ends)?;
        Ok(())
    }

    fn append(&mut self, other: &mut Self) {
        self.n_ids += std::mem::take(&mut other.n_ids);
    }
}
