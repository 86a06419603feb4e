//! Byte streams: what stands behind `input-stream` and `output-stream`, whatever they are connected to.

use crate::host::value::Value;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// `wasi:io/error.error`: what went wrong.
#[derive(Debug)]
pub enum IoError {
    /// In words alone.
    Other(String),
    /// By the system, for files and sockets, which have codes of their own for it.
    System(std::io::Error),
    /// By HTTP: `wasi:http/types.error-code`, and the same in words.
    Http(Value, String),
}

impl std::fmt::Display for IoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IoError::Other(text) | IoError::Http(_, text) => f.write_str(text),
            IoError::System(error) => error.fmt(f),
        }
    }
}

/// Why a stream gives or takes nothing: `wasi:io/streams.stream-error`.
#[derive(Debug)]
pub enum StreamError {
    /// The last operation failed. Said once; the stream is closed from then on.
    Failed(IoError),
    /// It is at its end.
    Closed,
}

impl From<std::io::Error> for StreamError {
    fn from(error: std::io::Error) -> Self {
        StreamError::Failed(IoError::System(error))
    }
}

/// Where the bytes of an input stream come from.
pub trait Source: Send {
    /// Ready when there are bytes, an error, or the end; until then `cx` is woken when that changes.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// The guest is about to wait for at most this many bytes, so that a source that reads ahead reads no more.
    fn want(&mut self, _: usize) {}
    /// What is there now, at most `most` bytes. Never waits: no bytes mean that there are none yet.
    fn read(&mut self, most: usize) -> Result<Bytes, StreamError>;
}

/// Where the bytes of an output stream go.
pub trait Sink: Send {
    /// Ready when it takes bytes again after a write or flush, or is closed or has failed.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// How many bytes it takes now.
    fn space(&mut self) -> Result<u64, StreamError>;
    /// Takes bytes, which may be a few more than [`Sink::space`] said.
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError>;
    /// Starts to hand on what it holds; [`Sink::poll_ready`] says when that is done.
    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }
}

/// A source that several streams read from, such as standard input.
pub type SharedSource = Arc<Mutex<dyn Source>>;
/// A sink that several streams write to, such as standard output.
pub type SharedSink = Arc<Mutex<dyn Sink>>;

/// Locks what nothing can leave half done: nobody panics while holding it.
pub(in crate::host) fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Source + ?Sized> Source for Arc<Mutex<T>> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(self).poll_ready(cx)
    }

    fn want(&mut self, length: usize) {
        lock(self).want(length);
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        lock(self).read(most)
    }
}

impl<T: Sink + ?Sized> Sink for Arc<Mutex<T>> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(self).poll_ready(cx)
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        lock(self).space()
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        lock(self).write(bytes)
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        lock(self).flush()
    }
}

/// At its end from the start.
#[derive(Debug)]
pub struct Empty;

impl Source for Empty {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn read(&mut self, _: usize) -> Result<Bytes, StreamError> {
        Err(StreamError::Closed)
    }
}

/// `wasi:io/streams.input-stream`.
pub struct InputStream(pub(in crate::host) Box<dyn Source>);

/// `wasi:io/streams.output-stream`.
pub struct OutputStream {
    /// Where bytes go.
    pub(in crate::host) sink: Box<dyn Sink>,
    /// What the last `check-write` allowed, less what was written since.
    pub(in crate::host) permit: u64,
}

impl OutputStream {
    /// A stream that was not asked yet how much it takes.
    pub(in crate::host) fn new(sink: impl Sink + 'static) -> OutputStream {
        OutputStream { sink: Box::new(sink), permit: 0 }
    }
}

impl std::fmt::Debug for InputStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InputStream")
    }
}

impl std::fmt::Debug for OutputStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputStream").field("permit", &self.permit).finish_non_exhaustive()
    }
}
