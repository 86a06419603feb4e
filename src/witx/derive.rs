//! From a [`Resolve`] to a [`Document`].

use super::funcs::Shaper;
use super::ids::legal;
use super::model::{Document, File, Func, Module, Stability};
use super::text::docs;
use super::types::{Types, stability};
use crate::abi::{
    Abi, Direction, ImportName, Names, Resolve, ResourceOp, Role, Table, WorldFunction, built_ins, world_functions,
};
use crate::diagnostic::{Code, Diagnostic, Place, Result};
use indexmap::IndexMap;
use semver::Version;
use std::collections::{HashMap, HashSet};
use wit_parser::{Function, InterfaceId, PackageId, Span, Type, TypeId, WorldId, WorldItem, WorldKey};

/// What to derive.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Every interface of these packages, as imports.
    Packages(Vec<PackageId>),
    /// The imports and exports of a world.
    World(WorldId),
}

/// How to derive.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names and forms.
    pub abi: Abi,
    /// Older versions under which interfaces of the same track are listed too, with what they had then.
    pub aliases: Vec<Version>,
}

/// A document, and the WIT behind it.
#[derive(Debug)]
pub struct Derived {
    /// The document.
    pub document: Document,
    /// The WIT type behind each of its types; none for resources, blocks of lists and spilled parameters.
    pub(super) origins: Vec<Option<Type>>,
}

/// More refusals than this are not collected.
const MAX_REFUSALS: usize = 20;

/// Derives WITX. Fails with [`Code::NotExpressible`] where WITX cannot say what the WIT says, and with
/// [`Code::LayoutOverflow`] for types larger than 4 GiB; all such places are named at once. Places
/// carry the path and the range of the WIT, but not its text.
pub fn derive(resolve: &Resolve, scope: &Scope, options: &Options) -> Result<Derived> {
    options.abi.check()?;
    let mut deriver = Deriver {
        resolve,
        options,
        types: Types::new(resolve),
        exported: HashSet::new(),
        owners: HashMap::new(),
        refused: None,
    };
    let (title, files) = match scope {
        Scope::Packages(packages) => deriver.packages(packages)?,
        Scope::World(world) => deriver.world(*world)?,
    };
    if let Some(refused) = deriver.refused {
        return Err(refused);
    }
    let Types { out: types, origins, .. } = deriver.types;
    Ok(Derived { document: Document { title, abi: options.abi, types, files }, origins })
}

/// The functions that `scope` implies, as [`derive()`] lists them, without aliases.
pub(super) fn functions<'r>(table: &mut Table<'r>, scope: &Scope, abi: Abi) -> Result<Vec<WorldFunction<'r>>> {
    match scope {
        Scope::World(world) => world_functions(table, *world, abi),
        Scope::Packages(packages) => {
            let resolve = table.resolve();
            let mut all = Vec::new();
            for &id in packages.iter().flat_map(|&p| resolve.packages[p].interfaces.values()) {
                all.extend(table.interface_imports(id, abi)?);
            }
            all.extend(built_ins(table, abi));
            Ok(all)
        }
    }
}

struct Deriver<'r, 'o> {
    resolve: &'r Resolve,
    options: &'o Options,
    types: Types<'r>,
    /// The interfaces that the world exports.
    exported: HashSet<InterfaceId>,
    /// Whose a core name is: an import module without a field, or an export without a module.
    owners: HashMap<ImportName, Option<InterfaceId>>,
    /// What was refused so far.
    refused: Option<Box<Diagnostic>>,
}

