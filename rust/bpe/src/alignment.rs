//! Which bytes of the original text a normalized text was made from.
//!
//! A normalization form gives its characters with how they came about (`NormalizationForm::apply`), in order, so both
//! texts can be walked together. Marks that a form puts into another order are taken to come from one another's places;
//! from a starter with its marks to the next, the places are exact.
//!
//! Hugging Face keeps less: of the characters that one was composed from, the first; see [`Cover`].

use crate::normalizer::NormalizationForm;
use std::ops::Range;

/// What a character that others were composed to counts as made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    /// All of them.
    All,
    /// The first of them, as Hugging Face has it.
    First,
}

/// A piece of normalized text and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    normalized: Range<usize>,
    original: Range<usize>,
    /// Whether both are the same, so that bytes of one are bytes of the other.
    is_unchanged: bool,
}

/// Pieces of text that one form made, in order, without gaps.
#[derive(Debug, Default)]
pub(crate) struct Alignment {
    pieces: Vec<Piece>,
}

impl Alignment {
    /// A text in this form with what its parts were made from, or `None` if it is in this form already. O(n).
    pub(crate) fn of(form: NormalizationForm, text: &str, cover: Cover) -> Option<(String, Self)> {
        if form.is_known_to_hold(text) {
            return None;
        }
        let mut characters = Vec::new();
        form.apply(text, &mut characters);
        let (mut normalized, mut pieces): (_, Vec<Piece>) = (String::new(), Vec::new());
        let (mut consumed, mut rest) = (0..0, text.chars());
        for (character, change) in characters {
            let n_replaced = usize::try_from(1 - change).unwrap_or(0);
            if n_replaced > 0 {
                let length: usize = rest.by_ref().take(n_replaced).map(char::len_utf8).sum();
                consumed = consumed.end..consumed.end + length;
            }
            let start = normalized.len();
            normalized.push(character);
            let is_unchanged = n_replaced > 0 && text[consumed.clone()] == normalized[start..];
            let original = match cover {
                Cover::All => consumed.clone(),
                Cover::First => one_of(text, &consumed, n_replaced > 0),
            };
            let piece = Piece { normalized: start..normalized.len(), original, is_unchanged };
            match pieces.last_mut() {
                Some(last) if last.is_unchanged && is_unchanged => {
                    (last.normalized.end, last.original.end) = (piece.normalized.end, piece.original.end);
                }
                _ => pieces.push(piece),
            }
        }
        Some((normalized, Self { pieces }))
    }

    /// What a range of the normalized text was made from: the very bytes where nothing was changed, else the whole
    /// characters. What is empty comes from nothing. O(log n).
    pub(crate) fn original(&self, normalized: &Range<usize>) -> Range<usize> {
        let start = match self.piece_at(normalized.start) {
            Some(piece) if piece.is_unchanged => {
                piece.original.start + normalized.start - piece.normalized.start
            }
            Some(piece) => piece.original.start,
            None => self.pieces.last().map_or(0, |piece| piece.original.end),
        };
        if normalized.is_empty() {
            return start..start;
        }
        let end = match self.piece_at(normalized.end - 1) {
            Some(piece) if piece.is_unchanged => {
                piece.original.start + normalized.end - piece.normalized.start
            }
            Some(piece) => piece.original.end,
            None => start,
        };
        start..end
    }

    fn piece_at(&self, place: usize) -> Option<&Piece> {
        self.pieces.get(self.pieces.partition_point(|piece| piece.normalized.end <= place))
    }
}

/// The place of the first or the last character of a range.
fn one_of(text: &str, range: &Range<usize>, first: bool) -> Range<usize> {
    let mut characters = text[range.clone()].chars();
    if first {
        range.start..range.start + characters.next().map_or(0, char::len_utf8)
    } else {
        range.end - characters.next_back().map_or(0, char::len_utf8)..range.end
    }
}
