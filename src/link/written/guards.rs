//! What the canonical ABI asks of the host around a call, done by the module itself.
//!
//! - `canon lower`: an instance that may not leave (it allocates for its caller, or cleans up after a call) and calls an
//!   import traps.
//! - `canon lift`: a module that is running may not be entered, and neither may one that trapped.

use super::text::{Text, parameters, signature};
use crate::abi::{Core, CoreSignature};

/// One while an export runs, and for ever after a trap.
const ENTERED: (&str, &str) = ("$entered", "(global $entered (mut i32) (i32.const 0))");

/// Calls an import if the instance may leave.
pub(super) fn import(text: &mut Text, name: &str, core: &CoreSignature, host: &str, flag: &str) {
    text.function(format!(
        "(func {name}{} (if (i32.eqz (global.get {flag})) (then (unreachable))) (call {host}{}))",
        signature(core),
        parameters(core),
    ));
}

/// Calls an export if nothing runs.
pub(super) fn export(text: &mut Text, name: &str, core: &CoreSignature, func: &str) {
    let enter = enter(text);
    text.function(format!("(func {name}{} {enter} (call {func}{}) {})", signature(core), parameters(core), leave(),));
}

/// Marks the module as entered.
pub(super) fn enter(text: &mut Text) -> String {
    text.define(ENTERED.0, ENTERED.1);
    "(if (global.get $entered) (then (unreachable))) (global.set $entered (i32.const 1))".to_owned()
}

/// The end of what `enter` begins.
pub(super) fn leave() -> &'static str {
    "(global.set $entered (i32.const 0))"
}

/// Calls a realloc or a post-return, during which the instance may not leave. If it traps, the module stays entered.
pub(super) fn confined(text: &mut Text, name: &str, core: &CoreSignature, func: &str, flag: &str) {
    text.define(ENTERED.0, ENTERED.1);
    let saved = core.params.len();
    let entered = saved + 1;
    text.function(format!(
        "(func {name}{} (local {i32} {i32})
           (local.set {saved} (global.get {flag}))
           (local.set {entered} (global.get $entered))
           (global.set {flag} (i32.const 0))
           (global.set $entered (i32.const 1))
           (call {func}{})
           (global.set {flag} (local.get {saved}))
           (global.set $entered (local.get {entered})))",
        signature(core),
        parameters(core),
        i32 = Core::I32.name(),
    ));
}
