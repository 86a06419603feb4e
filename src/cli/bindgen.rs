//! `lowlift bindgen`: write host code for an engine.

use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::bindgen::{Allocation, Engine, Generated, Language, Options, generate};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::{NameFile, NameMap};
use crate::wit::{Loaded, select_world};
use crate::witx::{self, Derivation, Reading, Scope, Witx};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift bindgen wasi:io@0.2.12 --lang c --engine wamr --out-dir gen
  lowlift bindgen wit -w my-world --lang c --engine wasm3 --alloc arena --out-dir gen
  lowlift bindgen wit --lang c --engine wamr --name-map short --name-map-out names.toml --out-dir gen
  lowlift bindgen witx --lang c --engine none --alloc none --omit-refused --out-dir gen";

/// Write host code for an engine that knows only core WebAssembly: checked stubs, layouts, registration.
///
/// WIT and the WITX that is derived of it give the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A built-in world, interface or package (`wasi:http/proxy@0.2.12`), a WIT, or a folder of derived WITX.
    #[arg(value_name = "INPUT")]
    source: PathBuf,
    /// The world, where the WIT has several.
    #[arg(short, long, value_name = "NAME")]
    world: Option<String>,
    /// Language of the output.
    #[arg(long, value_enum)]
    lang: LanguageArg,
    /// Engine that the host runs.
    #[arg(long, value_enum)]
    engine: EngineArg,
    /// How lists and strings for the guest get their place in its memory.
    #[arg(long, value_enum, default_value_t = AllocationArg::Reentrant)]
    alloc: AllocationArg,
    /// The names that guests were linked with: `short`, `cm32p2`, or a file.
    #[arg(long, value_name = "SCHEME|FILE")]
    name_map: Option<PathBuf>,
    /// Write all names of the host to this file: guests are linked with it, by `lowlift link --name-map`.
    #[arg(long, value_name = "FILE", requires = "name_map")]
    name_map_out: Option<PathBuf>,
    /// What the files are called, and all that belongs to no interface; by default after the package or world.
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,
    /// Generate what can be generated, and list what cannot.
    #[arg(long)]
    omit_refused: bool,
    /// Write the files into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    out_dir: Option<PathBuf>,
    /// Write the output to this file, where it is one file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    wit: WitArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LanguageArg {
    C,
    Rust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineArg {
    Wamr,
    Wasm3,
    WasmCApi,
    Toywasm,
    Wasm2c,
    /// No engine: functions over a view of the memory.
    None,
    Wasmi,
    Wasmtime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AllocationArg {
    /// The host calls the guest's realloc while the guest waits.
    Reentrant,
    /// The host writes into a region that the guest named beforehand.
    Arena,
    /// Functions that need it are refused.
    None,
}

impl From<AllocationArg> for Allocation {
    fn from(arg: AllocationArg) -> Allocation {
        match arg {
            AllocationArg::Reentrant => Allocation::Reentrant,
            AllocationArg::Arena => Allocation::Arena,
            AllocationArg::None => Allocation::None,
        }
    }
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let options = options(args)?;
    let derivation = derivation(args)?;
    let Generated { files, report, names } = generate(&derivation, &options)?;
    match (&args.out_dir, &args.output, files.as_slice()) {
        (Some(dir), ..) => {
            std::fs::create_dir_all(dir).map_err(|e| {
                Diagnostic::new(Code::CannotWrite, format!("cannot be created: {e}"))
                    .in_file(&dir.display().to_string(), "folder")
            })?;
            for (name, text) in &files {
                io::write_file(&dir.join(name), text.as_bytes())?;
            }
        }
        (None, Some(path), [(_, text)]) if path != Path::new("-") => io::write_file(path, text.as_bytes())?,
        (None, _, [(_, text)]) if shared.format == Format::Text => io::print(text.as_bytes())?,
        (None, ..) => {
            return Err(Diagnostic::new(Code::Usage, format!("the output is {}", io::count(files.len(), "file")))
                .hint("name a folder with `--out-dir`")
                .into());
        }
    }
    if let Some(path) = &args.name_map_out {
        match path == Path::new("-") {
            true => io::print(names.as_bytes())?,
            false => io::write_file(path, names.as_bytes())?,
        }
    }
    for omitted in &report.omitted {
        shared.say(&Box::new(omitted.clone()).warning());
    }
    if shared.format == Format::Json {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        io::print(format!("{:#}\n", serde_json::json!({ "files": names, "report": report })).as_bytes())?;
    }
    shared.note(format!(
        "{}: {}, {}, {}; ABI {}",
        report.title,
        io::count(report.stubs, "stub"),
        io::count(report.calls, "call"),
        io::count(report.signatures, "signature"),
        &report.abi_hash[..16],
    ));
    Ok(Outcome::Fine)
}

fn options(args: &Args) -> Result<Options> {
    let names = match &args.name_map {
        None => None,
        Some(scheme) if scheme == Path::new("short") && args.name_map_out.is_none() => {
            return Err(Diagnostic::new(Code::Usage, "nobody would know the short names").hint(
                "`--name-map-out names.toml` writes them; `lowlift link --name-map names.toml` gives them to a guest",
            ));
        }
        Some(scheme) if scheme == Path::new("short") => Some(NameMap::Short),
        Some(scheme) if scheme == Path::new("cm32p2") => Some(NameMap::Cm32p2),
        Some(path) => {
            let input = io::read(Some(path))?;
            let text = String::from_utf8(input.bytes)
                .map_err(|e| Diagnostic::new(Code::NameMapInvalid, "not UTF-8").in_file(&input.name, "").cause(e))?;
            Some(NameMap::File(NameFile::parse(&input.name, &text)?))
        }
    };
    Ok(Options {
        language: match args.lang {
            LanguageArg::C => Language::C,
            LanguageArg::Rust => Language::Rust,
        },
        engine: match args.engine {
            EngineArg::Wamr => Engine::Wamr,
            EngineArg::Wasm3 => Engine::Wasm3,
            EngineArg::WasmCApi => Engine::WasmCApi,
            EngineArg::Toywasm => Engine::Toywasm,
            EngineArg::Wasm2c => Engine::Wasm2c,
            EngineArg::None => Engine::None,
            EngineArg::Wasmi => Engine::Wasmi,
            EngineArg::Wasmtime => Engine::Wasmtime,
        },
        allocation: args.alloc.into(),
        names,
        prefix: args.prefix.clone(),
        omit_refused: args.omit_refused,
    })
}

/// What the input names: a folder of derived WITX, a WIT on disk, or something built in.
fn derivation(args: &Args) -> Result<Derivation> {
    let path = &args.source;
    if let Some(files) = super::wit::witx_files(path)? {
        return match witx::read(&files)? {
            Reading::Derived(derivation) => Ok(*derivation),
            Reading::Plain(_) => Err(Diagnostic::new(Code::BindgenPlain, "this WITX was not derived by lowlift")
                .in_file(&path.display().to_string(), "WITX")
                .hint("`lowlift witx WIT --out-dir witx` derives it from WIT")),
        };
    }
    let name = path.display().to_string();
    if !path.exists()
        && let Some((bare, version)) = Some(name.split_once('@').unwrap_or((&name, "")))
        && let Some((package, item)) = bare.split_once('/').filter(|_| bare.contains(':'))
    {
        let at = if version.is_empty() { "" } else { "@" };
        let loaded = args.wit.load(Path::new(&format!("{package}{at}{version}")))?;
        return part(&loaded, item);
    }
    let loaded = args.wit.load(path)?;
    derive(&loaded, super::witx::scope(&loaded, args.world.as_deref())?)
}

/// A world of a built-in package, or one of its interfaces with the types that it uses.
fn part(loaded: &Loaded, item: &str) -> Result<Derivation> {
    let packages = &loaded.packages;
    let interface = packages.iter().find_map(|&p| loaded.resolve.packages[p].interfaces.get(item));
    let is_world = packages.iter().any(|&p| loaded.resolve.packages[p].worlds.contains_key(item));
    if is_world {
        return derive(loaded, Scope::World(select_world(loaded, Some(item))?));
    }
    let Some(name) = interface.and_then(|&id| loaded.resolve.id_of(id)) else {
        let items = packages.iter().flat_map(|&p| {
            let package = &loaded.resolve.packages[p];
            package.worlds.keys().chain(package.interfaces.keys())
        });
        let items: Vec<&str> = items.map(String::as_str).collect();
        let error = Diagnostic::new(Code::UnknownWorld, format!("there is no world or interface `{item}`"))
            .fact("has", items.join(", "));
        return Err(match crate::diagnostic::nearest(item, items.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        });
    };
    let mut document = derive(loaded, Scope::Packages(packages.clone()))?.document;
    for file in &mut document.files {
        file.modules.retain(|module| module.interface.as_deref() == Some(&name));
    }
    document.files.retain(|file| !file.modules.is_empty());
    retain_used(&mut document, &name);
    document.title = name;
    Derivation::of(document)
}

/// Drops the types that neither the interface defines nor its functions reach. Types stand after those that they use.
fn retain_used(document: &mut witx::Document, interface: &str) {
    let mut used = std::collections::HashSet::new();
    let mut mark = |ty: &Witx| {
        ty.names(&mut |id| {
            used.insert(id.to_owned());
        });
    };
    for (_, func) in document.functions() {
        func.types().for_each(&mut mark);
    }
    for ty in document.types.iter().rev() {
        if ty.owner.as_deref() == Some(interface) || used.contains(&ty.id) {
            used.insert(ty.id.clone());
            ty.types().for_each(|ty| {
                ty.names(&mut |id| {
                    used.insert(id.to_owned());
                });
            });
        }
    }
    document.types.retain(|ty| used.contains(&ty.id));
}

fn derive(loaded: &Loaded, scope: Scope) -> Result<Derivation> {
    let derived = witx::derive(&loaded.resolve, &scope, &witx::Options::default());
    Derivation::of(derived.map_err(|e| loaded.with_text(e))?.document)
}
