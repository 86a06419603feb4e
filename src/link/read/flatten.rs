//! From the front end's list of initializers to [`ir`](super::super::ir).

use super::super::ir::{
    Component, Def, Export, FlagId, Host, HostId, InstanceId, Instantiate, Item, ModuleId, ReallocId, Space,
};
use super::super::merge::Scans;
use super::super::written::{Function, HostResource, Resources, Transcode, View, Written, realloc_signature};
use super::super::{Handles, Options};
use super::asynchronous::{self, Channels};
use super::boundary::{Argument, Boundary, Fused, Given, core_signature};
use super::survey::{Survey, encoding};
use super::{Input, world};
use crate::abi::{Core, CoreSignature, ImportName};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wasmtime_environ::component::{
    self as wt, CanonicalOptionsDataModel, CoreDef, Export as WtExport, ExportIndex, FixedEncoding, GlobalInitializer,
    InstantiateModule, ResourceIndex, StringEncoding, Trampoline, TrampolineIndex, TypeResourceTable,
    TypeResourceTableIndex,
};
use wasmtime_environ::{EntityIndex, EntityRef};

pub(super) struct Flattener<'x, 'a, 's> {
    bytes: &'a [u8],
    pub(super) input: Input<'x, 's>,
    pub(super) survey: Survey,
    boundary: Option<&'x Boundary>,
    options: &'x Options,
    written: Written,
    hosts: Vec<Host>,
    host_ids: HashMap<ImportName, HostId>,
    pub(super) lowered: HashMap<wt::LoweredIndex, wt::RuntimeImportIndex>,
    reallocs: Vec<Def>,
    posts: HashMap<wt::RuntimePostReturnIndex, Def>,
    callbacks: HashMap<wt::RuntimeCallbackIndex, Def>,
    memory: Option<Item>,
    encoding: Option<StringEncoding>,
    pub(super) channels: Channels,
    /// Whether anything is asynchronous: then several calls may be under way.
    concurrent: bool,
    /// Reallocs that are called when no import runs that could select them.
    late_reallocs: Vec<ReallocId>,
}

