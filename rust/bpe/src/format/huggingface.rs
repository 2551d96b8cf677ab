//! Hugging Face's `tokenizer.json`, for byte-level BPE.
//!
//! Ids in such a file are implied in two places, and both are checked: an added token whose content is in the model's
//! vocabulary has the id that it has there, and any other gets the next free id in order (whatever `id` says).
//!
//! Nearly all of such a file is the vocabulary and the merges. Their spellings are borrowed from its content and undone
//! into one buffer, so that no token costs an allocation.

use super::huggingface_rules::{normalizer_to_json, read_normalizer, widely_known};
pub(crate) use super::huggingface_rules::{pretokenizer_to_json, read_pretokenizer, Spelled};
use super::token_list::TokenList;
use crate::byte_level::{spell, unspell, unspell_onto};
use crate::definition::CarriedParts;
use crate::{AddedToken, Definition, Error, ErrorKind, Merges, Pretokenizer, UnknownToken, Vocabulary};
use rustc_hash::FxHashMap;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{json, Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The type of the model, read alone where the rest of a file does not have the shape of byte-level BPE.
#[derive(Deserialize)]
struct Probe {
    model: Option<ProbeModel>,
}

#[derive(Deserialize)]
struct ProbeModel {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    added_tokens: Vec<FileAddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: Option<Model<'a>>,
}

#[derive(Deserialize)]
#[allow(clippy::struct_excessive_bools)] // independent flags of the file format
struct FileAddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

/// The `model` section, which `vocab.json` and `merges.txt` hold too.
#[derive(Deserialize, Default)]
pub(super) struct Model<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f64>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(borrow)]
    vocab: SpelledVocabulary<'a>,
    #[serde(default, borrow)]
    merges: Vec<SpelledMerge<'a>>,
}

/// The spelling of a token, in the content of the file unless it has escapes.
#[derive(Deserialize)]
struct Spelling<'a>(#[serde(borrow)] Cow<'a, str>);

/// Spelling → id, in the order of the file and with repetitions, which a map would hide.
#[derive(Default)]
pub(super) struct SpelledVocabulary<'a>(Vec<(Spelling<'a>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for SpelledVocabulary<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(Spelling<'de>, u32)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of token spellings and their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries).map(Self)
    }
}

/// A merge as older (`"a b"`) and newer (`["a", "b"]`) files spell it.
pub(super) enum SpelledMerge<'a> {
    Joined(Cow<'a, str>),
    Pair(Cow<'a, str>, Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for SpelledMerge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Merge;
        impl<'de> Visitor<'de> for Merge {
            type Value = SpelledMerge<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a merge: two tokens in one string with a space between, or in a list")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(SpelledMerge::Joined(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(SpelledMerge::Joined(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut next = |place| match sequence.next_element()? {
                    Some(Spelling(token)) => Ok(token),
                    None => Err(de::Error::invalid_length(place, &self)),
                };
                let merge = SpelledMerge::Pair(next(0)?, next(1)?);
                match sequence.next_element()? {
                    None => Ok(merge),
                    Some(de::IgnoredAny) => Err(de::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_any(Merge)
    }
}

impl SpelledMerge<'_> {
    fn parts(&self) -> Option<(&str, &str)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Joined(text) => text.split_once(' ').filter(|(_, right)| !right.contains(' ')),
        }
    }
}

/// Parses JSON into `T`, with the line of what is wrong.
pub(super) fn parse<'de, T: Deserialize<'de>>(what: &str, content: &'de [u8]) -> Result<T, Error> {
    serde_json::from_slice(content).map_err(|error| {
        let message = format!("this is not a {what}: {error}; is the file complete, and of that format?");
        Error::new(ErrorKind::Vocabulary, message).at_line(error.line() as u64)
    })
}

/// Reads the content of a `tokenizer.json`.
///
/// # Errors
/// [`ErrorKind::Vocabulary`] for a file that is malformed or contradicts itself, with the line or token;
/// [`ErrorKind::Unsupported`] for models, pre-tokenizers and normalizers that are not byte-level BPE, by name;
/// [`ErrorKind::Pattern`] for a pattern that does not compile.
pub fn read(content: &[u8]) -> Result<Definition, Error> {
    let file = parse("tokenizer.json", content).or_else(|error| {
        let probe = serde_json::from_slice(content).ok();
        let kind = probe.and_then(|probe: Probe| probe.model).and_then(|model| model.kind);
        refuse_other_models(kind.as_deref())?;
        Err(error)
    });
    let file: File = file?;
    let model = file.model.ok_or_else(|| {
        let message =
            "the file has no \"model\" section; this is not a tokenizer.json (Mistral's other format is \
                       recognized by the word tekken in the name of the file)";
        Error::new(ErrorKind::Vocabulary, message)
    })?;
    refuse_other_models(model.kind.as_deref())?;
    let pretokenizer = read_pretokenizer(&file.pre_tokenizer)?;
    let mut definition = model.into_definition(pretokenizer)?;
    definition.normalization = read_normalizer(&file.normalizer)?;
    definition.carried = CarriedParts {
        post_processor: file.post_processor,
        decoder: file.decoder,
        truncation: file.truncation,
        padding: file.padding,
    };
    definition.added_tokens = file.added_tokens.into_iter().map(FileAddedToken::into_added_token).collect();
    check_implied_ids(&definition, &definition.added_tokens)?;
    Ok(definition)
}

