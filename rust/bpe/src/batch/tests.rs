use super::*;
use crate::normalizer::NormalizationForm;
use crate::pretokenizer::NAMED_PATTERNS;
use crate::{AddedToken, Definition, ErrorKind, Merges, Pretokenizer, Vocabulary};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// All bytes and all pairs of bytes are tokens: nearly every pretoken that begins elsewhere has other ids.
static VOCABULARY: LazyLock<Arc<Vocabulary>> = LazyLock::new(|| {
    let bytes = (0..=255).map(|byte| vec![byte]);
    let pairs = (0..=u16::MAX).map(|pair| pair.to_be_bytes().to_vec());
    Vocabulary::new((0..).zip(bytes.chain(pairs)).collect()).unwrap().into()
});

fn definition(pretokenizer: Pretokenizer, normalization: &[NormalizationForm]) -> Definition {
    Definition {
        vocabulary: VOCABULARY.clone(),
        merges: Merges::ByTokenId,
        whole_words_first: true,
        unknown: None,
        normalization: normalization.to_vec(),
        pretokenizer,
        added_tokens: Vec::new(),
        unreachable_tokens: Vec::new(),
        carried: crate::CarriedParts::default(),
    }
}

/// Tokens with every flag: special ones, white space that others take away, one inside another.
fn added_tokens() -> Vec<AddedToken> {
    let token = |number: u32, content: &str| AddedToken::special(70_000 + number, content);
    vec![
        token(0, "<|x|>"),
        AddedToken { lstrip: true, ..token(1, "<l>") },
        AddedToken { rstrip: true, special: false, ..token(2, "<r>") },
        AddedToken { single_word: true, special: false, ..token(3, "the") },
        AddedToken { normalized: true, special: false, ..token(4, "中1") },
        AddedToken { special: false, ..token(5, "  ") },
        AddedToken { normalized: true, lstrip: true, rstrip: true, ..token(6, "it") },
        AddedToken { special: false, ..token(7, "<|x|><r> the") },
        AddedToken { normalized: true, special: false, ..token(8, "12é") },
    ]
}

/// Every named pretokenizer, with and without added tokens and normalization, and one without a scanner.
static TOKENIZERS: LazyLock<Vec<(String, Tokenizer)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let mut add = |name: &str, definition: Definition| {
        let with_added = Definition { added_tokens: added_tokens(), ..definition.clone() };
        all.push((format!("{name} with added tokens"), Tokenizer::new(with_added).unwrap()));
        all.push((name.to_owned(), Tokenizer::new(definition).unwrap()));
    };
    for pattern in NAMED_PATTERNS {
        add(pattern.name, definition(Pretokenizer::named(pattern.name).unwrap(), &[]));
    }
    for (name, form) in NormalizationForm::NAMED {
        add(name, definition(Pretokenizer::named("qwen2").unwrap(), &[form]));
    }
    add("expression", definition(Pretokenizer::from_regex(r"\w+|[^\w]").unwrap(), &[]));
    all
});

fn texts() -> impl Strategy<Value = String> {
    let words = [
        "the",
        "Word",
        "it's",
        "DON'T",
        "'re",
        "'",
        "ſ",
        "中",
        "文A",
        "中1",
        "aA",
        "ǅ",
        "é\u{301}",
        "e\u{301}",
        "각",
        "\u{1112}\u{1161}",
        "\u{11ab}",
        "ﬁ",
        "½",
        "あ",
        "\u{3099}",
        "1",
        "12",
        "345",
        "٣",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\n\n",
        "\u{a0}",
        "\u{3000}",
        "!",
        "..",
        "#_",
        "/",
        "\n/",
        "—",
        "🙂",
        "\u{200d}",
        "<|x|>",
        "<l>",
        "<r>",
        "<r> the",
        "it",
        "<|x",
        "|>",
    ];
    let unit = (prop::sample::select(words.to_vec()), prop_oneof![9 => 1..3_usize, 1 => 3..40_usize]);
    let units = unit.prop_map(|(word, n_times)| word.repeat(n_times));
    let units = prop_oneof![9 => units, 1 => Just("12e\u{301}".to_owned())];
    prop::collection::vec(units, 0..30).prop_map(|units| units.concat())
}

fn policies() -> impl Strategy<Value = SpecialTokens> {
    let only = SpecialTokens::ParseOnly(vec![70_001, 70_006]);
    prop::sample::select(vec![SpecialTokens::Text, SpecialTokens::Parse, SpecialTokens::Refuse, only])
}

