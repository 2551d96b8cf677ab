//! The `normalizer` and `pre_tokenizer` sections of a `tokenizer.json`. What is not byte-level BPE is refused by name.

use crate::normalizer::NormalizationForm;
use crate::pretokenizer::{Behavior, Dialect, Pattern, Split, Step, NAMED_PATTERNS};
use crate::{Definition, Error, ErrorKind, Pretokenizer};
use serde_json::{json, Value};

/// How a pattern is spelled in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelled {
    /// As it was given, with its dialect.
    AsGiven,
    /// So that Oniguruma reads it as it is meant.
    ForOniguruma,
}

fn unsupported(what: &str, name: &str, supported: &str) -> Error {
    let message = format!("the {what} {name} is not supported (supported: {supported})");
    Error::new(ErrorKind::Unsupported, message)
}

fn type_of<'v>(section: &str, value: &'v Value) -> Result<&'v str, Error> {
    value.get("type").and_then(Value::as_str).ok_or_else(|| {
        Error::new(
            ErrorKind::Vocabulary,
            format!("the {section} section has no \"type\"; the file is malformed"),
        )
    })
}

fn flag(value: &Value, name: &str, default: bool) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(default)
}

fn list<'v>(section: &str, value: &'v Value, name: &str) -> Result<&'v [Value], Error> {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| {
        Error::new(
            ErrorKind::Vocabulary,
            format!("the {section} section has no list {name:?}; the file is malformed"),
        )
    })
}

pub(super) fn read_normalizer(value: &Value) -> Result<Vec<NormalizationForm>, Error> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let name = type_of("normalizer", value)?;
    if name == "Sequence" {
        let forms = list("normalizer", value, "normalizers")?.iter().map(read_normalizer);
        return Ok(forms.collect::<Result<Vec<_>, _>>()?.concat());
    }
    let form = NormalizationForm::NAMED.iter().find(|(known, _)| *known == name);
    let (_, form) = form.ok_or_else(|| unsupported("normalizer", name, "NFC, NFD, NFKC, NFKD, Sequence"))?;
    Ok(vec![*form])
}

pub(super) fn normalizer_to_json(forms: &[NormalizationForm]) -> Value {
    let forms: Vec<Value> = forms.iter().map(|form| json!({"type": form.name()})).collect();
    match forms.len() {
        0 => Value::Null,
        1 => forms.into_iter().next().unwrap_or_default(),
        _ => json!({"type": "Sequence", "normalizers": forms}),
    }
}

pub(crate) fn read_pretokenizer(value: &Value) -> Result<Pretokenizer, Error> {
    let mut steps = Vec::new();
    if !value.is_null() {
        read_steps(value, &mut steps)?;
    }
    Pretokenizer::new(steps)
}

fn read_steps(value: &Value, steps: &mut Vec<Step>) -> Result<(), Error> {
    match type_of("pre_tokenizer", value)? {
        "Sequence" => {
            for inner in list("pre_tokenizer", value, "pretokenizers")? {
                read_steps(inner, steps)?;
            }
        }
        "Split" => steps.push(Step::Split(read_split(value)?)),
        "Digits" => steps.push(Step::Digits { individual: flag(value, "individual_digits", false) }),
        "ByteLevel" => {
            let use_regex = flag(value, "use_regex", true);
            steps.push(Step::ByteLevel {
                add_prefix_space: flag(value, "add_prefix_space", true),
                trim_offsets: flag(value, "trim_offsets", true),
                split: use_regex.then(gpt2_split).transpose()?,
            });
        }
        name => return Err(unsupported("pre-tokenizer", name, "ByteLevel, Split, Digits, Sequence")),
    }
    Ok(())
}

/// What `ByteLevel` cuts at if a file asks for it.
fn gpt2_split() -> Result<Split, Error> {
    Split::isolated(NAMED_PATTERNS[0].regex, Dialect::HuggingFace)
}

fn read_split(value: &Value) -> Result<Split, Error> {
    let malformed =
        |what: &str| Error::new(ErrorKind::Vocabulary, format!("a Split pre-tokenizer has no {what}"));
    let pattern = value.get("pattern").ok_or_else(|| malformed("pattern"))?;
    let pattern =
        match (pattern.get("Regex").and_then(Value::as_str), pattern.get("String").and_then(Value::as_str)) {
            (Some(regex), _) => Pattern::Regex(regex.to_owned(), Dialect::HuggingFace),
            (None, Some(literal)) => Pattern::Literal(literal.to_owned()),
            (None, None) => return Err(malformed("\"Regex\" or \"String\" in its pattern")),
        };
    let name = value.get("behavior").and_then(Value::as_str).ok_or_else(|| malformed("behavior"))?;
    let behavior = Behavior::NAMED.iter().find(|(known, _)| *known == name);
    let (_, behavior) = behavior.ok_or_else(|| {
        unsupported("Split behavior", name, &Behavior::NAMED.map(|(known, _)| known).join(", "))
    })?;
    Split::new(pattern, *behavior, flag(value, "invert", false))
}

