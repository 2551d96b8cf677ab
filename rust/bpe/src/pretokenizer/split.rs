//! Cutting a text at the matches of an expression, with Hugging Face's five ways to treat the matches.

use super::linear::LinearRegex;
use super::{patterns, Visit};
use crate::{Error, ErrorKind};
use fancy_regex::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::OnceLock;

/// What becomes of the matches of a [`Split`], named as in `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    /// A match is a piece, and so is what lies between two matches.
    Isolated,
    /// A match is dropped.
    Removed,
    /// A match joins the piece before it.
    MergedWithPrevious,
    /// A match joins the piece after it.
    MergedWithNext,
    /// Adjacent matches are one piece.
    Contiguous,
}

impl Behavior {
    /// All behaviors with their names in `tokenizer.json`.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("Isolated", Self::Isolated),
        ("Removed", Self::Removed),
        ("MergedWithPrevious", Self::MergedWithPrevious),
        ("MergedWithNext", Self::MergedWithNext),
        ("Contiguous", Self::Contiguous),
    ];

    /// The name in `tokenizer.json`.
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, behavior)| *behavior == self).map_or("", |(name, _)| name)
    }
}

/// Whose reading of an expression is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Oniguruma, which Hugging Face uses: `^` and `$` are the ends of a line.
    HuggingFace,
    /// fancy-regex, which tiktoken uses: `^` and `$` are the ends of the text.
    Tiktoken,
}

/// What a [`Split`] looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This very text.
    Literal(String),
    /// The matches of an expression.
    Regex(String, Dialect),
}

/// A pattern with what becomes of its matches.
#[derive(Debug, Clone)]
pub struct Split {
    pattern: Pattern,
    behavior: Behavior,
    invert: bool,
    /// What finds the matches, compiled with the first text if the pattern is known to compile: mostly a scanner works in
    /// its place.
    engine: OnceLock<Engine>,
}

/// What finds the matches.
#[derive(Debug, Clone)]
enum Engine {
    /// In linear time.
    Linear(LinearRegex),
    /// By backtracking.
    Backtracking(Regex),
}

/// Steps back that one match may take, about a second. A run of white space takes one for each character; a pattern that
/// takes many more, such as `((a|aa)+)\1b`, may well take forever.
const MOST_STEPS_BACK: usize = 50_000_000;

impl Split {
    /// Takes a pattern. With `invert`, what does not match counts as a match, and the other way round.
    ///
    /// # Errors
    /// [`ErrorKind::Pattern`] if the expression does not compile, or means different things to the two engines.
    pub fn new(pattern: Pattern, behavior: Behavior, invert: bool) -> Result<Self, Error> {
        let split = Self { pattern, behavior, invert, engine: OnceLock::new() };
        match &split.pattern {
            Pattern::Regex(regex, _) if patterns::is_known(regex) => {}
            _ => {
                split.engine()?;
            }
        }
        Ok(split)
    }

    fn engine(&self) -> Result<&Engine, Error> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = match &self.pattern {
            Pattern::Literal(literal) => compile(&fancy_regex::escape(literal), Dialect::Tiktoken)?,
            Pattern::Regex(regex, dialect) => compile(regex, *dialect)?,
        };
        Ok(self.engine.get_or_init(|| engine))
    }

    /// A split at the matches of an expression, where the matches and what lies between them are all pieces.
    ///
    /// # Errors
    /// As [`Split::new`].
    pub fn isolated(regex: &str, dialect: Dialect) -> Result<Self, Error> {
        Self::new(Pattern::Regex(regex.to_owned(), dialect), Behavior::Isolated, false)
    }

    /// What is looked for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What becomes of the matches.
    pub fn behavior(&self) -> Behavior {
        self.behavior
    }

    /// Whether what does not match counts as a match.
    pub fn invert(&self) -> bool {
        self.invert
    }

    /// The expression, if its matches and what lies between them are all pieces.
    pub(super) fn isolated_regex(&self) -> Option<&str> {
        match &self.pattern {
            Pattern::Regex(regex, _) if self.behavior == Behavior::Isolated => Some(regex),
            _ => None,
        }
    }

    pub(super) fn is_isolated(&self, regex: &str, dialect: Dialect) -> bool {
        self.behavior == Behavior::Isolated
            && matches!(&self.pattern, Pattern::Regex(own, own_dialect) if own == regex && *own_dialect == dialect)
    }

    /// Calls `visit` with the pieces of `text`, in order. Pieces may be empty.
    pub(super) fn run(&self, text: &str, visit: &mut Visit<'_>) -> Result<(), Error> {
        if self.behavior == Behavior::Isolated {
            return self.for_each_range(text, &mut |range, _| visit(&text[range]));
        }
        let mut ranges = Vec::new();
        self.for_each_range(text, &mut |range, is_match| {
            ranges.push((range, is_match != self.invert));
            Ok(())
        })?;
        for range in self.behavior.join(ranges) {
            visit(&text[range])?;
        }
        Ok(())
    }

    /// Calls `visit` with every match and every gap between two, in order.
    fn for_each_range(
        &self,
        text: &str,
        visit: &mut dyn FnMut(Range<usize>, bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut end = 0;
        let mut visit_match = |found: Range<usize>| {
            if end < found.start {
                visit(end..found.start, false)?;
            }
            end = found.end;
            visit(found, true)
        };
        match self.engine()? {
            Engine::Linear(regex) => regex.for_each_match(text, &mut visit_match)?,
            Engine::Backtracking(regex) => {
                for found in regex.find_iter(text) {
                    visit_match(found.map_err(|error| gave_up(regex, &error))?.range())?;
                }
            }
        }
        if end < text.len() {
            visit(end..text.len(), false)?;
        }
        Ok(())
    }
}

