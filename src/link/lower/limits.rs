//! Limits of the target, checked on the finished module.

use super::shape::shown;
use super::view::View;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::profile::Profile;

/// Refuses a module that exceeds limits of the target, all of them at once. `wasm` is valid.
pub(in super::super) fn check(wasm: &[u8], target: &Profile) -> Result<()> {
    let view = View::parse(wasm)?;
    let limits = &target.limits;
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let over = |limit: Option<u32>, have: usize| limit.is_some_and(|limit| have > limit as usize);
    for (label, limit, have) in [
        ("max-functions", limits.functions, view.funcs.len()),
        ("max-memories", limits.memories, view.memories.len()),
        ("max-tables", limits.tables, view.table_types.len()),
    ] {
        if over(limit, have) {
            found.push((label, have.to_string()));
        }
    }
    let pages = view.memories.iter().map(|m| usize::try_from(m.initial).unwrap_or(usize::MAX)).max();
    if let Some(pages) = pages.filter(|pages| over(limits.memory_pages, *pages)) {
        found.push(("max-memory-pages", format!("a memory begins with {pages}")));
    }
    let params = |func: &u32| view.func_type(*func).map_or(0, |ty| ty.params().len());
    let funcs = 0..super::plan::narrow(view.funcs.len());
    if let Some(func) = funcs.clone().find(|f| over(limits.params, params(f))) {
        let more = funcs.filter(|f| over(limits.params, params(f))).count() - 1;
        found.push(("max-params", format!("{} has {}{}", view.call(func), params(&func), and_more(more))));
    }
    let imported = view.imports.iter().flat_map(|i| [i.module, i.name]);
    let long: Vec<&str> =
        imported.chain(view.exports.iter().map(|e| e.name)).filter(|n| over(limits.name_length, n.len())).collect();
    if let Some(name) = long.first() {
        let text = format!("`{}` has {} bytes{}", shown(name), name.len(), and_more(long.len() - 1));
        found.push(("max-name-length", text));
    }
    let Some(names) = (!found.is_empty()).then(|| found.iter().map(|f| f.0).collect::<Vec<_>>().join(", ")) else {
        return Ok(());
    };
    let mut error =
        Diagnostic::new(Code::TargetLimit, format!("the module exceeds limits of `{}`: {names}", target.name));
    for (label, text) in found {
        error = error.fact(label, text);
    }
    if !long.is_empty() {
        error = error.hint("`--name-map short` gives imports and exports short names");
    }
    Err(if over(limits.memories, view.memories.len()) {
        error.hint("`--single-memory` makes one memory of several")
    } else {
        error
    })
}

fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", and {count} more") }
}
