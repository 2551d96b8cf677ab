//! Mistral's `tekken.json`: the ranks of a tiktoken vocabulary, its pattern and its special tokens.
//!
//! The special tokens come first: those that the file lists have ids from 0, and `<SPECIAL_7>`, … stand for the rest of
//! `default_num_special_tokens`. An ordinary token has its rank plus that number as its id. The file may list more
//! tokens than `default_vocab_size` has room for; those are cut off. Text is never read as a special token unless the
//! caller asks for it. Source: `Tekkenizer` of mistral-common.

use super::huggingface::parse;
use super::tiktoken::from_ranks;
use super::token_list::TokenList;
use crate::{Definition, Error, ErrorKind, Pretokenizer};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde::Deserialize;
use std::borrow::Cow;

/// The most special tokens that a file may ask for; Mistral's have 1000.
const MOST_SPECIAL_TOKENS: usize = 1 << 16;

/// The last version whose files may leave out the list of special tokens.
const LAST_VERSION_WITHOUT_LIST: u32 = 7;

/// The special tokens of files that do not list them.
const UNLISTED_SPECIAL_TOKENS: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

#[derive(Deserialize)]
struct File<'a> {
    config: Config,
    #[serde(borrow)]
    vocab: Vec<RankedToken<'a>>,
    special_tokens: Option<Vec<SpecialToken>>,
}

#[derive(Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
    version: Option<String>,
}

#[derive(Deserialize)]
struct RankedToken<'a> {
    rank: u32,
    #[serde(borrow)]
    token_bytes: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SpecialToken {
    rank: usize,
    token_str: String,
}

fn malformed(message: String) -> Error {
    Error::new(ErrorKind::Vocabulary, message)
}

/// Reads the content of a `tekken.json`.
///
/// # Errors
/// [`ErrorKind::Vocabulary`] for a file that is malformed or contradicts itself; [`ErrorKind::Pattern`] for a pattern
/// that does not compile.
pub fn read(content: &[u8]) -> Result<Definition, Error> {
    let file: File = parse("tekken.json", content)?;
    let Config { pattern, default_vocab_size, default_num_special_tokens, version } = file.config;
    let special_tokens =
        special_tokens_of(file.special_tokens, default_num_special_tokens, version.as_deref())?;
    let listed = ordinary_tokens_of(&file.vocab, default_vocab_size, special_tokens.len())?;
    from_ranks(
        listed.tokens(),
        Pretokenizer::from_tiktoken_pattern(&pattern)?,
        special_tokens.into_iter().zip(0..).collect(),
    )
}

/// All special tokens by id.
fn special_tokens_of(
    listed: Option<Vec<SpecialToken>>,
    n_special_tokens: usize,
    version: Option<&str>,
) -> Result<Vec<String>, Error> {
    if n_special_tokens > MOST_SPECIAL_TOKENS {
        return Err(malformed(format!(
            "default_num_special_tokens is {n_special_tokens}, more than the {MOST_SPECIAL_TOKENS} that are accepted"
        )));
    }
    let mut contents = Vec::with_capacity(n_special_tokens);
    match listed {
        Some(listed) => {
            for SpecialToken { rank, token_str } in listed {
                if rank != contents.len() {
                    return Err(malformed(format!(
                        "special token {token_str:?} has rank {rank} at place {}; ranks must count up from 0",
                        contents.len()
                    )));
                }
                contents.push(token_str);
            }
        }
        None if may_lack_list(version) => contents.extend(UNLISTED_SPECIAL_TOKENS.map(str::to_owned)),
        None => {
            let message = format!(
                "the file has no \"special_tokens\", which only versions up to v{LAST_VERSION_WITHOUT_LIST} may leave \
                 out, and its version is {}; is it complete?",
                version.unwrap_or("not given")
            );
            return Err(malformed(message));
        }
    }
    if contents.len() > n_special_tokens {
        return Err(malformed(format!(
            "there are {} special tokens, more than default_num_special_tokens, {n_special_tokens}",
            contents.len()
        )));
    }
    contents.extend((contents.len()..n_special_tokens).map(|token_id| format!("<SPECIAL_{token_id}>")));
    Ok(contents)
}

fn may_lack_list(version: Option<&str>) -> bool {
    let number = version.and_then(|version| version.strip_prefix('v')?.parse().ok());
    number.is_some_and(|number: u32| number <= LAST_VERSION_WITHOUT_LIST)
}

