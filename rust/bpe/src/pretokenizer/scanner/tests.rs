use super::super::{Behavior, Dialect, Pattern, Pretokenizer, Split, NAMED_PATTERNS};
use super::characters::{self, CharacterTable, Kinds};
use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A pretokenizer with its scanner on every back end that this processor has.
struct Case {
    name: &'static str,
    pretokenizer: Pretokenizer,
    scanners: Vec<(BackEnd, Scanner)>,
}

impl Case {
    fn new(name: &'static str, pretokenizer: Pretokenizer) -> Self {
        let scanner = pretokenizer.scanner().unwrap_or_else(|| panic!("{name}"));
        let with = |(_, back_end): (_, BackEnd)| Some((back_end, scanner.with_back_end(back_end)?));
        let scanners = BackEnd::NAMED.into_iter().filter_map(with).collect();
        Self { name, pretokenizer, scanners }
    }

    /// The scanner must cut a text as the steps do, window by window of any length.
    fn check(&self, text: &str, windows: &[usize], scratch: &mut ScanScratch) {
        let expected = ends_by_steps(&self.pretokenizer, text);
        for (back_end, scanner) in &self.scanners {
            for &window in windows {
                let scanner = Scanner { window, ..scanner.clone() };
                let found = ends_by_scanner(&scanner, text, scratch);
                assert_eq!(found, expected, "{} {back_end:?} {window} {text:?}", self.name);
            }
        }
    }

    /// Texts that are scanned together must be cut as each is alone.
    fn check_records(&self, texts: &[&str], scratch: &mut ScanScratch) {
        let (mut records, mut expected) = (Records::default(), Vec::new());
        for text in texts {
            let start = records.bytes().len() as u32;
            records.push(text);
            expected.extend(ends_by_steps(&self.pretokenizer, text).iter().map(|end| start + end));
            expected.push(records.bytes().len() as u32);
        }
        for (back_end, scanner) in &self.scanners {
            scanner.scan_records(&records, scratch);
            assert_eq!(scratch.ends, expected, "{} {back_end:?} {texts:?}", self.name);
        }
    }

    /// A text cut at a certain boundary must have the boundaries of its two parts.
    fn check_certain_boundary(&self, text: &str, from: usize, scratch: &mut ScanScratch) {
        let scanner = &self.scanners[0].1;
        if let Some(place) = scanner.certain_boundary(text, from) {
            assert!(place >= from && place < text.len());
            let mut ends = ends_by_scanner(scanner, &text[..place], scratch);
            let of_the_rest = ends_by_scanner(scanner, &text[place..], scratch);
            ends.extend(of_the_rest.iter().map(|end| end + place as u32));
            assert_eq!(ends, ends_by_scanner(scanner, text, scratch), "{} {place} {text:?}", self.name);
        }
    }
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let whole = Pretokenizer::new(vec![byte_level()]).unwrap();
    let digits = |individual| Pretokenizer::new(vec![Step::Digits { individual }, byte_level()]).unwrap();
    let named = |name| Case::new(name, Pretokenizer::named(name).unwrap());
    let others = [("whole", whole), ("one digit", digits(true)), ("digits", digits(false))];
    let others = others.map(|(name, pretokenizer)| Case::new(name, pretokenizer));
    others.into_iter().chain(NAMED_PATTERNS.iter().map(|pattern| named(pattern.name))).collect()
});

fn byte_level() -> Step {
    Step::ByteLevel { add_prefix_space: false, trim_offsets: false, split: None }
}

fn ends_by_steps(pretokenizer: &Pretokenizer, text: &str) -> Vec<u32> {
    let mut ends = Vec::new();
    let mut end = 0;
    let mut visit = |pretoken: &str| {
        end += pretoken.len() as u32;
        ends.push(end);
        Ok(())
    };
    pretokenizer.split_by_steps(text, &mut visit).unwrap();
    ends
}

fn ends_by_scanner(scanner: &Scanner, text: &str, scratch: &mut ScanScratch) -> Vec<u32> {
    let mut ends = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let settled = scanner.scan(text, start, scratch);
        assert_eq!(scratch.ends.last().map(|&last| start + last as usize), Some(settled), "{text:?}");
        ends.extend(scratch.ends.iter().map(|&end| start as u32 + end));
        start = settled;
    }
    assert_eq!(scanner.scan(text, text.len(), scratch), text.len());
    ends
}

/// A character of every kind, and where a kind has characters of several lengths, one of each.
const ONE_OF_EACH: &str =
    "sSlLrReEaAéÉꭰſʰ日\u{301}\u{1d165}1٣²𝟘 \n\t\u{a0}\u{3000}'/!—𝄞\u{0}\u{e000}あ\u{3099}・\u{3040}";

