//! Sharing out: equal to the definitions, and never worse than they promise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use portmanteau_pack::{balance, Balancing};
use proptest::prelude::*;

fn loads(costs: &[f64], ranks: &[u32], n_ranks: usize) -> Vec<(f64, usize)> {
    let mut loads = vec![(0.0, 0); n_ranks];
    for (cost, &rank) in costs.iter().zip(ranks) {
        loads[rank as usize].0 += cost;
        loads[rank as usize].1 += 1;
    }
    loads
}

/// By the definition: the costliest item that is left to the rank with the least.
fn naive_longest_first(costs: &[f64], n_ranks: usize, equal_counts: bool) -> Vec<u32> {
    let mut ranks = vec![0; costs.len()];
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|&one, &other| costs[other].total_cmp(&costs[one]));
    let mut loads = vec![(0.0, 0); n_ranks];
    for item in order {
        let most = |rank: usize, loads: &[(f64, usize)]| {
            let n_larger = (0..n_ranks).filter(|&other| loads[other].1 > costs.len() / n_ranks).count();
            let may_be_larger = n_larger < costs.len() % n_ranks;
            !equal_counts || loads[rank].1 < costs.len() / n_ranks + usize::from(may_be_larger)
        };
        let rank = (0..n_ranks)
            .filter(|&rank| most(rank, &loads))
            .min_by(|&one, &other| loads[one].0.total_cmp(&loads[other].0))
            .unwrap();
        loads[rank].0 += costs[item];
        loads[rank].1 += 1;
        ranks[item] = rank as u32;
    }
    ranks
}

/// By the definition: all partitions with all their shares, the two that differ most joined crosswise.
fn naive_differencing(costs: &[f64], n_ranks: usize, equal_counts: bool) -> Vec<u32> {
    type Share = (f64, Vec<usize>);
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|&one, &other| costs[other].total_cmp(&costs[one]));
    let share = |&item: &usize| -> Share { (costs[item], vec![item]) };
    let full = |mut shares: Vec<Share>| {
        shares.resize(n_ranks, (0.0, vec![]));
        shares.sort_by(|one, other| other.0.total_cmp(&one.0));
        shares
    };
    let at_once = if equal_counts { n_ranks } else { 1 };
    let mut partitions: Vec<Vec<Share>> =
        order.chunks(at_once).map(|items| full(items.iter().map(share).collect())).collect();
    while partitions.len() > 1 {
        let spread = |partition: &Vec<Share>| partition[0].0 - partition[n_ranks - 1].0;
        // Of equal ones the first, which was made before the others.
        let widest = |partitions: &[Vec<Share>]| {
            let wider = |best: usize, at: usize| {
                if spread(&partitions[at]) > spread(&partitions[best]) {
                    at
                } else {
                    best
                }
            };
            (0..partitions.len()).reduce(wider).unwrap()
        };
        let one = partitions.remove(widest(&partitions));
        let other = partitions.remove(widest(&partitions));
        let joined = one.into_iter().zip(other.into_iter().rev());
        partitions
            .push(full(joined.map(|(one, other)| (one.0 + other.0, [one.1, other.1].concat())).collect()));
    }
    let mut ranks = vec![0; costs.len()];
    for (rank, (_, items)) in partitions.into_iter().flatten().enumerate() {
        for item in items {
            ranks[item] = rank as u32;
        }
    }
    ranks
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_definitions(
        costs in proptest::collection::vec(prop_oneof![0..8_u32, 0..1000_u32], 0..40),
        n_ranks in 1..8_usize,
        equal_counts in any::<bool>(),
    ) {
        let costs: Vec<f64> = costs.into_iter().map(f64::from).collect();
        let sorted = |ranks: &[u32]| {
            let mut loads = loads(&costs, ranks, n_ranks);
            loads.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.cmp(&one.1)));
            loads
        };
        let first = balance(&costs, n_ranks, Balancing::LongestFirst, equal_counts).unwrap();
        prop_assert_eq!(&first, &naive_longest_first(&costs, n_ranks, equal_counts));
        let differencing = balance(&costs, n_ranks, Balancing::KarmarkarKarp, equal_counts).unwrap();
        // Which of equal shares is which may differ; what the ranks get may not.
        let loads_of = |ranks: &[u32]| sorted(ranks).iter().map(|load| load.0).collect::<Vec<f64>>();
        prop_assert_eq!(loads_of(&differencing), loads_of(&naive_differencing(&costs, n_ranks, equal_counts)));
        for ranks in [&first, &differencing] {
            let counts: Vec<usize> = loads(&costs, ranks, n_ranks).iter().map(|load| load.1).collect();
            if equal_counts {
                prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
            }
            prop_assert_eq!(counts.iter().sum::<usize>(), costs.len());
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for method in [Balancing::LongestFirst, Balancing::KarmarkarKarp] {
        assert!(balance(&[1.0], 0, method, false).is_err());
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(balance(&[1.0, wrong], 2, method, false).unwrap_err().document(), Some(1));
        }
        assert_eq!(balance(&[], 3, method, true).unwrap(), Vec::<u32>::new());
        assert_eq!(balance(&[5.0], 1, method, true).unwrap(), [0]);
    }
}
