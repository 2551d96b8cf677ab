//! Counting: text in, distinct units with their counts out.
//!
//! A unit is what no token may cross: one pretoken of one record, where a record is a line with its `\n` (as
//! Hugging Face's `train(files)` reads) or a whole document. Training needs nothing of the text but its distinct units
//! and how often each occurs, so [`UnitCounts`] are all that stays of a corpus.
//!
//! Text is cut into `tasks`, which threads take in turn. Each thread (`worker`) counts into a small `table` of its own
//! (`local`); when one of these is full, all are added to the [`Units`], which are divided so that the threads do that
//! together too (`units`). When the units take more memory than they may, they are appended to a file and memory starts
//! empty again (`run`). What comes out is read in passes (`counts`, `entries`), and can be kept in files (`file`).
//!
//! Counts are sums of integers, so the result does not depend on how the text was cut, on the number of threads or on the
//! memory; only the order of the units does, and nothing may depend on that.

mod counts;
mod entries;
mod file;
mod local;
mod run;
mod table;
mod tasks;
mod units;
mod worker;

pub use counts::{Blocks, UnitCounts};
pub use entries::{Block, BlockIter};
pub use file::CountFile;
pub use units::Units;

use super::watch::{Callback, Phase, Watch};
use crate::parallel::share_watched_tasks;
use crate::pretokenizer::scanner::boundary_before;
use crate::pretokenizer::Pretokenizer;
use crate::{Error, ErrorKind};
use run::GrowingRun;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tasks::{tasks, Task, TASK_BYTES};
use worker::Worker;

/// Bytes of text that a thread counts between two looks at the memory that is in use.
const ROUND_BYTES: usize = 2 << 20;

/// Where the text is cut before the pretokenizer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// At every line end, the `\n` staying with its line: no token spans lines, as in Hugging Face's `train(files)`.
    #[default]
    Line,
    /// Only between documents.
    Document,
}

fn too_many_occurrences() -> Error {
    Error::new(ErrorKind::Training, "a unit occurs more than 2^64 - 1 times; scale the weights down")
}

fn too_many_units() -> Error {
    let message =
        "the text has too many distinct units for one table; set a memory limit, or cut the text at lines";
    Error::new(ErrorKind::Training, message)
}

/// What a limit on the bytes of a document has cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CutOff {
    /// The number of documents that were cut.
    pub documents: u64,
    /// The bytes that were not counted.
    pub bytes: u64,
}

/// Counts the units of a text under one pretokenizer. SuperBPE keeps two, one for each stage, and feeds both with the
/// same batches, so the text is read once.
///
/// ```
/// use portmanteau_bpe::train::{Counter, Record};
/// use portmanteau_bpe::Pretokenizer;
/// use std::ops::ControlFlow;
/// let mut counter = Counter::new(Pretokenizer::named("r50k")?, Record::Line);
/// counter.feed(&["a rose is", "a rose"], 10, 1, &mut |_| ControlFlow::Continue(()))?;
/// let mut counts = Vec::new();
/// counter.into_counts()?.try_for_each(|unit, count| {
///     counts.push((String::from_utf8_lossy(unit).into_owned(), count));
///     Ok(())
/// })?;
/// counts.sort();
/// assert_eq!(counts, [(" is".to_owned(), 10), (" rose".to_owned(), 20), ("a".to_owned(), 20)]);
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
pub struct Counter {
    pretokenizer: Pretokenizer,
    record: Record,
    units: Units,
    /// What the threads count into; `weight` applies to what is in it.
    workers: Vec<Worker>,
    weight: u64,
    /// The bytes of memory that the units may take.
    memory_limit: usize,
    /// Where the run is made.
    folder: PathBuf,
    run: Option<GrowingRun>,
    document_byte_limit: usize,
    cut_off: CutOff,
}

impl Counter {
    /// A counter that has seen nothing.
    pub fn new(pretokenizer: Pretokenizer, record: Record) -> Self {
        Self {
            pretokenizer,
            record,
            units: Units::default(),
            workers: Vec::new(),
            weight: 1,
            memory_limit: usize::MAX,
            folder: PathBuf::new(),
            run: None,
            document_byte_limit: usize::MAX,
            cut_off: CutOff::default(),
        }
    }

