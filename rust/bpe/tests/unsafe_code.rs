//! Every line of unsafe code once, with so little text that Miri gets through: `make miri`. The compiler's features say
//! which back ends of the scanner Miri sees; prefetches and the dispatch to AVX2 are in the way of every word.
#![allow(clippy::unwrap_used)]

use portmanteau_bpe::pretokenizer::scanner::{BackEnd, ScanScratch};
use portmanteau_bpe::{Encoder, Merges, Pretokenizer, Scratch, Vocabulary};

/// Long enough for every back end to divide it into lanes; ASCII, because the table of all characters takes Miri minutes.
fn text() -> String {
    "By the way, it's 12 o'clock;\n  let's go! ".repeat(60)
}

#[test]
fn back_ends_find_the_same_boundaries() {
    let text = text();
    let pretokenizer = Pretokenizer::named("r50k").unwrap();
    let scanner = pretokenizer.scanner().unwrap();
    let mut scratch = ScanScratch::default();
    let mut ends_with = |back_end| {
        let scanner = scanner.with_back_end(back_end)?;
        scanner.scan(&text, 0, &mut scratch);
        Some(std::mem::take(&mut scratch.ends))
    };
    let portable = ends_with(BackEnd::Portable).unwrap();
    assert_eq!(portable[..6], [2, 6, 10, 11, 14, 16]);
    for (name, back_end) in BackEnd::NAMED {
        if let Some(ends) = ends_with(back_end) {
            assert_eq!(ends, portable, "{name}");
        }
    }
}

#[test]
fn words_are_encoded_new_and_again() {
    let tokens = ["a", "b", "ab", "abab"].map(|token| token.as_bytes().to_vec());
    let vocabulary = Vocabulary::new((0..).zip(tokens).collect()).unwrap();
    let merges = Merges::from_pairs(&vocabulary, &[(0, 1), (2, 2)]).unwrap();
    let encoder = Encoder::new(vocabulary, &merges, false, None);
    let mut scratch = Scratch::default();
    // Short words, one for the bit mask, one for the tree.
    for (word, expected) in
        [("ba", vec![1, 0]), (&"ab".repeat(20), vec![3; 10]), (&"ab".repeat(70), vec![3; 35])]
    {
        for _ in 0..2 {
            let mut ids = Vec::new();
            encoder.encode(word, &mut scratch, &mut ids).unwrap();
            assert_eq!(ids, expected);
        }
    }
}
