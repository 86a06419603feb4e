//! Finding and loading WIT: text, binary packages, components, and the built-in WASI packages.
//!
//! Nothing here reads files: `cli` hands over [`Sources`].

mod builtin;
mod cycles;
mod limits;
mod load;
mod mistakes;
mod nesting;
mod scan;
mod twice;

pub use builtin::{built_in, built_in_packages};
pub(crate) use cycles::refuse_cycles;
pub use load::{Gates, Loaded, Sources, WitFile, load, select_world};
pub(crate) use nesting::refuse_deep;
