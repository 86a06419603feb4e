//! Peak memory of a child, sampled while it runs.

use super::process::peak_memory;
use anyhow::{Context, Result};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Short against the quickest link, long enough to leave the child the core.
const INTERVAL: Duration = Duration::from_micros(200);

/// Runs the command to its end; gives kB, if Linux told them at least once. What is allocated in the last moments may
/// be missed, and the kernel keeps the value in steps.
pub(super) fn sample_peak(command: &mut Command) -> Result<Option<u64>> {
    let mut child = command.spawn().context("cannot run the command again")?;
    let mut peak = None;
    while child.try_wait().context("cannot wait for the command")?.is_none() {
        peak = peak.max(peak_memory(child.id()));
        thread::sleep(INTERVAL);
    }
    Ok(peak)
}
