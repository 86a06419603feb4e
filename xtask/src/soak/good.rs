//! Clients that behave, be it slowly.

use super::clients::{Answer, Kind, get, judged, kind, next, open};
use super::random::Random;
use super::tally::Verdict;
use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// A path, and the whole answer.
const HELLOS: &[(&str, &[u8])] = &[
    ("/rust/a", b"Hello from Rust!\n"),
    ("/reused/b?c=d", b"Hello from Rust!\n"),
    ("/c/", b"Hello from C!\n"),
    ("/status?code=200", b"status 200\n"),
    ("/hostile/o", b"fine\n"),
    ("/hostile-reused/o", b"fine\n"),
];
/// Requests on one connection.
const REQUESTS: usize = 50;

pub(super) const KINDS: &[Kind] = &[
    kind!("small answers, kept alive", 8, hello),
    kind!("small answers, pipelined", 2, pipelined),
    kind!("bodies both ways", 4, echo),
    kind!("slow reader", 3, slow_reader),
    kind!("slow writer", 3, slow_writer),
    kind!("chunks over time", 2, chunks),
    kind!("guest that waits", 4, sleeper),
];

async fn hello(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let (mut answers, mut to) = open(address).await?;
        for _ in 0..REQUESTS {
            let (path, body) = random.one(HELLOS);
            to.write_all(&get(path)).await?;
            let Some(answer) = next(&mut answers).await? else {
                return Ok(Verdict::Wrong(format!("{path}: no answer")));
            };
            match answer.expect(body) {
                Verdict::Right if answer.keep_alive => {}
                Verdict::Wrong(what) => return Ok(Verdict::Wrong(format!("{path}: {what}"))),
                other => return Ok(other),
            }
        }
        Ok(Verdict::Right)
    })
    .await
}

async fn pipelined(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let (mut answers, mut to) = open(address).await?;
        let asked: Vec<_> = (0..8).map(|_| random.one(HELLOS)).collect();
        to.write_all(&asked.iter().flat_map(|(path, _)| get(path)).collect::<Vec<u8>>()).await?;
        for (path, body) in asked {
            match next(&mut answers).await?.map(|answer| answer.expect(body)) {
                Some(Verdict::Right) => {}
                Some(other) => return Ok(other),
                None => return Ok(Verdict::Wrong(format!("{path}: no answer"))),
            }
        }
        Ok(Verdict::Right)
    })
    .await
}

/// A request that is echoed: its bytes, and how long they are up to the end of the head.
fn post(body: &[u8], chunked: bool, random: &mut Random) -> Vec<u8> {
    let mut request = b"POST /echo HTTP/1.1\r\nhost: soak\r\n".to_vec();
    if !chunked {
        request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        request.extend_from_slice(body);
        return request;
    }
    request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, left) = rest.split_at((1 + random.below(20_000)).min(rest.len()));
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
        rest = left;
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// Sends a request in pieces with pauses while the answer is read.
async fn send(
    address: SocketAddr,
    request: &[u8],
    piece: usize,
    pause: Duration,
    reader: impl AsyncFnOnce(&mut crate::client::Answers<tokio::net::tcp::OwnedReadHalf>) -> Result<Option<Answer>>,
) -> Result<Option<Answer>> {
    let (mut answers, mut to) = open(address).await?;
    let sending = async {
        for bytes in request.chunks(piece) {
            // An early answer, such as 503, ends the request.
            if to.write_all(bytes).await.is_err() {
                return;
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    };
    tokio::join!(sending, reader(&mut answers)).1
}

fn echoed(answer: Option<Answer>, body: &[u8]) -> Verdict {
    match answer {
        Some(answer) => answer.expect(body),
        None => Verdict::Wrong("no answer".into()),
    }
}

async fn echo(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let length = random.below(256 << 10);
        let body = random.bytes(length);
        let chunked = random.below(2) == 0;
        let request = post(&body, chunked, &mut random);
        let answer = send(address, &request, 64 << 10, Duration::ZERO, async |answers| next(answers).await).await?;
        Ok(echoed(answer, &body))
    })
    .await
}

async fn slow_reader(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let body = random.bytes(1 << 20);
        let request = post(&body, false, &mut random);
        let slowly = async |answers: &mut crate::client::Answers<_>| {
            let Some(head) = answers.head().await? else { return Ok(None) };
            let mut all = Vec::new();
            let mut next_pause = 0;
            while let Some(bytes) = answers.data().await? {
                all.extend_from_slice(&bytes);
                if all.len() >= next_pause {
                    next_pause = all.len() + (64 << 10);
                    sleep(Duration::from_millis(20)).await;
                }
            }
            Ok(Some(Answer { status: head.status, body: all, whole: true, keep_alive: head.keep_alive }))
        };
        Ok(echoed(send(address, &request, 64 << 10, Duration::ZERO, slowly).await?, &body))
    })
    .await
}

async fn slow_writer(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let body = random.bytes(400);
        let chunked = random.below(2) == 0;
        let request = post(&body, chunked, &mut random);
        let pause = Duration::from_millis(20);
        Ok(echoed(send(address, &request, 16, pause, async |answers| next(answers).await).await?, &body))
    })
    .await
}

async fn chunks(address: SocketAddr, _: Random) -> Verdict {
    judged(async {
        let whole: String = (0..20).map(|i| format!("chunk {i}\n")).collect();
        Ok(echoed(super::clients::ask(address, &get("/chunks?n=20")).await?, whole.as_bytes()))
    })
    .await
}

async fn sleeper(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let path = format!("/sleep?ms={}", random.below(200));
        Ok(echoed(super::clients::ask(address, &get(&path)).await?, b"slept\n"))
    })
    .await
}
