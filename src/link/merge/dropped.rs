//! What is left out, in numbers.

use super::items::{Items, Live};
use super::layout::Layout;
use crate::link::module::Module;
use crate::link::plan::Plan;
use crate::link::shims::Resolved;
use schemars::JsonSchema;
use serde::Serialize;

/// What nothing reaches and the output therefore lacks, in numbers. Resolved shims are not among them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dropped {
    /// Imports of the component that none of its code calls.
    pub imports: usize,
    /// Functions.
    pub functions: usize,
    /// Tables.
    pub tables: usize,
    /// Memories.
    pub memories: usize,
    /// Globals.
    pub globals: usize,
    /// Exception tags.
    pub tags: usize,
    /// Element segments.
    pub elements: usize,
    /// Data segments.
    pub data: usize,
    /// Bytes of DWARF.
    pub debug: usize,
}

impl Dropped {
    /// Counts what `live` and `layout` left out.
    pub(super) fn count(plan: &Plan<'_, '_>, resolved: &Resolved, live: &Live, layout: &Layout) -> Dropped {
        let all =
            |count: fn(&Module<'_>) -> usize| -> usize { plan.instance_ids().map(|id| count(plan.module(id))).sum() };
        let gone = |all: usize, live: &Items| all.saturating_sub(live.len() as usize);
        Dropped {
            imports: plan.component.hosts.len().saturating_sub(layout.hosts.len()),
            functions: gone(all(|m| m.bodies.len()).saturating_sub(resolved.forward.len()), &live.funcs),
            tables: gone(all(|m| m.tables.len()).saturating_sub(resolved.tables.len()), &live.tables),
            memories: gone(all(|m| m.memories.len()), &live.memories),
            globals: gone(all(|m| m.globals.len()), &live.globals),
            tags: gone(all(|m| m.tags.len()), &live.tags),
            elements: gone(all(|m| m.elements.len()), &live.elements),
            data: gone(all(|m| m.data.len()), &live.data),
            debug: plan.modules.iter().map(|m| m.debug).sum(),
        }
    }
}
