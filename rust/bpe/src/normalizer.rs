//! Unicode normalization before pretokenization, as `tokenizer.json` files ask for it.
//!
//! Hugging Face normalizes with tables of Unicode 9, and models were trained on what it makes of newer characters, so
//! the tables here are the same, from the same crate.

use std::borrow::Cow;
use unicode_normalization_alignments::{
    is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick, IsNormalized, UnicodeNormalization,
};

/// One of the four Unicode normalization forms (Unicode Standard Annex 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalizationForm {
    /// Canonical decomposition, then canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Compatibility decomposition, then canonical composition.
    Nfkc,
    /// Compatibility decomposition.
    Nfkd,
}

impl NormalizationForm {
    /// All forms with their names in `tokenizer.json`.
    pub const NAMED: [(&'static str, Self); 4] =
        [("NFC", Self::Nfc), ("NFD", Self::Nfd), ("NFKC", Self::Nfkc), ("NFKD", Self::Nfkd)];

    /// The name of the form in `tokenizer.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nfc => "NFC",
            Self::Nfd => "NFD",
            Self::Nfkc => "NFKC",
            Self::Nfkd => "NFKD",
        }
    }

    fn apply(self, text: &str) -> Option<String> {
        let quick = match self {
            Self::Nfc => is_nfc_quick(text.chars()),
            Self::Nfd => is_nfd_quick(text.chars()),
            Self::Nfkc => is_nfkc_quick(text.chars()),
            Self::Nfkd => is_nfkd_quick(text.chars()),
        };
        (quick != IsNormalized::Yes).then(|| match self {
            // Each character comes with how far it was moved, which concerns offsets only.
            Self::Nfc => text.nfc().map(|(character, _)| character).collect(),
            Self::Nfd => text.nfd().map(|(character, _)| character).collect(),
            Self::Nfkc => text.nfkc().map(|(character, _)| character).collect(),
            Self::Nfkd => text.nfkd().map(|(character, _)| character).collect(),
        })
    }
}

/// Applies forms one after the other; borrows when the text is in these forms already. O(n).
///
/// ```
/// use portmanteau_bpe::normalizer::{normalize, NormalizationForm};
/// assert_eq!(normalize(&[NormalizationForm::Nfc], "e\u{301}"), "é");
/// ```
pub fn normalize<'t>(forms: &[NormalizationForm], text: &'t str) -> Cow<'t, str> {
    let mut normalized = Cow::Borrowed(text);
    for form in forms {
        if let Some(changed) = form.apply(&normalized) {
            normalized = Cow::Owned(changed);
        }
    }
    normalized
}
