//! WITX derived from WIT by the Canonical ABI: flat functions, typed memory.
//!
//! Parameters and results of functions are their canonical flattening; every aggregate is a `typename` whose memory
//! layout equals the Canonical ABI's. The dialect is WITX 0.9, the one that is read today. `docs/witx.md` has the mapping.

mod declared;
mod derive;
mod document;
mod dummy;
mod funcs;
mod ids;
mod json;
mod markdown;
mod model;
mod print;
mod read;
mod rebuild;
mod sexpr;
mod text;
mod types;
mod verify;
mod wiggle;
mod wiggle_verify;

pub use derive::{Derived, Options, Scope, derive};
pub use json::{Model, json};
pub use markdown::markdown;
pub use model::{Document, File, Func, FuncRole, Module, Param, Stability, TypeKind, TypeName, WitParam, Witx};
pub use print::{print, print_plain, single};
pub use read::{Derivation, Reading, WitxFunction, read};
pub use rebuild::{FuncAbi, Rebuilt};
pub use verify::{Counts, verify, verify_table};
pub use wiggle::{Omitted, Wiggle, wiggle};
pub use wiggle_verify::verify_wiggle;
