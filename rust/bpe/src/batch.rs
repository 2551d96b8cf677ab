//! Encoding many documents, or long ones, on several threads.
//!
//! The documents become tasks ([`crate::cutting`]). The threads take the tasks in order, each with scratch memory of its
//! own, and what they make is put together in order as soon as it can be: while one thread appends, the others go on. One
//! thread alone writes straight to the result.

use crate::cutting::{tasks, Task};
use crate::encode::prefetch;
use crate::gathering::{self, Gathered};
use crate::output::{Count, Output};
use crate::parallel::share_tasks;
use crate::{Error, Interrupt, Scratch, SpecialTokens, Tokenizer};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, PoisonError};

/// The most text in a task, but for documents that cannot be cut.
const MOST_TASK_BYTES: usize = 1 << 20;
/// The least, unless there is no more text.
const LEAST_TASK_BYTES: usize = 64 << 10;
/// So many tasks for each thread keep all of them busy to the end.
const TASKS_PER_THREAD: usize = 8;

/// The ids of several documents, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBatch {
    /// The ids of all documents.
    pub ids: Vec<u32>,
    /// `offsets[i]..offsets[i + 1]` is the range of document `i` in `ids`.
    pub offsets: Vec<i64>,
}

impl Tokenizer {
    /// Encodes documents on `threads` threads, the calling one among them. The result does not depend on their number.
    /// A long document is cut and shared, wherever that makes no difference.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], for the first document concerned, which the error names;
    /// [`crate::ErrorKind::Interrupted`] soon after `interrupt` is set.
    pub fn encode_batch<T: AsRef<str> + Sync>(
        &self,
        documents: &[T],
        special: &SpecialTokens,
        threads: usize,
        interrupt: &Interrupt,
    ) -> Result<EncodedBatch, Error> {
        let whole: Part<Vec<u32>> =
            self.run(documents, special, threads, interrupt, task_bytes(documents, threads))?;
        Ok(EncodedBatch { ids: whole.output, offsets: whole.ends })
    }

