//! Every core function that a world implies: calls, intrinsics and support, with names and signatures.

use super::names::ResourceOp;
use super::operations::{BUILT_INS, CHANNEL_OPS, MORE_BUILT_INS, TASK_CANCEL, channel, form};
use super::{Core, CoreSignature, ImportName, Kind, Lowering, Names, Resolve, Signature, Table};
use crate::diagnostic::{Code, Diagnostic, Result};
use wit_parser::{Function, InterfaceId, Stability, Type, TypeDefKind, TypeId, WorldId, WorldItem, WorldKey};

/// Which forms of a call are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Forms {
    /// Every function in its synchronous form.
    #[default]
    Sync,
    /// Asynchronous functions in their asynchronous form, lifted with a callback; with the operations on streams and
    /// futures, and the built-ins of tasks.
    Async,
    /// All forms that a guest may choose from: both lowerings of every import, all lifts of asynchronous exports, and the
    /// operations that toolchains do not emit yet.
    All,
}

/// How core names and signatures are formed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Abi {
    /// The scheme of names.
    pub names: Names,
    /// The forms of calls.
    pub forms: Forms,
}

impl Abi {
    /// Fails with [`Code::Usage`] for asynchronous forms in a scheme that has no names for them.
    pub fn check(self) -> Result<()> {
        if self.names == Names::Cm32p2 && self.forms != Forms::Sync {
            return Err(Diagnostic::new(Code::Usage, "the `cm32p2` names are synchronous")
                .hint("asynchronous functions have names in the legacy scheme only: leave `--names` away"));
        }
        Ok(())
    }
}

/// Import or export, from the guest's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The host provides it.
    Import,
    /// The guest provides it.
    Export,
}

/// What a function asks of the guest beyond being called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Needs {
    /// The exported memory.
    pub memory: bool,
    /// The exported realloc.
    pub realloc: bool,
}

/// What a core function is for.
#[derive(Debug, Clone)]
pub enum Role<'r> {
    /// A function of the WIT.
    Call {
        /// That function.
        function: &'r Function,
        /// Its canonical form.
        signature: Signature,
        /// Which form that is.
        lowering: Lowering,
    },
    /// What the guest may export to free the result of a synchronous export. It takes the core results.
    PostReturn(&'r Function),
    /// What is called when an asynchronous export's waitable set has an event: event, index and payload in, a status out.
    Callback(&'r Function),
    /// `task.return` of an asynchronous export; the parameter is its result.
    TaskReturn {
        /// The exported function.
        function: &'r Function,
        /// Its canonical form.
        signature: Signature,
    },
    /// `resource.drop` and its kin, or a destructor.
    Resource(ResourceOp, TypeId),
    /// An operation on a stream or future that occurs in a function.
    Channel {
        /// Such as `read`.
        op: &'static str,
        /// The stream or future.
        ty: TypeId,
    },
    /// A built-in of tasks, waitables and contexts, with the names of its parameters.
    BuiltIn(&'static [&'static str]),
    /// `cabi_realloc`.
    Realloc,
    /// `_initialize`.
    Initialize,
}

/// A core function that a world implies.
#[derive(Debug, Clone)]
pub struct WorldFunction<'r> {
    /// Who provides it.
    pub direction: Direction,
    /// Import module and name; for exports the module is empty and the name is the export's.
    pub name: ImportName,
    /// Its core signature.
    pub core: CoreSignature,
    /// What it needs.
    pub needs: Needs,
    /// What it is for.
    pub role: Role<'r>,
    /// The interface it belongs to, if any.
    pub interface: Option<InterfaceId>,
}

impl<'r> WorldFunction<'r> {
    /// The WIT function and its canonical form, if this is a call.
    pub fn call(&self) -> Option<(&'r Function, &Signature)> {
        match &self.role {
            Role::Call { function, signature, .. } => Some((*function, signature)),
            _ => None,
        }
    }

