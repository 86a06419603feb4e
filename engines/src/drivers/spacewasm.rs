//! spacewasm. It has one allocator for a process, of one thread.

use crate::common::{Engine, Guest, Import, SharedHost, Stop, Value, ask, refused, trapped};
use spacewasm::{
    AllocError, Allocator, CodeBuilder, CompilerOptions, Engine as Machine, ExportDesc, HostFunction,
    HostFunctionBreak, HostModule, HostName, HostValList, InnerVec, Interpreter, InterpreterResult, InterpreterRunner,
    Module, ModuleRef, Rc, Ref, ValType, Value as Val, Vec as SpaceVec, WasmMemoryAllocator, WasmRef, WasmStream,
};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::ptr::NonNull;
use wasmparser::ValType as Type;

/// Instructions a call may take.
const FUEL: usize = 200_000_000;

/// The engine.
pub(super) struct SpaceWasm;

impl Engine for SpaceWasm {
    fn name(&self) -> &'static str {
        "spacewasm"
    }

    fn profile(&self) -> &'static str {
        "spacewasm"
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let debug = |e: &dyn std::fmt::Debug| refused(format!("{e:?}"));
        let modules = host_modules(Import::all(wasm).map_err(refused)?, &host)?;
        let mut engine = Machine::new(16 * 1024, 2, modules).map_err(|e| debug(&e))?;
        let options = CompilerOptions { allow_memory_grow: true, max_backpatch_iterations: None, max_code_pages: 1024 };
        let mut code = CodeBuilder::new(options).map_err(|e| debug(&e))?;
        let mut bytes = wasm.to_vec();
        let mut stream = Whole(Some(&mut bytes));
        let memory = Rc::new(System).map_err(|e| debug(&e))?.into_wasm_memory_allocator();
        let module = Module::new::<128, 1024>("guest", &mut stream, &mut engine.store, &mut code, memory)
            .map_err(|e| debug(&e))?;
        let module = engine.push_module(module).map_err(|e| debug(&e))?;
        if let Some(start) = engine.module_start(module) {
            finish(&mut engine, &code, start, &[]).map_err(refused)?;
        }
        let (function, result) = exported(&engine, module, export).ok_or_else(|| refused("no such export"))?;
        let args: Vec<Val> = args.iter().map(|v| val(*v)).collect();
        finish(&mut engine, &code, function, &args).map_err(trapped)?;
        Ok(result.zip(engine.result).map(|(ty, raw)| value(raw.to_value(ty))))
    }
}

/// Runs a function to its end.
fn finish(engine: &mut Machine, code: &CodeBuilder, function: WasmRef, args: &[Val]) -> Result<(), String> {
    engine.invoke(function, args).map_err(|e| format!("{e:?}"))?;
    match Interpreter.run(code.pages(), engine, FUEL) {
        InterpreterResult::Finished => Ok(()),
        InterpreterResult::OutOfFuel => Err("it does not end".to_owned()),
        InterpreterResult::Trap(reason) => Err(format!("{reason:?}")),
        InterpreterResult::Pause => Err("it paused".to_owned()),
    }
}

fn exported(engine: &Machine, module: ModuleRef, name: &str) -> Option<(WasmRef, Option<ValType>)> {
    let found = &engine.store.modules()[module.0 as usize];
    let export = found.exports.iter().find(|export| export.name == *name)?;
    let ExportDesc::Func(index) = export.desc else { return None };
    let Ref::Module(index) = found.get_func_ref(index)? else { return None };
    let ty = &found.types[found.functions[index as usize].ty.0 as usize];
    Some((WasmRef { module, index }, ty.returns.first().copied()))
}

/// One host module for each first name of the imports.
fn host_modules(imports: Vec<Import>, host: &SharedHost) -> Result<SpaceVec<HostModule>, Stop> {
    let mut names: BTreeMap<String, Vec<Import>> = BTreeMap::new();
    for import in imports {
        let known = names.entry(import.module.clone()).or_default();
        if !known.iter().any(|k| k.name == import.name) {
            known.push(import);
        }
    }
    let debug = |e: &dyn std::fmt::Debug| refused(format!("{e:?}"));
    let mut out = SpaceVec::new(names.len()).map_err(|e| debug(&e))?;
    for (name, imports) in names {
        let mut functions = SpaceVec::new(imports.len()).map_err(|e| debug(&e))?;
        for import in imports {
            functions.push(function(import, host.clone())?);
        }
        out.push(HostModule {
            name: HostName::try_from_str(&name).map_err(|e| debug(&e))?,
            globals: SpaceVec::zero(),
            functions,
            memory: SpaceVec::zero(),
            table: SpaceVec::zero(),
        });
    }
    Ok(out)
}

