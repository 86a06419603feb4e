//! The canonical-ABI table: layouts, flattening, signatures and names. Everyone reads it; there is no second copy.
//!
//! [`Layouts`] computes layouts and signatures. A [`Table`] fills it from a [`Resolve`], laying out each type once;
//! `witx` fills it from WITX. Sections named here are those of the Component Model's *Canonical ABI Explainer*.

mod allocation;
mod layout;
mod names;
mod operations;
mod signature;
mod table;
mod world;

pub use allocation::Allocation;
pub use layout::{Case, Field, Kind, Layouts, Resource, Tag, Ty, TyId, Variant};
pub use names::{ImportName, Names, ResourceOp, Track, cm32p2_export};
pub(crate) use operations::{built_in, channel};
pub use signature::{Lowering, Signature};
pub use table::Table;
pub use world::{Abi, Direction, Forms, Needs, Role, WorldFunction, built_ins, world_functions};

use std::fmt;
pub use wit_parser::Resolve;

/// The core types that canonical signatures are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Core {
    /// 32-bit integer; also every pointer, length and handle.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

impl Core {
    /// The type that a variant's slot gets when two cases put different types into it (*Flattening*, `join`).
    pub fn join(self, other: Core) -> Core {
        match (self, other) {
            (a, b) if a == b => a,
            (Core::I32, Core::F32) | (Core::F32, Core::I32) => Core::I32,
            _ => Core::I64,
        }
    }

    /// The name in the WebAssembly text format.
    pub fn name(self) -> &'static str {
        match self {
            Core::I32 => "i32",
            Core::I64 => "i64",
            Core::F32 => "f32",
            Core::F64 => "f64",
        }
    }

    /// The core type of a `wasmparser` value type, if a canonical signature can hold it.
    pub fn of(ty: wasmparser::ValType) -> Option<Core> {
        match ty {
            wasmparser::ValType::I32 => Some(Core::I32),
            wasmparser::ValType::I64 => Some(Core::I64),
            wasmparser::ValType::F32 => Some(Core::F32),
            wasmparser::ValType::F64 => Some(Core::F64),
            _ => None,
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A core function type made of canonical types.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoreSignature {
    /// Parameter slots.
    pub params: Vec<Core>,
    /// Results; at most one for canonical functions.
    pub results: Vec<Core>,
}

impl CoreSignature {
    /// A signature of these slots.
    pub fn new(params: impl Into<Vec<Core>>, results: impl Into<Vec<Core>>) -> Self {
        CoreSignature { params: params.into(), results: results.into() }
    }

    /// The signature of a `wasmparser` function type, if it is made of canonical types alone.
    pub fn of(ty: &wasmparser::FuncType) -> Option<CoreSignature> {
        let params = ty.params().iter().map(|&t| Core::of(t)).collect::<Option<Vec<_>>>()?;
        let results = ty.results().iter().map(|&t| Core::of(t)).collect::<Option<Vec<_>>>()?;
        Some(CoreSignature { params, results })
    }
}

impl fmt::Display for CoreSignature {
    /// `(i32 i64) -> i32`; no results are `()`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[Core]| types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" ");
        write!(f, "({}) -> ", list(&self.params))?;
        match self.results.as_slice() {
            [] => f.write_str("()"),
            [one] => f.write_str(one.name()),
            many => write!(f, "({})", list(many)),
        }
    }
}
