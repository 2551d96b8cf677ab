//! Plans of shards made one, and plans in windows: equal to their definitions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_pack::{
    merge, pack, pack_in_windows, Constraints, Framing, PackOptions, PackPlan, SequenceFormat,
};
use portmanteau_testkit::naive_pack::{self, NaiveOptions, NaivePiece, NaivePlan};
use proptest::prelude::*;

fn as_naive(plan: &PackPlan, lengths: &[u32]) -> NaivePlan {
    let to_piece = |(document, start, length): (u32, u32, u32)| NaivePiece {
        document: document as usize,
        start: start as usize,
        length: length as usize,
    };
    let pieces: Vec<NaivePiece> = plan.pieces(lengths).unwrap().as_slices().iter().map(to_piece).collect();
    let bounds = plan.sequence_offsets.windows(2);
    NaivePlan {
        sequences: bounds.map(|bounds| pieces[bounds[0] as usize..bounds[1] as usize].to_vec()).collect(),
        dropped: plan.dropped.as_slices().iter().map(to_piece).collect(),
    }
}

fn options(capacity: u32, align: u32, overlap: u32) -> (PackOptions, NaiveOptions) {
    let format = SequenceFormat {
        document_framing: Framing { bos: false, eos: true },
        align,
        overlap,
        ..SequenceFormat::new(capacity)
    };
    let naive = NaiveOptions {
        capacity: capacity as usize,
        strategy: "best_fit_decreasing".to_owned(),
        long_documents: "split".to_owned(),
        eos: true,
        align: align as usize,
        overlap: overlap as usize,
        ..NaiveOptions::default()
    };
    (PackOptions { format, ..PackOptions::new(capacity) }, naive)
}

fn usizes(lengths: &[u32]) -> Vec<usize> {
    lengths.iter().map(|&length| length as usize).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn merging_equals_its_definition(
        shards in prop::collection::vec(prop::collection::vec(0..60u32, 0..30), 1..5),
        (capacity, align, overlap) in (10..50u32, 1..4u32, 0..4u32),
        least_tokens in 0..60u32,
    ) {
        let (options, naive) = options(capacity, align, overlap);
        let plans: Vec<PackPlan> =
            shards.iter().map(|lengths| pack(lengths, &options, &Constraints::default()).unwrap()).collect();
        let of_shards: Vec<(&PackPlan, &[u32])> =
            plans.iter().zip(&shards).map(|(plan, lengths)| (plan, &lengths[..])).collect();
        let (merged, lengths) = merge(&of_shards, least_tokens, None).unwrap();
        prop_assert_eq!(&lengths, &shards.concat());
        merged.verify(&lengths).unwrap();
        let naive_shards: Vec<(NaivePlan, usize)> = shards
            .iter()
            .map(|lengths| (naive_pack::pack(&usizes(lengths), &naive).unwrap(), lengths.len()))
            .collect();
        let expected = naive_pack::merge(&naive_shards, &naive, least_tokens as usize);
        prop_assert_eq!(as_naive(&merged, &lengths), expected);
    }

    #[test]
    fn windows_equal_a_stream(
        lengths in prop::collection::vec(prop_oneof![8 => 0..20u32, 1 => 30..200u32], 0..120),
        (capacity, align, overlap) in (10..50u32, 1..4u32, 0..4u32),
        window in 1..20u64,
    ) {
        let (options, naive) = options(capacity, align, overlap);
        let most_tokens = window * u64::from(capacity);
        let plan = pack_in_windows(&lengths, &options, &Constraints::default(), most_tokens).unwrap();
        plan.verify(&lengths).unwrap();
        let expected = naive_pack::pack_stream(&usizes(&lengths), &naive, most_tokens as usize).unwrap();
        prop_assert_eq!(as_naive(&plan, &lengths), expected);
    }
}

#[test]
fn refuses_what_cannot_be_merged() {
    assert!(merge(&[], 0, None).unwrap_err().to_string().contains("no plan"));
    let of = |capacity| pack(&[3, 2], &PackOptions::new(capacity), &Constraints::default()).unwrap();
    let (eight, nine) = (of(8), of(9));
    let error = merge(&[(&eight, &[3, 2]), (&nine, &[3, 2])], 0, None).unwrap_err();
    assert!(error.to_string().contains("plan 1 has another capacity"), "{error}");
    assert_eq!(merge(&[(&eight, &[3])], 0, None).unwrap_err().document(), Some(1));
    let apart = Constraints { apart: Some(&[1, 1]), ..Constraints::default() };
    assert!(pack_in_windows(&[3, 2], &PackOptions::new(8), &apart, 80).is_err());
}