    /// Counts the ids of each document, as [`Tokenizer::encode_batch`] would make them.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_batch`].
    pub fn count_batch<T: AsRef<str> + Sync>(
        &self,
        documents: &[T],
        special: &SpecialTokens,
        threads: usize,
        interrupt: &Interrupt,
    ) -> Result<Vec<i64>, Error> {
        let whole: Part<Count> =
            self.run(documents, special, threads, interrupt, task_bytes(documents, threads))?;
        Ok(whole.ends.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }

    /// What the documents make together; the ends of the documents start with a 0.
    fn run<T: AsRef<str> + Sync, O: Output>(
        &self,
        documents: &[T],
        special: &SpecialTokens,
        threads: usize,
        interrupt: &Interrupt,
        task_bytes: usize,
    ) -> Result<Part<O>, Error> {
        let tasks = tasks(documents, task_bytes, self.cutter(special).as_ref());
        let mut whole = Part { output: O::default(), ends: vec![0] };
        whole.output.reserve_for(documents.iter().map(|text| text.as_ref().len()).sum());
        whole.ends.reserve(documents.len());
        let n_workers = threads.min(tasks.len());
        if n_workers <= 1 {
            let result = self.with_scratch(interrupt, |scratch| {
                tasks.iter().try_for_each(|task| self.run_task(documents, task, special, scratch, &mut whole))
            });
            return result.map(|()| whole);
        }
        let mut workers: Vec<_> =
            (0..n_workers).map(|_| (self.scratches.take(interrupt), Part::default())).collect();
        let progress = Mutex::new(Progress::new(whole));
        share_tasks(tasks.len(), &mut workers, |number, (scratch, part)| {
            let result = self.run_task(documents, &tasks[number], special, scratch, part);
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.add(number, result, part)
        });
        for (scratch, _) in workers {
            self.scratches.give_back(scratch);
        }
        let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        match progress.failure {
            Some((_, error)) => Err(error),
            None => Ok(progress.whole),
        }
    }

    /// Adds what a task makes to `part`.
    fn run_task<T: AsRef<str>, O: Output>(
        &self,
        documents: &[T],
        task: &Task,
        special: &SpecialTokens,
        scratch: &mut Scratch,
        part: &mut Part<O>,
    ) -> Result<(), Error> {
        let mut gathered = Gathered::default();
        for document in task.documents.clone() {
            if let Some(later) = documents.get(document + AHEAD) {
                let beginning = later.as_ref().as_bytes();
                let beginning = &beginning[..beginning.len().min(AHEAD_BYTES)];
                beginning.iter().step_by(64).for_each(|byte| prefetch(byte));
            }
            let text = documents[document].as_ref();
            let is_gathered = task.piece.is_none()
                && text.len() <= gathering::LONGEST_SHORT
                && self.encoder.knows_ends()
                && gathered.add(|gathered| self.encode_to(text, special, scratch, gathered));
            if !is_gathered || gathered.is_full() {
                let end = document + usize::from(is_gathered);
                self.finish_gathered(documents, end, special, scratch, &mut gathered, part)?;
            }
            if !is_gathered {
                let piece = task.piece.clone().unwrap_or(0..text.len());
                self.run_alone(documents, document, piece, special, scratch, part)?;
            }
        }
        self.finish_gathered(documents, task.documents.end, special, scratch, &mut gathered, part)
    }

    /// Adds what the documents make that were gathered, which are the last before `end`.
    fn finish_gathered<T: AsRef<str>, O: Output>(
        &self,
        documents: &[T],
        end: usize,
        special: &SpecialTokens,
        scratch: &mut Scratch,
        gathered: &mut Gathered,
        part: &mut Part<O>,
    ) -> Result<(), Error> {
        let start = end - gathered.n_documents();
        let result = gathered.encode(&self.encoder, scratch, &mut part.output, &mut part.ends);
        gathered.clear();
        if result.is_ok() {
            return scratch.check_interrupt();
        }
        // The error is told by the first document that has it.
        for document in start..end {
            let text = documents[document].as_ref();
            self.run_alone(documents, document, 0..text.len(), special, scratch, part)?;
        }
        result
    }

    /// Adds what a piece of a document makes.
    fn run_alone<T: AsRef<str>, O: Output>(
        &self,
        documents: &[T],
        document: usize,
        piece: Range<usize>,
        special: &SpecialTokens,
        scratch: &mut Scratch,
        part: &mut Part<O>,
    ) -> Result<(), Error> {
        let text = documents[document].as_ref();
        self.encode_to(&text[piece.clone()], special, scratch, &mut part.output)
            .map_err(|error| error.shifted_by(piece.start).in_document(document as u64))?;
        if piece.end == text.len() {
            part.ends.push(part.output.n_ids() as i64);
        }
        Ok(())
    }
}

/// Short documents lie anywhere: how many ahead is asked for their memory, and for how much of each.
const AHEAD: usize = 3;
const AHEAD_BYTES: usize = 1024;

/// How much text makes a task.
fn task_bytes<T: AsRef<str>>(documents: &[T], threads: usize) -> usize {
    let n_bytes: usize = documents.iter().map(|text| text.as_ref().len()).sum();
    (n_bytes / threads.max(1) / TASKS_PER_THREAD).clamp(LEAST_TASK_BYTES, MOST_TASK_BYTES)
}

/// What some tasks make that follow one another.
#[derive(Debug, Default)]
struct Part<O> {
    output: O,
    /// Where documents end in the output.
    ends: Vec<i64>,
}

impl<O: Output> Part<O> {
    /// Takes what another has, which is empty then.
    fn append(&mut self, other: &mut Self) {
        let base = self.output.n_ids() as i64;
        self.ends.extend(other.ends.drain(..).map(|end| base + end));
        self.output.append(&mut other.output);
    }
}

/// What the tasks have made so far.
#[derive(Debug)]
struct Progress<O> {
    /// The first tasks', all of them.
    whole: Part<O>,
    /// How many these are.
    n_done: usize,
    /// Those of later ones, by number.
    early: BTreeMap<usize, Part<O>>,
    /// Empty ones, whose memory is used again.
    spare: Vec<Part<O>>,
    /// The error of the first task that has one.
    failure: Option<(usize, Error)>,
}

impl<O: Output> Progress<O> {
    fn new(whole: Part<O>) -> Self {
        Self { whole, n_done: 0, early: BTreeMap::new(), spare: Vec::new(), failure: None }
    }

    /// Takes what a task has made; `part` is empty then.
    fn add(&mut self, number: usize, result: Result<(), Error>, part: &mut Part<O>) -> ControlFlow<()> {
        if let Err(error) = result {
            if self.failure.as_ref().is_none_or(|(first, _)| number < *first) {
                self.failure = Some((number, error));
            }
            return ControlFlow::Break(());
        }
        if number > self.n_done {
            let empty = self.spare.pop().unwrap_or_default();
            self.early.insert(number, std::mem::replace(part, empty));
            return ControlFlow::Continue(());
        }
        self.whole.append(part);
        self.n_done += 1;
        while let Some(mut part) = self.early.remove(&self.n_done) {
            self.whole.append(&mut part);
            self.spare.push(part);
            self.n_done += 1;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
