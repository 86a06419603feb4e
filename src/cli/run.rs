//! `lowlift run`: run a program in the foreground.

use super::cache::CacheArgs;
use super::grants::Grants;
use super::serve::{Spinner, engine, runtime};
use super::standard::standard;
use super::{Outcome, Run, Shared, io};
use crate::abi::{Core, CoreSignature, Track};
use crate::adapt::{FileKind, Item, Survey, survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::engine::{EngineKind, Limits, LoadOptions, Task, load_with};
use crate::host::{Config, State, Trap};
use crate::serve::duration;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  lowlift run app.wasm
  lowlift run app.wasm --dir . --env HOME=/ -- --verbose input.txt
  lowlift run app.wasm --dir data::/data:ro --timeout 10s --max-memory 256
  lowlift run app.wasm --engine wasmi < input

Exit codes: that of the program; 134 if it traps or is stopped at a limit; 2 if it cannot be run.";

/// Run a program: a wasi:cli component, a core module lowered from one, or a preview1 command.
///
/// A component is lowered on the fly. Standard input, output and error are the program's own. It sees no files, no network
/// and no environment but what it is given, and may run for as long as it likes in 4 GiB of memory.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component or core module, binary or text, that exports `wasi:cli/run` or `_start`.
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// Arguments of the program, behind its name, which is that of the file.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
    /// The engine.
    #[arg(long, value_parser = engine, default_value = "wasmtime")]
    engine: EngineKind,
    /// Wall time, such as `500ms` or `30s` [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Fuel, about one unit for an instruction [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fuel: Option<u64>,
    /// Memory in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=4096))]
    max_memory: u64,
    #[command(flatten)]
    grants: Grants,
    #[command(flatten)]
    cache: CacheArgs,
}

/// As good as for ever.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
/// A program has the process to itself: these bound mistakes, not neighbours.
const TABLE: usize = 10_000_000;
const STACK: usize = 8 << 20;
const HANDLES: usize = 100_000;
/// How long a program that was stopped has to get rid of what it wrote.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// As a shell reports a program that aborted.
const ABORTED: u8 = 134;

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let (input, kind) = io::read_wasm(Some(&args.input))?;
    let config = Config {
        args: arguments(args),
        handles: HANDLES,
        open_files: HANDLES,
        // A time limit must hold also while a file is waited for.
        in_place: args.timeout.is_none(),
        ..args.grants.config()?
    };
    let module = lowered(&input, kind, shared)?;
    let survey = survey(&module).map_err(|e| e.in_file(&input.name, "core module"))?;
    let what = if kind == FileKind::Component { "component".to_owned() } else { survey.describe() };
    let entry = entry(&survey).map_err(|e| e.in_file(&input.name, what.as_str()))?;
    let time = args.timeout.unwrap_or(FOREVER);
    let memory = usize::try_from(args.max_memory << 20).unwrap_or(usize::MAX);
    let limits = Limits { memory, table: TABLE, stack: STACK, time, cpu: time, fuel: args.fuel, instances: 1 };
    let options = LoadOptions { engine: args.engine, limits, cache: args.cache.cache() };
    let spinner = Spinner::start(shared, format!("compiling {}", io::size(module.len())));
    let program = load_with(&options, &module, &[entry]);
    drop(spinner);
    let program = program.map_err(|e| refused(e).in_file(&input.name, what.as_str()))?;
    let (stdio, writer) = standard();
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let instance = program.instance(State::new(config.into(), stdio));
        instance.run(Task::new(Some(0), Vec::new(), &limits)).await.outcome
    });
    // A system call that still blocks shall not keep the process.
    runtime.shutdown_background();
    let stopped = matches!(outcome, Err(Trap::Deadline | Trap::Cpu));
    writer.drain(stopped.then_some(LAST_WORDS));
    let code = match outcome {
        Ok(result) => u8::from(result.unwrap_or_default() != 0),
        Err(Trap::Exit(code)) => exit_code(code),
        Err(trap) => {
            shared.say(&trapped(&trap).in_file(&input.name, ""));
            ABORTED
        }
    };
    Ok(Outcome::Exit(code))
}

/// Who runs a program of others cannot do without the engine's reason.
fn refused(mut error: Box<Diagnostic>) -> Box<Diagnostic> {
    match error.cause.take() {
        Some(cause) => error.fact("reason", cause),
        None => error,
    }
}

/// The low byte is all that a system carries; a failure shall not look like a success for that.
fn exit_code(code: u32) -> u8 {
    match (code, code.to_le_bytes()[0]) {
        (1.., 0) => u8::MAX,
        (_, low) => low,
    }
}

fn trapped(trap: &Trap) -> Box<Diagnostic> {
    match trap {
        Trap::Deadline | Trap::Cpu => Diagnostic::new(Code::GuestStopped, format!("the program was stopped: {trap}"))
            .hint("`--timeout` sets the limit"),
        _ => Diagnostic::new(Code::GuestTrapped, "the program trapped").fact("trap", trap.to_string()),
    }
}

/// The core module to run: a component is linked first, a module of snapshot 0 translated.
fn lowered(input: &io::Input, kind: FileKind, shared: &Shared) -> Result<Vec<u8>> {
    let (module, summary) = super::link::lowered(input, kind)?;
    // Standard error is the program's.
    if let Some(summary) = summary.filter(|_| shared.verbose) {
        shared.note(summary);
    }
    Ok(module)
}

/// What is called to run the program.
fn entry(survey: &Survey) -> Result<&str> {
    let run = Track { interface: "wasi:cli/run".to_owned(), track: Some("0.2".to_owned()) };
    let is_run = |name: &str| name.split_once('#').is_some_and(|(i, f)| f == "run" && Track::of(i).0 == run);
    let wanted =
        [("wasi:cli/run@0.2.x#run", CoreSignature::new([], [Core::I32])), ("_start", CoreSignature::new([], []))];
    for (name, signature) in &wanted {
        let found = survey.exports.iter().find(|(export, _)| export == name || *name != "_start" && is_run(export));
        match found {
            Some((export, Item::Func(Some(found)))) if found == signature => return Ok(export),
            Some((export, item)) => {
                let found = match item {
                    Item::Func(Some(found)) => found.to_string(),
                    item => format!("a {}", item.kind()),
                };
                return Err(Diagnostic::new(Code::NoProgram, format!("`{export}` cannot be called to run a program"))
                    .fact("wanted", signature.to_string())
                    .fact("found", found));
            }
            None => {}
        }
    }
    let exports: Vec<&str> = survey.exports.keys().map(String::as_str).collect();
    let error = Diagnostic::new(Code::NoProgram, "the module is no program")
        .fact("wanted", "wasi:cli/run@0.2.x#run or _start")
        .fact("exports", if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") });
    Err(if exports.iter().any(|export| export.starts_with(crate::serve::HANDLER)) {
        error.hint("this is a handler of HTTP requests: `lowlift serve` serves it")
    } else if exports.iter().any(|export| export.starts_with("wasi:cli/run@0.3")) {
        error.hint("this is a program for WASI 0.3; this host has 0.2")
    } else if exports.contains(&"_initialize") {
        error.hint("this is a reactor, whose exports are called by a host of its own")
    } else {
        error
    })
}

/// The program's name, which is that of its file, and its arguments.
fn arguments(args: &Args) -> Vec<String> {
    let name = args.input.file_name().unwrap_or(args.input.as_os_str());
    std::iter::once(Path::new(name).display().to_string()).chain(args.args.iter().cloned()).collect()
}
