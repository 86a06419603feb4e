//! wasmtime, with the configuration as it defaults.

use super::{Engine, Guest, Import, SharedHost, Stop, Value, ask, part, part_mut, refused, trapped};
use wasmparser::ValType as Type;
use wasmtime::{Caller, Extern, Func, FuncType, HeapType, Instance, Memory, Module, RefType, Store, Val, ValType};

/// The engine.
pub(super) struct Wasmtime;

impl Engine for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn profile(&self) -> &'static str {
        "wasmtime"
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let engine = wasmtime::Engine::default();
        let module = Module::new(&engine, wasm).map_err(|e| refused(format!("{e:#}")))?;
        let mut store = Store::new(&engine, host);
        let mut externs: Vec<Extern> = Vec::new();
        for import in Import::all(wasm).map_err(refused)? {
            let types = |list: &[Type]| list.iter().map(|ty| of(*ty)).collect::<Vec<_>>();
            let ty = FuncType::new(&engine, types(&import.params), types(&import.results));
            let function = Func::new(&mut store, ty, move |mut caller: Caller<'_, SharedHost>, args, results| {
                let args: Vec<Value> = args.iter().filter_map(value).collect();
                let host = caller.data().clone();
                let answer = ask(&host, &mut Called(&mut caller), &import, &args).map_err(wasmtime::Error::msg)?;
                if let (Some(slot), Some(answer)) = (results.first_mut(), answer) {
                    *slot = val(answer);
                }
                Ok(())
            });
            externs.push(function.into());
        }
        let instance = Instance::new(&mut store, &module, &externs).map_err(|e| refused(format!("{e:#}")))?;
        let function = instance.get_func(&mut store, export).ok_or_else(|| refused("no such export"))?;
        call(&mut store, function, args).map_err(trapped)
    }
}

fn call(mut store: impl wasmtime::AsContextMut, function: Func, args: &[Value]) -> Result<Option<Value>, String> {
    let args: Vec<Val> = args.iter().map(|v| val(*v)).collect();
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    function.call(&mut store, &args, &mut results).map_err(|e| format!("{e:#}"))?;
    Ok(results.first().and_then(value))
}

struct Called<'a, 'b>(&'a mut Caller<'b, SharedHost>);

impl Called<'_, '_> {
    fn memory(&mut self) -> Option<Memory> {
        self.0.get_export("memory")?.into_memory()
    }
}

impl Guest for Called<'_, '_> {
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>> {
        Some(part(self.memory()?.data(&*self.0), at, len)?.to_vec())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> bool {
        let Some(memory) = self.memory() else { return false };
        part_mut(memory.data_mut(&mut *self.0), at, bytes.len()).map(|part| part.copy_from_slice(bytes)).is_some()
    }

    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String> {
        let function = self.0.get_export(export).and_then(Extern::into_func).ok_or("no such export")?;
        call(&mut *self.0, function, args)
    }
}

fn of(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::I32,
        Type::I64 => ValType::I64,
        Type::F32 => ValType::F32,
        Type::F64 => ValType::F64,
        Type::V128 => ValType::V128,
        Type::Ref(_) => ValType::Ref(RefType::new(true, HeapType::Func)),
    }
}

fn val(value: Value) -> Val {
    match value {
        Value::I32(bits) => Val::I32(bits.cast_signed()),
        Value::I64(bits) => Val::I64(bits.cast_signed()),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
    }
}

fn value(val: &Val) -> Option<Value> {
    match *val {
        Val::I32(number) => Some(Value::I32(number.cast_unsigned())),
        Val::I64(number) => Some(Value::I64(number.cast_unsigned())),
        Val::F32(bits) => Some(Value::F32(bits)),
        Val::F64(bits) => Some(Value::F64(bits)),
        _ => None,
    }
}
