//! What a sequence is made of: how many tokens, which of them stand around documents and sequences, what a segment is
//! padded to.

use crate::error::{Error, Result};
use crate::options::MAX_LENGTH;

/// Tokens that stand around the ids of every document that is not empty, or around every sequence, and count against the
/// capacity.
///
/// Around a document, the document is then the stream `[BOS] + ids + [EOS]`, and pieces are runs of that stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Framing {
    /// A token before.
    pub bos: bool,
    /// A token after.
    pub eos: bool,
}

impl Framing {
    /// The number of tokens: 0, 1 or 2.
    pub fn n_tokens(self) -> u32 {
        u32::from(self.bos) + u32::from(self.eos)
    }

    /// Length of the stream of a document with this many ids: an empty document stays empty.
    pub fn framed_length(self, length: u32) -> u32 {
        if length == 0 {
            0
        } else {
            length + self.n_tokens()
        }
    }
}

/// What a sequence is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceFormat {
    /// Most tokens in a sequence, padding of segments included, from 1 to [`MAX_LENGTH`].
    pub capacity: u32,
    /// Tokens around every document.
    pub document_framing: Framing,
    /// Tokens around every sequence: a BOS belongs to its first segment, an EOS to its last.
    pub sequence_framing: Framing,
    /// Every segment is padded to a multiple of this, at least 1.
    pub align: u32,
    /// How many tokens of a document that was split stand in two pieces that follow each other.
    pub overlap: u32,
}

impl SequenceFormat {
    /// Sequences of documents and nothing else.
    pub fn new(capacity: u32) -> Self {
        Self {
            capacity,
            document_framing: Framing::default(),
            sequence_framing: Framing::default(),
            align: 1,
            overlap: 0,
        }
    }

    /// The most that the pieces of a sequence may weigh together: the capacity without the tokens around the sequence, and
    /// without what is no multiple of the alignment.
    pub fn room(&self) -> u32 {
        let room = self.capacity.saturating_sub(self.sequence_framing.n_tokens());
        room - room % self.align.max(1)
    }

    /// How much of the room a piece of this many tokens takes: padded to the alignment.
    pub fn weight(&self, length: u32) -> u32 {
        if self.align <= 1 {
            length
        } else {
            length.div_ceil(self.align).saturating_mul(self.align)
        }
    }

    /// How many tokens a sequence of pieces of these lengths has, those around it included.
    pub(crate) fn tokens(&self, lengths: impl Iterator<Item = u32>) -> u64 {
        lengths.map(u64::from).sum::<u64>() + u64::from(self.sequence_framing.n_tokens())
    }

    /// Refuses what cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { capacity, document_framing, sequence_framing, align, overlap } = *self;
        if capacity == 0 || capacity > MAX_LENGTH {
            let message = format!("capacity is {capacity}; a sequence holds from 1 to {MAX_LENGTH} tokens");
            return Err(Error::new(message));
        }
        let least = 1 + document_framing.n_tokens() + sequence_framing.n_tokens();
        if capacity < least {
            return Err(Error::new(format!(
                "capacity is {capacity}; one id with the BOS and EOS tokens around it needs {least}"
            )));
        }
        if align == 0 || align > capacity {
            return Err(Error::new(format!(
                "align is {align}; it must be from 1 to the capacity, {capacity}"
            )));
        }
        if align > 1 && sequence_framing.n_tokens() > 0 {
            return Err(Error::new(
                "align does not go with a BOS or EOS for each sequence, which would move the segments; put them around \
                 each document",
            ));
        }
        if overlap >= self.room() {
            return Err(Error::new(format!(
                "overlap is {overlap}; it must be less than the {} tokens that a sequence takes",
                self.room()
            )));
        }
        Ok(())
    }
}
