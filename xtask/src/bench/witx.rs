//! `cargo xtask bench witx`: what deriving and proving WITX costs, beside `wasm-tools` printing the same WIT.

use super::lowlift;
use super::memory::sample_peak;
use super::process::{has_ended, running_time};
use super::stats::median;
use crate::paths::Paths;
use crate::run::{command, run_quietly};
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs of a row over WASI, which takes milliseconds.
const RUNS: usize = 20;
/// Runs of a row over a generated package. Odd, for a median.
const LONG_RUNS: usize = 5;
/// Functions of the generated packages, and types.
const SIZES: [usize; 5] = [1_250, 2_500, 5_000, 10_000, 20_000];

/// A release of WASI: its name, further arguments, and the crate that carries its WIT.
type Release = (&'static str, &'static [&'static str], &'static str);

const RELEASES: [Release; 3] =
    [("wasi@0.2.12", &[], "wasip2"), ("wasi@0.3.2", &[], "wasip3"), ("wasi@0.3.2", &["--abi", "async"], "wasip3")];

/// Measures WASI and generated packages and prints two tables.
pub(super) fn witx(paths: &Paths, given: Option<&Path>, wasm_tools: Option<&Path>) -> Result<()> {
    let lowlift = lowlift::binary(paths, given)?;
    let wasm_tools = printer(wasm_tools)?;
    wasi(paths, &lowlift, wasm_tools.as_deref())?;
    generated(&lowlift, wasm_tools.as_deref())?;
    println!(
        "\nCPU ms are user and system time of the whole process, its first thread alone: medians of {RUNS} runs over"
    );
    println!(
        "WASI and of {LONG_RUNS} over generated packages, which have as many types as functions. peak MiB: VmHWM of one"
    );
    println!("more run, sampled; - where the system tells nothing. wasm-tools: `wasm-tools component wit`.");
    if wasm_tools.is_none() {
        println!("Its rows are skipped: it is not there; name it with --wasm-tools.");
    }
    Ok(())
}

/// The `wasm-tools` to compare with: the one that is named, or one on the path, if any.
fn printer(given: Option<&Path>) -> Result<Option<PathBuf>> {
    let name = given.unwrap_or(Path::new("wasm-tools"));
    let starts = command(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(given.is_none() || starts.is_ok(), "{} cannot be run", name.display());
    Ok(starts.is_ok_and(|status| status.success()).then(|| name.to_owned()))
}

fn wasi(paths: &Paths, lowlift: &Path, wasm_tools: Option<&Path>) -> Result<()> {
    let mut table =
        Table::new(&["package", "derive ms", "with --verify ms", "wasm-tools ms", "ratio", "ratio verified"]);
    let mut sum = Duration::ZERO;
    for (name, options, carrier) in RELEASES {
        eprintln!("bench: {name} {}", options.join(" "));
        let mut derive = command(lowlift);
        derive.args(["witx", name]).args(options);
        let derived = time(&mut derive, RUNS)?;
        let verified = time(derive.arg("--verify"), RUNS)?;
        let printed = wasm_tools.map(|tool| time(&mut printing(tool, &wit_of(paths, carrier)?), RUNS)).transpose()?;
        sum += verified;
        let shown = format!("{name} {}", options.join(" ")).trim_end().to_owned();
        let ratios = [ratio(derived, printed), ratio(verified, printed)];
        table.row([vec![shown, ms(derived), ms(verified), cell(printed)], ratios.to_vec()].concat());
    }
    table.row(["sum", "", &ms(sum), "", "", ""].map(str::to_owned).to_vec());
    print!("{table}");
    Ok(())
}

fn generated(lowlift: &Path, wasm_tools: Option<&Path>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("generated.wit");
    let headers = [
        "functions",
        "derive ms",
        "per 1000",
        "peak MiB",
        "with --verify ms",
        "per 1000",
        "peak MiB",
        "wasm-tools ms",
        "ratio",
        "ratio verified",
    ];
    let mut table = Table::new(&headers);
    for size in SIZES {
        eprintln!("bench: {size} functions");
        fs::write(&file, package(size))?;
        let mut row = vec![size.to_string()];
        let mut times = Vec::new();
        let mut derive = command(lowlift);
        derive.arg("witx").arg(&file);
        for verify in [false, true] {
            if verify {
                derive.arg("--verify");
            }
            let took = time(&mut derive, LONG_RUNS)?;
            let peak = sample_peak(derive.stdout(Stdio::null()).stderr(Stdio::null()))?;
            let peak = peak.map_or("-".into(), |kilobytes| format!("{:.1}", kilobytes as f64 / 1024.0));
            row.extend([ms(took), ms(took / u32::try_from(size)? * 1000), peak]);
            times.push(took);
        }
        let printed = wasm_tools.map(|tool| time(&mut printing(tool, &file), LONG_RUNS)).transpose()?;
        row.push(cell(printed));
        row.extend(times.into_iter().map(|took| ratio(took, printed)));
        table.row(row);
    }
    print!("\n{table}");
    Ok(())
}

/// A package of so many functions and as many records; half of the functions return results.
fn package(size: usize) -> String {
    let mut text = String::from("package bench:generated@1.0.0;\n\ninterface everything {\n");
    for i in 0..size {
        let returned = if i % 2 == 0 { format!("result<record{i}, string>") } else { format!("list<record{i}>") };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  record record{i} {{ id: u64, name: string, age: option<u32>, tags: list<string>, on: bool }}"
        );
        let _ = writeln!(text, "  call{i}: func(r: record{i}, name: option<string>, n: u32) -> {returned};");
    }
    text + "}\n"
}

fn printing(wasm_tools: &Path, wit: &Path) -> Command {
    let mut command = command(wasm_tools);
    command.args(["component", "wit"]).arg(wit);
    command
}

/// The WIT that a dependency carries.
fn wit_of(paths: &Paths, name: &str) -> Result<PathBuf> {
    let mut metadata = command("cargo");
    metadata.args(["metadata", "--offline", "--format-version", "1", "--filter-platform", &host()?]);
    let json: serde_json::Value = serde_json::from_str(&run_quietly(metadata.current_dir(&paths.root))?)?;
    let packages = json["packages"].as_array().context("cargo metadata lists no packages")?;
    let manifest = packages.iter().find(|p| p["name"] == name).and_then(|p| p["manifest_path"].as_str());
    let manifest = Path::new(manifest.with_context(|| format!("`{name}` is no dependency"))?);
    Ok(manifest.with_file_name("wit"))
}

fn host() -> Result<String> {
    let version = run_quietly(command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

/// The median CPU time of a few runs.
fn time(command: &mut Command, runs: usize) -> Result<Duration> {
    let times = (0..runs).map(|_| once(command)).collect::<Result<Vec<_>>>()?;
    median(times).context("no runs")
}

/// The CPU time of one run. The system keeps it until the process that ended is waited for.
fn once(command: &mut Command) -> Result<Duration> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if let Some(mut stdout) = child.stdout.take() {
        io::copy(&mut stdout, &mut io::sink())?;
    }
    while !has_ended(child.id())? {
        thread::sleep(Duration::from_micros(100));
    }
    let took = running_time(child.id());
    let status = child.wait()?;
    ensure!(status.success(), "{command:?}: {status}");
    took
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

fn cell(time: Option<Duration>) -> String {
    time.map_or("skipped".into(), ms)
}

fn ratio(time: Duration, to: Option<Duration>) -> String {
    to.map_or("-".into(), |to| format!("{:.2}", time.as_secs_f64() / to.as_secs_f64()))
}
