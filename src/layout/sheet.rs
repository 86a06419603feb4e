//! What a layout picture shows, free of how it is drawn. All offsets are absolute: bytes from the start of the drawn area.
//! As JSON its schema is `docs/layout.schema.json`.

use crate::abi::Core;
use schemars::JsonSchema;
use serde::Serialize;

/// Everything that was asked for: types and functions of a type, an interface or a package.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Sheet {
    /// What was asked for, such as `wasi:http/types@0.2.12`.
    pub title: String,
    /// Types with a layout in memory.
    pub types: Vec<Area>,
    /// Functions with their core signatures.
    pub functions: Vec<Call>,
}

/// A piece of linear memory with a type.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Area {
    /// The WIT name, such as `error-code`, or `args.ptr`, `ret.ptr` for areas that a call points to.
    pub name: String,
    /// Where the type is defined, such as `wasi:http/types@0.2.12`; may be empty.
    pub owner: String,
    /// What it is in WIT, such as `variant`, `record`, `list<u8>`.
    pub kind: String,
    /// Documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// The flat form; none where it has more than 16 slots and is always spilled.
    pub flat: Option<Vec<Core>>,
    /// The layout. Its offset is 0 and its label is empty.
    pub layout: Node,
}

/// A value within an area.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Node {
    /// Field or case name, or the index of a tuple member.
    pub label: String,
    /// The WIT type, such as `option<u64>`.
    pub ty: String,
    /// Bytes from the start of the area.
    pub offset: u32,
    /// Bytes, a multiple of `align`.
    pub size: u32,
    /// Bytes.
    pub align: u32,
    /// What it is made of.
    pub body: Body,
}

impl Node {
    /// Whether there is more to see of it than its name and size.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.body, Body::Scalar | Body::Handle | Body::Pointer { element: None })
    }
}

/// What a value is made of.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Body {
    /// An integer, float, char or bool.
    Scalar,
    /// An index into a handle table: `own`, `borrow`, `stream`, `future`, `error-context`.
    Handle,
    /// Bits, the lowest first.
    Flags {
        /// Their names.
        names: Vec<String>,
    },
    /// Members in order. Gaps between them, and after the last, are padding.
    Record {
        /// The members.
        fields: Vec<Node>,
    },
    /// A discriminant at the start, then one of the payloads, all at one offset. What a case does not cover is padding.
    Variant {
        /// Bytes of the discriminant.
        tag: u32,
        /// Absolute offset of every payload.
        payload: u32,
        /// The cases; the index is the discriminant.
        cases: Vec<Case>,
    },
    /// Four bytes of address, four bytes of length (in elements; bytes for a string).
    Pointer {
        /// The element, as an area of its own at offset 0; none for strings, whose element is a byte of utf-8, and where
        /// the depth of the picture ends.
        element: Option<Box<Node>>,
    },
    /// Several of one kind, one after the other.
    Array {
        /// How many.
        length: u32,
        /// The first of them.
        element: Box<Node>,
    },
}

/// A case of a variant, enum, option or result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Case {
    /// The WIT name.
    pub name: String,
    /// The payload.
    pub value: Option<Node>,
}

/// A function and its core signature.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Call {
    /// The core import module; empty for exports.
    pub module: String,
    /// The core field name, such as `[static]response-outparam.set`.
    pub name: String,
    /// The WIT signature as text.
    pub wit: String,
    /// Documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// How many flat parameters are allowed before they spill: 16, or 4.
    pub limit: usize,
    /// The parameters flattened, as they would be if nothing were spilled. Those beyond the limit are kept up to a
    /// bound of 64; `more` counts the rest.
    pub flattened: Vec<Slot>,
    /// Flattened parameters that are not in `flattened`.
    pub more: usize,
    /// Whether the parameters are spilled: the only parameter is then `args.ptr`.
    pub params_spilled: bool,
    /// The parameters that the core function really has, in order.
    pub slots: Vec<Slot>,
    /// Its result.
    pub result: Option<Slot>,
    /// The areas that `args.ptr` and `ret.ptr` point to.
    pub areas: Vec<Area>,
}

/// A core parameter or result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Slot {
    /// Such as `headers`, `point.x`, `ret.ptr`.
    pub name: String,
    /// Its core type.
    pub core: Core,
    /// What it carries: `value`, `handle`, `pointer`, `length`, `discriminant`.
    pub role: &'static str,
    /// The name of the area it points to, for `args.ptr` and `ret.ptr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
}
