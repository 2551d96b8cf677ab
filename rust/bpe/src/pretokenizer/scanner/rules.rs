//! The rules of the patterns in use, one function a family.
//!
//! To read them: `rules.set(states, kinds, operations | next)` says what characters of these kinds do when they come in
//! one of these states; where nothing is said, a character begins a new pretoken, as it does at the start.

use super::automaton::{
    Rules, Special, AFTER_LINE_END, ALL_STATES, CAPITALS, HERE, IN_BLANKS, IN_WHITE, JOIN, LATER_CAPITALS,
    PREVIOUS, SPECIAL, START, WITHOUT_CASE,
};
use super::characters::{
    Kinds, ANY, APOSTROPHE, BLANK, CJK_LETTER, CJK_MARK, CJK_OTHER, CJK_SYMBOL, DIGIT, END, LETTER,
    LETTER_ASCII, LINE_END, LONG_S, LOWER, LOWER_E, LOWER_L, LOWER_SDMT, LOWER_VR, MARK, NUMBER,
    NUMBER_OTHER, OTHER, SLASH, SYMBOL_ASCII, SYMBOL_OTHER, UNCASED, UPPER, UPPER_E, UPPER_L, UPPER_SDMT,
    UPPER_VR, WHITE, WHITE_OTHER,
};

/// How many numeric characters make a pretoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    /// `\p{N}`
    One,
    /// `\p{N}{1,3}`
    UpToThree,
}

/// What becomes of white space at the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastWhiteSpace {
    /// It is cut after its last line end, as anywhere.
    CutAfterLineEnd,
    /// It is one pretoken (`\s+\z` comes first).
    Whole,
}

// States of several families, besides those of `automaton`.
/// After one character that is neither letter, number nor white space: a word may take it as its first, or a run of
/// punctuation.
const PREFIX: u8 = 4;
/// In a run of punctuation.
const PUNCTUATION: u8 = 5;
/// In the line ends after punctuation.
const TAIL: u8 = 6;
/// After one numeric character.
const ONE_DIGIT: u8 = 7;
/// After two numeric characters.
const TWO_DIGITS: u8 = 8;

const PUNCTUATION_KINDS: Kinds = ANY & !(LETTER | NUMBER | WHITE | END);

