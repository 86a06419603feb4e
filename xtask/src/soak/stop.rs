//! A stop under load: what was accepted is answered.

use super::clients::{get, next, open};
use super::random::Random;
use super::server::{Soaked, terminate};
use crate::table::Table;
use anyhow::{Context, Result};
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

const CLIENTS: u64 = 32;
/// Load before the signal.
const BEFORE: Duration = Duration::from_secs(2);
/// A request this much older than the signal was read by the server.
const SURELY_READ: Duration = Duration::from_millis(200);
/// How long the server may take; its drain time is shorter.
const LONG: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Seen {
    /// Right answers to requests sent before the signal that came after it.
    in_flight: u64,
    right: u64,
    /// Later requests of a connection that the server closed without reading them, which HTTP allows.
    unread: u64,
    /// Connections that were refused after the signal.
    refused: u64,
    wrong: Vec<String>,
}

#[derive(Clone, Default)]
struct Shared {
    seen: Rc<RefCell<Seen>>,
    signalled: Rc<Cell<Option<Instant>>>,
}

/// Stops the server under load; says what was wrong.
pub(super) async fn stop(mut soaked: Soaked, seed: u64) -> Result<Vec<String>> {
    eprintln!("soak: stopping under load");
    let (shared, local) = (Shared::default(), LocalSet::new());
    for number in 0..CLIENTS {
        let (shared, address) = (shared.clone(), soaked.address);
        local.spawn_local(async move {
            let mut random = Random::new((seed << 32) + number);
            while connection(address, &shared, &mut random).await {}
        });
    }
    let (signal, server) = (shared.signalled.clone(), &soaked.server);
    local.spawn_local({
        let told = async { sleep(BEFORE).await };
        async move {
            told.await;
            signal.set(Some(Instant::now()));
        }
    });
    // The signal goes out right after its time was noted.
    local
        .run_until(async {
            while shared.signalled.get().is_none() {
                sleep(Duration::from_millis(1)).await;
            }
            terminate(server)
        })
        .await?;
    let ended = timeout(LONG, local).await.is_ok();
    let mut seen = shared.seen.take();
    if !ended {
        seen.wrong.push("requests hang after the signal".into());
    }
    let status = soaked.server.wait(LONG).await.context("the server does not stop")?;
    if !status.success() {
        seen.wrong.push(format!("the server stopped with {status}"));
    }
    let mut table = Table::new(&["stop under load", "requests"]);
    for (what, number) in [
        ("answered right", seen.right),
        ("of these sent before the signal, answered after it", seen.in_flight),
        ("closed unread, not the first of a connection", seen.unread),
        ("connections refused after the signal", seen.refused),
        ("lost or wrong", seen.wrong.len() as u64),
    ] {
        table.row(vec![what.to_owned(), number.to_string()]);
    }
    print!("\n{table}");
    if seen.in_flight == 0 {
        seen.wrong.push("no request was under way when the signal came".into());
    }
    seen.wrong.truncate(10);
    Ok(seen.wrong)
}

/// Asks on one connection until it ends; false when no more can be had.
async fn connection(address: SocketAddr, shared: &Shared, random: &mut Random) -> bool {
    let (mut answers, mut to) = match open(address).await {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && shared.signalled.get().is_some() => {
            shared.seen.borrow_mut().refused += 1;
            return false;
        }
        // Reset in the queue of a listener that closes.
        Err(_) if shared.signalled.get().is_some() => return true,
        Err(error) => {
            shared.seen.borrow_mut().wrong.push(format!("no connection: {error}"));
            return false;
        }
    };
    let opened = Instant::now();
    for number in 0.. {
        let ms = random.below(300);
        let (path, body) = match random.below(3) {
            0 => ("/rust/".to_owned(), &b"Hello from Rust!\n"[..]),
            1 => (format!("/sleep?ms={ms}"), &b"slept\n"[..]),
            _ => ("/reused/".to_owned(), &b"Hello from Rust!\n"[..]),
        };
        let asked = Instant::now();
        let answer = match to.write_all(&get(&path)).await {
            Ok(()) => next(&mut answers).await,
            Err(error) => Err(error),
        };
        let signalled = shared.signalled.get();
        let mut seen = shared.seen.borrow_mut();
        match answer {
            Ok(Some(answer)) if answer.whole && answer.status == 200 && answer.body == body => {
                seen.right += 1;
                if signalled.is_some_and(|signalled| asked < signalled) {
                    seen.in_flight += 1;
                }
                if !answer.keep_alive {
                    return true;
                }
            }
            Ok(Some(answer)) if answer.is_busy() => return true,
            Ok(Some(answer)) => {
                seen.wrong.push(format!("{path}: {answer}"));
                return true;
            }
            Ok(None) | Err(_) => {
                let read = signalled.is_none_or(|at| asked + SURELY_READ < at);
                let first = number == 0 && signalled.is_none_or(|at| opened < at);
                if read || first {
                    let when =
                        signalled.map(|at| format!("{:?} before the signal", at.saturating_duration_since(asked)));
                    seen.wrong.push(format!("{path}: lost, request {number}, {}", when.unwrap_or_default()));
                } else {
                    seen.unread += 1;
                }
                return true;
            }
        }
    }
    true
}
