//! C99, without a heap.

use super::{Options, Plan};
use crate::diagnostic::Result;

/// Writes the files.
pub(super) fn generate(plan: &Plan<'_>, options: &Options) -> Result<Vec<(String, String)>> {
    let _ = (plan, options);
    Ok(Vec::new())
}
