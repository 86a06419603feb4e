//! The functions of WASI 0.2 with their canonical form, by interface track: any 0.2.x version finds them.

use super::{RawRun, Run, cli, clocks, denied, files, http, io, preview1, random, terminals};
use crate::abi::{Abi, CoreSignature, ImportName, Needs, Signature, Table, Track};
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use crate::wit::{Gates, Loaded, built_in};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The release before preview1, which this host does not provide.
const SNAPSHOT_ZERO: &str = "wasi_unstable";

/// A WASI function as the host knows it.
#[derive(Debug)]
pub struct Function {
    /// Its core signature.
    pub core: CoreSignature,
    /// How arguments come and results go, and the implementation.
    pub form: Form,
    /// What it needs of the guest.
    pub needs: Needs,
    /// Whether it may wait. One that says no and waits all the same traps.
    pub blocks: bool,
    /// The newest version that the host knows.
    pub version: semver::Version,
}

/// How a function takes its arguments.
#[derive(Debug)]
pub enum Form {
    /// Lifted and lowered by the Canonical ABI.
    Canonical(Signature, Run),
    /// `[resource-drop]…`, which takes one handle.
    Drop(Run),
    /// From its slots and the guest's memory.
    Raw(RawRun),
}

/// All functions, and the layouts of their types.
#[derive(Debug)]
pub struct Wasi {
    /// Layouts.
    pub table: Table<'static>,
    functions: HashMap<(Track, String), Function>,
}

/// Leaked once per process, so that tables can borrow it.
static WIT: LazyLock<std::result::Result<Loaded, Box<Diagnostic>>> =
    LazyLock::new(|| built_in("wasi", &Gates::default()));

static WASI: LazyLock<std::result::Result<Wasi, Box<Diagnostic>>> = LazyLock::new(build);

/// The table of all WASI functions.
pub fn wasi() -> Result<&'static Wasi> {
    WASI.as_ref().map_err(Clone::clone)
}

fn build() -> Result<Wasi> {
    let loaded = WIT.as_ref().map_err(Clone::clone)?;
    let mut table = Table::new(&loaded.resolve);
    let mut functions = HashMap::new();
    for &package in &loaded.packages {
        for &id in loaded.resolve.packages[package].interfaces.values() {
            for function in table.interface_imports(id, Abi::default())? {
                let (track, version) = Track::of(&function.name.module);
                // An interface that only guests provide has no implementation here.
                let Some(run) = implementation(&track.interface, &function.name.name) else { continue };
                let name = &function.name.name;
                let blocks = track.interface.starts_with("wasi:io/") && io::blocks(name)
                    || files::blocks(&track.interface, name);
                let version = version.unwrap_or(semver::Version::new(0, 0, 0));
                let form = match function.call() {
                    Some((_, signature)) => Form::Canonical(signature.clone(), run),
                    None => Form::Drop(run),
                };
                let (core, needs) = (function.core, function.needs);
                let entry = Function { core, form, needs, blocks, version };
                functions.insert((track, function.name.name), entry);
            }
        }
    }
    for function in preview1::FUNCTIONS {
        let entry = Function {
            core: function.signature(),
            form: Form::Raw(function.run),
            needs: Needs { memory: true, realloc: false },
            blocks: function.blocks,
            version: semver::Version::new(0, 0, 0),
        };
        functions.insert((Track::of(preview1::MODULE).0, function.name.to_owned()), entry);
    }
    Ok(Wasi { table, functions })
}

fn implementation(interface: &str, name: &str) -> Option<Run> {
    io::function(interface, name)
        .or_else(|| clocks::function(interface, name))
        .or_else(|| random::function(interface, name))
        .or_else(|| cli::function(interface, name))
        .or_else(|| terminals::function(interface, name))
        .or_else(|| files::function(interface, name))
        .or_else(|| http::function(interface, name))
        .or_else(|| denied::function(interface, name))
}

impl Wasi {
    /// All functions with the names that they are imported by, in order.
    pub fn functions(&self) -> Vec<(ImportName, &Function)> {
        let mut all = Vec::with_capacity(self.functions.len());
        for ((track, name), function) in &self.functions {
            let module = match track.track {
                Some(_) => format!("{}@{}", track.interface, function.version),
                None => track.interface.clone(),
            };
            all.push((ImportName { module, name: name.clone() }, function));
        }
        all.sort_by(|(a, _), (b, _)| (&a.module, &a.name).cmp(&(&b.module, &b.name)));
        all
    }

    /// The function that satisfies an import, or why none does. Any version of the track is found.
    pub fn find(&self, name: &ImportName, core: Option<&CoreSignature>) -> Result<&Function> {
        let (track, _) = Track::of(&name.module);
        let Some(function) = self.functions.get(&(track.clone(), name.name.clone())) else {
            return Err(self.unresolved(name, &track));
        };
        if core != Some(&function.core) {
            let found = core.map_or_else(|| "a type that no canonical function has".to_owned(), ToString::to_string);
            return Err(Diagnostic::new(Code::SignatureMismatch, format!("`{name}` has another signature"))
                .fact("wanted", function.core.to_string())
                .fact("found", found));
        }
        Ok(function)
    }

    fn unresolved(&self, name: &ImportName, track: &Track) -> Box<Diagnostic> {
        let error = Diagnostic::new(Code::Unresolved, format!("`{name}` is not provided"));
        if name.module == SNAPSHOT_ZERO {
            return error.hint("`wasi_unstable` is the release before preview1: rebuild for `wasi_snapshot_preview1`");
        }
        let of_interface = self.functions.keys().filter(|(t, _)| t == track).map(|(_, f)| f.as_str());
        if let Some(near) = nearest(&name.name, of_interface) {
            return error.hint(format!("the nearest function of that interface is `{near}`"));
        }
        let other = self.functions.iter().find(|((t, _), _)| t.interface == track.interface);
        match other {
            // Preview1 has no versions.
            Some((other, function)) if other.0.track.is_some() => {
                error.hint(format!("this host has version {} of it", function.version))
            }
            _ => error,
        }
    }
}
