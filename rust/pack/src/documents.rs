//! Where the ids of documents lie: one after the other in one array, or in the arrays of several shards.

use crate::error::{Error, Result};

/// Documents that follow one another, and what there is for each of their tokens: an id, a weight, a label. Those of
/// document `first_document + i` are `values[offsets[i]..offsets[i + 1]]`.
#[derive(Debug)]
pub struct Shard<'a, Value> {
    /// The number of the first document.
    pub first_document: u32,
    /// The values of all tokens.
    pub values: &'a [Value],
    /// Where documents begin, and where the last one ends.
    pub offsets: &'a [i64],
}

/// Documents in shards.
#[derive(Debug)]
pub struct Documents<'a, Value> {
    shards: Vec<Shard<'a, Value>>,
}

impl<'a, Value> Documents<'a, Value> {
    /// Documents in one array, numbered from 0 on.
    ///
    /// # Errors
    /// If there are no offsets. Single offsets are checked where they are used.
    pub fn new(values: &'a [Value], offsets: &'a [i64]) -> Result<Self> {
        Self::in_shards(vec![Shard { first_document: 0, values, offsets }])
    }

    /// Documents in several shards, which may leave documents out that nobody asks for.
    ///
    /// # Errors
    /// If a shard has no offsets, or has documents of the one before it.
    pub fn in_shards(shards: Vec<Shard<'a, Value>>) -> Result<Self> {
        let mut next = 0;
        for Shard { first_document, offsets, .. } in &shards {
            if offsets.is_empty() {
                return Err(Error::new("the batch has no offsets; for documents without any, they are [0]"));
            }
            let first_document = *first_document as usize;
            if first_document < next {
                return Err(Error::new("is in two shards; every shard must begin after the one before it")
                    .in_document(first_document));
            }
            next = first_document + offsets.len() - 1;
        }
        Ok(Self { shards })
    }

    /// The values of one document.
    pub(crate) fn get(&self, document: u32) -> Result<&'a [Value]> {
        let after = self.shards.partition_point(|shard| shard.first_document <= document);
        let shard = after.checked_sub(1).map(|index| &self.shards[index]);
        let values = shard.and_then(|shard| {
            let index = (document - shard.first_document) as usize;
            let bound = |index: usize| usize::try_from(*shard.offsets.get(index)?).ok();
            shard.values.get(bound(index)?..bound(index + 1)?)
        });
        values.ok_or_else(|| {
            let documents: usize = self.shards.iter().map(|shard| shard.offsets.len() - 1).sum();
            let tokens: usize = self.shards.iter().map(|shard| shard.values.len()).sum();
            let message = format!(
                "is not within the batch, which has {documents} documents and {tokens} ids; apply the plan to the batch \
                 it was made for"
            );
            Error::new(message).in_document(document as usize)
        })
    }
}