/// The pretokenizer to write for a definition: where ids are the same, the spelling that most programs know by heart, since
/// several read no other.
///
/// GPT-2's two spellings cut alike, and `ByteLevel` has one built in. GPT-4's cut alike but in the white space at the end of
/// a text, which Hugging Face's cuts once more, after its last line end. A token that reaches over that place has a line
/// end and does not end with one; where there is none, nothing merges over it anyway. (But an unknown token may stand for
/// bytes on both sides.)
pub(super) fn widely_known(definition: &Definition) -> Result<Pretokenizer, Error> {
    let is_line_end = |byte: &u8| b"\r\n".contains(byte);
    let goes_on = |token: &[u8]| token.iter().any(is_line_end) && !token.last().is_some_and(is_line_end);
    let may_merge =
        || definition.unknown.is_some() || definition.vocabulary.iter().any(|(_, token)| goes_on(token));
    match definition.pretokenizer.name() {
        Some("r50k_tiktoken") => {
            let split = Some(gpt2_split()?);
            Pretokenizer::new(vec![Step::ByteLevel { add_prefix_space: false, trim_offsets: false, split }])
        }
        Some("cl100k_tiktoken") if !may_merge() => Pretokenizer::named("cl100k"),
        _ => Ok(definition.pretokenizer.clone()),
    }
}

/// The `pre_tokenizer` section of a pretokenizer.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a pattern of tiktoken's dialect that Oniguruma has no equal for.
pub(crate) fn pretokenizer_to_json(pretokenizer: &Pretokenizer, spelled: Spelled) -> Result<Value, Error> {
    let mut steps =
        pretokenizer.steps().iter().map(|step| step_to_json(step, spelled)).collect::<Result<Vec<_>, _>>()?;
    Ok(match steps.len() {
        1 => steps.swap_remove(0),
        _ => json!({"type": "Sequence", "pretokenizers": steps}),
    })
}

fn step_to_json(step: &Step, spelled: Spelled) -> Result<Value, Error> {
    Ok(match step {
        Step::Digits { individual } => json!({"type": "Digits", "individual_digits": individual}),
        Step::ByteLevel { add_prefix_space, trim_offsets, split } => json!({
            "type": "ByteLevel",
            "add_prefix_space": add_prefix_space,
            "trim_offsets": trim_offsets,
            "use_regex": split.is_some(),
        }),
        Step::Split(split) => {
            let pattern = match (split.pattern(), spelled) {
                (Pattern::Literal(literal), _) => json!({"String": literal}),
                (Pattern::Regex(regex, Dialect::HuggingFace), _) => json!({"Regex": regex}),
                (Pattern::Regex(regex, Dialect::Tiktoken), Spelled::AsGiven) => json!({"Tiktoken": regex}),
                (Pattern::Regex(regex, Dialect::Tiktoken), Spelled::ForOniguruma) => {
                    json!({"Regex": tiktoken_to_oniguruma(regex)?})
                }
            };
            let behavior = split.behavior().name();
            json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": split.invert()})
        }
    })
}

/// Spells a tiktoken pattern for Oniguruma: `^` and `$` are the ends of the text there only as `\A` and `\z`.
fn tiktoken_to_oniguruma(pattern: &str) -> Result<String, Error> {
    let mut spelled = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = 0_usize;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                spelled.push(character);
                spelled.extend(characters.next());
                continue;
            }
            '[' => in_class += 1,
            ']' => in_class = in_class.saturating_sub(1),
            '^' if in_class == 0 => {
                spelled.push_str(r"\A");
                continue;
            }
            '$' if in_class == 0 => {
                spelled.push_str(r"\z");
                continue;
            }
            _ => {}
        }
        spelled.push(character);
    }
    // What Oniguruma reads differently in other ways is refused when it is compiled in that dialect.
    Split::isolated(&spelled, Dialect::HuggingFace).map_err(|error| {
        let message = format!("this pattern cannot be written to a tokenizer.json: {error}");
        Error::new(ErrorKind::Unsupported, message)
    })?;
    Ok(spelled)
}
