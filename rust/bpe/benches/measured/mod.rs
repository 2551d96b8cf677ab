//! What the benchmarks share: the bundled texts, and a digest that every answer must have before it is timed.

use portmanteau_testkit::sample::{text, Language};
use sha2::{Digest, Sha256};

/// The texts with their names.
pub(crate) fn texts() -> [(&'static str, String); 3] {
    let named =
        [("english", Language::English), ("code", Language::Code), ("multilingual", Language::Multilingual)];
    named.map(|(name, language)| (name, text(language).unwrap()))
}

/// The first 16 hexadecimal digits of SHA-256 over numbers, each as four bytes, little-endian.
pub(crate) fn digest(numbers: &[u32]) -> String {
    let mut hasher = Sha256::new();
    for number in numbers {
        hasher.update(number.to_le_bytes());
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest.first_chunk().map_or_else(String::new, |&first| format!("{:016x}", u64::from_be_bytes(first)))
}
