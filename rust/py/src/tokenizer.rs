//! `_rust.Tokenizer`: the tokenizer of `portmanteau-bpe` with Python texts in and NumPy arrays out.

use crate::errors::{detached, IntoException};
use crate::signals::interruptible;
use crate::text::{texts_of_column, Chunk, Text};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use portmanteau_bpe::format::{bundled, huggingface, merges_txt, tekken, tiktoken};
use portmanteau_bpe::pretokenizer::NAMED_PATTERNS;
use portmanteau_bpe::{
    AddedToken, CanonicalMerge, Definition, Error, ErrorKind, MergeOrder, Merges, OffsetUnit, Pretokenizer,
    SpecialTokens, Tokenizer,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;

/// An exact byte-level BPE tokenizer.
#[pyclass(frozen, module = "portmanteau._rust", name = "Tokenizer")]
pub(crate) struct PyTokenizer {
    tokenizer: Arc<Tokenizer>,
}

type IdsWithPlaces<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray2<i64>>);
type Arrays<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>);

impl PyTokenizer {
    /// Makes a definition ready to encode.
    pub(crate) fn from_definition(definition: Definition) -> Result<Self, Error> {
        Ok(Self { tokenizer: Tokenizer::new(definition)?.into() })
    }

    fn load(py: Python<'_>, read: impl FnOnce() -> Result<Definition, Error> + Send) -> PyResult<Self> {
        detached(py, || Self::from_definition(read()?))
    }

    /// The tokenizer, for who outlives this call.
    pub(crate) fn shared(&self) -> Arc<Tokenizer> {
        self.tokenizer.clone()
    }

    fn encode_texts<'py>(
        &self,
        py: Python<'py>,
        texts: &[&str],
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Arrays<'py>> {
        let special = special.into_policy();
        let batch = interruptible(py, n_bytes(texts), |interrupt| {
            self.tokenizer.encode_batch(texts, &special, threads, interrupt)
        })?;
        Ok((batch.ids.into_pyarray(py), batch.offsets.into_pyarray(py)))
    }

    fn count_texts(
        &self,
        py: Python<'_>,
        texts: &[&str],
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Vec<i64>> {
        let special = special.into_policy();
        interruptible(py, n_bytes(texts), |interrupt| {
            self.tokenizer.count_batch(texts, &special, threads, interrupt)
        })
    }

    fn added_tokens_where(&self, wanted: impl Fn(&AddedToken) -> bool) -> Vec<(String, u32)> {
        let added = &self.tokenizer.definition().added_tokens;
        let mut chosen: Vec<&AddedToken> = added.iter().filter(|token| wanted(token)).collect();
        chosen.sort_by_key(|token| token.token_id);
        chosen.into_iter().map(|token| (token.content.clone(), token.token_id)).collect()
    }
}

fn n_bytes(texts: &[&str]) -> usize {
    texts.iter().map(|text| text.len()).sum()
}

/// What to do with special tokens: `"text"`, `"parse"`, `"error"`, or the ids to parse.
#[derive(FromPyObject)]
pub(crate) enum SpecialArgument {
    Policy(String),
    Ids(Vec<u32>),
}

impl SpecialArgument {
    pub(crate) fn into_policy(self) -> SpecialTokens {
        match self {
            Self::Ids(ids) => SpecialTokens::ParseOnly(ids),
            // The Python layer lets no other word through.
            Self::Policy(policy) => match policy.as_str() {
                "parse" => SpecialTokens::Parse,
                "error" => SpecialTokens::Refuse,
                _ => SpecialTokens::Text,
            },
        }
    }
}

/// A pretokenizer from a name or an expression. One word that is no name is taken for a mistyped name.
///
/// # Errors
/// [`ErrorKind::Pattern`] for an unknown name and an expression that does not compile.
pub(crate) fn pretokenizer_from(text: &str, tiktoken_dialect: bool) -> Result<Pretokenizer, Error> {
    let is_word = text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    match (is_word, tiktoken_dialect) {
        (true, _) => Pretokenizer::named(text),
        (false, true) => Pretokenizer::from_tiktoken_pattern(text),
        (false, false) => Pretokenizer::from_regex(text),
    }
}

