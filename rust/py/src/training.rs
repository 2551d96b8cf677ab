//! `_rust.Trainer`: counts text, and trains a tokenizer from the counts.

use crate::errors::{detached, exception, Stop};
use crate::text::Text;
use crate::tokenizer::{pretokenizer_from, PyTokenizer};
use numpy::{IntoPyArray, PyArray1};
use portmanteau_bpe::normalizer::{normalize, NormalizationForm};
use portmanteau_bpe::pretokenizer::DigitGroups;
use portmanteau_bpe::train::{
    continue_training, train, Checkpoint, CountFile, Counter, Counts, InitialAlphabet, Memory, Phase,
    Progress, Record, SuperwordOptions, SuperwordStage, Ties, TrainedMerge, TrainingOptions, Transition,
    UnitCounts,
};
use portmanteau_bpe::{Definition, Error, ErrorKind, Pretokenizer, Tokenizer};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is counted: see `portmanteau.training`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct CountingOptions {
    pretokenizer: Option<String>,
    superword_pretokenizer: Option<String>,
    digits: Option<String>,
    whole_documents: bool,
    document_byte_limit: Option<usize>,
    memory_limit: Option<usize>,
    temporary_folder: PathBuf,
}

/// What is trained.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    vocab_size: usize,
    min_frequency: u64,
    max_token_bytes: Option<usize>,
    special_tokens: Vec<String>,
    seen_bytes_only: bool,
    byte_order: bool,
    /// Where the merges are kept, how many seconds pass between two checkpoints, and what is trained on beside the counts.
    checkpoint: Option<(PathBuf, f64, String)>,
}

/// What superwords may be, and when they begin.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Superwords {
    /// `None` finds it out.
    transition_size: Option<usize>,
    max_words_per_token: usize,
    forbid: Vec<String>,
    within_sentences: bool,
    whole_words: bool,
    drop_unused_merges: bool,
}

/// Counts text, in batches, and trains a tokenizer once.
#[pyclass(module = "portmanteau._rust", name = "Trainer")]
pub(crate) struct PyTrainer {
    /// `None` after training.
    counters: Option<Counters>,
    n_documents: u64,
    record: Record,
    /// Of one stage or two.
    pretokenizers: Vec<Pretokenizer>,
    memory: Memory,
    document_byte_limit: Option<usize>,
    /// Of counters that were written to files, and of training that is gone on with.
    cut_off: (u64, u64),
    /// Counts from files.
    files: Vec<Vec<CountFile>>,
    /// What is trained on, and how it normalizes text.
    base: Option<Arc<Tokenizer>>,
}

/// One for each pretokenizer.
type Counters = Vec<Counter>;

/// Runs `work` with the GIL released; about every 50 ms, and when a phase begins, signals are heard and
/// `progress(phase, done, total)` is called.
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
        Phase::Cutting => "cutting",
        Phase::Merging => "merging",
    }
}

fn used_up(py: Python<'_>) -> PyErr {
    exception(py, "TrainingError", "this trainer has failed or has trained already; make another", &[])
}

/// The groups of digits by the name that users give them.
fn digit_groups(name: &str) -> Result<DigitGroups, Error> {
    match name {
        "single" => Ok(DigitGroups::Single),
        "from_left" => Ok(DigitGroups::ThreeFromTheLeft),
        "from_right" => Ok(DigitGroups::ThreeFromTheRight),
        _ => {
            let message =
                format!("digits is {name:?}; it must be 'single', 'from_left', 'from_right' or None");
            Err(Error::new(ErrorKind::Training, message))
        }
    }
}

impl CountingOptions {
    /// The pretokenizers of the stages; that of `base` where none is named.
    fn pretokenizers(&self, base: Option<&Tokenizer>) -> Result<Vec<Pretokenizer>, Error> {
        let groups = self.digits.as_deref().map(digit_groups).transpose()?;
        let named = [&self.pretokenizer, &self.superword_pretokenizer].into_iter().flatten();
        let mut pretokenizers =
            named.map(|name| pretokenizer_from(name, false)).collect::<Result<Vec<_>, _>>()?;
        if let (true, Some(base)) = (pretokenizers.is_empty(), base) {
            pretokenizers.push(base.definition().pretokenizer.clone());
        }
        match groups {
            Some(groups) => pretokenizers.iter().map(|own| own.with_digits(groups)).collect(),
            None => Ok(pretokenizers),
        }
    }
}

