//! The two directions of a TCP connection, as streams.

use crate::host::io::{Sink, Source, StreamError, lock};
use bytes::{Bytes, BytesMut};
use std::io::{Error, ErrorKind};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// What a guest may write before the system has taken what it wrote before.
const BUFFER: usize = 64 << 10;
/// How long what a guest wrote is still sent after the guest is gone, to a peer that is slow to take it.
const LINGER: Duration = Duration::from_secs(10);

/// Does nothing for a connection that is gone.
fn shut(stream: &TcpStream, how: Shutdown) {
    let _ = socket2::SockRef::from(stream).shutdown(how);
}

/// What the peer sends. None once it is at its end.
pub(super) struct Reader(Option<Arc<TcpStream>>);

impl Reader {
    pub(super) fn new(stream: Arc<TcpStream>) -> Reader {
        Reader(Some(stream))
    }

    /// Ends it; what has arrived and was not read is lost.
    pub(super) fn close(&mut self) {
        if let Some(stream) = self.0.take() {
            shut(&stream, Shutdown::Read);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}

impl Source for Reader {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.0 {
            Some(stream) => stream.poll_read_ready(cx).map(drop),
            None => Poll::Ready(()),
        }
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        let stream = self.0.as_ref().ok_or(StreamError::Closed)?;
        if most == 0 {
            return Ok(Bytes::new());
        }
        let mut bytes = BytesMut::with_capacity(most);
        match stream.try_read_buf(&mut bytes) {
            Ok(0) => {
                self.0 = None;
                Err(StreamError::Closed)
            }
            Ok(_) => Ok(bytes.freeze()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Bytes::new()),
            Err(error) => {
                self.0 = None;
                Err(error.into())
            }
        }
    }
}

/// What the guest sends. What the system does not take at once is handed to it by a task, since a guest that waits for an
/// answer does not look after what it wrote.
pub(super) struct Writer {
    stream: Arc<TcpStream>,
    queue: Arc<Mutex<Queue>>,
    /// Tells the task, when dropped, that the guest is gone.
    guest: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Queue {
    bytes: BytesMut,
    /// A task is sending, and will look here again.
    busy: bool,
    closed: bool,
    /// What the guest was not told yet.
    error: Option<Error>,
    waker: Option<Waker>,
}

impl Queue {
    /// Whether it takes bytes; an error is said once.
    fn check(&mut self) -> Result<(), StreamError> {
        match self.error.take() {
            // The peer takes no more: that is an end, not a failure.
            Some(error) if error.kind() == ErrorKind::BrokenPipe => Err(StreamError::Closed),
            Some(error) => Err(error.into()),
            None if self.closed => Err(StreamError::Closed),
            None => Ok(()),
        }
    }

    fn fail(&mut self, error: Error) {
        self.closed = true;
        self.error = Some(error);
        self.bytes.clear();
    }

    /// The task ends.
    fn rest(&mut self, stream: &TcpStream) {
        self.busy = false;
        if self.closed {
            shut(stream, Shutdown::Write);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Writer {
    pub(super) fn new(stream: Arc<TcpStream>) -> Writer {
        Writer { stream, queue: Arc::default(), guest: None }
    }

    /// Ends it, after what was written.
    pub(super) fn close(&mut self) {
        let mut queue = lock(&self.queue);
        if !std::mem::replace(&mut queue.closed, true) && !queue.busy {
            shut(&self.stream, Shutdown::Write);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Sink for Writer {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = lock(&self.queue);
        if !queue.busy {
            return Poll::Ready(());
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        let mut queue = lock(&self.queue);
        if queue.busy && !queue.closed {
            return Ok(0);
        }
        queue.check().map(|()| BUFFER as u64)
    }

    fn write(&mut self, mut bytes: Bytes) -> Result<(), StreamError> {
        let mut queue = lock(&self.queue);
        queue.check()?;
        while !queue.busy && !bytes.is_empty() {
            match self.stream.try_write(&bytes) {
                Ok(written) => drop(bytes.split_to(written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    queue.busy = true;
                    let (guest, gone) = oneshot::channel();
                    self.guest = Some(guest);
                    tokio::spawn(send(self.stream.clone(), self.queue.clone(), gone));
                }
                Err(error) => {
                    queue.fail(error);
                    return queue.check();
                }
            }
        }
        queue.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        let mut queue = lock(&self.queue);
        if queue.busy { Ok(()) } else { queue.check() }
    }
}

/// Sends until the queue is empty, or until nobody waits for it any more.
async fn send(stream: Arc<TcpStream>, queue: Arc<Mutex<Queue>>, gone: oneshot::Receiver<()>) {
    let lingering = async {
        let _ = gone.await;
        sleep(LINGER).await;
    };
    let failed = tokio::select! {
        sent = send_all(&stream, &queue) => sent.err(),
        () = lingering => Some(ErrorKind::TimedOut.into()),
    };
    if let Some(error) = failed {
        let mut queue = lock(&queue);
        queue.fail(error);
        queue.rest(&stream);
    }
}

async fn send_all(stream: &TcpStream, queue: &Mutex<Queue>) -> std::io::Result<()> {
    loop {
        let mut bytes = {
            let mut queue = lock(queue);
            if queue.bytes.is_empty() {
                // Under the lock of the look at the bytes, so that none is left behind.
                queue.rest(stream);
                return Ok(());
            }
            queue.bytes.split()
        };
        while !bytes.is_empty() {
            stream.writable().await?;
            match stream.try_write(&bytes) {
                Ok(written) => drop(bytes.split_to(written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
