//! What a core module imports, exports and carries, without looking at its code.

use crate::abi::{CoreSignature, ImportName};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Parser, Payload, TypeRef, Validator, WasmFeatures};

/// The import module of preview1.
pub const PREVIEW1: &str = "wasi_snapshot_preview1";

/// The import module of snapshot 0, the release before it.
pub const SNAPSHOT0: &str = "wasi_unstable";

/// What an item at the boundary of a module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A function; none where its type is not made of numbers.
    Func(Option<CoreSignature>),
    /// A memory, and whether it is shared.
    Memory {
        /// Shared between threads.
        shared: bool,
    },
    /// A table.
    Table,
    /// A global.
    Global,
    /// An exception tag.
    Tag,
}

impl Item {
    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Item::Func(_) => "function",
            Item::Memory { .. } => "memory",
            Item::Table => "table",
            Item::Global => "global",
            Item::Tag => "tag",
        }
    }
}

/// The boundary of a core module.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// All imports in order.
    pub imports: Vec<(ImportName, Item)>,
    /// All exports by name.
    pub exports: BTreeMap<String, Item>,
    /// Whether a `component-type` section is embedded.
    pub has_component_type: bool,
    /// Languages and tools from the `producers` section.
    pub producers: Vec<String>,
    /// Names of the other custom sections, in order.
    pub sections: Vec<String>,
    /// The first memory, imported or not.
    pub memory: Option<wasmparser::MemoryType>,
}

/// Validates a core module (with every proposal on) and surveys it.
pub fn survey(bytes: &[u8]) -> Result<Survey> {
    if Parser::is_component(bytes) {
        return Err(Diagnostic::new(Code::ComponentGiven, "a core module is wanted, and this is a component"));
    }
    let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).map_err(invalid)?;
    let types = types.as_ref();
    let mut survey = Survey::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(invalid)?;
                    let item = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            let id = types.core_type_at_in_module(ty);
                            Item::Func(signature(&types[id]))
                        }
                        TypeRef::Memory(ty) => {
                            survey.memory.get_or_insert(ty);
                            Item::Memory { shared: ty.shared }
                        }
                        TypeRef::Table(_) => Item::Table,
                        TypeRef::Global(_) => Item::Global,
                        TypeRef::Tag(_) => Item::Tag,
                    };
                    let name = ImportName { module: import.module.to_owned(), name: import.name.to_owned() };
                    survey.imports.push((name, item));
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    survey.memory.get_or_insert(memory.map_err(invalid)?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    let item = match export.kind {
                        wasmparser::ExternalKind::Func | wasmparser::ExternalKind::FuncExact => {
                            let id = types.core_function_at(export.index);
                            Item::Func(signature(&types[id]))
                        }
                        wasmparser::ExternalKind::Memory => {
                            Item::Memory { shared: types.memory_at(export.index).shared }
                        }
                        wasmparser::ExternalKind::Table => Item::Table,
                        wasmparser::ExternalKind::Global => Item::Global,
                        wasmparser::ExternalKind::Tag => Item::Tag,
                    };
                    survey.exports.insert(export.name.to_owned(), item);
                }
            }
            Payload::CustomSection(section) => {
                survey.has_component_type |= section.name().starts_with("component-type");
                survey.sections.push(section.name().to_owned());
                if let wasmparser::KnownCustom::Producers(fields) = section.as_known() {
                    let values = fields.into_iter().flatten().flat_map(|f| f.values.into_iter().flatten());
                    survey.producers.extend(values.map(|v| format!("{} {}", v.name, v.version)));
                }
            }
            _ => {}
        }
    }
    Ok(survey)
}

fn signature(ty: &wasmparser::SubType) -> Option<CoreSignature> {
    match &ty.composite_type.inner {
        wasmparser::CompositeInnerType::Func(func) => CoreSignature::of(func),
        _ => None,
    }
}

impl Survey {
    /// Names of the functions imported from one module.
    pub fn imported_from<'s>(&'s self, module: &'s str) -> impl Iterator<Item = &'s str> {
        self.imports.iter().filter(move |(n, _)| n.module == module).map(|(n, _)| n.name.as_str())
    }

    /// One line on what the module is, for the place of a message.
    pub fn describe(&self) -> String {
        let modules: BTreeSet<&str> = self.imports.iter().map(|(name, _)| name.module.as_str()).collect();
        let count = self.imports.len();
        match (modules.first(), modules.len()) {
            (None, _) => "core module without imports".to_owned(),
            (Some(module), 1) => {
                format!("core module, {count} import{} from `{module}`", if count == 1 { "" } else { "s" })
            }
            (_, many) => format!("core module, imports from {many} modules"),
        }
    }
}
