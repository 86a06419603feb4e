//! A guest that passes everything on: what it is given goes to the host, what the host gives is returned.

use lowlift::abi::Core;
use lowlift::bindgen::{Plan, Stub};
use lowlift::witx::FuncRole;
use std::fmt::Write;

/// Where results go, where parameters are noted, and where allocations begin.
pub(super) const RETURN: u32 = 0x200;
pub(super) const LOG: u32 = 0x400;
pub(super) const HEAP: u32 = 0x1000;
/// The memory ends here.
pub(super) const END: u32 = 0x1_0000 * 4;

pub(super) const API: &str = "test:every/api@1.2.3";

/// What a world for the oracle has beyond `every`: each function of the interface in words, and a look into the memory.
pub(super) fn raw_wit(plan: &Plan<'_>) -> String {
    let mut text = String::new();
    for stub in api(plan) {
        let params: Vec<String> =
            words(stub).iter().enumerate().map(|(i, core)| format!("p{i}: {}", scalar(*core))).collect();
        writeln!(text, "  export raw-{}: func({});", stub.func.name, params.join(", ")).expect("text");
    }
    text + "  export poke: func(at: u32, value: u32);\n  export set-top: func(top: u32, mode: u32);\n  \
            export peek: func() -> list<u8>;\n"
}

fn scalar(core: Core) -> &'static str {
    match core {
        Core::I32 => "u32",
        Core::I64 => "u64",
        Core::F32 => "f32",
        Core::F64 => "f64",
    }
}

/// The functions that are passed on.
pub(super) fn api<'p, 'd>(plan: &'p Plan<'d>) -> impl Iterator<Item = &'p Stub<'d>> {
    plan.stubs.iter().filter(|stub| stub.module.core_name == API && matches!(stub.func.role, FuncRole::Call { .. }))
}

/// The core parameters without the pointer to the result.
pub(super) fn words<'d>(stub: &Stub<'d>) -> &'d [Core] {
    let params = &stub.abi.core.params;
    let spilled = stub.abi.signature.as_ref().is_some_and(|s| s.result_spilled);
    &params[..params.len() - usize::from(spilled)]
}

fn list(word: &str, cores: &[Core]) -> String {
    let names: Vec<&str> = cores.iter().map(|core| core.name()).collect();
    if names.is_empty() { String::new() } else { format!("({word} {})", names.join(" ")) }
}

/// The module, as text.
pub(super) fn module(plan: &Plan<'_>) -> String {
    let (mut imports, mut functions) = (String::new(), String::new());
    for (i, stub) in plan.stubs.iter().enumerate() {
        let core = &stub.abi.core;
        writeln!(
            imports,
            "(import {:?} {:?} (func $i{i} {} {}))",
            stub.name.module,
            stub.name.name,
            list("param", &core.params),
            list("result", &core.results)
        )
        .expect("text");
    }
    for stub in api(plan) {
        pass_on(&mut functions, plan, stub);
    }
    let tour = if plan.stubs.iter().any(|stub| stub.func.name == "lent") { tour(plan) } else { String::new() };
    format!(
        r#"(module {imports}
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const {HEAP}))
  (global $mode (mut i32) (i32.const 0))
  (global $gone (mut i32) (i32.const 0))
  (data (i32.const 16) "name")
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (if (i32.eq (global.get $mode) (i32.const 1)) (then (return (i32.const {unaligned}))))
    (if (i32.eq (global.get $mode) (i32.const 2)) (then (return (i32.const -8))))
    (if (i32.eq (global.get $mode) (i32.const 3)) (then (return (i32.const {END}))))
    (if (i32.eq (global.get $mode) (i32.const 4)) (then unreachable))
    (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get 2))))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  {functions}
  (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "set-top") (param i32 i32) (global.set $top (local.get 0)) (global.set $mode (local.get 1)))
  (func (export "peek") (result i32)
    (i32.store (i32.const 0x80) (i32.const {RETURN}))
    (i32.store (i32.const 0x84) (i32.sub (global.get $top) (i32.const {RETURN})))
    (i32.const 0x80))
  {tour})"#,
        unaligned = HEAP + 1,
    )
}

