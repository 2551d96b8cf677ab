//! The order in which pieces are placed: heaviest first, of equal ones the earlier first. Because pieces come in order of
//! document and start, a stable sort by weight is all it takes. For many pieces that is a sort by digits, in O(N): one pass
//! where weights are below 2²⁰, and two of 16 bits for the others. It gives the weights as *runs* of equal ones too, so
//! that placing need not look up the weight of each piece, which would be a random access.

/// Weights below this are sorted in one pass.
const ONE_PASS: u32 = 1 << 20;
const DIGIT_BITS: u32 = 16;
/// From so many pieces on, sorting by digits is faster than by comparing.
const LEAST_FOR_DIGITS: usize = 4096;

/// Pieces with numbers and weights.
pub(crate) trait Weighted {
    /// Calls `visit` with the number and the weight of every piece, in the order in which equal ones are placed.
    fn for_each(&self, visit: impl FnMut(u32, u32));

    /// The weight of a piece.
    fn weight(&self, piece: u32) -> u32;

    /// About the number of pieces.
    fn size_hint(&self) -> usize;
}

/// Pieces in the order of their placement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PlacementOrder {
    /// Numbers of the pieces.
    pub(crate) pieces: Vec<u32>,
    /// Weights of the pieces, as a weight and how many pieces in a row have it.
    pub(crate) runs: Vec<(u32, u32)>,
}

impl PlacementOrder {
    /// Pieces in this order.
    pub(crate) fn new(pieces: Vec<u32>, weighted: &impl Weighted) -> Self {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for &piece in &pieces {
            let weight = weighted.weight(piece);
            match runs.last_mut() {
                Some(run) if run.0 == weight => run.1 += 1,
                _ => runs.push((weight, 1)),
            }
        }
        Self { pieces, runs }
    }
}

/// The heaviest first; of equal ones, in their order. No weight is above `most`.
pub(crate) fn heaviest_first(weighted: &impl Weighted, most: u32) -> PlacementOrder {
    if weighted.size_hint() < LEAST_FOR_DIGITS {
        return PlacementOrder::new(by_comparing(weighted), weighted);
    }
    if most < ONE_PASS {
        let (pieces, ends) = by_digit(|visit| weighted.for_each(visit), |weight| most - weight, most);
        let mut start = 0;
        let runs = ends.iter().enumerate().filter_map(|(digit, &end)| {
            let count = end - std::mem::replace(&mut start, end);
            (count > 0).then_some((most - digit as u32, count))
        });
        let runs = runs.collect();
        return PlacementOrder { pieces, runs };
    }
    let mask = (1 << DIGIT_BITS) - 1;
    let (pieces, _) = by_digit(|visit| weighted.for_each(visit), |weight| mask - (weight & mask), mask);
    let again = |visit: &mut dyn FnMut(u32, u32)| {
        for &piece in &pieces {
            visit(piece, weighted.weight(piece));
        }
    };
    let (pieces, _) = by_digit(again, |weight| mask - (weight >> DIGIT_BITS), mask);
    PlacementOrder::new(pieces, weighted)
}

fn by_comparing(weighted: &impl Weighted) -> Vec<u32> {
    let mut order = Vec::new();
    weighted.for_each(|piece, weight| order.push((weight, piece)));
    order.sort_by_key(|&(weight, _)| std::cmp::Reverse(weight));
    order.into_iter().map(|(_, piece)| piece).collect()
}

/// A stable counting sort by a digit of the weights, smallest first; and where the pieces with each digit end.
fn by_digit(
    for_each: impl Fn(&mut dyn FnMut(u32, u32)),
    digit: impl Fn(u32) -> u32,
    most: u32,
) -> (Vec<u32>, Vec<u32>) {
    let mut places = vec![0u32; most as usize + 1];
    for_each(&mut |_, weight| places[digit(weight) as usize] += 1);
    let mut start = 0;
    for place in &mut places {
        start += std::mem::replace(place, start);
    }
    let mut sorted = vec![0; start as usize];
    for_each(&mut |piece, weight| {
        let place = &mut places[digit(weight) as usize];
        sorted[*place as usize] = piece;
        *place += 1;
    });
    (sorted, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Weights<'a>(&'a [u32]);

    impl Weighted for Weights<'_> {
        fn for_each(&self, mut visit: impl FnMut(u32, u32)) {
            (0..).zip(self.0).for_each(|(piece, &weight)| visit(piece, weight));
        }

        fn weight(&self, piece: u32) -> u32 {
            self.0[piece as usize]
        }

        fn size_hint(&self) -> usize {
            self.0.len()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn equals_a_stable_sort(
            some in prop::collection::vec(prop_oneof![0u32..6, 0..ONE_PASS, any::<u32>()], 1..50),
            times in prop_oneof![Just(1), Just(LEAST_FOR_DIGITS)],
            small in any::<bool>(),
        ) {
            // Few by comparing; many by digits, in one pass or in two.
            let most = if small { ONE_PASS - 1 } else { u32::MAX };
            let weights: Vec<u32> = some.iter().map(|weight| weight % most).cycle().take(some.len() * times).collect();
            let mut expected: Vec<u32> = (0..weights.len() as u32).collect();
            expected.sort_by_key(|&piece| std::cmp::Reverse(weights[piece as usize]));
            let weights = Weights(&weights);
            prop_assert_eq!(heaviest_first(&weights, most), PlacementOrder::new(expected, &weights));
        }
    }
}
