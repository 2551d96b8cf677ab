//! Matches one after another, found a character at a time.
//!
//! An expression tells few kinds of characters apart: letters, say, digits, white space, and a handful by themselves. A
//! table has the kind of every character. With one byte for each kind in place of the characters, the expression is one
//! over few bytes, whose automaton is small enough to be built whole, in a millisecond or two, before any text is seen.
//!
//! Such an automaton finds one match that begins at a given place ([`Automaton::find`]). Nearly always the match is over as
//! soon as a character comes that cannot be in it, and the next match begins with that character. So the two steps are made
//! into one, which says that a match ends here, and the automaton runs on through a whole text ([`Automaton::run`]). It
//! stops where this is not so: where a match had gone on in vain, or looked ahead, or where none begins.

use regex_automata::dfa::{dense, Automaton as _, StartKind};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, PatternID};
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition,
};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Memory for the states of an automaton, and for building them.
const STATE_BYTES: usize = 1 << 20;
/// Classes that may tell characters apart.
const MOST_CLASSES: usize = 128;
const N_CHARACTERS: u32 = char::MAX as u32 + 1;

/// An automaton over kinds of characters.
#[derive(Clone)]
pub(super) struct Automaton {
    /// The kind of every character, a megabyte.
    kinds: Arc<[u8]>,
    states: Arc<dense::DFA<Vec<u32>>>,
    start: StateID,
    /// By state and kind, where [`Self::run`] goes: the number of a state's first entry, twice, and one more if a match
    /// ends and the next begins before the character; or [`STOP`].
    steps: Arc<[u32]>,
}

impl fmt::Debug for Automaton {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Automaton").finish_non_exhaustive()
    }
}

/// No step of [`Automaton::run`]: that takes [`Automaton::find`].
const STOP: u32 = u32::MAX;
/// Characters between two visits of what was found.
const TOGETHER: usize = 64;

impl Automaton {
    /// The automaton of these expressions, in order of preference, or `None` if it would not be small. Where one looks
    /// ahead, the last character of its match is not part of it.
    pub(super) fn new(expressions: &[String], looks_ahead: &[bool]) -> Option<Self> {
        let expressions: Vec<Hir> =
            expressions.iter().map(|part| regex_syntax::parse(part).ok()).collect::<Option<_>>()?;
        let mut classes = Vec::new();
        expressions.iter().try_for_each(|expression| collect_classes(expression, &mut classes))?;
        let kinds = Kinds::new(&classes)?;
        let expressions: Vec<Hir> =
            expressions.iter().map(|expression| kinds.rewrite(expression)).collect::<Option<_>>()?;
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(STATE_BYTES)))
            .build_many_from_hir(&expressions)
            .ok()?;
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .accelerate(false)
            .dfa_size_limit(Some(STATE_BYTES))
            .determinize_size_limit(Some(STATE_BYTES));
        let states = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
        let start = states.universal_start_state(Anchored::Yes)?;
        let steps = steps(&states, start, kinds.examples.len(), looks_ahead);
        Some(Self { kinds: kinds.of.into(), states: Arc::new(states), start, steps: steps.into() })
    }

    /// Visits matches from `start` on of which each begins where the one before ends, and returns the end of the last, from
    /// where [`Self::find`] is needed.
    pub(super) fn run<E>(
        &self,
        text: &str,
        start: usize,
        visit: &mut impl FnMut(Range<usize>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut begin = start;
        let mut characters = text[start..].char_indices();
        let (mut state, mut step) = (0, 0);
        let mut ends = [0; TOGETHER];
        while step != STOP && !characters.as_str().is_empty() {
            // The processor would guess wrong once a word whether a match ends, so it is not asked: every place is noted,
            // and overwritten by the next unless a match ends there.
            let mut n_ends = 0;
            for (offset, character) in characters.by_ref().take(TOGETHER) {
                step = self.steps[state + self.kinds[character as usize] as usize];
                if step == STOP {
                    break;
                }
                ends[n_ends] = start + offset;
                n_ends += step as usize % 2;
                state = step as usize / 2;
            }
            for &end in &ends[..n_ends] {
                visit(begin..end)?;
                begin = end;
            }
        }
        Ok(begin)
    }

    /// The alternative that matches at the beginning of `text`, and the length of the match with what it looks ahead.
    #[inline]
    pub(super) fn find(&self, text: &str) -> Option<(PatternID, usize)> {
        // A state says whether there was a match before the last character that led to it.
        let states = &*self.states;
        let mut state = self.start;
        let mut found = None;
        for (offset, character) in text.char_indices() {
            state = states.next_state(state, self.kinds[character as usize]);
            if states.is_special_state(state) {
                if states.is_match_state(state) {
                    found = Some((state, offset));
                } else if states.is_dead_state(state) {
                    return found.map(|(state, length)| (states.match_pattern(state, 0), length));
                }
            }
        }
        state = states.next_eoi_state(state);
        if states.is_match_state(state) {
            found = Some((state, text.len()));
        }
        found.map(|(state, length)| (states.match_pattern(state, 0), length))
    }
}

