//! Handle tables inside the module: one for each component instance.
//!
//! Canonical ABI, `Table`, `canon resource.*`, `lift_own`, `lift_borrow`, `lower_own`, `lower_borrow`. A table numbers
//! handles of all types from 1 and gives the number that was freed last first. A borrow counts in the call that it was
//! made for, and an owned handle counts how often it is lent.
//!
//! The tables live in a memory of their own, as vectors of 16-byte elements that double when they are full:
//!
//! ```text
//! header of vector v, at 16 v:   base, length, capacity, first free element (0: none)
//! handle:                        kind, representation (next free one), times lent or the call it counts in, 0
//! call:                          borrows that are left, lenders before it, 0, 0
//! lender:                        header of its table, handle, 0, 0
//! kind:                          8 × resource type + OWN + BACKED + LENT; 0 is free
//! ```
//!
//! A handle whose resource the host keeps is *backed*: its representation is the host's handle. One that the host lent for
//! a call is given back to the host when it is dropped.

use super::Resources;
use super::text::Text;
use crate::abi::{Core, CoreSignature};
use std::fmt::Write;

/// Header of the calls that are running.
const CALLS: u32 = 0;
/// Header of what those calls were lent.
const LENDERS: u32 = 16;
/// Header of the first table.
const TABLES: u32 = 32;

/// One resource type as one component instance sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct View {
    /// The instance's table; none if the host keeps the handles.
    pub(in super::super) table: Option<u32>,
    /// The resource type.
    pub(in super::super) resource: u32,
    /// Whether the instance defines the type, and so sees representations where others see borrows.
    pub(in super::super) owner: bool,
}

fn header(table: u32) -> u32 {
    TABLES.saturating_add(table.saturating_mul(16))
}

fn kind(resource: u32) -> u32 {
    // Type 0 is what a free handle has.
    resource.saturating_add(1).saturating_mul(8)
}

/// The memory: headers, then the views by number (header or 0, kind or'ed with whether it is the owner), then vectors.
pub(super) fn memory(tables: u32, views: &[View]) -> String {
    let mut data = String::new();
    for view in views {
        let row = [view.table.map_or(0, header), kind(view.resource) | u32::from(view.owner)];
        for byte in row.iter().flat_map(|word| word.to_le_bytes()) {
            let _ = write!(data, "\\{byte:02x}");
        }
    }
    let pages = heap(tables, views.len()).div_ceil(65_536);
    let data = match views {
        [] => String::new(),
        _ => format!("(data (i32.const {}) \"{data}\")", header(tables)),
    };
    format!("(module $handles (memory {pages}) {data})")
}

fn heap(tables: u32, views: usize) -> u32 {
    let views = u32::try_from(views).unwrap_or(u32::MAX).saturating_mul(8);
    header(tables).saturating_add(views).next_multiple_of(16)
}

/// Writes what all tables share, once. `memory` is the name of the tables' memory.
fn shared(text: &mut Text, memory: &str, tables: u32, views: usize) {
    text.define("$heap", &format!("(global $heap (mut i32) (i32.const {}))", heap(tables, views)));
    for (name, source) in
        [("$push", PUSH), ("$add", ADD), ("$handle", HANDLE), ("$free", FREE), ("$unborrow", UNBORROW)]
    {
        text.helper(name, source.replace("@memory", memory));
    }
}

/// What a function of this file works on.
pub(super) struct Context<'a> {
    pub(super) memory: String,
    pub(super) tables: u32,
    pub(super) views: usize,
    pub(super) resources: &'a Resources,
}

