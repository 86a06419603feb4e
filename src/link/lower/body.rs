//! Rewrites one function body, instruction by instruction.

use super::helpers::{Helper, Truncate};
use super::plan::{Plan, Rewrite};
use super::structured::Structure;
use super::view::invalid;
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{Encode, Function, Instruction, InstructionSink};
use wasmparser::{BlockType, FuncType, FunctionBody, Operator, ValType, WasmFeatures};

/// What engines commonly allow of one function.
const MAX_BODY: usize = 7_654_321;
const MAX_LOCALS: u32 = 50_000;

/// The rewritten body of function `func`.
pub(super) fn body(plan: &Plan<'_, '_>, func: u32, body: &FunctionBody<'_>, rewrite: Rewrite) -> Result<Function> {
    let ty = plan.view.func_type(func).ok_or_else(|| lost("a function type"))?;
    let unread = match (&plan.results, plan.view.funcs.get(func as usize)) {
        (Some(results), Some(&ty)) => results.unread(ty),
        _ => 0,
    };
    let mut writer = Writer { plan, code: Vec::new(), held: Vec::new(), locals: Locals::new(ty, unread, body)? };
    let mut structure = (rewrite == Rewrite::Structured).then(|| Structure::new(plan, ty));
    for op in body.get_operators_reader().map_err(invalid)? {
        let op = op.map_err(invalid)?;
        match &mut structure {
            Some(structure) => structure.op(&mut writer, op)?,
            None => writer.op(op)?,
        }
        if writer.code.len() > MAX_BODY || writer.locals.next > MAX_LOCALS {
            let what = format!("{} would be too large once lowered", plan.view.call(func));
            return Err(Diagnostic::new(Code::TooLarge, what));
        }
    }
    writer.release_held();
    let mut function = Function::new(writer.locals.declared);
    function.raw(writer.code);
    Ok(function)
}

pub(super) fn lost(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::Internal, format!("{what} that the validator saw is not there"))
}

/// Writes instructions of 1.0 and what the target has, and lowers the others.
pub(super) struct Writer<'p, 'v, 'a> {
    pub(super) plan: &'p Plan<'v, 'a>,
    code: Vec<u8>,
    /// Constants that may be operands of a `memory.init`.
    held: Vec<i32>,
    pub(super) locals: Locals,
}

impl Writer<'_, '_, '_> {
    /// Where to write further instructions.
    pub(super) fn sink(&mut self) -> InstructionSink<'_> {
        self.release_held();
        InstructionSink::new(&mut self.code)
    }

    fn release_held(&mut self) {
        for value in std::mem::take(&mut self.held) {
            Instruction::I32Const(value).encode(&mut self.code);
        }
    }

    pub(super) fn op(&mut self, op: Operator<'_>) -> Result<()> {
        if let Operator::I32Const { value } = op {
            if self.held.len() == 2 {
                Instruction::I32Const(self.held.remove(0)).encode(&mut self.code);
            }
            self.held.push(value);
            return Ok(());
        }
        let plan = self.plan;
        let lacks = |feature| plan.lacks(feature);
        match op {
            Operator::MemoryInit { mem: memory, data_index: segment } if lacks(WasmFeatures::BULK_MEMORY) => {
                let unsigned = |value: i32| u32::from_ne_bytes(value.to_ne_bytes());
                let (Some(count), Some(start)) = (self.held.pop(), self.held.pop()) else {
                    return Err(lost("a constant"));
                };
                let helper = Helper::Init { memory, segment, start: unsigned(start), count: unsigned(count) };
                self.sink().call(plan.helper(helper));
            }
            Operator::DataDrop { data_index } if lacks(WasmFeatures::BULK_MEMORY) => {
                let dropped = plan.dropped(data_index).ok_or_else(|| lost("a segment"))?;
                self.sink().i32_const(1).global_set(dropped);
            }
            Operator::ElemDrop { .. } if lacks(WasmFeatures::BULK_MEMORY) => {}
            Operator::MemoryCopy { dst_mem: to, src_mem: from } if lacks(WasmFeatures::BULK_MEMORY_OPT) => {
                self.sink().call(plan.helper(Helper::Copy { to, from }));
            }
            Operator::MemoryFill { mem: memory } if lacks(WasmFeatures::BULK_MEMORY_OPT) => {
                self.sink().call(plan.helper(Helper::Fill { memory }));
            }
            Operator::TypedSelect { .. } if lacks(WasmFeatures::REFERENCE_TYPES) => {
                self.sink().select();
            }
            op if lacks(WasmFeatures::SIGN_EXTENSION) && extend(&op, &mut self.sink()) => {}
            op => match Truncate::of(&op) {
                Some(truncate) if lacks(WasmFeatures::SATURATING_FLOAT_TO_INT) => {
                    self.sink().call(plan.helper(Helper::Truncate(truncate)));
                }
                _ => {
                    let unread = self.locals.unread;
                    let instruction = Same { plan, params: self.locals.params, unread }.instruction(op);
                    let instruction = instruction.map_err(|e| lost("an instruction").cause(e))?;
                    self.release_held();
                    instruction.encode(&mut self.code);
                }
            },
        }
        Ok(())
    }
}

