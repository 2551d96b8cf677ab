//! Expressions that run without backtracking, in time linear in the text.
//!
//! A backtracking engine remembers a place to return to for every character of a run, so a million spaces exhaust it.
//! Almost every pretokenizer in use is a list of alternatives that are regular, but for two forms of look-ahead:
//!
//! - `\s+(?!\S)`, white space up to the last before a word: the same as `\s+\z`, else `\s+\s` without its last
//!   character. (Likewise with a space in place of the first `\s`.)
//! - `(?=(\d{3})+(?!\d))`, the seams between groups of three digits, counted from the right: found in one pass over the
//!   runs of digits.
//!
//! So such a list is taken apart, and what is left is regular. An automaton over kinds of characters goes from match to
//! match (`automaton`); where there is something between two matches, and where that automaton would be large, one of
//! `regex-automata` looks for the next, which also does the regular parts of `fancy-regex`. Any other expression is refused
//! here and runs through `fancy-regex`.

mod automaton;

use automaton::Automaton;
use regex_automata::meta::{Config, Regex};
use regex_automata::Input;
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{AssertionKind, Ast, ClassSet, ClassSetItem, Flag, FlagsItemKind, GroupKind};
use std::collections::VecDeque;
use std::ops::Range;

const SEAMS_OF_THREE_DIGITS: &str = r"(?=(\d{3})+(?!\d))";
const NOT_BEFORE_A_WORD: &str = r"(?!\S)";
/// Memory for the states of one automaton that are built as texts need them.
const STATE_CACHE_BYTES: usize = 16 << 20;

/// An expression taken apart.
#[derive(Debug, Clone)]
pub(super) struct LinearRegex {
    /// The alternatives in order of preference; `None` if the seams between digits are all there is.
    alternatives: Option<Regex>,
    /// The same, for matches that begin at a known place.
    automaton: Option<Automaton>,
    /// By alternative: whether the last character of a match is look-ahead.
    looks_ahead: Vec<bool>,
    /// The runs of digits, if the seams between them are looked for, before any alternative.
    digits: Option<Regex>,
}

impl LinearRegex {
    /// Takes an expression apart, or returns `None` if it is not of the kind described above.
    pub(super) fn new(expression: &str) -> Option<Self> {
        let mut parts = alternatives(expression)?;
        let digits = parts.first() == Some(&SEAMS_OF_THREE_DIGITS);
        let mut regular = Vec::new();
        let mut looks_ahead = Vec::new();
        for part in parts.drain(usize::from(digits)..) {
            if let Some(space @ (r"\s+" | " +")) = part.strip_suffix(NOT_BEFORE_A_WORD) {
                regular.extend([format!(r"{space}\z"), format!(r"{space}\s")]);
                looks_ahead.extend([false, true]);
                continue;
            }
            let never_empty = regex_syntax::parse(part).ok()?.properties().minimum_len() > Some(0);
            if !never_empty || !is_regular(&Parser::new().parse(part).ok()?) {
                return None;
            }
            regular.push(part.to_owned());
            looks_ahead.push(false);
        }
        let build = |expressions: &[String]| {
            let config = Config::new().hybrid_cache_capacity(STATE_CACHE_BYTES);
            Regex::builder().configure(config).build_many(expressions).ok()
        };
        Some(Self {
            alternatives: if regular.is_empty() { None } else { Some(build(&regular)?) },
            automaton: Automaton::new(&regular, &looks_ahead),
            looks_ahead,
            digits: if digits { Some(build(&[r"\d+".to_owned()])?) } else { None },
        })
    }

    /// Calls `visit` with the matches in `text`, in order; they do not overlap.
    pub(super) fn for_each_match<E>(
        &self,
        text: &str,
        visit: &mut impl FnMut(Range<usize>) -> Result<(), E>,
    ) -> Result<(), E> {
        let seams = self.seams(text);
        let Some(automaton) = self.automaton.as_ref().filter(|_| seams.is_empty()) else {
            return self.matches(text, seams).try_for_each(visit);
        };
        let mut start = 0;
        while start < text.len() {
            start = automaton.run(text, start, visit)?;
            let Some(found) = self.find(text, start) else { break };
            start = found.end;
            visit(found)?;
        }
        Ok(())
    }

