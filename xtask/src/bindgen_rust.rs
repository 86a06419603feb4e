//! `cargo xtask bindgen-rust`: the compiler judges the generated Rust, and the component model what it does.
//!
//! The test program writes Rust for the corpus that C is generated for (all of WASI 0.2.12, every kind of type, made-up
//! packages), for both engines and every allocation profile: clippy finds nothing in it, without `std`. And it writes
//! made-up interfaces with a host that gives back what it gets, a guest, and calls with what became of them under the
//! component model: honest ones, and with spoiled words and memory. They are run on both engines.

use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// How much.
#[derive(Debug, clap::Args)]
pub(crate) struct BindgenArgs {
    /// The first made-up interface; others follow.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many made-up interfaces to run.
    #[arg(long, value_name = "N", default_value_t = 10)]
    worlds: u64,
    /// How many seeds of made-up packages to compile.
    #[arg(long, value_name = "N", default_value_t = 12)]
    seeds: u64,
}

/// Runs all of it.
pub(crate) fn bindgen_rust(paths: &Paths, args: &BindgenArgs) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut test = command("cargo");
    test.args(["test", "--quiet", "--test", "all", "--", "--ignored", "--exact", "bindgen_rust::random::written"]);
    test.env("LOWLIFT_BINDGEN_OUT", folder.path()).env("LOWLIFT_BINDGEN_SEED", args.seed.to_string());
    test.env("LOWLIFT_BINDGEN_WORLDS", args.worlds.to_string());
    test.env("LOWLIFT_BINDGEN_SEEDS", args.seeds.to_string());
    run(test.current_dir(&paths.root))?;
    let random = folder.path().join("random");
    run(cargo(paths, "run", &random).args(["--bin", "random"]))?;
    let clippy = command("cargo").args(["clippy", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let verb = if clippy.is_ok_and(|status| status.success()) { "clippy" } else { "check" };
    if verb == "check" {
        println!("clippy: skipped: it is not installed");
    }
    let mut profiles = std::fs::read_dir(folder.path().join("corpus"))?.collect::<Result<Vec<_>, _>>()?;
    profiles.sort_by_key(std::fs::DirEntry::file_name);
    ensure!(!profiles.is_empty(), "the test program wrote nothing");
    for profile in profiles {
        let folder = profile.path();
        run(cargo(paths, verb, &folder).args(["--example", "corpus"]))?;
        let files = formatted(&folder)?;
        println!(
            "{}: {files} files compiled without a warning, and laid out as rustfmt does",
            profile.file_name().display()
        );
    }
    Ok(())
}

/// A command on the crate that includes what is in the folder.
fn cargo(paths: &Paths, verb: &str, folder: &Path) -> Command {
    let mut cargo = command("cargo");
    cargo.args([verb, "--quiet", "--manifest-path"]).arg(paths.root.join("engines/rust/Cargo.toml"));
    cargo.args(["--features", "random"]).env("LOWLIFT_BINDINGS", folder);
    cargo
}

/// Has rustfmt look at all files; gives how many they are.
fn formatted(folder: &Path) -> Result<usize> {
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let files: Vec<_> = files.into_iter().filter(|path| !path.ends_with("corpus.rs")).collect();
    run_quietly(command("rustfmt").args(["--edition", "2024", "--check"]).args(&files))?;
    Ok(files.len())
}
