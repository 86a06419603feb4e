//! Imports of a module, found in the host; the same for every engine.

use super::outline::{Import, Outline};
use crate::abi::ImportName;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::host::Trap;
use crate::host::call::Slots;
use crate::host::wasi::{Function, Wasi};
use std::collections::HashSet;

/// What each import is satisfied by; a function that is imported twice is named once. All that the host does not provide
/// are listed in one diagnostic.
pub(super) fn resolve<'m>(
    outline: &'m Outline,
    wasi: &'static Wasi,
) -> Result<Vec<(&'m ImportName, &'static Function)>> {
    let (mut resolved, mut unresolved) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (name, import) in &outline.imports {
        let found = match import {
            Import::Function(signature) => wasi.find(name, signature.as_ref()),
            Import::Other => Err(Diagnostic::new(Code::Unresolved, format!("`{name}` is not a function"))),
        };
        match found {
            Ok(function) if seen.insert(name) => resolved.push((name, function)),
            Ok(_) => {}
            Err(error) => unresolved.push(error),
        }
    }
    match unresolved.len() {
        0 => Ok(resolved),
        1 => Err(unresolved.remove(0)),
        _ => Err(list(&unresolved, outline)),
    }
}

fn list(unresolved: &[Box<Diagnostic>], outline: &Outline) -> Box<Diagnostic> {
    let mut all = Diagnostic::new(Code::Unresolved, format!("{} imports are not provided", unresolved.len()));
    for error in unresolved {
        let hint = error.hints.first().map(|h| format!(" ({h})")).unwrap_or_default();
        all = all.fact("import", format!("{}{hint}", error.message));
    }
    if outline.imports.iter().all(|(name, _)| name.module == crate::host::preview1::MODULE) {
        return all;
    }
    all.hint("`lowlift check … --against wasi` shows wanted and provided signatures")
}

/// The slots of a call, from the bits of its parameters. The guest's realloc and post-return may not call out
/// (*may_leave*).
pub(super) fn slots(may_leave: bool, params: impl Iterator<Item = u64>) -> Result<Slots, Trap> {
    if !may_leave {
        return Err(Trap::new("`cabi_realloc` or a post-return called an import"));
    }
    let mut slots = [0; 17];
    for (slot, param) in slots.iter_mut().zip(params) {
        *slot = param;
    }
    Ok(slots)
}

/// Of a function that said that it never waits.
pub(super) fn waited() -> Trap {
    Trap::new("a function that must not wait waited")
}

/// Where a result is to be allocated, and the guest has no means.
pub(super) fn no_realloc() -> Trap {
    Trap::new("the guest exports no `cabi_realloc`")
}

/// A task for an export that is not there.
pub(super) fn no_export() -> Trap {
    Trap::new("the module does not export what is to be called")
}