impl Behavior {
    /// Joins or drops the parts (a range, and whether it is a match).
    fn join(self, parts: Vec<(Range<usize>, bool)>) -> Vec<Range<usize>> {
        let mut pieces: Vec<Range<usize>> = Vec::with_capacity(parts.len());
        match self {
            Self::Isolated => pieces.extend(parts.into_iter().map(|(range, _)| range)),
            Self::Removed => {
                pieces.extend(parts.into_iter().filter(|(_, is_match)| !is_match).map(|(range, _)| range));
            }
            Self::Contiguous => {
                let mut previous = None;
                for (range, is_match) in parts {
                    match pieces.last_mut() {
                        Some(last) if previous == Some(is_match) => last.end = range.end,
                        _ => pieces.push(range),
                    }
                    previous = Some(is_match);
                }
            }
            Self::MergedWithPrevious => {
                let mut previous_is_match = false;
                for (range, is_match) in parts {
                    match pieces.last_mut() {
                        Some(last) if is_match && !previous_is_match => last.end = range.end,
                        _ => pieces.push(range),
                    }
                    previous_is_match = is_match;
                }
            }
            Self::MergedWithNext => {
                let mut next_is_match = false;
                for (range, is_match) in parts.into_iter().rev() {
                    match pieces.last_mut() {
                        Some(last) if is_match && !next_is_match => last.start = range.start,
                        _ => pieces.push(range),
                    }
                    next_is_match = is_match;
                }
                pieces.reverse();
            }
        }
        pieces
    }
}

fn gave_up(regex: &Regex, error: &fancy_regex::Error) -> Error {
    let message = format!(
        "the pretokenizer pattern `{}` gave up on this text ({error}); simplify the pattern, or cut long runs of one \
         character out of the text first",
        regex.as_str()
    );
    Error::new(ErrorKind::Pattern, message)
}

fn compile(pattern: &str, dialect: Dialect) -> Result<Engine, Error> {
    let invalid = |reason: &str| {
        let message = format!("the pretokenizer pattern `{pattern}` does not work: {reason}");
        Error::new(ErrorKind::Pattern, message)
    };
    if dialect == Dialect::HuggingFace && has_interval_plus(pattern) {
        return Err(invalid(
            "an interval followed by + (as in {1,3}+) repeats in Oniguruma and is possessive elsewhere; write (?>…{1,3}) or (?:…{1,3})+",
        ));
    }
    if let Some(regex) = LinearRegex::new(pattern) {
        return Ok(Engine::Linear(regex));
    }
    RegexBuilder::new(pattern)
        .multi_line(dialect == Dialect::HuggingFace)
        .oniguruma_mode(dialect == Dialect::HuggingFace)
        .backtrack_limit(MOST_STEPS_BACK)
        .build()
        .map(Engine::Backtracking)
        .map_err(|error| invalid(&error.to_string()))
}

/// Whether a pattern has `}+` after an interval, outside character classes and escapes.
fn has_interval_plus(pattern: &str) -> bool {
    let mut characters = pattern.chars().peekable();
    let mut in_class = 0_usize;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                // \p{…} and \x{…} end in a brace that is no interval.
                if let (Some('p' | 'P' | 'x'), Some('{')) = (characters.next(), characters.peek()) {
                    characters.by_ref().find(|&inner| inner == '}');
                }
            }
            '[' => in_class += 1,
            ']' => in_class = in_class.saturating_sub(1),
            '}' if in_class == 0 && characters.peek() == Some(&'+') => return true,
            _ => {}
        }
    }
    false
}
