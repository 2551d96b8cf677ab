//! Added tokens: strings that are found in the text before anything else and become one id each.
//!
//! The rules are Hugging Face's (`AddedVocabulary`). Tokens with `normalized: false` are looked for in the text as it
//! is, the others in the normalized text between those. The leftmost match wins, of several that start there the
//! longest. A `single_word` token counts only between non-word characters; `lstrip` and `rstrip` let a token swallow
//! the white space around it. A *special* token (control token) counts only if the caller asks for it; other added
//! tokens always do.
//!
//! A text whose end has not come yet is searched as far as nothing after it can change the answer: a token that starts
//! fewer bytes before the end than the longest one has may still become another, longer one.

use crate::normalizer::{normalize, NormalizationForm};
use crate::pretokenizer::scanner::boundary_before;
use crate::{Error, ErrorKind};
use aho_corasick::{AhoCorasick, Input, MatchKind};
use regex_syntax::is_word_character;
use std::ops::Range;

/// A string with an id of its own, and the flags of `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent flags of the file format
pub struct AddedToken {
    /// Its id.
    pub token_id: u32,
    /// The string.
    pub content: String,
    /// Whether it is a control token, which text does not contain unless the caller says so.
    pub special: bool,
    /// Whether it must stand between non-word characters.
    pub single_word: bool,
    /// Whether it takes the white space before it.
    pub lstrip: bool,
    /// Whether it takes the white space after it.
    pub rstrip: bool,
    /// Whether it is looked for in the normalized text.
    pub normalized: bool,
}

impl AddedToken {
    /// A control token without further flags.
    pub fn special(token_id: u32, content: impl Into<String>) -> Self {
        Self {
            token_id,
            content: content.into(),
            special: true,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
        }
    }
}

/// What happens to special tokens in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SpecialTokens {
    /// They are text like any other: what a user writes must not control the model.
    #[default]
    Text,
    /// They become their ids.
    Parse,
    /// Those with these ids become their ids; the others are text.
    ParseOnly(Vec<u32>),
    /// They are an error.
    Refuse,
}

impl SpecialTokens {
    fn parses(&self, token_id: u32) -> bool {
        match self {
            Self::Text | Self::Refuse => false,
            Self::Parse => true,
            Self::ParseOnly(ids) => ids.contains(&token_id),
        }
    }
}

/// A part of a text: an added token, or what lies between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// An added token, and the byte range of it and the white space that it swallows.
    Token(u32, Range<usize>),
    /// Text, by its byte range.
    Text(Range<usize>),
}

/// How far a text whose end has not come yet has been searched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Tokens that start before it have been found.
    pub(crate) searched: usize,
    /// The end of the last part that was visited.
    pub(crate) visited: usize,
}

/// The added tokens of one kind (raw or normalized) with the automaton that finds them.
#[derive(Debug)]
pub(crate) struct AddedTokenFinder {
    /// `None` when there is nothing to find.
    automaton: Option<AhoCorasick>,
    tokens: Vec<AddedToken>,
    /// Whether all tokens are special, so that a text that takes them as text need not be searched.
    all_special: bool,
    /// Whether a token may swallow white space before it.
    any_lstrip: bool,
    /// The length of the longest token, in bytes.
    longest: usize,
}

impl AddedTokenFinder {
    /// A finder for the tokens with this `normalized` flag, whose content `forms` normalize if it is set.
    pub(crate) fn new(
        added: &[AddedToken],
        normalized: bool,
        forms: &[NormalizationForm],
    ) -> Result<Self, Error> {
        let tokens: Vec<AddedToken> = added
            .iter()
            .filter(|token| token.normalized == normalized && !token.content.is_empty())
            .cloned()
            .collect();
        if tokens.is_empty() {
            return Ok(Self { automaton: None, tokens, all_special: true, any_lstrip: false, longest: 0 });
        }
        let forms = if normalized { forms } else { &[] };
        let contents: Vec<_> = tokens.iter().map(|token| normalize(forms, &token.content)).collect();
        let longest = contents.iter().map(|content| content.len()).max().unwrap_or(0);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(contents.iter().map(|content| content.as_bytes()))
            .map_err(|error| {
                Error::new(ErrorKind::Vocabulary, format!("the added tokens are too large: {error}"))
            })?;
        let all_special = tokens.iter().all(|token| token.special);
        let any_lstrip = tokens.iter().any(|token| token.lstrip);
        Ok(Self { automaton: Some(automaton), tokens, all_special, any_lstrip, longest })
    }

    /// What finds the tokens, if any can be found.
    fn automaton(&self, special: &SpecialTokens) -> Option<&AhoCorasick> {
        self.automaton.as_ref().filter(|_| !(self.all_special && *special == SpecialTokens::Text))
    }

    /// Whether every text is one part.
    pub(crate) fn finds_nothing(&self, special: &SpecialTokens) -> bool {
        self.automaton(special).is_none()
    }

    /// The length of the longest token, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether a text that is searched may be cut at `place`, so that the pieces have the parts of the whole: no token
    /// goes across the cut or touches it, and none takes white space from across it.
    pub(crate) fn may_cut(&self, text: &str, place: usize) -> bool {
        let (before, after) = text.split_at(place);
        if before.ends_with(char::is_whitespace) && after.starts_with(char::is_whitespace) {
            return false;
        }
        let near = place.saturating_sub(self.longest)..text.len().min(place + self.longest);
        self.automaton.as_ref().is_none_or(|automaton| !automaton.is_match(&text.as_bytes()[near]))
    }

