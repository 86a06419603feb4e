//! Lowers a core module to one that uses only what a target has.
//!
//! `view` reads the module; `shape` checks what it declares and `scan` what its code does, and both decide in a `plan` what
//! is lowered; what cannot be is refused, all of it at once. `write` writes the module anew: `body` instruction by
//! instruction, `structured` blocks and calls of several values, `results` functions of several results, `helpers` the
//! functions that stand in for instructions, `fold` constant expressions. Bodies that need nothing are copied.
//!
//! | lowered | to |
//! |---|---|
//! | sign extension | shifts |
//! | saturating conversions | functions |
//! | `memory.copy`, `memory.fill` | functions with loops |
//! | `memory.init` of a constant part, `data.drop` | functions that store the bytes; a global |
//! | `elem.drop` | nothing, since only `table.init` could tell, which is refused |
//! | several results of functions | globals |
//! | block parameters, several results of blocks | locals |
//! | extended constant expressions | their value |
//! | `select` with a type | `select` |
//! | segments and table indices in later encodings | those of 1.0 |

mod body;
mod fold;
mod helpers;
mod limits;
mod ops;
mod plan;
mod refuse;
mod results;
mod scan;
mod shape;
mod structured;
mod view;
mod write;

pub(super) use limits::check as check_limits;
pub(crate) use ops::{feature, mnemonic};
pub(crate) use view::View;

use super::report::Floor;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::profile::Profile;
use plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Validator, WasmFeatures};

/// A lowered module.
#[derive(Debug)]
pub struct Lowered {
    /// It validates under exactly the features of the target.
    pub wasm: Vec<u8>,
    /// How often each feature was lowered.
    pub lowered: BTreeMap<&'static str, usize>,
    /// Functions that stand in for instructions.
    pub helpers: u32,
    /// Proposals beyond 1.0 whose instructions are left.
    pub proposals: BTreeSet<&'static str>,
}

/// Lowers a core module (binary) to the features of `target`: the result gives the same results and traps. Indices of
/// functions, types, memories, tables and globals stay; exports and imports stay as they are. Fails with
/// [`Code::TargetLacks`] where there is no sound replacement, and names every feature. Limits are not looked at.
pub fn lower(wasm: &[u8], target: &Profile) -> Result<Lowered> {
    let floor = Floor::Wasm3.features();
    Validator::new_with_features(floor).validate_all(wasm).map_err(|e| Diagnostic::invalid_wasm(&e))?;
    let view = View::parse(wasm)?;
    let mut plan = Plan {
        view: &view,
        target: target.features,
        helpers: indexmap::IndexSet::new(),
        dropped: BTreeMap::new(),
        shares_table: view.shares_table(),
        odd: view.odd_values(),
        results: None,
        rewrites: Vec::new(),
        globals: fold::globals(&view),
        stored: 0,
        lowered: BTreeMap::new(),
        proposals: BTreeSet::new(),
    };
    let mut refusals = refuse::Refusals::default();
    shape::check(&mut plan, &mut refusals);
    scan::code(&mut plan, &mut refusals)?;
    if let Some(error) = refusals.into_diagnostic(target) {
        return Err(error);
    }
    if plan.stored > scan::MAX_STORED {
        let what = format!("{} bytes of data would become code; at most {} do", plan.stored, scan::MAX_STORED);
        return Err(Diagnostic::new(Code::TooLarge, what));
    }
    if plan.lacks(WasmFeatures::MULTI_VALUE) {
        plan.results = Some(results::Results::plan(&view, plan.first_global() + plan::narrow(plan.dropped.len())));
    }
    let wasm = write::module(&plan, wasm)?;
    validate(&wasm, target)?;
    let Plan { lowered, helpers, proposals, .. } = plan;
    Ok(Lowered { wasm, lowered, helpers: plan::narrow(helpers.len()), proposals })
}

/// Validates under exactly the features of the target.
fn validate(wasm: &[u8], target: &Profile) -> Result<()> {
    let Err(error) = Validator::new_with_features(target.features).validate_all(wasm) else { return Ok(()) };
    let message = error.message();
    Err(match error.missing_wasm_feature() {
        Some(_) => Diagnostic::new(
            Code::TargetLacks,
            format!("the target `{}` does not take the module: {message}", target.name),
        ),
        None if message.contains("limit") || message.contains("maximum") || message.contains("too many") => {
            Diagnostic::new(Code::TooLarge, format!("the lowered module would be too large: {message}"))
        }
        None => Diagnostic::new(Code::OutputInvalid, "the lowered module does not validate").cause(error),
    })
}
