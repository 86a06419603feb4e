//! Element and data segments.

use super::renumber::{Renumber, constant};
use super::sections::Sections;
use super::{narrow, unwritable};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::ir::InstanceId;
use crate::link::plan::{Const, Plan};
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{ConstExpr, ElementMode, ElementSegment, Elements, Encode, Function, Section, SectionId};
use wasmparser::{DataKind, ElementItems, ElementKind};

/// Active segments stay active, unless they write into another instance's table or memory after a start function ran:
/// then the start function may have seen what was there before, so the write happens at its place in `_initialize`.
pub(in crate::link) fn is_late(started: bool, owner: Option<InstanceId>, id: InstanceId) -> bool {
    started && owner != Some(id)
}

pub(super) fn write_element(
    plan: &Plan<'_, '_>,
    id: InstanceId,
    element: &wasmparser::Element<'_>,
    started: bool,
    mut renumber: Renumber<'_>,
    out: &mut Sections<'_>,
    init: &mut Function,
) -> Result<bool> {
    let (elements, count) = match &element.items {
        ElementItems::Functions(items) => {
            let indices = items
                .clone()
                .into_iter()
                .map(|f| renumber.function_index(f.map_err(|e| Diagnostic::invalid_wasm(&e))?).map_err(unwritable))
                .collect::<Result<Vec<_>>>()?;
            (Elements::Functions(indices.into()), items.count())
        }
        ElementItems::Expressions(ty, items) => {
            let ty = renumber.ref_type(*ty).map_err(unwritable)?;
            let exprs = items
                .clone()
                .into_iter()
                .map(|e| renumber.const_expr(e.map_err(|e| Diagnostic::invalid_wasm(&e))?).map_err(unwritable))
                .collect::<Result<Vec<_>>>()?;
            (Elements::Expressions(ty, exprs.into()), items.count())
        }
    };
    let index = out.elements.len();
    match &element.kind {
        ElementKind::Passive => out.elements.segment(ElementSegment { mode: ElementMode::Passive, elements }),
        ElementKind::Declared => out.elements.segment(ElementSegment { mode: ElementMode::Declared, elements }),
        ElementKind::Active { table_index, offset_expr } => {
            let local = table_index.unwrap_or(0);
            let owner = plan.instances[id.index()].tables.get(local as usize).map(|t| t.0);
            let table = renumber.table_index(local).map_err(unwritable)?;
            if is_late(started, owner, id) {
                let offset = late_offset(plan, id, offset_expr)?;
                out.elements.segment(ElementSegment { mode: ElementMode::Passive, elements });
                let mut code = init.instructions();
                code.i32_const(offset).i32_const(0).i32_const(size(count)?).table_init(table, index).elem_drop(index);
                return Ok(true);
            }
            let offset = constant(plan, id, offset_expr, renumber)?;
            // The short form, without a table index, is the only one that WebAssembly 1.0 knows.
            let table = if table == 0 { None } else { Some(table) };
            let mode = ElementMode::Active { table, offset: &offset };
            out.elements.segment(ElementSegment { mode, elements })
        }
    };
    Ok(false)
}

pub(super) fn write_data<'d>(
    plan: &Plan<'_, '_>,
    id: InstanceId,
    data: &wasmparser::Data<'d>,
    started: bool,
    mut renumber: Renumber<'_>,
    out: &mut Sections<'d>,
    init: &mut Function,
) -> Result<bool> {
    match &data.kind {
        DataKind::Passive => out.data.passive(data.data),
        DataKind::Active { memory_index, offset_expr } => {
            let owner = plan.instances[id.index()].memories.get(*memory_index as usize).map(|m| m.0);
            let memory = renumber.memory_index(*memory_index).map_err(unwritable)?;
            if is_late(started, owner, id) {
                let offset = late_offset(plan, id, offset_expr)?;
                let index = out.data.count;
                let length = size(narrow(data.data.len())?)?;
                out.data.passive(data.data);
                out.data_count = true;
                let mut code = init.instructions();
                code.i32_const(offset).i32_const(0).i32_const(length).memory_init(memory, index).data_drop(index);
                return Ok(true);
            }
            out.data.active(memory, &constant(plan, id, offset_expr, renumber)?, data.data);
        }
    }
    Ok(false)
}

/// The data section. Its bytes stay in the input until they are written.
#[derive(Default)]
pub(super) struct DataSegments<'d> {
    pub(super) count: u32,
    /// What precedes the bytes of each, and these.
    segments: Vec<(Vec<u8>, &'d [u8])>,
}

impl<'d> DataSegments<'d> {
    fn passive(&mut self, bytes: &'d [u8]) {
        self.add(vec![1], bytes);
    }

    /// The short form, without a memory index, is the only one that WebAssembly 1.0 knows.
    fn active(&mut self, memory: u32, offset: &ConstExpr, bytes: &'d [u8]) {
        let mut head = if memory == 0 { vec![0] } else { vec![2] };
        if memory != 0 {
            memory.encode(&mut head);
        }
        offset.encode(&mut head);
        self.add(head, bytes);
    }

    fn add(&mut self, mut head: Vec<u8>, bytes: &'d [u8]) {
        bytes.len().encode(&mut head);
        self.segments.push((head, bytes));
        self.count += 1;
    }
}

impl Encode for DataSegments<'_> {
    fn encode(&self, sink: &mut Vec<u8>) {
        let mut count = Vec::new();
        self.count.encode(&mut count);
        let size = count.len() + self.segments.iter().map(|(head, bytes)| head.len() + bytes.len()).sum::<usize>();
        size.encode(sink);
        sink.reserve(size);
        sink.append(&mut count);
        for (head, bytes) in &self.segments {
            sink.extend_from_slice(head);
            sink.extend_from_slice(bytes);
        }
    }
}

impl Section for DataSegments<'_> {
    fn id(&self) -> u8 {
        SectionId::Data.into()
    }
}

fn late_offset(plan: &Plan<'_, '_>, id: InstanceId, expr: &wasmparser::ConstExpr<'_>) -> Result<i32> {
    match plan.fold(id, expr) {
        Some(Const::I32(value)) => Ok(value),
        _ => Err(Diagnostic::new(
            Code::UnsupportedType,
            "a segment is written after a start function at an offset that is not constant",
        )),
    }
}

fn size(count: u32) -> Result<i32> {
    Ok(i32::from_ne_bytes(count.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::DataSection;

    #[test]
    fn data_is_written_as_the_encoder_would() {
        let offset = ConstExpr::i32_const(70_000);
        let long = vec![7; 300];
        let mut ours = DataSegments::default();
        ours.passive(b"passive");
        ours.active(0, &offset, &long);
        ours.active(200, &offset, b"");
        let mut theirs = DataSection::new();
        theirs.passive(*b"passive").active(0, &offset, long.iter().copied()).active(200, &offset, []);
        let bytes = |section: &dyn Section| {
            let mut bytes = Vec::new();
            section.append_to(&mut bytes);
            bytes
        };
        assert_eq!(bytes(&ours), bytes(&theirs));
    }
}
