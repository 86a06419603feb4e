//! wasmi: an interpreter that starts at once. A host function that must wait raises a trap that carries what it needs; the
//! driver awaits that and resumes the call. Fuel is its clock: a guest runs in slices.

use super::budget::Budget;
use super::meter::{Clock, limited};
use super::outline::{Entry, Outline};
use super::{Finished, Instance, LoadOptions, Meter, Program, Running, Task, link, start};
use crate::abi::{Core, Table};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::host::call::{Invocation, Need};
use crate::host::value::{Allocation, pointer};
use crate::host::wasi::{Function, wasi};
use crate::host::{GuestMemory, State, Trap};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmi::errors::{ErrorKind, HostError, InstantiationError};
use wasmi::{
    Caller, CompilationMode, Config, Engine, Extern, F32, F64, Func, FuncType, Linker, Memory, Module, ResumableCall,
    Store, TrapCode, Val, ValType,
};

/// Fuel for which a guest runs before its deadline is looked at and others may run: about a millisecond.
const SLICE: u64 = 500_000;

/// What a call of the host takes of it, so that a guest that does nothing but call is interrupted as well.
const CALL: u64 = 500;

/// Bytes of stack for which one more call may be in progress.
const FRAME: usize = 32;

/// Stacks that are kept for the next instance.
const CACHED_STACKS: usize = 16;

/// A module ready to be instantiated.
pub struct WasmiProgram(Arc<Shared>);

/// What all instances of a program share.
struct Shared {
    engine: Engine,
    module: Module,
    linker: Linker<Data>,
    tasks: Vec<Option<Entry>>,
    /// The export that is the start function.
    start: Option<String>,
    options: LoadOptions,
    /// Instances that may still be made.
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for WasmiProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmiProgram").field("limits", &self.0.options.limits).finish_non_exhaustive()
    }
}

/// What a store holds.
struct Data {
    state: State,
    budget: Budget,
    memory: Option<Memory>,
    realloc: Option<Func>,
    /// Cleared while the guest's `cabi_realloc` or a post-return runs, which may not call out (*may_leave*).
    may_leave: bool,
    /// Set by a host function that has raised [`Suspended`].
    pending: Option<(Invocation, Need)>,
}

/// Raised by a host function that needs something before it can return.
#[derive(Debug, thiserror::Error)]
#[error("suspended")]
struct Suspended;

impl HostError for Suspended {}
impl HostError for Trap {}

/// Translates a core module and links it. `exports` are the names that tasks can call; the module need not have all of
/// them. All imports that the host does not provide are listed in one diagnostic.
pub fn load(wasm: &[u8], exports: &[&str], options: &LoadOptions) -> Result<WasmiProgram> {
    let outline = Outline::read(wasm)?;
    let wasi = wasi()?;
    let imports = link::resolve(&outline, wasi)?;
    outline.check(&options.limits)?;
    let engine = Engine::new(&configure(options));
    let (module, start) = match outline.start {
        None => (Module::new(&engine, wasm), None),
        Some(function) => {
            let (wasm, name) = start::exported(wasm, function)?;
            (Module::new(&engine, wasm), Some(name))
        }
    };
    let module = module.map_err(|e| refused(&e, wasm))?;
    let mut linker = Linker::new(&engine);
    for (name, function) in imports {
        let ty = FuncType::new(types(&function.core.params), types(&function.core.results));
        linker
            .func_new(&name.module, &name.name, ty, host(function, &wasi.table))
            .map_err(|e| Diagnostic::new(Code::Internal, "a function cannot be linked").cause(e))?;
    }
    let tasks = outline.entries(exports)?;
    let places = Arc::new(Semaphore::new(options.limits.instances as usize));
    Ok(WasmiProgram(Arc::new(Shared { engine, module, linker, tasks, start, options: options.clone(), places })))
}

