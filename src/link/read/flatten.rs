//! From the front end's list of initializers to [`ir`](super::super::ir).

use super::super::ir::{
    Component, Def, FlagId, Host, HostId, InstanceId, Instantiate, Item, ModuleId, ReallocId, Space,
};
use super::super::merge::Scans;
use super::super::written::Written;
use super::super::{Handles, Options};
use super::asynchronous::{self, Channels};
use super::boundary::Boundary;
use super::survey::{Survey, encoding};
use super::{Input, empty_world, world};
use crate::abi::{Core, CoreSignature, ImportName};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::borrow::Cow;
use std::collections::HashMap;
use wasmtime_environ::component::{self as wt, CoreDef, GlobalInitializer, InstantiateModule, StringEncoding};
use wasmtime_environ::{EntityIndex, EntityRef};

pub(super) struct Flattener<'x, 'a, 's> {
    pub(super) bytes: &'a [u8],
    pub(super) input: Input<'x, 's>,
    pub(super) survey: Survey,
    pub(super) boundary: Option<&'x Boundary>,
    pub(super) options: &'x Options,
    pub(super) written: Written,
    pub(super) hosts: Vec<Host>,
    pub(super) host_ids: HashMap<ImportName, HostId>,
    pub(super) lowered: HashMap<wt::LoweredIndex, wt::RuntimeImportIndex>,
    pub(super) reallocs: Vec<Def>,
    pub(super) posts: HashMap<wt::RuntimePostReturnIndex, Def>,
    pub(super) callbacks: HashMap<wt::RuntimeCallbackIndex, Def>,
    pub(super) memory: Option<Item>,
    pub(super) encoding: Option<StringEncoding>,
    pub(super) channels: Channels,
    /// Whether anything is asynchronous: then several calls may be under way.
    pub(super) concurrent: bool,
    /// Reallocs that are called when no import runs that could select them.
    pub(super) late_reallocs: Vec<ReallocId>,
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
        let (resolve, world, untyped) = match world(self.bytes) {
            Ok((resolve, world)) => (resolve, world, None),
            Err(error) if self.exports_types() => {
                let (resolve, world) = empty_world()?;
                (resolve, world, Some(error.cause.unwrap_or(error.message)))
            }
            Err(error) => return Err(error),
        };
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
            untyped,
        })
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

    pub(super) fn def(&mut self, def: &CoreDef) -> Result<Def> {
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

    pub(super) fn item(&self, export: &wt::CoreExport<EntityIndex>) -> Result<Item> {
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

    pub(super) fn host(&mut self, name: ImportName, core: CoreSignature, realloc: Option<ReallocId>) -> Result<Def> {
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
}

pub(super) fn flag(instance: wt::RuntimeComponentInstanceIndex) -> Def {
    Def::Flag(FlagId(instance.as_u32()))
}

pub(super) fn root(name: &str) -> ImportName {
    ImportName { module: "$root".to_owned(), name: name.to_owned() }
}

pub(super) fn count(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Diagnostic::new(Code::TooLarge, "more than 2^32 items"))
}

pub(super) fn asynchronous(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::AsyncComponent, format!("the component uses {what}"))
}
