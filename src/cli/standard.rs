//! The process's own standard streams, for a guest that runs in the foreground. What may block happens on threads of its
//! own, so that a guest's time limit holds while it waits for a terminal or a full pipe.

use crate::host::Stdio;
use crate::host::io::{Sink, Source, StreamError};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{IsTerminal, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes that wait to be written; more have the guest wait.
const ROOM: usize = 64 * 1024;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Standard input, output and error, and the writer of the latter two.
pub(super) fn standard() -> (Stdio, Arc<Writer>) {
    let writer = Arc::new(Writer::default());
    let output = |stream| Output { writer: writer.clone(), stream, flushing: false };
    let mut stdio = Stdio::logged(Arc::new(|_, _| {}));
    stdio.stdin = Some(Arc::new(Mutex::new(Input::default())));
    stdio.stdout = Some(Arc::new(Mutex::new(output(Stream::Out))));
    stdio.stderr = Some(Arc::new(Mutex::new(output(Stream::Error))));
    stdio.terminals =
        [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    (stdio, writer)
}

/// Locks what nobody leaves half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard input, read by a thread, a piece at a time and only when the guest wants one: what it does not ask for is left
/// to whoever reads after it.
#[derive(Default)]
struct Input {
    shared: Arc<Wanted>,
    started: bool,
}

#[derive(Default)]
struct Wanted {
    piece: Mutex<Piece>,
    wanted: Condvar,
}

#[derive(Default)]
struct Piece {
    bytes: Bytes,
    wanted: bool,
    /// No more will come; the error, if there was one, is still to be told.
    ended: bool,
    error: Option<std::io::Error>,
    waker: Option<Waker>,
}

impl Input {
    /// Has the next piece read.
    fn want(&mut self, mut piece: MutexGuard<'_, Piece>) {
        piece.wanted = true;
        self.shared.wanted.notify_one();
        drop(piece);
        if !self.started {
            self.started = true;
            let shared = self.shared.clone();
            let spawned = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || shared.read());
            if let Err(error) = spawned {
                let mut piece = lock(&self.shared.piece);
                (piece.ended, piece.error) = (true, Some(error));
            }
        }
    }
}

impl Wanted {
    fn read(&self) {
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = lock(&self.piece);
            drop(self.wanted.wait_while(piece, |piece| !piece.wanted));
            let read = loop {
                match std::io::stdin().lock().read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            let mut piece = lock(&self.piece);
            piece.wanted = false;
            match read {
                Ok(0) => piece.ended = true,
                Ok(length) => piece.bytes = Bytes::copy_from_slice(&buffer[..length]),
                Err(error) => (piece.ended, piece.error) = (true, Some(error)),
            }
            if let Some(waker) = piece.waker.take() {
                waker.wake();
            }
            if piece.ended {
                return;
            }
        }
    }
}

impl Source for Input {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut piece = lock(&shared.piece);
        if piece.ended || !piece.bytes.is_empty() {
            return Poll::Ready(());
        }
        piece.waker = Some(cx.waker().clone());
        self.want(piece);
        // Without a thread to read it is at its end at once.
        if lock(&shared.piece).ended { Poll::Ready(()) } else { Poll::Pending }
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        let shared = self.shared.clone();
        let mut piece = lock(&shared.piece);
        if !piece.bytes.is_empty() {
            let length = piece.bytes.len().min(most);
            return Ok(piece.bytes.split_to(length));
        }
        if piece.ended {
            return Err(piece.error.take().map_or(StreamError::Closed, StreamError::from));
        }
        if most > 0 {
            self.want(piece);
        }
        Ok(Bytes::new())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Error,
}

/// Writes standard output and error on one thread, in the order in which the guest wrote to them.
#[derive(Default)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    /// There is something to write.
    more: Condvar,
    /// Something was written.
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    parts: VecDeque<(Stream, Bytes)>,
    /// Bytes that are not written yet, with those in the writer's hands.
    waiting: usize,
    started: bool,
    ends: [End; 2],
}

/// How a stream stands.
#[derive(Default)]
struct End {
    /// To be told once.
    error: Option<std::io::Error>,
    closed: bool,
    waker: Option<Waker>,
}

impl Writer {
    /// Waits until all is written, or until `most` is over.
    pub(super) fn drain(&self, most: Option<Duration>) {
        let until = most.map(|most| Instant::now() + most);
        let mut queue = lock(&self.queue);
        while queue.waiting > 0 {
            // Looked at again now and then, so that one wait does for both.
            let left = until.map_or(Duration::from_secs(60), |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            queue = self.done.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run(&self) {
        loop {
            let queue = lock(&self.queue);
            let waiting = self.more.wait_while(queue, |queue| queue.parts.is_empty());
            let mut queue = waiting.unwrap_or_else(PoisonError::into_inner);
            let Some((stream, bytes)) = next(&mut queue.parts) else { continue };
            let closed = queue.ends[stream as usize].closed;
            drop(queue);
            let written = if closed { Ok(()) } else { write(stream, &bytes) };
            let mut queue = lock(&self.queue);
            queue.waiting -= bytes.len();
            if let Err(error) = written {
                let end = &mut queue.ends[stream as usize];
                (end.closed, end.error) = (true, Some(error));
            }
            for waker in queue.ends.iter_mut().filter_map(|end| end.waker.take()) {
                waker.wake();
            }
            self.done.notify_all();
        }
    }
}

/// The next part, with those behind it that go to the same stream.
fn next(parts: &mut VecDeque<(Stream, Bytes)>) -> Option<(Stream, Bytes)> {
    let (stream, first) = parts.pop_front()?;
    if parts.front().is_none_or(|(other, _)| *other != stream) {
        return Some((stream, first));
    }
    let mut all = BytesMut::from(&first[..]);
    while let Some((_, more)) = parts.pop_front_if(|(other, _)| *other == stream) {
        all.extend_from_slice(&more);
    }
    Some((stream, all.freeze()))
}

fn write(stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
    match stream {
        Stream::Out => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        }
        Stream::Error => std::io::stderr().lock().write_all(bytes),
    }
}

struct Output {
    writer: Arc<Writer>,
    stream: Stream,
    flushing: bool,
}

impl Output {
    /// The queue, if the stream is still open.
    fn open(&self) -> Result<MutexGuard<'_, Queue>, StreamError> {
        let mut queue = lock(&self.writer.queue);
        let end = &mut queue.ends[self.stream as usize];
        match (end.closed, end.error.take()) {
            (_, Some(error)) => Err(error.into()),
            (true, None) => Err(StreamError::Closed),
            (false, None) => Ok(queue),
        }
    }
}

impl Sink for Output {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = lock(&self.writer.queue);
        let enough = if self.flushing { queue.waiting == 0 } else { queue.waiting < ROOM };
        let end = &mut queue.ends[self.stream as usize];
        if enough || end.closed {
            self.flushing = false;
            return Poll::Ready(());
        }
        end.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        Ok(ROOM.saturating_sub(self.open()?.waiting) as u64)
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let mut queue = self.open()?;
        if bytes.is_empty() {
            return Ok(());
        }
        if !queue.started {
            let writer = self.writer.clone();
            std::thread::Builder::new().name("stdout".to_owned()).spawn(move || writer.run())?;
            queue.started = true;
        }
        queue.waiting += bytes.len();
        queue.parts.push_back((self.stream, bytes));
        drop(queue);
        self.writer.more.notify_one();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        drop(self.open()?);
        self.flushing = true;
        Ok(())
    }
}
