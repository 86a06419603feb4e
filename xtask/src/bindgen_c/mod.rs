//! `cargo xtask bindgen-c`: compilers judge the generated C.
//!
//! The test program writes the sources of its corpus: all of WASI 0.2.12, every kind of type, made-up packages, for every
//! engine and allocation profile. They are compiled without a warning by gcc and clang, for 64 and 32 bits and a big-endian
//! machine; the compiler's own sizes and offsets are compared with the ABI table's; and a host of the sample is called with
//! good and hostile arguments under the sanitizers. What is not installed is skipped with a word.

pub(crate) mod headers;
mod size;

use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, bail, ensure};
use headers::Headers;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How much.
#[derive(Debug, clap::Args)]
pub(crate) struct BindgenArgs {
    /// How many seeds of made-up packages to try.
    #[arg(long, value_name = "N", default_value_t = 12)]
    seeds: u64,
}

/// Generated code is to be free of all of these.
const WARNINGS: [&str; 7] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wtrigraphs", "-std=c99", "-Werror"];

/// What reads the headers as C++.
const CPP: [&str; 2] = ["g++", "clang++"];

/// A compiler for a machine, and what runs its programs here.
struct Target {
    name: &'static str,
    compiler: &'static str,
    options: &'static [&'static str],
    runner: Option<&'static [&'static str]>,
}

const TARGETS: [Target; 5] = [
    Target { name: "gcc", compiler: "gcc", options: &[], runner: Some(&[]) },
    Target { name: "clang", compiler: "clang", options: &[], runner: Some(&[]) },
    Target { name: "gcc, 32 bits", compiler: "gcc", options: &["-m32"], runner: Some(&[]) },
    Target {
        name: "gcc, s390x (big-endian)",
        compiler: "s390x-linux-gnu-gcc",
        options: &["-static"],
        runner: Some(&["qemu-s390x"]),
    },
    Target {
        name: "gcc, mips (big-endian, 32 bits)",
        compiler: "mips-linux-gnu-gcc",
        options: &["-static"],
        runner: Some(&["qemu-mips"]),
    },
];

/// Runs all of it.
pub(crate) fn bindgen_c(paths: &Paths, args: &BindgenArgs) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let out = folder.path().join("corpus");
    let mut test = command("cargo");
    test.args(["test", "--quiet", "--test", "all", "--", "--ignored", "--exact", "bindgen::written"]);
    test.env("LOWLIFT_BINDGEN_OUT", &out).env("LOWLIFT_BINDGEN_SEEDS", args.seeds.to_string());
    run(test.current_dir(&paths.root))?;
    let cases = cases(&out)?;
    let headers = Headers::find(paths, folder.path())?;
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| works(target, folder.path())).collect();
    ensure!(!targets.is_empty(), "no C compiler is installed");
    for target in targets {
        compile(target, &cases, &headers, folder.path())?;
        if let Some(runner) = target.runner.filter(|runner| can_run(runner)) {
            layouts(target, runner, &cases, folder.path())?;
            hostile(target, runner, paths, folder.path())?;
        } else {
            println!("{}: skipped: no emulator to run programs with", target.name);
        }
    }
    for (compiler, standard) in CPP.into_iter().flat_map(|c| ["-std=c++11", "-std=c++20"].map(|standard| (c, standard)))
    {
        cpp(compiler, standard, &cases, &headers)?;
    }
    size::report(&cases, folder.path())
}

/// The folders of the corpus, in order.
fn cases(out: &Path) -> Result<Vec<PathBuf>> {
    let mut cases = std::fs::read_dir(out)?.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    cases.sort();
    ensure!(!cases.is_empty(), "the test program wrote nothing");
    Ok(cases)
}

/// Whether a trivial program compiles: a compiler may be there, but not the headers of its machine.
fn works(target: &Target, folder: &Path) -> bool {
    let source = folder.join("probe.c");
    let written = std::fs::write(&source, "#include <stdint.h>\n#include <stdio.h>\nint main(void) { return 0; }\n");
    let mut probe = command(target.compiler);
    probe.args(target.options).arg(&source).arg("-o").arg(folder.join("probe"));
    let fine = written.is_ok()
        && probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !fine {
        println!("{}: skipped: `{} {}` does not compile", target.name, target.compiler, target.options.join(" "));
    }
    fine
}

fn can_run(runner: &[&str]) -> bool {
    runner.first().is_none_or(|emulator| {
        command(emulator).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    })
}

/// The generated file of a case with this extension; a program that prints layouts may lie beside it.
fn source(case: &Path, extension: &str) -> Result<PathBuf> {
    let mut files = std::fs::read_dir(case)?.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == extension) && !file.ends_with("layout.c"));
    let [file] = files.as_slice() else { bail!("{}: {} files in .{extension}", case.display(), files.len()) };
    Ok(file.clone())
}

/// The engine of a case: its folder is `number-engine-allocation`.
fn engine(case: &Path) -> String {
    let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let engine = name.split_once('-').and_then(|(_, rest)| rest.rsplit_once('-')).map(|(engine, _)| engine.to_owned());
    engine.unwrap_or_default()
}

