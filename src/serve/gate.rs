//! How many requests run and wait at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a number of requests in, a number wait, and turns the others away.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    waiting: AtomicU32,
    queue: u32,
    patience: Duration,
}

/// Too many requests wait already, or this one waited too long: to be tried again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Gate {
    /// `places` run, `queue` wait, for `patience` at most.
    pub(super) fn new(places: u32, queue: u32, patience: Duration) -> Gate {
        let places = Arc::new(Semaphore::new(places as usize));
        Gate { places, waiting: AtomicU32::new(0), queue, patience }
    }

    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Busy> {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let queued = Queued(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            return Err(Busy);
        }
        let entered = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()).await;
        drop(queued);
        entered.map_err(|_| Busy)?.map_err(|_| Busy)
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A place in the queue, also given up when the client goes away.
struct Queued<'g>(&'g AtomicU32);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
