//! `lowlift adapt`: wrap a preview1 module into a component.

use super::{Run, Shared, io};
use crate::adapt::{Adapter, FileKind, choose, survey, wrap};
use crate::diagnostic::{Code, Diagnostic};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lowlift adapt app.wasm -o app.component.wasm
  lowlift adapt lib.wasm --adapter reactor -t";

/// Wrap a preview1 module into a component with the official adapter.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A core module, binary or text; standard input if absent or `-`.
    #[arg(value_name = "MODULE")]
    input: Option<PathBuf>,
    /// `command`, `reactor`, `proxy`, or a file; by default chosen by what the module exports.
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<String>,
    #[command(flatten)]
    output: io::Output,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let (input, kind) = io::read_wasm(args.input.as_deref())?;
    if kind == FileKind::Component {
        return Err(Diagnostic::new(Code::AlreadyComponent, "this is a component already")
            .in_file(&input.name, "component")
            .hint(format!("`lowlift link {} -o app.core.wasm`", input.name))
            .into());
    }
    let survey = survey(&input.bytes).map_err(|e| e.in_file(&input.name, "core module"))?;
    let wanted = match &args.adapter {
        None => None,
        Some(name) => Some(match Adapter::named(name) {
            Some(adapter) => adapter,
            None => Adapter::Own(io::read_wasm(Some(name.as_ref()))?.0.bytes),
        }),
    };
    let place = |e: Box<Diagnostic>| e.in_file(&input.name, survey.describe());
    let adapter = choose(&survey, wanted).map_err(place)?;
    let adapted = wrap(&input.bytes, &survey, adapter.as_ref()).map_err(place)?;
    args.output.wasm(&adapted.component)?;
    match &adapter {
        Some(adapter) => shared.note(format!("adapter: {} ({})", adapter.name(), adapter.version())),
        None => shared.note("adapter: none is needed"),
    }
    shared.note(format!("imports: {}", or_nothing(&adapted.imports)));
    shared.note(format!("exports: {}", or_nothing(&adapted.exports)));
    Ok(super::Outcome::Fine)
}

fn or_nothing(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
