//! Fused adapters between the boundary and the functions of the component's root.
//!
//! The front end fuses what component instances lift and lower among themselves. Here the boundary is made one of them: it
//! lifts every import of the root, which the component's instances lower, and it lowers every export that they lift.

use super::super::plan::val_type;
use super::super::written::Area;
use super::survey::Survey;
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{BTreeMap, HashMap};
use wasmparser::{Parser, Payload, Validator};
use wasmtime_environ::component::{
    self as wt, Adapter, AdapterOptions, CanonicalOptionsDataModel, ComponentTypesBuilder, CoreDef, DataModel, Export,
    ExportIndex, ExportItem, InterfaceType, OptionsIndex, RuntimeComponentInstanceIndex, StringEncoding, Trampoline,
    TrampolineIndex, Transcode, TypeFuncIndex, TypeResourceTable, TypeResourceTableIndex, dfg,
};
use wasmtime_environ::fact::{self, Import};
use wasmtime_environ::{
    EntityIndex, EntityRef, FuncIndex, IndexType, Limits, Memory, MemoryIndex, ModuleInternedTypeIndex,
    ModuleTranslation, PrimaryMap, StaticModuleIndex, Tunables, WasmFuncType, WasmValType,
};

/// A core definition, of the component or of the boundary.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Core(CoreDef),
    Memory,
    Realloc,
    Import(TrampolineIndex),
    AfterImport(TrampolineIndex),
    /// The post-return of an export with these options. Adapters leave its instance free to call imports meanwhile, which
    /// `canon lift` does not.
    PostReturn(OptionsIndex),
}

/// What an import of the adapters' module is given.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Given(Given),
    Transcode { op: Transcode, from: Given, to: Given },
    TransferOwn,
    TransferBorrow,
    Enter,
    Exit,
    Trap,
}

/// An adapter: its function in the module, and the core signatures of its two sides.
#[derive(Debug, Clone)]
pub(super) struct Fused {
    pub(super) index: u32,
    pub(super) lifted: CoreSignature,
    pub(super) lowered: CoreSignature,
    /// Where results go that are spilled.
    pub(super) area: Option<Area>,
}

/// The boundary, as far as the front end makes it.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    pub(super) wasm: Vec<u8>,
    pub(super) args: Vec<Argument>,
    pub(super) imports: HashMap<TrampolineIndex, Fused>,
    pub(super) exports: HashMap<ExportIndex, Fused>,
    /// The boundary's own views, by resource type, in the order of their numbers, which follow those of the component.
    pub(super) views: Vec<u32>,
}

