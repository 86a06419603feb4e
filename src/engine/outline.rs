//! What is known of a module before it is compiled: imports, exports, and what it holds from the start. Nothing is validated
//! here; engines do that.

use crate::abi::{Core, CoreSignature, ImportName, Names};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::host::Trap;
use std::collections::HashMap;
use wasmparser::{CompositeInnerType, ExternalKind, Parser, Payload, TypeRef};

/// Bytes of a page.
const PAGE: u64 = 64 << 10;

/// A module without its code.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) imports: Vec<(ImportName, Import)>,
    /// Exported functions.
    exports: HashMap<String, Option<CoreSignature>>,
    /// Bytes of each memory at the start.
    pub(super) memories: Vec<u64>,
    /// Elements of each table at the start.
    pub(super) tables: Vec<u64>,
    /// Whether a memory is shared.
    threads: bool,
    /// The start function.
    pub(super) start: Option<u32>,
    /// Whether it throws exceptions.
    pub(super) exceptions: bool,
    types: Vec<Option<CoreSignature>>,
    functions: Vec<u32>,
}

/// What is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Import {
    /// A function; none where its type is not made of numbers.
    Function(Option<CoreSignature>),
    /// Anything else.
    Other,
}

impl Outline {
    pub(super) fn read(wasm: &[u8]) -> Result<Outline> {
        if Parser::is_component(wasm) {
            return Err(Diagnostic::new(Code::ComponentGiven, "a core module is wanted, and this is a component"));
        }
        let mut outline = Outline::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.and_then(|payload| outline.section(payload)) {
                Ok(true) => {}
                // Only code, data and names follow.
                Ok(false) => break,
                Err(e) => return Err(Diagnostic::invalid_wasm(&e)),
            }
        }
        Ok(outline)
    }

    /// Whether more sections are of interest.
    fn section(&mut self, payload: Payload<'_>) -> wasmparser::Result<bool> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    self.types.extend(group?.into_types().map(|ty| match &ty.composite_type.inner {
                        CompositeInnerType::Func(func) => CoreSignature::of(func),
                        _ => None,
                    }));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let item = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.functions.push(ty);
                            Import::Function(self.types.get(ty as usize).cloned().flatten())
                        }
                        _ => Import::Other,
                    };
                    let name = ImportName { module: import.module.to_owned(), name: import.name.to_owned() };
                    self.imports.push((name, item));
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.tables.push(table?.ty.initial);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    self.memories.push(memory.initial.saturating_mul(PAGE));
                    self.threads |= memory.shared;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if let ExternalKind::Func | ExternalKind::FuncExact = export.kind {
                        let ty = self.functions.get(export.index as usize);
                        let signature = ty.and_then(|&ty| self.types.get(ty as usize).cloned().flatten());
                        self.exports.insert(export.name.to_owned(), signature);
                    }
                }
            }
            Payload::TagSection(_) => self.exceptions = true,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionStart { .. } => return Ok(false),
            _ => {}
        }
        Ok(true)
    }

    /// The exports that tasks can call. Fails where one has a post-return that does not take what it returns.
    pub(super) fn entries(&self, exports: &[&str]) -> Result<Vec<Option<Entry>>> {
        exports.iter().map(|name| self.exports.get(*name).map(|ty| self.entry(name, ty.as_ref())).transpose()).collect()
    }

    fn entry(&self, name: &str, signature: Option<&CoreSignature>) -> Result<Entry> {
        let post_return = Names::Legacy.post_return(name);
        let post_return = match self.exports.get(&post_return) {
            Some(found) => {
                let results = signature.map_or_else(Vec::new, |signature| signature.results.clone());
                has_type(&post_return, found.as_ref(), &CoreSignature::new(results, []))?;
                Some(post_return)
            }
            None => None,
        };
        Ok(Entry { name: name.to_owned(), signature: signature.cloned(), post_return })
    }

    /// What the host itself calls has the types that the host calls it by, and what the module holds from the start is
    /// within the limits.
    pub(super) fn check(&self, limits: &super::Limits) -> Result<()> {
        let wanted = [
            ("cabi_realloc", CoreSignature::new([Core::I32; 4], [Core::I32])),
            ("_initialize", CoreSignature::new([], [])),
        ];
        for (name, wanted) in wanted {
            if let Some(found) = self.exports.get(name) {
                has_type(name, found.as_ref(), &wanted)?;
            }
        }
        if self.threads {
            return Err(Diagnostic::new(
                Code::CompileFailed,
                "the module has a shared memory, and there are no threads",
            )
            .hint("build it without threads"));
        }
        let over = |what: &str, has: u64, limit: usize| {
            let message = format!("the module starts with {has} {what}, more than the limit of {limit}");
            Err(Diagnostic::new(Code::CompileFailed, message).hint("raise the limit, or build the module with less"))
        };
        let memory = self.memories.iter().fold(0u64, |sum, &bytes| sum.saturating_add(bytes));
        if memory > limits.memory as u64 {
            return over("bytes of memory", memory, limits.memory);
        }
        match self.tables.iter().max() {
            Some(&elements) if elements > limits.table as u64 => over("elements in a table", elements, limits.table),
            _ => Ok(()),
        }
    }
}

/// What the host calls has the type that the host calls it by.
fn has_type(name: &str, found: Option<&CoreSignature>, wanted: &CoreSignature) -> Result<()> {
    if found == Some(wanted) {
        return Ok(());
    }
    let found = found.map_or_else(|| "another type".to_owned(), ToString::to_string);
    Err(Diagnostic::new(Code::SignatureMismatch, format!("the export `{name}` has another signature"))
        .fact("wanted", wanted.to_string())
        .fact("found", found))
}

/// An export that tasks call.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    signature: Option<CoreSignature>,
    /// The export that is given its result afterwards (*canon lift*, `post-return`).
    pub(super) post_return: Option<String>,
}

impl Entry {
    /// Its result, if it can be called with this many `i32` and has one result at the most.
    pub(super) fn result(&self, args: usize) -> Result<Option<Core>, Trap> {
        match &self.signature {
            Some(CoreSignature { params, results })
                if params.len() == args && params.iter().all(|p| *p == Core::I32) && results.len() <= 1 =>
            {
                Ok(results.first().copied())
            }
            _ => Err(Trap::new(format!("the export `{}` has another signature than it is called by", self.name))),
        }
    }
}
