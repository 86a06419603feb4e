//! dlr-wasm-interpreter. A host call ends its run, with what is needed to go on.

use crate::common::{Engine, Guest, Import, SharedHost, Stop, Value, ask, part, part_mut, refused, trapped};
use dlr_wasm_interpreter::{
    ExternVal, F32, F64, FuncAddr, FuncType, MemAddr, ModuleAddr, NumType, RefType, ResultType, RunState, Store,
    ValType, Value as Val, decode_and_validate,
};
use wasmparser::ValType as Type;

/// The engine.
pub(super) struct Dlr;

impl Engine for Dlr {
    fn name(&self) -> &'static str {
        "dlr"
    }

    fn profile(&self) -> &'static str {
        "dlr"
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let module = decode_and_validate(wasm, &mut ()).map_err(|e| refused(format!("{e:?}")))?;
        let imports = Import::all(wasm).map_err(refused)?;
        let mut store = Store::new(());
        let types = |list: &[Type]| ResultType { valtypes: list.iter().map(|ty| of(*ty)).collect() };
        let functions: Vec<ExternVal> = imports
            .iter()
            .enumerate()
            .map(|(code, import)| {
                let ty = FuncType { params: types(&import.params), returns: types(&import.results) };
                ExternVal::Func(store.func_alloc(ty, code))
            })
            .collect();
        // SAFETY: the functions are of this store.
        let outcome = unsafe { store.module_instantiate(&module, functions, None) };
        let instance = outcome.map_err(|e| refused(format!("{e:?}")))?.module_addr;
        let mut called = Called { store: &mut store, instance, host, imports: &imports };
        called.call(export, args).map_err(trapped)
    }
}

struct Called<'a, 'b> {
    store: &'a mut Store<'b, ()>,
    instance: ModuleAddr,
    host: SharedHost,
    imports: &'a [Import],
}

impl Called<'_, '_> {
    fn export(&self, name: &str) -> Option<ExternVal> {
        // SAFETY: the instance is of this store.
        unsafe { self.store.instance_export(self.instance, name) }.ok()
    }

    fn function(&self, name: &str) -> Result<FuncAddr, String> {
        self.export(name).and_then(|e| e.as_func()).ok_or_else(|| "no such export".to_owned())
    }

    fn memory(&mut self) -> Option<&mut [u8]> {
        let memory: MemAddr = self.export("memory")?.as_mem()?;
        // SAFETY: the memory is of this store.
        Some(unsafe { self.store.mem_data_mut(memory) })
    }
}

impl Guest for Called<'_, '_> {
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>> {
        Some(part(self.memory()?, at, len)?.to_vec())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> bool {
        let Some(memory) = self.memory() else { return false };
        part_mut(memory, at, bytes.len()).map(|part| part.copy_from_slice(bytes)).is_some()
    }

    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String> {
        let function = self.function(export)?;
        let args = args.iter().map(|v| val(*v)).collect();
        // SAFETY: functions and states of this store, and of no other.
        let mut state = unsafe { self.store.invoke(function, args, None) }.map_err(|e| format!("{e:?}"))?;
        loop {
            state = match state {
                RunState::Finished { values, .. } => return Ok(values.first().and_then(value)),
                // SAFETY: as above.
                RunState::Resumable { resumable, .. } => unsafe { self.store.resume_wasm(resumable) },
                RunState::HostCalled { host_call, resumable } => {
                    let import = &self.imports[host_call.hostcode];
                    let args: Vec<Value> = host_call.params.iter().filter_map(value).collect();
                    let host = self.host.clone();
                    let answer = ask(&host, self, import, &args)?;
                    let answer = answer.filter(|_| !import.results.is_empty());
                    // SAFETY: as above; the answer has the type of the import.
                    unsafe { self.store.finish_host_call(resumable, answer.map(val).into_iter().collect()) }
                }
            }
            .map_err(|e| format!("{e:?}"))?;
        }
    }
}

fn of(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::NumType(NumType::I32),
        Type::I64 => ValType::NumType(NumType::I64),
        Type::F32 => ValType::NumType(NumType::F32),
        Type::F64 => ValType::NumType(NumType::F64),
        Type::V128 => ValType::VecType,
        Type::Ref(_) => ValType::RefType(RefType::FuncRef),
    }
}

fn val(value: Value) -> Val {
    match value {
        Value::I32(bits) => Val::I32(bits),
        Value::I64(bits) => Val::I64(bits),
        Value::F32(bits) => Val::F32(F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(F64::from_bits(bits)),
    }
}

fn value(val: &Val) -> Option<Value> {
    match *val {
        Val::I32(bits) => Some(Value::I32(bits)),
        Val::I64(bits) => Some(Value::I64(bits)),
        Val::F32(number) => Some(Value::F32(number.to_bits())),
        Val::F64(number) => Some(Value::F64(number.to_bits())),
        Val::V128(_) | Val::Ref(_) => None,
    }
}
