//! Training that was stopped goes on and comes to what it would have come to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_bpe::train::{
    continue_training, train, Checkpoint, Counts, InitialAlphabet, Memory, SuperwordOptions, SuperwordStage,
    Trained, TrainingOptions, Transition, UnitCounts, Units,
};
use portmanteau_bpe::{Definition, Error, ErrorKind, Pretokenizer};
use portmanteau_testkit::folder::Folder;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

fn counts_of<'t>(text: impl IntoIterator<Item = (&'t str, u64)>) -> UnitCounts {
    let mut units = Units::default();
    text.into_iter().for_each(|(unit, count)| units.add(unit.as_bytes(), count).unwrap());
    units.into()
}

fn kept_in(path: &Path, options: &TrainingOptions) -> TrainingOptions {
    let checkpoint = Checkpoint::new(path, Duration::MAX, b"");
    TrainingOptions { checkpoint: Some(checkpoint), ..options.clone() }
}

fn run(counts: &Counts, options: &TrainingOptions) -> Result<Trained, Error> {
    train(counts.clone(), options, 1, &mut |_| ControlFlow::Continue(()))
}

/// A file of one training as that of another.
fn stamped(mut file: Vec<u8>, like: &[u8]) -> Vec<u8> {
    file[16..48].copy_from_slice(&like[16..48]);
    let end = file.len() - 40;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&file[..end]);
    file[end..end + 32].copy_from_slice(&digest);
    file
}

/// The file after every merge: those of trainings that end there.
fn every_state(counts: &Counts, options: &TrainingOptions, path: &Path) -> Vec<Vec<u8>> {
    let kept_of = |counts: &Counts, options: &TrainingOptions| {
        let trained = run(counts, &kept_in(path, options)).unwrap();
        let file = std::fs::read(path).unwrap();
        std::fs::remove_file(path).unwrap();
        (trained, file)
    };
    let (whole, file) = kept_of(counts, options);
    let words = Counts { superwords: None, ..counts.clone() };
    let mut both = counts.clone();
    let mut ends_early = false;
    if let Some(superwords) = &mut both.superwords {
        // One that ran out of pairs passed over more of them than one that is full at the same size.
        ends_early = superwords.transition != Transition::Auto
            && superwords.transition != Transition::Size(whole.stage1_size);
        superwords.transition = Transition::Size(whole.stage1_size);
    }
    let first = (256..=whole.stage1_size).map(|vocab_size| (&words, vocab_size));
    let second = (whole.stage1_size + 1..=whole.tokens.len()).map(|vocab_size| (&both, vocab_size));
    let kept = first.chain(second.filter(|_| !ends_early)).map(|(counts, vocab_size)| {
        let (_, shorter) = kept_of(counts, &TrainingOptions { vocab_size, ..options.clone() });
        stamped(shorter, &file)
    });
    let mut states: Vec<_> = kept.collect();
    states.push(file);
    states
}

fn corpus() -> impl Strategy<Value = Vec<(String, u64)>> {
    let run = (proptest::sample::select(&["a", "b", " ", ":", "."][..]), 1..4_usize)
        .prop_map(|(text, length)| text.repeat(length));
    let unit = proptest::collection::vec(run, 0..8).prop_map(|runs| runs.concat());
    let weight = prop_oneof![6 => 1..4_u64, 1 => 1..100_u64, 1 => (1_u64 << 32)..(1 << 40), 1 => Just(0_u64)];
    proptest::collection::vec((unit, weight), 0..10)
}

