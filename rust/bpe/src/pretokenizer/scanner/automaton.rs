//! A pattern as a finite automaton with at most 16 states, that says where pretokens begin.
//!
//! For every row (see `characters`) the table has 16 bytes, one for each state the automaton may be in: the next state
//! in the low four bits, and above them what the character says about boundaries, a set of operations. So one step is
//! one look-up of one byte, and a processor that looks up 16 bytes at once needs a cycle or two for it.
//!
//! [`Rules`] is how a pattern is written down: what each kind of character does in a state where every character
//! begins a new pretoken ([`START`]); then, state by state, what is different.

use super::characters::{kind_of, row_of, Kinds, ANY, END, N_KINDS};

/// No boundary.
pub(super) const JOIN: u8 = 0;
/// A boundary before this character.
pub(super) const HERE: u8 = 1 << 4;
/// A boundary before the previous character.
pub(super) const PREVIOUS: u8 = 1 << 5;
/// What [`Special`] says of the state that this character meets.
pub(super) const SPECIAL: u8 = 1 << 6;
/// The bits of an entry that are the next state.
pub(super) const STATE: u8 = 0x0F;

/// The state at the start of the text, and after every pretoken that is complete: the next character begins a new one.
pub(super) const START: u8 = 0;
/// In white space, and the last character was a space.
pub(super) const IN_BLANKS: u8 = 1;
/// In white space, and the last character was another.
pub(super) const IN_WHITE: u8 = 2;
/// In white space, and the last character was a line end that must end the pretoken.
pub(super) const AFTER_LINE_END: u8 = 3;

/// In a word of GPT-4o's kind that is capitals so far.
pub(super) const CAPITALS: u8 = 9;
/// In a word without small letters so far, after a letter or mark without case.
pub(super) const WITHOUT_CASE: u8 = 10;
/// At capitals after such a one. If no letter of another kind follows them, they are a word of their own.
pub(super) const LATER_CAPITALS: u8 = 11;

/// Every state there may be.
pub(super) const ALL_STATES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// What [`SPECIAL`] does, by the state that the character meets. A run is the characters before it that led to this
/// same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// Nothing: the state has none.
    None,
    /// The run of white space, if it follows a line end, belongs to the pretoken of that: the boundary before it is
    /// removed.
    JoinsLineEnd,
    /// The run is a pretoken of its own.
    RunBegins,
    /// The character before the run begins a pretoken.
    BeginsBeforeRun,
    /// The same; and if the run ends in a small letter, the word it is in goes on from small letters: the next capital
    /// after letters without case, if there is one, begins another pretoken.
    ContractionFails,
    /// The run is cut into groups of three from the right.
    GroupsOfThree,
}

/// The transition table, aligned to cache lines.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Table(pub(super) [[u8; 16]; 256]);

/// A pattern as a table.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    pub(super) table: Table,
    pub(super) specials: [Special; 16],
    /// By row of a character: the kinds that have a certain boundary before them when they follow it.
    pub(super) certain: Box<[Kinds; 256]>,
    /// Whether nothing but the end of the text ends a pretoken.
    pub(super) never_cuts: bool,
}

/// A pattern while it is written down.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    entries: [[u8; 16]; N_KINDS],
    specials: [Special; 16],
}

impl Rules {
    /// Rules by which every character begins a pretoken, with the states that the kinds of characters lead to.
    pub(super) fn new(start: &[(Kinds, u8)]) -> Self {
        let mut rules = Self { entries: [[HERE | START; 16]; N_KINDS], specials: [Special::None; 16] };
        for &(kinds, next) in start {
            rules.set(&ALL_STATES, kinds, HERE | next);
        }
        rules
    }

    /// What these kinds do in these states: operations and the next state.
    pub(super) fn set(&mut self, states: &[u8], kinds: Kinds, entry: u8) {
        self.change(states, kinds, |_| entry);
    }

    /// What these kinds do in these states besides what they do already.
    pub(super) fn add(&mut self, states: &[u8], kinds: Kinds, operations: u8) {
        self.change(states, kinds, |entry| entry | operations);
    }

