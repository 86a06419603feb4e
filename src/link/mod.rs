//! Lowers a component to one core module.
//!
//! The phases, each of which borrows from those before it: [`read`] validates and flattens the component, [`preview1`] takes
//! its preview1 adapter out where that is asked for, [`plan`] traces every import to its source, [`shims`] resolves shim modules
//! to direct calls, [`runtime`] decides which functions the linker must write, [`merge`] writes the module, [`single`] puts its
//! memories into one, [`mod@lower`] brings it to a target, [`verify`] proves it. What cannot be lowered is refused with a code
//! of the 03 group; nothing is emitted on doubt.

pub mod explain;
mod ir;
mod lower;
mod merge;
mod module;
mod names;
mod plan;
mod preview1;
mod read;
mod report;
mod runtime;
mod shims;
mod single;
mod size;
mod validate;
mod verify;
mod written;

pub use lower::{Lowered, lower};
pub(crate) use lower::{View, feature, mnemonic};
pub use merge::Dropped;
pub(crate) use names::host_file;
pub use names::{ExportEntry, ImportEntry, NameFile, NameMap, NameTable};
pub use report::{Floor, Report};
pub use single::single_memory;
pub use verify::rewrap;

use crate::diagnostic::Result;
use crate::profile::Profile;

/// How to link.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Re-wrap the output into a component and compare its world with the original's.
    pub verify: bool,
    /// What becomes of preview1 adapters.
    pub wasi: Wasi,
    /// Tell what was done, and why, in the report.
    pub explain: bool,
    /// Leave names and producers out.
    pub strip: bool,
    /// Put all memories into one, for engines that know no more.
    pub single_memory: bool,
    /// Leave out the checks that the canonical ABI makes around calls: may-leave, re-entry, use after a trap.
    pub no_guards: bool,
    /// Who keeps the handles of exported resources.
    pub handles: Handles,
    /// Lower the output to what this engine takes, and refuse what it does not.
    pub target: Option<Profile>,
    /// Give imports and exports other names.
    pub names: Option<NameMap>,
}

/// Which WASI the output imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wasi {
    /// What the component imports. A preview1 adapter is merged like any other module.
    #[default]
    Keep,
    /// Preview1: the adapter is stripped, `wasi_snapshot_preview1` is imported, a command has a `_start`.
    Preview1,
}

/// Who keeps the handles of resource types that the component exports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Handles {
    /// The host, by `[resource-new]`, `[resource-rep]` and `[resource-drop]` of `[export]…`, which the module imports.
    #[default]
    Host,
    /// The module. Handles are numbers that it gives and takes; it exports `…#[resource-rep]…`, by which a handle becomes what
    /// methods take, and `…#[resource-drop]…`.
    Module,
}

/// A linked module, validated.
#[derive(Debug)]
pub struct Linked {
    /// The core module.
    pub wasm: Vec<u8>,
    /// What it is, needs and was made of.
    pub report: Report,
}

/// Links `component` (binary). Imports and exports of the result carry canonical names; its types are embedded as a
/// `component-type` section, unless there are none.
pub fn link(component: &[u8], options: Options) -> Result<Linked> {
    crate::wit::refuse_deep(component)?;
    let mut component_ir = read::read(component, &options)?;
    let stripped = match options.wasi {
        Wasi::Keep => None,
        Wasi::Preview1 => Some(preview1::strip(&mut component_ir)?),
    };
    let plan = plan::Plan::new(&component_ir)?;
    let resolved = shims::resolve(&plan)?;
    let mut merged = merge::merge(&plan, &resolved, &options)?;
    let memories_merged = if options.single_memory { single::apply(&mut merged)? } else { 0 };
    let mut floor = verify::validate(&merged.wasm, merged.floor)?;
    if let Some(target) = &options.target {
        let lowered = lower(&merged.wasm, target)?;
        floor = verify::validate(&lowered.wasm, Floor::Mvp)?;
        merged.take(lowered);
    }
    if options.verify {
        match &stripped {
            None => verify::same_world(&component_ir, &merged.wasm)?,
            Some(before) => preview1::same_world(before, &component_ir, &merged.wasm)?,
        }
    }
    let names = match &options.names {
        Some(map) => {
            let (wasm, names) = names::rename(&merged.wasm, map, &component_ir)?;
            verify::renamed(&component_ir, &wasm, map, options.verify)?;
            merged.wasm = wasm;
            Some(names)
        }
        None => None,
    };
    if (options.target.is_some() || names.is_some())
        && let Some(wasm) = names::apart(&merged.wasm)?
    {
        merged.wasm = wasm;
    }
    if let Some(target) = &options.target {
        lower::check_limits(&merged.wasm, target)?;
    }
    let mut report = report::report(&plan, &resolved, &merged, floor, component.len());
    report.memories_merged = memories_merged;
    if let Some(target) = &options.target {
        report.reentry = if target.reentrant { Vec::new() } else { report::reentry(&plan) };
        report.target = Some(target.name.clone());
    }
    report.names = names;
    if options.explain {
        let told = explain::explain(component, &plan, &resolved, &merged, &report, options.verify)?;
        report.explain = Some(told);
    }
    Ok(Linked { wasm: merged.wasm, report })
}
