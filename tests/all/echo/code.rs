//! The core modules of a generated component: an allocator, a callee that gives back what it gets, a caller.

use super::types::{Core, Echo, Ty, offsets};
use std::fmt::Write;

/// Where an export puts a result that goes through memory.
pub(super) const RETURN: u32 = 0x400;
/// Where raw calls put the bytes that a caller makes up.
pub(super) const IMAGE: u32 = 0x4000;
/// Where allocations begin, and how much of them a raw call shows.
pub(super) const HEAP: u32 = 0x2_0000;
pub(super) const SHOWN: u32 = 0x4000;
/// The memory ends here.
pub(super) const END: u32 = 0x10_0000;

/// `(param i32 i64)`, or nothing.
pub(super) fn params(types: &[Core]) -> String {
    let names: Vec<&str> = types.iter().map(|core| core.name()).collect();
    if names.is_empty() { String::new() } else { format!("(param {})", names.join(" ")) }
}

fn result(core: Option<Core>) -> String {
    core.map_or_else(String::new, |core| format!("(result {})", core.name()))
}

fn locals(count: usize) -> String {
    (0..count).map(|i| format!("(local.get {i})")).collect::<Vec<_>>().join(" ")
}

/// The core signature of a lifted function.
pub(super) fn lifted(echo: &Echo) -> String {
    let core = if echo.returns_pointer() { Some(Core::I32) } else { echo.core_result() };
    format!("{} {}", params(&echo.core_params()), result(core))
}

/// The core signature of a lowered function: results that do not fit take a pointer to where they go.
pub(super) fn lowered(echo: &Echo) -> String {
    let mut types = echo.core_params();
    types.extend(echo.returns_pointer().then_some(Core::I32));
    format!("{} {}", params(&types), result(echo.core_result()))
}

