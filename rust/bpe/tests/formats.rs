//! What is saved comes back as it was.
#![allow(clippy::unwrap_used)]

use portmanteau_bpe::format::{bundled, huggingface, tiktoken};
use portmanteau_bpe::{
    Definition, ErrorKind, Merges, Pretokenizer, Scratch, SpecialTokens, Tokenizer, Vocabulary,
};

/// A tokenizer as training returns it: these special tokens, all bytes, "ab" and "abab".
fn trained(special_tokens: &[&str]) -> Tokenizer {
    let n_special = special_tokens.len() as u32;
    let special_tokens: Vec<String> = special_tokens.iter().map(|&content| content.to_owned()).collect();
    let mut tokens: Vec<Vec<u8>> =
        special_tokens.iter().map(|content| content.clone().into_bytes()).collect();
    tokens.extend((0..=255).map(|byte| vec![byte]));
    tokens.extend([b"ab".to_vec(), b"abab".to_vec()]);
    let byte = |byte: u8| n_special + u32::from(byte);
    let merges = [(byte(b'a'), byte(b'b')), (n_special + 256, n_special + 256)];
    let pretokenizer = Pretokenizer::named("o200k").unwrap();
    Tokenizer::new(Definition::from_training(tokens, &merges, special_tokens, pretokenizer).unwrap()).unwrap()
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    tokenizer.encode(text, &SpecialTokens::Parse, &mut Scratch::default(), &mut ids).unwrap();
    ids
}

#[test]
fn a_trained_tokenizer_comes_back_with_its_fingerprint() {
    // Spelled in ASCII, in byte-level characters that stand for other bytes, and in characters outside that table.
    let special_tokens = ["<|end|>", "<été>", "<｜fin｜>"];
    for n_special in 0..=special_tokens.len() {
        let tokenizer = trained(&special_tokens[..n_special]);
        let saved = huggingface::write(tokenizer.definition()).unwrap();
        let again = Tokenizer::new(huggingface::read(&saved).unwrap()).unwrap();
        assert_eq!(again.fingerprint(), tokenizer.fingerprint());
        assert_eq!(huggingface::write(again.definition()).unwrap(), saved);
        for (token_id, content) in special_tokens[..n_special].iter().enumerate() {
            assert_eq!(again.token_bytes(token_id as u32), Some(content.as_bytes()));
            let text = format!("abab{content}ab");
            let ids = encode(&again, &text);
            assert_eq!(ids, encode(&tokenizer, &text));
            assert_eq!((ids.len(), ids[1]), (3, token_id as u32));
        }
    }
}

#[test]
fn a_rank_file_comes_back_byte_for_byte() {
    let tokens: Vec<(u32, Vec<u8>)> = (0..=255).map(|byte: u8| (u32::from(byte), vec![byte])).collect();
    let pretokenizer = || Pretokenizer::named("cl100k_tiktoken").unwrap();
    let special = vec![("<|end|>".to_owned(), 300)];
    let definition = tiktoken::from_ranks(tokens, pretokenizer(), special.clone()).unwrap();
    let saved = tiktoken::write(&definition).unwrap();
    let again = tiktoken::read(&saved, pretokenizer(), special).unwrap();
    assert_eq!(tiktoken::write(&again).unwrap(), saved);
    let (first, second) = (Tokenizer::new(definition).unwrap(), Tokenizer::new(again).unwrap());
    assert_eq!(first.fingerprint(), second.fingerprint());

    // Ids with a hole before the special token: Hugging Face numbers by place, so the file must say the id elsewhere.
    let json = huggingface::write(first.definition()).unwrap();
    let loaded = Tokenizer::new(huggingface::read(&json).unwrap()).unwrap();
    assert_eq!(encode(&loaded, "a<|end|>"), [97, 300]);
}

