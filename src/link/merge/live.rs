//! What the output keeps: whatever the host can reach.
//!
//! It starts from the exports, the memory, the start functions, and segments that may trap at instantiation. From there
//! it follows every index in code and constant expressions. A table keeps the segments that fill it, and these their
//! functions; likewise a memory. Everything else is dropped, imports included.

use super::items::{Defined, Live};
use super::renumber::Kind;
use super::scan::{Scan, Site};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::ir::{InstanceId, ReallocId, Space};
use crate::link::plan::{Const, Func, Global, Instance, Plan};
use crate::link::shims::Resolved;
use std::borrow::Cow;
use std::collections::HashMap;
use wasmparser::{ConstExpr, DataKind, ElementItems, ElementKind, TagType, ValType};

enum Node {
    Func(Defined),
    Table(Defined),
    Memory(Defined),
    Global(Defined),
    Element(Defined),
    Data(Defined),
}

/// Finds what stays. `scans` holds the function bodies of each module.
pub(super) fn live<'m>(
    plan: &'m Plan<'_, '_>,
    resolved: &'m Resolved,
    scans: &'m [Vec<Cow<'m, Scan>>],
) -> Result<Live> {
    let follow = |instance: &'m Instance| instance.funcs.iter().map(|func| resolved.follow(func)).collect();
    let mut finder = Finder {
        plan,
        resolved,
        scans,
        funcs: plan.instances.iter().map(follow).collect(),
        live: Live::default(),
        todo: Vec::new(),
        fills: HashMap::new(),
        initializes: HashMap::new(),
    };
    finder.roots()?;
    while let Some(node) = finder.todo.pop() {
        finder.visit(&node)?;
    }
    Ok(finder.live)
}

struct Finder<'m, 'c, 'a> {
    plan: &'m Plan<'c, 'a>,
    resolved: &'m Resolved,
    scans: &'m [Vec<Cow<'m, Scan>>],
    /// The functions of each instance, with forwarders followed.
    funcs: Vec<Vec<&'m Func>>,
    live: Live,
    todo: Vec<Node>,
    /// Active element segments that cannot trap, by the table they fill.
    fills: HashMap<Defined, Vec<Defined>>,
    /// Active data segments that cannot trap, by the memory they fill.
    initializes: HashMap<Defined, Vec<Defined>>,
}

