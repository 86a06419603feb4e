//! Terminals: a guest is told which of its standard streams are some.

use lowlift::engine::{EngineKind, Limits, Task, load};
use lowlift::host::{Config, State, Stdio, Trap};
use std::sync::Arc;

/// Returns the three answers as bits, and drops the handles that came with them.
const GUEST: &str = r#"(module
  (import "wasi:cli/terminal-stdin@0.2.0" "get-terminal-stdin" (func $stdin (param i32)))
  (import "wasi:cli/terminal-stdout@0.2.3" "get-terminal-stdout" (func $stdout (param i32)))
  (import "wasi:cli/terminal-stderr@0.2.12" "get-terminal-stderr" (func $stderr (param i32)))
  (import "wasi:cli/terminal-input@0.2.0" "[resource-drop]terminal-input" (func $drop-input (param i32)))
  (import "wasi:cli/terminal-output@0.2.0" "[resource-drop]terminal-output" (func $drop-output (param i32)))
  (memory (export "memory") 1)
  (func (export "terminals") (result i32)
    (call $stdin (i32.const 0))
    (call $stdout (i32.const 8))
    (call $stderr (i32.const 16))
    (if (i32.load8_u (i32.const 0)) (then (call $drop-input (i32.load (i32.const 4)))))
    (if (i32.load8_u (i32.const 8)) (then (call $drop-output (i32.load (i32.const 12)))))
    (if (i32.load8_u (i32.const 16)) (then (call $drop-output (i32.load (i32.const 20)))))
    (i32.or (i32.load8_u (i32.const 0))
      (i32.or (i32.shl (i32.load8_u (i32.const 8)) (i32.const 1))
        (i32.shl (i32.load8_u (i32.const 16)) (i32.const 2)))))
  (func (export "mistaken") (result i32)
    (call $stdin (i32.const 0))
    (call $drop-output (i32.load (i32.const 4)))
    (i32.const 0)))"#;

async fn call(export: usize, terminals: [bool; 3]) -> (Result<Option<u32>, Trap>, usize) {
    let module = wat::parse_str(GUEST).expect("parses");
    let program = load(EngineKind::Wasmtime, &module, &["terminals", "mistaken"], Limits::default()).expect("loads");
    let stdio = Stdio { terminals, ..Stdio::logged(Arc::new(|_, _| {})) };
    let instance = program.instance(State::new(Arc::new(Config::default()), stdio));
    let mut finished = instance.run(Task::new(Some(export), Vec::new(), &Limits::default())).await;
    let live = finished.instance.state().handles.live();
    (finished.outcome, live)
}

#[tokio::test]
async fn guests_are_told_which_streams_are_terminals() {
    for bits in 0..8 {
        let terminals = [0, 1, 2].map(|stream| bits >> stream & 1 == 1);
        assert_eq!(call(0, terminals).await, (Ok(Some(bits)), 0), "{terminals:?}");
    }
}

#[tokio::test]
async fn an_input_is_no_output() {
    let (outcome, _) = call(1, [true; 3]).await;
    let wrong = "handle 1 is of type terminal-input, not terminal-output";
    assert_eq!(outcome, Err(Trap::Guest(wrong.to_owned())));
}
