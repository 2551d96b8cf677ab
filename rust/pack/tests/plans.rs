//! Plans: golden cases, equality with the definition, conservation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_pack::{
    pack, Constraints, Framing, PackOptions, PackPlan, Result, Secondary, SequenceFormat, NO_GROUP,
};
use portmanteau_testkit::cases;
use portmanteau_testkit::naive_pack::{self, NaiveOptions, NaivePiece, NaivePlan};
use proptest::prelude::*;
use serde::Deserialize;
use std::num::NonZeroU32;

#[derive(Debug, Clone, Default, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as the options have them")]
#[serde(deny_unknown_fields, default)]
struct Case {
    name: String,
    lengths: Vec<u32>,
    capacity: u32,
    #[serde(default = "best_fit")]
    strategy: String,
    #[serde(default = "by_tokens")]
    cost: String,
    #[serde(default = "split")]
    long_documents: String,
    max_documents_per_sequence: Option<u32>,
    bos: bool,
    eos: bool,
    sequence_bos: bool,
    sequence_eos: bool,
    align: Option<u32>,
    overlap: u32,
    least_tokens: u32,
    may_cut_after: Option<Vec<bool>>,
    together: Option<Vec<i64>>,
    apart: Option<Vec<i64>>,
    secondary: Option<(Vec<u32>, u32)>,
    sequences: Vec<Vec<[usize; 3]>>,
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

fn by_tokens() -> String {
    "tokens".into()
}

fn split() -> String {
    "split".into()
}

impl Case {
    fn options(&self) -> PackOptions {
        PackOptions {
            format: SequenceFormat {
                capacity: self.capacity,
                document_framing: Framing { bos: self.bos, eos: self.eos },
                sequence_framing: Framing { bos: self.sequence_bos, eos: self.sequence_eos },
                align: self.align.unwrap_or(1),
                overlap: self.overlap,
            },
            strategy: self.strategy.parse().unwrap(),
            cost: self.cost.parse().unwrap(),
            long_documents: self.long_documents.parse().unwrap(),
            max_documents_per_sequence: self.max_documents_per_sequence.and_then(NonZeroU32::new),
            least_tokens: self.least_tokens,
        }
    }

    fn plan(&self) -> Result<PackPlan> {
        let groups = |groups: &Option<Vec<i64>>| -> Option<Vec<u32>> {
            let number = |&group: &i64| u32::try_from(group).unwrap_or(NO_GROUP);
            groups.as_ref().map(|groups| groups.iter().map(number).collect())
        };
        let (together, apart) = (groups(&self.together), groups(&self.apart));
        let secondary = self.secondary.as_ref().map(|(amounts, capacity)| Secondary {
            name: "patches",
            amounts,
            capacity: *capacity,
        });
        let constraints = Constraints {
            may_cut_after: self.may_cut_after.as_deref(),
            together: together.as_deref(),
            apart: apart.as_deref(),
            secondary: secondary.into_iter().collect(),
        };
        pack(&self.lengths, &self.options(), &constraints)
    }

