//! A text in chunks, held to the same text in one call; and how much of it is held back.
#![allow(clippy::unwrap_used)]

use portmanteau_bpe::format::tiktoken;
use portmanteau_bpe::normalizer::NormalizationForm;
use portmanteau_bpe::pretokenizer::NAMED_PATTERNS;
use portmanteau_bpe::{AddedToken, Pretokenizer, Scratch, SpecialTokens, Streaming, Tokenizer};
use proptest::prelude::*;
use std::sync::Arc;

/// All bytes, and all pairs of some: wherever a boundary is missing or too many, other tokens come out.
const PAIRED: &[u8] = b"abA1 \n\r'!<x>/";

const PIECES: [&str; 24] = [
    "a", "b", "A", "1", " ", "\n", "\r", "'", "!", "/", "<x>", "<", "x>", "'ll", "'s", "\u{301}", "\u{323}",
    "é", "\u{1100}", "\u{1161}", "가", "ﬁ", "日", "🦜",
];

/// Added tokens that differ in every flag that streaming has to do with.
fn added_tokens(flags: &[(bool, bool, bool, bool)]) -> Vec<AddedToken> {
    let contents = ["<x>", "a ", " 1", "\n", "é", "b\u{301}", "<", "<x>!<x>"];
    let ids = 60_000..;
    let tokens = ids.zip(contents).zip(flags).map(
        |((token_id, content), &(single_word, lstrip, rstrip, normalized))| {
            let special = content.starts_with('<');
            AddedToken {
                single_word,
                lstrip,
                rstrip,
                normalized,
                special,
                ..AddedToken::special(token_id, content)
            }
        },
    );
    tokens.collect()
}

fn tokenizer(
    pretokenizer: Pretokenizer,
    added_tokens: Vec<AddedToken>,
    normalization: Vec<NormalizationForm>,
) -> Arc<Tokenizer> {
    let bytes = (0..=255).map(|byte| vec![byte]);
    let pairs = PAIRED.iter().flat_map(|&left| PAIRED.iter().map(move |&right| vec![left, right]));
    let mut definition =
        tiktoken::from_ranks((0..).zip(bytes.chain(pairs)).collect(), pretokenizer, vec![]).unwrap();
    (definition.added_tokens, definition.normalization) = (added_tokens, normalization);
    Arc::new(Tokenizer::new(definition).unwrap())
}

fn streamed(tokenizer: &Arc<Tokenizer>, special: &SpecialTokens, chunks: &[&[u8]]) -> Vec<u32> {
    let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
    let mut stream = Streaming::new(tokenizer.clone(), special.clone());
    for chunk in chunks {
        stream.feed(chunk, &mut scratch, &mut ids).unwrap();
    }
    stream.finish(&mut scratch, &mut ids).unwrap();
    ids
}

fn in_one_call(tokenizer: &Tokenizer, special: &SpecialTokens, text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    tokenizer.encode(text, special, &mut Scratch::default(), &mut ids).unwrap();
    ids
}

fn pretokenizers() -> impl Strategy<Value = Pretokenizer> {
    let unknown = Just(Pretokenizer::from_regex(r"a+|\s+$|.").unwrap());
    let named: Vec<_> =
        NAMED_PATTERNS.iter().map(|pattern| Pretokenizer::named(pattern.name).unwrap()).collect();
    prop_oneof![1 => unknown, 9 => prop::sample::select(named)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn chunks_have_the_ids_of_the_whole_text(
        pretokenizer in pretokenizers(),
        flags in prop::collection::vec(any::<(bool, bool, bool, bool)>(), 0..9),
        normalization in prop::collection::vec(
            prop::sample::select(NormalizationForm::NAMED.map(|(_, form)| form).to_vec()), 0..3
        ),
        parses in any::<bool>(),
        text in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60).prop_map(|text| text.concat()),
        sizes in prop::collection::vec(1..12_usize, 1..6),
    ) {
        let tokenizer = tokenizer(pretokenizer, added_tokens(&flags), normalization);
        let special = if parses { SpecialTokens::Parse } else { SpecialTokens::Text };
        let (mut chunks, mut rest) = (Vec::new(), text.as_bytes());
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at(rest.len().min(*size));
            chunks.push(chunk);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(streamed(&tokenizer, &special, &chunks), in_one_call(&tokenizer, &special, &text));
    }
}

/// Of a text of words, a stream holds back a few, whatever the stages before do.
#[test]
fn little_is_held_back() {
    let words = "By the way, it's 12 o'clock; let's go!\n";
    for pattern in NAMED_PATTERNS {
        for (flags, forms) in [(0, vec![]), (8, vec![]), (8, vec![NormalizationForm::Nfc])] {
            let added = added_tokens(&vec![(true, true, true, true); flags]);
            let tokenizer = tokenizer(Pretokenizer::named(pattern.name).unwrap(), added, forms);
            let mut stream = Streaming::new(tokenizer.clone(), SpecialTokens::Parse);
            let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
            for _ in 0..200 {
                stream.feed(words.as_bytes(), &mut scratch, &mut ids).unwrap();
                let (mut given_out, fed) = (Vec::new(), stream.n_bytes());
                tokenizer.decode(&ids, &mut given_out).unwrap();
                assert!(fed - given_out.len() <= 2 * words.len(), "{} at {fed}", pattern.name);
            }
        }
    }
}
