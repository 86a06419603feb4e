//! Lowers a component to one core module.
//!
//! The phases, each of which borrows from those before it: [`read`] validates and flattens the component, [`plan`]
//! traces every import to its source, [`shims`] resolves shim modules to direct calls, [`runtime`] decides which functions
//! the linker must write, [`merge`] writes the module, [`single`] puts its memories into one, [`verify`] proves it. What
//! cannot be lowered is refused with a code of the 03 group; nothing is emitted on doubt.

mod ir;
mod merge;
mod module;
mod plan;
mod read;
mod report;
mod runtime;
mod shims;
mod single;
mod size;
mod validate;
mod verify;
mod written;

pub use merge::Dropped;
pub use report::{Floor, Report};
pub use single::single_memory;
pub use verify::rewrap;

use crate::diagnostic::Result;

/// How to link.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Re-wrap the output into a component and compare its world with the original's.
    pub verify: bool,
    /// Leave names and producers out.
    pub strip: bool,
    /// Put all memories into one, for engines that know no more.
    pub single_memory: bool,
    /// Leave out the checks that the canonical ABI makes around calls: may-leave, re-entry, use after a trap.
    pub no_guards: bool,
    /// Who keeps the handles of exported resources.
    pub handles: Handles,
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
/// `component-type` section.
pub fn link(component: &[u8], options: Options) -> Result<Linked> {
    let component_ir = read::read(component, options)?;
    let plan = plan::Plan::new(&component_ir)?;
    let resolved = shims::resolve(&plan)?;
    let mut merged = merge::merge(&plan, &resolved, options)?;
    let memories_merged = if options.single_memory { single::apply(&mut merged)? } else { 0 };
    let floor = verify::validate(&merged.wasm, merged.floor)?;
    if options.verify {
        verify::same_world(&component_ir, &merged.wasm)?;
    }
    let mut report = report::report(&plan, &resolved, &merged, floor, component.len());
    report.memories_merged = memories_merged;
    Ok(Linked { wasm: merged.wasm, report })
}
