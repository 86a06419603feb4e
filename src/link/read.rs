//! The front end: validates a component and flattens it into [`super::ir`].
//!
//! `wasmtime-environ` inlines nested components and fuses adapters. Its types do not leave this file. It trusts its
//! input to be valid and may still panic on input that nobody tried, so it runs behind `quietly`.

use super::ir::{
    Component, Def, Export, FlagId, Host, HostId, InstanceId, Instantiate, Item, ModuleId, ReallocId, Space,
};
use super::size;
use crate::abi::{Core, CoreSignature, ImportName};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use std::borrow::Cow;
use std::collections::HashMap;
use wasmparser::{Chunk, ComponentExternalKind, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures};
use wasmtime_environ::component::{
    self as wt, CanonicalOptionsDataModel, ComponentTypes, ComponentTypesBuilder, CoreDef, Export as WtExport,
    GlobalInitializer, InstantiateModule, StringEncoding, Trampoline, Translator, TypeDef, TypeResourceTable,
    TypeResourceTableIndex,
};
use wasmtime_environ::{
    EntityIndex, EntityRef, ModuleTranslation, PrimaryMap, ScopeVec, StaticModuleIndex, Tunables, WasmValType,
};

/// What a component may use. Proposals beyond are recognised and refused by name.
fn features() -> WasmFeatures {
    WasmFeatures::WASM3
        .difference(WasmFeatures::GC | WasmFeatures::FUNCTION_REFERENCES | WasmFeatures::MEMORY64)
        .union(WasmFeatures::COMPONENT_MODEL)
}

/// Validates and flattens `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Component<'_>> {
    size::check(bytes)?;
    let features = validate(bytes)?;
    only_functions_and_instances(bytes)?;
    let scope = ScopeVec::new();
    let mut validator = Validator::new_with_features(features);
    let mut types = ComponentTypesBuilder::new(&validator);
    // Without concurrency support the front end plans no tasks, which synchronous components do not need.
    let tunables = Tunables { concurrency_support: false, ..Tunables::default_u64() };
    let (translation, modules) = quietly("the component translator", || {
        Translator::new(&tunables, &mut validator, &mut types, &scope).translate(bytes)
    })?
    .map_err(|e| {
        Diagnostic::new(Code::UnsupportedType, "the component uses something that cannot be lowered").cause(e)
    })?;
    let (types, _) = types.finish(&translation.component);
    let mut flattener = Flattener {
        bytes,
        modules: &modules,
        component: &translation.component,
        trampolines: &translation.trampolines,
        types: &types,
        hosts: Vec::new(),
        host_ids: HashMap::new(),
        lowered: lowered(&translation.component),
        reallocs: Vec::new(),
        realloc_map: HashMap::new(),
        posts: HashMap::new(),
        memory: None,
        encoding: None,
    };
    flattener.flatten()
}

/// The world that the component was built against, as far as it uses it.
fn world(bytes: &[u8]) -> Result<(wit_parser::Resolve, wit_parser::WorldId)> {
    let unreadable = |cause: &dyn std::fmt::Display| {
        Diagnostic::new(Code::TypeInformation, "the component's WIT cannot be recovered").cause(cause)
    };
    let decoded = quietly("decoding the component's types", || wit_component::decode(bytes))
        .map_err(|e| unreadable(&e))?
        .map_err(|e| unreadable(&format!("{e:#}")))?;
    match decoded {
        wit_component::DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
        wit_component::DecodedWasm::WitPackage(..) => {
            Err(Diagnostic::new(Code::ModuleGiven, "this is a WIT package, not a component"))
        }
    }
}

/// Validates, and gives the features to translate with. Exceptions are left out unless a module uses them, since fused
/// adapters would use them too. Invalid files are told from valid ones that use what is not supported.
fn validate(bytes: &[u8]) -> Result<WasmFeatures> {
    let plain = features().difference(WasmFeatures::EXCEPTIONS);
    if Validator::new_with_features(plain).validate_all(bytes).is_ok() {
        return Ok(plain);
    }
    let Err(error) = Validator::new_with_features(features()).validate_all(bytes) else { return Ok(features()) };
    match Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) {
        Err(error) => Err(Diagnostic::invalid_wasm(&error)),
        Ok(_)
            if error.message().contains("async")
                || error.message().contains("stream")
                || error.message().contains("future") =>
        {
            Err(Diagnostic::new(Code::AsyncComponent, "the component is asynchronous").cause(&error))
        }
        Ok(_) => {
            Err(Diagnostic::new(Code::UnsupportedType, format!("a feature that is not lowered: {}", error.message()))
                .cause(&error))
        }
    }
}

