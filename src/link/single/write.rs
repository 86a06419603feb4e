//! The module's sections, with one memory.

use super::super::module::Module;
use super::constants::Constants;
use super::grow::Growers;
use super::layout::{Layout, PAGE, address};
use super::names::names;
use super::{apart, unwritable};
use crate::diagnostic::{Diagnostic, Result};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, DataSection, FunctionSection, GlobalSection, MemorySection, SectionId, TypeSection};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Data, DataKind, FunctionSectionReader, GlobalSectionReader, KnownCustom,
    MemorySectionReader, Parser, TypeSectionReader,
};

/// Writes the module anew around the rewritten code.
pub(super) fn write(
    wasm: &[u8],
    module: &Module<'_>,
    layout: &Layout,
    growers: &Growers,
    code: CodeSection,
) -> Result<Vec<u8>> {
    let constants = Constants::new(module);
    let mut writer = Writer { module, layout, growers, code, constants, ty: 0, globals: false };
    let mut out = wasm_encoder::Module::new();
    writer.parse_core_module(&mut out, Parser::new(0), wasm).map_err(unwritable)?;
    Ok(out.finish())
}

struct Writer<'w, 'a> {
    module: &'w Module<'a>,
    layout: &'w Layout,
    growers: &'w Growers,
    code: CodeSection,
    constants: Constants,
    /// The type of the growers.
    ty: u32,
    /// Whether the globals are written.
    globals: bool,
}

type Written<T = ()> = Result<T, Error<Box<Diagnostic>>>;

impl Reencode for Writer<'_, '_> {
    type Error = Box<Diagnostic>;

    fn memory_index(&mut self, index: u32) -> Written<u32> {
        if self.layout.is_first(index) { Ok(0) } else { Err(Error::UserError(apart("a memory is used for itself"))) }
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Written {
        utils::parse_type_section(self, types, section)?;
        self.ty = self.growers.ty(self.module, types);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Written {
        utils::parse_function_section(self, functions, section)?;
        for _ in 0..self.growers.count() {
            functions.function(self.ty);
        }
        Ok(())
    }

    fn parse_memory_section(&mut self, memories: &mut MemorySection, _: MemorySectionReader<'_>) -> Written {
        memories.memory(self.layout.whole());
        Ok(())
    }

    fn parse_global_section(&mut self, globals: &mut GlobalSection, section: GlobalSectionReader<'_>) -> Written {
        utils::parse_global_section(self, globals, section)?;
        self.layout.globals(globals);
        self.globals = true;
        Ok(())
    }

    /// A module without globals has no section to add them to.
    fn intersperse_section_hook(
        &mut self,
        module: &mut wasm_encoder::Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Written {
        use SectionId::{Code, Data, DataCount, Element, Export, Start};
        let behind = matches!(before, None | Some(Export | Start | Element | DataCount | Code | Data));
        if behind && !self.globals {
            let mut globals = GlobalSection::new();
            self.layout.globals(&mut globals);
            module.section(&globals);
            self.globals = true;
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, _: CodeSectionReader<'_>) -> Written {
        *code = std::mem::take(&mut self.code);
        Ok(())
    }

    fn parse_data(&mut self, data: &mut DataSection, datum: Data<'_>) -> Written {
        let DataKind::Active { memory_index, offset_expr } = &datum.kind else {
            return utils::parse_data(self, data, datum);
        };
        let memory = self.layout.memory(*memory_index).map_err(Error::UserError)?;
        let Some(offset) = self.constants.value(offset_expr) else {
            return Err(Error::UserError(apart("a data segment's offset is known at instantiation alone")));
        };
        let offset = u64::from(offset.cast_unsigned());
        let bytes = datum.data.iter().copied();
        if offset + bytes.len() as u64 <= memory.minimum << PAGE {
            data.active(0, &address(memory.start + offset), bytes);
        } else {
            // Out of its own memory: instantiation fails here, as it does with two bytes at the last address.
            let mut bytes = datum.data.to_vec();
            bytes.resize(bytes.len().max(2), 0);
            data.active(0, &address(u64::from(u32::MAX)), bytes);
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, module: &mut wasm_encoder::Module, section: CustomSectionReader<'_>) -> Written {
        if holds_code_offsets(section.name()) {
            return Ok(());
        }
        let (layout, growers) = (self.layout, self.growers);
        if let KnownCustom::Name(reader) = section.as_known() {
            // A malformed section is no error, and stays as it is.
            if let Ok(names) = names(reader, layout, growers, self) {
                module.section(&names);
                return Ok(());
            }
        }
        module.section(&self.custom_section(section)?);
        Ok(())
    }
}

/// Sections that point into the code, which is another now: DWARF, branch hints, relocations.
fn holds_code_offsets(name: &str) -> bool {
    [".debug_", "metadata.code.", "reloc.", "sourceMappingURL"].iter().any(|prefix| name.starts_with(prefix))
}
