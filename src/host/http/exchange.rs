//! A body on its way from the guest to the transport.

use super::{ErrorCode, Failure};
use crate::host::io::{IoError, Sink, StreamError};
use crate::host::value::Value;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes that may wait for the transport; the guest gets no more room than this.
const CAPACITY: usize = 128 * 1024;

/// Writes below this size are put together while they wait.
const SMALL: usize = 1024;

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
    /// Small writes after them, put together.
    tail: BytesMut,
    queued: usize,
    end: End,
    /// The transport is gone.
    closed: bool,
    /// The transport wants no bytes, and the guest shall not notice.
    discard: bool,
    /// What the header says that the body is long.
    expected: Option<u64>,
    /// What the host allows.
    limit: Option<u64>,
    /// Which of two codes a wrong length has.
    of_request: bool,
    written: u64,
    guest: Option<Waker>,
    transport: Option<Waker>,
}

/// A body, shared between the guest's side, which writes, and the transport's, which takes.
#[derive(Debug, Clone, Default)]
pub struct Exchange(Arc<Mutex<Inner>>);

impl Exchange {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held; if it did, the data would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body that may have so many bytes.
    pub(crate) fn limited(limit: Option<u64>) -> Exchange {
        Exchange(Arc::new(Mutex::new(Inner { limit, ..Inner::default() })))
    }

    /// Whether the guest wrote more than the host allows.
    pub fn exceeded(&self) -> bool {
        self.inner().over_limit()
    }

    /// A body of this length, where one was announced.
    pub(crate) fn expect(&self, length: Option<u64>, of_request: bool) {
        let mut inner = self.inner();
        inner.expected = length;
        inner.of_request = of_request;
    }

    /// What is wrong with the length of the body, if it ended here.
    pub(super) fn wrong_length(&self) -> Option<Failure> {
        let inner = self.inner();
        inner.expected.is_some_and(|expected| expected != inner.written).then(|| inner.wrong_length())
    }

    /// Ends the body at what was written, unless it has ended. One that is not as long as was announced is given up.
    pub(crate) fn finish(&self) {
        let end = if self.wrong_length().is_some() { End::Aborted } else { End::Finished(None) };
        self.end(end);
    }

    /// Bytes that wait for the transport.
    pub(crate) fn queued(&self) -> usize {
        self.inner().queued
    }

    /// Whether all bytes that were announced have been taken.
    pub(crate) fn is_delivered(&self) -> bool {
        let inner = self.inner();
        inner.expected == Some(inner.written) && inner.queued == 0
    }

    /// Ends the body, unless it has ended.
    pub(super) fn end(&self, end: End) {
        let mut inner = self.inner();
        if inner.end == End::Open {
            inner.end = end;
            inner.wake_transport();
        }
    }

    /// Gives the body up, unless it has ended.
    pub fn abort(&self) {
        self.end(End::Aborted);
    }

    /// The transport takes the next chunk.
    pub fn take(&self) -> Option<Bytes> {
        self.inner().take()
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

    /// Queues bytes. More than the announced length, or than the host allows, gives the body up.
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let mut inner = self.inner();
        if inner.is_closed() {
            return Err(StreamError::Closed);
        }
        inner.written = inner.written.saturating_add(bytes.len() as u64);
        if inner.over_limit() || inner.expected.is_some_and(|expected| inner.written > expected) {
            inner.end = End::Aborted;
            inner.wake_transport();
            let failure = inner.too_long();
            return Err(StreamError::Failed(IoError::Http(failure.value(), failure.to_string())));
        }
        if !bytes.is_empty() && !inner.discard {
            inner.push(bytes);
            inner.wake_transport();
        }
        Ok(())
    }
}

impl Inner {
    fn is_closed(&self) -> bool {
        self.closed || self.end != End::Open
    }