/// Writes the adapters of all root functions.
#[allow(clippy::too_many_arguments, reason = "all that the front end knows, borrowed apart")]
pub(super) fn write(
    modules: &PrimaryMap<StaticModuleIndex, ModuleTranslation<'_>>,
    component: &wt::Component,
    trampolines: &PrimaryMap<TrampolineIndex, Trampoline>,
    survey: &Survey,
    tables: &[TypeResourceTable],
    tunables: &Tunables,
    types: &mut ComponentTypesBuilder,
    validator: &mut Validator,
) -> Result<Boundary> {
    let mut writer = Writer {
        modules,
        component,
        survey,
        tables,
        given: Vec::new(),
        views: BTreeMap::new(),
        remapped: HashMap::new(),
        types,
    };
    let mut adapters = Vec::new();
    for (index, trampoline) in trampolines.iter() {
        if let Trampoline::LowerImport { lower_ty, options, .. } = trampoline {
            adapters.push((Root::Import(index), *lower_ty, *options));
        }
    }
    for (index, item) in component.export_items.iter() {
        if let Export::LiftedFunction { ty, options, .. } = item {
            adapters.push((Root::Export(index), *ty, *options));
        }
    }
    let signatures = adapters.iter().map(|(root, ty, options)| writer.signatures(root, *ty, *options));
    let signatures = signatures.collect::<Result<Vec<_>>>()?;
    let outer = adapters.iter().zip(&signatures).map(|((root, ..), fused)| match root {
        Root::Import(_) => &fused.lifted,
        Root::Export(_) => &fused.lowered,
    });
    let core_types = intern(outer, writer.types, validator)?;
    let mut planned = Vec::new();
    for ((root, ty, options), core_type) in adapters.iter().zip(core_types) {
        planned.push(writer.adapter(root, *ty, *options, core_type)?);
    }
    let Writer { given, views, types, .. } = writer;
    let mut module = fact::Module::new(types, tunables, *validator.features());
    for (nth, adapter) in planned.iter().enumerate() {
        module.adapt(&nth.to_string(), adapter);
    }
    let wasm = module.encode();
    let args = module.imports().iter().map(|import| argument(import, &given)).collect::<Result<_>>()?;
    let mut boundary = Boundary { args, ..Boundary::default() };
    for (name, index) in exports(&wasm)? {
        let nth: usize = name.parse().map_err(|_| ours("an adapter without a number"))?;
        let (root, fused) = adapters.get(nth).zip(signatures.get(nth)).ok_or_else(|| ours("an unknown adapter"))?;
        let fused = Fused { index, ..fused.clone() };
        match root.0 {
            Root::Import(trampoline) => drop(boundary.imports.insert(trampoline, fused)),
            Root::Export(export) => drop(boundary.exports.insert(export, fused)),
        }
    }
    boundary.wasm = wasm;
    let mut views: Vec<(u32, u32)> = views.into_iter().map(|(resource, view)| (view, resource)).collect();
    views.sort_unstable();
    boundary.views = views.into_iter().map(|(_, resource)| resource).collect();
    Ok(boundary)
}

/// A function of the component's root.
enum Root {
    Import(TrampolineIndex),
    Export(ExportIndex),
}

struct Writer<'w, 's> {
    modules: &'w PrimaryMap<StaticModuleIndex, ModuleTranslation<'s>>,
    component: &'w wt::Component,
    survey: &'w Survey,
    tables: &'w [TypeResourceTable],
    /// What the front end's definitions stand for: they carry positions in this list.
    given: Vec<Given>,
    /// Numbers of the boundary's views, by resource type.
    views: BTreeMap<u32, u32>,
    remapped: HashMap<InterfaceType, InterfaceType>,
    types: &'w mut ComponentTypesBuilder,
}

impl Writer<'_, '_> {
    /// Core signatures of both sides. The component's is known; the boundary's is the same function from the other side,
    /// where spilled results are returned as a pointer (lifted) or go where a last parameter points (lowered).
    fn signatures(&self, root: &Root, ty: TypeFuncIndex, options: OptionsIndex) -> Result<Fused> {
        let known = core_signature(self.types, self.component.options[options].core_type)?;
        let results = &self.types[self.types[ty].results];
        let flat: Option<usize> =
            results.types.iter().map(|ty| self.types.flat_types(ty).map(|flat| flat.memory32.len())).sum();
        let area = match flat {
            Some(0 | 1) => None,
            _ => Some(Area { size: results.abi.size32, align: results.abi.align32 }),
        };
        let mut other = known.clone();
        let (lifted, lowered) = match (root, area) {
            (_, None) => (known.clone(), known),
            (Root::Import(_), Some(_)) => {
                other.params.pop().ok_or_else(|| ours("a lowered function without its return pointer"))?;
                other.results = vec![Core::I32];
                (other, known)
            }
            (Root::Export(_), Some(_)) => {
                other.params.push(Core::I32);
                other.results.clear();
                (known, other)
            }
        };
        Ok(Fused { index: 0, lifted, lowered, area })
    }