impl<'x, 'a, 's> Flattener<'x, 'a, 's> {
    pub(super) fn new(
        bytes: &'a [u8],
        input: Input<'x, 's>,
        survey: Survey,
        boundary: Option<&'x Boundary>,
        options: &'x Options,
    ) -> Result<Flattener<'x, 'a, 's>> {
        let lowered = input.component.initializers.iter().filter_map(|i| match i {
            GlobalInitializer::LowerImport { index, import } => Some((*index, *import)),
            _ => None,
        });
        let lowered = lowered.collect();
        let written = Written::new(u32::try_from(survey.instances.len()).unwrap_or(u32::MAX));
        let concurrent = asynchronous::is_used(&input);
        let channels = if concurrent { Channels::new(&input)? } else { Channels::default() };
        Ok(Flattener {
            bytes,
            input,
            survey,
            boundary,
            options,
            written,
            hosts: Vec::new(),
            host_ids: HashMap::new(),
            lowered,
            reallocs: Vec::new(),
            posts: HashMap::new(),
            callbacks: HashMap::new(),
            memory: None,
            encoding: None,
            channels,
            concurrent,
            late_reallocs: Vec::new(),
        })
    }

    pub(super) fn flatten(mut self) -> Result<Component<'a>> {
        self.one_instance_if_concurrent()?;
        let mut instances: Vec<Instantiate> = Vec::new();
        let mut destructors = Vec::new();
        let component = self.input.component;
        for initializer in &component.initializers {
            match initializer {
                GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, args), owner) => {
                    let args = args.iter().map(|arg| self.def(arg)).collect::<Result<Vec<_>>>()?;
                    let owner = owner.map(|instance| FlagId(instance.as_u32()));
                    instances.push(Instantiate { module: ModuleId(module.as_u32()), args, owner });
                }
                GlobalInitializer::InstantiateModule(InstantiateModule::Import(..), _) => {
                    return Err(Diagnostic::new(Code::ModuleImportExport, "the component imports a core module"));
                }
                GlobalInitializer::LowerImport { .. }
                | GlobalInitializer::ExtractMemory(_)
                | GlobalInitializer::ExtractRealloc(_) => {}
                GlobalInitializer::ExtractPostReturn(post) => {
                    let def = self.def(&post.def)?;
                    self.posts.insert(post.index, def);
                }
                GlobalInitializer::ExtractCallback(callback) => {
                    let def = self.def(&callback.def)?;
                    self.callbacks.insert(callback.index, def);
                }
                GlobalInitializer::ExtractTable(_) => return Err(asynchronous("threads")),
                GlobalInitializer::Resource(resource) => {
                    if let Some(dtor) = &resource.dtor {
                        let def = self.def(dtor)?;
                        destructors.push((component.resource_index(resource.index).as_u32(), def));
                    }
                }
            }
        }
        let mut exports = self.exports()?;
        self.one_late_realloc(&exports)?;
        match self.options.handles {
            Handles::Host => exports.extend(self.destructors(&destructors)),
            Handles::Module => exports.extend(self.own_handles()?),
        }
        let mut modules: Vec<Cow<'a, [u8]>> = self.input.modules.values().map(|m| self.module_bytes(m.wasm)).collect();
        let own = count(instances.len())?;
        self.add_own(destructors, &mut modules, &mut instances)?;
        let (resolve, world) = world(self.bytes)?;
        Ok(Component {
            modules,
            scans: Scans::default(),
            instances,
            own: InstanceId(own),
            hosts: self.hosts,
            reallocs: self.reallocs,
            exports,
            memory: self.memory,
            encoding: encoding(self.encoding),
            boundary: self.survey.boundary,
            resolve,
            world,
        })
    }

    /// Destructors of exported resources. Those of others can only be called from inside, by a drop.
    fn destructors(&self, destructors: &[(u32, Def)]) -> Vec<Export> {
        let exported = destructors.iter().filter_map(|(resource, func)| {
            let (interface, name) = self.survey.exported.get(resource)?;
            let name = format!("{interface}#[dtor]{name}");
            Some(Export { name, func: func.clone(), realloc: None, post_return: None })
        });
        exported.collect()
    }

    /// What a host needs for handles that the module keeps.
    fn own_handles(&mut self) -> Result<Vec<Export>> {
        let table = self.boundary_table();
        let mut exports = Vec::new();
        for (&resource, (interface, name)) in &self.survey.exported {
            let rep = self.written.function(Function::ResourceRep { table, resource })?;
            let drop = self.written.function(Function::ResourceDrop { table, resource, flag: None })?;
            let core = CoreSignature::new([Core::I32], []);
            let drop = self.written.function(Function::GuardedExport { func: drop, core })?;
            for (intrinsic, func) in [("resource-rep", rep), ("resource-drop", drop)] {
                let name = format!("{interface}#[{intrinsic}]{name}");
                exports.push(Export { name, func, realloc: None, post_return: None });
            }
        }
        Ok(exports)
    }

    /// The table of the boundary, if the module keeps what it exports: after those of the component's instances.
    fn boundary_table(&self) -> u32 {
        self.input.component.num_runtime_component_instances
    }

    /// Adds the instances that are the linker's own: what it writes, then the adapters of the boundary.
    fn add_own(
        &mut self,
        destructors: Vec<(u32, Def)>,
        modules: &mut Vec<Cow<'a, [u8]>>,
        instances: &mut Vec<Instantiate>,
    ) -> Result<()> {
        let adapters = match self.boundary {
            Some(boundary) => {
                let args = boundary.args.iter().map(|arg| self.argument(arg, boundary)).collect::<Result<_>>()?;
                Some((boundary.wasm.clone(), args))
            }
            None => None,
        };
        let resources = self.resources(destructors)?;
        for (wasm, args) in self.written.finish(&resources)?.into_iter().chain(adapters) {
            instances.push(Instantiate { module: ModuleId(count(modules.len())?), args, owner: None });
            modules.push(Cow::Owned(wasm));
        }
        Ok(())
    }

    /// Modules of the component are borrowed from it; generated adapters are copied out of the translator's arena.
    fn module_bytes(&self, wasm: &[u8]) -> Cow<'a, [u8]> {
        let whole = self.bytes.as_ptr_range();
        let part = wasm.as_ptr_range();
        if whole.start <= part.start && part.end <= whole.end {
            let start = part.start as usize - whole.start as usize;
            return Cow::Borrowed(&self.bytes[start..start + wasm.len()]);
        }
        Cow::Owned(wasm.to_vec())
    }

    fn def(&mut self, def: &CoreDef) -> Result<Def> {
        match def {
            CoreDef::Export(export) => self.item(export).map(Def::Item),
            CoreDef::InstanceFlags(instance) => Ok(flag(*instance)),
            CoreDef::Trampoline(index) => self.trampoline(*index),
            CoreDef::UnsafeIntrinsic(intrinsic) => match asynchronous::context(*intrinsic) {
                Some((name, true)) => self.host(root(name), CoreSignature::new([], [Core::I32]), None),
                Some((name, false)) => self.host(root(name), CoreSignature::new([Core::I32], []), None),
                None => Err(Diagnostic::new(Code::UnsupportedType, "an intrinsic of one runtime")),
            },
            CoreDef::TaskMayBlock => Err(asynchronous("tasks that may block")),
        }
    }

    fn item(&self, export: &wt::CoreExport<EntityIndex>) -> Result<Item> {
        let entity = match &export.item {
            wt::ExportItem::Index(index) => *index,
            wt::ExportItem::Name(_) => {
                return Err(Diagnostic::new(Code::ModuleImportExport, "an item of an imported core module"));
            }
        };
        if export.instance.index() >= self.survey.instances.len() {
            return Err(Diagnostic::new(Code::Internal, "an item of an instance that does not exist"));
        }
        let (space, index) = match entity {
            EntityIndex::Function(i) => (Space::Func, i.as_u32()),
            EntityIndex::Table(i) => (Space::Table, i.as_u32()),
            EntityIndex::Memory(i) => (Space::Memory, i.as_u32()),
            EntityIndex::Global(i) => (Space::Global, i.as_u32()),
            EntityIndex::Tag(i) => (Space::Tag, i.as_u32()),
        };
        Ok(Item { instance: InstanceId(export.instance.as_u32()), space, index })
    }

    fn trampoline(&mut self, index: TrampolineIndex) -> Result<Def> {
        let trampolines = self.input.trampolines;
        match &trampolines[index] {
            Trampoline::LowerImport { options, .. } => match self.fused(|b| b.imports.get(&index)) {
                Some(fused) => Ok(self.adapter(&fused)),
                None => {
                    let mut realloc = self.root_options(*options)?;
                    if self.input.component.options[*options].async_ {
                        self.late_reallocs.extend(realloc.take());
                    }
                    let host = self.lowered_host(index, realloc)?;
                    self.guarded(host, index, self.input.component.options[*options].instance)
                }
            },
            Trampoline::ResourceDrop { ty, instance } => self.resource(index, *ty, *instance, Intrinsic::Drop),
            Trampoline::ResourceNew { ty, instance } => self.resource(index, *ty, *instance, Intrinsic::New),
            Trampoline::ResourceRep { ty, instance } => self.resource(index, *ty, *instance, Intrinsic::Rep),
            Trampoline::Trap => Ok(Def::Trap),
            Trampoline::Transcoder { op, from, to, .. } => {
                let unknown = || Diagnostic::new(Code::Internal, "a memory that was never extracted");
                let from = self.item(self.survey.memories.get(from).ok_or_else(unknown)?)?;
                let to = self.item(self.survey.memories.get(to).ok_or_else(unknown)?)?;
                self.written.function(Function::Transcode { op: transcode(*op), from, to })
            }
            Trampoline::ResourceTransferOwn => self.written.function(Function::TransferOwn),
            Trampoline::ResourceTransferBorrow => self.written.function(Function::TransferBorrow),
            Trampoline::EnterSyncCall => self.written.function(Function::Enter),
            Trampoline::ExitSyncCall => self.written.function(Function::Exit),
            built_in => {
                let name = self.built_in(built_in)?;
                match built_in {
                    Trampoline::TaskReturn { options, .. }
                    | Trampoline::WaitableSetWait { options, .. }
                    | Trampoline::WaitableSetPoll { options, .. }
                    | Trampoline::StreamRead { options, .. }
                    | Trampoline::StreamWrite { options, .. }
                    | Trampoline::FutureRead { options, .. }
                    | Trampoline::FutureWrite { options, .. } => {
                        let realloc = self.root_options(*options)?;
                        self.late_reallocs.extend(realloc);
                    }
                    _ => {}
                }
                self.host(name, self.core_type(index)?, None)
            }
        }
    }

    /// The host's function behind a lowered import.
    fn lowered_host(&mut self, index: TrampolineIndex, realloc: Option<ReallocId>) -> Result<Def> {
        let Trampoline::LowerImport { index: lowered, options, .. } = &self.input.trampolines[index] else {
            return Err(Diagnostic::new(Code::Internal, "a lowered function that is none"));
        };
        let mut name = self.lowered_name(*lowered)?;
        if self.input.component.options[*options].async_ {
            name.name = format!("[async-lower]{}", name.name);
        }
        self.host(name, self.core_type(index)?, realloc)
    }

    /// A function of the host that may only be called while the instance may leave (`canon lower`).
    fn guarded(
        &mut self,
        host: Def,
        index: TrampolineIndex,
        instance: wt::RuntimeComponentInstanceIndex,
    ) -> Result<Def> {
        if self.options.no_guards {
            return Ok(host);
        }
        let core = self.core_type(index)?;
        self.written.function(Function::GuardedImport { host, core, flag: flag(instance) })
    }

    fn core_type(&self, index: TrampolineIndex) -> Result<CoreSignature> {
        core_signature(self.input.types, self.input.component.trampolines[index])
    }

    /// An intrinsic of a resource type: the host's where handles pass through, else of a table in the module.
    fn resource(
        &mut self,
        index: TrampolineIndex,
        ty: TypeResourceTableIndex,
        instance: wt::RuntimeComponentInstanceIndex,
        intrinsic: Intrinsic,
    ) -> Result<Def> {
        let TypeResourceTable::Concrete { ty: resource, instance: holder } = self.input.tables[ty.index()] else {
            return Err(Diagnostic::new(Code::UnsupportedType, "an abstract resource"));
        };
        let resource = resource.as_u32();
        if self.boundary.is_none() && self.survey.is_known_to_host(&self.input, resource) {
            let host = self.host_resource(resource, intrinsic)?;
            return match intrinsic {
                Intrinsic::Rep => Ok(host),
                Intrinsic::New | Intrinsic::Drop => self.guarded(host, index, instance),
            };
        }
        let (table, flag) = (holder.as_u32(), flag(instance));
        self.written.function(match intrinsic {
            Intrinsic::New => Function::ResourceNew { table, resource, flag },
            Intrinsic::Rep => Function::ResourceRep { table, resource },
            Intrinsic::Drop => Function::ResourceDrop { table, resource, flag: Some(flag) },
        })
    }

    fn host_resource(&mut self, resource: u32, intrinsic: Intrinsic) -> Result<Def> {
        let name = self.resource_name(resource, intrinsic.name())?;
        let results = if intrinsic == Intrinsic::Drop { Vec::new() } else { vec![Core::I32] };
        self.host(name, CoreSignature { params: vec![Core::I32], results }, None)
    }

    /// What the tables' functions must know of resource types.
    fn resources(&mut self, destructors: Vec<(u32, Def)>) -> Result<Resources> {
        let component = self.input.component;
        let owners: HashMap<u32, u32> = component
            .initializers
            .iter()
            .filter_map(|i| match i {
                GlobalInitializer::Resource(r) => {
                    Some((component.resource_index(r.index).as_u32(), r.instance.as_u32()))
                }
                _ => None,
            })
            .collect();
        let with_host = self.boundary.is_some();
        let mut views = Vec::new();
        for table in self.input.tables {
            views.push(match table {
                TypeResourceTable::Concrete { ty, instance } => {
                    let resource = ty.as_u32();
                    let inside = with_host || !self.survey.is_known_to_host(&self.input, resource);
                    View {
                        table: inside.then_some(instance.as_u32()),
                        resource,
                        owner: owners.get(&resource) == Some(&instance.as_u32()),
                    }
                }
                TypeResourceTable::Abstract(_) => View { table: None, resource: u32::MAX >> 4, owner: false },
            });
        }
        let mut hosts = BTreeMap::new();
        for &resource in self.boundary.iter().flat_map(|b| &b.views) {
            let inside = self.options.handles == Handles::Module && self.survey.exported.contains_key(&resource);
            views.push(View { table: inside.then_some(self.boundary_table()), resource, owner: false });
        }
        if with_host {
            let known: BTreeSet<u32> = views.iter().map(|v| v.resource).collect();
            for resource in known {
                if let Some(host) = self.host_side(resource)? {
                    hosts.insert(resource, host);
                }
            }
        }
        Ok(Resources {
            tables: self.boundary_table() + 1,
            views,
            hosts,
            destructors: destructors.into_iter().collect(),
        })
    }

    /// The host's intrinsics of a type that it knows.
    fn host_side(&mut self, resource: u32) -> Result<Option<HostResource>> {
        let exported = self.survey.exported.contains_key(&resource);
        if !self.survey.is_known_to_host(&self.input, resource) || (exported && self.options.handles == Handles::Module)
        {
            return Ok(None);
        }
        let drop = Some(self.host_resource(resource, Intrinsic::Drop)?);
        Ok(Some(match exported {
            false => HostResource { drop, ..HostResource::default() },
            true => HostResource {
                new: Some(self.host_resource(resource, Intrinsic::New)?),
                rep: Some(self.host_resource(resource, Intrinsic::Rep)?),
                drop,
            },
        }))
    }

    fn host(&mut self, name: ImportName, core: CoreSignature, realloc: Option<ReallocId>) -> Result<Def> {
        if let Some(&id) = self.host_ids.get(&name) {
            if self.hosts[id.index()].core != core {
                return Err(Diagnostic::new(Code::DuplicateName, format!("`{name}` is imported with two signatures")));
            }
            return Ok(Def::Host(id, realloc));
        }
        let id = HostId(count(self.hosts.len())?);
        self.hosts.push(Host { name: name.clone(), core });
        self.host_ids.insert(name, id);
        Ok(Def::Host(id, realloc))
    }

    /// Canonical options of a function of the root that faces the host itself: notes the string encoding and the memory, and
    /// gives the realloc.
    fn root_options(&mut self, index: wt::OptionsIndex) -> Result<Option<ReallocId>> {
        let options = &self.input.component.options[index];
        let CanonicalOptionsDataModel::LinearMemory(linear) = options.data_model else {
            return Err(Diagnostic::new(Code::UnsupportedType, "canonical options with GC references"));
        };
        let unknown = || Diagnostic::new(Code::Internal, "an option that was never extracted");
        if let Some(memory) = linear.memory {
            self.encoding = Some(options.string_encoding);
            self.memory = Some(self.item(self.survey.memories.get(&memory).ok_or_else(unknown)?)?);
        }
        let Some(realloc) = linear.realloc else { return Ok(None) };
        let def = self.survey.reallocs.get(&realloc).ok_or_else(unknown)?.clone();
        let def = self.def(&def)?;
        let def = self.confined(def, realloc_signature(), options.instance)?;
        Ok(Some(self.realloc(def)?))
    }

    fn realloc(&mut self, def: Def) -> Result<ReallocId> {
        let known = self.reallocs.iter().position(|known| *known == def);
        let id = known.unwrap_or_else(|| {
            self.reallocs.push(def);
            self.reallocs.len() - 1
        });
        Ok(ReallocId(count(id)?))
    }

    /// A realloc or a post-return, during which its instance may not leave.
    fn confined(&mut self, func: Def, core: CoreSignature, instance: wt::RuntimeComponentInstanceIndex) -> Result<Def> {
        if self.options.no_guards {
            return Ok(func);
        }
        self.written.function(Function::Confined { func, core, flag: flag(instance) })
    }

    fn fused(&self, of: impl Fn(&'x Boundary) -> Option<&'x Fused>) -> Option<Fused> {
        self.boundary.and_then(of).cloned()
    }

    fn adapter(&self, fused: &Fused) -> Def {
        Def::Item(Item { instance: self.written.next(), space: Space::Func, index: fused.index })
    }

    /// What an adapter of the boundary is given.
    fn argument(&mut self, argument: &Argument, boundary: &Boundary) -> Result<Def> {
        match argument {
            Argument::Given(given) => self.given(given, boundary),
            Argument::Transcode { op, from, to } => {
                let (Def::Item(from), Def::Item(to)) = (self.given(from, boundary)?, self.given(to, boundary)?) else {
                    return Err(Diagnostic::new(Code::Internal, "a transcoder without memories"));
                };
                self.written.function(Function::Transcode { op: transcode(*op), from, to })
            }
            Argument::TransferOwn => self.written.function(Function::TransferOwn),
            Argument::TransferBorrow => self.written.function(Function::TransferBorrow),
            Argument::Enter => self.written.function(Function::Enter),
            Argument::Exit => self.written.function(Function::Exit),
            Argument::Trap => Ok(Def::Trap),
        }
    }

    fn given(&mut self, given: &Given, boundary: &Boundary) -> Result<Def> {
        let unknown = || Diagnostic::new(Code::Internal, "an import without its adapter");
        match given {
            Given::Core(def) => self.def(def),
            Given::Memory => Ok(Def::Item(self.written.boundary_memory())),
            Given::Realloc => self.written.function(Function::BoundaryRealloc),
            Given::Import(trampoline) => {
                let fused = boundary.imports.get(trampoline).ok_or_else(unknown)?;
                let host = self.lowered_host(*trampoline, None)?;
                let (lowered, core) = (fused.lowered.clone(), fused.lifted.clone());
                self.written.function(Function::BoundaryImport { host, lowered, core, area: fused.area })
            }
            Given::AfterImport(trampoline) => {
                let fused = boundary.imports.get(trampoline).ok_or_else(unknown)?;
                let core = CoreSignature { params: fused.lifted.results.clone(), results: Vec::new() };
                self.written.function(Function::AfterImport { core })
            }
        }
    }

    fn exports(&mut self) -> Result<Vec<Export>> {
        let component = self.input.component;
        let mut out = Vec::new();
        if self.boundary.is_some() {
            let realloc = self.written.function(Function::BoundaryRealloc)?;
            self.realloc(realloc)?;
            self.memory = Some(self.written.boundary_memory());
        }
        for (name, (index, _)) in component.exports.raw_iter() {
            match &component.export_items[*index] {
                WtExport::Instance { exports, .. } => {
                    for (field, (index, _)) in exports.raw_iter() {
                        let full = format!("{}#{}", name.as_str(), field.as_str());
                        out.extend(self.export(full, *index)?);
                    }
                }
                _ => out.extend(self.export(name.as_str().to_owned(), *index)?),
            }
        }
        Ok(out)
    }

    fn export(&mut self, name: String, index: ExportIndex) -> Result<Vec<Export>> {
        let component = self.input.component;
        match &component.export_items[index] {
            WtExport::LiftedFunction { func, options, .. } => match self.fused(|b| b.exports.get(&index)) {
                Some(fused) => Ok(vec![self.fused_export(name, &fused)?]),
                None => self.lifted(name, func, *options),
            },
            WtExport::Type(_) => Ok(Vec::new()),
            WtExport::Instance { .. } => {
                Err(Diagnostic::new(Code::NestedInstance, format!("`{name}` is an instance inside an instance")))
            }
            WtExport::ModuleStatic { .. } | WtExport::ModuleImport { .. } => {
                Err(Diagnostic::new(Code::ModuleImportExport, format!("`{name}` is an exported core module")))
            }
        }
    }

    /// An export that the boundary gives to the host.
    fn fused_export(&mut self, name: String, fused: &Fused) -> Result<Export> {
        let (lowered, core) = (fused.lowered.clone(), fused.lifted.clone());
        let adapter = self.adapter(fused);
        let func = self.written.function(Function::BoundaryExport { adapter, lowered, core, area: fused.area })?;
        let post_return = match fused.area {
            Some(_) => Some(self.written.function(Function::AfterExport)?),
            None => None,
        };
        Ok(Export { name, func, realloc: Some(ReallocId(0)), post_return })
    }

    /// An export that the host calls as the component lifts it.
    fn lifted(&mut self, name: String, func: &CoreDef, index: wt::OptionsIndex) -> Result<Vec<Export>> {
        let realloc = self.root_options(index)?;
        let options = &self.input.component.options[index];
        let core = core_signature(self.input.types, options.core_type)?;
        let mut func = self.def(func)?;
        if options.async_ {
            let Some(callback) = options.callback else {
                let name = format!("[async-lift-stackful]{name}");
                return Ok(vec![Export { name, func, realloc, post_return: None }]);
            };
            let unknown = || Diagnostic::new(Code::Internal, "a callback that was never extracted");
            let callback = self.callbacks.get(&callback).cloned().ok_or_else(unknown)?;
            let name = format!("[async-lift]{name}");
            let called = format!("[callback]{name}");
            return Ok(vec![
                Export { name, func, realloc, post_return: None },
                Export { name: called, func: callback, realloc: None, post_return: None },
            ]);
        }
        let mut post_return = None;
        if let Some(index) = options.post_return {
            let unknown = || Diagnostic::new(Code::Internal, "a post-return that was never extracted");
            let post = self.posts.get(&index).cloned().ok_or_else(unknown)?;
            let core = CoreSignature { params: core.results.clone(), results: Vec::new() };
            post_return = Some(self.confined(post, core, options.instance)?);
        }
        // Asynchronous exports may be entered while others wait.
        if !self.options.no_guards && !self.concurrent {
            func = self.written.function(Function::GuardedExport { func, core })?;
        }
        Ok(vec![Export { name, func, realloc, post_return }])
    }

    /// What is asynchronous is lowered where nothing passes between component instances.
    fn one_instance_if_concurrent(&self) -> Result<()> {
        let fused = |m: &wasmtime_environ::ModuleTranslation<'_>| !self.bytes.as_ptr_range().contains(&m.wasm.as_ptr());
        if self.concurrent && (self.boundary.is_some() || self.input.modules.values().any(fused)) {
            return Err(asynchronous("asynchronous functions and calls between its instances"));
        }
        Ok(())
    }

    /// While an import runs, its realloc is selected; what allocates at other times must use that of the exports.
    fn one_late_realloc(&self, exports: &[Export]) -> Result<()> {
        let default = exports.iter().find_map(|e| e.realloc).unwrap_or(ReallocId(0));
        match self.late_reallocs.iter().find(|realloc| **realloc != default) {
            Some(_) => Err(asynchronous("asynchronous functions with several reallocs")),
            None => Ok(()),
        }
    }
}

