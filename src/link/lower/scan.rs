//! Reads all code once: what has to be lowered, what is refused, and which helpers are needed.

use super::helpers::{Helper, Truncate};
use super::ops::{feature, has_odd_labels, is_number, mnemonic, of_type, proposal};
use super::plan::{Plan, Rewrite, narrow};
use super::refuse::Refusals;
use super::view::invalid;
use crate::diagnostic::Result;
use crate::profile::name_of;
use wasmparser::{BlockType, FuncType, FunctionBody, Operator, ValType, WasmFeatures};

/// Data that becomes code grows by half again; more than this belongs to no small engine.
pub(super) const MAX_STORED: u64 = 64 << 20;

/// Scans every body.
pub(super) fn code(plan: &mut Plan<'_, '_>, refusals: &mut Refusals) -> Result<()> {
    let view = plan.view;
    if plan.lacks(WasmFeatures::BULK_MEMORY) && view.data_count {
        for body in &view.bodies {
            for op in body.get_operators_reader().map_err(invalid)? {
                if let Operator::DataDrop { data_index } = op.map_err(invalid)? {
                    let next = narrow(plan.dropped.len());
                    plan.dropped.entry(data_index).or_insert(next);
                }
            }
        }
    }
    for (func, body) in (narrow(view.imported_funcs)..).zip(&view.bodies) {
        let rewrite = Scan { plan, refusals, func, rewrite: Rewrite::Copied, odd: None }.body(body)?;
        plan.rewrites.push(rewrite);
    }
    Ok(())
}

struct Scan<'s, 'v, 'a> {
    plan: &'s mut Plan<'v, 'a>,
    refusals: &'s mut Refusals,
    func: u32,
    rewrite: Rewrite,
    /// An instruction with labels that the structured rewriting does not know.
    odd: Option<(String, usize)>,
}

