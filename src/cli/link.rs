//! `lowlift link`: lower a component to one core module.

use super::repro::Repro;
use super::{Failure, Format, Outcome, Run, Shared, io};
#[cfg(feature = "serve")]
use crate::adapt::snapshot0;
use crate::adapt::{FileKind, PREVIEW1, SNAPSHOT0, survey};
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use crate::link::{Handles, Linked, NameFile, NameMap, Options, Report, explain, link};
use crate::profile::Profile;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift link app.component.wasm -o app.core.wasm --verify --report app.json
  lowlift link app.component.wasm -o app.core.wasm --target mvp
  lowlift link app.component.wasm -o app.core.wasm --target spacewasm --name-map short --name-map-out names.json
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
    /// Which WASI the module imports: what the component does, or preview1, without the adapter that it holds.
    #[arg(long, value_enum, default_value_t)]
    wasi: Wasi,
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
    /// Lower the result to what an engine takes, or refuse: `mvp`, `lime1`, `wasm2`, `wasm3-spec`, a built-in engine, or a
    /// profile.
    ///
    /// Built-in engines: browser, dlr, node, spacewasm, tinywasm, toywasm, wamr-aot, wamr-interp, wasm3, wasm3-0.4, wasmi,
    /// wasmtime, wazero. A profile is a TOML file, whose name ends in `.toml`.
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub(super) target: Option<String>,
    /// Give imports and exports other names: `short`, `cm32p2`, or as a file says.
    ///
    /// A file is TOML: `[imports]` with `"module field" = "module field"`, `[exports]` with `"name" = "name"`.
    #[arg(long, value_name = "short|cm32p2|FILE.toml")]
    pub(super) name_map: Option<String>,
    /// Write full and new names with their signatures as JSON (`-` for standard output).
    #[arg(long, value_name = "FILE", requires = "name_map")]
    name_map_out: Option<PathBuf>,
    /// Tell phase by phase what was done and why, on standard output, or on standard error where the module goes to standard
    /// output. `--format html` is a page with the graph of instances, `svg` the graph alone, `json` the report with all of it.
    #[arg(long)]
    explain: bool,
    /// Write a folder for a bug report, also if linking fails. It contains the component.
    #[arg(long, value_name = "DIR")]
    save_repro: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: io::Output,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Wasi {
    #[default]
    Keep,
    Preview1,
}

impl From<Wasi> for crate::link::Wasi {
    fn from(wasi: Wasi) -> Self {
        match wasi {
            Wasi::Keep => crate::link::Wasi::Keep,
            Wasi::Preview1 => crate::link::Wasi::Preview1,
        }
    }
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
    let outputs = [
        ("module", args.output.output.as_ref()),
        ("report", args.report.as_ref()),
        ("name map", args.name_map_out.as_ref()),
    ];
    for (i, (what, path)) in outputs.iter().enumerate() {
        if let Some((other, _)) = outputs[..i].iter().find(|(_, other)| path.is_some() && path == other) {
            let text = format!("the {other} and the {what} would be written to the same place");
            return Err(Diagnostic::new(Code::Usage, text).into());
        }
    }
    args.explains(shared.format)?;
    let input = io::read(args.input.as_deref())?;
    let repro = args.save_repro.as_deref().map(|folder| Repro::open(folder, &input, args, shared)).transpose()?;
    let name = input.name.clone();
    let explain = args.explain || repro.is_some();
    let linked = options(args).and_then(|options| {
        let (input, kind) = io::as_wasm(input)?;
        component(&input, kind, Options { explain, ..options })
    });
    let mut linked = match repro {
        Some(repro) => repro.close(linked)?,
        None => linked?,
    };
    if !args.explain {
        linked.report.explain = None;
    }
    if let Some(path) = &args.report {
        write_json(path, &linked.report)?;
    }
    if let (Some(path), Some(names)) = (&args.name_map_out, &linked.report.names) {
        write_json(path, names)?;
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
        shared.note(match args.wasi {
            Wasi::Keep => "verified: it wraps into a component with the same world",
            Wasi::Preview1 => "verified: with the official adapter it wraps into a component of the same kind",
        });
    }
    if matches!(args.wasi, Wasi::Preview1) {
        beside_preview1(&linked.report, shared);
    }
    if let Some(why) = linked.report.boundary {
        shared.note(format!("an instance of the linker's own faces the host: {why}"));
    }
    if let Some(why) = &linked.report.untyped {
        shared.note(format!("the module carries no types, since WIT has no words for its world: {why}"));
    }
    if linked.report.memories_merged > 0 {
        shared.note(format!("{} memories became one", linked.report.memories_merged));
    }
    if !linked.report.lowered.is_empty() {
        let lowered = linked.report.lowered.iter().map(|(feature, count)| format!("{feature} ({count})"));
        shared.note(format_args!("lowered: {}", lowered.collect::<Vec<_>>().join(", ")));
    }
    if let (Some(target), Some(first)) = (&linked.report.target, linked.report.reentry.first()) {
        let count = io::count(linked.report.reentry.len(), "import");
        shared.note(format_args!(
            "`{target}` cannot be called while it waits for the host, and {count} must call `cabi_realloc`: `{first}`{}",
            if linked.report.reentry.len() > 1 { ", …" } else { "" }
        ));
    }
    if linked.report.initialize {
        let names = linked.report.names.iter().flat_map(|names| &names.exports);
        let name = names.filter(|e| e.name == "_initialize").map(|e| e.new_name.as_str()).next();
        let name = name.unwrap_or("_initialize");
        shared.note(format_args!("the host must call `{name}` once, before any other export"));
    }
    Ok(Outcome::Fine)
}

