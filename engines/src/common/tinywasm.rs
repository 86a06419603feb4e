//! tinywasm, with the features of the crate as they default.

use super::{Engine, Guest, Import, SharedHost, Stop, Value, ask, refused, trapped};
use tinywasm::types::{FuncType, WasmType, WasmValue};
use tinywasm::{Error, FuncContext, HostFunction, Imports, ModuleInstance, Store};
use wasmparser::ValType as Type;

/// The engine.
pub(super) struct TinyWasm;

impl Engine for TinyWasm {
    fn name(&self) -> &'static str {
        "tinywasm"
    }

    fn profile(&self) -> &'static str {
        "tinywasm"
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let module = tinywasm::parse_bytes(wasm).map_err(refused)?;
        let mut store = Store::default();
        let mut imports = Imports::new();
        for import in Import::all(wasm).map_err(refused)? {
            let types = |list: &[Type]| list.iter().map(|ty| of(*ty)).collect::<Vec<_>>();
            let ty = FuncType::new(&types(&import.params), &types(&import.results));
            let (host, names) = (host.clone(), (import.module.clone(), import.name.clone()));
            let function = HostFunction::from_untyped(&mut store, &ty, move |mut context, args| {
                let args: Vec<Value> = args.iter().filter_map(value).collect();
                let answer = ask(&host, &mut Called(&mut context), &import, &args).map_err(Error::Other)?;
                Ok(answer.map(val).into_iter().collect())
            });
            imports.define(&names.0, &names.1, function);
        }
        let instance = ModuleInstance::instantiate(&mut store, &module, Some(imports)).map_err(refused)?;
        let function = instance.func_untyped(&store, export).map_err(refused)?;
        let args: Vec<WasmValue> = args.iter().map(|v| val(*v)).collect();
        let results = function.call(&mut store, &args).map_err(trapped)?;
        Ok(results.first().and_then(value))
    }
}

struct Called<'a, 'b>(&'a mut FuncContext<'b>);

impl Guest for Called<'_, '_> {
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>> {
        let memory = self.0.memory("memory").ok()?;
        let end = (at as usize).checked_add(len as usize)?;
        (end <= memory.len(self.0.store()).ok()?).then_some(())?;
        memory.read_vec(self.0.store(), at as usize, len as usize).ok()
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> bool {
        let Ok(memory) = self.0.memory("memory") else { return false };
        memory.copy_from_slice(self.0.store_mut(), at as usize, bytes).is_ok()
    }

    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String> {
        let function = self.0.module().func_untyped(self.0.store(), export).map_err(|e| e.to_string())?;
        let args: Vec<WasmValue> = args.iter().map(|v| val(*v)).collect();
        let results = self.0.call_untyped(&function, &args).map_err(|e| e.to_string())?;
        Ok(results.first().and_then(value))
    }
}

fn of(ty: Type) -> WasmType {
    match ty {
        Type::I32 => WasmType::I32,
        Type::I64 => WasmType::I64,
        Type::F32 => WasmType::F32,
        Type::F64 => WasmType::F64,
        Type::V128 => WasmType::V128,
        Type::Ref(_) => WasmType::RefFunc,
    }
}

fn val(value: Value) -> WasmValue {
    match value {
        Value::I32(bits) => WasmValue::I32(bits.cast_signed()),
        Value::I64(bits) => WasmValue::I64(bits.cast_signed()),
        Value::F32(bits) => WasmValue::F32(f32::from_bits(bits)),
        Value::F64(bits) => WasmValue::F64(f64::from_bits(bits)),
    }
}

fn value(val: &WasmValue) -> Option<Value> {
    match *val {
        WasmValue::I32(number) => Some(Value::I32(number.cast_unsigned())),
        WasmValue::I64(number) => Some(Value::I64(number.cast_unsigned())),
        WasmValue::F32(number) => Some(Value::F32(number.to_bits())),
        WasmValue::F64(number) => Some(Value::F64(number.to_bits())),
        _ => None,
    }
}