    fn adapter(
        &mut self,
        root: &Root,
        ty: TypeFuncIndex,
        options: OptionsIndex,
        core_type: ModuleInternedTypeIndex,
    ) -> Result<Adapter> {
        let inner = self.options(options)?;
        let outer_ty = self.function(ty);
        let mut outer = self.outer(core_type);
        Ok(match root {
            Root::Import(trampoline) => {
                outer.post_return = Some(self.func(Given::AfterImport(*trampoline)));
                let func = self.func(Given::Import(*trampoline));
                Adapter { lift_ty: outer_ty, lift_options: outer, lower_ty: ty, lower_options: inner, func }
            }
            Root::Export(export) => {
                let Export::LiftedFunction { func, .. } = &self.component.export_items[*export] else {
                    return Err(ours("an export that is no function"));
                };
                let func = self.func(Given::Core(func.clone()));
                Adapter { lift_ty: ty, lift_options: inner, lower_ty: outer_ty, lower_options: outer, func }
            }
        })
    }

    /// Canonical options as the component states them.
    fn options(&mut self, index: OptionsIndex) -> Result<AdapterOptions> {
        let options = &self.component.options[index];
        let CanonicalOptionsDataModel::LinearMemory(linear) = options.data_model else {
            return Err(Diagnostic::new(Code::UnsupportedType, "canonical options with GC references"));
        };
        if options.async_ || options.callback.is_some() {
            return Err(Diagnostic::new(Code::AsyncComponent, "the component uses an asynchronous function"));
        }
        let unknown = || ours("an option that was never extracted");
        let memory = match linear.memory {
            None => None,
            Some(memory) => {
                let export = self.survey.memories.get(&memory).ok_or_else(unknown)?.clone();
                let ty = self.memory_type(&export)?;
                Some((self.export(Given::Core(export.clone().into())).map_index(|_| MemoryIndex::new(0)), ty))
            }
        };
        let realloc = match linear.realloc {
            None => None,
            Some(realloc) => {
                let def = self.survey.reallocs.get(&realloc).ok_or_else(unknown)?.clone();
                Some(self.func(Given::Core(def)))
            }
        };
        let post_return = options.post_return.map(|_| self.func(Given::PostReturn(index)));
        Ok(AdapterOptions {
            instance: options.instance,
            ancestors: Vec::new(),
            string_encoding: options.string_encoding,
            callback: None,
            post_return,
            async_: false,
            cancellable: false,
            core_type: options.core_type,
            data_model: DataModel::LinearMemory { memory, realloc },
        })
    }

    /// The boundary's own options.
    fn outer(&mut self, core_type: ModuleInternedTypeIndex) -> AdapterOptions {
        let ty = Memory {
            idx_type: IndexType::I32,
            limits: Limits { min: 1, max: None },
            shared: false,
            page_size_log2: 16,
        };
        let memory = self.export(Given::Memory).map_index(|_| MemoryIndex::new(0));
        AdapterOptions {
            instance: RuntimeComponentInstanceIndex::from_u32(self.component.num_runtime_component_instances),
            ancestors: Vec::new(),
            string_encoding: StringEncoding::Utf8,
            callback: None,
            post_return: None,
            async_: false,
            cancellable: false,
            core_type,
            data_model: DataModel::LinearMemory {
                memory: Some((memory, ty)),
                realloc: Some(self.func(Given::Realloc)),
            },
        }
    }

