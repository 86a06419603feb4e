//! Where each memory begins, and which globals tell.

use super::super::ir::Space;
use super::super::module::Module;
use super::{apart, unreadable};
use crate::diagnostic::{Code, Diagnostic, Result};
use wasm_encoder::{ConstExpr, GlobalSection, GlobalType, MemoryType, ValType};
use wasmparser::{ExternalKind, Parser, Payload};

/// Bytes of a page, as a shift.
pub(super) const PAGE: u32 = 16;
/// Pages that 32 bits can address.
pub(super) const MOST: u64 = 1 << 16;

/// A memory of the input.
pub(super) struct Memory {
    /// Its place among the memories: the first has 0.
    pub(super) place: u32,
    /// Pages at the start.
    pub(super) minimum: u64,
    /// Pages that it never exceeds.
    pub(super) maximum: Option<u64>,
    /// Where it begins at the start, in bytes.
    pub(super) start: u64,
    /// The global that holds its size in bytes, 64 bits.
    pub(super) size: u32,
    /// The global that holds where it begins, 32 bits; none for the first.
    pub(super) base: Option<u32>,
}

/// All memories of the input by their index.
pub(super) struct Layout {
    memories: Vec<Memory>,
}

impl Layout {
    /// Lays out the memories; none where there is nothing to join.
    pub(super) fn new(wasm: &[u8], module: &Module<'_>) -> Result<Option<Layout>> {
        let imported = module.imported(Space::Memory);
        if module.memories.len() + imported < 2 {
            return Ok(None);
        }
        if imported > 0 {
            return Err(apart("a memory is imported, so it cannot be joined with others"));
        }
        let first = first(wasm, module)?;
        let globals = narrow(module.imported(Space::Global) + module.globals.len())?;
        let count = narrow(module.memories.len())?;
        let mut memories: Vec<Memory> = Vec::with_capacity(module.memories.len());
        for (index, ty) in (0..).zip(&module.memories) {
            if ty.memory64 || ty.shared || ty.page_size_log2.is_some() {
                return Err(apart(
                    "64-bit memories, shared ones and those with pages of another size cannot be joined",
                ));
            }
            let place = if index == first { 0 } else { index + u32::from(index < first) };
            let size = globals.checked_add(place).ok_or_else(too_large)?;
            let base = (place > 0).then(|| size.checked_add(count - 1).ok_or_else(too_large)).transpose()?;
            memories.push(Memory { place, minimum: ty.initial, maximum: ty.maximum, start: 0, size, base });
        }
        let mut layout = Layout { memories };
        let mut next = 0;
        for index in layout.order() {
            let memory = &mut layout.memories[index];
            memory.start = next << PAGE;
            next = next.checked_add(memory.minimum).filter(|&end| end <= MOST).ok_or_else(too_large)?;
        }
        Ok(Some(layout))
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.memories.len()).unwrap_or(u32::MAX)
    }

    /// The memory of this index.
    pub(super) fn memory(&self, index: u32) -> Result<&Memory> {
        self.memories
            .get(index as usize)
            .ok_or_else(|| Diagnostic::new(Code::Internal, "a memory that the module does not have"))
    }

    /// Whether this is the memory that the host knows.
    pub(super) fn is_first(&self, index: u32) -> bool {
        self.memories.get(index as usize).is_some_and(|memory| memory.place == 0)
    }

    /// Indices in the order of places.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.memories.len()).collect();
        order.sort_by_key(|&index| self.memories[index].place);
        order
    }

    /// The memories behind one, which move when it grows.
    pub(super) fn behind(&self, memory: &Memory) -> impl Iterator<Item = &Memory> {
        self.memories.iter().filter(move |other| other.place > memory.place)
    }

    /// The memory that holds all.
    pub(super) fn whole(&self) -> MemoryType {
        let minimum = self.memories.iter().map(|m| m.minimum).sum();
        let maximum: Option<u64> = self.memories.iter().map(|m| m.maximum).sum();
        let maximum = maximum.map(|pages| pages.min(MOST));
        MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None }
    }

    /// Adds the globals that hold sizes, then those that hold bases.
    pub(super) fn globals(&self, section: &mut GlobalSection) {
        let order = self.order();
        let variable = |val_type| GlobalType { val_type, mutable: true, shared: false };
        for memory in order.iter().map(|&index| &self.memories[index]) {
            section.global(variable(ValType::I64), &ConstExpr::i64_const((memory.minimum << PAGE).cast_signed()));
        }
        for memory in order.iter().map(|&index| &self.memories[index]).filter(|m| m.base.is_some()) {
            section.global(variable(ValType::I32), &address(memory.start));
        }
    }

    /// Names of these globals, by rising index.
    pub(super) fn names(&self) -> Vec<(u32, String)> {
        let sizes = (0..).zip(&self.memories).map(|(index, m)| (m.size, format!("memory {index} size")));
        let bases = (0..).zip(&self.memories).filter_map(|(index, m)| Some((m.base?, format!("memory {index} base"))));
        let mut names: Vec<(u32, String)> = sizes.chain(bases).collect();
        names.sort();
        names
    }
}

/// An address modulo 2^32.
pub(super) fn address(bytes: u64) -> ConstExpr {
    let [a, b, c, d, ..] = bytes.to_le_bytes();
    ConstExpr::i32_const(i32::from_le_bytes([a, b, c, d]))
}

/// The memory that the host knows: the exported one, else memory 0. No other may be exported.
fn first(wasm: &[u8], module: &Module<'_>) -> Result<u32> {
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ExportSection(section) = payload.map_err(unreadable)? {
            for export in section {
                let export = export.map_err(unreadable)?;
                if export.kind == ExternalKind::Memory {
                    exports.push((export.name, export.index));
                }
            }
        }
    }
    let first = exports.first().map_or(0, |&(_, index)| index);
    match exports.iter().find(|&&(_, index)| index != first) {
        Some((name, _)) => Err(apart(format!("the export `{name}` is a memory that would no longer be one"))),
        None if (first as usize) < module.memories.len() => Ok(first),
        None => Err(Diagnostic::new(Code::Internal, "a memory that the module does not have")),
    }
}

fn narrow(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| too_large())
}

fn too_large() -> Box<Diagnostic> {
    Diagnostic::new(Code::TooLarge, "the memories together begin with more than the 4 GiB that one may have")
        .hint("link without `--single-memory`, for an engine that knows several memories")
}