fn refuse_other_models(kind: Option<&str>) -> Result<(), Error> {
    match kind {
        Some("BPE") | None => Ok(()),
        Some(kind) => {
            let message = format!("the model {kind} is not supported: Portmanteau is for byte-level BPE");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

impl FileAddedToken {
    fn into_added_token(self) -> AddedToken {
        let Self { id, content, single_word, lstrip, rstrip, normalized, special } = self;
        AddedToken { token_id: id, content, special, single_word, lstrip, rstrip, normalized }
    }
}

impl<'a> Model<'a> {
    /// A model without further options.
    pub(super) fn plain(vocab: SpelledVocabulary<'a>, merges: Vec<SpelledMerge<'a>>) -> Self {
        Self { vocab, merges, ..Self::default() }
    }

    /// The tokens and merges of a model, with a pretokenizer to go with them.
    pub(super) fn into_definition(self, pretokenizer: Pretokenizer) -> Result<Definition, Error> {
        self.refuse_what_is_not_byte_level()?;
        let mut listed = TokenList::with_capacity(self.vocab.0.len());
        let mut unreachable_tokens: Vec<(u32, String)> = Vec::new();
        for (Spelling(spelling), token_id) in self.vocab.0 {
            if !listed.push_with(token_id, |bytes| unspell_onto(&spelling, bytes)) {
                unreachable_tokens.push((token_id, spelling.into_owned()));
            }
        }
        let vocabulary = Vocabulary::new(listed.tokens())?;
        check_unreachable(&vocabulary, &unreachable_tokens)?;
        let pairs = pairs_of(&vocabulary, &self.merges)?;
        let unknown = match self.unk_token {
            None => None,
            Some(spelling) => {
                let token_id = token_id_of(&vocabulary, &unreachable_tokens, &spelling).ok_or_else(|| {
                    let message = format!("the unknown token {spelling:?} is not in the vocabulary");
                    Error::new(ErrorKind::Vocabulary, message)
                })?;
                Some(UnknownToken { token_id, fuse: self.fuse_unk })
            }
        };
        Ok(Definition {
            merges: Merges::from_pairs(&vocabulary, &pairs)?,
            vocabulary: vocabulary.into(),
            whole_words_first: self.ignore_merges,
            unknown,
            normalization: Vec::new(),
            pretokenizer,
            added_tokens: Vec::new(),
            unreachable_tokens,
            carried: CarriedParts::default(),
        })
    }

    fn refuse_what_is_not_byte_level(&self) -> Result<(), Error> {
        let set = |option: &Option<String>| option.as_deref().is_some_and(|text| !text.is_empty());
        let refused = [
            (
                self.dropout.is_some_and(|dropout| dropout > 0.0),
                "dropout (ids would be random; set it to null)",
            ),
            (set(&self.continuing_subword_prefix), "continuing_subword_prefix"),
            (set(&self.end_of_word_suffix), "end_of_word_suffix"),
            (self.byte_fallback, "byte_fallback (SentencePiece-style BPE)"),
        ];
        match refused.iter().find(|(present, _)| *present) {
            Some((_, what)) => {
                let message =
                    format!("a BPE model with {what} is not supported: Portmanteau is for byte-level BPE");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            None => Ok(()),
        }
    }
}

fn token_id_of(vocabulary: &Vocabulary, unreachable: &[(u32, String)], spelling: &str) -> Option<u32> {
    match unspell(spelling) {
        Some(bytes) => vocabulary.token_id(&bytes),
        None => unreachable.iter().find(|(_, own)| own == spelling).map(|(token_id, _)| *token_id),
    }
}

fn check_unreachable(vocabulary: &Vocabulary, unreachable: &[(u32, String)]) -> Result<(), Error> {
    let mut seen = FxHashMap::default();
    for (token_id, spelling) in unreachable {
        let taken = vocabulary.token_bytes(*token_id).is_some() || seen.insert(*token_id, spelling).is_some();
        if taken || *token_id > crate::MAX_TOKEN_ID {
            let message =
                format!("token {spelling:?} has id {token_id}, which is taken or above the largest accepted");
            return Err(Error::new(ErrorKind::Vocabulary, message).at_token(*token_id));
        }
    }
    Ok(())
}

fn pairs_of(vocabulary: &Vocabulary, merges: &[SpelledMerge<'_>]) -> Result<Vec<(u32, u32)>, Error> {
    let mut pairs = Vec::with_capacity(merges.len());
    let mut bytes = Vec::new();
    for (rank, merge) in merges.iter().enumerate() {
        let malformed = |reason: String| Error::new(ErrorKind::Vocabulary, format!("merge {rank} {reason}"));
        let (left, right) =
            merge.parts().ok_or_else(|| malformed("is not two tokens with one space between".to_owned()))?;
        let mut id = |spelling: &str| {
            bytes.clear();
            let token_id = unspell_onto(spelling, &mut bytes).then(|| vocabulary.token_id(&bytes)).flatten();
            token_id.ok_or_else(|| malformed(format!("names {spelling:?}, which is not in the vocabulary")))
        };
        pairs.push((id(left)?, id(right)?));
    }
    Ok(pairs)
}

/// Refuses added tokens, in the order of a file, to which Hugging Face gives another id when it loads that file: it
/// takes that of the vocabulary, else the next after the vocabulary and the added tokens so far.
fn check_implied_ids<'t>(
    definition: &Definition,
    added_tokens: impl IntoIterator<Item = &'t AddedToken>,
) -> Result<(), Error> {
    let mut largest_so_far: Option<u32> = None;
    let n_tokens = (definition.vocabulary.n_tokens() + definition.unreachable_tokens.len()) as u32;
    for token in added_tokens {
        let own = token_id_of(&definition.vocabulary, &definition.unreachable_tokens, &token.content);
        let next = largest_so_far.map_or(n_tokens, |largest| n_tokens.max(largest + 1));
        let implied = own.unwrap_or(next);
        if implied != token.token_id {
            let message = format!(
                "added token {:?} says id {}, but Hugging Face gives it {implied} by its place in the file; put the \
                 token into the model's vocabulary with the id that is meant",
                token.content, token.token_id
            );
            return Err(Error::new(ErrorKind::Vocabulary, message).at_token(token.token_id));
        }
        largest_so_far = largest_so_far.max(Some(implied));
    }
    Ok(())
}

/// Writes a definition as a `tokenizer.json` that Hugging Face loads with the same ids.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a pattern that Oniguruma has no equal for, and for an added token that is spelled
/// like another token.
pub fn write(definition: &Definition) -> Result<Vec<u8>, Error> {
    let mut added: Vec<&AddedToken> = definition.added_tokens.iter().collect();
    added.sort_by_key(|token| token.token_id);
    let in_vocabulary = check_implied_ids(definition, added.iter().copied()).is_err();

    let mut spelled: Vec<(u32, String)> =
        definition.vocabulary.iter().map(|(token_id, bytes)| (token_id, spell(bytes))).collect();
    spelled.extend(definition.unreachable_tokens.iter().cloned());
    if in_vocabulary {
        let known = |token: &AddedToken| {
            token_id_of(&definition.vocabulary, &definition.unreachable_tokens, &token.content)
        };
        for token in &added {
            match known(token) {
                Some(own) if own == token.token_id => {}
                Some(own) => {
                    let message = format!(
                        "added token {:?} (id {}) is spelled like token {own}; a tokenizer.json cannot hold both",
                        token.content, token.token_id
                    );
                    return Err(Error::new(ErrorKind::Unsupported, message).at_token(token.token_id));
                }
                None => spelled.push((token.token_id, token.content.clone())),
            }
        }
    }
    spelled.sort_by_key(|(token_id, _)| *token_id);
    let vocab: Map<String, Value> =
        spelled.into_iter().map(|(token_id, spelling)| (spelling, Value::from(token_id))).collect();
    let token = |token_id| definition.vocabulary.token_bytes(token_id).map(spell).unwrap_or_default();
    let merges: Vec<String> = definition
        .merges
        .to_pairs(&definition.vocabulary)
        .into_iter()
        .map(|(left, right)| format!("{} {}", token(left), token(right)))
        .collect();
    let added_tokens: Vec<Value> = added.into_iter().map(added_token_to_json).collect();
    let unknown = definition.unknown.and_then(|unknown| {
        let unreachable =
            definition.unreachable_tokens.iter().find(|(token_id, _)| *token_id == unknown.token_id);
        unreachable
            .map(|(_, spelling)| spelling.clone())
            .or_else(|| definition.vocabulary.token_bytes(unknown.token_id).map(spell))
    });
    let carried = &definition.carried;
    let decoder = match &carried.decoder {
        Value::Null => {
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})
        }
        decoder => decoder.clone(),
    };
    let file = json!({
        "version": "1.0",
        "truncation": carried.truncation,
        "padding": carried.padding,
        "added_tokens": added_tokens,
        "normalizer": normalizer_to_json(&definition.normalization),
        "pre_tokenizer": pretokenizer_to_json(&widely_known(definition)?, Spelled::ForOniguruma)?,
        "post_processor": carried.post_processor,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": unknown,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": definition.unknown.is_some_and(|unknown| unknown.fuse),
            "byte_fallback": false,
            "ignore_merges": definition.whole_words_first,
            "vocab": vocab,
            "merges": merges,
        },
    });
    serde_json::to_vec(&file).map_err(|error| Error::new(ErrorKind::Vocabulary, error.to_string()))
}

fn added_token_to_json(token: &AddedToken) -> Value {
    json!({
        "id": token.token_id,
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": token.normalized,
        "special": token.special,
    })
}
