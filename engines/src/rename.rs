//! WAMR of 2020 finds natives under the module name `env` alone: every import becomes `env` `fN`.

use crate::common::Import;
use anyhow::{Context, Result, anyhow};
use std::fmt::Write;
use std::path::Path;
use wasm_encoder::{EntityType, ImportSection, Module, RawSection};
use wasmparser::{Parser, Payload, TypeRef};

/// The module that natives are found in.
pub(crate) const MODULE: &str = "env";

/// The second name of an import.
pub(crate) fn name(index: usize) -> String {
    format!("f{index}")
}

/// The module with other names.
pub(crate) fn renamed(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::ImportSection(section) = payload {
            let mut imports = ImportSection::new();
            for (index, import) in section.into_imports().enumerate() {
                let TypeRef::Func(ty) = import?.ty else { return Err(anyhow!("an import that is no function")) };
                imports.import(MODULE, &name(index), EntityType::Function(ty));
            }
            out.section(&imports);
        } else if let Some((id, range)) = payload.as_section() {
            out.section(&RawSection { id, data: &wasm[range] });
        }
    }
    Ok(out.finish())
}

/// Writes the module with other names, and the name map for `lowlift bindgen`.
pub(crate) fn write(from: &Path, to: &Path, names: &Path) -> Result<bool> {
    let wasm = std::fs::read(from).with_context(|| from.display().to_string())?;
    let mut map = "[imports]\n".to_owned();
    for (index, import) in Import::all(&wasm).map_err(|e| anyhow!(e))?.iter().enumerate() {
        writeln!(map, "\"{} {}\" = \"{MODULE} {}\"", import.module, import.name, name(index))?;
    }
    std::fs::write(to, renamed(&wasm)?)?;
    std::fs::write(names, map)?;
    Ok(true)
}
