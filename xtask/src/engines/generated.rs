//! The guest behind code that lowlift generates, in C, on wasm3 and WAMR as their crates vendor them, and on wasmi by the
//! standard C API; and what a call through that code costs.

use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What generated code and the programs around it are compiled with.
const FLAGS: [&str; 7] = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Parts of the guest; see `fixtures/guests/engines/main.c`.
pub(super) const PARTS: [std::ops::RangeInclusive<u32>; 2] = [0..=6, 10..=31];

/// What is compiled for an engine.
struct Target<'a> {
    name: &'static str,
    allocation: &'static str,
    /// The guest, and the names of its imports where they are others.
    guest: PathBuf,
    names: Option<PathBuf>,
    /// Headers, libraries and what else the compiler is told.
    words: Vec<String>,
    /// Whether there is a program that measures calls.
    is_measured: bool,
    folder: &'a Path,
}

/// Generates, compiles and runs on all engines of `features`; with `bench` also measures.
pub(super) fn all(paths: &Paths, features: &[&str], bench: bool) -> Result<()> {
    run(command("cargo").args(["build", "--quiet"]).current_dir(&paths.root))?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let engines = paths.root.join("engines");
    let vendored = sources(&engines, &["--features", "wasm3,wamr"]);
    let expected = fs::read_to_string(paths.guests.join("engines").join("transcript.txt"))?;
    for feature in features {
        let target = match *feature {
            "wasm3" => wasm3(paths, folder, &vendored("wasm3-sys")?)?,
            "wamr" => wamr(paths, folder, &vendored("wamr-sys")?)?,
            _ => wasm_c_api(paths, folder)?,
        };
        let program = target.build(paths, target.names.as_deref(), &["board.c"], target.name)?;
        let mut said = String::new();
        for part in PARTS.into_iter().flatten() {
            // The standard error has the engine's own words.
            let mut guest = Command::new(&program);
            let output = guest.arg(&target.guest).arg(part.to_string()).stderr(Stdio::null()).output()?;
            said += &String::from_utf8_lossy(&output.stdout);
        }
        ensure!(said == expected, "{}: generated code says something else:\n{said}", target.name);
        println!("{}: generated code in C says the same, {} lines", target.name, said.lines().count());
        if bench && target.is_measured {
            let names = paths.root.join("engines/c/bench.toml");
            let program = target.build(paths, Some(&names), &["board.c"], &format!("bench_{}", target.name))?;
            let wasm = folder.join("bench.wasm");
            fs::write(&wasm, wat::parse_file(paths.root.join("engines/c/bench.wat"))?)?;
            print!("{}", run_quietly(Command::new(program).arg(wasm))?);
        }
    }
    Ok(())
}

impl Target<'_> {
    /// Generates the code and compiles it with one of the programs of `engines/c`.
    fn build(&self, paths: &Paths, names: Option<&Path>, with: &[&str], main: &str) -> Result<PathBuf> {
        let generated = self.folder.join(format!("{main}-gen"));
        let mut lowlift = command(paths.root.join("target/debug/lowlift"));
        lowlift.arg("bindgen").arg(paths.guests.join("engines").join("wit")).args(["-w", "guest", "--lang", "c"]);
        lowlift.args(["--engine", self.name, "--alloc", self.allocation, "--prefix", "eng"]);
        if let Some(names) = names {
            lowlift.arg("--name-map").arg(names);
        }
        run(lowlift.arg("--out-dir").arg(&generated))?;
        let program = self.folder.join(main);
        let programs = paths.root.join("engines").join("c");
        let mut compiler = command("cc");
        compiler.args(FLAGS).arg("-I").arg(&generated).arg("-I").arg(&programs).arg(generated.join("eng.c"));
        compiler.args(with.iter().map(|file| programs.join(file))).arg(programs.join(format!("{main}.c")));
        run(compiler.args(&self.words).arg("-o").arg(&program))?;
        Ok(program)
    }
}