impl Scan<'_, '_, '_> {
    fn body(mut self, body: &FunctionBody<'_>) -> Result<Rewrite> {
        let start = body.range().start;
        if let Some(ty) = self.plan.view.func_type(self.func) {
            self.signature(ty, "result", start);
        }
        for local in body.get_locals_reader().map_err(invalid)? {
            let (_, ty) = local.map_err(invalid)?;
            let lacking = of_type(ty);
            if self.plan.lacks(lacking) {
                self.refuse(lacking, &format!("a local of type `{ty}`"), start);
            }
        }
        // The constants before the current instruction, the last one last.
        let mut constants = (None, None);
        for op in body.get_operators_reader().map_err(invalid)?.into_iter_with_offsets() {
            let (op, offset) = op.map_err(invalid)?;
            self.op(&op, constants, offset);
            constants = match op {
                Operator::I32Const { value } => (constants.1, Some(u32::from_ne_bytes(value.to_ne_bytes()))),
                _ => (None, None),
            };
        }
        if let (Rewrite::Structured, Some((odd, offset))) = (self.rewrite, self.odd.take()) {
            self.refuse(WasmFeatures::MULTI_VALUE, &format!("`{odd}` beside several values"), offset);
        }
        Ok(self.rewrite)
    }

    fn op(&mut self, op: &Operator<'_>, constants: (Option<u32>, Option<u32>), offset: usize) {
        let needs = feature(op);
        if !self.plan.lacks(needs) {
            self.plan.proposals.extend(proposal(op));
        } else if self.lowers(op, constants) {
            self.lower(name_of(needs));
        } else {
            let what = match op {
                Operator::MemoryInit { .. } => "`memory.init` of a part that is not constant".to_owned(),
                op => format!("`{}`", mnemonic(op)),
            };
            self.refuse(needs, &what, offset);
        }
        if has_odd_labels(op) && self.odd.is_none() {
            self.odd = Some((mnemonic(op), offset));
        }
        match op {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.block(*blockty, offset);
            }
            Operator::TryTable { try_table } => self.block(try_table.ty, offset),
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                if let Some(ty) = self.plan.view.func_type(*function_index) {
                    self.signature(ty, "call", offset);
                }
            }
            Operator::CallIndirect { type_index, table_index }
            | Operator::ReturnCallIndirect { type_index, table_index } => {
                if let Some(ty) = self.plan.view.plain_type(*type_index) {
                    self.signature(ty, "call", offset);
                    // What the host puts into a table must not become of this type by lowering it.
                    let (view, plan) = (self.plan.view, &self.plan);
                    let several = ty.results().len() > 1 && plan.lacks(WasmFeatures::MULTI_VALUE);
                    if several && (view.shares_table() || !plan.lacks(WasmFeatures::REFERENCE_TYPES)) {
                        self.refuse(WasmFeatures::MULTI_VALUE, "several results through a shared table", offset);
                    }
                }
                if *table_index > 0 && self.plan.lacks(WasmFeatures::REFERENCE_TYPES) {
                    let what = format!("`{}` on table {table_index}", mnemonic(op));
                    self.refuse(WasmFeatures::REFERENCE_TYPES, &what, offset);
                }
                // The index of the table may be written in several bytes.
                if self.plan.lacks(WasmFeatures::CALL_INDIRECT_OVERLONG) {
                    self.rewrite_at_least(Rewrite::Plain);
                }
            }
            Operator::CallRef { type_index } | Operator::ReturnCallRef { type_index } => {
                if let Some(ty) = self.plan.view.plain_type(*type_index) {
                    self.signature(ty, "call", offset);
                }
            }
            Operator::TypedSelect { ty } => self.value(*ty, offset),
            _ => {}
        }
    }

    /// Whether something stands in for an instruction whose feature the target lacks.
    fn lowers(&mut self, op: &Operator<'_>, constants: (Option<u32>, Option<u32>)) -> bool {
        let view = self.plan.view;
        let memory32 = |memory: u32| view.memories.get(memory as usize).is_some_and(|m| !m.memory64);
        let helper = match *op {
            Operator::I32Extend8S
            | Operator::I32Extend16S
            | Operator::I64Extend8S
            | Operator::I64Extend16S
            | Operator::I64Extend32S
            | Operator::DataDrop { .. }
            // Only `table.init`, which has no replacement, could tell.
            | Operator::ElemDrop { .. } => return true,
            Operator::TypedSelect { ty } => return is_number(&ty),
            Operator::MemoryCopy { dst_mem: to, src_mem: from } if memory32(to) && memory32(from) => {
                Helper::Copy { to, from }
            }
            Operator::MemoryFill { mem: memory } if memory32(memory) => Helper::Fill { memory },
            Operator::MemoryInit { mem: memory, data_index: segment } if memory32(memory) => {
                let (Some(start), Some(count)) = constants else { return false };
                Helper::Init { memory, segment, start, count }
            }
            _ => match Truncate::of(op) {
                Some(truncate) => Helper::Truncate(truncate),
                None => return false,
            },
        };
        if self.plan.helpers.insert(helper)
            && let Helper::Init { segment, count, .. } = helper
        {
            self.plan.stored = self.plan.stored.saturating_add(u64::from(count.min(view.left(segment))));
            if self.plan.stored <= MAX_STORED {
                self.plan.helpers.extend(helper.stores(view.left(segment)));
            }
        }
        true
    }

    fn block(&mut self, ty: BlockType, offset: usize) {
        match ty {
            BlockType::Empty => {}
            BlockType::Type(ty) => self.value(ty, offset),
            BlockType::FuncType(index) if self.plan.lacks(WasmFeatures::MULTI_VALUE) => {
                self.rewrite_at_least(Rewrite::Plain);
                match self.plan.view.plain_type(index) {
                    Some(ty) if !ty.params().is_empty() || ty.results().len() > 1 => self.several(ty, "block", offset),
                    _ => {}
                }
            }
            BlockType::FuncType(_) => {}
        }
    }

    fn value(&mut self, ty: ValType, offset: usize) {
        let lacking = of_type(ty);
        if self.plan.lacks(lacking) {
            self.refuse(lacking, &format!("a value of type `{ty}`"), offset);
        }
    }

    /// A function type with which this function is defined or calls.
    fn signature(&mut self, ty: &FuncType, what: &str, offset: usize) {
        if ty.results().len() > 1 && self.plan.lacks(WasmFeatures::MULTI_VALUE) {
            self.several(ty, what, offset);
        }
    }

    /// Several values that the target cannot pass: lowered if they are numbers.
    fn several(&mut self, ty: &FuncType, what: &str, offset: usize) {
        match ty.params().iter().chain(ty.results()).find(|ty| !is_number(ty)) {
            Some(ty) => {
                self.refuse(WasmFeatures::MULTI_VALUE, &format!("several values, one a `{ty}`, in a {what}"), offset)
            }
            None => {
                self.lower(name_of(WasmFeatures::MULTI_VALUE));
                self.rewrite_at_least(Rewrite::Structured);
            }
        }
    }

    fn lower(&mut self, feature: &'static str) {
        self.plan.note(feature);
        self.rewrite_at_least(Rewrite::Plain);
    }

    fn rewrite_at_least(&mut self, rewrite: Rewrite) {
        self.rewrite = self.rewrite.max(rewrite);
    }

    fn refuse(&mut self, feature: WasmFeatures, what: &str, offset: usize) {
        let (view, func) = (self.plan.view, self.func);
        self.refusals.add(feature, || format!("{what} in {}, at {offset:#x} of the merged module", view.call(func)));
    }
}
