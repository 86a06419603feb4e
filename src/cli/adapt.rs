//! `lowlift adapt`: wrap a preview1 module into a component.

use super::wit::WitArgs;
use super::{Failure, Format, Run, Shared, io};
use crate::adapt::{Adaptation, Adapter, FileKind, Options, Pattern, Report, adapt, survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::wit::{Loaded, select_world};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift adapt app.wasm -o app.component.wasm
  lowlift adapt lib.wasm --adapter reactor -t
  lowlift adapt lib.wasm --wit wit -w my-world -o lib.component.wasm
  lowlift adapt app.wasm --report - -o app.component.wasm
  lowlift adapt app.wasm --deny wasi:sockets --stub wasi:filesystem -o app.component.wasm";

/// Wrap a preview1 module into a component with the official adapter.
///
/// Modules of snapshot 0 (`wasi_unstable`) are translated first. What a module of another world wants (Emscripten, wasm-bindgen,
/// threads, Node-API and others) is said, and what would help.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A core module, binary or text; standard input if absent or `-`.
    #[arg(value_name = "MODULE")]
    input: Option<PathBuf>,
    /// `command`, `reactor`, `proxy`, or a file; by default chosen by what the module exports.
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<String>,
    /// The WIT of a module that carries none: a built-in package, a WIT file or folder, or a binary.
    #[arg(long, value_name = "PATH")]
    wit: Option<PathBuf>,
    /// The world that such a module implements.
    #[arg(short, long, value_name = "NAME", requires = "wit")]
    world: Option<String>,
    /// Refuse if the component would import this interface or package, and say which import pulls it in.
    #[arg(long, value_name = "INTERFACE", value_delimiter = ',')]
    deny: Vec<String>,
    /// Replace this interface or package: calls trap, or are answered as if there were nothing or it were not allowed.
    #[arg(long, value_name = "INTERFACE", value_delimiter = ',')]
    stub: Vec<String>,
    /// Write which import pulled which interface in, and which function of the adapter uses what (`-` for standard output);
    /// as JSON with `--json` or if the name ends in `.json`.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    features: WitArgs,
    #[command(flatten)]
    output: io::Output,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let printed = Path::new("-");
    let output = args.output.output.as_deref().unwrap_or(printed);
    if args.report.as_deref() == Some(output) {
        let text = "the component and the report would be written to the same place";
        return Err(Diagnostic::new(Code::Usage, text).hint("name a file with `-o` or `--report`").into());
    }
    let (input, kind) = io::read_wasm(args.input.as_deref())?;
    if kind == FileKind::Component {
        return Err(Diagnostic::new(Code::AlreadyComponent, "this is a component already")
            .in_file(&input.name, "component")
            .hint(format!("`lowlift link {} -o app.core.wasm`", input.name))
            .into());
    }
    let loaded = args.wit.as_deref().map(|wit| args.features.load(wit)).transpose()?;
    let options = args.options(loaded.as_ref())?;
    let place = |e: Box<Diagnostic>| {
        let what = survey(&input.bytes).map_or_else(|_| "core module".to_owned(), |survey| survey.describe());
        let mut e = e.in_file(&input.name, what);
        e.others.iter_mut().for_each(|other| other.place.clone_from(&e.place));
        e
    };
    let done = adapt(&input.bytes, &options).map_err(place)?;
    args.output.wasm(&done.adapted.component)?;
    write_report(args, &done.report, shared)?;
    told(&done, &options, &input.name, shared);
    Ok(super::Outcome::Fine)
}

impl Args {
    fn options<'w>(&self, loaded: Option<&'w Loaded>) -> Result<Options<'w>> {
        let adapter = match &self.adapter {
            None => None,
            Some(name) => Some(match Adapter::named(name) {
                Some(adapter) => adapter,
                None => Adapter::Own(io::read_wasm(Some(name.as_ref()))?.0.bytes),
            }),
        };
        let world = match loaded {
            None => None,
            Some(loaded) => Some((&loaded.resolve, select_world(loaded, self.world.as_deref())?)),
        };
        let patterns = |names: &[String]| names.iter().map(|name| Pattern::parse(name)).collect::<Result<Vec<_>>>();
        Ok(Options { adapter, world, deny: patterns(&self.deny)?, stub: patterns(&self.stub)? })
    }
}

fn write_report(args: &Args, report: &Report, shared: &Shared) -> Result<(), Failure> {
    let Some(path) = &args.report else { return Ok(()) };
    let as_json = shared.format == Format::Json || path.extension().is_some_and(|e| e == "json");
    let text = if as_json { super::link::json(report)? } else { report.text() };
    if path == Path::new("-") {
        return io::print(text.as_bytes());
    }
    Ok(io::write_file(path, text.as_bytes())?)
}

fn told(done: &Adaptation, options: &Options<'_>, name: &str, shared: &Shared) {
    let (report, adapted) = (&done.report, &done.adapted);
    if !report.renamed.is_empty() || !report.translated.is_empty() {
        shared.note(format!(
            "snapshot 0: {} renamed, {} translated",
            io::count(report.renamed.len(), "function"),
            if report.translated.is_empty() { "none".to_owned() } else { report.translated.join(", ") },
        ));
    }
    match &done.adapter {
        Some(adapter) => shared.note(format!("adapter: {} ({})", adapter.name(), adapter.version())),
        None => shared.note("adapter: none is needed"),
    }
    shared.note(format!("imports: {}", or_nothing(&adapted.imports)));
    shared.note(format!("exports: {}", or_nothing(&adapted.exports)));
    if !options.stub.is_empty() {
        let traps = report.stubbed.iter().filter(|stub| stub.answer == "trap").count();
        let stubbed = report.stubbed.len();
        shared.note(format!(
            "stubbed out: {}: {traps} trap, {} answer",
            io::count(stubbed, "function"),
            stubbed - traps
        ));
    }
    if adapted.exports.is_empty() && !shared.quiet {
        let warning = Diagnostic::new(Code::NothingExported, "the component exports nothing: nobody can call it");
        shared.say(
            &warning
                .warning()
                .hint("`--wit DIR --world NAME` names the world that the module implements")
                .in_file(name, ""),
        );
    }
    if let Some(suspicion) = done.suspicion.as_ref().filter(|_| !shared.quiet) {
        shared.say(&suspicion.warning(name).in_file(name, ""));
    }
}

fn or_nothing(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
