//! Compares a core module with what a host provides, before anything is shipped.

mod compare;
mod diff;
mod target;

pub use compare::{Checked, check};
pub use diff::{Broken, Change, FirstByte, Verdict, breaks, diff, verdict};
pub use target::{Provided, Target};
