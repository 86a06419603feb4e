//! A close that loses no answer. A client may write all of its request before it reads: were the socket closed on what it still
//! writes, the reset would take the answer with it. So the server ends its own side first, and for a while throws away
//! what comes (*RFC 9112*, 9.6).

use bytes::Bytes;
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long is waited for a client to have written.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much is thrown away, in bytes.
const MOST: usize = 64 << 20;
const PIECE: usize = 16 * 1024;

/// Whether the last request of a connection has a body that was not read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }
}

/// A body that notes whether it was read.
pub(super) struct Received {
    body: Incoming,
    unread: Option<Unread>,
}

impl Received {
    /// Streams of HTTP/2 end by themselves.
    pub(super) fn new(body: Incoming, version: Version, unread: &Unread) -> Received {
        unread.set(version < Version::HTTP_2 && !body.is_end_stream());
        Received { body, unread: (version < Version::HTTP_2).then(|| unread.clone()) }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (true, Some(unread)) = (frame.is_none() || self.body.is_end_stream(), &self.unread) {
            unread.set(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that is closed in this way.
pub(super) struct Linger<S> {
    stream: S,
    unread: Unread,
    /// Runs once the server's own side is ended.
    timer: Option<Pin<Box<Sleep>>>,
    left: usize,
}

impl<S> Linger<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Linger<S> {
        Linger { stream, unread, timer: None, left: MOST }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let timer = match &mut this.timer {
            Some(timer) => timer,
            None => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                if !this.unread.0.load(Ordering::Relaxed) {
                    return Poll::Ready(Ok(()));
                }
                this.timer.insert(Box::pin(sleep(PATIENCE)))
            }
        };
        while this.left > 0 && timer.as_mut().poll(cx).is_pending() {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            // An error is an end, too: nobody is there to be told.
            if ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece)).is_err() || piece.filled().is_empty() {
                break;
            }
            this.left = this.left.saturating_sub(piece.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}
