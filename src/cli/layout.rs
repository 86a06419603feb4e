//! `lowlift layout`: draw how types lie in memory and how functions are called.

use super::diff::derivation;
use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::layout::{html, sheet, svg, text};
use crate::witx::Options;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift layout wasi:http/types.error-code
  lowlift layout wasi:http types.error-code --format svg -o error-code.svg
  lowlift layout wasi:http response-outparam.set --format html -o set.html
  lowlift layout wit my-interface --format json
  lowlift layout wasi:http/types.request.new@0.3.2 --abi async";

/// Draw how types lie in memory, and how functions are called, by the Canonical ABI.
///
/// Byte ruler, fields, padding, variants by case, discriminants; of functions the flat core signature, with the point at
/// which it spills, and what its pointers point to. `--format svg` and `html` give one self-contained file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A built-in package (`wasi:http`, also with an item: `wasi:http/types.error-code`), a WIT file or folder, a component,
    /// or a folder of derived WITX.
    #[arg(value_name = "WIT")]
    source: PathBuf,
    /// An interface, type or function: `types`, `types.error-code`, `fields.get`. Everything if absent.
    #[arg(value_name = "ITEM")]
    item: Option<String>,
    /// Draw the imports and exports of this world.
    #[arg(short, long, value_name = "NAME")]
    world: Option<String>,
    /// Where to write the result; standard output if absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    abi: super::witx::AbiArgs,
    #[command(flatten)]
    wit: WitArgs,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let (source, item) = split(args)?;
    let Options { abi, aliases } = args.abi.options()?;
    let derivation = derivation(&source, args.world.as_deref(), &args.wit, &Options { abi, aliases })?;
    let sheet = sheet(&derivation, item.as_deref())?;
    let drawn = match shared.format {
        Format::Svg => svg(&sheet),
        Format::Html => html(&sheet),
        Format::Json => {
            let json = serde_json::to_string_pretty(&sheet);
            json.map_err(|e| Diagnostic::new(Code::Internal, "the layout cannot be written").cause(e))? + "\n"
        }
        _ => text(&sheet),
    };
    match &args.output {
        Some(path) if path != Path::new("-") => io::write_file(path, drawn.as_bytes())?,
        _ => io::print(drawn.as_bytes())?,
    }
    Ok(Outcome::Fine)
}

/// `wasi:http/types.error-code@0.2.12` is a package and an item in one.
fn split(args: &Args) -> Result<(PathBuf, Option<String>)> {
    let name = args.source.to_string_lossy();
    let is_path = args.source.exists() || !name.contains(':');
    let (bare, version) = match name.split_once('@') {
        Some((bare, version)) => (bare, format!("@{version}")),
        None => (&*name, String::new()),
    };
    match (is_path, bare.split_once('/'), &args.item) {
        (false, Some((package, item)), None) => Ok((format!("{package}{version}").into(), Some(item.to_owned()))),
        (false, Some(_), Some(_)) => Err(Diagnostic::new(Code::Usage, "two items are named")
            .hint("write `wasi:http/types.error-code`, or `wasi:http types.error-code`")),
        _ => Ok((args.source.clone(), args.item.clone())),
    }
}