/// Memory and allocator. Allocations go round in a ring. `$mode` makes it misbehave: 1 unaligned, 2 out of bounds,
/// 3 calls an import, 4 traps. One that always moves overwrites what it leaves.
pub(super) fn memory(moves: bool) -> String {
    let shrink = if moves {
        ""
    } else {
        "(if (i32.and (i32.ne (local.get 1) (i32.const 0)) (i32.le_u (local.get 3) (local.get 1)))
           (then (return (local.get 0))))"
    };
    let wipe = if moves { "(memory.fill (local.get 0) (i32.const 0xaa) (local.get 1))" } else { "" };
    format!(
        r#"(core module $mem
      (import "" "tick" (func $tick (param i32) (result i32)))
      (memory (export "memory") 16)
      (global $top (mut i32) (i32.const {HEAP}))
      (global $count (mut i32) (i32.const 0))
      (global $mode (mut i32) (i32.const 0))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (if (i32.eq (global.get $mode) (i32.const 1)) (then (return (i32.const {unaligned}))))
        (if (i32.eq (global.get $mode) (i32.const 2)) (then (return (i32.const -8))))
        (if (i32.eq (global.get $mode) (i32.const 3)) (then (drop (call $tick (i32.const 1000)))))
        (if (i32.eq (global.get $mode) (i32.const 4)) (then unreachable))
        {shrink}
        (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
                                (i32.sub (i32.const 0) (local.get 2))))
        (if (i32.gt_u (local.get 3) (i32.sub (i32.const {END}) (local.get $at))) (then (local.set $at (i32.const {HEAP}))))
        (global.set $top (i32.add (local.get $at) (local.get 3)))
        (if (local.get 1) (then
          (memory.copy (local.get $at) (local.get 0)
            (select (local.get 1) (local.get 3) (i32.lt_u (local.get 1) (local.get 3))))
          {wipe}))
        (local.get $at))
      (func (export "reset") (global.set $top (i32.const {HEAP}))
        (memory.fill (i32.const {HEAP}) (i32.const 0) (i32.const {heap}))
        (memory.fill (i32.const {RETURN}) (i32.const 0) (i32.const {returned})))
      (func (export "used") (result i32) (local i32)
        (local.set 0 (i32.sub (global.get $top) (i32.const {HEAP})))
        (select (local.get 0) (i32.const {SHOWN}) (i32.lt_u (local.get 0) (i32.const {SHOWN}))))
      (func (export "mode") (param i32) (global.set $mode (local.get 0)))
      (func (export "count") (result i32) (global.get $count)))
    (core instance $mem (instantiate $mem (with "" (instance (export "tick" (func $tick'))))))"#,
        unaligned = HEAP + 1,
        returned = IMAGE - RETURN,
        heap = END - HEAP,
    )
}

/// What counts post-returns and makes them misbehave: 1 calls an import, 2 traps.
pub(super) const POSTS: &str = r#"(global $posts (mut i32) (i32.const 0)) (global $post (mut i32) (i32.const 0))
      (func $posted
        (global.set $posts (i32.add (global.get $posts) (i32.const 1)))
        (if (i32.eq (global.get $post) (i32.const 1)) (then (drop (call $tick (i32.const 2000)))))
        (if (i32.eq (global.get $post) (i32.const 2)) (then unreachable)))
      (func (export "posts") (result i32) (global.get $posts))
      (func (export "post-mode") (param i32) (global.set $post (local.get 0)))
      (func (export "count") (result i32) (call $count))
      (func (export "mode") (param i32) (call $mode (local.get 0)))"#;

/// A post-return that overwrites the result, which nobody may look at any more.
pub(super) fn post(index: usize, echo: &Echo) -> String {
    let size = echo.result().map_or(0, |ty| ty.size());
    let core = if echo.returns_pointer() { Some(Core::I32) } else { echo.core_result() };
    let wipe = format!("(memory.fill (local.get 0) (i32.const 0xee) (i32.const {size}))");
    format!(
        r#"(func (export "post{index}") {} (call $posted) {})"#,
        params(core.as_slice()),
        if echo.returns_pointer() { &wipe } else { "" }
    )
}

/// The callee's function. `drops` borrowed handles that it gets directly, unless told to keep them.
pub(super) fn echo(index: usize, echo: &Echo, drops: bool) -> String {
    let mut body = format!("(drop (call $tick (i32.const {index})))");
    if drops && !echo.spilled() {
        let mut local = 0;
        for ty in &echo.params {
            if *ty == Ty::Borrow {
                let _ = write!(body, "(if (i32.eqz (global.get $keep)) (then (call $drop (local.get {local}))))");
            }
            local += ty.flat().len();
        }
    }
    if echo.spilled() || echo.core_result().is_some() {
        // Parameters in memory lie as the result does.
        body.push_str("(local.get 0)");
    } else if echo.returns_pointer() {
        let have: Vec<(usize, Core)> = echo.flat_params().into_iter().enumerate().collect();
        store(&mut body, &Ty::Tuple(echo.params.clone()), RETURN, &have);
        let _ = write!(body, "(i32.const {RETURN})");
    }
    format!(r#"(func (export "f{index}") {} {body})"#, lifted(echo))
}

/// Stores flattened parameters, in locals of joined types, as they lie in memory.
fn store(out: &mut String, ty: &Ty, at: u32, have: &[(usize, Core)]) {
    if let Some(fields) = ty.fields() {
        let mut rest = have;
        for (field, offset) in fields.iter().zip(offsets(fields)) {
            let (own, others) = rest.split_at(field.flat().len());
            store(out, field, at + offset, own);
            rest = others;
        }
        return;
    }
    if let Some(cases) = ty.cases() {
        let width = if Ty::discriminant(cases.len()) == 1 { "8" } else { "16" };
        let narrow = local(have[0], Core::I32);
        let _ = write!(out, "(i32.store{width} offset={at} (i32.const 0) {narrow})");
        for (i, case) in cases.iter().enumerate() {
            if let Some(case) = case {
                let _ = write!(out, "(if (i32.eq {narrow} (i32.const {i})) (then ");
                store(out, case, at + ty.payload(), &have[1..1 + case.flat().len()]);
                out.push_str("))");
            }
        }
        return;
    }
    let flat = ty.flat();
    let width = ty.size() / flat.len() as u32;
    for (i, core) in flat.into_iter().enumerate() {
        let narrow = match (core, width) {
            (Core::I32, 1) => "8",
            (Core::I32, 2) => "16",
            _ => "",
        };
        let _ = write!(
            out,
            "({}.store{narrow} offset={} (i32.const 0) {})",
            core.name(),
            at + i as u32 * width,
            local(have[i], core)
        );
    }
}

/// A local of a joined type, as the type that a case has.
fn local((index, have): (usize, Core), want: Core) -> String {
    let get = format!("(local.get {index})");
    match (have, want) {
        (a, b) if a == b => get,
        (Core::I32, Core::F32) => format!("(f32.reinterpret_i32 {get})"),
        (Core::I64, Core::I32) => format!("(i32.wrap_i64 {get})"),
        (Core::I64, Core::F32) => format!("(f32.reinterpret_i32 (i32.wrap_i64 {get}))"),
        (Core::I64, Core::F64) => format!("(f64.reinterpret_i64 {get})"),
        other => unreachable!("no join gives {other:?}"),
    }
}

/// The caller's function that passes everything on.
pub(super) fn run(index: usize, echo: &Echo) -> String {
    let args = locals(echo.core_params().len());
    let log = format!("(drop (call $log (i32.const {index}) (i32.const 0x300) (i32.const {SAID})))");
    let call = if echo.returns_pointer() {
        format!("(call $f{index} {args} (i32.const {RETURN})) (i32.const {RETURN})")
    } else {
        format!("(call $f{index} {args})")
    };
    format!(r#"(func (export "run{index}") {} {log} {call})"#, lifted(echo))
}

/// Code units that a caller says to `log`: ASCII, at 0x300, in its encoding.
pub(super) const SAID: u32 = 2;

/// The caller's function that passes words and bytes on as they come, lie as they may. It gives back the result area and
/// what was allocated.
pub(super) fn raw(index: usize, echo: &Echo) -> String {
    let types = echo.core_params();
    let load = |(i, core): (usize, &Core)| format!("({}.load offset={} (i32.const 512))", core.name(), i * 8);
    let mut args: String = types.iter().enumerate().map(load).collect();
    if echo.returns_pointer() {
        let _ = write!(args, "(i32.const {RETURN})");
    }
    let call = match echo.core_result() {
        Some(core) => format!("({}.store (i32.const {RETURN}) (call $f{index} {args}))", core.name()),
        None => format!("(call $f{index} {args})"),
    };
    let size = echo.result().map_or(0, |ty| ty.size().max(8));
    format!(
        r#"(func (export "raw{index}") (param $at i32) (param $p i32) (param $n i32) (param $a i32) (param $an i32) (result i32)
        (if (i32.lt_u (local.get $an) (i32.const {count})) (then unreachable))
        (memory.copy (i32.const 512) (local.get $a) (i32.const {bytes}))
        (memory.copy (local.get $at) (local.get $p) (local.get $n))
        (call $reset)
        {call}
        (i32.store (i32.const 16) (i32.const {RETURN})) (i32.store (i32.const 20) (i32.const {size}))
        (i32.store (i32.const 24) (i32.const {HEAP})) (i32.store (i32.const 28) (call $used))
        (i32.const 16))"#,
        count = types.len(),
        bytes = types.len() * 8,
    )
}