/// One of each, but only one of those that an automaton does not tell apart.
fn told_apart(automaton: &Automaton) -> Vec<char> {
    let table = CharacterTable::get();
    let mut seen = Vec::new();
    let is_new = |character: &char| {
        let entries = automaton.table.0[usize::from(table.row(*character))];
        let is_new = !seen.contains(&entries);
        seen.push(entries);
        is_new
    };
    ONE_OF_EACH.chars().filter(is_new).collect()
}

/// Calls `visit` with every text of `length` of these characters.
fn every_text(characters: &[char], length: u32, visit: &mut dyn FnMut(&str)) {
    let mut text = String::new();
    for mut number in 0..characters.len().pow(length) {
        text.clear();
        for _ in 0..length {
            text.push(characters[number % characters.len()]);
            number /= characters.len();
        }
        visit(&text);
    }
}

#[test]
fn every_text_of_three_characters() {
    let characters: Vec<char> = ONE_OF_EACH.chars().collect();
    let mut scratch = ScanScratch::default();
    for case in CASES.iter() {
        for length in 0..=3 {
            every_text(&characters, length, &mut |text| case.check(text, &[WINDOW], &mut scratch));
        }
    }
}

fn every_text_of_characters_told_apart(length: u32, windows: &[usize]) {
    let mut scratch = ScanScratch::default();
    for case in CASES.iter() {
        let characters = told_apart(&case.scanners[0].1.automaton);
        every_text(&characters, length, &mut |text| {
            case.check(text, windows, &mut scratch);
            case.check_certain_boundary(text, 1, &mut scratch);
            case.check_records(&[text, "", text, " a", text], &mut scratch);
        });
    }
}

#[test]
fn every_text_of_three_characters_in_windows() {
    every_text_of_characters_told_apart(3, &[1, 2, 3, 4]);
}

#[test]
#[ignore = "minutes; run it optimised"]
fn every_text_of_five_characters_in_windows() {
    every_text_of_characters_told_apart(4, &[1, 3, WINDOW]);
    every_text_of_characters_told_apart(5, &[2, WINDOW]);
}

fn texts(n_units: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let words = [
        "the",
        "Word",
        "USA",
        "it's",
        "DON'T",
        "we'LL",
        "d'l",
        "D'L",
        "'re",
        "'",
        "''",
        "ll",
        "re",
        "v",
        "ſ",
        "中",
        "文A",
        "中Ab",
        "Aa",
        "aA",
        "ǅ",
        "ʰ",
        "é\u{301}",
        "\u{301}",
        "あ",
        "\u{3099}",
        "・",
        "\u{3040}",
        "1",
        "12",
        "345",
        "٣",
        "²",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\n\n",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{3000}",
        "!",
        "..",
        "#_",
        "/",
        "\n/",
        "—",
        "€",
        "🙂",
        "\u{200d}",
        "\u{0}",
        "\u{e000}",
        "\u{1d165}",
        "𝟘",
    ];
    let unit = (prop::sample::select(words.to_vec()), prop_oneof![9 => 1..3_usize, 1 => 3..90_usize]);
    let units = unit.prop_map(|(word, n_times)| word.repeat(n_times));
    prop::collection::vec(units, n_units).prop_map(|units| units.concat())
}

proptest! {
    #[test]
    fn random_texts(text in texts(0..40), window in 1..300_usize, from in 0..60_usize) {
        let mut scratch = ScanScratch::default();
        for case in CASES.iter() {
            case.check(&text, &[window], &mut scratch);
            case.check_certain_boundary(&text, from, &mut scratch);
        }
    }

    #[test]
    fn random_texts_in_lanes(text in texts(400..1200)) {
        let mut scratch = ScanScratch::default();
        let lines: Vec<&str> = text.split_inclusive(['\n', 'e']).collect();
        for case in CASES.iter() {
            case.check(&text, &[WINDOW], &mut scratch);
            case.check_records(&lines, &mut scratch);
        }
    }
}

#[test]
fn long_runs_in_lanes() {
    let mut scratch = ScanScratch::default();
    for unit in
        ["1", "A", "中", "中A", " ", "\n ", "'l", "日'l中", "\u{e000}", "!", "𝟘", "\u{3000}", "a\u{301}'"]
    {
        for end in ["", "a", " a", "\n", "A", "."] {
            let text = unit.repeat(4100) + end;
            for case in CASES.iter() {
                case.check(&text, &[256, WINDOW], &mut scratch);
            }
        }
    }
}

#[test]
#[ignore = "minutes; reads the texts that the variable PORTMANTEAU_TEST_TEXTS names, separated by colons; run it optimised"]
fn whole_files() {
    let mut scratch = ScanScratch::default();
    for path in std::env::var("PORTMANTEAU_TEST_TEXTS").unwrap_or_default().split(':') {
        let text = std::fs::read_to_string(path).unwrap();
        for case in CASES.iter().filter(|case| case.name != "whole") {
            case.check(&text, &[WINDOW], &mut scratch);
            for from in (0..text.len()).step_by(1 << 20) {
                case.check_certain_boundary(&text, from, &mut scratch);
            }
        }
    }
}

