//! Modules of the output: a type or function of an interface stands where its WIT says, as in `wasi::http::types`.

use super::names::{Namer, snake};
use crate::abi::Direction;
use crate::witx::{Document, Module};
use indexmap::IndexMap;
use std::collections::{BTreeSet, HashMap};

/// A module of the output, by its path; the root's is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Names of modules, the outermost first.
    pub(super) path: Vec<String>,
}

impl Place {
    /// The path to the root, from within.
    fn root(&self) -> String {
        "super::".repeat(self.path.len())
    }

    /// Whether other modules stand in this one.
    pub(super) fn has_modules(&self) -> bool {
        self.path == [EXPORTS]
    }

    /// The path from here to something at the root.
    pub(super) fn root_path(&self, name: &str) -> String {
        format!("{}{name}", self.root())
    }

    /// The path from here to something in another place.
    pub(super) fn to(&self, other: &Place, name: &str) -> String {
        if self == other {
            return name.to_owned();
        }
        let path: String = other.path.iter().flat_map(|part| [part.as_str(), "::"]).collect();
        format!("{}{path}{name}", self.root())
    }
}

/// All places of a document.
#[derive(Debug)]
pub(super) struct Places {
    by_key: HashMap<String, Place>,
    /// Interfaces without a name of their own: what types call the owner, and the core module.
    inline: HashMap<String, String>,
    title: String,
}

/// Core modules of a world's own functions.
const ROOTS: [&str; 2] = ["$root", "cm32p2"];

/// What generated code uses at the root.
const ROOT_NAMES: [&str; 9] =
    ["abi", "add_to_linker", "alloc", "core", "exports", "initialize", "std", "wasmi", "wasmtime"];

/// The module of what belongs to no interface.
const WORLD: &str = "world";

impl Places {
    pub(super) fn of(document: &Document) -> Places {
        let mut inline = HashMap::new();
        for file in &document.files {
            for module in file.modules.iter().filter(|m| m.direction == Direction::Import && m.interface.is_none()) {
                if !ROOTS.contains(&module.core_name.as_str()) && exported(&module.core_name).is_none() {
                    inline.insert(file.name.trim_end_matches(".witx").to_owned(), module.core_name.clone());
                }
            }
        }
        let mut places = Places { by_key: HashMap::new(), inline, title: document.title.clone() };
        let mut keys = indexmap::IndexSet::new();
        for owner in document.types.iter().filter_map(|ty| ty.owner.as_deref()) {
            keys.insert(places.owner_key(owner));
        }
        for (module, func) in document.functions() {
            keys.insert(places.module_key(module, &func.name));
        }
        keys.extend(document.modules().filter(|m| m.direction == Direction::Import).map(|m| places.module_key(m, "")));
        places.name(keys.into_iter().collect());
        places
    }

    /// Names the modules: packages of several versions have the version in their names.
    fn name(&mut self, keys: Vec<String>) {
        let mut versions: HashMap<String, BTreeSet<Option<String>>> = HashMap::new();
        for key in &keys {
            let (parts, version) = split(key);
            versions.entry(parts[..parts.len().saturating_sub(1)].join("/")).or_default().insert(version);
        }
        let mut namers: HashMap<Vec<String>, (Namer, IndexMap<String, String>)> = HashMap::new();
        for key in keys {
            let (mut parts, version) = split(&key);
            let package = parts[..parts.len().saturating_sub(1)].join("/");
            if let (true, Some(version), [.., package, _]) =
                (versions[&package].len() > 1, version, parts.as_mut_slice())
            {
                package.push_str(&format!("-{version}"));
            }
            let mut path: Vec<String> = Vec::new();
            for part in parts {
                let (namer, known) = namers.entry(path.clone()).or_insert_with(|| {
                    let taken = if path.is_empty() { &ROOT_NAMES[..] } else { &["abi", "add_to_linker", "initialize"] };
                    (Namer::of(taken.iter().copied()), IndexMap::new())
                });
                // What is exported stands in a module that only it has.
                let name = match known.get(&part) {
                    Some(name) => name.clone(),
                    None if part == EXPORTS => EXPORTS.to_owned(),
                    None => namer.pick(snake(&part)),
                };
                known.insert(part, name.clone());
                path.push(name);
            }
            self.by_key.insert(key, Place { path });
        }
    }

    fn owner_key(&self, owner: &str) -> String {
        if owner == self.title {
            return WORLD.to_owned();
        }
        self.inline.get(owner).map_or(owner, String::as_str).to_owned()
    }

    fn module_key(&self, module: &Module, func: &str) -> String {
        match (module.direction, exported(&module.core_name)) {
            (Direction::Export, _) => {
                let func = func.strip_prefix("cabi_post_").unwrap_or(func);
                let owner = match func.split_once('#').or_else(|| func.strip_prefix("cm32p2|")?.rsplit_once('|')) {
                    Some((owner, _)) => owner,
                    None => "",
                };
                format!("{EXPORTS}!{owner}")
            }
            (_, Some(rest)) => format!("{EXPORTS}!{rest}"),
            (_, None) if ROOTS.contains(&module.core_name.as_str()) => WORLD.to_owned(),
            _ => module.interface.clone().unwrap_or_else(|| module.core_name.clone()),
        }
    }

    /// Where a type with an owner stands.
    pub(super) fn owner(&self, owner: &str) -> Place {
        self.by_key.get(&self.owner_key(owner)).cloned().unwrap_or_default()
    }

    /// Where a function stands.
    pub(super) fn function(&self, module: &Module, func: &str) -> Place {
        self.by_key.get(&self.module_key(module, func)).cloned().unwrap_or_default()
    }
}

/// The module of what a guest exports.
const EXPORTS: &str = "exports";

/// What an import module of intrinsics of exports is for.
fn exported(core_name: &str) -> Option<&str> {
    core_name.strip_prefix("[export]").or_else(|| core_name.strip_prefix("cm32p2|_ex_"))
}

/// The parts of a key and its version: `exports!wasi:http/types@0.2.12`.
fn split(key: &str) -> (Vec<String>, Option<String>) {
    let (side, name) = match key.split_once('!') {
        Some((side, name)) => (Some(side.to_owned()), name),
        None => (None, key),
    };
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (name, None),
    };
    let parts = name.split([':', '/']).filter(|part| !part.is_empty()).map(str::to_owned);
    (side.into_iter().chain(parts).collect(), version)
}
