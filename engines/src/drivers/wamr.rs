//! WAMR of December 2020, as its crate vendors it. Natives are of the process: one module is run per process. They are
//! found under the module name `env` alone, so that imports are renamed.

use crate::common::{Engine, Guest, Import, SharedHost, Stop, Value, ask, part, part_mut, refused, trapped};
use crate::rename;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use wamr_sys as ffi;
use wasmparser::ValType;

/// Bytes of the engine's own stack, for a guest and for each call into it.
const STACK: u32 = 64 * 1024;

/// The engine.
pub(super) struct Wamr;

impl Engine for Wamr {
    fn name(&self) -> &'static str {
        "wamr-2020"
    }

    fn profile(&self) -> &'static str {
        "wamr-interp"
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let imports = Import::all(wasm).map_err(refused)?;
        // The engine writes into the bytes and keeps them, with the tables, until the process ends.
        let bytes: &'static mut [u8] = Box::leak(rename::renamed(wasm).map_err(refused)?.into_boxed_slice());
        let mut error = [0 as c_char; 128];
        // SAFETY: what is given is leaked, and all of it stays on this thread.
        unsafe {
            if !ffi::wasm_runtime_init() {
                return Err(refused("it does not start"));
            }
            for (index, import) in imports.into_iter().enumerate() {
                register(index, import, &host).map_err(refused)?;
            }
            let size = error.len() as u32;
            let module = ffi::wasm_runtime_load(bytes.as_ptr(), bytes.len() as u32, error.as_mut_ptr(), size);
            if module.is_null() {
                return Err(refused(text(error.as_ptr())));
            }
            let instance = ffi::wasm_runtime_instantiate(module, STACK, 0, error.as_mut_ptr(), size);
            if instance.is_null() {
                return Err(refused(text(error.as_ptr())));
            }
            let environment = ffi::wasm_runtime_create_exec_env(instance, STACK);
            call(environment, export, args, true)
        }
    }
}

/// An import, and who answers it.
struct Linked {
    import: Import,
    host: SharedHost,
}

unsafe fn register(index: usize, import: Import, host: &SharedHost) -> Result<(), String> {
    let leak = |text: String| CString::new(text).map(|text| text.into_raw().cast_const()).map_err(|e| e.to_string());
    let letters = |types: &[ValType]| types.iter().map(|ty| letter(*ty)).collect::<Option<String>>();
    let signature = letters(&import.params).zip(letters(&import.results)).ok_or("a type that it does not have")?;
    let (module, symbol) = (leak(rename::MODULE.to_owned())?, leak(rename::name(index))?);
    let signature = leak(format!("({}){}", signature.0, signature.1))?;
    let attachment = Box::into_raw(Box::new(Linked { import, host: host.clone() })).cast::<c_void>();
    let native = ffi::NativeSymbol { symbol, func_ptr: answer as *mut c_void, signature, attachment };
    // SAFETY: all of it is leaked, so it outlives the process's engine.
    if unsafe { ffi::wasm_runtime_register_natives_raw(module, Box::into_raw(Box::new(native)), 1) } {
        Ok(())
    } else {
        Err("a native is not taken".to_owned())
    }
}

unsafe extern "C" fn answer(environment: ffi::wasm_exec_env_t, slots: *mut u64) {
    // SAFETY: the attachment is what was registered; there is a slot for each parameter, and one for the result.
    unsafe {
        let linked = &*ffi::wasm_runtime_get_function_attachment(environment).cast::<Linked>();
        let args: Vec<Value> =
            (linked.import.params.iter().enumerate()).filter_map(|(i, ty)| Value::of(*ty, *slots.add(i))).collect();
        match ask(&linked.host, &mut Called(environment), &linked.import, &args) {
            Ok(result) => {
                if let Some(value) = result.filter(|_| !linked.import.results.is_empty()) {
                    *slots = value.bits();
                }
            }
            Err(_) => {
                let instance = ffi::wasm_runtime_get_module_inst(environment);
                ffi::wasm_runtime_set_exception(instance, c"the host stopped it".as_ptr());
            }
        }
    }
}

/// Calls an export. What is missing before the first call is a refusal.
unsafe fn call(
    environment: ffi::wasm_exec_env_t,
    export: &str,
    args: &[Value],
    first: bool,
) -> Result<Option<Value>, Stop> {
    // SAFETY: the environment is alive; cells are two for 64 bits, and one at least for a result.
    unsafe {
        let instance = ffi::wasm_runtime_get_module_inst(environment);
        let name = CString::new(export).map_err(refused)?;
        let function = ffi::wasm_runtime_lookup_function(instance, name.as_ptr(), ptr::null());
        if function.is_null() {
            return Err(if first { refused("no such export") } else { trapped("no such export") });
        }
        let mut cells: Vec<u32> = Vec::new();
        for arg in args {
            cells.push(arg.bits() as u32);
            if matches!(arg, Value::I64(_) | Value::F64(_)) {
                cells.push((arg.bits() >> 32) as u32);
            }
        }
        let count = cells.len() as u32;
        cells.resize(cells.len().max(2), 0);
        if !ffi::wasm_runtime_call_wasm(environment, function, count, cells.as_mut_ptr()) {
            return Err(trapped(text(ffi::wasm_runtime_get_exception(instance))));
        }
        Ok(Some(Value::I32(cells[0])))
    }
}

struct Called(ffi::wasm_exec_env_t);

impl Called {
    fn memory(&mut self) -> &mut [u8] {
        // SAFETY: the memory stays where it is until the guest runs again.
        unsafe {
            let instance = ffi::wasm_runtime_get_module_inst(self.0);
            let (mut start, mut end) = (0, 0);
            if !ffi::wasm_runtime_get_app_addr_range(instance, 0, &mut start, &mut end) {
                return &mut [];
            }
            let native = ffi::wasm_runtime_addr_app_to_native(instance, 0).cast::<u8>();
            std::slice::from_raw_parts_mut(native, end as usize)
        }
    }
}

impl Guest for Called {
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>> {
        Some(part(self.memory(), at, len)?.to_vec())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> bool {
        part_mut(self.memory(), at, bytes.len()).map(|part| part.copy_from_slice(bytes)).is_some()
    }

    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String> {
        // SAFETY: the environment is the one that called.
        unsafe { call(self.0, export, args, false) }.map_err(|stop| format!("{stop:?}"))
    }
}

unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the engine's texts end with a zero.
    if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
}

fn letter(ty: ValType) -> Option<char> {
    match ty {
        ValType::I32 => Some('i'),
        ValType::I64 => Some('I'),
        ValType::F32 => Some('f'),
        ValType::F64 => Some('F'),
        ValType::V128 | ValType::Ref(_) => None,
    }
}
