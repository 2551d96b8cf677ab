//! Counting equals a naive count, for any number of threads, any batches and any memory; files of counts come back, or are
//! refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_bpe::train::{CountFile, Counter, CutOff, Progress, Record, UnitCounts, Units};
use portmanteau_bpe::{Error, ErrorKind, Pretokenizer};
use portmanteau_testkit::folder::Folder;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

type Counted = BTreeMap<Vec<u8>, u64>;

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn naive(texts: &[&str], pretokenizer: &Pretokenizer, record: Record, weight: u64) -> Counted {
    let mut counted = Counted::new();
    for text in texts {
        let records = match record {
            Record::Document => vec![*text],
            Record::Line => text.split_inclusive('\n').collect(),
        };
        for record in records {
            let mut add = |unit: &str| {
                *counted.entry(unit.as_bytes().to_vec()).or_default() += weight;
                Ok(())
            };
            pretokenizer.split(record, &mut add).unwrap();
        }
    }
    counted
}

fn added_up(counts: &UnitCounts) -> Counted {
    let mut counted = Counted::new();
    counts
        .try_for_each(|unit, count| {
            *counted.entry(unit.to_vec()).or_default() += count;
            Ok(())
        })
        .unwrap();
    counted
}

/// What is counted with these batches, and the number of runs.
fn count(
    mut counter: Counter,
    texts: &[&str],
    per_batch: usize,
    threads: usize,
    weight: u64,
) -> Result<UnitCounts, Error> {
    for batch in texts.chunks(per_batch) {
        counter.feed(batch, weight, threads, &mut go_on)?;
    }
    counter.into_counts()
}

fn pretokenizers() -> Vec<Pretokenizer> {
    let named = ["r50k", "cl100k", "o200k", "superbpe_stage2"].map(|name| Pretokenizer::named(name).unwrap());
    let regexes = [r" ?\p{L}+| ?\p{N}{1,3}|\s+(?!\S)|\s+", r"(?<=a)b|[^b]+"];
    let regexes = regexes.map(|regex| Pretokenizer::from_regex(regex).unwrap());
    named.into_iter().chain(regexes).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn counting_equals_the_naive_count(
        texts in proptest::collection::vec("[abé日' 1\n.]{0,60}|(word |longer than short|\n){0,900}", 0..12),
        per_batch in 1..5_usize,
        document in proptest::bool::ANY,
        weight in prop_oneof![Just(1_u64), Just(3), (1_u64 << 32)..(1 << 40)],
        limit in prop_oneof![Just(None), Just(Some(0)), (1..100_000_usize).prop_map(Some)],
    ) {
        let record = if document { Record::Document } else { Record::Line };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let folder = Folder::new().unwrap();
        for pretokenizer in pretokenizers() {
            let expected = naive(&texts, &pretokenizer, record, weight);
            for threads in [1, 2, 8] {
                let mut counter = Counter::new(pretokenizer.clone(), record);
                if let Some(limit) = limit {
                    counter = counter.with_memory_limit(limit, &folder.0);
                }
                let counts = count(counter, &texts, per_batch, threads, weight).unwrap();
                prop_assert_eq!(added_up(&counts), expected.clone());
                prop_assert_eq!(folder.n_files().unwrap(), counts.n_runs());
                drop(counts);
                prop_assert_eq!(folder.n_files().unwrap(), 0);
            }
        }
    }

    #[test]
    fn a_file_comes_back(units in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), any::<u64>()), 0..50)) {
        let folder = Folder::new().unwrap();
        let path = folder.0.join("counts");
        let mut counts = Units::default();
        for (unit, count) in units {
            counts.add(&unit, count >> 8).unwrap();
        }
        let counts = UnitCounts::from(counts);
        let pretokenizer = Pretokenizer::named("o200k").unwrap();
        CountFile::write(&path, &counts, &pretokenizer, Record::Document, &mut go_on).unwrap();
        let file = CountFile::open(&path, &mut go_on).unwrap();
        prop_assert_eq!(file.n_entries(), counts.units().len() as u64);
        let expected = added_up(&counts);
        prop_assert_eq!(file.n_occurrences(), expected.values().map(|&count| u128::from(count)).sum::<u128>());
        prop_assert_eq!(added_up(&UnitCounts::from_files(std::slice::from_ref(&file)).unwrap()), expected.clone());
        let twice = added_up(&UnitCounts::from_files(&[file.clone(), file]).unwrap());
        prop_assert!(twice.iter().all(|(unit, count)| *count == 2 * expected[unit]));
    }
}

