//! The body of a response on its way from the guest to the transport.

use crate::host::io::{Sink, StreamError};
use bytes::Bytes;
use http::HeaderMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes that may wait for the transport; the guest gets no more room than this.
const CAPACITY: usize = 64 * 1024;

/// How a body ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    #[default]
    Open,
    /// Finished by the guest, with trailers or without.
    Finished(Option<HeaderMap>),
    /// Given up: the transport must not end it cleanly.
    Aborted,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Bytes>,
    queued: usize,
    end: End,
    /// The transport is gone.
    closed: bool,
    /// The transport wants no bytes, and the guest shall not notice.
    discard: bool,
    /// What the header says that the body is long.
    expected: Option<u64>,
    written: u64,
    guest: Option<Waker>,
}

/// A body, shared between the guest's side, which writes, and the transport's, which takes.
#[derive(Debug, Clone, Default)]
pub struct Exchange(Arc<Mutex<Inner>>);

impl Exchange {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held; if it did, the data would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body of this length, where one was announced.
    pub(crate) fn expect(&self, length: Option<u64>) {
        self.inner().expected = length;
    }

    /// The bytes written so far, if they are not as many as were announced.
    pub(super) fn wrong_length(&self) -> Option<u64> {
        let inner = self.inner();
        inner.expected.is_some_and(|expected| expected != inner.written).then_some(inner.written)
    }

    /// Ends the body at what was written, unless it has ended. One that is not as long as was announced is given up.
    pub(crate) fn finish(&self) {
        let end = if self.wrong_length().is_some() { End::Aborted } else { End::Finished(None) };
        self.end(end);
    }

    /// Whether all bytes that were announced have been taken.
    pub(crate) fn is_delivered(&self) -> bool {
        let inner = self.inner();
        inner.expected == Some(inner.written) && inner.frames.is_empty()
    }

    /// Ends the body, unless it has ended.
    pub(super) fn end(&self, end: End) {
        let mut inner = self.inner();
        if inner.end == End::Open {
            inner.end = end;
        }
    }

    /// Gives the body up, unless it has ended.
    pub fn abort(&self) {
        self.end(End::Aborted);
    }

    /// The transport takes the next chunk.
    pub fn take(&self) -> Option<Bytes> {
        let mut inner = self.inner();
        let frame = inner.frames.pop_front()?;
        inner.queued -= frame.len();
        if let Some(guest) = inner.guest.take() {
            guest.wake();
        }
        Some(frame)
    }

    /// Whether the body has ended, and how.
    pub fn ended(&self) -> End {
        self.inner().end.clone()
    }

    /// Throws all bytes away from now on, as for an answer to HEAD.
    pub fn discard(&self) {
        let mut inner = self.inner();
        inner.discard = true;
        inner.clear();
    }

    /// The transport is gone: the guest's writes fail from now on.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        inner.clear();
    }
}

impl Sink for Exchange {
    /// Ready when there is room or the transport is gone. Chunks are taken as they come, so that nothing is left to flush.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner();
        if inner.is_closed() || inner.queued < CAPACITY {
            return Poll::Ready(());
        }
        inner.guest = Some(cx.waker().clone());
        Poll::Pending
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        let inner = self.inner();
        if inner.is_closed() { Err(StreamError::Closed) } else { Ok(CAPACITY.saturating_sub(inner.queued) as u64) }
    }

    /// Queues bytes. More than the announced length gives the body up.
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let mut inner = self.inner();
        if inner.is_closed() {
            return Err(StreamError::Closed);
        }
        inner.written = inner.written.saturating_add(bytes.len() as u64);
        if inner.expected.is_some_and(|expected| inner.written > expected) {
            inner.end = End::Aborted;
            return Err(StreamError::Closed);
        }
        if !bytes.is_empty() && !inner.discard {
            inner.queued += bytes.len();
            inner.frames.push_back(bytes);
        }
        Ok(())
    }
}

impl Inner {
    fn is_closed(&self) -> bool {
        self.closed || self.end != End::Open
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.queued = 0;
        if let Some(guest) = self.guest.take() {
            guest.wake();
        }
    }
}
