//! The linker against a generator: components made from a seed give back what they get, by all types of the component
//! model, between all encodings; a component, its re-wrapped lowering, and its lowering on two core engines must agree
//! on every result, trap and call of an import.

mod calls;
mod code;
mod component;
mod host;
mod root;
mod scope;
mod tally;
mod types;
mod values;

use crate::random::Xorshift;
use component::{Case, component};
use host::{Call, Component, Lowered, Outcome, Subject, Wasmi, Wasmtime};
use lowlift::link::{Options, link, rewrap};
use std::path::Path;
use tally::Tally;
use values::{Encoding, Handles};

/// Calls of one component.
const CALLS: u64 = 40;

/// Two runs of one component differ.
struct Difference {
    case: Case,
    what: String,
}

/// Compiles as quickly as it can: most code runs once.
fn engine() -> wasmtime::Engine {
    let mut config = wasmtime::Config::new();
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    config.cranelift_regalloc_algorithm(wasmtime::RegallocAlgorithm::SinglePass);
    wasmtime::Engine::new(&config).expect("a valid configuration")
}

/// One component on all engines.
struct Programs {
    original: Component,
    wrapped: Component,
    module: wasmtime::Module,
    interpreted: wasmi::Module,
    /// Lowered to one memory, where that is wanted.
    single: Option<wasmi::Module>,
    encoding: Encoding,
}

impl Programs {
    fn subjects(&self) -> Result<Vec<Box<dyn Subject>>, String> {
        let text = |error: &dyn std::fmt::Debug| format!("{error:?}");
        let encoding = self.encoding;
        let interpreted = |module| -> Result<Box<dyn Subject>, String> {
            Ok(Box::new(Lowered { engine: Wasmi::new(module, encoding).map_err(|e| text(&e))?, encoding }))
        };
        let mut subjects = vec![
            self.original.instantiate().map_err(|e| text(&e))?,
            self.wrapped.instantiate().map_err(|e| text(&e))?,
            Box::new(Lowered { engine: Wasmtime::new(&self.module, encoding).map_err(|e| text(&e))?, encoding }),
            interpreted(&self.interpreted)?,
        ];
        if let Some(single) = &self.single {
            subjects.push(interpreted(single)?);
        }
        Ok(subjects)
    }
}

const NAMES: [&str; 5] = ["the component", "re-wrapped", "wasmtime", "wasmi", "wasmi with one memory"];

/// Links the component of a case, or counts its refusal.
fn programs(
    engine: &wasmtime::Engine,
    case: &Case,
    single: bool,
    tally: &mut Tally,
) -> Result<Option<Programs>, String> {
    let wasm = wat::parse_str(&case.text).map_err(|e| format!("the generator is wrong: {e}"))?;
    let original = Component::new(engine, &wasm).map_err(|e| format!("the generator is wrong: {e:?}"))?;
    let linked = match link(&wasm, Options { verify: true, ..Options::default() }) {
        Ok(linked) => linked,
        Err(error) if error.code.is_ours() => return Err(format!("{error} {:?} {:?}", error.cause, error.facts)),
        Err(error) => {
            tally.refused(case, error.code.id());
            return Ok(None);
        }
    };
    let wrapped = rewrap(&linked.wasm).map_err(|e| format!("{e} {:?}", e.cause))?;
    let encoding = match linked.report.string_encoding.as_str() {
        "utf8" => Encoding::Utf8,
        "utf16" => Encoding::Utf16,
        "compact-utf16" => Encoding::Latin1,
        other => return Err(format!("nobody knows the encoding {other}")),
    };
    let programs = Programs {
        original,
        wrapped: Component::new(engine, &wrapped).map_err(|e| format!("re-wrapped: {e:?}"))?,
        module: wasmtime::Module::new(engine, &linked.wasm).map_err(|e| format!("wasmtime: {e:?}"))?,
        interpreted: wasmi::Module::new(&wasmi::Engine::default(), &linked.wasm).map_err(|e| format!("wasmi: {e}"))?,
        single: if single { Some(one_memory(&wasm)?) } else { None },
        encoding,
    };
    tally.linked(case);
    Ok(Some(programs))
}

/// The component linked into a module of one memory, for an engine that knows no more.
fn one_memory(wasm: &[u8]) -> Result<wasmi::Module, String> {
    let options = Options { single_memory: true, ..Options::default() };
    let linked = link(wasm, options).map_err(|e| format!("one memory: {e} {:?}", e.cause))?;
    let mut config = wasmi::Config::default();
    config.wasm_multi_memory(false);
    wasmi::Module::new(&wasmi::Engine::new(&config), &linked.wasm).map_err(|e| format!("wasmi, one memory: {e}"))
}

