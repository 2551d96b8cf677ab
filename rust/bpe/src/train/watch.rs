//! Telling the caller how far long work is, and asking whether to go on: about every 50 ms, and when a phase begins.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::parallel::{in_order, share_tasks, share_watched_tasks};
use crate::{Error, ErrorKind, Interrupt};

/// Time between two calls of the callback.
const PERIOD: Duration = Duration::from_millis(50);
/// The clock is read once in this many steps.
const STEPS: u32 = 1024;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Splitting text into units and counting them; in bytes of the batch.
    Counting,
    /// Writing a file of counts; in bytes.
    WritingCounts,
    /// Reading a file of counts and checking it; in bytes.
    ReadingCounts,
    /// Tokenizing the units of a stage; in bytes of entries, or in chunks of tokens.
    Tokenizing,
    /// Counting the pairs of a text; in chunks of it.
    CountingPairs,
    /// Cutting a text where nothing will merge, and counting what is left; in chunks.
    Cutting,
    /// Merging; in tokens of the vocabulary.
    Merging,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// Hears of progress and says whether to go on.
pub(super) type Callback<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// Calls the callback when it is time.
pub(super) struct Watch<'a> {
    progress: Progress,
    steps: u32,
    next: Instant,
    callback: &'a mut Callback<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(phase: Phase, total: u64, callback: &'a mut Callback<'_>) -> Self {
        Self {
            progress: Progress { phase, done: 0, total },
            steps: 0,
            next: Instant::now() + PERIOD,
            callback,
        }
    }

    /// Goes over to another phase, and says so.
    pub(super) fn phase(&mut self, phase: Phase, total: u64) -> Result<(), Error> {
        self.progress = Progress { phase, done: 0, total };
        self.call(Instant::now())
    }

    /// Notes that `done` is done; cheap enough for every unit of work of a few nanoseconds.
    pub(super) fn step(&mut self, done: u64) -> Result<(), Error> {
        self.progress.done = done;
        self.step_within()
    }

    /// Notes that something was done that does not count as progress.
    pub(super) fn step_within(&mut self) -> Result<(), Error> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS) {
            self.look(self.progress.done)?;
        }
        Ok(())
    }

    /// Does tasks on `threads` threads, and takes what comes out in the order of the tasks, until that says that it is
    /// enough. `size` is how much of the progress a task is. While the threads work, the callback is called; if it
    /// breaks, the interrupt is set, which long tasks should heed.
    pub(super) fn share<T: Sync, R: Send>(
        &mut self,
        mut tasks: impl Iterator<Item = Result<T, Error>>,
        size: impl Fn(&T) -> u64,
        threads: usize,
        work: impl Fn(&T, &Interrupt) -> Result<R, Error> + Sync,
        mut take: impl FnMut(R) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let mut done = 0;
        loop {
            let round = tasks.by_ref().take(threads.max(1)).collect::<Result<Vec<T>, Error>>()?;
            if round.is_empty() {
                return Ok(());
            }
            for result in self.share_round(&round, done, &work)? {
                if take(result?)?.is_break() {
                    return Ok(());
                }
            }
            done += round.iter().map(&size).sum::<u64>();
            self.look(done)?;
        }
    }

    /// Does tasks, each on a thread of its own; results are in the order of the tasks.
    fn share_round<T: Sync, R: Send>(
        &mut self,
        round: &[T],
        done: u64,
        work: &(impl Fn(&T, &Interrupt) -> Result<R, Error> + Sync),
    ) -> Result<Vec<Result<R, Error>>, Error> {
        let interrupt = Interrupt::default();
        let mut results: Vec<Vec<(usize, Result<R, Error>)>> = round.iter().map(|_| Vec::new()).collect();
        let do_task = |number: usize, results: &mut Vec<_>| {
            results.push((number, work(&round[number], &interrupt)));
            ControlFlow::Continue(())
        };
        let mut heard = Ok(());
        let n_threads = share_watched_tasks(round.len(), &mut results, do_task, &mut || {
            heard = self.look(done);
            if heard.is_err() {
                interrupt.set();
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        heard?;
        if n_threads == 0 {
            share_tasks(round.len(), &mut results[..1], do_task);
        }
        Ok(in_order(results))
    }

    /// Notes that `done` is done after longer work, and calls the callback if it is time.
    pub(super) fn look(&mut self, done: u64) -> Result<(), Error> {
        self.progress.done = done;
        let now = Instant::now();
        if now < self.next {
            return Ok(());
        }
        self.call(now)
    }

    fn call(&mut self, now: Instant) -> Result<(), Error> {
        self.next = now + PERIOD;
        match (self.callback)(self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::new(ErrorKind::Interrupted, "training was stopped")),
        }
    }
}
