//! wasmtime by its core API, with pooled instances and copy-on-write memory. Its component model is not built in.

mod imports;

use super::budget::Budget;
use super::compile::compile;
use super::meter::{Clock, limited};
use super::outline::{Entry, Outline};
use super::{Finished, Instance, Limits, LoadOptions, Meter, Program, Running, Task, link};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::host::wasi::wasi;
use crate::host::{State, Trap};

use std::sync::Arc;
use std::time::Duration;
use wasmtime::{
    Config, Enabled, Engine, Func, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module, ModuleExport,
    PoolingAllocationConfig, Store, TypedFunc, UpdateDeadline, Val,
};

/// How often a running guest is interrupted to look at its deadline and let others run.
const TICK: Duration = Duration::from_millis(5);

/// What an instance has written of its memory is wiped in place when it ends, up to this many bytes, where the system can
/// tell what that is. It spares the next instance the page faults, which cost more than anything else it does.
const RESIDENT: usize = 4 << 20;

/// The same where the system cannot tell, and all of the memory must be wiped. Larger ones are given back to the system:
/// copying an image of 1 MiB costs more than the faults do.
const RESIDENT_WHOLE: u64 = 256 << 10;

/// What the host's own code may use of a stack, beyond the guest's part.
const HOST_STACK: usize = 512 << 10;

/// A module ready to be instantiated.
pub struct WasmtimeProgram(Arc<Shared>);

/// What all instances of a program share.
struct Shared {
    pre: InstancePre<Data>,
    exports: Exports,
    limits: Limits,
}

impl std::fmt::Debug for WasmtimeProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmtimeProgram").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// Exports by index, so that no name is looked up per request.
struct Exports {
    tasks: Vec<Option<Callee>>,
    memory: Option<ModuleExport>,
    initialize: Option<ModuleExport>,
}

/// What a task calls, and what is called after it.
struct Callee {
    entry: Entry,
    function: ModuleExport,
    post_return: Option<ModuleExport>,
}

/// The guest's realloc.
type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;

/// What a store holds.
struct Data {
    state: State,
    budget: Budget,
    /// Of the call that runs.
    clock: Option<Clock>,
    memory: Option<Memory>,
    realloc: Option<Realloc>,
    /// Cleared while the guest's `cabi_realloc` or a post-return runs, which may not call out (*may_leave*).
    may_leave: bool,
}

/// Compiles a core module and links it. `exports` are the names that tasks can call; the module need not have all of
/// them. All imports that the host does not provide are listed in one diagnostic.
pub fn load(wasm: &[u8], exports: &[&str], options: &LoadOptions) -> Result<WasmtimeProgram> {
    let outline = Outline::read(wasm)?;
    let wasi = wasi()?;
    let imports = link::resolve(&outline, wasi)?;
    outline.check(&options.limits)?;
    let refused = |e: wasmtime::Error| {
        let refused = Diagnostic::new(Code::CompileFailed, "the engine refuses the module");
        refused.fact("reason", e.root_cause().to_string()).cause(format!("{e:#}"))
    };
    let engine = |scan| Engine::new(&configure(&outline, options.limits, scan));
    // Only Linux from 6.7 on tells which pages were written.
    let engine = engine(Enabled::Yes).or_else(|_| engine(Enabled::No)).map_err(refused)?;
    let module = compile(&engine, wasm, options).map_err(refused)?;
    let mut linker = Linker::new(&engine);
    for (name, function) in imports {
        imports::define(&mut linker, name, function, &wasi.table)
            .map_err(|e| Diagnostic::new(Code::Internal, "a function cannot be linked").cause(e))?;
    }
    let exports = Exports {
        tasks: tasks(outline.entries(exports)?, &module),
        memory: module.get_export_index("memory"),
        initialize: module.get_export_index("_initialize"),
    };
    let pre = linker.instantiate_pre(&module).map_err(refused)?;
    tick(&engine).map_err(|e| Diagnostic::new(Code::Internal, "the clock thread cannot start").cause(e))?;
    Ok(WasmtimeProgram(Arc::new(Shared { pre, exports, limits: options.limits })))
}