/// Calls the component of a seed, with new instances after a trap.
fn compare(engine: &wasmtime::Engine, seed: u64, single: bool, tally: &mut Tally) -> Result<(), Difference> {
    let case = component(seed);
    let mut run = || {
        let Some(programs) = programs(engine, &case, single, tally)? else { return Ok(()) };
        let mut random = Xorshift(seed ^ 0x2545_f491_4f6c_dd1d);
        let mut subjects = programs.subjects()?;
        let mut history: Vec<Call> = Vec::new();
        let (mut live, mut dead) = (Handles::default(), false);
        for _ in 0..CALLS {
            let mut call = calls::random(&case, &live, &mut random);
            history.push(call.clone());
            // Of a trap in an allocation for the host, or in a post-return, only the host knows; and an allocator that
            // misbehaves may give the same place twice.
            let switched = history.iter().any(|call| call.export.ends_with("-mode") && call.export != "d-mode");
            if switched {
                call.want = None;
            }
            let outcome =
                agree(&mut subjects, &call).map_err(|what| format!("{what}\nhistory: {}", shown(&history)))?;
            tally.call(&case, &call, &outcome);
            calls::learn(&mut live, &call, &outcome);
            // A trap is the end of an instance, and now and then somebody calls it again.
            dead |= outcome.result.is_none();
            if dead && (switched || random.below(4) > 0) {
                (subjects, dead) = (programs.subjects()?, false);
                history.clear();
            }
        }
        for call in calls::counters(&case) {
            history.push(call.clone());
            let outcome =
                agree(&mut subjects, &call).map_err(|what| format!("{what}\nhistory: {}", shown(&history)))?;
            tally.call(&case, &call, &outcome);
        }
        Ok(())
    };
    match run() {
        Ok(()) => Ok(()),
        Err(what) => Err(Difference { case, what }),
    }
}

fn shown(history: &[Call]) -> String {
    let line = |call: &Call| format!("\n  {}{:?}", call.export, call.args).chars().take(400).collect::<String>();
    history.iter().map(line).collect()
}

fn agree(subjects: &mut [Box<dyn Subject>], call: &Call) -> Result<Outcome, String> {
    let (original, others) = subjects.split_first_mut().expect("there are always some");
    let want = original.call(call);
    if let (Some(Some(have)), Some(want)) = (&want.result, &call.want)
        && have != want
    {
        return Err(format!("{}: {} gives {have:?} for {want:?}", call.export, NAMES[0]));
    }
    for (name, subject) in NAMES[1..].iter().zip(others) {
        let have = subject.call(call);
        if have != want {
            return Err(format!("{}: {} gives {want:?}\n{name} gives {have:?}", call.export, NAMES[0]));
        }
    }
    Ok(want)
}

/// Compares until `calls` are made, and keeps the first component that differs as text.
fn fuzz(seed: u64, calls: u64, single: bool) -> Tally {
    let engine = engine();
    let mut tally = Tally::default();
    for seed in seed.. {
        if tally.calls >= calls || tally.components >= calls {
            break;
        }
        if let Err(difference) = compare(&engine, seed, single, &mut tally) {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-link-{seed}.wat"));
            let comment = difference.what.replace('\n', "\n;; ");
            std::fs::write(&path, format!(";; seed {seed}\n;; {comment}\n{}", difference.case.text)).expect("writable");
            let what: String = difference.what.chars().take(4_000).collect();
            panic!(
                "seed {seed}, {:?} {:?}: {what}\n{}",
                difference.case.shape,
                difference.case.encodings,
                path.display()
            );
        }
    }
    tally
}

#[test]
fn generated_components_behave_as_their_lowerings() {
    let tally = fuzz(1, 1_000, false);
    println!("{tally}");
    assert!(tally.calls >= 1_000, "{tally}");
}

/// `cargo xtask fuzz-link` says from which seed, and how many calls.
#[test]
#[ignore = "takes as long as it is told to"]
fn fuzz_link() {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let single = std::env::var_os("LOWLIFT_FUZZ_SINGLE_MEMORY").is_some();
    let tally =
        fuzz(number("LOWLIFT_FUZZ_SEED").unwrap_or(0), number("LOWLIFT_FUZZ_CALLS").unwrap_or(u64::MAX), single);
    println!("{tally}");
}
