//! Who runs a component and its lowering: wasmtime as a component runtime, and two core engines with one host.

use super::types::{Core, Ty};
use super::values::{Abi, Encoding, Guest, Trapped};
use wasmtime::component::Val;

/// A call of an export.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// `interface#function`, or a function of the root.
    pub(super) export: String,
    pub(super) params: Vec<Ty>,
    pub(super) result: Option<Ty>,
    pub(super) args: Vec<Val>,
    /// What it must give where it gives anything, if that is known.
    pub(super) want: Option<Val>,
}

/// What a call gave, and what the guest called meanwhile.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// Nothing where it trapped.
    pub(super) result: Option<Option<Val>>,
    pub(super) trace: Vec<String>,
}

/// An instance that can be called.
pub(super) trait Subject {
    fn call(&mut self, call: &Call) -> Outcome;
}

/// What the host knows while it runs.
#[derive(Debug, Default)]
pub(super) struct State {
    trace: Vec<String>,
    /// A guest that allocates for the host, or cleans up after a call, may not call it.
    locked: bool,
}

impl State {
    fn tick(&mut self, n: u32) -> u32 {
        self.trace.push(format!("tick({n})"));
        n.wrapping_add(1)
    }

    fn log(&mut self, n: u32, text: &str) -> u32 {
        self.trace.push(format!("log({n}, {text:?})"));
        n.wrapping_add(text.len() as u32)
    }
}

/// A compiled component.
pub(super) struct Component {
    component: wasmtime::component::Component,
    linker: wasmtime::component::Linker<State>,
}

impl Component {
    pub(super) fn new(engine: &wasmtime::Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
        let component = wasmtime::component::Component::from_binary(engine, wasm)?;
        let mut linker = wasmtime::component::Linker::<State>::new(engine);
        let mut root = linker.root();
        root.func_wrap("tick", |mut cx: wasmtime::StoreContextMut<'_, State>, (n,): (u32,)| {
            Ok((cx.data_mut().tick(n),))
        })?;
        root.func_wrap("log", |mut cx: wasmtime::StoreContextMut<'_, State>, (n, text): (u32, String)| {
            Ok((cx.data_mut().log(n, &text),))
        })?;
        Ok(Component { component, linker })
    }

    pub(super) fn instantiate(&self) -> wasmtime::Result<Box<dyn Subject>> {
        let mut store = wasmtime::Store::new(self.component.engine(), State::default());
        let instance = self.linker.instantiate(&mut store, &self.component)?;
        Ok(Box::new(Composed { store, instance }))
    }
}

struct Composed {
    store: wasmtime::Store<State>,
    instance: wasmtime::component::Instance,
}

impl Subject for Composed {
    fn call(&mut self, call: &Call) -> Outcome {
        let (instance, store) = (&self.instance, &mut self.store);
        let (interface, name) = match call.export.split_once('#') {
            Some((interface, name)) => (instance.get_export_index(&mut *store, None, interface), name),
            None => (None, call.export.as_str()),
        };
        let index = instance.get_export_index(&mut *store, interface.as_ref(), name);
        let index = index.unwrap_or_else(|| panic!("no export {}", call.export));
        let func = instance.get_func(&mut *store, index).expect("a function");
        let mut results = vec![Val::Bool(false); usize::from(call.result.is_some())];
        let result = match func.call(&mut *store, &call.args, &mut results) {
            Ok(()) => Some(results.pop()),
            Err(error) if error.is::<wasmtime::Trap>() || is_guests(&error) => None,
            Err(error) => panic!("{}: {error:?}", call.export),
        };
        Outcome { result, trace: std::mem::take(&mut store.data_mut().trace) }
    }
}

/// Errors are of the guest, unless the harness passed what does not fit.
fn is_guests(error: &wasmtime::Error) -> bool {
    let text = format!("{error:#}");
    !text.contains("type mismatch") && !text.contains("expected ") && !text.contains("panicked")
}

/// A core engine with an instance of a linked module.
pub(super) trait Engine {
    /// Calls an export; nothing if there is none of that name.
    fn call(&mut self, name: &str, args: &[u64]) -> Option<Result<Option<u64>, Trapped>>;
    fn memory(&mut self) -> &mut [u8];
    fn state(&mut self) -> &mut State;
}

/// The host of a core module, whatever the engine: canonical names, canonical ABI, nothing else.
pub(super) struct Lowered<E> {
    pub(super) engine: E,
    pub(super) encoding: Encoding,
}

