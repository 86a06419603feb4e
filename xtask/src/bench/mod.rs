//! `cargo xtask bench`: what serving, linking and deriving cost. All servers listen on loopback, all load is bounded.

mod calls;
mod http;
mod link;
mod load;
pub(crate) mod lowlift;
mod memories;
mod memory;
mod native;
pub(crate) mod process;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod stats;
mod witx;

use crate::paths::Paths;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::Command;

pub(crate) use native::native_hello;

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
    /// The lowlift to measure; built with `cargo build --release` if absent.
    #[arg(long, value_name = "PATH", global = true)]
    lowlift: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Measure calls through components against calls through the modules that they were lowered to.
    Calls,
    /// Measure `lowlift link` against validating the same component.
    Link,
    /// Measure code that had several memories and has one against the same before.
    Memory,
    /// Measure `lowlift serve` beside a native server and `wasmtime serve`.
    Serve(serve::ServeArgs),
    /// Measure `lowlift witx` against `wasm-tools` printing the same WIT.
    Witx {
        /// The `wasm-tools` to compare with; the one on the path if absent.
        #[arg(long, value_name = "PATH")]
        wasm_tools: Option<PathBuf>,
    },
}

/// Measures what is asked for and prints a table.
pub(crate) fn bench(paths: &Paths, args: &BenchArgs) -> Result<()> {
    // The load generator, the native server and the validator are part of this binary. What wasmtime compiles is not.
    if cfg!(debug_assertions) && !matches!(args.what, What::Memory) {
        return again_optimised(paths);
    }
    match &args.what {
        What::Calls => calls::calls(),
        What::Link => link::link(paths, args.lowlift.as_deref()),
        What::Memory => memories::memory(),
        What::Serve(serve) => serve::serve(paths, serve, args.lowlift.as_deref()),
        What::Witx { wasm_tools } => witx::witx(paths, args.lowlift.as_deref(), wasm_tools.as_deref()),
    }
}

/// Starts the same task in an optimised build.
fn again_optimised(paths: &Paths) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--release", "--package", "xtask", "--manifest-path"]);
    cargo.arg(paths.root.join("xtask").join("Cargo.toml")).arg("--").args(std::env::args_os().skip(1));
    eprintln!("bench: building xtask with optimisations");
    replace(cargo)
}

/// Becomes the other program, so that a signal to this process reaches it.
#[cfg(unix)]
fn replace(mut program: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(program.exec()).context("cannot run `cargo`")
}

#[cfg(not(unix))]
fn replace(mut program: Command) -> Result<()> {
    anyhow::ensure!(program.status().context("cannot run `cargo`")?.success(), "the optimised run failed");
    Ok(())
}
