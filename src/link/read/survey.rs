//! What must be known of a translated component before it is flattened: who faces the host, and with what.

use super::super::{Handles, Options};
use super::Input;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use wasmtime_environ::component::{
    self as wt, CanonicalOptionsDataModel, CoreDef, Export, ExportItem, GlobalInitializer, InstantiateModule,
    InterfaceType, ResourceIndex, StringEncoding, Trampoline, TypeDef, TypeFuncIndex, TypeResourceTable,
    TypeResourceTableIndex,
};
use wasmtime_environ::{EntityIndex, EntityRef, EntityType, StaticModuleIndex};

/// The facts.
pub(super) struct Survey {
    /// Module and arguments of each core instance, in order.
    pub(super) instances: Vec<(StaticModuleIndex, Box<[CoreDef]>)>,
    /// Where each memory comes from that canonical options name.
    pub(super) memories: HashMap<wt::RuntimeMemoryIndex, wt::CoreExport<EntityIndex>>,
    /// The same for reallocs.
    pub(super) reallocs: HashMap<wt::RuntimeReallocIndex, CoreDef>,
    /// Interface and name under which a resource type is exported that the component defines.
    pub(super) exported: BTreeMap<u32, (String, String)>,
    /// Why an instance of the linker's own must face the host, if one must.
    pub(super) boundary: Option<&'static str>,
}

impl Survey {
    pub(super) fn new(input: &Input<'_, '_>, options: &Options) -> Survey {
        let mut survey = Survey {
            instances: Vec::new(),
            memories: HashMap::new(),
            reallocs: HashMap::new(),
            exported: exported(input),
            boundary: None,
        };
        for initializer in &input.component.initializers {
            match initializer {
                GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, args), _) => {
                    survey.instances.push((*module, args.clone()));
                }
                GlobalInitializer::ExtractMemory(memory) => {
                    let export = memory.export.clone().map_index(EntityIndex::from);
                    survey.memories.insert(memory.index, survey.trace(input, export));
                }
                GlobalInitializer::ExtractRealloc(realloc) => {
                    let def = match &realloc.def {
                        CoreDef::Export(export) => CoreDef::Export(survey.trace(input, export.clone())),
                        other => other.clone(),
                    };
                    survey.reallocs.insert(realloc.index, def);
                }
                _ => {}
            }
        }
        survey.boundary = survey.why(input, options);
        survey
    }

    /// Follows imports of core instances to the one that defines the item.
    fn trace(&self, input: &Input<'_, '_>, mut export: wt::CoreExport<EntityIndex>) -> wt::CoreExport<EntityIndex> {
        // A chain of imports visits each instance at most once.
        for _ in 0..self.instances.len() {
            let ExportItem::Index(index) = export.item else { break };
            let Some((module, args)) = self.instances.get(export.instance.index()) else { break };
            let module = &input.modules[*module].module;
            let (imported, nth) = match index {
                EntityIndex::Function(i) => (module.num_imported_funcs, i.index()),
                EntityIndex::Memory(i) => (module.num_imported_memories, i.index()),
                _ => break,
            };
            if nth >= imported {
                break;
            }
            let same_space = |ty: &EntityType| match index {
                EntityIndex::Function(_) => matches!(ty, EntityType::Function(_)),
                _ => matches!(ty, EntityType::Memory(_)),
            };
            let of_space = module.imports().enumerate().filter(|(_, (_, _, ty))| same_space(ty));
            match of_space.map(|(position, _)| position).nth(nth).and_then(|position| args.get(position)) {
                Some(CoreDef::Export(next)) => export = next.clone(),
                _ => break,
            }
        }
        export
    }

    fn why(&self, input: &Input<'_, '_>, options: &Options) -> Option<&'static str> {
        let mut memories = HashSet::new();
        let mut encodings = Vec::new();
        let mut reallocs = HashSet::new();
        for (index, is_export) in root_options(input) {
            let canonical = &input.component.options[index];
            let CanonicalOptionsDataModel::LinearMemory(linear) = canonical.data_model else { continue };
            let Some(memory) = linear.memory.and_then(|m| self.memories.get(&m)) else { continue };
            memories.insert((memory.instance, format!("{:?}", memory.item)));
            if !encodings.contains(&canonical.string_encoding) {
                encodings.push(canonical.string_encoding);
            }
            if let Some(realloc) = linear.realloc.and_then(|r| self.reallocs.get(&r)).filter(|_| is_export) {
                reallocs.insert(realloc);
            }
        }
        let defined: usize =
            self.instances.iter().map(|(module, _)| input.modules[*module].module.num_defined_memories()).sum();
        if memories.len() > 1 {
            Some("functions of the root use several memories")
        } else if encodings.len() > 1 {
            Some("functions of the root use several string encodings")
        } else if reallocs.len() > 1 {
            Some("exports allocate with several reallocs")
        } else if self.resources_are_shared(input) {
            Some("resources of the host are in the hands of several instances")
        } else if options.handles == Handles::Module && !self.exported.is_empty() {
            Some("the module keeps the handles of its resources")
        } else if options.single_memory && defined > 1 && !memories.is_empty() {
            Some("several memories are to become one, of which the host may see a part")
        } else {
            None
        }
    }

    /// Whether handles of a type that the host knows are held by more than one component instance.
    fn resources_are_shared(&self, input: &Input<'_, '_>) -> bool {
        let mut holders: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut hold = |table: TypeResourceTableIndex| {
            if let TypeResourceTable::Concrete { ty, instance } = input.tables[table.index()] {
                holders.entry(ty.as_u32()).or_default().insert(instance.as_u32());
            }
        };
        let mut transfers = false;
        let mut types = Vec::new();
        for (_, trampoline) in input.trampolines.iter() {
            match trampoline {
                Trampoline::ResourceNew { ty, .. }
                | Trampoline::ResourceRep { ty, .. }
                | Trampoline::ResourceDrop { ty, .. } => hold(*ty),
                Trampoline::ResourceTransferOwn | Trampoline::ResourceTransferBorrow => transfers = true,
                Trampoline::LowerImport { lower_ty, .. } => types.push(*lower_ty),
                _ => {}
            }
        }
        types.extend(input.component.export_items.values().filter_map(|item| match item {
            Export::LiftedFunction { ty, .. } => Some(*ty),
            _ => None,
        }));
        resources_of(input, &types).into_iter().for_each(&mut hold);
        if transfers {
            // The root of a composition sees every type, and holds no handle of its own.
            let nested = input.tables.iter().enumerate().filter(|(_, table)| match table {
                TypeResourceTable::Concrete { instance, .. } => instance.as_u32() != 0,
                TypeResourceTable::Abstract(_) => false,
            });
            nested.for_each(|(i, _)| hold(TypeResourceTableIndex::new(i)));
        }
        holders.iter().any(|(resource, holders)| holders.len() > 1 && self.is_known_to_host(input, *resource))
    }

    /// Whether a resource type is imported or exported.
    pub(super) fn is_known_to_host(&self, input: &Input<'_, '_>, resource: u32) -> bool {
        input.component.imported_resources.get(ResourceIndex::from_u32(resource)).is_some()
            || self.exported.contains_key(&resource)
    }
}

