//! What the tests of this folder share: modules that the linker writes, run alone, and numbers that are the same every time.

use super::super::ir::{Def, HostId, InstanceId, Item, Space};
use super::text::Text;
use wasmtime::{Config, Engine, Extern, Instance, Module, Store, Val};

/// The nth memory that a test provides.
pub(super) fn memory(index: u32) -> Def {
    Def::Item(Item { instance: InstanceId(0), space: Space::Memory, index })
}

/// The nth function that a test provides.
pub(super) fn host(index: u32) -> Def {
    Def::Host(HostId(index), None)
}

/// The name of a function that is exported too.
pub(super) fn exported(name: &str) -> String {
    format!("${} (export \"{name}\")", name.replace(' ', "."))
}

/// Traps happen by the thousand.
pub(super) fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_backtrace_max_frames(None);
    Engine::new(&config).expect("an engine")
}

/// Instantiates what was written.
pub(super) fn instantiate<T: 'static>(store: &mut Store<T>, text: Text, provide: impl Fn(&Def) -> Extern) -> Instance {
    let (wasm, args) = text.finish().expect("assembles");
    let module = Module::new(store.engine(), wasm).expect("valid");
    let imports: Vec<_> = args.iter().map(provide).collect();
    Instance::new(store, &module, &imports).expect("instantiates")
}

/// Calls an export with `i32`s; none if it traps.
pub(super) fn call<T: 'static>(store: &mut Store<T>, instance: Instance, name: &str, args: &[u32]) -> Option<Vec<u32>> {
    let func = instance.get_func(&mut *store, name).expect("exported");
    let args: Vec<_> = args.iter().map(|arg| Val::I32(arg.cast_signed())).collect();
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    let outcome = func.call(store, &args, &mut results);
    let results = results.iter().map(|value| value.unwrap_i32().cast_unsigned());
    match outcome {
        Ok(()) => Some(results.collect()),
        Err(error) => {
            assert!(error.downcast_ref::<wasmtime::Trap>().is_some(), "{error:?}");
            None
        }
    }
}

/// A small generator.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
