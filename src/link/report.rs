//! What the linker tells: `--report` writes it as JSON.

use super::ir::{Def, HostId};
use super::merge::Merged;
use super::names::NameTable;
use super::plan::Plan;
use super::runtime::Pieces;
use super::shims::Resolved;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Feature profiles of core WebAssembly, from small to large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Floor {
    /// WebAssembly 1.0 with mutable globals.
    Mvp,
    /// Lime1: what LLVM's `lime1` target may emit.
    Lime1,
    /// WebAssembly 2.0.
    Wasm2,
    /// WebAssembly 3.0.
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
            Floor::Wasm3 => "wasm3",
        }
    }
}

/// A link in figures. Sizes are in bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Size of the component.
    pub component_size: usize,
    /// Size of the linked module.
    pub output_size: usize,
    /// The core modules that went in, in instantiation order.
    pub merged: Vec<MergedModule>,
    /// The smallest profile that the output validates under.
    pub floor: Floor,
    /// Proposals beyond WebAssembly 1.0 whose instructions the output holds.
    pub features: Vec<&'static str>,
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
    /// Calls through shim tables that became direct.
    pub shims_resolved: usize,
    /// Distinct reallocs behind `cabi_realloc`.
    pub reallocs: usize,
    /// Imports that are wrapped to select their realloc.
    pub wrapped_imports: usize,
    /// Whether the host must call `_initialize` once, before anything else.
    pub initialize: bool,
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
#[derive(Debug, Clone, Serialize)]
pub struct MergedModule {
    /// From its name section.
    pub name: Option<String>,
    /// Its size.
    pub size: usize,
    /// Functions that it defines.
    pub functions: usize,
}

/// A core function at the boundary.
#[derive(Debug, Clone, Serialize)]
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
    let merged_modules = plan.instance_ids().map(|id| {
        let module = plan.module(id);
        MergedModule { name: module.name.map(str::to_owned), size: module.bytes, functions: module.bodies.len() }
    });
    let wrapped_imports = Pieces::plan(plan, resolved).map_or(0, |p| p.wrapped());
    Report {
        component_size,
        output_size: merged.wasm.len(),
        merged: merged_modules.collect(),
        floor,
        features: merged.features.iter().copied().collect(),
        imports: component.hosts.iter().map(|h| function(&h.name.module, &h.name.name, &h.core)).collect(),
        exports: exports.collect(),
        string_encoding: format!("{}", component.encoding),
        functions: merged.functions,
        tables: merged.tables,
        memories: merged.memories,
        shims_resolved: resolved.forward.len(),
        reallocs: component.reallocs.len(),
        wrapped_imports,
        initialize: merged.initialize,
        target: None,
        reentry: Vec::new(),
        lowered: merged.lowered.clone(),
        names: None,
    }
}
