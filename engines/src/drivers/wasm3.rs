//! wasm3 0.4.7, as its crate vendors it.

use crate::common::{Engine, Guest, Import, SharedHost, Stop, Value, ask, part, part_mut, refused, trapped};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use wasm3_sys as ffi;
use wasmparser::ValType;

/// Bytes of the engine's own stack.
const STACK: u32 = 256 * 1024;

/// The engine.
pub(super) struct Wasm3;

impl Engine for Wasm3 {
    fn name(&self) -> &'static str {
        "wasm3-0.4"
    }

    fn profile(&self) -> &'static str {
        "wasm3-0.4"
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let imports: Vec<Linked> = Import::all(wasm)
            .map_err(refused)?
            .into_iter()
            .map(|import| Linked { import, host: host.clone() })
            .collect();
        // SAFETY: the module's bytes and the imports outlive the runtime; all of it stays on this thread.
        unsafe {
            let environment = ffi::m3_NewEnvironment();
            let runtime = ffi::m3_NewRuntime(environment, STACK, ptr::null_mut());
            let result = load(environment, runtime, wasm, &imports)
                .and_then(|()| find(runtime, export))
                .map_err(refused)
                .and_then(|function| call(runtime, function, args).map_err(trapped));
            ffi::m3_FreeRuntime(runtime);
            ffi::m3_FreeEnvironment(environment);
            result
        }
    }
}

/// An import, and who answers it.
struct Linked {
    import: Import,
    host: SharedHost,
}

unsafe fn load(
    environment: ffi::IM3Environment,
    runtime: ffi::IM3Runtime,
    wasm: &[u8],
    imports: &[Linked],
) -> Result<(), String> {
    let mut module: ffi::IM3Module = ptr::null_mut();
    // SAFETY: as `run` says.
    unsafe {
        checked(ffi::m3_ParseModule(environment, &mut module, wasm.as_ptr(), wasm.len() as u32))?;
        if let Err(error) = checked(ffi::m3_LoadModule(runtime, module)) {
            ffi::m3_FreeModule(module);
            return Err(error);
        }
        for linked in imports {
            let Import { module: first, name, params, results } = &linked.import;
            let text = |text: &str| CString::new(text).map_err(|e| e.to_string());
            let letters = |types: &[ValType]| types.iter().map(|ty| letter(*ty)).collect::<Option<String>>();
            let results = if results.is_empty() { Some("v".to_owned()) } else { letters(results) };
            let (Some(results), Some(params)) = (results, letters(params)) else {
                return Err("a type that it does not have".to_owned());
            };
            let signature = text(&format!("{results}({params})"))?;
            let cookie = ptr::from_ref(linked).cast_mut().cast::<c_void>();
            let (first, name) = (text(first)?, text(name)?);
            checked(ffi::m3_LinkRawFunctionEx(
                module,
                first.as_ptr(),
                name.as_ptr(),
                signature.as_ptr(),
                Some(answer),
                cookie,
            ))?;
        }
    }
    Ok(())
}

unsafe extern "C" fn answer(
    runtime: ffi::IM3Runtime,
    stack: *mut u64,
    _memory: *mut c_void,
    cookie: *mut c_void,
) -> *const c_void {
    // SAFETY: the cookie is what was linked; the stack holds a slot for each parameter, and one for the result.
    unsafe {
        let linked = &*cookie.cast::<Linked>();
        let args: Vec<Value> =
            (linked.import.params.iter().enumerate()).filter_map(|(i, ty)| Value::of(*ty, *stack.add(i))).collect();
        match ask(&linked.host, &mut Called(runtime), &linked.import, &args) {
            Ok(result) => {
                if let Some(value) = result.filter(|_| !linked.import.results.is_empty()) {
                    *stack = value.bits();
                }
                ptr::null()
            }
            Err(_) => c"the host stopped it".as_ptr().cast(),
        }
    }
}

unsafe fn find(runtime: ffi::IM3Runtime, export: &str) -> Result<ffi::IM3Function, String> {
    let mut function: ffi::IM3Function = ptr::null_mut();
    let name = CString::new(export).map_err(|e| e.to_string())?;
    // SAFETY: the runtime is alive.
    unsafe { checked(ffi::m3_FindFunction(&mut function, runtime, name.as_ptr()))? };
    Ok(function)
}

unsafe fn call(runtime: ffi::IM3Runtime, function: ffi::IM3Function, args: &[Value]) -> Result<Option<Value>, String> {
    let texts: Vec<CString> = args.iter().filter_map(|v| CString::new(v.bits().to_string()).ok()).collect();
    let pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    // SAFETY: the function is of the runtime; the first slot of its stack holds the result.
    unsafe {
        checked(ffi::m3_CallWithArgs(function, args.len() as u32, pointers.as_ptr()))?;
        let bits = *(*runtime).stack.cast::<u64>();
        let ty = match (*(*function).funcType).returnType {
            1 => ValType::I32,
            2 => ValType::I64,
            3 => ValType::F32,
            4 => ValType::F64,
            _ => return Ok(None),
        };
        Ok(Value::of(ty, bits))
    }
}

struct Called(ffi::IM3Runtime);

impl Called {
    fn memory(&mut self) -> &mut [u8] {
        let mut length = 0;
        // SAFETY: the memory stays where it is until the guest runs again.
        unsafe {
            let start = ffi::m3_GetMemory(self.0, &mut length, 0);
            if start.is_null() { &mut [] } else { std::slice::from_raw_parts_mut(start, length as usize) }
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
        // SAFETY: the runtime is the one that called.
        unsafe { call(self.0, find(self.0, export)?, args) }
    }
}

unsafe fn checked(result: *const c_char) -> Result<(), String> {
    if result.is_null() {
        return Ok(());
    }
    // SAFETY: an error is a constant text.
    Err(unsafe { CStr::from_ptr(result) }.to_string_lossy().into_owned())
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
