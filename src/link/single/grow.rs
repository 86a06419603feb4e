//! Functions that are added: each grows one memory.

use super::super::module::Module;
use super::layout::{Layout, MOST, Memory, PAGE};
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
        let moves = |index| layout.memory(index).is_ok_and(|memory| !layout.behind(memory).is_empty());
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

/// Locals of a function that grows a memory. In pages: what to add, the size before, the end of all memories before, the
/// pages that are missing, those that are added. In bytes: where the memory ends. The last is for any use.
const DELTA: u32 = 0;
const OLD: u32 = 1;
const WHOLE: u32 = 2;
const MISSING: u32 = 3;
const ADDED: u32 = 4;
const END: u32 = 5;
const SPARE: u32 = 6;

/// Pages to bytes.
const SHIFT: i32 = PAGE.cast_signed();

fn grow(layout: &Layout, memory: &Memory) -> Function {
    let mut body = Function::new([(6, ValType::I32)]);
    let mut code = body.instructions();
    let maximum = memory.maximum.unwrap_or(MOST).min(MOST);
    code.global_get(memory.size).i64_const(i64::from(PAGE)).i64_shr_u().i32_wrap_i64().local_set(OLD);
    code.local_get(OLD).i64_extend_i32_u().local_get(DELTA).i64_extend_i32_u().i64_add();
    code.i64_const(maximum.cast_signed()).i64_gt_u();
    code.if_(BlockType::Empty).i32_const(-1).return_().end();
    let behind: Vec<u32> = layout.behind(memory).iter().filter_map(|m| m.base).collect();
    match behind.first() {
        None => extend(&mut code, DELTA),
        Some(&next) => {
            make_room(&mut code, memory, next, &behind, maximum);
            clear(&mut code);
        }
    }
    code.global_get(memory.size).local_get(DELTA).i64_extend_i32_u().i64_const(i64::from(PAGE)).i64_shl().i64_add();
    code.global_set(memory.size).local_get(OLD).end();
    body
}

/// Grows the whole, or returns -1. The engine knows the limit of all together.
fn extend(code: &mut InstructionSink<'_>, pages: u32) {
    code.local_get(pages).memory_grow(0).i32_const(-1).i32_eq();
    code.if_(BlockType::Empty).i32_const(-1).return_().end();
}

/// Moves all that lies behind a memory, unless there is room already. Room for a quarter more is made, where the memory's
/// own maximum and the engine allow it: else a memory that grows page by page would move the others each time.
///
/// A page at least is added to at most 4 GiB, so nothing that is moved reaches 2^32. Where the new places do, nothing moves.
fn make_room(code: &mut InstructionSink<'_>, memory: &Memory, next: u32, behind: &[u32], maximum: u64) {
    code.memory_size(0).local_set(WHOLE);
    code.global_get(memory.size).i32_wrap_i64();
    if let Some(base) = memory.base {
        code.global_get(base).i32_add();
    }
    code.local_set(END);
    code.local_get(DELTA).global_get(next).local_get(END).i32_sub().i32_const(SHIFT).i32_shr_u().i32_sub();
    code.local_tee(MISSING).i32_const(0).i32_gt_s().if_(BlockType::Empty);

    code.local_get(OLD).local_get(DELTA).i32_add().local_tee(SPARE).i32_const(2).i32_shr_u().local_set(ADDED);
    // At most 2^16.
    code.i32_const(i32::try_from(maximum).unwrap_or(i32::MAX)).local_get(SPARE).i32_sub().local_set(SPARE);
    least(code, ADDED, SPARE);
    code.local_get(MISSING).i32_add().local_tee(ADDED).memory_grow(0).i32_const(-1).i32_eq().if_(BlockType::Empty);
    extend(code, MISSING);
    code.local_get(MISSING).local_set(ADDED).end();

    code.global_get(next).local_get(ADDED).i32_const(SHIFT).i32_shl().i32_add().global_get(next);
    code.local_get(WHOLE).i32_const(SHIFT).i32_shl().global_get(next).i32_sub().memory_copy(0, 0);
    for &base in behind {
        code.global_get(base).local_get(ADDED).i32_const(SHIFT).i32_shl().i32_add().global_set(base);
    }
    code.end();
}

/// Clears the new pages, as far as something lay there: what was beyond the old end of all is new and clear.
fn clear(code: &mut InstructionSink<'_>) {
    code.local_get(DELTA).i32_const(SHIFT).i32_shl().local_set(ADDED);
    code.local_get(WHOLE).i32_const(SHIFT).i32_shl().local_get(END).i32_sub().local_set(SPARE);
    code.local_get(END).i32_const(0);
    least(code, ADDED, SPARE);
    code.memory_fill(0);
}

/// The lesser of two locals.
fn least(code: &mut InstructionSink<'_>, a: u32, b: u32) {
    code.local_get(a).local_get(b).local_get(a).local_get(b).i32_lt_u().select();
}

/// A module of 2^32 functions or types does not validate.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
