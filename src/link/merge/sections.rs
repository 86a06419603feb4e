//! The sections of the output but its custom ones.

use super::segments::DataSegments;
use super::splice::Code;
use wasm_encoder::{
    DataCountSection, ElementSection, ExportSection, GlobalSection, MemorySection, Section, TableSection, TagSection,
};

/// Sections that instances add to in turn.
#[derive(Default)]
pub(super) struct Sections<'d> {
    pub(super) tables: TableSection,
    pub(super) memories: MemorySection,
    pub(super) tags: TagSection,
    pub(super) globals: GlobalSection,
    pub(super) elements: ElementSection,
    pub(super) code: Code,
    pub(super) data: DataSegments<'d>,
    pub(super) data_count: bool,
}

impl Sections<'_> {
    pub(super) fn emit_into(&self, out: &mut Vec<u8>, first: [&dyn Section; 3], exports: &ExportSection) {
        let count = DataCountSection { count: self.data.count };
        let sections: [(&dyn Section, bool); 9] = [
            (&self.tables, !self.tables.is_empty()),
            (&self.memories, !self.memories.is_empty()),
            (&self.tags, !self.tags.is_empty()),
            (&self.globals, !self.globals.is_empty()),
            (exports, true),
            (&self.elements, !self.elements.is_empty()),
            (&count, self.data_count),
            (&self.code, !self.code.is_empty()),
            (&self.data, self.data.count > 0),
        ];
        for section in first.into_iter().chain(sections.into_iter().filter(|s| s.1).map(|s| s.0)) {
            section.append_to(out);
        }
    }
}
