//! wasm2c: the guest is compiled along with its host.

use super::generated::{Target, text};
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The last version whose symbols have the old form.
const LAST_OLD: [u32; 3] = [1, 0, 32];

/// Where an installation has the program, and the sources of its runtime.
fn places(wabt: &Path) -> (PathBuf, PathBuf) {
    (wabt.join("bin/wasm2c"), wabt.join("share/wabt/wasm2c"))
}

/// Says so where it is not.
pub(super) fn is_there(wabt: &Path) -> bool {
    let (program, runtime) = places(wabt);
    let is_there = program.exists() && runtime.join("wasm-rt-impl.c").exists();
    if !is_there {
        eprintln!("no wasm2c in {}: skipped", wabt.display());
    }
    is_there
}

/// Translates the guest and compiles it, and the runtime, as they are.
pub(super) fn target<'a>(paths: &Paths, folder: &'a Path, wabt: &Path) -> Result<Target<'a>> {
    let (program, runtime) = places(wabt);
    let objects = folder.join("wasm2c-objects");
    fs::create_dir_all(&objects)?;
    let version = run_quietly(command(&program).arg("--version"))?;
    let guest = paths.guests.join("engines.wasm");
    run(command(&program).arg(&guest).args(["-n", "guest", "-o", "guest.c"]).current_dir(&objects))?;
    let mut compiler = command("cc");
    compiler.args(["-O2", "-w", "-c", "guest.c", "-I"]).arg(&runtime).arg("-I").arg(wabt.join("include"));
    let sources = fs::read_dir(&runtime)?.flatten().map(|entry| entry.path());
    compiler.args(sources.filter(|path| path.extension().is_some_and(|e| e == "c")));
    run(compiler.current_dir(&objects))?;
    let mut words = vec!["-DENG_WASM2C_GUEST=guest".to_owned()];
    if number(&version)? <= LAST_OLD {
        words.push("-DENG_WASM2C_OLD".to_owned());
    }
    for include in [&objects, &runtime, &wabt.join("include")] {
        words.extend(["-isystem".to_owned(), text(include)]);
    }
    let files = fs::read_dir(&objects)?.flatten().map(|entry| entry.path());
    words.extend(files.filter(|path| path.extension().is_some_and(|e| e == "o")).map(|path| text(&path)));
    words.push("-lm".to_owned());
    let (label, name, allocation) = (format!("wasm2c {}, reentrant", version.trim()), "wasm2c", "reentrant");
    Ok(Target { label, name, allocation, guest, names: None, words, is_measured: false, compiler: None, folder })
}

/// The first three numbers of `1.0.41 (git~…)`.
fn number(version: &str) -> Result<[u32; 3]> {
    let first = version.split_whitespace().next().unwrap_or_default();
    let numbers: Vec<u32> = first.split('.').map_while(|n| n.parse().ok()).collect();
    <[u32; 3]>::try_from(numbers).ok().with_context(|| format!("`{version}` is no version of wasm2c"))
}