impl Context<'_> {
    /// `canon resource.new`; traps unless `flag` says that the instance may leave.
    pub(super) fn resource_new(&self, text: &mut Text, name: &str, table: u32, resource: u32, flag: &str) {
        shared(text, &self.memory, self.tables, self.views);
        text.function(format!(
            "(func {name} (param i32) (result i32)
               (if (i32.eqz (global.get {flag})) (then (unreachable)))
               (call $add (i32.const {}) (i32.const {}) (local.get 0) (i32.const 0)))",
            header(table),
            kind(resource) | 1,
        ));
    }

    /// `canon resource.rep`
    pub(super) fn resource_rep(&self, text: &mut Text, name: &str, table: u32, resource: u32) {
        shared(text, &self.memory, self.tables, self.views);
        let rep = self.representation(text, resource);
        text.function(format!(
            "(func {name} (param i32) (result i32)
               (local.set 0 (call $handle (i32.const {}) (local.get 0) (i32.const {})))
               {rep})",
            header(table),
            kind(resource),
        ));
    }

    /// The representation behind the handle at address `(local.get 0)`.
    fn representation(&self, text: &mut Text, resource: u32) -> String {
        let memory = &self.memory;
        let value = format!("(i32.load {memory} offset=4 (local.get 0))");
        match self.resources.hosts.get(&resource).and_then(|h| h.rep.as_ref()) {
            None => value,
            Some(rep) => {
                let rep = text.import(rep, &CoreSignature::new([Core::I32], [Core::I32]));
                format!(
                    "(if (result i32) (i32.and (i32.load {memory} (local.get 0)) (i32.const 2))
                       (then (call {rep} {value})) (else {value}))"
                )
            }
        }
    }

    /// `canon resource.drop`
    pub(super) fn resource_drop(&self, text: &mut Text, name: &str, table: u32, resource: u32, flag: Option<&str>) {
        shared(text, &self.memory, self.tables, self.views);
        let takes = CoreSignature::new([Core::I32], []);
        let destroy = match self.resources.destructors.get(&resource) {
            Some(dtor) => format!("(call {} (local.get $value))", text.import(dtor, &takes)),
            None => String::new(),
        };
        let give_back = self.resources.hosts.get(&resource).and_then(|h| h.drop.as_ref());
        let give_back = give_back.map(|drop| format!("(call {} (local.get $value))", text.import(drop, &takes)));
        let may_leave =
            flag.map_or_else(String::new, |flag| format!("(if (i32.eqz (global.get {flag})) (then (unreachable)))"));
        // An owned handle is the host's to destroy if it is backed, a borrow if the host lent it.
        let backed = |bit: u32, own: &str| match &give_back {
            None => own.to_owned(),
            Some(call) => format!("(if (i32.and (local.get $kind) (i32.const {bit})) (then {call}) (else {own}))"),
        };
        text.function(format!(
            "(func {name} (param $index i32) (local $at i32) (local $kind i32) (local $value i32)
               {may_leave}
               (local.set $at (call $handle (i32.const {table}) (local.get $index) (i32.const {kind})))
               (local.set $kind (i32.load {memory} (local.get $at)))
               (local.set $value (i32.load {memory} offset=4 (local.get $at)))
               (if (i32.and (local.get $kind) (i32.const 1))
                 (then
                   (call $free (i32.const {table}) (local.get $index) (local.get $at))
                   {})
                 (else
                   (call $unborrow (local.get $at))
                   (call $free (i32.const {table}) (local.get $index) (local.get $at))
                   {})))",
            backed(2, &destroy),
            backed(4, ""),
            table = header(table),
            kind = kind(resource),
            memory = self.memory,
        ));
    }

    /// A fused adapter moves an owned handle: (handle, view that it leaves, view that it enters) → handle.
    pub(super) fn transfer_own(&self, text: &mut Text, name: &str) {
        shared(text, &self.memory, self.tables, self.views);
        // Of a resource that this component defines, the host's handle is made when the first one goes out.
        let mut lend = String::new();
        for (resource, host) in &self.resources.hosts {
            if let Some(new) = &host.new {
                let new = text.import(new, &CoreSignature::new([Core::I32], [Core::I32]));
                let _ = write!(
                    lend,
                    "(if (i32.eq (i32.and (local.get $kind) (i32.const -8)) (i32.const {}))
                       (then (return (call {new} (local.get $value)))))",
                    kind(*resource)
                );
            }
        }
        text.function(format!(
            "(func {name} (param $index i32) (param $from i32) (param $to i32) (result i32)
               (local $at i32) (local $kind i32) (local $value i32)
               (local.set $from (i32.add (i32.const {views}) (i32.shl (local.get $from) (i32.const 3))))
               (local.set $to (i32.add (i32.const {views}) (i32.shl (local.get $to) (i32.const 3))))
               (if (i32.load {memory} (local.get $from))
                 (then
                   (local.set $at (call $handle
                     (i32.load {memory} (local.get $from)) (local.get $index)
                     (i32.and (i32.load {memory} offset=4 (local.get $from)) (i32.const -8))))
                   (local.set $kind (i32.load {memory} (local.get $at)))
                   (local.set $value (i32.load {memory} offset=4 (local.get $at)))
                   (if (i32.eqz (i32.and (local.get $kind) (i32.const 1))) (then (unreachable)))
                   (call $free (i32.load {memory} (local.get $from)) (local.get $index) (local.get $at)))
                 (else
                   (local.set $kind
                     (i32.or (i32.and (i32.load {memory} offset=4 (local.get $from)) (i32.const -8)) (i32.const 3)))
                   (local.set $value (local.get $index))))
               (if (i32.load {memory} (local.get $to))
                 (then (return (call $add
                   (i32.load {memory} (local.get $to)) (local.get $kind) (local.get $value) (i32.const 0)))))
               (if (i32.and (local.get $kind) (i32.const 2)) (then (return (local.get $value))))
               {lend}
               (unreachable))",
            views = header(self.tables),
            memory = self.memory,
        ));
    }

    /// A fused adapter lends a handle for the call: (handle, view that it leaves, view that it enters) → handle.
    pub(super) fn transfer_borrow(&self, text: &mut Text, name: &str) {
        shared(text, &self.memory, self.tables, self.views);
        let mut resolve = String::new();
        for (resource, host) in &self.resources.hosts {
            if let Some(rep) = &host.rep {
                let rep = text.import(rep, &CoreSignature::new([Core::I32], [Core::I32]));
                let _ = write!(
                    resolve,
                    "(if (i32.eq (i32.and (local.get $kind) (i32.const -6)) (i32.const {}))
                       (then (return (call {rep} (local.get $value)))))",
                    kind(*resource) | 2
                );
            }
        }
        // The host's handles of resources that it defines are backed and lent; of those of this component it gives
        // the representation.
        let mut lent = String::from("(i32.const 0)");
        for (resource, host) in &self.resources.hosts {
            if host.new.is_none() {
                lent =
                    format!("(select (i32.const 6) {lent} (i32.eq (local.get $kind) (i32.const {})))", kind(*resource));
            }
        }
        text.function(format!(
            "(func {name} (param $index i32) (param $from i32) (param $to i32) (result i32)
               (local $at i32) (local $kind i32) (local $value i32) (local $call i32)
               (local.set $from (i32.add (i32.const {views}) (i32.shl (local.get $from) (i32.const 3))))
               (local.set $to (i32.add (i32.const {views}) (i32.shl (local.get $to) (i32.const 3))))
               (local.set $kind (i32.and (i32.load {memory} offset=4 (local.get $from)) (i32.const -8)))
               (if (i32.load {memory} (local.get $from))
                 (then
                   (local.set $at (call $handle
                     (i32.load {memory} (local.get $from)) (local.get $index) (local.get $kind)))
                   (local.set $kind (i32.load {memory} (local.get $at)))
                   (local.set $value (i32.load {memory} offset=4 (local.get $at)))
                   (if (i32.and (local.get $kind) (i32.const 1))
                     (then
                       (i32.store {memory} offset=8 (local.get $at)
                         (i32.add (i32.load {memory} offset=8 (local.get $at)) (i32.const 1)))
                       (local.set $at (call $push (i32.const {LENDERS})))
                       (i32.store {memory} (local.get $at) (i32.load {memory} (local.get $from)))
                       (i32.store {memory} offset=4 (local.get $at) (local.get $index))))
                   (local.set $kind (i32.and (local.get $kind) (i32.const -6))))
                 (else
                   (local.set $kind (i32.or (local.get $kind) {lent}))
                   (local.set $value (local.get $index))))
               (if (i32.eqz (i32.load {memory} (local.get $to))) (then (return (local.get $value))))
               (if (i32.and (i32.load {memory} offset=4 (local.get $to)) (i32.const 1))
                 (then {resolve} (return (local.get $value))))
               (local.set $call (i32.load {memory} offset=4 (i32.const {CALLS})))
               (if (i32.eqz (local.get $call)) (then (unreachable)))
               (local.set $at (call $call_at (local.get $call)))
               (i32.store {memory} (local.get $at) (i32.add (i32.load {memory} (local.get $at)) (i32.const 1)))
               (call $add
                 (i32.load {memory} (local.get $to)) (local.get $kind) (local.get $value) (local.get $call)))",
            views = header(self.tables),
            memory = self.memory,
        ));
    }

    /// A call that lends begins: (caller, whether it is asynchronous, callee).
    pub(super) fn enter(&self, text: &mut Text, name: &str) {
        shared(text, &self.memory, self.tables, self.views);
        text.function(format!(
            "(func {name} (param i32) (param i32) (param i32) (local $at i32)
               (local.set $at (call $push (i32.const {CALLS})))
               (i32.store {memory} (local.get $at) (i32.const 0))
               (i32.store {memory} offset=4 (local.get $at) (i32.load {memory} offset=4 (i32.const {LENDERS}))))",
            memory = self.memory,
        ));
    }

    /// A call that lends ends: all borrows must be gone, and the lenders have their handles to themselves again.
    pub(super) fn exit(&self, text: &mut Text, name: &str) {
        shared(text, &self.memory, self.tables, self.views);
        text.function(format!(
            "(func {name} (local $call i32) (local $count i32) (local $at i32)
               (local.set $call (call $call_at (i32.load {memory} offset=4 (i32.const {CALLS}))))
               (if (i32.load {memory} (local.get $call)) (then (unreachable)))
               (local.set $count (i32.load {memory} offset=4 (i32.const {LENDERS})))
               (block $end
                 (loop $more
                   (br_if $end (i32.eq (local.get $count) (i32.load {memory} offset=4 (local.get $call))))
                   (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                   (local.set $at (i32.add
                     (i32.load {memory} (i32.const {LENDERS})) (i32.shl (local.get $count) (i32.const 4))))
                   (local.set $at (i32.add
                     (i32.load {memory} (i32.load {memory} (local.get $at)))
                     (i32.shl (i32.sub (i32.load {memory} offset=4 (local.get $at)) (i32.const 1)) (i32.const 4))))
                   (i32.store {memory} offset=8 (local.get $at)
                     (i32.sub (i32.load {memory} offset=8 (local.get $at)) (i32.const 1)))
                   (br $more)))
               (i32.store {memory} offset=4 (i32.const {LENDERS}) (local.get $count))
               (i32.store {memory} offset=4 (i32.const {CALLS})
                 (i32.sub (i32.load {memory} offset=4 (i32.const {CALLS})) (i32.const 1))))",
            memory = self.memory,
        ));
    }
}

