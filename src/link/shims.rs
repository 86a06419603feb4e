//! Shim modules, resolved to direct calls.
//!
//! A component whose main module and adapter need each other breaks the circle with a *shim*: a module of forwarders
//! that call through a table, and a *fixup* that fills the table when everything exists.
//!
//! ```wat
//! ;; before: shim                                   ;; fixup
//! (table (export "$imports") 2 2 funcref)           (elem (i32.const 0) func $clock $random)
//! (func (export "0") (param i32)
//!   (call_indirect (type 0) (local.get 0) (i32.const 0)))
//! ;; after: every call of the shim's "0" calls $clock; table, element segment and forwarder are gone
//! ```
//!
//! That is sound only where the table's contents are known and fixed before anything can call: it is written by
//! active segments with constant offsets alone, no instruction but the forwarders' names it, nothing exports it to the
//! host (the output never does), and no start function that runs before the last write can reach a forwarder.
//! Otherwise the table stays.

use super::ir::{InstanceId, Space};
use super::plan::{Const, Func, Plan};
use crate::abi::CoreSignature;
use crate::diagnostic::Result;
use std::collections::{HashMap, HashSet};
use wasmparser::{ElementItems, ElementKind, FunctionBody, Operator};

/// A table: the instance that defines it and its index there.
type Table = (InstanceId, u32);

/// What became of shims.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Forwarders, and what they stand for.
    pub(super) forward: HashMap<(InstanceId, u32), Func>,
    /// Tables that are gone.
    pub(super) tables: HashSet<Table>,
    /// Modules of forwarders that stayed, in instantiation order, and why.
    pub(super) kept: Vec<(InstanceId, Kept)>,
}

/// Why forwarders were not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// They call through more than one table.
    SeveralTables,
    /// Every slot starts with a value.
    Initialised,
    /// Code of this instance names the table, or a segment that fills it.
    Used(InstanceId),
    /// A start function of this instance may call a forwarder before the table is full.
    Started(InstanceId),
    /// This instance writes at an offset that is not known.
    Offset(InstanceId),
    /// This instance writes more than the table holds, which traps.
    OutOfBounds(InstanceId),
    /// This instance writes values that are computed.
    Computed(InstanceId),
    /// Nobody writes this slot: calling it traps.
    Empty(u32),
    /// This slot holds a function of another type: calling it traps.
    OtherType(u32),
    /// A forwarder that ends in itself.
    Cycle,
}

impl Resolved {
    /// Follows forwarders to the function that is meant.
    pub(super) fn follow<'f>(&'f self, mut func: &'f Func) -> &'f Func {
        // A chain visits each forwarder at most once; a cycle would not have been entered into the map.
        for _ in 0..=self.forward.len() {
            match func {
                Func::Defined(instance, index) => match self.forward.get(&(*instance, *index)) {
                    Some(next) => func = next,
                    None => break,
                },
                _ => break,
            }
        }
        func
    }
}

/// Finds and resolves all shims.
pub(super) fn resolve(plan: &Plan<'_, '_>) -> Result<Resolved> {
    let mut resolved = Resolved::default();
    for shim in plan.instance_ids() {
        let Some(forwarders) = forwarders(plan, shim) else { continue };
        match shim_targets(plan, shim, &forwarders)? {
            Ok((table, targets)) => {
                resolved.forward.extend(targets);
                resolved.tables.insert((shim, table));
            }
            Err(kept) => resolved.kept.push((shim, kept)),
        }
    }
    break_cycles(&mut resolved);
    Ok(resolved)
}

/// The table of a shim, and what its forwarders stand for, if that is certain.
fn shim_targets(
    plan: &Plan<'_, '_>,
    shim: InstanceId,
    forwarders: &[Forwarder],
) -> Result<Result<(u32, Targets), Kept>> {
    let module = plan.module(shim);
    let tables: HashSet<u32> = forwarders.iter().map(|f| f.table).collect();
    // A module that imports nothing has defined its tables.
    let &[table] = tables.into_iter().collect::<Vec<_>>().as_slice() else { return Ok(Err(Kept::SeveralTables)) };
    if module.tables[table as usize].init.is_some() {
        return Ok(Err(Kept::Initialised));
    }
    match contents(plan, (shim, table)) {
        Ok(contents) => Ok(targets(plan, shim, forwarders, &contents)?.map(|targets| (table, targets))),
        Err(kept) => Ok(Err(kept)),
    }
}

/// A function that passes its parameters on through a constant table slot.
pub(super) struct Forwarder {
    pub(super) func: u32,
    ty: u32,
    table: u32,
    pub(super) slot: u32,
}

