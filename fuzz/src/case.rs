//! From choices to a case: a text, and a tokenizer whose tokens come from that text.
//!
//! Most merges join two neighbours in what the merges before made of the text, as training would: so they apply, build on
//! each other, and reach over spaces and characters. A few join any two tokens, or go before earlier ones.

use crate::choices::Choices;
use crate::naive::NaiveTokenizer;
use fancy_regex::Regex;
use portmanteau_bpe::normalizer::NormalizationForm;
use portmanteau_bpe::pretokenizer::{Dialect, Split, Step, NAMED_PATTERNS};
use portmanteau_bpe::{
    AddedToken, CarriedParts, Definition, Error, ErrorKind, Merges, Pretokenizer, SpecialTokens,
    UnknownToken, Vocabulary,
};
use std::fmt;
use std::sync::LazyLock;

/// What texts are made of: letters of all kinds, white space, line ends, contractions, digits, characters of up to four
/// bytes, some of which normalization changes or joins, and what may be added tokens.
const PIECES: [&str; 40] = [
    "a",
    "b",
    "c",
    " ",
    "ab",
    "by the",
    " way",
    " ",
    "A",
    "B",
    "AB",
    "a",
    "'s",
    "'LL",
    "'",
    "1",
    "12",
    "345",
    "٣",
    "\n",
    "\r\n",
    "  ",
    "\t",
    "\u{3000}",
    "!",
    "..",
    "/",
    "é",
    "e\u{301}",
    "\u{323}",
    "日",
    "本",
    "あ",
    "가",
    "\u{1100}\u{1161}",
    "ﬁ",
    "🦜",
    "<x>",
    "<",
    "x>",
];

/// What may be added tokens.
const ADDED: [&str; 7] = ["<x>", "<x><x>", "x>", "a ", "\n", "é", "12"];

/// Longer tokens than any cache or table makes a difference for.
const MOST_TOKEN_BYTES: usize = 40;

/// The oracle takes the square of it.
const MOST_TEXT_BYTES: usize = 400;

/// A pretokenizer with the expressions that define it.
struct Cutting {
    pretokenizer: Pretokenizer,
    adds_space: bool,
    regexes: Vec<Regex>,
}

/// One that does not cut, all that have a name, one without a scanner, one that adds a space.
static CUTTINGS: LazyLock<Vec<Cutting>> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).unwrap();
    let byte_level =
        |add_prefix_space, split| Step::ByteLevel { add_prefix_space, trim_offsets: false, split };
    let gpt2 = NAMED_PATTERNS.iter().find(|pattern| pattern.name == "r50k").unwrap().regex;
    let with_space = vec![byte_level(true, Some(Split::isolated(gpt2, Dialect::HuggingFace).unwrap()))];
    let unknown = r"\w+|[^\w]";
    let mut all = vec![
        Cutting {
            pretokenizer: Pretokenizer::new(vec![byte_level(false, None)]).unwrap(),
            adds_space: false,
            regexes: Vec::new(),
        },
        Cutting {
            pretokenizer: Pretokenizer::from_regex(unknown).unwrap(),
            adds_space: false,
            regexes: vec![regex(unknown)],
        },
        Cutting {
            pretokenizer: Pretokenizer::new(with_space).unwrap(),
            adds_space: true,
            regexes: vec![regex(gpt2)],
        },
    ];
    all.extend(NAMED_PATTERNS.iter().map(|pattern| {
        let digits = pattern.isolate_digits.then_some(r"\p{N}+").into_iter();
        let expressions = digits.chain(pattern.before.iter().copied()).chain([pattern.regex]);
        Cutting {
            pretokenizer: Pretokenizer::named(pattern.name).unwrap(),
            adds_space: false,
            regexes: expressions.map(regex).collect(),
        }
    }));
    all
});

/// Ids, or what kind of error there is.
pub(crate) type Outcome = Result<Vec<u32>, ErrorKind>;

/// A text, and what to encode it with.
pub(crate) struct Case {
    pub(crate) definition: Definition,
    /// The naive twin, where there is one.
    pub(crate) naive: Option<NaiveTokenizer>,
    pub(crate) special: SpecialTokens,
    pub(crate) text: String,
    /// A place between two characters of the text.
    pub(crate) middle: usize,
    /// Whether the bytes of the text, and no others, are in the ids.
    pub(crate) keeps_bytes: bool,
}

