//! `link` with preview1 kept: what a component prints and how it exits under wasmtime's WASI 0.2 is what the linked module
//! prints and how it exits on a host of a hundred lines that knows preview1 alone.

mod host;
mod p2;

use crate::guest;
use host::{Done, PREVIEW1, instantiate, run_core};
pub(crate) use host::{Given, NOTHING};
use lowlift::adapt::{Adapter, survey, wrap};
use lowlift::diagnostic::{Code, Diagnostic};
use lowlift::link::{Linked, Options, Wasi, link};
pub(crate) use p2::run as run_component;

fn strip(component: &[u8]) -> Result<Linked, Box<Diagnostic>> {
    link(component, Options { verify: true, wasi: Wasi::Preview1, ..Options::default() })
}

fn stripped(name: &str, component: &[u8]) -> Linked {
    strip(component).unwrap_or_else(|e| panic!("{name}: {e} {:?} {:?}", e.facts, e.cause))
}

fn imports(linked: &Linked) -> Vec<&str> {
    let mut modules: Vec<&str> = linked.report.imports.iter().map(|f| f.module.as_str()).collect();
    modules.dedup();
    modules
}

fn adapted(module: &[u8], adapter: &Adapter) -> Vec<u8> {
    wrap(module, &survey(module).expect("valid"), Some(adapter)).expect("wraps").component
}

/// WASI 0.2 has no exit codes but success and failure.
fn coarse(done: Done) -> Done {
    Done { exit: i32::from(done.exit != 0), ..done }
}

#[test]
fn programs_do_on_preview1_what_they_did_on_wasi_0_2() {
    let given = [
        Given { args: &["prog"], env: &[], stdin: "" },
        Given { args: &["prog", "exit=0", "ä"], env: &[("A", "b"), ("EMPTY", "")], stdin: "one\ntwo\n" },
        Given { args: &["prog", "exit=3"], env: &[("A", "b")], stdin: "fail, please" },
    ];
    let command = adapted(&guest("p1-command"), &Adapter::Command);
    for (name, component, others) in [("p1-command", command, 0), ("cli-rust", guest("cli-rust"), 1)] {
        let linked = stripped(name, &component);
        let merged = linked.report.merged.iter().filter(|m| m.name.as_deref() != Some("lowlift"));
        assert_eq!(merged.count(), 1, "{name}: adapter, shim and fixup are gone");
        assert_eq!((linked.report.tables, linked.report.memories), (1, 1), "{name}");
        let foreign = linked.report.imports.iter().filter(|f| f.module != PREVIEW1);
        assert_eq!(foreign.count(), others, "{name}: only what the program itself imports of WASI 0.2");
        let again = adapted(&linked.wasm, &Adapter::Command);
        for given in given {
            let want = p2::run(&component, given);
            let have = run_core(&linked.wasm, given);
            assert!(want.stdout.len() > 10 && want.stderr == "done\n", "{name} says something: {want:?}");
            assert_eq!(p2::run(&again, given), want, "{name}: adapted again");
            assert_eq!(coarse(have), want, "{name}");
        }
    }
}

/// Which preview1 can say.
#[test]
fn exit_codes_come_back() {
    let component = adapted(&guest("p1-command"), &Adapter::Command);
    let given = Given { args: &["prog", "exit=3"], ..NOTHING };
    assert_eq!(p2::run(&component, given).exit, 1);
    assert_eq!(run_core(&stripped("p1-command", &component).wasm, given).exit, 3);
}

/// A module with a world of its own beside preview1.
fn reactor() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let wit =
        "package test:reactor; world reactor { export add: func(a: s32, b: s32) -> s32; export greet: func() -> s32; }";
    let package = resolve.push_str("reactor.wit", wit).expect("WIT");
    let world = resolve.packages[package].worlds["reactor"];
    let mut module = guest("p1-reactor");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("embeds");
    module
}