/// Makes room for one more element of a vector; gives its address. 2^26 elements are a gibibyte.
const PUSH: &str = "
(func $push (param $vector i32) (result i32) (local $length i32) (local $capacity i32) (local $base i32) (local $need i32)
  (local.set $length (i32.load @memory offset=4 (local.get $vector)))
  (local.set $capacity (i32.load @memory offset=8 (local.get $vector)))
  (if (i32.eq (local.get $length) (local.get $capacity))
    (then
      (if (i32.ge_u (local.get $capacity) (i32.const 0x4000000)) (then (unreachable)))
      (local.set $capacity
        (select (i32.shl (local.get $capacity) (i32.const 1)) (i32.const 16) (local.get $capacity)))
      (local.set $base (global.get $heap))
      (global.set $heap (i32.add (local.get $base) (i32.shl (local.get $capacity) (i32.const 4))))
      (if (i32.lt_u (global.get $heap) (local.get $base)) (then (unreachable)))
      (local.set $need (i32.sub
        (i32.shr_u (i32.add (global.get $heap) (i32.const 0xffff)) (i32.const 16)) (memory.size @memory)))
      (if (i32.gt_s (local.get $need) (i32.const 0))
        (then (if (i32.eq (memory.grow @memory (local.get $need)) (i32.const -1)) (then (unreachable)))))
      (memory.copy @memory @memory
        (local.get $base) (i32.load @memory (local.get $vector)) (i32.shl (local.get $length) (i32.const 4)))
      (i32.store @memory (local.get $vector) (local.get $base))
      (i32.store @memory offset=8 (local.get $vector) (local.get $capacity))))
  (i32.store @memory offset=4 (local.get $vector) (i32.add (local.get $length) (i32.const 1)))
  (i32.add (i32.load @memory (local.get $vector)) (i32.shl (local.get $length) (i32.const 4))))";

