//! Many instances become one module: what can be reached is laid out, and every section is written with new indices.
//!
//! [`scan`] finds the indices in code, [`live`] follows them from what the host can reach, [`layout`] gives places to
//! what stays, [`renumber`] rewrites it, and [`splice`] writes the code. Scanning and splicing use several threads; the
//! output does not depend on how many.

mod chunks;
mod dropped;
mod items;
mod layout;
mod live;
mod names;
mod proposals;
mod renumber;
mod scan;
mod sections;
mod segments;
mod splice;
mod visitor;

pub(super) use chunks::{join, map as in_chunks};
pub use dropped::Dropped;
pub(super) use items::{Items, Live};
pub(super) use scan::{Scan, Scans};
pub(super) use segments::is_late;
pub(super) use splice::Code;

use super::ir::{HostId, InstanceId, ReallocId, Space};
use super::plan::{Func, Plan, too_many};
use super::preview1::START;
use super::report::Floor;
use super::runtime::{self, Pieces};
use super::shims::Resolved;
use super::{Options, ir};
use crate::diagnostic::{self, Diagnostic, Result};
use layout::{Layout, Types};
use proposals::Proposals;
use renumber::{Indices, Renumber, Unplaced, constant};
use sections::Sections;
use segments::{write_data, write_element};
use splice::Body;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Module as Output, Section, ValType,
};

/// The merged module and what went into it.
pub(super) struct Merged {
    pub(super) wasm: Vec<u8>,
    /// Proposals beyond WebAssembly 1.0 whose instructions occur.
    pub(super) features: Vec<&'static str>,
    /// No smaller profile takes the instructions.
    pub(super) floor: Floor,
    /// The host functions that are imported, in order.
    pub(super) hosts: Vec<HostId>,
    /// How many imports are wrapped to select their realloc.
    pub(super) wrapped: usize,
    pub(super) tables: u32,
    pub(super) memories: u32,
    pub(super) functions: u32,
    pub(super) initialize: bool,
    /// Size of the component's types in `wasm`.
    pub(super) types_size: usize,
    pub(super) dropped: Dropped,
    /// What stayed of the instances, and what the linker wrote besides; for who explains it.
    pub(super) live: Live,
    pub(super) pieces: Pieces,
    /// How often each feature was lowered.
    pub(super) lowered: BTreeMap<&'static str, usize>,
}

impl Merged {
    /// Goes on with the lowered module.
    pub(super) fn take(&mut self, lowered: super::Lowered) {
        self.wasm = lowered.wasm;
        self.features = lowered.proposals.into_iter().collect();
        self.functions += lowered.helpers;
        self.lowered = lowered.lowered;
    }
}

/// Merges the planned instances into one module.
pub(super) fn merge(plan: &Plan<'_, '_>, resolved: &Resolved, options: &Options) -> Result<Merged> {
    let scans = plan.modules.iter().map(|m| plan.component.scans.of(m)).collect::<Result<Vec<_>>>()?;
    let live = live::live(plan, resolved, &scans)?;
    let pieces = Pieces::plan(plan, &live);
    let layout = Layout::new(plan, &live, &pieces)?;
    let mut merger = Merger { plan, resolved, live: &live, pieces: &pieces, layout, types: Types::default() };
    let merged = merger.run(&scans, options)?;
    Ok(Merged { live, pieces, ..merged })
}

/// The bodies of a module, in order.
type ModuleScans<'m> = Vec<Cow<'m, Scan>>;

struct Merger<'m, 'c, 'a> {
    plan: &'m Plan<'c, 'a>,
    resolved: &'m Resolved,
    live: &'m Live,
    pieces: &'m Pieces,
    layout: Layout,
    types: Types,
}

