//! WITX derived from WIT by the Canonical ABI: flat functions, typed memory.
//!
//! Parameters and results of functions are their canonical flattening; every aggregate is a `typename` whose memory
//! layout equals the Canonical ABI's. The dialect is WITX 0.9, the one that is read today. `docs/witx.md` has the mapping.

mod derive;
mod ids;
mod model;
mod print;
mod read;
mod verify;

pub use derive::{Scope, derive};
pub use model::{Document, File, Func, Module, Param, TypeName, Witx};
pub use print::{PrintOptions, print};
pub use read::{WitxFunction, read};
pub use verify::{Counts, verify, verify_table};