#[test]
fn reactors_keep_their_exports_and_their_types() {
    let component = adapted(&reactor(), &Adapter::Reactor);
    let linked = stripped("p1-reactor", &component);
    assert_eq!(imports(&linked), [PREVIEW1]);
    assert!(linked.report.initialize, "constructors run before anything else");

    let mut oracle = p2::Running::new(&component, NOTHING);
    let add = oracle.instance.get_typed_func::<(i32, i32), (i32,)>(&mut oracle.store, "add").expect("exported");
    assert_eq!(add.call(&mut oracle.store, (i32::MAX, 1)).expect("no trap"), (i32::MIN,));
    let greet = oracle.instance.get_typed_func::<(), (i32,)>(&mut oracle.store, "greet").expect("exported");
    assert_eq!(greet.call(&mut oracle.store, ()).expect("no trap"), (0,));
    let want = oracle.done(0);
    assert_eq!(want.stdout, "hello\n");

    let (mut store, instance) = instantiate(&linked.wasm, NOTHING);
    let greet = instance.get_typed_func::<(), i32>(&mut store, "greet").expect("exported");
    instance.get_typed_func::<(), ()>(&mut store, "_initialize").expect("exported").call(&mut store, ()).expect("once");
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").expect("exported");
    assert_eq!(add.call(&mut store, (i32::MAX, 1)).expect("no trap"), i32::MIN);
    assert_eq!(greet.call(&mut store, ()).expect("no trap"), 0);
    assert_eq!(store.data().written[0], want.stdout.as_bytes());

    // The guest traps before it is initialised, and guards stay around what stays.
    let (mut store, instance) = instantiate(&linked.wasm, NOTHING);
    let greet = instance.get_typed_func::<(), i32>(&mut store, "greet").expect("exported");
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").expect("exported");
    assert_eq!(add.call(&mut store, (1, 2)).expect("no trap"), 3);
    greet.call(&mut store, ()).expect_err("not initialised");
    add.call(&mut store, (1, 2)).expect_err("the module has trapped");

    assert!(survey(&linked.wasm).expect("valid").has_component_type, "it can be adapted again");
    let again = adapted(&linked.wasm, &Adapter::Reactor);
    assert_eq!(stripped("again", &again).report.exports.len(), 2, "and stripped again");
}

#[test]
fn what_the_modules_import_themselves_stays() {
    for (name, p1) in [("http-echo-rust", 1), ("http-echo-c", 1)] {
        let linked = stripped(name, &guest(name));
        let of = |module: &str| linked.report.imports.iter().filter(|f| f.module.starts_with(module)).count();
        assert!(of(PREVIEW1) >= p1, "{name}");
        assert!(of("wasi:http/") > 3, "{name}");
        assert_eq!(of("wasi:filesystem/"), 0, "{name}: the adapter's");
        assert_eq!(linked.report.exports.len(), 1, "{name}");
        let plain = link(&guest(name), Options::default()).expect("links");
        assert!(linked.wasm.len() < plain.wasm.len(), "{name}: the adapter is gone");
    }
}

#[test]
fn a_component_without_an_adapter_is_refused_if_it_needs_wasi() {
    let error = strip(&guest("http-hello-rust")).expect_err("refused");
    assert_eq!(error.code, Code::NoAdapter);
    assert!(error.hints[0].contains("wasm32-wasip1"), "{:?}", error.hints);
    let pure = r#"(component (core module $m (func (export "f"))) (core instance $m (instantiate $m)) (func (export "f") (canon lift (core func $m "f"))))"#;
    assert!(imports(&stripped("pure", &wat::parse_str(pure).expect("text"))).is_empty());
}

/// A component as `wit-component` builds it, with parts to replace.
struct Parts {
    /// Fields of the component, before its modules.
    outer: &'static str,
    /// Fields of the main module.
    main: &'static str,
    /// Fields of the adapter.
    adapter: &'static str,
    /// Exports of the adapter that main imports from preview1 beside `proc_exit`.
    extra: &'static str,
    /// Fields of the fixup.
    fixup: &'static str,
    /// What the adapter gets for `exit`.
    exit: &'static str,
    /// Fields of the component, after its instances.
    rest: &'static str,
}