    /// Lets a state do as another does, and `operations` besides.
    pub(super) fn copy(&mut self, from: u8, to: u8, operations: u8) {
        for entries in &mut self.entries {
            entries[usize::from(to)] = entries[usize::from(from)] | operations;
        }
    }

    /// What [`SPECIAL`] does in these states.
    pub(super) fn special(&mut self, states: &[u8], special: Special) {
        for &state in states {
            self.specials[usize::from(state)] = special;
        }
    }

    fn change(&mut self, states: &[u8], kinds: Kinds, change: impl Fn(u8) -> u8) {
        for (kind, entries) in self.entries.iter_mut().enumerate() {
            if kinds & (1 << kind) != 0 {
                for &state in states {
                    entries[usize::from(state)] = change(entries[usize::from(state)]);
                }
            }
        }
    }

    /// The table.
    pub(super) fn build(&self) -> Automaton {
        let certain_after: [Kinds; N_KINDS] = std::array::from_fn(|kind| self.certain_after(kind));
        let mut table = Table([[0; 16]; 256]);
        let mut certain = Box::new([0; 256]);
        for row in 0..=255 {
            let (entries, certain) = (&mut table.0[usize::from(row)], &mut certain[usize::from(row)]);
            let kind = kind_of(row);
            if kind == 0 {
                *entries = ALL_STATES;
            } else {
                *entries = self.entries[kind.trailing_zeros() as usize];
                *certain = certain_after[kind.trailing_zeros() as usize];
            }
        }
        let inside =
            (0..16).filter(|state| state != &usize::from(START) && self.reachable() & 1 << state != 0);
        let never_cuts = inside.into_iter().all(|state| {
            let mut entries = self.entries.iter().zip(0..).filter(|(_, kind)| 1 << kind != END);
            entries.all(|(entries, _)| entries[state] & !STATE == JOIN)
        });
        Automaton { table, specials: self.specials, certain, never_cuts }
    }

    /// The kinds that have a boundary before them after a character of `kind`, whatever comes before or after the two,
    /// such that the text up to there, alone, has the boundaries that it has with the rest.
    fn certain_after(&self, kind: usize) -> Kinds {
        let reachable = self.reachable();
        let mut certain = 0;
        for next in 0..N_KINDS {
            let is_certain = (0..16).filter(|state| reachable & (1 << state) != 0).all(|state| {
                let met = usize::from(self.entries[kind][state] & STATE);
                let (entry, at_end) =
                    (self.entries[next][met], self.entries[END.trailing_zeros() as usize][met]);
                let backward = |entry: u8| entry & (PREVIOUS | SPECIAL);
                let may_join_line_end = met == usize::from(AFTER_LINE_END)
                    && self.specials[usize::from(entry & STATE)] == Special::JoinsLineEnd;
                entry & HERE != 0 && backward(entry) == backward(at_end) && !may_join_line_end
            });
            if is_certain {
                certain |= 1 << next;
            }
        }
        certain & ANY & !END
    }

    /// The states that text can lead to, one bit each.
    fn reachable(&self) -> u32 {
        let mut reachable = 1 << START;
        loop {
            let mut now = reachable;
            for state in (0..16).filter(|state| reachable & (1 << state) != 0) {
                for entries in &self.entries {
                    now |= 1 << (entries[state] & STATE);
                }
            }
            if now == reachable {
                return reachable;
            }
            reachable = now;
        }
    }
}

impl Automaton {
    /// Whether a line end can remove the boundary before the white space before it.
    pub(super) fn joins_line_ends(&self) -> bool {
        self.specials[usize::from(IN_BLANKS)] == Special::JoinsLineEnd
    }

    /// Whether there is a boundary between characters of these rows, whatever comes before or after the two.
    pub(super) fn is_certain(&self, before: u8, after: u8) -> bool {
        self.certain[usize::from(before)] & kind_of(after) != 0
    }
}

/// The row that ends a text.
pub(super) const END_ROW: u8 = row_of(END);
