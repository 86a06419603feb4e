//! The guest behind code that lowlift generates, in Rust, on wasmi and wasmtime; and what a call through that code costs.
//! The rest of the host is in `engines/rust`, the same for both.

use super::generated::PARTS;
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ENGINES: [&str; 2] = ["wasmi", "wasmtime"];

/// What is generated and run.
struct Case {
    /// What is said of it.
    about: &'static str,
    allocation: &'static str,
    guest: PathBuf,
    /// The names of its imports where they are others.
    names: Option<PathBuf>,
}

/// Generates, compiles and runs on both engines; with `bench` also measures. `features` are those of the other engines.
pub(super) fn all(paths: &Paths, features: &[&str], bench: bool) -> Result<()> {
    run(command("cargo").args(["build", "--quiet"]).current_dir(&paths.root))?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let expected = fs::read_to_string(paths.guests.join("engines").join("transcript.txt"))?;
    for case in cases(paths, folder, features)? {
        for engine in ENGINES {
            let mut program = program(paths, folder, engine, &case, &["--bin", &format!("generated-{engine}")])?;
            program.arg("--").arg(&case.guest).args(PARTS.into_iter().flatten().map(|part| part.to_string()));
            let said = run_quietly(&mut program)?;
            ensure!(said == expected, "{engine}, {}: generated code says something else:\n{said}", case.about);
            println!("{engine}: generated code in Rust says the same, {} lines ({})", said.lines().count(), case.about);
        }
    }
    if bench {
        let guest = folder.join("bench.wasm");
        fs::write(&guest, wat::parse_file(paths.root.join("engines/c/bench.wat"))?)?;
        let names = Some(paths.root.join("engines/c/bench.toml"));
        let case = Case { about: "measured", allocation: "reentrant", guest, names };
        for engine in ENGINES {
            let words = ["--release", "--features", "bench", "--bin", &format!("bench-{engine}")];
            print!("{}", run_quietly(program(paths, folder, engine, &case, &words)?.arg("--").arg(&case.guest))?);
        }
    }
    Ok(())
}

/// Both ways to allocate, and names by a map.
fn cases(paths: &Paths, folder: &Path, features: &[&str]) -> Result<[Case; 3]> {
    let (renamed, names) = (folder.join("renamed.wasm"), folder.join("names.toml"));
    let guest = |name: &str| paths.guests.join(format!("{name}.wasm"));
    let mut rename = super::engines_program(paths, features);
    run(rename.arg("rename").arg(guest("engines")).args([&renamed, &names]))?;
    Ok([
        Case { about: "re-entrant", allocation: "reentrant", guest: guest("engines"), names: None },
        Case { about: "arena", allocation: "arena", guest: guest("engines-arena"), names: None },
        Case { about: "re-entrant, other names", allocation: "reentrant", guest: renamed, names: Some(names) },
    ])
}

/// Generates the code, and gives the command that compiles and runs a program around it.
fn program(paths: &Paths, folder: &Path, engine: &str, case: &Case, words: &[&str]) -> Result<Command> {
    let mut lowlift = command(paths.root.join("target/debug/lowlift"));
    lowlift.arg("bindgen").arg(paths.guests.join("engines").join("wit")).args(["-w", "guest", "--lang", "rust"]);
    lowlift.args(["--engine", engine, "--alloc", case.allocation]);
    if let Some(names) = &case.names {
        lowlift.arg("--name-map").arg(names);
    }
    run(lowlift.arg("-o").arg(folder.join(format!("{engine}.rs"))))?;
    let mut cargo = command("cargo");
    cargo.args(["run", "--quiet", "--manifest-path"]).arg(paths.root.join("engines/rust/Cargo.toml"));
    cargo.args(words).env("LOWLIFT_BINDINGS", folder);
    if case.allocation == "arena" {
        cargo.args(["--features", "arena"]);
    }
    Ok(cargo)
}
