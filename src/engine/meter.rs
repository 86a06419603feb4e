//! How long a task computes: the time inside polls of its future, which is its CPU time on a machine that is not overloaded.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Counts the time in polls. Clones count together.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    /// Nanoseconds of polls that have ended.
    used: AtomicU64,
    /// When the poll in progress began, in nanoseconds from `origin`.
    since: AtomicU64,
}

impl Meter {
    /// A meter that has counted nothing.
    #[expect(clippy::new_without_default, reason = "it starts a clock")]
    pub fn new() -> Meter {
        Meter(Arc::new(Inner { origin: Instant::now(), used: AtomicU64::new(0), since: AtomicU64::new(0) }))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What polls took that have ended.
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.0.used.load(Ordering::Relaxed))
    }

    /// The same with the poll in progress; to be called within it.
    pub fn so_far(&self) -> Duration {
        self.used() + Duration::from_nanos(self.now().saturating_sub(self.0.since.load(Ordering::Relaxed)))
    }

    /// Polls `future` once, and counts that.
    pub fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = self.now();
        self.0.since.store(began, Ordering::Relaxed);
        let polled = future.poll(cx);
        self.0.used.fetch_add(self.now().saturating_sub(began), Ordering::Relaxed);
        polled
    }

    /// Counts the polls of `future`.
    pub fn count<F: Future>(&self, future: F) -> Metered<F> {
        Metered { meter: self.clone(), future: Box::pin(future) }
    }
}

/// A future whose polls are counted.
pub struct Metered<F> {
    meter: Meter,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Metered { meter, future } = &mut *self;
        meter.poll(future.as_mut(), cx)
    }
}