    /// Lets the units take about `bytes` of memory, and a few megabytes for each thread. What is more goes to a file in
    /// `folder`, which is made when it is needed and removed with what comes of this counter.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: usize, folder: &Path) -> Self {
        self.memory_limit = bytes;
        folder.clone_into(&mut self.folder);
        self
    }

    /// Cuts documents that have more bytes at the last character that ends within them.
    #[must_use]
    pub fn with_document_byte_limit(mut self, bytes: usize) -> Self {
        self.document_byte_limit = bytes;
        self
    }

    /// What [`Counter::with_document_byte_limit`] has cut off so far.
    pub fn cut_off(&self) -> CutOff {
        self.cut_off
    }

    /// Counts the units of a batch of documents on `threads` threads, each of them `weight` times. `progress` is called
    /// about every 50 ms with the number of bytes of the batch that are done, and may stop the work. O(n) in the text, if
    /// the pretokenizer is.
    ///
    /// # Errors
    /// If the pretokenizer fails on a text (naming the document of the batch); [`ErrorKind::Training`] if a unit occurs
    /// more than 2⁶⁴ − 1 times; [`ErrorKind::File`] if memory is full and the run cannot be written;
    /// [`ErrorKind::Interrupted`] if `progress` breaks. The counter is then good for nothing more.
    pub fn feed(
        &mut self,
        batch: &[&str],
        weight: u64,
        threads: usize,
        progress: &mut Callback<'_>,
    ) -> Result<(), Error> {
        let batch = self.cut_documents(batch);
        let total: usize = batch.iter().map(|text| text.len()).sum();
        if weight == 0 {
            return Ok(());
        }
        if weight != self.weight {
            self.absorb()?;
            self.weight = weight;
        }
        let threads = threads.max(1);
        self.workers.resize_with(threads.max(self.workers.len()), Worker::default);
        let mut watch = Watch::new(Phase::Counting, total as u64, progress);
        let round_bytes = self.round_bytes(threads);
        let tasks = tasks(&batch, self.record, self.pretokenizer.scanner());
        let mut rest = &tasks[..];
        let mut done = 0;
        while !rest.is_empty() {
            let (mut n_tasks, mut n_bytes) = (0, 0);
            while n_tasks < rest.len() && (n_tasks == 0 || n_bytes + rest[n_tasks].n_bytes <= round_bytes) {
                n_bytes += rest[n_tasks].n_bytes;
                n_tasks += 1;
            }
            let (round, others) = rest.split_at(n_tasks);
            self.count_round(&batch, round, threads, done, &mut watch)?;
            done += n_bytes as u64;
            self.make_room(done, &mut watch)?;
            watch.look(done)?;
            rest = others;
        }
        Ok(())
    }

    /// What was counted.
    ///
    /// # Errors
    /// [`ErrorKind::Training`] if a unit occurs more than 2⁶⁴ − 1 times.
    pub fn into_counts(mut self) -> Result<UnitCounts, Error> {
        self.absorb()?;
        Ok(UnitCounts::new(self.units, self.run.into_iter().map(GrowingRun::into_run).collect()))
    }

    /// Cuts the documents that are too long.
    fn cut_documents<'b, 't>(&mut self, batch: &'b [&'t str]) -> Cow<'b, [&'t str]> {
        let limit = self.document_byte_limit;
        if batch.iter().all(|text| text.len() <= limit) {
            return Cow::Borrowed(batch);
        }
        let cut = batch.iter().map(|&text| {
            if text.len() <= limit {
                return text;
            }
            let (kept, lost) = text.split_at(boundary_before(text, limit));
            self.cut_off.documents += 1;
            self.cut_off.bytes += lost.len() as u64;
            kept
        });
        Cow::Owned(cut.collect())
    }

    /// Text that is counted before memory is looked at: all of it may be of new units, which take a few times its bytes.
    fn round_bytes(&self, threads: usize) -> usize {
        (threads * ROUND_BYTES).min(self.memory_limit / 4).max(TASK_BYTES)
    }

    /// Counts tasks of together about [`ROUND_BYTES`] for each thread, or one of any size.
    fn count_round(
        &mut self,
        batch: &[&str],
        tasks: &[Task],
        threads: usize,
        done: u64,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let Self { pretokenizer, record, workers, .. } = self;
        let (pretokenizer, record) = (&*pretokenizer, *record);
        let n_threads = threads.min(tasks.len());
        if n_threads > 1 {
            let (n_done, is_stopped) = (AtomicU64::new(done), AtomicBool::new(false));
            let mut stop = Ok(());
            // Of each thread: its worker, and the first task that failed.
            let mut posts: Vec<_> = workers[..n_threads].iter_mut().map(|worker| (worker, None)).collect();
            let count = |number: usize, (worker, failure): &mut (&mut Worker, Option<(usize, Error)>)| {
                let result = tasks[number].count(batch, pretokenizer, record, worker, &mut |n_bytes| {
                    n_done.fetch_add(n_bytes as u64, Ordering::Relaxed);
                    if is_stopped.load(Ordering::Relaxed) {
                        return Err(Error::new(ErrorKind::Interrupted, "training was stopped"));
                    }
                    Ok(())
                });
                match result {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        *failure = Some((number, error));
                        ControlFlow::Break(())
                    }
                }
            };
            let n_started = share_watched_tasks(tasks.len(), &mut posts, count, &mut || {
                stop = watch.look(n_done.load(Ordering::Relaxed));
                if stop.is_err() {
                    is_stopped.store(true, Ordering::Relaxed);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            stop?;
            let failures = posts.into_iter().filter_map(|(_, failure)| failure);
            if let Some((_, error)) = failures.min_by_key(|(number, _)| *number) {
                return Err(error);
            }
            if n_started > 0 {
                return Ok(());
            }
        }
        let Some(worker) = workers.first_mut() else { return Ok(()) };
        let mut done = done;
        for task in tasks {
            task.count(batch, pretokenizer, record, worker, &mut |n_bytes| {
                done += n_bytes as u64;
                watch.look(done)
            })?;
        }
        Ok(())
    }

    /// Empties the tables of the threads if one of them is full, and memory if it is.
    fn make_room(&mut self, done: u64, watch: &mut Watch<'_>) -> Result<(), Error> {
        let in_workers: usize = self.workers.iter().map(|worker| worker.local.memory()).sum();
        if self.units.memory() + in_workers > self.memory_limit
            || self.workers.iter().any(|worker| worker.local.is_full())
        {
            self.absorb()?;
        }
        if self.units.memory() <= self.memory_limit {
            return Ok(());
        }
        let run = match &mut self.run {
            Some(run) => run,
            None => self.run.insert(GrowingRun::new(&self.folder)?),
        };
        run.append(&self.units, done, watch)?;
        self.units = Units::default();
        Ok(())
    }

    /// Adds what the threads have counted to the units.
    fn absorb(&mut self) -> Result<(), Error> {
        let locals = self.workers.iter_mut().map(|worker| &mut worker.local);
        let mut locals: Vec<_> = locals.filter(|local| !local.is_empty()).collect();
        self.units.absorb(&mut locals, self.weight)
    }
}

impl Task {
    fn count(
        &self,
        batch: &[&str],
        pretokenizer: &Pretokenizer,
        record: Record,
        worker: &mut Worker,
        step: &mut worker::Step<'_>,
    ) -> Result<(), Error> {
        for document in self.documents.clone() {
            let text = self.piece.clone().map_or(batch[document], |piece| &batch[document][piece]);
            worker.count(text, pretokenizer, record, step).map_err(|error| match error.kind() {
                ErrorKind::Interrupted | ErrorKind::Training => error,
                _ => error.in_document(document as u64),
            })?;
        }
        worker.finish(pretokenizer, step)
    }
}
