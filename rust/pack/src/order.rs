//! The order in which pieces are placed: longest first, of equal ones the earlier first. Because pieces come in order of
//! document and start, a stable sort by length is all it takes; a radix sort does it in one pass over 16 bits of the
//! lengths, or two where a length needs more, so in O(N) for any capacity.

const DIGIT_BITS: u32 = 16;
const DIGITS: usize = 1 << DIGIT_BITS;

/// Indices of `lengths`, longest first; of equal lengths, the lower index first.
pub(crate) fn longest_first(lengths: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    order = sort_by_digit(&order, lengths, 0);
    if longest >> DIGIT_BITS > 0 {
        order = sort_by_digit(&order, lengths, DIGIT_BITS);
    }
    order
}

/// A stable counting sort by the 16 bits of the length above `shift`, largest first.
fn sort_by_digit(order: &[u32], lengths: &[u32], shift: u32) -> Vec<u32> {
    let digit = |piece: u32| DIGITS - 1 - ((lengths[piece as usize] >> shift) as usize & (DIGITS - 1));
    let mut starts = vec![0usize; DIGITS + 1];
    for &piece in order {
        starts[digit(piece) + 1] += 1;
    }
    for bucket in 0..DIGITS {
        starts[bucket + 1] += starts[bucket];
    }
    let mut sorted = vec![0; order.len()];
    for &piece in order {
        let place = &mut starts[digit(piece)];
        sorted[*place] = piece;
        *place += 1;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_stable_sort(lengths in prop::collection::vec(prop_oneof![0u32..6, any::<u32>()], 0..50)) {
            let mut expected: Vec<u32> = (0..lengths.len() as u32).collect();
            expected.sort_by_key(|&piece| std::cmp::Reverse(lengths[piece as usize]));
            prop_assert_eq!(longest_first(&lengths), expected);
        }
    }
}