impl<E: Engine> Guest for Lowered<E> {
    fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Trapped> {
        self.engine.state().locked = true;
        let words = [0, 0, u64::from(align), u64::from(size)];
        let at = self.engine.call("cabi_realloc", &words).expect("cabi_realloc is exported")?.expect("a result") as u32;
        self.engine.state().locked = false;
        let fits = u64::from(at) + u64::from(size) <= self.engine.memory().len() as u64;
        if at.is_multiple_of(align) && fits { Ok(at) } else { Err(Trapped) }
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Trapped> {
        let (at, memory) = (at as usize, self.engine.memory());
        memory.get_mut(at..at + bytes.len()).ok_or(Trapped)?.copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, at: u32, length: u32) -> Result<Vec<u8>, Trapped> {
        read(self.engine.memory(), at, length)
    }
}

fn read(memory: &[u8], at: u32, length: u32) -> Result<Vec<u8>, Trapped> {
    let at = at as usize;
    memory.get(at..at + length as usize).map(<[u8]>::to_vec).ok_or(Trapped)
}

impl<E: Engine> Lowered<E> {
    fn perform(&mut self, call: &Call) -> Result<Option<Val>, Trapped> {
        let encoding = self.encoding;
        let flat: Vec<Core> = call.params.iter().flat_map(Ty::flat).collect();
        let mut abi = Abi { guest: self, encoding };
        let words = if flat.len() > 16 {
            let all = Ty::Tuple(call.params.clone());
            let at = abi.guest.realloc(all.align(), all.size())?;
            abi.store(&all, &Val::Tuple(call.args.clone()), at)?;
            vec![u64::from(at)]
        } else {
            let args = call.params.iter().zip(&call.args).map(|(ty, value)| abi.lower(ty, value));
            args.collect::<Result<Vec<_>, _>>()?.concat()
        };
        let word = self.engine.call(&call.export, &words).unwrap_or_else(|| panic!("no export {}", call.export))?;
        let mut abi = Abi { guest: self, encoding };
        let value = match (&call.result, word) {
            (None, None) => None,
            (Some(ty), Some(word)) if ty.flat().len() > 1 => {
                if !(word as u32).is_multiple_of(ty.align()) {
                    return Err(Trapped);
                }
                Some(abi.load(ty, word as u32)?)
            }
            (Some(ty), Some(word)) => Some(abi.lift(ty, &[word])?),
            _ => panic!("{} has another core signature", call.export),
        };
        self.engine.state().locked = true;
        let words: Vec<u64> = word.into_iter().collect();
        if let Some(result) = self.engine.call(&format!("cabi_post_{}", call.export), &words) {
            result?;
        }
        self.engine.state().locked = false;
        Ok(value)
    }
}

impl<E: Engine> Subject for Lowered<E> {
    fn call(&mut self, call: &Call) -> Outcome {
        let result = self.perform(call).ok();
        self.engine.state().locked = false;
        Outcome { result, trace: std::mem::take(&mut self.engine.state().trace) }
    }
}

/// An import is called.
fn import(state: &mut State, memory: &[u8], encoding: Encoding, name: &str, args: &[u64]) -> Result<u64, Trapped> {
    if state.locked {
        return Err(Trapped);
    }
    Ok(u64::from(match (name, args) {
        ("tick", [n]) => state.tick(*n as u32),
        ("log", [n, at, units]) => {
            let text = Abi { guest: &mut Frozen(memory), encoding }.lift(&Ty::String, &[*at, *units])?;
            let Val::String(text) = text else { return Err(Trapped) };
            state.log(*n as u32, &text)
        }
        other => panic!("no import {other:?}"),
    }))
}

/// A memory to read from.
struct Frozen<'m>(&'m [u8]);

impl Guest for Frozen<'_> {
    fn realloc(&mut self, _: u32, _: u32) -> Result<u32, Trapped> {
        Err(Trapped)
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Trapped> {
        Err(Trapped)
    }

    fn read(&mut self, at: u32, length: u32) -> Result<Vec<u8>, Trapped> {
        read(self.0, at, length)
    }
}

/// wasmtime, by its core API.
pub(super) struct Wasmtime {
    store: wasmtime::Store<State>,
    instance: wasmtime::Instance,
}

impl Wasmtime {
    pub(super) fn new(module: &wasmtime::Module, encoding: Encoding) -> wasmtime::Result<Self> {
        let mut linker = wasmtime::Linker::<State>::new(module.engine());
        for item in module.imports() {
            let ty = item.ty().func().cloned().expect("functions alone are imported");
            assert_eq!(item.module(), "$root");
            let name = item.name().to_owned();
            linker.func_new("$root", item.name(), ty, move |mut caller, args, results| {
                let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
                let args: Vec<u64> = args.iter().map(|arg| u64::from(arg.unwrap_i32() as u32)).collect();
                let (bytes, state) = match memory {
                    Some(memory) => memory.data_and_store_mut(&mut caller),
                    None => (&mut [][..], caller.data_mut()),
                };
                let result = import(state, bytes, encoding, &name, &args);
                results[0] = wasmtime::Val::I32(result.map_err(|_| wasmtime::Trap::UnreachableCodeReached)? as i32);
                Ok(())
            })?;
        }
        let mut store = wasmtime::Store::new(module.engine(), State::default());
        let instance = linker.instantiate(&mut store, module)?;
        let mut this = Wasmtime { store, instance };
        this.call("_initialize", &[]).transpose().map_err(|_| wasmtime::Trap::UnreachableCodeReached)?;
        Ok(this)
    }
}

