//! Packing a stream: equal to the definition, however documents are pushed, and after going on from any state.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_pack::{Framing, PackOptions, SequenceFormat, StreamPacker, Streamed, Waiting};
use portmanteau_testkit::naive_pack::{pack_stream, NaiveOptions, NaivePiece, NaivePlan};
use proptest::prelude::*;
use std::num::NonZeroU32;

fn as_naive(left: &Streamed) -> NaivePlan {
    let pieces: Vec<NaivePiece> = (0..left.document.len())
        .map(|piece| NaivePiece {
            document: left.document[piece] as usize,
            start: left.start[piece] as usize,
            length: left.length[piece] as usize,
        })
        .collect();
    let mut start = 0;
    let sequences = left.sequence_ends.iter().map(|&end| {
        let sequence = pieces[start..end as usize].to_vec();
        start = end as usize;
        sequence
    });
    let sequences = sequences.collect();
    let dropped = left.dropped.iter().map(|&Waiting { document, start, length, .. }| NaivePiece {
        document: document as usize,
        start: start as usize,
        length: length as usize,
    });
    NaivePlan { sequences, dropped: dropped.collect() }
}

fn lengths() -> impl Strategy<Value = Vec<u32>> {
    let length = prop_oneof![8 => 0..12_u32, 4 => 1..40_u32, 1 => 30..200_u32];
    proptest::collection::vec(length, 0..120)
}

