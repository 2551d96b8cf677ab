//! A pretokenizer as one automaton: the known patterns, at a few bytes a nanosecond.
//!
//! The text is scanned in windows. A window begins at a boundary, where every pattern starts afresh (none looks
//! behind). Its characters are turned into rows (`characters`; ASCII needs no turning), an automaton steps over the rows
//! and notes operations on boundaries (`automaton`, `rules`), one of the `back_end`s doing the steps; the operations are
//! applied as bit masks, the rare ones one by one (`boundaries`), and the bits that are left are the boundaries.
//!
//! What follows a window can still move its last boundaries. But an operation only reaches back as far as the last
//! boundary that the automaton noted or, in white space after a line end, the one before it. So the scan gives out what
//! lies before, and goes on from there.
//!
//! That an automaton of 16 states steps by one shuffle of a register is from T. Mytkowicz, M. Musuvathi and W. Schulte,
//! "Data-Parallel Finite-State Machines", ASPLOS 2014.

mod automaton;
mod back_end;
mod boundaries;
mod characters;
mod known;
mod records;
mod rules;

pub use back_end::BackEnd;
pub(crate) use records::{Records, SEPARATOR};

use super::Step;
use automaton::{Automaton, Rules, END_ROW, IN_BLANKS, IN_WHITE, START};
use back_end::{Block, Blocks, Operations, Run};
use characters::{CharacterTable, CONTINUATION};
use std::sync::Arc;

/// Bytes of text that are scanned together, so that all that is noted about them stays in the nearest cache.
const WINDOW: usize = 8192;

/// The longest window whose memory is kept for the next.
const LONGEST_KEPT: usize = 1 << 20;

/// Finds the boundaries of a known pattern. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scanner {
    automaton: Arc<Automaton>,
    run: Run,
    window: usize,
}

/// What [`Scanner::scan`] found, and memory that it uses again.
#[derive(Debug, Clone, Default)]
pub struct ScanScratch {
    /// The ends of the pretokens, in bytes from the place where the scan started, ascending.
    pub ends: Vec<u32>,
    rows: Vec<u8>,
    entries: Vec<Block>,
    operations: Vec<Operations>,
}

impl Scanner {
    /// The scanner that cuts as these steps do, or `None` if they are not a pattern that it knows.
    pub fn for_steps(steps: &[Step]) -> Option<Self> {
        Self::of_rules(&known::rules_of(steps)?)
    }

    fn of_rules(rules: &Rules) -> Option<Self> {
        Some(Self { automaton: Arc::new(rules.build()), run: BackEnd::best().run()?, window: WINDOW })
    }

    /// The same scanner on another back end, or `None` if this processor cannot run that.
    #[must_use]
    pub fn with_back_end(&self, back_end: BackEnd) -> Option<Self> {
        Some(Self { run: back_end.run()?, ..self.clone() })
    }

    /// Finds pretokens from `start`, which must be a boundary: a place where a pretoken ended, or the start of the text.
    /// Writes their ends, relative to `start`, to `scratch.ends`, and returns the last of them as a place in the text,
    /// from where the next scan goes on: `text.len()` if all is done.
    ///
    /// There is at least one, unless `start` is the end of the text already. What is more than 4 GiB from `start` is
    /// left to the next scan; so is the rest of a pretoken of that length.
    ///
    /// # Panics
    /// If `start` is not between two characters of `text`.
    pub fn scan(&self, text: &str, start: usize, scratch: &mut ScanScratch) -> usize {
        self.scan_part(text, start, true, scratch)
    }

    /// As [`Scanner::scan`], for a text of which more may come: finds only what nothing after the text can move. That may
    /// be nothing, and then the result is `start`.
    ///
    /// # Panics
    /// As [`Scanner::scan`].
    pub fn scan_unfinished(&self, text: &str, start: usize, scratch: &mut ScanScratch) -> usize {
        self.scan_part(text, start, false, scratch)
    }

