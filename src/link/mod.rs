//! Lowers a component to one core module.
//!
//! The phases, each of which borrows from those before it: [`read`] validates and flattens the component, [`plan`]
//! traces every import to its source, [`shims`] resolves shim modules to direct calls, [`runtime`] decides which functions
//! the linker must write, [`merge`] writes the module, [`verify`] proves it. What cannot be lowered is refused with a code
//! of the 03 group; nothing is emitted on doubt.

mod ir;
mod lower;
mod merge;
mod module;
mod names;
mod plan;
mod read;
mod renumber;
mod report;
mod runtime;
mod segments;
mod shims;
mod size;
mod verify;

pub use lower::{Lowered, lower};
pub use names::{ExportEntry, ImportEntry, NameFile, NameMap, NameTable};
pub use report::{Floor, Report};
pub use verify::rewrap;

use crate::diagnostic::Result;
use crate::profile::Profile;

/// How to link.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Re-wrap the output into a component and compare its world with the original's.
    pub verify: bool,
    /// Lower the output to what this engine takes, and refuse what it does not.
    pub target: Option<Profile>,
    /// Give imports and exports other names.
    pub names: Option<NameMap>,
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
/// `component-type` section.
pub fn link(component: &[u8], options: Options) -> Result<Linked> {
    let component_ir = read::read(component)?;
    let plan = plan::Plan::new(&component_ir)?;
    let resolved = shims::resolve(&plan)?;
    let mut merged = merge::merge(&plan, &resolved)?;
    let mut floor = verify::validate(&merged.wasm)?;
    if let Some(target) = &options.target {
        let lowered = lower(&merged.wasm, target)?;
        floor = verify::validate(&lowered.wasm)?;
        merged.take(lowered);
    }
    if options.verify {
        verify::same_world(&component_ir, &merged.wasm)?;
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
    if let Some(target) = options.target {
        report.reentry = if target.reentrant { Vec::new() } else { report::reentry(&plan) };
        report.target = Some(target.name);
    }
    report.names = names;
    Ok(Linked { wasm: merged.wasm, report })
}
