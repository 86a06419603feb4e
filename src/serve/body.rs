//! The body of a response whose guest still runs.

use super::pool::{Lease, Retirement};
use super::record::Record;
use super::request::trap_of;
use super::route::Route;
use crate::engine::{Finished, Running};
use crate::host::Trap;
use crate::host::http::{End, Exchange};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// What goes back to the client.
pub(super) enum ResponseBody {
    /// Known whole, so that its length is announced.
    Whole(Full<Bytes>),
    /// On its way.
    Streaming(Box<Streaming>),
}

/// The response broke off; the connection is aborted, so that the client can tell.
#[derive(Debug, thiserror::Error)]
#[error("the response is incomplete")]
pub(super) struct Incomplete;

/// A body that drives its guest: polling for the next chunk lets the guest run. That needs no task of its own and gives
/// back-pressure for free.
pub(super) struct Streaming {
    pub(super) exchange: Exchange,
    pub(super) guest: Option<Answered>,
    pub(super) record: Option<Record>,
    pub(super) ended: bool,
    /// Whether the transport holds chunks that it may not have sent yet: it sends when it has to wait.
    pub(super) unsent: bool,
    /// Whether the body ends when the guest does, as with CGI; else the guest ends it.
    pub(super) ends_with_guest: bool,
}

/// A guest and its place among those that may run.
pub(super) struct Guest {
    pub(super) route: Arc<Route>,
    pub(super) lease: Lease,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Guest {
    /// It goes on to run.
    pub(super) fn running(self, running: Running) -> Answered {
        Answered { running, guest: self }
    }

    /// It is done: its instance is kept or retired. Says how it broke off, if it did.
    pub(super) fn finish(self, finished: Finished, record: &mut Record) -> Option<Trap> {
        let Guest { route, lease, permit } = self;
        record.cpu += finished.cpu;
        let trap = trap_of(&finished);
        if let Some(trap) = trap.as_ref().filter(|trap| **trap != Trap::Exit(0)) {
            record.error(trap);
        }
        record.retired = route.pool.give_back(lease, finished);
        drop(permit);
        if route.pool.wants_warm() {
            tokio::spawn(async move { route.pool.warm().await });
        }
        trap
    }
}

/// A guest in progress that has answered.
pub(super) struct Answered {
    running: Running,
    guest: Guest,
}

impl Answered {
    /// Runs to the end without anybody waiting: the response is out, and the guest may still have work to do.
    pub(super) fn detach(self, mut record: Record) {
        tokio::spawn(async move {
            let finished = self.running.await;
            self.guest.finish(finished, &mut record);
        });
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Incomplete;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        match &mut *self {
            ResponseBody::Whole(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            ResponseBody::Streaming(streaming) => streaming.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Whole(full) => full.is_end_stream(),
            ResponseBody::Streaming(streaming) => streaming.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(full) => full.size_hint(),
            ResponseBody::Streaming(_) => SizeHint::default(),
        }
    }
}

impl Streaming {
    fn note(&mut self, note: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.record {
            note(record);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        let mut polled = false;
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(chunk) = self.exchange.take() {
                let length = chunk.len() as u64;
                self.note(|record| record.bytes += length);
                self.unsent = true;
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match self.exchange.ended() {
                End::Open => {}
                End::Finished(trailers) => {
                    self.ended = true;
                    return Poll::Ready(trailers.map(|map| Ok(Frame::trailers(map))));
                }
                End::Aborted => {
                    if self.exchange.exceeded() {
                        self.note(|record| record.error("the response is longer than the limit"));
                    }
                    self.ended = true;
                    return Poll::Ready(Some(Err(Incomplete)));
                }
            }
            if polled {
                self.unsent = false;
                return Poll::Pending;
            }
            if self.guest.is_some() && std::mem::take(&mut self.unsent) {
                // What there is leaves before the guest makes more.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.guest.as_mut().map(|guest| guest.running.as_mut().poll(cx)) {
                Some(Poll::Pending) => polled = true,
                Some(Poll::Ready(finished)) => {
                    if let (Some(answered), Some(record)) = (self.guest.take(), &mut self.record) {
                        let trap = answered.guest.finish(finished, record);
                        if self.ends_with_guest && matches!(trap, None | Some(Trap::Exit(_))) {
                            self.exchange.finish();
                        }
                    }
                }
                // The guest is gone and left the body open.
                None => self.exchange.abort(),
            }
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let (Some(guest), Some(mut record)) = (self.guest.take(), self.record.take()) else { return };
        // A transport that was told the length may stop there, and the guest may still have work to do.
        let finished = self.ended && matches!(self.exchange.ended(), End::Finished(_));
        if finished || self.exchange.is_delivered() {
            guest.detach(record);
        } else {
            // The client went away, or the guest gave up: the instance goes with it.
            self.exchange.close();
            record.retired = Some(Retirement::ClientGone);
            tracing::debug!(target: "lowlift", path = record.path, "the client went away");
        }
    }
}