fn compile(target: &Target, cases: &[PathBuf], headers: &Headers, folder: &Path) -> Result<()> {
    let (mut compiled, mut skipped) = (0, 0);
    for case in cases {
        let Some(include) = headers.of(&engine(case)) else {
            skipped += 1;
            continue;
        };
        let mut cc = command(target.compiler);
        cc.args(WARNINGS).args(target.options).args(include).args(["-O1", "-c"]);
        cc.arg(source(case, "c")?).arg("-o").arg(folder.join("gen.o"));
        silent(&mut cc).with_context(|| format!("{}: {}", target.name, case.display()))?;
        compiled += 1;
    }
    let skipped =
        if skipped == 0 { String::new() } else { format!(", {skipped} skipped without their engine's headers") };
    println!("{}: {compiled} sources compiled without a warning{skipped}", target.name);
    Ok(())
}

/// The headers, as a program in C++ includes them.
fn cpp(compiler: &str, standard: &str, cases: &[PathBuf], headers: &Headers) -> Result<()> {
    if !command(compiler).arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("{compiler}: skipped: it is not installed");
        return Ok(());
    }
    let mut read = 0;
    for case in cases {
        let Some(include) = headers.of(&engine(case)) else { continue };
        let mut cc = command(compiler);
        cc.args(WARNINGS.iter().filter(|option| !option.starts_with("-std="))).arg(standard).args(include);
        // A header that is compiled itself would be told of it.
        cc.args(["-fsyntax-only", "-x", "c++", "-include"]).arg(source(case, "h")?).arg("/dev/null");
        silent(&mut cc).with_context(|| format!("{compiler} {standard}: {}", case.display()))?;
        read += 1;
    }
    println!("{compiler} {standard}: {read} headers read without a warning");
    Ok(())
}

/// Runs a command that must succeed and print nothing.
fn silent(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{:?} does not start", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.is_empty() {
        bail!("{command:?}:\n{said}");
    }
    Ok(())
}

/// Compares the compiler's sizes, alignments and offsets with the ABI table's. A compiler may align a struct less than the
/// Canonical ABI, as i386 does with eight bytes: offsets and sizes are the same all the same.
fn layouts(target: &Target, runner: &[&str], cases: &[PathBuf], folder: &Path) -> Result<()> {
    let (mut structs, mut offsets) = (0, 0);
    for case in cases.iter().filter(|case| case.join("layout.c").exists()) {
        let program = folder.join("layout");
        let source = case.join("layout.c");
        let mut cc = command(target.compiler);
        cc.args(target.options).args(["-std=c99", "-w", "-I"]).arg(case).arg(&source).arg("-o").arg(&program);
        silent(&mut cc)?;
        let output = through(runner, &program).output()?;
        ensure!(output.status.success(), "{}: the program of {} failed", target.name, case.display());
        let have = String::from_utf8(output.stdout)?;
        let text = std::fs::read_to_string(&source)?;
        let want = text.lines().filter_map(|line| line.strip_prefix("// "));
        ensure!(want.clone().count() == have.lines().count(), "{}: another number of structs", case.display());
        for (want, have) in want.zip(have.lines()) {
            let (want, have): (Vec<&str>, Vec<&str>) = (want.split(' ').collect(), have.split(' ').collect());
            let aligned = want[2].parse::<u32>()? % have[2].parse::<u32>()? == 0;
            let same = want[..2] == have[..2] && aligned && want[3..] == have[3..];
            ensure!(same, "{}: {}: wanted {want:?}, found {have:?}", target.name, case.display());
            structs += 1;
            offsets += want.len() - 3;
        }
    }
    println!("{}: {structs} structs and {offsets} offsets are the ABI table's", target.name);
    Ok(())
}

fn through(runner: &[&str], program: &Path) -> Command {
    match runner {
        [] => command(program),
        [emulator, options @ ..] => {
            let mut run = command(emulator);
            run.args(options).arg(program);
            run
        }
    }
}

/// The host of the sample: under the sanitizers where the compiler has them for its machine.
fn hostile(target: &Target, runner: &[&str], paths: &Paths, folder: &Path) -> Result<()> {
    let sources = paths.root.join("fixtures/bindgen/none");
    let program = folder.join("host");
    let cc = |sanitize: &[&str]| {
        let mut cc = command(target.compiler);
        cc.args(WARNINGS).args(target.options).args(["-O1", "-g"]).args(sanitize).arg("-I").arg(&sources);
        cc.arg(paths.root.join("xtask/src/bindgen_c/host/shelf.c")).arg(sources.join("demo_shelf_shelf.c"));
        cc.arg("-o").arg(&program);
        cc
    };
    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let sanitized = runner.is_empty() && silent(&mut cc(&sanitizers)).is_ok();
    if !sanitized {
        silent(&mut cc(&[]))?;
    }
    let said = run_quietly(&mut through(runner, &program))?;
    ensure!(said == "all as expected\n", "{}: {said}", target.name);
    let how = if sanitized { "under address and undefined-behaviour sanitizers" } else { "without sanitizers" };
    println!("{}: the host of the sample, {how}: {}", target.name, said.trim());
    Ok(())
}
