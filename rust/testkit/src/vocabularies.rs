//! Small vocabularies for random tests: a few bytes, and what merges make of them.

use crate::naive_encode::Merge;

/// The longest token, in bytes.
const LONGEST: usize = 12;

/// How a merge is picked: the numbers of its left and right token, and its rank, all modulo how many there are; without a
/// rank it is the last.
pub type Pick = (usize, usize, Option<usize>);

/// A vocabulary of single bytes and of what the merges that are picked make of any two earlier tokens, and these merges
/// in the order of their ranks. As a merge may have any rank, a token may have a lower one than what it is built on.
/// Picks of a pair that merges already, or of tokens that are long together, are passed over.
///
/// ```
/// use portmanteau_testkit::vocabularies::grow;
/// let (tokens, merges) = grow(b"ab", [(0, 1, None), (2, 0, Some(0))]);
/// assert_eq!(tokens, [&b"a"[..], b"b", b"ab", b"aba"]);
/// assert_eq!(merges, [(2, 0, 3), (0, 1, 2)]);
/// ```
pub fn grow(bytes: &[u8], picks: impl IntoIterator<Item = Pick>) -> (Vec<Vec<u8>>, Vec<Merge>) {
    let mut tokens: Vec<Vec<u8>> = bytes.iter().map(|&byte| vec![byte]).collect();
    let mut merges: Vec<Merge> = Vec::new();
    for (left, right, rank) in picks {
        let (left, right) = (left % tokens.len(), right % tokens.len());
        let joined = [tokens[left].clone(), tokens[right].clone()].concat();
        let (left, right) = (left as u32, right as u32);
        if joined.len() > LONGEST || merges.iter().any(|merge| (merge.0, merge.1) == (left, right)) {
            continue;
        }
        let token_id = tokens.iter().position(|token| *token == joined).unwrap_or_else(|| {
            tokens.push(joined);
            tokens.len() - 1
        });
        let place = rank.map_or(merges.len(), |rank| rank % (merges.len() + 1));
        merges.insert(place, (left, right, token_id as u32));
    }
    (tokens, merges)
}
