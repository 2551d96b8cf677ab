//! The one place that starts threads: a scoped fan-out over contiguous chunks, for the number of threads that the
//! caller names. Threads live for one call, so nothing is left behind that a forked child could wait for.

use std::ops::Range;

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

/// Runs `work` on every range, each on a thread of its own, and returns the results in the order of the ranges.
///
/// One range (or none) runs on the calling thread. A panic of `work` goes on in the caller.
pub fn map_ranges<R: Send>(ranges: Vec<Range<usize>>, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    if ranges.len() <= 1 {
        return ranges.into_iter().map(work).collect();
    }
    std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = ranges.into_iter().map(|range| scope.spawn(move || work(range))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
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
        let results = map_ranges(vec![0..2, 2..3, 3..7], |range| range.len());
        assert_eq!(results, [2, 1, 4]);
    }
}
