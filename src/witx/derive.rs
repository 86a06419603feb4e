//! From a [`Resolve`] to a [`Document`].

use super::ids::legal;
use super::model::{Document, File, Func, FuncRole, Module, Param, Stability, WitParam, Witx};
use super::text::{docs, function_text};
use super::types::{Types, stability};
use crate::abi::{
    Abi, Core, Direction, ImportName, Kind, Lowering, Resolve, ResourceOp, Role, Signature, Table, WorldFunction,
    built_ins, world_functions,
};
use crate::diagnostic::{Code, Diagnostic, Place, Result};
use indexmap::IndexMap;
use semver::Version;
use std::collections::{HashMap, HashSet};
use wit_parser::{
    Function, InterfaceId, PackageId, Span, Type, TypeDefKind, TypeId, TypeOwner, WorldId, WorldItem, WorldKey,
};

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
        refused: Vec::new(),
    };
    let (title, files) = match scope {
        Scope::Packages(packages) => deriver.packages(packages)?,
        Scope::World(world) => deriver.world(*world)?,
    };
    let mut refused = deriver.refused.into_iter();
    if let Some(first) = refused.next() {
        return Err(refused.fold(Box::new(first), |all, next| all.and(next)));
    }
    let Types { out: types, origins, .. } = deriver.types;
    Ok(Derived { document: Document { title, abi: options.abi, types, files }, origins })
}

