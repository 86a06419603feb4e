//! The operations that belong to no function of the WIT: on streams and futures, and the built-ins of tasks, waitables,
//! contexts and error contexts (*Canonical ABI Explainer*, *Canonical Definitions*).

use super::{Core, CoreSignature, Kind, Layouts, Needs, TyId};

/// Operations on streams and futures. Those of the second half have no producer yet.
pub(super) const CHANNEL_OPS: [&str; 11] = [
    "new",
    "cancel-read",
    "cancel-write",
    "drop-readable",
    "drop-writable",
    "[async-lower]read",
    "[async-lower]write",
    "read",
    "write",
    "[async-lower]cancel-read",
    "[async-lower]cancel-write",
];

/// The core form of an operation on a stream or future; none for other words and types.
pub(crate) fn channel(layouts: &Layouts, op: &str, id: TyId) -> Option<(CoreSignature, Needs)> {
    if !CHANNEL_OPS.contains(&op) {
        return None;
    }
    let (payload, moved) = match layouts.get(id).kind {
        Kind::Stream(payload) => (payload, 3),
        // A future has no length.
        Kind::Future(payload) => (payload, 2),
        _ => return None,
    };
    let word = op.strip_prefix("[async-lower]").unwrap_or(op);
    let moves = matches!(word, "read" | "write");
    let core = match word {
        // Readable end in the low half, writable end in the high half.
        "new" => CoreSignature::new([], [Core::I64]),
        "drop-readable" | "drop-writable" => CoreSignature::new([Core::I32], []),
        _ => CoreSignature::new(vec![Core::I32; if moves { moved } else { 1 }], [Core::I32]),
    };
    let allocates = payload.is_some_and(|p| layouts.get(p).allocates);
    Some((core, Needs { memory: moves && payload.is_some(), realloc: word == "read" && allocates }))
}

/// A built-in: name, parameters (all `i32`), whether an `i32` comes back, whether it touches memory.
pub(super) type BuiltIn = (&'static str, &'static [&'static str], bool, bool);

pub(super) const BUILT_INS: [BuiltIn; 12] = [
    ("[backpressure-inc]", &[], false, false),
    ("[backpressure-dec]", &[], false, false),
    ("[waitable-set-new]", &[], true, false),
    ("[waitable-set-wait]", &["set", "event.ptr"], true, true),
    ("[waitable-set-poll]", &["set", "event.ptr"], true, true),
    ("[waitable-set-drop]", &["set"], false, false),
    ("[waitable-join]", &["waitable", "set"], false, false),
    ("[thread-yield]", &[], true, false),
    ("[subtask-drop]", &["subtask"], false, false),
    ("[subtask-cancel]", &["subtask"], true, false),
    ("[context-get-0]", &[], true, false),
    ("[context-set-0]", &["value"], false, false),
];

/// Built-ins that no toolchain emits yet.
pub(super) const MORE_BUILT_INS: [BuiltIn; 3] = [
    ("[error-context-new-utf8]", &["message.ptr", "message.len"], true, true),
    ("[error-context-debug-message-utf8]", &["self", "message.ptr"], false, true),
    ("[error-context-drop]", &["self"], false, false),
];

/// The one that stands beside the intrinsics of exports.
pub(super) const TASK_CANCEL: BuiltIn = ("[task-cancel]", &[], false, false);

/// The core form of a built-in.
pub(super) fn form((name, params, result, memory): BuiltIn) -> (CoreSignature, Needs) {
    let core = CoreSignature::new(vec![Core::I32; params.len()], vec![Core::I32; usize::from(result)]);
    (core, Needs { memory, realloc: name.contains("debug-message") })
}

/// The core form of the built-in of this name.
pub(crate) fn built_in(name: &str) -> Option<(CoreSignature, Needs)> {
    let mut all = BUILT_INS.iter().chain(&MORE_BUILT_INS).chain([&TASK_CANCEL]);
    all.find(|built_in| built_in.0 == name).copied().map(form)
}
