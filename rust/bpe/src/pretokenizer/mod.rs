//! Text → pretokens: the pieces that no token may cross.
//!
//! A pretokenizer is a list of steps, each of which cuts every piece that the one before it left; a step sees one piece
//! at a time, so its look-ahead ends where the piece ends. The pieces cover the text exactly, in order, without gaps
//! (unless a file asks for [`Behavior::Removed`]).
//!
//! A pattern that is a list of regular alternatives with the usual look-ahead runs as an automaton, in linear time
//! (`linear`); any other runs through `fancy-regex`, which backtracks.

mod linear;
mod patterns;
pub mod scanner;
mod split;

pub use patterns::{NamedPattern, NAMED_PATTERNS};
pub use split::{Behavior, Dialect, Pattern, Split};

use crate::{environment, Error, ErrorKind};
use scanner::{ScanScratch, Scanner};
use std::borrow::Cow;
use std::ops::Range;

/// One way to cut a piece of text, named as in `tokenizer.json`.
#[derive(Debug, Clone)]
pub enum Step {
    /// At the matches of an expression.
    Split(Split),
    /// At numeric characters (Unicode N): each alone, or runs of them.
    Digits {
        /// Whether each digit is a piece of its own.
        individual: bool,
    },
    /// Into bytes for the byte-level alphabet, which cuts nothing by itself.
    ByteLevel {
        /// Whether a piece that does not start with a space gets one.
        add_prefix_space: bool,
        /// Concerns offsets only; kept for the file.
        trim_offsets: bool,
        /// The GPT-2 expression, where the file asks for it.
        split: Option<Split>,
    },
}

impl Step {
    /// Whether a piece gets a prefix space.
    fn adds_space_to(&self, piece: &str) -> bool {
        matches!(self, Self::ByteLevel { add_prefix_space: true, .. }) && !piece.starts_with(' ')
    }
}

/// A function that receives the pretokens, in order.
pub type Visit<'v> = dyn FnMut(&str) -> Result<(), Error> + 'v;

/// The same with the range of each pretoken in the text.
pub(crate) type VisitWithRange<'v> = dyn FnMut(&str, Range<usize>) -> Result<(), Error> + 'v;

/// How digits (Unicode N) are cut into groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigitGroups {
    /// Each alone.
    Single,
    /// Up to three, from the left: `1234` is `123`, `4`.
    ThreeFromTheLeft,
    /// Three, from the right, as numbers are read: `1234` is `1`, `234`. SuperBPE's published tokenizers do so.
    ThreeFromTheRight,
}

/// Cuts text into pretokens.
#[derive(Debug, Clone)]
pub struct Pretokenizer {
    steps: Vec<Step>,
    scanner: Option<Scanner>,
}

