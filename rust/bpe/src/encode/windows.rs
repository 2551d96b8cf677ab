//! Very long pretokens, a window at a time.
//!
//! A pretoken may be a gigabyte of letters or of spaces. It is encoded in windows that overlap, and two windows are
//! glued where both have the same token at the same place. That needs no more memory than a window does, and is exact
//! for every vocabulary. The proof, with *E(s)* for the encoding of a stretch *s* of the text as if it stood alone:
//!
//! 1. *A stretch does not feel its surroundings before a merge reaches over its edge.* Until then, the merges that the
//!    encoding of the whole makes inside the stretch are those of *E(stretch)*, in the same order: where the lowest and
//!    leftmost of all pairs lies inside, it is the lowest and leftmost of those inside.
//! 2. *Two neighbours in any E(s) are all of the encoding of their own stretch.* No merge of *E(s)* reached over their
//!    edges or over the place between them, as they would be one token otherwise; so 1 applies.
//! 3. *Tokens that cover a text, every two neighbours of which are neighbours in the encoding of some stretch, are its
//!    encoding.* Suppose that a merge reaches over the place between two of them, and take the first such merge. Until
//!    then no merge reached over the edges of the two, so by 1 their stretch makes it, too, when it stands alone, which
//!    contradicts 2. So none does, and by 1 every token comes about as it did before.
//! 4. *One common token glues.* Let *E(a)* and *E(b)* have a token at the same place. The tokens of *E(a)* up to it and
//!    those of *E(b)* from it on cover both stretches, and every two neighbours are neighbours in one of them.
//!
//! So what is done is the encoding of the pretoken up to some place, and a window makes it longer. The window starts
//! with a token that ends a little before that place. The two differ by what follows there alone, which rarely matters
//! to more than the last few tokens. Where they have no token in common, the window is made to start earlier, and at
//! last where the pretoken starts: then there is nothing to glue. It reaches as far ahead as it starts back, so that
//! even then the work is O(n log n).

use super::words::Words;
use super::{Encoder, Pretokens, Scratch};
use crate::pretokenizer::scanner::boundary_before;
use crate::Error;
use std::ops::Range;

/// Bytes that a window adds: what the merge rule needs for so many lies in the nearest caches.
const STEP: usize = 2048;
/// Bytes that a window repeats: a few tokens.
const OVERLAP: usize = 32;

/// How long pretokens are divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// A pretoken of more bytes than this is encoded in windows.
    pub(super) longest_whole: usize,
    /// Bytes that a window adds to what is done, at least those of a character.
    pub(super) step: usize,
    /// Bytes that a window repeats, at least 1.
    pub(super) overlap: usize,
}

impl Windows {
    /// The windows for what encodes words. A window is longer than any word that comes out otherwise as a part of a
    /// longer one.
    pub(super) fn new(words: &Words) -> Self {
        let longest = words.only_whole().map(<[u8]>::len).max().unwrap_or(0);
        let overlap = OVERLAP.max(longest + 1);
        let step = STEP.max(4 * overlap);
        Self { longest_whole: 2 * step, step, overlap }
    }
}

impl Encoder {
    /// Appends the ids of pretokens to `ids`, of which the long ones are encoded in windows.
    pub(super) fn encode_long(
        &self,
        pretokens: Pretokens<'_>,
        windows: Windows,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let mut window_ids = std::mem::take(&mut scratch.window_ids);
        let mut result = Ok(());
        // The pretokens before the next long one.
        let (mut start, mut ends) = (pretokens.start, Vec::new());
        for number in 0..pretokens.ends.len() {
            let range = pretokens.range(number);
            if range.len() <= windows.longest_whole {
                ends.push((range.end - start) as u32);
                continue;
            }
            let (short, end) = (Pretokens::new(pretokens.text, start, &ends), range.end);
            result = self.encode_whole(short, scratch, ids).and_then(|()| {
                self.encode_in_windows(pretokens.text, range, windows, scratch, ids, &mut window_ids)
            });
            if result.is_err() {
                break;
            }
            ends.clear();
            start = end;
        }
        scratch.window_ids = window_ids;
        result.and_then(|()| self.encode_whole(Pretokens::new(pretokens.text, start, &ends), scratch, ids))
    }

    /// Appends the ids of a pretoken to `ids`, in memory that does not depend on its length.
    fn encode_in_windows(
        &self,
        text: &str,
        pretoken: Range<usize>,
        windows: Windows,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
        window_ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let first = ids.len();
        let mut done = pretoken.start;
        let mut overlap = windows.overlap;
        while done < pretoken.end {
            scratch.check_interrupt()?;
            let (n_before, start) = self.token_before(text, done, overlap, &ids[first..]);
            let n_more = windows.step.max(done - start).min(pretoken.end - done);
            let end = boundary_before(text, done + n_more);
            window_ids.clear();
            self.encode_whole(Pretokens::new(text, start, &[(end - start) as u32]), scratch, window_ids)?;
            let (n_before, is_whole) = (first + n_before, n_before == 0);
            let common =
                if is_whole { Some((0, 0)) } else { self.common_token(&ids[n_before..], window_ids) };
            if let Some((in_ids, in_window)) = common {
                ids.truncate(n_before + in_ids);
                ids.extend_from_slice(&window_ids[in_window..]);
                done = end;
                overlap = windows.overlap;
            } else {
                overlap = 4 * (done - start);
            }
        }
        Ok(())
    }

    /// The last place between two tokens and two characters that is at least `overlap` bytes before `end`, where `ids`
    /// end, and the number of tokens before it; the start of the first of them if there is none.
    fn token_before(&self, text: &str, end: usize, overlap: usize, ids: &[u32]) -> (usize, usize) {
        let mut place = end;
        for (number, &token_id) in ids.iter().enumerate().rev() {
            place -= self.length(token_id);
            if end - place >= overlap && text.is_char_boundary(place) {
                return (number, place);
            }
        }
        (0, place)
    }

    /// Where two encodings that start at the same place first have the same token at the same place.
    fn common_token(&self, left: &[u32], right: &[u32]) -> Option<(usize, usize)> {
        let (mut in_left, mut in_right) = (0, 0);
        let (mut left_place, mut right_place) = (0, 0);
        while let (Some(&left_id), Some(&right_id)) = (left.get(in_left), right.get(in_right)) {
            if left_place == right_place && left_id == right_id {
                return Some((in_left, in_right));
            }
            if left_place <= right_place {
                left_place += self.length(left_id);
                in_left += 1;
            } else {
                right_place += self.length(right_id);
                in_right += 1;
            }
        }
        None
    }

    fn length(&self, token_id: u32) -> usize {
        self.words.vocabulary.token_bytes(token_id).map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
