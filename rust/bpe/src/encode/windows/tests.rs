use super::*;
use crate::{Merges, Vocabulary};
use portmanteau_testkit::naive_encode::{naive_encode, Merge};
use portmanteau_testkit::vocabularies::grow;
use proptest::prelude::*;

/// Some bytes, among them a space and parts of characters, and what merges of any two earlier tokens make. Merges come
/// in any order, so that a token may have a lower rank than one that it is built on.
fn vocabularies() -> impl Strategy<Value = (Vocabulary, Vec<Merge>)> {
    let rank = prop_oneof![Just(None), any::<usize>().prop_map(Some)];
    prop::collection::vec((any::<usize>(), any::<usize>(), rank), 0..40).prop_map(|picks| {
        let (tokens, merges) = grow("abc é中".as_bytes(), picks);
        (vocabulary(tokens), merges)
    })
}

fn vocabulary(tokens: Vec<Vec<u8>>) -> Vocabulary {
    Vocabulary::new((0..).zip(tokens).collect()).unwrap()
}

/// A few characters in any order, or again and again, which lets the end of a window reach far back.
fn words() -> impl Strategy<Value = String> {
    let letters = |lengths| {
        prop::collection::vec(prop::sample::select(vec!['a', 'b', 'c', ' ', 'é', '中']), lengths)
            .prop_map(String::from_iter)
    };
    prop_oneof![
        letters(0..150),
        (letters(1..6), 1..40_usize, letters(0..4)).prop_map(|(part, n, end)| part.repeat(n) + &end),
    ]
}

fn byte_ids(vocabulary: &Vocabulary, word: &str) -> Vec<u32> {
    word.bytes().map(|byte| vocabulary.byte_id(byte).unwrap()).collect()
}

fn encoder(vocabulary: &Vocabulary, merges: &[Merge], whole_words_first: bool, windows: Windows) -> Encoder {
    let mut encoder =
        Encoder::new(vocabulary.clone(), &Merges::Listed(merges.to_vec()), whole_words_first, None);
    encoder.windows = Some(windows);
    encoder
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn windows_of_any_size_encode_as_defined(
        (vocabulary, merges) in vocabularies(),
        words in prop::collection::vec(words(), 1..4),
        (longest_whole, step, overlap) in (0..40_usize, 4..24_usize, 1..12_usize),
    ) {
        let encoder = encoder(&vocabulary, &merges, false, Windows { longest_whole, step, overlap });
        let (mut expected, mut ids, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for word in &words {
            expected.extend(naive_encode(byte_ids(&vocabulary, word), &merges));
            ends.push(ends.last().unwrap_or(&0) + word.len() as u32);
        }
        let text = words.concat();
        encoder.encode_pretokens(Pretokens::new(&text, 0, &ends), &mut Scratch::default(), &mut ids).unwrap();
        prop_assert_eq!(ids, expected);
    }

    #[test]
    fn no_window_is_taken_for_a_word((vocabulary, merges) in vocabularies(), word in words(), n_merges in 0..20_usize) {
        // Tokens whose merges are left out come from whole words alone.
        let merges = &merges[..n_merges.min(merges.len())];
        let whole = Encoder::new(vocabulary.clone(), &Merges::Listed(merges.to_vec()), true, None);
        let longest = whole.words.only_whole().map(<[u8]>::len).max().unwrap_or(0);
        let windows = Windows { longest_whole: 4 * longest + 8, step: 2 * longest + 4, overlap: longest + 1 };
        let encoder = encoder(&vocabulary, merges, true, windows);
        let mut ids = Vec::new();
        encoder.encode(&word, &mut Scratch::default(), &mut ids).unwrap();
        let expected = match vocabulary.token_id(word.as_bytes()) {
            Some(token_id) => vec![token_id],
            None => naive_encode(byte_ids(&vocabulary, &word), merges),
        };
        prop_assert_eq!(ids, expected);
    }
}

/// The alphabet, in which a letter merges with the next the sooner, the later they come: the last letter of a run
/// decides about all the others.
#[test]
fn a_window_starts_earlier_where_its_end_reaches_far_back() {
    let letters = || (b'a'..=b'z').map(|letter| vec![letter]);
    let pairs = (b'a'..=b'y').map(|letter| vec![letter, letter + 1]);
    let vocabulary = vocabulary(letters().chain(pairs).collect());
    let merges: Vec<Merge> = (0..25).rev().map(|letter| (letter, letter + 1, 26 + letter)).collect();
    let alphabet = ('a'..='z').collect::<String>();
    for length in 0..100 {
        let word = &alphabet.repeat(4)[..length];
        for step in 4..30 {
            let encoder =
                encoder(&vocabulary, &merges, false, Windows { longest_whole: 8, step, overlap: 1 });
            let mut ids = Vec::new();
            encoder.encode(word, &mut Scratch::default(), &mut ids).unwrap();
            assert_eq!(
                ids,
                naive_encode(byte_ids(&vocabulary, word), &merges),
                "{length} letters, steps of {step}"
            );
        }
    }
}

#[test]
fn an_error_names_the_place_in_the_text() {
    let vocabulary = vocabulary(vec![b"a".to_vec()]);
    let encoder = encoder(&vocabulary, &[], false, Windows { longest_whole: 8, step: 4, overlap: 1 });
    let text = "a".repeat(50) + "xa";
    let error = encoder.encode(&text, &mut Scratch::default(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.offset(), Some(50));
}

#[test]
fn a_common_token_has_the_same_place() {
    let tokens = ["a", "b", "c", "aa", "ab", "ca", "cc"];
    let vocabulary = vocabulary(tokens.map(|token| token.as_bytes().to_vec()).to_vec());
    let encoder = encoder(&vocabulary, &[], false, Windows { longest_whole: 8, step: 4, overlap: 1 });
    let common = |left: &str, right: &str| {
        let ids = |text: &str| {
            let tokens = text.split(' ').map(|token| vocabulary.token_id(token.as_bytes()).unwrap());
            tokens.collect::<Vec<_>>()
        };
        encoder.common_token(&ids(left), &ids(right))
    };
    assert_eq!(common("ab c", "ab ca"), Some((0, 0)));
    assert_eq!(common("aa b c", "a ab c a"), Some((2, 2)));
    // Equal tokens at other places, and equal places of other tokens.
    assert_eq!(common("aa a b", "a aa b"), Some((2, 2)));
    assert_eq!(common("ab c c a", "a b cc a"), Some((3, 3)));
    assert_eq!(common("ab c", "a b ca"), None);
    assert_eq!(common("aa a", "a aa"), None);
}
