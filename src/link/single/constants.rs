//! Offsets of data segments, as far as they are known before instantiation.

use super::super::ir::Space;
use super::super::module::Module;
use wasmparser::{ConstExpr, Operator};

/// The values of 32-bit globals that never change, by index; none where they do, or where the host gives them.
pub(super) struct Constants(Vec<Option<i32>>);

impl Constants {
    pub(super) fn new(module: &Module<'_>) -> Constants {
        let mut known = Constants(vec![None; module.imported(Space::Global)]);
        for (ty, init) in &module.globals {
            let value = if ty.mutable { None } else { known.value(init) };
            known.0.push(value);
        }
        known
    }

    /// Evaluates an expression; extended constants are known too.
    pub(super) fn value(&self, expr: &ConstExpr<'_>) -> Option<i32> {
        let mut stack = Vec::new();
        for op in expr.get_operators_reader() {
            let op = op.ok()?;
            let value = match op {
                Operator::I32Const { value } => value,
                Operator::GlobalGet { global_index } => (*self.0.get(global_index as usize)?)?,
                Operator::I32Add | Operator::I32Sub | Operator::I32Mul => {
                    let (b, a): (i32, i32) = (stack.pop()?, stack.pop()?);
                    match op {
                        Operator::I32Add => a.wrapping_add(b),
                        Operator::I32Sub => a.wrapping_sub(b),
                        _ => a.wrapping_mul(b),
                    }
                }
                Operator::End => break,
                _ => return None,
            };
            stack.push(value);
        }
        stack.pop()
    }
}