fn function(import: Import, host: SharedHost) -> Result<HostFunction, Stop> {
    let debug = |e: &dyn std::fmt::Debug| refused(format!("{e:?}"));
    let list = |types: &[Type]| {
        let letters: Option<String> = types.iter().map(|ty| letter(*ty)).collect();
        let letters = letters.ok_or_else(|| refused("a type that hosts do not have"))?;
        HostValList::try_new(&letters).map_err(|e| debug(&e))
    };
    let name = HostName::try_from_str(&import.name).map_err(|e| debug(&e))?;
    let (params, results) = (list(&import.params)?, list(&import.results)?);
    HostFunction::try_new(name, params, results, move |engine: &mut Machine, args: &[Val]| {
        let args: Vec<Value> = args.iter().map(|v| value(*v)).collect();
        match ask(&host, &mut Called(engine), &import, &args) {
            Ok(answer) => ControlFlow::Continue(answer.filter(|_| !import.results.is_empty()).map(val)),
            Err(_) => ControlFlow::Break(HostFunctionBreak::Trap),
        }
    })
    .map_err(|e| debug(&e))
}

struct Called<'a>(&'a mut Machine);

impl Guest for Called<'_> {
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>> {
        Some(self.0.memory.load(at as usize, len as usize).ok()?.to_vec())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> bool {
        self.0.memory.store(at as usize, bytes).is_ok()
    }

    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String> {
        let (function, _) = exported(self.0, self.0.module, export).ok_or("no such export")?;
        let args: Vec<Val> = args.iter().map(|v| val(*v)).collect();
        self.0.invoke(function, &args).map_err(|e| format!("{e:?}"))?;
        Err("a call that was begun and cannot be run to its end".to_owned())
    }
}

fn letter(ty: Type) -> Option<char> {
    match ty {
        Type::I32 => Some('i'),
        Type::I64 => Some('I'),
        Type::F32 => Some('f'),
        Type::F64 => Some('d'),
        Type::V128 | Type::Ref(_) => None,
    }
}

fn val(value: Value) -> Val {
    match value {
        Value::I32(bits) => Val::I32(bits.cast_signed()),
        Value::I64(bits) => Val::I64(bits.cast_signed()),
        Value::F32(bits) => Val::F32(f32::from_bits(bits)),
        Value::F64(bits) => Val::F64(f64::from_bits(bits)),
    }
}

fn value(val: Val) -> Value {
    match val {
        Val::I32(number) => Value::I32(number.cast_unsigned()),
        Val::I64(number) => Value::I64(number.cast_unsigned()),
        Val::F32(number) => Value::F32(number.to_bits()),
        Val::F64(number) => Value::F64(number.to_bits()),
    }
}

/// The module in one piece.
struct Whole<'a>(Option<&'a mut Vec<u8>>);

impl WasmStream for Whole<'_> {
    fn read(&mut self) -> Result<Option<InnerVec<u8>>, u8> {
        // SAFETY: the bytes outlive the stream, and the reader gives them back without freeing them.
        Ok(self.0.take().map(|bytes| unsafe { InnerVec::from_raw_parts(bytes.as_mut_ptr(), bytes.len(), bytes.len()) }))
    }

    fn return_(&mut self, _: InnerVec<u8>) {}
}

/// The allocator of this process, for both of the engine's.
struct System;

// SAFETY: what is given is what the system's allocator gave.
unsafe impl Allocator for System {
    unsafe fn alloc(&self, layout: Layout) -> Result<*mut u8, AllocError> {
        // SAFETY: the caller promises a size.
        NonNull::new(unsafe { std::alloc::alloc(layout) }).map(NonNull::as_ptr).ok_or(AllocError::AllocationFailed)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller got it above.
        unsafe { std::alloc::dealloc(at, layout) }
    }
}

impl WasmMemoryAllocator for System {
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: a memory has a size.
        NonNull::new(unsafe { std::alloc::alloc(layout) }).ok_or(AllocError::AllocationFailed)
    }

    fn reallocate(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: it was allocated above, with that layout.
        NonNull::new(unsafe { std::alloc::realloc(at.as_ptr(), old, new.size()) }).ok_or(AllocError::AllocationFailed)
    }

    fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: as above.
        unsafe { std::alloc::dealloc(at.as_ptr(), layout) }
    }
}

spacewasm::global_allocator!(System, System);