/// See [`Automaton::steps`].
fn steps(dfa: &dense::DFA<Vec<u32>>, start: StateID, n_kinds: usize, looks_ahead: &[bool]) -> Vec<u32> {
    let kinds = || (0..=u8::MAX).take(n_kinds);
    // A match ended before the last character, and no other can take its place.
    let is_settled = |state| {
        let is_dead = |next| dfa.is_dead_state(next);
        dfa.is_match_state(state)
            && !looks_ahead[dfa.match_pattern(state, 0).as_usize()]
            && kinds().all(|kind| is_dead(dfa.next_state(state, kind)))
            && is_dead(dfa.next_eoi_state(state))
    };
    let mut states = vec![start];
    let mut numbers = HashMap::from([(start, 0)]);
    let mut steps = Vec::new();
    let mut n_done = 0;
    while let Some(&state) = states.get(n_done) {
        for kind in kinds() {
            let mut next = dfa.next_state(state, kind);
            let is_end = is_settled(next);
            if is_end {
                next = dfa.next_state(start, kind);
            }
            if dfa.is_dead_state(next) {
                steps.push(STOP);
                continue;
            }
            let number = *numbers.entry(next).or_insert_with(|| {
                states.push(next);
                states.len() - 1
            });
            steps.push((number * n_kinds * 2 + usize::from(is_end)) as u32);
        }
        n_done += 1;
    }
    steps
}

/// What tells characters apart: adds every class of an expression, a character by itself as one, to `classes`.
fn collect_classes(expression: &Hir, classes: &mut Vec<ClassUnicode>) -> Option<()> {
    let mut add = |class: ClassUnicode| {
        if !classes.contains(&class) {
            classes.push(class);
        }
    };
    match expression.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0)
            .ok()?
            .chars()
            .for_each(|character| add(ClassUnicode::new([ClassUnicodeRange::new(character, character)]))),
        HirKind::Class(Class::Unicode(class)) => add(class.clone()),
        HirKind::Class(Class::Bytes(_)) | HirKind::Capture(_) => return None,
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Repetition(repetition) => collect_classes(&repetition.sub, classes)?,
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().try_for_each(|part| collect_classes(part, classes))?;
        }
    }
    (classes.len() <= MOST_CLASSES).then_some(())
}

/// Kinds of characters: two are of one kind if no class tells them apart.
struct Kinds {
    /// By character.
    of: Vec<u8>,
    /// By kind: a character, which stands for all.
    examples: Vec<u32>,
}

impl Kinds {
    /// The kinds that these classes make, or `None` if there are more than bytes.
    fn new(classes: &[ClassUnicode]) -> Option<Self> {
        let ranges = classes.iter().flat_map(ClassUnicode::ranges);
        let mut starts: BTreeSet<u32> =
            ranges.flat_map(|range| [range.start() as u32, range.end() as u32 + 1]).collect();
        starts.extend([0, N_CHARACTERS]);
        let starts: Vec<u32> = starts.into_iter().collect();
        let mut kinds = Self { of: Vec::new(), examples: Vec::new() };
        let mut by_membership = HashMap::new();
        for pair in starts.windows(2) {
            let membership: Vec<bool> = classes.iter().map(|class| contains(class, pair[0])).collect();
            let kind = *by_membership.entry(membership).or_insert_with(|| {
                kinds.examples.push(pair[0]);
                kinds.examples.len() - 1
            });
            kinds.of.resize(pair[1] as usize, u8::try_from(kind).ok()?);
        }
        Some(kinds)
    }

    /// An expression with kinds in place of characters.
    fn rewrite(&self, expression: &Hir) -> Option<Hir> {
        let all = |parts: &[Hir]| parts.iter().map(|part| self.rewrite(part)).collect::<Option<Vec<Hir>>>();
        Some(match expression.kind() {
            HirKind::Empty => Hir::empty(),
            HirKind::Look(look) => Hir::look(*look),
            HirKind::Literal(literal) => {
                let characters = std::str::from_utf8(&literal.0).ok()?.chars();
                Hir::literal(characters.map(|character| self.of[character as usize]).collect::<Vec<u8>>())
            }
            HirKind::Class(Class::Unicode(class)) => {
                let kinds =
                    (0..=u8::MAX).zip(&self.examples).filter(|(_, &example)| contains(class, example));
                let kinds = kinds.map(|(kind, _)| ClassBytesRange::new(kind, kind));
                Hir::class(Class::Bytes(ClassBytes::new(kinds)))
            }
            HirKind::Repetition(repetition) => Hir::repetition(Repetition {
                sub: Box::new(self.rewrite(&repetition.sub)?),
                ..repetition.clone()
            }),
            HirKind::Concat(parts) => Hir::concat(all(parts)?),
            HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
            HirKind::Class(Class::Bytes(_)) | HirKind::Capture(_) => return None,
        })
    }
}

fn contains(class: &ClassUnicode, character: u32) -> bool {
    let after = class.ranges().partition_point(|range| range.start() as u32 <= character);
    class.ranges()[..after].last().is_some_and(|range| character <= range.end() as u32)
}
