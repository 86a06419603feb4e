//! `cargo xtask bench link`: linking a component against merely validating it.

use super::lowlift;
use super::memory::sample_peak;
use super::stats::median;
use crate::paths::Paths;
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wasmparser::{Parser, Validator, WasmFeatures};

/// Odd, for a median.
const RUNS: usize = 5;

/// Measures all component guests and prints a table.
pub(super) fn link(paths: &Paths, given: Option<&Path>) -> Result<()> {
    let lowlift = lowlift::binary(paths, given)?;
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("linked.wasm");
    let mut table = Table::new(&["component", "kB", "link ms", "validate ms", "ratio", "peak MiB"]);
    let mut failures = Vec::new();
    for file in components(paths)? {
        eprintln!("bench: {}", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = fs::metadata(&file)?.len() as f64 / 1e3;
        let validate = validate(&file)?;
        let mut command = Command::new(&lowlift);
        command.arg("link").arg(&file).arg("-o").arg(&output).stdin(Stdio::null()).stdout(Stdio::null());
        let (link, ratio, peak) = match time_link(&mut command) {
            Ok(link) => {
                let peak = sample_peak(command.stderr(Stdio::null()))?;
                let peak = peak.map_or("-".into(), |kilobytes| format!("{:.1}", kilobytes as f64 / 1024.0));
                (ms(link), format!("{:.1}", link.as_secs_f64() / validate.as_secs_f64()), peak)
            }
            Err(error) => {
                failures.push(format!("{name}: {error:#}"));
                ("failed".into(), "-".into(), "-".into())
            }
        };
        table.row(vec![name, format!("{size:.1}"), link, ms(validate), ratio, peak]);
    }
    print!("{table}");
    println!("\nMedians of {RUNS}. link: the whole process `lowlift link`; validate: wasmparser with all features, in");
    println!("this process, reading included. peak: VmHWM of one more run, sampled; - where the system tells nothing.");
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Small guests, then the big ones that are there.
fn components(paths: &Paths) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in [&paths.guests, &paths.big].into_iter().filter(|folder| folder.is_dir()) {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_file() && path.extension().is_some_and(|extension| extension == "wasm") && is_component(&path)? {
                files.push(path);
            }
        }
        files.sort();
        found.append(&mut files);
    }
    ensure!(!found.is_empty(), "there are no components; `cargo xtask guests` builds them");
    Ok(found)
}

fn is_component(path: &Path) -> Result<bool> {
    Ok(Parser::is_component(&read(path)?))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn validate(file: &Path) -> Result<Duration> {
    timed(|| {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        validator.validate_all(&read(file)?).map(drop).with_context(|| format!("{} is invalid", file.display()))
    })
}

fn time_link(command: &mut Command) -> Result<Duration> {
    timed(|| {
        let output = command.stderr(Stdio::piped()).output().context("cannot run lowlift")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}", output.status, stderr.lines().next().unwrap_or_default());
        Ok(())
    })
}

/// The median time of a few runs.
fn timed(mut run: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        run()?;
        times.push(started.elapsed());
    }
    median(times).context("no runs")
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
