use super::super::rows::PairRows;
use super::*;
use portmanteau_testkit::naive_encode::{naive_encode, Merge};
use portmanteau_testkit::vocabularies::grow;
use proptest::prelude::*;

const BYTES: &[u8] = b"abcd";

/// The symbols of the words, as the merges below a limit make them side by side, early ones first.
fn merge_early(words: &[Vec<u8>], merges: &[Merge], limit: u32) -> Vec<Vec<u32>> {
    let pairs = PairRows::new(256 + merges.len(), merges.iter().copied());
    let rule = MergesBelow { pairs: &pairs, limit };
    let mut started = vec![Word::<16>::default(); words.len()];
    for (started, word) in started.iter_mut().zip(words) {
        let mut bytes = [0; 16];
        bytes[..word.len()].copy_from_slice(word);
        started.start_bytes(bytes, word.len(), &rule);
    }
    merge_side_by_side(&mut started, &rule, &mut Vec::new());
    started.iter().map(|word| word.symbols().collect()).collect()
}

/// The same by the definition.
fn merge_as_defined(words: &[Vec<u8>], merges: &[Merge], limit: u32) -> Vec<Vec<u32>> {
    let merges: Vec<Merge> = merges.iter().copied().filter(|merge| merge.2 < limit).collect();
    let symbols = |word: &Vec<u8>| word.iter().map(|&byte| u32::from(byte)).collect();
    words.iter().map(|word| naive_encode(symbols(word), &merges)).collect()
}

/// Merges of symbols, each of which one merge makes, in the order of their ranks. In every other vocabulary they have any
/// ranks, so that a merge may have a lower one than those that make its parts.
fn merges() -> impl Strategy<Value = Vec<Merge>> {
    let rank = prop_oneof![Just(false), Just(true)];
    let picks = prop::collection::vec((any::<usize>(), any::<usize>(), any::<usize>()), 0..60);
    (rank, picks).prop_map(|(any_rank, picks)| {
        let picks = picks.into_iter().map(|(left, right, rank)| (left, right, any_rank.then_some(rank)));
        let (tokens, merges) = grow(BYTES, picks);
        let mut symbols: Vec<Option<u32>> =
            tokens.iter().map(|token| (token.len() == 1).then(|| u32::from(token[0]))).collect();
        let mut kept = merges;
        // Of several merges that make one token the first.
        kept.retain(|&(.., token)| {
            let is_new = symbols[token as usize].is_none();
            symbols[token as usize].get_or_insert(0);
            is_new
        });
        for (symbol, &(.., token)) in (256..).zip(&kept) {
            symbols[token as usize] = Some(symbol);
        }
        let symbol = |token: u32| symbols[token as usize].unwrap();
        kept.iter().map(|&(left, right, token)| (symbol(left), symbol(right), symbol(token))).collect()
    })
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = prop::collection::vec(prop::sample::select(BYTES), 1..16);
    prop::collection::vec(word, 1..SIDE_BY_SIDE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn early_merges_change_nothing(merges in merges(), words in words(), limit in 0..100_u32) {
        for limit in [NO_MERGE, 256 + limit] {
            prop_assert_eq!(
                merge_early(&words, &merges, limit),
                merge_as_defined(&words, &merges, limit)
            );
        }
    }
}

/// All words of up to five bytes, in vocabularies in which one condition after the other decides.
#[test]
fn a_merge_is_early_only_if_it_is_sure() {
    let [a, b, c, d] = [0, 1, 2, 3].map(|place| u32::from(BYTES[place]));
    let vocabularies: [&[Merge]; 7] = [
        // Alone, the byte after it wants the second byte, the byte before it the first.
        &[(a, b, 256)],
        &[(b, c, 256), (a, b, 257)],
        // A neighbour that is not a byte, made first.
        &[(c, d, 256), (b, 256, 257), (a, b, 258)],
        &[(c, a, 256), (256, b, 257), (b, d, 258)],
        // The same, where it has a lower number than the part with the byte that decides.
        &[(257, a, 256), (c, d, 257), (b, 256, 258), (a, b, 259)],
        &[(a, 257, 256), (c, d, 257), (256, b, 258), (b, c, 259)],
        // What a and b become is part of something with a lower number, which takes cd away from cdc.
        &[(259, 257, 256), (c, d, 257), (257, c, 258), (a, b, 259)],
    ];
    let mut words: Vec<Vec<u8>> = vec![Vec::new()];
    let mut start = 0;
    for _ in 0..5 {
        let longer = words[start..]
            .iter()
            .flat_map(|word| BYTES.iter().map(move |&byte| [&word[..], &[byte]].concat()));
        let longer: Vec<_> = longer.collect();
        start = words.len();
        words.extend(longer);
    }
    for merges in vocabularies {
        for words in words[1..].chunks(SIDE_BY_SIDE) {
            assert_eq!(merge_early(words, merges, NO_MERGE), merge_as_defined(words, merges, NO_MERGE));
        }
    }
    // And some merges are early.
    let mut word = Word::<16>::default();
    let pairs = PairRows::new(257, [(a, b, 256)].into_iter());
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(b"ab");
    word.start_bytes(bytes, 2, &MergesBelow { pairs: &pairs, limit: NO_MERGE });
    assert_eq!(word.symbols().collect::<Vec<_>>(), [256]);
}
