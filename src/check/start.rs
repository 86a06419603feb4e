//! What the start function calls, as far as calls are direct.

use super::finding::{Draft, Finding};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::View;
use std::collections::{HashMap, VecDeque};
use wasmparser::{Operator, TypeRef};

/// A start function that reaches an import: one finding, with the shortest path.
pub(super) fn start(view: &View<'_>) -> Result<Option<Finding>> {
    let Some(start) = view.start else { return Ok(None) };
    // Who called each function first.
    let mut callers: HashMap<u32, u32> = HashMap::from([(start, start)]);
    let mut queue = VecDeque::from([start]);
    while let Some(func) = queue.pop_front() {
        let Some(defined) = (func as usize).checked_sub(view.imported_funcs) else {
            let path = path(view, start, func, &callers);
            return Ok(Some(Draft::new(Code::StartCallsImports, import(view, func)).set("path", path).done()));
        };
        for callee in callees(view, defined)? {
            if let std::collections::hash_map::Entry::Vacant(vacant) = callers.entry(callee) {
                vacant.insert(func);
                queue.push_back(callee);
            }
        }
    }
    Ok(None)
}

fn callees(view: &View<'_>, defined: usize) -> Result<Vec<u32>> {
    let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let Some(body) = view.bodies.get(defined) else { return Ok(Vec::new()) };
    let mut callees = Vec::new();
    for op in body.get_operators_reader().map_err(invalid)? {
        if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = op.map_err(invalid)? {
            callees.push(function_index);
        }
    }
    Ok(callees)
}

/// The calls from the start function to the import.
fn path(view: &View<'_>, start: u32, func: u32, callers: &HashMap<u32, u32>) -> String {
    const SHOWN: usize = 8;
    let mut path = vec![format!("`{}`", import(view, func))];
    let mut at = func;
    while at != start {
        at = callers[&at];
        path.push(view.call(at));
    }
    path.reverse();
    if path.len() > SHOWN {
        let left = path.len() - SHOWN;
        path.splice(SHOWN / 2..SHOWN / 2 + left, [format!("{left} more")]);
    }
    path.join(" → ")
}

/// Module and field of an imported function.
fn import(view: &View<'_>, func: u32) -> String {
    let functions = view.imports.iter().filter(|i| matches!(i.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
    let import = functions.into_iter().nth(func as usize);
    import.map_or_else(|| format!("function {func}"), |i| format!("{} {}", i.module, i.name))
}