impl PyTrainer {
    fn new_counters(&self) -> Counters {
        let counter = |pretokenizer: &Pretokenizer| {
            let counter = Counter::new(pretokenizer.clone(), self.record)
                .with_memory_limit(self.memory.for_counts(), self.memory.folder());
            match self.document_byte_limit {
                Some(bytes) => counter.with_document_byte_limit(bytes),
                None => counter,
            }
        };
        self.pretokenizers.iter().map(counter).collect()
    }

    /// What was counted, stage by stage.
    fn counts(counters: Counters) -> Result<Vec<UnitCounts>, Error> {
        counters.into_iter().map(Counter::into_counts).collect()
    }

    /// What was counted and what the files have, stage by stage.
    fn all_counts(
        counters: Counters,
        files: &[Vec<CountFile>],
        memory: &Memory,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<UnitCounts>, Error> {
        let with_files = |(mut counts, files): (UnitCounts, &Vec<CountFile>)| {
            counts.add(UnitCounts::from_files(files)?)?;
            // Files may have the same units, which are merged faster as one.
            if memory.is_unlimited() && counts.n_runs() > 0 {
                counts.gather(progress)
            } else {
                Ok(counts)
            }
        };
        Self::counts(counters)?.into_iter().zip(files).map(with_files).collect()
    }

    /// What tells the text of this training from others: the digests of its files, which have all of it.
    fn checkpoint(files: &[Vec<CountFile>], options: &Options) -> Option<Checkpoint> {
        let (path, seconds, fingerprint) = options.checkpoint.as_ref()?;
        let mut fingerprint = fingerprint.clone().into_bytes();
        for stage in files {
            fingerprint.extend((stage.len() as u64).to_le_bytes());
            for (digest, multiplier) in stage.iter().map(CountFile::fingerprint) {
                fingerprint.extend(digest);
                fingerprint.extend(multiplier.to_le_bytes());
            }
        }
        let period = Duration::try_from_secs_f64(*seconds).unwrap_or(Duration::MAX);
        Some(Checkpoint::new(path, period, &fingerprint))
    }
}

#[pymethods]
impl PyTrainer {
    /// Pretokenizers are names or expressions; a second one makes two stages.
    #[new]
    fn new(py: Python<'_>, options: CountingOptions, base: Option<PyRef<'_, PyTokenizer>>) -> PyResult<Self> {
        let base = base.map(|base| base.shared());
        detached(py, || {
            let memory = Memory::new(options.memory_limit.unwrap_or(usize::MAX), &options.temporary_folder);
            let mut trainer = Self {
                counters: None,
                n_documents: 0,
                record: if options.whole_documents { Record::Document } else { Record::Line },
                pretokenizers: options.pretokenizers(base.as_deref())?,
                memory,
                document_byte_limit: options.document_byte_limit,
                cut_off: (0, 0),
                files: Vec::new(),
                base,
            };
            trainer.files = vec![Vec::new(); trainer.pretokenizers.len()];
            trainer.counters = Some(trainer.new_counters());
            Ok::<_, Error>(trainer)
        })
    }