#[test]
fn weights_differ_from_batch_to_batch() {
    let mut counter = Counter::new(Pretokenizer::named("r50k").unwrap(), Record::Line);
    for (text, weight) in [("a b", 1), ("b c", 1 << 40), ("a", 0), ("never", 0), ("", 7), ("b", 2)] {
        counter.feed(&[text], weight, 1, &mut go_on).unwrap();
    }
    let expected: [(&[u8], u64); 4] = [(b" b", 1), (b" c", 1 << 40), (b"a", 1), (b"b", (1 << 40) + 2)];
    assert_eq!(
        added_up(&counter.into_counts().unwrap()),
        expected.map(|(unit, count)| (unit.to_vec(), count)).into()
    );

    for texts in [&["a"][..], &["a unit of more than fifteen bytes"]] {
        let pretokenizer = Pretokenizer::from_regex(".+").unwrap();
        let error = count(Counter::new(pretokenizer, Record::Line), &[texts, texts].concat(), 1, 1, u64::MAX);
        assert!(error.unwrap_err().to_string().contains("2^64"));
    }
}

#[test]
fn long_texts_with_and_without_line_ends() {
    let lines = "a bc d\n".repeat(300_000) + "end";
    let line = "a bc d ".repeat(300_000) + "end";
    let unit = "é".repeat(2_000_000);
    for pretokenizer in
        [Pretokenizer::named("r50k").unwrap(), Pretokenizer::from_regex(r" ?\w+|\s+").unwrap()]
    {
        for record in [Record::Line, Record::Document] {
            for texts in [[&lines[..], &line, ""], [&unit, "", &unit]] {
                let expected = naive(&texts, &pretokenizer, record, 1);
                for threads in [1, 3] {
                    let counter = Counter::new(pretokenizer.clone(), record);
                    let counts = count(counter, &texts, 2, threads, 1).unwrap();
                    assert_eq!(added_up(&counts), expected);
                }
            }
        }
    }
}

#[test]
fn long_documents_are_cut_between_characters() {
    let mut counter =
        Counter::new(Pretokenizer::from_regex(".+").unwrap(), Record::Document).with_document_byte_limit(4);
    counter.feed(&["1234", "12345", "123é", "éééé", ""], 1, 2, &mut go_on).unwrap();
    assert_eq!(counter.cut_off(), CutOff { documents: 3, bytes: 1 + 2 + 4 });
    let expected: [(&[u8], u64); 3] = [(b"123", 1), (b"1234", 2), ("éé".as_bytes(), 1)];
    let found = added_up(&counter.into_counts().unwrap());
    assert_eq!(found, expected.map(|(unit, count)| (unit.to_vec(), count)).into());
}

