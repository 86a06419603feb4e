//! Other names for imports and exports, for engines that limit names or match them in a fixed way. This runs last: until
//! then everything carries canonical names.

mod cm32p2;
mod debug;
mod file;

pub(super) use debug::apart;
pub use file::NameFile;
pub(crate) use file::host_file;

use super::ir::Component;
use super::lower::View;
use crate::abi::{CoreSignature, ImportName, Names};
use crate::diagnostic::{Code, Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashSet;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportSection, ImportSection, Module, RawSection, SectionId};
use wasmparser::{Export, ExternalKind, FuncType, Import, Parser, Payload};

/// A scheme of new names.
#[derive(Debug, Clone)]
pub enum NameMap {
    /// Module `h`, fields `f0`, `f1` and so on in the order of the imports; exports `e0`, `e1` and so on, but for `memory`,
    /// `cabi_realloc` and `_initialize`.
    Short,
    /// The names of build targets: `cm32p2|wasi:http/types@0.2`, `cm32p2_realloc`.
    Cm32p2,
    /// As a file says; what it does not name keeps its name.
    File(NameFile),
}

/// Which full name became which.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NameTable {
    /// In the order of the imports.
    pub imports: Vec<ImportEntry>,
    /// In the order of the exports.
    pub exports: Vec<ExportEntry>,
}

/// An import and its new name. The signature is empty for what is no function.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ImportEntry {
    /// Canonical module.
    pub module: String,
    /// Canonical field.
    pub name: String,
    /// Module in the output.
    pub new_module: String,
    /// Field in the output.
    pub new_name: String,
    /// Core parameter types.
    pub params: Vec<&'static str>,
    /// Core result types.
    pub results: Vec<&'static str>,
}

/// An export and its new name. The signature is empty for what is no function.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExportEntry {
    /// Canonical name.
    pub name: String,
    /// Name in the output.
    pub new_name: String,
    /// `func`, `memory`, `table`, `global` or `tag`.
    pub kind: &'static str,
    /// Core parameter types.
    pub params: Vec<&'static str>,
    /// Core result types.
    pub results: Vec<&'static str>,
}

/// Renames the imports and exports of a module that was linked from `component`.
pub(super) fn rename(wasm: &[u8], map: &NameMap, component: &Component<'_>) -> Result<(Vec<u8>, NameTable)> {
    let view = View::parse(wasm)?;
    let imports = view.imports.iter().map(|i| ImportName { module: i.module.to_owned(), name: i.name.to_owned() });
    let imports: Vec<ImportName> = imports.collect();
    let exports: Vec<ExportName<'_>> =
        view.exports.iter().map(|e| ExportName { name: e.name, is_memory: e.kind == ExternalKind::Memory }).collect();
    let (new_imports, new_exports) = match map {
        NameMap::Short => short(&imports, &exports),
        NameMap::Cm32p2 => cm32p2::names(&imports, &exports, component)?,
        NameMap::File(file) => file.names(&imports, &exports)?,
    };
    distinct(&new_imports, &new_exports)?;
    let table = NameTable {
        imports: (view.imports.iter().zip(&new_imports)).map(|(old, new)| import_entry(&view, old, new)).collect(),
        exports: (view.exports.iter().zip(&new_exports)).map(|(old, new)| export_entry(&view, old, new)).collect(),
    };
    Ok((write(wasm, &view, &table)?, table))
}

/// An export's canonical name. A function of the world may be called `memory` as well.
#[derive(Clone, Copy)]
struct ExportName<'a> {
    name: &'a str,
    is_memory: bool,
}

impl ExportName<'_> {
    /// The name in another scheme, if this is no function of the world but what its functions need.
    fn support(self, scheme: Names) -> Option<&'static str> {
        let legacy = Names::Legacy;
        match self.name {
            name if self.is_memory && name == legacy.memory() => Some(scheme.memory()),
            name if name == legacy.realloc() => Some(scheme.realloc()),
            name if name == legacy.initialize() => Some(scheme.initialize()),
            _ => None,
        }
    }
}