    fn scan_part(&self, text: &str, start: usize, is_complete: bool, scratch: &mut ScanScratch) -> usize {
        let rest = &text[start..];
        scratch.ends.clear();
        if rest.is_empty() {
            return start;
        }
        let most = boundary_before(rest, u32::MAX as usize);
        let is_complete = is_complete || most < rest.len();
        if self.automaton.never_cuts {
            scratch.ends.extend(is_complete.then_some(most as u32));
            return start + if is_complete { most } else { 0 };
        }
        let mut window = self.window;
        loop {
            let end = boundary_before(rest, window).min(most);
            self.scan_window(&rest.as_bytes()[..end], is_complete && end == most, scratch);
            if end > LONGEST_KEPT {
                *scratch = ScanScratch { ends: std::mem::take(&mut scratch.ends), ..ScanScratch::default() };
            }
            if let Some(&end) = scratch.ends.last() {
                return start + end as usize;
            }
            if end == most {
                return start;
            }
            window *= 2;
        }
    }

    /// Writes the boundaries that nothing after the window can move, but that at its start.
    fn scan_window(&self, bytes: &[u8], is_last: bool, scratch: &mut ScanScratch) {
        if bytes.is_ascii() {
            return self.run_rows(bytes, bytes, is_last, scratch);
        }
        let mut rows = std::mem::take(&mut scratch.rows);
        CharacterTable::get().write_rows(bytes, &mut rows);
        self.run_rows(&rows, bytes, is_last, scratch);
        scratch.rows = rows;
    }

    /// The same for bytes whose rows are known.
    fn run_rows(&self, rows: &[u8], bytes: &[u8], is_last: bool, scratch: &mut ScanScratch) {
        let automaton = &*self.automaton;
        let (blocks, rest) = rows.as_chunks::<64>();
        let mut last_block = [CONTINUATION; 64];
        last_block[..rest.len()].copy_from_slice(rest);
        if is_last {
            last_block[rest.len()] = END_ROW;
        }
        scratch.entries.resize(blocks.len() + 1, [0; 64]);
        scratch.operations.resize(blocks.len() + 1, Operations::default());
        let (entries, last_entries) = scratch.entries.split_at_mut(blocks.len());
        let (operations, last_operations) = scratch.operations.split_at_mut(blocks.len());
        let mut state = START;
        for blocks in [
            Blocks { rows: blocks, entries, operations },
            Blocks { rows: &[last_block], entries: last_entries, operations: last_operations },
        ] {
            state = (self.run)(&automaton.table, state, blocks);
        }

        boundaries::apply_previous(&mut scratch.operations);
        boundaries::apply_specials(automaton, bytes, scratch.entries.as_flattened(), &mut scratch.operations);
        if let Some(first) = scratch.operations.first_mut() {
            first.here &= !1; // The start of the window is no end.
        }
        boundaries::write_positions(&scratch.operations, &mut scratch.ends);
        // A line end may come and join the white space to the one before.
        if !is_last && automaton.joins_line_ends() && [IN_BLANKS, IN_WHITE].contains(&state) {
            scratch.ends.pop();
        }
    }

    /// The first place at or after `from` where every text has a boundary, whatever comes before and after the two
    /// characters around it, and where the text may be cut in two whose boundaries together are its own. `None` if
    /// there is none before the end of the text. O(n); for most patterns and texts it is a few words away.
    ///
    /// So a long text can be cut into parts that are scanned apart.
    pub fn certain_boundary(&self, text: &str, from: usize) -> Option<usize> {
        if self.automaton.never_cuts {
            return None;
        }
        let table = CharacterTable::get();
        let from = (from..text.len()).find(|&from| text.is_char_boundary(from))?;
        let mut before = text[..from].chars().next_back().map(|character| table.row(character));
        for (offset, character) in text[from..].char_indices() {
            let after = table.row(character);
            if before.is_none_or(|before| self.automaton.is_certain(before, after)) {
                return Some(from + offset);
            }
            before = Some(after);
        }
        None
    }
}

/// Whether a character is of `\p{N}`, by the tables of the regular expressions: those of Rust's own `is_numeric` change
/// with the compiler.
pub(super) fn is_numeric(character: char) -> bool {
    characters::kind_of(CharacterTable::get().row(character)) & characters::NUMBER != 0
}

/// The last place at or before `place` that is between two characters.
pub(crate) fn boundary_before(text: &str, place: usize) -> usize {
    let place = place.min(text.len());
    (0..=place).rev().find(|&place| text.is_char_boundary(place)).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
