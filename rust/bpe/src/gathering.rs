//! Short documents, whose words are encoded together.
//!
//! What encoding costs is waiting for memory, and the cure is to have many words at hand: the memory of one is on its way
//! while others are worked on. A short document has few. So the pretokens of short documents, each found in its own
//! document, are put one after another into a text of their own, and encoded as those of one text.
//!
//! A document with an added token in it, or with an error, is encoded alone.

use crate::encode::{Encoder, Ids, Pretokens, Scratch};
use crate::output::Sink;
use crate::Error;

/// The longest document that is short.
pub(crate) const LONGEST_SHORT: usize = 2048;

/// Bytes of text that are encoded together.
const MOST_BYTES: usize = 4096;

/// Pretokens of short documents.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    text: String,
    /// Where each pretoken ends in the text.
    ends: Vec<u32>,
    /// How many pretokens there are up to the end of each document.
    documents: Vec<usize>,
    /// Whether the document that is being added must be encoded alone.
    is_spoiled: bool,
}

impl Gathered {
    /// The number of documents.
    pub(crate) fn n_documents(&self) -> usize {
        self.documents.len()
    }

    /// Whether it is time to encode them.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= MOST_BYTES
    }

    /// Adds the document whose pretokens `find` hands over, unless it must be encoded alone; says whether it was added.
    pub(crate) fn add(&mut self, find: impl FnOnce(&mut Self) -> Result<(), Error>) -> bool {
        let before = (self.text.len(), self.ends.len());
        self.is_spoiled = false;
        let is_added = find(self).is_ok() && !self.is_spoiled;
        if is_added {
            self.documents.push(self.ends.len());
        } else {
            self.text.truncate(before.0);
            self.ends.truncate(before.1);
        }
        is_added
    }

    /// Adds the ids of all documents to `output`, and where each of them ends there to `ends`.
    pub(crate) fn encode(
        &self,
        encoder: &Encoder,
        scratch: &mut Scratch,
        output: &mut impl Ids,
        ends: &mut Vec<i64>,
    ) -> Result<(), Error> {
        let n_before = output.n_ids() as i64;
        let mut pretoken_ends = Vec::with_capacity(self.ends.len());
        let pretokens = Pretokens::new(&self.text, 0, &self.ends);
        encoder.encode_with_ends(pretokens, scratch, output, &mut pretoken_ends)?;
        ends.extend(self.documents.iter().map(|&n_pretokens| {
            let last = n_pretokens.checked_sub(1).map_or(0, |last| pretoken_ends[last]);
            n_before + i64::from(last)
        }));
        Ok(())
    }

    /// Forgets all documents.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.documents.clear();
    }
}

impl Sink for Gathered {
    fn push(&mut self, _token_id: u32) {
        self.is_spoiled = true;
    }

    fn encode_pretokens(
        &mut self,
        _encoder: &Encoder,
        pretokens: Pretokens<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let base = self.text.len() as u32;
        self.text.push_str(pretokens.content());
        self.ends.extend(pretokens.ends().iter().map(|&end| base + end));
        Ok(())
    }
}
