//! When a task has to end, and how long it computes: the time inside polls of its future, which is its CPU time on a
//! machine that is not overloaded.

use super::Task;
use crate::host::Trap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

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
}

/// When a call has to end.
#[derive(Debug)]
pub(super) struct Clock {
    deadline: tokio::time::Instant,
    cpu: Duration,
    meter: Meter,
}

impl Clock {
    pub(super) fn new(task: &Task, meter: Meter) -> Clock {
        Clock { deadline: task.deadline, cpu: task.cpu, meter }
    }

    /// Looked at while the guest computes: an error ends it.
    pub(super) fn check(&self) -> Result<(), Trap> {
        if tokio::time::Instant::now() >= self.deadline {
            Err(Trap::Deadline)
        } else if self.meter.so_far() > self.cpu {
            Err(Trap::Cpu)
        } else {
            Ok(())
        }
    }
}

/// Runs a call up to the deadline, and counts how long it computes.
pub(super) async fn limited<T>(
    call: impl Future<Output = Result<T, Trap>>,
    meter: &Meter,
    deadline: tokio::time::Instant,
) -> Result<T, Trap> {
    let mut call = pin!(call);
    let mut timer = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = meter.poll(call.as_mut(), cx) {
            return Poll::Ready(result);
        }
        // Most calls never wait, and never need the timer.
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(cx).map(|()| Err(Trap::Deadline))
    })
    .await
}
