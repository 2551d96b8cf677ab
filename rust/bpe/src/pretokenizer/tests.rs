use super::split::Pattern;
use super::*;

fn pieces(pretokenizer: &Pretokenizer, text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut visit = |piece: &str| {
        pieces.push(piece.to_owned());
        Ok(())
    };
    pretokenizer.split(text, &mut visit).unwrap();
    pieces
}

#[test]
fn every_named_pattern_covers_the_text() {
    let text = "It's  Über-naïve:\t12345 tests.\r\n\n  日本語 don't\u{85}\u{17f}'\u{17f} 🙂🙂 \r x   ";
    for pattern in NAMED_PATTERNS {
        let pretokenizer = Pretokenizer::named(pattern.name).unwrap();
        assert_eq!(pieces(&pretokenizer, text).concat(), text, "{}", pattern.name);
        assert_eq!(pretokenizer.name(), Some(pattern.name));
        assert!(pieces(&pretokenizer, "").is_empty());
    }
}

#[test]
fn every_named_pattern_compiles() {
    for regex in NAMED_PATTERNS.iter().flat_map(NamedPattern::regexes) {
        for dialect in [Dialect::HuggingFace, Dialect::Tiktoken] {
            let split = Split::isolated(regex, dialect).unwrap();
            split.run("It's 1234.\n", &mut |_| Ok(())).unwrap();
        }
    }
}

#[test]
fn the_two_dialects_end_white_space_differently() {
    let tiktoken = Pretokenizer::named("cl100k_tiktoken").unwrap();
    let hugging_face = Pretokenizer::named("cl100k").unwrap();
    assert_eq!(pieces(&tiktoken, "a\n  "), ["a", "\n  "]);
    assert_eq!(pieces(&hugging_face, "a\n  "), ["a", "\n", "  "]);
}

#[test]
fn the_paper_groups_digits_in_threes_from_the_right() {
    let paper = Pretokenizer::named("superbpe_paper_stage2").unwrap();
    assert_eq!(pieces(&paper, "of 1234567 by the way"), ["of ", "1", "234", "567", " by the way"]);
}

#[test]
fn originals_are_recognized() {
    for pattern in NAMED_PATTERNS {
        let original = pattern.original.unwrap_or(pattern.regex);
        if !pattern.isolate_digits && pattern.before.is_empty() {
            let pretokenizer = Pretokenizer::from_tiktoken_pattern(original).unwrap();
            assert_eq!(
                pieces(&pretokenizer, "ab 12\n  "),
                pieces(&Pretokenizer::named(pattern.name).unwrap(), "ab 12\n  ")
            );
        }
    }
}

#[test]
fn the_five_behaviors_treat_matches_as_named() {
    let split = |behavior, invert, text: &str| {
        let split = Split::new(Pattern::Literal("-".to_owned()), behavior, invert).unwrap();
        let byte_level = Step::ByteLevel { add_prefix_space: false, trim_offsets: false, split: None };
        pieces(&Pretokenizer::new(vec![Step::Split(split), byte_level]).unwrap(), text)
    };
    let text = "the-final--countdown";
    assert_eq!(split(Behavior::Isolated, false, text), ["the", "-", "final", "-", "-", "countdown"]);
    assert_eq!(split(Behavior::Removed, false, text), ["the", "final", "countdown"]);
    assert_eq!(split(Behavior::Removed, true, text), ["-", "-", "-"]);
    assert_eq!(split(Behavior::MergedWithPrevious, false, text), ["the-", "final-", "-", "countdown"]);
    assert_eq!(split(Behavior::MergedWithNext, false, text), ["the", "-final", "-", "-countdown"]);
    assert_eq!(split(Behavior::Contiguous, false, text), ["the", "-", "final", "--", "countdown"]);
}

#[test]
fn digits_and_prefix_space() {
    let byte_level = |split| Step::ByteLevel { add_prefix_space: true, trim_offsets: true, split };
    let individual = Pretokenizer::new(vec![Step::Digits { individual: true }, byte_level(None)]).unwrap();
    assert_eq!(pieces(&individual, "a12½"), [" a", " 1", " 2", " ½"]);
    let gpt2 = Split::isolated(patterns::find("r50k").unwrap().regex, Dialect::HuggingFace).unwrap();
    let prefixed = Pretokenizer::new(vec![byte_level(Some(gpt2))]).unwrap();
    assert_eq!(pieces(&prefixed, "a b"), [" a", " b"]);
    assert_eq!(pieces(&prefixed, " a"), [" a"]);
}