/// A core module can neither take nor give modules or components.
fn only_functions_and_instances(bytes: &[u8]) -> Result<()> {
    let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let refused = |verb: &str, name: &str, kind: &str| {
        Err(Diagnostic::new(Code::ModuleImportExport, format!("the component {verb} `{name}`, which is a {kind}")))
    };
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    loop {
        let Chunk::Parsed { payload, consumed } = parser.parse(rest, true).map_err(invalid)? else { return Ok(()) };
        rest = &rest[consumed..];
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(invalid)?;
                    match import.ty {
                        ComponentTypeRef::Module(_) => return refused("imports", import.name.name, "core module"),
                        ComponentTypeRef::Component(_) => return refused("imports", import.name.name, "component"),
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    match export.kind {
                        ComponentExternalKind::Module => return refused("exports", export.name.name, "core module"),
                        ComponentExternalKind::Component => return refused("exports", export.name.name, "component"),
                        _ => {}
                    }
                }
            }
            // What lies inside is not at the boundary.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                rest = rest.get(unchecked_range.len()..).unwrap_or_default();
            }
            Payload::End(_) => return Ok(()),
            _ => {}
        }
    }
}

/// Which import each lowered function is.
fn lowered(component: &wt::Component) -> HashMap<wt::LoweredIndex, wt::RuntimeImportIndex> {
    let lowerings = component.initializers.iter().filter_map(|i| match i {
        GlobalInitializer::LowerImport { index, import } => Some((*index, *import)),
        _ => None,
    });
    lowerings.collect()
}

struct Flattener<'x, 'a, 's> {
    bytes: &'a [u8],
    modules: &'x PrimaryMap<StaticModuleIndex, ModuleTranslation<'s>>,
    component: &'x wt::Component,
    trampolines: &'x PrimaryMap<wt::TrampolineIndex, Trampoline>,
    types: &'x ComponentTypes,
    hosts: Vec<Host>,
    host_ids: HashMap<ImportName, HostId>,
    lowered: HashMap<wt::LoweredIndex, wt::RuntimeImportIndex>,
    reallocs: Vec<Def>,
    realloc_map: HashMap<wt::RuntimeReallocIndex, ReallocId>,
    posts: HashMap<wt::RuntimePostReturnIndex, Def>,
    memory: Option<Item>,
    encoding: Option<StringEncoding>,
}

