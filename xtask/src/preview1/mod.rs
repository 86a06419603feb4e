//! `cargo xtask preview1`: a component, linked with `--wasi preview1`, on engines that know only preview1.
//!
//! Which engines there are is up to the machine: one that is missing is named and skipped.

use crate::paths::Paths;
use crate::run::{command, run};
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Arguments of `cargo xtask preview1`.
#[derive(Args)]
pub(crate) struct Preview1Args {
    /// The `wasmtime` to run the component and the module with.
    #[arg(long, value_name = "PATH", default_value = "wasmtime")]
    wasmtime: PathBuf,
    /// The `node` to run the module with.
    #[arg(long, value_name = "PATH", default_value = "node")]
    node: PathBuf,
    /// The `python3` with the package `pywasm3` to run the module with.
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
}

/// What the guest is given, and what it says to that.
const ARGS: [&str; 2] = ["exit=5", "two words"];
const ENVIRONMENT: &str = "NAME=value";
const INPUT: &str = "one\ntwo\n";
const STDOUT: &str = "arg 0: guest.wasm\narg 1: exit=5\narg 2: two words\nenv: NAME=value\nclock ok\nrandom ok\n\
                      stdin: 8 bytes, 2 lines\n";
const STDERR: &str = "done\n";
const EXIT: i32 = 5;
/// WASI 0.2 knows success and failure alone.
const EXIT_OF_COMPONENT: i32 = 1;

/// An engine, how it is asked for its version, and how it runs `guest.wasm`.
struct Engine<'p> {
    name: &'static str,
    program: &'p Path,
    version: &'static [&'static str],
    run: &'static [&'static str],
    /// What to install where it is missing.
    origin: &'static str,
}

/// Links the guest and runs it everywhere; prints a table.
pub(crate) fn preview1(paths: &Paths, args: &Preview1Args) -> Result<()> {
    run(command("cargo").args(["build", "--quiet"]).current_dir(&paths.root))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let lowlift = paths.root.join(target).join("debug").join("lowlift");
    let folder = tempfile::tempdir()?;
    let (original, linked) = (folder.path().join("component"), folder.path().join("linked"));
    fs::create_dir(&original)?;
    fs::create_dir(&linked)?;
    let (component, module) = (original.join("guest.wasm"), linked.join("guest.wasm"));
    run(command(&lowlift).arg("adapt").arg(paths.guests.join("p1-command.wasm")).arg("-o").arg(&component))?;
    run(command(&lowlift).args(["link", "--wasi", "preview1", "--verify"]).arg(&component).arg("-o").arg(&module))?;
    for (name, text) in [("host.mjs", include_str!("host.mjs")), ("host.py", include_str!("host.py"))] {
        fs::write(linked.join(name), text)?;
    }

    let engines = [
        Engine {
            name: "wasmtime",
            program: &args.wasmtime,
            version: &["--version"],
            run: &["run", "--env", ENVIRONMENT, "guest.wasm"],
            origin: "wasmtime-cli",
        },
        Engine {
            name: "node:wasi",
            program: &args.node,
            version: &["--version"],
            run: &["--no-warnings", "host.mjs", "guest.wasm"],
            origin: "Node.js 20",
        },
        Engine {
            name: "wasm3",
            program: &args.python,
            version: &["-c", "import wasm3; from importlib.metadata import version; print(version('pywasm3'))"],
            run: &["host.py", "guest.wasm"],
            origin: "pywasm3, from PyPI",
        },
    ];
    let mut table = Table::new(&["engine", "version", "file", "result"]);
    let mut wrong = Vec::new();
    let mut row = |engine: &Engine<'_>, what: &str, folder: &Path, exit: i32| -> Result<()> {
        let (version, result) = match engine.version() {
            None => ("-".to_owned(), format!("skipped: no {} by `{}`", engine.origin, engine.program.display())),
            Some(version) => {
                let difference = judge(&engine.run(folder)?, exit);
                let result =
                    if difference.is_empty() { format!("same output, exit {exit}") } else { difference.clone() };
                if !difference.is_empty() {
                    wrong.push(format!("{} ({what}): {difference}", engine.name));
                }
                (version, result)
            }
        };
        table.row(vec![engine.name.to_owned(), version, what.to_owned(), result]);
        Ok(())
    };
    row(&engines[0], "component", &original, EXIT_OF_COMPONENT)?;
    for engine in &engines {
        row(engine, "module", &linked, EXIT)?;
    }
    print!("{table}");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

impl Engine<'_> {
    /// The version; none if it cannot be started.
    fn version(&self) -> Option<String> {
        let output = Command::new(self.program).args(self.version).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().find(|word| word.contains(|c: char| c.is_ascii_digit()))?;
        output.status.success().then(|| version.to_owned())
    }

    fn run(&self, folder: &Path) -> Result<Output> {
        let mut command = Command::new(self.program);
        command.args(self.run).args(ARGS).env("GUEST_ENV", ENVIRONMENT).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        child.stdin.take().context("a pipe")?.write_all(INPUT.as_bytes())?;
        Ok(child.wait_with_output()?)
    }
}

/// What is other than it should be; nothing if all is well.
fn judge(output: &Output, exit: i32) -> String {
    let mut out = Vec::new();
    for (name, have, want) in [("stdout", &output.stdout, STDOUT), ("stderr", &output.stderr, STDERR)] {
        if have != want.as_bytes() {
            out.push(format!("{name}: {:?}", String::from_utf8_lossy(have)));
        }
    }
    if output.status.code() != Some(exit) {
        out.push(format!("{} instead of exit {exit}", output.status));
    }
    out.join(", ")
}
