//! Rewriting the indices of one instance to those of the output.

use super::unwritable;
use crate::diagnostic::Result;
use crate::link::ir::InstanceId;
use crate::link::plan::{Const, Plan};
use wasm_encoder::ConstExpr;
use wasm_encoder::reencode::{self, Reencode};

/// What an index counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Func,
    /// A function that a reference is taken to.
    FuncRef,
    Table,
    Memory,
    Global,
    Tag,
    Type,
    Element,
    Data,
    /// None: a number that takes more bytes than it needs, since a linker filled it in.
    Padded,
}

/// The indices of one instance, each with its place in the output if it has one.
#[derive(Debug, Default)]
pub(super) struct Indices {
    pub(super) funcs: Vec<Option<u32>>,
    pub(super) tables: Vec<Option<u32>>,
    pub(super) memories: Vec<Option<u32>>,
    pub(super) globals: Vec<Option<u32>>,
    pub(super) tags: Vec<Option<u32>>,
    pub(super) types: Vec<Option<u32>>,
    pub(super) elements: Vec<Option<u32>>,
    pub(super) data: Vec<Option<u32>>,
}

impl Indices {
    /// The output index of something that the instance knows by another.
    pub(super) fn get(&self, kind: Kind, index: u32) -> Option<u32> {
        let space = match kind {
            Kind::Func | Kind::FuncRef => &self.funcs,
            Kind::Table => &self.tables,
            Kind::Memory => &self.memories,
            Kind::Global => &self.globals,
            Kind::Tag => &self.tags,
            Kind::Type => &self.types,
            Kind::Element => &self.elements,
            Kind::Data => &self.data,
            Kind::Padded => return None,
        };
        space.get(index as usize).copied().flatten()
    }
}

/// An index that the validator let through but that has no place.
#[derive(Debug, thiserror::Error)]
#[error("an index without a place in the output")]
pub(super) struct Unplaced;

type Rewritten<T> = Result<T, reencode::Error<Unplaced>>;

/// Rewrites whatever the encoder can write.
#[derive(Clone, Copy)]
pub(super) struct Renumber<'m>(pub(super) &'m Indices);

impl Renumber<'_> {
    fn get(self, kind: Kind, index: u32) -> Rewritten<u32> {
        self.0.get(kind, index).ok_or(reencode::Error::UserError(Unplaced))
    }
}

impl Reencode for Renumber<'_> {
    type Error = Unplaced;

    fn function_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Func, index)
    }

    fn table_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Memory, index)
    }

    fn global_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Global, index)
    }

    fn tag_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Tag, index)
    }

    fn type_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Type, index)
    }

    fn element_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Element, index)
    }

    fn data_index(&mut self, index: u32) -> Rewritten<u32> {
        self.get(Kind::Data, index)
    }
}

/// A constant expression, folded where that is possible and renumbered where it is not.
pub(super) fn constant(
    plan: &Plan<'_, '_>,
    id: InstanceId,
    expr: &wasmparser::ConstExpr<'_>,
    mut renumber: Renumber<'_>,
) -> Result<ConstExpr> {
    Ok(match plan.fold(id, expr) {
        Some(Const::I32(value)) => ConstExpr::i32_const(value),
        Some(Const::I64(value)) => ConstExpr::i64_const(value),
        Some(Const::F32(bits)) => ConstExpr::f32_const(wasm_encoder::Ieee32::new(bits)),
        Some(Const::F64(bits)) => ConstExpr::f64_const(wasm_encoder::Ieee64::new(bits)),
        None => renumber.const_expr(expr.clone()).map_err(unwritable)?,
    })
}