    /// Counts a batch of texts, each `weight` times; returns their length in bytes.
    fn feed(
        &mut self,
        batch: &Bound<'_, PyAny>,
        weight: u64,
        threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<usize> {
        let py = batch.py();
        let first = self.n_documents;
        let numbered = batch.try_iter()?.zip(first..);
        let texts = numbered.map(|(text, document)| Text::from_python(&text?, Some(document)));
        let texts = texts.collect::<PyResult<Vec<Text>>>()?;
        // Put back only after success: counters that failed half-way are good for nothing.
        let mut counters = self.counters.take().ok_or_else(|| used_up(py))?;
        let forms: &[NormalizationForm] =
            self.base.as_ref().map_or(&[], |base| &base.definition().normalization);
        let (n_bytes, counters) = watched(py, progress, |progress| {
            let normalized: Vec<Cow<'_, str>> =
                texts.iter().map(|text| normalize(forms, text.as_ref())).collect();
            let normalized: Vec<&str> = normalized.iter().map(AsRef::as_ref).collect();
            for counter in &mut counters {
                counter.feed(&normalized, weight, threads, progress).map_err(|error| {
                    match error.document() {
                        Some(document) => error.in_document(first + document),
                        None => error,
                    }
                })?;
            }
            Ok((texts.iter().map(|text| text.as_ref().len()).sum(), counters))
        })?;
        self.n_documents += texts.len() as u64;
        self.counters = Some(counters);
        Ok(n_bytes)
    }

    /// The documents that `document_byte_limit` has cut, and the bytes that it has cut off.
    fn cut_off(&self) -> (u64, u64) {
        let counter = self.counters.as_ref().and_then(|counters| counters.first());
        let cut_off = counter.map(Counter::cut_off).unwrap_or_default();
        (self.cut_off.0 + cut_off.documents, self.cut_off.1 + cut_off.bytes)
    }

    /// Notes that so many documents were fed before, and what was cut off them; their counts are added from files.
    fn go_on_after(&mut self, n_documents: u64, cut_off: (u64, u64)) {
        (self.n_documents, self.cut_off) = (n_documents, cut_off);
    }

    /// The number of documents that were fed.
    fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// Writes what was counted since the last call to files, one for each stage, and goes on from nothing.
    fn write_counts(
        &mut self,
        py: Python<'_>,
        paths: Vec<PathBuf>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let cut_off = self.cut_off();
        let counters = self.counters.take().ok_or_else(|| used_up(py))?;
        let (pretokenizers, record) = (&self.pretokenizers, self.record);
        watched(py, progress, |progress| {
            let stages = Self::counts(counters)?;
            stages.iter().zip(pretokenizers).zip(&paths).try_for_each(|((counts, pretokenizer), path)| {
                CountFile::write(path, counts, pretokenizer, record, progress)
            })
        })?;
        self.cut_off = cut_off;
        self.counters = Some(self.new_counters());
        Ok(())
    }

    /// Adds counts from files, one for each stage, each of them `weight` times. The files stay where they are until
    /// training has ended.
    fn add_counts(
        &mut self,
        py: Python<'_>,
        paths: Vec<PathBuf>,
        weight: u64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let (pretokenizers, record) = (&self.pretokenizers, self.record);
        let files = watched(py, progress, |progress| {
            let stages = paths.iter().zip(pretokenizers).map(|(path, pretokenizer)| {
                let file = CountFile::open(path, progress)?;
                file.check_matches(pretokenizer, record)?;
                file.times(weight)
            });
            stages.collect::<Result<Vec<_>, Error>>()
        })?;
        for (own, file) in self.files.iter_mut().zip(files) {
            own.push(file);
        }
        Ok(())
    }

    /// Trains on all counts; returns the tokenizer and a dictionary of what happened.
    fn train<'py>(
        &mut self,
        py: Python<'py>,
        options: Options,
        superwords: Option<Superwords>,
        threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(PyTokenizer, Bound<'py, PyDict>)> {
        let counters = self.counters.take().ok_or_else(|| used_up(py))?;
        let files = std::mem::take(&mut self.files);
        let checkpoint = Self::checkpoint(&files, &options);
        let pretokenizer = self.pretokenizers.last().cloned();
        let base = self.base.clone();
        let options = TrainingOptions {
            vocab_size: options.vocab_size,
            min_frequency: options.min_frequency,
            max_token_bytes: options.max_token_bytes,
            special_tokens: options.special_tokens,
            initial_alphabet: if options.seen_bytes_only {
                InitialAlphabet::Seen
            } else {
                InitialAlphabet::All
            },
            ties: if options.byte_order { Ties::Bytes } else { Ties::HuggingFace },
            memory: self.memory.clone(),
            checkpoint,
        };
        let words = self.pretokenizers.first().cloned();
        let stage_of = move |superwords: Superwords, units| SuperwordStage {
            units,
            transition: superwords.transition_size.map_or(Transition::Auto, Transition::Size),
            options: SuperwordOptions {
                max_words_per_token: superwords.max_words_per_token,
                forbid: superwords.forbid.into_iter().map(String::into_bytes).collect(),
                within_sentences: superwords.within_sentences,
            },
            words,
            whole_words: superwords.whole_words,
            drop_unused_merges: superwords.drop_unused_merges,
        };
        let (tokenizer, outcome) = watched(py, progress, move |progress| {
            let stages = Self::all_counts(counters, &files, &options.memory, progress)?;
            // In runs, units may come several times.
            let distinct = |counts: &UnitCounts| (counts.n_runs() == 0).then(|| counts.units().len() as u64);
            let distinct_units = stages.iter().map(distinct).collect();
            let mut stages = stages.into_iter();
            let (units, pretokenizer) = stages
                .next()
                .zip(pretokenizer)
                .ok_or_else(|| Error::new(ErrorKind::Training, "there is no pretokenizer"))?;
            if let Some(base) = base {
                let base = base.definition();
                let stage = superwords.map(|superwords| stage_of(superwords, UnitCounts::default()));
                let rules = stage.as_ref().map(|stage| &stage.options);
                let continued =
                    continue_training(base, pretokenizer, units, &options, rules, threads, progress)?;
                let outcome = Outcome {
                    merges: continued.merges,
                    vetoed: continued.vetoed,
                    stage1: None,
                    distinct_units,
                };
                return Ok((PyTokenizer::from_definition(continued.definition)?, outcome));
            }
            let superwords =
                stages.next().zip(superwords).map(|(units, superwords)| stage_of(superwords, units));
            let trained = train(Counts { units, superwords }, &options, threads, progress)?;
            let merges: Vec<(u32, u32)> =
                trained.merges.iter().map(|merge| (merge.left, merge.right)).collect();
            let definition =
                Definition::from_training(trained.tokens, &merges, options.special_tokens, pretokenizer)
                    .map_err(|error| Error::new(ErrorKind::Training, error.to_string()))?;
            let outcome = Outcome {
                merges: trained.merges,
                vetoed: trained.vetoed,
                stage1: Some((trained.stage1_size, trained.stage1_merges)),
                distinct_units,
            };
            Ok((PyTokenizer::from_definition(definition)?, outcome))
        })?;
        Ok((tokenizer, outcome.into_dict(py)?))
    }
}

/// What happened in training.
struct Outcome {
    merges: Vec<TrainedMerge>,
    vetoed: Vec<(Vec<u8>, u64)>,
    /// The tokens and the merges when the first stage stopped; `None` for training on top of a tokenizer.
    stage1: Option<(usize, usize)>,
    /// By stage; `None` where memory was too small to know.
    distinct_units: Vec<Option<u64>>,
}

impl Outcome {
    fn into_dict(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let dict = PyDict::new(py);
        let counts: Vec<u64> = self.merges.iter().map(|merge| merge.count).collect();
        let token_ids: Vec<u32> = self.merges.iter().map(|merge| merge.token_id).collect();
        let token_ids: Bound<'_, PyArray1<u32>> = token_ids.into_pyarray(py);
        dict.set_item("merge_counts", counts.into_pyarray(py))?;
        dict.set_item("merge_token_ids", token_ids)?;
        dict.set_item("stage1_size", self.stage1.map(|(size, _)| size))?;
        dict.set_item("stage1_merges", self.stage1.map(|(_, merges)| merges))?;
        dict.set_item("distinct_units", self.distinct_units)?;
        let vetoed: Vec<(Cow<'_, [u8]>, u64)> =
            self.vetoed.iter().map(|(token, count)| (Cow::Borrowed(&token[..]), *count)).collect();
        dict.set_item("vetoed", vetoed)?;
        Ok(dict)
    }
}