/// The forwarders of a module that holds nothing else.
pub(super) fn forwarders(plan: &Plan<'_, '_>, instance: InstanceId) -> Option<Vec<Forwarder>> {
    let module = plan.module(instance);
    let imported = module.imported(Space::Func);
    let shape = module.imports.is_empty() && module.memories.is_empty() && module.start.is_none();
    if !shape || module.bodies.is_empty() || module.tables.is_empty() || !module.elements.is_empty() {
        return None;
    }
    module
        .bodies
        .iter()
        .enumerate()
        .map(|(i, body)| {
            let func = u32::try_from(imported + i).ok()?;
            let params = module.func_type(func).ok()?.params().len();
            forwarder(func, params, body)
        })
        .collect()
}

fn forwarder(func: u32, params: usize, body: &FunctionBody<'_>) -> Option<Forwarder> {
    if body.get_locals_reader().ok()?.get_count() != 0 {
        return None;
    }
    let mut ops = body.get_operators_reader().ok()?.into_iter();
    for param in 0..params {
        match ops.next()?.ok()? {
            Operator::LocalGet { local_index } if local_index as usize == param => {}
            _ => return None,
        }
    }
    let Operator::I32Const { value } = ops.next()?.ok()? else { return None };
    let (type_index, table_index) = match ops.next()?.ok()? {
        Operator::CallIndirect { type_index, table_index } => (type_index, table_index),
        Operator::ReturnCallIndirect { type_index, table_index } => (type_index, table_index),
        _ => return None,
    };
    match (ops.next()?.ok()?, ops.next()) {
        (Operator::End, None) => {}
        _ => return None,
    }
    Some(Forwarder { func, ty: type_index, table: table_index, slot: u32::try_from(value).ok()? })
}

/// What the table holds once every instance exists, if that is certain.
fn contents(plan: &Plan<'_, '_>, table: Table) -> Result<HashMap<u32, Func>, Kept> {
    let mut contents = HashMap::new();
    let mut started = Vec::new();
    for id in plan.instance_ids() {
        let module = plan.module(id);
        let instance = &plan.instances[id.index()];
        let is_it = |index: u32| instance.tables.get(index as usize) == Some(&table);
        if instance.tables.contains(&table) {
            if id != table.0 && uses_table(plan, id, is_it) {
                return Err(Kept::Used(id));
            }
            for element in &module.elements {
                let ElementKind::Active { table_index, offset_expr } = &element.kind else { continue };
                if !is_it(table_index.unwrap_or(0)) {
                    continue;
                }
                let early = started.drain(..).find(|&(instance, start)| reaches(plan, instance, start, table.0));
                if let Some((instance, _)) = early {
                    return Err(Kept::Started(instance));
                }
                let Some(Const::I32(offset)) = plan.fold(id, offset_expr) else { return Err(Kept::Offset(id)) };
                let offset = u32::from_ne_bytes(offset.to_ne_bytes());
                let ElementItems::Functions(items) = &element.items else { return Err(Kept::Computed(id)) };
                let owner = plan.module(table.0);
                let size = owner.tables[table.1 as usize - owner.imported(Space::Table)].ty.initial;
                // A segment out of bounds traps at instantiation: leave that to the engine.
                if u64::from(offset) + u64::from(items.count()) > size {
                    return Err(Kept::OutOfBounds(id));
                }
                for (slot, func) in (offset..).zip(items.clone()) {
                    let func = func.ok().and_then(|func| instance.funcs.get(func as usize));
                    contents.insert(slot, func.ok_or(Kept::Computed(id))?.clone());
                }
            }
        }
        started.extend(module.start.map(|start| (id, start)));
    }
    Ok(contents)
}

