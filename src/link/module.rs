//! A core module, taken apart into its sections.

use super::ir::Space;
use crate::diagnostic::{Code, Diagnostic, Result};
use wasmparser::{
    BinaryReaderError, CompositeInnerType, ConstExpr, Data, Element, FuncType, FunctionBody, GlobalType, KnownCustom,
    MemoryType, Name, Parser, Payload, ProducersField, TableType, TagType, TypeRef,
};

/// A defined table and its initial value.
#[derive(Debug, Clone)]
pub(super) struct TableDef<'a> {
    pub(super) ty: TableType,
    pub(super) init: Option<ConstExpr<'a>>,
}

/// A module that the validator has seen.
#[derive(Default)]
pub(super) struct Module<'a> {
    pub(super) bytes: usize,
    pub(super) types: Vec<FuncType>,
    /// Module and field, and the kind.
    pub(super) imports: Vec<(&'a str, &'a str, TypeRef)>,
    /// How many of them add to each index space.
    imported: [usize; 5],
    /// Types of all functions, imported ones first.
    pub(super) funcs: Vec<u32>,
    pub(super) tables: Vec<TableDef<'a>>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) globals: Vec<(GlobalType, ConstExpr<'a>)>,
    pub(super) tags: Vec<TagType>,
    pub(super) start: Option<u32>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) data: Vec<Data<'a>>,
    pub(super) data_count: bool,
    pub(super) name: Option<&'a str>,
    /// In ascending order of the functions.
    pub(super) func_names: Vec<(u32, &'a str)>,
    pub(super) producers: Vec<ProducersField<'a>>,
    /// Bytes of DWARF, which describes code that is no longer there.
    pub(super) debug: usize,
}

impl<'a> Module<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Module<'a>> {
        let mut module = Module { bytes: bytes.len(), ..Module::default() };
        for payload in Parser::new(0).parse_all(bytes) {
            module.payload(payload.map_err(invalid)?)?;
        }
        // A malformed name section may name a function twice.
        module.func_names.sort_by_key(|(index, _)| *index);
        module.func_names.dedup_by_key(|(index, _)| *index);
        Ok(module)
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group.map_err(invalid)?.into_types() {
                        let CompositeInnerType::Func(func) = ty.composite_type.inner else {
                            return Err(Diagnostic::new(Code::UnsupportedType, "garbage-collected types"));
                        };
                        self.types.push(func);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(invalid)?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                        self.funcs.push(ty);
                    }
                    self.imported[space_of(&import.ty) as usize] += 1;
                    self.imports.push((import.module, import.name, import.ty));
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.funcs.push(ty.map_err(invalid)?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table.map_err(invalid)?;
                    let init = match table.init {
                        wasmparser::TableInit::RefNull => None,
                        wasmparser::TableInit::Expr(expr) => Some(expr),
                    };
                    self.tables.push(TableDef { ty: table.ty, init });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory.map_err(invalid)?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global.map_err(invalid)?;
                    self.globals.push((global.ty, global.init_expr));
                }
            }
            Payload::TagSection(section) => {
                for tag in section {
                    self.tags.push(tag.map_err(invalid)?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                for element in section {
                    self.elements.push(element.map_err(invalid)?);
                }
            }
            Payload::DataCountSection { .. } => self.data_count = true,
            Payload::DataSection(section) => {
                for data in section {
                    self.data.push(data.map_err(invalid)?);
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                self.debug += section.data().len()
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(names) => self.names(names),
                // A malformed custom section is no error in core WebAssembly, so it is passed over.
                KnownCustom::Producers(fields) => self.producers.extend(fields.into_iter().flatten()),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn names(&mut self, names: wasmparser::NameSectionReader<'a>) {
        for name in names.into_iter().flatten() {
            match name {
                Name::Module { name, .. } => self.name = Some(name),
                Name::Function(map) => self.func_names.extend(map.into_iter().flatten().map(|n| (n.index, n.name))),
                _ => {}
            }
        }
    }

    /// How many items of an index space are imported.
    pub(super) fn imported(&self, space: Space) -> usize {
        self.imported[space as usize]
    }

    /// The type of a function by its index.
    pub(super) fn func_type(&self, index: u32) -> Result<&FuncType> {
        self.funcs
            .get(index as usize)
            .and_then(|&ty| self.types.get(ty as usize))
            .ok_or_else(|| Diagnostic::new(Code::Internal, "a function without a type"))
    }
}

/// The index space that an import adds to.
pub(super) fn space_of(ty: &TypeRef) -> Space {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => Space::Func,
        TypeRef::Table(_) => Space::Table,
        TypeRef::Memory(_) => Space::Memory,
        TypeRef::Global(_) => Space::Global,
        TypeRef::Tag(_) => Space::Tag,
    }
}

fn invalid(error: BinaryReaderError) -> Box<Diagnostic> {
    Diagnostic::invalid_wasm(&error)
}