/// The functions that `scope` implies, as [`derive`] lists them, without aliases.
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
    refused: Vec<Diagnostic>,
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
                WorldItem::Function(_) => {}
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
        // A type that is refused is refused again wherever it is used.
        if !self.refused.iter().any(|known| known.message == error.message && known.facts == error.facts) {
            self.refused.push(*error);
        }
        if self.refused.len() < MAX_REFUSALS {
            return Ok(None);
        }
        let mut refused = std::mem::take(&mut self.refused).into_iter();
        Err(refused.next().map_or_else(
            || Diagnostic::new(Code::Internal, "no refusal"),
            |first| refused.fold(Box::new(first), |all, next| all.and(next)),
        ))
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
            let func = self.func(&function);
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

    fn func(&mut self, function: &WorldFunction<'r>) -> Result<Func> {
        let mut slots = Slots::default();
        let role = match &function.role {
            Role::Call { function: wit, signature, lowering } => {
                self.call(wit, signature, *lowering, function, &mut slots)?
            }
            Role::TaskReturn { function: wit, signature } => {
                let result = wit.result.as_ref().map(|ty| self.types.in_memory(ty)).transpose()?;
                match (&wit.result, &result) {
                    (Some(_), Some(area)) if signature.params_spilled => {
                        slots.param("ret.ptr", Witx::ConstPointer(area.clone().into()));
                    }
                    (Some(ty), _) => drop(self.flat("ret", ty, false, &mut slots)?),
                    _ => {}
                }
                FuncRole::TaskReturn { result }
            }
            Role::PostReturn(_) => {
                slots.params.extend(function.core.params.iter().map(|&core| param("ret", scalar(core))));
                FuncRole::PostReturn
            }
            Role::Callback(_) => {
                slots.words(&["event", "index", "payload"]);
                slots.result("status", Core::I32);
                FuncRole::Callback
            }
            Role::Resource(op, ty) => {
                let resource = self.types.defined(*ty)?;
                let handle = matches!(op, ResourceOp::Drop | ResourceOp::Rep);
                slots.param("self", if handle { resource.clone() } else { Witx::Builtin("u32") });
                match op {
                    ResourceOp::New => slots.result = Some(param("ret", resource.clone())),
                    ResourceOp::Rep => slots.result("ret", Core::I32),
                    ResourceOp::Drop | ResourceOp::Dtor => {}
                }
                FuncRole::Resource(*op, resource)
            }
            Role::Channel { op, ty } => self.channel(op, *ty, &function.core.params, &mut slots)?,
            Role::BuiltIn(names) => {
                slots.words(names);
                if !function.core.results.is_empty() {
                    slots.result("ret", Core::I32);
                }
                FuncRole::BuiltIn
            }
            Role::Realloc => {
                slots.words(&["old.ptr", "old.size", "align", "new.size"]);
                slots.result("ret.ptr", Core::I32);
                FuncRole::Realloc
            }
            Role::Initialize => FuncRole::Initialize,
        };
        let docs = function.call().and_then(|(wit, _)| docs(wit.docs.contents.as_deref()?));
        Ok(Func {
            name: function.name.name.clone(),
            docs,
            role,
            params: slots.params,
            result: slots.result,
            needs: function.needs,
            stability: stability(function.stability(self.resolve)),
        })
    }

    fn call(
        &mut self,
        wit: &'r Function,
        signature: &Signature,
        lowering: Lowering,
        function: &WorldFunction<'r>,
        slots: &mut Slots,
    ) -> Result<FuncRole> {
        let mut params = Vec::new();
        for param in &wit.params {
            let rep = lowering.is_export() && self.is_rep(&param.ty);
            let ty = self.types.in_memory(&param.ty)?;
            let taken = match signature.params_spilled {
                true => None,
                false => Some(self.flat(&param.name, &param.ty, rep, slots)?),
            };
            params.push(WitParam { name: param.name.clone(), ty, slots: taken, rep });
        }
        if signature.params_spilled {
            let area = self.params_record(wit, signature, function.interface, &params)?;
            slots.param("args.ptr", Witx::ConstPointer(area.into()));
        }
        let result = wit.result.as_ref().map(|ty| self.types.in_memory(ty)).transpose()?;
        match (&wit.result, &result, lowering) {
            (Some(_), Some(area), Lowering::Import | Lowering::ImportAsync) if signature.result_spilled => {
                slots.param("ret.ptr", Witx::Pointer(area.clone().into()));
            }
            (Some(_), Some(_), Lowering::Export) if signature.result_spilled => slots.result("ret.ptr", Core::I32),
            (Some(ty), ..) if matches!(lowering, Lowering::Import | Lowering::Export) => {
                if let Some(&core) = signature.core.results.first() {
                    slots.result = Some(param("ret", self.handle_or(ty, core)?));
                }
            }
            _ => {}
        }
        if matches!(lowering, Lowering::ImportAsync | Lowering::ExportCallback) {
            slots.result("status", Core::I32);
        }
        slots.distinct();
        let wit = function_text(self.resolve, &mut self.types.table, wit);
        Ok(FuncRole::Call { lowering, wit, params, result })
    }

    /// Pushes the flat slots of a value and says how many they are.
    fn flat(&mut self, name: &str, ty: &Type, rep: bool, slots: &mut Slots) -> Result<usize> {
        let id = self.types.table.ty(ty)?;
        let laid_out = self.types.table.get(id);
        // A top-level string or list may stay typed: witx lowers it to the same pointer and length.
        if matches!(laid_out.kind, Kind::String | Kind::List(_)) {
            slots.param(name, self.types.in_memory(ty)?);
            return Ok(2);
        }
        let flat = laid_out.flat.clone().unwrap_or_default();
        match flat.as_slice() {
            [core] if rep => slots.param(name, scalar(*core)),
            [core] => slots.param(name, self.handle_or(ty, *core)?),
            many => {
                let numbered = many.iter().enumerate().map(|(i, &core)| param(&format!("{name}.{i}"), scalar(core)));
                slots.params.extend(numbered);
            }
        }
        Ok(flat.len())
    }

    /// A flat slot: handles keep their type, everything else is the unsigned core type, because typed consumers check
    /// what canonical lifting ignores.
    fn handle_or(&mut self, ty: &Type, core: Core) -> Result<Witx> {
        match self.handle(ty) {
            Some((resource, _)) => self.types.defined(resource),
            None => Ok(scalar(core)),
        }
    }

    /// The resource of an `own` or `borrow`, and whether it is borrowed.
    fn handle(&self, ty: &Type) -> Option<(TypeId, bool)> {
        let mut ty = *ty;
        while let Type::Id(id) = ty {
            match &self.resolve.types[id].kind {
                TypeDefKind::Type(origin) => ty = *origin,
                TypeDefKind::Handle(wit_parser::Handle::Own(resource)) => return Some((*resource, false)),
                TypeDefKind::Handle(wit_parser::Handle::Borrow(resource)) => return Some((*resource, true)),
                _ => return None,
            }
        }
        None
    }

    /// A borrow of a resource that this world exports reaches the guest as its representation (*Lowering*,
    /// `lower_borrow`).
    fn is_rep(&self, ty: &Type) -> bool {
        let Some((mut resource, true)) = self.handle(ty) else { return false };
        while let TypeDefKind::Type(Type::Id(origin)) = &self.resolve.types[resource].kind {
            resource = *origin;
        }
        matches!(self.resolve.types[resource].owner, TypeOwner::Interface(id) if self.exported.contains(&id))
    }

    fn params_record(
        &mut self,
        wit: &Function,
        signature: &Signature,
        interface: Option<InterfaceId>,
        params: &[WitParam],
    ) -> Result<Witx> {
        let owner = interface.map_or_else(|| "root".to_owned(), |id| self.types.ids.interface(id).to_owned());
        let name = wit.name.replace(['[', ']'], "#");
        let id = format!("{owner}.{}.params", name.trim_start_matches('#'));
        let fields = params.iter().map(|p| (p.name.clone(), p.ty.clone())).collect();
        let (mut size, mut align) = (0u64, 1u32);
        for &id in &signature.params {
            let ty = self.types.table.get(id);
            size = size.next_multiple_of(u64::from(ty.align)) + u64::from(ty.size);
            align = align.max(ty.align);
        }
        let size = u32::try_from(size.next_multiple_of(u64::from(align)))
            .map_err(|_| Diagnostic::new(Code::LayoutOverflow, "parameters of more than 4 GiB"))?;
        self.types.params(&id, format!("parameters of {}", wit.name), fields, (size, align))
    }

    /// `stream.read` and its kin: an end, and where values are moved, a buffer.
    fn channel(&mut self, op: &str, ty: TypeId, params: &[Core], slots: &mut Slots) -> Result<FuncRole> {
        let channel = self.types.in_memory(&Type::Id(ty))?;
        let payload = match &self.resolve.types[ty].kind {
            TypeDefKind::Stream(payload) | TypeDefKind::Future(payload) => *payload,
            _ => None,
        };
        if !params.is_empty() {
            slots.param("self", channel.clone());
        }
        if params.len() > 1 {
            let buffer = match payload {
                Some(payload) => {
                    let payload = Box::new(self.types.in_memory(&payload)?);
                    if op.ends_with("read") { Witx::Pointer(payload) } else { Witx::ConstPointer(payload) }
                }
                None => Witx::Builtin("u32"),
            };
            slots.param("buffer.ptr", buffer);
        }
        if params.len() > 2 {
            slots.param("buffer.len", Witx::Builtin("u32"));
        }
        match op {
            "new" => slots.result("ret", Core::I64),
            "drop-readable" | "drop-writable" => {}
            _ => slots.result("ret", Core::I32),
        }
        Ok(FuncRole::Channel(op.to_owned(), channel))
    }
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

/// Flat parameters and the result while they are collected.
#[derive(Default)]
struct Slots {
    params: Vec<Param>,
    result: Option<Param>,
}

impl Slots {
    fn param(&mut self, name: &str, ty: Witx) {
        self.params.push(param(name, ty));
    }

    fn words(&mut self, names: &[&str]) {
        self.params.extend(names.iter().map(|name| param(name, Witx::Builtin("u32"))));
    }

    fn result(&mut self, name: &str, core: Core) {
        self.result = Some(param(name, scalar(core)));
    }

    /// Parameters and the result share one scope; WIT lets a parameter be called `ret`.
    fn distinct(&mut self) {
        if let Some(result) = &mut self.result
            && self.params.iter().any(|p| p.name == result.name)
        {
            result.name.push_str(".value");
        }
    }
}

fn param(name: &str, ty: Witx) -> Param {
    Param { name: name.to_owned(), ty }
}

fn scalar(core: Core) -> Witx {
    Witx::Builtin(match core {
        Core::I32 => "u32",
        Core::I64 => "u64",
        Core::F32 => "f32",
        Core::F64 => "f64",
    })
}