/// Whether a start function can call into the shim, by the calls in code. An indirect call may end in any function that
/// an element segment or reference names, in any instance that exists by then.
fn reaches(plan: &Plan<'_, '_>, instance: InstanceId, start: u32, shim: InstanceId) -> bool {
    let mut todo = vec![plan.instances[instance.index()].funcs[start as usize].clone()];
    let mut seen = HashSet::new();
    let mut indirect = false;
    while let Some(func) = todo.pop() {
        let Func::Defined(id, index) = func else { continue };
        if id == shim {
            return true;
        }
        if !seen.insert((id, index)) {
            continue;
        }
        let module = plan.module(id);
        let funcs = &plan.instances[id.index()].funcs;
        let body = &module.bodies[index as usize - module.imported(Space::Func)];
        let Ok(ops) = body.get_operators_reader() else { return true };
        for op in ops {
            match op {
                Ok(Operator::Call { function_index } | Operator::ReturnCall { function_index }) => {
                    todo.push(funcs[function_index as usize].clone());
                }
                Ok(
                    Operator::CallIndirect { .. }
                    | Operator::ReturnCallIndirect { .. }
                    | Operator::CallRef { .. }
                    | Operator::ReturnCallRef { .. },
                ) if !indirect => {
                    indirect = true;
                    todo.extend(plan.instance_ids().take_while(|i| *i <= instance).flat_map(|i| referenced(plan, i)));
                }
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }
    false
}

/// Functions of an instance that code may hold references to.
fn referenced(plan: &Plan<'_, '_>, id: InstanceId) -> Vec<Func> {
    let funcs = &plan.instances[id.index()].funcs;
    let module = plan.module(id);
    let mut out = Vec::new();
    let mut expr = |expr: &wasmparser::ConstExpr<'_>| {
        for op in expr.get_operators_reader().into_iter().flatten() {
            if let Operator::RefFunc { function_index } = op {
                out.push(funcs[function_index as usize].clone());
            }
        }
    };
    module.globals.iter().for_each(|(_, init)| expr(init));
    module.tables.iter().filter_map(|t| t.init.as_ref()).for_each(&mut expr);
    for element in &module.elements {
        if let ElementItems::Expressions(_, items) = &element.items {
            items.clone().into_iter().flatten().for_each(|e| expr(&e));
        }
    }
    for element in &module.elements {
        if let ElementItems::Functions(items) = &element.items {
            out.extend(items.clone().into_iter().flatten().map(|f| funcs[f as usize].clone()));
        }
    }
    // Code may also take references to what only an export declares.
    for op in module.bodies.iter().filter_map(|b| b.get_operators_reader().ok()).flatten() {
        if let Ok(Operator::RefFunc { function_index }) = op {
            out.push(funcs[function_index as usize].clone());
        }
    }
    out
}

/// Whether any instruction of an instance names the table, or a segment that fills it. Instances that only import the
/// table to fill it have no code at all, so this is rarely long.
fn uses_table(plan: &Plan<'_, '_>, id: InstanceId, is_it: impl Fn(u32) -> bool) -> bool {
    let module = plan.module(id);
    let fills = |segment: u32| match module.elements.get(segment as usize).map(|e| &e.kind) {
        Some(ElementKind::Active { table_index, .. }) => is_it(table_index.unwrap_or(0)),
        _ => false,
    };
    module.bodies.iter().any(|body| {
        let Ok(ops) = body.get_operators_reader() else { return true };
        ops.into_iter().any(|op| match op {
            Ok(Operator::ElemDrop { elem_index } | Operator::TableInit { elem_index, .. }) if fills(elem_index) => true,
            Ok(op) => tables_of(&op).into_iter().flatten().any(&is_it),
            Err(_) => true,
        })
    })
}

fn tables_of(op: &Operator<'_>) -> [Option<u32>; 2] {
    match *op {
        Operator::CallIndirect { table_index, .. } | Operator::ReturnCallIndirect { table_index, .. } => {
            [Some(table_index), None]
        }
        Operator::TableGet { table }
        | Operator::TableSet { table }
        | Operator::TableGrow { table }
        | Operator::TableSize { table }
        | Operator::TableFill { table }
        | Operator::TableInit { table, .. } => [Some(table), None],
        Operator::TableCopy { dst_table, src_table } => [Some(dst_table), Some(src_table)],
        _ => [None, None],
    }
}

/// Forwarders, each with the function it stands for.
type Targets = Vec<((InstanceId, u32), Func)>;

/// Pairs each forwarder with its target, or gives up on the whole shim: a slot that is empty or of another type would
/// trap when called, and must go on trapping. A forwarder whose own type is another one does more than forward.
fn targets(
    plan: &Plan<'_, '_>,
    shim: InstanceId,
    forwarders: &[Forwarder],
    contents: &HashMap<u32, Func>,
) -> Result<Result<Targets, Kept>> {
    let module = plan.module(shim);
    let mut out = Vec::new();
    for forwarder in forwarders {
        let Some(target) = contents.get(&forwarder.slot) else { return Ok(Err(Kept::Empty(forwarder.slot))) };
        let called = module.types.get(forwarder.ty as usize).and_then(CoreSignature::of);
        let own = CoreSignature::of(module.func_type(forwarder.func)?);
        if called.is_none() || own != called || plan.signature(target)? != called {
            return Ok(Err(Kept::OtherType(forwarder.slot)));
        }
        out.push(((shim, forwarder.func), target.clone()));
    }
    Ok(Ok(out))
}

/// Forwarders that end in themselves recurse for ever when called; they are left as they are.
fn break_cycles(resolved: &mut Resolved) {
    let cyclic: HashSet<InstanceId> = resolved
        .forward
        .keys()
        .filter(|(instance, index)| {
            let end = resolved.follow(&resolved.forward[&(*instance, *index)]);
            matches!(end, Func::Defined(i, f) if resolved.forward.contains_key(&(*i, *f)))
        })
        .map(|(instance, _)| *instance)
        .collect();
    resolved.kept.extend(cyclic.iter().map(|instance| (*instance, Kept::Cycle)));
    resolved.kept.sort_by_key(|(instance, _)| *instance);
    resolved.forward.retain(|(instance, _), _| !cyclic.contains(instance));
    resolved.tables.retain(|(instance, _)| !cyclic.contains(instance));
}