/// The canonical built-ins of a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intrinsic {
    New,
    Rep,
    Drop,
}

impl Intrinsic {
    fn name(self) -> &'static str {
        match self {
            Intrinsic::New => "resource-new",
            Intrinsic::Rep => "resource-rep",
            Intrinsic::Drop => "resource-drop",
        }
    }
}

fn flag(instance: wt::RuntimeComponentInstanceIndex) -> Def {
    Def::Flag(FlagId(instance.as_u32()))
}

fn root(name: &str) -> ImportName {
    ImportName { module: "$root".to_owned(), name: name.to_owned() }
}

fn transcode(op: wt::Transcode) -> Transcode {
    match op {
        wt::Transcode::Copy(FixedEncoding::Utf8) => Transcode::CopyUtf8,
        wt::Transcode::Copy(FixedEncoding::Utf16) => Transcode::CopyUtf16,
        wt::Transcode::Copy(FixedEncoding::Latin1) => Transcode::CopyLatin1,
        wt::Transcode::Latin1ToUtf16 => Transcode::Latin1ToUtf16,
        wt::Transcode::Latin1ToUtf8 => Transcode::Latin1ToUtf8,
        wt::Transcode::Utf16ToCompactProbablyUtf16 => Transcode::Utf16ToCompactProbablyUtf16,
        wt::Transcode::Utf16ToCompactUtf16 => Transcode::Utf16ToCompactUtf16,
        wt::Transcode::Utf16ToLatin1 => Transcode::Utf16ToLatin1,
        wt::Transcode::Utf16ToUtf8 => Transcode::Utf16ToUtf8,
        wt::Transcode::Utf8ToCompactUtf16 => Transcode::Utf8ToCompactUtf16,
        wt::Transcode::Utf8ToLatin1 => Transcode::Utf8ToLatin1,
        wt::Transcode::Utf8ToUtf16 => Transcode::Utf8ToUtf16,
    }
}

pub(super) fn count(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Diagnostic::new(Code::TooLarge, "more than 2^32 items"))
}

pub(super) fn asynchronous(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::AsyncComponent, format!("the component uses {what}"))
}

/// For names: the resource type's own index.
pub(super) fn resource_index(resource: u32) -> ResourceIndex {
    ResourceIndex::from_u32(resource)
}