/// Whether this engine would take a module.
#[cfg(feature = "engine-wasmi")]
pub(super) fn takes(wasm: &[u8]) -> bool {
    let takes = |outline| Engine::new(&features(&outline)).is_ok_and(|engine| Module::validate(&engine, wasm).is_ok());
    Outline::read(wasm).is_ok_and(takes)
}

fn tasks(entries: Vec<Option<Entry>>, module: &Module) -> Vec<Option<Callee>> {
    let callee = |entry: Entry| {
        let function = module.get_export_index(&entry.name)?;
        let post_return = entry.post_return.as_ref().and_then(|name| module.get_export_index(name));
        Some(Callee { entry, function, post_return })
    };
    entries.into_iter().map(|entry| entry.and_then(callee)).collect()
}

/// The features of modules that are taken. Of objects on a heap only exceptions are, where a module has them.
fn features(outline: &Outline) -> Config {
    let mut config = Config::new();
    config.wasm_memory64(false).wasm_gc(false).wasm_function_references(false).wasm_exceptions(outline.exceptions);
    config
}

/// Sizes the pool from the module: the allocator refuses what does not fit its slots.
fn configure(outline: &Outline, limits: Limits, scan: Enabled) -> Config {
    let count = |of: &[u64]| u32::try_from(of.len()).unwrap_or(u32::MAX);
    let (tables, memories) = (count(&outline.tables), count(&outline.memories));
    let memory = outline.memories.iter().copied().max().unwrap_or(0);
    let elements = outline.tables.iter().copied().max().unwrap_or(0);
    let resident = match scan {
        Enabled::Yes => RESIDENT,
        _ if memory <= RESIDENT_WHOLE => usize::try_from(memory).unwrap_or(0),
        _ => 0,
    };
    let elements = usize::try_from(elements).unwrap_or(usize::MAX);
    // A heap lies in a memory of its own.
    let heaps = u32::from(outline.exceptions);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(limits.instances)
        .total_memories(limits.instances.saturating_mul(memories.max(1) + heaps))
        .total_gc_heaps(limits.instances * heaps)
        .total_tables(limits.instances.saturating_mul(tables.max(1)))
        // A call of the guest's realloc from a host function has a stack of its own.
        .total_stacks(limits.instances.saturating_mul(2))
        .max_memories_per_module(memories.max(1))
        .max_tables_per_module(tables.max(1))
        .table_elements(elements.max(limits.table))
        .max_core_instance_size(64 << 20)
        .max_memory_size(limits.memory)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(elements.min(8 << 10) * 8)
        .pagemap_scan(scan)
        .max_unused_warm_slots(limits.instances);
    let mut config = features(outline);
    config
        .epoch_interruption(true)
        // It costs every block an addition.
        .consume_fuel(limits.fuel.is_some())
        .max_wasm_stack(limits.stack)
        .async_stack_size(limits.stack.saturating_add(HOST_STACK))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Advances the epoch until the engine is gone.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}

/// An instance in a store of its own.
struct WasmtimeInstance {
    shared: Arc<Shared>,
    store: Store<Data>,
    /// Set by the first task.
    instance: Option<wasmtime::Instance>,
}

impl Program for WasmtimeProgram {
    fn instance(&self, state: State) -> Box<dyn Instance> {
        let limits = &self.0.limits;
        let data =
            Data { state, budget: Budget::new(limits), clock: None, memory: None, realloc: None, may_leave: true };
        let mut store = Store::new(self.0.pre.module().engine(), data);
        store.limiter(|data| &mut data.budget);
        store.epoch_deadline_callback(|store| match &store.data().clock {
            Some(clock) => Ok(clock.check().map(|()| UpdateDeadline::Yield(1))?),
            None => Ok(UpdateDeadline::Continue(1)),
        });
        Box::new(WasmtimeInstance { shared: self.0.clone(), store, instance: None })
    }

