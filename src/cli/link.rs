//! `lowlift link`: lower a component to one core module.

use super::repro::Repro;
use super::{Failure, Format, Outcome, Run, Shared, io};
use crate::adapt::{FileKind, PREVIEW1, survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::{Handles, Linked, Options, Report, explain, link};
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift link app.component.wasm -o app.core.wasm --verify --report app.json
  lowlift link app.component.wasm -o app.core.wasm --explain
  lowlift link app.component.wasm -o app.core.wasm --explain --format html > app.html
  lowlift link app.component.wasm -o app.core.wasm --save-repro bug
  cat app.component.wasm | lowlift link > app.core.wasm";

/// Lower a component to one core module with canonical imports and exports.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component, binary or text; standard input if absent or `-`.
    #[arg(value_name = "COMPONENT")]
    pub(super) input: Option<PathBuf>,
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
    pub(super) report: Option<PathBuf>,
    /// Tell phase by phase what was done and why, on standard output, or on standard error where the module goes to standard
    /// output. `--format html` is a page with the graph of instances, `svg` the graph alone, `json` the report with all of it.
    #[arg(long)]
    explain: bool,
    /// Write a folder for a bug report, also if linking fails. It contains the component.
    #[arg(long, value_name = "DIR")]
    pub(super) save_repro: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: io::Output,
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
    args.fit(shared.format)?;
    let input = io::read(args.input.as_deref())?;
    let repro = args.save_repro.as_deref().map(|folder| Repro::open(folder, &input, args, shared)).transpose()?;
    let options = Options { explain: args.explain || repro.is_some(), ..args.options() };
    let name = input.name.clone();
    let linked = io::as_wasm(input).and_then(|(input, kind)| component(&input, kind, options));
    let mut linked = match repro {
        Some(repro) => repro.close(linked)?,
        None => linked?,
    };
    if !args.explain {
        linked.report.explain = None;
    }
    if let Some(path) = &args.report {
        let json = json(&linked.report)?;
        match path.to_str() {
            Some("-") => io::print(json.as_bytes())?,
            _ => io::write_file(path, json.as_bytes())?,
        }
    }
    args.output.wasm(&linked.wasm)?;
    args.explain(&linked.report, &name, shared.format)?;
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

impl Args {
    fn options(&self) -> Options {
        let handles = match self.resources {
            Resources::Host => Handles::Host,
            Resources::Module => Handles::Module,
        };
        Options {
            verify: self.verify,
            strip: self.strip,
            single_memory: self.single_memory,
            no_guards: self.guards == Guards::Off,
            handles,
            explain: self.explain,
        }
    }

    /// Refuses arguments of which each alone makes sense.
    fn fit(&self, format: Format) -> Result<()> {
        let usage = |message: &str| Err(Diagnostic::new(Code::Usage, message));
        if self.report.is_some() && self.report == self.output.output {
            return usage("the module and the report would be written to the same place");
        }
        if self.explain && !self.module_is_printed() && self.report.as_deref() == Some(Path::new("-")) {
            return usage("the explanation and the report would be written to the same place");
        }
        if !self.explain && matches!(format, Format::Html | Format::Svg) {
            return usage("only an explanation has this form: add `--explain`");
        }
        Ok(())
    }

    fn module_is_printed(&self) -> bool {
        self.output.output.as_deref().is_none_or(|path| path == Path::new("-"))
    }

    /// Prints the explanation, if it was asked for.
    fn explain(&self, report: &Report, name: &str, format: Format) -> Result<(), Failure> {
        let Some(told) = &report.explain else { return Ok(()) };
        // The folder says nothing about the component.
        let title = Path::new(name).file_name().map_or_else(|| name.into(), |name| name.to_string_lossy());
        let text = match format {
            Format::Html => explain::html(told, &title),
            Format::Svg => explain::svg(told, &title),
            Format::Json => json(report)?,
            _ => explain::text(told),
        };
        if self.module_is_printed() {
            // Nothing is left to do when standard error is closed.
            let _ = std::io::stderr().write_all(text.as_bytes());
            return Ok(());
        }
        io::print(text.as_bytes())
    }
}

/// The report as it is written.
pub(super) fn json(report: &Report) -> Result<String> {
    let json = serde_json::to_string_pretty(report)
        .map_err(|e| Diagnostic::new(Code::Internal, "the report cannot be written").cause(e))?;
    Ok(json + "\n")
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
