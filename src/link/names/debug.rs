//! Names for debugging that are also the name of another function's export.
//!
//! wasm3 looks for an export by the names of functions, and those of the name section count: a function called
//! `_initialize` that is not exported is found before the `_initialize` that is. Such names get a mark.

use super::super::lower::View;
use super::section;
use crate::diagnostic::{Diagnostic, Result};
use std::collections::HashMap;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{Module, NameMap, NameSection};
use wasmparser::{ExternalKind, KnownCustom, Name, NameSectionReader, Parser, Payload};

/// The module with such names marked, if it has any.
pub(in super::super) fn apart(wasm: &[u8]) -> Result<Option<Vec<u8>>> {
    let view = View::parse(wasm)?;
    let exports: HashMap<&str, u32> =
        view.exports.iter().filter(|e| e.kind == ExternalKind::Func).map(|e| (e.name, e.index)).collect();
    let mut out = Module::new();
    let mut marked = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| Diagnostic::invalid_wasm(&e))?;
        match &payload {
            Payload::CustomSection(custom) if let KnownCustom::Name(names) = custom.as_known() => {
                match mark(names, &exports) {
                    Some(names) => {
                        out.section(&names);
                        marked = true;
                    }
                    None => section(&mut out, &payload, wasm),
                }
            }
            payload => section(&mut out, payload, wasm),
        }
    }
    Ok(marked.then(|| out.finish()))
}

/// The name section with marks; none if it needs none, or is malformed.
fn mark(names: NameSectionReader<'_>, exports: &HashMap<&str, u32>) -> Option<NameSection> {
    let mut out = NameSection::new();
    let mut marked = false;
    for subsection in names {
        match subsection.ok()? {
            Name::Function(map) => {
                let mut functions = NameMap::new();
                for name in map {
                    let name = name.ok()?;
                    if exports.get(name.name).is_some_and(|func| *func != name.index) {
                        functions.append(name.index, &format!("{} [inner]", name.name));
                        marked = true;
                    } else {
                        functions.append(name.index, name.name);
                    }
                }
                out.functions(&functions);
            }
            other => RoundtripReencoder.parse_custom_name_subsection(&mut out, other).ok()?,
        }
    }
    marked.then_some(out)
}
