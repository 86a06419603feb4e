//! What an instruction is called, and the feature that it needs.

use wasmparser::{Operator, ValType, WasmFeatures};

/// The proposal that an instruction came with, as `wasmparser` groups them, and its visitor's name.
fn entry(op: &Operator<'_>) -> (&'static str, &'static str) {
    macro_rules! entries {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match op {
                $(Operator::$op { .. } => (stringify!($proposal), stringify!($visit)),)*
                _ => ("unknown", "unknown"),
            }
        };
    }
    wasmparser::for_each_operator!(entries)
}

/// The proposal that an instruction came with; none for those of 1.0.
pub(super) fn proposal(op: &Operator<'_>) -> Option<&'static str> {
    let (proposal, _) = entry(op);
    (proposal != "mvp").then_some(proposal)
}

/// The instruction as the text format writes it.
pub(crate) fn mnemonic(op: &Operator<'_>) -> String {
    let name = entry(op).1;
    let name = name.strip_prefix("visit_").unwrap_or(name);
    let Some((first, rest)) = name.split_once('_') else { return name.to_owned() };
    let spaced =
        ["memory", "table", "data", "elem", "ref", "local", "global", "struct", "array", "any", "extern", "atomic"];
    if !spaced.contains(&first) && !first.contains(|c: char| c.is_ascii_digit()) {
        return name.to_owned();
    }
    let rest = match rest.strip_prefix("atomic_") {
        Some(rest) if rest.starts_with("rmw") => format!("atomic.{}", rest.replacen('_', ".", 1)),
        Some(rest) => format!("atomic.{rest}"),
        None => rest.to_owned(),
    };
    format!("{first}.{rest}")
}

/// The feature that an instruction needs, whatever its operands are.
pub(crate) fn feature(op: &Operator<'_>) -> WasmFeatures {
    match proposal(op) {
        None => WasmFeatures::empty(),
        Some("sign_extension") => WasmFeatures::SIGN_EXTENSION,
        Some("saturating_float_to_int") => WasmFeatures::SATURATING_FLOAT_TO_INT,
        Some("bulk_memory") => match op {
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => WasmFeatures::BULK_MEMORY_OPT,
            _ => WasmFeatures::BULK_MEMORY,
        },
        Some("reference_types") => WasmFeatures::REFERENCE_TYPES,
        Some("simd") => WasmFeatures::SIMD,
        Some("relaxed_simd") => WasmFeatures::RELAXED_SIMD,
        Some("threads") => WasmFeatures::THREADS,
        Some("tail_call") => WasmFeatures::TAIL_CALL,
        Some("exceptions") => WasmFeatures::EXCEPTIONS,
        Some("legacy_exceptions") => WasmFeatures::LEGACY_EXCEPTIONS,
        Some("function_references") => WasmFeatures::FUNCTION_REFERENCES,
        Some("gc") => WasmFeatures::GC,
        // What no target has.
        Some(_) => WasmFeatures::all().difference(WasmFeatures::WASM3),
    }
}

/// The feature that a value type needs.
pub(super) fn of_type(ty: ValType) -> WasmFeatures {
    match ty {
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => WasmFeatures::empty(),
        ValType::V128 => WasmFeatures::SIMD,
        ValType::Ref(ty) if ty.is_func_ref() || ty.is_extern_ref() => WasmFeatures::REFERENCE_TYPES,
        ValType::Ref(wasmparser::RefType::EXN | wasmparser::RefType::EXNREF) => WasmFeatures::EXCEPTIONS,
        ValType::Ref(ty)
            if ty.is_concrete_type_ref() || matches!(ty, wasmparser::RefType::FUNC | wasmparser::RefType::EXTERN) =>
        {
            WasmFeatures::FUNCTION_REFERENCES
        }
        ValType::Ref(_) => WasmFeatures::GC,
    }
}

/// Whether values of the type are kept in locals and globals without further ado.
pub(super) fn is_number(ty: &ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
}

/// Whether an instruction has labels that are not those of 1.0.
pub(super) fn has_odd_labels(op: &Operator<'_>) -> bool {
    matches!(
        op,
        Operator::TryTable { .. }
            | Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Delegate { .. }
            | Operator::Rethrow { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCallRef { .. }
    )
}