/// The program exits with 1 if the second word of its memory is set, which is what `_start` is written to tell.
const PARTS: Parts = Parts {
    outer: "",
    main: r#"(func (export "_start") (if (i32.load (i32.const 4)) (then (call $exit (i32.const 1)))))"#,
    adapter: "(global $state (mut i32) (i32.const 0))",
    extra: "",
    fixup: "",
    exit: "(core func $wasi_exit (canon lower (func $exit \"exit\")))",
    rest: "",
};

impl Parts {
    fn component(&self) -> Vec<u8> {
        let Parts { outer, main, adapter, extra, fixup, exit, rest } = self;
        let text = format!(
            r#"(component
              (import "wasi:cli/exit@0.2.6" (instance $exit (export "exit" (func (param "status" (result))))))
              {outer}
              (core module $shim
                (table (export "table") 1 1 funcref)
                (func (export "0") (param i32) (call_indirect (param i32) (local.get 0) (i32.const 0))))
              (core module $main
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                {main}
                (memory (export "memory") 1))
              (core module $adapter
                (import "env" "memory" (memory 0))
                (import "__main_module__" "_start" (func $start))
                (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
                {adapter}
                (func (export "own"))
                (func (export "proc_exit") (param i32) (call $exit (local.get 0)))
                (func (export "run") (result i32) (call $start) (i32.const 0)))
              (core module $fixup
                (import "actual" "0" (func $f (param i32)))
                (import "main" "_start" (func $start))
                (import "shim" "table" (table 1 1 funcref))
                (elem (i32.const 0) func $f)
                {fixup})
              (core instance $shim (instantiate $shim))
              (core instance $main (instantiate $main
                (with "wasi_snapshot_preview1" (instance (export "proc_exit" (func $shim "0")) {extra}))))
              {exit}
              (core instance $adapter (instantiate $adapter
                (with "env" (instance (export "memory" (memory $main "memory"))))
                (with "__main_module__" (instance $main))
                (with "wasi:cli/exit@0.2.6" (instance (export "exit" (func $wasi_exit))))))
              (core instance (instantiate $fixup
                (with "shim" (instance $shim))
                (with "main" (instance $main))
                (with "actual" (instance (export "0" (func $adapter "proc_exit"))))))
              (func $run (result (result)) (canon lift (core func $adapter "run")))
              (instance $runner (export "run" (func $run)))
              (export "wasi:cli/run@0.2.6" (instance $runner))
              {rest})"#
        );
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }
}

#[test]
fn a_start_function_runs_before_the_command() {
    let calm = PARTS.component();
    assert_eq!(p2::run(&calm, NOTHING).exit, 0);
    let linked = stripped("calm", &calm);
    assert_eq!(run_core(&linked.wasm, NOTHING).exit, 0);
    assert_eq!(linked.report.merged.len(), 1);

    let main = r#"(func (export "_start") (if (i32.load (i32.const 4)) (then (call $exit (i32.const 1)))))
      (func $set (i32.store (i32.const 4) (i32.const 1))) (start $set)"#;
    let eager = Parts { main, ..PARTS }.component();
    assert_eq!(p2::run(&eager, NOTHING).exit, 1);
    let linked = stripped("eager", &eager);
    assert!(!linked.report.initialize, "an engine that starts a command initialises nothing");
    assert_eq!(run_core(&linked.wasm, NOTHING).exit, 1);
}

#[test]
fn a_fixup_that_does_more_stays() {
    let main = r#"(func (export "_start")
      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
      (if (i32.eq (i32.load (i32.const 8)) (i32.const 3)) (then (call $exit (i32.const 1)))))"#;
    let fixup = "(func $twice (call $start) (call $start)) (start $twice)";
    let component = Parts { main, fixup, ..PARTS }.component();
    assert_eq!(p2::run(&component, NOTHING).exit, 1, "started for the third time");
    let linked = stripped("fixup", &component);
    assert_eq!(imports(&linked), [PREVIEW1]);
    assert_eq!(run_core(&linked.wasm, NOTHING).exit, 1);
}