fn configure(options: &LoadOptions) -> Config {
    let stack = options.limits.stack;
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // Translating on first use would be paid for by the request that comes first.
        .compilation_mode(CompilationMode::Eager)
        .ignore_custom_sections(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .set_min_stack_height(stack.min(4 << 10))
        .set_max_stack_height(stack)
        .set_max_cached_stacks(CACHED_STACKS)
        .set_max_recursion_depth((stack / FRAME).max(1));
    config
}

fn refused(error: &wasmi::Error, wasm: &[u8]) -> Box<Diagnostic> {
    let refused = Diagnostic::new(Code::CompileFailed, "the engine refuses the module");
    let refused = refused.fact("reason", error.to_string()).cause(error);
    #[cfg(feature = "engine-wasmtime")]
    if super::wasmtime::takes(wasm) {
        return refused.hint("`--engine wasmtime` takes it");
    }
    let _ = wasm;
    refused
}

fn types(core: &[Core]) -> Vec<ValType> {
    let ty = |core: &Core| match core {
        Core::I32 => ValType::I32,
        Core::I64 => ValType::I64,
        Core::F32 => ValType::F32,
        Core::F64 => ValType::F64,
    };
    core.iter().map(ty).collect()
}

fn bits(value: &Val) -> u64 {
    match value {
        Val::I32(v) => u64::from(v.cast_unsigned()),
        Val::I64(v) => v.cast_unsigned(),
        Val::F32(v) => u64::from(v.to_bits()),
        Val::F64(v) => v.to_bits(),
        _ => 0,
    }
}

fn value(core: Core, bits: u64) -> Val {
    match core {
        Core::I32 => Val::I32(pointer(bits).cast_signed()),
        Core::I64 => Val::I64(bits.cast_signed()),
        Core::F32 => Val::F32(F32::from_bits(pointer(bits))),
        Core::F64 => Val::F64(F64::from_bits(bits)),
    }
}

/// The result of a host function as the engine wants it.
fn answer(function: &Function, bits: Option<u64>) -> Option<Val> {
    function.core.results.first().zip(bits).map(|(&core, bits)| value(core, bits))
}

/// A host function: returns at once, or leaves behind what it needs and suspends the guest.
fn host(
    function: &'static Function,
    table: &'static Table<'static>,
) -> impl Fn(Caller<'_, Data>, &[Val], &mut [Val]) -> Result<(), wasmi::Error> + Send + Sync + 'static {
    move |mut caller, params, results| {
        let fuel = caller.get_fuel()?;
        caller.set_fuel(fuel.saturating_sub(CALL))?;
        let slots = link::slots(caller.data().may_leave, params.iter().map(bits)).map_err(wasmi::Error::host)?;
        let invocation = Invocation::new(function, table, slots);
        // A start function calls before the instance is there.
        if caller.data().memory.is_none() {
            caller.data_mut().memory = caller.get_export("memory").and_then(Extern::into_memory);
        }
        let need = match caller.data().memory {
            Some(memory) => {
                let (bytes, data) = memory.data_and_store_mut(&mut caller);
                invocation.begin(&mut data.state, &mut GuestMemory::new(bytes))
            }
            None => invocation.begin(&mut caller.data_mut().state, &mut GuestMemory::new(&mut [])),
        };
        match need.map_err(wasmi::Error::host)? {
            Need::Return(bits) => {
                if let (Some(result), Some(value)) = (results.first_mut(), answer(function, bits)) {
                    *result = value;
                }
                Ok(())
            }
            Need::Wait(..) | Need::Job(_) if !function.blocks && !function.needs.realloc => {
                Err(wasmi::Error::host(link::waited()))
            }
            need => {
                caller.data_mut().pending = Some((invocation, need));
                Err(wasmi::Error::host(Suspended))
            }
        }
    }
}

/// An instance in a store of its own.
struct WasmiInstance {
    shared: Arc<Shared>,
    store: Store<Data>,
    /// Set by the first task, with its place among the instances that may be alive.
    instance: Option<(wasmi::Instance, OwnedSemaphorePermit)>,
}

impl Program for WasmiProgram {
    fn instance(&self, state: State) -> Box<dyn Instance> {
        let budget = Budget::new(&self.0.options.limits);
        let data = Data { state, budget, memory: None, realloc: None, may_leave: true, pending: None };
        let mut store = Store::new(&self.0.engine, data);
        store.limiter(|data| &mut data.budget);
        Box::new(WasmiInstance { shared: self.0.clone(), store, instance: None })
    }

    fn has(&self, export: usize) -> bool {
        self.0.tasks.get(export).is_some_and(Option::is_some)
    }
}

impl Instance for WasmiInstance {
    fn run(mut self: Box<Self>, task: Task) -> Running {
        let meter = Meter::new();
        let fuel = self.shared.options.limits.fuel.map(AtomicU64::new);
        let clock = Clock::new(&task, meter.clone());
        Box::pin(async move {
            let outcome = limited(self.call(&task, &Fueled { clock, fuel }), &meter, task.deadline).await;
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

impl WasmiInstance {
    async fn call(&mut self, task: &Task, clock: &Fueled) -> Result<Option<u32>, Trap> {
        // What the last task left over is none of this one's.
        self.store.set_fuel(0).map_err(trap)?;
        let instance = match &self.instance {
            Some((instance, _)) => *instance,
            None => self.start(clock).await?,
        };
        let Some(export) = task.export else { return Ok(None) };
        let entry = self.shared.tasks.get(export).and_then(Option::as_ref).ok_or_else(link::no_export)?;
        let func = instance.get_func(&self.store, &entry.name).ok_or_else(link::no_export)?;
        let mut results: Vec<Val> = entry.result(task.args.len())?.map(|core| value(core, 0)).into_iter().collect();
        let params: Vec<Val> = task.args.iter().map(|&v| Val::I32(v.cast_signed())).collect();
        drive(&mut self.store, clock, func, &params, &mut results).await?;
        let post_return = entry.post_return.as_ref().and_then(|name| instance.get_func(&self.store, name));
        if let Some(post_return) = post_return {
            self.store.data_mut().may_leave = false;
            drive(&mut self.store, clock, post_return, &results, &mut []).await?;
            self.store.data_mut().may_leave = true;
        }
        Ok(results.first().and_then(Val::i32).map(i32::cast_unsigned))
    }

    async fn start(&mut self, clock: &Fueled) -> Result<wasmi::Instance, Trap> {
        let shared = self.shared.clone();
        let most = shared.options.limits.instances;
        let place = shared.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Trap::new(format!("more than {most} instances at a time")))?;
        let store = &mut self.store;
        let instance = shared.linker.instantiate_and_start(&mut *store, &shared.module).map_err(trap)?;
        self.instance = Some((instance, place));
        store.data_mut().memory = instance.get_memory(&*store, "memory");
        store.data_mut().realloc = instance.get_func(&*store, "cabi_realloc");
        for name in shared.start.as_deref().into_iter().chain(["_initialize"]) {
            if let Some(func) = instance.get_func(&*store, name) {
                drive(store, clock, func, &[], &mut []).await?;
            }
        }
        Ok(instance)
    }
}

/// What a call may take.
struct Fueled {
    clock: Clock,
    /// What is left of the fuel that the call may use, where that is limited, beside what the store has.
    fuel: Option<AtomicU64>,
}

impl Fueled {
    /// Fills up the store for a slice. What it had left counts as not used.
    fn refuel(&self, store: &mut Store<Data>, required: u64) -> Result<(), Trap> {
        let mut slice = SLICE.max(required);
        if let Some(fuel) = &self.fuel {
            let left = fuel.load(Ordering::Relaxed).saturating_add(store.get_fuel().map_err(trap)?);
            if left <= required {
                return Err(Trap::Cpu);
            }
            slice = slice.min(left);
            fuel.store(left - slice, Ordering::Relaxed);
        }
        store.set_fuel(slice).map_err(trap)
    }
}

/// Runs a function to its end, slice by slice and need by need.
async fn drive(
    store: &mut Store<Data>,
    clock: &Fueled,
    func: Func,
    params: &[Val],
    results: &mut [Val],
) -> Result<(), Trap> {
    clock.refuel(store, 0)?;
    let mut call = func.call_resumable(&mut *store, params, results);
    loop {
        call = match call {
            Ok(ResumableCall::Finished) => return Ok(()),
            Ok(ResumableCall::OutOfFuel(guest)) => {
                clock.clock.check()?;
                tokio::task::yield_now().await;
                clock.refuel(store, guest.required_fuel())?;
                guest.resume(&mut *store, results)
            }
            Ok(ResumableCall::HostTrap(guest)) => match store.data_mut().pending.take() {
                Some((invocation, need)) => {
                    let answer = serve(store, clock, invocation, need).await?;
                    guest.resume(&mut *store, answer.as_slice(), results)
                }
                None => return Err(trap(guest.into_host_error())),
            },
            // What was called is a host function itself, or ended with a tail call of one: its result is the result.
            Err(error) => {
                let (invocation, need) = store.data_mut().pending.take().ok_or_else(|| trap(error))?;
                let answer = serve(store, clock, invocation, need).await?;
                for (result, value) in results.iter_mut().zip(answer) {
                    *result = value;
                }
                return Ok(());
            }
        }
    }
}

/// Gives a host function what it needs until it returns.
async fn serve(
    store: &mut Store<Data>,
    clock: &Fueled,
    invocation: Invocation,
    mut need: Need,
) -> Result<Option<Val>, Trap> {
    loop {
        let after = match need {
            Need::Return(bits) => return Ok(answer(invocation.function(), bits)),
            Need::Wait(wait, after) => {
                store.data_mut().state.wait(&wait).await;
                after
            }
            Need::Job(job) => job.await,
            Need::Allocate(wanted, value) => {
                let pointers = allocate(store, clock, &wanted).await?;
                need = with_memory(store, |_, memory| invocation.finish(&value, pointers, memory)).map(Need::Return)?;
                continue;
            }
        };
        need = with_memory(store, |state, memory| invocation.resume(after, state, memory))?;
    }
}

/// Runs with a view of the guest's memory; one without memory sees an empty one.
fn with_memory<T>(
    store: &mut Store<Data>,
    run: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> Result<T, Trap>,
) -> Result<T, Trap> {
    match store.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(store);
            run(&mut data.state, &mut GuestMemory::new(bytes))
        }
        None => run(&mut store.data_mut().state, &mut GuestMemory::new(&mut [])),
    }
}

/// Has the guest allocate what a result needs.
async fn allocate(store: &mut Store<Data>, clock: &Fueled, wanted: &[Allocation]) -> Result<Vec<u32>, Trap> {
    let realloc = store.data().realloc.ok_or_else(link::no_realloc)?;
    let mut pointers = Vec::with_capacity(wanted.len());
    for &Allocation { align, size } in wanted {
        let params = [0, 0, align, size].map(|v| Val::I32(v.cast_signed()));
        let mut results = [Val::I32(0)];
        store.data_mut().may_leave = false;
        let outcome = Box::pin(drive(store, clock, realloc, &params, &mut results)).await;
        store.data_mut().may_leave = true;
        outcome?;
        pointers.push(results[0].i32().unwrap_or_default().cast_unsigned());
    }
    Ok(pointers)
}

/// What ended a guest, in the words of wasmtime.
#[expect(clippy::needless_pass_by_value, reason = "an error is done with")]
fn trap(error: wasmi::Error) -> Trap {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trap.clone();
    }
    let code = match error.kind() {
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => {
            Some(TrapCode::TableOutOfBounds)
        }
        kind => kind.as_trap_code(),
    };
    match code {
        Some(TrapCode::IndirectCallToNull) => Trap::new("wasm trap: uninitialized element"),
        Some(code) => Trap::new(format!("wasm trap: {}", code.trap_message())),
        None => Trap::new(error.to_string()),
    }
}
