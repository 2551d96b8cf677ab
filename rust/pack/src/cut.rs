//! From document lengths to pieces: documents longer than the capacity are cut, truncated, dropped or refused.

use crate::error::{Error, Result};
use crate::options::{LongDocuments, PackOptions, Strategy, MAX_LENGTH};
use crate::plan::Pieces;

/// The pieces to be placed, in order of document and start; and what is left out.
pub(crate) struct CutDocuments {
    pub(crate) pieces: Pieces,
    pub(crate) dropped: Pieces,
    pub(crate) n_empty_documents: usize,
}

/// Turns every document into pieces. No piece is longer than the capacity, except for [`Strategy::Concat`] with
/// [`LongDocuments::Split`], where documents stay whole because concatenation cuts them where sequences end.
pub(crate) fn cut_documents(lengths: &[u32], options: &PackOptions) -> Result<CutDocuments> {
    check_size(lengths, options)?;
    let whole = options.strategy == Strategy::Concat && options.long_documents == LongDocuments::Split;
    let mut cut = CutDocuments {
        pieces: Pieces::with_capacity(lengths.len()),
        dropped: Pieces::default(),
        n_empty_documents: 0,
    };
    for (index, &length) in lengths.iter().enumerate() {
        let document = index as u32;
        let CutDocuments { pieces, dropped, n_empty_documents } = &mut cut;
        *n_empty_documents += usize::from(length == 0);
        if whole && length > 0 {
            pieces.push(document, 0, options.framing.framed_length(length));
            continue;
        }
        let mut keep = |start, length| pieces.push(document, start, length);
        let mut lose = |start, length| dropped.push(document, start, length);
        cut_document(length, options, &mut keep, &mut lose).map_err(|error| error.in_document(index))?;
    }
    Ok(cut)
}

/// Turns a document of this many ids into pieces: calls `keep` with the start and the length of each that is to be placed,
/// and `lose` with those of what is left out.
pub(crate) fn cut_document(
    plain_length: u32,
    options: &PackOptions,
    keep: &mut impl FnMut(u32, u32),
    lose: &mut impl FnMut(u32, u32),
) -> Result<()> {
    let (length, capacity) = (options.framing.framed_length(plain_length), options.capacity);
    if length == 0 {
        return Ok(());
    }
    if length <= capacity {
        keep(0, length);
        return Ok(());
    }
    match options.long_documents {
        LongDocuments::Split => {
            let mut start = 0;
            while start < length {
                let piece = capacity.min(length - start);
                keep(start, piece);
                start += piece;
            }
        }
        LongDocuments::Truncate => {
            keep(0, capacity);
            lose(capacity, length - capacity);
        }
        LongDocuments::Drop => lose(0, length),
        LongDocuments::Error => {
            return Err(Error::new(format!(
                "has {length} tokens, more than the capacity of {capacity}; raise the capacity, or choose another \
                 long_documents policy: split, truncate or drop"
            )));
        }
    }
    Ok(())
}

/// Refuses a document whose positions do not fit 31 bits.
pub(crate) fn check_length(length: u32) -> Result<()> {
    if length > MAX_LENGTH {
        let message = format!("has {length} tokens; a document may have at most {MAX_LENGTH}");
        return Err(Error::new(message));
    }
    Ok(())
}

/// Checks every length, and that documents and pieces can be counted in 32 bits.
fn check_size(lengths: &[u32], options: &PackOptions) -> Result<()> {
    let mut tokens = 0u64;
    for (document, &length) in lengths.iter().enumerate() {
        check_length(length).map_err(|error| error.in_document(document))?;
        tokens += u64::from(options.framing.framed_length(length));
    }
    // Splitting and concatenation both cut at most once in every `capacity` tokens.
    let cuts = tokens / u64::from(options.capacity);
    if lengths.len() as u64 + cuts >= u64::from(u32::MAX) {
        return Err(Error::new(format!(
            "{} documents with {tokens} tokens may make more than 2^32 pieces of {}; pack them in several plans",
            lengths.len(),
            options.capacity
        )));
    }
    Ok(())
}
