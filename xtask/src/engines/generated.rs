//! The guest behind code that lowlift generates, in C, on wasm3 and WAMR as their crates vendor them, and on wasmi by the
//! standard C API, and on wasm2c; and what a call through that code costs.

use super::EnginesArgs;
use super::from_source::Built;
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What generated code and the programs around it are compiled with.
pub(super) const FLAGS: [&str; 7] = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Parts of the guest; see `fixtures/guests/engines/main.c`.
pub(super) const PARTS: [std::ops::RangeInclusive<u32>; 2] = [0..=6, 10..=31];

/// What is compiled for an engine.
pub(super) struct Target<'a> {
    /// As it is printed.
    pub(super) label: String,
    pub(super) name: &'static str,
    pub(super) allocation: &'static str,
    /// The guest, and the names of its imports where they are others.
    pub(super) guest: PathBuf,
    pub(super) names: Option<PathBuf>,
    /// Headers, libraries and what else the compiler is told.
    pub(super) words: Vec<String>,
    /// Whether there is a program that measures calls.
    pub(super) is_measured: bool,
    /// The engine's own compiler of modules: `COMPILER -o TO FROM`.
    pub(super) compiler: Option<PathBuf>,
    pub(super) folder: &'a Path,
}

/// Generates, compiles and runs on all engines of `features` and on those that were built; measures where the arguments say so.
pub(super) fn all(paths: &Paths, features: &[&str], built: &[Built], args: &EnginesArgs) -> Result<()> {
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
            "wasm2c" => super::wasm2c::target(paths, folder, &args.wabt)?,
            _ => wasm_c_api(paths, folder)?,
        };
        target.judge(paths, &expected, args.bench)?;
    }
    for target in built.iter().flat_map(|engine| engine.targets(paths, folder)) {
        target.judge(paths, &expected, args.bench)?;
    }
    Ok(())
}

impl Target<'_> {
    /// Runs all parts of the guest behind generated code; with `bench` also measures.
    fn judge(&self, paths: &Paths, expected: &str, bench: bool) -> Result<()> {
        let program = self.build(paths, self.names.as_deref(), &["board.c"], self.name)?;
        let guest = self.prepared(&self.guest)?;
        let mut said = String::new();
        for part in PARTS.into_iter().flatten() {
            // The standard error has the engine's own words.
            let mut program = Command::new(&program);
            let output = program.arg(&guest).arg(part.to_string()).stderr(Stdio::null()).output()?;
            said += &String::from_utf8_lossy(&output.stdout);
        }
        ensure!(said == expected, "{}: generated code says something else:\n{said}", self.label);
        println!("{}: generated code in C says the same, {} lines", self.label, said.lines().count());
        if bench && self.is_measured {
            let names = paths.root.join("engines/c/bench.toml");
            let program = self.build(paths, Some(&names), &["board.c"], &format!("bench_{}", self.name))?;
            let wasm = self.folder.join("bench.wasm");
            fs::write(&wasm, wat::parse_file(paths.root.join("engines/c/bench.wat"))?)?;
            print!("{}", run_quietly(Command::new(program).arg(self.prepared(&wasm)?).arg(&self.label))?);
        }
        Ok(())
    }

    /// The module as the engine takes it.
    fn prepared(&self, wasm: &Path) -> Result<PathBuf> {
        let Some(compiler) = &self.compiler else { return Ok(wasm.to_owned()) };
        let to = self.folder.join("compiled");
        run_quietly(Command::new(compiler).arg("-o").arg(&to).arg(wasm))?;
        Ok(to)
    }

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
    let mut words = vec!["-isystem".to_owned(), text(&sources)];
    let options = ["-Dd_m3Use32BitSlots=1", "-Dd_m3LogOutput=0"];
    words.extend(objects(&sources, &folder.join("wasm3-objects"), &options)?);
    words.push("-lm".to_owned());
    let guest = paths.guests.join("engines-arena.wasm");
    let (label, name, allocation) = ("wasm3 0.4.7, arena".to_owned(), "wasm3", "arena");
    Ok(Target { label, name, allocation, guest, names: None, words, is_measured: true, compiler: None, folder })
}

/// Compiles all sources of a folder; returns the objects.
pub(super) fn objects(sources: &Path, to: &Path, options: &[&str]) -> Result<Vec<String>> {
    fs::create_dir_all(to)?;
    let files = fs::read_dir(sources)?.flatten().map(|entry| entry.path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "c")).collect();
    let mut compiler = command("cc");
    compiler.args(["-O2", "-w", "-c"]).args(options).arg("-I").arg(sources);
    run(compiler.args(&files).current_dir(to))?;
    let object = |file: &PathBuf| file.file_stem().map(|stem| text(&to.join(stem).with_extension("o")));
    Ok(files.iter().filter_map(object).collect())
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
    let (label, name, allocation) = ("wasm-c-api, reentrant".to_owned(), "wasm-c-api", "reentrant");
    Ok(Target { label, name, allocation, guest, names: None, words, is_measured: false, compiler: None, folder })
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
    let (label, name, allocation) = ("wamr of 2020, reentrant".to_owned(), "wamr", "reentrant");
    let names = Some(names);
    Ok(Target { label, name, allocation, guest, names, words, is_measured: true, compiler: None, folder })
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

pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