impl Case {
    pub(crate) fn new(choices: &mut Choices<'_>) -> Self {
        let cutting = choices.pick(&CUTTINGS);
        let special = [SpecialTokens::Text, SpecialTokens::Parse][choices.below(2)].clone();
        let whole_words_first = choices.below(2) == 1;
        let by_token_id = choices.is_one_in(4);
        let has_unknown = choices.is_one_in(4);
        let normalization = normalization(choices);
        let (contents, has_flags) = added_tokens(choices);
        let text = text(choices);
        let middle = choices.below(text.len() + 1);
        let middle = (0..=middle).rev().find(|&place| text.is_char_boundary(place)).unwrap_or(0);

        let mut tokens = alphabet(choices);
        let merges = merges(choices, text.as_bytes(), &mut tokens);
        let n_tokens = tokens.len() as u32;
        let token_id = numbering(choices, n_tokens);
        let numbered = (0..).zip(tokens).map(|(number, bytes)| (token_id(number), bytes)).collect();
        let merges =
            merges.iter().map(|&(left, right, made)| (token_id(left), token_id(right), token_id(made)));
        let unknown = has_unknown.then(|| UnknownToken {
            token_id: token_id(choices.below(n_tokens as usize) as u32),
            fuse: choices.below(2) == 1,
        });
        let added_tokens = (3 * n_tokens..).zip(contents);
        let definition = Definition {
            vocabulary: Vocabulary::new(numbered).unwrap().into(),
            merges: if by_token_id { Merges::ByTokenId } else { Merges::Listed(merges.collect()) },
            whole_words_first,
            unknown,
            pretokenizer: cutting.pretokenizer.clone(),
            added_tokens: added_tokens.map(|(token_id, token)| AddedToken { token_id, ..token }).collect(),
            normalization,
            unreachable_tokens: Vec::new(),
            carried: CarriedParts::default(),
        };
        let is_plain = definition.normalization.is_empty() && !has_flags;
        let parses = special == SpecialTokens::Parse;
        let naive = is_plain
            .then(|| NaiveTokenizer::new(&definition, cutting.adds_space, cutting.regexes.clone(), parses));
        Self { definition, naive, special, text, middle, keeps_bytes: is_plain && !cutting.adds_space }
    }

    /// An answer about a text. An error must name a byte without a token, unless the bytes of the text change.
    pub(crate) fn outcome(&self, text: &str, answer: Result<Vec<u32>, Error>) -> Outcome {
        answer.map_err(|error| {
            if self.keeps_bytes {
                let is_missing = |byte: &u8| self.definition.vocabulary.byte_id(*byte).is_none();
                let offset = error.offset().unwrap_or(u64::MAX) as usize;
                let is_found = text.as_bytes().get(offset).is_some_and(is_missing);
                // Words that are tokens as a whole, and added tokens, may have such bytes.
                let may_have = self.definition.whole_words_first || !self.definition.added_tokens.is_empty();
                let is_first = may_have || !text.as_bytes()[..offset].iter().any(is_missing);
                assert!(is_found && is_first, "{error:?} for {self:?}");
            }
            error.kind()
        })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Definition { vocabulary, merges, whole_words_first, unknown, .. } = &self.definition;
        let Definition { normalization, pretokenizer, added_tokens, .. } = &self.definition;
        let tokens = vocabulary.iter().map(|(id, bytes)| format!("{id} {}", bytes.escape_ascii()));
        let added = added_tokens.iter().map(|token| format!("{token:?}"));
        let pretokenizer =
            pretokenizer.name().map_or_else(|| format!("{:?}", pretokenizer.steps()), str::to_owned);
        writeln!(formatter, "text {:?}, middle {}, special {:?}", self.text, self.middle, self.special)?;
        writeln!(formatter, "tokens {}", tokens.collect::<Vec<_>>().join(", "))?;
        writeln!(formatter, "merges {merges:?}, whole words first {whole_words_first}, {unknown:?}")?;
        writeln!(formatter, "added tokens {}", added.collect::<Vec<_>>().join(", "))?;
        write!(formatter, "normalization {normalization:?}, pretokenizer {pretokenizer}")
    }
}

