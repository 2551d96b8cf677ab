//! One hash over everything that decides which ids a text gets.
//!
//! Equal fingerprints mean equal ids for every text. The reverse is not promised: two files that say the same in
//! different ways (an explicit merge list, a rank file) have different fingerprints.

use crate::format::huggingface::{pretokenizer_to_json, Spelled};
use crate::{Definition, Merges};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Changes when the same definition comes to mean other ids.
const VERSION: &[u8] = b"portmanteau tokenizer 1";

/// The fingerprint of a definition: 64 hexadecimal digits.
pub(crate) fn of(definition: &Definition) -> String {
    let mut hash = Sha256::new();
    let mut section = |name: &str, parts: &mut dyn Iterator<Item = Vec<u8>>| {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    section("version", &mut std::iter::once(VERSION.to_vec()));
    section(
        "tokens",
        &mut definition.vocabulary.iter().map(|(id, bytes)| [&id.to_le_bytes(), bytes].concat()),
    );
    match &definition.merges {
        Merges::ByTokenId => section("merges by token id", &mut std::iter::empty()),
        Merges::Listed(list) => section(
            "merges",
            &mut list.iter().map(|(left, right, _)| [left.to_le_bytes(), right.to_le_bytes()].concat()),
        ),
    }
    let rules =
        format!("{} {:?} {:?}", definition.whole_words_first, definition.unknown, definition.normalization);
    section("rules", &mut std::iter::once(rules.into_bytes()));
    let pretokenizer = pretokenizer_to_json(&definition.pretokenizer, Spelled::AsGiven).unwrap_or_default();
    section("pretokenizer", &mut std::iter::once(pretokenizer.to_string().into_bytes()));
    let mut added: Vec<_> = definition.added_tokens.iter().collect();
    added.sort_by_key(|token| token.token_id);
    section("added tokens", &mut added.into_iter().map(|token| format!("{token:?}").into_bytes()));
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
