//! Work that is shared out among threads, with results in the order of the input.

use rayon::prelude::*;
use std::ops::Range;

/// Less than this is not worth a thread.
const CHUNK: usize = 64 << 10;

/// Maps runs of items, each of some size in bytes. What fits in one run stays on this thread.
pub(in crate::link) fn map<T: Sync, R: Send>(
    items: &[T],
    bytes: impl Fn(&T) -> usize,
    work: impl Fn(&[T]) -> R + Sync + Send,
) -> Vec<R> {
    match ranges(items, bytes).as_slice() {
        [] => Vec::new(),
        [_] => vec![work(items)],
        ranges => ranges.par_iter().map(|range| work(&items[range.clone()])).collect(),
    }
}

/// Does two things at once where `bytes` of work are worth a thread.
pub(in crate::link) fn join<A: Send, B: Send>(
    bytes: usize,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if bytes < CHUNK { (a(), b()) } else { rayon::join(a, b) }
}

fn ranges<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (i, item) in items.iter().enumerate() {
        sum += bytes(item);
        if sum >= CHUNK || i + 1 == items.len() {
            ranges.push(start..i + 1);
            (start, sum) = (i + 1, 0);
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for bytes in [0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1] {
            let runs = map(&items, |_| bytes, <[usize]>::to_vec);
            assert_eq!(runs.len(), if bytes == 0 { 1 } else { 1000usize.div_ceil(CHUNK.div_ceil(bytes)) });
            assert_eq!(runs.concat(), items);
        }
        assert!(map(&[], |_: &usize| 1, <[usize]>::to_vec).is_empty());
        assert_eq!(join(CHUNK, || 1, || 2), join(0, || 1, || 2));
    }
}
