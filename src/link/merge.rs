//! Many instances become one module: index spaces are laid out, and every section is written with new indices.

use super::ir::{Export, HostId, InstanceId, ReallocId, Space};
use super::plan::{Func, Global, Plan, too_many, val_type};
use super::preview1::START;
use super::renumber::{Renumber, Unplaced, constant};
use super::runtime::{self, Pieces};
use super::segments::{write_data, write_element};
use super::shims::Resolved;
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{BTreeSet, HashMap, HashSet};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection,
    Module as Output, NameMap, NameSection, ProducersField, ProducersSection, TableSection, TagSection, TypeSection,
    ValType,
};
use wasmparser::ElementKind;

/// The merged module and what went into it.
pub(super) struct Merged {
    pub(super) wasm: Vec<u8>,
    /// Proposals beyond WebAssembly 1.0 whose instructions occur.
    pub(super) features: BTreeSet<&'static str>,
    pub(super) tables: u32,
    pub(super) memories: u32,
    pub(super) functions: u32,
    pub(super) initialize: bool,
}

/// Merges the planned instances into one module.
pub(super) fn merge(plan: &Plan<'_, '_>, resolved: &Resolved) -> Result<Merged> {
    let mut types = Types::default();
    let pieces = Pieces::plan(plan, resolved)?;
    let layout = Layout::new(plan, resolved, &pieces)?;
    let mut merger = Merger {
        plan,
        resolved,
        pieces: &pieces,
        layout,
        types: &mut types,
        features: BTreeSet::new(),
        referenced: HashSet::new(),
    };
    merger.run()
}

/// Function types, each once.
#[derive(Default)]
struct Types {
    section: TypeSection,
    known: HashMap<(Vec<ValType>, Vec<ValType>), u32>,
}

impl Types {
    fn get(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let next = self.section.len();
        let key = (params, results);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        self.section.ty().function(key.0.iter().copied(), key.1.iter().copied());
        self.known.insert(key, next);
        next
    }

    fn core(&mut self, core: &CoreSignature) -> u32 {
        let list = |types: &[Core]| types.iter().map(|&t| val_type(t)).collect();
        self.get(list(&core.params), list(&core.results))
    }
}

/// Where things are in the output.
struct Layout {
    /// Output index of every function that an instance defines and that stays.
    funcs: HashMap<(InstanceId, u32), u32>,
    tables: HashMap<(InstanceId, u32), u32>,
    memories: HashMap<(InstanceId, u32), u32>,
    globals: HashMap<Global, u32>,
    tags: HashMap<(InstanceId, u32), u32>,
    /// First index of the functions that the linker writes.
    pieces: u32,
    initialize: u32,
    selector: u32,
    total_funcs: u32,
}

impl Layout {
    fn new(plan: &Plan<'_, '_>, resolved: &Resolved, pieces: &Pieces) -> Result<Layout> {
        let mut layout = Layout {
            funcs: HashMap::new(),
            tables: HashMap::new(),
            memories: HashMap::new(),
            globals: HashMap::new(),
            tags: HashMap::new(),
            pieces: narrow(plan.component.hosts.len())?,
            initialize: 0,
            selector: 0,
            total_funcs: 0,
        };
        let mut next = layout.pieces + pieces.count();
        for id in plan.instance_ids() {
            let module = plan.module(id);
            let defined = |space, n: usize| {
                let first = module.imported(space);
                (first..first + n).map(narrow).collect::<Result<Vec<u32>>>()
            };
            for index in defined(Space::Func, module.bodies.len())? {
                if !resolved.forward.contains_key(&(id, index)) {
                    layout.funcs.insert((id, index), next);
                    next = next.checked_add(1).ok_or_else(too_many)?;
                }
            }
            for index in defined(Space::Table, module.tables.len())? {
                if !resolved.tables.contains(&(id, index)) {
                    let next = narrow(layout.tables.len())?;
                    layout.tables.insert((id, index), next);
                }
            }
            for index in defined(Space::Memory, module.memories.len())? {
                let next = narrow(layout.memories.len())?;
                layout.memories.insert((id, index), next);
            }
            for index in defined(Space::Global, module.globals.len())? {
                let next = narrow(layout.globals.len())?;
                layout.globals.insert(Global::Defined(id, index), next);
            }
            for index in defined(Space::Tag, module.tags.len())? {
                let next = narrow(layout.tags.len())?;
                layout.tags.insert((id, index), next);
            }
        }
        for instance in &plan.instances {
            for &global in &instance.globals {
                let next = narrow(layout.globals.len())?;
                layout.globals.entry(global).or_insert(next);
            }
        }
        layout.selector = narrow(layout.globals.len())?;
        layout.initialize = next;
        layout.total_funcs = next;
        Ok(layout)
    }
}

