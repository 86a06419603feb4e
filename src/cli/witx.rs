//! `lowlift witx`: derive WITX from WIT.

use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::wit::select_world;
use crate::witx::{Counts, PrintOptions, Scope, derive, print, verify};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lowlift witx wasi:http@0.2.12 --out-dir witx --verify
  lowlift witx wit -w my-world
  lowlift witx app.component.wasm --format json --verify";

/// Derive WITX from WIT by the Canonical ABI.
///
/// Every function appears with its core signature, every type with its memory layout. Without --world all interfaces of
/// the package are derived as imports; with it, the world's imports and exports.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A built-in package (`wasi:http@0.2.12`, or `wasi` for all), a WIT file or folder, a WIT package or component.
    #[arg(value_name = "WIT", default_value = "wit")]
    source: PathBuf,
    /// Derive the imports and exports of this world.
    #[arg(short, long, value_name = "NAME")]
    world: Option<String>,
    /// Write `types.witx`, a file per interface and `all.witx` into this folder.
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// Read the result back and compare every signature and layout with independent readers.
    #[arg(long)]
    verify: bool,
    /// Leave the WIT's documentation away.
    #[arg(long)]
    no_docs: bool,
    #[command(flatten)]
    wit: WitArgs,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let loaded = args.wit.load(&args.source)?;
    let has_interfaces = loaded.packages.iter().any(|&p| !loaded.resolve.packages[p].interfaces.is_empty());
    let scope = match (&args.world, loaded.world) {
        (None, None) if has_interfaces => Scope::Packages(loaded.packages.clone()),
        (name, _) => Scope::World(select_world(&loaded, name.as_deref())?),
    };
    let document = derive(&loaded.resolve, &scope)?;
    let files = print(&document, PrintOptions { docs: !args.no_docs });
    let counts = args.verify.then(|| verify(&loaded.resolve, &scope, &document, &files)).transpose()?;
    let functions: usize = document.files.iter().flat_map(|f| &f.modules).map(|m| m.funcs.len()).sum();
    match &args.out_dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|e| {
                Diagnostic::new(Code::CannotWrite, format!("cannot be created: {e}"))
                    .in_file(&dir.display().to_string(), "folder")
            })?;
            for (name, text) in &files {
                io::write_file(&dir.join(name), text.as_bytes())?;
            }
            let summary = format!(
                "{}: {functions} functions, {} types in {} files",
                dir.display(),
                document.types.len(),
                files.len()
            );
            shared.note(summary);
        }
        None if args.verify => {}
        None => io::print(single(&files).as_bytes())?,
    }
    if let Some(counts) = counts {
        report(&document.title, counts, shared)?;
    }
    Ok(Outcome::Fine)
}

/// All files as one document, for standard output: the header once, and no `use`.
fn single(files: &[(String, String)]) -> String {
    let is_header = |line: &&str| line.starts_with(";; ");
    let mut out = String::new();
    for (name, text) in files.iter().filter(|(name, _)| name != "all.witx") {
        if out.is_empty() {
            out.extend(text.lines().take_while(is_header).flat_map(|line| [line, "\n"]));
        }
        let body = text.lines().skip_while(is_header).filter(|line| !line.starts_with("(use "));
        let body: Vec<&str> = body.skip_while(|line| line.is_empty()).collect();
        if !body.is_empty() {
            out.push_str(&format!("\n;; ---- {name}\n{}\n", body.join("\n")));
        }
    }
    out
}

fn report(title: &str, counts: Counts, shared: &Shared) -> Result<(), super::Failure> {
    let text = match shared.format {
        Format::Json => {
            let mut json = serde_json::to_value(counts)
                .map_err(|e| Diagnostic::new(Code::Internal, "counts cannot be written").cause(e))?;
            json["derived"] = title.into();
            format!("{json}\n")
        }
        Format::Text => format!(
            "verified {title}: {} functions, {} intrinsics, {} typenames, {} offsets, {} resources: all equal\n",
            counts.functions, counts.intrinsics, counts.types, counts.offsets, counts.resources
        ),
    };
    io::print(text.as_bytes())
}