fn normalization(choices: &mut Choices<'_>) -> Vec<NormalizationForm> {
    let n_forms = if choices.is_one_in(8) { 1 + choices.below(2) } else { 0 };
    (0..n_forms).map(|_| choices.pick(&NormalizationForm::NAMED).1).collect()
}

/// A few added tokens, and whether one has flags.
fn added_tokens(choices: &mut Choices<'_>) -> (Vec<AddedToken>, bool) {
    let n_added = if choices.is_one_in(3) { choices.below(ADDED.len()) + 1 } else { 0 };
    let may_have_flags = choices.is_one_in(4);
    let mut has_flags = false;
    let tokens = ADDED[..n_added].iter().map(|&content| {
        let special = choices.below(2) == 1;
        let mut flag = || may_have_flags && choices.is_one_in(3);
        let (single_word, lstrip, rstrip, normalized) = (flag(), flag(), flag(), flag());
        has_flags |= single_word || lstrip || rstrip || normalized;
        AddedToken { single_word, lstrip, rstrip, normalized, special, ..AddedToken::special(0, content) }
    });
    (tokens.collect(), has_flags)
}

fn text(choices: &mut Choices<'_>) -> String {
    let mut text = String::new();
    for _ in 0..choices.below(100) {
        let piece = choices.pick(&PIECES);
        let n_times = if choices.is_one_in(16) { choices.below(100) } else { 1 };
        if text.len() + piece.len() * n_times > MOST_TEXT_BYTES {
            break;
        }
        text.push_str(&piece.repeat(n_times));
    }
    text
}

/// The tokens of single bytes: all, those of the texts, or too few.
fn alphabet(choices: &mut Choices<'_>) -> Vec<Vec<u8>> {
    let (kind, missing) = (choices.below(8), choices.pick(b"ab 1"));
    let is_in_a_piece = |byte: u8| PIECES.iter().any(|piece| piece.as_bytes().contains(&byte));
    let is_in = |byte: u8| match kind {
        0 => is_in_a_piece(byte) && byte != *missing,
        1 => is_in_a_piece(byte) && byte.is_ascii(),
        2..5 => is_in_a_piece(byte),
        _ => true,
    };
    (0..=255).filter(|&byte| is_in(byte)).map(|byte| vec![byte]).collect()
}

/// Merges of (left, right, made), by number of the token; appends the tokens that they make, and some that no merge makes.
fn merges(choices: &mut Choices<'_>, text: &[u8], tokens: &mut Vec<Vec<u8>>) -> Vec<(u32, u32, u32)> {
    let number_of = |tokens: &[Vec<u8>], bytes: &[u8]| tokens.iter().position(|token| token == bytes);
    let mut symbols: Vec<usize> = text.iter().filter_map(|&byte| number_of(tokens, &[byte])).collect();
    let mut merges: Vec<(u32, u32, u32)> = Vec::new();
    for _ in 0..choices.below(100) {
        if choices.are_over() {
            break;
        }
        let kind = choices.below(16);
        let place = choices.below(symbols.len().max(2) - 1);
        let (left, right) = match symbols.get(place..place + 2) {
            Some(&[left, right]) if kind > 0 => (left, right),
            _ => (choices.below(tokens.len()), choices.below(tokens.len())),
        };
        let joined = [&tokens[left][..], &tokens[right]].concat();
        if joined.len() > MOST_TOKEN_BYTES {
            continue;
        }
        let made = number_of(tokens, &joined).unwrap_or_else(|| {
            tokens.push(joined);
            tokens.len() - 1
        });
        if kind == 1 {
            continue; // a token that no merge makes
        }
        if kind > 0 && symbols.len() > 1 {
            symbols.splice(place..place + 2, [made]);
        }
        let merge = (left as u32, right as u32, made as u32);
        if !merges.contains(&merge) {
            let place = if kind == 2 { choices.below(merges.len() + 1) } else { merges.len() };
            merges.insert(place, merge);
        }
    }
    merges
}

/// Ids by number of the token: the same, in reverse, or with holes. All are below three times the number of tokens.
fn numbering(choices: &mut Choices<'_>, n_tokens: u32) -> impl Fn(u32) -> u32 {
    let kind = choices.below(4);
    move |number| match kind {
        0 | 1 => number,
        2 => n_tokens - 1 - number,
        _ => 2 * number + 7,
    }
}