struct Merger<'m, 'c, 'a> {
    plan: &'m Plan<'c, 'a>,
    resolved: &'m Resolved,
    pieces: &'m Pieces,
    layout: Layout,
    types: &'m mut Types,
    features: BTreeSet<&'static str>,
    /// Functions that code takes references to.
    referenced: HashSet<u32>,
}

impl<'m, 'c> Merger<'m, 'c, '_> {
    fn run(&mut self) -> Result<Merged> {
        let plan = self.plan;
        let mut imports = ImportSection::new();
        for host in &plan.component.hosts {
            imports.import(&host.name.module, &host.name.name, EntityType::Function(self.types.core(&host.core)));
        }
        let mut functions = FunctionSection::new();
        for core in self.pieces.signatures(plan) {
            functions.function(self.types.core(&core));
        }
        let mut sections = Sections::default();
        self.pieces_code(&mut sections.code)?;
        let mut body = Function::new([]);
        let mut initialize = false;
        let mut started = false;
        for id in plan.instance_ids() {
            let module = plan.module(id);
            let types = self.type_indices(id)?;
            for index in module.imported(Space::Func)..module.funcs.len() {
                if self.layout.funcs.contains_key(&(id, narrow(index)?)) {
                    let ty = types.get(module.funcs[index] as usize).ok_or_else(|| unplaced("a type"))?;
                    functions.function(*ty);
                }
            }
            initialize |= self.instance(id, types, started, &mut sections, &mut body)?;
            if let Some(start) = module.start {
                let func = plan.instances[id.index()].funcs[start as usize].clone();
                body.instructions().call(self.func(&func)?);
                (started, initialize) = (true, true);
            }
        }
        self.flags(&mut sections.globals);
        if initialize {
            if let Some(start) = self.command() {
                let start = self.func(&plan.func(&start.func)?)?;
                body.instructions().call(start);
            }
            body.instructions().end();
            functions.function(self.types.get(Vec::new(), Vec::new()));
            sections.code.function(&body);
        }
        let exports = self.exports(initialize)?;
        self.declare_references(&mut sections.elements);
        let names = self.names(initialize);

        let mut out = Output::new();
        out.section(&self.types.section).section(&imports).section(&functions);
        sections.emit_into(&mut out, &exports);
        out.section(&names).section(&self.producers());
        if let Some(world) = self.component_type()? {
            out.section(&wasm_encoder::CustomSection { name: "component-type".into(), data: (&world).into() });
        }
        Ok(Merged {
            wasm: out.finish(),
            features: std::mem::take(&mut self.features),
            tables: narrow(self.layout.tables.len())?,
            memories: narrow(self.layout.memories.len())?,
            functions: self.layout.total_funcs + u32::from(initialize),
            initialize: initialize && self.command().is_none(),
        })
    }

    /// What starts a command. Engines call nothing before it, so that it initialises too.
    fn command(&self) -> Option<&Export> {
        self.plan.component.exports.iter().find(|e| e.name == START)
    }

    /// The world, encoded; none if there is nothing in it.
    fn component_type(&self) -> Result<Option<Vec<u8>>> {
        let component = self.plan.component;
        let world = &component.resolve.worlds[component.world];
        if world.imports.is_empty() && world.exports.is_empty() {
            return Ok(None);
        }
        wit_component::metadata::encode(&component.resolve, component.world, component.encoding, None)
            .map(Some)
            .map_err(|e| Diagnostic::new(Code::TypeInformation, "the component's world cannot be encoded").cause(e))
    }

    /// The output index of a function.
    fn func(&self, func: &Func) -> Result<u32> {
        match self.resolved.follow(func) {
            Func::Host(id, realloc) => Ok(match self.pieces.wrapper(*id, *realloc) {
                Some(wrapper) => self.layout.pieces + wrapper,
                None => id.0,
            }),
            Func::Trap(core) => {
                self.pieces.trap(core).map(|i| self.layout.pieces + i).ok_or_else(|| unplaced("a trap"))
            }
            Func::Defined(instance, index) => {
                self.layout.funcs.get(&(*instance, *index)).copied().ok_or_else(|| unplaced("a function"))
            }
        }
    }

    fn type_indices(&mut self, id: InstanceId) -> Result<Vec<u32>> {
        let module = self.plan.module(id);
        let mut plain = reencode::RoundtripReencoder;
        module
            .types
            .iter()
            .map(|ty| {
                let list = |plain: &mut reencode::RoundtripReencoder, types: &[wasmparser::ValType]| {
                    types.iter().map(|&t| plain.val_type(t)).collect::<std::result::Result<Vec<_>, _>>()
                };
                match (list(&mut plain, ty.params()), list(&mut plain, ty.results())) {
                    (Ok(params), Ok(results)) => Ok(self.types.get(params, results)),
                    _ => Err(Diagnostic::new(Code::UnsupportedType, "a type that cannot be written")),
                }
            })
            .collect()
    }

    /// Writes one instance's sections; says whether `_initialize` got anything to do.
    fn instance(
        &mut self,
        id: InstanceId,
        types: Vec<u32>,
        started: bool,
        out: &mut Sections,
        init: &mut Function,
    ) -> Result<bool> {
        let plan = self.plan;
        let module = plan.module(id);
        let instance = &plan.instances[id.index()];
        let kept: Vec<bool> = module.elements.iter().map(|e| !self.is_gone(id, e)).collect();
        let mut next_element = out.elements.len();
        let elements = kept
            .iter()
            .map(|&kept| {
                let index = kept.then_some(next_element);
                next_element += u32::from(kept);
                index
            })
            .collect();
        let funcs = instance.funcs.iter().map(|f| self.func(f).ok()).collect();
        let mut renumber = Renumber {
            funcs,
            tables: instance.tables.iter().map(|t| self.layout.tables.get(t).copied()).collect(),
            memories: instance.memories.iter().map(|m| self.layout.memories.get(m).copied()).collect(),
            globals: instance.globals.iter().map(|g| self.layout.globals.get(g).copied()).collect(),
            tags: instance.tags.iter().map(|t| self.layout.tags.get(t).copied()).collect(),
            types,
            elements,
            data_base: out.data.len(),
            features: &mut self.features,
            referenced: &mut self.referenced,
        };
        out.data_count |= module.data_count;
        let imported_tables = module.imported(Space::Table);
        for (i, table) in module.tables.iter().enumerate() {
            if self.resolved.tables.contains(&(id, narrow(imported_tables + i)?)) {
                continue;
            }
            let ty = renumber.table_type(table.ty).map_err(unwritable)?;
            match &table.init {
                None => out.tables.table(ty),
                Some(init) => {
                    let init = constant(plan, id, init, &mut renumber)?;
                    out.tables.table_with_init(ty, &init)
                }
            };
        }
        for memory in &module.memories {
            out.memories.memory(renumber.memory_type(*memory).map_err(unwritable)?);
        }
        for tag in &module.tags {
            out.tags.tag(renumber.tag_type(*tag).map_err(unwritable)?);
        }
        for (ty, init) in &module.globals {
            let ty = renumber.global_type(*ty).map_err(unwritable)?;
            let init = constant(plan, id, init, &mut renumber)?;
            out.globals.global(ty, &init);
        }
        for (index, body) in (narrow(module.imported(Space::Func))?..).zip(&module.bodies) {
            if self.layout.funcs.contains_key(&(id, index)) {
                renumber.parse_function_body(&mut out.code, body.clone()).map_err(unwritable)?;
            }
        }
        let mut initialized = false;
        for (element, _) in module.elements.iter().zip(&kept).filter(|(_, kept)| **kept) {
            initialized |= write_element(plan, id, element, started, &mut renumber, out, init)?;
        }
        for data in &module.data {
            initialized |= write_data(plan, id, data, started, &mut renumber, out, init)?;
        }
        Ok(initialized)
    }

    /// Whether an element segment fills a table that is gone.
    fn is_gone(&self, id: InstanceId, element: &wasmparser::Element<'_>) -> bool {
        let ElementKind::Active { table_index, .. } = element.kind else { return false };
        let table = self.plan.instances[id.index()].tables.get(table_index.unwrap_or(0) as usize);
        table.is_some_and(|t| self.resolved.tables.contains(t))
    }

    fn flags(&self, globals: &mut GlobalSection) {
        let flag = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        while globals.len() < self.layout.selector {
            globals.global(flag, &ConstExpr::i32_const(runtime::FLAG_MAY_LEAVE));
        }
        if self.pieces.needs_selector() {
            let first = self.plan.default_realloc.map_or(0, |r| r.0);
            globals.global(flag, &ConstExpr::i32_const(i32::from_ne_bytes(first.to_ne_bytes())));
        }
    }

    fn pieces_code(&self, code: &mut CodeSection) -> Result<()> {
        let realloc =
            |id: ReallocId| -> Result<u32> { self.func(&self.plan.func(&self.plan.component.reallocs[id.index()])?) };
        self.pieces.emit(self.plan, self.layout.selector, realloc, |host: HostId| host.0, code)
    }

    fn exports(&mut self, initialize: bool) -> Result<ExportSection> {
        let plan = self.plan;
        let mut exports = ExportSection::new();
        let mut taken = HashSet::new();
        let mut export = |name: &str, kind, index| {
            if !taken.insert(name.to_owned()) {
                return Err(Diagnostic::new(Code::DuplicateName, format!("two exports would be called `{name}`")));
            }
            exports.export(name, kind, index);
            Ok(())
        };
        if let Some(memory) = plan.component.memory {
            let memory = plan.instances[memory.instance.index()].memories[memory.index as usize];
            let index = self.layout.memories.get(&memory).copied().ok_or_else(|| unplaced("the memory"))?;
            export("memory", ExportKind::Memory, index)?;
        }
        if let Some(router) = self.pieces.router() {
            export("cabi_realloc", ExportKind::Func, self.layout.pieces + router)?;
        } else if let Some(id) = plan.default_realloc {
            let func = plan.func(&plan.component.reallocs[id.index()])?;
            export("cabi_realloc", ExportKind::Func, self.func(&func)?)?;
        }
        let starts = initialize && self.command().is_some();
        if initialize {
            export(if starts { START } else { "_initialize" }, ExportKind::Func, self.layout.initialize)?;
        }
        for item in plan.component.exports.iter().filter(|e| !(starts && e.name == START)) {
            export(&item.name, ExportKind::Func, self.func(&plan.func(&item.func)?)?)?;
            if let Some(post) = &item.post_return {
                let post = self.func(&plan.func(post)?)?;
                export(&format!("cabi_post_{}", item.name), ExportKind::Func, post)?;
            }
        }
        Ok(exports)
    }

    /// `ref.func` needs its target declared outside of code. In the input an export may have done that, which is gone.
    fn declare_references(&self, elements: &mut ElementSection) {
        if self.referenced.is_empty() {
            return;
        }
        let mut functions: Vec<u32> = self.referenced.iter().copied().collect();
        functions.sort_unstable();
        elements.declared(Elements::Functions(functions.into()));
    }

    fn names(&self, initialize: bool) -> NameSection {
        let plan = self.plan;
        let mut named: Vec<(u32, String)> = self.pieces.names(plan, self.layout.pieces);
        for id in plan.instance_ids() {
            let module = plan.module(id);
            for (&index, name) in &module.func_names {
                if let Some(&output) = self.layout.funcs.get(&(id, index)) {
                    named.push((output, (*name).to_owned()));
                }
            }
        }
        if initialize {
            named.push((self.layout.initialize, "_initialize".to_owned()));
        }
        named.sort();
        let mut map = NameMap::new();
        for (index, name) in &named {
            map.append(*index, name);
        }
        let mut section = NameSection::new();
        if let Some(name) = plan.instance_ids().find_map(|id| plan.module(id).name) {
            section.module(name);
        }
        section.functions(&map);
        section
    }

    /// The producers of all modules, each once, and this linker.
    fn producers(&self) -> ProducersSection {
        let mut fields: Vec<(&str, Vec<(&str, &str)>)> = vec![("language", vec![]), ("processed-by", vec![])];
        for module in self.plan.instance_ids().map(|id| self.plan.module(id)) {
            for field in &module.producers {
                let values = field.values.clone().into_iter().flatten().map(|v| (v.name, v.version));
                match fields.iter_mut().find(|(name, _)| *name == field.name) {
                    Some((_, known)) => {
                        for value in values {
                            if !known.iter().any(|(name, _)| *name == value.0) {
                                known.push(value);
                            }
                        }
                    }
                    None => fields.push((field.name, values.collect())),
                }
            }
        }
        if let Some((_, known)) = fields.iter_mut().find(|(name, _)| *name == "processed-by") {
            known.retain(|(name, _)| *name != "lowlift");
            known.push(("lowlift", env!("CARGO_PKG_VERSION")));
        }
        let mut section = ProducersSection::new();
        for (name, values) in fields.iter().filter(|(_, values)| !values.is_empty()) {
            let mut field = ProducersField::new();
            for (name, version) in values {
                field.value(name, version);
            }
            section.field(name, &field);
        }
        section
    }
}

