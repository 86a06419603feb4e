//! A module whose start function is an export, for an engine that cannot suspend a start function.

use crate::diagnostic::{Diagnostic, Result};
use std::collections::HashSet;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportKind, ExportSection, RawSection};
use wasmparser::{BinaryReaderError, Parser, Payload};

/// The module with its start function exported instead, and the name of the export, which is none of the module's own.
pub(super) fn exported(wasm: &[u8], start: u32) -> Result<(Vec<u8>, String)> {
    rewrite(wasm, start).map_err(|e| Diagnostic::invalid_wasm(&e))
}

fn rewrite(wasm: &[u8], start: u32) -> Result<(Vec<u8>, String), BinaryReaderError> {
    let mut module = wasm_encoder::Module::new();
    let mut name = "start".to_owned();
    let mut written = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::ExportSection(section) => {
                let mut taken = HashSet::new();
                let mut exports = ExportSection::new();
                for export in section.clone() {
                    let export = export?;
                    taken.insert(export.name);
                    let Ok(kind) = RoundtripReencoder.export_kind(export.kind) else { continue };
                    exports.export(export.name, kind, export.index);
                }
                while taken.contains(name.as_str()) {
                    name.push('_');
                }
                exports.export(&name, ExportKind::Func, start);
                module.section(&exports);
                written = true;
            }
            // It comes right behind the exports, if there are any.
            Payload::StartSection { .. } if !written => {
                module.section(ExportSection::new().export(&name, ExportKind::Func, start));
            }
            Payload::StartSection { .. } => {}
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    module.section(&RawSection { id, data: wasm.get(range).unwrap_or_default() });
                }
            }
        }
    }
    Ok((module.finish(), name))
}
