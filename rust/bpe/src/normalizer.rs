//! Unicode normalization before pretokenization, as `tokenizer.json` files ask for it.
//!
//! Hugging Face normalizes with tables of Unicode 9, and models were trained on what it makes of newer characters, so
//! the tables here are the same, from the same crate.

use std::borrow::Cow;
use std::sync::OnceLock;
use unicode_normalization_alignments::char::canonical_combining_class;
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

    fn quick_check(self, characters: impl Iterator<Item = char>) -> IsNormalized {
        match self {
            Self::Nfc => is_nfc_quick(characters),
            Self::Nfd => is_nfd_quick(characters),
            Self::Nfkc => is_nfkc_quick(characters),
            Self::Nfkd => is_nfkd_quick(characters),
        }
    }

    /// Whether a text is in this form already, as far as a quick look tells.
    pub(crate) fn is_known_to_hold(self, text: &str) -> bool {
        self.quick_check(text.chars()) == IsNormalized::Yes
    }

    /// Appends the characters of a text in this form, each with how it came about: at 0 it replaces one character, at 1 it
    /// is one more that a character was decomposed into, at -n it replaces n + 1 characters.
    pub(crate) fn apply(self, text: &str, characters: &mut impl Extend<(char, isize)>) {
        match self {
            Self::Nfc => characters.extend(text.nfc()),
            Self::Nfd => characters.extend(text.nfd()),
            Self::Nfkc => characters.extend(text.nfkc()),
            Self::Nfkd => characters.extend(text.nfkd()),
        }
    }

    /// Whether a character is a starter that this form leaves alone, wherever it stands: the form of a text is the form of
    /// what is before such a character, and then the form of the rest.
    ///
    /// Proof. Let `d` be the first character of the decomposition of `c` (canonical or compatible, as the form has it). As
    /// the combining class of `c` is 0 and the quick check says yes, that of `d` is 0, and `d` joins no character before it
    /// where the form composes (the check would say maybe if it did; a test goes through all characters). Decomposition:
    /// a character of class 0 ends the run in which marks are sorted, as the end of a text does. Composition: at `d`, what
    /// is before has been composed as it would be at the end of a text, and nothing of it joins with `d` or with what
    /// follows, for `d` is the new starter.
    fn leaves_alone(self, c: char) -> bool {
        c.is_ascii() || {
            let (block, bit) = (c as usize / BLOCK, c as usize % BLOCK);
            let bits = LEFT_ALONE[self as usize][block].get_or_init(|| self.left_alone(block));
            bits[bit / 64] >> (bit % 64) & 1 != 0
        }
    }

    /// The characters of a block that this form leaves alone, as bits.
    fn left_alone(self, block: usize) -> [u64; BLOCK / 64] {
        let mut bits = [0; BLOCK / 64];
        let is_left_alone = |c| {
            canonical_combining_class(c) == 0 && self.quick_check(std::iter::once(c)) == IsNormalized::Yes
        };
        for bit in 0..BLOCK {
            if char::from_u32((block * BLOCK + bit) as u32).is_some_and(is_left_alone) {
                bits[bit / 64] |= 1 << (bit % 64);
            }
        }
        bits
    }

    /// The text in this form. O(n), and for ASCII hardly more than reading it.
    ///
    /// A text may be cut before every character that the form leaves alone. Most are followed by another such, and stay;
    /// only those that are not are normalized, together with what follows.
    fn normalize(self, text: &str) -> Cow<'_, str> {
        let (mut changed, mut piece) = (String::new(), Characters::default());
        let (mut done, mut place) = (0, 0);
        while let Some(next) = next_beyond_ascii(text, place) {
            let rest = text[next..].chars();
            let n_bytes: usize = rest.take_while(|&c| !self.leaves_alone(c)).map(char::len_utf8).sum();
            if n_bytes == 0 {
                place = next + text[next..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let start = text[..next].char_indices().next_back().map_or(0, |(start, _)| start);
            place = next + n_bytes;
            piece.0.clear();
            self.apply(&text[start..place], &mut piece);
            if piece.0 != text[start..place] {
                changed.push_str(&text[done..start]);
                changed.push_str(&piece.0);
                done = place;
            }
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        changed.push_str(&text[done..]);
        Cow::Owned(changed)
    }
}

/// Characters of a block.
const BLOCK: usize = 256;

/// By form and block of characters: those that the form leaves alone. Blocks are filled when they are first needed, because
/// all together take tens of milliseconds.
static LEFT_ALONE: [[OnceLock<[u64; BLOCK / 64]>; 0x11_0000 / BLOCK]; NormalizationForm::NAMED.len()] =
    [const { [const { OnceLock::new() }; 0x11_0000 / BLOCK] }; NormalizationForm::NAMED.len()];

/// The first place at or after `place` where a character beyond ASCII starts.
fn next_beyond_ascii(text: &str, place: usize) -> Option<usize> {
    const STEP: usize = 64;
    let rest = &text.as_bytes()[place..];
    if !rest.first()?.is_ascii() {
        return Some(place);
    }
    let n_ascii = STEP * rest.chunks(STEP).take_while(|chunk| chunk.is_ascii()).count();
    let offset = rest.get(n_ascii..)?.iter().position(|byte| !byte.is_ascii())?;
    Some(place + n_ascii + offset)
}

/// How much of a text of which more may come can be normalized by itself: up to the last character that every form leaves
/// alone. O(length of the rest).
///
/// With several forms the proof for one holds for each in turn. The text that a form makes of what begins with `c`
/// decomposes, in a later form, to the same as the original does (forms change nothing but how characters are composed,
/// and the compatible decomposition is the same before and after the canonical one), so it begins with the `d` that the
/// later form has for `c`.
pub(crate) fn settled(forms: &[NormalizationForm], text: &str) -> usize {
    let is_boundary = |c: char| forms.iter().all(|form| form.leaves_alone(c));
    text.char_indices().rev().find(|&(_, c)| is_boundary(c)).map_or(0, |(place, _)| place)
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
        if let Cow::Owned(changed) = form.normalize(&normalized) {
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
    near.all(|character| form.leaves_alone(character))
}

/// The characters that a form makes, without how they came about.
#[derive(Default)]
struct Characters(String);

impl Extend<(char, isize)> for Characters {
    fn extend<I: IntoIterator<Item = (char, isize)>>(&mut self, characters: I) {
        self.0.extend(characters.into_iter().map(|(character, _)| character));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use unicode_normalization_alignments::char::{compose, decompose_canonical, decompose_compatible};

    fn decomposed(c: char, decompose: impl Fn(char, &mut dyn FnMut(char))) -> Vec<char> {
        let mut parts = Vec::new();
        decompose(c, &mut |part| parts.push(part));
        parts
    }

    /// What the proof of [`NormalizationForm::leaves_alone`] takes from the tables.
    #[test]
    fn what_is_left_alone_neither_composes_nor_sorts() {
        let all = || ('\0'..=char::MAX).filter(|c| !c.is_ascii());
        let canonical = |c| decomposed(c, |c, visit| decompose_canonical(c, visit));
        let compatible = |c| decomposed(c, |c, visit| decompose_compatible(c, visit));
        // What joins an earlier character: the last part of a character that its parts compose to again (not all do).
        let joins = |c: char| {
            let parts: String = canonical(c).into_iter().collect();
            let mut characters = parts.chars();
            let last = characters.next_back()?;
            let mut before = characters.as_str().nfc().map(|(first, _)| first);
            let first = before.next()?;
            (before.next().is_none() && compose(first, last).is_some()).then_some(last)
        };
        let seconds: HashSet<char> = all().filter_map(joins).collect();
        assert!(['\u{301}', '\u{1161}', '\u{11a8}', '\u{9be}'].iter().all(|c| seconds.contains(c)));
        for (_, form) in NormalizationForm::NAMED {
            for c in all().filter(|&c| form.leaves_alone(c)) {
                let (parts, composes) = match form {
                    NormalizationForm::Nfc => (canonical(c), true),
                    NormalizationForm::Nfd => (canonical(c), false),
                    NormalizationForm::Nfkc => (compatible(c), true),
                    NormalizationForm::Nfkd => (compatible(c), false),
                };
                assert_eq!(canonical_combining_class(parts[0]), 0, "{form:?} {c:?}");
                assert!(!(composes && seconds.contains(&parts[0])), "{form:?} {c:?}");
            }
            assert!(('\0'..'\x7f').all(|c| form.leaves_alone(c)));
        }
    }

    #[test]
    fn a_text_that_a_quick_look_accepts_does_not_change() {
        for (_, form) in NormalizationForm::NAMED {
            for c in '\0'..=char::MAX {
                let text = format!("a{c}\u{323}\u{301}{c}");
                let mut changed = Characters::default();
                form.apply(&text, &mut changed);
                assert!(!form.is_known_to_hold(&text) || changed.0 == text, "{form:?} {text:?}");
            }
        }
    }

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
                let mut by_definition = Characters::default();
                form.apply(&text, &mut by_definition);
                prop_assert_eq!(&by_definition.0, &whole);
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
