//! A connection whose peer must say what it speaks, and take what is sent to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a client of HTTP/2 says first (RFC 9113, 3.4). The transport reads until it knows whether this comes, without a
/// limit of its own.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Fails a write that made no progress for too long: a reader that never reads would else hold the connection for ever, as
/// would a client that says nothing at all.
pub(super) struct Stall<S> {
    stream: S,
    write: Watch,
    /// Until it is known what the client speaks.
    preface: Option<Watch>,
    /// How much of the preface has come.
    said: usize,
}

/// A timer that runs while something waits.
struct Watch {
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    waits: bool,
}

impl Watch {
    fn new(patience: Duration) -> Watch {
        Watch { patience, timer: Box::pin(sleep(patience)), waits: false }
    }

    fn look<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waits = false;
            return polled;
        }
        if !std::mem::replace(&mut self.waits, true) {
            self.timer.as_mut().reset(Instant::now() + self.patience);
        }
        match self.timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S> Stall<S> {
    /// `head` is the time to say what is spoken, `write` the time in which something must be taken.
    pub(super) fn new(stream: S, head: Duration, write: Duration) -> Stall<S> {
        Stall { stream, write: Watch::new(write), preface: Some(Watch::new(head)), said: 0 }
    }

    /// Looks at what came. Anything but a part of the preface is dealt with by others.
    fn hear(&mut self, bytes: &[u8]) {
        let end = self.said + bytes.len();
        if bytes.is_empty() || PREFACE.get(self.said..end) != Some(bytes) || end == PREFACE.len() {
            self.preface = None;
        }
        self.said = end;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(watch) = &mut self.preface else { return polled };
        let polled = watch.look(polled, cx);
        if polled.is_ready() {
            self.hear(&buf.filled()[before..]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.write.look(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.write.look(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.write.look(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.write.look(polled, cx)
    }
}
