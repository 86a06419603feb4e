//! `cargo xtask bench serve`: servers side by side, each under the same load.

mod body;
mod cgi;
mod contender;
mod hello;
mod idle;
mod targets;

use super::lowlift;
use super::process::load_average;
use crate::paths::Paths;
use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum, value_parser};
use contender::Stable;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of the comparison of servers.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// Seconds of load for each server and round.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A wasmtime to compare with (`wasmtime serve`); the one on the path if absent.
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
    /// Where the JavaScript guests are, `http-js.wasm` and `http-js-handler.wasm`; where `cargo xtask guests` puts it if absent.
    #[arg(long, value_name = "FOLDER")]
    guests_big: Option<PathBuf>,
    /// Only this part; all of them if absent.
    #[arg(long, value_enum, value_name = "PART")]
    part: Option<Part>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Small answers: requests per CPU second, latency.
    Hello,
    /// A body of 10 MiB both ways.
    Body,
    /// Memory of warm instances.
    Idle,
    /// The first byte of a long CGI answer.
    Cgi,
}

/// Measures all parts and prints their tables.
pub(super) fn serve(paths: &Paths, args: &ServeArgs, given: Option<&Path>) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "`bench` runs on Linux only: it reads the CPU time of the servers from /proc");
    let stable = Stable::new(paths, args, lowlift::binary(paths, given)?)?;
    let busy = load_average().unwrap_or_default();
    // One thread: the load shall take one core at most, and what is measured is the CPU time of the servers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failures = runtime.block_on(async {
        tokio::select! {
            failures = measure(&stable, args) => failures,
            () = interrupted() => bail!("interrupted"),
        }
    })?;
    // One server was seen to take half the CPU time a request while other work kept the cores busy.
    println!("\nload average before: {busy:.2}; only rows of one run on a quiet machine compare.");
    ensure!(failures == 0, "{failures} requests failed");
    Ok(())
}

/// Says how many requests failed.
async fn measure(stable: &Stable, args: &ServeArgs) -> Result<u64> {
    let wanted = |part| args.part.is_none_or(|only| only == part);
    let mut rows = Vec::new();
    if wanted(Part::Hello) {
        rows = hello::measure(stable, args.rounds, Duration::from_secs(args.seconds)).await?;
        hello::print(&rows);
    }
    let mut bodies = Vec::new();
    if wanted(Part::Body) {
        bodies = body::measure(stable, args.rounds).await?;
        body::print(&bodies);
    }
    if wanted(Part::Idle) {
        idle::idle(stable).await?;
    }
    let first_byte = if wanted(Part::Cgi) { cgi::cgi(stable).await? } else { None };
    targets::print(&rows, &bodies, first_byte);
    Ok(rows.iter().map(|row| row.outcome.failures).sum())
}

/// Returns when the task shall end early; the servers are then dropped and so killed.
#[cfg(unix)]
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => (),
        _ = terminate.recv() => (),
    }
}

#[cfg(not(unix))]
pub(crate) async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
