//! Guests that do harm, and clients that do.

use super::clients::{Answer, Kind, ask, get, judged, kind, next, open};
use super::random::Random;
use super::tally::Verdict;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The guest, in text.
pub(super) const GUEST: &str = include_str!("hostile.wat");

pub(super) const KINDS: &[Kind] = &[
    kind!("hostile guest, fresh", 4, |address, random| guest(address, random, "/hostile/")),
    kind!("hostile guest, reused", 4, |address, random| guest(address, random, "/hostile-reused/")),
    kind!("guest that sleeps too long", 1, sleeper),
    kind!("client: endless head", 1, endless_head),
    kind!("client: endless body", 1, endless_body),
    kind!("client: announces a huge body", 1, huge_body),
    kind!("client: never reads", 1, never_reads),
    kind!("client: resets", 3, resets),
    kind!("client: half a request", 3, half_request),
    kind!("client: says nothing", 2, silent),
    kind!("client: garbage", 1, garbage),
];

/// How an answer of the hostile guest must be.
enum Must {
    /// Behave.
    Be(&'static [u8]),
    /// Have this status.
    Fail(u16),
    /// Begin like this, and break off so that the client can tell.
    Break(&'static [u8]),
}

const HARMS: &[(char, Must)] = &[
    ('o', Must::Be(b"fine\n")),
    ('k', Must::Be(b"fine\n")),
    ('m', Must::Be(b"fine\n")),
    ('l', Must::Fail(504)),
    ('p', Must::Fail(504)),
    ('t', Must::Fail(500)),
    ('d', Must::Fail(500)),
    ('h', Must::Fail(500)),
    ('b', Must::Fail(500)),
    ('u', Must::Fail(500)),
    ('r', Must::Fail(500)),
    ('y', Must::Fail(500)),
    ('n', Must::Fail(500)),
    ('w', Must::Break(b"\0\0\0\0")),
    ('e', Must::Break(b"fine\n")),
];

async fn guest(address: SocketAddr, mut random: Random, route: &str) -> Verdict {
    let (harm, must) = random.one(HARMS);
    let verdict = judged(async {
        let Some(answer) = ask(address, &get(&format!("{route}{harm}"))).await? else {
            return Ok(Verdict::Wrong("no answer".into()));
        };
        Ok(judge(&answer, must))
    });
    match verdict.await {
        Verdict::Wrong(what) => Verdict::Wrong(format!("{route}{harm}: {what}")),
        other => other,
    }
}

fn judge(answer: &Answer, must: &Must) -> Verdict {
    let right = match must {
        _ if answer.is_busy() => return Verdict::Busy,
        Must::Be(body) => return answer.expect(body),
        Must::Fail(status) => answer.whole && answer.status == *status,
        Must::Break(start) => !answer.whole && answer.status == 200 && answer.body.starts_with(start),
    };
    if right { Verdict::Right } else { Verdict::Wrong(answer.to_string()) }
}

async fn sleeper(address: SocketAddr, _: Random) -> Verdict {
    judged(async {
        let answer = ask(address, &get("/hostile/s")).await?;
        Ok(answer.map_or(Verdict::Wrong("no answer".into()), |answer| judge(&answer, &Must::Fail(504))))
    })
    .await
}

/// Writes pieces until the server has had enough, then reads what it says. Right is one of these statuses, or a connection
/// that was closed, before `most` bytes were taken.
async fn flood(address: SocketAddr, start: &[u8], piece: &[u8], most: usize, statuses: &[u16]) -> Verdict {
    let Ok((mut answers, mut to)) = open(address).await else { return Verdict::Wrong("no connection".into()) };
    let sending = async {
        if to.write_all(start).await.is_err() {
            return false;
        }
        let mut sent = 0;
        while sent < most {
            if to.write_all(piece).await.is_err() {
                return false;
            }
            sent += piece.len();
        }
        true
    };
    // The answer ends the exchange: a server need not read on.
    tokio::select! {
        all_taken = sending => match next(&mut answers).await {
            Ok(Some(answer)) if answer.is_busy() => Verdict::Busy,
            Ok(Some(answer)) if statuses.contains(&answer.status) => Verdict::Right,
            Ok(Some(answer)) => Verdict::Wrong(answer.to_string()),
            Ok(None) | Err(_) if !all_taken => Verdict::Right,
            Ok(None) | Err(_) => Verdict::Wrong(format!("{most} bytes were taken")),
        },
        () = sleep(Duration::from_secs(20)) => Verdict::Wrong("the server neither answers nor closes".into()),
    }
}

async fn endless_head(address: SocketAddr, mut random: Random) -> Verdict {
    let value = "x".repeat(1 + random.below(4000));
    let line = format!("x-bomb: {value}\r\n");
    flood(address, b"GET /rust/ HTTP/1.1\r\nhost: soak\r\n", line.as_bytes(), 8 << 20, &[400, 431]).await
}

/// Echoed up to the limit, and then broken off; or refused.
async fn endless_body(address: SocketAddr, _: Random) -> Verdict {
    let head = b"POST /echo HTTP/1.1\r\nhost: soak\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend_from_slice(&[b'x'; 0x10000]);
    chunk.extend_from_slice(b"\r\n");
    let Ok((mut answers, mut to)) = open(address).await else { return Verdict::Wrong("no connection".into()) };
    let sending = async {
        if to.write_all(head).await.is_err() {
            return;
        }
        for _ in 0..1024 {
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    match tokio::join!(sending, next(&mut answers)).1 {
        Ok(Some(answer)) if answer.is_busy() => Verdict::Busy,
        Ok(Some(answer)) if answer.status == 413 || answer.status == 200 && !answer.whole => Verdict::Right,
        Ok(Some(answer)) => Verdict::Wrong(answer.to_string()),
        Ok(None) | Err(_) => Verdict::Right,
    }
}

async fn huge_body(address: SocketAddr, _: Random) -> Verdict {
    judged(async {
        let request = b"POST /echo HTTP/1.1\r\nhost: soak\r\ncontent-length: 1000000000000\r\n\r\nand so on";
        let answer = ask(address, request).await?;
        Ok(answer.map_or(Verdict::Wrong("no answer".into()), |answer| judge(&answer, &Must::Fail(413))))
    })
    .await
}

/// Asks for a body without end and takes nothing of it: the server must give up by itself.
async fn never_reads(address: SocketAddr, _: Random) -> Verdict {
    judged(async {
        let (mut answers, mut to) = open(address).await?;
        to.write_all(&get("/hostile/w")).await?;
        sleep(Duration::from_secs(7)).await;
        Ok(match next(&mut answers).await {
            Ok(Some(answer)) => judge(&answer, &Must::Break(b"")),
            Ok(None) | Err(_) => Verdict::Right,
        })
    })
    .await
}

/// Goes away with a reset, at any point.
async fn resets(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let mut stream = TcpStream::connect(address).await?;
        let path = *random.one(&["/rust/", "/echo", "/chunks?n=20", "/sleep?ms=500", "/hostile/w", "/reused/"]);
        let request = match path {
            "/echo" => {
                b"POST /echo HTTP/1.1\r\nhost: soak\r\ncontent-length: 100000\r\n\r\nthe rest never comes".to_vec()
            }
            _ => get(path),
        };
        stream.write_all(&request[..1 + random.below(request.len())]).await?;
        sleep(Duration::from_millis(random.below(50) as u64)).await;
        stream.set_zero_linger()?;
        Ok(Verdict::Right)
    })
    .await
}

/// Sends a part and no more; whatever the server does is right, if it does it in time.
async fn half_request(address: SocketAddr, mut random: Random) -> Verdict {
    let request = b"POST /echo HTTP/1.1\r\nhost: soak\r\ncontent-length: 100\r\n\r\nhalf of it";
    given_up(address, &request[..1 + random.below(request.len())]).await
}

async fn silent(address: SocketAddr, _: Random) -> Verdict {
    given_up(address, b"").await
}

async fn given_up(address: SocketAddr, part: &[u8]) -> Verdict {
    judged(async {
        let (mut answers, mut to) = open(address).await?;
        to.write_all(part).await?;
        // The server's own limits are shorter than the time that a client is given.
        let _ = next(&mut answers).await;
        Ok(Verdict::Right)
    })
    .await
}

async fn garbage(address: SocketAddr, mut random: Random) -> Verdict {
    judged(async {
        let length = 1 + random.below(2000);
        let mut bytes = random.bytes(length);
        // A line that cannot be the start of a request.
        bytes.splice(0..0, *b"\x16\x03\r\n");
        Ok(match ask(address, &bytes).await {
            Ok(Some(answer)) if answer.status != 400 => Verdict::Wrong(answer.to_string()),
            _ => Verdict::Right,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_guest_is_a_module() {
        wat::parse_str(super::GUEST).expect("valid text");
    }
}
