//! The part of the output that every interface uses: memory, values, faults. It is the same text wherever it is needed, in
//! the words of one engine.

use super::code::Lines;
use super::types::MAX_TUPLE;
use crate::bindgen::{Allocation, Engine, Plan};
use crate::witx::TypeKind;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What an engine calls its own error made of a fault.
const WASMI: &str = "\
impl engine::errors::HostError for Fault {}

impl From<Fault> for Trap {
    fn from(fault: Fault) -> Trap {
        Trap::host(fault)
    }
}

";

/// Functions of more parameters than wasmi knows the type of take their values one by one.
const NUMBER: &str = "\
/// A core value of a function that takes them one by one.
pub fn number<S: Slot>(value: Option<&engine::Val>) -> S {
    S::from_bits(match value {
        Some(engine::Val::I32(value)) => value.into_bits(),
        Some(engine::Val::I64(value)) => value.into_bits(),
        Some(engine::Val::F32(value)) => u64::from(value.to_bits()),
        Some(engine::Val::F64(value)) => value.to_bits(),
        _ => 0,
    })
}

";

/// The text of the module.
pub(super) fn text(plan: &Plan<'_>, engine: Engine, allocation: Allocation, tuples: &BTreeSet<usize>) -> String {
    let calls = !plan.calls.is_empty();
    let mut text = imports(engine, calls);
    let _ = write!(text, "\nconst MEMORY: &str = {};\n", super::functions::literal(&plan.support.memory));
    let _ = write!(text, "const REALLOC: &str = {};\n\n", super::functions::literal(&plan.support.realloc));
    text.push_str(include_str!("runtime/faults.rs"));
    if engine == Engine::Wasmi {
        text.push_str(WASMI);
    }
    text.push_str(include_str!("runtime/memory.rs"));
    text.push_str(include_str!("runtime/guest.rs"));
    text.push_str(match allocation {
        Allocation::Reentrant => include_str!("runtime/reentrant.rs"),
        Allocation::Arena => include_str!("runtime/arena.rs"),
        Allocation::None => include_str!("runtime/none.rs"),
    });
    if calls {
        text.push_str(include_str!("runtime/exports.rs"));
        text.push_str(match allocation {
            Allocation::Reentrant => include_str!("runtime/reentrant_exports.rs"),
            _ => include_str!("runtime/other_exports.rs"),
        });
        text.push_str(include_str!("runtime/destroy.rs"));
    }
    if engine == Engine::Wasmi {
        text.push_str(NUMBER);
    }
    text.push_str(include_str!("runtime/numbers.rs"));
    text.push_str(include_str!("runtime/words.rs"));
    text.push_str(include_str!("runtime/lists.rs"));
    text.push_str(include_str!("runtime/variants.rs"));
    text.push_str(include_str!("runtime/check.rs"));
    if !tuples.is_empty() {
        text.push_str(include_str!("runtime/tuples.rs"));
        tuples.iter().for_each(|&size| tuple(&mut text, size));
    }
    if plan.types().iter().any(|ty| ty.kind == TypeKind::Resource) {
        text.push_str(include_str!("runtime/handles.rs"));
    }
    text.replace("engine::", &format!("{}::", engine.name()))
}

fn imports(engine: Engine, calls: bool) -> String {
    let mut names = vec!["Caller", "Extern", "Memory", "TypedFunc"];
    if calls {
        names.push("Instance");
    }
    names.sort_unstable();
    format!(
        "//! Values of the Canonical ABI in a guest's memory.\n\nextern crate alloc;\n\n\
         pub use alloc::string::String;\npub use alloc::vec::Vec;\nuse core::cell::Cell;\nuse core::fmt;\n\
         pub use {0}::AsContextMut;\nuse {0}::{{{1}}};\n",
        engine.name(),
        names.join(", ")
    )
}

/// A tuple, or the type that stands for a large one.
fn tuple(text: &mut String, size: usize) {
    let names = |separator: &str| (0..size).map(|i| format!("T{i}")).collect::<Vec<_>>().join(separator);
    let mut lines = Lines::at(0);
    let parts: Vec<String> = (0..size).map(|i| format!("T{i} {i},")).collect();
    if size <= MAX_TUPLE {
        lines.line(format!("tuple! {{ ({},), ; {} }}", names(", "), parts.join(" ")));
    } else {
        lines.line(format!("/// A tuple of {size}."));
        lines.line("#[derive(Debug, Clone, Copy, PartialEq)]");
        lines.line("#[rustfmt::skip]");
        let fields: Vec<String> = (0..size).map(|i| format!("pub T{i}")).collect();
        lines.line(format!("pub struct Tuple{size}<{}>({});", names(", "), fields.join(", ")));
        lines.gap();
        let ty = format!("Tuple{size}<{}>", names(", "));
        lines.line(format!("tuple! {{ {ty}, Tuple{size}; {} }}", parts.join(" ")));
    }
    lines.gap();
    text.push_str(&lines.finish());
}