/// What is not preview1 and yet imported.
fn beside_preview1(report: &Report, shared: &Shared) {
    let others = report.imports.iter().filter(|f| f.module != PREVIEW1);
    let others: BTreeSet<String> = others.map(|f| format!("`{}`", f.module)).collect();
    if !others.is_empty() {
        let others: Vec<String> = others.into_iter().collect();
        shared.note(format!("beside preview1 the host must provide {}", others.join(", ")));
    }
}

impl Args {
    /// Refuses arguments of which each alone makes sense.
    fn explains(&self, format: Format) -> Result<()> {
        let usage = |message: &str| Err(Diagnostic::new(Code::Usage, message));
        let printed = [&self.report, &self.name_map_out].into_iter().flatten().any(|path| path == Path::new("-"));
        if self.explain && !self.module_is_printed() && printed {
            return usage("the explanation and the report or name map would be written to the same place");
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

/// JSON as it is written.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Diagnostic::new(Code::Internal, "the report cannot be written").cause(e))?;
    Ok(json + "\n")
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let json = json(value)?;
    match path.to_str() {
        Some("-") => io::print(json.as_bytes()),
        _ => Ok(io::write_file(path, json.as_bytes())?),
    }
}

fn options(args: &Args) -> Result<Options> {
    let target = args.target.as_deref().map(profile).transpose()?;
    let names = args.name_map.as_deref().map(name_map).transpose()?;
    let handles = match args.resources {
        Resources::Host => Handles::Host,
        Resources::Module => Handles::Module,
    };
    Ok(Options {
        verify: args.verify,
        strip: args.strip,
        single_memory: args.single_memory,
        no_guards: args.guards == Guards::Off,
        handles,
        wasi: args.wasi.into(),
        target,
        names,
        explain: args.explain,
    })
}

/// A built-in profile, or one from a file.
pub(super) fn profile(name: &str) -> Result<Profile> {
    if let Some(profile) = Profile::built_in(name) {
        return Ok(profile);
    }
    if Path::new(name).extension().is_some_and(|e| e == "toml") {
        return Profile::parse(name, &text(name)?);
    }
    let error = Diagnostic::new(Code::Usage, format!("there is no target `{name}`"));
    let error = error.fact("targets", Profile::names().collect::<Vec<_>>().join(", "));
    Err(match nearest(name, Profile::names()) {
        Some(near) => error.hint(format!("did you mean `--target {near}`?")),
        None => error.hint("a profile of your own is a file whose name ends in `.toml`"),
    })
}

fn name_map(name: &str) -> Result<NameMap> {
    match name {
        "short" => Ok(NameMap::Short),
        "cm32p2" => Ok(NameMap::Cm32p2),
        path => NameFile::parse(path, &text(path)?).map(NameMap::File),
    }
}

fn text(path: &str) -> Result<String> {
    let input = io::read(Some(Path::new(path)))?;
    String::from_utf8(input.bytes)
        .map_err(|e| Diagnostic::new(Code::CannotRead, format!("not UTF-8: {}", e.utf8_error())).in_file(path, ""))
}

/// Links an input, or says what it is instead.
pub(super) fn component(input: &io::Input, kind: FileKind, options: Options) -> Result<Linked> {
    if kind == FileKind::Module {
        let survey = survey(&input.bytes).map_err(|e| e.in_file(&input.name, "core module"))?;
        let mut error = Diagnostic::new(Code::ModuleGiven, "a component is wanted, and this is a core module");
        let needs_adapter = [PREVIEW1, SNAPSHOT0].into_iter().any(|wasi| survey.imported_from(wasi).next().is_some());
        error = error.hint(if needs_adapter || survey.has_component_type {
            format!("`lowlift adapt {} -o app.component.wasm`, then link that", input.name)
        } else {
            format!(
                "it needs no linking: `lowlift check {} --against HOST` says whether a host has what it wants",
                input.name
            )
        });
        return Err(error.in_file(&input.name, survey.describe()));
    }
    link(&input.bytes, options).map_err(|e| e.in_file(&input.name, "component"))
}

/// The core module that a host runs: a component is linked first, which gives a summary, and a module of snapshot 0 translated.
#[cfg(feature = "serve")]
pub(super) fn lowered(input: &io::Input, kind: FileKind) -> Result<(Vec<u8>, Option<String>)> {
    if kind != FileKind::Module {
        let linked = component(input, kind, Default::default())?;
        let summary = summary(&linked.report);
        return Ok((linked.wasm, Some(summary)));
    }
    let survey = survey(&input.bytes).map_err(|e| e.in_file(&input.name, "core module"))?;
    let translated =
        snapshot0::translate(&input.bytes, &survey).map_err(|e| e.in_file(&input.name, survey.describe()))?;
    Ok((translated.map_or_else(|| input.bytes.clone(), |t| t.wasm), None))
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
