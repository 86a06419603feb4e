//! `lowlift witx`: derive WITX from WIT.

use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::abi::{Abi, Forms, Names};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::wit::{Loaded, select_world};
use crate::witx::{
    Counts, Document, Options, Rebuilt, Scope, derive, json, markdown, print, print_plain, single, verify,
    verify_wiggle, wiggle,
};
use clap::ValueEnum;
use semver::Version;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift witx wasi:http@0.2.12 --out-dir witx --verify
  lowlift witx wasi@0.3.2 --abi async --out-dir witx
  lowlift witx wit -w my-world --names cm32p2
  lowlift witx wasi:io --alias-versions 0.2.0..0.2.12
  lowlift witx app.component.wasm --format json
  lowlift witx wasi:http --format markdown -q > http.md
  lowlift witx wasi:http --profile wiggle --out-dir witx";

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
    /// Write `types.witx`, a file per interface and `all.witx` into this folder; or `abi.json`, `abi.md`.
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// Read the result back and compare every name, signature and layout with independent readers.
    #[arg(long)]
    verify: bool,
    /// Which readers the WITX is for.
    #[arg(long, value_enum, default_value_t = Profile::Core)]
    profile: Profile,
    /// Leave the WIT's documentation away.
    #[arg(long)]
    no_docs: bool,
    #[command(flatten)]
    abi: AbiArgs,
    #[command(flatten)]
    wit: WitArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// All of WITX 0.9: every function, and types as near to the WIT as can be.
    Core,
    /// What the `wiggle` crate compiles; functions that it cannot compile are omitted.
    Wiggle,
}

