//! Shims and fixups after an adapter is gone: slots of the shim's table that nothing calls are emptied, and where none is
//! left, both go.

use super::{Edits, entangled};
use crate::diagnostic::Result;
use crate::link::ir::{Def, InstanceId, Item, Space};
use crate::link::module::{Module, space_of};
use crate::link::plan::{Func, Plan};
use crate::link::shims::Resolved;
use std::collections::{BTreeSet, HashSet};
use wasmparser::{ElementItems, ElementKind, Operator};

/// Adds to `edits.gone` and replaces the arguments that nothing calls by traps. `edits.gone` holds the adapters.
pub(super) fn drop_unused(plan: &Plan<'_, '_>, resolved: &Resolved, edits: &mut Edits) -> Result<()> {
    let called = called(plan, resolved, edits);
    let live: HashSet<&Func> = called.iter().filter_map(|at| resolved.forward.get(at)).collect();
    let live_shims: HashSet<InstanceId> = called.iter().map(|(shim, _)| *shim).collect();
    for id in plan.instance_ids().filter(|id| !edits.gone.contains(id)).collect::<Vec<_>>() {
        let Some(fills) = Fills::of(plan, resolved, id)? else { continue };
        if fills.nothing_else && fills.shims.is_disjoint(&live_shims) {
            edits.gone.insert(id);
            continue;
        }
        let funcs = &plan.instances[id.index()].funcs;
        let imports = plan.module(id).imports.iter().enumerate().filter(|(_, (_, _, ty))| space_of(ty) == Space::Func);
        for (func, (arg, _)) in imports.enumerate() {
            if fills.only_slots.contains(&func) && !live.contains(&funcs[func]) {
                edits.args[id.index()][arg] = Def::Trap;
            }
        }
    }
    for &(shim, _) in &resolved.tables {
        let mut defs = plan
            .instance_ids()
            .filter(|id| !edits.gone.contains(id))
            .flat_map(|id| &edits.args[id.index()])
            .chain(&edits.reallocs)
            .chain(edits.exports.iter().flat_map(|e| std::iter::once(&e.func).chain(&e.post_return)));
        if !defs.any(|def| matches!(def, Def::Item(item) if item.instance == shim)) {
            edits.gone.insert(shim);
        }
    }
    Ok(())
}

/// The forwarders that something which stays may call.
fn called(plan: &Plan<'_, '_>, resolved: &Resolved, edits: &Edits) -> BTreeSet<(InstanceId, u32)> {
    let kept = plan.instance_ids().filter(|id| !edits.gone.contains(id));
    let defs = kept
        .flat_map(|id| &edits.args[id.index()])
        .chain(&edits.reallocs)
        .chain(edits.exports.iter().flat_map(|e| std::iter::once(&e.func).chain(&e.post_return)));
    let at = defs.filter_map(|def| match def {
        Def::Item(Item { instance, space: Space::Func, index }) => Some((*instance, *index)),
        _ => None,
    });
    at.filter(|at| resolved.forward.contains_key(at)).collect()
}

/// What an instance does to the tables of shims.
struct Fills {
    shims: HashSet<InstanceId>,
    /// Imported functions that it puts into slots and does nothing else with.
    only_slots: BTreeSet<usize>,
    /// Whether that is all that the instance is there for.
    nothing_else: bool,
}

impl Fills {
    fn of(plan: &Plan<'_, '_>, resolved: &Resolved, id: InstanceId) -> Result<Option<Fills>> {
        let module = plan.module(id);
        let tables = &plan.instances[id.index()].tables;
        let mut shims = HashSet::new();
        let (mut slots, mut others) = (BTreeSet::new(), used_by_code(module)?);
        others.extend(module.start.map(|f| f as usize));
        let mut only_fills = true;
        for element in &module.elements {
            let table = match &element.kind {
                ElementKind::Active { table_index, .. } => tables.get(table_index.unwrap_or(0) as usize),
                _ => None,
            };
            let shim = table.filter(|t| resolved.tables.contains(t));
            only_fills &= shim.is_some();
            shims.extend(shim.map(|(shim, _)| *shim));
            let into = if shim.is_some() { &mut slots } else { &mut others };
            match &element.items {
                ElementItems::Functions(items) => into.extend(items.clone().into_iter().flatten().map(|f| f as usize)),
                ElementItems::Expressions(_, items) => {
                    for expr in items.clone().into_iter().flatten() {
                        others.extend(referenced(&expr));
                    }
                }
            }
        }
        if shims.is_empty() {
            return Ok(None);
        }
        module.globals.iter().for_each(|(_, init)| others.extend(referenced(init)));
        let bare = module.bodies.is_empty() && module.data.is_empty() && module.start.is_none();
        let defines = module.tables.len() + module.memories.len() + module.globals.len() + module.tags.len();
        let nothing_else = only_fills && bare && defines == 0;
        Ok(Some(Fills { shims, only_slots: slots.difference(&others).copied().collect(), nothing_else }))
    }
}

/// Functions that code calls or takes references to.
fn used_by_code(module: &Module<'_>) -> Result<BTreeSet<usize>> {
    let mut used = BTreeSet::new();
    for body in &module.bodies {
        let ops = body.get_operators_reader().map_err(|e| entangled(e.to_string()))?;
        for op in ops {
            match op.map_err(|e| entangled(e.to_string()))? {
                Operator::Call { function_index }
                | Operator::ReturnCall { function_index }
                | Operator::RefFunc { function_index } => drop(used.insert(function_index as usize)),
                _ => {}
            }
        }
    }
    Ok(used)
}

fn referenced(expr: &wasmparser::ConstExpr<'_>) -> Vec<usize> {
    let ops = expr.get_operators_reader().into_iter().flatten();
    ops.filter_map(
        |op| if let Operator::RefFunc { function_index } = op { Some(function_index as usize) } else { None },
    )
    .collect()
}