    /// Since when, or under which gate, the WIT has what this belongs to.
    pub fn stability(&self, resolve: &'r Resolve) -> &'r Stability {
        match &self.role {
            Role::Call { function, .. }
            | Role::PostReturn(function)
            | Role::Callback(function)
            | Role::TaskReturn { function, .. } => &function.stability,
            Role::Resource(_, ty) | Role::Channel { ty, .. } => &resolve.types[*ty].stability,
            Role::BuiltIn(_) | Role::Realloc | Role::Initialize => &Stability::Unknown,
        }
    }
}

/// Every core import and export that a guest of `world` may have, in the order of the WIT, each name once.
pub fn world_functions<'r>(table: &mut Table<'r>, world: WorldId, abi: Abi) -> Result<Vec<WorldFunction<'r>>> {
    let resolve = table.resolve();
    let world = &resolve.worlds[world];
    let mut lister = Lister { table, abi, out: Vec::new() };
    for (key, item) in &world.imports {
        match item {
            WorldItem::Interface { id, .. } => lister.imported_interface(key, *id)?,
            WorldItem::Function(function) => lister.imported_function(Place::ROOT, function)?,
            WorldItem::Type { id, .. } => lister.resource_ops(Place::ROOT, *id, &[ResourceOp::Drop]),
        }
    }
    lister.built_ins();
    for (key, item) in &world.exports {
        match item {
            WorldItem::Interface { id, .. } => lister.exported_interface(key, *id)?,
            WorldItem::Function(function) => lister.exported_function(Place::ROOT, function)?,
            WorldItem::Type { .. } => {}
        }
    }
    if !world.exports.is_empty() {
        lister.support();
    }
    Ok(lister.out)
}

impl<'r> Table<'r> {
    /// The core imports of one interface, as a guest that imports it under its own name sees them.
    pub fn interface_imports(&mut self, id: InterfaceId, abi: Abi) -> Result<Vec<WorldFunction<'r>>> {
        let mut lister = Lister { table: self, abi, out: Vec::new() };
        lister.imported_interface(&WorldKey::Interface(id), id)?;
        Ok(lister.out)
    }
}

/// The built-ins that belong to no interface, in the forms that have any.
pub fn built_ins<'r>(table: &mut Table<'r>, abi: Abi) -> Vec<WorldFunction<'r>> {
    let mut lister = Lister { table, abi, out: Vec::new() };
    lister.built_ins();
    lister.out
}

/// The interface that a function stands in, and the world's name for it; neither for functions of the world itself.
#[derive(Clone, Copy)]
struct Place<'k> {
    key: Option<&'k WorldKey>,
    interface: Option<InterfaceId>,
}

impl Place<'static> {
    const ROOT: Self = Place { key: None, interface: None };
}

struct Lister<'t, 'r> {
    table: &'t mut Table<'r>,
    abi: Abi,
    out: Vec<WorldFunction<'r>>,
}