#[test]
fn certain_boundaries_are_near() {
    for case in CASES
        .iter()
        .filter(|case| !["whole", "superbpe_paper_stage2", "digits", "one digit"].contains(&case.name))
    {
        let text = "one thing or another, 中文；1234 (5,6)  !! and so on. ".repeat(3);
        for from in 0..text.len() / 3 {
            let place = case.scanners[0].1.certain_boundary(&text, from).unwrap();
            assert!(place <= from + 60, "{} {from} {place}", case.name);
        }
    }
}

#[test]
fn characters_are_of_the_kinds_that_expressions_say() {
    use characters::{
        CJK_LETTER, CJK_MARK, CJK_OTHER, CJK_SYMBOL, DIGIT, LETTER, LETTER_ASCII, LINE_END, LOWER, MARK,
        NUMBER, UPPER, WHITE,
    };
    let all_symbols = characters::APOSTROPHE
        | characters::SLASH
        | characters::SYMBOL_ASCII
        | characters::SYMBOL_OTHER
        | CJK_SYMBOL;
    let classes: [(&str, Kinds); 13] = [
        (r"\p{L}", LETTER),
        (r"\p{Ll}", LOWER),
        (r"[\p{Lu}\p{Lt}]", UPPER),
        ("[A-Za-z]", LETTER_ASCII),
        (r"\p{M}", MARK | CJK_MARK),
        (r"\p{N}", NUMBER),
        (r"\d", DIGIT),
        (r"\s", WHITE),
        (r"[\r\n]", LINE_END),
        (r"[\p{P}\p{S}]", all_symbols),
        ("[一-龥぀-ゟ゠-ヿ]", CJK_LETTER | CJK_MARK | CJK_SYMBOL | CJK_OTHER),
        ("(?i:[sdmt])", characters::LOWER_SDMT | characters::UPPER_SDMT | characters::LONG_S),
        (
            "(?i:[lvre])",
            (LETTER_ASCII & !characters::LOWER_ASCII & !characters::UPPER_ASCII)
                & !characters::LOWER_SDMT
                & !characters::UPPER_SDMT,
        ),
    ];
    let table = CharacterTable::get();
    let mut rows = Vec::new();
    let classes =
        classes.map(|(class, kinds)| (fancy_regex::Regex::new(&format!(r"\A(?:{class})\z")).unwrap(), kinds));
    for character in '\0'..=char::MAX {
        let row = table.row(character);
        let kind = characters::kind_of(row);
        let mut bytes = [0; 4];
        let text = character.encode_utf8(&mut bytes);
        for (class, kinds) in &classes {
            assert_eq!(class.is_match(text).unwrap(), kind & kinds != 0, "{character:?} {}", class.as_str());
        }
        table.write_rows(text.as_bytes(), &mut rows);
        assert_eq!(rows[0], row);
        assert!(rows[1..].iter().all(|&row| row == CONTINUATION));
    }
}

#[test]
fn spellings_that_mean_the_same_are_recognized() {
    let split = |regex: &str, behavior, invert| {
        Split::new(Pattern::Regex(regex.to_owned(), Dialect::HuggingFace), behavior, invert).unwrap()
    };
    let has_scanner = |steps| Pretokenizer::new(steps).unwrap().scanner().is_some();
    let regex_of = |name| NAMED_PATTERNS.iter().find(|pattern| pattern.name == name).unwrap().regex;
    let in_byte_level = |add_prefix_space| {
        let split = Some(split(regex_of("r50k"), Behavior::Isolated, false));
        vec![Step::ByteLevel { add_prefix_space, trim_offsets: true, split }]
    };
    assert!(has_scanner(in_byte_level(false)));
    assert!(!has_scanner(in_byte_level(true)));
    for (name, expected) in [("cl100k", true), ("superbpe_stage2", false)] {
        let steps = vec![Step::Split(split(regex_of(name), Behavior::Removed, true)), byte_level()];
        assert_eq!(has_scanner(steps), expected);
        let steps = vec![Step::Split(split(regex_of(name), Behavior::Contiguous, false)), byte_level()];
        assert!(!has_scanner(steps));
    }
    assert!(!has_scanner(vec![Step::Split(split("a", Behavior::Isolated, false)), byte_level()]));
    for pattern in NAMED_PATTERNS {
        if let Some(original) = pattern.original {
            let split = Split::isolated(original, Dialect::Tiktoken).unwrap();
            assert!(has_scanner(vec![Step::Split(split), byte_level()]));
        }
    }
}
