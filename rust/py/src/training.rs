//! `_rust.Trainer`: counts text and trains a tokenizer from the counts.

use crate::errors::{detached, exception, Stop};
use crate::text::Text;
use crate::tokenizer::{pretokenizer_from, PyTokenizer};
use portmanteau_bpe::train::{
    train, Counter, Counts, InitialAlphabet, Memory, Phase, Progress, Record, SuperwordOptions,
    TrainingOptions,
};
use portmanteau_bpe::{Definition, Error, ErrorKind, Pretokenizer};
use pyo3::prelude::*;
use std::ops::ControlFlow;

/// Counts text, in batches, and trains a tokenizer once.
#[pyclass(module = "portmanteau._rust", name = "Trainer")]
pub(crate) struct PyTrainer {
    /// `None` after training.
    counters: Option<Counters>,
    n_documents: u64,
    /// The pretokenizer of the trained tokenizer: the last stage's.
    pretokenizer: Pretokenizer,
}

struct Counters {
    units: Counter,
    superwords: Option<Counter>,
}

/// Runs `work` with the GIL released; about every 50 ms signals are heard and `progress(phase, done, total)` is called.
fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    detached(py, move || {
        let mut raised = None;
        let result = work(&mut |now: Progress| {
            let heard = Python::attach(|py| {
                py.check_signals()?;
                match &progress {
                    Some(progress) => {
                        progress.call1(py, (phase_name(now.phase), now.done, now.total)).map(|_| ())
                    }
                    None => Ok(()),
                }
            });
            match heard {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    raised = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        result.map_err(|error| raised.map_or(Stop::Ours(error), Stop::Raised))
    })
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Counting => "counting",
        Phase::WritingCounts => "writing counts",
        Phase::ReadingCounts => "reading counts",
        Phase::Tokenizing => "tokenizing",
        Phase::CountingPairs => "counting pairs",
        Phase::Merging => "merging",
    }
}

fn used_up(py: Python<'_>) -> PyErr {
    exception(py, "TrainingError", "this trainer has failed or has trained already; make another", &[])
}

#[pymethods]
impl PyTrainer {
    /// Pretokenizers are names or expressions; a second one makes two stages.
    #[new]
    fn new(
        py: Python<'_>,
        pretokenizer: &str,
        superword_pretokenizer: Option<&str>,
        whole_documents: bool,
    ) -> PyResult<Self> {
        detached(py, || {
            let record = if whole_documents { Record::Document } else { Record::Line };
            let first = pretokenizer_from(pretokenizer, false)?;
            let second = superword_pretokenizer.map(|text| pretokenizer_from(text, false)).transpose()?;
            Ok::<_, Error>(Self {
                pretokenizer: second.as_ref().unwrap_or(&first).clone(),
                counters: Some(Counters {
                    units: Counter::new(first, record),
                    superwords: second.map(|second| Counter::new(second, record)),
                }),
                n_documents: 0,
            })
        })
    }

    /// Counts a batch of texts; returns their length in bytes.
    fn feed(
        &mut self,
        batch: &Bound<'_, PyAny>,
        threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<usize> {
        let py = batch.py();
        let base = self.n_documents;
        let numbered = batch.try_iter()?.zip(base..);
        let texts = numbered.map(|(text, document)| Text::from_python(&text?, Some(document)));
        let texts = texts.collect::<PyResult<Vec<Text>>>()?;
        // Put back only after success: counters that failed half-way are good for nothing.
        let mut counters = self.counters.take().ok_or_else(|| used_up(py))?;
        let (n_bytes, counters) = watched(py, progress, |progress| {
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            for counter in [Some(&mut counters.units), counters.superwords.as_mut()].into_iter().flatten() {
                counter.feed(&texts, 1, threads, progress).map_err(|error| match error.document() {
                    Some(document) => error.in_document(base + document),
                    None => error,
                })?;
            }
            Ok((texts.iter().map(|text| text.len()).sum(), counters))
        })?;
        self.n_documents += texts.len() as u64;
        self.counters = Some(counters);
        Ok(n_bytes)
    }

    /// Trains; returns the tokenizer and the size of the vocabulary when the first stage stopped.
    ///
    /// `superwords` is (transition size, most words in a token, forbidden texts).
    #[expect(clippy::too_many_arguments, reason = "one argument for each option of portmanteau.train_bpe")]
    fn train(
        &mut self,
        py: Python<'_>,
        vocab_size: usize,
        min_frequency: u64,
        max_token_bytes: Option<usize>,
        special_tokens: Vec<String>,
        seen_bytes_only: bool,
        superwords: Option<(usize, usize, Vec<String>)>,
        threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(PyTokenizer, usize)> {
        let counters = self.counters.take().ok_or_else(|| used_up(py))?;
        let pretokenizer = self.pretokenizer.clone();
        let options = TrainingOptions {
            vocab_size,
            min_frequency,
            max_token_bytes,
            special_tokens,
            initial_alphabet: if seen_bytes_only { InitialAlphabet::Seen } else { InitialAlphabet::All },
            memory: Memory::default(),
        };
        let superwords = superwords.map(|(transition_size, max_words_per_token, forbid)| SuperwordOptions {
            transition_size,
            max_words_per_token,
            forbid: forbid.into_iter().map(String::into_bytes).collect(),
        });
        watched(py, progress, move |progress| {
            let superword_units = counters.superwords.map(Counter::into_counts).transpose()?;
            let counts =
                Counts { units: counters.units.into_counts()?, superwords: superword_units.zip(superwords) };
            let trained = train(counts, &options, threads, progress)?;
            let definition = Definition::from_training(
                trained.tokens,
                &trained.merges,
                options.special_tokens,
                pretokenizer,
            )
            .map_err(|error| Error::new(ErrorKind::Training, error.to_string()))?;
            Ok((PyTokenizer::from_definition(definition)?, trained.stage1_size))
        })
    }
}