    /// A chunk of its own costs more than copying a few bytes: in time, and a guest that writes byte by byte in memory.
    fn push(&mut self, bytes: Bytes) {
        let first = self.queued == 0;
        self.queued += bytes.len();
        if bytes.len() < SMALL && !first {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        if !self.tail.is_empty() {
            self.frames.push_back(self.tail.split().freeze());
        }
        self.frames.push_back(bytes);
    }

    fn take(&mut self) -> Option<Bytes> {
        let tail = |tail: &mut BytesMut| (!tail.is_empty()).then(|| tail.split().freeze());
        let frame = self.frames.pop_front().or_else(|| tail(&mut self.tail))?;
        self.queued -= frame.len();
        if let Some(guest) = self.guest.take() {
            guest.wake();
        }
        Some(frame)
    }

    fn over_limit(&self) -> bool {
        self.limit.is_some_and(|limit| self.written > limit)
    }

    fn wrong_length(&self) -> Failure {
        let code = if self.of_request { ErrorCode::RequestBodySize } else { ErrorCode::ResponseBodySize };
        let why = format!("{} bytes were written, and {:?} announced", self.written, self.expected.unwrap_or(0));
        Failure::with(code, Value::option(Some(self.written)), why)
    }

    fn too_long(&self) -> Failure {
        match self.limit.filter(|_| self.over_limit()) {
            Some(limit) => {
                let why = format!("the body is longer than the {limit} bytes that are allowed");
                Failure::with(ErrorCode::ResponseBodySize, Value::option(Some(limit)), why)
            }
            None => self.wrong_length(),
        }
    }

    fn wake_transport(&mut self) {
        if let Some(transport) = self.transport.take() {
            transport.wake();
        }
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.tail.clear();
        self.queued = 0;
        if let Some(guest) = self.guest.take() {
            guest.wake();
        }
    }
}

/// A body as a transport takes it that runs away from the guest. Dropped before the end, it lets the guest's writes fail.
#[derive(Debug)]
pub struct Outbound {
    exchange: Exchange,
    ended: bool,
}

impl Outbound {
    /// The transport's side of a body.
    pub fn new(exchange: Exchange) -> Outbound {
        Outbound { exchange, ended: false }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // One lock for both questions: the guest may write and finish in between.
        let mut inner = self.exchange.inner();
        if let Some(chunk) = inner.take() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        let last = match &inner.end {
            End::Open => {
                inner.transport = Some(cx.waker().clone());
                return Poll::Pending;
            }
            End::Finished(trailers) => trailers.clone().map(|map| Ok(Frame::trailers(map))),
            End::Aborted => Some(Err(Failure::new(ErrorCode::ProtocolError, "the guest gave its message up"))),
        };
        drop(inner);
        self.ended = true;
        Poll::Ready(last)
    }

    fn is_end_stream(&self) -> bool {
        let inner = self.exchange.inner();
        self.ended || (inner.queued == 0 && inner.end == End::Finished(None))
    }

    /// Exact as soon as the guest has finished, which spares the chunked form.
    fn size_hint(&self) -> SizeHint {
        let inner = self.exchange.inner();
        match inner.end {
            End::Finished(None) => SizeHint::with_exact(inner.queued as u64),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.exchange.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_writes_are_put_together_and_stay_in_order() {
        let mut exchange = Exchange::default();
        let write = |exchange: &mut Exchange, size: usize, byte: u8| {
            exchange.write(Bytes::from(vec![byte; size])).expect("open");
        };
        for (size, byte) in [(1, b'a'), (2, b'b'), (3, b'c'), (SMALL, b'd'), (1, b'e'), (1, b'f')] {
            write(&mut exchange, size, byte);
        }
        let chunks: Vec<Bytes> = std::iter::from_fn(|| exchange.take()).collect();
        assert_eq!(chunks, [&b"a"[..], b"bbccc", &[b'd'; SMALL], b"ef"]);
        for _ in 0..CAPACITY {
            write(&mut exchange, 1, b'x');
        }
        assert_eq!(exchange.space().expect("open"), 0);
        assert_eq!(
            std::iter::from_fn(|| exchange.take()).map(|chunk| chunk.len()).collect::<Vec<_>>(),
            [1, CAPACITY - 1]
        );
    }
}
