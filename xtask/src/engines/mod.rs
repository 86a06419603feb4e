//! `cargo xtask engines`: the crate `engines`, which is apart from the workspace, with the engines that can be built here.

mod from_source;
mod generated;
mod rust;
mod wasm2c;

use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Arguments of `cargo xtask engines`.
#[derive(Args)]
pub(crate) struct EnginesArgs {
    /// Node.js.
    #[arg(long, value_name = "PATH", default_value = "node")]
    node: PathBuf,
    /// A `python3` with the package `pywasm3`.
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// Where WABT is installed, with `bin/wasm2c` and `share/wabt/wasm2c`.
    #[arg(long, value_name = "DIR", default_value = "/usr")]
    wabt: PathBuf,
    /// Only the probes.
    #[arg(long, conflicts_with = "guest")]
    probes: bool,
    /// Only the guest.
    #[arg(long)]
    guest: bool,
    /// Measure calls through generated code against calls of code by hand.
    #[arg(long)]
    bench: bool,
    #[command(flatten)]
    sources: from_source::Sources,
}

/// Builds the engines and runs the probes and the guest on them. What lacks a tool is skipped with a word.
pub(crate) fn engines(paths: &Paths, args: &EnginesArgs) -> Result<()> {
    let features = features();
    let built = from_source::build(paths, &args.sources)?;
    let bridges: Vec<String> = built.iter().map(|engine| engine.bridge(paths)).collect::<Result<Vec<_>>>()?.concat();
    let engines = |words: &[&str]| {
        let mut cargo = engines_program(paths, &features);
        cargo.args(words).arg("--node").arg(&args.node).arg("--python").arg(&args.python);
        cargo.args(bridges.iter().flat_map(|bridge| ["--built", bridge]));
        cargo
    };
    // Both are run, whatever the first says.
    let probes =
        if args.guest { Ok(()) } else { run(engines(&["probes"]).arg(paths.root.join("fixtures").join("probes"))) };
    if !args.probes {
        let mut guest = engines(&["guest"]);
        for name in ["engines", "engines-arena", "engines-short"] {
            guest.arg(paths.guests.join(format!("{name}.wasm")));
        }
        run(guest.arg(paths.guests.join("engines").join("transcript.txt")))?;
        let by_c = features.iter().copied().chain(has("cc").then_some("wasm-c-api"));
        let by_c = by_c.chain(wasm2c::is_there(&args.wabt).then_some("wasm2c"));
        generated::all(paths, &by_c.collect::<Vec<_>>(), &built, args)?;
        rust::all(paths, &features, args.bench)?;
    }
    probes
}

/// `cargo run` of the crate `engines`.
fn engines_program(paths: &Paths, features: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.args(["run", "--quiet", "--manifest-path"]).arg(paths.root.join("engines").join("Cargo.toml"));
    cargo.arg("--features").arg(features.join(",")).arg("--");
    cargo
}

/// The engines whose tools are here.
fn features() -> Vec<&'static str> {
    let (compiler, cmake, libclang) = (has("cc"), has("cmake"), has_libclang());
    for (is_there, name) in [(compiler, "a C compiler"), (cmake, "cmake"), (libclang, "libclang")] {
        if !is_there {
            eprintln!("no {name}: engines that need it are left out");
        }
    }
    let mut out = Vec::new();
    if compiler && libclang {
        out.push("wasm3");
    }
    if compiler && libclang && cmake {
        out.push("wamr");
    }
    out
}

/// Whether a program is here.
fn has(program: &str) -> bool {
    let mut ask = command(program);
    ask.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

/// Looks where Debian puts it, and where the variable of `clang-sys` says.
fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut libraries = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
    libraries.any(|entry| {
        let inside = std::fs::read_dir(entry.path().join("lib")).into_iter().flatten().flatten();
        inside.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libclang"))
    })
}
