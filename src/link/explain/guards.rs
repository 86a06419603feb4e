//! Guards: functions of the linker's own that check and then call one other. Who asks where an import comes from means that
//! other one.

use super::super::ir::{InstanceId, Space};
use super::super::plan::{Func, Plan};
use super::super::shims::Resolved;
use super::super::written::GUARDS;
use super::names::defined;
use std::collections::{HashMap, HashSet};
use wasmparser::{FunctionBody, Operator};

/// What stands behind each guard.
pub(super) struct Guards {
    behind: HashMap<(InstanceId, u32), Func>,
    /// Functions that an instance of the linker's own imports for its guards alone.
    only: HashSet<(InstanceId, u32)>,
}

impl Guards {
    pub(super) fn new(plan: &Plan<'_, '_>) -> Guards {
        let mut guards = Guards { behind: HashMap::new(), only: HashSet::new() };
        for id in plan.instance_ids().filter(|id| *id >= plan.component.own) {
            let module = plan.module(id);
            let named: HashMap<u32, &str> = module.func_names.iter().copied().collect();
            let mut others = HashSet::new();
            for (index, body) in defined(plan, id, Space::Func, module.bodies.len()).zip(&module.bodies) {
                let is_guard = named.get(&index).and_then(|name| kind(name)).is_some_and(|kind| GUARDS.contains(&kind));
                match calls(body).as_slice() {
                    &[call] if is_guard => {
                        let target = plan.instances[id.index()].funcs.get(call as usize);
                        guards.behind.extend(target.map(|func| ((id, index), func.clone())));
                        guards.only.insert((id, call));
                    }
                    calls => others.extend(calls.iter().map(|call| (id, *call))),
                }
            }
            guards.only.retain(|call| !others.contains(call));
        }
        guards
    }

    /// Follows shims and guards to what is meant; and whether a guard is between.
    pub(super) fn follow<'f>(&'f self, resolved: &'f Resolved, func: &'f Func) -> (&'f Func, bool) {
        let mut func = resolved.follow(func);
        let mut guarded = false;
        // A guard is written once, so a chain of them is no longer than all.
        for _ in 0..self.behind.len() {
            let Func::Defined(instance, index) = func else { break };
            let Some(next) = self.behind.get(&(*instance, *index)) else { break };
            (func, guarded) = (resolved.follow(next), true);
        }
        (func, guarded)
    }

    /// What stands right behind a function, if it is a guard.
    pub(super) fn behind(&self, instance: InstanceId, index: u32) -> Option<&Func> {
        self.behind.get(&(instance, index))
    }

    /// Whether an instance imports a function for its guards alone.
    pub(super) fn is_guards_own(&self, instance: InstanceId, index: u32) -> bool {
        self.only.contains(&(instance, index))
    }
}

/// `may-leave` of `may-leave.3`.
pub(super) fn kind(name: &str) -> Option<&str> {
    let (kind, number) = name.rsplit_once('.')?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(kind)
}

fn calls(body: &FunctionBody<'_>) -> Vec<u32> {
    let ops = body.get_operators_reader().into_iter().flatten().flatten();
    let calls = ops.filter_map(|op| match op {
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => Some(function_index),
        _ => None,
    });
    calls.collect()
}
