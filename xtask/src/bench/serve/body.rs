//! A large body, there and back at the same time.

use super::contender::{Host, Mode, NATIVE, Stable, Who};
use crate::bench::server::Server;
use crate::client::Answers;
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

/// Bytes of a body.
const SIZE: usize = 10 << 20;
/// What a write hands over.
const PIECE: usize = 64 << 10;
/// Bodies of a turn.
const TIMES: u32 = 5;
/// No body takes this long on a machine that is worth measuring.
const LONG: Duration = Duration::from_secs(60);

/// What a server did.
pub(super) struct Row {
    pub(super) who: Who,
    wall: Duration,
    cpu: Duration,
    bytes: usize,
}

impl Row {
    /// Bytes per second.
    pub(super) fn speed(&self) -> f64 {
        self.bytes as f64 / self.wall.as_secs_f64()
    }

    /// Bytes per second of the server's CPU time.
    pub(super) fn per_cpu(&self) -> f64 {
        self.bytes as f64 / self.cpu.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Measures native, lowlift and wasmtime with both echoing guests.
pub(super) async fn measure(stable: &Stable, rounds: u32) -> Result<Vec<Row>> {
    let mut servers: Vec<(Server, Row)> = Vec::new();
    let guests = ["echo-rust", "echo-c"].into_iter();
    let others = guests.flat_map(|guest| [Host::Lowlift, Host::Wasmtime].map(|host| (host, guest)));
    let others = others.map(|(host, guest)| Who { host, mode: Mode::Fresh, guest });
    for who in std::iter::once(NATIVE).chain(others) {
        if let Some(server) = stable.start(who).await? {
            transfer(server.address).await.with_context(|| who.to_string())?;
            servers.push((server, Row { who, wall: Duration::ZERO, cpu: Duration::ZERO, bytes: 0 }));
        }
    }
    for round in 1..=rounds {
        for (server, row) in &mut servers {
            eprintln!("bench: {}, {} MiB bodies, round {round} of {rounds}", row.who, SIZE >> 20);
            let (started, before) = (Instant::now(), server.cpu_time()?);
            for _ in 0..TIMES {
                transfer(server.address).await.with_context(|| row.who.to_string())?;
            }
            row.wall += started.elapsed();
            row.cpu += server.cpu_time()?.saturating_sub(before);
            row.bytes += SIZE * TIMES as usize;
        }
    }
    Ok(servers.into_iter().map(|(_, row)| row).collect())
}

/// Sends a body and checks every byte that comes back.
async fn transfer(address: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    let both = async { tokio::try_join!(send(to, address), receive(Answers::new(from))) };
    timeout(LONG, both).await.context("the body took too long")??;
    Ok(())
}

/// Gives the sending half back, since dropping it would close that side.
async fn send(mut to: OwnedWriteHalf, address: SocketAddr) -> Result<OwnedWriteHalf> {
    let head = format!("POST /echo HTTP/1.1\r\nhost: {address}\r\ncontent-length: {SIZE}\r\n\r\n");
    to.write_all(head.as_bytes()).await?;
    let piece = pattern();
    for _ in 0..SIZE / PIECE {
        to.write_all(&piece).await?;
    }
    Ok(to)
}

async fn receive<R: tokio::io::AsyncRead + Unpin>(mut answers: Answers<R>) -> Result<()> {
    let head = answers.head().await?.context("no answer")?;
    ensure!(head.status == 200, "status {}", head.status);
    let piece = pattern();
    let mut at = 0;
    while let Some(bytes) = answers.data().await? {
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            let rest = &piece[at % PIECE..];
            let length = rest.len().min(bytes.len());
            ensure!(bytes[..length] == rest[..length], "another body came back");
            at += length;
            bytes = &bytes[length..];
        }
    }
    ensure!(at == SIZE, "{at} bytes came back");
    Ok(())
}

fn pattern() -> Vec<u8> {
    (0u8..251).cycle().take(PIECE).collect()
}

/// Prints what was measured.
pub(super) fn print(rows: &[Row]) {
    let mut table = Table::new(&["10 MiB both ways", "MiB/s", "of native", "MiB/CPU s", "of native"]);
    let native = rows.iter().find(|row| row.who == NATIVE);
    for row in rows {
        let mib = |speed: f64| format!("{:.0}", speed / f64::from(1 << 20));
        let ratio = |of: fn(&Row) -> f64| native.map_or("-".to_owned(), |to| format!("{:.2}", of(row) / of(to)));
        table.row(vec![
            row.who.to_string(),
            mib(row.speed()),
            ratio(Row::speed),
            mib(row.per_cpu()),
            ratio(Row::per_cpu),
        ]);
    }
    print!("\n{table}");
    println!("\nOne connection at a time; every byte is checked.");
}