    /// Calls `visit` with the parts of `text`, in order.
    ///
    /// # Errors
    /// What `visit` returns, and [`ErrorKind::Text`] for a special token if `special` refuses them.
    pub(crate) fn for_each_part(
        &self,
        text: &str,
        special: &SpecialTokens,
        visit: &mut dyn FnMut(Part) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.for_each_settled_part(text, true, special, &mut Progress::default(), visit)
    }

    /// Goes on from `progress` with the parts of a text of which more may come unless `is_last`. A token ends the text
    /// before it; without one, the text that is visited next is the rest of the same part.
    ///
    /// Of the text before `progress`, only the last character matters.
    ///
    /// # Errors
    /// As [`Self::for_each_part`].
    pub(crate) fn for_each_settled_part(
        &self,
        text: &str,
        is_last: bool,
        special: &SpecialTokens,
        progress: &mut Progress,
        visit: &mut dyn FnMut(Part) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let automaton = self.automaton(special);
        // The tokens that start before it are all in the text.
        let mut settled = match automaton {
            Some(automaton) if !is_last => (text.len() + 1).saturating_sub(automaton.max_pattern_len()),
            _ => text.len(),
        };
        let input = Input::new(text).span(progress.searched..text.len());
        for found in automaton.iter().flat_map(|automaton| automaton.find_iter(input.clone())) {
            if found.start() >= settled {
                break;
            }
            let token = &self.tokens[found.pattern().as_usize()];
            if token.special && !special.parses(token.token_id) {
                if *special == SpecialTokens::Refuse {
                    // The text before may have an error too, which comes first.
                    if progress.visited < found.start() {
                        visit(Part::Text(progress.visited..found.start()))?;
                    }
                    return Err(refused(token, found.start()));
                }
                progress.searched = found.end();
                continue;
            }
            let (before, after) = (&text[..found.start()], &text[found.end()..]);
            let after_blanks = after.trim_start();
            let needs_more = token.single_word && after.is_empty() || token.rstrip && after_blanks.is_empty();
            if needs_more && !is_last {
                settled = found.start();
                break;
            }
            progress.searched = found.end();
            if token.single_word
                && (before.ends_with(is_word_character) || after.starts_with(is_word_character))
            {
                continue;
            }
            let start =
                if token.lstrip { before.trim_end().len().max(progress.visited) } else { found.start() };
            let end = text.len() - if token.rstrip { after_blanks.len() } else { after.len() };
            if progress.visited < start {
                visit(Part::Text(progress.visited..start))?;
            }
            // Nothing is left of a token of white space that the token before it has swallowed.
            if start < end {
                visit(Part::Token(token.token_id, start..end))?;
            }
            progress.visited = end;
        }
        progress.searched = progress.searched.max(boundary_before(text, settled));
        let mut end = progress.searched;
        if self.any_lstrip && !is_last && automaton.is_some() {
            end = text[..end].trim_end().len();
        }
        if progress.visited < end {
            visit(Part::Text(progress.visited..end))?;
            progress.visited = end;
        }
        Ok(())
    }
}

fn refused(token: &AddedToken, offset: usize) -> Error {
    let message = format!(
        "the text contains the special token {:?}; encode with special=\"text\" to take it as text, \
         or special=\"parse\" to take it as the token",
        token.content
    );
    Error::new(ErrorKind::Text, message).at_token(token.token_id).at_offset(offset as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The parts of a text, as (token, range).
    fn parts(finder: &AddedTokenFinder, text: &str, offset: usize) -> Vec<(Option<u32>, Range<usize>)> {
        let mut parts = Vec::new();
        let mut visit = |part| {
            parts.push(match part {
                Part::Token(token_id, _) => (Some(token_id), 0..0),
                Part::Text(range) => (None, offset + range.start..offset + range.end),
            });
            Ok(())
        };
        finder.for_each_part(text, &SpecialTokens::Parse, &mut visit).unwrap();
        parts
    }

    proptest! {
        #[test]
        fn a_text_that_may_be_cut_has_the_same_parts_in_two(text in "[ a<>\nxé]{0,16}") {
            let token = AddedToken::special;
            let tokens = [
                token(0, "<x"),
                AddedToken { lstrip: true, ..token(1, "<") },
                AddedToken { rstrip: true, ..token(2, ">") },
                AddedToken { single_word: true, ..token(3, "éé") },
                AddedToken { single_word: true, lstrip: true, rstrip: true, ..token(4, "ax") },
                token(5, "x><"),
            ];
            let finder = AddedTokenFinder::new(&tokens, false, &[]).unwrap();
            let whole = parts(&finder, &text, 0);
            for (place, _) in text.char_indices().filter(|(place, _)| *place > 0 && finder.may_cut(&text, *place)) {
                let mut pieces = parts(&finder, &text[..place], 0);
                let mut right = parts(&finder, &text[place..], place);
                // Text on both sides of the cut is one part of the whole.
                if let (Some((None, left)), Some((None, range))) = (pieces.last_mut(), right.first()) {
                    left.end = range.end;
                    right.remove(0);
                }
                pieces.extend(right);
                prop_assert_eq!(&pieces, &whole, "{:?} at {}", text, place);
            }
        }
    }
}