/// Calls the callback often enough that a stop is heard in the middle of a line, a run or a file.
#[test]
fn a_stop_is_heard_everywhere() {
    let line = "some words 123 that are here for a while, ".repeat(1_000_000);
    let slow = Pretokenizer::from_regex(r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+").unwrap();
    for (pretokenizer, threads) in
        [(slow.clone(), 1), (slow.clone(), 2), (Pretokenizer::named("r50k").unwrap(), 1)]
    {
        let mut counter = Counter::new(pretokenizer, Record::Line);
        let mut heard = 0;
        let error = counter.feed(&[&line], 1, threads, &mut |progress| {
            heard = progress.done;
            ControlFlow::Break(())
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Interrupted);
        assert!(heard < line.len() as u64, "{heard}");
    }
}

#[test]
fn files_that_cannot_be_written_are_named() {
    let folder = Folder::new().unwrap();
    let missing = folder.0.join("missing");
    let pretokenizer = Pretokenizer::named("r50k").unwrap();
    let counter = Counter::new(pretokenizer.clone(), Record::Line).with_memory_limit(0, &missing);
    let error = count(counter, &["some words"], 1, 1, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.to_string().contains("missing"), "{error}");
    for path in [missing.join("counts"), folder.0.clone(), PathBuf::from("/")] {
        let error = CountFile::write(&path, &UnitCounts::default(), &pretokenizer, Record::Line, &mut go_on);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::File);
    }
    assert_eq!(folder.n_files().unwrap(), 0);
    let error = CountFile::open(&missing, &mut go_on).unwrap_err();
    assert!(error.kind() == ErrorKind::File && error.to_string().contains("missing"), "{error}");
}

/// A small file of counts.
fn small_file(path: &Path, pretokenizer: &str, record: Record) -> CountFile {
    let mut units = Units::default();
    for (unit, count) in [(&b"a"[..], 1), (b"some more bytes than fifteen", 300), (b"\xff", 1 << 50)] {
        units.add(unit, count).unwrap();
    }
    let pretokenizer = Pretokenizer::named(pretokenizer).unwrap();
    CountFile::write(path, &units.into(), &pretokenizer, record, &mut go_on).unwrap();
    CountFile::open(path, &mut go_on).unwrap()
}

#[test]
fn no_part_of_a_file_and_no_flipped_bit_is_taken_for_counts() {
    let folder = Folder::new().unwrap();
    let path = folder.0.join("counts");
    small_file(&path, "r50k", Record::Line);
    let content = std::fs::read(&path).unwrap();
    let refused = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let error = CountFile::open(&path, &mut go_on).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::File);
        assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        error.to_string()
    };
    assert!(refused(b"").contains("is not a file of counts"));
    assert!(refused(b"{\"model\": {}}").contains("is not a file of counts"));
    for end in 1..content.len() {
        assert!(refused(&content[..end]).contains("ends early"), "{end}");
    }
    for place in 0..content.len() {
        for bit in 0..8 {
            let mut flipped = content.clone();
            flipped[place] ^= 1 << bit;
            refused(&flipped);
        }
    }
    assert!(refused(&[&content[..], b"\n"].concat()).contains("ends early"));
    let mut later = content.clone();
    later[8] = 2;
    assert!(refused(&later).contains("update the library"));
    let mut damaged = content.clone();
    damaged[content.len() - 70] ^= 1;
    assert!(refused(&damaged).contains("is damaged"));
}

#[test]
fn counts_that_do_not_belong_together_are_not_added() {
    let folder = Folder::new().unwrap();
    let files = [("r50k", Record::Line), ("o200k", Record::Line), ("r50k", Record::Document)]
        .map(|(name, record)| small_file(&folder.0.join(format!("{name} {record:?}")), name, record));
    for (one, first) in files.iter().enumerate() {
        for (other, second) in files.iter().enumerate() {
            let together = UnitCounts::from_files(&[first.clone(), second.clone()]);
            assert_eq!(together.is_ok(), one == other);
            let pretokenizer = first.pretokenizer().unwrap();
            let matches = second.check_matches(&pretokenizer, first.record());
            assert_eq!(matches.is_ok(), one == other);
            let Err(error) = together else { continue };
            assert_eq!(error.kind(), ErrorKind::Training);
            let says = if first.record() == second.record() { "the pretokenizer" } else { "whole documents" };
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_in_use_is_noticed() {
    let folder = Folder::new().unwrap();
    let path = folder.0.join("counts");
    let counts = UnitCounts::from_files(&[small_file(&path, "r50k", Record::Line)]).unwrap();
    assert_eq!(added_up(&counts).len(), 3);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(60).unwrap();
    let error = counts.try_for_each(|_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(counts.blocks().unwrap_err().kind(), ErrorKind::File);
}
