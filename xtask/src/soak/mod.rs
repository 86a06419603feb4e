//! `cargo xtask soak`: good and hostile guests and clients at full load. Whatever is answered must be right, nothing may
//! leak, and a stop under load must answer every request that was accepted.

mod clients;
mod good;
mod hostile;
mod random;
mod server;
mod stop;
mod tally;

use crate::bench::lowlift;
use crate::bench::serve::interrupted;
use crate::paths::Paths;
use anyhow::{Result, bail, ensure};
use clap::{Args, value_parser};
use server::{Sample, Soaked};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tally::Tally;

/// Arguments of `cargo xtask soak`.
#[derive(Args)]
pub(crate) struct SoakArgs {
    /// Seconds of full load.
    #[arg(long, default_value_t = 180, value_name = "N", value_parser = value_parser!(u64).range(2..=86_400))]
    seconds: u64,
    /// The lowlift to load; built with `cargo build --release` if absent.
    #[arg(long, value_name = "PATH")]
    lowlift: Option<PathBuf>,
    /// What random choices start from.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// Load before the first look at what the server holds: code, caches and pools settle.
const WARM_UP: Duration = Duration::from_secs(5);
/// How often the server is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the server may take to be at rest after the load.
const REST: Duration = Duration::from_secs(20);

/// Loads a server, looks at it, stops it, and prints tables. An error if anything was wrong.
pub(crate) fn soak(paths: &Paths, args: &SoakArgs) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "`soak` runs on Linux only: it looks at the server in /proc");
    let lowlift = lowlift::binary(paths, args.lowlift.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wrong = runtime.block_on(async {
        tokio::select! {
            wrong = run(paths, &lowlift, args) => wrong,
            () = interrupted() => bail!("interrupted"),
        }
    })?;
    ensure!(wrong.is_empty(), "{} things went wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Says what went wrong.
async fn run(paths: &Paths, lowlift: &std::path::Path, args: &SoakArgs) -> Result<Vec<String>> {
    let mut server = Soaked::start(paths, lowlift).await?;
    let tally = Tally::default();
    eprintln!("soak: {} s of load, seed {}", args.seconds, args.seed);
    // What the server holds after the same load, and at rest.
    let warm = clients::load(server.address, &tally, args.seed, WARM_UP);
    warm.await;
    let before = server.at_rest(REST).await?;
    let samples = {
        let load = clients::load(server.address, &tally, args.seed + 1, Duration::from_secs(args.seconds));
        let mut load = std::pin::pin!(load);
        let mut samples = Vec::new();
        loop {
            tokio::select! {
                () = &mut load => break samples,
                () = tokio::time::sleep(LOOK) => samples.push(server.look().await?),
            }
        }
    };
    let after = server.at_rest(REST).await?;
    tally.print();
    server::print(&before, &samples, &after);
    let mut wrong = tally.wrong();
    wrong.extend(leaks(&before, &samples, &after));
    let started = Instant::now();
    wrong.extend(stop::stop(server, args.seed).await?);
    eprintln!("soak: stopped in {:.1} s", started.elapsed().as_secs_f64());
    Ok(wrong)
}

/// Kilobytes that a place of the pool keeps at the most: 4 MiB of memory, a table, and a stack.
const RESIDENT: u64 = 5 << 10;
/// Kilobytes for what the allocator keeps, and bodies on their way.
const SLACK: u64 = 32 << 10;

/// What grew and should not have.
fn leaks(before: &Sample, samples: &[Sample], after: &Sample) -> Vec<String> {
    let mut leaks = Vec::new();
    let mut check = |what: &str, before: u64, after: u64, more: u64| {
        if after > before + more {
            leaks.push(format!("leak: {what} went from {before} to {after} at rest"));
        }
    };
    // The connection that looks at the metrics, and the runtime's own, come and go.
    check("descriptors", before.descriptors, after.descriptors, 2);
    check("instances", before.instances, after.instances, 0);
    check("requests that run", 0, after.running, 0);
    // Threads for blocking work come and go.
    check("threads", before.threads, after.threads, 2);
    // What is written of a memory stays resident in its place of the pool. There are as many places as instances ran at
    // the same time, so that this is bounded.
    let instances = samples.iter().map(|sample| sample.instances).max().unwrap_or_default();
    let peak = samples.iter().map(|sample| sample.memory).max().unwrap_or_default();
    check("peak memory in kB", before.memory, peak, instances * RESIDENT + SLACK);
    leaks
}
