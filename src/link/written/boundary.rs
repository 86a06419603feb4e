//! The boundary: an instance of the linker's own between the host and everything else.
//!
//! Where functions of the component's root use several memories, encodings or reallocs, or where handles of the host's
//! resources pass between instances, no one instance can face the host. Then this one does: it has the memory that the host
//! reads and writes, and fused adapters copy between it and the instances.
//!
//! Its allocator is a stack. What an export allocates is gone when the host calls its post-return, or when the export
//! returns if it leaves nothing in memory; what an import allocates is gone when its caller has read the results.

use super::guards::{enter, leave};
use super::text::{Text, parameters, signature};
use crate::abi::{Core, CoreSignature};

/// The first address that is allocated: 0 is no pointer.
const FIRST: u32 = 16;

/// Where results go that do not fit into one core value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Area {
    pub(in super::super) size: u32,
    pub(in super::super) align: u32,
}

impl Area {
    fn allocate(self) -> String {
        format!("(call $allocate (i32.const 0) (i32.const 0) (i32.const {}) (i32.const {}))", self.align, self.size)
    }
}

pub(super) fn memory() -> &'static str {
    "(module $boundary (memory 1))"
}

fn shared(text: &mut Text, memory: &str) {
    text.define("$top", &format!("(global $top (mut i32) (i32.const {FIRST}))"));
    text.define("$mark", &format!("(global $mark (mut i32) (i32.const {FIRST}))"));
    text.helper("$allocate", ALLOCATE.replace("@memory", memory));
}

/// `cabi_realloc` of the boundary.
pub(super) fn realloc(text: &mut Text, name: &str, memory: &str) {
    shared(text, memory);
    text.function(format!(
        "(func {name} (param i32 i32 i32 i32) (result i32)
           (call $allocate (local.get 0) (local.get 1) (local.get 2) (local.get 3)))"
    ));
}

/// An import as adapters call it: lifted, so that spilled results are returned as a pointer. `host` takes the pointer.
pub(super) fn import(text: &mut Text, name: &str, core: &CoreSignature, area: Option<Area>, host: &str, memory: &str) {
    shared(text, memory);
    let params = parameters(core);
    text.function(match area {
        None => format!("(func {name}{} (call {host}{params}))", signature(core)),
        Some(area) => format!(
            "(func {name}{} (local i32)
               (local.set {at} {})
               (call {host}{params} (local.get {at}))
               (local.get {at}))",
            signature(core),
            area.allocate(),
            at = core.params.len(),
        ),
    });
}

/// After an import: its parameters and results are gone.
pub(super) fn after_import(text: &mut Text, name: &str, core: &CoreSignature, memory: &str) {
    shared(text, memory);
    text.function(format!("(func {name}{} (global.set $top (global.get $mark)))", signature(core)));
}

/// An export as the host calls it. `adapter` takes a pointer to where spilled results go.
pub(super) fn export(
    text: &mut Text,
    name: &str,
    core: &CoreSignature,
    area: Option<Area>,
    adapter: &str,
    memory: &str,
) {
    shared(text, memory);
    let params = parameters(core);
    let enter = enter(text);
    let leave = leave();
    text.function(match area {
        None => format!(
            "(func {name}{}
               {enter}
               (global.set $mark (global.get $top))
               (call {adapter}{params})
               (global.set $mark (i32.const {FIRST}))
               (global.set $top (i32.const {FIRST}))
               {leave})",
            signature(core),
        ),
        Some(area) => format!(
            "(func {name}{} (local i32)
               {enter}
               (local.set {at} {})
               (global.set $mark (global.get $top))
               (call {adapter}{params} (local.get {at}))
               {leave}
               (local.get {at}))",
            signature(core),
            area.allocate(),
            at = core.params.len(),
        ),
    });
}

/// The post-return of an export that returns a pointer.
pub(super) fn after_export(text: &mut Text, name: &str, memory: &str) {
    shared(text, memory);
    text.function(format!(
        "(func {name} (param {})
           (global.set $mark (i32.const {FIRST}))
           (global.set $top (i32.const {FIRST})))",
        Core::I32.name()
    ));
}

/// Takes from the top. What shrinks stays where it is.
const ALLOCATE: &str = "
(func $allocate (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32) (local $end i64)
  (if (i32.le_u (local.get $size) (local.get $had)) (then
    (if (local.get $had) (then (return (local.get $old))))))
  (local.set $at (i32.and
    (i32.sub (i32.add (global.get $top) (local.get $align)) (i32.const 1))
    (i32.sub (i32.const 0) (local.get $align))))
  (if (i32.lt_u (local.get $at) (global.get $top)) (then (unreachable)))
  (local.set $end (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size))))
  (if (i64.gt_u (local.get $end) (i64.const 0xffffffff)) (then (unreachable)))
  (if (i64.gt_u (local.get $end) (i64.shl (i64.extend_i32_u (memory.size @memory)) (i64.const 16)))
    (then
      (if (i32.eq (i32.const -1) (memory.grow @memory (i32.sub
            (i32.wrap_i64 (i64.shr_u (i64.add (local.get $end) (i64.const 0xffff)) (i64.const 16)))
            (memory.size @memory))))
        (then (unreachable)))))
  (global.set $top (i32.wrap_i64 (local.get $end)))
  (memory.copy @memory @memory (local.get $at) (local.get $old) (local.get $had))
  (local.get $at))";

#[cfg(test)]
#[path = "boundary_tests.rs"]
mod tests;
