//! What is not as it was: by what a module imports, and by what the adapter does with that.

use super::Examined;
use crate::adapt::{PREVIEW1, Report, SNAPSHOT0, Survey};
use crate::link::Linked;

/// A change that follows from importing any of some functions.
struct Rule {
    id: &'static str,
    imports: &'static [&'static str],
    what: &'static str,
}

/// What the official adapter does differently from a host of preview1.
const RULES: &[Rule] = &[
    Rule {
        id: "exit-codes",
        imports: &["proc_exit"],
        what: "every exit code but 0 becomes 1: `wasi:cli/exit` carries only ok and error",
    },
    Rule {
        id: "iovecs",
        imports: &["fd_read", "fd_write", "fd_pread", "fd_pwrite"],
        what: "a call transfers the first non-empty vector alone: a program that ignores short reads and writes loses data",
    },
    Rule {
        id: "non-blocking",
        imports: &["fd_fdstat_set_flags"],
        what: "flags of files can be set, those of standard streams cannot (`badf`): reading standard input always blocks",
    },
    Rule {
        id: "unsupported",
        imports: &["fd_allocate", "fd_fdstat_set_rights"],
        what: "`fd_allocate` and `fd_fdstat_set_rights` answer `notsup`",
    },
];

/// Fills in what adapting changes.
pub(super) fn of_adapter(examined: &mut Examined, survey: &Survey, report: &Report) {
    if report.adapter.is_none() {
        return;
    }
    let imports =
        |name: &str| [PREVIEW1, SNAPSHOT0].into_iter().any(|module| survey.imported_from(module).any(|n| n == name));
    for rule in RULES {
        if rule.imports.iter().any(|name| imports(name)) {
            examined.change(rule.id, rule.what);
        }
    }
    let ends = |calls: &[crate::adapt::Call]| calls.iter().any(|call| call.interface.starts_with("wasi:cli/exit"));
    let trapping = report.functions.iter().filter(|f| f.imported && f.never_returns && !ends(&f.calls));
    let trapping: Vec<&str> = trapping.map(|f| f.name.as_str()).collect();
    if !trapping.is_empty() {
        let sockets = trapping.iter().any(|name| name.starts_with("sock_"));
        let id = if sockets { "sockets" } else { "traps" };
        examined.change(
            id,
            format!("the adapter has these in name only, and traps when they are called: {}", trapping.join(", ")),
        );
    }
    if !report.renamed.is_empty() || !report.translated.is_empty() {
        let how = match report.translated.as_slice() {
            [] => "renamed".to_owned(),
            names => format!("renamed, but for {}, which are translated", names.join(", ")),
        };
        examined.change("snapshot-0", format!("functions of `wasi_unstable` are {how}"));
    }
    if !survey.exports.contains_key("cabi_realloc") {
        examined.change(
            "memory",
            "the adapter takes two pages of the module's memory by `memory.grow`, for its state and its stack",
        );
    }
}

/// Fills in what linking changes.
pub(super) fn of_link(examined: &mut Examined, linked: &Linked) {
    if linked.report.initialize {
        examined.change("initialize", "the host must call `_initialize` once, before any other export");
    }
    if let Some(why) = &linked.report.untyped {
        examined.change("untyped", format!("the module carries no types: {why}"));
    }
    if linked.report.memories > 1 {
        examined
            .change("memories", format!("{} memories: `--single-memory` makes one of them", linked.report.memories));
    }
}
