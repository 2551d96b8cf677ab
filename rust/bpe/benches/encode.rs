//! Text → ids, a group for each vocabulary. `cargo bench -p portmanteau-bpe --bench encode [-- VOCABULARY]`
//!
//! *new* is with empty caches, *again* with those that the same text has filled.
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)] // of what `criterion_group` makes

mod measured;

use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};
use measured::{digest, texts};
use portmanteau_bpe::format::bundled;
use portmanteau_bpe::{Pretokenizer, Scratch, SpecialTokens, Tokenizer};
use portmanteau_testkit::sample::vocabulary;

/// By vocabulary, with its pretokenizer: the digests of the ids of each text, in the order of [`texts`], by tiktoken 0.14.
const EXPECTED: [(&str, &str, [&str; 3]); 3] = [
    ("r50k_base", "r50k_tiktoken", ["2342f890c95c8eef", "95e542f211b3992c", "9d848d69e18a12e4"]),
    ("cl100k_base", "cl100k_tiktoken", ["eaef797fe5379634", "9fbcfd03221820d8", "dc49ad161b3c98ab"]),
    ("o200k_base", "o200k", ["e8724ebd5cf2b7c5", "d442d5988ef6b35d", "016df3fa21fdb9ba"]),
];

fn encode(criterion: &mut Criterion) {
    let texts = texts();
    for (name, pretokenizer, digests) in EXPECTED {
        let pretokenizer = Pretokenizer::named(pretokenizer).unwrap();
        let definition = bundled::read(&vocabulary(name).unwrap(), pretokenizer, Vec::new()).unwrap();
        let tokenizer = Tokenizer::new(definition).unwrap();
        let encode = |text: &str, scratch: &mut Scratch| {
            let mut ids = Vec::with_capacity(text.len());
            tokenizer.encode(text, &SpecialTokens::Text, scratch, &mut ids).unwrap();
            ids
        };
        let mut group = criterion.benchmark_group(format!("encode {name}"));
        for ((name, text), expected) in texts.iter().zip(digests) {
            let mut scratch = Scratch::default();
            assert_eq!(digest(&encode(text, &mut scratch)), expected, "the ids of {name} are wrong");
            assert_eq!(digest(&encode(text, &mut scratch)), expected, "the ids of {name} are wrong again");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(format!("{name}, again"), |bencher| {
                bencher.iter(|| encode(text, &mut scratch));
            });
            group.bench_function(format!("{name}, new"), |bencher| {
                let new = Scratch::default;
                bencher.iter_batched_ref(new, |scratch| encode(text, scratch), BatchSize::LargeInput);
            });
        }
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