impl<'r> Lister<'_, 'r> {
    fn push(
        &mut self,
        direction: Direction,
        place: Place<'_>,
        (module, name): (String, String),
        core: CoreSignature,
        needs: Needs,
        role: Role<'r>,
    ) {
        let name = ImportName { module, name };
        self.out.push(WorldFunction { direction, name, core, needs, role, interface: place.interface });
    }

    fn module(&self, place: Place<'_>, exported: bool) -> String {
        self.abi.names.module(self.table.resolve(), place.key, exported)
    }

    fn imported_interface(&mut self, key: &WorldKey, id: InterfaceId) -> Result<()> {
        let interface = &self.table.resolve().interfaces[id];
        let place = Place { key: Some(key), interface: Some(id) };
        for function in interface.functions.values() {
            self.imported_function(place, function)?;
        }
        for &ty in interface.types.values() {
            self.resource_ops(place, ty, &[ResourceOp::Drop]);
        }
        Ok(())
    }

    fn imported_function(&mut self, place: Place<'_>, function: &'r Function) -> Result<()> {
        let lowerings: &[Lowering] = match self.abi.forms {
            Forms::All => &[Lowering::Import, Lowering::ImportAsync],
            Forms::Async if function.kind.is_async() => &[Lowering::ImportAsync],
            Forms::Sync | Forms::Async => &[Lowering::Import],
        };
        for &lowering in lowerings {
            let prefix = if lowering == Lowering::ImportAsync { "[async-lower]" } else { "" };
            let name = (self.module(place, false), format!("{prefix}{}", function.name));
            self.call(Direction::Import, place, name, function, lowering)?;
        }
        self.channels(place, function, false)
    }

    fn call(
        &mut self,
        direction: Direction,
        place: Place<'_>,
        name: (String, String),
        function: &'r Function,
        lowering: Lowering,
    ) -> Result<CoreSignature> {
        let signature = self.table.signature(function, lowering).map_err(|e| e.in_item(&function.name))?;
        let core = signature.core.clone();
        let needs = Needs { memory: signature.needs_memory, realloc: signature.needs_realloc };
        self.push(direction, place, name, core.clone(), needs, Role::Call { function, signature, lowering });
        Ok(core)
    }

    fn resource_ops(&mut self, place: Place<'_>, ty: TypeId, ops: &[ResourceOp]) {
        let def = &self.table.resolve().types[ty];
        let (TypeDefKind::Resource, Some(resource)) = (&def.kind, &def.name) else { return };
        for &op in ops {
            let results: &[Core] = match op {
                ResourceOp::Drop | ResourceOp::Dtor => &[],
                ResourceOp::New | ResourceOp::Rep => &[Core::I32],
            };
            let field = self.abi.names.resource(op, resource);
            let (direction, name) = match op {
                ResourceOp::Dtor => {
                    let name = self.abi.names.export(self.table.resolve(), place.key, &field);
                    (Direction::Export, (String::new(), name))
                }
                _ => (Direction::Import, (self.module(place, ops.len() > 1), field)),
            };
            let core = CoreSignature::new([Core::I32], results);
            self.push(direction, place, name, core, Needs::default(), Role::Resource(op, ty));
        }
    }

    fn exported_interface(&mut self, key: &WorldKey, id: InterfaceId) -> Result<()> {
        let interface = &self.table.resolve().interfaces[id];
        let place = Place { key: Some(key), interface: Some(id) };
        for function in interface.functions.values() {
            self.exported_function(place, function)?;
        }
        for &ty in interface.types.values() {
            let ops = [ResourceOp::New, ResourceOp::Rep, ResourceOp::Drop, ResourceOp::Dtor];
            self.resource_ops(place, ty, &ops);
        }
        Ok(())
    }

    fn exported_function(&mut self, place: Place<'_>, function: &'r Function) -> Result<()> {
        let is_async = function.kind.is_async();
        let lowerings: &[Lowering] = match self.abi.forms {
            Forms::All if is_async => &[Lowering::Export, Lowering::ExportCallback, Lowering::ExportStackful],
            Forms::Async if is_async => &[Lowering::ExportCallback],
            _ => &[Lowering::Export],
        };
        let export = self.abi.names.export(self.table.resolve(), place.key, &function.name);
        for &lowering in lowerings {
            let name = match lowering {
                Lowering::ExportCallback => format!("[async-lift]{export}"),
                Lowering::ExportStackful => format!("[async-lift-stackful]{export}"),
                _ => export.clone(),
            };
            let core = self.call(Direction::Export, place, (String::new(), name.clone()), function, lowering)?;
            let (name, core, role) = match lowering {
                Lowering::Export => {
                    let post = self.abi.names.post_return(&export);
                    (post, CoreSignature::new(core.results, []), Role::PostReturn(function))
                }
                Lowering::ExportCallback => {
                    let core = CoreSignature::new([Core::I32; 3], [Core::I32]);
                    (format!("[callback]{name}"), core, Role::Callback(function))
                }
                _ => continue,
            };
            self.push(Direction::Export, place, (String::new(), name), core, Needs::default(), role);
        }
        if self.abi.forms == Forms::Sync {
            return Ok(());
        }
        let signature = self.table.task_return(function)?;
        let name = (self.module(place, true), format!("[task-return]{}", function.name));
        let needs = Needs { memory: signature.needs_memory, realloc: false };
        let core = signature.core.clone();
        self.push(Direction::Import, place, name, core, needs, Role::TaskReturn { function, signature });
        self.channels(place, function, true)
    }

    /// The operations on each stream and future of `function`, called by its position in the order of
    /// `find_futures_and_streams`.
    fn channels(&mut self, place: Place<'_>, function: &'r Function, exported: bool) -> Result<()> {
        if self.abi.forms == Forms::Sync {
            return Ok(());
        }
        let mut found = Vec::new();
        for ty in function.params.iter().map(|p| &p.ty).chain(&function.result) {
            channels_of(self.table, ty, &mut found)?;
        }
        let ops = if self.abi.forms == Forms::All { &CHANNEL_OPS[..] } else { &CHANNEL_OPS[..7] };
        let module = self.module(place, exported);
        for (position, &ty) in found.iter().enumerate() {
            // A type that occurs again goes by its first position.
            if found[..position].contains(&ty) {
                continue;
            }
            let id = self.table.ty(&Type::Id(ty))?;
            let kind = if matches!(self.table.get(id).kind, Kind::Stream(_)) { "stream" } else { "future" };
            for &op in ops {
                let (prefix, word) = match op.strip_prefix("[async-lower]") {
                    Some(word) => ("[async-lower]", word),
                    None => ("", op),
                };
                let Some((core, needs)) = channel(&self.table.layouts, op, id) else { continue };
                let name = format!("{prefix}[{kind}-{word}-{position}]{}", function.name);
                let role = Role::Channel { op, ty };
                self.push(Direction::Import, place, (module.clone(), name), core, needs, role);
            }
        }
        Ok(())
    }

    fn built_ins(&mut self) {
        let more = match self.abi.forms {
            Forms::Sync => return,
            Forms::Async => &MORE_BUILT_INS[..0],
            Forms::All => &MORE_BUILT_INS[..],
        };
        let root = self.module(Place::ROOT, false);
        for &(name, params, result, memory) in BUILT_INS.iter().chain(more) {
            let (core, needs) = form((name, params, result, memory));
            let name = (root.clone(), name.to_owned());
            self.push(Direction::Import, Place::ROOT, name, core, needs, Role::BuiltIn(params));
        }
        let (core, needs) = form(TASK_CANCEL);
        let name = (self.module(Place::ROOT, true), TASK_CANCEL.0.to_owned());
        self.push(Direction::Import, Place::ROOT, name, core, needs, Role::BuiltIn(&[]));
    }

    fn support(&mut self) {
        let names = self.abi.names;
        for (name, core, role) in [
            (names.realloc(), CoreSignature::new([Core::I32; 4], [Core::I32]), Role::Realloc),
            (names.initialize(), CoreSignature::new([], []), Role::Initialize),
        ] {
            let needs = Needs { memory: matches!(role, Role::Realloc), realloc: false };
            self.push(Direction::Export, Place::ROOT, (String::new(), name.to_owned()), core, needs, role);
        }
    }
}

