//! Engines that are built from a checkout of their sources: WAMR, wasm3 and toywasm as they are now. Crates vendor old ones of
//! the first two, and none of the third.

use super::generated::{FLAGS, Target, text};
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the sources are. An engine without is left out.
#[derive(Args)]
pub(super) struct Sources {
    /// A checkout of WAMR, from 2.0 on; it is built by cmake.
    #[arg(long, value_name = "DIR")]
    wamr: Option<PathBuf>,
    /// Its compiler of the same version, for its ahead-of-time code.
    #[arg(long, value_name = "PATH", requires = "wamr")]
    wamrc: Option<PathBuf>,
    /// A checkout of wasm3, from 0.5 on.
    #[arg(long, value_name = "DIR")]
    wasm3: Option<PathBuf>,
    /// A checkout of toywasm; it is built by cmake.
    #[arg(long, value_name = "DIR")]
    toywasm: Option<PathBuf>,
}

/// An engine that was built.
pub(super) struct Built {
    /// As the tables of `engines` show it.
    name: &'static str,
    /// As `lowlift bindgen` knows it.
    engine: &'static str,
    version: String,
    /// Headers, libraries and what else the C compiler is told.
    words: Vec<String>,
    /// What modules go through before.
    compiler: Option<PathBuf>,
}

/// Options of WAMR's builds. SIMD is off in the interpreters: it needs sources of others, which cmake would fetch. Reference
/// types are off in one of them, as in many builds for small boards.
const WAMR: [(&str, &[&str]); 3] = [
    ("wamr-fast", &["-DWAMR_BUILD_AOT=0", "-DWAMR_BUILD_SIMD=0", "-DWAMR_BUILD_LIBC_WASI=0"]),
    (
        "wamr-classic",
        &[
            "-DWAMR_BUILD_FAST_INTERP=0",
            "-DWAMR_BUILD_AOT=0",
            "-DWAMR_BUILD_REF_TYPES=0",
            "-DWAMR_BUILD_SIMD=0",
            "-DWAMR_BUILD_LIBC_WASI=0",
        ],
    ),
    ("wamr-aot", &["-DWAMR_BUILD_INTERP=0", "-DWAMR_BUILD_FAST_INTERP=0", "-DWAMR_BUILD_LIBC_WASI=0"]),
];

/// Builds what there are sources of, in a folder of `engines/target` that is kept.
pub(super) fn build(paths: &Paths, sources: &Sources) -> Result<Vec<Built>> {
    let folder = paths.root.join("engines/target/from-source");
    let mut out = Vec::new();
    // Compilers are run in other folders.
    let whole =
        |dir: &Option<PathBuf>| dir.as_ref().map(|dir| fs::canonicalize(dir).with_context(|| text(dir))).transpose();
    let (wamr_dir, wamrc) = (whole(&sources.wamr)?, whole(&sources.wamrc)?);
    if let Some(dir) = &wamr_dir {
        for (name, options) in WAMR {
            if name != "wamr-aot" || wamrc.is_some() {
                let compiler = wamrc.clone().filter(|_| name == "wamr-aot");
                out.push(wamr(dir, &folder.join(name), name, options, compiler)?);
            } else {
                println!("{name}: left out: no `--wamrc`");
            }
        }
    }
    if let Some(dir) = whole(&sources.wasm3)? {
        out.push(wasm3(&dir, &folder.join("wasm3"))?);
    }
    if let Some(dir) = whole(&sources.toywasm)? {
        out.push(toywasm(&dir, &folder.join("toywasm"))?);
    }
    for (name, dir) in [("wamr", &sources.wamr), ("wasm3", &sources.wasm3), ("toywasm", &sources.toywasm)] {
        if dir.is_none() {
            println!("{name}: from its sources it is left out: no `--{name} DIR`");
        }
    }
    for Built { name, version, .. } in &out {
        println!("{name}: built from the sources of {version}");
    }
    Ok(out)
}

impl Built {
    /// The program that `engines` drives by lines, as it is told: `NAME=PATH`, and the same of the compiler.
    pub(super) fn bridge(&self, paths: &Paths) -> Result<Vec<String>> {
        let programs = paths.root.join("engines").join("c");
        let program = paths.root.join("engines/target/from-source").join(format!("bridge-{}", self.name));
        let mut compiler = command("cc");
        compiler.args(FLAGS).arg(programs.join("bridge.c")).arg(programs.join(format!("bridge_{}.c", self.engine)));
        run(compiler.args(&self.words).arg("-o").arg(&program))?;
        let compiler = self.compiler.iter().map(|path| format!("{}-compiler={}", self.name, text(path)));
        Ok(std::iter::once(format!("{}={}", self.name, text(&program))).chain(compiler).collect())
    }

