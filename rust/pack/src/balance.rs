//! Sharing work out among ranks, so that they take about equally long: which of two heuristics, and whether all ranks get
//! equally many items, is the caller's choice.
//!
//! **Longest first** gives item after item, the costliest first, to the rank with the least so far (Graham, "Bounds on
//! Multiprocessing Timing Anomalies", 1969): the largest load is at most 4/3 − 1/(3 ranks) times the optimum.
//!
//! **Differencing** (Karmarkar and Karp, "The Differencing Method of Set Partitioning", 1982) begins with a partition for
//! every item, all of it on one rank, and joins the two partitions whose loads differ most, the largest load of one with the
//! smallest of the other. What is left in the end differs far less, mostly. With equal counts, partitions begin with an
//! item for every rank: neighbours in the order of costs.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::options::by_name;

/// How items are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancing {
    /// Differencing. O(n·(log n + r·log r)) for n items and r ranks.
    KarmarkarKarp,
    /// Longest first. O(n·log n).
    LongestFirst,
}

impl FromStr for Balancing {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let table = [("karmarkar_karp", Self::KarmarkarKarp), ("longest_first", Self::LongestFirst)];
        by_name("method", name, &table)
    }
}

/// The rank of every item, so that the sums of their costs are about equal; with `equal_counts`, ranks get numbers of items
/// that differ by one at the most. Of equal costs the first item goes first, so the result depends on the arguments alone.
///
/// # Errors
/// If there is no rank, or more than 2³² − 1 ranks or items; for a cost that is negative or no number, named as a document.
///
/// ```
/// use portmanteau_pack::{balance, Balancing};
/// let ranks = balance(&[8.0, 7.0, 6.0, 5.0, 4.0], 2, Balancing::KarmarkarKarp, false)?;
/// assert_eq!(ranks, [1, 0, 1, 0, 0]); // 16 and 14; what would be best, 15 and 15, it misses
/// # Ok::<(), portmanteau_pack::Error>(())
/// ```
pub fn balance(costs: &[f64], n_ranks: usize, method: Balancing, equal_counts: bool) -> Result<Vec<u32>> {
    let most = u32::MAX as usize;
    if n_ranks == 0 || n_ranks > most || costs.len() > most {
        let message = format!("{} items cannot be shared out among {n_ranks} ranks", costs.len());
        return Err(Error::new(message));
    }
    if let Some(item) = costs.iter().position(|cost| !cost.is_finite() || *cost < 0.0) {
        let message = format!("costs {}; a cost is a number from 0 on", costs[item]);
        return Err(Error::new(message).in_document(item));
    }
    let mut order: Vec<u32> = (0..costs.len() as u32).collect();
    order.sort_by(|&one, &other| costs[other as usize].total_cmp(&costs[one as usize]));
    let mut rank_of = vec![0; costs.len()];
    match method {
        Balancing::LongestFirst => longest_first(costs, &order, n_ranks, equal_counts, &mut rank_of),
        Balancing::KarmarkarKarp => differencing(costs, &order, n_ranks, equal_counts, &mut rank_of),
    }
    Ok(rank_of)
}

/// A cost that can be compared: no cost is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost(f64);

impl Eq for Cost {}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn longest_first(costs: &[f64], order: &[u32], n_ranks: usize, equal_counts: bool, rank_of: &mut [u32]) {
    let least = order.len() / n_ranks;
    let mut n_with_more = order.len() % n_ranks;
    let mut ranks: BinaryHeap<_> = (0..n_ranks as u32).map(|rank| Reverse((Cost(0.0), rank, 0))).collect();
    for &item in order {
        while let Some(Reverse((Cost(load), rank, count))) = ranks.pop() {
            if equal_counts && count >= least {
                if count > least || n_with_more == 0 {
                    continue;
                }
                n_with_more -= 1;
            }
            rank_of[item as usize] = rank;
            ranks.push(Reverse((Cost(load + costs[item as usize]), rank, count + 1)));
            break;
        }
    }
}

/// Items of a rank to be, as a list: the first and the last one, and what they cost together.
#[derive(Debug, Clone, Copy)]
struct Share {
    cost: f64,
    first: u32,
    last: u32,
}

/// No item.
const NONE: u32 = u32::MAX;

impl Share {
    const EMPTY: Self = Self { cost: 0.0, first: NONE, last: NONE };

    fn join(self, other: Self, next: &mut [u32]) -> Self {
        match (self.first, other.first) {
            (NONE, _) => other,
            (_, NONE) => self,
            _ => {
                next[self.last as usize] = other.first;
                Self { cost: self.cost + other.cost, first: self.first, last: other.last }
            }
        }
    }
}

/// Shares of some items, the costliest first; those that are not there are empty.
#[derive(Debug)]
struct Partition {
    shares: Vec<Share>,
    /// The least share: of all ranks, so 0 as long as there are fewer shares.
    least: f64,
    number: u64,
}

impl Partition {
    fn new(mut shares: Vec<Share>, n_ranks: usize, number: u64) -> Self {
        shares.sort_by(|one, other| other.cost.total_cmp(&one.cost));
        let least = if shares.len() < n_ranks { 0.0 } else { shares[n_ranks - 1].cost };
        Self { shares, least, number }
    }

    fn key(&self) -> (Cost, Reverse<u64>) {
        (Cost(self.shares.first().map_or(0.0, |share| share.cost) - self.least), Reverse(self.number))
    }
}

impl PartialEq for Partition {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Partition {}

impl Ord for Partition {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Partition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn differencing(costs: &[f64], order: &[u32], n_ranks: usize, equal_counts: bool, rank_of: &mut [u32]) {
    let share = |&item: &u32| Share { cost: costs[item as usize], first: item, last: item };
    let at_once = if equal_counts { n_ranks } else { 1 };
    let mut partitions: BinaryHeap<Partition> = (0..)
        .zip(order.chunks(at_once))
        .map(|(number, items)| {
            let mut shares: Vec<Share> = items.iter().map(share).collect();
            shares.resize(at_once, Share::EMPTY);
            Partition::new(shares, n_ranks, number)
        })
        .collect();
    let mut next = vec![NONE; costs.len()];
    let mut number = partitions.len() as u64;
    while partitions.len() > 1 {
        let (Some(mut one), Some(other)) = (partitions.pop(), partitions.pop()) else { break };
        // The smallest of the other to the largest of the one; where both have room for all, nothing meets.
        let n_apart = n_ranks - one.shares.len().min(n_ranks);
        for (place, &share) in other.shares.iter().enumerate() {
            if place < n_apart {
                one.shares.push(share);
            } else {
                let place = n_ranks - 1 - place;
                one.shares[place] = one.shares[place].join(share, &mut next);
            }
        }
        partitions.push(Partition::new(one.shares, n_ranks, number));
        number += 1;
    }
    let Some(last) = partitions.pop() else { return };
    for (rank, share) in (0..).zip(last.shares) {
        let mut item = share.first;
        while item != NONE {
            rank_of[item as usize] = rank;
            item = next[item as usize];
        }
    }
}
