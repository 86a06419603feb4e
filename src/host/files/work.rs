//! File operations run on threads that may block. What streams do in the background is counted, and every other operation
//! of the instance waits for it first: it finds what was written before, and no guest can pile up work by dropping streams.

use crate::host::{After, State, Step, Trap};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

/// The operations that an instance's streams have under way.
#[derive(Debug, Clone)]
pub(in crate::host) struct Background(Arc<watch::Sender<usize>>);

impl Default for Background {
    fn default() -> Self {
        Background(Arc::new(watch::Sender::new(0)))
    }
}

/// Counts down also when the operation never starts.
struct Counted(Background);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|running| *running -= 1);
    }
}

impl Background {
    /// Starts an operation.
    pub(super) fn start<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.0.send_modify(|running| *running += 1);
        let counted = Counted(self.clone());
        spawn_blocking(move || {
            let result = work();
            drop(counted);
            result
        })
    }

    async fn settled(&self) {
        // The sender lives in `self`, so that this ends only when nothing runs.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// Does an operation when all that streams do is done, and goes on with what it gave.
pub(in crate::host) fn job<T: Send + 'static>(
    state: &State,
    work: impl FnOnce() -> T + Send + 'static,
    then: impl FnOnce(&mut State, T) -> Result<Step, Trap> + Send + 'static,
) -> Step {
    let background = state.background.clone();
    Step::Job(Box::pin(async move {
        background.settled().await;
        let result = spawn_blocking(work).await;
        let after: After = Box::new(move |state, _| match result {
            Ok(result) => then(state, result),
            Err(_) => Err(Trap::new("a file operation was cancelled")),
        });
        after
    }))
}
