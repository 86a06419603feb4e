//! The linker's own instances around an adapter: guards that are looked through, and forgotten with what they guarded.

use super::Edits;
use crate::diagnostic::{Diagnostic, Result};
use crate::link::ir::{Def, InstanceId, Item, ReallocId, Space};
use crate::link::module::{Module, space_of};
use crate::link::plan::{Func, Plan};
use crate::link::shims::Resolved;
use std::collections::BTreeSet;
use wasmparser::{ElementItems, FunctionBody, Operator};

/// Follows forwarders, and guards that the linker wrote, to the function that is meant.
pub(super) fn behind(plan: &Plan<'_, '_>, resolved: &Resolved, func: &Func) -> Func {
    let func = resolved.follow(func);
    let Func::Defined(id, index) = func else { return func.clone() };
    let guarded = || {
        let body = own_body(plan, *id, *index)?;
        let callee = guarded(body, plan.module(*id).func_type(*index).ok()?.params().len())?;
        // A guard calls what its instance imports; so there is no second one behind it.
        plan.instances[id.index()].funcs.get(callee).filter(|f| !matches!(f, Func::Defined(i, _) if i == id))
    };
    guarded().map_or_else(|| func.clone(), |f| resolved.follow(f).clone())
}

fn own_body<'p, 'a>(plan: &'p Plan<'a, '_>, id: InstanceId, index: u32) -> Option<&'p FunctionBody<'a>> {
    let module = plan.module(id);
    let defined = (index as usize).checked_sub(module.imported(Space::Func))?;
    if id < plan.component.own { None } else { module.bodies.get(defined) }
}

/// The one function that a guard calls, with its own parameters and nothing else.
fn guarded(body: &FunctionBody<'_>, params: usize) -> Option<usize> {
    let ops = body.get_operators_reader().ok()?.into_iter().collect::<Result<Vec<_>, _>>().ok()?;
    let is_call = |op: &Operator<'_>| matches!(op, Operator::Call { .. });
    let at = ops.iter().position(is_call)?;
    let passed = ops[at.checked_sub(params)?..at].iter().enumerate();
    let in_order = |(i, op): (usize, &Operator<'_>)| matches!(op, Operator::LocalGet { local_index } if *local_index as usize == i);
    let simple = |op: &Operator<'_>| {
        use Operator as O;
        matches!(
            op,
            O::GlobalGet { .. }
                | O::GlobalSet { .. }
                | O::I32Eqz
                | O::If { .. }
                | O::Unreachable
                | O::End
                | O::I32Const { .. }
        )
    };
    let around = ops[..at - params].iter().chain(&ops[at + 1..]);
    match ops[at] {
        Operator::Call { function_index } if passed.clone().all(in_order) && { around }.all(simple) => {
            Some(function_index as usize)
        }
        _ => None,
    }
}

/// Replaces what nothing needs any more among the arguments of the linker's own instances by traps, and drops those of
/// which nothing is left.
pub(super) fn drop_unused(plan: &Plan<'_, '_>, edits: &mut Edits) -> Result<()> {
    let mut marks = Marks { plan, edits, funcs: BTreeSet::new(), reallocs: BTreeSet::new(), todo: Vec::new() };
    for id in plan.instance_ids().filter(|id| !edits.gone.contains(id)) {
        if id < plan.component.own {
            edits.args[id.index()].iter().for_each(|def| marks.def(def));
        } else {
            marks.todo.extend(roots(plan.module(id)).into_iter().map(|func| (id, func)));
        }
    }
    for export in &edits.exports {
        marks.def(&export.func);
        export.post_return.iter().for_each(|def| marks.def(def));
        let realloc = export.realloc.filter(|id| marks.reallocs.insert(*id));
        realloc.iter().for_each(|id| marks.def(&edits.reallocs[id.index()]));
    }
    edits.run.iter().for_each(|def| marks.def(def));
    marks.run()?;
    let live = marks.funcs;
    for id in plan.instance_ids().filter(|id| *id >= plan.component.own) {
        let imports = plan.module(id).imports.iter().enumerate().filter(|(_, (_, _, ty))| space_of(ty) == Space::Func);
        for (func, (arg, _)) in (0..).zip(imports) {
            if !live.contains(&(id, func)) {
                edits.args[id.index()][arg] = Def::Trap;
            }
        }
    }
    // Those of the linker's own that import memories of others come after them.
    for id in plan.instance_ids().filter(|id| *id >= plan.component.own).collect::<Vec<_>>().into_iter().rev() {
        let called = live.iter().any(|(instance, _)| *instance == id);
        let named = |def: &Def| matches!(def, Def::Item(item) if item.instance == id);
        let mut kept = plan.instance_ids().filter(|other| !edits.gone.contains(other));
        let given = kept.any(|other| edits.args[other.index()].iter().any(named));
        let is_memory = edits.memory.is_some_and(|memory| memory.instance == id);
        if !called && !given && !is_memory && roots(plan.module(id)).is_empty() {
            edits.gone.insert(id);
        }
    }
    Ok(())
}

