//! Packing of histograms: the published figures, equality with the definition, conservation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_pack::{pack, pack_histogram, Constraints, HistogramStrategy, PackOptions, Patterns};
use portmanteau_testkit::{cases, naive_histogram};
use proptest::prelude::*;
use serde::Deserialize;
use std::num::NonZeroU32;

const STRATEGIES: [&str; 3] = ["shortest_pack_first", "longest_pack_first", "nnls_histogram"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    strategy: String,
    max_pieces: NonZeroU32,
    published_efficiency: f64,
    n_sequences: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wikipedia {
    capacity: u32,
    n_pieces: u64,
    counts: Vec<u64>,
    case: Vec<Case>,
}

/// The histogram that patterns were made from.
fn counts_of(patterns: &Patterns, n_lengths: usize) -> Vec<u64> {
    let mut counts = vec![0; n_lengths];
    for (lengths, repeats) in patterns.iter() {
        for &length in lengths {
            counts[length as usize] += repeats;
        }
    }
    counts
}

/// Everything that holds for all strategies.
fn check(patterns: &Patterns, counts: &[u64], capacity: u32, max_pieces: Option<u32>) {
    assert_eq!(counts_of(patterns, counts.len())[1..], counts[1..], "a piece is lost, or there twice");
    let all: Vec<(&[u32], u64)> = patterns.iter().collect();
    for &(lengths, repeats) in &all {
        assert!(repeats > 0 && !lengths.is_empty());
        assert!(lengths.iter().map(|&length| u64::from(length)).sum::<u64>() <= u64::from(capacity));
        assert!(max_pieces.is_none_or(|most| lengths.len() <= most as usize));
        assert!(lengths.is_sorted_by(|one, other| one >= other));
    }
    assert!(all.is_sorted_by(|(one, _), (other, _)| one > other));
    let tokens: u64 = counts.iter().zip(0..).map(|(&count, length)| count * length).sum();
    assert_eq!(patterns.tokens(), tokens);
    assert!((0.0..=1.0).contains(&patterns.efficiency(capacity)));
}

#[test]
fn the_published_figures() {
    let Wikipedia { capacity, n_pieces, counts, case: cases } = cases::load("wikipedia_histogram").unwrap();
    assert_eq!(counts.iter().sum::<u64>(), n_pieces);
    for case in cases {
        let strategy: HistogramStrategy = case.strategy.parse().unwrap();
        let patterns = pack_histogram(&counts, capacity, strategy, Some(case.max_pieces)).unwrap();
        check(&patterns, &counts, capacity, Some(case.max_pieces.get()));
        assert_eq!(patterns.n_sequences(), case.n_sequences, "{}", case.strategy);
        let more = patterns.efficiency(capacity) - case.published_efficiency;
        let least_squares = strategy == HistogramStrategy::NonNegativeLeastSquares;
        assert!(
            if least_squares { more > 0.001 } else { more.abs() < 0.000_000_5 },
            "{}: {more}",
            case.strategy
        );
    }
}

/// Few or many pieces of every length, and a capacity.
fn any_histogram(most_pieces: u64) -> impl Strategy<Value = (Vec<u64>, u32)> {
    let count = prop_oneof![2 => Just(0), 3 => 0..4_u64, 1 => 0..most_pieces];
    (1..40_usize).prop_flat_map(move |capacity| {
        (prop::collection::vec(count.clone(), 0..=capacity + 1), Just(capacity as u32))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn pack_first_equals_the_definition(
        (counts, capacity) in any_histogram(30),
        strategy in prop::sample::select(&STRATEGIES[..2]),
        max_pieces in prop::option::of(1..6_u32),
    ) {
        let limit = max_pieces.and_then(NonZeroU32::new);
        let patterns = pack_histogram(&counts, capacity, strategy.parse().unwrap(), limit).unwrap();
        let sequences: Vec<Vec<u32>> = patterns
            .iter()
            .flat_map(|(lengths, repeats)| std::iter::repeat_n(lengths.to_vec(), repeats as usize))
            .collect();
        prop_assert_eq!(sequences, naive_histogram::pack(&counts, capacity, strategy, max_pieces));
    }

    #[test]
    fn longest_pack_first_is_best_fit_decreasing(
        (counts, capacity) in any_histogram(200),
        max_pieces in prop::option::of(1..6_u32),
    ) {
        let limit = max_pieces.and_then(NonZeroU32::new);
        let patterns = pack_histogram(&counts, capacity, HistogramStrategy::LongestPackFirst, limit).unwrap();
        let lengths: Vec<u32> =
            (0..).zip(&counts).flat_map(|(length, &count)| std::iter::repeat_n(length, count as usize)).collect();
        let options = PackOptions { max_documents_per_sequence: limit, ..PackOptions::new(capacity) };
        let plan = pack(&lengths, &options, &Constraints::default()).unwrap();
        prop_assert_eq!(patterns.n_sequences(), plan.n_sequences() as u64);
    }

    #[test]
    fn loses_nothing(
        (counts, capacity) in any_histogram(1 << 40),
        strategy in prop::sample::select(&STRATEGIES[..]),
        max_pieces in prop::option::of(1..=3_u32),
    ) {
        let limit = max_pieces.and_then(NonZeroU32::new);
        let patterns = pack_histogram(&counts, capacity, strategy.parse().unwrap(), limit).unwrap();
        let three_by_nature = (strategy == "nnls_histogram").then_some(3);
        check(&patterns, &[&counts[..], &[0]].concat(), capacity, max_pieces.or(three_by_nature));
    }
}

/// Where a histogram can be packed without padding, least squares find out.
#[test]
fn least_squares_fill_what_can_be_filled() {
    // 100 of 8, 200 of 5 + 3, 300 of 4 + 2 + 2: best fit pairs 4 with 4 and has 2 + 2 + 2 + 2, which is more than three.
    let mut counts = [0, 0, 600, 200, 300, 200, 0, 0, 100];
    let least_squares = HistogramStrategy::NonNegativeLeastSquares;
    let patterns = pack_histogram(&counts, 8, least_squares, None).unwrap();
    assert_eq!((patterns.n_sequences(), patterns.efficiency(8)), (600, 1.0));
    // Without the pieces of length 5 there is padding, and nothing is lost.
    counts[5] = 0;
    check(&pack_histogram(&counts, 8, least_squares, None).unwrap(), &counts, 8, Some(3));
}

#[test]
fn long_capacities_and_many_pieces() {
    let first = HistogramStrategy::LongestPackFirst;
    let mut counts = vec![0; 131_073];
    counts[100_000] = u64::MAX / 131_072;
    counts[31_072] = u64::MAX / 131_072;
    let patterns = pack_histogram(&counts, 131_072, first, None).unwrap();
    let halves = u64::MAX / 131_072;
    assert_eq!(patterns.iter().collect::<Vec<_>>(), [(&[100_000, 31_072][..], halves)]);
    check(&patterns, &counts, 131_072, None);
}

#[test]
fn nothing_to_pack() {
    for strategy in STRATEGIES {
        for counts in [&[][..], &[7], &[7, 0, 0], &[0; 50]] {
            let patterns = pack_histogram(counts, 8, strategy.parse().unwrap(), None).unwrap();
            assert_eq!((patterns.n_sequences(), patterns.tokens(), patterns.offsets.len()), (0, 0, 1));
            assert!((patterns.efficiency(8) - 1.0).abs() < f64::EPSILON);
        }
    }
}

#[test]
fn refuses_what_cannot_be() {
    let [shortest, longest, least_squares] = STRATEGIES.map(|name| name.parse().unwrap());
    let message = |counts: &[u64], capacity, strategy, max_pieces| {
        let patterns = pack_histogram(counts, capacity, strategy, NonZeroU32::new(max_pieces));
        patterns.unwrap_err().to_string()
    };
    for strategy in [shortest, longest, least_squares] {
        assert!(message(&[0, 1], 0, strategy, 0).contains("capacity is 0"));
        assert!(message(&[0, 1], 1 << 31, strategy, 0).contains("capacity is 2147483648"));
        assert!(message(&[0, 1, 0, 5], 2, strategy, 0).contains("5 pieces have 3 tokens"));
        assert!(message(&[0, 1, u64::MAX / 2 + 1], 2, strategy, 0).contains("2^64"));
        assert!(message(&[0, u64::MAX, 1], 2, strategy, 0).contains("2^64"));
    }
    assert!(message(&[0, 1], 2049, least_squares, 0).contains("use longest_pack_first"));
    assert!(message(&[0, 1], 512, least_squares, 4).contains("at most 3 pieces"));
    // A sequence of 2³⁰ pieces is no pattern to write down.
    assert!(message(&[0, 1 << 30], 1 << 30, longest, 0).contains("limit the pieces"));
    let error = "nnls".parse::<HistogramStrategy>().unwrap_err();
    assert!(error.to_string().contains("\"nnls_histogram\""), "{error}");
}
