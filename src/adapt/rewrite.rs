//! Replaces imported functions of a core module, and leaves all else as it is.
//!
//! What is added comes behind the module's own functions, so that only the imports that go move anything:
//!
//! ```text
//! before   (import "old" "f" (func $f))  (import "x" "g" (func $g))   $own ... call $f, call $g
//! through  (import "new" "f" (func $f))  (import "x" "g" (func $g))   $own ... call $shim, call $g   $shim: ... call $f ...
//! instead                                (import "x" "g" (func $g))   $own ... call $stub, call $g   $stub: ...
//! ```

use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::BTreeMap;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, Function, FunctionSection, ImportSection, IndirectNameMap, Module, NameMap, NameSection, SectionId,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionSectionReader, ImportSectionReader, KnownCustom, Name,
    NameSectionReader, Parser, Payload, TypeRef,
};

/// What becomes of an imported function.
pub(super) enum Edit {
    /// It is imported from another module.
    Rename(&'static str),
    /// The same, and whoever called it calls a function of the same type that is made for its new index.
    Through(&'static str, fn(u32) -> Function),
    /// It is no longer imported; whoever called it calls this.
    Instead {
        /// Of the same type.
        body: Function,
        /// Shown where an engine names the functions on its stack.
        name: String,
    },
}

/// Rewrites a valid module. Keys are indices of imported functions.
pub(super) fn rewrite(wasm: &[u8], edits: BTreeMap<u32, Edit>) -> Result<Vec<u8>> {
    let mut writer = Writer::new(wasm, edits)?;
    let mut out = Module::new();
    writer.parse_core_module(&mut out, Parser::new(0), wasm).map_err(unwritable)?;
    Ok(out.finish())
}

fn unwritable(error: Error<Box<Diagnostic>>) -> Box<Diagnostic> {
    match error {
        Error::UserError(error) => error,
        other => Diagnostic::new(Code::CannotAdapt, "the module cannot be rewritten").cause(other),
    }
}

struct Writer {
    edits: BTreeMap<u32, Edit>,
    /// For each imported function its index, or that of what stands in its place.
    imported: Vec<u32>,
    /// Where imports are that are kept, by old index.
    kept: BTreeMap<u32, u32>,
    /// Types of what is added, bodies and names.
    added: Vec<(u32, Function, String)>,
    /// Index of the first that is added.
    first: u32,
    functions: bool,
    code: bool,
}

type Written<T = ()> = Result<T, Error<Box<Diagnostic>>>;

impl Writer {
    fn new(wasm: &[u8], mut edits: BTreeMap<u32, Edit>) -> Result<Writer> {
        let (imports, defined) = functions(wasm)?;
        let mut kept = BTreeMap::new();
        for old in 0..imports.len() as u32 {
            if !matches!(edits.get(&old), Some(Edit::Instead { .. })) {
                kept.insert(old, kept.len() as u32);
            }
        }
        let first = kept.len() as u32 + defined;
        let mut writer = Writer {
            edits: BTreeMap::new(),
            imported: Vec::new(),
            kept,
            added: Vec::new(),
            first,
            functions: false,
            code: false,
        };
        for (old, (ty, name)) in (0u32..).zip(&imports) {
            let next = first + writer.added.len() as u32;
            let place = match edits.remove(&old) {
                Some(Edit::Instead { body, name }) => {
                    writer.added.push((*ty, body, name));
                    next
                }
                Some(Edit::Through(module, shim)) => {
                    writer.added.push((*ty, shim(writer.kept[&old]), format!("{name} of snapshot 0")));
                    writer.edits.insert(old, Edit::Rename(module));
                    next
                }
                edit => {
                    writer.edits.extend(edit.map(|edit| (old, edit)));
                    writer.kept[&old]
                }
            };
            writer.imported.push(place);
        }
        Ok(writer)
    }

    /// The new index of a function.
    fn place(&self, old: u32) -> u32 {
        match self.imported.get(old as usize) {
            Some(place) => *place,
            None => old - (self.imported.len() - self.kept.len()) as u32,
        }
    }

    fn add_functions(&mut self, functions: &mut FunctionSection) {
        self.added.iter().for_each(|(ty, ..)| {
            functions.function(*ty);
        });
        self.functions = true;
    }

    fn add_code(&mut self, code: &mut CodeSection) {
        self.added.iter().for_each(|(_, body, _)| {
            code.function(body);
        });
        self.code = true;
    }

    /// The name section; an error if it is malformed.
    fn names(&mut self, section: NameSectionReader<'_>) -> Written<NameSection> {
        let mut functions: BTreeMap<u32, String> = BTreeMap::new();
        let mut locals: BTreeMap<u32, NameMap> = BTreeMap::new();
        let (mut module, mut others) = (None, Vec::new());
        for part in section {
            match part? {
                Name::Module { name, .. } => module = Some(name),
                Name::Function(names) => {
                    for name in names {
                        let name = name?;
                        // An import that stays keeps its name, what calls it has one of its own.
                        let gone = (name.index as usize) < self.imported.len();
                        match self.kept.get(&name.index) {
                            Some(place) if gone => functions.insert(*place, name.name.to_owned()),
                            _ if gone => None,
                            _ => functions.insert(self.place(name.index), name.name.to_owned()),
                        };
                    }
                }
                Name::Local(names) => {
                    for of in names {
                        let of = of?;
                        if (of.index as usize) >= self.imported.len() {
                            locals.insert(self.place(of.index), utils::name_map(of.names, Ok)?);
                        }
                    }
                }
                // Labels and fields go by functions and types; few tools write them.
                Name::Label(_) => {}
                other => others.push(other),
            }
        }
        for (index, (_, _, name)) in (self.first..).zip(&self.added) {
            functions.insert(index, name.clone());
        }
        let (mut function_names, mut local_names) = (NameMap::new(), IndirectNameMap::new());
        functions.iter().for_each(|(index, name)| function_names.append(*index, name));
        locals.iter().for_each(|(index, names)| local_names.append(*index, names));
        let mut out = NameSection::new();
        module.into_iter().for_each(|name| out.module(name));
        out.functions(&function_names);
        out.locals(&local_names);
        others.into_iter().try_for_each(|part| self.parse_custom_name_subsection(&mut out, part))?;
        Ok(out)
    }
}

/// Types and names of the imported functions, and how many are defined.
fn functions(wasm: &[u8]) -> Result<(Vec<(u32, String)>, u32)> {
    let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let (mut imports, mut defined) = (Vec::new(), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(invalid)? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(invalid)?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                        imports.push((ty, import.name.to_owned()));
                    }
                }
            }
            Payload::FunctionSection(section) => defined = section.count(),
            _ => {}
        }
    }
    Ok((imports, defined))
}