impl Pretokenizer {
    /// A pretokenizer of these steps.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] unless the last step, and no other, is [`Step::ByteLevel`]; also for an environment
    /// variable of this library that means nothing.
    pub fn new(steps: Vec<Step>) -> Result<Self, Error> {
        environment::check()?;
        let is_byte_level = |step: &Step| matches!(step, Step::ByteLevel { .. });
        let message = match steps.iter().position(is_byte_level) {
            Some(position) if position + 1 == steps.len() => {
                let scanner = Scanner::for_steps(&steps);
                return Ok(Self { steps, scanner });
            }
            Some(_) => "a pre-tokenizer after ByteLevel is not supported; ByteLevel must come last",
            None => {
                "a pre-tokenizer without ByteLevel is not supported: this is not a byte-level BPE tokenizer"
            }
        };
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// The pretokenizer of this name, one of [`NAMED_PATTERNS`].
    ///
    /// # Errors
    /// [`ErrorKind::Pattern`] for a name that is not known; the message lists those that are.
    pub fn named(name: &str) -> Result<Self, Error> {
        let Some(pattern) = patterns::find(name) else {
            let known: Vec<&str> = NAMED_PATTERNS.iter().map(|pattern| pattern.name).collect();
            let message = format!("there is no pretokenizer named {name:?}; there are {}", known.join(", "));
            return Err(Error::new(ErrorKind::Pattern, message));
        };
        let mut steps = Vec::new();
        if pattern.isolate_digits {
            steps.push(Step::Digits { individual: false });
        }
        for regex in pattern.regexes() {
            steps.push(Step::Split(Split::isolated(regex, Dialect::HuggingFace)?));
        }
        steps.push(Self::plain_byte_level());
        Self::new(steps)
    }

    /// A pretokenizer whose pretokens are the matches of an expression, and what lies between them, as Hugging Face's
    /// `Split` reads it.
    ///
    /// # Errors
    /// [`ErrorKind::Pattern`] if the expression does not compile.
    pub fn from_regex(regex: &str) -> Result<Self, Error> {
        Self::new(vec![Step::Split(Split::isolated(regex, Dialect::HuggingFace)?), Self::plain_byte_level()])
    }

    /// The pretokenizer of a tiktoken `pat_str`.
    ///
    /// # Errors
    /// [`ErrorKind::Pattern`] if the expression does not compile.
    pub fn from_tiktoken_pattern(pattern: &str) -> Result<Self, Error> {
        if let Some(named) = NAMED_PATTERNS.iter().find(|named| named.original == Some(pattern)) {
            return Self::named(named.name);
        }
        Self::new(vec![Step::Split(Split::isolated(pattern, Dialect::Tiktoken)?), Self::plain_byte_level()])
    }

    /// The same, with digits cut into groups before anything else is looked at.
    ///
    /// ```
    /// use portmanteau_bpe::pretokenizer::{DigitGroups, Pretokenizer};
    /// let pretokenizer = Pretokenizer::named("r50k")?.with_digits(DigitGroups::ThreeFromTheRight)?;
    /// let mut pieces = Vec::new();
    /// pretokenizer.split("in 1234567", &mut |piece| {
    ///     pieces.push(piece.to_owned());
    ///     Ok(())
    /// })?;
    /// assert_eq!(pieces, ["in", " ", "1", "234", "567"]);
    /// # Ok::<(), portmanteau_bpe::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Pretokenizer::new`].
    pub fn with_digits(&self, groups: DigitGroups) -> Result<Self, Error> {
        let split = |regex| Split::isolated(regex, Dialect::HuggingFace).map(Step::Split);
        let mut steps = match groups {
            DigitGroups::Single => vec![Step::Digits { individual: true }],
            DigitGroups::ThreeFromTheLeft => vec![split(r"\p{N}{1,3}")?],
            DigitGroups::ThreeFromTheRight => {
                vec![Step::Digits { individual: false }, split(r"(?=(\d{3})+(?!\d))")?]
            }
        };
        steps.extend(self.steps.iter().cloned());
        Self::new(steps)
    }

    fn plain_byte_level() -> Step {
        Step::ByteLevel { add_prefix_space: false, trim_offsets: false, split: None }
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The name of this pretokenizer, if it is one of [`NAMED_PATTERNS`].
    pub fn name(&self) -> Option<&'static str> {
        let (digits, steps) = match self.steps.as_slice() {
            [Step::Digits { individual: false }, steps @ ..] => (true, steps),
            steps => (false, steps),
        };
        let (Step::ByteLevel { add_prefix_space: false, split, .. }, before) = steps.split_last()? else {
            return None;
        };
        let mut splits = Vec::new();
        for step in before {
            let Step::Split(split) = step else { return None };
            splits.push(split);
        }
        splits.extend(split);
        let matches = |pattern: &&NamedPattern| {
            pattern.isolate_digits == digits
                && splits.len() == pattern.before.len() + 1
                && splits
                    .iter()
                    .zip(pattern.regexes())
                    .all(|(split, regex)| split.is_isolated(regex, Dialect::HuggingFace))
        };
        NAMED_PATTERNS.iter().find(matches).map(|pattern| pattern.name)
    }

    /// The expression that cuts the text, where it is one isolated split and nothing else.
    pub fn regex(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [Step::Split(split), Step::ByteLevel { add_prefix_space: false, split: None, .. }]
            | [Step::ByteLevel { add_prefix_space: false, split: Some(split), .. }] => split.isolated_regex(),
            _ => None,
        }
    }