/// One document after the other, whole: the definition.
fn one_by_one(
    tokenizer: &Tokenizer,
    documents: &[String],
    special: &SpecialTokens,
) -> Result<EncodedBatch, Error> {
    let (mut ids, mut offsets) = (Vec::new(), vec![0]);
    for (number, text) in documents.iter().enumerate() {
        tokenizer
            .encode(text, special, &mut Scratch::default(), &mut ids)
            .map_err(|error| error.in_document(number as u64))?;
        offsets.push(ids.len() as i64);
    }
    Ok(EncodedBatch { ids, offsets })
}

proptest! {
    #[test]
    fn cutting_changes_nothing(
        documents in prop::collection::vec(texts(), 0..4),
        special in policies(),
        task_bytes in 1..60_usize,
    ) {
        let never = Interrupt::default();
        for (name, tokenizer) in TOKENIZERS.iter() {
            let expected = one_by_one(tokenizer, &documents, &special);
            let counted = tokenizer.count_batch(&documents, &special, 1, &never);
            match &expected {
                Ok(expected) => {
                    let counts: Vec<_> = expected.offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
                    prop_assert_eq!(counted.unwrap(), counts, "{}", name);
                }
                Err(error) => prop_assert_eq!(&counted.unwrap_err(), error, "{}", name),
            }
            for threads in [1, 3] {
                let whole: Result<Part<Vec<u32>>, _> = tokenizer.run(&documents, &special, threads, &never, task_bytes);
                let batch = whole.map(|whole| EncodedBatch { ids: whole.output, offsets: whole.ends });
                match (&batch, &expected) {
                    // A piece that normalization leaves alone knows where the error is, although the whole does not.
                    (Err(error), Err(expected)) if error.offset().is_some() && expected.offset().is_none() => {
                        prop_assert_eq!(&error.clone().without_offset(), expected, "{}", name);
                    }
                    _ => prop_assert_eq!(&batch, &expected, "{} {}", name, threads),
                }
            }
        }
    }
}

#[test]
fn long_documents_are_cut() {
    for (name, tokenizer) in TOKENIZERS.iter() {
        let text = "one thing or two, 中文；1234 (5,6) !! and so on. ".repeat(20);
        for special in [SpecialTokens::Text, SpecialTokens::Parse] {
            let n_tasks = tasks(std::slice::from_ref(&text), 100, tokenizer.cutter(&special).as_ref()).len();
            let must_be_whole = ["expression", "NFC with", "NFD with", "NFKC with", "NFKD with"];
            if must_be_whole.iter().any(|whole| name.starts_with(whole)) {
                assert_eq!(n_tasks, 1, "{name}");
            } else {
                assert!(n_tasks > 5, "{name}");
            }
        }
    }
}

#[test]
fn the_first_error_is_the_one_that_is_told() {
    let (_, tokenizer) = &TOKENIZERS[0];
    let mut documents = vec!["a few words ".repeat(1000); 64];
    for bad in [50, 20, 21] {
        documents[bad].push_str("<|x|>");
    }
    for threads in [1, 2, 3, 8] {
        let error = tokenizer
            .encode_batch(&documents, &SpecialTokens::Refuse, threads, &Interrupt::default())
            .unwrap_err();
        assert_eq!((error.document(), error.offset()), (Some(20), Some(12_000)));
    }
}

#[test]
fn work_stops_soon_after_it_is_interrupted() {
    let random_letters =
        (0..4_000_000_u64).map(|number| (b'a' + (number * number % 8191 % 26) as u8) as char);
    let long_pretoken: String = random_letters.collect();
    let many_pretokens = "a few words, and 12.\n".repeat(2_000_000);
    for (name, text) in [("long", long_pretoken), ("many", many_pretokens)] {
        for wanted in ["o200k", "NFC", "expression"] {
            let (_, tokenizer) = TOKENIZERS.iter().find(|(name, _)| name == wanted).unwrap();
            for threads in [1, 2] {
                let interrupt = Interrupt::default();
                let (result, waited) = std::thread::scope(|scope| {
                    let work = || tokenizer.encode_batch(&[&text], &SpecialTokens::Text, threads, &interrupt);
                    let handle = scope.spawn(work);
                    std::thread::sleep(Duration::from_millis(10));
                    interrupt.set();
                    let start = Instant::now();
                    (handle.join().unwrap(), start.elapsed())
                });
                assert_eq!(
                    result.err().map(|error| error.kind()),
                    Some(ErrorKind::Interrupted),
                    "{name} {wanted}"
                );
                assert!(waited < Duration::from_secs(1), "{name} {wanted} {waited:?}");
            }
        }
    }
    let interrupt = Interrupt::default();
    interrupt.set();
    let mut scratch = Scratch::default().interrupted_by(&interrupt);
    let stopped = TOKENIZERS[0].1.encode("a", &SpecialTokens::Text, &mut scratch, &mut Vec::new());
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Interrupted);
}