/// `\p{N}{1,3}` or `\p{N}`: where the first of them leads.
fn digits(rules: &mut Rules, digits: Digits) {
    if digits == Digits::One {
        rules.set(&ALL_STATES, NUMBER, HERE | START);
        return;
    }
    rules.set(&ALL_STATES, NUMBER, HERE | ONE_DIGIT);
    rules.set(&[ONE_DIGIT], NUMBER, JOIN | TWO_DIGITS);
    rules.set(&[TWO_DIGITS], NUMBER, JOIN | START);
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end; else up to the last character before a word. That last one
/// begins what follows or is alone: the rules of the family say which ([`PREVIOUS`]).
fn white_space_with_line_ends(rules: &mut Rules, last: LastWhiteSpace) {
    rules.set(&[IN_BLANKS, IN_WHITE], BLANK, JOIN | IN_BLANKS);
    rules.set(&[IN_BLANKS, IN_WHITE], WHITE_OTHER, JOIN | IN_WHITE);
    // White space after a line end is a pretoken of its own until another line end comes.
    rules.set(&[IN_BLANKS, IN_WHITE], LINE_END, SPECIAL | AFTER_LINE_END);
    rules.set(&[AFTER_LINE_END], LINE_END, JOIN | AFTER_LINE_END);
    rules.special(&[IN_BLANKS, IN_WHITE], Special::JoinsLineEnd);
    if last == LastWhiteSpace::Whole {
        rules.add(&[IN_BLANKS, IN_WHITE], END, SPECIAL);
    }
}

/// ` ?[^\s\p{L}\p{N}]+[\r\n]*` with these kinds as punctuation and these after it.
fn punctuation(rules: &mut Rules, kinds: Kinds, tail: Kinds) {
    rules.set(&[PREFIX, PUNCTUATION], kinds, JOIN | PUNCTUATION);
    rules.set(&[IN_BLANKS], kinds, PREVIOUS | PUNCTUATION);
    rules.add(&[IN_WHITE], kinds, PREVIOUS);
    rules.set(&[PREFIX, PUNCTUATION, TAIL], LINE_END, JOIN | TAIL);
    rules.set(&[TAIL], tail, JOIN | TAIL);
}

/// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
pub(super) fn gpt2() -> Rules {
    const WORD: u8 = 3;
    const NUMERIC: u8 = 4;
    const SIGNS: u8 = 5;
    const QUOTE: u8 = 6;
    const QUOTE_L: u8 = 7;
    const QUOTE_VR: u8 = 8;

    let mut rules = Rules::new(&[
        (LETTER, WORD),
        (NUMBER, NUMERIC),
        (BLANK, IN_BLANKS),
        (LINE_END | WHITE_OTHER, IN_WHITE),
        (PUNCTUATION_KINDS, SIGNS),
        (APOSTROPHE, QUOTE),
    ]);
    for (state, kinds) in [(WORD, LETTER), (NUMERIC, NUMBER), (SIGNS, PUNCTUATION_KINDS)] {
        rules.set(&[state], kinds, JOIN | state);
        // The last space goes with what follows; other white space is alone.
        rules.set(&[IN_BLANKS], kinds, PREVIOUS | state);
        rules.add(&[IN_WHITE], kinds, PREVIOUS);
    }
    rules.set(&[IN_BLANKS, IN_WHITE], BLANK, JOIN | IN_BLANKS);
    rules.set(&[IN_BLANKS, IN_WHITE], LINE_END | WHITE_OTHER, JOIN | IN_WHITE);

    rules.set(&[QUOTE], PUNCTUATION_KINDS, JOIN | SIGNS);
    rules.set(&[QUOTE], LOWER_SDMT, JOIN | START);
    // One letter more decides whether these begin a word.
    rules.set(&[QUOTE], LOWER_L, JOIN | QUOTE_L);
    rules.set(&[QUOTE], LOWER_VR, JOIN | QUOTE_VR);
    rules.add(&[QUOTE_L, QUOTE_VR], ANY, PREVIOUS);
    rules.set(&[QUOTE_L, QUOTE_VR], LETTER, PREVIOUS | WORD);
    rules.set(&[QUOTE_L], LOWER_L, JOIN | START);
    rules.set(&[QUOTE_VR], LOWER_E, JOIN | START);
    rules
}

/// GPT-4, Llama 3 and Qwen:
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
///
/// `marks` are the kinds that belong to words besides letters.
pub(super) fn gpt4(marks: Kinds, n_digits: Digits, last: LastWhiteSpace) -> Rules {
    const WORD: u8 = 9;
    const QUOTE: u8 = 10;
    const QUOTE_L: u8 = 11;
    const QUOTE_VR: u8 = 12;

    let letters = LETTER | marks;
    let mut rules = Rules::new(&[
        (PUNCTUATION_KINDS, PREFIX),
        (APOSTROPHE, QUOTE),
        (letters, WORD),
        (BLANK, IN_BLANKS),
        (WHITE_OTHER, IN_WHITE),
        (LINE_END, AFTER_LINE_END),
    ]);
    digits(&mut rules, n_digits);
    rules.add(&[IN_BLANKS, IN_WHITE], NUMBER, PREVIOUS);
    punctuation(&mut rules, PUNCTUATION_KINDS & !marks, LINE_END);
    white_space_with_line_ends(&mut rules, last);
    rules.copy(PREFIX, QUOTE, JOIN);
    rules.set(&[WORD, PREFIX, QUOTE, QUOTE_L, QUOTE_VR], letters, JOIN | WORD);
    rules.set(&[IN_BLANKS, IN_WHITE], letters, PREVIOUS | WORD);

    rules.set(&[QUOTE], LOWER_SDMT | UPPER_SDMT | LONG_S, JOIN | START);
    rules.set(&[QUOTE], LOWER_L | UPPER_L, JOIN | QUOTE_L);
    rules.set(&[QUOTE], LOWER_VR | UPPER_VR, JOIN | QUOTE_VR);
    rules.set(&[QUOTE_L], LOWER_L | UPPER_L, JOIN | START);
    rules.set(&[QUOTE_VR], LOWER_E | UPPER_E, JOIN | START);
    rules
}

/// Whether a contraction ends the word it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contractions {
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)?` after a word.
    WithTheirWord,
    /// The pattern has none.
    None,
}

/// GPT-4o, tekken and SuperBPE. A word is capitals, then small letters, and what has no case is both:
/// `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
/// `|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
/// `|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
pub(super) fn gpt4o(contractions: Contractions, n_digits: Digits) -> Rules {
    // After a small letter in a word.
    const SMALL: u8 = 12;
    const WORD_STATES: [u8; 4] = [CAPITALS, WITHOUT_CASE, LATER_CAPITALS, SMALL];
    const BOTH_CASES: Kinds = UNCASED | MARK | CJK_LETTER | CJK_MARK;
    const IN_WORDS: Kinds = UPPER | LOWER | BOTH_CASES;

    let mut rules = Rules::new(&[
        (PUNCTUATION_KINDS, PREFIX),
        (UPPER, CAPITALS),
        (LOWER, SMALL),
        (BOTH_CASES, WITHOUT_CASE),
        (BLANK, IN_BLANKS),
        (WHITE_OTHER, IN_WHITE),
        (LINE_END, AFTER_LINE_END),
    ]);
    digits(&mut rules, n_digits);
    rules.add(&[IN_BLANKS, IN_WHITE], NUMBER, PREVIOUS);
    punctuation(&mut rules, PUNCTUATION_KINDS, LINE_END | SLASH);
    white_space_with_line_ends(&mut rules, LastWhiteSpace::CutAfterLineEnd);
    for (kinds, state) in [(UPPER, CAPITALS), (LOWER, SMALL), (BOTH_CASES, WITHOUT_CASE)] {
        rules.set(&[PREFIX, CAPITALS], kinds, JOIN | state);
        rules.set(&[IN_BLANKS, IN_WHITE], kinds, PREVIOUS | state);
    }
    for (kinds, state) in [(UPPER, LATER_CAPITALS), (LOWER, SMALL), (BOTH_CASES, WITHOUT_CASE)] {
        rules.set(&[WITHOUT_CASE, LATER_CAPITALS], kinds, JOIN | state);
    }
    rules.set(&[SMALL], LOWER | BOTH_CASES, JOIN | SMALL);
    rules.special(&[LATER_CAPITALS], Special::RunBegins);
    if contractions == Contractions::WithTheirWord {
        contractions_with_their_word(
            &mut rules,
            &WORD_STATES,
            &[(UPPER, CAPITALS), (LOWER, SMALL), (BOTH_CASES, WITHOUT_CASE)],
        );
    }
    rules.add(&[LATER_CAPITALS], ANY & !IN_WORDS, SPECIAL);
    rules
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)?` after words. If no contraction comes of it, the apostrophe begins a pretoken.
fn contractions_with_their_word(rules: &mut Rules, word_states: &[u8], letters: &[(Kinds, u8)]) {
    const QUOTE: u8 = 13;
    const QUOTE_L: u8 = 14;
    const QUOTE_VR: u8 = 15;

    rules.set(word_states, APOSTROPHE, JOIN | QUOTE);
    rules.copy(PREFIX, QUOTE, PREVIOUS);
    rules.set(&[QUOTE], LOWER_SDMT | UPPER_SDMT | LONG_S, JOIN | START);
    rules.set(&[QUOTE], LOWER_L | UPPER_L, JOIN | QUOTE_L);
    rules.set(&[QUOTE], LOWER_VR | UPPER_VR, JOIN | QUOTE_VR);
    // What follows sees a word of one letter, which may be a capital or not.
    for &(kinds, state) in letters {
        rules.set(&[QUOTE_L, QUOTE_VR], kinds, JOIN | state);
    }
    rules.set(&[QUOTE_L, QUOTE_VR], APOSTROPHE, JOIN | QUOTE);
    rules.add(&[QUOTE_L, QUOTE_VR], ANY, SPECIAL);
    rules.special(&[QUOTE_L, QUOTE_VR], Special::ContractionFails);
    rules.set(&[QUOTE_L], LOWER_L | UPPER_L, JOIN | START);
    rules.set(&[QUOTE_VR], LOWER_E | UPPER_E, JOIN | START);
}

/// SuperBPE's second stage, where what lies between two matches is a pretoken too:
/// `\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)`
pub(super) fn superbpe_stage2() -> Rules {
    // Between matches, after a letter or white space,
    const GAP: u8 = 2;
    // after one sign (with another it is a match),
    const SIGN: u8 = 3;
    // after one space (it may begin a match of spaces, or of signs),
    const SPACE: u8 = 4;
    // after a space and one sign (with another sign the match begins at the space).
    const SPACE_SIGN: u8 = 9;
    // In a match of spaces, unless the last one turns out to stand before a word.
    const SPACES: u8 = 10;
    const SIGNS: u8 = PUNCTUATION;
    const NOT_BLANK: Kinds = LINE_END | WHITE_OTHER;

    let mut rules = Rules::new(&[(LETTER | NOT_BLANK, GAP), (BLANK, SPACE), (PUNCTUATION_KINDS, SIGN)]);
    digits(&mut rules, Digits::UpToThree);
    rules.set(&[GAP, SIGN, SPACE_SIGN], LETTER | NOT_BLANK, JOIN | GAP);
    rules.set(&[GAP, SIGN, SPACE_SIGN], BLANK, JOIN | SPACE);
    rules.set(&[GAP], PUNCTUATION_KINDS, JOIN | SIGN);

    rules.set(&[SIGN], PUNCTUATION_KINDS, PREVIOUS | SIGNS);
    rules.set(&[SPACE_SIGN], PUNCTUATION_KINDS, SPECIAL | SIGNS);
    rules.special(&[SPACE_SIGN], Special::BeginsBeforeRun);
    rules.set(&[SIGNS], PUNCTUATION_KINDS, JOIN | SIGNS);
    rules.set(&[SIGNS, TAIL], LINE_END, JOIN | TAIL);
    rules.set(&[TAIL], SLASH, JOIN | TAIL);

    rules.set(&[SPACE], LETTER, JOIN | GAP);
    rules.set(&[SPACE], PUNCTUATION_KINDS, JOIN | SPACE_SIGN);
    rules.set(&[SPACE], BLANK, PREVIOUS | SPACES);
    rules.add(&[SPACE], NOT_BLANK | END, PREVIOUS);
    rules.set(&[SPACES], BLANK, JOIN | SPACES);
    rules.set(&[SPACES], LETTER, PREVIOUS | GAP);
    rules.set(&[SPACES], PUNCTUATION_KINDS, PREVIOUS | SPACE_SIGN);
    rules.add(&[SPACES], NUMBER, PREVIOUS);
    rules
}

/// SuperBPE's first stage as in the paper: `Digits`, then
/// `(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
///
/// White space before a number is at the end of its piece, so all of it is one pretoken.
pub(super) fn superbpe_paper_stage1() -> Rules {
    const WORD: u8 = 3;
    const SIGNS: u8 = 4;

    let mut rules = Rules::new(&[
        (LETTER, WORD),
        (PUNCTUATION_KINDS, SIGNS),
        (BLANK, IN_BLANKS),
        (LINE_END | WHITE_OTHER, IN_WHITE),
    ]);
    for (state, kinds) in [(WORD, LETTER), (SIGNS, PUNCTUATION_KINDS)] {
        rules.set(&[state], kinds, JOIN | state);
        rules.set(&[IN_BLANKS], kinds, PREVIOUS | state);
        rules.add(&[IN_WHITE], kinds, PREVIOUS);
    }
    rules.set(&[IN_BLANKS, IN_WHITE], BLANK, JOIN | IN_BLANKS);
    rules.set(&[IN_BLANKS, IN_WHITE], LINE_END | WHITE_OTHER, JOIN | IN_WHITE);
    groups_of_three_digits(&mut rules);
    rules
}

/// SuperBPE's second stage as in the paper: `Digits`, then `(?=(\d{3})+(?!\d))`
pub(super) fn superbpe_paper_stage2() -> Rules {
    let mut rules = whole();
    groups_of_three_digits(&mut rules);
    rules
}

/// Runs of `\p{N}`, in which runs of `\d` are cut into threes from the right.
fn groups_of_three_digits(rules: &mut Rules) {
    const DIGITS: u8 = 9;
    const NO_DIGITS: u8 = 10;

    rules.set(&ALL_STATES, DIGIT, HERE | DIGITS);
    rules.set(&ALL_STATES, NUMBER_OTHER, HERE | NO_DIGITS);
    rules.set(&[DIGITS, NO_DIGITS], DIGIT, JOIN | DIGITS);
    rules.set(&[DIGITS, NO_DIGITS], NUMBER_OTHER, JOIN | NO_DIGITS);
    rules.add(&[DIGITS], ANY & !DIGIT, SPECIAL);
    rules.special(&[DIGITS], Special::GroupsOfThree);
}

/// `Digits` and nothing else: numeric characters one by one, or runs of them.
pub(super) fn only_digits(individual: bool) -> Rules {
    const NUMERIC: u8 = 2;

    let mut rules = whole();
    rules.set(&ALL_STATES, NUMBER, HERE | if individual { START } else { NUMERIC });
    if !individual {
        rules.set(&[NUMERIC], NUMBER, JOIN | NUMERIC);
    }
    rules
}

/// The text is one pretoken.
pub(super) fn whole() -> Rules {
    const INSIDE: u8 = 1;

    let mut rules = Rules::new(&[(ANY & !END, INSIDE)]);
    rules.set(&[INSIDE], ANY & !END, JOIN | INSIDE);
    rules
}

/// DeepSeek V3: `\p{N}{1,3}`, then `[一-龥぀-ゟ゠-ヿ]+`, then
/// ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*``
/// `|\s*[\r\n]+|\s+(?!\S)|\s+`
///
/// Each sees only the piece that the one before it left. White space before what was cut out is at the end of its
/// piece, so it needs no [`PREVIOUS`]. Characters that no alternative matches are pretokens, runs of them together.
pub(super) fn deepseek_v3() -> Rules {
    const WORD: u8 = 9;
    // ASCII punctuation and the ASCII letters after it.
    const SIGN_WORD: u8 = 10;
    const UNMATCHED: u8 = 11;
    const CJK_WORD: u8 = 12;
    const CJK_SIGNS: u8 = 13;
    const CJK_UNMATCHED: u8 = 14;
    const LETTERS: Kinds = (LETTER & !CJK_LETTER) | MARK;
    const ASCII_SIGNS: Kinds = APOSTROPHE | SLASH | SYMBOL_ASCII;
    const SIGNS: Kinds = ASCII_SIGNS | SYMBOL_OTHER;
    const CJK_LETTERS: Kinds = CJK_LETTER | CJK_MARK;

    let mut rules = Rules::new(&[
        (LETTERS, WORD),
        (ASCII_SIGNS, PREFIX),
        (SYMBOL_OTHER, PUNCTUATION),
        (OTHER, UNMATCHED),
        (CJK_LETTERS, CJK_WORD),
        (CJK_SYMBOL, CJK_SIGNS),
        (CJK_OTHER, CJK_UNMATCHED),
        (BLANK, IN_BLANKS),
        (WHITE_OTHER, IN_WHITE),
        (LINE_END, AFTER_LINE_END),
    ]);
    digits(&mut rules, Digits::UpToThree);
    punctuation(&mut rules, SIGNS, LINE_END);
    white_space_with_line_ends(&mut rules, LastWhiteSpace::CutAfterLineEnd);
    rules.set(&[WORD], LETTERS, JOIN | WORD);
    rules.set(&[IN_BLANKS, IN_WHITE, UNMATCHED], LETTERS, PREVIOUS | WORD);
    rules.set(&[PREFIX, SIGN_WORD], LETTER_ASCII, JOIN | SIGN_WORD);
    rules.set(&[UNMATCHED], OTHER, JOIN | UNMATCHED);
    rules.add(&[IN_BLANKS, IN_WHITE], OTHER, PREVIOUS);

    rules.set(&[CJK_WORD], CJK_LETTERS, JOIN | CJK_WORD);
    rules.set(&[CJK_SIGNS], CJK_SYMBOL, JOIN | CJK_SIGNS);
    rules.set(&[CJK_UNMATCHED], CJK_OTHER, JOIN | CJK_UNMATCHED);
    rules.set(&[CJK_UNMATCHED], CJK_LETTERS, PREVIOUS | CJK_WORD);
    rules
}
