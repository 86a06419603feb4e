//! Calls through a lowered module: wasmtime's core API, and the least of the canonical ABI that a host does by hand.

use super::{Case, Runner, Value, Way};
use anyhow::{Context, Result};
use wasmtime::{AsContextMut, Caller, Engine, Instance, Linker, Memory, Module, Store, TypedFunc, format_err};

type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;

/// What the host keeps: the guest's memory, its realloc, and handles of resources.
#[derive(Default)]
struct Host {
    memory: Option<Memory>,
    realloc: Option<Realloc>,
    handles: Vec<u32>,
}

/// Instantiates the module of a case.
pub(super) fn runner<'v>(engine: &Engine, wasm: &[u8], case: &'v Case) -> Result<Runner<'v>> {
    let module = Module::new(engine, wasm)?;
    let mut linker = Linker::new(engine);
    import(&mut linker, &case.value)?;
    let mut store = Store::new(engine, Host::default());
    let instance = linker.instantiate(&mut store, &module)?;
    store.data_mut().memory = instance.get_memory(&mut store, "memory");
    store.data_mut().realloc = instance.get_typed_func(&mut store, "cabi_realloc").ok();
    if let Ok(start) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
        start.call(&mut store, ())?;
    }
    if let Way::Export = case.way {
        return export(store, &instance, &case.value);
    }
    let run: TypedFunc<u32, ()> = instance.get_typed_func(&mut store, "run")?;
    Ok(Box::new(move |count| Ok(run.call(&mut store, count)?)))
}

fn import(linker: &mut Linker<Host>, value: &Value) -> Result<()> {
    match value {
        Value::Numbers => linker.func_wrap("$root", "echo", |a: u32, b: u64, _: f64| u64::from(a) + b)?,
        Value::Text(_) => linker.func_wrap("$root", "echo", |mut host: Caller<'_, Host>, at, length, result| {
            let text = text(&host, at, length)?;
            let lowered = lower(&mut host, text.as_bytes(), 1)?;
            write(&mut host, result, &[lowered.0, lowered.1])
        })?,
        Value::List(_) => linker.func_wrap("$root", "echo", |mut host: Caller<'_, Host>, at, length, result| {
            let list = list(&host, at, length)?;
            let (at, _) = lower_list(&mut host, &list)?;
            write(&mut host, result, &[at, length])
        })?,
        Value::Record(..) => linker.func_wrap(
            "$root",
            "echo",
            |mut host: Caller<'_, Host>, number: u32, at, length, other, other_length, result| {
                let texts = (text(&host, at, length)?, text(&host, other, other_length)?);
                let first = lower(&mut host, texts.0.as_bytes(), 1)?;
                let second = lower(&mut host, texts.1.as_bytes(), 1)?;
                write(&mut host, result, &[number, first.0, first.1, second.0, second.1])
            },
        )?,
        Value::Borrow | Value::Own => {
            let things = "lowlift:calls/things";
            linker.func_wrap(things, "[constructor]thing", new)?;
            linker.func_wrap(things, "[resource-drop]thing", |mut host: Caller<'_, Host>, handle: u32| {
                rep(host.data(), handle)?;
                host.data_mut().handles.pop();
                Ok(())
            })?;
            linker.func_wrap(things, "[method]thing.get", |host: Caller<'_, Host>, handle: u32, x: u32| {
                Ok(rep(host.data(), handle)?.wrapping_add(x))
            })?;
            linker.func_wrap("[export]lowlift:calls/things", "[resource-new]thing", new)?
        }
    };
    Ok(())
}

fn export<'v>(mut store: Store<Host>, instance: &Instance, value: &'v Value) -> Result<Runner<'v>> {
    let after: Option<TypedFunc<u32, ()>> = instance.get_typed_func(&mut store, "cabi_post_echo").ok();
    Ok(match value {
        Value::Numbers => {
            let echo: TypedFunc<(u32, u64, f64), u64> = instance.get_typed_func(&mut store, "echo")?;
            repeat(move || Ok(echo.call(&mut store, (1, 2, 3.0))?))
        }
        Value::Text(value) => {
            let echo: TypedFunc<(u32, u32), u32> = instance.get_typed_func(&mut store, "echo")?;
            let after = after.context("no post-return")?;
            repeat(move || {
                let lowered = lower(&mut store, value.as_bytes(), 1)?;
                let result = echo.call(&mut store, lowered)?;
                let [at, length] = read(&store, result)?;
                let text = text(&store, at, length)?;
                after.call(&mut store, result)?;
                Ok(text)
            })
        }
        Value::List(value) => {
            let echo: TypedFunc<(u32, u32), u32> = instance.get_typed_func(&mut store, "echo")?;
            let after = after.context("no post-return")?;
            repeat(move || {
                let lowered = lower_list(&mut store, value)?;
                let result = echo.call(&mut store, lowered)?;
                let [at, length] = read(&store, result)?;
                let list = list(&store, at, length)?;
                after.call(&mut store, result)?;
                Ok(list)
            })
        }
        Value::Record(number, value) => {
            let echo: TypedFunc<(u32, u32, u32, u32, u32), u32> = instance.get_typed_func(&mut store, "echo")?;
            let after = after.context("no post-return")?;
            repeat(move || {
                let (first, length) = lower(&mut store, value.as_bytes(), 1)?;
                let (second, other) = lower(&mut store, value.as_bytes(), 1)?;
                let result = echo.call(&mut store, (*number, first, length, second, other))?;
                let [number, first, length, second, other] = read(&store, result)?;
                let record = (number, text(&store, first, length)?, text(&store, second, other)?);
                after.call(&mut store, result)?;
                Ok(record)
            })
        }
        Value::Borrow | Value::Own => {
            let find = |name: &str| format!("lowlift:calls/things#{name}");
            let make: TypedFunc<u32, u32> = instance.get_typed_func(&mut store, &find("[constructor]thing"))?;
            let get: TypedFunc<(u32, u32), u32> = instance.get_typed_func(&mut store, &find("[method]thing.get"))?;
            let handle = make.call(&mut store, 5)?;
            repeat(move || {
                let thing = rep(store.data(), handle)?;
                Ok(get.call(&mut store, (thing, 1))?)
            })
        }
    })
}