#[pymethods]
impl PyTokenizer {
    /// Reads the content of a `.tiktoken` file.
    #[staticmethod]
    fn from_tiktoken(
        py: Python<'_>,
        content: PyBackedBytes,
        pretokenizer: &str,
        special_tokens: Vec<(String, u32)>,
    ) -> PyResult<Self> {
        Self::load(py, || tiktoken::read(&content, pretokenizer_from(pretokenizer, true)?, special_tokens))
    }

    /// Reads the content of a bundled vocabulary.
    #[staticmethod]
    fn from_bundled(
        py: Python<'_>,
        content: PyBackedBytes,
        pretokenizer: &str,
        special_tokens: Vec<(String, u32)>,
    ) -> PyResult<Self> {
        Self::load(py, || bundled::read(&content, pretokenizer_from(pretokenizer, true)?, special_tokens))
    }

    /// Takes (bytes, rank) of every token, as a live tiktoken encoding holds them.
    #[staticmethod]
    fn from_ranks(
        py: Python<'_>,
        ranks: Vec<(PyBackedBytes, u32)>,
        pretokenizer: &str,
        special_tokens: Vec<(String, u32)>,
    ) -> PyResult<Self> {
        Self::load(py, || {
            let tokens = ranks.into_iter().map(|(bytes, rank)| (rank, bytes)).collect();
            tiktoken::from_ranks(tokens, pretokenizer_from(pretokenizer, true)?, special_tokens)
        })
    }

    /// Reads the content of a `tokenizer.json`.
    #[staticmethod]
    fn from_huggingface(py: Python<'_>, content: PyBackedBytes) -> PyResult<Self> {
        Self::load(py, || huggingface::read(&content))
    }

    /// Reads the content of a `tekken.json`.
    #[staticmethod]
    fn from_tekken(py: Python<'_>, content: PyBackedBytes) -> PyResult<Self> {
        Self::load(py, || tekken::read(&content))
    }

    /// Reads the contents of `vocab.json` and `merges.txt`.
    #[staticmethod]
    fn from_merges(
        py: Python<'_>,
        vocab_json: PyBackedBytes,
        merges_txt: PyBackedBytes,
        pretokenizer: &str,
        special_tokens: Vec<String>,
    ) -> PyResult<Self> {
        Self::load(py, || {
            let pretokenizer = pretokenizer_from(pretokenizer, false)?;
            merges_txt::read(&vocab_json, &merges_txt, pretokenizer, &special_tokens)
        })
    }

