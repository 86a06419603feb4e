//! `cargo xtask bench`: servers side by side, each under the same load.

use super::load::{CONNECTIONS, MAX_REQUESTS, Outcome, load};
use super::lowlift;
use super::process::load_average;
use super::server::Server;
use super::stats::percentile;
use crate::paths::Paths;
use crate::table::Table;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, value_parser};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Load before the measured one: caches, lazy code and the allocator settle.
const WARM_UP: Duration = Duration::from_millis(500);

/// Arguments of the comparison of servers.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// Seconds of load for each server.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// A wasmtime to compare with (`wasmtime serve`).
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
}

struct Row {
    name: String,
    outcome: Outcome,
    cpu: Duration,
}

/// Measures all servers and prints a table.
pub(super) fn serve(paths: &Paths, args: &ServeArgs, given: Option<&Path>) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "`bench` runs on Linux only: it reads the CPU time of the servers from /proc");
    let servers = servers(paths, args, &lowlift::binary(paths, given)?)?;
    let busy = load_average().unwrap_or_default();
    // One thread: the load shall take one core at most, and what is measured is the CPU time of the servers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        tokio::select! {
            rows = measure_all(servers, Duration::from_secs(args.seconds)) => rows,
            () = interrupted() => bail!("interrupted"),
        }
    })?;
    print(&rows);
    // One server was seen to take half the CPU time a request while other work kept the cores busy.
    println!("load average before: {busy:.2}; only rows of one run on a quiet machine compare.");
    let failures: u64 = rows.iter().map(|row| row.outcome.failures).sum();
    ensure!(failures == 0, "{failures} requests failed");
    Ok(())
}

/// The native server comes first: the others are compared with it.
fn servers(paths: &Paths, args: &ServeArgs, lowlift: &Path) -> Result<Vec<(String, Command)>> {
    let mut native = Command::new(std::env::current_exe().context("where is this program?")?);
    native.arg("native-hello");
    let mut servers = vec![("native hyper".to_string(), native)];
    for guest in ["http-hello-rust", "http-hello-c"] {
        let file = paths.guests.join(format!("{guest}.wasm"));
        ensure!(file.is_file(), "{} is not there; `cargo xtask guests` builds it", file.display());
        let mut add = |name: &str, program: &Path| {
            let mut command = Command::new(program);
            command.arg("serve").arg(&file).args(["--addr", "127.0.0.1:0"]);
            servers.push((format!("{name} {guest}"), command));
        };
        add("lowlift", lowlift);
        if let Some(wasmtime) = &args.wasmtime {
            add("wasmtime", &wasmtime.canonicalize().with_context(|| format!("cannot find {}", wasmtime.display()))?);
        }
    }
    Ok(servers)
}

async fn measure_all(servers: Vec<(String, Command)>, time: Duration) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, mut command) in servers {
        eprintln!("bench: {name}, {} s", time.as_secs());
        rows.push(measure(&name, &mut command, time).await.context(name)?);
    }
    Ok(rows)
}

async fn measure(name: &str, command: &mut Command, time: Duration) -> Result<Row> {
    let mut server = Server::start(command).await?;
    load(server.address, WARM_UP).await;
    let before = server.cpu_time()?;
    let mut outcome = load(server.address, time).await;
    let cpu = server.cpu_time()?.saturating_sub(before);
    outcome.latencies.sort_unstable();
    Ok(Row { name: name.to_string(), outcome, cpu })
}

fn print(rows: &[Row]) {
    let headers = [
        "server",
        "requests",
        "failures",
        "wall s",
        "CPU s",
        "req/CPU s",
        "CPU us/req",
        "of native",
        "p50 us",
        "p99 us",
    ];
    let mut table = Table::new(&headers);
    let per_cpu_second = |row: &Row| row.outcome.latencies.len() as f64 / row.cpu.as_secs_f64().max(f64::MIN_POSITIVE);
    let native = rows.first().map(per_cpu_second).unwrap_or_default();
    for row in rows {
        let Outcome { latencies, failures, wall, .. } = &row.outcome;
        let rate = per_cpu_second(row);
        let latency = |percent| percentile(latencies, percent).map_or("-".to_string(), |us| us.to_string());
        table.row(vec![
            row.name.clone(),
            latencies.len().to_string(),
            failures.to_string(),
            format!("{:.2}", wall.as_secs_f64()),
            format!("{:.2}", row.cpu.as_secs_f64()),
            format!("{rate:.0}"),
            format!("{:.1}", 1e6 / rate),
            format!("{:.3}", rate / native),
            latency(50),
            latency(99),
        ]);
    }
    print!("{table}");
    println!("\n{CONNECTIONS} keep-alive connections from one thread, at most {MAX_REQUESTS} requests a server;");
    println!("CPU is that of the server, user and system; `of native` compares requests per CPU second.");
    for row in rows {
        if let Some(failure) = &row.outcome.first_failure {
            println!("{}: first failure: {failure}", row.name);
        }
    }
}

/// Returns when the task shall end early; the servers are then dropped and so killed.
#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => (),
        _ = terminate.recv() => (),
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
