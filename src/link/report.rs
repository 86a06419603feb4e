//! What the linker tells: `--report` writes it as JSON. Its schema is `docs/link.schema.json`.

use super::explain::Explanation;
use super::ir::{Def, HostId, InstanceId, ModuleId};
use super::merge::{Dropped, Merged};
use super::names::NameTable;
use super::plan::Plan;
use super::preview1;
use super::shims::Resolved;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Feature profiles of core WebAssembly, from small to large.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Floor {
    /// WebAssembly 1.0 with mutable globals.
    #[default]
    Mvp,
    /// Lime1: what LLVM's `lime1` target may emit.
    Lime1,
    /// WebAssembly 2.0.
    Wasm2,
    /// WebAssembly 3.0.
    #[serde(rename = "wasm3-spec")]
    Wasm3,
}

impl Floor {
    /// From small to large.
    pub const ALL: [Floor; 4] = [Floor::Mvp, Floor::Lime1, Floor::Wasm2, Floor::Wasm3];

    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Floor::Mvp => "mvp",
            Floor::Lime1 => "lime1",
            Floor::Wasm2 => "wasm2",
            Floor::Wasm3 => "wasm3-spec",
        }
    }
}

/// A link in figures. Sizes are in bytes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// Size of the component.
    pub component_size: usize,
    /// Size of the linked module.
    pub output_size: usize,
    /// Size of the component's core modules that are instantiated, each once.
    pub core_size: usize,
    /// Size of the component's types in the output. Its core modules do not hold them.
    pub types_size: usize,
    /// The output without the types, as a part of `core_size`.
    pub size_ratio: f64,
    /// The core modules that went in, in instantiation order.
    pub merged: Vec<MergedModule>,
    /// The smallest profile that the output validates under.
    pub floor: Floor,
    /// Proposals beyond WebAssembly 1.0 whose instructions the output holds.
    pub features: Vec<&'static str>,
    /// Why the module carries no types: WIT has no words for the component's world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untyped: Option<String>,
    /// Why an instance of the linker's own stands between the host and the others, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<&'static str>,
    /// Functions that the host must provide.
    pub imports: Vec<Function>,
    /// Functions that the host may call.
    pub exports: Vec<Function>,
    /// Encoding of all strings at the boundary.
    pub string_encoding: String,
    /// Functions in the output, imports included.
    pub functions: u32,
    /// Tables in the output.
    pub tables: u32,
    /// Memories in the output.
    pub memories: u32,
    /// Memories that became one; 0 if none did.
    pub memories_merged: u32,
    /// Calls through shim tables that became direct.
    pub shims_resolved: usize,
    /// Distinct reallocs behind `cabi_realloc`.
    pub reallocs: usize,
    /// Imports that are wrapped to select their realloc.
    pub wrapped_imports: usize,
    /// Whether the host must call `_initialize` once, before anything else.
    pub initialize: bool,
    /// What was done and why, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
    /// What nothing reaches.
    pub dropped: Dropped,
    /// The engine profile that the output was lowered to, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Imports whose results the host allocates with `cabi_realloc`, if the target cannot be called while it waits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reentry: Vec<String>,
    /// Features that the target lacks, and how often each was lowered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lowered: BTreeMap<&'static str, usize>,
    /// The names of the output, if they are not the canonical ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<NameTable>,
}

/// A core module of the component.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MergedModule {
    /// From its name section.
    pub name: Option<String>,
    /// Its size.
    pub size: usize,
    /// Functions that it defines.
    pub functions: usize,
}

/// A core function at the boundary.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Function {
    /// Import module; empty for exports.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub module: String,
    /// Field or export name.
    pub name: String,
    /// Core parameter types.
    pub params: Vec<&'static str>,
    /// Core result types.
    pub results: Vec<&'static str>,
}

/// The imports that call back into the guest.
pub(super) fn reentry(plan: &Plan<'_, '_>) -> Vec<String> {
    let args = plan.component.instances.iter().flat_map(|instance| &instance.args);
    let allocating: BTreeSet<HostId> = args
        .filter_map(|arg| match arg {
            Def::Host(host, Some(_)) => Some(*host),
            _ => None,
        })
        .collect();
    allocating.iter().map(|host| plan.component.hosts[host.index()].name.to_string()).collect()
}

pub(super) fn report(
    plan: &Plan<'_, '_>,
    resolved: &Resolved,
    merged: &Merged,
    floor: Floor,
    component_size: usize,
) -> Report {
    let function = |module: &str, name: &str, core: &crate::abi::CoreSignature| Function {
        module: module.to_owned(),
        name: name.to_owned(),
        params: core.params.iter().map(|t| t.name()).collect(),
        results: core.results.iter().map(|t| t.name()).collect(),
    };
    let component = plan.component;
    let exports = component.exports.iter().filter_map(|e| {
        let func = plan.func(&e.func).ok()?;
        let core = plan.signature(resolved.follow(&func)).ok()??;
        Some(function("", &e.name, &core))
    });
    // Instances that `--wasi preview1` took out are empty ones.
    let given = |id: &InstanceId| *id < component.own && plan.module(*id).bytes > preview1::EMPTY.len();
    let merged_modules = plan.instance_ids().filter(given).map(|id| {
        let module = plan.module(id);
        MergedModule { name: module.name.map(str::to_owned), size: module.bytes, functions: module.bodies.len() }
    });
    let core_size = core_size(plan);
    let imports = merged.hosts.iter().map(|id| &component.hosts[id.index()]);
    Report {
        component_size,
        output_size: merged.wasm.len(),
        core_size,
        types_size: merged.types_size,
        size_ratio: ratio(merged.wasm.len() - merged.types_size, core_size),
        merged: merged_modules.collect(),
        floor,
        features: merged.features.clone(),
        imports: imports.map(|h| function(&h.name.module, &h.name.name, &h.core)).collect(),
        exports: exports.collect(),
        string_encoding: format!("{}", component.encoding),
        functions: merged.functions,
        tables: merged.tables,
        memories: merged.memories,
        memories_merged: 0,
        shims_resolved: resolved.forward.len(),
        reallocs: component.reallocs.len(),
        wrapped_imports: merged.wrapped,
        untyped: component.untyped.clone(),
        boundary: component.boundary,
        initialize: merged.initialize,
        explain: None,
        dropped: merged.dropped,
        target: None,
        reentry: Vec::new(),
        lowered: merged.lowered.clone(),
        names: None,
    }
}

/// Modules that the linker or its front end generated are not the component's.
fn core_size(plan: &Plan<'_, '_>) -> usize {
    let instantiated: BTreeSet<ModuleId> = plan.component.instances.iter().map(|i| i.module).collect();
    let modules = instantiated.iter().map(|id| &plan.component.modules[id.index()]);
    modules.filter(|bytes| matches!(bytes, Cow::Borrowed(_))).map(|bytes| bytes.len()).sum()
}

/// Rounded to thousandths.
fn ratio(size: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { (size as f64 / of as f64 * 1e3).round() / 1e3 }
}
