//! Blocks, branches and calls of several values, where the target knows blocks without parameters and with one result.
//!
//! The first value of a label stays on the stack, the others go through locals; those of the function's own label through
//! the globals of its results. A loop's label takes parameters, all of which go through locals:
//!
//! ```wat
//! (i32.const 1) (i32.const 2)                (i32.const 1) (i32.const 2) (local.set $b) (local.set $a)
//! (loop (param i32 i32) (result i32)         (loop (result i32)
//!                                              (local.get $a) (local.get $b)
//!   …                                          …
//!   (br_if 0))                                 (local.set $c) (local.set $b) (local.set $a) (local.get $c)
//!                                              (br_if 0)
//!                                              (local.get $a) (local.get $b))
//! ```
//!
//! Code that cannot be reached is left away, so that the stack always is what the types say.

use super::body::{Writer, first_result, lost};
use super::plan::Plan;
use crate::diagnostic::Result;
use std::collections::BTreeMap;
use wasm_encoder::InstructionSink;
use wasmparser::{BlockType, BrTable, FuncType, Operator, ValType};

/// Where a value waits.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Local(u32),
    Global(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Func,
    Block,
    Loop,
    If,
    Else,
}

/// A block that is open.
struct Frame {
    kind: Kind,
    params: Vec<ValType>,
    results: Vec<ValType>,
    /// All parameters.
    entry: Vec<Slot>,
    /// All results but the first.
    exit: Vec<Slot>,
}

impl Frame {
    /// What a branch to this frame leaves in slots, the last values of its label.
    fn label(&self) -> (&[ValType], &[Slot]) {
        match self.kind {
            Kind::Loop => (&self.params, &self.entry),
            _ => (&self.results, &self.exit),
        }
    }
}

/// The blocks of a function around the current instruction.
pub(super) struct Structure {
    frames: Vec<Frame>,
    /// Blocks that were opened since the code became unreachable; none while it is reachable.
    dead: Option<usize>,
}

impl Structure {
    pub(super) fn new(plan: &Plan<'_, '_>, ty: &FuncType) -> Structure {
        let globals = plan.results.as_ref().map(|r| r.slots(ty)).unwrap_or_default();
        let function = Frame {
            kind: Kind::Func,
            params: Vec::new(),
            results: ty.results().to_vec(),
            entry: Vec::new(),
            exit: globals.into_iter().map(Slot::Global).collect(),
        };
        Structure { frames: vec![function], dead: None }
    }

