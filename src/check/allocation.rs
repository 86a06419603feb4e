//! What a host puts into the guest's memory: lists and strings, each of which needs a place there.

use super::finding::{Draft, Finding, listed};
use super::target::{Provided, Target};
use crate::abi::{Allocation, ImportName};
use crate::adapt::Survey;
use crate::diagnostic::Code;
use crate::profile::Profile;
use indexmap::IndexMap;

/// Imports whose result the host must allocate in the guest, which waits. `profile` is not re-entrant.
pub(super) fn reentrancy(used: &[(&ImportName, &Provided)], profile: &Profile) -> Vec<Finding> {
    let finding = |(module, functions): (&str, Vec<&str>)| {
        let draft = Draft::new(Code::ReentrancyNeeded, module).set("module", module);
        draft.set("profile", profile.name.as_str()).set("functions", listed(&functions)).done()
    };
    allocating(used).into_iter().map(finding).collect()
}

/// Values that such a host has no place for: the guest names no region, or there are none. `known` says
/// which exports take some.
pub(super) fn places(
    survey: &Survey,
    used: &[(&ImportName, &Provided)],
    known: Option<&Target>,
    allocation: Allocation,
) -> Vec<Finding> {
    let (arena, _) = Allocation::arena();
    let is_arena = allocation == Allocation::Arena;
    if allocation == Allocation::Reentrant || is_arena && survey.imports.iter().any(|(name, _)| *name == arena) {
        return Vec::new();
    }
    let finding = |subject: &str, what: String, functions: &[&str]| {
        let reason = if is_arena { "the guest names no region for them" } else { "the host has no place for them" };
        let draft = Draft::new(Code::PlaceMissing, subject).set("what", what).set("reason", reason);
        let draft = draft.maybe("arena", is_arena.then(|| arena.to_string()));
        draft.maybe("flag", (!is_arena).then_some("--alloc arena")).set("functions", listed(functions)).done()
    };
    let results = allocating(used).into_iter();
    let mut findings: Vec<Finding> =
        results.map(|(module, functions)| finding(module, format!("results of `{module}`"), &functions)).collect();
    let exports = known
        .into_iter()
        .flat_map(|target| target.required.iter().flatten())
        .filter(|form| survey.exports.contains_key(&form.name));
    let taking: Vec<&str> = exports.filter(|form| form.provided.needs.realloc).map(|form| form.name.as_str()).collect();
    // Without any allocation the host does not call them, and nothing traps.
    if is_arena && !taking.is_empty() {
        findings.push(finding("exports", "arguments of exports".to_owned(), &taking));
    }
    findings
}

/// Functions whose result is allocated in the guest, by module.
fn allocating<'u>(used: &[(&'u ImportName, &Provided)]) -> IndexMap<&'u str, Vec<&'u str>> {
    let mut modules: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for (name, _) in used.iter().filter(|(_, provided)| provided.needs.realloc) {
        modules.entry(&name.module).or_default().push(&name.name);
    }
    modules
}