    /// The guest behind generated code, in both forms: both are right where an engine is re-entrant. WAMR also by the
    /// standard C API.
    pub(super) fn targets<'a>(&self, paths: &Paths, folder: &'a Path) -> Vec<Target<'a>> {
        let target = |(engine, allocation, guest)| Target {
            label: format!("{} {}, {engine}, {allocation}", self.name, self.version),
            name: engine,
            allocation,
            guest: paths.guests.join(guest),
            names: None,
            words: self.words.clone(),
            is_measured: allocation == "reentrant" && matches!(engine, "wamr" | "wasm3"),
            compiler: self.compiler.clone(),
            folder,
        };
        let own = [(self.engine, "reentrant", "engines.wasm"), (self.engine, "arena", "engines-arena.wasm")];
        let standard = (self.engine == "wamr").then_some(("wasm-c-api", "reentrant", "engines.wasm"));
        own.into_iter().chain(standard).map(target).collect()
    }
}

/// Configures, anew since the sources may be others than last time, and builds.
fn cmake(dir: &Path, folder: &Path, target: &str, options: &[&str]) -> Result<()> {
    fs::create_dir_all(folder)?;
    let _ = fs::remove_file(folder.join("CMakeCache.txt"));
    run_quietly(command("cmake").arg("-S").arg(dir).arg("-B").arg(folder).args(options))?;
    run_quietly(command("cmake").arg("--build").arg(folder).args(["--target", target]))?;
    Ok(())
}

fn wamr(dir: &Path, folder: &Path, name: &'static str, options: &[&str], compiler: Option<PathBuf>) -> Result<Built> {
    cmake(dir, folder, "vmlib", options)?;
    let part = |part: &str| said(&dir.join("core/version.h"), &format!("#define WAMR_VERSION_{part} "));
    let version = format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?);
    // The header of the standard C API is called otherwise.
    let (include, standard) = (dir.join("core/iwasm/include"), folder.join("standard"));
    fs::create_dir_all(&standard)?;
    fs::write(standard.join("wasm.h"), "#include <wasm_c_api.h>\n")?;
    let words = ["-isystem", &text(&include), "-isystem", &text(&standard), &text(&folder.join("libiwasm.a"))];
    let words = words.into_iter().chain(["-lm", "-ldl", "-lpthread"]).map(str::to_owned).collect();
    Ok(Built { name, engine: "wamr", version, words, compiler })
}

fn wasm3(dir: &Path, folder: &Path) -> Result<Built> {
    let sources = dir.join("source");
    let mut words = vec!["-isystem".to_owned(), text(&sources)];
    words.extend(super::generated::objects(&sources, folder, &["-Dd_m3LogOutput=0"])?);
    words.push("-lm".to_owned());
    let version = said(&sources.join("wasm3.h"), "#define M3_VERSION ")?;
    Ok(Built { name: "wasm3", engine: "wasm3", version, words, compiler: None })
}

/// toywasm's headers are those of its installation. What is left out has nothing to do with the language.
fn toywasm(dir: &Path, folder: &Path) -> Result<Built> {
    let installed = folder.join("installed");
    let prefix = format!("-DCMAKE_INSTALL_PREFIX={}", text(&installed));
    let mut options = vec!["-DTOYWASM_BUILD_CLI=OFF", "-DTOYWASM_BUILD_UNITTEST=OFF", "-DTOYWASM_ENABLE_WASI=OFF"];
    // Optimised as a whole, it would be compiled once more with every program, and with its warnings.
    options.extend(["-DBUILD_TESTING=OFF", "-DUSE_IPO=OFF", &prefix]);
    cmake(dir, folder, "install", &options)?;
    let version = said(&dir.join("wapm/wapm.toml"), "version = ")?;
    let (include, library) = (installed.join("include"), installed.join("lib/libtoywasm-core.a"));
    let words = ["-fshort-enums", "-D_POSIX_C_SOURCE=200809L", "-isystem", &text(&include), &text(&library), "-lm"]
        .map(str::to_owned);
    Ok(Built { name: "toywasm", engine: "toywasm", version, words: words.to_vec(), compiler: None })
}

/// What stands behind `before` in a file, without its quotes.
fn said(file: &Path, before: &str) -> Result<String> {
    let all = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let rest = all.lines().find_map(|line| line.strip_prefix(before));
    let rest = rest.with_context(|| format!("{}: no `{before}`", file.display()))?;
    Ok(rest.trim().trim_matches('"').to_owned())
}
