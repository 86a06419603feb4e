//! Small answers as fast as they come: all servers run, and take their turns under the same load.

use super::contender::{Host, Mode, NATIVE, Stable, Who};
use crate::bench::load::{CONNECTIONS, MAX_REQUESTS, Outcome, load};
use crate::bench::server::Server;
use crate::bench::stats::percentile;
use crate::table::Table;
use anyhow::{Context, Result};
use std::time::Duration;

/// Load before the measured one: caches, lazy code and the allocator settle.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a server did.
pub(super) struct Row {
    pub(super) who: Who,
    pub(super) outcome: Outcome,
    cpu: Duration,
}

impl Row {
    /// Requests per second of the server's CPU time.
    pub(super) fn rate(&self) -> f64 {
        self.outcome.latencies.len() as f64 / self.cpu.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// A percentile of the latencies, in microseconds.
    pub(super) fn latency(&self, percent: usize) -> Option<u32> {
        percentile(&self.outcome.latencies, percent)
    }
}

/// The row of a contender, if it took part.
pub(super) fn find(rows: &[Row], who: Who) -> Option<&Row> {
    rows.iter().find(|row| row.who == who)
}

fn contenders() -> Vec<Who> {
    // The native server comes first: the others are compared with it.
    let mut all = vec![NATIVE];
    for guest in ["hello-rust", "hello-c", "js"] {
        for mode in [Mode::Fresh, Mode::Reused] {
            all.extend([Host::Lowlift, Host::Wasmtime].map(|host| Who { host, mode, guest }));
        }
    }
    all
}

/// Measures all servers, in several rounds, so that what else the machine does meets all of them.
pub(super) async fn measure(stable: &Stable, rounds: u32, time: Duration) -> Result<Vec<Row>> {
    let mut servers: Vec<(Server, Row)> = Vec::new();
    for who in contenders() {
        if let Some(server) = stable.start(who).await? {
            load(server.address, WARM_UP).await;
            servers.push((server, Row { who, outcome: Outcome::default(), cpu: Duration::ZERO }));
        }
    }
    for round in 1..=rounds {
        for (server, row) in &mut servers {
            eprintln!("bench: {}, round {round} of {rounds}", row.who);
            let before = server.cpu_time()?;
            row.outcome.add(load(server.address, time).await);
            row.cpu += server.cpu_time().context(row.who.to_string())?.saturating_sub(before);
        }
    }
    Ok(servers
        .into_iter()
        .map(|(_, mut row)| {
            row.outcome.latencies.sort_unstable();
            row
        })
        .collect())
}

/// Prints what was measured.
pub(super) fn print(rows: &[Row]) {
    let headers = [
        "server",
        "requests",
        "failures",
        "req/wall s",
        "req/CPU s",
        "CPU us/req",
        "of native",
        "x wasmtime",
        "p50 us",
        "p99 us",
    ];
    let mut table = Table::new(&headers);
    let native = find(rows, NATIVE).map(Row::rate);
    for row in rows {
        let Outcome { latencies, failures, wall, .. } = &row.outcome;
        let rate = row.rate();
        let wasmtime = find(rows, Who { host: Host::Wasmtime, ..row.who }).map(Row::rate);
        let ratio = |to: Option<f64>| to.map_or("-".to_owned(), |to| format!("{:.2}", rate / to));
        let latency = |percent| row.latency(percent).map_or("-".to_owned(), |us| us.to_string());
        table.row(vec![
            row.who.to_string(),
            latencies.len().to_string(),
            failures.to_string(),
            format!("{:.0}", latencies.len() as f64 / wall.as_secs_f64()),
            format!("{rate:.0}"),
            format!("{:.1}", 1e6 / rate),
            ratio(native),
            ratio(wasmtime.filter(|_| row.who.host == Host::Lowlift)),
            latency(50),
            latency(99),
        ]);
    }
    print!("\n{table}");
    println!(
        "\n{CONNECTIONS} keep-alive connections from one thread, at most {MAX_REQUESTS} requests a turn. CPU is that of the"
    );
    println!("server, user and system; `of native` and `x wasmtime` compare requests per CPU second.");
    for row in rows {
        if let Some(failure) = &row.outcome.first_failure {
            println!("{}: first failure: {failure}", row.who);
        }
    }
}