    /// The content of a `tokenizer.json`.
    fn to_huggingface<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let content = detached(py, || huggingface::write(self.tokenizer.definition()))?;
        Ok(PyBytes::new(py, &content))
    }

    /// The content of a `.tiktoken` file.
    fn to_tiktoken<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let content = detached(py, || tiktoken::write(self.tokenizer.definition()))?;
        Ok(PyBytes::new(py, &content))
    }

    /// The ids of one text.
    fn encode<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let (py, special) = (text.py(), special.into_policy());
        let text = Text::from_python(text, None)?;
        let texts = [text.as_ref()];
        let batch = interruptible(py, n_bytes(&texts), |interrupt| {
            let batch = self.tokenizer.encode_batch(&texts, &special, threads, interrupt);
            batch.map_err(Error::without_document)
        })?;
        Ok(batch.ids.into_pyarray(py))
    }

    /// The ids of one text, and the start and end of each in it: in `"bytes"` of UTF-8, in `"characters"`, or in
    /// characters as Hugging Face counts them (`"huggingface"`).
    fn encode_with_offsets<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        special: SpecialArgument,
        unit: &str,
    ) -> PyResult<IdsWithPlaces<'py>> {
        let py = text.py();
        let (text, special) = (Text::from_python(text, None)?, special.into_policy());
        // The Python layer lets no other word through.
        let unit = match unit {
            "characters" => OffsetUnit::Characters,
            "huggingface" => OffsetUnit::HuggingFace,
            _ => OffsetUnit::Bytes,
        };
        let (ids, offsets) = interruptible(py, text.as_ref().len(), |interrupt| {
            let encoded = self.tokenizer.with_scratch(interrupt, |scratch| {
                self.tokenizer.encode_with_offsets(text.as_ref(), &special, unit, scratch)
            })?;
            let ends = encoded.offsets.iter().flat_map(|range| [range.start as i64, range.end as i64]);
            Ok::<_, Error>((encoded.ids, ends.collect::<Vec<_>>()))
        })?;
        let shape = [ids.len(), 2];
        Ok((ids.into_pyarray(py), offsets.into_pyarray(py).reshape(shape)?))
    }

    /// The word of every token of one text.
    fn word_ids<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        special: SpecialArgument,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let py = text.py();
        let (text, special) = (Text::from_python(text, None)?, special.into_policy());
        let words = interruptible(py, text.as_ref().len(), |interrupt| {
            self.tokenizer
                .with_scratch(interrupt, |scratch| self.tokenizer.word_ids(text.as_ref(), &special, scratch))
        })?;
        Ok(words.into_pyarray(py))
    }

    /// The ids and offsets of every text of an iterable.
    fn encode_batch<'py>(
        &self,
        documents: &Bound<'py, PyAny>,
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Arrays<'py>> {
        let texts = Text::from_iterable(documents)?;
        self.encode_texts(documents.py(), &Text::borrowed(&texts), special, threads)
    }

    /// The ids and offsets of every text of a string column, given as (bytes, offsets) of each chunk.
    fn encode_column<'py>(
        &self,
        py: Python<'py>,
        chunks: Vec<Chunk<'py>>,
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Arrays<'py>> {
        let texts = texts_of_column(py, &chunks, threads)?;
        self.encode_texts(py, &texts, special, threads)
    }

    /// As `encode_column`, and the bytes of text from the beginning of each token to that of the next.
    fn encode_column_with_byte_lengths<'py>(
        &self,
        py: Python<'py>,
        chunks: Vec<Chunk<'py>>,
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<(Arrays<'py>, Bound<'py, PyArray1<u32>>)> {
        let texts = texts_of_column(py, &chunks, threads)?;
        let special = special.into_policy();
        let (batch, lengths) = interruptible(py, n_bytes(&texts), |interrupt| {
            self.tokenizer.encode_batch_with_byte_lengths(&texts, &special, threads, interrupt)
        })?;
        Ok(((batch.ids.into_pyarray(py), batch.offsets.into_pyarray(py)), lengths.into_pyarray(py)))
    }

    /// The number of ids of one text.
    fn count(&self, text: &Bound<'_, PyAny>, special: SpecialArgument, threads: usize) -> PyResult<i64> {
        let (py, special) = (text.py(), special.into_policy());
        let text = Text::from_python(text, None)?;
        let texts = [text.as_ref()];
        interruptible(py, n_bytes(&texts), |interrupt| {
            let counts = self.tokenizer.count_batch(&texts, &special, threads, interrupt);
            Ok(counts.map_err(Error::without_document)?.iter().sum())
        })
    }

    /// The number of ids of every text of an iterable.
    fn count_batch<'py>(
        &self,
        documents: &Bound<'py, PyAny>,
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let (py, texts) = (documents.py(), Text::from_iterable(documents)?);
        Ok(self.count_texts(py, &Text::borrowed(&texts), special, threads)?.into_pyarray(py))
    }

    /// The number of ids of every text of a string column, given as for `encode_column`.
    fn count_column<'py>(
        &self,
        py: Python<'py>,
        chunks: Vec<Chunk<'py>>,
        special: SpecialArgument,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let texts = texts_of_column(py, &chunks, threads)?;
        Ok(self.count_texts(py, &texts, special, threads)?.into_pyarray(py))
    }

    /// The bytes of the tokens.
    fn decode_bytes<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray1<'py, u32>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ids = ids.as_slice()?;
        let bytes = detached(py, || {
            let mut bytes = Vec::new();
            self.tokenizer.decode(ids, &mut bytes).map(|()| bytes)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The bytes of every document of a batch.
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray1<'py, u32>,
        offsets: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (ids, offsets) = (ids.as_slice()?, offsets.as_slice()?);
        let documents = PyList::empty(py);
        let mut bytes = Vec::new();
        for (document, pair) in offsets.windows(2).enumerate() {
            bytes.clear();
            let range = usize::try_from(pair[0]).ok().zip(usize::try_from(pair[1]).ok());
            let decoded = range.and_then(|(start, end)| ids.get(start..end)).map_or_else(
                || Err(Error::new(ErrorKind::TokenId, "the offsets of the batch leave its ids")),
                |ids| self.tokenizer.decode(ids, &mut bytes),
            );
            decoded.map_err(|error| error.in_document(document as u64).into_exception(py))?;
            documents.append(PyBytes::new(py, &bytes))?;
        }
        Ok(documents)
    }

    /// One more than the largest id.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    /// The number of merges: of pairs in the list; of a rank file, of the pairs that merge in some text.
    #[getter]
    fn n_merges(&self) -> usize {
        self.tokenizer.n_merges()
    }

    /// Whether the file has an explicit merge list; if not, the rank of a merge is the id of what it makes.
    #[getter]
    fn has_merge_list(&self) -> bool {
        matches!(self.tokenizer.definition().merges, Merges::Listed(_))
    }

    /// Whether a pretoken that is a token becomes that token, whatever its merges make of it.
    #[getter]
    fn whole_words_first(&self) -> bool {
        self.tokenizer.definition().whole_words_first
    }

    /// The byte values without a token of their own.
    #[getter]
    fn missing_bytes(&self) -> Vec<u32> {
        self.tokenizer.definition().vocabulary.missing_bytes().into_iter().map(u32::from).collect()
    }

    /// The names of the normalization forms, in order.
    #[getter]
    fn normalization(&self) -> Vec<&'static str> {
        self.tokenizer.definition().normalization.iter().map(|form| form.name()).collect()
    }

    /// The name of the pretokenizer, if it has one.
    #[getter]
    fn pretokenizer_name(&self) -> Option<&'static str> {
        self.tokenizer.definition().pretokenizer.name()
    }

    /// The expression of the pretokenizer, if it is a single one.
    #[getter]
    fn pretokenizer_regex(&self) -> Option<&str> {
        self.tokenizer.definition().pretokenizer.regex()
    }

    /// (content, id) of the special tokens, in order of id.
    #[getter]
    fn special_tokens(&self) -> Vec<(String, u32)> {
        self.added_tokens_where(|token| token.special)
    }

    /// (content, id) of all added tokens, in order of id.
    #[getter]
    fn added_tokens(&self) -> Vec<(String, u32)> {
        self.added_tokens_where(|_| true)
    }

    /// The bytes of a token, or `None`.
    fn token_bytes<'py>(&self, py: Python<'py>, token_id: u32) -> Option<Bound<'py, PyBytes>> {
        self.tokenizer.token_bytes(token_id).map(|bytes| PyBytes::new(py, bytes))
    }

    /// The id of the token with these bytes, or `None`.
    fn token_id(&self, token: &[u8]) -> Option<u32> {
        self.tokenizer.definition().token_id(token)
    }

    /// SHA-256, in hexadecimal, over everything that decides which ids a text gets.
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || Ok::<_, Error>(self.tokenizer.fingerprint()))
    }

    /// The merges that happen in some text, in order of what they need: left ids, right ids, merged ids, and the highest
    /// rank that each is built with; and the ranks that made a token first. `None` without a canonical form.
    fn merge_order<'py>(&self, py: Python<'py>) -> PyResult<Option<[Bound<'py, PyArray1<u32>>; 5]>> {
        let order = detached(py, || Ok::<_, Error>(MergeOrder::of(&self.tokenizer)))?;
        Ok(order.map(|MergeOrder { merges, new_token_ranks }| {
            let column =
                |of: fn(&CanonicalMerge) -> u32| merges.iter().map(of).collect::<Vec<u32>>().into_pyarray(py);
            [
                column(|merge| merge.left),
                column(|merge| merge.right),
                column(|merge| merge.token_id),
                column(|merge| merge.needs),
                new_token_ranks.into_pyarray(py),
            ]
        }))
    }

    /// The pretokens of a text.
    fn pretokens(&self, text: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
        let borrowed = Text::from_python(text, None)?;
        detached(text.py(), || {
            let mut pretokens = Vec::new();
            self.tokenizer.definition().pretokenizer.split(borrowed.as_ref(), &mut |pretoken| {
                pretokens.push(pretoken.to_owned());
                Ok(())
            })?;
            Ok::<_, Error>(pretokens)
        })
    }
}

/// (name, description, expression) of every pretokenizer that has a name.
#[pyfunction]
pub(crate) fn named_pretokenizers() -> Vec<(&'static str, &'static str, &'static str)> {
    NAMED_PATTERNS.iter().map(|pattern| (pattern.name, pattern.description, pattern.regex)).collect()
}
