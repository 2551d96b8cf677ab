//! Plans: golden cases, equality with the definition, conservation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_pack::{pack, Framing, PackOptions, PackPlan};
use portmanteau_testkit::cases;
use portmanteau_testkit::naive_pack::{self, NaiveOptions, NaivePiece, NaivePlan};
use proptest::prelude::*;
use serde::Deserialize;
use std::num::NonZeroU32;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    lengths: Vec<u32>,
    capacity: u32,
    #[serde(default = "best_fit")]
    strategy: String,
    #[serde(default = "split")]
    long_documents: String,
    max_documents_per_sequence: Option<u32>,
    #[serde(default)]
    bos: bool,
    #[serde(default)]
    eos: bool,
    #[serde(default)]
    sequences: Vec<Vec<[usize; 3]>>,
    #[serde(default)]
    dropped: Vec<[usize; 3]>,
    error_in_document: Option<u64>,
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

fn best_fit() -> String {
    "best_fit_decreasing".into()
}

fn split() -> String {
    "split".into()
}

impl Case {
    fn options(&self) -> PackOptions {
        PackOptions {
            capacity: self.capacity,
            strategy: self.strategy.parse().unwrap(),
            long_documents: self.long_documents.parse().unwrap(),
            max_documents_per_sequence: self.max_documents_per_sequence.and_then(NonZeroU32::new),
            framing: Framing { bos: self.bos, eos: self.eos },
        }
    }

    fn naive_plan(&self) -> Result<NaivePlan, usize> {
        let lengths: Vec<usize> = self.lengths.iter().map(|&length| length as usize).collect();
        let options = NaiveOptions {
            capacity: self.capacity as usize,
            strategy: self.strategy.clone(),
            long_documents: self.long_documents.clone(),
            max_documents: self.max_documents_per_sequence.map(|most| most as usize),
            added_tokens: usize::from(self.bos) + usize::from(self.eos),
        };
        naive_pack::pack(&lengths, &options)
    }
}

fn piece([document, start, length]: [usize; 3]) -> NaivePiece {
    NaivePiece { document, start, length }
}

/// The fast plan in the shape of the naive one.
fn as_naive(plan: &PackPlan) -> NaivePlan {
    let to_piece = |(document, start, length): (u32, u32, u32)| {
        piece([document as usize, start as usize, length as usize])
    };
    let pieces: Vec<NaivePiece> = plan.pieces.as_slices().iter().map(to_piece).collect();
    let bounds = plan.sequence_offsets.windows(2);
    NaivePlan {
        sequences: bounds.map(|bounds| pieces[bounds[0] as usize..bounds[1] as usize].to_vec()).collect(),
        dropped: plan.dropped.as_slices().iter().map(to_piece).collect(),
    }
}

