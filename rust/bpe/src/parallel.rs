//! The one place that starts threads: a scoped fan-out over contiguous chunks, or over tasks that are taken in order, for
//! the number of threads that the caller names. Threads live for one call, so nothing is left behind that a forked child
//! could wait for.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::Builder;
use std::time::Duration;

/// Between two calls of what watches tasks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Cuts `0..weights.len()` into at most `parts` contiguous ranges of about equal total weight.
pub fn split_by_weight(weights: impl ExactSizeIterator<Item = usize>, parts: usize) -> Vec<Range<usize>> {
    let weights: Vec<usize> = weights.collect();
    let total: usize = weights.iter().sum();
    let target = total.div_ceil(parts.max(1)).max(1);
    let mut ranges = Vec::with_capacity(parts);
    let (mut start, mut sum) = (0, 0);
    for (index, weight) in weights.iter().enumerate() {
        sum += weight;
        if sum >= target {
            ranges.push(start..index + 1);
            (start, sum) = (index + 1, 0);
        }
    }
    if start < weights.len() {
        ranges.push(start..weights.len());
    }
    ranges
}

/// Runs `work` on every range, each on a thread of its own, and returns the results in the order of the ranges. As
/// [`share_tasks`].
pub fn map_ranges<R: Send>(ranges: &[Range<usize>], work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let mut workers: Vec<Vec<(usize, R)>> = ranges.iter().map(|_| Vec::new()).collect();
    share_tasks(ranges.len(), &mut workers, |number, results| {
        results.push((number, work(ranges[number].clone())));
        ControlFlow::Continue(())
    });
    in_order(workers)
}

/// What several workers have made of numbered tasks, in the order of the tasks.
pub fn in_order<R>(workers: Vec<Vec<(usize, R)>>) -> Vec<R> {
    let mut results: Vec<(usize, R)> = workers.into_iter().flatten().collect();
    results.sort_by_key(|&(number, _)| number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Calls `work` with the numbers of tasks, each once, in order, and with one of the workers: each has a thread of its
/// own, the first the calling one. After a break no more tasks are started.
///
/// Where the system has no more threads, fewer workers do the work. A panic of `work` goes on in the caller.
pub fn share_tasks<W: Send>(
    n_tasks: usize,
    workers: &mut [W],
    work: impl Fn(usize, &mut W) -> ControlFlow<()> + Sync,
) {
    let next = AtomicUsize::new(0);
    let take_tasks = |worker: &mut W| take_tasks(&next, n_tasks, worker, &work);
    let Some((first, others)) = workers.split_first_mut() else { return };
    std::thread::scope(|scope| {
        let take_tasks = &take_tasks;
        let start = |worker| Builder::new().spawn_scoped(scope, move || take_tasks(worker)).ok();
        let handles: Vec<_> = others.iter_mut().map_while(start).collect();
        take_tasks(first);
        for handle in handles {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// Calls `work` with the numbers of tasks that no other has taken, until there are no more or it breaks.
fn take_tasks<W>(
    next: &AtomicUsize,
    n_tasks: usize,
    worker: &mut W,
    work: &impl Fn(usize, &mut W) -> ControlFlow<()>,
) {
    loop {
        let task = next.fetch_add(1, Ordering::Relaxed);
        if task >= n_tasks {
            return;
        }
        if work(task, worker).is_break() {
            next.store(n_tasks, Ordering::Relaxed);
        }
    }
}

/// As [`share_tasks`], but every worker has another thread than the calling one, which calls `watch` now and then until
/// all is done. After a break of `watch` no more tasks are started, and it is not called again.
///
/// Returns the number of threads: where the system has none, nothing is done.
pub fn share_watched_tasks<W: Send>(
    n_tasks: usize,
    workers: &mut [W],
    work: impl Fn(usize, &mut W) -> ControlFlow<()> + Sync,
    watch: &mut dyn FnMut() -> ControlFlow<()>,
) -> usize {
    let next = AtomicUsize::new(0);
    let take_tasks = |worker: &mut W| take_tasks(&next, n_tasks, worker, &work);
    std::thread::scope(|scope| {
        let take_tasks = &take_tasks;
        // Nothing is sent: the channel closes when the last thread ends.
        let (running, ended) = mpsc::channel::<()>();
        let start = |worker| {
            let running = running.clone();
            let work = move || {
                let _running = running;
                take_tasks(worker);
            };
            Builder::new().spawn_scoped(scope, work).ok()
        };
        let handles: Vec<_> = workers.iter_mut().map_while(start).collect();
        drop(running);
        let mut stopped = false;
        while ended.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
            if !stopped && watch().is_break() {
                stopped = true;
                next.store(n_tasks, Ordering::Relaxed);
            }
        }
        let n_threads = handles.len();
        for handle in handles {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        n_threads
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once_and_in_order() {
        for parts in 1..6 {
            let ranges = split_by_weight([5_usize, 0, 1, 9, 2, 2].into_iter(), parts);
            assert!(ranges.len() <= parts);
            let covered: Vec<usize> = ranges.into_iter().flatten().collect();
            assert_eq!(covered, (0..6).collect::<Vec<_>>());
        }
        assert!(split_by_weight(std::iter::empty(), 4).is_empty());
    }

    #[test]
    fn results_come_back_in_order() {
        let results = map_ranges(&[0..2, 2..3, 3..7], |range| range.len());
        assert_eq!(results, [2, 1, 4]);
    }

    #[test]
    fn every_task_is_done_once() {
        for n_workers in [1, 2, 5] {
            let mut workers = vec![Vec::new(); n_workers];
            share_tasks(100, &mut workers, |task, done: &mut Vec<usize>| {
                done.push(task);
                ControlFlow::Continue(())
            });
            assert!(workers.iter().all(|done| done.is_sorted()));
            let mut done = workers.concat();
            done.sort_unstable();
            assert_eq!(done, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn watched_tasks_are_done_once_and_can_be_stopped() {
        let done = AtomicUsize::new(0);
        let slow = |_: usize, own: &mut usize| {
            std::thread::sleep(Duration::from_millis(1));
            *own += 1;
            done.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let mut workers = [0; 3];
        assert_eq!(share_watched_tasks(50, &mut workers, slow, &mut || ControlFlow::Continue(())), 3);
        assert_eq!(workers.iter().sum::<usize>(), 50);
        // A task is long enough for a second look, if there were one.
        let long = |task: usize, own: &mut usize| {
            std::thread::sleep(4 * BETWEEN_LOOKS);
            slow(task, own)
        };
        let mut n_looks = 0;
        share_watched_tasks(100_000, &mut workers, long, &mut || {
            n_looks += 1;
            ControlFlow::Break(())
        });
        assert!(done.into_inner() < 50_000);
        assert_eq!(n_looks, 1);
    }

    #[test]
    fn no_task_starts_after_a_break() {
        let mut workers = [Vec::new()];
        share_tasks(10, &mut workers, |task, done: &mut Vec<usize>| {
            done.push(task);
            if task == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(workers[0], [0, 1, 2, 3]);
    }
}
