//! A core module as this pass reads it.

use super::ops::is_number;
use crate::diagnostic::{Diagnostic, Result};
use std::collections::{HashMap, HashSet};
use wasmparser::{
    BinaryReaderError, CompositeInnerType, Data, DataKind, Element, ElementItems, Export, ExternalKind, FuncType,
    FunctionBody, Global, Import, KnownCustom, MemoryType, Name, Operator, Parser, Payload, Table, TableType, TagType,
    TypeRef, TypeSectionReader, ValType,
};

/// A validated module, borrowed from its bytes.
#[derive(Default)]
pub(crate) struct View<'a> {
    pub(crate) type_section: Option<TypeSectionReader<'a>>,
    /// One per type; none for what is no plain function type.
    pub(crate) types: Vec<Option<FuncType>>,
    pub(crate) imports: Vec<Import<'a>>,
    /// Type of every function, imported ones first.
    pub(crate) funcs: Vec<u32>,
    pub(crate) imported_funcs: usize,
    /// Defined tables.
    pub(crate) tables: Vec<Table<'a>>,
    /// Types of all tables, imported ones first; the same for memories.
    pub(crate) table_types: Vec<TableType>,
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) imported_memories: usize,
    pub(crate) globals: Vec<Global<'a>>,
    pub(crate) imported_globals: usize,
    pub(crate) tags: Vec<TagType>,
    pub(crate) exports: Vec<Export<'a>>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Vec<Element<'a>>,
    pub(crate) data_count: bool,
    pub(crate) bodies: Vec<FunctionBody<'a>>,
    pub(crate) data: Vec<Data<'a>>,
    /// Name and contents.
    pub(crate) customs: Vec<(&'a str, &'a [u8])>,
    names: HashMap<u32, &'a str>,
}

impl<'a> View<'a> {
    pub(crate) fn parse(wasm: &'a [u8]) -> Result<View<'a>> {
        let mut view = View::default();
        for payload in Parser::new(0).parse_all(wasm) {
            view.payload(payload.map_err(invalid)?)?;
        }
        Ok(view)
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                self.type_section = Some(section.clone());
                for group in section {
                    let group = group.map_err(invalid)?;
                    let alone = group.types().len() == 1 && !group.is_explicit_rec_group();
                    for ty in group.into_types() {
                        let plain = alone && ty.is_final && ty.supertype_idx.is_none() && !ty.composite_type.shared;
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(func) if plain => Some(func),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import.map_err(invalid)?);
                }
            }
            Payload::FunctionSection(section) => collect(section, &mut self.funcs)?,
            Payload::TableSection(section) => {
                collect(section, &mut self.tables)?;
                self.table_types.extend(self.tables.iter().map(|t| t.ty));
            }
            Payload::MemorySection(section) => collect(section, &mut self.memories)?,
            Payload::GlobalSection(section) => collect(section, &mut self.globals)?,
            Payload::TagSection(section) => collect(section, &mut self.tags)?,
            Payload::ExportSection(section) => collect(section, &mut self.exports)?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => collect(section, &mut self.elements)?,
            Payload::DataCountSection { .. } => self.data_count = true,
            Payload::DataSection(section) => collect(section, &mut self.data)?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => {
                self.customs.push((section.name(), section.data()));
                if let KnownCustom::Name(names) = section.as_known() {
                    for name in names.into_iter().flatten() {
                        if let Name::Function(map) = name {
                            self.names.extend(map.into_iter().flatten().map(|n| (n.index, n.name)));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: Import<'a>) {
        match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.funcs.push(ty);
                self.imported_funcs += 1;
            }
            TypeRef::Table(ty) => self.table_types.push(ty),
            TypeRef::Memory(ty) => {
                self.memories.push(ty);
                self.imported_memories += 1;
            }
            TypeRef::Global(_) => self.imported_globals += 1,
            TypeRef::Tag(ty) => self.tags.push(ty),
        }
        self.imports.push(import);
    }

    /// The type of a function, if it is a plain one.
    pub(crate) fn func_type(&self, func: u32) -> Option<&FuncType> {
        self.plain_type(*self.funcs.get(func as usize)?)
    }

    /// A type by its index, if it is a plain function type.
    pub(crate) fn plain_type(&self, ty: u32) -> Option<&FuncType> {
        self.types.get(ty as usize)?.as_ref()
    }

    /// The first of each type's parameters and results that is no number.
    pub(crate) fn odd_values(&self) -> Vec<Option<ValType>> {
        let odd = |ty: &FuncType| ty.params().iter().chain(ty.results()).find(|ty| !is_number(ty)).copied();
        self.types.iter().map(|ty| ty.as_ref().and_then(odd)).collect()
    }

    /// How a message calls a function: `` `name` (function 3) ``, or without the name.
    pub(crate) fn call(&self, func: u32) -> String {
        match self.names.get(&func) {
            Some(name) => format!("`{}` (function {func})", name.chars().take(80).collect::<String>()),
            None => format!("function {func}"),
        }
    }

    /// Names of functions, in the order of their indices.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        let mut names: Vec<(u32, &'a str)> = self.names.iter().map(|(&func, &name)| (func, name)).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name)
    }

    /// How much of a data segment there is for `memory.init`: an active one is gone before any code runs.
    pub(crate) fn left(&self, segment: u32) -> u32 {
        match self.data.get(segment as usize) {
            Some(Data { kind: DataKind::Passive, data, .. }) => u32::try_from(data.len()).unwrap_or(u32::MAX),
            _ => 0,
        }
    }

    /// Whether the host reaches a table.
    pub(crate) fn shares_table(&self) -> bool {
        self.table_types.len() > self.tables.len() || self.exports.iter().any(|e| e.kind == ExternalKind::Table)
    }

    /// Functions that segments name, and that may thus be called by their type.
    pub(crate) fn in_segments(&self) -> HashSet<u32> {
        let mut funcs = HashSet::new();
        for element in &self.elements {
            match &element.items {
                ElementItems::Functions(items) => funcs.extend(items.clone().into_iter().flatten()),
                ElementItems::Expressions(_, items) => {
                    let ops = items.clone().into_iter().flatten().flat_map(|e| e.get_operators_reader()).flatten();
                    funcs.extend(ops.filter_map(|op| match op {
                        Operator::RefFunc { function_index } => Some(function_index),
                        _ => None,
                    }));
                }
            }
        }
        funcs
    }
}

fn collect<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
    out: &mut Vec<T>,
) -> Result<()> {
    for item in section {
        out.push(item.map_err(invalid)?);
    }
    Ok(())
}

/// A module that was validated and does not parse is none that was validated.
pub(crate) fn invalid(error: BinaryReaderError) -> Box<Diagnostic> {
    Diagnostic::invalid_wasm(&error)
}
