//! The body of a response whose guest still runs.

use crate::engine::Running;
use crate::host::Trap;
use crate::host::http::{End, Exchange};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// What goes back to the client.
pub(super) enum ResponseBody {
    /// Known whole, so that its length is announced.
    Whole(Full<Bytes>),
    /// On its way.
    Streaming(Streaming),
}

/// The response broke off; the connection is aborted, so that the client can tell.
#[derive(Debug, thiserror::Error)]
#[error("the response is incomplete")]
pub(super) struct Incomplete;

/// A body that drives its guest: polling for the next chunk lets the guest run. That needs no task of its own and gives
/// back-pressure for free.
pub(super) struct Streaming {
    pub(super) exchange: Exchange,
    pub(super) guest: Option<Guest>,
    pub(super) ended: bool,
}

/// A guest in progress.
pub(super) struct Guest {
    pub(super) running: Running,
    /// For the log.
    pub(super) target: String,
    /// Its place among the instances that may be alive.
    pub(super) permit: OwnedSemaphorePermit,
}

impl Guest {
    /// Runs to the end without anybody waiting: the response is out, and the guest may still have work to do.
    pub(super) fn detach(self) {
        tokio::spawn(async move {
            let finished = self.running.await;
            log(&self.target, &finished.outcome);
            drop(self.permit);
        });
    }
}

/// Notes how a guest ended.
pub(super) fn log(target: &str, outcome: &Result<Option<u32>, Trap>) {
    match outcome {
        Ok(_) | Err(Trap::Exit(0)) => tracing::debug!(target: "lowlift", request = target, "done"),
        Err(trap) => tracing::warn!(target: "lowlift", request = target, "{trap}"),
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
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        let mut polled = false;
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(chunk) = self.exchange.take() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match self.exchange.ended() {
                End::Open => {}
                End::Finished(trailers) => {
                    self.ended = true;
                    return Poll::Ready(trailers.map(|map| Ok(Frame::trailers(map))));
                }
                End::Aborted => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(Incomplete)));
                }
            }
            match &mut self.guest {
                Some(_) if polled => return Poll::Pending,
                Some(guest) => match guest.running.as_mut().poll(cx) {
                    Poll::Pending => polled = true,
                    Poll::Ready(finished) => {
                        log(&guest.target, &finished.outcome);
                        self.guest = None;
                    }
                },
                // The guest is gone and left the body open.
                None => self.exchange.abort(),
            }
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let Some(guest) = self.guest.take() else { return };
        if self.ended && matches!(self.exchange.ended(), End::Finished(_)) {
            guest.detach();
        } else {
            // The client went away: the instance goes with it.
            self.exchange.close();
            tracing::debug!(target: "lowlift", request = guest.target, "the client went away");
        }
    }
}