    fn has(&self, export: usize) -> bool {
        self.0.exports.tasks.get(export).is_some_and(Option::is_some)
    }
}

impl Instance for WasmtimeInstance {
    fn run(mut self: Box<Self>, task: Task) -> Running {
        let meter = Meter::new();
        self.store.data_mut().clock = Some(Clock::new(&task, meter.clone()));
        self.store.set_epoch_deadline(1);
        Box::pin(async move {
            let call = async { self.call(&task).await.map_err(|e| trap(&e)) };
            let outcome = limited(call, &meter, task.deadline).await;
            Finished { outcome, instance: self, cpu: meter.used() }
        })
    }

    fn state(&mut self) -> &mut State {
        &mut self.store.data_mut().state
    }

    fn memory(&mut self) -> u64 {
        self.store.data().budget.used() as u64
    }
}

impl WasmtimeInstance {
    async fn call(&mut self, task: &Task) -> wasmtime::Result<Option<u32>> {
        if let Some(fuel) = self.shared.limits.fuel {
            self.store.set_fuel(fuel)?;
        }
        let instance = match self.instance {
            Some(instance) => instance,
            None => self.start().await?,
        };
        let Some(export) = task.export else { return Ok(None) };
        let callee = self.shared.exports.tasks.get(export).and_then(Option::as_ref).ok_or_else(link::no_export)?;
        let has_result = callee.entry.result(task.args.len())?.is_some();
        let store = &mut self.store;
        let called = func(&instance, store, &callee.function).ok_or_else(link::no_export)?;
        let params: Vec<Val> = task.args.iter().map(|&v| Val::I32(v.cast_signed())).collect();
        let mut results = [Val::I32(0)];
        let results = &mut results[..usize::from(has_result)];
        called.call_async(&mut *store, &params, results).await?;
        if let Some(post_return) = callee.post_return.as_ref().and_then(|post| func(&instance, store, post)) {
            store.data_mut().may_leave = false;
            post_return.call_async(&mut *store, results, &mut []).await?;
            store.data_mut().may_leave = true;
        }
        Ok(results.first().and_then(Val::i32).map(i32::cast_unsigned))
    }

    async fn start(&mut self) -> wasmtime::Result<wasmtime::Instance> {
        let exports = &self.shared.exports;
        let store = &mut self.store;
        let instance = self.shared.pre.instantiate_async(&mut *store).await?;
        let memory = exports.memory.as_ref().and_then(|m| instance.get_module_export(&mut *store, m));
        store.data_mut().memory = memory.and_then(wasmtime::Extern::into_memory);
        if let Some(initialize) = exports.initialize.as_ref().and_then(|f| func(&instance, store, f)) {
            initialize.typed::<(), ()>(&*store)?.call_async(&mut *store, ()).await?;
        }
        self.instance = Some(instance);
        Ok(instance)
    }
}

fn func(instance: &wasmtime::Instance, store: &mut Store<Data>, export: &ModuleExport) -> Option<Func> {
    instance.get_module_export(store, export).and_then(wasmtime::Extern::into_func)
}

/// What ended a guest, from the engine's error.
fn trap(error: &wasmtime::Error) -> Trap {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.clone(),
        None => match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => Trap::Cpu,
            Some(trap) => Trap::Guest(stub(error).unwrap_or_else(|| trap.to_string())),
            None => Trap::Guest(format!("{error:#}")),
        },
    }
}

/// What stands where an interface was replaced tells by its name what it was.
fn stub(error: &wasmtime::Error) -> Option<String> {
    let trace = error.downcast_ref::<wasmtime::WasmBacktrace>()?;
    let name = trace.frames().first()?.func_name()?;
    name.ends_with(crate::adapt::STUBBED).then(|| name.to_owned())
}