impl<'r> Deriver<'r, '_> {
    fn packages(&mut self, packages: &[PackageId]) -> Result<(String, Vec<File>)> {
        let mut files = Files::default();
        for &package in packages {
            for &id in self.resolve.packages[package].interfaces.values() {
                self.interface_types(id)?;
                let functions = self.types.table.interface_imports(id, self.options.abi);
                let functions = self.kept(functions, self.resolve.interfaces[id].span)?.unwrap_or_default();
                self.modules(Some(id), functions, &mut files)?;
                // An interface of types alone is a module too, for those who look for it.
                let name = self.options.abi.names.module(self.resolve, Some(&WorldKey::Interface(id)), false);
                if self.owns(Some(id), ImportName { module: name.clone(), name: String::new() })? {
                    self.module(Some(id), &name, Direction::Import, &self.file_name(Some(id)), &mut files)?;
                }
            }
        }
        let rest = built_ins(&mut self.types.table, self.options.abi);
        self.modules(None, rest, &mut files)?;
        let names: Vec<String> = packages.iter().map(|&p| self.resolve.packages[p].name.to_string()).collect();
        Ok((names.join(", "), files.finish()))
    }

    fn world(&mut self, id: WorldId) -> Result<(String, Vec<File>)> {
        let world = &self.resolve.worlds[id];
        let exports = world.exports.values().filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        });
        self.exported = exports.collect();
        for item in world.imports.values().chain(world.exports.values()) {
            match item {
                WorldItem::Interface { id, .. } => self.interface_types(*id)?,
                WorldItem::Type { id, .. } => self.wit_type(*id)?,
                WorldItem::Function(function) => self.function_types(function)?,
            }
        }
        let mut files = Files::default();
        let functions = world_functions(&mut self.types.table, id, self.options.abi);
        let functions = self.kept(functions, world.span)?.unwrap_or_default();
        let mut by_interface: IndexMap<Option<InterfaceId>, Vec<WorldFunction<'r>>> = IndexMap::new();
        for function in functions {
            by_interface.entry(function.interface).or_default().push(function);
        }
        for (interface, functions) in by_interface {
            self.modules(interface, functions, &mut files)?;
        }
        let package = world.package.map(|p| self.resolve.id_of_name(p, &world.name));
        Ok((package.unwrap_or_else(|| world.name.clone()), files.finish()))
    }

    fn interface_types(&mut self, id: InterfaceId) -> Result<()> {
        for &ty in self.resolve.interfaces[id].types.values() {
            self.wit_type(ty)?;
        }
        self.resolve.interfaces[id].functions.values().try_for_each(|function| self.function_types(function))
    }

    /// Before any function is derived, so that each one with a type that is refused is named.
    fn function_types(&mut self, function: &Function) -> Result<()> {
        for ty in function.params.iter().map(|p| &p.ty).chain(&function.result) {
            let defined = self.types.in_memory(ty).map(drop).map_err(|e| e.in_item(&function.name));
            self.kept(defined, function.span)?;
        }
        Ok(())
    }

    fn wit_type(&mut self, id: TypeId) -> Result<()> {
        let defined = self.types.defined(id).map(drop);
        self.kept(defined, self.resolve.types[id].span).map(drop)
    }

    /// Keeps a refusal, with its place, so that others are found too; stops when there are many.
    fn kept<T>(&mut self, outcome: Result<T>, span: Span) -> Result<Option<T>> {
        let mut error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        if error.place.is_none()
            && let Some(location) = self.resolve.source_map.resolve_span(span)
        {
            let (path, span) = (location.path.to_owned(), location.range);
            error = error.at(Place::Text { path, source: String::new(), span });
        }
        let refused = match self.refused.take() {
            None => error,
            // A type that is refused is refused again wherever it is used.
            Some(first) if is_known(&first, &error) => first,
            Some(first) => first.and(*error),
        };
        if refused.others.len() + 1 >= MAX_REFUSALS {
            return Err(refused);
        }
        self.refused = Some(refused);
        Ok(None)
    }

    fn file_name(&self, interface: Option<InterfaceId>) -> String {
        format!("{}.witx", interface.map_or("root", |id| self.types.ids.interface(id)))
    }

    /// Whether a core name is free or this interface's already. Under canonical versions, two versions of an interface
    /// have one name, and there is but one module of that name.
    fn owns(&mut self, interface: Option<InterfaceId>, name: ImportName) -> Result<bool> {
        let shown = format!("{}{}", name.module, name.name);
        let owner = *self.owners.entry(name).or_insert(interface);
        if owner == interface {
            return Ok(true);
        }
        let mut of =
            [owner, interface].map(|id| id.map_or_else(|| "the world".to_owned(), |id| self.types.interface_name(id)));
        of.sort();
        let error = Diagnostic::new(Code::NotExpressible, "two interfaces would share a core name")
            .fact("name", shown)
            .fact("of", of.join(", "))
            .hint("legacy names keep versions apart");
        let span = interface.map_or_else(Span::default, |id| self.resolve.interfaces[id].span);
        Ok(self.kept(Err::<(), _>(error), span)?.is_some())
    }

    /// Sorts the functions of one interface, or of the world itself, into modules.
    fn modules(
        &mut self,
        interface: Option<InterfaceId>,
        functions: Vec<WorldFunction<'r>>,
        files: &mut Files,
    ) -> Result<()> {
        for function in functions {
            let span = function.call().map_or_else(Span::default, |(wit, _)| wit.span);
            let mut shaper = Shaper { resolve: self.resolve, types: &mut self.types, exported: &self.exported };
            let func = not_the_memory(&function, self.options.abi.names).and_then(|()| shaper.func(&function));
            let Some(func) = self.kept(func, span)? else { continue };
            let is_intrinsic_of_export = matches!(&function.role, Role::Resource(op, _) if *op != ResourceOp::Drop)
                || function.name.module.starts_with("[export]")
                || function.name.module.starts_with("cm32p2|_ex_");
            let file = match function.direction {
                Direction::Import if !is_intrinsic_of_export => self.file_name(interface),
                _ => EXPORTS.to_owned(),
            };
            for ImportName { module, name } in self.aliases(&function).into_iter().chain([function.name.clone()]) {
                let key = match function.direction {
                    Direction::Import => ImportName { module: module.clone(), name: String::new() },
                    Direction::Export => ImportName { module: String::new(), name: name.clone() },
                };
                if self.owns(interface, key)? {
                    let func = Func { name, ..func.clone() };
                    self.module(interface, &module, function.direction, &file, files)?.funcs.push(func);
                }
            }
        }
        Ok(())
    }

    /// The module of a core import module, or of the exports.
    fn module<'f>(
        &self,
        interface: Option<InterfaceId>,
        core_name: &str,
        direction: Direction,
        file: &str,
        files: &'f mut Files,
    ) -> Result<&'f mut Module> {
        let id = match (direction, core_name.strip_prefix("[export]")) {
            (Direction::Export, _) => "exports".to_owned(),
            // `[export]` has brackets, which no id can hold.
            (Direction::Import, Some(rest)) => format!("export:{rest}"),
            (Direction::Import, None) => core_name.to_owned(),
        };
        legal(&id)?;
        let interface = interface.filter(|_| direction == Direction::Import);
        Ok(files.file(file).entry(id.clone()).or_insert_with(|| Module {
            id,
            core_name: core_name.to_owned(),
            direction,
            interface: interface.map(|id| self.types.interface_name(id)),
            docs: interface.and_then(|id| docs(self.resolve.interfaces[id].docs.contents.as_deref()?)),
            stability: interface.map(|id| stability(&self.resolve.interfaces[id].stability)).unwrap_or_default(),
            funcs: Vec::new(),
        }))
    }

    /// The names of a function under older versions of its interface, where those had it.
    fn aliases(&self, function: &WorldFunction<'r>) -> Vec<ImportName> {
        let Some(id) = function.interface else { return Vec::new() };
        let interface = &self.resolve.interfaces[id];
        let (Some(package), Some(own)) = (interface.package, &interface.name) else { return Vec::new() };
        let package = &self.resolve.packages[package].name;
        let Some(current) = &package.version else { return Vec::new() };
        let track = wit_parser::PackageName::version_compat_track_string;
        let full = format!("{}:{}/{own}@{current}", package.namespace, package.name);
        let had = |version: &Version| {
            [stability(&interface.stability), stability(function.stability(self.resolve))].iter().all(|s| match s {
                Stability { unstable: Some(_), .. } => false,
                Stability { since: Some(since), .. } => Version::parse(since).is_ok_and(|since| since <= *version),
                _ => true,
            })
        };
        let older = |version: &&Version| *version < current && track(version) == track(current) && had(version);
        let versions = self.options.aliases.iter().filter(older);
        versions
            .map(|version| {
                let renamed = full.replace(&format!("@{current}"), &format!("@{version}"));
                ImportName {
                    module: function.name.module.replace(&full, &renamed),
                    name: function.name.name.replace(&full, &renamed),
                }
            })
            // Under another name, or under a canonical version, all versions look the same.
            .filter(|name| *name != function.name)
            .collect()
    }
}

