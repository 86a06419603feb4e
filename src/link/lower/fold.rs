//! Constant expressions that are known without running anything.

use super::super::plan::Const;
use super::view::View;
use wasmparser::{ConstExpr, Operator};

/// Values of the immutable globals that a module defines, as far as they are known. An initialiser reads only globals
/// before it, so one pass in order knows them all.
pub(super) fn globals(view: &View<'_>) -> Vec<Option<Const>> {
    let mut known = vec![None; view.imported_globals];
    for global in &view.globals {
        let value = if global.ty.mutable { None } else { fold(&global.init_expr, &known) };
        known.push(value);
    }
    known
}

/// The value of a constant expression, if it is arithmetic on constants and known globals.
pub(super) fn fold(expr: &ConstExpr<'_>, globals: &[Option<Const>]) -> Option<Const> {
    let mut stack: Vec<Const> = Vec::new();
    for op in expr.get_operators_reader() {
        match op.ok()? {
            Operator::I32Const { value } => stack.push(Const::I32(value)),
            Operator::I64Const { value } => stack.push(Const::I64(value)),
            Operator::F32Const { value } => stack.push(Const::F32(value.bits())),
            Operator::F64Const { value } => stack.push(Const::F64(value.bits())),
            Operator::GlobalGet { global_index } => stack.push((*globals.get(global_index as usize)?)?),
            Operator::End => {}
            op => {
                let (b, a) = (stack.pop()?, stack.pop()?);
                stack.push(arithmetic(&op, a, b)?);
            }
        }
    }
    stack.pop()
}

fn arithmetic(op: &Operator<'_>, a: Const, b: Const) -> Option<Const> {
    Some(match (op, a, b) {
        (Operator::I32Add, Const::I32(a), Const::I32(b)) => Const::I32(a.wrapping_add(b)),
        (Operator::I32Sub, Const::I32(a), Const::I32(b)) => Const::I32(a.wrapping_sub(b)),
        (Operator::I32Mul, Const::I32(a), Const::I32(b)) => Const::I32(a.wrapping_mul(b)),
        (Operator::I64Add, Const::I64(a), Const::I64(b)) => Const::I64(a.wrapping_add(b)),
        (Operator::I64Sub, Const::I64(a), Const::I64(b)) => Const::I64(a.wrapping_sub(b)),
        (Operator::I64Mul, Const::I64(a), Const::I64(b)) => Const::I64(a.wrapping_mul(b)),
        _ => return None,
    })
}

/// The value as a constant expression of WebAssembly 1.0.
pub(super) fn write(value: Const) -> wasm_encoder::ConstExpr {
    use wasm_encoder::{ConstExpr, Ieee32, Ieee64};
    match value {
        Const::I32(value) => ConstExpr::i32_const(value),
        Const::I64(value) => ConstExpr::i64_const(value),
        Const::F32(bits) => ConstExpr::f32_const(Ieee32::new(bits)),
        Const::F64(bits) => ConstExpr::f64_const(Ieee64::new(bits)),
    }
}