    pub(super) fn op(&mut self, out: &mut Writer<'_, '_, '_>, op: Operator<'_>) -> Result<()> {
        if let Some(inner) = &mut self.dead {
            match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => *inner += 1,
                Operator::End if *inner > 0 => *inner -= 1,
                Operator::End => return self.end(out),
                Operator::Else if *inner == 0 => return self.otherwise(out),
                _ => {}
            }
            return Ok(());
        }
        match op {
            Operator::Block { blockty } => self.open(out, Kind::Block, blockty),
            Operator::Loop { blockty } => self.open(out, Kind::Loop, blockty),
            Operator::If { blockty } => self.open(out, Kind::If, blockty),
            Operator::Else => self.otherwise(out),
            Operator::End => self.end(out),
            Operator::Br { relative_depth } => {
                self.branch(&mut out.sink(), relative_depth, 0)?;
                self.dead = Some(0);
                Ok(())
            }
            Operator::BrIf { relative_depth } => self.branch_if(out, relative_depth),
            Operator::BrTable { targets } => {
                self.branch_table(out, &targets)?;
                self.dead = Some(0);
                Ok(())
            }
            Operator::Return => {
                let function = self.frames.first().ok_or_else(|| lost("a function"))?;
                set(&mut out.sink(), &function.exit);
                out.sink().return_();
                self.dead = Some(0);
                Ok(())
            }
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => self.call(out, op),
            Operator::Unreachable | Operator::Throw { .. } | Operator::ThrowRef => {
                out.op(op)?;
                self.dead = Some(0);
                Ok(())
            }
            op => out.op(op),
        }
    }

    fn frame(&self, depth: u32) -> Result<&Frame> {
        let at = self.frames.len().checked_sub(1 + depth as usize);
        at.and_then(|at| self.frames.get(at)).ok_or_else(|| lost("a block"))
    }

    fn open(&mut self, out: &mut Writer<'_, '_, '_>, kind: Kind, ty: BlockType) -> Result<()> {
        let (params, results) = match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), vec![ty]),
            BlockType::FuncType(index) => {
                let ty = out.plan.view.plain_type(index).ok_or_else(|| lost("a block type"))?;
                (ty.params().to_vec(), ty.results().to_vec())
            }
        };
        let entry = take(out, &params)?;
        let exit = take(out, results.get(1..).unwrap_or_default())?;
        let lowered = first_result(&results)?;
        if kind == Kind::If && !entry.is_empty() {
            let condition = out.locals.take(ValType::I32)?;
            out.sink().local_set(condition);
            set(&mut out.sink(), &entry);
            out.sink().local_get(condition);
            out.locals.give_back(condition, ValType::I32);
        } else {
            set(&mut out.sink(), &entry);
        }
        match kind {
            Kind::Loop => out.sink().loop_(lowered),
            Kind::If => out.sink().if_(lowered),
            _ => out.sink().block(lowered),
        };
        get(&mut out.sink(), &entry);
        self.frames.push(Frame { kind, params, results, entry, exit });
        Ok(())
    }

    fn otherwise(&mut self, out: &mut Writer<'_, '_, '_>) -> Result<()> {
        let reached = self.dead.take().is_none();
        let frame = self.frames.last_mut().ok_or_else(|| lost("an `if`"))?;
        frame.kind = Kind::Else;
        if reached {
            set(&mut out.sink(), &frame.exit);
        }
        out.sink().else_();
        get(&mut out.sink(), &frame.entry);
        Ok(())
    }

    fn end(&mut self, out: &mut Writer<'_, '_, '_>) -> Result<()> {
        let reached = self.dead.take().is_none();
        let frame = self.frames.pop().ok_or_else(|| lost("a block"))?;
        if reached {
            set(&mut out.sink(), &frame.exit);
        }
        if frame.kind == Kind::If && !frame.entry.is_empty() {
            // Without an `else`, what comes in goes out.
            out.sink().else_();
            get(&mut out.sink(), &frame.entry);
            set(&mut out.sink(), &frame.exit);
        }
        out.sink().end();
        if frame.kind != Kind::Func {
            get(&mut out.sink(), &frame.exit);
            give_back(out, &frame.entry, &frame.params);
            give_back(out, &frame.exit, frame.results.get(1..).unwrap_or_default());
        }
        Ok(())
    }

    /// A branch from inside `further` more blocks than are known here.
    fn branch(&self, code: &mut InstructionSink<'_>, depth: u32, further: u32) -> Result<()> {
        set(code, self.frame(depth)?.label().1);
        code.br(depth + further);
        Ok(())
    }

    fn branch_if(&self, out: &mut Writer<'_, '_, '_>, depth: u32) -> Result<()> {
        let slots = self.frame(depth)?.label().1;
        if slots.is_empty() {
            out.sink().br_if(depth);
            return Ok(());
        }
        let condition = out.locals.take(ValType::I32)?;
        out.sink().local_set(condition);
        set(&mut out.sink(), slots);
        out.sink().local_get(condition).br_if(depth);
        get(&mut out.sink(), slots);
        out.locals.give_back(condition, ValType::I32);
        Ok(())
    }

    /// Labels differ in how their values get there, so each gets a block of its own, from which a plain branch leaves.
    fn branch_table(&self, out: &mut Writer<'_, '_, '_>, targets: &BrTable<'_>) -> Result<()> {
        let depths = targets.targets().collect::<Result<Vec<u32>, _>>().map_err(super::view::invalid)?;
        let default = targets.default();
        let mut cases: BTreeMap<u32, u32> = depths.iter().chain([&default]).map(|depth| (*depth, 0)).collect();
        for (case, at) in (0..).zip(cases.values_mut()) {
            *at = case;
        }
        let mut plain = true;
        for depth in cases.keys() {
            plain &= self.frame(*depth)?.label().1.is_empty();
        }
        if plain {
            out.sink().br_table(depths, default);
            return Ok(());
        }
        let types = self.frame(default)?.label().0.to_vec();
        let values = take(out, &types)?;
        let selector = out.locals.take(ValType::I32)?;
        out.sink().local_set(selector);
        set(&mut out.sink(), &values);
        for _ in &cases {
            out.sink().block(wasm_encoder::BlockType::Empty);
        }
        let case = |depth: &u32| cases.get(depth).copied().unwrap_or(0);
        let table: Vec<u32> = depths.iter().map(case).collect();
        out.sink().local_get(selector).br_table(table, case(&default));
        for (further, depth) in (0..super::plan::narrow(cases.len())).rev().zip(cases.keys()) {
            out.sink().end();
            get(&mut out.sink(), &values);
            self.branch(&mut out.sink(), *depth, further)?;
        }
        give_back(out, &values, &types);
        out.locals.give_back(selector, ValType::I32);
        Ok(())
    }

    fn call(&mut self, out: &mut Writer<'_, '_, '_>, op: Operator<'_>) -> Result<()> {
        let (index, indirect, tail) = match op {
            Operator::Call { function_index } => {
                (out.plan.view.funcs.get(function_index as usize).copied(), false, false)
            }
            Operator::ReturnCall { function_index } => {
                (out.plan.view.funcs.get(function_index as usize).copied(), false, true)
            }
            Operator::CallIndirect { type_index, .. } => (Some(type_index), true, false),
            Operator::ReturnCallIndirect { type_index, .. } => (Some(type_index), true, true),
            _ => (None, false, false),
        };
        let index = index.ok_or_else(|| lost("a function"))?;
        let plan = out.plan;
        let (Some(ty), Some(results)) = (plan.view.plain_type(index), &plan.results) else {
            return Err(lost("a function type"));
        };
        let unread = results.unread(index);
        if unread > 0 {
            let callee = if indirect { Some(out.locals.take(ValType::I32)?) } else { None };
            let mut code = out.sink();
            if let Some(callee) = callee {
                code.local_set(callee);
            }
            for _ in 0..unread {
                code.i32_const(0);
            }
            if let Some(callee) = callee {
                code.local_get(callee);
                out.locals.give_back(callee, ValType::I32);
            }
        }
        out.op(op)?;
        if tail {
            // Whoever is called leaves the results where this function's caller looks for them.
            self.dead = Some(0);
        } else {
            for global in results.slots(ty) {
                out.sink().global_get(global);
            }
        }
        Ok(())
    }
}

/// Locals for values.
fn take(out: &mut Writer<'_, '_, '_>, types: &[ValType]) -> Result<Vec<Slot>> {
    types.iter().map(|ty| out.locals.take(*ty).map(Slot::Local)).collect()
}

fn give_back(out: &mut Writer<'_, '_, '_>, slots: &[Slot], types: &[ValType]) {
    for (slot, ty) in slots.iter().zip(types) {
        if let Slot::Local(local) = slot {
            out.locals.give_back(*local, *ty);
        }
    }
}

/// Takes values off the stack, the last one first.
fn set(code: &mut InstructionSink<'_>, slots: &[Slot]) {
    for slot in slots.iter().rev() {
        match slot {
            Slot::Local(local) => code.local_set(*local),
            Slot::Global(global) => code.global_set(*global),
        };
    }
}

/// Puts values on the stack, the first one first.
fn get(code: &mut InstructionSink<'_>, slots: &[Slot]) {
    for slot in slots {
        match slot {
            Slot::Local(local) => code.local_get(*local),
            Slot::Global(global) => code.global_get(*global),
        };
    }
}
