//! Functions that are added: each grows one memory.

use super::super::module::Module;
use super::layout::{Layout, Memory, PAGE};
use crate::diagnostic::{Code, Diagnostic, Result};
use wasm_encoder::{BlockType, CodeSection, Function, InstructionSink, TypeSection, ValType};
use wasmparser::ValType as Core;

/// The added functions `(delta) -> old size`, in pages or -1, in the order of their first use.
pub(super) struct Growers {
    /// The index of the first.
    first: u32,
    /// Which memory each grows.
    memories: Vec<u32>,
}

impl Growers {
    pub(super) fn new(module: &Module<'_>) -> Result<Growers> {
        let first = u32::try_from(module.funcs.len())
            .map_err(|_| Diagnostic::new(Code::TooLarge, "the module has too many functions"))?;
        Ok(Growers { first, memories: Vec::new() })
    }

    /// The index of the function that grows a memory; it is added at its first use.
    pub(super) fn index(&mut self, memory: u32) -> u32 {
        let known = self.memories.iter().position(|&known| known == memory);
        let at = known.unwrap_or_else(|| {
            self.memories.push(memory);
            self.memories.len() - 1
        });
        self.first.saturating_add(narrow(at))
    }

    pub(super) fn count(&self) -> u32 {
        narrow(self.memories.len())
    }

    /// Whether one of them moves memory.
    pub(super) fn moves(&self, layout: &Layout) -> bool {
        let moves = |index| layout.memory(index).is_ok_and(|memory| layout.behind(memory).next().is_some());
        self.memories.iter().any(|&index| moves(index))
    }

    /// Their type: the module's own where it has it, else one that is added to `section` behind those.
    pub(super) fn ty(&self, module: &Module<'_>, section: &mut TypeSection) -> u32 {
        let known = module.types.iter().position(|ty| (ty.params(), ty.results()) == (&[Core::I32], &[Core::I32]));
        if known.is_none() && !self.memories.is_empty() {
            section.ty().function([ValType::I32], [ValType::I32]);
        }
        narrow(known.unwrap_or(module.types.len()))
    }

    /// Names by rising index.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, String)> {
        (self.first..).zip(&self.memories).map(|(index, memory)| (index, format!("memory {memory} grow")))
    }

    /// Writes the bodies.
    pub(super) fn emit(&self, layout: &Layout, code: &mut CodeSection) -> Result<()> {
        for &index in &self.memories {
            code.function(&grow(layout, layout.memory(index)?));
        }
        Ok(())
    }
}

/// Locals of a function that grows a memory: the pages to add, later as bytes; the size before, in pages; the end of all
/// memories in pages, later the bytes that move; where the memory ends.
const DELTA: u32 = 0;
const OLD: u32 = 1;
const MOVED: u32 = 2;
const END: u32 = 3;

fn grow(layout: &Layout, memory: &Memory) -> Function {
    let mut body = Function::new([(3, ValType::I32)]);
    let mut code = body.instructions();
    code.global_get(memory.size).i64_const(i64::from(PAGE)).i64_shr_u().i32_wrap_i64().local_set(OLD);
    code.local_get(DELTA).i32_eqz().if_(BlockType::Empty).local_get(OLD).return_().end();
    if let Some(maximum) = memory.maximum {
        code.local_get(OLD).i64_extend_i32_u().local_get(DELTA).i64_extend_i32_u().i64_add();
        code.i64_const(maximum.cast_signed()).i64_gt_u();
        code.if_(BlockType::Empty).i32_const(-1).return_().end();
    }
    // The engine knows the limit of all together.
    code.local_get(DELTA).memory_grow(0).local_tee(MOVED).i32_const(-1).i32_eq();
    code.if_(BlockType::Empty).i32_const(-1).return_().end();
    let behind: Vec<u32> = layout.behind(memory).filter_map(|m| m.base).collect();
    if !behind.is_empty() {
        code.global_get(memory.size).i32_wrap_i64();
        if let Some(base) = memory.base {
            code.global_get(base).i32_add();
        }
        code.local_set(END);
    }
    code.global_get(memory.size).local_get(DELTA).i64_extend_i32_u().i64_const(i64::from(PAGE)).i64_shl().i64_add();
    code.global_set(memory.size);
    if !behind.is_empty() {
        shift(&mut code, &behind);
    }
    code.local_get(OLD).end();
    body
}

/// Moves all that lies behind the end of a memory that has grown, and clears the gap. At least a page was added to at
/// most 4 GiB, so neither the end nor what moves reaches 2^32. The addition may, and then nothing moves.
fn shift(code: &mut InstructionSink<'_>, behind: &[u32]) {
    let page = PAGE.cast_signed();
    code.local_get(DELTA).i32_const(page).i32_shl().local_set(DELTA);
    code.local_get(MOVED).i32_const(page).i32_shl().local_get(END).i32_sub().local_set(MOVED);
    code.local_get(END).local_get(DELTA).i32_add().local_get(END).local_get(MOVED).memory_copy(0, 0);
    // Beyond the old end of all, pages are new and clear.
    code.local_get(END).i32_const(0).local_get(DELTA).local_get(MOVED);
    code.local_get(DELTA).local_get(MOVED).i32_lt_u().select().memory_fill(0);
    for &base in behind {
        code.global_get(base).local_get(DELTA).i32_add().global_set(base);
    }
}

/// A module of 2^32 functions or types does not validate.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
