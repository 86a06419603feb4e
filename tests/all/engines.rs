//! Both engines: the same answers, the same traps, the same limits.

mod guests;

use lowlift::diagnostic::{Code, Diagnostic};
use lowlift::engine::{EngineKind, Finished, Instance, Limits, LoadOptions, Program, Task, load_with};
use lowlift::host::{Config, State, Stdio, Trap};
use std::sync::Arc;
use std::time::Duration;

/// Both engines.
const ENGINES: [EngineKind; 2] = [EngineKind::Wasmtime, EngineKind::Wasmi];

/// Chooses the engine of the server's tests.
const ENGINE: &str = "LOWLIFT_TEST_ENGINE";

/// The engine that the server's tests are to run on.
pub(crate) fn chosen() -> EngineKind {
    match std::env::var(ENGINE) {
        Ok(name) if name == EngineKind::Wasmi.name() => EngineKind::Wasmi,
        _ => EngineKind::Wasmtime,
    }
}

/// The server's tests run on wasmtime where they stand; here they run once more.
#[test]
fn the_server_s_tests_hold_on_wasmi() {
    if chosen() == EngineKind::Wasmi {
        return;
    }
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    let output = command.args(["serve::", "served::"]).env(ENGINE, "wasmi").output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Small, and long enough for a machine that is busy with other tests.
fn limits() -> Limits {
    let time = Duration::from_secs(20);
    Limits { memory: 1 << 20, table: 100, stack: 64 << 10, time, cpu: time, fuel: None, instances: 4 }
}

fn wat(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("text")
}

fn program(engine: EngineKind, wasm: &[u8], limits: Limits) -> Result<Box<dyn Program>, Box<Diagnostic>> {
    load_with(&LoadOptions { engine, limits, ..LoadOptions::default() }, wasm, &["run", "again"])
}

fn state() -> State {
    State::new(Arc::new(Config::default()), Stdio::logged(Arc::new(|_, _| {})))
}

async fn run_under(engine: EngineKind, fields: &str, limits: Limits) -> Finished {
    let program = program(engine, &wat(fields), limits).unwrap_or_else(|e| panic!("{engine:?}: {e} {:?}", e.cause));
    program.instance(state()).run(Task::new(Some(0), Vec::new(), &limits)).await
}

/// The outcome on both engines, which must be the same.
async fn run(fields: &str) -> Result<Option<u32>, Trap> {
    let [a, b] = [run_under(ENGINES[0], fields, limits()).await, run_under(ENGINES[1], fields, limits()).await];
    assert_eq!(a.outcome, b.outcome, "{fields}");
    b.outcome
}

async fn trapped(fields: &str) -> String {
    run(fields).await.expect_err("a trap").to_string()
}

const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// A pollable that is ready after a millisecond, as function `$soon`; `$block` waits for one.
const WAITING: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
    (func $soon (result i32) (call $after (i64.const 1000000)))"#;

#[tokio::test(flavor = "multi_thread")]
async fn guest_traps_have_the_same_names() {
    for (body, name) in [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("(drop (i32.load (i32.const 65533)))", "out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", "invalid conversion to integer"),
        ("(call_indirect (i32.const 0))", "uninitialized element"),
        ("(call_indirect (i32.const 9))", "undefined element: out of bounds table access"),
        ("(call_indirect (param i32) (i32.const 0) (i32.const 1))", "indirect call type mismatch"),
        ("(table.copy (i32.const 0) (i32.const 3) (i32.const 9))", "undefined element: out of bounds table access"),
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 65537))", "out of bounds memory access"),
        ("(call $deep)", "call stack exhausted"),
    ] {
        let fields = format!(
            r#"{MEMORY} (table 4 funcref) (elem (i32.const 1) $deep) (func $deep (call $deep))
               (func (export "run") {body})"#
        );
        assert_eq!(trapped(&fields).await, format!("wasm trap: {name}"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_at_the_start_fails_alike() {
    for (fields, name) in [
        (r#"(memory 1) (data (i32.const 65535) "ab") (func (export "run"))"#, "wasm trap: out of bounds memory access"),
        (
            r#"(table 1 funcref) (elem (i32.const 1) $f) (func $f) (func (export "run"))"#,
            "wasm trap: undefined element: out of bounds table access",
        ),
        (
            r#"(func $s unreachable) (start $s) (func (export "run"))"#,
            "wasm trap: wasm `unreachable` instruction executed",
        ),
        (
            r#"(func (export "_initialize") unreachable) (func (export "run"))"#,
            "wasm trap: wasm `unreachable` instruction executed",
        ),
        (r#"(func (export "again"))"#, "the module does not export what is to be called"),
        (r#"(func (export "run") (param i32))"#, "the export `run` has another signature than it is called by"),
        (
            r#"(func (export "run") (result i32 i32) unreachable)"#,
            "the export `run` has another signature than it is called by",
        ),
    ] {
        assert_eq!(trapped(fields).await, name, "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_s_traps_and_exits_are_the_same() {
    let poll = r#"(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#;
    assert_eq!(
        trapped(&format!(r#"{WAITING} (func (export "run") (call $block (i32.const 7)))"#)).await,
        "handle 7 does not exist"
    );
    for (address, what) in [(65536, "a pointer out of bounds of the memory"), (2, "pointer 0x2 is not aligned to 4")] {
        let call = format!("(call $poll (i32.const {address}) (i32.const 1) (i32.const 0))");
        assert_eq!(trapped(&format!(r#"{poll} {MEMORY} (func (export "run") {call})"#)).await, what);
    }
    let exit = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
    let exit = run(&format!(r#"{exit} (func (export "run") (call $exit (i32.const 1)))"#)).await;
    assert_eq!(exit, Err(Trap::Exit(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_wait_wherever_they_call_from() {
    let done = |name: &str| format!(r#"(func (export "{name}") (result i32) (i32.const 42))"#);
    for (fields, result) in [
        // In a frame below others, with values on the stack.
        (
            r#"(func $inner (param i32) (result i32) (call $block (call $soon)) (i32.add (local.get 0) (i32.const 1)))
               (func (export "run") (result i32) (i32.mul (i32.const 6) (call $inner (i32.const 6))))"#
                .to_owned(),
            Some(42),
        ),
        // In a start function, which the module exports under a name that is taken elsewhere.
        (
            format!(r#"(func $s (call $block (call $soon))) (start $s) (func (export "start") unreachable) {}"#, done("run")),
            Some(42),
        ),
        (format!(r#"(func (export "_initialize") (call $block (call $soon))) {}"#, done("run")), Some(42)),
        // As a tail call, at the bottom and above.
        (r#"(func (export "run") (return_call $block (call $soon)))"#.to_owned(), None),
        (
            r#"(func $inner (return_call $block (call $soon)))
               (func (export "run") (result i32) (call $inner) (call $inner) (i32.const 42))"#
                .to_owned(),
            Some(42),
        ),
        // Through a table.
        (
            r#"(table 1 funcref) (elem (i32.const 0) $block)
               (func (export "run") (result i32) (call_indirect (param i32) (call $soon) (i32.const 0)) (i32.const 42))"#
                .to_owned(),
            Some(42),
        ),
    ] {
        assert_eq!(run(&format!("{WAITING} {fields}")).await, Ok(result), "{fields}");
    }
}

/// A guest that asks for five random bytes and loads a byte of what it got; the realloc is given.
fn random(realloc: &str, after: &str) -> String {
    format!(
        r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
           {WAITING} {MEMORY} {realloc}
           (func (export "run") (result i32) (call $random (i64.const 5) (i32.const 8)) {after})"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_where_the_guest_allocates() {
    let realloc = |body: &str| format!(r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {body})"#);
    let pointer = "(i32.load (i32.const 8))";
    assert_eq!(run(&random(&realloc("(i32.const 1000)"), pointer)).await, Ok(Some(1000)));
    let length = "(i32.load (i32.const 12))";
    assert_eq!(run(&random(&realloc("(i32.const 65531)"), length)).await, Ok(Some(5)), "just fits");
    // The memory grows while the host waits for the pointer; both sides see all of it afterwards.
    let grown = "(i32.store8 (i32.const 65540) (i32.const 7)) (i32.load8_u (i32.const 65540))";
    let grow = realloc("(drop (memory.grow (i32.const 1))) (i32.const 65536)");
    assert_eq!(run(&random(&grow, grown)).await, Ok(Some(7)));
    for (realloc, trap) in [
        (realloc("(i32.const 65532)"), "a pointer out of bounds of the memory"),
        (realloc("(call $block (call $soon)) (i32.const 0)"), "`cabi_realloc` or a post-return called an import"),
        (realloc("unreachable"), "wasm trap: wasm `unreachable` instruction executed"),
        (String::new(), "the guest exports no `cabi_realloc`"),
    ] {
        assert_eq!(trapped(&random(&realloc, pointer)).await, trap, "{realloc}");
    }
}

/// An export that returns a number, and its post-return.
fn with_post_return(ty: &str, body: &str) -> String {
    format!(
        r#"{WAITING} (global $given (mut i32) (i32.const 0))
           (func (export "run") (result i32) (i32.add (i32.const 7) (global.get $given)))
           (func (export "cabi_post_run") {ty} {body})"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_return_is_called_with_the_result_before_the_next_call() {
    for engine in ENGINES {
        let fields = with_post_return("(param i32)", "(global.set $given (local.get 0))");
        let program = program(engine, &wat(&fields), limits()).expect("loads");
        let first = program.instance(state()).run(Task::new(Some(0), Vec::new(), &limits())).await;
        assert_eq!(first.outcome, Ok(Some(7)), "{engine:?}");
        let second = first.instance.run(Task::new(Some(0), Vec::new(), &limits())).await;
        assert_eq!(second.outcome, Ok(Some(14)), "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_return_may_trap_and_may_not_call_out() {
    let trap = |body| with_post_return("(param i32)", body);
    assert_eq!(trapped(&trap("unreachable")).await, "wasm trap: wasm `unreachable` instruction executed");
    let called_out = "`cabi_realloc` or a post-return called an import";
    assert_eq!(trapped(&trap("(drop (call $soon))")).await, called_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_functions_can_be_exports_and_be_imported_twice() {
    let twice = r#"(import "wasi:clocks/monotonic-clock@0.2.0" "resolution" (func $a (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.0" "resolution" (func $b (result i64)))
        (func (export "run") (result i32) (i32.wrap_i64 (i64.add (call $a) (call $b))))"#;
    assert_eq!(run(twice).await, Ok(Some(2)));
    let drop = r#"(import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))"#;
    let block = r#"(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;
    let make = r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
        (export "run" (func $drop)) (export "again" (func $block))
        (func (export "_initialize") (drop (call $after (i64.const 1000000))))"#;
    for engine in ENGINES {
        let program = program(engine, &wat(&format!("{drop} {block} {make}")), limits()).expect("loads");
        let mut instance = program.instance(state());
        for (export, outcome) in
            [(1, Ok(None)), (0, Ok(None)), (1, Err(Trap::Guest("handle 1 does not exist".to_owned())))]
        {
            let finished = instance.run(Task::new(Some(export), vec![1], &limits())).await;
            assert_eq!(finished.outcome, outcome, "{engine:?}");
            instance = finished.instance;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_end_at_the_limit_of_time_or_of_computing() {
    let spin = r#"(func (export "run") (loop (br 0)))"#;
    // Nothing but calls of the host, which take the time.
    let call = r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))
        (memory (export "memory") 1) (func (export "run") (loop (call $now (i32.const 8)) (br 0)))"#;
    let initialize = r#"(func (export "_initialize") (loop (br 0))) (func (export "run"))"#;
    let start = r#"(func $s (loop (br 0))) (start $s) (func (export "run"))"#;
    let realloc = random(
        r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable)"#,
        "(i32.const 0)",
    );
    let wait = format!(r#"{WAITING} (func (export "run") (call $block (call $after (i64.const -1))))"#);
    let short = Duration::from_millis(30);
    for engine in ENGINES {
        for fields in [spin, call, initialize, start, &realloc] {
            let cpu = run_under(engine, fields, Limits { cpu: short, ..limits() }).await;
            assert_eq!(cpu.outcome, Err(Trap::Cpu), "{engine:?} {fields}");
            assert!(cpu.cpu >= short);
            let time = run_under(engine, fields, Limits { time: short, ..limits() }).await;
            assert_eq!(time.outcome, Err(Trap::Deadline), "{engine:?} {fields}");
        }
        // Waiting is no computing.
        let time = run_under(engine, &wait, Limits { time: short, cpu: Duration::from_secs(9), ..limits() }).await;
        assert_eq!(time.outcome, Err(Trap::Deadline), "{engine:?}");
    }
}

#[test]
fn shared_memory_is_refused_by_both() {
    let module = wat::parse_str(r#"(module (memory 1 2 shared) (func (export "run")))"#).expect("a module");
    for engine in ENGINES {
        let options = LoadOptions { engine, limits: limits(), ..LoadOptions::default() };
        let error = load_with(&options, &module, &["run"]).err().expect("refused");
        assert_eq!(error.message, "the module has a shared memory, and there are no threads", "{engine:?}");
    }
}

/// A call that uses up its fuel ends; what one call used is not held against the next, and what the guest's realloc
/// uses counts.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_its_own_fuel() {
    let turns = |n: u32| {
        format!(
            r#"(memory (export "memory") 1)
            (func (export "run") (local $n i32) (local.set $n (i32.const {n}))
                (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"#
        )
    };
    for engine in ENGINES {
        let limits = Limits { fuel: Some(3_000_000), ..limits() };
        let endless = run_under(engine, r#"(func (export "run") (loop (br 0)))"#, limits).await;
        assert_eq!(endless.outcome, Err(Trap::Cpu), "{engine:?}");
        let many = run_under(engine, &turns(3_000_000), limits).await;
        assert_eq!(many.outcome, Err(Trap::Cpu), "{engine:?}");
        let some = wat::parse_str(format!("(module {})", turns(300_000))).expect("a module");
        let program =
            load_with(&LoadOptions { engine, limits, ..LoadOptions::default() }, &some, &["run"]).expect("loads");
        let mut instance = program.instance(State::new(Default::default(), Stdio::logged(Arc::new(|_, _| ()))));
        for _ in 0..10 {
            let finished = instance.run(Task::new(Some(0), Vec::new(), &limits)).await;
            assert_eq!(finished.outcome, Ok(None), "{engine:?}");
            instance = finished.instance;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_loop_lets_others_run_on_its_thread() {
    for engine in ENGINES {
        let limits = Limits { cpu: Duration::from_secs(1), ..limits() };
        let mut guest = Box::pin(run_under(engine, r#"(func (export "run") (loop (br 0)))"#, limits));
        let mut turns = 0;
        let finished = loop {
            tokio::select! {
                biased;
                finished = &mut guest => break finished,
                () = tokio::task::yield_now() => turns += 1,
            }
        };
        assert_eq!(finished.outcome, Err(Trap::Cpu));
        assert!(turns > 2, "{engine:?}: {turns}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_limited_in_sum_and_tables_each() {
    // Pages: 1 + 1 at the start, 16 at the most.
    let two = |grow: &str| {
        format!(r#"(memory $a (export "memory") 1) (memory $b 1) (func (export "run") (result i32) {grow})"#)
    };
    assert_eq!(run(&two("(memory.grow $b (i32.const 14))")).await, Ok(Some(1)));
    assert_eq!(run(&two("(memory.grow $b (i32.const 15))")).await, Ok(Some(u32::MAX)));
    let both = "(drop (memory.grow $a (i32.const 10))) (memory.grow $b (i32.const 5))";
    assert_eq!(run(&two(both)).await, Ok(Some(u32::MAX)), "what the one has, the other has not");
    // What was refused is not counted.
    let again = "(drop (memory.grow $a (i32.const 15))) (memory.grow $b (i32.const 14))";
    assert_eq!(run(&two(again)).await, Ok(Some(1)));
    let table = |n: u32| {
        let grow = format!("(table.grow (ref.null func) (i32.const {n}))");
        format!(r#"(table 10 funcref) (func (export "run") (result i32) {grow})"#)
    };
    assert_eq!(run(&table(90)).await, Ok(Some(10)));
    assert_eq!(run(&table(91)).await, Ok(Some(u32::MAX)));
    for engine in ENGINES {
        let mut finished = run_under(engine, &two("(memory.grow $b (i32.const 2))"), limits()).await;
        assert_eq!(finished.instance.memory(), 4 * 65536, "{engine:?}");
        for module in [two("").replace("memory $b 1", "memory $b 16"), "(table 101 funcref)".to_owned()] {
            let module = wat(&module.replace("(result i32)", ""));
            let error = program(engine, &module, limits()).err().expect("refused");
            assert_eq!(error.code, Code::CompileFailed, "{engine:?} {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_work_in_one_instruction_are_allowed() {
    let fields = r#"(memory (export "memory") 1) (func (export "run") (result i32)
        (drop (memory.grow (i32.const 15)))
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576))
        (memory.copy (i32.const 0) (i32.const 1) (i32.const 1048575))
        (i32.load8_u (i32.const 1048574)))"#;
    assert_eq!(run(fields).await, Ok(Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_counted_while_they_live() {
    for engine in ENGINES {
        let program = program(engine, &wat(r#"(memory 1) (func (export "run"))"#), limits()).expect("loads");
        let task = || Task::new(Some(0), Vec::new(), &limits());
        let mut alive: Vec<Box<dyn Instance>> = Vec::new();
        for _ in 0..4 {
            let finished = program.instance(state()).run(task()).await;
            assert_eq!(finished.outcome, Ok(None), "{engine:?}");
            alive.push(finished.instance);
        }
        assert!(program.instance(state()).run(task()).await.outcome.is_err(), "{engine:?}");
        alive.pop();
        assert!(program.instance(state()).run(task()).await.outcome.is_ok(), "{engine:?}");
    }
}

#[test]
fn modules_that_cannot_be_linked_are_refused_alike() {
    for (fields, code) in [
        (r#"(import "wasi:io/poll@0.2.0" "pol" (func)) (import "env" "f" (func))"#, Code::Unresolved),
        (r#"(import "wasi:io/poll@0.2.0" "poll" (func))"#, Code::SignatureMismatch),
        (r#"(import "env" "memory" (memory 1))"#, Code::Unresolved),
        (r#"(func (export "cabi_realloc"))"#, Code::SignatureMismatch),
        (r#"(func (export "run")) (func (export "cabi_post_run") (param i32))"#, Code::SignatureMismatch),
        (r#"(func (export "_initialize") (param i32))"#, Code::SignatureMismatch),
        ("(memory i64 1)", Code::CompileFailed),
    ] {
        let [a, b] = ENGINES.map(|engine| program(engine, &wat(fields), limits()).err().expect("refused"));
        assert_eq!((a.code, b.code), (code, code), "{fields}");
        assert_eq!(a.message, b.message, "{fields}");
        assert_eq!((&a.facts, &a.hints), (&b.facts, &b.hints), "{fields}");
    }
}

#[test]
fn what_wasmi_cannot_take_and_wasmtime_can_is_said() {
    let locals = "(local i64) ".repeat(40_000);
    let module = wat(&format!(r#"(func (export "run") {locals})"#));
    assert!(program(EngineKind::Wasmtime, &module, limits()).is_ok());
    let error = program(EngineKind::Wasmi, &module, limits()).err().expect("refused");
    assert_eq!(error.code, Code::CompileFailed);
    assert_eq!(error.hints, ["`--engine wasmtime` takes it"], "{error:?}");
}