/// Streams and futures in a type, payloads before what carries them, as `Function::find_futures_and_streams` lists
/// them, but without walking parts that hold none.
fn channels_of(table: &mut Table<'_>, ty: &Type, out: &mut Vec<TypeId>) -> Result<()> {
    let Type::Id(id) = *ty else { return Ok(()) };
    let kind = &table.resolve().types[id].kind;
    let laid_out = table.ty(ty)?;
    if table.get(laid_out).channels == 0 {
        return Ok(());
    }
    let mut walk = |ty: &Type| channels_of(table, ty, out);
    match kind {
        TypeDefKind::Record(r) => r.fields.iter().try_for_each(|f| walk(&f.ty)),
        TypeDefKind::Tuple(t) => t.types.iter().try_for_each(walk),
        TypeDefKind::Variant(v) => v.cases.iter().filter_map(|c| c.ty.as_ref()).try_for_each(walk),
        TypeDefKind::Option(ty)
        | TypeDefKind::List(ty)
        | TypeDefKind::FixedLengthList(ty, _)
        | TypeDefKind::Type(ty) => walk(ty),
        TypeDefKind::Map(key, value) => [key, value].into_iter().try_for_each(walk),
        TypeDefKind::Result(r) => r.ok.iter().chain(&r.err).try_for_each(walk),
        TypeDefKind::Future(payload) | TypeDefKind::Stream(payload) => {
            payload.iter().try_for_each(&mut walk)?;
            out.push(id);
            Ok(())
        }
        TypeDefKind::Resource
        | TypeDefKind::Handle(_)
        | TypeDefKind::Flags(_)
        | TypeDefKind::Enum(_)
        | TypeDefKind::Unknown => Ok(()),
    }
}
