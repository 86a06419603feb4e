//! How many files an instance may have open: descriptors of the system are few, and belong to all instances.

use super::ErrorCode;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an instance may have open. A clone is the same quota.
#[derive(Debug, Clone)]
pub struct Quota {
    open: Arc<AtomicUsize>,
    limit: usize,
}

/// One open file or directory; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Quota {
    /// At most this many files and directories at a time; those that are preopened do not count.
    pub fn new(limit: usize) -> Quota {
        Quota { open: Arc::default(), limit }
    }

    /// The WIT has no code for too many open files; the one for memory comes closest.
    pub(super) fn take(&self) -> io::Result<Arc<Slot>> {
        // Whoever counts one too many gives it back at once.
        let slot = Slot(self.open.clone());
        if self.open.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(Arc::new(slot));
        }
        Err(ErrorCode::InsufficientMemory.into())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
