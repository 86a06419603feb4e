//! Rewriting the indices of one instance to those of the output.

use super::ir::InstanceId;
use super::merge::unwritable;
use super::plan::{Const, Plan};
use crate::diagnostic::Result;
use std::collections::{BTreeSet, HashSet};
use wasm_encoder::ConstExpr;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::Operator;

/// The indices of one instance, rewritten to those of the output.
pub(super) struct Renumber<'m> {
    pub(super) funcs: Vec<Option<u32>>,
    pub(super) tables: Vec<Option<u32>>,
    pub(super) memories: Vec<Option<u32>>,
    pub(super) globals: Vec<Option<u32>>,
    pub(super) tags: Vec<Option<u32>>,
    pub(super) types: Vec<u32>,
    pub(super) elements: Vec<Option<u32>>,
    pub(super) data_base: u32,
    pub(super) features: &'m mut BTreeSet<&'static str>,
    pub(super) referenced: &'m mut HashSet<u32>,
}

/// An index that the validator let through but the plan does not know.
#[derive(Debug, thiserror::Error)]
#[error("an index without a place in the output")]
pub(super) struct Unplaced;

type Rewritten<T> = Result<T, reencode::Error<Unplaced>>;

fn placed(space: &[Option<u32>], index: u32) -> Rewritten<u32> {
    space.get(index as usize).copied().flatten().ok_or(reencode::Error::UserError(Unplaced))
}

impl Reencode for Renumber<'_> {
    type Error = Unplaced;

    fn function_index(&mut self, index: u32) -> Rewritten<u32> {
        placed(&self.funcs, index)
    }

    fn table_index(&mut self, index: u32) -> Rewritten<u32> {
        placed(&self.tables, index)
    }

    fn memory_index(&mut self, index: u32) -> Rewritten<u32> {
        placed(&self.memories, index)
    }

    fn global_index(&mut self, index: u32) -> Rewritten<u32> {
        placed(&self.globals, index)
    }

    fn tag_index(&mut self, index: u32) -> Rewritten<u32> {
        placed(&self.tags, index)
    }

    fn type_index(&mut self, index: u32) -> Rewritten<u32> {
        self.types.get(index as usize).copied().ok_or(reencode::Error::UserError(Unplaced))
    }

    fn element_index(&mut self, index: u32) -> Rewritten<u32> {
        placed(&self.elements, index)
    }

    fn data_index(&mut self, index: u32) -> Rewritten<u32> {
        index.checked_add(self.data_base).ok_or(reencode::Error::UserError(Unplaced))
    }

    fn instruction<'a>(&mut self, op: Operator<'a>) -> Rewritten<wasm_encoder::Instruction<'a>> {
        if let Some(feature) = proposal(&op) {
            self.features.insert(feature);
        }
        if let Operator::RefFunc { function_index } = op {
            let index = self.function_index(function_index)?;
            self.referenced.insert(index);
        }
        reencode::utils::instruction(self, op)
    }
}

/// The proposal that an instruction came with, as `wasmparser` groups them.
fn proposal(op: &Operator<'_>) -> Option<&'static str> {
    macro_rules! by_proposal {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match op {
                $(Operator::$op { .. } => stringify!($proposal),)*
                _ => "unknown",
            }
        };
    }
    let name = wasmparser::for_each_operator!(by_proposal);
    (name != "mvp").then_some(name)
}

/// A constant expression, folded where that is possible and renumbered where it is not.
pub(super) fn constant(
    plan: &Plan<'_, '_>,
    id: InstanceId,
    expr: &wasmparser::ConstExpr<'_>,
    renumber: &mut Renumber<'_>,
) -> Result<ConstExpr> {
    Ok(match plan.fold(id, expr) {
        Some(Const::I32(value)) => ConstExpr::i32_const(value),
        Some(Const::I64(value)) => ConstExpr::i64_const(value),
        Some(Const::F32(bits)) => ConstExpr::f32_const(wasm_encoder::Ieee32::new(bits)),
        Some(Const::F64(bits)) => ConstExpr::f64_const(wasm_encoder::Ieee64::new(bits)),
        None => renumber.const_expr(expr.clone()).map_err(unwritable)?,
    })
}