/// Sections that instances add to in turn.
#[derive(Default)]
pub(super) struct Sections {
    tables: TableSection,
    memories: MemorySection,
    tags: TagSection,
    globals: GlobalSection,
    pub(super) elements: ElementSection,
    code: CodeSection,
    pub(super) data: DataSection,
    pub(super) data_count: bool,
}

impl Sections {
    fn emit_into(&self, out: &mut Output, exports: &ExportSection) {
        if !self.tables.is_empty() {
            out.section(&self.tables);
        }
        if !self.memories.is_empty() {
            out.section(&self.memories);
        }
        if !self.tags.is_empty() {
            out.section(&self.tags);
        }
        if !self.globals.is_empty() {
            out.section(&self.globals);
        }
        out.section(exports);
        if !self.elements.is_empty() {
            out.section(&self.elements);
        }
        if self.data_count {
            out.section(&DataCountSection { count: self.data.len() });
        }
        if !self.code.is_empty() {
            out.section(&self.code);
        }
        if !self.data.is_empty() {
            out.section(&self.data);
        }
    }
}

pub(super) fn narrow(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| too_many())
}

fn unplaced(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::Internal, format!("{what} has no place in the output"))
}

pub(super) fn unwritable(error: reencode::Error<Unplaced>) -> Box<Diagnostic> {
    Diagnostic::new(Code::UnsupportedType, "an instruction or type cannot be written").cause(error)
}