/// Whether `error` was said already, at another place.
fn is_known(said: &Diagnostic, error: &Diagnostic) -> bool {
    let mut all = std::iter::once(said).chain(&said.others);
    all.any(|known| known.message == error.message && known.facts == error.facts)
}

/// Where the exports of a world stand, and their intrinsics.
const EXPORTS: &str = "exports.witx";

/// Files and modules by name, in the order in which they were met; exports last.
#[derive(Default)]
struct Files(IndexMap<String, IndexMap<String, Module>>);

impl Files {
    fn file(&mut self, name: &str) -> &mut IndexMap<String, Module> {
        self.0.entry(name.to_owned()).or_default()
    }

    fn finish(mut self) -> Vec<File> {
        if let Some((name, mut modules)) = self.0.shift_remove_entry(EXPORTS) {
            // The exports themselves before the intrinsics that they are made with.
            if let Some(index) = modules.get_index_of("exports") {
                modules.move_index(index, 0);
            }
            self.0.insert(name, modules);
        }
        let files = self.0.into_iter();
        files.map(|(name, modules)| File { name, modules: modules.into_values().collect() }).collect()
    }
}

/// WITX has the guest's memory among its exports, where a function of the same name cannot be.
fn not_the_memory(function: &WorldFunction<'_>, names: Names) -> Result<()> {
    let name = &function.name.name;
    if function.direction == Direction::Import || name != names.memory() {
        return Ok(());
    }
    let text = format!("`{name}` is the name of the guest's memory, and no function can be exported under it");
    Err(Diagnostic::new(Code::NotExpressible, text).in_item(name).hint("`--names cm32p2` has another name for it"))
}