    fn memory_type(&self, export: &wt::CoreExport<EntityIndex>) -> Result<Memory> {
        let wrong = || ours("a memory that is none");
        let (module, _) = self.survey.instances.get(export.instance.index()).ok_or_else(wrong)?;
        match export.item {
            ExportItem::Index(EntityIndex::Memory(index)) => {
                self.modules[*module].module.memories.get(index).copied().ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// The same definition under the same number: adapters import each once.
    fn export(&mut self, given: Given) -> dfg::CoreExport<EntityIndex> {
        let known = self.given.iter().position(|known| same(known, &given));
        let number = known.unwrap_or_else(|| {
            self.given.push(given);
            self.given.len() - 1
        });
        let item = ExportItem::Index(EntityIndex::Function(FuncIndex::new(0)));
        dfg::CoreExport { instance: dfg::InstanceId::new(number), item }
    }

    fn func(&mut self, given: Given) -> dfg::CoreDef {
        dfg::CoreDef::Export(self.export(given))
    }

    /// A function type as the boundary sees it: with views of its own.
    fn function(&mut self, index: TypeFuncIndex) -> TypeFuncIndex {
        let mut ty = self.types[index].clone();
        ty.params = self.tuple(ty.params);
        ty.results = self.tuple(ty.results);
        self.types.add_func_type(ty)
    }

    fn tuple(&mut self, index: wt::TypeTupleIndex) -> wt::TypeTupleIndex {
        let mut ty = self.types[index].clone();
        ty.types.iter_mut().for_each(|ty| *ty = self.remap(*ty));
        self.types.add_tuple_type(ty)
    }

    fn remap(&mut self, ty: InterfaceType) -> InterfaceType {
        if let Some(known) = self.remapped.get(&ty) {
            return *known;
        }
        let remapped = match ty {
            InterfaceType::Own(table) => InterfaceType::Own(self.view(table)),
            InterfaceType::Borrow(table) => InterfaceType::Borrow(self.view(table)),
            InterfaceType::Record(i) => {
                let mut ty = self.types[i].clone();
                ty.fields.iter_mut().for_each(|field| field.ty = self.remap(field.ty));
                InterfaceType::Record(self.types.add_record_type(ty))
            }
            InterfaceType::Variant(i) => {
                let mut ty = self.types[i].clone();
                ty.cases.values_mut().flatten().for_each(|ty| *ty = self.remap(*ty));
                InterfaceType::Variant(self.types.add_variant_type(ty))
            }
            InterfaceType::List(i) => {
                let element = self.types[i].element;
                let element = self.remap(element);
                InterfaceType::List(self.types.add_list_type(wt::TypeList { element }))
            }
            InterfaceType::FixedLengthList(i) => {
                let mut ty = self.types[i].clone();
                ty.element = self.remap(ty.element);
                InterfaceType::FixedLengthList(self.types.add_fixed_length_list_type(ty))
            }
            InterfaceType::Map(i) => {
                let mut ty = self.types[i].clone();
                (ty.key, ty.value) = (self.remap(ty.key), self.remap(ty.value));
                InterfaceType::Map(self.types.add_map_type(ty))
            }
            InterfaceType::Tuple(i) => InterfaceType::Tuple(self.tuple(i)),
            InterfaceType::Option(i) => {
                let mut ty = self.types[i].clone();
                ty.ty = self.remap(ty.ty);
                InterfaceType::Option(self.types.add_option_type(ty))
            }
            InterfaceType::Result(i) => {
                let mut ty = self.types[i].clone();
                (ty.ok, ty.err) = (ty.ok.map(|ty| self.remap(ty)), ty.err.map(|ty| self.remap(ty)));
                InterfaceType::Result(self.types.add_result_type(ty))
            }
            other => other,
        };
        self.remapped.insert(ty, remapped);
        remapped
    }

    fn view(&mut self, table: TypeResourceTableIndex) -> TypeResourceTableIndex {
        let resource = match self.tables.get(table.index()) {
            Some(TypeResourceTable::Concrete { ty, .. }) => ty.as_u32(),
            _ => u32::MAX,
        };
        let next = self.views.len();
        let number = *self.views.entry(resource).or_insert_with(|| u32::try_from(next).unwrap_or(u32::MAX));
        TypeResourceTableIndex::new(self.tables.len() + number as usize)
    }
}

fn same(a: &Given, b: &Given) -> bool {
    match (a, b) {
        (Given::Core(a), Given::Core(b)) => a == b,
        (Given::Memory, Given::Memory) | (Given::Realloc, Given::Realloc) => true,
        (Given::Import(a), Given::Import(b)) | (Given::AfterImport(a), Given::AfterImport(b)) => a == b,
        (Given::PostReturn(a), Given::PostReturn(b)) => a == b,
        _ => false,
    }
}

/// The front end knows core types by its own numbers, and gives them to types that the validator has seen: so it is shown
/// a module that holds these.
fn intern<'f>(
    signatures: impl Iterator<Item = &'f CoreSignature>,
    types: &mut ComponentTypesBuilder,
    validator: &mut Validator,
) -> Result<Vec<ModuleInternedTypeIndex>> {
    let mut section = wasm_encoder::TypeSection::new();
    for core in signatures {
        let list = |types: &[Core]| types.iter().map(|&t| val_type(t)).collect::<Vec<_>>();
        section.ty().function(list(&core.params), list(&core.results));
    }
    let mut module = wasm_encoder::Module::new();
    module.section(&section);
    validator.reset();
    let known = validator.validate_all(&module.finish()).map_err(|e| ours("signatures").cause(e))?;
    let builder = types.module_types_builder_mut();
    let interned = (0..section.len()).map(|i| {
        let id = known.as_ref().core_type_at_in_module(i);
        builder.intern_type(known.as_ref(), id).map_err(|e| ours("a signature").cause(e))
    });
    interned.collect()
}

/// The core signature behind one of the front end's numbers.
pub(super) fn core_signature(types: &ComponentTypesBuilder, index: ModuleInternedTypeIndex) -> Result<CoreSignature> {
    let ty: &WasmFuncType = types.module_types_builder()[index].unwrap_func();
    let core = |types: &[WasmValType]| {
        let core = types.iter().map(|ty| match ty {
            WasmValType::I32 => Some(Core::I32),
            WasmValType::I64 => Some(Core::I64),
            WasmValType::F32 => Some(Core::F32),
            WasmValType::F64 => Some(Core::F64),
            _ => None,
        });
        core.collect::<Option<Vec<_>>>()
    };
    match (core(ty.params()), core(ty.results())) {
        (Some(params), Some(results)) => Ok(CoreSignature { params, results }),
        _ => Err(Diagnostic::new(Code::UnsupportedType, "a function whose core type is not canonical")),
    }
}

fn argument(import: &Import, given: &[Given]) -> Result<Argument> {
    let known = |def: &dfg::CoreDef| match def {
        dfg::CoreDef::Export(export) => {
            given.get(export.instance.index()).cloned().ok_or_else(|| ours("an adapter's unknown import"))
        }
        dfg::CoreDef::InstanceFlags(instance) => Ok(Given::Core(CoreDef::InstanceFlags(*instance))),
        _ => Err(ours("an adapter's unexpected import")),
    };
    Ok(match import {
        Import::CoreDef(def) => Argument::Given(known(def)?),
        Import::Transcode { op, from, to, .. } => Argument::Transcode { op: *op, from: known(from)?, to: known(to)? },
        Import::ResourceTransferOwn => Argument::TransferOwn,
        Import::ResourceTransferBorrow => Argument::TransferBorrow,
        Import::EnterSyncCall => Argument::Enter,
        Import::ExitSyncCall => Argument::Exit,
        Import::Trap => Argument::Trap,
        _ => return Err(Diagnostic::new(Code::AsyncComponent, "the component uses an asynchronous function")),
    })
}

/// Exported functions of a module.
fn exports(wasm: &[u8]) -> Result<Vec<(String, u32)>> {
    let invalid = |e| ours("adapters that do not parse").cause(e);
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ExportSection(section) = payload.map_err(invalid)? {
            for export in section {
                let export = export.map_err(invalid)?;
                exports.push((export.name.to_owned(), export.index));
            }
        }
    }
    Ok(exports)
}

fn ours(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::Internal, format!("the boundary: {what}"))
}
