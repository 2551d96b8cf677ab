//! Text → boundaries, a group for each pattern. `cargo bench -p portmanteau-bpe --bench pretokenize [-- PATTERN]`
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)] // of what `criterion_group` makes

mod measured;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use measured::{digest, texts};
use portmanteau_bpe::pretokenizer::scanner::ScanScratch;
use portmanteau_bpe::Pretokenizer;

/// By pattern: the digests of the ends of the pretokens of each text, in the order of [`texts`]. They were made with the
/// regular expressions, which define the patterns.
const EXPECTED: [(&str, [&str; 3]); 4] = [
    ("r50k", ["8ec5f20175536855", "71e16b7a86b0a4e9", "8846f1e9dc0cfab5"]),
    ("cl100k_tiktoken", ["3f1c9ad1eab5f011", "76f58871f7ed112f", "2e15b95cd6e8e3e8"]),
    ("o200k", ["60662d86560c5044", "355aa33e72b1c7f3", "e2738634f406a57c"]),
    ("superbpe_stage2", ["dc08efb07376dc39", "9e1019b0382da46c", "ddd606a2b067817a"]),
];

fn pretokenize(criterion: &mut Criterion) {
    let texts = texts();
    for (pattern, digests) in EXPECTED {
        let pretokenizer = Pretokenizer::named(pattern).unwrap();
        let scanner = pretokenizer.scanner().unwrap();
        let mut scratch = ScanScratch::default();
        let mut group = criterion.benchmark_group(format!("pretokenize {pattern}"));
        for ((name, text), expected) in texts.iter().zip(digests) {
            let mut ends = Vec::new();
            let mut start = 0;
            while start < text.len() {
                let settled = scanner.scan(text, start, &mut scratch);
                ends.extend(scratch.ends.iter().map(|&end| start as u32 + end));
                start = settled;
            }
            assert_eq!(digest(&ends), expected, "the ends of {name} with {pattern} are wrong");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(*name, |bencher| {
                bencher.iter(|| {
                    let mut start = 0;
                    while start < text.len() {
                        start = scanner.scan(text, start, &mut scratch);
                    }
                    start
                });
            });
        }
    }
}

criterion_group!(benches, pretokenize);
criterion_main!(benches);
