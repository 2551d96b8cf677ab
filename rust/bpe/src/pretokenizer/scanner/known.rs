//! Which steps are a pattern that the scanner knows, however a file spells them.

use super::super::{Behavior, Dialect, NamedPattern, Pattern, Split, Step, NAMED_PATTERNS};
use super::automaton::Rules;
use super::characters::{CJK_MARK, MARK};
use super::rules::{self, Contractions, Digits, LastWhiteSpace};

/// The rules of these steps.
pub(super) fn rules_of(steps: &[Step]) -> Option<Rules> {
    let (Step::ByteLevel { add_prefix_space: false, split, .. }, before) = steps.split_last()? else {
        return None;
    };
    let mut cuts: Vec<Cut<'_>> = before.iter().map(Cut::of).collect::<Option<_>>()?;
    if let Some(split) = split {
        cuts.push(Cut::of_split(split)?);
    }
    rules_of_cuts(&cuts)
}

/// A step, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut<'s> {
    /// At the matches of an expression; what lies between them is kept or not.
    Matches {
        regex: &'s str,
        dialect: Dialect,
        keeps_gaps: bool,
    },
    Digits {
        individual: bool,
    },
}

impl<'s> Cut<'s> {
    fn of(step: &'s Step) -> Option<Self> {
        match step {
            Step::Split(split) => Self::of_split(split),
            Step::Digits { individual } => Some(Self::Digits { individual: *individual }),
            Step::ByteLevel { .. } => None,
        }
    }

    fn of_split(split: &'s Split) -> Option<Self> {
        let keeps_gaps = match (split.behavior(), split.invert()) {
            (Behavior::Isolated, _) => true,
            // To drop all that is no match comes to the same where everything is a match.
            (Behavior::Removed, true) => false,
            _ => return None,
        };
        match split.pattern() {
            Pattern::Regex(regex, dialect) => Some(Self::Matches { regex, dialect: *dialect, keeps_gaps }),
            Pattern::Literal(_) => None,
        }
    }
}

fn rules_of_cuts(cuts: &[Cut<'_>]) -> Option<Rules> {
    match *cuts {
        [] => Some(rules::whole()),
        [Cut::Digits { individual }] => Some(rules::only_digits(individual)),
        _ => {
            let pattern = NAMED_PATTERNS.iter().find(|pattern| is_pattern(pattern, cuts))?;
            let (rules, matches_everything) = rules_by_name(pattern.name)?;
            let keeps_gaps = |cut: &Cut<'_>| !matches!(cut, Cut::Matches { keeps_gaps: false, .. });
            (matches_everything || cuts.iter().all(keeps_gaps)).then_some(rules)
        }
    }
}

/// Whether a pattern that has a name makes these cuts, in its own spelling or its original's.
fn is_pattern(pattern: &NamedPattern, cuts: &[Cut<'_>]) -> bool {
    let ((true, [Cut::Digits { individual: false }, cuts @ ..]) | (false, cuts)) =
        (pattern.isolate_digits, cuts)
    else {
        return false;
    };
    let Some((last, before)) = cuts.split_last() else { return false };
    let is_regex =
        |cut: &Cut<'_>, expected: &str| matches!(cut, Cut::Matches { regex, .. } if *regex == expected);
    let is_original = |original| matches!(last, Cut::Matches { regex, dialect: Dialect::Tiktoken, .. } if *regex == original);
    before.len() == pattern.before.len()
        && before.iter().zip(pattern.before).all(|(cut, expected)| is_regex(cut, expected))
        && (is_regex(last, pattern.regex) || pattern.original.is_some_and(is_original))
}

/// The rules of a pattern that has a name, and whether its matches leave no gaps.
pub(super) fn rules_by_name(name: &str) -> Option<(Rules, bool)> {
    use Contractions::WithTheirWord;
    use Digits::{One, UpToThree};
    use LastWhiteSpace::{CutAfterLineEnd, Whole};
    Some(match name {
        "r50k" | "r50k_tiktoken" => (rules::gpt2(), true),
        "cl100k" => (rules::gpt4(0, UpToThree, CutAfterLineEnd), true),
        "cl100k_tiktoken" => (rules::gpt4(0, UpToThree, Whole), true),
        "qwen2" => (rules::gpt4(0, One, CutAfterLineEnd), true),
        "qwen3_5" => (rules::gpt4(MARK | CJK_MARK, One, CutAfterLineEnd), true),
        "o200k" => (rules::gpt4o(WithTheirWord, UpToThree), true),
        "superbpe_stage1" => (rules::gpt4o(Contractions::None, UpToThree), true),
        "tekken" => (rules::gpt4o(Contractions::None, One), true),
        "superbpe_stage2" => (rules::superbpe_stage2(), false),
        "superbpe_paper_stage1" => (rules::superbpe_paper_stage1(), false),
        "superbpe_paper_stage2" => (rules::superbpe_paper_stage2(), false),
        "deepseek_v3" => (rules::deepseek_v3(), false),
        _ => return None,
    })
}
