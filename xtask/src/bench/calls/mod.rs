//! `cargo xtask bench calls`: what a call costs through a component, and through the module that it was lowered to.

mod component;
mod module;
mod text;

use crate::table::Table;
use anyhow::{Context, Result, anyhow};
use lowlift::link::{Options, link, rewrap};
use std::time::{Duration, Instant};
use text::Encoding;
use wasmtime::Engine;

/// A run is short, so that the best one was not interrupted.
const RUN: Duration = Duration::from_millis(1);
const RUNS: usize = 21;

/// What is passed.
enum Value {
    Numbers,
    Text(String),
    List(Vec<u32>),
    /// A number and the text twice.
    Record(u32, String),
    /// A handle, of which the callee gets the use: a method call.
    Borrow,
    /// A handle, there and back.
    Own,
}

/// Who calls whom.
#[derive(Clone, Copy)]
enum Way {
    /// The host calls the guest, which returns the value.
    Export,
    /// The guest calls the host, which returns the value.
    Import,
    /// One instance calls another, which returns a number.
    Within(Encoding, Encoding),
}

struct Case {
    name: String,
    value: Value,
    way: Way,
}

/// Makes so many calls.
type Runner<'v> = Box<dyn FnMut(u32) -> Result<()> + 'v>;

/// Measures every case and prints a table.
pub(super) fn calls() -> Result<()> {
    let mut table =
        Table::new(&["call", "component ns", "lowered ns", "ratio", "re-wrapped", "guards off", "one memory"]);
    let engine = Engine::default();
    let mut above = 0;
    let cases = cases();
    for case in &cases {
        let best = measure(&engine, case).with_context(|| case.name.clone())?;
        let [component, lowered, rewrapped, no_guards, single] = best;
        let ratio = |of: f64, to: f64| format!("{:.2}", of / to);
        above += usize::from(lowered > component);
        table.row(vec![
            case.name.clone(),
            format!("{component:.1}"),
            format!("{lowered:.1}"),
            ratio(lowered, component),
            ratio(rewrapped, component),
            ratio(no_guards, lowered),
            ratio(single, lowered),
        ]);
    }
    print!("{table}");
    println!(
        "\nTime of one call on wasmtime: the best of {RUNS} runs, in turn, in this process. The host of the lowered"
    );
    println!(
        "module lifts and lowers by hand. ratio, re-wrapped: against the component; guards off, one memory: against"
    );
    println!(
        "the lowered module. {} of {} calls cost no more than through the component.",
        cases.len() - above,
        cases.len()
    );
    Ok(())
}

/// Nanoseconds of a call: the component, lowered, re-wrapped, lowered without guards, with one memory.
fn measure(engine: &Engine, case: &Case) -> Result<[f64; 5]> {
    let original = wat::parse_str(text::component(case))?;
    let lower = |options: Options| Ok::<_, anyhow::Error>(link(&original, options).map_err(|e| anyhow!("{e}"))?.wasm);
    let lowered = lower(Options::default())?;
    let rewrapped = rewrap(&lowered).map_err(|e| anyhow!("{e}"))?;
    let no_guards = lower(Options { no_guards: true, ..Options::default() })?;
    let single = lower(Options { single_memory: true, ..Options::default() })?;
    let mut runners = [
        component::runner(engine, &original, case).context("component")?,
        module::runner(engine, &lowered, case).context("lowered")?,
        component::runner(engine, &rewrapped, case).context("re-wrapped")?,
        module::runner(engine, &no_guards, case).context("without guards")?,
        module::runner(engine, &single, case).context("one memory")?,
    ];
    let mut rounds = [0; 5];
    for (runner, rounds) in runners.iter_mut().zip(&mut rounds) {
        *rounds = calibrate(runner)?;
    }
    let mut best = [f64::MAX; 5];
    for _ in 0..RUNS {
        for ((runner, best), rounds) in runners.iter_mut().zip(&mut best).zip(rounds) {
            let started = Instant::now();
            runner(rounds)?;
            *best = best.min(started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds));
        }
    }
    Ok(best)
}

/// How many calls fill a run.
fn calibrate(runner: &mut Runner<'_>) -> Result<u32> {
    let mut rounds = 16;
    loop {
        let started = Instant::now();
        runner(rounds)?;
        if started.elapsed() >= RUN || rounds >= 1 << 22 {
            return Ok(rounds);
        }
        rounds *= 2;
    }
}

/// So much text, cut between characters and filled with spaces.
fn text(sample: &str, bytes: usize) -> String {
    let mut text = String::new();
    for c in sample.chars().cycle() {
        if text.len() + c.len_utf8() > bytes {
            break;
        }
        text.push(c);
    }
    text.extend(std::iter::repeat_n(' ', bytes - text.len()));
    text
}

const ASCII: &str = "The quick brown fox jumps over the lazy dog. ";
const LATIN: &str = "Zwölf Boxkämpfer jagen Viktor quer über den großen Deich. ";
const GREEK: &str = "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία, 色は匂へど散りぬるを. ";

fn cases() -> Vec<Case> {
    let values = || {
        [
            ("numbers", Value::Numbers),
            ("20 B ASCII", Value::Text(text(ASCII, 20))),
            ("20 B other", Value::Text(text(GREEK, 20))),
            ("1 kB ASCII", Value::Text(text(ASCII, 1000))),
            ("1 kB Latin-1", Value::Text(text(LATIN, 1000))),
            ("1 kB other", Value::Text(text(GREEK, 1000))),
            ("list of 1000 u32", Value::List((0..1000).collect())),
            ("record, two strings", Value::Record(7, text(ASCII, 20))),
            ("method", Value::Borrow),
        ]
    };
    let mut cases = Vec::new();
    for (how, way) in [("export", Way::Export), ("import", Way::Import)] {
        for (name, value) in values() {
            cases.push(Case { name: format!("{how}: {name}"), value, way });
        }
    }
    let (utf8, utf16, compact) = (Encoding::Utf8, Encoding::Utf16, Encoding::Compact);
    for (from, to) in [(utf8, utf8), (utf8, utf16), (utf16, utf8), (utf8, compact), (compact, utf8), (utf16, utf16)] {
        for (name, value) in values() {
            let encoded = matches!(value, Value::Text(_));
            if encoded || from == to && to == utf8 {
                let how = if encoded { format!("{} to {}", from.name(), to.name()) } else { "within".into() };
                cases.push(Case { name: format!("{how}: {name}"), value, way: Way::Within(from, to) });
            }
        }
    }
    cases.push(Case { name: "within: own, there and back".into(), value: Value::Own, way: Way::Within(utf8, utf8) });
    cases
}
