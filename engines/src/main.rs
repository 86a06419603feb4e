//! Engines of other makers: the probes of lowlift's profiles, and a guest that says the same on all of them.
//!
//! `cargo xtask engines` builds and calls this. An engine may crash or never end, so that each module is run in a process
//! of its own, with a limit of time.

mod common;
mod drivers;
mod guest;
mod probing;
mod process;
mod rename;
mod table;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    programs: Programs,
}

/// Programs that run guests.
#[derive(clap::Args, Clone)]
struct Programs {
    /// Node.js.
    #[arg(long, global = true, default_value = "node")]
    node: PathBuf,
    /// A `python3` with the package `pywasm3`.
    #[arg(long, global = true, default_value = "python3")]
    python: PathBuf,
    /// An engine that was built from its sources, as a program that speaks the lines of `drivers::bridge`.
    #[arg(long = "built", global = true, value_name = "NAME=PATH")]
    built: Vec<String>,
}

#[derive(Subcommand)]
enum Task {
    /// Run all probes on all engines, and compare with the profiles.
    Probes {
        /// Their folder.
        folder: PathBuf,
    },
    /// Run the guest on all engines, and compare what it says.
    Guest {
        /// The guest, which gets results by `cabi_realloc`.
        reentrant: PathBuf,
        /// The same, with results in a region that it names.
        arena: PathBuf,
        /// The same, with short names and few parameters.
        short: PathBuf,
        /// What they say.
        expected: PathBuf,
    },
    /// Run one probe on one engine.
    #[command(hide = true)]
    Probe {
        /// The engine.
        engine: String,
        /// The folder.
        folder: PathBuf,
        /// The probe.
        probe: String,
    },
    /// Write a guest whose imports are all called `env` `fN`, and the name map of that.
    Rename {
        /// The guest.
        from: PathBuf,
        /// The other one.
        to: PathBuf,
        /// The name map.
        names: PathBuf,
    },
    /// Run parts of the guest on one engine.
    #[command(hide = true)]
    Part {
        /// The engine.
        engine: String,
        /// The guest.
        wasm: PathBuf,
        /// The numbers of the parts.
        #[arg(required = true)]
        parts: Vec<u32>,
    },
}

fn main() -> ExitCode {
    match perform(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn perform(cli: Cli) -> Result<bool> {
    let Cli { task, programs } = cli;
    match task {
        Task::Probes { folder } => probing::all(&folder, &programs),
        Task::Probe { engine, folder, probe } => probing::one(&engine, &folder, &probe, &programs),
        Task::Guest { reentrant, arena, short, expected } => {
            guest::all(&guest::Files { reentrant, arena, short, expected }, &programs)
        }
        Task::Rename { from, to, names } => rename::write(&from, &to, &names),
        Task::Part { engine, wasm, parts } => guest::parts(&engine, &wasm, &parts, &programs),
    }
}
