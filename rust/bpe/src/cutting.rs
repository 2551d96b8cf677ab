//! Work for several threads: documents in runs of about equal size, and long documents cut into pieces.
//!
//! A document may be cut where the ids of the two pieces, one after the other, are those of the whole. Such a place
//!
//! 1. is a certain boundary of the pretokenizer: one that only depends on the characters next to it;
//! 2. has no added token near it that the text is searched for, as far away as the longest reaches, so that none goes
//!    across or touches the cut, and none is found only because of it; nor does it have white space on both sides, which
//!    a token that takes the white space around it could take across the cut;
//! 3. leaves normalization alone, and the characters next to it as they are ([`normalizer::may_cut`]).
//!
//! Where one of the three cannot be known, the document stays whole: where the pretokenizer has no scanner, or where
//! added tokens are looked for in text that normalization has changed.

use crate::added_tokens::AddedTokenFinder;
use crate::normalizer::{self, NormalizationForm};
use crate::pretokenizer::scanner::Scanner;
use crate::SpecialTokens;
use std::ops::Range;

/// So far is searched for a place to cut; then the piece becomes longer.
const MOST_SEARCHED: usize = 64 << 10;

/// Added tokens that are longer keep documents whole: to look around for them would take longer than it saves.
const LONGEST_TOKEN: usize = 1 << 10;

/// Whole documents, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The documents.
    pub(crate) documents: Range<usize>,
    /// Where the piece lies, if it is a piece; there is only one document then.
    pub(crate) piece: Option<Range<usize>>,
}

/// Cuts documents into tasks of about `task_bytes`, in order.
pub(crate) fn tasks<T: AsRef<str>>(
    documents: &[T],
    task_bytes: usize,
    cutter: Option<&Cutter<'_>>,
) -> Vec<Task> {
    let mut tasks = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (document, text) in documents.iter().enumerate() {
        let text = text.as_ref();
        // A document costs something, even if it is empty.
        size += text.len() + 16;
        if text.len() > task_bytes * 2 {
            if start < document {
                tasks.push(Task { documents: start..document, piece: None });
            }
            let pieces = pieces(text, task_bytes, cutter).into_iter();
            tasks.extend(pieces.map(|piece| Task { documents: document..document + 1, piece: Some(piece) }));
            (start, size) = (document + 1, 0);
        } else if size >= task_bytes {
            tasks.push(Task { documents: start..document + 1, piece: None });
            (start, size) = (document + 1, 0);
        }
    }
    if start < documents.len() {
        tasks.push(Task { documents: start..documents.len(), piece: None });
    }
    tasks
}

/// Cuts a text that is not empty into pieces of about `piece_bytes`.
fn pieces(text: &str, piece_bytes: usize, cutter: Option<&Cutter<'_>>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut from) = (0, piece_bytes);
    while let Some(cutter) = cutter.filter(|_| from < text.len()) {
        if let Some(place) = cutter.find(text, from) {
            pieces.push(start..place);
            (start, from) = (place, place);
        }
        from += piece_bytes;
    }
    pieces.push(start..text.len());
    pieces
}

/// Finds the places where texts may be cut.
#[derive(Debug)]
pub(crate) struct Cutter<'t> {
    scanner: &'t Scanner,
    normalization: &'t [NormalizationForm],
    /// Those that search the text.
    finders: Vec<&'t AddedTokenFinder>,
}

impl<'t> Cutter<'t> {
    /// A cutter for texts that the `raw` finder searches, then the `normalized` one. `None` if texts must stay whole.
    pub(crate) fn new(
        scanner: &'t Scanner,
        normalization: &'t [NormalizationForm],
        (raw, normalized): (&'t AddedTokenFinder, &'t AddedTokenFinder),
        special: &SpecialTokens,
    ) -> Option<Self> {
        let searches = |finder: &&AddedTokenFinder| !finder.finds_nothing(special);
        if !normalization.is_empty() && searches(&normalized) {
            return None;
        }
        let finders: Vec<_> = [raw, normalized].into_iter().filter(searches).collect();
        let is_short = |finder: &&AddedTokenFinder| finder.longest() <= LONGEST_TOKEN;
        finders.iter().all(is_short).then_some(Self { scanner, normalization, finders })
    }

    /// The first place at or after `from`, which is more than 0, or `None` if there is none near.
    fn find(&self, text: &str, mut from: usize) -> Option<usize> {
        let limit = from.saturating_add(MOST_SEARCHED);
        let end = (limit..text.len()).find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
        while let Some(place) = self.scanner.certain_boundary(&text[..end], from) {
            if normalizer::may_cut(self.normalization, text, place)
                && self.finders.iter().all(|finder| finder.may_cut(text, place))
            {
                return Some(place);
            }
            from = place + 1;
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tasks_hold_every_document_once_and_in_order() {
        let documents =
            ["a".repeat(9), String::new(), "b".repeat(30), "c".into(), "d".repeat(12), "e".repeat(7)];
        for task_bytes in 1..60 {
            let tasks = tasks(&documents, task_bytes, None);
            let covered: Vec<usize> = tasks.iter().flat_map(|task| task.documents.clone()).collect();
            assert_eq!(covered, (0..documents.len()).collect::<Vec<_>>());
            for task in tasks {
                let long = documents[task.documents.start].len() > task_bytes * 2;
                assert_eq!(task.piece, long.then(|| 0..documents[task.documents.start].len()));
            }
        }
        assert!(tasks::<String>(&[], 10, None).is_empty());
    }
}
