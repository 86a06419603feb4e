//! `lowlift link`: lower a component to one core module.

use super::{Outcome, Run, Shared, io};
use crate::adapt::{FileKind, PREVIEW1, survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::{Handles, Linked, Options, Report, link};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lowlift link app.component.wasm -o app.core.wasm --verify --report app.json
  cat app.component.wasm | lowlift link > app.core.wasm";

/// Lower a component to one core module with canonical imports and exports.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component, binary or text; standard input if absent or `-`.
    #[arg(value_name = "COMPONENT")]
    input: Option<PathBuf>,
    /// Re-wrap the result into a component and compare its world with the original's.
    #[arg(long)]
    verify: bool,
    /// Whether the module checks what the canonical ABI checks around calls: that an instance may leave, that the module is
    /// not entered twice, nor after a trap.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Guards::On)]
    guards: Guards,
    /// Who keeps the handles of exported resources: the host, by imported intrinsics, or the module, in tables of its own.
    #[arg(long, value_name = "WHO", value_enum, default_value_t = Resources::Host)]
    resources: Resources,
    /// Leave the names of functions and the list of producers out of the module.
    #[arg(long)]
    strip: bool,
    /// Put all memories into one, for engines that know no more.
    #[arg(long)]
    single_memory: bool,
    /// Write what the host must provide and what was done, as JSON (`-` for standard output).
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    output: io::Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Guards {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Resources {
    Host,
    Module,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    if args.report.is_some() && args.report == args.output.output {
        return Err(Diagnostic::new(Code::Usage, "the module and the report would be written to the same place").into());
    }
    let (input, kind) = io::read_wasm(args.input.as_deref())?;
    let handles = match args.resources {
        Resources::Host => Handles::Host,
        Resources::Module => Handles::Module,
    };
    let no_guards = args.guards == Guards::Off;
    let options =
        Options { verify: args.verify, strip: args.strip, single_memory: args.single_memory, no_guards, handles };
    let linked = component(&input, kind, options)?;
    if let Some(path) = &args.report {
        let json = serde_json::to_string_pretty(&linked.report)
            .map_err(|e| Diagnostic::new(Code::Internal, "the report cannot be written").cause(e))?;
        let json = format!("{json}\n");
        match path.to_str() {
            Some("-") => io::print(json.as_bytes())?,
            _ => io::write_file(path, json.as_bytes())?,
        }
    }
    args.output.wasm(&linked.wasm)?;
    shared.note(summary(&linked.report));
    if args.strip {
        shared.note("names and producers are left out");
    }
    if linked.report.dropped.debug > 0 {
        shared.note(format!("{} of debug sections are left out", io::size(linked.report.dropped.debug)));
    }
    if args.verify {
        shared.note("verified: it wraps into a component with the same world");
    }
    if linked.report.memories_merged > 0 {
        shared.note(format!("{} memories became one", linked.report.memories_merged));
    }
    if linked.report.initialize {
        shared.note("the host must call `_initialize` once, before any other export");
    }
    Ok(Outcome::Fine)
}

/// Links an input, or says what it is instead.
pub(super) fn component(input: &io::Input, kind: FileKind, options: Options) -> Result<Linked> {
    if kind == FileKind::Module {
        let survey = survey(&input.bytes).map_err(|e| e.in_file(&input.name, "core module"))?;
        let mut error = Diagnostic::new(Code::ModuleGiven, "a component is wanted, and this is a core module");
        if survey.imported_from(PREVIEW1).next().is_some() || survey.has_component_type {
            error = error.hint(format!("`lowlift adapt {} -o app.component.wasm`, then link that", input.name));
        }
        return Err(error.in_file(&input.name, survey.describe()));
    }
    link(&input.bytes, options).map_err(|e| e.in_file(&input.name, "component"))
}

pub(super) fn summary(report: &Report) -> String {
    format!(
        "{} ({}) → one of {}: {}, {}, {} resolved, {}, validates as {}",
        io::count(report.merged.len(), "core module"),
        io::size(report.component_size),
        io::size(report.output_size),
        io::count(report.imports.len(), "import"),
        io::count(report.exports.len(), "export"),
        io::count(report.shims_resolved, "shim"),
        io::count(report.tables as usize, "table"),
        report.floor.name(),
    )
}