/// A `run` that is lifted from the program itself, as bindings for `wasi:cli/run` make it.
#[test]
fn a_run_without_an_adapter_gets_a_start() {
    for (fails, exit) in [(0, 0), (1, 1)] {
        let text = format!(
            r#"(component
              (core module $m (func (export "run") (result i32) (i32.const {fails})))
              (core instance $m (instantiate $m))
              (func $run (result (result)) (canon lift (core func $m "run")))
              (instance $runner (export "run" (func $run)))
              (export "wasi:cli/run@0.2.6" (instance $runner)))"#
        );
        let component = wat::parse_str(text).expect("text");
        assert_eq!(p2::run(&component, NOTHING).exit, exit);
        let linked = stripped("run", &component);
        assert_eq!(run_core(&linked.wasm, NOTHING).exit, exit);
        assert_eq!(linked.report.exports.len(), 1);
    }
}

#[test]
fn adapters_that_do_more_than_adapt_are_refused() {
    let with = |parts: Parts| {
        let error = strip(&parts.component()).expect_err("refused");
        let reason = error.facts.iter().find(|(name, _)| *name == "reason").map(|(_, why)| why.clone());
        (error.code, reason.unwrap_or_default())
    };
    for (parts, why) in [
        (Parts { adapter: "(global $state (mut i32) (i32.const 64))", ..PARTS }, "has run before"),
        (
            Parts {
                main: r#"(import "wasi_snapshot_preview1" "adapter_close_badfd" (func (param i32))) (func (export "_start"))"#,
                extra: r#"(export "adapter_close_badfd" (func $shim "0"))"#,
                ..PARTS
            },
            "no such function",
        ),
        (
            Parts {
                main: r#"(import "wasi_snapshot_preview1" "sched_yield" (func (param i32))) (func (export "_start"))"#,
                extra: r#"(export "sched_yield" (func $shim "0"))"#,
                ..PARTS
            },
            "not the adapter's `sched_yield`",
        ),
        (
            Parts {
                outer: r#"(core module $fake (func (export "exit") (param i32)))
                  (core instance $fake (instantiate $fake))"#,
                exit: r#"(alias core export $fake "exit" (core func $wasi_exit))"#,
                ..PARTS
            },
            "supplies `wasi:cli/exit@0.2.6` `exit` to the adapter",
        ),
        (
            Parts { rest: r#"(func (export "own") (canon lift (core func $adapter "own")))"#, ..PARTS },
            "the export `own` needs the adapter",
        ),
        (
            Parts {
                rest: r#"(core module $other (import "adapter" "own" (func)))
                  (core instance (instantiate $other (with "adapter" (instance $adapter))))"#,
                ..PARTS
            },
            "the module `other` needs the adapter",
        ),
    ] {
        let (code, reason) = with(parts);
        assert_eq!(code, Code::AdapterEntangled, "{why}");
        assert!(reason.contains(why), "{why}: {reason}");
    }
}

/// Every byte flipped: a coded refusal or a valid module, never a panic.
#[test]
fn hostile_adapters_are_refused() {
    let component = PARTS.component();
    let (mut linked, mut refused) = (0, 0);
    for i in 8..component.len() {
        let mut bytes = component.clone();
        bytes[i] ^= 1 + u8::try_from(i % 250).expect("small");
        match link(&bytes, Options { wasi: Wasi::Preview1, ..Options::default() }) {
            Ok(output) => {
                wasmparser::Validator::new().validate_all(&output.wasm).expect("valid");
                linked += 1;
            }
            Err(error) => {
                assert!(!error.code.is_ours(), "byte {i}: {error} {:?}", error.cause);
                refused += 1;
            }
        }
    }
    assert!(linked > 0 && refused > 500, "{linked} linked, {refused} refused");
}
