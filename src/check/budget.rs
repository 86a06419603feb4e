//! How much there is room for: what the module takes from the start, in memory, tables, stack and data.

use super::finding::{Draft, Finding};
use crate::diagnostic::Code;
use crate::link::View;
use crate::profile::Profile;
use serde::Deserialize;
use wasmparser::{BinaryReader, ConstExpr, DataKind, ExternalKind, Name, NameSectionReader, Operator};

/// Bounds of a product, beside those of its engine; none where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Budget {
    /// Pages of 64 KiB that the memories have together at the start.
    pub memory_pages: Option<u32>,
    /// Elements that the tables have together at the start.
    pub table_elements: Option<u32>,
    /// Bytes of the stack that the compiler keeps in memory.
    pub stack: Option<u32>,
    /// Bytes of the data segments together.
    pub data: Option<u32>,
}

impl Budget {
    /// This, where the profile is not stricter.
    pub(super) fn within(self, profile: Option<&Profile>) -> Budget {
        let Some(Profile { limits, .. }) = profile else { return self };
        let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        Budget { stack: least(self.stack, limits.stack), data: least(self.data, limits.data), ..self }
    }

    /// What `view` takes beyond this.
    pub(super) fn exceeded(&self, view: &View<'_>) -> Vec<Finding> {
        let pages = view.memories.iter().map(|m| m.initial).fold(0, u64::saturating_add);
        let elements = view.table_types.iter().map(|t| t.initial).fold(0, u64::saturating_add);
        let data: u64 = view.data.iter().map(|d| d.data.len() as u64).sum();
        let stack = self.stack.and_then(|limit| Some((limit, stack(view)?)));
        let findings = [
            over(self.memory_pages, pages).map(|wanted| memory("all memory together", pages, wanted)),
            over(self.table_elements, elements).map(|wanted| table("table elements", elements, wanted)),
            stack.filter(|(limit, stack)| stack.bytes > u64::from(*limit)).map(|(limit, stack)| {
                let draft = Draft::new(Code::StackBudget, "stack").set("found", stack.bytes.to_string());
                draft.set("wanted", limit.to_string()).set("from", stack.from).done()
            }),
            over(self.data, data).map(|wanted| {
                let draft = Draft::new(Code::DataBudget, "data").set("found", data.to_string());
                draft.set("wanted", wanted.to_string()).done()
            }),
        ];
        findings.into_iter().flatten().collect()
    }
}

/// The limits of the profile on memories and tables: on each by itself, and on the number of tables.
pub(super) fn of_profile(view: &View<'_>, profile: &Profile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, found) in view.memories.iter().enumerate() {
        if let Some(wanted) = over(profile.limits.memory_pages, found.initial) {
            findings.push(memory(&format!("memory {index}"), found.initial, wanted));
        }
    }
    let tables = view.table_types.len() as u64;
    findings.extend(over(profile.limits.tables, tables).map(|wanted| table("tables", tables, wanted)));
    for (index, found) in view.table_types.iter().enumerate() {
        if let Some(wanted) = over(profile.limits.table_elements, found.initial) {
            findings.push(table(&format!("elements of table {index}"), found.initial, wanted));
        }
    }
    findings
}

fn over(limit: Option<u32>, have: u64) -> Option<u32> {
    limit.filter(|limit| have > u64::from(*limit))
}

fn memory(what: &str, found: u64, wanted: u32) -> Finding {
    let draft = Draft::new(Code::MemoryBudget, what).set("memory", what).set("found", found.to_string());
    draft.set("wanted", wanted.to_string()).done()
}

fn table(what: &str, found: u64, wanted: u32) -> Finding {
    let draft = Draft::new(Code::TableBudget, what).set("what", what).set("found", found.to_string());
    draft.set("wanted", wanted.to_string()).done()
}

/// The stack in memory.
struct Stack {
    bytes: u64,
    from: String,
}

/// The size of the stack, where it is known: it reaches from the end of what lies below it to the initial value of
/// `__stack_pointer`, and grows down.
fn stack(view: &View<'_>) -> Option<Stack> {
    let top = u64::from(constant(view, global_named(view, "__stack_pointer")?)?);
    let data_end = global_named(view, "__data_end").and_then(|global| constant(view, global)).map(u64::from);
    let lowest = view.data.iter().filter_map(|data| match &data.kind {
        DataKind::Active { offset_expr, .. } => Some(value(offset_expr).map_or(0, u64::from)),
        DataKind::Passive => None,
    });
    let is_below = lowest.min().is_some_and(|lowest| lowest < top);
    match data_end {
        Some(end) if end <= top => {
            Some(Stack { bytes: top - end, from: format!("`__data_end` is {end}, `__stack_pointer` begins at {top}") })
        }
        // Zeroes that no segment holds may lie below the stack: how many is not known.
        None if is_below => None,
        // Passive segments are copied to who knows where.
        None if view.data.iter().any(|data| matches!(data.kind, DataKind::Passive)) => None,
        _ => Some(Stack { bytes: top, from: format!("`__stack_pointer` begins at {top}, and no data lies below") }),
    }
}

/// A global by its export, or by the name section.
fn global_named(view: &View<'_>, name: &str) -> Option<u32> {
    let exported = view.exports.iter().find(|e| e.kind == ExternalKind::Global && e.name == name).map(|e| e.index);
    exported.or_else(|| {
        let (_, bytes) = view.customs.iter().find(|(custom, _)| *custom == "name")?;
        let names = NameSectionReader::new(BinaryReader::new(bytes, 0));
        let maps = names.into_iter().flatten().filter_map(|subsection| match subsection {
            Name::Global(map) => Some(map),
            _ => None,
        });
        let mut found = maps.flat_map(|map| map.into_iter().flatten()).filter(|naming| naming.name == name);
        let first = found.next()?.index;
        // Two stacks, as in a linked module: neither is the stack.
        found.next().is_none().then_some(first)
    })
}

fn constant(view: &View<'_>, global: u32) -> Option<u32> {
    value(&view.globals.get((global as usize).checked_sub(view.imported_globals)?)?.init_expr)
}

/// The value of a constant expression that is one constant.
fn value(expr: &ConstExpr<'_>) -> Option<u32> {
    let mut ops = expr.get_operators_reader().into_iter();
    match (ops.next()?.ok()?, ops.next()?.ok()?) {
        (Operator::I32Const { value }, Operator::End) => Some(u32::from_ne_bytes(value.to_ne_bytes())),
        _ => None,
    }
}
