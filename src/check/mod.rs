//! Compares a core module with what a host provides, before anything is shipped.

mod compare;
mod target;

pub use compare::{Checked, check};
pub use target::{Provided, Target};
