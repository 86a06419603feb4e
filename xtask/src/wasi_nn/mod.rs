//! `cargo xtask wasi-nn`: from the WIT of wasi:nn to a guest that runs on WAMR.
//!
//! The WIT is that of the published crate `wasmtime-wasi-nn`, the engine the one that `wamr-sys` vendors; cargo fetches
//! both, and neither becomes a dependency. `docs/wasi-nn.md` tells the same story.

use crate::bindgen_c::headers::fetched;
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// What the host prints: 1 + 2 + 3.5 + 4, times ten; the length of `no such model` and the code `not-found`; a handle that
/// the stub refused before the host saw it; and nothing left behind.
const WANTED: &str = "sum: 105\nmissing: 1306\nforged: Exception: unknown handle\nhandles left: 0\n";

/// Runs all of it.
pub(crate) fn wasi_nn(paths: &Paths) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let folder = folder.path();
    let wit = fetched("wasmtime-wasi-nn", "48.0.8")?.join("wit/wasi-nn.wit");
    let wamr = fetched("wamr-sys", "0.1.1")?;
    run(command("cargo").args(["build", "--quiet"]).current_dir(&paths.root))?;
    let lowlift = paths.root.join("target/debug/lowlift");
    run(command(&lowlift).arg("witx").arg(&wit).args(["-w", "ml", "--verify", "--out-dir"]).arg(folder.join("witx")))?;
    let names = paths.root.join("xtask/src/wasi_nn/names.toml");
    for (source, out) in [(wit.as_path(), "gen"), (&*folder.join("witx"), "again")] {
        let mut bindgen = command(&lowlift);
        bindgen.arg("bindgen").arg(source);
        // WITX is of one world already.
        if out == "gen" {
            bindgen.args(["-w", "ml"]);
        }
        bindgen.args(["--lang", "c", "--engine", "wamr", "--name-map"]).arg(&names);
        run(bindgen.arg("--out-dir").arg(folder.join(out)))?;
    }
    for name in ["wasi_nn_ml.h", "wasi_nn_ml.c"] {
        let read = |out: &str| std::fs::read(folder.join(out).join(name));
        ensure!(read("gen")? == read("again")?, "WIT and its WITX give another {name}");
    }
    let guest = std::fs::read_to_string(paths.root.join("xtask/src/wasi_nn/guest.wat"))?;
    std::fs::write(folder.join("guest.wasm"), wat::parse_str(&guest)?)?;
    let mut check = command(&lowlift);
    check.arg("check").arg(folder.join("guest.wasm")).arg("--against").arg(folder.join("witx"));
    run(&mut check)?;
    let renamed = renamed(&guest, &std::fs::read_to_string(&names)?);
    std::fs::write(folder.join("guest.wasm"), wat::parse_str(renamed)?)?;
    let library = engine(&wamr, folder)?;
    let mut cc = command("gcc");
    cc.args([
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Werror",
        "-O1",
        "-DWASI_NN_ML_WAMR_MAJOR=1",
    ]);
    cc.arg("-isystem").arg(wamr.join("wasm-micro-runtime/core/iwasm/include")).arg("-I").arg(folder.join("gen"));
    cc.arg(folder.join("gen/wasi_nn_ml.c")).arg(paths.root.join("xtask/src/wasi_nn/host.c")).arg(library);
    run(cc.args(["-lm", "-lpthread", "-ldl", "-o"]).arg(folder.join("host")))?;
    let said = run_quietly(command(folder.join("host")).arg(folder.join("guest.wasm")))?;
    print!("{said}");
    ensure!(said == WANTED, "wanted:\n{WANTED}");
    Ok(())
}

/// The guest with the names of the map: a line of it has two, each a module and a field in one string.
fn renamed(guest: &str, names: &str) -> String {
    let pair = |name: &str| name.split_once(' ').map(|(module, field)| format!("\"{module}\" \"{field}\""));
    names.lines().fold(guest.to_owned(), |guest, line| match line.split('"').collect::<Vec<_>>()[..] {
        [_, old, _, new, _] => match (pair(old), pair(new)) {
            (Some(old), Some(new)) => guest.replace(&old, &new),
            _ => guest,
        },
        _ => guest,
    })
}

/// Builds WAMR's library, out of a copy: a crate's sources are not written to.
fn engine(wamr: &Path, folder: &Path) -> Result<std::path::PathBuf> {
    let build = folder.join("wamr");
    let source = wamr.join("libiwasm");
    let mut cmake = command("cmake");
    cmake.arg("-S").arg(source).arg("-B").arg(&build).arg("-DCMAKE_BUILD_TYPE=Release");
    run_quietly(&mut cmake)?;
    run_quietly(command("cmake").arg("--build").arg(&build).args(["--target", "vmlib"]))?;
    Ok(build.join("libvmlib.a"))
}