/// Sign extension by shifting there and back.
fn extend(op: &Operator<'_>, code: &mut InstructionSink<'_>) -> bool {
    match op {
        Operator::I32Extend8S => code.i32_const(24).i32_shl().i32_const(24).i32_shr_s(),
        Operator::I32Extend16S => code.i32_const(16).i32_shl().i32_const(16).i32_shr_s(),
        Operator::I64Extend8S => code.i64_const(56).i64_shl().i64_const(56).i64_shr_s(),
        Operator::I64Extend16S => code.i64_const(48).i64_shl().i64_const(48).i64_shr_s(),
        Operator::I64Extend32S => code.i32_wrap_i64().i64_extend_i32_s(),
        _ => return false,
    };
    true
}

/// Instructions that stay: the same indices, but for locals behind parameters that were put in.
struct Same<'p, 'v, 'a> {
    plan: &'p Plan<'v, 'a>,
    params: u32,
    unread: u32,
}

impl Same<'_, '_, '_> {
    fn local(&self, index: u32) -> u32 {
        if index < self.params { index } else { index + self.unread }
    }
}

impl Reencode for Same<'_, '_, '_> {
    type Error = Infallible;

    fn block_type(&mut self, ty: BlockType) -> Result<wasm_encoder::BlockType, reencode::Error> {
        // A type index is multi-value even where the type has at most one result.
        if let (BlockType::FuncType(index), true) = (ty, self.plan.lacks(WasmFeatures::MULTI_VALUE)) {
            let results = self.plan.view.plain_type(index).map_or(&[][..], FuncType::results);
            return self.first(results);
        }
        reencode::utils::block_type(self, ty)
    }

    fn instruction<'i>(&mut self, op: Operator<'i>) -> Result<Instruction<'i>, reencode::Error> {
        Ok(match op {
            Operator::LocalGet { local_index } => Instruction::LocalGet(self.local(local_index)),
            Operator::LocalSet { local_index } => Instruction::LocalSet(self.local(local_index)),
            Operator::LocalTee { local_index } => Instruction::LocalTee(self.local(local_index)),
            op => reencode::utils::instruction(self, op)?,
        })
    }
}

impl Same<'_, '_, '_> {
    fn first(&mut self, results: &[ValType]) -> Result<wasm_encoder::BlockType, reencode::Error> {
        Ok(match results.first() {
            Some(ty) => wasm_encoder::BlockType::Result(self.val_type(*ty)?),
            None => wasm_encoder::BlockType::Empty,
        })
    }
}

/// The type of a block that has at most the first of these results.
pub(super) fn first_result(results: &[ValType]) -> Result<wasm_encoder::BlockType> {
    Ok(match results.first() {
        Some(ty) => wasm_encoder::BlockType::Result(val_type(*ty)?),
        None => wasm_encoder::BlockType::Empty,
    })
}

pub(super) fn val_type(ty: ValType) -> Result<wasm_encoder::ValType> {
    reencode::RoundtripReencoder.val_type(ty).map_err(|e| lost("a type").cause(e))
}

/// The locals of a body: those that it has, and temporary ones that are used again.
pub(super) struct Locals {
    params: u32,
    /// Parameters behind the others that nobody reads.
    unread: u32,
    declared: Vec<(u32, wasm_encoder::ValType)>,
    next: u32,
    free: HashMap<ValType, Vec<u32>>,
}

impl Locals {
    fn new(ty: &FuncType, unread: u32, body: &FunctionBody<'_>) -> Result<Locals> {
        let params = super::plan::narrow(ty.params().len());
        let mut locals = Locals { params, unread, declared: Vec::new(), next: params + unread, free: HashMap::new() };
        for local in body.get_locals_reader().map_err(invalid)? {
            let (count, ty) = local.map_err(invalid)?;
            locals.declared.push((count, val_type(ty)?));
            locals.next = locals.next.saturating_add(count);
        }
        Ok(locals)
    }

    /// A local that nobody uses now. Its value is anything.
    pub(super) fn take(&mut self, ty: ValType) -> Result<u32> {
        if let Some(local) = self.free.get_mut(&ty).and_then(Vec::pop) {
            return Ok(local);
        }
        let encoded = val_type(ty)?;
        match self.declared.last_mut() {
            Some((count, last)) if *last == encoded => *count += 1,
            _ => self.declared.push((1, encoded)),
        }
        self.next = self.next.saturating_add(1);
        Ok(self.next - 1)
    }

    pub(super) fn give_back(&mut self, local: u32, ty: ValType) {
        self.free.entry(ty).or_default().push(local);
    }
}