#[test]
fn a_merge_list_becomes_a_rank_file_if_ranks_give_the_same() {
    let list = trained(&[]);
    let saved = tiktoken::write(list.definition()).unwrap();
    let pretokenizer = list.definition().pretokenizer.clone();
    let ranks = Tokenizer::new(tiktoken::read(&saved, pretokenizer, vec![]).unwrap()).unwrap();
    let text = "abab cabab a";
    assert_eq!(encode(&ranks, text), encode(&list, text));

    // By ranks "abc" is made of "a" and "bc".
    let mut tokens: Vec<(u32, Vec<u8>)> = (0..=255).map(|byte: u8| (u32::from(byte), vec![byte])).collect();
    tokens.extend([(256, b"bc".to_vec()), (257, b"ab".to_vec()), (258, b"abc".to_vec())]);
    let vocabulary = Vocabulary::new(tokens).unwrap();
    let merges = Merges::from_pairs(&vocabulary, &[(98, 99), (97, 98), (257, 99)]).unwrap();
    let other = Definition { vocabulary: vocabulary.into(), merges, ..list.definition().clone() };
    assert_eq!(tiktoken::write(&other).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A bundled vocabulary of the bytes in descending order and of pairs of token ids.
fn bundled_content(pairs: &[(u32, u32)]) -> Vec<u8> {
    let mut content = (256 + pairs.len() as u32).to_le_bytes().to_vec();
    content.extend((0..=255_u8).rev());
    for part in [|pair: &(u32, u32)| pair.0, |pair: &(u32, u32)| pair.1] {
        for place in 0..3 {
            content.extend(pairs.iter().map(|pair| part(pair).to_le_bytes()[place]));
        }
    }
    content
}

#[test]
fn a_bundled_vocabulary_is_its_rank_file() {
    let [a, b, c] = [b'a', b'b', b'c'].map(|byte| 255 - u32::from(byte));
    let content = bundled_content(&[(a, b), (b, c), (256, c), (258, 258), (259, a)]);
    let mut tokens: Vec<Vec<u8>> = (0..=255).rev().map(|byte| vec![byte]).collect();
    tokens.extend(["ab", "bc", "abc", "abcabc", "abcabca"].map(|token| token.as_bytes().to_vec()));

    let pretokenizer = || Pretokenizer::named("o200k").unwrap();
    let special = vec![("<|end|>".to_owned(), 300)];
    let read = |content: &[u8]| bundled::read(content, pretokenizer(), special.clone());
    let ranks = (0..).zip(&tokens).collect();
    let same = tiktoken::from_ranks(ranks, pretokenizer(), special.clone()).unwrap();
    assert_eq!(read(&content).unwrap().vocabulary, same.vocabulary);
    for end in [0, 3, 4, 200, content.len() - 1] {
        assert!(read(&content[..end]).unwrap_err().to_string().contains("install the package again"));
    }
    let longer = [&content[..], &[0]].concat();
    assert_eq!(read(&longer).unwrap_err().kind(), ErrorKind::Vocabulary);
    let huge = [&u32::MAX.to_le_bytes(), &content[4..]].concat();
    assert_eq!(read(&huge).unwrap_err().kind(), ErrorKind::Vocabulary);
}

#[test]
fn merges_are_those_of_the_list_or_those_that_happen() {
    // "abc" could be made of "ab" and "c" or "a" and "bc", and a list has both; only the first ever happens.
    let [a, b, c] = [b'a', b'b', b'c'].map(u32::from);
    let mut tokens: Vec<(u32, Vec<u8>)> = (0..=255).map(|byte: u8| (u32::from(byte), vec![byte])).collect();
    tokens.extend((256..).zip(["ab", "bc", "abc"].map(|token| token.as_bytes().to_vec())));
    let pretokenizer = || Pretokenizer::named("o200k").unwrap();
    let ranks = tiktoken::from_ranks(tokens, pretokenizer(), Vec::new()).unwrap();
    let list = [(a, b), (b, c), (256, c), (a, 257)];
    let listed =
        Definition { merges: Merges::from_pairs(&ranks.vocabulary, &list).unwrap(), ..ranks.clone() };
    assert_eq!(Tokenizer::new(ranks).unwrap().n_merges(), 3);
    assert_eq!(Tokenizer::new(listed).unwrap().n_merges(), 4);
}

#[test]
fn a_bundled_vocabulary_is_made_of_earlier_tokens() {
    let read = |pairs: &[(u32, u32)]| {
        bundled::read(&bundled_content(pairs), Pretokenizer::named("o200k").unwrap(), Vec::new())
    };
    assert_eq!(read(&[(0, 256)]).unwrap_err().token_id(), Some(256));
    assert_eq!(read(&[(0, 1), (0, 1)]).unwrap_err().token_id(), Some(257));
    let mut doubled = vec![(0, 0)];
    doubled.extend((256..300).map(|token_id| (token_id, token_id)));
    assert_eq!(read(&doubled).unwrap_err().token_id(), Some(256 + 7));
}

#[test]
fn parts_of_a_bundled_vocabulary_that_merges_do_not_leave_are_not_believed() {
    // "abc" is merged from "ab" and "c", whatever the file says, and "bcd" from "b" and "cd".
    let [a, b, c, d] = [b'a', b'b', b'c', b'd'].map(|byte| 255 - u32::from(byte));
    let content = bundled_content(&[(a, b), (c, d), (b, c), (a, 258), (258, d)]);
    let definition = bundled::read(&content, Pretokenizer::named("o200k").unwrap(), Vec::new()).unwrap();
    let tokens: Vec<_> = definition.vocabulary.iter().collect();
    let same = tiktoken::from_ranks(tokens, Pretokenizer::named("o200k").unwrap(), Vec::new()).unwrap();
    let (first, second) = (Tokenizer::new(definition.clone()).unwrap(), Tokenizer::new(same).unwrap());
    for text in ["abc", "bcd", "abcd", "xabcdabc", "abcbcdab", "ddabcdbcdc"] {
        assert_eq!(encode(&first, text), encode(&second, text), "{text}");
    }
}

#[test]
fn the_pattern_is_written_as_most_programs_know_it_where_ids_are_the_same() {
    let saved = |pretokenizer: &str, token: &str| {
        let tokens = (0..=255).map(|byte: u8| (u32::from(byte), vec![byte])).chain([(256, token.into())]);
        let pretokenizer = Pretokenizer::named(pretokenizer).unwrap();
        let definition = tiktoken::from_ranks(tokens.collect(), pretokenizer, Vec::new()).unwrap();
        let again = huggingface::read(&huggingface::write(&definition).unwrap()).unwrap();
        let (first, second) = (Tokenizer::new(definition).unwrap(), Tokenizer::new(again).unwrap());
        for text in ["a\n ", "a \r\n\t ", "\n \n ", "it's\n\n", "a\n\u{a0}", "a \n b "] {
            assert_eq!(encode(&first, text), encode(&second, text), "{text:?}");
        }
        second.definition().pretokenizer.name()
    };
    assert_eq!(saved("r50k_tiktoken", "\n "), Some("r50k"));
    assert_eq!(saved("cl100k_tiktoken", " \r\n\n"), Some("cl100k"));
    assert_eq!(saved("cl100k_tiktoken", "\n "), Some("cl100k_tiktoken"));
    assert_eq!(saved("cl100k_tiktoken", "\n\u{a0}"), Some("cl100k_tiktoken"));
    assert_eq!(saved("o200k", "\n "), Some("o200k"));
}