#[test]
fn golden_cases() {
    let cases: Cases = cases::load("pack").unwrap();
    for case in cases.case {
        let plan = pack(&case.lengths, &case.options());
        if let Some(document) = case.error_in_document {
            assert_eq!(plan.unwrap_err().document(), Some(document), "{}", case.name);
            continue;
        }
        let plan = plan.unwrap();
        let expected = NaivePlan {
            sequences: case
                .sequences
                .iter()
                .map(|pieces| pieces.iter().copied().map(piece).collect())
                .collect(),
            dropped: case.dropped.iter().copied().map(piece).collect(),
        };
        assert_eq!(as_naive(&plan), expected, "{}", case.name);
        // Concatenation by its definition goes token by token.
        if case.lengths.iter().all(|&length| length < 1000) {
            assert_eq!(case.naive_plan().unwrap(), expected, "{} by definition", case.name);
        }
        plan.verify(&case.lengths).unwrap();
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let length = prop_oneof![1 => Just(0u32), 8 => 1u32..30, 1 => 30u32..200];
    (
        prop::collection::vec(length, 0..60),
        prop_oneof![1u32..4, 4u32..70],
        prop::sample::select(vec!["best_fit_decreasing", "first_fit_decreasing", "concat"]),
        prop::sample::select(vec!["split", "truncate", "drop", "error"]),
        prop::option::of(1u32..5),
        any::<(bool, bool)>(),
    )
        .prop_map(|(lengths, capacity, strategy, long_documents, max_documents, (bos, eos))| Case {
            name: String::new(),
            lengths,
            capacity,
            strategy: strategy.into(),
            long_documents: long_documents.into(),
            max_documents_per_sequence: max_documents,
            bos,
            eos,
            sequences: Vec::new(),
            dropped: Vec::new(),
            error_in_document: None,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn equals_the_definition(case in any_case()) {
        match (pack(&case.lengths, &case.options()), case.naive_plan()) {
            (Ok(plan), Ok(naive)) => prop_assert_eq!(as_naive(&plan), naive),
            (Err(error), Err(document)) => prop_assert_eq!(error.document(), Some(document as u64)),
            (fast, naive) => prop_assert!(false, "fast {fast:?}, naive {naive:?}"),
        }
    }

    #[test]
    fn loses_nothing(case in any_case()) {
        if let Ok(plan) = pack(&case.lengths, &case.options()) {
            plan.verify(&case.lengths).unwrap();
            prop_assert_eq!(plan.document_lengths(), &case.lengths[..]);
            prop_assert!(plan.n_sequences() as u64 >= plan.lower_bound());
            prop_assert!(plan.efficiency() <= 1.0);
            let empty = case.lengths.iter().filter(|&&length| length == 0).count();
            prop_assert_eq!(plan.n_empty_documents, empty);
            if case.long_documents == "split" {
                prop_assert!(plan.dropped.is_empty());
            }
        }
    }

    #[test]
    fn a_huge_capacity_changes_nothing(lengths in prop::collection::vec(0u32..100, 0..100)) {
        // The same lengths and capacity, scaled beyond the bitmap.
        let scaled: Vec<u32> = lengths.iter().map(|&length| length * 100_000).collect();
        let plan = pack(&lengths, &PackOptions::new(128)).unwrap();
        let large = pack(&scaled, &PackOptions::new(128 * 100_000)).unwrap();
        prop_assert_eq!(plan.pieces.document, large.pieces.document);
        prop_assert_eq!(plan.sequence_offsets, large.sequence_offsets);
    }
}

#[test]
fn refuses_what_cannot_be() {
    for capacity in [0, 1 << 31, u32::MAX] {
        assert!(pack(&[1], &PackOptions::new(capacity)).is_err());
    }
    let error = pack(&[1, 1 << 31], &PackOptions::new(8)).unwrap_err();
    assert_eq!(error.document(), Some(1));
    let error = pack(&[i32::MAX as u32; 3], &PackOptions::new(1)).unwrap_err();
    assert!(error.to_string().contains("2^32 pieces"), "{error}");
    let error = "best".parse::<portmanteau_pack::Strategy>().unwrap_err();
    assert!(error.to_string().contains("\"best_fit_decreasing\""), "{error}");
}

/// Damages a plan.
type Fault = fn(&mut PackPlan);

#[test]
fn verification_finds_every_fault() {
    let lengths = [5, 9, 0, 4];
    let plan = pack(&lengths, &PackOptions::new(8)).unwrap();
    let faults: [(&str, Fault); 8] = [
        ("a piece less", |plan| {
            plan.pieces.document.pop();
            plan.pieces.start.pop();
            plan.pieces.length.pop();
            *plan.sequence_offsets.last_mut().unwrap() -= 1;
        }),
        ("a shorter piece", |plan| plan.pieces.length[0] -= 1),
        ("another start", |plan| plan.pieces.start[0] += 1),
        ("another document", |plan| plan.pieces.document[0] = 2),
        ("a document too many", |plan| plan.pieces.document[0] = 9),
        ("over capacity", |plan| plan.capacity = 7),
        ("offsets that end early", |plan| *plan.sequence_offsets.last_mut().unwrap() -= 1),
        ("arrays of unequal length", |plan| plan.pieces.start.truncate(1)),
    ];
    plan.verify(&lengths).unwrap();
    for (name, fault) in faults {
        let mut damaged = plan.clone();
        fault(&mut damaged);
        assert!(damaged.verify(&lengths).is_err(), "{name}");
    }
    assert_eq!(plan.verify(&[5, 8, 0, 4]).unwrap_err().document(), Some(1));
    assert_eq!(plan.verify(&[5, 9, 0]).unwrap_err().document(), Some(3));
}