fn repeat<'v, T>(mut call: impl FnMut() -> Result<T> + 'v) -> Runner<'v> {
    Box::new(move |count| {
        for _ in 0..count {
            std::hint::black_box(call()?);
        }
        Ok(())
    })
}

/// A new handle.
fn new(mut host: Caller<'_, Host>, rep: u32) -> u32 {
    host.data_mut().handles.push(rep);
    u32::try_from(host.data().handles.len()).unwrap_or(0)
}

/// What a handle stands for.
fn rep(host: &Host, handle: u32) -> wasmtime::Result<u32> {
    let rep = (handle as usize).checked_sub(1).and_then(|index| host.handles.get(index));
    rep.copied().ok_or_else(|| format_err!("no such handle"))
}

/// Bytes of the guest.
fn bytes<'s>(host: impl Into<wasmtime::StoreContext<'s, Host>>, at: u32, length: usize) -> wasmtime::Result<&'s [u8]> {
    let host = host.into();
    let memory = host.data().memory.ok_or_else(|| format_err!("no memory"))?;
    let bytes = memory.data(host).get(at as usize..).and_then(|bytes| bytes.get(..length));
    bytes.ok_or_else(|| format_err!("out of bounds"))
}

fn text<'s>(host: impl Into<wasmtime::StoreContext<'s, Host>>, at: u32, length: u32) -> wasmtime::Result<String> {
    Ok(std::str::from_utf8(bytes(host, at, length as usize)?)?.to_owned())
}

fn list<'s>(host: impl Into<wasmtime::StoreContext<'s, Host>>, at: u32, length: u32) -> wasmtime::Result<Vec<u32>> {
    wasmtime::ensure!(at.is_multiple_of(4), "unaligned");
    let bytes = bytes(host, at, length as usize * 4)?;
    Ok(bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
}

/// Words of the guest.
fn read<'s, const N: usize>(host: impl Into<wasmtime::StoreContext<'s, Host>>, at: u32) -> wasmtime::Result<[u32; N]> {
    wasmtime::ensure!(at.is_multiple_of(4), "unaligned");
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes(host, at, N * 4)?.as_chunks().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    Ok(words)
}

/// Room in the guest.
fn allocate(mut host: impl AsContextMut<Data = Host>, size: usize, align: u32) -> wasmtime::Result<(u32, Memory)> {
    let context = host.as_context();
    // A function is two words; cloning it is what `func.clone()` costs, without a look-up by name.
    let realloc = context.data().realloc.clone().ok_or_else(|| format_err!("no cabi_realloc"))?;
    let memory = context.data().memory.ok_or_else(|| format_err!("no memory"))?;
    let at = realloc.call(&mut host, (0, 0, align, u32::try_from(size)?))?;
    wasmtime::ensure!(at.is_multiple_of(align), "unaligned");
    Ok((at, memory))
}

/// Pointer and length.
fn lower(mut host: impl AsContextMut<Data = Host>, bytes: &[u8], align: u32) -> wasmtime::Result<(u32, u32)> {
    let (at, memory) = allocate(&mut host, bytes.len(), align)?;
    memory.write(&mut host, at as usize, bytes)?;
    Ok((at, u32::try_from(bytes.len())?))
}

fn lower_list(mut host: impl AsContextMut<Data = Host>, list: &[u32]) -> wasmtime::Result<(u32, u32)> {
    let (at, memory) = allocate(&mut host, list.len() * 4, 4)?;
    let target = memory.data_mut(&mut host).get_mut(at as usize..).and_then(|bytes| bytes.get_mut(..list.len() * 4));
    let target = target.ok_or_else(|| format_err!("out of bounds"))?;
    for (chunk, number) in target.as_chunks_mut().0.iter_mut().zip(list) {
        *chunk = number.to_le_bytes();
    }
    Ok((at, u32::try_from(list.len())?))
}

/// Words to the guest.
fn write(mut host: impl AsContextMut<Data = Host>, at: u32, words: &[u32]) -> wasmtime::Result<()> {
    wasmtime::ensure!(at.is_multiple_of(4), "unaligned");
    let memory = host.as_context().data().memory.ok_or_else(|| format_err!("no memory"))?;
    let target = memory.data_mut(&mut host).get_mut(at as usize..).and_then(|bytes| bytes.get_mut(..words.len() * 4));
    let target = target.ok_or_else(|| format_err!("out of bounds"))?;
    for (chunk, word) in target.as_chunks_mut().0.iter_mut().zip(words) {
        *chunk = word.to_le_bytes();
    }
    Ok(())
}
