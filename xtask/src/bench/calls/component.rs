//! Calls through a component: wasmtime's component API, typed.

use super::{Case, Runner, Value, Way};
use anyhow::{Context, Result};
use wasmtime::component::{
    Component, ComponentNamedList, Instance, Lift, Linker, Lower, Resource, ResourceAny, ResourceType, TypedFunc,
};
use wasmtime::{Engine, Store};

/// The host's side of its resource.
enum Thing {}

/// Instantiates the component of a case.
pub(super) fn runner<'v>(engine: &Engine, wasm: &[u8], case: &'v Case) -> Result<Runner<'v>> {
    let component = Component::new(engine, wasm)?;
    let mut linker = Linker::new(engine);
    if let Way::Import = case.way {
        import(&mut linker, &case.value)?;
    }
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &component)?;
    if let Way::Export = case.way {
        return export(store, &instance, &case.value);
    }
    let run: TypedFunc<(u32,), ()> = instance.get_typed_func(&mut store, "run")?;
    Ok(Box::new(move |count| Ok(run.call(&mut store, (count,))?)))
}

fn import(linker: &mut Linker<()>, value: &Value) -> Result<()> {
    let mut root = linker.root();
    match value {
        Value::Numbers => root.func_wrap("echo", |_, (a, b, _): (u32, u64, f64)| Ok((u64::from(a) + b,)))?,
        Value::Text(_) => root.func_wrap("echo", |_, (v,): (String,)| Ok((v,)))?,
        Value::List(_) => root.func_wrap("echo", |_, (v,): (Vec<u32>,)| Ok((v,)))?,
        Value::Record(..) => root.func_wrap("echo", |_, (v,): ((u32, String, String),)| Ok((v,)))?,
        Value::Borrow | Value::Own => {
            let mut things = root.instance("lowlift:calls/things")?;
            things.resource("thing", ResourceType::host::<Thing>(), |_, _| Ok(()))?;
            things.func_wrap("[constructor]thing", |_, (n,): (u32,)| Ok((Resource::<Thing>::new_own(n),)))?;
            things.func_wrap("[method]thing.get", |_, (thing, x): (Resource<Thing>, u32)| {
                Ok((thing.rep().wrapping_add(x),))
            })?;
        }
    }
    Ok(())
}

fn export<'v>(mut store: Store<()>, instance: &Instance, value: &'v Value) -> Result<Runner<'v>> {
    Ok(match value {
        Value::Numbers => echo::<(u32, u64, f64), (u64,)>(store, instance, || (1, 2, 3.0))?,
        Value::Text(text) => echo::<(&str,), (String,)>(store, instance, || (text.as_str(),))?,
        Value::List(list) => echo::<(&[u32],), (Vec<u32>,)>(store, instance, || (list.as_slice(),))?,
        Value::Record(number, text) => {
            type Record<S> = ((u32, S, S),);
            echo::<Record<&str>, Record<String>>(store, instance, || ((*number, text.as_str(), text.as_str()),))?
        }
        Value::Borrow | Value::Own => {
            let mut find = |name: &str| {
                let things = instance.get_export_index(&mut store, None, "lowlift:calls/things")?;
                instance.get_export_index(&mut store, Some(&things), name)
            };
            let make = find("[constructor]thing").context("no constructor")?;
            let get = find("[method]thing.get").context("no method")?;
            let make: TypedFunc<(u32,), (ResourceAny,)> = instance.get_typed_func(&mut store, make)?;
            let get: TypedFunc<(ResourceAny, u32), (u32,)> = instance.get_typed_func(&mut store, get)?;
            let (thing,) = make.call(&mut store, (5,))?;
            Box::new(move |count| {
                for x in 0..count {
                    std::hint::black_box(get.call(&mut store, (thing, x))?);
                }
                Ok(())
            })
        }
    })
}

fn echo<'v, P, R>(mut store: Store<()>, instance: &Instance, params: impl Fn() -> P + 'v) -> Result<Runner<'v>>
where
    P: ComponentNamedList + Lower + 'v,
    R: ComponentNamedList + Lift + 'static,
{
    let echo: TypedFunc<P, R> = instance.get_typed_func(&mut store, "echo")?;
    Ok(Box::new(move |count| {
        for _ in 0..count {
            std::hint::black_box(echo.call(&mut store, params())?);
        }
        Ok(())
    }))
}