/// wasm3 0.4.7: its sources are compiled here, as they are.
fn wasm3<'a>(paths: &Paths, folder: &'a Path, sources: &Path) -> Result<Target<'a>> {
    let sources = sources.join("wasm3").join("source");
    let objects = folder.join("wasm3-objects");
    fs::create_dir_all(&objects)?;
    let files = fs::read_dir(&sources)?.flatten().map(|entry| entry.path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "c")).collect();
    let mut compiler = command("cc");
    compiler.args(["-O2", "-w", "-c", "-Dd_m3Use32BitSlots=1", "-Dd_m3LogOutput=0", "-I"]).arg(&sources);
    run(compiler.args(&files).current_dir(&objects))?;
    let mut words = vec!["-isystem".to_owned(), text(&sources)];
    words.extend(fs::read_dir(&objects)?.flatten().map(|entry| text(&entry.path())));
    words.push("-lm".to_owned());
    let guest = paths.guests.join("engines-arena.wasm");
    Ok(Target { name: "wasm3", allocation: "arena", guest, names: None, words, is_measured: true, folder })
}

/// wasmi, as a library in C.
fn wasm_c_api<'a>(paths: &Paths, folder: &'a Path) -> Result<Target<'a>> {
    let library = paths.root.join("engines").join("wasm-c-api");
    let built = paths.root.join("engines/target/wasm-c-api");
    let mut cargo = command("cargo");
    cargo.args(["build", "--quiet", "--manifest-path"]).arg(library.join("Cargo.toml"));
    run(cargo.arg("--target-dir").arg(&built))?;
    let include = sources(&library, &[])("wasmi_c_api_impl")?.join("include");
    let archive = built.join("debug").join("libwasm_c_api.a");
    let words = ["-isystem", &text(&include), &text(&archive), "-lm", "-lpthread", "-ldl"].map(str::to_owned).to_vec();
    let guest = paths.guests.join("engines.wasm");
    Ok(Target { name: "wasm-c-api", allocation: "reentrant", guest, names: None, words, is_measured: false, folder })
}

/// WAMR of December 2020, as the build of its crate left it; natives are found under `env` alone.
fn wamr<'a>(paths: &Paths, folder: &'a Path, sources: &Path) -> Result<Target<'a>> {
    let builds = paths.root.join("engines/target/debug/build");
    let library = (fs::read_dir(&builds)?.flatten())
        .map(|entry| entry.path().join("out").join("build"))
        .find(|folder| folder.join("libiwasm.so").exists())
        .context("the build of wamr-sys left no library")?;
    let (guest, names) = (folder.join("env.wasm"), folder.join("env.toml"));
    let mut rename = super::engines_program(paths, &["wasm3", "wamr"]);
    run(rename.arg("rename").arg(paths.guests.join("engines.wasm")).args([&guest, &names]))?;
    let include = sources.join("wasm-micro-runtime/core/iwasm/include");
    let library = text(&library);
    let words =
        ["-DENG_WAMR_MAJOR=1", "-isystem", &text(&include), "-L", &library, "-liwasm", "-lm", "-ldl", "-lpthread"];
    let mut words = words.map(str::to_owned).to_vec();
    words.push(format!("-Wl,-rpath,{library}"));
    Ok(Target { name: "wamr", allocation: "reentrant", guest, names: Some(names), words, is_measured: true, folder })
}

/// Finds the folders of the sources that a crate depends on.
fn sources<'a>(folder: &'a Path, features: &'a [&'a str]) -> impl Fn(&str) -> Result<PathBuf> + 'a {
    move |name| {
        let mut cargo = command("cargo");
        cargo.args(["metadata", "--format-version", "1"]).args(features).arg("--manifest-path");
        let metadata: Value = serde_json::from_str(&run_quietly(cargo.arg(folder.join("Cargo.toml")))?)?;
        let packages = metadata["packages"].as_array().context("no packages")?;
        let package = packages.iter().find(|package| package["name"] == name).with_context(|| format!("no {name}"))?;
        let manifest = Path::new(package["manifest_path"].as_str().context("no path")?);
        Ok(manifest.parent().context("no folder")?.to_owned())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