/// Options of the functions at the root, and whether they are exports.
fn root_options<'i>(input: &'i Input<'_, '_>) -> impl Iterator<Item = (wt::OptionsIndex, bool)> + 'i {
    let lowered = input.trampolines.values().filter_map(|trampoline| match trampoline {
        Trampoline::LowerImport { options, .. } => Some((*options, false)),
        _ => None,
    });
    let lifted = input.component.export_items.values().filter_map(|item| match item {
        Export::LiftedFunction { options, .. } => Some((*options, true)),
        _ => None,
    });
    lowered.chain(lifted)
}

/// The views of resource types in the parameters and results of functions.
fn resources_of(input: &Input<'_, '_>, functions: &[TypeFuncIndex]) -> BTreeSet<TypeResourceTableIndex> {
    let types = input.types;
    let mut found = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut todo: Vec<InterfaceType> = Vec::new();
    for function in functions {
        let function = &types[*function];
        todo.extend(types[function.params].types.iter().chain(types[function.results].types.iter()));
    }
    while let Some(ty) = todo.pop() {
        if !seen.insert(ty) {
            continue;
        }
        match ty {
            InterfaceType::Own(table) | InterfaceType::Borrow(table) => drop(found.insert(table)),
            InterfaceType::Record(i) => todo.extend(types[i].fields.iter().map(|f| f.ty)),
            InterfaceType::Variant(i) => todo.extend(types[i].cases.values().flatten()),
            InterfaceType::List(i) => todo.push(types[i].element),
            InterfaceType::FixedLengthList(i) => todo.push(types[i].element),
            InterfaceType::Map(i) => todo.extend([types[i].key, types[i].value]),
            InterfaceType::Tuple(i) => todo.extend(types[i].types.iter()),
            InterfaceType::Option(i) => todo.push(types[i].ty),
            InterfaceType::Result(i) => todo.extend([types[i].ok, types[i].err].into_iter().flatten()),
            _ => {}
        }
    }
    found
}

fn exported(input: &Input<'_, '_>) -> BTreeMap<u32, (String, String)> {
    let component = input.component;
    let mut exported = BTreeMap::new();
    for (interface, (index, _)) in component.exports.raw_iter() {
        let Export::Instance { exports, .. } = &component.export_items[*index] else { continue };
        for (name, (index, _)) in exports.raw_iter() {
            let Export::Type(TypeDef::Resource(table)) = &component.export_items[*index] else { continue };
            if let TypeResourceTable::Concrete { ty, .. } = input.tables[table.index()]
                && component.defined_resource_index(ty).is_some()
            {
                exported.entry(ty.as_u32()).or_insert_with(|| (interface.to_string(), name.to_string()));
            }
        }
    }
    exported
}

/// What wit-component calls an encoding.
pub(super) fn encoding(encoding: Option<StringEncoding>) -> wit_component::StringEncoding {
    match encoding {
        None | Some(StringEncoding::Utf8) => wit_component::StringEncoding::UTF8,
        Some(StringEncoding::Utf16) => wit_component::StringEncoding::UTF16,
        Some(StringEncoding::CompactUtf16) => wit_component::StringEncoding::CompactUTF16,
    }
}