/// The ordinary tokens that `vocab_size` has room for after the special tokens.
fn ordinary_tokens_of(
    vocab: &[RankedToken<'_>],
    vocab_size: usize,
    n_special_tokens: usize,
) -> Result<TokenList, Error> {
    let room = vocab_size.checked_sub(n_special_tokens);
    let kept = room.and_then(|n_tokens| vocab.get(..n_tokens)).ok_or_else(|| {
        malformed(format!(
            "default_vocab_size is {vocab_size}, but there are {n_special_tokens} special and {} ordinary tokens",
            vocab.len()
        ))
    })?;
    let mut listed = TokenList::with_capacity(kept.len());
    for (place, token) in (0_u32..).zip(kept) {
        if token.rank != place {
            let message = format!("the token at place {place} of \"vocab\" has rank {}; ", token.rank);
            return Err(malformed(message + "ranks must count up from 0"));
        }
        let token_id = place + n_special_tokens as u32;
        if !listed.push_with(token_id, |bytes| STANDARD.decode_vec(&*token.token_bytes, bytes).is_ok()) {
            let message = format!("token_bytes of rank {place}, {:?}, is not base64", token.token_bytes);
            return Err(malformed(message).at_token(token_id));
        }
    }
    Ok(listed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{json, Value};

    /// A file with all bytes, "ab", "abc" and one token more than `default_vocab_size` has room for.
    fn file() -> Value {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend([b"ab".to_vec(), b"abc".to_vec(), b"cut off".to_vec()]);
        let ranked = tokens.iter().enumerate().map(|(rank, bytes)| {
            let text = std::str::from_utf8(bytes).ok();
            json!({"rank": rank, "token_bytes": STANDARD.encode(bytes), "token_str": text})
        });
        json!({
            "vocab": ranked.collect::<Vec<_>>(),
            "config": {
                "pattern": r"\S+|\s+",
                "num_vocab_tokens": 259,
                "default_vocab_size": 263,
                "default_num_special_tokens": 5,
                "version": "v11",
            },
            "special_tokens": [
                {"rank": 0, "token_str": "<unk>", "is_control": true},
                {"rank": 1, "token_str": "<s>", "is_control": true},
            ],
            "image": {"image_patch_size": 14},
        })
    }

    fn refusal(edit: impl FnOnce(&mut Value)) -> String {
        let mut file = file();
        edit(&mut file);
        read(file.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn special_tokens_come_before_ordinary_ones() {
        let definition = read(file().to_string().as_bytes()).unwrap();
        let special: Vec<_> =
            definition.added_tokens.iter().map(|token| (token.content.as_str(), token.token_id)).collect();
        let expected = [("<unk>", 0), ("<s>", 1), ("<SPECIAL_2>", 2), ("<SPECIAL_3>", 3), ("<SPECIAL_4>", 4)];
        assert_eq!(special, expected);
        assert_eq!(definition.vocab_size(), 263);
        assert_eq!(definition.vocabulary.token_id(b"a"), Some(5 + u32::from(b'a')));
        assert_eq!(definition.vocabulary.token_id(b"abc"), Some(5 + 257));
        assert_eq!(definition.vocabulary.token_id(b"cut off"), None);
    }

    #[test]
    fn early_versions_have_the_special_tokens_of_their_time() {
        let mut early = file();
        early["special_tokens"] = Value::Null;
        early["config"]["version"] = json!("v3");
        early["config"]["default_num_special_tokens"] = json!(22);
        early["config"]["default_vocab_size"] = json!(280);
        let definition = read(early.to_string().as_bytes()).unwrap();
        let content = |token_id: usize| definition.added_tokens[token_id].content.as_str();
        assert_eq!((content(2), content(19), content(21)), ("</s>", "[TOOL_CONTENT]", "<SPECIAL_21>"));
    }

    #[test]
    fn contradictions_are_refused() {
        let set = |section: &'static str, name: &'static str, value: Value| {
            refusal(|file| file[section][name] = value)
        };
        assert!(set("config", "default_vocab_size", json!(265)).contains("5 special and 259 ordinary"));
        assert!(set("config", "default_vocab_size", json!(4)).contains("default_vocab_size is 4"));
        assert!(set("config", "default_vocab_size", json!(100)).contains("have no token, 0x5f first"));
        assert!(set("config", "default_num_special_tokens", json!(1)).contains("2 special tokens, more than"));
        assert!(set("config", "default_num_special_tokens", json!(1_u64 << 40)).contains("are accepted"));
        assert!(set("config", "pattern", json!("(")).contains('('));
        assert!(refusal(|file| file["special_tokens"] = Value::Null).contains("its version is v11"));
        assert!(refusal(|file| file["special_tokens"][1]["rank"] = json!(0)).contains("rank 0 at place 1"));
        assert!(
            refusal(|file| file["vocab"][7]["rank"] = json!(8)).contains("place 7 of \"vocab\" has rank 8")
        );
        assert!(refusal(|file| file["vocab"][7]["token_bytes"] = json!("?")).contains("is not base64"));
        assert!(refusal(|file| file["vocab"][256]["token_bytes"] = json!("YQ==")).contains("are both \"a\""));
        assert!(refusal(|file| file["vocab"] = json!({})).contains("this is not a tekken.json"));
    }
}