impl<'m, 'c> Merger<'m, 'c, '_> {
    fn run(&mut self, scans: &[ModuleScans<'_>], options: &Options) -> Result<Merged> {
        let plan = self.plan;
        let mut imports = ImportSection::new();
        for id in &self.layout.hosts {
            let host = &plan.component.hosts[id.index()];
            imports.import(&host.name.module, &host.name.name, EntityType::Function(self.types.core(&host.core)));
        }
        let mut functions = FunctionSection::new();
        for core in self.pieces.signatures(plan) {
            functions.function(self.types.core(&core));
        }
        let mut sections = Sections { data_count: self.live.data_named, ..Sections::default() };
        self.pieces_code(&mut sections.code)?;
        let mut body = Function::new([]);
        let (mut initialize, mut started, mut late) = (false, false, false);
        let mut spaces = Vec::with_capacity(plan.instances.len());
        for id in plan.instance_ids() {
            let indices = self.indices(id)?;
            self.function_types(id, &indices, &mut functions)?;
            late |= self.instance(id, &indices, started, &mut sections, &mut body)?;
            if let Some(start) = plan.module(id).start {
                body.instructions().call(indices.get(renumber::Kind::Func, start).ok_or_else(|| unplaced("a start"))?);
                (started, initialize) = (true, true);
            }
            spaces.push(indices);
        }
        initialize |= late;
        sections.code.splice(&self.bodies(scans, &spaces)?)?;
        self.made_globals(&mut sections.globals);
        if initialize {
            if let Some(start) = self.command() {
                body.instructions().call(self.placed(&plan.func(&start.func)?)?);
            }
            body.instructions().end();
            functions.function(self.types.get(Vec::new(), Vec::new()));
            sections.code.function(&body);
        }
        let exports = self.exports(initialize)?;
        self.declare_references(&mut sections.elements);

        let mut out = Output::new().finish();
        sections.emit_into(&mut out, [&self.types.section, &imports, &functions], &exports);
        if !options.strip {
            names::names(plan, &self.layout, self.pieces, initialize).append_to(&mut out);
            names::producers(plan).append_to(&mut out);
        }
        let world = self.world()?;
        let types_size = world.as_ref().map_or(0, Vec::len);
        if let Some(world) = world {
            wasm_encoder::CustomSection { name: "component-type".into(), data: world.into() }.append_to(&mut out);
        }
        let dropped = Dropped::count(plan, self.resolved, self.live, &self.layout);
        let mut proposals = self.live.proposals;
        let mut floor = self.live.floor;
        if late {
            proposals.add(Proposals::BULK_MEMORY);
            floor = floor.max(Floor::Wasm2);
        }
        Ok(Merged {
            wasm: out,
            features: proposals.names().collect::<BTreeSet<_>>().into_iter().collect(),
            floor,
            hosts: std::mem::take(&mut self.layout.hosts),
            wrapped: self.pieces.wrapped(),
            tables: self.live.tables.len(),
            memories: self.live.memories.len(),
            functions: self.layout.initialize + u32::from(initialize),
            initialize: initialize && self.command().is_none(),
            types_size,
            dropped,
            live: Live::default(),
            pieces: Pieces::default(),
            lowered: BTreeMap::new(),
        })
    }

    /// The world, encoded; none if there is nothing in it.
    fn world(&self) -> Result<Option<Vec<u8>>> {
        let ir::Component { resolve, world: id, encoding, .. } = self.plan.component;
        let world = &resolve.worlds[*id];
        if world.imports.is_empty() && world.exports.is_empty() {
            return Ok(None);
        }
        wit_component::metadata::encode(resolve, *id, *encoding, None).map(Some).map_err(|e| {
            Diagnostic::new(diagnostic::Code::TypeInformation, "the component's world cannot be encoded").cause(e)
        })
    }

    /// What starts a command. Engines call nothing before it, so that it initialises too.
    fn command(&self) -> Option<&'m ir::Export> {
        self.plan.component.exports.iter().find(|e| e.name == START)
    }

    /// The output index of a function.
    fn func(&self, func: &Func) -> Option<u32> {
        match self.resolved.follow(func) {
            Func::Host(id, realloc) => match self.pieces.wrapper(*id, *realloc) {
                Some(wrapper) => Some(self.layout.pieces + wrapper),
                None => self.layout.host(*id),
            },
            Func::Trap(core) => Some(self.layout.pieces + self.pieces.trap(core)?),
            Func::Defined(instance, index) => self.layout.funcs.get((*instance, *index)),
        }
    }

    fn placed(&self, func: &Func) -> Result<u32> {
        self.func(func).ok_or_else(|| unplaced("a function"))
    }

    fn indices(&mut self, id: InstanceId) -> Result<Indices> {
        let types = self.type_indices(id)?;
        Ok(self.layout.indices(self.plan, id, types, |func| self.func(func)))
    }

    /// The types of an instance that something uses.
    fn type_indices(&mut self, id: InstanceId) -> Result<Vec<Option<u32>>> {
        let module = self.plan.module(id);
        let mut plain = reencode::RoundtripReencoder;
        let mut list = |types: &[wasmparser::ValType]| {
            types.iter().map(|&t| plain.val_type(t)).collect::<Result<Vec<_>, _>>().map_err(|e| {
                Diagnostic::new(diagnostic::Code::UnsupportedType, "a type that cannot be written").cause(e)
            })
        };
        let mut indices = vec![None; module.types.len()];
        for index in self.live.types.of(id) {
            let ty = module.types.get(index as usize).ok_or_else(|| unplaced("a type"))?;
            indices[index as usize] = Some(self.types.get(list(ty.params())?, list(ty.results())?));
        }
        Ok(indices)
    }

    fn function_types(&self, id: InstanceId, indices: &Indices, functions: &mut FunctionSection) -> Result<()> {
        let module = self.plan.module(id);
        for index in self.live.funcs.of(id) {
            let ty = module.funcs.get(index as usize).copied();
            let ty = ty.and_then(|ty| indices.get(renumber::Kind::Type, ty)).ok_or_else(|| unplaced("a type"))?;
            functions.function(ty);
        }
        Ok(())
    }

    /// All bodies that stay, in the order of their functions.
    fn bodies<'b>(&self, scans: &'b [ModuleScans<'b>], spaces: &'b [Indices]) -> Result<Vec<Body<'b, 'c>>>
    where
        'm: 'b,
    {
        let plan = self.plan;
        let mut bodies = Vec::new();
        for (id, indices) in plan.instance_ids().zip(spaces) {
            let module = plan.module(id);
            let imported = module.imported(Space::Func);
            let scans = &scans[plan.component.instances[id.index()].module.index()];
            for index in self.live.funcs.of(id) {
                let index = index as usize - imported;
                let (body, scan) =
                    module.bodies.get(index).zip(scans.get(index)).ok_or_else(|| unplaced("a function body"))?;
                bodies.push(Body { body, scan, indices });
            }
        }
        Ok(bodies)
    }

    /// Writes one instance's sections but its code; says whether a segment is written by `_initialize`.
    fn instance(
        &self,
        id: InstanceId,
        indices: &Indices,
        started: bool,
        out: &mut Sections<'c>,
        init: &mut Function,
    ) -> Result<bool> {
        let plan = self.plan;
        let module = plan.module(id);
        let mut renumber = Renumber(indices);
        let at = |index: u32, space| index as usize - module.imported(space);
        for index in self.live.tables.of(id) {
            let table = &module.tables[at(index, Space::Table)];
            let ty = renumber.table_type(table.ty).map_err(unwritable)?;
            match &table.init {
                None => out.tables.table(ty),
                Some(init) => out.tables.table_with_init(ty, &constant(plan, id, init, renumber)?),
            };
        }
        for index in self.live.memories.of(id) {
            let ty = module.memories[at(index, Space::Memory)];
            out.memories.memory(renumber.memory_type(ty).map_err(unwritable)?);
        }
        for index in self.live.tags.of(id) {
            out.tags.tag(renumber.tag_type(module.tags[at(index, Space::Tag)]).map_err(unwritable)?);
        }
        for index in self.live.globals.of(id) {
            let (ty, init) = &module.globals[at(index, Space::Global)];
            let ty = renumber.global_type(*ty).map_err(unwritable)?;
            out.globals.global(ty, &constant(plan, id, init, renumber)?);
        }
        let mut late = false;
        for index in self.live.elements.of(id) {
            late |= write_element(plan, id, &module.elements[index as usize], started, renumber, out, init)?;
        }
        for index in self.live.data.of(id) {
            late |= write_data(plan, id, &module.data[index as usize], started, renumber, out, init)?;
        }
        Ok(late)
    }

    fn made_globals(&self, globals: &mut GlobalSection) {
        let flag = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        for _ in &self.layout.made_globals {
            globals.global(flag, &ConstExpr::i32_const(runtime::FLAG_MAY_LEAVE));
        }
        if self.pieces.needs_selector() {
            let first = self.plan.default_realloc.map_or(0, |r| r.0);
            globals.global(flag, &ConstExpr::i32_const(i32::from_ne_bytes(first.to_ne_bytes())));
        }
    }

    fn pieces_code(&self, code: &mut Code) -> Result<()> {
        let realloc =
            |id: ReallocId| -> Result<u32> { self.placed(&self.plan.func(&self.plan.component.reallocs[id.index()])?) };
        let host = |id: HostId| self.layout.host(id).ok_or_else(|| unplaced("an import"));
        self.pieces.emit(self.plan, self.layout.selector, realloc, host, code)
    }

    fn exports(&self, initialize: bool) -> Result<ExportSection> {
        let plan = self.plan;
        let mut exports = ExportSection::new();
        let mut taken = HashSet::new();
        let mut export = |name: &str, kind, index| {
            if !taken.insert(name.to_owned()) {
                let message = format!("two exports would be called `{name}`");
                return Err(Diagnostic::new(diagnostic::Code::DuplicateName, message));
            }
            exports.export(name, kind, index);
            Ok(())
        };
        if let Some(memory) = plan.component.memory {
            let memory = plan.instances[memory.instance.index()].memories[memory.index as usize];
            let index = self.layout.memories.get(memory).ok_or_else(|| unplaced("the memory"))?;
            export("memory", ExportKind::Memory, index)?;
        }
        if let Some(router) = self.pieces.router() {
            export("cabi_realloc", ExportKind::Func, self.layout.pieces + router)?;
        } else if let Some(id) = plan.default_realloc.filter(|_| self.live.realloc) {
            let func = plan.func(&plan.component.reallocs[id.index()])?;
            export("cabi_realloc", ExportKind::Func, self.placed(&func)?)?;
        }
        let starts = initialize && self.command().is_some();
        if initialize {
            export(if starts { START } else { "_initialize" }, ExportKind::Func, self.layout.initialize)?;
        }
        for item in plan.component.exports.iter().filter(|e| !(starts && e.name == START)) {
            export(&item.name, ExportKind::Func, self.placed(&plan.func(&item.func)?)?)?;
            if let Some(post) = &item.post_return {
                let post = self.placed(&plan.func(post)?)?;
                export(&format!("cabi_post_{}", item.name), ExportKind::Func, post)?;
            }
        }
        Ok(exports)
    }

    /// `ref.func` needs its target named outside of code. In the input something may have done that which is gone.
    fn declare_references(&self, elements: &mut ElementSection) {
        let undeclared = self.live.referenced.difference(&self.live.declared).filter_map(|func| self.func(func));
        let undeclared: BTreeSet<u32> = undeclared.collect();
        if !undeclared.is_empty() {
            elements.declared(Elements::Functions(undeclared.into_iter().collect()));
        }
    }
}

pub(super) fn narrow(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| too_many())
}

fn unplaced(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(diagnostic::Code::Internal, format!("{what} has no place in the output"))
}

fn unwritable(error: reencode::Error<Unplaced>) -> Box<Diagnostic> {
    Diagnostic::new(diagnostic::Code::UnsupportedType, "an instruction or type cannot be written").cause(error)
}
