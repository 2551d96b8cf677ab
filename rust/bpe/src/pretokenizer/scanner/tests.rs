use super::super::{Pretokenizer, NAMED_PATTERNS};
use super::*;

const BACK_ENDS: [BackEnd; 4] = [BackEnd::Portable, BackEnd::Ssse3, BackEnd::Avx2, BackEnd::Neon];

/// A pretokenizer with its scanner on every back end that this processor has.
struct Case {
    name: String,
    pretokenizer: Pretokenizer,
    scanners: Vec<Scanner>,
}

fn case(name: &str, pretokenizer: Pretokenizer) -> Case {
    let scanner = pretokenizer.scanner().unwrap_or_else(|| panic!("{name}"));
    let scanners = BACK_ENDS.iter().filter_map(|&back_end| scanner.with_back_end(back_end)).collect();
    Case { name: name.to_owned(), scanners, pretokenizer }
}

fn cases() -> Vec<Case> {
    let byte_level = || Step::ByteLevel { add_prefix_space: false, trim_offsets: false, split: None };
    let mut cases = vec![case("whole", Pretokenizer::new(vec![byte_level()]).unwrap())];
    for individual in [true, false] {
        let steps = vec![Step::Digits { individual }, byte_level()];
        cases.push(case("digits", Pretokenizer::new(steps).unwrap()));
    }
    cases.extend(NAMED_PATTERNS.iter().map(|p| case(p.name, Pretokenizer::named(p.name).unwrap())));
    cases
}

fn expected(pretokenizer: &Pretokenizer, text: &str) -> Vec<u32> {
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

fn found(scanner: &Scanner, text: &str, scratch: &mut ScanScratch) -> Vec<u32> {
    let mut ends = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let end = scanner.scan(text, start, scratch);
        assert!(end > start && scratch.ends.last().map(|&last| start + last as usize) == Some(end));
        ends.extend(scratch.ends.iter().map(|&relative| start as u32 + relative));
        start = end;
    }
    ends
}

/// One character of every kind, two where a kind has characters of several lengths.
const ONE_OF_EACH: &str =
    "sSlLrReEaAéÉſʰ日\u{301}1²½ \n\t\u{a0}\u{3000}'/!\u{2014}\u{0}\u{e000}あ\u{3099}・\u{3040}";

fn check(case: &Case, text: &str, scratch: &mut ScanScratch) {
    let expected = expected(&case.pretokenizer, text);
    for scanner in &case.scanners {
        assert_eq!(found(scanner, text, scratch), expected, "{} {text:?}", case.name);
    }
}

/// Calls `visit` with every text of `length` of these characters.
fn every_text(characters: &[char], length: usize, visit: &mut dyn FnMut(&str)) {
    let mut text = String::new();
    for number in 0..characters.len().pow(length as u32) {
        text.clear();
        let mut rest = number;
        for _ in 0..length {
            text.push(characters[rest % characters.len()]);
            rest /= characters.len();
        }
        visit(&text);
    }
}

#[test]
fn on_every_short_text() {
    let characters: Vec<char> = ONE_OF_EACH.chars().collect();
    let mut scratch = ScanScratch::default();
    for case in cases() {
        for length in 0..=3 {
            every_text(&characters, length, &mut |text| check(&case, text, &mut scratch));
        }
    }
}
