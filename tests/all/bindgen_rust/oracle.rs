//! The same guest as a component, under wasmtime's component model.

use super::guest;
use crate::random::Xorshift;
use lowlift::bindgen::Plan;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{Component, Func, Instance, Linker, Resource, ResourceAny, ResourceType, Type, Val};
use wasmtime::{Config, Engine, Store, StoreContextMut};

/// The host's resource.
struct Thing;

/// Sizes of the things that there are, by number.
type Things = Vec<u64>;

pub(super) struct Oracle {
    component: Component,
    linker: Linker<Things>,
}

/// An instance.
pub(super) struct Running {
    store: Store<Things>,
    instance: Instance,
}

impl Oracle {
    pub(super) fn new(wit: &str, plan: &Plan<'_>) -> Oracle {
        let mut resolve = wit_parser::Resolve::default();
        let wit = wit.replace("  export api;\n", &format!("  export api;\n{}", guest::raw_wit(plan)));
        let package = resolve.push_str("every.wit", &wit).expect("WIT");
        let world = resolve.packages[package].worlds["every"];
        let mut module = wat::parse_str(guest::module(plan)).expect("a module");
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("embeds");
        let encoder = wit_component::ComponentEncoder::default().validate(true).module(&module).expect("a module");
        let wasm = { encoder }.encode().unwrap_or_else(|e| panic!("{e:?}"));
        let mut config = Config::new();
        config.wasm_component_model_map(true).wasm_component_model_fixed_length_lists(true);
        let engine = Engine::new(&config).expect("a configuration");
        let component = Component::from_binary(&engine, &wasm).expect("a component");
        let mut linker = Linker::<Things>::new(&engine);
        host(&mut linker, plan).expect("links");
        Oracle { component, linker }
    }

    pub(super) fn instantiate(&self) -> Running {
        let mut store = Store::new(self.component.engine(), Things::new());
        let instance = self.linker.instantiate(&mut store, &self.component).expect("instantiates");
        Running { store, instance }
    }
}

fn host(linker: &mut Linker<Things>, plan: &Plan<'_>) -> wasmtime::Result<()> {
    let mut api = linker.instance(guest::API)?;
    for stub in guest::api(plan) {
        let echo = |_: StoreContextMut<'_, Things>, _: ComponentFunc, args: &[Val], results: &mut [Val]| {
            match (args, results) {
                ([one], [result]) => *result = one.clone(),
                (many, [result]) => *result = Val::Tuple(many.to_vec()),
                _ => {}
            }
            Ok(())
        };
        api.func_new(&stub.func.name, echo)?;
    }
    let mut types = linker.instance("test:every/types@1.2.3")?;
    types.resource("thing", ResourceType::host::<Thing>(), |mut store, rep| {
        store.data_mut()[rep as usize] = 0;
        Ok(())
    })?;
    types.func_wrap("[constructor]thing", |mut store: StoreContextMut<'_, Things>, (name,): (String,)| {
        store.data_mut().push(name.len() as u64);
        Ok((Resource::<Thing>::new_own(store.data().len() as u32 - 1),))
    })?;
    let size = |store: &StoreContextMut<'_, Things>, thing: &Resource<Thing>| store.data()[thing.rep() as usize];
    types.func_wrap("[method]thing.size", move |store: StoreContextMut<'_, Things>, (t,): (Resource<Thing>,)| {
        Ok((size(&store, &t),))
    })?;
    let merge = move |mut store: StoreContextMut<'_, Things>, (a, b): (Resource<Thing>, Resource<Thing>)| {
        let sum = size(&store, &a) + size(&store, &b);
        store.data_mut().push(sum);
        let merged = Resource::<Thing>::new_own(store.data().len() as u32 - 1);
        Ok((Ok::<_, String>(merged),))
    };
    types.func_wrap("[static]thing.merge", merge)?;
    let mut handles = linker.instance("test:every/handles@1.2.3")?;
    handles.func_wrap("give", |_: StoreContextMut<'_, Things>, (t,): (Resource<Thing>,)| {
        Ok((Resource::<Thing>::new_own(t.rep()),))
    })?;
    handles
        .func_wrap("lent", move |store: StoreContextMut<'_, Things>, (t,): (Resource<Thing>,)| Ok((size(&store, &t),)))
}

impl Running {
    fn func(&mut self, interface: Option<&str>, name: &str) -> Func {
        let store = &mut self.store;
        let interface =
            interface.map(|name| self.instance.get_export_index(&mut *store, None, name).expect("exported"));
        let index = self.instance.get_export_index(&mut *store, interface.as_ref(), name);
        self.instance.get_func(&mut *store, index.unwrap_or_else(|| panic!("no {name}"))).expect("a function")
    }

