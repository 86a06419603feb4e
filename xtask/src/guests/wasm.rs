//! Tools that every toolchain shares: wasm-tools, wit-bindgen, the WIT of WASI and the preview1 adapters.

use super::files::{copy_folder, make_empty, make_folder, make_once, write};
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::Result;
use std::path::PathBuf;

const WIT_BINDGEN: &str = "0.63.0";
const WASM_TOOLS: &str = "1.263.0";
const WAC: &str = "0.12.0";
/// Carries the WIT of WASI 0.2.12.
const WASIP2: &str = "2.0.1";
const ADAPTER: &str = "48.0.8";

/// The program `wit-bindgen`, with its generator for C only.
pub(super) fn wit_bindgen(paths: &Paths) -> Result<PathBuf> {
    install(paths, "wit-bindgen-cli", WIT_BINDGEN, "wit-bindgen", "c")
}

/// The program `wasm-tools`, with the subcommands that the guests need.
pub(super) fn wasm_tools(paths: &Paths) -> Result<PathBuf> {
    install(paths, "wasm-tools", WASM_TOOLS, "wasm-tools", "component,print,parse,strip,validate,metadata,objdump")
}

/// The program `wac`, which composes.
pub(super) fn wac(paths: &Paths) -> Result<PathBuf> {
    install(paths, "wac-cli", WAC, "wac", "wit")
}

fn install(paths: &Paths, package: &str, version: &str, binary: &str, features: &str) -> Result<PathBuf> {
    let program = paths.tools.join("bin").join(format!("{binary}{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut cargo = command("cargo");
        cargo.args(["install", package, "--version", version, "--locked", "--no-default-features"]);
        cargo.args(["--features", features]).arg("--root").arg(&paths.tools);
        run(cargo.env("CARGO_TARGET_DIR", paths.tools.join("target")))?;
    }
    Ok(program)
}

/// The preview1 adapter called `name`, for example `proxy`.
pub(super) fn adapter(paths: &Paths, name: &str) -> Result<PathBuf> {
    let artefacts = vendor(paths)?.join("wasi-preview1-component-adapter-provider").join("artefacts");
    Ok(artefacts.join(format!("wasi_snapshot_preview1.{name}.wasm")))
}

/// `tools/gen/NAME`, made anew, with the guest's own world in `wit` and the packages of WASI 0.2.12 beside it.
pub(super) fn folder_with_wit(paths: &Paths, name: &str) -> Result<PathBuf> {
    let folder = generated(paths)?.join(name);
    make_empty(&folder)?;
    copy_folder(&paths.guests.join(name).join("wit"), &folder.join("wit"))?;
    copy_folder(&vendor(paths)?.join("wasip2").join("wit").join("deps"), &folder.join("wit").join("deps"))?;
    Ok(folder)
}

/// The folder for intermediate files.
pub(super) fn generated(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.tools.join("gen");
    make_folder(&folder)?;
    Ok(folder)
}

/// The sources of the packages `wasip2` and `wasi-preview1-component-adapter-provider`.
fn vendor(paths: &Paths) -> Result<PathBuf> {
    let target = paths.tools.join("vendor");
    make_once(&target, |part| {
        let fetch = paths.tools.join("fetch");
        make_folder(&fetch.join("src"))?;
        write(&fetch.join("src").join("lib.rs"), "")?;
        write(
            &fetch.join("Cargo.toml"),
            &format!(
                "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n\
                 wasip2 = \"={WASIP2}\"\nwasi-preview1-component-adapter-provider = \"={ADAPTER}\"\n\n[workspace]\n"
            ),
        )?;
        let mut cargo = command("cargo");
        cargo.args(["vendor", "--quiet", "--manifest-path"]).arg(fetch.join("Cargo.toml"));
        // It prints configuration for sources, which nobody is to follow here.
        run_quietly(cargo.arg(part)).map(drop)
    })?;
    Ok(target)
}
