//! wasmtime by its core API, with pooled instances and copy-on-write memory. Its component model is not built in.

use super::{Call, Limits, Program, Running, Work};
use crate::abi::{CoreSignature, ImportName, Table};
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use crate::host::value::{Allocation, Value, allocations, lift_args, lower, lower_flat, pointer};
use crate::host::wasi::{Function, wasi};
use crate::host::{GuestMemory, State, Step, Trap};

use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wasmtime::{
    Caller, Config, Engine, ExternType, Func, FuncType, InstanceAllocationStrategy, InstancePre, Linker, Memory,
    Module, ModuleExport, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder, TypedFunc, UpdateDeadline,
    Val, ValType,
};

/// How often a running guest is interrupted to look at its deadline and let others run.
const TICK: Duration = Duration::from_millis(5);

/// Memories up to this size are wiped in place when an instance ends, which spares the next one its page faults.
/// Larger ones are given back to the system: copying an image of 1 MiB costs more than the faults do.
const RESIDENT: u64 = 256 << 10;

/// A module ready to be instantiated.
pub struct WasmtimeProgram {
    pre: InstancePre<Data>,
    exports: Exports,
    limits: Limits,
}

impl std::fmt::Debug for WasmtimeProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmtimeProgram").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Exports by index, so that no name is looked up per request.
struct Exports {
    call: ModuleExport,
    memory: Option<ModuleExport>,
    realloc: Option<ModuleExport>,
    initialize: Option<ModuleExport>,
}

/// What a store holds.
struct Data {
    state: State,
    limits: StoreLimits,
    memory: Option<Memory>,
    realloc: Option<TypedFunc<(u32, u32, u32, u32), u32>>,
    /// Cleared while the guest's `cabi_realloc` runs, which may not call out (*may_leave*).
    may_leave: bool,
}

/// Compiles a core module and links it. `export` gives the name of the function to call. All imports that the host
/// does not provide are listed in one diagnostic.
pub fn load(wasm: &[u8], export: &str, limits: Limits) -> Result<WasmtimeProgram> {
    let config = configure(wasm, limits)?;
    let refused = |e: wasmtime::Error| {
        Diagnostic::new(Code::CompileFailed, "the engine refuses the module").cause(format!("{e:#}"))
    };
    let engine = Engine::new(&config).map_err(refused)?;
    let module = Module::new(&engine, wasm).map_err(refused)?;
    let exports = Exports {
        call: module.get_export_index(export).ok_or_else(|| no_export(&module, export))?,
        memory: module.get_export_index("memory"),
        realloc: module.get_export_index("cabi_realloc"),
        initialize: module.get_export_index("_initialize"),
    };
    let pre = link(&engine, &module)?.instantiate_pre(&module).map_err(refused)?;
    tick(&engine).map_err(|e| Diagnostic::new(Code::Internal, "the clock thread cannot start").cause(e))?;
    Ok(WasmtimeProgram { pre, exports, limits })
}

fn no_export(module: &Module, export: &str) -> Box<Diagnostic> {
    let names: Vec<&str> = module.exports().map(|e| e.name()).collect();
    let mut error = Diagnostic::new(Code::NoHandler, format!("`{export}` is not exported"));
    if let Some(near) = nearest(export, names.iter().copied()) {
        error = error.hint(format!("did you mean `{near}`?"));
    }
    error.fact("exports", names.join(", "))
}

/// Sizes the pool from the module: the allocator refuses what does not fit its slots.
fn configure(wasm: &[u8], limits: Limits) -> Result<Config> {
    let (mut tables, mut elements, mut memory) = (0, 0, 0);
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        match payload.map_err(|e| Diagnostic::invalid_wasm(&e))? {
            wasmparser::Payload::TableSection(section) => {
                for table in section.into_iter().flatten() {
                    tables += 1;
                    elements = elements.max(table.ty.initial);
                }
            }
            wasmparser::Payload::MemorySection(section) => {
                for ty in section.into_iter().flatten() {
                    memory = ty.initial.saturating_mul(64 << 10);
                }
            }
            _ => {}
        }
    }
    let resident = if memory <= RESIDENT { usize::try_from(memory).unwrap_or(0) } else { 0 };
    let elements = usize::try_from(elements).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(limits.instances)
        .total_memories(limits.instances)
        .total_tables(limits.instances.saturating_mul(tables.max(1)))
        // A call of the guest's realloc from a host function has a stack of its own.
        .total_stacks(limits.instances.saturating_mul(2))
        .max_memories_per_module(1)
        .max_tables_per_module(tables.max(1))
        .table_elements(elements.max(10_000))
        .max_core_instance_size(64 << 20)
        .max_memory_size(limits.memory)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(elements.min(8 << 10) * 8)
        .max_unused_warm_slots(limits.instances);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
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