    /// Calls an export; the reason where it trapped.
    pub(super) fn call(&mut self, interface: Option<&str>, name: &str, args: &[Val]) -> Result<Option<Val>, String> {
        let func = self.func(interface, name);
        let mut results = vec![Val::Bool(false); func.ty(&self.store).results().len()];
        func.call(&mut self.store, args, &mut results).map_err(|e| format!("{e:#}"))?;
        Ok(results.pop())
    }

    /// Arguments of a function of the interface, by chance.
    pub(super) fn random(&mut self, name: &str, random: &mut Xorshift) -> Vec<Val> {
        let func = self.func(Some(guest::API), name);
        let types: Vec<Type> = func.ty(&self.store).params().map(|(_, ty)| ty).collect();
        types.iter().map(|ty| value(ty, random)).collect()
    }

    /// The memory from where results go to the end of what is allocated.
    pub(super) fn peek(&mut self) -> Vec<u8> {
        let Ok(Some(Val::List(bytes))) = self.call(None, "peek", &[]) else { panic!("peek gives bytes") };
        bytes.iter().map(|byte| if let Val::U8(byte) = byte { *byte } else { panic!("peek gives bytes") }).collect()
    }

    /// What the interface of the guest's own resource gives, in numbers.
    pub(super) fn made(&mut self) -> Vec<u32> {
        let number = |value: Option<Val>| if let Some(Val::U32(n)) = value { n } else { panic!("a number") };
        let here = Some("made-here");
        let made = self.call(here, "[constructor]made", &[Val::U32(7)]).expect("no trap").expect("a resource");
        let Val::Resource(any) = made else { panic!("a resource") };
        let mut out = vec![number(self.call(here, "[method]made.count", &[Val::Resource(any)]).expect("no trap"))];
        let other = self.call(here, "open", &[Val::U32(30)]).expect("no trap").expect("a resource");
        out.push(number(self.call(here, "close", &[other]).expect("no trap")));
        out.push(number(self.call(here, "[method]made.count", &[Val::Resource(any)]).expect("no trap")));
        ResourceAny::resource_drop(any, &mut self.store).expect("no trap");
        out
    }
}

/// A value of a type, without NaN, whose bits a runtime may change.
fn value(ty: &Type, random: &mut Xorshift) -> Val {
    let bits = random.next();
    let near = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, u64::MAX][bits as usize % 11];
    let n = if random.below(2) == 0 { near } else { random.next() };
    let few = random.below(4);
    match ty {
        Type::Bool => Val::Bool(n & 1 == 1),
        Type::U8 => Val::U8(n as u8),
        Type::S8 => Val::S8(n as i8),
        Type::U16 => Val::U16(n as u16),
        Type::S16 => Val::S16(n as i16),
        Type::U32 => Val::U32(n as u32),
        Type::S32 => Val::S32(n as i32),
        Type::U64 => Val::U64(n),
        Type::S64 => Val::S64(n as i64),
        Type::Float32 => Val::Float32(n as i32 as f32 / 16.0),
        Type::Float64 => Val::Float64(n as i64 as f64 / 3.0),
        Type::Char => Val::Char(letter(random)),
        Type::String => Val::String((0..few * 3).map(|_| letter(random)).collect()),
        Type::List(list) => Val::List((0..few).map(|_| value(&list.ty(), random)).collect()),
        Type::FixedLengthList(list) => {
            Val::FixedLengthList((0..list.len()).map(|_| value(&list.ty(), random)).collect())
        }
        Type::Map(map) => {
            Val::Map((0..few).map(|_| (value(&map.key(), random), value(&map.value(), random))).collect())
        }
        Type::Record(record) => {
            Val::Record(record.fields().map(|f| (f.name.to_owned(), value(&f.ty, random))).collect())
        }
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|ty| value(&ty, random)).collect()),
        Type::Variant(variant) => {
            let cases: Vec<_> = variant.cases().collect();
            let case = &cases[random.below(cases.len())];
            Val::Variant(case.name.to_owned(), case.ty.as_ref().map(|ty| Box::new(value(ty, random))))
        }
        Type::Enum(names) => {
            let names: Vec<&str> = names.names().collect();
            Val::Enum(names[random.below(names.len())].to_owned())
        }
        Type::Option(option) => Val::Option((few > 0).then(|| Box::new(value(&option.ty(), random)))),
        Type::Result(result) => {
            let mut some = |ty: Option<Type>| ty.map(|ty| Box::new(value(&ty, random)));
            Val::Result(if few < 2 { Ok(some(result.ok())) } else { Err(some(result.err())) })
        }
        Type::Flags(flags) => {
            let names = flags.names().enumerate().filter(|(i, _)| n >> i & 1 == 1);
            Val::Flags(names.map(|(_, name)| name.to_owned()).collect())
        }
        other => panic!("{other:?} is not passed on"),
    }
}

fn letter(random: &mut Xorshift) -> char {
    ['a', '\0', 'ß', '€', '\u{d7ff}', '\u{e000}', '\u{ffff}', '𝄞', '\u{10ffff}'][random.below(9)]
}
