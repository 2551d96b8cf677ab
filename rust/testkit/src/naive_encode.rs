//! The oracle of encoding: apply the lowest-rank merge, leftmost first, until none applies.

/// A merge: (left id, right id, merged id). Its rank is its place in the list.
pub type Merge = (u32, u32, u32);

/// Encodes a sequence of ids (usually of single bytes). O(n² · merges). Of a pair listed twice the first rank counts.
pub fn naive_encode(mut ids: Vec<u32>, merges: &[Merge]) -> Vec<u32> {
    loop {
        // The first in the list that occurs anywhere, at its first place.
        let found = merges.iter().find_map(|&(left, right, token_id)| {
            let place = ids.windows(2).position(|pair| pair == [left, right])?;
            Some((place, token_id))
        });
        let Some((place, token_id)) = found else { return ids };
        ids.splice(place..place + 2, [token_id]);
    }
}
