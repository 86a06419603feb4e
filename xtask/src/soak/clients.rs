//! All clients, and what they have in common.

use super::random::Random;
use super::tally::{Tally, Verdict};
use super::{good, hostile};
use crate::client::Answers;
use std::io::Result;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// No exchange may take longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest body of an answer.
const MOST: usize = 16 << 20;

/// One exchange with the server, or a few on one connection.
pub(super) type Client = fn(SocketAddr, Random) -> Pin<Box<dyn Future<Output = Verdict>>>;

/// A kind of client: its name, how many there are at a time, what it does.
pub(super) type Kind = (&'static str, usize, Client);

/// Makes a [`Kind`].
macro_rules! kind {
    ($name:literal, $number:literal, $client:expr) => {
        ($name, $number, |address, random| Box::pin($client(address, random)))
    };
}
pub(super) use kind;

/// Runs all clients for a time, and waits for their last exchanges.
pub(super) async fn load(address: SocketAddr, tally: &Tally, seed: u64, time: Duration) {
    let end = Instant::now() + time;
    let local = LocalSet::new();
    let mut number = seed << 16;
    for &(name, clients, client) in good::KINDS.iter().chain(hostile::KINDS) {
        for _ in 0..clients {
            number += 1;
            let (tally, mut random) = (tally.clone(), Random::new(number));
            local.spawn_local(async move {
                while Instant::now() < end {
                    let own = Random::new(random.below(usize::MAX) as u64);
                    let verdict = timeout(PATIENCE, client(address, own)).await;
                    let late = || Verdict::Wrong(format!("nothing came within {} s", PATIENCE.as_secs()));
                    tally.add(name, verdict.unwrap_or_else(|_| late()));
                }
            });
        }
    }
    local.await;
}

/// An answer as far as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(super) whole: bool,
    pub(super) keep_alive: bool,
}

impl Answer {
    /// 503 is a right answer to anything.
    pub(super) fn is_busy(&self) -> bool {
        self.status == 503
    }

    /// Right if it is whole, 200, and has this body.
    pub(super) fn expect(&self, body: &[u8]) -> Verdict {
        if self.is_busy() {
            return Verdict::Busy;
        }
        if self.whole && self.status == 200 && self.body == body {
            return Verdict::Right;
        }
        Verdict::Wrong(self.to_string())
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(40)]).into_owned();
        let whole = if self.whole { "" } else { ", cut short" };
        write!(f, "status {}, {} bytes {start:?}{whole}", self.status, self.body.len())
    }
}

/// A connection, its halves apart.
pub(super) async fn open(address: SocketAddr) -> Result<(Answers<OwnedReadHalf>, OwnedWriteHalf)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    Ok((Answers::new(from), to))
}

/// The next answer; none if the server closed the connection without one.
pub(super) async fn next(answers: &mut Answers<OwnedReadHalf>) -> Result<Option<Answer>> {
    let Some(head) = answers.head().await? else { return Ok(None) };
    let mut answer = Answer { status: head.status, body: Vec::new(), whole: false, keep_alive: head.keep_alive };
    loop {
        match answers.data().await {
            Ok(Some(bytes)) if answer.body.len() + bytes.len() <= MOST => answer.body.extend_from_slice(&bytes),
            Ok(Some(_)) | Err(_) => return Ok(Some(answer)),
            Ok(None) => {
                answer.whole = true;
                return Ok(Some(answer));
            }
        }
    }
}

/// Asks on a connection of its own, sending while the answer comes.
pub(super) async fn ask(address: SocketAddr, request: &[u8]) -> Result<Option<Answer>> {
    let (mut answers, mut to) = open(address).await?;
    let (_, answer) = tokio::join!(to.write_all(request), next(&mut answers));
    answer
}

/// A request without a body.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: soak\r\n\r\n").into_bytes()
}

/// The verdict of a check, for which every failure of the transport is wrong.
pub(super) async fn judged(check: impl Future<Output = Result<Verdict>>) -> Verdict {
    check.await.unwrap_or_else(|error| Verdict::Wrong(error.to_string()))
}