/// Adds a handle to a table; gives its number.
const ADD: &str = "
(func $add (param $table i32) (param $kind i32) (param $value i32) (param $call i32) (result i32)
  (local $index i32) (local $at i32)
  (local.set $index (i32.load @memory offset=12 (local.get $table)))
  (if (local.get $index)
    (then
      (local.set $at (i32.add
        (i32.load @memory (local.get $table))
        (i32.shl (i32.sub (local.get $index) (i32.const 1)) (i32.const 4))))
      (i32.store @memory offset=12 (local.get $table) (i32.load @memory offset=4 (local.get $at))))
    (else
      (local.set $at (call $push (local.get $table)))
      (local.set $index (i32.load @memory offset=4 (local.get $table)))))
  (i32.store @memory (local.get $at) (local.get $kind))
  (i32.store @memory offset=4 (local.get $at) (local.get $value))
  (i32.store @memory offset=8 (local.get $at) (local.get $call))
  (local.get $index))";

/// The address of a handle; traps if there is none of this type.
const HANDLE: &str = "
(func $handle (param $table i32) (param $index i32) (param $kind i32) (result i32)
  (local.set $index (i32.sub (local.get $index) (i32.const 1)))
  (if (i32.ge_u (local.get $index) (i32.load @memory offset=4 (local.get $table))) (then (unreachable)))
  (local.set $index (i32.add (i32.load @memory (local.get $table)) (i32.shl (local.get $index) (i32.const 4))))
  (if (i32.ne (i32.and (i32.load @memory (local.get $index)) (i32.const -8)) (local.get $kind)) (then (unreachable)))
  (local.get $index))
(func $call_at (param $call i32) (result i32)
  (i32.add (i32.load @memory (i32.const 0)) (i32.shl (i32.sub (local.get $call) (i32.const 1)) (i32.const 4))))";

/// Takes a handle out of its table; traps if an owned one is lent.
const FREE: &str = "
(func $free (param $table i32) (param $index i32) (param $at i32)
  (if (i32.and (i32.load @memory (local.get $at)) (i32.const 1))
    (then (if (i32.load @memory offset=8 (local.get $at)) (then (unreachable)))))
  (i32.store @memory (local.get $at) (i32.const 0))
  (i32.store @memory offset=4 (local.get $at) (i32.load @memory offset=12 (local.get $table)))
  (i32.store @memory offset=12 (local.get $table) (local.get $index)))";

/// A borrow counts no longer in its call.
const UNBORROW: &str = "
(func $unborrow (param $at i32)
  (local.set $at (call $call_at (i32.load @memory offset=8 (local.get $at))))
  (i32.store @memory (local.get $at) (i32.sub (i32.load @memory (local.get $at)) (i32.const 1))))";

#[cfg(test)]
#[path = "handles_model.rs"]
mod model;

#[cfg(test)]
#[path = "handles_tests.rs"]
mod tests;
