//! Byte streams of files.

use super::Descriptor;
use super::work::Background;
use crate::host::io::{Sink, Source, StreamError, lock};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::task::JoinHandle;

/// What is read when nobody has said how much: a guest that waits for a stream may want a few bytes only, and what is
/// read ahead does not show what is written later.
const READ_AHEAD: usize = 4096;

/// What a stream takes between two `check-write`s.
const SPACE: u64 = 64 * 1024;

/// A file from some offset on.
pub(super) struct FileSource {
    descriptor: Descriptor,
    background: Background,
    position: u64,
    /// How much the guest has said that it will read.
    wanted: usize,
    state: Reading,
}

enum Reading {
    Idle,
    Running(JoinHandle<io::Result<Bytes>>),
    Ready(Bytes),
    Failed(io::Error),
    Closed,
}

impl FileSource {
    pub(super) fn new(descriptor: Descriptor, background: Background, position: u64) -> FileSource {
        FileSource { descriptor, background, position, wanted: READ_AHEAD, state: Reading::Idle }
    }

    fn start(&mut self, length: usize) {
        let (descriptor, position) = (self.descriptor.clone(), self.position);
        self.wanted = READ_AHEAD;
        self.state = Reading::Running(self.background.start(move || descriptor.read_at(length, position)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Reading::Running(running) = &mut self.state {
            let result = std::task::ready!(Pin::new(running).poll(cx)).unwrap_or_else(|e| Err(io::Error::other(e)));
            self.state = match result {
                Ok(bytes) if bytes.is_empty() => Reading::Closed,
                Ok(bytes) => {
                    self.position = self.position.saturating_add(bytes.len() as u64);
                    Reading::Ready(bytes)
                }
                Err(error) => Reading::Failed(error),
            };
        }
        Poll::Ready(())
    }
}

impl Source for FileSource {
    fn want(&mut self, length: usize) {
        self.wanted = length;
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.state, Reading::Idle) {
            self.start(self.wanted);
        }
        self.poll(cx)
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        if matches!(self.state, Reading::Idle) && most > 0 {
            self.start(most);
        }
        let _ = self.poll(&mut Context::from_waker(Waker::noop()));
        match std::mem::replace(&mut self.state, Reading::Closed) {
            Reading::Ready(mut bytes) => {
                let taken = bytes.split_to(most.min(bytes.len()));
                self.state = if bytes.is_empty() { Reading::Idle } else { Reading::Ready(bytes) };
                Ok(taken)
            }
            Reading::Failed(error) => Err(error.into()),
            Reading::Closed => Err(StreamError::Closed),
            under_way => {
                self.state = under_way;
                Ok(Bytes::new())
            }
        }
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        if let Reading::Running(running) = &self.state {
            running.abort();
        }
    }
}

/// A file that is written from some offset on, or at its end. What it has taken is written also when the guest drops the
/// stream.
pub(super) struct FileSink {
    descriptor: Descriptor,
    background: Background,
    shared: Arc<Mutex<Writing>>,
}

struct Writing {
    /// Where the next byte goes; none is at the end of the file.
    position: Option<u64>,
    /// At most [`SPACE`] and one blocking write.
    queue: VecDeque<Bytes>,
    running: bool,
    failed: Option<io::Error>,
    closed: bool,
    waker: Option<Waker>,
}

impl FileSink {
    pub(super) fn new(descriptor: Descriptor, background: Background, position: Option<u64>) -> FileSink {
        let queue = VecDeque::new();
        let writing = Writing { position, queue, running: false, failed: None, closed: false, waker: None };
        FileSink { descriptor, background, shared: Arc::new(Mutex::new(writing)) }
    }
}

impl Writing {
    fn check(&mut self) -> Result<(), StreamError> {
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None if self.closed => Err(StreamError::Closed),
            None => Ok(()),
        }
    }

    /// The next bytes to write, or none when the writer is to stop.
    fn next(&mut self) -> Option<(Bytes, Option<u64>)> {
        if let Some(bytes) = self.queue.pop_front() {
            return Some((bytes, self.position));
        }
        self.running = false;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        None
    }
}

impl Sink for FileSink {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut writing = lock(&self.shared);
        if writing.running {
            writing.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        let mut writing = lock(&self.shared);
        writing.check()?;
        Ok(if writing.running { 0 } else { SPACE })
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let mut writing = lock(&self.shared);
        writing.check()?;
        if bytes.is_empty() {
            return Ok(());
        }
        writing.queue.push_back(bytes);
        if !std::mem::replace(&mut writing.running, true) {
            let (descriptor, shared) = (self.descriptor.clone(), self.shared.clone());
            self.background.start(move || write_queue(&descriptor, &shared));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        lock(&self.shared).check()
    }
}

/// Writes what is in the queue until that is empty, or a write fails.
fn write_queue(descriptor: &Descriptor, shared: &Mutex<Writing>) {
    loop {
        // The lock is not held while bytes are written.
        let Some((bytes, position)) = lock(shared).next() else { return };
        let written = write_all(descriptor, &bytes, position);
        let mut writing = lock(shared);
        match written {
            Ok(position) => writing.position = position,
            Err(error) => {
                writing.queue.clear();
                writing.failed = Some(error);
                writing.closed = true;
            }
        }
    }
}

fn write_all(descriptor: &Descriptor, bytes: &[u8], mut position: Option<u64>) -> io::Result<Option<u64>> {
    let mut left = bytes;
    while !left.is_empty() {
        let written = match position {
            Some(position) => descriptor.write_at(left, position)?,
            None => descriptor.append(left)?,
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        left = &left[written..];
        position = position.map(|position| position.saturating_add(written as u64));
    }
    Ok(position)
}
