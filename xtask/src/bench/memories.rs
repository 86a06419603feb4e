//! `cargo xtask bench memory`: what joining several memories into one costs the code that runs.

use crate::table::Table;
use anyhow::{Result, anyhow};
use std::time::{Duration, Instant};
use wasmtime::{Engine, Instance, Module, Store, TypedFunc};

/// A run takes milliseconds, so that the best one was not interrupted.
const RUNS: usize = 25;

/// A loop: what it is called, how often it goes round, and what it does each time. `$at` goes through 64 KiB.
type Loop = (&'static str, u32, &'static str);

const LOOPS: &[Loop] = &[
    ("load from the first", 4_000_000, "(local.set $sum (i32.add (local.get $sum) (i32.load $a (local.get $at))))"),
    ("load from the second", 4_000_000, "(local.set $sum (i32.add (local.get $sum) (i32.load $b (local.get $at))))"),
    (
        "load where a load says",
        4_000_000,
        "(local.set $sum (i32.load $b (i32.and (local.get $sum) (i32.const 0xfffc))))",
    ),
    ("store to the second", 4_000_000, "(i32.store $b (local.get $at) (local.get $n))"),
    ("load8 and store8 across", 4_000_000, "(i32.store8 $b (local.get $at) (i32.load8_u $a (local.get $at)))"),
    (
        "two loads, add, store",
        4_000_000,
        "(i64.store $b offset=8 (local.get $at) (i64.add (i64.load $b (local.get $at)) (i64.load $a (local.get $at))))",
    ),
    ("memory.copy, 16 bytes", 1_000_000, "(memory.copy $b $a (local.get $at) (local.get $at) (local.get $length))"),
    ("memory.copy, 256 bytes", 400_000, "(memory.copy $b $a (local.get $at) (local.get $at) (local.get $length))"),
    ("memory.copy, 4096 bytes", 50_000, "(memory.copy $b $a (local.get $at) (local.get $at) (local.get $length))"),
    ("memory.copy, 65536 bytes", 2_000, "(memory.copy $b $a (local.get $at) (local.get $at) (local.get $length))"),
    ("memory.grow, 128 KiB behind", 100, "(drop (memory.grow $a (i32.const 1)))"),
    ("memory.grow, nothing behind", 100, "(drop (memory.grow $b (i32.const 1)))"),
];

/// The bytes that a loop copies, which its name says.
fn length((name, ..): &Loop) -> u32 {
    name.split_ascii_whitespace().find_map(|word| word.parse().ok()).unwrap_or_default()
}

/// Measures both forms of each loop in turn and prints a table.
pub(super) fn memory() -> Result<()> {
    let mut table = Table::new(&["loop", "several ns", "one ns", "ratio"]);
    let engine = Engine::default();
    for measured @ &(name, rounds, body) in LOOPS {
        eprintln!("bench: {name}");
        let several = wat::parse_str(module(body))?;
        let single = lowlift::link::single_memory(&several).map_err(|e| anyhow!("{e}"))?;
        let modules = [Module::new(&engine, several)?, Module::new(&engine, single)?];
        let mut best = [Duration::MAX; 2];
        for _ in 0..RUNS {
            for (module, best) in modules.iter().zip(&mut best) {
                *best = once(&engine, module, (rounds, length(measured)))?.min(*best);
            }
        }
        let [several, single] = best.map(|took| took.as_secs_f64() * 1e9 / f64::from(rounds));
        table.row(vec![
            name.into(),
            format!("{several:.2}"),
            format!("{single:.2}"),
            format!("{:.2}", single / several),
        ]);
    }
    print!("{table}");
    println!(
        "\nTime of one round, on wasmtime: the best of {RUNS} runs, in turn. With several memories, loads and stores are"
    );
    println!("checked by guard pages alone.");
    Ok(())
}

fn module(body: &str) -> String {
    format!(
        "(module
          (memory $a (export \"memory\") 3) (memory $b 2)
          (func (export \"run\") (param $n i32) (param $length i32) (result i32) (local $at i32) (local $sum i32)
            (loop $next
              {body}
              (local.set $at (i32.and (i32.add (local.get $at) (i32.const 20)) (i32.const 0xfffc)))
              (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"
    )
}

/// One run on an instance of its own, which is warmed.
fn once(engine: &Engine, module: &Module, (rounds, length): (u32, u32)) -> Result<Duration> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    let run: TypedFunc<(u32, u32), u32> = instance.get_typed_func(&mut store, "run")?;
    run.call(&mut store, (rounds / 10, length))?;
    let started = Instant::now();
    run.call(&mut store, (rounds, length))?;
    Ok(started.elapsed())
}
