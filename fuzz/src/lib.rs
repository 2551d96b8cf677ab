//! Fuzzing: bytes → a small tokenizer and a text → every way to encode it, held to the naive definitions.
//!
//! There is one body and two drivers. `fuzz_targets` hands it to libFuzzer, which looks for bytes that reach new code;
//! `tests` hands it random ones, wherever the other tests run.
#![allow(clippy::unwrap_used)] // A wrong answer is to stop the driver.

mod case;
mod choices;
mod naive;

use case::{Case, Outcome};
use choices::Choices;
use portmanteau_bpe::{
    EncodedWithOffsets, Error, ErrorKind, Interrupt, OffsetUnit, Scratch, Streaming, Tokenizer,
};
use std::sync::Arc;

/// A text of this length is cut and shared by several threads.
const LONG: usize = 150_000;

/// Makes a tokenizer and a text of the bytes and encodes it in one call, again with warm caches, in chunks, with
/// offsets, in a batch, on several threads, and only counting.
///
/// # Panics
/// If an answer is not that of the naive tokenizer, or for what that does not know (normalization, flags of added
/// tokens), if two answers differ.
pub fn check_encoding(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let case = Case::new(&mut choices);
    let tokenizer = Arc::new(Tokenizer::new(case.definition.clone()).unwrap());
    let mut scratch = Scratch::default();
    let mut encode = |text: &str| {
        let mut ids = Vec::new();
        case.outcome(text, tokenizer.encode(text, &case.special, &mut scratch, &mut ids).map(|()| ids))
    };
    let cold = encode(&case.text);
    let expected = if let Some(naive) = &case.naive {
        let expected = naive.encode(&case.text).ok_or(ErrorKind::Text);
        check(&case, &cold, &expected, "in one call");
        expected
    } else {
        cold
    };
    check(&case, &encode(&case.text), &expected, "with warm caches");
    check_streaming(&case, &tokenizer, &expected, &mut choices);
    check_offsets(&case, &tokenizer, &expected);
    check_decoding(&case, &tokenizer, &expected);

    let halves = case.text.split_at(case.middle);
    check_batch(&case, &tokenizer, &[halves.0, "", halves.1, &case.text], 1, &mut encode);
    let is_cut = case.definition.pretokenizer.scanner().is_some() && !case.text.is_empty();
    if is_cut && choices.is_one_in(64) {
        let long = case.text.repeat(LONG / case.text.len() + 1);
        check_batch(&case, &tokenizer, &["", &long, &case.text], 3, &mut encode);
    }
}

fn check_streaming(case: &Case, tokenizer: &Arc<Tokenizer>, expected: &Outcome, choices: &mut Choices<'_>) {
    let mut ids = Vec::new();
    let mut scratch = Scratch::default();
    let mut stream = Streaming::new(tokenizer.clone(), case.special.clone());
    let mut rest = case.text.as_bytes();
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(1 + choices.below(40)));
        chunks.push(chunk);
        rest = after;
    }
    let fed = chunks.iter().try_for_each(|chunk| stream.feed(chunk, &mut scratch, &mut ids));
    let streamed =
        case.outcome(&case.text, fed.and_then(|()| stream.finish(&mut scratch, &mut ids)).map(|()| ids));
    check(case, &streamed, expected, &format!("in the chunks {chunks:?}"));
}

fn check_offsets(case: &Case, tokenizer: &Tokenizer, expected: &Outcome) {
    let mut scratch = Scratch::default();
    let mut encode = |unit| tokenizer.encode_with_offsets(&case.text, &case.special, unit, &mut scratch);
    let in_bytes = encode(OffsetUnit::Bytes);
    let ids = in_bytes.clone().map(|encoded| encoded.ids);
    check(case, &case.outcome(&case.text, ids), expected, "with offsets");
    let Ok(EncodedWithOffsets { offsets, .. }) = in_bytes else { return };
    if case.keeps_bytes {
        let mut end = 0;
        for range in &offsets {
            assert_eq!(range.start, end, "{offsets:?} of {case:?}");
            end = range.end;
        }
        assert_eq!(end, case.text.len(), "{offsets:?} of {case:?}");
    }
    // The characters that have a byte in the range.
    let place = |range: &std::ops::Range<usize>| {
        let ends = case.text.char_indices().map(|(start, character)| start + character.len_utf8());
        let before = ends.filter(|&end| end <= range.start).count();
        before..case.text.char_indices().filter(|&(start, _)| start < range.end).count().max(before)
    };
    let in_characters = encode(OffsetUnit::Characters).unwrap();
    assert_eq!(
        in_characters.offsets,
        offsets.iter().map(place).collect::<Vec<_>>(),
        "{offsets:?} of {case:?}"
    );
}

fn check_decoding(case: &Case, tokenizer: &Tokenizer, expected: &Outcome) {
    let Ok(ids) = expected else { return };
    let mut bytes = Vec::new();
    tokenizer.decode(ids, &mut bytes).unwrap();
    if case.keeps_bytes && case.definition.unknown.is_none() {
        assert_eq!(bytes, case.text.as_bytes(), "decoded from {ids:?}: {case:?}");
    }
}

fn check_batch(
    case: &Case,
    tokenizer: &Tokenizer,
    documents: &[&str],
    threads: usize,
    encode: &mut impl FnMut(&str) -> Outcome,
) {
    let never = Interrupt::default();
    let separately: Result<Vec<_>, _> = documents.iter().map(|document| encode(document)).collect();
    let ids = separately.clone().map(|documents| documents.concat());
    let counts = separately.map(|documents| documents.iter().map(|ids| ids.len() as u32).collect());
    let of = |result: Result<Vec<u32>, Error>| {
        let document = result.as_ref().err().and_then(Error::document).unwrap_or(0);
        case.outcome(documents[document as usize], result)
    };
    let batch = tokenizer.encode_batch(documents, &case.special, threads, &never);
    check(case, &of(batch.map(|batch| batch.ids)), &ids, "in a batch");
    let counted = tokenizer.count_batch(documents, &case.special, threads, &never);
    let counted =
        counted.map(|counts| counts.into_iter().map(i64::cast_unsigned).map(|count| count as u32).collect());
    check(case, &of(counted), &counts, "counted");
}

fn check(case: &Case, answer: &Outcome, expected: &Outcome, how: &str) {
    assert!(answer == expected, "{how}: {answer:?}\nnot {expected:?}\nfor {case:?}");
}
