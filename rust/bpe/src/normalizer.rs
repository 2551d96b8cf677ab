//! Unicode normalization before pretokenization, as `tokenizer.json` files ask for it.
//!
//! Hugging Face normalizes with tables of Unicode 9, and models were trained on what it makes of newer characters, so
//! the tables here are the same, from the same crate.

use std::borrow::Cow;
use unicode_normalization_alignments::{
    char::canonical_combining_class, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick, IsNormalized,
    UnicodeNormalization,
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

    /// Whether a text is surely in this form.
    fn has(self, text: impl Iterator<Item = char>) -> bool {
        let quick = match self {
            Self::Nfc => is_nfc_quick(text),
            Self::Nfd => is_nfd_quick(text),
            Self::Nfkc => is_nfkc_quick(text),
            Self::Nfkd => is_nfkd_quick(text),
        };
        quick == IsNormalized::Yes
    }

    fn apply(self, text: &str) -> Option<String> {
        (!self.has(text.chars())).then(|| match self {
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

/// The same, for a text of any length: `check` is called before every piece of about `piece_bytes`, and may stop the work.
///
/// # Errors
/// What `check` returns.
pub(crate) fn normalize_in_pieces<'t, E>(
    forms: &[NormalizationForm],
    text: &'t str,
    piece_bytes: usize,
    check: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Cow<'t, str>, E> {
    if forms.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let mut changed: Option<String> = None;
    let mut done = 0;
    while done < text.len() {
        check()?;
        let mut places = done + piece_bytes..text.len();
        let end = places.find(|&place| text.is_char_boundary(place) && may_cut(forms, text, place));
        let end = end.unwrap_or(text.len());
        match (normalize(forms, &text[done..end]), &mut changed) {
            (Cow::Borrowed(_), None) => {}
            (piece, None) => changed = Some(text[..done].to_owned() + &piece),
            (piece, Some(changed)) => changed.push_str(&piece),
        }
        done = end;
    }
    Ok(changed.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// Whether a text may be cut at `place` before it is normalized: the normalized pieces, one after the other, are the
/// normalized text, and the characters on both sides of the cut are as before.
///
/// That is so where the characters on both sides, and the one after those, are in the form by themselves and begin anew:
/// they change neither with what comes before them nor with what follows (Unicode Standard Annex 15, section 9).
pub(crate) fn may_cut(forms: &[NormalizationForm], text: &str, place: usize) -> bool {
    let [form] = forms else { return forms.is_empty() };
    let mut near = text[..place].chars().next_back().into_iter().chain(text[place..].chars().take(2));
    near.all(|character| canonical_combining_class(character) == 0 && form.has(std::iter::once(character)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_that_may_be_cut_is_the_same_in_two(
            characters in prop::collection::vec(
                prop::sample::select("aé1 \ne\u{301}\u{327}\u{323}한\u{1112}\u{1161}\u{11ab}각\u{11a8}中½ﬁΩ\u{2126}\u{212b}\u{37a}ぱは\u{309a}🙂\u{958}\u{1d15e}\u{f71}\u{f73}".chars().collect::<Vec<_>>()),
                0..8,
            ),
        ) {
            let text: String = characters.into_iter().collect();
            for (_, form) in NormalizationForm::NAMED {
                let whole = normalize(&[form], &text);
                let check = &mut || Ok::<_, ()>(());
                prop_assert_eq!(&normalize_in_pieces(&[form], &text, 1, check).unwrap(), &whole);
                for (place, after) in text.char_indices().filter(|(place, _)| may_cut(&[form], &text, *place)) {
                    let (left, right) = (normalize(&[form], &text[..place]), normalize(&[form], &text[place..]));
                    prop_assert_eq!(format!("{left}{right}"), whole.as_ref());
                    prop_assert_eq!(left.chars().next_back(), text[..place].chars().next_back());
                    prop_assert_eq!(right.chars().next(), Some(after));
                }
            }
        }
    }
}
