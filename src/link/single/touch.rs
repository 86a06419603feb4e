//! What an instruction does to a memory.

use super::apart;
use crate::diagnostic::Result;
use wasm_encoder::ValType;
use wasmparser::{MemArg, Operator};

/// What an instruction does to a memory; numbers are memory indices.
pub(super) enum Touch {
    /// Reads or writes at an address. On the stack, a value may lie above it.
    Access(MemArg, Option<ValType>),
    Size(u32),
    Grow(u32),
    Fill(u32),
    Init(u32),
    Copy {
        to: u32,
        from: u32,
    },
}

impl Touch {
    /// None for an instruction that touches no memory.
    pub(super) fn of(op: &Operator<'_>) -> Result<Option<Touch>> {
        Ok(Some(match *op {
            Operator::MemorySize { mem } => Touch::Size(mem),
            Operator::MemoryGrow { mem } => Touch::Grow(mem),
            Operator::MemoryFill { mem } => Touch::Fill(mem),
            Operator::MemoryInit { mem, .. } => Touch::Init(mem),
            Operator::MemoryCopy { dst_mem, src_mem } => Touch::Copy { to: dst_mem, from: src_mem },
            Operator::MemoryDiscard { .. } => return Err(apart("`memory.discard` works on pages of a real memory")),
            _ => match access(op) {
                None => return Ok(None),
                Some(("mvp" | "simd", memarg)) => Touch::Access(memarg, value(op)),
                Some((proposal, _)) => return Err(apart(format!("memory is accessed as in the proposal {proposal}"))),
            },
        }))
    }
}

/// How many bytes an access reads or writes: its natural alignment.
pub(super) fn width(memarg: &MemArg) -> u64 {
    1 << memarg.max_align.min(16)
}

/// The address part of a load, store or atomic access, and the proposal that it came with.
fn access(op: &Operator<'_>) -> Option<(&'static str, MemArg)> {
    macro_rules! by_operator {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match op {
                $(by_operator!(pattern $op $($([$arg $arg])*)?) => by_operator!(result $proposal $($([$arg $arg])*)?),)*
                _ => None,
            }
        };
        (pattern $op:ident [memarg $name:ident] $($rest:tt)*) => { Operator::$op { $name, .. } };
        (pattern $op:ident $($rest:tt)*) => { Operator::$op { .. } };
        (result $proposal:ident [memarg $name:ident] $($rest:tt)*) => { Some((stringify!($proposal), *$name)) };
        (result $proposal:ident $($rest:tt)*) => { None };
    }
    wasmparser::for_each_operator!(by_operator)
}

/// The type of the operand above the address.
fn value(op: &Operator<'_>) -> Option<ValType> {
    use Operator::*;
    match op {
        I32Store { .. } | I32Store8 { .. } | I32Store16 { .. } => Some(ValType::I32),
        I64Store { .. } | I64Store8 { .. } | I64Store16 { .. } | I64Store32 { .. } => Some(ValType::I64),
        F32Store { .. } => Some(ValType::F32),
        F64Store { .. } => Some(ValType::F64),
        V128Store { .. } | V128Store8Lane { .. } | V128Store16Lane { .. } | V128Store32Lane { .. } => {
            Some(ValType::V128)
        }
        V128Store64Lane { .. } | V128Load8Lane { .. } | V128Load16Lane { .. } | V128Load32Lane { .. } => {
            Some(ValType::V128)
        }
        V128Load64Lane { .. } => Some(ValType::V128),
        _ => None,
    }
}