fn options() -> impl Strategy<Value = (PackOptions, NaiveOptions)> {
    let long_documents =
        proptest::sample::select(vec!["split", "power_of_two", "truncate", "truncate_left", "drop"]);
    let most = proptest::option::weighted(0.3, 1..6_u32);
    let align = prop_oneof![2 => Just(1_u32), 1 => 1..6_u32];
    (8..60_u32, long_documents, most, any::<[bool; 4]>(), align, 0..6_u32).prop_map(
        |(capacity, long_documents, most, [bos, eos, sequence_bos, sequence_eos], align, overlap)| {
            let sequence_framing =
                Framing { bos: sequence_bos && align == 1, eos: sequence_eos && align == 1 };
            let overlap = if long_documents == "split" { overlap.saturating_sub(2) } else { 0 };
            let options = PackOptions {
                format: SequenceFormat {
                    document_framing: Framing { bos, eos },
                    sequence_framing,
                    align,
                    overlap,
                    ..SequenceFormat::new(capacity)
                },
                long_documents: long_documents.parse().unwrap(),
                max_documents_per_sequence: most.and_then(NonZeroU32::new),
                ..PackOptions::new(capacity)
            };
            let naive = NaiveOptions {
                capacity: capacity as usize,
                strategy: "best_fit_decreasing".to_owned(),
                long_documents: long_documents.to_owned(),
                max_documents: most.map(|most| most as usize),
                bos,
                eos,
                sequence_tokens: sequence_framing.n_tokens() as usize,
                align: align as usize,
                overlap: overlap as usize,
                ..NaiveOptions::default()
            };
            (options, naive)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_definition(
        lengths in lengths(),
        (options, naive) in options(),
        pool in 1..20_u64,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        resumed in any::<prop::sample::Index>(),
    ) {
        let most_tokens = pool * u64::from(options.format.capacity);
        let usizes: Vec<usize> = lengths.iter().map(|&length| length as usize).collect();
        let expected = pack_stream(&usizes, &naive, most_tokens as usize).unwrap();

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(lengths.len() + 1)).collect();
        cuts.extend([0, lengths.len()]);
        cuts.sort_unstable();
        let resumed = resumed.index(cuts.len());
        let mut packer = StreamPacker::new(options.clone(), most_tokens).unwrap();
        let mut left = Streamed::default();
        for (number, cut) in cuts.windows(2).enumerate() {
            if number == resumed {
                let waiting: Vec<Waiting> = packer.waiting().collect();
                packer = StreamPacker::resume(options.clone(), most_tokens, packer.n_documents(), &waiting).unwrap();
            }
            packer.push(&lengths[cut[0]..cut[1]], &mut left).unwrap();
            // All that waits is less than may wait.
            let n_waiting: u64 = packer.waiting().map(|piece| u64::from(options.format.weight(piece.length))).sum();
            prop_assert!(n_waiting < most_tokens);
        }
        packer.finish(&mut left);
        prop_assert_eq!(as_naive(&left), expected);
        prop_assert_eq!(packer.waiting().count(), 0);
    }
}

fn some_lengths(n: u32, most: u32) -> Vec<u32> {
    (0..n).map(|number| number.wrapping_mul(2_654_435_761) % most + 1).collect()
}

#[test]
fn a_seed_lets_a_quarter_leave_in_its_own_order() {
    let lengths = some_lengths(2000, 97);
    let pack = |seed: Option<u64>| {
        let mut packer = StreamPacker::new(PackOptions::new(256), 20 * 256).unwrap();
        if let Some(seed) = seed {
            packer = packer.shuffled(seed);
        }
        let mut left = Streamed::default();
        packer.push(&lengths, &mut left).unwrap();
        // A quarter of what may wait has left at the latest when it came.
        let n_waiting: u32 = packer.waiting().map(|piece| piece.length).sum();
        assert!(
            (15 * 256..20 * 256).contains(&(n_waiting + if seed.is_none() { 0 } else { 256 })),
            "{n_waiting}"
        );
        packer.finish(&mut left);
        as_naive(&left).sequences
    };
    let sorted = |mut sequences: Vec<Vec<NaivePiece>>| {
        sequences.sort();
        sequences
    };
    assert_ne!(pack(Some(0)), pack(Some(1)));
    assert_eq!(pack(Some(1)), pack(Some(1)));
    assert_eq!(sorted(pack(Some(0))), sorted(pack(Some(1))));
}

/// The longest delay that the module promises, whatever comes.
#[test]
fn no_piece_waits_for_more_than_eight_times_the_window() {
    const WINDOW: u64 = 5;
    // Pieces that fit nothing; a short one between long ones; all short; as they come.
    let long: Vec<u32> = (0..3000).map(|number| 501 + number % 7).collect();
    let mixed: Vec<u32> = (0..3000).map(|number| if number % 10 == 0 { 1 } else { 995 }).collect();
    for lengths in [long, mixed, some_lengths(30_000, 9), some_lengths(3000, 990), some_lengths(9000, 300)] {
        let mut packer = StreamPacker::new(PackOptions::new(1000), WINDOW * 1000).unwrap();
        let mut left = Streamed::default();
        let mut n_left_when_it_came = Vec::new();
        for &length in &lengths {
            n_left_when_it_came.push(left.sequence_ends.len());
            packer.push(&[length], &mut left).unwrap();
        }
        packer.finish(&mut left);
        let mut start = 0;
        for (sequence, &end) in left.sequence_ends.iter().enumerate() {
            for document in &left.document[start..end as usize] {
                let waited = sequence - n_left_when_it_came[*document as usize];
                assert!(
                    waited <= 8 * WINDOW as usize + 2,
                    "document {document} waited for {waited} sequences"
                );
            }
            start = end as usize;
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let new = |capacity, most_tokens| StreamPacker::new(PackOptions::new(capacity), most_tokens);
    assert!(new(0, 10).unwrap_err().to_string().contains("capacity"));
    assert!(new(8, 7).unwrap_err().to_string().contains("7 tokens may wait"));
    let concat = PackOptions { strategy: "concat".parse().unwrap(), ..PackOptions::new(8) };
    assert!(StreamPacker::new(concat, 80).unwrap_err().to_string().contains("best_fit_decreasing"));
    let mut packer = new(8, 80).unwrap();
    let error = packer.push(&[1, 2, u32::MAX], &mut Streamed::default()).unwrap_err();
    assert_eq!((error.document(), packer.n_documents()), (Some(2), 0));
    let piece = Waiting { document: 3, start: 0, length: 5 };
    for wrong in [
        Waiting { document: 4, ..piece },
        Waiting { length: 0, ..piece },
        Waiting { length: 9, ..piece },
        Waiting { document: 2, ..piece },
    ] {
        assert!(StreamPacker::resume(PackOptions::new(8), 80, 4, &[piece, wrong]).is_err());
    }
    assert!(StreamPacker::resume(PackOptions::new(8), 80, 4, &[piece]).is_ok());
}