fn link(engine: &Engine, module: &Module) -> Result<Linker<Data>> {
    let wasi = wasi()?;
    let mut linker = Linker::new(engine);
    let mut unresolved = Vec::new();
    for import in module.imports() {
        let name = ImportName { module: import.module().to_owned(), name: import.name().to_owned() };
        let ExternType::Func(ty) = import.ty() else {
            unresolved.push(Diagnostic::new(Code::Unresolved, format!("`{name}` is not a function")));
            continue;
        };
        match wasi.find(&name, signature(&ty).as_ref()) {
            Ok(function) => define(&mut linker, &name, ty, function, &wasi.table)
                .map_err(|e| Diagnostic::new(Code::Internal, "a function cannot be linked").cause(e))?,
            Err(error) => unresolved.push(error),
        }
    }
    match unresolved.len() {
        0 => Ok(linker),
        1 => Err(unresolved.remove(0)),
        n => {
            let preview1 = module.imports().any(|i| i.module() == crate::adapt::PREVIEW1);
            Err(list(&unresolved, n, preview1))
        }
    }
}

fn list(unresolved: &[Box<Diagnostic>], n: usize, preview1: bool) -> Box<Diagnostic> {
    let mut all = Diagnostic::new(Code::Unresolved, format!("{n} imports are not provided"));
    for error in unresolved {
        let hint = error.hints.first().map(|h| format!(" ({h})")).unwrap_or_default();
        all = all.fact("import", format!("{}{hint}", error.message));
    }
    if preview1 {
        return all.hint("this is a preview1 module: `lowlift adapt` wraps it into a component");
    }
    all.hint("`lowlift check … --against wasi` shows wanted and provided signatures")
}

fn signature(ty: &FuncType) -> Option<CoreSignature> {
    let core = |ty: ValType| match ty {
        ValType::I32 => Some(crate::abi::Core::I32),
        ValType::I64 => Some(crate::abi::Core::I64),
        ValType::F32 => Some(crate::abi::Core::F32),
        ValType::F64 => Some(crate::abi::Core::F64),
        _ => None,
    };
    let params = ty.params().map(core).collect::<Option<Vec<_>>>()?;
    let results = ty.results().map(core).collect::<Option<Vec<_>>>()?;
    Some(CoreSignature { params, results })
}

/// Functions that neither wait nor call the guest back run on the guest's own stack; the others suspend it.
fn define(
    linker: &mut Linker<Data>,
    name: &ImportName,
    ty: FuncType,
    function: &'static Function,
    table: &'static Table<'static>,
) -> wasmtime::Result<()> {
    if function.blocks || function.needs.realloc {
        linker.func_new_async(&name.module, &name.name, ty, move |mut caller, params, results| {
            Box::new(async move {
                let (slots, args) = lift(&mut caller, function, table, params)?;
                let mut step = (function.run)(&mut caller.data_mut().state, &args)?;
                let value = loop {
                    match step {
                        Step::Done(value) => break value,
                        Step::Wait(wait, then) => {
                            let state = &mut caller.data_mut().state;
                            state.wait(&wait).await;
                            step = then(state, &args)?;
                        }
                    }
                };
                let pointers = match &value {
                    Some(value) => allocate(&mut caller, function, table, value).await?,
                    None => Vec::new(),
                };
                Ok(finish(&mut caller, function, table, value, &slots, pointers, results)?)
            })
        })?;
    } else {
        linker.func_new(&name.module, &name.name, ty, move |mut caller, params, results| {
            let (slots, args) = lift(&mut caller, function, table, params)?;
            match (function.run)(&mut caller.data_mut().state, &args)? {
                Step::Done(value) => Ok(finish(&mut caller, function, table, value, &slots, Vec::new(), results)?),
                Step::Wait(..) => Err(Trap::Guest("a function that must not wait waited".to_owned()).into()),
            }
        })?;
    }
    Ok(())
}

/// Flat slots: 16 parameters and a result pointer at the most.
type Slots = [u64; 17];

fn lift(
    caller: &mut Caller<'_, Data>,
    function: &Function,
    table: &Table<'_>,
    params: &[Val],
) -> Result<(Slots, Vec<Value>), Trap> {
    if !caller.data().may_leave {
        return Err(Trap::Guest("`cabi_realloc` called an import".to_owned()));
    }
    let mut slots = [0; 17];
    for (slot, param) in slots.iter_mut().zip(params) {
        *slot = match param {
            Val::I32(v) => u64::from(v.cast_unsigned()),
            Val::I64(v) => v.cast_unsigned(),
            Val::F32(bits) => u64::from(*bits),
            Val::F64(bits) => *bits,
            _ => 0,
        };
    }
    let Some(signature) = &function.signature else {
        return Ok((slots, vec![Value::from(pointer(slots[0]))]));
    };
    let args = with_memory(caller, |memory, _| lift_args(table, signature, &slots, memory))?;
    Ok((slots, args))
}

/// Runs with a view of the guest's memory; one without memory sees an empty one.
fn with_memory<T>(
    caller: &mut Caller<'_, Data>,
    run: impl FnOnce(&mut GuestMemory<'_>, &mut State) -> Result<T, Trap>,
) -> Result<T, Trap> {
    match caller.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(caller);
            run(&mut GuestMemory::new(bytes), &mut data.state)
        }
        None => run(&mut GuestMemory::new(&mut []), &mut caller.data_mut().state),
    }
}

