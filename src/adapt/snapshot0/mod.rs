//! Snapshot 0 (`wasi_unstable`), the release before preview1: its modules become modules of preview1.
//!
//! What differs between the two, and how it is bridged:
//!
//! | | snapshot 0 | preview1 | |
//! |---|---|---|---|
//! | `whence` | cur 0, end 1, set 2 | set 0, cur 1, end 2 | mapped |
//! | `filestat` | 56 bytes, `nlink: u32` at 20 | 64 bytes, `nlink: u64` at 24 | rearranged |
//! | `subscription` | 56 bytes, `identifier: u64` at 16 of a clock | 48 bytes, without it | packed, and put back |
//!
//! All other functions have the same signatures, layouts and numbers, and are renamed. A module with a function that
//! snapshot 0 does not have, or of another signature, is refused.

mod shims;
mod table;

use super::rewrite::{Edit, rewrite};
use super::survey::{Item, PREVIEW1, SNAPSHOT0, Survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::BTreeMap;

pub use table::{FUNCTIONS, Function, Way};

/// A module of preview1 that was one of snapshot 0.
#[derive(Debug, Clone)]
pub struct Translated {
    /// The module, validated.
    pub wasm: Vec<u8>,
    /// Functions that are called as they are, sorted.
    pub renamed: Vec<String>,
    /// Functions that are called through what was added, sorted.
    pub translated: Vec<String>,
}

/// Translates a surveyed module; none if it imports nothing from snapshot 0. Fails with [`Code::SnapshotZero`] where that is
/// not sound.
pub fn translate(wasm: &[u8], survey: &Survey) -> Result<Option<Translated>> {
    if survey.imported_from(SNAPSHOT0).next().is_none() {
        return Ok(None);
    }
    let (mut edits, mut renamed, mut translated) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut func = 0;
    for (name, item) in &survey.imports {
        if let Item::Func(_) = item {
            func += 1;
        }
        if name.module != SNAPSHOT0 {
            continue;
        }
        let function = known(&name.name, item)?;
        let edit = match function.way {
            Way::Same => {
                renamed.push(name.name.clone());
                Edit::Rename(PREVIEW1)
            }
            Way::Through(shim) => {
                if survey.memory.is_some_and(|m| m.memory64) {
                    return Err(refused(&name.name, "its memory has 64-bit addresses".to_owned()));
                }
                translated.push(name.name.clone());
                Edit::Through(PREVIEW1, shim)
            }
        };
        edits.insert(func - 1, edit);
    }
    let shims = !translated.is_empty();
    if shims && survey.memory.is_none() {
        return Err(refused(&translated[0], "the module has no memory".to_owned()));
    }
    let wasm = rewrite(wasm, edits)?;
    super::survey(&wasm).map_err(|e| Diagnostic::new(Code::Internal, "a translated module is not valid").cause(e))?;
    for names in [&mut renamed, &mut translated] {
        names.sort();
        names.dedup();
    }
    Ok(Some(Translated { wasm, renamed, translated }))
}

fn known(name: &str, item: &Item) -> Result<&'static Function> {
    let function = FUNCTIONS.iter().find(|f| f.name == name);
    let function = function.ok_or_else(|| refused(name, "snapshot 0 has no such function".to_owned()))?;
    match item {
        Item::Func(Some(found)) if *found == function.signature() => Ok(function),
        Item::Func(Some(found)) => Err(refused(name, format!("its type is {found} and not {}", function.signature()))),
        other => Err(refused(name, format!("it is imported as a {}", other.kind()))),
    }
}

fn refused(name: &str, reason: String) -> Box<Diagnostic> {
    Diagnostic::new(Code::SnapshotZero, format!("`{SNAPSHOT0}` `{name}` cannot be translated to preview1"))
        .fact("reason", reason)
        .hint("rebuild the module with a toolchain that targets `wasi_snapshot_preview1`")
}