fn borrowed(corpus: &[(String, u64)]) -> impl Iterator<Item = (&str, u64)> {
    corpus.iter().map(|(unit, count)| (&unit[..], *count))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn from_wherever_it_was_stopped(
        corpus in corpus(),
        superword_corpus in proptest::option::weighted(0.8, corpus()),
        (n_words, n_superwords) in (0..20_usize, 1..20_usize),
        min_frequency in 0..4_u64,
        max_token_bytes in proptest::option::weighted(0.2, 2..6_usize),
        (has_memory, whole_words, drop_unused_merges) in (proptest::bool::ANY, proptest::bool::ANY, proptest::bool::ANY),
        is_found_out in proptest::bool::weighted(0.3),
    ) {
        let memory = if has_memory { Memory::default() } else { Memory::new(0, &std::env::temp_dir()) };
        let is_found_out = is_found_out && superword_corpus.is_some();
        let superwords = superword_corpus.map(|corpus| {
            let forbid = vec![b": ".to_vec(), b"b:".to_vec()];
            let options = SuperwordOptions { max_words_per_token: 2, forbid, within_sentences: true };
            let transition = if is_found_out { Transition::Auto } else { Transition::Size(256 + n_words) };
            let words = Some(Pretokenizer::named("r50k").unwrap());
            let units = counts_of(borrowed(&corpus));
            SuperwordStage { units, transition, options, words, whole_words, drop_unused_merges }
        });
        let counts = Counts { units: counts_of(borrowed(&corpus)), superwords };
        let vocab_size = 256 + n_words + n_superwords;
        // A first stage that goes on beyond the transition passes over more pairs.
        let max_token_bytes = max_token_bytes.filter(|_| !is_found_out);
        let options = TrainingOptions { vocab_size, min_frequency, max_token_bytes, memory, ..TrainingOptions::default() };
        let whole = run(&counts, &options).unwrap();
        let folder = Folder::new().unwrap();
        let states = every_state(&counts, &options, &folder.file("merges"));
        let options = kept_in(&folder.file("merges"), &options);
        for state in states {
            std::fs::write(folder.file("merges"), state).unwrap();
            prop_assert_eq!(&run(&counts, &options).unwrap(), &whole);
        }
        // What is complete is only read.
        prop_assert_eq!(&run(&counts, &options).unwrap(), &whole);
        prop_assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn on_top_of_a_tokenizer(corpus in corpus(), more in corpus(), n_merges in 1..20_usize) {
        let options = TrainingOptions { vocab_size: 266, ..TrainingOptions::default() };
        let base = run(&Counts { units: counts_of(borrowed(&corpus)), superwords: None }, &options).unwrap();
        let pairs: Vec<(u32, u32)> = base.merges.iter().map(|merge| (merge.left, merge.right)).collect();
        let pretokenizer = Pretokenizer::named("superbpe_stage2").unwrap();
        let base = Definition::from_training(base.tokens, &pairs, vec![], pretokenizer.clone()).unwrap();
        let options = TrainingOptions { vocab_size: base.vocab_size() + n_merges, ..options };
        let units = counts_of(borrowed(&more));
        let run = |options: &TrainingOptions| {
            let mut go_on = |_| ControlFlow::Continue(());
            let superwords = SuperwordOptions::default();
            continue_training(&base, pretokenizer.clone(), units.clone(), options, Some(&superwords), 1, &mut go_on).unwrap()
        };
        let whole = run(&options);
        let folder = Folder::new().unwrap();
        let kept = |vocab_size| {
            run(&kept_in(&folder.file("merges"), &TrainingOptions { vocab_size, ..options.clone() }));
            let file = std::fs::read(folder.file("merges")).unwrap();
            std::fs::remove_file(folder.file("merges")).unwrap();
            file
        };
        let file = kept(options.vocab_size);
        for n_merges in 1..=whole.merges.len() {
            std::fs::write(folder.file("merges"), stamped(kept(base.vocab_size() + n_merges), &file)).unwrap();
            let again = run(&kept_in(&folder.file("merges"), &options));
            std::fs::remove_file(folder.file("merges")).unwrap();
            prop_assert_eq!(&again.merges, &whole.merges);
            prop_assert_eq!(&again.vetoed, &whole.vetoed);
        }
    }
}

/// Units of which every phase takes a while.
fn many_units() -> UnitCounts {
    let mut units = Units::default();
    for number in 0..60_000_u32 {
        units.add(format!("{number}: {} ", number.wrapping_mul(2_654_435_761)).as_bytes(), 1).unwrap();
    }
    units.into()
}

#[test]
fn whenever_progress_breaks() {
    for memory in [Memory::default(), Memory::new(24 << 20, &std::env::temp_dir())] {
        let superwords = Some(SuperwordStage {
            units: many_units(),
            transition: Transition::Size(500),
            options: SuperwordOptions::default(),
            words: None,
            whole_words: false,
            drop_unused_merges: true,
        });
        let counts = Counts { units: many_units(), superwords };
        let options =
            TrainingOptions { vocab_size: 800, min_frequency: 50, memory, ..TrainingOptions::default() };
        let whole = run(&counts, &options).unwrap();
        let folder = Folder::new().unwrap();
        let checkpoint = Checkpoint::new(&folder.file("merges"), Duration::MAX, b"");
        let options = TrainingOptions { checkpoint: Some(checkpoint), ..options };
        let mut n_stops = 0;
        let trained = loop {
            let mut calls = 0;
            let result = train(counts.clone(), &options, 1, &mut |_| {
                calls += 1;
                // Later every time, so that an end is reached even if it is the same phase that is stopped.
                if calls > 1 + n_stops {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            match result {
                Ok(trained) => break trained,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
            n_stops += 1;
        };
        assert!(n_stops > 0);
        assert_eq!(trained, whole);
    }
}

#[test]
fn another_training_or_a_damaged_file_is_refused() {
    let folder = Folder::new().unwrap();
    let counts = Counts { units: counts_of([("lower", 2), ("lowest", 3)]), superwords: None };
    let options = TrainingOptions { vocab_size: 260, ..TrainingOptions::default() };
    let kept = kept_in(&folder.file("merges"), &options);
    run(&counts, &kept).unwrap();
    let refused = |options: &TrainingOptions, kind: ErrorKind, says: &str| {
        let error = run(&counts, options).unwrap_err();
        assert_eq!(error.kind(), kind);
        let message = error.to_string();
        assert!(message.contains("merges") && message.contains(says), "{message}");
    };
    let others = [
        TrainingOptions { vocab_size: 259, ..kept.clone() },
        TrainingOptions { initial_alphabet: InitialAlphabet::Seen, ..kept.clone() },
        TrainingOptions {
            checkpoint: Some(Checkpoint::new(&folder.file("merges"), Duration::ZERO, b"other")),
            ..options.clone()
        },
    ];
    for other in &others {
        refused(other, ErrorKind::Training, "other options");
    }
    // What has no part in the result may change.
    run(&counts, &TrainingOptions { memory: Memory::new(0, &folder.0), ..kept.clone() }).unwrap();

    let file = std::fs::read(folder.file("merges")).unwrap();
    for place in 0..file.len() {
        let mut damaged = file.clone();
        damaged[place] ^= 1;
        std::fs::write(folder.file("merges"), damaged).unwrap();
        let says = match place {
            0..8 => "not a file of merges",
            8..12 => "",
            _ => "is damaged",
        };
        refused(&kept, ErrorKind::File, says);
        std::fs::write(folder.file("merges"), &file[..place]).unwrap();
        refused(&kept, ErrorKind::File, if place < 8 { "not a file of merges" } else { "is damaged" });
    }
    let nowhere = kept_in(&folder.0.join("nowhere").join("merges"), &options);
    refused(&nowhere, ErrorKind::File, "cannot be created");
}