    fn naive_plan(&self) -> std::result::Result<NaivePlan, usize> {
        let lengths: Vec<usize> = self.lengths.iter().map(|&length| length as usize).collect();
        let groups = |groups: &Option<Vec<i64>>| -> Vec<Option<u32>> {
            groups.iter().flatten().map(|&group| u32::try_from(group).ok()).collect()
        };
        let mut ids = self.may_cut_after.as_deref().unwrap_or_default();
        let may_cut_after = lengths.iter().filter(|_| self.may_cut_after.is_some()).map(|&length| {
            let (of_document, rest) = ids.split_at(length);
            ids = rest;
            of_document.to_vec()
        });
        let options = NaiveOptions {
            capacity: self.capacity as usize,
            strategy: self.strategy.clone(),
            cost: self.cost.clone(),
            long_documents: self.long_documents.clone(),
            max_documents: self.max_documents_per_sequence.map(|most| most as usize),
            bos: self.bos,
            eos: self.eos,
            sequence_tokens: usize::from(self.sequence_bos) + usize::from(self.sequence_eos),
            overlap: self.overlap as usize,
            align: self.align.unwrap_or(1) as usize,
            least_tokens: self.least_tokens as usize,
            may_cut_after: may_cut_after.collect(),
            together: groups(&self.together),
            apart: groups(&self.apart),
            secondary: self.secondary.as_ref().map_or((Vec::new(), 0), |(amounts, capacity)| {
                (amounts.iter().map(|&amount| amount as usize).collect(), *capacity as usize)
            }),
        };
        naive_pack::pack(&lengths, &options)
    }
}

fn piece([document, start, length]: [usize; 3]) -> NaivePiece {
    NaivePiece { document, start, length }
}

/// The fast plan in the shape of the naive one.
fn as_naive(plan: &PackPlan, lengths: &[u32]) -> NaivePlan {
    let to_piece = |(document, start, length): (u32, u32, u32)| {
        piece([document as usize, start as usize, length as usize])
    };
    let pieces: Vec<NaivePiece> = plan.pieces(lengths).unwrap().as_slices().iter().map(to_piece).collect();
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
        let plan = case.plan();
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
        assert_eq!(as_naive(&plan, &case.lengths), expected, "{}", case.name);
        // Concatenation by its definition goes token by token.
        if case.lengths.iter().all(|&length| length < 1000) {
            assert_eq!(case.naive_plan().unwrap(), expected, "{} by definition", case.name);
        }
        plan.verify(&case.lengths).unwrap();
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let length = prop_oneof![1 => Just(0u32), 8 => 1u32..30, 1 => 30u32..200];
    let lengths = prop::collection::vec(length, 0..60);
    let strategies = vec![
        "best_fit_decreasing",
        "first_fit_decreasing",
        "next_fit",
        "concat",
        "buckets",
        "shortest_pack_first",
        "longest_pack_first",
        "nnls_histogram",
    ];
    let policies = vec!["split", "power_of_two", "truncate", "truncate_left", "drop", "error"];
    (
        lengths,
        prop_oneof![1u32..4, 4u32..70],
        prop::sample::select(strategies),
        prop::sample::select(policies),
    )
        .prop_flat_map(|(lengths, capacity, strategy, long_documents)| {
            let n_documents = lengths.len();
            let n_ids = lengths.iter().sum::<u32>() as usize;
            let groups = || prop::option::weighted(0.2, prop::collection::vec(-20..4i64, n_documents));
            let amounts = (prop::collection::vec(0..5u32, n_documents), 4..12u32);
            let format =
                (any::<[bool; 5]>(), prop::option::of(1..6u32), prop_oneof![2 => Just(0u32), 1 => 1..9u32]);
            let rare = (
                prop::option::weighted(0.3, prop::collection::vec(any::<bool>(), n_ids)),
                groups(),
                groups(),
                prop::option::weighted(0.2, amounts),
            );
            (format, rare, prop::option::of(1u32..5), prop_oneof![2 => Just(0u32), 1 => 0..=capacity])
                .prop_map(
                    move |(
                        ([bos, eos, sequence_bos, sequence_eos, by_attention], align, overlap),
                        rare,
                        most,
                        least_tokens,
                    )| {
                        let (may_cut_after, together, apart, secondary) = rare;
                        Case {
                            lengths: lengths.clone(),
                            capacity,
                            strategy: strategy.into(),
                            cost: if by_attention { "attention" } else { "tokens" }.into(),
                            long_documents: long_documents.into(),
                            max_documents_per_sequence: most,
                            bos,
                            eos,
                            sequence_bos,
                            sequence_eos,
                            align,
                            overlap,
                            least_tokens,
                            may_cut_after,
                            together,
                            apart,
                            secondary,
                            ..Case::default()
                        }
                    },
                )
        })
}

/// The same without what is refused before a length is looked at.
fn case_that_can_be() -> impl Strategy<Value = Case> {
    any_case().prop_map(|mut case| {
        let tokens =
            1 + [case.bos, case.eos, case.sequence_bos, case.sequence_eos].map(u32::from).iter().sum::<u32>();
        case.capacity = case.capacity.max(tokens);
        if case.sequence_bos || case.sequence_eos {
            case.align = None;
        }
        case.align = case.align.map(|align| align.min(case.capacity));
        let places =
            ["best_fit_decreasing", "first_fit_decreasing", "next_fit"].contains(&case.strategy.as_str());
        if !places {
            (case.together, case.apart, case.secondary) = (None, None, None);
        }
        let has_groups = case.together.is_some() || case.apart.is_some() || case.secondary.is_some();
        if case.strategy != "best_fit_decreasing" || has_groups {
            case.cost = by_tokens();
        }
        if case.strategy == "buckets" && case.long_documents != "power_of_two" {
            case.long_documents = split();
        }
        if case.strategy == "concat" || case.strategy == "buckets" || case.long_documents != "split" {
            (case.overlap, case.may_cut_after) = (0, None);
        }
        case.overlap = case.overlap.min(case.options().format.room() - 1);
        case
    })
}

fn plain(lengths: &[u32], capacity: u32) -> Result<PackPlan> {
    pack(lengths, &PackOptions::new(capacity), &Constraints::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn equals_the_definition(case in case_that_can_be()) {
        prop_assume!(case.strategy != "nnls_histogram"); // whose fit has no naive twin; `tests/histogram.rs` holds it
        let constrained = case.together.is_some() || case.secondary.is_some();
        match (case.plan(), case.naive_plan()) {
            (Ok(plan), Ok(naive)) => prop_assert_eq!(as_naive(&plan, &case.lengths), naive),
            (Err(error), Err(document)) => prop_assert_eq!(error.document(), Some(document as u64)),
            // The definition knows no groups that cannot be.
            (Err(error), Ok(_)) if constrained => prop_assert!(error.document().is_some()),
            (fast, naive) => prop_assert!(false, "fast {fast:?}, naive {naive:?}"),
        }
    }

    #[test]
    fn loses_nothing(case in any_case()) {
        if let Ok(plan) = case.plan() {
            plan.verify(&case.lengths).unwrap();
            let room = u64::from(plan.format.room());
            let tokens = plan.pieces(&case.lengths).unwrap().tokens();
            prop_assert!(plan.n_sequences() as u64 * room >= tokens);
            if ["split", "power_of_two"].contains(&case.long_documents.as_str()) && case.least_tokens == 0 {
                prop_assert!(plan.dropped.is_empty());
            }
        }
    }

    #[test]
    fn guarantees_hold_against_every_way_to_pack(lengths in prop::collection::vec(1u32..20, 0..8), capacity in 19u32..40) {
        let weights: Vec<usize> = lengths.iter().map(|&length| length as usize).collect();
        let optimum = naive_pack::fewest_sequences(&weights, capacity as usize);
        let count = |strategy: &str| {
            let options = PackOptions { strategy: strategy.parse().unwrap(), ..PackOptions::new(capacity) };
            pack(&lengths, &options, &Constraints::default()).unwrap().n_sequences()
        };
        prop_assert!(lengths.iter().sum::<u32>().div_ceil(capacity) as usize <= optimum);
        for strategy in ["best_fit_decreasing", "first_fit_decreasing", "longest_pack_first"] {
            let found = count(strategy);
            prop_assert!(optimum <= found && 9 * found <= 11 * optimum + 6, "{strategy}: {found} for {optimum}");
        }
        let in_order = naive_pack::fewest_in_order(&weights, capacity as usize);
        prop_assert_eq!(count("next_fit"), in_order);
        prop_assert!(in_order < 2 * optimum.max(1));
        prop_assert_eq!(count("concat") as u32, lengths.iter().sum::<u32>().div_ceil(capacity));
    }

    #[test]
    fn a_huge_capacity_changes_nothing(lengths in prop::collection::vec(0u32..100, 0..100)) {
        // The same lengths and capacity, scaled beyond the bitmap.
        let scaled: Vec<u32> = lengths.iter().map(|&length| length * 100_000).collect();
        let plan = plain(&lengths, 128).unwrap();
        let large = plain(&scaled, 128 * 100_000).unwrap();
        prop_assert_eq!(plan.piece_numbers, large.piece_numbers);
        prop_assert_eq!(plan.sequence_offsets, large.sequence_offsets);
    }
}

#[test]
fn refuses_what_cannot_be() {
    for capacity in [0, 1 << 31, u32::MAX] {
        assert!(plain(&[1], capacity).is_err());
    }
    let error = plain(&[1, 1 << 31], 8).unwrap_err();
    assert_eq!(error.document(), Some(1));
    let error = plain(&[i32::MAX as u32; 3], 1).unwrap_err();
    assert!(error.to_string().contains("2^32 documents and pieces"), "{error}");
    let error = "best".parse::<portmanteau_pack::Strategy>().unwrap_err();
    assert!(error.to_string().contains("\"best_fit_decreasing\""), "{error}");
}

#[test]
fn refuses_options_that_do_not_go_together() {
    let case = Case {
        lengths: vec![9, 2],
        capacity: 8,
        cost: by_tokens(),
        strategy: best_fit(),
        long_documents: split(),
        ..Case::default()
    };
    let says = |change: fn(&mut Case), words: &str| {
        let mut changed = case.clone();
        change(&mut changed);
        let message = changed.plan().unwrap_err().to_string();
        assert!(message.contains(words), "{message:?} should say {words:?}");
    };
    says(|case| (case.capacity, case.bos, case.sequence_eos) = (2, true, true), "needs 3");
    says(|case| case.align = Some(9), "from 1 to the capacity");
    says(|case| case.align = Some(0), "align is 0");
    says(|case| (case.align, case.sequence_bos) = (Some(2), true), "align does not go with");
    says(|case| case.overlap = 8, "overlap is 8");
    says(|case| (case.overlap, case.long_documents) = (1, "drop".into()), "choose long_documents split");
    says(|case| (case.overlap, case.strategy) = (1, "concat".into()), "without overlap");
    says(|case| (case.strategy, case.long_documents) = ("buckets".into(), "drop".into()), "powers of two");
    says(|case| (case.cost, case.strategy) = ("attention".into(), "concat".into()), "choose that strategy");
    says(|case| (case.cost, case.apart) = ("attention".into(), Some(vec![1, 1])), "cost tokens");
    says(|case| case.least_tokens = 9, "9 tokens");
    says(|case| case.may_cut_after = Some(vec![true; 10]), "has 10 elements");
    says(
        |case| (case.may_cut_after, case.strategy) = (Some(vec![true; 11]), "concat".into()),
        "may_cut_after is of",
    );
    says(|case| case.together = Some(vec![1]), "together has 1 elements");
    says(|case| (case.apart, case.strategy) = (Some(vec![1, 1]), "concat".into()), "groups and secondary");
    // The first document is longer than a sequence takes.
    says(|case| case.secondary = Some((vec![3, 1], 4)), "document 0: is longer than a sequence takes");
    says(
        |case| (case.lengths, case.secondary) = (vec![4, 4], Some((vec![3, 5], 4))),
        "document 1: has 5 of patches",
    );
    says(
        |case| (case.lengths, case.together) = (vec![4, 5], Some(vec![1, 1])),
        "document 0: and those that it must",
    );
    says(
        |case| (case.lengths, case.together, case.apart) = (vec![4, 4], Some(vec![1, 1]), Some(vec![2, 2])),
        "document 1: is in group 2 of apart",
    );
}

/// Damages a plan.
type Fault = fn(&mut PackPlan);

#[test]
fn verification_finds_every_fault() {
    let lengths = [5, 9, 0, 4];
    let plan = plain(&lengths, 8).unwrap();
    // The pieces are 4 and 5, of the document that was cut, and the documents 0 and 3.
    assert_eq!(plan.piece_numbers, [4, 0, 5, 3]);
    let faults: [(&str, Fault); 10] = [
        ("a piece less", |plan| {
            plan.piece_numbers.pop();
            *plan.sequence_offsets.last_mut().unwrap() -= 1;
        }),
        ("a shorter piece", |plan| plan.cut_pieces.length[0] -= 1),
        ("another start", |plan| plan.cut_pieces.start[1] += 1),
        ("another document", |plan| plan.piece_numbers[3] = 2),
        ("a document twice", |plan| plan.piece_numbers[3] = 0),
        ("a piece of no document", |plan| plan.cut_pieces.document[1] = 9),
        ("a piece too many", |plan| plan.piece_numbers[3] = 6),
        ("over capacity", |plan| plan.format.capacity = 7),
        ("offsets that end early", |plan| *plan.sequence_offsets.last_mut().unwrap() -= 1),
        ("arrays of unequal length", |plan| plan.cut_pieces.start.truncate(1)),
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
