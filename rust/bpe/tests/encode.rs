//! The encoder and the pretokenizer, held to their definitions.
#![allow(clippy::unwrap_used)]

use portmanteau_bpe::encode::{merge_all, MergeScratch};
use portmanteau_bpe::{
    byte_level, Encoder, MergeTable, Merges, Pretokenizer, Pretokens, Scratch, UnknownToken, Vocabulary,
};
use portmanteau_testkit::cases;
use portmanteau_testkit::naive_encode::{naive_encode, naive_encode_by_token_id, Merge};
use portmanteau_testkit::vocabularies::grow;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases<C> {
    case: Vec<C>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PretokenizeCase {
    name: String,
    pretokenizer: String,
    text: String,
    pretokens: Vec<String>,
}

#[test]
fn golden_pretokens() {
    for case in cases::load::<Cases<PretokenizeCase>>("pretokenize").unwrap().case {
        let mut pretokens = Vec::new();
        let mut visit = |pretoken: &str| {
            pretokens.push(pretoken.to_owned());
            Ok(())
        };
        Pretokenizer::named(&case.pretokenizer).unwrap().split(&case.text, &mut visit).unwrap();
        assert_eq!(pretokens, case.pretokens, "{}", case.name);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodeCase {
    name: String,
    tokens: Vec<String>,
    merges: Vec<String>,
    #[serde(default)]
    whole_words_first: bool,
    text: String,
    ids: Vec<u32>,
}

#[test]
fn golden_ids() {
    for case in cases::load::<Cases<EncodeCase>>("encode").unwrap().case {
        let unspell = |spelling: &str| byte_level::unspell(spelling).unwrap();
        let tokens = (0..).zip(case.tokens.iter().map(|token| unspell(token)));
        let vocabulary = Vocabulary::new(tokens.collect()).unwrap();
        let pair = |merge: &String| {
            let (left, right) = merge.split_once(' ').unwrap();
            (vocabulary.token_id(&unspell(left)).unwrap(), vocabulary.token_id(&unspell(right)).unwrap())
        };
        let pairs: Vec<_> = case.merges.iter().map(pair).collect();
        let merges = Merges::from_pairs(&vocabulary, &pairs).unwrap();
        let encoder = Encoder::new(vocabulary, &merges, case.whole_words_first, None);
        let mut ids = Vec::new();
        encoder.encode(&case.text, &mut Scratch::default(), &mut ids).unwrap();
        assert_eq!(ids, case.ids, "{}", case.name);
    }
}

/// A vocabulary of a few bytes, among them a space and parts of characters of two and three bytes, and of what merges of
/// any two earlier tokens make. Merges come in any order, so that a token may have a lower rank than one that it is
/// built on.
fn vocabularies() -> impl Strategy<Value = (Vocabulary, Vec<Merge>)> {
    // Mostly last, as training would have it.
    let rank = prop_oneof![7 => Just(None), 1 => any::<usize>().prop_map(Some)];
    prop::collection::vec((any::<usize>(), any::<usize>(), rank), 0..40).prop_map(|picks| {
        let bytes: Vec<u8> = "ab é中".bytes().chain([0xA8, 0xAC]).collect();
        let (tokens, merges) = grow(&bytes, picks);
        (Vocabulary::new((0..).zip(tokens).collect()).unwrap(), merges)
    })
}

/// Words of every length for which there is an algorithm.
fn words() -> impl Strategy<Value = String> {
    let letter = || prop::sample::select(vec!['a', 'b', ' ', 'é', 'è', '中', '丬']);
    let words = |lengths| prop::collection::vec(letter(), lengths).prop_map(String::from_iter);
    prop_oneof![
        4 => words(0..20),
        1 => words(20..200),
        1 => (letter(), 0..300_usize).prop_map(|(letter, n)| String::from_iter(vec![letter; n])),
    ]
}

fn byte_ids(vocabulary: &Vocabulary, word: &str) -> Vec<u32> {
    word.bytes().map(|byte| vocabulary.byte_id(byte).unwrap()).collect()
}

proptest! {
    #[test]
    fn merges_are_made_as_defined((vocabulary, merges) in vocabularies(), words in prop::collection::vec(words(), 1..6)) {
        let table = MergeTable::new(&vocabulary, &Merges::Listed(merges.clone()));
        let mut expected = Vec::new();
        for word in &words {
            let mut symbols = byte_ids(&vocabulary, word);
            let merged = naive_encode(symbols.clone(), &merges);
            merge_all(&mut symbols, &table, &mut MergeScratch::default());
            prop_assert_eq!(&symbols, &merged);
            expected.extend(merged);
        }
        // The same through the encoder, with the cache cold and warm.
        let encoder = Encoder::new(vocabulary, &Merges::Listed(merges), false, None);
        let mut scratch = Scratch::default();
        let text = words.concat();
        let ends: Vec<u32> = words.iter().scan(0, |end, word| { *end += word.len() as u32; Some(*end) }).collect();
        for _ in 0..2 {
            let mut ids = Vec::new();
            encoder.encode_pretokens(Pretokens::new(&text, 0, &ends), &mut scratch, &mut ids).unwrap();
            prop_assert_eq!(&ids, &expected);
        }
    }

    #[test]
    fn any_sequence_of_tokens_merges_as_defined((vocabulary, merges) in vocabularies(), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..120)) {
        let symbols: Vec<u32> = picks.iter().map(|pick| pick.index(vocabulary.size()) as u32).collect();
        let mut merged = symbols.clone();
        let table = MergeTable::new(&vocabulary, &Merges::Listed(merges.clone()));
        merge_all(&mut merged, &table, &mut MergeScratch::default());
        prop_assert_eq!(merged, naive_encode(symbols, &merges));
    }

    #[test]
    fn ranks_by_token_id_are_a_list_of_every_split((vocabulary, _) in vocabularies(), word in words()) {
        let tokens: Vec<_> = vocabulary.iter().map(|(token_id, bytes)| (token_id, bytes.to_vec())).collect();
        let mut symbols = byte_ids(&vocabulary, &word);
        let expected = naive_encode_by_token_id(symbols.clone(), &tokens);
        let table = MergeTable::new(&vocabulary, &Merges::ByTokenId);
        merge_all(&mut symbols, &table, &mut MergeScratch::default());
        prop_assert_eq!(&symbols, &expected);
        let encoder = Encoder::new(vocabulary, &Merges::ByTokenId, false, None);
        let mut ids = Vec::new();
        encoder.encode(&word, &mut Scratch::default(), &mut ids).unwrap();
        prop_assert_eq!(ids, expected);
    }
}

#[test]
fn whole_words_go_first_only_if_the_vocabulary_says_so() {
    let tokens =
        ["a", "b", "ab", "abab"].iter().enumerate().map(|(id, token)| (id as u32, token.as_bytes().to_vec()));
    let vocabulary = Vocabulary::new(tokens.collect()).unwrap();
    let merges = Merges::from_pairs(&vocabulary, &[(0, 1)]).unwrap();
    let encode = |whole_words_first| {
        let encoder = Encoder::new(vocabulary.clone(), &merges, whole_words_first, None);
        let mut ids = Vec::new();
        encoder.encode("abab", &mut Scratch::default(), &mut ids).unwrap();
        ids
    };
    assert_eq!(encode(false), [2, 2]);
    assert_eq!(encode(true), [3]);
}

#[test]
fn a_piece_of_a_word_is_not_taken_for_a_whole_word() {
    // The bytes of 가, and 가 itself, which no merge makes since another takes its first byte.
    let tokens = ["\u{ac00}".as_bytes(), b"\xEA", b"\xB0", b"\x80", b"\xEA\xB0", b"\xB0\x80"];
    let numbered = (0..).zip(tokens.iter().map(|token| token.to_vec())).collect();
    let vocabulary = Vocabulary::new(numbered).unwrap();
    let merges = Merges::from_pairs(&vocabulary, &[(1, 2), (2, 3), (1, 5)]).unwrap();
    let encoder = Encoder::new(vocabulary, &merges, true, None);
    let encode = |word: &str| {
        let mut ids = Vec::new();
        encoder.encode(word, &mut Scratch::default(), &mut ids).unwrap();
        ids
    };
    assert_eq!(encode("\u{ac00}"), [0]);
    assert_eq!(encode(&"\u{ac00}".repeat(9)), [4, 3].repeat(9));
}

#[test]
fn bytes_without_a_token_are_unknown_or_an_error() {
    let tokens = ["?", "a"].iter().enumerate().map(|(id, token)| (id as u32, token.as_bytes().to_vec()));
    let vocabulary = Vocabulary::new(tokens.collect()).unwrap();
    let encode = |unknown| {
        let encoder = Encoder::new(vocabulary.clone(), &Merges::Listed(Vec::new()), false, unknown);
        let mut ids = Vec::new();
        encoder.encode("axxa", &mut Scratch::default(), &mut ids).map(|()| ids)
    };
    assert_eq!(encode(Some(UnknownToken { token_id: 0, fuse: false })).unwrap(), [1, 0, 0, 1]);
    assert_eq!(encode(Some(UnknownToken { token_id: 0, fuse: true })).unwrap(), [1, 0, 1]);
    let error = encode(None).unwrap_err();
    assert_eq!(error.offset(), Some(1));
    assert!(error.to_string().contains("0x78 has no token"));
}

#[test]
fn caches_that_overflow_change_nothing() {
    let tokens = ["a", "b", "c", "ab", "ca", "abc", "abca", "bb"];
    let numbered = (0..).zip(tokens.iter().map(|token| token.as_bytes().to_vec())).collect();
    let vocabulary = Vocabulary::new(numbered).unwrap();
    let merges = Merges::from_pairs(&vocabulary, &[(0, 1), (2, 0), (3, 2), (5, 0), (1, 1)]).unwrap();
    let table = MergeTable::new(&vocabulary, &merges);
    let encoder = Encoder::new(vocabulary, &merges, false, None);
    let mut small = Scratch::with_cache_of(0);
    let mut large = Scratch::with_cache_of(1 << 20);
    let mut random = 1_u64;
    for _ in 0..40_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let letters =
            (0..=random >> 61).map(|place| ['a', 'b', 'c'][(random >> (5 * place) & 31) as usize % 3]);
        let short: String = letters.collect();
        // Both caches take part, and words come again.
        let word = if random >> 60 & 1 == 0 { short.repeat(5) } else { short };
        let mut expected = word.bytes().map(|byte| u32::from(byte - b'a')).collect();
        merge_all(&mut expected, &table, &mut MergeScratch::default());
        for scratch in [&mut small, &mut large] {
            let mut ids = Vec::new();
            encoder.encode(&word, scratch, &mut ids).unwrap();
            assert_eq!(ids, expected, "{word}");
        }
    }
}

#[test]
fn scratch_may_go_from_one_encoder_to_another() {
    let mut scratch = Scratch::default();
    let long = "ab".repeat(40);
    let mut encode = |tokens: [&str; 3]| {
        let numbered = (0..).zip(tokens.iter().map(|token| token.as_bytes().to_vec())).collect();
        let encoder =
            Encoder::new(Vocabulary::new(numbered).unwrap(), &Merges::Listed(Vec::new()), false, None);
        let mut ids = Vec::new();
        for word in ["ab", &long] {
            encoder.encode(word, &mut scratch, &mut ids).unwrap();
        }
        ids
    };
    assert_eq!(encode(["a", "b", "c"]), [0, 1].repeat(41));
    assert_eq!(encode(["b", "c", "a"]), [2, 0].repeat(41));
}
