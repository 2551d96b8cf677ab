//! What `benches/instructions.py` counts the instructions of: it reads a part of the bundled text, then does the steps
//! that the arguments name, in order.
//!
//! `load` makes a tokenizer of `cl100k_base`; `pretokenize` and `encode` go through the text with it. What a step costs is
//! the difference between two runs, one of which has that step more.
#![allow(clippy::unwrap_used)]

use portmanteau_bpe::format::bundled;
use portmanteau_bpe::pretokenizer::scanner::ScanScratch;
use portmanteau_bpe::{Pretokenizer, Scratch, SpecialTokens, Tokenizer};
use portmanteau_testkit::sample::{text, vocabulary, Language};
use std::hint::black_box;

/// How much there is of each kind of text: little enough to be simulated in a second or two.
const BYTES: usize = 200_000;

fn texts() -> String {
    let languages = [Language::English, Language::Code, Language::Multilingual];
    let beginnings = languages.map(|language| {
        let text = text(language).unwrap();
        let end = (0..=BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap();
        text[..end].to_owned()
    });
    beginnings.concat()
}

fn load() -> Tokenizer {
    let pretokenizer = Pretokenizer::named("cl100k_tiktoken").unwrap();
    Tokenizer::new(bundled::read(&vocabulary("cl100k_base").unwrap(), pretokenizer, Vec::new()).unwrap())
        .unwrap()
}

fn pretokenize(text: &str, tokenizer: &Tokenizer, scratch: &mut ScanScratch) {
    let scanner = tokenizer.definition().pretokenizer.scanner().unwrap();
    let mut start = 0;
    while start < text.len() {
        start = scanner.scan(text, start, scratch);
    }
}

fn main() {
    let text = texts();
    let mut tokenizer = None;
    let (mut scratch, mut scan_scratch) = (Scratch::default(), ScanScratch::default());
    for step in std::env::args().skip(1) {
        match step.as_str() {
            "load" => tokenizer = Some(load()),
            "pretokenize" => pretokenize(&text, tokenizer.as_ref().unwrap(), &mut scan_scratch),
            "encode" => {
                let mut ids = Vec::with_capacity(text.len());
                let tokenizer = tokenizer.as_ref().unwrap();
                tokenizer.encode(&text, &SpecialTokens::Text, &mut scratch, &mut ids).unwrap();
                black_box(ids);
            }
            _ => unreachable!("there is no step {step}"),
        }
    }
}