/// Has the guest allocate what the result needs.
async fn allocate(
    caller: &mut Caller<'_, Data>,
    function: &Function,
    table: &Table<'_>,
    value: &Value,
) -> wasmtime::Result<Vec<u32>> {
    let Some(ty) = function.signature.as_ref().and_then(|s| s.result) else { return Ok(Vec::new()) };
    let mut wanted = Vec::new();
    allocations(table, ty, value, &mut wanted)?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let Some(realloc) = caller.data().realloc.clone() else {
        return Err(Trap::Guest("the guest exports no `cabi_realloc`".to_owned()).into());
    };
    let mut pointers = Vec::with_capacity(wanted.len());
    for Allocation { align, size } in wanted {
        caller.data_mut().may_leave = false;
        let result = realloc.call_async(&mut *caller, (0, 0, align, size)).await;
        caller.data_mut().may_leave = true;
        pointers.push(result?);
    }
    Ok(pointers)
}

fn finish(
    caller: &mut Caller<'_, Data>,
    function: &Function,
    table: &Table<'_>,
    value: Option<Value>,
    slots: &Slots,
    pointers: Vec<u32>,
    results: &mut [Val],
) -> Result<(), Trap> {
    let (Some(value), Some(signature)) = (value, &function.signature) else { return Ok(()) };
    if let (true, Some(ty)) = (signature.result_spilled, signature.result) {
        // The result pointer is the last parameter.
        let ptr = pointer(slots[signature.core.params.len() - 1]);
        let laid_out = table.get(ty);
        return with_memory(caller, |memory, _| {
            memory.write(ptr, laid_out.size, laid_out.align)?;
            lower(table, ty, &value, ptr, memory, &mut pointers.into_iter())
        });
    }
    let bits = lower_flat(&value)?;
    if let Some(result) = results.first_mut() {
        *result = match signature.core.results.first() {
            Some(crate::abi::Core::I64) => Val::I64(bits.cast_signed()),
            Some(crate::abi::Core::F32) => Val::F32(pointer(bits)),
            Some(crate::abi::Core::F64) => Val::F64(bits),
            _ => Val::I32(pointer(bits).cast_signed()),
        };
    }
    Ok(())
}

impl Program for WasmtimeProgram {
    fn call(&self, call: Call) -> Running {
        let limits = StoreLimitsBuilder::new().memory_size(self.limits.memory).build();
        let deadline = call.deadline;
        let data = Data { state: call.state, limits, memory: None, realloc: None, may_leave: true };
        let mut store = Store::new(self.pre.module().engine(), data);
        store.limiter(|data| &mut data.limits);
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline { Err(Trap::Deadline.into()) } else { Ok(UpdateDeadline::Yield(1)) }
        });
        store.set_epoch_deadline(1);
        let pre = self.pre.clone();
        let exports = (self.exports.call, self.exports.memory, self.exports.realloc, self.exports.initialize);
        Box::pin(async move {
            let run = run(&mut store, &pre, exports, &call.work);
            match timeout_at(deadline, run).await {
                Err(_) => Err(Trap::Deadline),
                Ok(Ok(())) => Ok(()),
                Ok(Err(e)) => Err(trap(&e)),
            }
        })
    }
}

type ExportIndices = (ModuleExport, Option<ModuleExport>, Option<ModuleExport>, Option<ModuleExport>);

async fn run(
    store: &mut Store<Data>,
    pre: &InstancePre<Data>,
    (call, memory, realloc, initialize): ExportIndices,
    work: &Work,
) -> wasmtime::Result<()> {
    let instance = pre.instantiate_async(&mut *store).await?;
    let mut func = |export: &ModuleExport| -> Option<Func> {
        instance.get_module_export(&mut *store, export).and_then(wasmtime::Extern::into_func)
    };
    let call = func(&call).ok_or_else(|| Trap::Guest("the handler is not a function".to_owned()))?;
    let realloc = realloc.as_ref().and_then(&mut func);
    let initialize = initialize.as_ref().and_then(&mut func);
    let memory =
        memory.and_then(|m| instance.get_module_export(&mut *store, &m)).and_then(wasmtime::Extern::into_memory);
    let realloc = realloc.map(|f| f.typed(&*store)).transpose()?;
    store.data_mut().memory = memory;
    store.data_mut().realloc = realloc;
    if let Some(initialize) = initialize {
        initialize.typed::<(), ()>(&*store)?.call_async(&mut *store, ()).await?;
    }
    let Work::Export(args) = work else { return Ok(()) };
    let params: Vec<Val> = args.iter().map(|&v| Val::I32(v.cast_signed())).collect();
    call.call_async(store, &params, &mut []).await
}

/// What ended a guest, from the engine's error.
fn trap(error: &wasmtime::Error) -> Trap {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.clone(),
        None => match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => Trap::Guest(trap.to_string()),
            None => Trap::Guest(format!("{error:#}")),
        },
    }
}
