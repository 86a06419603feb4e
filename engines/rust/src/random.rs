//! Made-up interfaces behind a host that gives back what it gets: what becomes of each call is what became of it under the
//! component model. `cargo xtask bindgen-rust` has the test program write all that is included here.

#![deny(warnings)]
#![forbid(unsafe_code)]

use std::fs;
use std::process::ExitCode;

/// How a call ends: the memory from where results go, or a trap.
type End = Option<Vec<u8>>;

/// Where results go, and where the guest allocates.
const RETURN: usize = 0x200;
const HEAP: usize = 0x1000;
/// The mode in which the guest traps by itself.
const TRAPS: u32 = 4;

/// A call: what the guest exports, how its realloc behaves, the words, and what lies in its memory.
struct Call<'t> {
    export: &'t str,
    mode: u32,
    words: Vec<u64>,
    given: Vec<u8>,
    wanted: End,
}

impl<'t> Call<'t> {
    /// Reads `export mode =words =given wanted`.
    fn read(line: &'t str) -> Option<Call<'t>> {
        let [export, mode, words, given, wanted] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let words = words.strip_prefix('=')?.split(',').filter(|word| !word.is_empty());
        let words = words.map(|word| u64::from_str_radix(word, 16).ok()).collect::<Option<_>>()?;
        let given = bytes(given.strip_prefix('=')?)?;
        let wanted = if wanted == "trap" { None } else { Some(bytes(wanted)?) };
        Some(Call { export, mode: mode.parse().ok()?, words, given, wanted })
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok()).collect()
}

/// Compares all calls of a world; what differs is said. Gives the numbers of those that end, and that trap.
fn compare(name: &str, mut run: impl FnMut(&Call<'_>) -> Result<End, String>) -> Result<[usize; 2], String> {
    let calls = fs::read_to_string(format!("{name}.calls")).map_err(|e| e.to_string())?;
    let mut counts = [0; 2];
    for line in calls.lines() {
        let call = Call::read(line).ok_or("no call")?;
        if run(&call)? != call.wanted {
            return Err(format!("other than under the component model: {line}"));
        }
        counts[usize::from(call.wanted.is_none())] += 1;
    }
    Ok(counts)
}

macro_rules! engine {
    ($name:ident, $engine:ident, $instantiate:ident, $f32:expr, $f64:expr) => {
        mod $name {
            use super::{Call, HEAP, RETURN, TRAPS};
            use $engine::{Engine, Error, Linker, Module, Store, Val};

            /// Compares all calls of a world.
            pub(crate) fn run<T: Default + 'static>(
                name: &str,
                link: impl Fn(&mut Linker<T>) -> Result<(), Error>,
                is_fault: impl Fn(&Error) -> bool,
            ) -> Result<[usize; 2], String> {
                let wasm = std::fs::read(format!("{name}.wasm")).map_err(|e| e.to_string())?;
                let engine = Engine::default();
                let module = Module::new(&engine, wasm).map_err(|e| e.to_string())?;
                let mut linker = Linker::new(&engine);
                link(&mut linker).map_err(|e| e.to_string())?;
                super::compare(name, |call| {
                    let ended = one(&linker, &module, call);
                    match ended {
                        Ok(memory) => Ok(Some(memory)),
                        Err(trap) if is_fault(&trap) || call.mode == TRAPS => Ok(None),
                        Err(trap) => Err(format!("{}: no fault: {trap}", call.export)),
                    }
                })
            }

            fn one<T: Default + 'static>(
                linker: &Linker<T>,
                module: &Module,
                call: &Call<'_>,
            ) -> Result<Vec<u8>, Error> {
                let mut store = Store::new(module.engine(), T::default());
                let instance = linker.$instantiate(&mut store, module)?;
                let memory = instance.get_memory(&mut store, "memory").expect("a memory");
                memory.data_mut(&mut store)[HEAP..HEAP + call.given.len()].copy_from_slice(&call.given);
                let set_top = instance.get_typed_func::<(u32, u32), ()>(&mut store, "set-top")?;
                set_top.call(&mut store, ((HEAP + call.given.len()) as u32, call.mode))?;
                let function = instance.get_func(&mut store, call.export).expect("exported");
                let ty = function.ty(&store);
                let types = IntoIterator::into_iter(ty.params()).map(|ty| format!("{ty:?}").to_lowercase());
                let value = |(ty, word): (String, &u64)| match ty.as_str() {
                    "i32" => Val::I32(*word as i32),
                    "i64" => Val::I64(*word as i64),
                    "f32" => Val::F32($f32(*word as u32)),
                    _ => Val::F64($f64(*word)),
                };
                let args: Vec<Val> = types.zip(&call.words).map(value).collect();
                let mut results = vec![Val::I32(0); ty.results().len()];
                function.call(&mut store, &args, &mut results)?;
                let end = RETURN + call.wanted.as_ref().map_or(0, Vec::len);
                Ok(memory.data(&store)[RETURN..end].to_vec())
            }
        }
    };
}

engine!(on_wasmi, wasmi, instantiate_and_start, wasmi::F32::from_bits, wasmi::F64::from_bits);
engine!(on_wasmtime, wasmtime, instantiate, std::convert::identity, std::convert::identity);

macro_rules! worlds {
    ($($name:ident, $engine:ident, $bindings:literal, $files:literal; { $($methods:tt)* })*) => {
        $(mod $name {
            mod bindings {
                include!($bindings);
            }

            #[allow(unused_imports, reason = "as many as the methods need")]
            use bindings::{self as abi, Trap, test::every::api::*};

            #[derive(Default)]
            struct Echo;

            #[allow(clippy::type_complexity, reason = "so is the interface")]
            impl Host for Echo {
                $($methods)*
            }

            pub(crate) fn run() -> Result<[usize; 2], String> {
                let link = |linker: &mut _| bindings::add_to_linker::<Echo, Echo>(linker, |echo| echo);
                crate::$engine::run($files, link, |trap| trap.downcast_ref::<bindings::Fault>().is_some())
            }
        })*

        /// All that there are.
        const WORLDS: &[(&str, fn() -> Result<[usize; 2], String>)] = &[$((stringify!($name), $name::run),)*];
    };
}

include!(concat!(env!("LOWLIFT_BINDINGS"), "/random.rs"));

fn main() -> ExitCode {
    let (mut counts, mut wrong) = ([0; 2], 0);
    for (name, run) in WORLDS {
        match run() {
            Ok([ended, trapped]) => counts = [counts[0] + ended, counts[1] + trapped],
            Err(error) => {
                println!("{name}: {error}");
                wrong += 1;
            }
        }
    }
    println!("{} worlds: {} calls leave the same memory, {} trap alike", WORLDS.len(), counts[0], counts[1]);
    ExitCode::from(u8::from(wrong > 0 || counts.contains(&0)))
}
