//! What an instance costs that is warm and has nothing to do.

use super::contender::Stable;
use crate::bench::process::resident_memory;
use crate::bench::server::Server;
use crate::table::Table;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// Instances, by guest: so many that what the server itself needs does not matter.
const GUESTS: &[(&str, u32)] = &[("hello-rust", 200), ("hello-c", 200), ("echo-rust", 200), ("js", 20)];
/// Memory that has not changed for so long is what is needed.
const QUIET: Duration = Duration::from_secs(1);
/// How long instances may take to be there.
const LONG: Duration = Duration::from_secs(120);

/// Measures each guest and prints a table.
pub(super) async fn idle(stable: &Stable) -> Result<()> {
    if !stable.knows("--eager") {
        println!("\nThis lowlift has no --eager: memory of warm instances is left out.");
        return Ok(());
    }
    let mut table = Table::new(&["warm instances", "number", "kB without", "kB with", "kB each"]);
    for &(guest, number) in GUESTS {
        let Some(file) = stable.guest(guest)? else { continue };
        eprintln!("bench: {guest}, {number} warm instances");
        // One instance: what all of them share is there.
        let without = resident(stable, &file, 1).await.with_context(|| guest.to_owned())?;
        let with = resident(stable, &file, number + 1).await.with_context(|| guest.to_owned())?;
        table.row(vec![
            guest.into(),
            number.to_string(),
            without.to_string(),
            with.to_string(),
            format!("{:.1}", with.saturating_sub(without) as f64 / f64::from(number)),
        ]);
    }
    print!("\n{table}");
    println!("\nResident memory of the server with one eager instance, and with so many more.");
    Ok(())
}

/// Resident memory of a server with warm instances, in kB, once it does not change any more.
async fn resident(stable: &Stable, file: &Path, instances: u32) -> Result<u64> {
    let mut command = stable.lowlift(file);
    command.args(["--eager", &instances.to_string()]);
    let server = Server::start(&mut command).await?;
    let started = Instant::now();
    let mut last = (0, Instant::now());
    while started.elapsed() < LONG {
        let memory = resident_memory(server.id()).context("the server has ended")?;
        if memory != last.0 {
            last = (memory, Instant::now());
        } else if last.1.elapsed() >= QUIET {
            return Ok(memory);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the memory of the server does not settle")
}