/// Functions of a module that may be called without being named by another instance.
fn roots(module: &Module<'_>) -> Vec<u32> {
    let mut out: Vec<u32> = module.start.into_iter().collect();
    for element in &module.elements {
        match &element.items {
            ElementItems::Functions(items) => out.extend(items.clone().into_iter().flatten()),
            ElementItems::Expressions(_, items) => {
                let ops = items.clone().into_iter().flatten().flat_map(|e| e.get_operators_reader());
                out.extend(ops.flatten().filter_map(|op| match op {
                    Operator::RefFunc { function_index } => Some(function_index),
                    _ => None,
                }));
            }
        }
    }
    out
}

/// What is needed, as far as it passes through the linker's own instances.
struct Marks<'p, 'c, 'a> {
    plan: &'p Plan<'c, 'a>,
    edits: &'p Edits,
    funcs: BTreeSet<(InstanceId, u32)>,
    reallocs: BTreeSet<ReallocId>,
    todo: Vec<(InstanceId, u32)>,
}

impl Marks<'_, '_, '_> {
    fn def(&mut self, def: &Def) {
        let mut def = def;
        loop {
            match def {
                Def::Written(id, nth) => {
                    let imported = u32::try_from(self.plan.module(*id).imported(Space::Func)).unwrap_or(u32::MAX);
                    self.todo.push((*id, imported.saturating_add(*nth)));
                }
                Def::Item(Item { instance, space: Space::Func, index }) => self.todo.push((*instance, *index)),
                Def::Host(_, Some(id)) if self.reallocs.insert(*id) => {
                    def = &self.edits.reallocs[id.index()];
                    continue;
                }
                Def::Item(_) | Def::Host(..) | Def::Trap | Def::Flag(_) => {}
            }
            return;
        }
    }

    fn run(&mut self) -> Result<()> {
        while let Some((id, func)) = self.todo.pop() {
            let is_own = id >= self.plan.component.own && id.index() < self.plan.instances.len();
            if !is_own || !self.funcs.insert((id, func)) {
                continue;
            }
            let module = self.plan.module(id);
            let Some(defined) = (func as usize).checked_sub(module.imported(Space::Func)) else {
                let edits = self.edits;
                let args = module.imports.iter().zip(&edits.args[id.index()]);
                let arg = args.filter(|((_, _, ty), _)| space_of(ty) == Space::Func).nth(func as usize);
                arg.into_iter().for_each(|(_, def)| self.def(def));
                continue;
            };
            let Some(body) = module.bodies.get(defined) else { continue };
            for op in body.get_operators_reader().map_err(|e| Diagnostic::invalid_wasm(&e))? {
                match op.map_err(|e| Diagnostic::invalid_wasm(&e))? {
                    Operator::Call { function_index }
                    | Operator::ReturnCall { function_index }
                    | Operator::RefFunc { function_index } => self.todo.push((id, function_index)),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
