//! `cargo xtask bench link`: linking a component against merely validating it.

use super::lowlift;
use super::memory::sample_peak;
use super::stats::median;
use crate::paths::Paths;
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wasmparser::{Parser, Validator, WasmFeatures};

mod generate;

/// Odd, for a median.
const RUNS: usize = 5;
/// Sizes of generated components.
const SIZES: [usize; 6] = [30_000, 300_000, 3_000_000, 13_000_000, 30_000_000, 70_000_000];

/// Measures all component guests and generated components, and prints two tables.
pub(super) fn link(paths: &Paths, given: Option<&Path>) -> Result<()> {
    let lowlift = lowlift::binary(paths, given)?;
    let folder = tempfile::tempdir()?;
    let bench = Bench { lowlift, output: folder.path().join("linked.wasm"), report: folder.path().join("report.json") };
    let mut failures = Vec::new();
    bench.table(&components(paths)?, &mut failures)?;
    let mut generated = Vec::new();
    for size in SIZES {
        let path = folder.path().join(format!("generated-{}k.wasm", size / 1000));
        fs::write(&path, generate::component(size))?;
        generated.push(path);
    }
    println!();
    bench.table(&generated, &mut failures)?;
    println!("\nMedians of {RUNS}. link: the whole process `lowlift link`; validate: wasmparser with all features, in");
    println!(
        "this process, on one thread, reading included. peak: VmHWM of one more run, sampled, and as a multiple of"
    );
    println!(
        "the component's size; - where the system tells nothing. of core: the output without the component's types"
    );
    println!("against the core modules.");
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

struct Bench {
    lowlift: PathBuf,
    output: PathBuf,
    report: PathBuf,
}

impl Bench {
    fn table(&self, files: &[PathBuf], failures: &mut Vec<String>) -> Result<()> {
        let headers =
            ["component", "kB", "linked kB", "of core", "link ms", "validate ms", "ratio", "ms/MB", "peak MiB", "x"];
        let mut table = Table::new(&headers);
        for file in files {
            eprintln!("bench: {}", file.display());
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match self.row(file) {
                Ok(row) => table.row([vec![name], row].concat()),
                Err(error) => failures.push(format!("{name}: {error:#}")),
            }
        }
        print!("{table}");
        Ok(())
    }

    fn row(&self, file: &Path) -> Result<Vec<String>> {
        let size = fs::metadata(file)?.len() as f64;
        let validate = validate(file)?;
        let mut command = Command::new(&self.lowlift);
        command.arg("link").arg(file).arg("-o").arg(&self.output).stdin(Stdio::null()).stdout(Stdio::null());
        let link = self.time_link(&mut command)?;
        let peak = sample_peak(command.arg("--report").arg(&self.report).stderr(Stdio::null()))?;
        let report: serde_json::Value = serde_json::from_slice(&read(&self.report)?)?;
        let linked = report["output_size"].as_f64().unwrap_or_default();
        let bytes = peak.map(|kilobytes| kilobytes as f64 * 1024.0);
        Ok(vec![
            format!("{:.1}", size / 1e3),
            format!("{:.1}", linked / 1e3),
            report["size_ratio"].to_string(),
            ms(link),
            ms(validate),
            format!("{:.2}", link.as_secs_f64() / validate.as_secs_f64()),
            format!("{:.1}", link.as_secs_f64() * 1e3 / (size / 1e6)),
            bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes / 1024.0 / 1024.0)),
            bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes / size)),
        ])
    }

    fn time_link(&self, command: &mut Command) -> Result<Duration> {
        timed(
            // The system flushes a file that replaces another.
            || fs::remove_file(&self.output).or_else(|e| if e.kind() == NotFound { Ok(()) } else { Err(e.into()) }),
            || {
                let output = command.stderr(Stdio::piped()).output().context("cannot run lowlift")?;
                let stderr = String::from_utf8_lossy(&output.stderr);
                ensure!(output.status.success(), "{}: {}", output.status, stderr.lines().next().unwrap_or_default());
                Ok(())
            },
        )
    }
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
    timed(
        || Ok(()),
        || {
            let mut validator = Validator::new_with_features(WasmFeatures::all());
            validator.validate_all(&read(file)?).map(drop).with_context(|| format!("{} is invalid", file.display()))
        },
    )
}

/// The median time of a few runs.
fn timed(prepare: impl Fn() -> Result<()>, mut run: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        prepare()?;
        let started = Instant::now();
        run()?;
        times.push(started.elapsed());
    }
    median(times).context("no runs")
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