/// Calls what has handles.
fn tour(plan: &Plan<'_>) -> String {
    let index = |field: &str| {
        let found = plan.stubs.iter().position(|stub| stub.func.name == field);
        format!("$i{}", found.unwrap_or_else(|| panic!("no import {field}")))
    };
    format!(
        r#"(func (export "tour") (result i64) (local $a i32) (local $b i32) (local $sum i64)
    (local.set $a (call {new} (i32.const 16) (i32.const 4)))
    (local.set $b (call {new} (i32.const 17) (i32.const 2)))
    (local.set $sum (i64.add (call {size} (local.get $a)) (i64.mul (call {size} (local.get $b)) (i64.const 10))))
    (call {merge} (local.get $a) (local.get $b) (i32.const {RETURN}))
    (if (i32.load8_u (i32.const {RETURN})) (then unreachable))
    (local.set $a (call {own} (i32.load offset=4 (i32.const {RETURN}))))
    (local.set $sum (i64.add (local.get $sum) (i64.mul (call {lent} (local.get $a)) (i64.const 100))))
    (call {drop} (local.get $b))
    (call {drop} (local.get $a))
    (local.get $sum))
  (func (export "made-here#[constructor]made") (param i32) (result i32) (call {made} (local.get 0)))
  (func (export "made-here#[method]made.count") (param i32) (result i32)
    (i32.add (local.get 0) (i32.mul (global.get $gone) (i32.const 1000))))
  (func (export "made-here#open") (param i32) (result i32) (call {made} (i32.add (local.get 0) (i32.const 1))))
  (func (export "made-here#close") (param i32) (result i32) (local i32)
    (local.set 1 (call {rep} (local.get 0)))
    (call {unmade} (local.get 0))
    (i32.add (local.get 1) (i32.mul (global.get $gone) (i32.const 1000))))
  (func (export "made-here#[dtor]made") (param i32) (global.set $gone (i32.add (global.get $gone) (i32.const 1))))"#,
        new = index("[constructor]thing"),
        size = index("[method]thing.size"),
        merge = index("[static]thing.merge"),
        drop = index("[resource-drop]thing"),
        own = index("give"),
        lent = index("lent"),
        made = index("[resource-new]made"),
        rep = index("[resource-rep]made"),
        unmade = index("[resource-drop]made"),
    )
}

/// An export that notes its words, and one that takes any words.
fn pass_on(out: &mut String, plan: &Plan<'_>, stub: &Stub<'_>) {
    let position = plan.stubs.iter().position(|other| std::ptr::eq(other, stub)).expect("one of them");
    let words = words(stub);
    let mut log = format!("(i32.store (i32.const {}) (global.get $top))", LOG + 0x100);
    let mut call = String::new();
    for (i, core) in words.iter().enumerate() {
        write!(log, "({core}.store (i32.const {}) (local.get {i}))", LOG + 8 * i as u32).expect("text");
        write!(call, "(local.get {i}) ").expect("text");
    }
    let core = &stub.abi.core;
    let spilled = words.len() < core.params.len();
    let params = list("param", words);
    if spilled {
        write!(call, "(i32.const {RETURN})").expect("text");
    }
    let name = &stub.func.name;
    let (result, after) = match (spilled, core.results.first()) {
        (true, _) => ("(result i32)".to_owned(), format!("(i32.const {RETURN})")),
        (_, Some(core)) => (format!("(result {core})"), String::new()),
        _ => (String::new(), String::new()),
    };
    writeln!(out, r#"(func (export "{API}#{name}") {params} {result} {log} (call $i{position} {call}) {after})"#)
        .expect("text");
    let raw = match core.results.first() {
        Some(core) => format!("({core}.store (i32.const {RETURN}) (call $i{position} {call}))"),
        None => format!("(call $i{position} {call})"),
    };
    writeln!(out, r#"(func (export "raw-{name}") {params} {raw})"#).expect("text");
}
