//! Guests in C: compiled by the clang and wasi-libc of the Python package `ziglang`.

use super::files::make_once;
use super::finish::finish;
use super::wasm;
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::Result;
use std::process::Command;

/// clang 20 with wasi-libc.
const ZIGLANG: &str = "0.15.2";

/// The two execution models of preview1.
#[derive(Clone, Copy)]
pub(super) enum Model {
    /// Exports `_start`.
    Command,
    /// Exports `_initialize` and more.
    Reactor,
}

/// C with generated bindings: C to core module to component.
pub(super) fn component(paths: &Paths, name: &str, adapter: Option<&str>) -> Result<()> {
    let wit_bindgen = wasm::wit_bindgen(paths)?;
    let wasm_tools = wasm::wasm_tools(paths)?;
    let folder = wasm::folder_with_wit(paths, name)?;
    run_quietly(command(wit_bindgen).arg("c").arg("--out-dir").arg(&folder).arg(folder.join("wit")))?;

    let mut compiler = compiler(paths, Model::Reactor)?;
    compiler.args(["-I.", "-o", "core.wasm"]).arg(paths.guests.join(name).join("main.c"));
    run(compiler.args(["guest.c", "guest_component_type.o"]).current_dir(&folder))?;

    let component = folder.join("component.wasm");
    let mut tool = command(wasm_tools);
    tool.args(["component", "new"]).arg(folder.join("core.wasm")).arg("-o").arg(&component);
    if let Some(adapter) = adapter {
        let adapter = wasm::adapter(paths, adapter)?;
        tool.arg("--adapt").arg(format!("wasi_snapshot_preview1={}", adapter.display()));
    }
    run(&mut tool)?;
    finish(paths, &component, name)
}

/// C without bindings: a core module that imports `wasi_snapshot_preview1`.
pub(super) fn module(paths: &Paths, name: &str, model: Model) -> Result<()> {
    let built = wasm::generated(paths)?.join(format!("{name}.wasm"));
    let mut compiler = compiler(paths, model)?;
    run(compiler.arg(paths.guests.join(name).join("main.c")).arg("-o").arg(&built))?;
    finish(paths, &built, name)
}

/// C without bindings and without a libc: a core module of 1.0 that imports what its source says.
pub(super) fn bare(paths: &Paths, name: &str, folder: &str, defines: &[&str]) -> Result<()> {
    let built = wasm::generated(paths)?.join(format!("{name}.wasm"));
    let mut compiler = zig(paths)?;
    compiler.args([
        "-target",
        "wasm32-freestanding",
        "-mcpu=mvp",
        "-nostdlib",
        "-Wl,--no-entry",
        "-Wl,--export-memory",
    ]);
    compiler.arg("-Wl,-z,stack-size=4096").args(defines.iter().map(|define| format!("-D{define}")));
    run(compiler.arg(paths.guests.join(folder).join("main.c")).arg("-o").arg(&built))?;
    finish(paths, &built, name)
}

fn compiler(paths: &Paths, model: Model) -> Result<Command> {
    let mut compiler = zig(paths)?;
    compiler.args(["-target", "wasm32-wasi", "-Wl,-z,stack-size=65536"]).args(match model {
        Model::Command => None,
        Model::Reactor => Some("-mexec-model=reactor"),
    });
    Ok(compiler)
}

fn zig(paths: &Paths) -> Result<Command> {
    let zig = paths.tools.join("zig");
    make_once(&zig, |part| pip_install(part, &format!("ziglang=={ZIGLANG}")))?;
    let cache = paths.tools.join("zig-cache");
    let mut python = command("python3");
    python.args(["-m", "ziglang", "cc", "-Os", "-s", "-Wall", "-Wextra"]);
    // Its own caches, so that nothing is left in the user's home folder.
    python.env("PYTHONPATH", zig).env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    Ok(python)
}

/// Puts one Python package, without those it depends on, into `folder`.
pub(super) fn pip_install(folder: &std::path::Path, package: &str) -> Result<()> {
    run(command("python3").args(["-m", "pip", "install", "-q", "--no-deps", "--target"]).arg(folder).arg(package))
}
