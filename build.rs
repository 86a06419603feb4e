//! Embeds the WIT of three releases of WASI, and the commit that was built.
//!
//! The WIT text belongs to others, so it is not kept in this repository: the pinned `wasi`, `wasip2` and `wasip3` packages
//! carry it, and cargo knows where they lie.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-changed=Cargo.toml");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    embed_wit("wasi", "0.12.0+wasi-0.2.0", "wasi-0.2.0", &out);
    embed_wit("wasip2", "2.0.1+wasi-0.2.12", "wasi-0.2.12", &out);
    embed_wit("wasip3", "0.10.0+wasi-0.3.2", "wasi-0.3.2", &out);
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok();
    let commit = commit.filter(|o| o.status.success()).and_then(|o| String::from_utf8(o.stdout).ok());
    println!("cargo::rustc-env=LOWLIFT_COMMIT={}", commit.as_deref().unwrap_or("unknown").trim());
    println!("cargo::rustc-env=LOWLIFT_LIBRARIES={}", pinned());
    // A packaged crate has no history, and a missing file would rebuild it every time.
    if Path::new(".git/HEAD").exists() {
        println!("cargo::rerun-if-changed=.git/HEAD");
    }
}

/// The libraries of the wasm-tools family and their versions, which the manifest pins: `wasmparser 1.2.3, …`.
fn pinned() -> String {
    let manifest = fs::read_to_string("Cargo.toml").expect("cargo runs this beside the manifest");
    let version = |name: &str| {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = ")));
        let version = line.and_then(|line| line.split_once("\"=")).and_then(|(_, rest)| rest.split('"').next());
        format!("{name} {}", version.unwrap_or_else(|| panic!("{name} is not pinned")))
    };
    let names =
        ["wasmparser", "wasm-encoder", "wasmprinter", "wast", "wit-component", "wit-parser", "wasmtime-environ"];
    names.map(version).join(", ")
}

/// Copies `wit/deps` of a package into `OUT_DIR` and writes a table of it: for each WIT package its name, and of each of
/// its files the path and the text. A WIT package is a file or a folder of files.
fn embed_wit(crate_name: &str, version: &str, label: &str, out: &Path) {
    let deps = package_root(crate_name, version).join("wit/deps");
    let mut table = String::from("&[\n");
    for entry in sorted(&deps) {
        let name = entry.file_stem().and_then(|n| n.to_str()).expect("an ASCII file name").to_owned();
        let files = if entry.is_dir() { sorted(&entry) } else { vec![entry.clone()] };
        table.push_str(&format!("    ({name:?}, &[\n"));
        for file in files.iter().filter(|path| path.extension().is_some_and(|e| e == "wit")) {
            let path = file.strip_prefix(&deps).expect("a file below its folder").to_str().expect("an ASCII path");
            let path = format!("{label}/{}", path.replace('\\', "/"));
            let target = out.join(&path);
            fs::create_dir_all(target.parent().expect("a file lies in a folder")).expect("OUT_DIR is writable");
            fs::copy(file, target).expect("OUT_DIR is writable");
            let source = format!("/{path}");
            table.push_str(&format!("        ({path:?}, include_str!(concat!(env!(\"OUT_DIR\"), {source:?}))),\n"));
        }
        table.push_str("    ]),\n");
    }
    table.push_str("]\n");
    fs::write(out.join(format!("{label}.rs")), table).expect("OUT_DIR is writable");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    paths.sort();
    paths
}

fn package_root(name: &str, version: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").expect("cargo sets CARGO");
    let host = env::var("HOST").expect("cargo sets HOST");
    let metadata = |offline: bool| {
        let mut command = Command::new(&cargo);
        command.args(["metadata", "--format-version", "1", "--filter-platform", &host]);
        if offline {
            command.arg("--offline");
        }
        command.current_dir(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
        command.output().expect("cargo metadata starts")
    };
    // Everything is on disk when a build script runs, so ask offline first; a vendored or odd setup may still need more.
    let mut output = metadata(true);
    if !output.status.success() {
        output = metadata(false);
    }
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = json["packages"].as_array().expect("a list of packages");
    let manifest = packages
        .iter()
        .find(|p| p["name"] == name && p["version"] == version)
        .and_then(|p| p["manifest_path"].as_str())
        .unwrap_or_else(|| panic!("`{name}` {version} is not among this package's dependencies"));
    Path::new(manifest).parent().expect("a manifest lies in a folder").to_owned()
}