fn short(imports: &[ImportName], exports: &[ExportName<'_>]) -> (Vec<ImportName>, Vec<String>) {
    let import = |n: usize| ImportName { module: "h".to_owned(), name: format!("f{n}") };
    let mut next = 0;
    let export = |export: &ExportName<'_>| {
        if let Some(kept) = export.support(Names::Legacy) {
            return kept.to_owned();
        }
        next += 1;
        format!("e{}", next - 1)
    };
    ((0..imports.len()).map(import).collect(), exports.iter().map(export).collect())
}

/// Two imports of one name cannot be told apart, and two exports of one name are invalid.
fn distinct(imports: &[ImportName], exports: &[String]) -> Result<()> {
    let mut known = HashSet::new();
    if let Some(twice) = imports.iter().find(|name| !known.insert(*name)) {
        return Err(Diagnostic::new(Code::NameMapInvalid, format!("two imports would be called `{twice}`")));
    }
    let mut known = HashSet::new();
    match exports.iter().find(|name| !known.insert(*name)) {
        Some(twice) => Err(Diagnostic::new(Code::NameMapInvalid, format!("two exports would be called `{twice}`"))),
        None => Ok(()),
    }
}

fn import_entry(view: &View<'_>, old: &Import<'_>, new: &ImportName) -> ImportEntry {
    let ty = match old.ty {
        wasmparser::TypeRef::Func(ty) | wasmparser::TypeRef::FuncExact(ty) => view.plain_type(ty),
        _ => None,
    };
    let (params, results) = signature(ty);
    ImportEntry {
        module: old.module.to_owned(),
        name: old.name.to_owned(),
        new_module: new.module.clone(),
        new_name: new.name.clone(),
        params,
        results,
    }
}

fn export_entry(view: &View<'_>, old: &Export<'_>, new: &str) -> ExportEntry {
    let (kind, ty) = match old.kind {
        ExternalKind::Func | ExternalKind::FuncExact => ("func", view.func_type(old.index)),
        ExternalKind::Memory => ("memory", None),
        ExternalKind::Table => ("table", None),
        ExternalKind::Global => ("global", None),
        ExternalKind::Tag => ("tag", None),
    };
    let (params, results) = signature(ty);
    ExportEntry { name: old.name.to_owned(), new_name: new.to_owned(), kind, params, results }
}

fn signature(ty: Option<&FuncType>) -> (Vec<&'static str>, Vec<&'static str>) {
    let core = ty.and_then(CoreSignature::of);
    let names = |types: &[crate::abi::Core]| types.iter().map(|t| t.name()).collect();
    core.map_or_else(Default::default, |core| (names(&core.params), names(&core.results)))
}

/// The same sections, but for those of imports and exports.
fn write(wasm: &[u8], view: &View<'_>, table: &NameTable) -> Result<Vec<u8>> {
    let lost = |e| Diagnostic::new(Code::Internal, "an import or export cannot be written").cause(e);
    let mut imports = ImportSection::new();
    for (old, new) in view.imports.iter().zip(&table.imports) {
        let ty = RoundtripReencoder.entity_type(old.ty).map_err(lost)?;
        imports.import(&new.new_module, &new.new_name, ty);
    }
    let mut exports = ExportSection::new();
    for (old, new) in view.exports.iter().zip(&table.exports) {
        let kind = RoundtripReencoder.export_kind(old.kind).map_err(lost)?;
        exports.export(&new.new_name, kind, old.index);
    }
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| Diagnostic::invalid_wasm(&e))?;
        match &payload {
            Payload::ImportSection(_) => {
                out.section(&imports);
            }
            Payload::ExportSection(_) => {
                out.section(&exports);
            }
            payload => section(&mut out, payload, wasm),
        }
    }
    Ok(out.finish())
}

/// Copies a section as it is.
fn section(out: &mut Module, payload: &Payload<'_>, wasm: &[u8]) {
    // The code section as a whole comes before its entries.
    let section = match payload {
        Payload::CodeSectionStart { range, .. } => Some((SectionId::Code.into(), range.clone())),
        payload => payload.as_section(),
    };
    if let Some((id, range)) = section {
        out.section(&RawSection { id, data: &wasm[range] });
    }
}
