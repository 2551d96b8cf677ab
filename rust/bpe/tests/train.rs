//! Training equals the naive definition, for any number of threads.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_bpe::train::{
    continue_training, train, Counter, Counts, InitialAlphabet, Memory, Phase, Record, SuperwordOptions,
    SuperwordStage, Ties, Trained, TrainingOptions, Transition, UnitCounts, Units,
};
use portmanteau_bpe::{Definition, ErrorKind, Pretokenizer};
use portmanteau_testkit::naive_train::{
    naive_train, naive_train_with_words, NaiveOptions, NaiveSuperwords, NaiveTrained,
};
use proptest::prelude::*;
use serde::Deserialize;
use std::ops::ControlFlow;
use std::sync::LazyLock;

type Corpus = Vec<(Vec<u8>, u64)>;

fn units(corpus: &Corpus) -> UnitCounts {
    let mut units = Units::default();
    for (unit, count) in corpus {
        units.add(unit, *count).unwrap();
    }
    units.into()
}

fn fast(
    corpus: &Corpus,
    superword_corpus: &Corpus,
    options: &NaiveOptions,
    threads: usize,
    memory: &Memory,
) -> Trained {
    let superwords = options.superwords.as_ref().map(|superwords| {
        let forbid = superwords.forbid.iter().map(|text| text.clone().into_bytes()).collect();
        let options = SuperwordOptions {
            max_words_per_token: superwords.max_words_per_token,
            forbid,
            within_sentences: superwords.within_sentences,
        };
        let transition = if superwords.is_automatic {
            Transition::Auto
        } else {
            Transition::Size(superwords.transition_size)
        };
        SuperwordStage {
            units: units(superword_corpus),
            transition,
            options,
            words: Some(words()),
            whole_words: superwords.whole_words,
            drop_unused_merges: superwords.drop_unused_merges,
        }
    });
    let training = TrainingOptions {
        vocab_size: options.vocab_size,
        min_frequency: options.min_frequency,
        max_token_bytes: options.max_token_bytes,
        special_tokens: options.special_tokens.clone(),
        initial_alphabet: if options.seen_bytes_only { InitialAlphabet::Seen } else { InitialAlphabet::All },
        ties: if options.byte_order { Ties::Bytes } else { Ties::HuggingFace },
        memory: memory.clone(),
        checkpoint: None,
    };
    let counts = Counts { units: units(corpus), superwords };
    train(counts, &training, threads, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn superword_stage(units: Units, transition_size: usize) -> SuperwordStage {
    SuperwordStage {
        units: units.into(),
        transition: Transition::Size(transition_size),
        options: SuperwordOptions::default(),
        words: None,
        whole_words: false,
        drop_unused_merges: false,
    }
}

/// Words begin with a space, or behind anything that is no letter.
fn words() -> Pretokenizer {
    static WORDS: LazyLock<Pretokenizer> =
        LazyLock::new(|| Pretokenizer::from_regex(" ?[a-b]+|[^a-b]").unwrap());
    WORDS.clone()
}

fn word_ends(unit: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    words()
        .split(std::str::from_utf8(unit).unwrap(), &mut |word| {
            ends.push(ends.last().unwrap_or(&0) + word.len());
            Ok(())
        })
        .unwrap();
    ends
}

/// So little memory that every text is cut before it is merged.
fn no_memory() -> Memory {
    Memory::new(0, &std::env::temp_dir())
}

fn same(fast: Trained, naive: NaiveTrained) -> Result<(), TestCaseError> {
    let merges: Vec<(u32, u32)> = fast.merges.iter().map(|merge| (merge.left, merge.right)).collect();
    prop_assert_eq!(merges, naive.merges);
    prop_assert_eq!(fast.tokens, naive.tokens);
    Ok(())
}

/// Short strings over a few bytes, often in runs, with weights of every size.
fn corpus(letters: &'static [u8]) -> impl Strategy<Value = Corpus> {
    let run = (proptest::sample::select(letters), 1..4_usize).prop_map(|(byte, length)| vec![byte; length]);
    let unit = proptest::collection::vec(run, 0..8).prop_map(|runs| runs.concat());
    let weight = prop_oneof![6 => 1..4_u64, 1 => 1..100_u64, 1 => (1_u64 << 32)..(1 << 40), 1 => Just(0_u64)];
    proptest::collection::vec((unit, weight), 0..10)
}

fn options() -> impl Strategy<Value = NaiveOptions> {
    let special = prop_oneof![4 => Just(vec![]), 1 => Just(vec!["<|end|>".to_owned(), "ab".to_owned()])];
    let numbers = (0..30_usize, 0..4_u64, proptest::option::weighted(0.2, 1..6_usize));
    (numbers, special, proptest::bool::ANY).prop_map(
        |((n_new, min_frequency, max_token_bytes), special_tokens, byte_order)| NaiveOptions {
            vocab_size: special_tokens.len() + n_new,
            min_frequency,
            max_token_bytes,
            special_tokens,
            seen_bytes_only: true,
            byte_order,
            superwords: None,
        },
    )
}

fn n_seen(corpora: [&Corpus; 2]) -> usize {
    let bytes: std::collections::BTreeSet<u8> =
        corpora.into_iter().flatten().flat_map(|(unit, _)| unit.iter().copied()).collect();
    bytes.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn bpe_equals_the_definition(corpus in corpus(b"ab c"), mut options in options()) {
        options.vocab_size += n_seen([&corpus, &vec![]]);
        let naive = naive_train(&corpus, &vec![], &options);
        for memory in [Memory::default(), no_memory()] {
            same(fast(&corpus, &vec![], &options, 1, &memory), naive.clone())?;
        }
    }

    /// The second stage's units need not come from the same text, so first-stage tokens are reached in new ways.
    #[test]
    fn superbpe_equals_the_definition(
        corpus in corpus(b"ab :."),
        superword_corpus in corpus(b"ab :."),
        mut options in options(),
        n_superwords in 1..30_usize,
        max_words_per_token in 1..4_usize,
        within_sentences in proptest::bool::ANY,
        (is_automatic, whole_words, drop_unused_merges) in proptest::prelude::any::<(bool, bool, bool)>(),
        forbid in prop_oneof![Just(vec![]), Just(vec![": ".to_owned()]), Just(vec!["b:".to_owned(), "  ".to_owned()])],
    ) {
        options.vocab_size += n_seen([&corpus, &superword_corpus]);
        let transition_size = options.vocab_size;
        options.vocab_size += n_superwords;
        options.superwords = Some(NaiveSuperwords {
            transition_size, max_words_per_token, forbid, within_sentences, is_automatic, whole_words, drop_unused_merges
        });
        let naive = naive_train_with_words(&corpus, &superword_corpus, &options, &word_ends);
        for (threads, memory) in [(1, Memory::default()), (2, no_memory()), (8, Memory::default())] {
            same(fast(&corpus, &superword_corpus, &options, threads, &memory), naive.clone())?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Superwords on top of a trained tokenizer are those of training in two stages.
    #[test]
    fn going_on_equals_a_second_stage(
        corpus in corpus(b"ab ."),
        superword_corpus in corpus(b"ab ."),
        mut options in options(),
        n_superwords in 1..30_usize,
        max_words_per_token in 1..4_usize,
    ) {
        options.vocab_size += n_seen([&corpus, &superword_corpus]);
        options.special_tokens.clear();
        // A first stage that ends early would take what the second takes here.
        options.max_token_bytes = None;
        // The bytes of the second corpus are tokens too.
        let seen: Vec<(Vec<u8>, u64)> = superword_corpus.iter().map(|(unit, _)| (unit.clone(), 0)).collect();
        let first = fast(&[corpus.clone(), seen].concat(), &vec![], &options, 1, &Memory::default());
        let transition_size = first.tokens.len();
        options.vocab_size = transition_size + n_superwords;
        let superwords = NaiveSuperwords { transition_size, max_words_per_token, forbid: vec![], ..NaiveSuperwords::default() };
        options.superwords = Some(superwords);
        let both = fast(&corpus, &superword_corpus, &options, 1, &Memory::default());

        let pairs: Vec<(u32, u32)> = first.merges.iter().map(|merge| (merge.left, merge.right)).collect();
        let pretokenizer = Pretokenizer::named("superbpe_stage2").unwrap();
        let base = Definition::from_training(first.tokens, &pairs, vec![], pretokenizer.clone()).unwrap();
        let training = TrainingOptions {
            vocab_size: options.vocab_size,
            min_frequency: options.min_frequency,
            ..TrainingOptions::default()
        };
        let superwords = SuperwordOptions { max_words_per_token, forbid: vec![], within_sentences: false };
        let units = units(&superword_corpus);
        let mut go_on = |_| ControlFlow::Continue(());
        let continued =
            continue_training(&base, pretokenizer, units, &training, Some(&superwords), 1, &mut go_on).unwrap();
        prop_assert_eq!(&continued.merges[..], &both.merges[both.stage1_size - (both.tokens.len() - both.merges.len())..]);
        let tokens: Vec<&[u8]> = continued.definition.vocabulary.iter().map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(tokens, both.tokens);
    }
}

#[test]
fn a_stop_is_heard_in_every_phase() {
    let text = "some words that are here for a while, and then no more of them\n".repeat(400_000);
    let mut counter = Counter::new(Pretokenizer::named("superbpe_stage2").unwrap(), Record::Document);
    let error = counter.feed(&[&text], 1, 1, &mut |_| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);

    let mut numbers = Units::default();
    for number in 0..400_000_u32 {
        numbers.add(format!("{number} {}", number.wrapping_mul(2_654_435_761)).as_bytes(), 1).unwrap();
    }
    let superwords = Some(superword_stage(numbers.clone(), 300));
    let counts = Counts { units: numbers.into(), superwords };
    let options = TrainingOptions { vocab_size: 400, ..TrainingOptions::default() };
    let mut phases = Vec::new();
    train(counts.clone(), &options, 2, &mut |progress| {
        phases.push(progress.phase);
        ControlFlow::Continue(())
    })
    .unwrap();
    phases.dedup();
    assert!(phases.len() >= 3, "heard of {phases:?} only");
    for stop_after in [1, phases.len() / 2] {
        let mut calls = 0;
        let error = train(counts.clone(), &options, 2, &mut |_| {
            calls += 1;
            if calls > stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Interrupted);
    }
}

/// The callback is called while a thread is busy with one unit, and what it says reaches the thread.
#[test]
fn a_stop_is_heard_within_a_long_unit() {
    let mut units = Units::default();
    units.add("theinterruptiscalled".repeat(400_000).as_bytes(), 1).unwrap();
    let superwords = Some(superword_stage(units, 270));
    let mut words = Units::default();
    words.add(b"theinterruptiscalled", 1).unwrap();
    let options = TrainingOptions { vocab_size: 300, ..TrainingOptions::default() };
    let mut n_calls = 0;
    let error = train(Counts { units: words.into(), superwords }, &options, 1, &mut |progress| {
        n_calls += usize::from(progress.phase == Phase::Tokenizing);
        assert!(progress.phase != Phase::Tokenizing || progress.done == 0, "the unit is done");
        // The first call says that the phase begins.
        if n_calls > 1 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Interrupted);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let refused = |options: TrainingOptions, transition_size: Option<usize>| {
        let superwords = transition_size.map(|size| superword_stage(Units::default(), size));
        let counts = Counts { units: UnitCounts::default(), superwords };
        let error = train(counts, &options, 1, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Training);
        error.to_string()
    };
    let specials = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let options = TrainingOptions { vocab_size: 256, ..TrainingOptions::default() };
    let with = |special_tokens| TrainingOptions { special_tokens, ..options.clone() };
    assert!(refused(with(specials(&["<s>"])), None).contains("ask for 257 or more"));
    assert!(refused(with(specials(&["<s>", "<s>"])), None).contains("twice"));
    assert!(refused(with(specials(&["a"])), None).contains("single bytes"));
    assert!(refused(with(specials(&["Ġ"])), None).contains("single bytes"));
    assert!(refused(TrainingOptions { vocab_size: 300, ..options.clone() }, Some(300))
        .contains("from 256 to 299"));
    assert!(refused(TrainingOptions { vocab_size: 300, ..options.clone() }, Some(255))
        .contains("from 256 to 299"));
    assert!(refused(TrainingOptions { vocab_size: 1 << 30, ..options }, None).contains("largest"));
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// One golden case of `tests/cases/train.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    units: Vec<(String, u64)>,
    #[serde(default)]
    superword_units: Vec<(String, u64)>,
    options: NaiveOptions,
    new_tokens: Vec<String>,
}

#[test]
fn golden_cases() {
    let bytes = |units: Vec<(String, u64)>| {
        units.into_iter().map(|(unit, count)| (unit.into_bytes(), count)).collect()
    };
    for case in portmanteau_testkit::cases::load::<Cases>("train").unwrap().case {
        let (corpus, superword_corpus): (Corpus, Corpus) = (bytes(case.units), bytes(case.superword_units));
        let trained = fast(&corpus, &superword_corpus, &case.options, 1, &Memory::default());
        assert_eq!(
            naive_train(&corpus, &superword_corpus, &case.options).tokens,
            trained.tokens,
            "{}",
            case.name
        );
        let first_new = trained.tokens.len() - case.new_tokens.len().min(trained.tokens.len());
        let new_tokens: Vec<String> = trained.tokens[first_new..]
            .iter()
            .map(|token| String::from_utf8(token.clone()).unwrap())
            .collect();
        assert_eq!(new_tokens, case.new_tokens, "{}", case.name);
        assert_eq!(trained.tokens[first_new - 1].len(), 1, "{}: there are more new tokens", case.name);
    }
}
