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

/// The same for a rank file: any two ids whose bytes together are a token merge, the lowest id first, and of one id the
/// leftmost place, which no list of merges can say. `tokens` are all tokens with their ids.
pub fn naive_encode_by_token_id(mut ids: Vec<u32>, tokens: &[(u32, Vec<u8>)]) -> Vec<u32> {
    let bytes_of = |id: u32| tokens.iter().find(|token| token.0 == id).map_or(&[][..], |token| &token.1);
    let joined = |pair: &[u32]| {
        let bytes = [bytes_of(pair[0]), bytes_of(pair[1])].concat();
        tokens.iter().find(|token| token.1 == bytes).map(|token| token.0)
    };
    loop {
        let pairs = ids.windows(2).enumerate();
        let Some((token_id, place)) = pairs.filter_map(|(place, pair)| Some((joined(pair)?, place))).min()
        else {
            return ids;
        };
        ids.splice(place..place + 2, [token_id]);
    }
}