impl Reencode for Writer {
    type Error = Box<Diagnostic>;

    fn function_index(&mut self, func: u32) -> Written<u32> {
        Ok(self.place(func))
    }

    fn parse_import_section(&mut self, imports: &mut ImportSection, section: ImportSectionReader<'_>) -> Written {
        let mut func = 0;
        for import in section.into_imports() {
            let import = import?;
            let mut module = import.module;
            if let TypeRef::Func(_) | TypeRef::FuncExact(_) = import.ty {
                func += 1;
                if !self.kept.contains_key(&(func - 1)) {
                    continue;
                }
                if let Some(Edit::Rename(other)) = self.edits.get(&(func - 1)) {
                    module = other;
                }
            }
            imports.import(module, import.name, self.entity_type(import.ty)?);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Written {
        utils::parse_function_section(self, functions, section)?;
        self.add_functions(functions);
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Written {
        utils::parse_code_section(self, code, section)?;
        self.add_code(code);
        Ok(())
    }

    /// A module without functions of its own has no sections to add them to.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Written {
        use SectionId::{Data, Function, Import, Type};
        if self.added.is_empty() {
            return Ok(());
        }
        if !self.functions && !matches!(before, Some(Type | Import | Function)) {
            let mut functions = FunctionSection::new();
            self.add_functions(&mut functions);
            module.section(&functions);
        }
        if !self.code && matches!(before, None | Some(Data)) {
            let mut code = CodeSection::new();
            self.add_code(&mut code);
            module.section(&code);
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, module: &mut Module, section: CustomSectionReader<'_>) -> Written {
        if holds_code_offsets(section.name()) {
            return Ok(());
        }
        if let KnownCustom::Name(reader) = section.as_known()
            // A malformed section is no error, and names nothing.
            && let Ok(names) = self.names(reader)
        {
            module.section(&names);
            return Ok(());
        }
        module.section(&self.custom_section(section)?);
        Ok(())
    }
}

/// Sections that point into the code, which is another now: DWARF, branch hints, relocations.
fn holds_code_offsets(name: &str) -> bool {
    [".debug_", "metadata.code.", "reloc.", "linking", "sourceMappingURL"].iter().any(|prefix| name.starts_with(prefix))
}