#[test]
fn what_cannot_be_run_is_refused() {
    assert!(Pretokenizer::named("gpt9").unwrap_err().to_string().contains("there are r50k"));
    assert_eq!(Pretokenizer::from_regex("(").unwrap_err().kind(), ErrorKind::Pattern);
    assert!(Pretokenizer::from_regex(r"\p{N}{1,3}+").unwrap_err().to_string().contains("possessive"));
    assert!(Pretokenizer::from_regex(r"[{1}+]|\p{L}+").is_ok());
    assert_eq!(Pretokenizer::new(Vec::new()).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn long_runs_do_not_exhaust_the_engine() {
    for text in [format!("{}x", " ".repeat(3_000_000)), "1".repeat(3_000_000)] {
        for pattern in NAMED_PATTERNS {
            let pretokenizer = Pretokenizer::named(pattern.name).unwrap();
            let mut n_bytes = 0;
            let mut visit = |piece: &str| {
                n_bytes += piece.len();
                Ok(())
            };
            pretokenizer.split(&text, &mut visit).unwrap();
            assert_eq!(n_bytes, text.len(), "{}", pattern.name);
        }
    }
}

/// Expressions that run without backtracking, and texts made of what they tell apart.
mod linear_and_backtracking_agree {
    use super::super::linear::LinearRegex;
    use super::super::NAMED_PATTERNS;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const OTHERS: [&str; 3] = [
        // Qwen 2
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        // DeepSeek V3, the last of three
        r"[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"(?=(\d{3})+(?!\d))|\p{N}\w| +(?!\S)",
    ];

    fn texts() -> impl Strategy<Value = String> {
        let characters = " \n\r\t\u{a0}\u{85}aSs'lL\u{17f}éÉǅʰ\u{301}日12٣½!/.🙂";
        let character = prop::sample::select(characters.chars().collect::<Vec<_>>());
        let run = (character, 1..9_usize).prop_map(|(character, n)| character.to_string().repeat(n));
        prop::collection::vec(run, 0..24).prop_map(|runs| runs.concat())
    }

    type Both = (LinearRegex, fancy_regex::Regex);

    static COMPILED: LazyLock<Vec<Both>> = LazyLock::new(|| {
        let expressions = NAMED_PATTERNS.iter().map(|pattern| pattern.regex).chain(OTHERS);
        expressions.map(both).collect()
    });

    fn both(expression: &str) -> Both {
        (LinearRegex::new(expression).unwrap(), fancy_regex::Regex::new(expression).unwrap())
    }

    fn assert_they_agree((linear, backtracking): &Both, text: &str) {
        let mut found = Vec::new();
        let mut visit = |range| {
            found.push(range);
            Ok::<_, ()>(())
        };
        linear.for_each_match(text, &mut visit).unwrap();
        let expected: Vec<_> = backtracking.find_iter(text).map(|found| found.unwrap().range()).collect();
        assert_eq!(found, expected, "{} in {text:?}", backtracking.as_str());
    }

    /// What expressions are made of: matches that go on in vain, that look ahead, that end at the end only.
    const ALTERNATIVES: [&str; 24] = [
        r" ?\p{L}+",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'ll)?",
        r"\p{N}{1,3}",
        r"\p{N}{2}\s",
        r"\p{N}",
        r"\s+(?!\S)",
        r" +(?!\S)",
        r"\s*[\r\n]+",
        r"\s+\z",
        r"\s+",
        r"\s",
        "'(?i:s|ll)",
        "a+l",
        "a",
        "aé*(?:日|🙂)",
        "(?:é|日日){2,3}",
        r"[^\s]\z",
        r"!(?:\.|[^\S\n])*",
        "🙂",
        "l(?i:s)",
        r"(?:\p{L}\p{L})+\s?",
        r"[^\p{L}]{3,}",
    ];

    fn expressions() -> impl Strategy<Value = String> {
        let alternatives = prop::collection::vec(prop::sample::select(&ALTERNATIVES[..]), 1..7);
        (alternatives, prop::bool::weighted(0.2)).prop_map(|(mut alternatives, seams)| {
            if seams {
                alternatives.insert(0, r"(?=(\d{3})+(?!\d))");
            }
            alternatives.join("|")
        })
    }

    proptest! {
        #[test]
        fn on_every_text(text in texts()) {
            COMPILED.iter().for_each(|both| assert_they_agree(both, &text));
        }

        #[test]
        fn on_every_list_of_alternatives(expression in expressions(), texts in prop::collection::vec(texts(), 1..20)) {
            let compiled = both(&expression);
            for text in &texts {
                assert_they_agree(&compiled, text);
            }
        }
    }

    #[test]
    fn with_more_states_or_kinds_of_characters_than_are_built_beforehand() {
        let characters: Vec<String> = ('一'..).take(300).map(String::from).collect();
        for expression in [r"[ab]*a[ab]{14}|\s+(?!\S)".to_owned(), characters.join("|"), characters.concat()]
        {
            let text = format!("{} x  b{}", "abba b".repeat(40), characters.concat());
            assert_they_agree(&both(&expression), &text);
        }
    }

    #[test]
    fn what_is_not_regular_is_left_alone() {
        for expression in [
            "a++",
            r"\p{L}++|a",
            "(a)",
            "a*",
            "",
            "a|",
            r"\bа",
            "^a",
            "a$",
            "(?i)a",
            "(?x: a)",
            ".",
            r"a(?!\S)",
            "(?=a)b",
            "[[:alpha:]]",
            "[a&&b]",
            "a{1,2}+",
            "(",
            "[]",
            r"\",
            "a||b",
        ] {
            assert!(LinearRegex::new(expression).is_none(), "{expression}");
        }
    }
}

#[test]
fn a_pattern_that_would_run_for_ever_gives_up() {
    let pattern = r"((a|aa)+)\1b";
    let pretokenizer = Pretokenizer::from_regex(pattern).unwrap();
    let error = pretokenizer.split(&format!("{}cb", "a".repeat(60)), &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pattern);
    assert!(error.to_string().contains(pattern), "{error}");
}