impl<'m, 'c> Finder<'m, 'c, '_> {
    fn roots(&mut self) -> Result<()> {
        let plan = self.plan;
        for export in &plan.component.exports {
            self.exported(&plan.func(&export.func)?)?;
            if let Some(post) = &export.post_return {
                self.exported(&plan.func(post)?)?;
            }
            if export.realloc.is_some() {
                self.reallocs(None)?;
            }
        }
        if let Some(memory) = plan.component.memory {
            let instance = &plan.instances[memory.instance.index()];
            self.memory(*instance.memories.get(memory.index as usize).ok_or_else(unknown)?);
        }
        for id in plan.instance_ids() {
            if let Some(start) = plan.module(id).start {
                self.index(id, Kind::Func, start)?;
            }
            self.element_roots(id)?;
            self.data_roots(id)?;
        }
        Ok(())
    }

    /// Segments that may be out of bounds stay, so that they trap. The others wait for what they fill.
    fn element_roots(&mut self, id: InstanceId) -> Result<()> {
        let plan = self.plan;
        for (index, element) in (0..).zip(&plan.module(id).elements) {
            let ElementKind::Active { table_index, offset_expr } = &element.kind else { continue };
            let tables = &plan.instances[id.index()].tables;
            let table = *tables.get(table_index.unwrap_or(0) as usize).ok_or_else(unknown)?;
            if self.resolved.tables.contains(&table) {
                continue;
            }
            let owner = plan.module(table.0);
            let count = match &element.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            let size = owner.tables[table.1 as usize - owner.imported(Space::Table)].ty.initial;
            if self.fits(id, offset_expr, count.into(), size) {
                self.fills.entry(table).or_default().push((id, index));
            } else {
                self.element((id, index));
            }
        }
        Ok(())
    }

    fn data_roots(&mut self, id: InstanceId) -> Result<()> {
        let plan = self.plan;
        for (index, data) in (0..).zip(&plan.module(id).data) {
            let DataKind::Active { memory_index, offset_expr } = &data.kind else { continue };
            let memories = &plan.instances[id.index()].memories;
            let memory = *memories.get(*memory_index as usize).ok_or_else(unknown)?;
            let owner = plan.module(memory.0);
            let ty = owner.memories[memory.1 as usize - owner.imported(Space::Memory)];
            let size = ty.initial.saturating_mul(1u64.checked_shl(ty.page_size_log2.unwrap_or(16)).unwrap_or(0));
            if self.fits(id, offset_expr, data.data.len() as u64, size) {
                self.initializes.entry(memory).or_default().push((id, index));
            } else {
                self.data((id, index));
            }
        }
        Ok(())
    }

    /// Whether a segment is certain to be in bounds. Tables and memories never shrink.
    fn fits(&self, id: InstanceId, offset: &ConstExpr<'_>, count: u64, size: u64) -> bool {
        let offset = match self.plan.fold(id, offset) {
            Some(Const::I32(offset)) => u64::from(u32::from_ne_bytes(offset.to_ne_bytes())),
            Some(Const::I64(offset)) => u64::from_ne_bytes(offset.to_ne_bytes()),
            _ => return false,
        };
        offset.checked_add(count).is_some_and(|end| end <= size)
    }

    fn visit(&mut self, node: &Node) -> Result<()> {
        let plan = self.plan;
        match *node {
            Node::Func((id, index)) => {
                let module = plan.module(id);
                let body = index as usize - module.imported(Space::Func);
                let scans = self.scans;
                let scan = scans[plan.component.instances[id.index()].module.index()].get(body).ok_or_else(unknown)?;
                if scan.typed_locals {
                    return Err(Diagnostic::new(Code::UnsupportedType, "a local of a typed function reference"));
                }
                self.index(id, Kind::Type, *module.funcs.get(index as usize).ok_or_else(unknown)?)?;
                self.scanned(id, scan)
            }
            Node::Table((id, index)) => {
                let module = plan.module(id);
                let table = &module.tables[index as usize - module.imported(Space::Table)];
                self.val_type(id, ValType::Ref(table.ty.element_type))?;
                table.init.iter().try_for_each(|init| self.expr(id, init))?;
                let fills = self.fills.remove(&(id, index)).unwrap_or_default();
                fills.into_iter().for_each(|segment| self.element(segment));
                Ok(())
            }
            Node::Memory(memory) => {
                let initializes = self.initializes.remove(&memory).unwrap_or_default();
                initializes.into_iter().for_each(|segment| self.data(segment));
                Ok(())
            }
            Node::Global((id, index)) => {
                let module = plan.module(id);
                let (ty, init) = &module.globals[index as usize - module.imported(Space::Global)];
                self.val_type(id, ty.content_type)?;
                self.expr(id, init)
            }
            Node::Element((id, index)) => self.visit_element(id, &plan.module(id).elements[index as usize]),
            Node::Data((id, index)) => {
                if let DataKind::Active { memory_index, offset_expr } = &plan.module(id).data[index as usize].kind {
                    self.index(id, Kind::Memory, *memory_index)?;
                    self.expr(id, offset_expr)?;
                }
                Ok(())
            }
        }
    }

    fn visit_element(&mut self, id: InstanceId, element: &wasmparser::Element<'c>) -> Result<()> {
        let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
        if let ElementKind::Active { table_index, offset_expr } = &element.kind {
            self.index(id, Kind::Table, table_index.unwrap_or(0))?;
            self.expr(id, offset_expr)?;
        }
        match &element.items {
            ElementItems::Functions(items) => {
                items.clone().into_iter().try_for_each(|item| self.declared(id, item.map_err(invalid)?))
            }
            ElementItems::Expressions(ty, items) => {
                self.val_type(id, ValType::Ref(*ty))?;
                items.clone().into_iter().try_for_each(|item| self.expr(id, &item.map_err(invalid)?))
            }
        }
    }

    fn scanned(&mut self, id: InstanceId, scan: &Scan) -> Result<()> {
        self.live.proposals.add(scan.proposals);
        self.live.floor = self.live.floor.max(scan.floor);
        if scan.memory_zero {
            self.index(id, Kind::Memory, 0)?;
        }
        for &Site { kind, index, .. } in &scan.sites {
            self.index(id, kind, index)?;
            match kind {
                Kind::FuncRef => drop(self.live.referenced.insert(self.source(id, index)?.clone())),
                Kind::Data => self.live.data_named = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// A constant expression; what is folded names nothing any more.
    fn expr(&mut self, id: InstanceId, expr: &ConstExpr<'_>) -> Result<()> {
        if self.plan.fold(id, expr).is_some() {
            return Ok(());
        }
        let scan = Scan::expr(expr)?;
        self.live.proposals.add(scan.proposals);
        for site in &scan.sites {
            match site.kind {
                Kind::FuncRef => self.declared(id, site.index)?,
                kind => self.index(id, kind, site.index)?,
            }
        }
        Ok(())
    }

    /// An index in the spaces of an instance.
    fn index(&mut self, id: InstanceId, kind: Kind, index: u32) -> Result<()> {
        let instance = &self.plan.instances[id.index()];
        let at = index as usize;
        match kind {
            Kind::Func | Kind::FuncRef => return self.func(self.source(id, index)?),
            Kind::Table => self.table(*instance.tables.get(at).ok_or_else(unknown)?),
            Kind::Memory => self.memory(*instance.memories.get(at).ok_or_else(unknown)?),
            Kind::Global => self.global(*instance.globals.get(at).ok_or_else(unknown)?),
            Kind::Tag => self.tag(*instance.tags.get(at).ok_or_else(unknown)?)?,
            Kind::Type => drop(self.live.types.insert((id, index))),
            Kind::Element => self.element((id, index)),
            Kind::Data => self.data((id, index)),
            Kind::Padded => {}
        }
        Ok(())
    }

    fn source(&self, id: InstanceId, index: u32) -> Result<&'m Func> {
        self.funcs[id.index()].get(index as usize).copied().ok_or_else(unknown)
    }

    fn exported(&mut self, func: &Func) -> Result<()> {
        let func = self.resolved.follow(func);
        self.live.declared.insert(func.clone());
        self.func(func)
    }

    /// A function that is named outside of code, which lets code take references to it.
    fn declared(&mut self, id: InstanceId, index: u32) -> Result<()> {
        let func = self.source(id, index)?;
        self.live.declared.insert(func.clone());
        self.func(func)
    }

    /// A function that is no forwarder.
    fn func(&mut self, func: &Func) -> Result<()> {
        match func {
            Func::Defined(id, index) => {
                if self.live.funcs.insert((*id, *index)) {
                    self.todo.push(Node::Func((*id, *index)));
                }
            }
            other => {
                if !self.live.others.contains(other) {
                    self.live.others.insert(other.clone());
                    if let Func::Host(_, Some(realloc)) = other {
                        self.reallocs(Some(*realloc))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The host allocates with `wanted`, or with what the exports use. The latter is exported in any case.
    fn reallocs(&mut self, wanted: Option<ReallocId>) -> Result<()> {
        let plan = self.plan;
        self.live.realloc = true;
        for id in [plan.default_realloc, wanted].into_iter().flatten() {
            let def = plan.component.reallocs.get(id.index()).ok_or_else(unknown)?;
            let func = plan.func(def)?;
            self.func(self.resolved.follow(&func))?;
        }
        Ok(())
    }

    fn table(&mut self, table: Defined) {
        if self.live.tables.insert(table) {
            self.todo.push(Node::Table(table));
        }
    }

    fn memory(&mut self, memory: Defined) {
        if self.live.memories.insert(memory) {
            self.todo.push(Node::Memory(memory));
        }
    }

    fn global(&mut self, global: Global) {
        match global {
            Global::Defined(id, index) => {
                if self.live.globals.insert((id, index)) {
                    self.todo.push(Node::Global((id, index)));
                }
            }
            other => drop(self.live.made_globals.insert(other)),
        }
    }

    fn tag(&mut self, tag: Defined) -> Result<()> {
        if self.live.tags.insert(tag) {
            let module = self.plan.module(tag.0);
            let TagType { func_type_idx, .. } = module.tags[tag.1 as usize - module.imported(Space::Tag)];
            self.index(tag.0, Kind::Type, func_type_idx)?;
        }
        Ok(())
    }

    fn element(&mut self, segment: Defined) {
        if self.live.elements.insert(segment) {
            self.todo.push(Node::Element(segment));
        }
    }

    fn data(&mut self, segment: Defined) {
        if self.live.data.insert(segment) {
            self.todo.push(Node::Data(segment));
        }
    }

    fn val_type(&mut self, id: InstanceId, ty: ValType) -> Result<()> {
        let ValType::Ref(ty) = ty else { return Ok(()) };
        match ty.type_index().and_then(|index| index.as_module_index()) {
            Some(index) => self.index(id, Kind::Type, index),
            None => Ok(()),
        }
    }
}

fn unknown() -> Box<Diagnostic> {
    Diagnostic::new(Code::Internal, "an index that names nothing")
}