    /// The same with the seams between digits.
    fn matches<'r>(
        &'r self,
        text: &'r str,
        mut seams: VecDeque<usize>,
    ) -> impl Iterator<Item = Range<usize>> + 'r {
        let mut next = self.find(text, 0);
        let mut previous_end = None;
        std::iter::from_fn(move || loop {
            let seam =
                seams.front().copied().filter(|&seam| next.as_ref().is_none_or(|next| seam <= next.start));
            let (found, search_from) = match (seam, &next) {
                // After a match of no length the search goes on at the next character: seams are before digits.
                (Some(seam), _) => (seam..seam, seam + text[seam..].chars().next().map_or(1, char::len_utf8)),
                (None, Some(next)) => (next.clone(), next.end),
                (None, None) => return None,
            };
            if next.as_ref().is_some_and(|next| next.start < search_from) {
                next = self.find(text, search_from);
            }
            while seams.front().is_some_and(|&seam| seam < search_from) {
                seams.pop_front();
            }
            let repeated = found.is_empty() && previous_end == Some(found.end);
            previous_end = Some(found.end);
            if !repeated {
                return Some(found);
            }
        })
    }

    fn find(&self, text: &str, start: usize) -> Option<Range<usize>> {
        let here = self.automaton.as_ref().and_then(|automaton| automaton.find(&text[start..]));
        let (alternative, found) = if let Some((alternative, length)) = here {
            (alternative, start..start + length)
        } else {
            let found = self.alternatives.as_ref()?.search(&Input::new(text).range(start..))?;
            (found.pattern(), found.range())
        };
        let last = || text[found.clone()].chars().next_back().map_or(0, char::len_utf8);
        let look_ahead = if self.looks_ahead[alternative.as_usize()] { last() } else { 0 };
        Some(found.start..found.end - look_ahead)
    }

    /// The places before 3, 6, 9, … last digits of every run of digits.
    fn seams(&self, text: &str) -> VecDeque<usize> {
        let mut seams = VecDeque::new();
        for run in self.digits.iter().flat_map(|digits| digits.find_iter(text)) {
            let n_digits = text[run.range()].chars().count();
            let places = text[run.range()].char_indices().enumerate();
            let places = places.filter(|(before, _)| (n_digits - before).is_multiple_of(3));
            seams.extend(places.map(|(_, (offset, _))| run.start() + offset));
        }
        seams
    }
}

/// Cuts an expression at its outermost `|`; `None` if its parentheses or brackets do not pair.
fn alternatives(expression: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut groups, mut classes) = (0_usize, 0_usize);
    let mut characters = expression.char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next()?;
            }
            '[' => classes += 1,
            ']' => classes = classes.checked_sub(1)?,
            '(' if classes == 0 => groups += 1,
            ')' if classes == 0 => groups = groups.checked_sub(1)?,
            '|' if classes == 0 && groups == 0 => {
                parts.push(&expression[start..offset]);
                start = offset + 1;
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    (groups == 0 && classes == 0).then_some(parts)
}

/// Whether an expression uses only what every engine reads alike.
fn is_regular(ast: &Ast) -> bool {
    match ast {
        Ast::Literal(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) => true,
        Ast::ClassBracketed(class) => match &class.kind {
            ClassSet::Item(item) => is_regular_item(item),
            ClassSet::BinaryOp(_) => false,
        },
        Ast::Assertion(assertion) => assertion.kind == AssertionKind::EndText,
        // Elsewhere a quantifier on a quantifier is possessive or lazy.
        Ast::Repetition(repetition) => {
            !matches!(*repetition.ast, Ast::Repetition(_) | Ast::Assertion(_)) && is_regular(&repetition.ast)
        }
        Ast::Group(group) => {
            let plain = match &group.kind {
                GroupKind::NonCapturing(flags) => {
                    flags.items.iter().all(|item| item.kind == FlagsItemKind::Flag(Flag::CaseInsensitive))
                }
                _ => false,
            };
            plain && is_regular(&group.ast)
        }
        Ast::Alternation(alternation) => alternation.asts.iter().all(is_regular),
        Ast::Concat(concat) => concat.asts.iter().all(is_regular),
        Ast::Empty(_) | Ast::Flags(_) | Ast::Dot(_) => false,
    }
}

fn is_regular_item(item: &ClassSetItem) -> bool {
    match item {
        ClassSetItem::Literal(_)
        | ClassSetItem::Range(_)
        | ClassSetItem::Unicode(_)
        | ClassSetItem::Perl(_) => true,
        ClassSetItem::Union(union) => union.items.iter().all(is_regular_item),
        // `[[:alpha:]]` is ASCII here and Unicode in Oniguruma.
        ClassSetItem::Empty(_) | ClassSetItem::Ascii(_) | ClassSetItem::Bracketed(_) => false,
    }
}
