//! Libraries that may panic on hostile input: their panics become diagnostics.

use super::{Code, Diagnostic, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a library call whose panic will be turned into a diagnostic, so that a panic hook can
/// stay silent.
pub fn panic_is_expected() -> bool {
    QUIET.get()
}

/// Runs a library call that may panic. What it was working on must not be used after an error.
pub(crate) fn quietly<T>(what: &str, call: impl FnOnce() -> T) -> Result<T> {
    let outer = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(outer);
    outcome.map_err(|payload| {
        let reason = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Diagnostic::new(Code::LibraryPanicked, format!("{what} panicked")).cause(reason)
    })
}
