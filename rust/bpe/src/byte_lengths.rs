//! Ids of many documents with how far it is from each token to the next one: where each begins in its text, in a byte or so
//! for a token.
//!
//! The first token counts from the beginning of its document and the last to the end, so that the lengths of a document's
//! tokens add up to its own. What the pretokenizer removes from the text belongs to the token before it.

use crate::parallel::{map_ranges, split_by_weight};
use crate::{EncodedBatch, Error, Interrupt, OffsetUnit, Scratch, SpecialTokens, Tokenizer};
use std::ops::Range;

impl Tokenizer {
    /// As [`Tokenizer::encode_batch`], and for each id the bytes of the text from where its token begins to where the next
    /// one does.
    ///
    /// Time as for [`Tokenizer::encode_with_offsets`]; a document is not shared by threads.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_batch`].
    pub fn encode_batch_with_byte_lengths<T: AsRef<str> + Sync>(
        &self,
        documents: &[T],
        special: &SpecialTokens,
        threads: usize,
        interrupt: &Interrupt,
    ) -> Result<(EncodedBatch, Vec<u32>), Error> {
        let ranges = split_by_weight(documents.iter().map(|text| text.as_ref().len()), threads);
        let parts = map_ranges(&ranges, |range: Range<usize>| {
            self.with_scratch(interrupt, |scratch| self.lengths_of(documents, range, special, scratch))
        });
        let mut whole = EncodedBatch { ids: Vec::new(), offsets: vec![0] };
        let mut lengths = Vec::new();
        for part in parts {
            let (batch, of_part) = part?;
            let base = whole.ids.len() as i64;
            whole.offsets.extend(batch.offsets.iter().map(|end| base + end));
            whole.ids.extend(batch.ids);
            lengths.extend(of_part);
        }
        Ok((whole, lengths))
    }

    /// The documents of a range; the offsets are their ends.
    fn lengths_of<T: AsRef<str>>(
        &self,
        documents: &[T],
        range: Range<usize>,
        special: &SpecialTokens,
        scratch: &mut Scratch,
    ) -> Result<(EncodedBatch, Vec<u32>), Error> {
        let mut batch = EncodedBatch { ids: Vec::new(), offsets: Vec::with_capacity(range.len()) };
        let mut lengths = Vec::new();
        for document in range {
            let text = documents[document].as_ref();
            let encoded = self
                .encode_with_offsets(text, special, OffsetUnit::Bytes, scratch)
                .map_err(|error| error.in_document(document as u64))?;
            let mut begin = 0;
            for next in encoded.offsets.iter().skip(1).map(|place| place.start) {
                // A token that lies within white space which the one before it swallowed has no length of its own.
                let next = next.max(begin);
                lengths.push((next - begin) as u32);
                begin = next;
            }
            if !encoded.offsets.is_empty() {
                lengths.push((text.len() - begin) as u32);
            }
            batch.ids.extend(encoded.ids);
            batch.offsets.push(batch.ids.len() as i64);
            scratch.check_interrupt()?;
        }
        Ok((batch, lengths))
    }
}