/// How core names and signatures are formed.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AbiArgs {
    /// Forms of asynchronous functions: synchronous, asynchronous, or all that a guest may choose from.
    #[arg(long, value_enum, default_value_t = FormsArg::Sync)]
    abi: FormsArg,
    /// Scheme of core names: what toolchains emit today, or those of build targets.
    #[arg(long, value_enum, default_value_t = NamesArg::Legacy)]
    names: NamesArg,
    /// Name interfaces by their compatibility track: `wasi:io/poll@0.2` for `@0.2.12`.
    #[arg(long)]
    canonical_versions: bool,
    /// List interfaces under older versions too, with what they had then: `0.2.0..0.2.11` (both included), or a list.
    #[arg(long, value_name = "A..B", value_delimiter = ',')]
    alias_versions: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormsArg {
    Sync,
    Async,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NamesArg {
    Legacy,
    Cm32p2,
}

impl AbiArgs {
    pub(super) fn options(&self) -> Result<Options> {
        let names = match (self.names, self.canonical_versions) {
            (NamesArg::Cm32p2, _) => Names::Cm32p2,
            (NamesArg::Legacy, true) => Names::Canonical,
            (NamesArg::Legacy, false) => Names::Legacy,
        };
        if names != Names::Legacy && !self.alias_versions.is_empty() {
            return Err(Diagnostic::new(Code::Usage, "canonical names have no versions to alias")
                .hint("leave `--alias-versions` away: `@0.2` stands for all of them"));
        }
        let forms = match self.abi {
            FormsArg::Sync => Forms::Sync,
            FormsArg::Async => Forms::Async,
            FormsArg::All => Forms::All,
        };
        let mut aliases = Vec::new();
        for text in &self.alias_versions {
            aliases.extend(versions(text)?);
        }
        aliases.sort();
        aliases.dedup();
        Ok(Options { abi: Abi { names, forms }, aliases })
    }
}

/// More versions than this are a mistake.
const MAX_VERSIONS: u64 = 1000;

/// `0.2.3`, or `0.2.0..0.2.12` with both ends.
fn versions(text: &str) -> Result<Vec<Version>> {
    let parse = |text: &str| {
        Version::parse(text).map_err(|e| Diagnostic::new(Code::Usage, format!("`{text}` is no version: {e}")))
    };
    let Some((from, to)) = text.split_once("..") else { return Ok(vec![parse(text)?]) };
    let (from, to) = (parse(from)?, parse(to.strip_prefix('=').unwrap_or(to))?);
    let same = (from.major, from.minor) == (to.major, to.minor) && from.pre.is_empty() && to.pre.is_empty();
    if !same || from > to || to.patch - from.patch >= MAX_VERSIONS {
        return Err(Diagnostic::new(Code::Usage, format!("`{text}` is no range of patch versions"))
            .hint("a range runs over one minor version, such as `0.2.0..0.2.12`; others are listed with commas"));
    }
    Ok((from.patch..=to.patch).map(|patch| Version::new(from.major, from.minor, patch)).collect())
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let format = shared.format;
    let loaded = args.wit.load(&args.source)?;
    let scope = scope(&loaded, args.world.as_deref())?;
    let options = args.abi.options()?;
    let mut derived = derive(&loaded.resolve, &scope, &options).map_err(|e| loaded.with_text(e))?;
    if args.no_docs {
        derived.document = derived.document.without_docs();
    }
    let document = &derived.document;
    let printed = print(document);
    let counts = match args.verify {
        true => Some(verify(&loaded.resolve, &scope, &derived, &printed)?),
        false => None,
    };
    let printed = match args.profile {
        Profile::Core => printed,
        Profile::Wiggle if format == Format::Text => wiggled(document, args.verify, shared)?,
        Profile::Wiggle => {
            return Err(Diagnostic::new(Code::Usage, "the profile `wiggle` is WITX, and has no other form").into());
        }
    };
    let files = match format {
        Format::Json => vec![("abi.json".to_owned(), model_json(document, counts)?)],
        Format::Markdown => vec![("abi.md".to_owned(), markdown(document, &Rebuilt::of(document)?))],
        _ => printed,
    };
    match &args.out_dir {
        Some(dir) => write(dir, document, &files, shared)?,
        None if args.verify && format == Format::Text => {}
        None if format == Format::Text => io::print(single(&files).as_bytes())?,
        None => io::print(files.iter().map(|(_, text)| text.as_str()).collect::<String>().as_bytes())?,
    }
    if let (Some(counts), true) = (counts, format == Format::Text) {
        io::print(report(&document.title, counts).as_bytes())?;
    }
    // The process ends here; giving back a large document piece by piece would take a tenth of the time.
    std::mem::forget((loaded, derived));
    Ok(Outcome::Fine)
}

/// What to derive: the world that is named, else all interfaces, else the only world.
pub(super) fn scope(loaded: &Loaded, world: Option<&str>) -> Result<Scope> {
    let has_interfaces = loaded.packages.iter().any(|&p| !loaded.resolve.packages[p].interfaces.is_empty());
    Ok(match (world, loaded.world) {
        (None, None) if has_interfaces => Scope::Packages(loaded.packages.clone()),
        (name, _) => Scope::World(select_world(loaded, name)?),
    })
}

/// The files of the profile `wiggle`. What it lacks is said on standard error: a number, or each name with `--verbose`.
fn wiggled(document: &Document, verify: bool, shared: &Shared) -> Result<Vec<(String, String)>> {
    let wiggle = wiggle(document);
    if verify {
        verify_wiggle(document, &wiggle)?;
    }
    if !wiggle.omitted.is_empty() {
        let more = if shared.verbose { ":" } else { "; `-v` names them" };
        shared.note(format!("{} omitted{more}", io::count(wiggle.omitted.len(), "function")));
    }
    for omitted in wiggle.omitted.iter().filter(|_| shared.verbose) {
        shared.note(format!("  {}#{}: {}", omitted.module, omitted.function, omitted.reason));
    }
    Ok(print_plain(&wiggle.document))
}

fn model_json(document: &Document, counts: Option<Counts>) -> Result<String> {
    let mut model = json(document, &Rebuilt::of(document)?);
    model.verified = counts;
    let text = serde_json::to_string_pretty(&model)
        .map_err(|e| Diagnostic::new(Code::Internal, "the model cannot be written").cause(e))?;
    Ok(text + "\n")
}

fn write(dir: &Path, document: &Document, files: &[(String, String)], shared: &Shared) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| {
        Diagnostic::new(Code::CannotWrite, format!("cannot be created: {e}"))
            .in_file(&dir.display().to_string(), "folder")
    })?;
    for (name, text) in files {
        io::write_file(&dir.join(name), text.as_bytes())?;
    }
    shared.note(format!(
        "{}: {}, {} in {}",
        dir.display(),
        io::count(document.functions().count(), "function"),
        io::count(document.types.len(), "type"),
        io::count(files.len(), "file"),
    ));
    Ok(())
}

fn report(title: &str, counts: Counts) -> String {
    let Counts { functions, intrinsics, aliases, types, offsets, resources, names } = counts;
    let aliases = if aliases == 0 { String::new() } else { format!("{aliases} under older versions, ") };
    format!(
        "verified {title}: {functions} functions, {intrinsics} intrinsics, {aliases}{types} typenames, {offsets} offsets, \
         {resources} resources, {names} names: all equal\n",
    )
}