impl<'a> Flattener<'_, 'a, '_> {
    fn flatten(&mut self) -> Result<Component<'a>> {
        let mut instances: Vec<Instantiate> = Vec::new();
        let mut instance_modules: Vec<StaticModuleIndex> = Vec::new();
        let mut destructors = Vec::new();
        for initializer in &self.component.initializers {
            match initializer {
                GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, args), owner) => {
                    let args = args.iter().map(|arg| self.def(arg, &instance_modules)).collect::<Result<Vec<_>>>()?;
                    let owner = owner.map(|instance| FlagId(instance.as_u32()));
                    instances.push(Instantiate { module: ModuleId(module.as_u32()), args, owner });
                    instance_modules.push(*module);
                }
                GlobalInitializer::InstantiateModule(InstantiateModule::Import(..), _) => {
                    return Err(Diagnostic::new(Code::ModuleImportExport, "the component imports a core module"));
                }
                GlobalInitializer::LowerImport { .. } => {}
                GlobalInitializer::ExtractMemory(memory) => {
                    let export = memory.export.clone().map_index(EntityIndex::from);
                    // Two names may be one memory; that there is only one is checked when all are traced.
                    self.memory = Some(self.item(&export, &instance_modules)?);
                }
                GlobalInitializer::ExtractRealloc(realloc) => {
                    let def = self.def(&realloc.def, &instance_modules)?;
                    let id = match self.reallocs.iter().position(|known| *known == def) {
                        Some(i) => i,
                        None => {
                            self.reallocs.push(def);
                            self.reallocs.len() - 1
                        }
                    };
                    self.realloc_map.insert(realloc.index, ReallocId(count(id)?));
                }
                GlobalInitializer::ExtractPostReturn(post) => {
                    let def = self.def(&post.def, &instance_modules)?;
                    self.posts.insert(post.index, def);
                }
                GlobalInitializer::ExtractCallback(_) => return Err(asynchronous("an asynchronous export")),
                GlobalInitializer::ExtractTable(_) => return Err(asynchronous("threads")),
                GlobalInitializer::Resource(resource) => {
                    if let Some(dtor) = &resource.dtor {
                        let def = self.def(dtor, &instance_modules)?;
                        destructors.push((resource.index, def));
                    }
                }
            }
        }
        let mut exports = self.exports(&instance_modules)?;
        for (index, func) in destructors {
            let resource = self.component.resource_index(index);
            // A destructor of a resource that is not exported can only be called from inside, by its drop.
            if let Some((interface, name)) = self.exported_resource(resource) {
                let name = format!("{interface}#[dtor]{name}");
                exports.push(Export { name, func, realloc: None, post_return: None });
            }
        }
        let modules = self.modules.values().map(|m| self.module_bytes(m.wasm)).collect();
        let encoding = match self.encoding {
            None | Some(StringEncoding::Utf8) => wit_component::StringEncoding::UTF8,
            Some(StringEncoding::Utf16) => wit_component::StringEncoding::UTF16,
            Some(StringEncoding::CompactUtf16) => wit_component::StringEncoding::CompactUTF16,
        };
        let (resolve, world) = world(self.bytes)?;
        Ok(Component {
            modules,
            instances,
            hosts: std::mem::take(&mut self.hosts),
            reallocs: std::mem::take(&mut self.reallocs),
            exports,
            memory: self.memory,
            encoding,
            resolve,
            world,
        })
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

    fn def(&mut self, def: &CoreDef, instances: &[StaticModuleIndex]) -> Result<Def> {
        match def {
            CoreDef::Export(export) => self.item(export, instances).map(Def::Item),
            CoreDef::InstanceFlags(instance) => Ok(Def::Flag(FlagId(instance.as_u32()))),
            CoreDef::Trampoline(index) => self.trampoline(*index),
            CoreDef::UnsafeIntrinsic(_) => Err(Diagnostic::new(Code::UnsupportedType, "an intrinsic of one runtime")),
            CoreDef::TaskMayBlock => Err(asynchronous("tasks that may block")),
        }
    }

    fn item(&self, export: &wt::CoreExport<EntityIndex>, instances: &[StaticModuleIndex]) -> Result<Item> {
        let entity = match &export.item {
            wt::ExportItem::Index(index) => *index,
            wt::ExportItem::Name(_) => {
                return Err(Diagnostic::new(Code::ModuleImportExport, "an item of an imported core module"));
            }
        };
        if export.instance.index() >= instances.len() {
            return Err(Diagnostic::new(Code::Internal, "an item of an instance that does not exist yet"));
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

    fn trampoline(&mut self, index: wt::TrampolineIndex) -> Result<Def> {
        match &self.trampolines[index] {
            Trampoline::LowerImport { index: lowered, options, .. } => {
                let realloc = self.options(*options)?;
                let name = self.lowered_name(*lowered)?;
                self.host(name, self.core_type(index)?, realloc)
            }
            Trampoline::ResourceDrop { ty, .. } => {
                let name = self.resource_name(*ty, "resource-drop")?;
                self.host(name, self.core_type(index)?, None)
            }
            Trampoline::ResourceNew { ty, .. } => {
                let name = self.resource_name(*ty, "resource-new")?;
                self.host(name, self.core_type(index)?, None)
            }
            Trampoline::ResourceRep { ty, .. } => {
                let name = self.resource_name(*ty, "resource-rep")?;
                self.host(name, self.core_type(index)?, None)
            }
            Trampoline::Trap => Ok(Def::Trap),
            // Strings pass between instances, each of which has a memory.
            Trampoline::Transcoder { .. } => Err(several_memories()),
            Trampoline::ResourceTransferOwn | Trampoline::ResourceTransferBorrow => {
                Err(Diagnostic::new(Code::InternalResource, "handles pass between instances of the composition"))
            }
            other => Err(asynchronous(&format!("the built-in `{}`", other.symbol_name()))),
        }
    }

    fn core_type(&self, index: wt::TrampolineIndex) -> Result<CoreSignature> {
        let ty = &self.types.module_types()[self.component.trampolines[index]];
        let func = ty.unwrap_func();
        let core = |types: &[WasmValType]| {
            types
                .iter()
                .map(|ty| match ty {
                    WasmValType::I32 => Some(Core::I32),
                    WasmValType::I64 => Some(Core::I64),
                    WasmValType::F32 => Some(Core::F32),
                    WasmValType::F64 => Some(Core::F64),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
        };
        match (core(func.params()), core(func.results())) {
            (Some(params), Some(results)) => Ok(CoreSignature { params, results }),
            _ => Err(Diagnostic::new(Code::UnsupportedType, "an import whose core type is not canonical")),
        }
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

    /// Checks canonical options, notes the string encoding, and gives the realloc.
    fn options(&mut self, index: wt::OptionsIndex) -> Result<Option<ReallocId>> {
        let options = &self.component.options[index];
        if options.async_ || options.callback.is_some() {
            return Err(asynchronous("an asynchronous function"));
        }
        let CanonicalOptionsDataModel::LinearMemory(memory) = options.data_model else {
            return Err(Diagnostic::new(Code::UnsupportedType, "canonical options with GC references"));
        };
        if memory.memory.is_some() {
            match self.encoding {
                Some(known) if known != options.string_encoding => {
                    return Err(Diagnostic::new(Code::MixedEncodings, "functions of different string encodings")
                        .fact("encodings", format!("{known:?}, {:?}", options.string_encoding)));
                }
                _ => self.encoding = Some(options.string_encoding),
            }
        }
        let unknown = || Diagnostic::new(Code::Internal, "a realloc that is named before it is extracted");
        memory.realloc.map(|index| self.realloc_map.get(&index).copied().ok_or_else(unknown)).transpose()
    }

    fn lowered_name(&self, lowered: wt::LoweredIndex) -> Result<ImportName> {
        let unknown = || Diagnostic::new(Code::Internal, "a lowered function that is never lowered");
        self.import_name(*self.lowered.get(&lowered).ok_or_else(unknown)?)
    }

    fn import_name(&self, import: wt::RuntimeImportIndex) -> Result<ImportName> {
        let (index, path) = &self.component.imports[import];
        let (root, _) = &self.component.import_types[*index];
        match path.as_slice() {
            [] => Ok(ImportName { module: "$root".to_owned(), name: root.clone() }),
            [name] => Ok(ImportName { module: root.clone(), name: name.clone() }),
            _ => Err(Diagnostic::new(Code::NestedInstance, format!("`{root}` holds an instance that is imported"))),
        }
    }

    fn resource_name(&self, ty: TypeResourceTableIndex, intrinsic: &str) -> Result<ImportName> {
        let TypeResourceTable::Concrete { ty, .. } = self.types[ty] else {
            return Err(Diagnostic::new(Code::InternalResource, "an abstract resource"));
        };
        if let Some(&import) = self.component.imported_resources.get(ty) {
            let ImportName { module, name } = self.import_name(import)?;
            return Ok(ImportName { module, name: format!("[{intrinsic}]{name}") });
        }
        match self.exported_resource(ty) {
            Some((interface, name)) => {
                Ok(ImportName { module: format!("[export]{interface}"), name: format!("[{intrinsic}]{name}") })
            }
            None => Err(Diagnostic::new(
                Code::InternalResource,
                "a resource is defined inside the component and never exported",
            )),
        }
    }

    /// Interface and name under which a resource that the component defines is exported.
    fn exported_resource(&self, resource: wt::ResourceIndex) -> Option<(String, String)> {
        self.component.exports.raw_iter().find_map(|(interface, (index, _))| {
            let WtExport::Instance { exports, .. } = &self.component.export_items[*index] else { return None };
            exports.raw_iter().find_map(|(name, (index, _))| match &self.component.export_items[*index] {
                WtExport::Type(TypeDef::Resource(table)) => match self.types[*table] {
                    TypeResourceTable::Concrete { ty, .. } if ty == resource => {
                        Some((interface.to_string(), name.to_string()))
                    }
                    _ => None,
                },
                _ => None,
            })
        })
    }

    fn exports(&mut self, instances: &[StaticModuleIndex]) -> Result<Vec<Export>> {
        let component = self.component;
        let mut out = Vec::new();
        for (name, (index, _)) in component.exports.raw_iter() {
            match &component.export_items[*index] {
                WtExport::Instance { exports, .. } => {
                    for (field, (index, _)) in exports.raw_iter() {
                        let full = format!("{}#{}", name.as_str(), field.as_str());
                        self.export(full, &component.export_items[*index], instances, &mut out)?;
                    }
                }
                item => self.export(name.as_str().to_owned(), item, instances, &mut out)?,
            }
        }
        Ok(out)
    }

    fn export(
        &mut self,
        name: String,
        item: &WtExport,
        instances: &[StaticModuleIndex],
        out: &mut Vec<Export>,
    ) -> Result<()> {
        match item {
            WtExport::LiftedFunction { func, options, .. } => {
                let realloc = self.options(*options)?;
                let func = self.def(func, instances)?;
                let unknown = || Diagnostic::new(Code::Internal, "a post-return that was never extracted");
                let post_return = self.component.options[*options]
                    .post_return
                    .map(|index| self.posts.get(&index).cloned().ok_or_else(unknown))
                    .transpose()?;
                out.push(Export { name, func, realloc, post_return });
                Ok(())
            }
            WtExport::Type(_) => Ok(()),
            WtExport::Instance { .. } => {
                Err(Diagnostic::new(Code::NestedInstance, format!("`{name}` is an instance inside an instance")))
            }
            WtExport::ModuleStatic { .. } | WtExport::ModuleImport { .. } => {
                Err(Diagnostic::new(Code::ModuleImportExport, format!("`{name}` is an exported core module")))
            }
        }
    }
}

fn count(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Diagnostic::new(Code::TooLarge, "more than 2^32 items"))
}

fn asynchronous(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::AsyncComponent, format!("the component uses {what}"))
}

pub(super) fn several_memories() -> Box<Diagnostic> {
    Diagnostic::new(Code::SeveralMemories, "the component has more than one memory")
        .hint("link each part of the composition by itself, or compose them on an engine with the component model")
}