impl Engine for Wasmtime {
    fn call(&mut self, name: &str, args: &[u64]) -> Option<Result<Option<u64>, Trapped>> {
        let func = self.instance.get_func(&mut self.store, name)?;
        let ty = func.ty(&self.store);
        let args: Vec<wasmtime::Val> = ty
            .params()
            .zip(args)
            .map(|(ty, &word)| match ty {
                wasmtime::ValType::I32 => wasmtime::Val::I32(word as i32),
                wasmtime::ValType::I64 => wasmtime::Val::I64(word as i64),
                wasmtime::ValType::F32 => wasmtime::Val::F32(word as u32),
                _ => wasmtime::Val::F64(word),
            })
            .collect();
        let mut results = vec![wasmtime::Val::I32(0); ty.results().len()];
        if func.call(&mut self.store, &args, &mut results).is_err() {
            return Some(Err(Trapped));
        }
        Some(Ok(results.pop().map(|value| match value {
            wasmtime::Val::I32(v) => u64::from(v as u32),
            wasmtime::Val::I64(v) => v as u64,
            wasmtime::Val::F32(v) => u64::from(v),
            wasmtime::Val::F64(v) => v,
            other => panic!("{other:?} is no canonical result"),
        })))
    }

    fn memory(&mut self) -> &mut [u8] {
        match self.instance.get_memory(&mut self.store, "memory") {
            Some(memory) => memory.data_mut(&mut self.store),
            None => &mut [],
        }
    }

    fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }
}

/// wasmi, an interpreter.
pub(super) struct Wasmi {
    store: wasmi::Store<State>,
    instance: wasmi::Instance,
}

impl Wasmi {
    pub(super) fn new(module: &wasmi::Module, encoding: Encoding) -> Result<Self, wasmi::Error> {
        let mut linker = wasmi::Linker::<State>::new(module.engine());
        for item in module.imports() {
            let ty = item.ty().func().cloned().expect("functions alone are imported");
            let name = item.name().to_owned();
            linker.func_new(item.module(), item.name(), ty, move |mut caller, args, results| {
                let memory = caller.get_export("memory").and_then(wasmi::Extern::into_memory);
                let args: Vec<u64> = args.iter().map(|arg| u64::from(arg.i32().unwrap_or_default() as u32)).collect();
                let (bytes, state) = match memory {
                    Some(memory) => memory.data_and_store_mut(&mut caller),
                    None => (&mut [][..], caller.data_mut()),
                };
                let result = import(state, bytes, encoding, &name, &args);
                results[0] = wasmi::Val::I32(result.map_err(|_| wasmi::Error::new("trap"))? as i32);
                Ok(())
            })?;
        }
        let mut store = wasmi::Store::new(module.engine(), State::default());
        let instance = linker.instantiate_and_start(&mut store, module)?;
        let mut this = Wasmi { store, instance };
        this.call("_initialize", &[]).transpose().map_err(|_| wasmi::Error::new("trap"))?;
        Ok(this)
    }
}

impl Engine for Wasmi {
    fn call(&mut self, name: &str, args: &[u64]) -> Option<Result<Option<u64>, Trapped>> {
        let func = self.instance.get_func(&self.store, name)?;
        let ty = func.ty(&self.store);
        let value = |(ty, word): (&wasmi::ValType, &u64)| match ty {
            wasmi::ValType::I32 => wasmi::Val::I32(*word as i32),
            wasmi::ValType::I64 => wasmi::Val::I64(*word as i64),
            wasmi::ValType::F32 => wasmi::Val::F32(wasmi::F32::from_bits(*word as u32)),
            _ => wasmi::Val::F64(wasmi::F64::from_bits(*word)),
        };
        let args: Vec<wasmi::Val> = ty.params().iter().zip(args).map(value).collect();
        let mut results = vec![wasmi::Val::I32(0); ty.results().len()];
        if func.call(&mut self.store, &args, &mut results).is_err() {
            return Some(Err(Trapped));
        }
        Some(Ok(results.pop().map(|value| match value {
            wasmi::Val::I32(v) => u64::from(v as u32),
            wasmi::Val::I64(v) => v as u64,
            wasmi::Val::F32(v) => u64::from(v.to_bits()),
            wasmi::Val::F64(v) => v.to_bits(),
            other => panic!("{other:?} is no canonical result"),
        })))
    }

    fn memory(&mut self) -> &mut [u8] {
        match self.instance.get_memory(&self.store, "memory") {
            Some(memory) => memory.data_mut(&mut self.store),
            None => &mut [],
        }
    }

    fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }
}