    /// The scanner that cuts as the steps do, if they are a pattern that it knows.
    pub fn scanner(&self) -> Option<&Scanner> {
        self.scanner.as_ref()
    }

    /// Calls `visit` with every pretoken of `text`, in order. O(n) calls; the cost is the scanner's, or the
    /// expression's where there is none.
    ///
    /// # Errors
    /// What `visit` returns, and [`ErrorKind::Pattern`] if the expression gives up.
    pub fn split(&self, text: &str, visit: &mut Visit<'_>) -> Result<(), Error> {
        let Some(scanner) = &self.scanner else {
            return self.split_by_steps(text, visit);
        };
        let mut scratch = ScanScratch::default();
        let mut done = 0;
        while done < text.len() {
            let settled = scanner.scan(text, done, &mut scratch);
            let mut start = done;
            for end in scratch.ends.iter().map(|&end| done + end as usize) {
                visit(&text[start..end])?;
                start = end;
            }
            done = settled;
        }
        Ok(())
    }

    /// As [`Self::split`], also telling where in `text` the pretoken lies. That range is one byte shorter than the pretoken
    /// where this begins with a prefix space.
    pub(crate) fn split_with_ranges(&self, text: &str, visit: &mut VisitWithRange<'_>) -> Result<(), Error> {
        // The steps before the last cut the text itself; the last may add a space before a piece, and drops nothing.
        let (before, last) = self.steps.split_at(self.steps.len() - 1);
        run(before, text, &mut |piece| {
            let mut n_added = usize::from(last.iter().any(|step| step.adds_space_to(piece)));
            let mut end = piece.as_ptr() as usize - text.as_ptr() as usize;
            run(last, piece, &mut |pretoken| {
                let start = end;
                end += pretoken.len() - std::mem::take(&mut n_added);
                visit(pretoken, start..end)
            })
        })
    }

    /// As [`Self::split`], but step by step, by their expressions: the definition.
    fn split_by_steps(&self, text: &str, visit: &mut Visit<'_>) -> Result<(), Error> {
        run(&self.steps, text, visit)
    }
}

fn run(steps: &[Step], piece: &str, visit: &mut Visit<'_>) -> Result<(), Error> {
    if piece.is_empty() {
        return Ok(());
    }
    let (step, rest) = match steps {
        [] | [Step::ByteLevel { add_prefix_space: false, split: None, .. }] => return visit(piece),
        [step, rest @ ..] => (step, rest),
    };
    match step {
        Step::Split(split) => split.run(piece, &mut |part| run(rest, part, visit)),
        Step::Digits { individual } => digits(piece, *individual, &mut |part| run(rest, part, visit)),
        Step::ByteLevel { split, .. } => {
            let piece = if step.adds_space_to(piece) {
                Cow::Owned(format!(" {piece}"))
            } else {
                Cow::Borrowed(piece)
            };
            match split {
                Some(split) => split.run(&piece, &mut |part| run(rest, part, visit)),
                None => run(rest, &piece, visit),
            }
        }
    }
}

/// Cuts between numeric characters and others; with `individual`, also between two numeric characters.
fn digits(piece: &str, individual: bool, visit: &mut Visit<'_>) -> Result<(), Error> {
    let mut start = 0;
    let mut previous = None;
    for (offset, character) in piece.char_indices() {
        let numeric = scanner::is_numeric(character);
        if previous.is_some_and(|previous| previous != numeric || (individual && numeric)) {
            visit(&piece[start..offset])?;
            start = offset;
        }
        previous = Some(numeric);
    }
    visit(&piece[start..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
