//! Function bodies: what touches a memory is rewritten, all else is copied byte by byte.

use super::grow::Growers;
use super::layout::{Layout, Memory, PAGE};
use super::touch::{Touch, width};
use super::{unreadable, unwritable};
use crate::diagnostic::{Code, Diagnostic, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, CodeSection, Encode, Function, InstructionSink, ValType};
use wasmparser::{FunctionBody, Operator};

/// Writes one body.
pub(super) fn rewrite(
    body: &FunctionBody<'_>,
    params: usize,
    layout: &Layout,
    growers: &mut Growers,
    code: &mut CodeSection,
) -> Result<()> {
    let (bytes, start) = (body.as_bytes(), body.range().start);
    let mut reader = body.get_operators_reader().map_err(unreadable)?;
    let mut copied = reader.original_position();
    let mut out = Body::new(body, params, layout, growers)?;
    while !reader.eof() {
        let (op, at) = reader.read_with_offset().map_err(unreadable)?;
        if let Some(touch) = Touch::of(&op)? {
            out.code.extend_from_slice(&bytes[copied - start..at - start]);
            out.touch(touch, op)?;
            copied = reader.original_position();
        }
    }
    if out.code.is_empty() {
        code.raw(bytes);
    } else {
        out.code.extend_from_slice(&bytes[copied - start..]);
        code.function(&out.finish());
    }
    Ok(())
}

/// A local that holds an operand while addresses are made.
#[derive(Clone, Copy, PartialEq)]
enum Scratch {
    Address,
    Value(ValType),
    Length,
}

struct Body<'b> {
    layout: &'b Layout,
    growers: &'b mut Growers,
    locals: Vec<(u32, ValType)>,
    /// The index of the first local that is added.
    first: u32,
    scratch: Vec<Scratch>,
    code: Vec<u8>,
}

impl<'b> Body<'b> {
    fn new(body: &FunctionBody<'_>, params: usize, layout: &'b Layout, growers: &'b mut Growers) -> Result<Body<'b>> {
        let mut locals = Vec::new();
        let mut first = u32::try_from(params).ok();
        for local in body.get_locals_reader().map_err(unreadable)? {
            let (count, ty) = local.map_err(unreadable)?;
            first = first.and_then(|first| first.checked_add(count));
            locals.push((count, OneMemory.val_type(ty).map_err(unwritable)?));
        }
        let first = first.ok_or_else(|| Diagnostic::new(Code::TooLarge, "a function has too many locals"))?;
        Ok(Body { layout, growers, locals, first, scratch: Vec::new(), code: Vec::new() })
    }

    fn finish(mut self) -> Function {
        self.locals.extend(self.scratch.iter().map(|scratch| match scratch {
            Scratch::Address | Scratch::Length => (1, ValType::I32),
            Scratch::Value(ty) => (1, *ty),
        }));
        let mut function = Function::new(self.locals);
        function.raw(self.code);
        function
    }

    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// The index of a scratch local, which is added at its first use.
    fn scratch(&mut self, wanted: Scratch) -> u32 {
        let known = self.scratch.iter().position(|&scratch| scratch == wanted);
        let at = known.unwrap_or_else(|| {
            self.scratch.push(wanted);
            self.scratch.len() - 1
        });
        // There are seven kinds.
        self.first.saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
    }

    fn touch(&mut self, touch: Touch, op: Operator<'_>) -> Result<()> {
        let layout = self.layout;
        match touch {
            Touch::Access(memarg, value) => {
                let memory = layout.memory(memarg.memory)?;
                let value = value.map(|ty| self.scratch(Scratch::Value(ty)));
                if let Some(value) = value {
                    self.sink().local_set(value);
                }
                // Both are below 2^33.
                self.address(memory, memarg.offset.saturating_add(width(&memarg) - 1));
                if let Some(value) = value {
                    self.sink().local_get(value);
                }
                self.whole(op)
            }
            Touch::Size(index) => {
                let size = layout.memory(index)?.size;
                self.sink().global_get(size).i64_const(i64::from(PAGE)).i64_shr_u().i32_wrap_i64();
                Ok(())
            }
            Touch::Grow(index) => {
                let grow = self.growers.index(index);
                self.sink().call(grow);
                Ok(())
            }
            Touch::Fill(index) | Touch::Init(index) => self.bulk(index, None, op),
            Touch::Copy { to, from } => self.bulk(to, Some(from), op),
        }
    }

    /// Checks the address on the stack and makes it one of the whole memory. `last` is the offset of the last byte.
    fn address(&mut self, memory: &Memory, last: u64) {
        let address = self.scratch(Scratch::Address);
        let mut code = self.sink();
        code.local_tee(address).i64_extend_i32_u();
        if last > 0 {
            code.i64_const(last.cast_signed()).i64_add();
        }
        code.global_get(memory.size).i64_ge_u().if_(BlockType::Empty).unreachable().end();
        based(&mut code, memory, address);
    }

    /// Destination, source or value, and length are on the stack. Ranges are checked before anything is written.
    fn bulk(&mut self, to: u32, from: Option<u32>, op: Operator<'_>) -> Result<()> {
        let layout = self.layout;
        let (to, from) = (layout.memory(to)?, from.map(|from| layout.memory(from)).transpose()?);
        let [address, middle, length] =
            [Scratch::Address, Scratch::Value(ValType::I32), Scratch::Length].map(|wanted| self.scratch(wanted));
        let mut code = self.sink();
        code.local_set(length).local_set(middle).local_set(address);
        within(&mut code, to, address, length);
        if let Some(from) = from {
            within(&mut code, from, middle, length);
        }
        based(&mut code, to, address);
        match from {
            Some(from) => based(&mut code, from, middle),
            None => drop(code.local_get(middle)),
        }
        code.local_get(length);
        self.whole(op)
    }

    /// The same instruction on the whole memory.
    fn whole(&mut self, op: Operator<'_>) -> Result<()> {
        reencode::utils::instruction(&mut OneMemory, op).map_err(unwritable)?.encode(&mut self.code);
        Ok(())
    }
}

/// Traps unless the range is within the memory. A range of no bytes may begin at its end.
fn within(code: &mut InstructionSink<'_>, memory: &Memory, address: u32, length: u32) {
    code.local_get(address).i64_extend_i32_u().local_get(length).i64_extend_i32_u().i64_add();
    code.global_get(memory.size).i64_gt_u().if_(BlockType::Empty).unreachable().end();
}

/// Puts the address in the whole memory on the stack.
fn based(code: &mut InstructionSink<'_>, memory: &Memory, address: u32) {
    code.local_get(address);
    if let Some(base) = memory.base {
        code.global_get(base).i32_add();
    }
}

/// Whatever memory is meant, it is the one.
struct OneMemory;

impl Reencode for OneMemory {
    type Error = Box<Diagnostic>;

    fn memory_index(&mut self, _: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(0)
    }
}
