//! Handle tables against a model of the canonical ABI's, over random operations.
//!
//! Three component instances see five resource types: three of their own, one of the host, and one of their own that is
//! exported, whose handles the host may keep.

use super::super::super::ir::{Def, FlagId};
use super::super::HostResource;
use super::super::testing::{Random, call, engine, exported, host, memory};
use super::model::{Event, HOST_KEPT, HOST_OWN, Host, Model, OWNERS, Op, RESOURCES, TABLES as MODEL_TABLES, TYPES};
use super::*;
use wasmtime::{Caller, Engine, Extern, Func, Global, GlobalType, Instance, Module, Mutability, Store, Val, ValType};

/// What the host was asked, and answers.
const DESTROY: u32 = 0;
const NEW: u32 = 10;
const REP: u32 = 20;
const GIVE_BACK: u32 = 30;

fn resources() -> Resources {
    let mut views = Vec::new();
    for table in 0..MODEL_TABLES {
        for resource in 0..TYPES {
            views.push(View { table: Some(table), resource, owner: OWNERS[resource as usize] == Some(table) });
        }
    }
    views.extend([HOST_OWN, HOST_KEPT].map(|resource| View { table: None, resource, owner: false }));
    let hosts = [
        (HOST_OWN, HostResource { drop: Some(host(GIVE_BACK + HOST_OWN)), ..HostResource::default() }),
        (
            HOST_KEPT,
            HostResource {
                new: Some(host(NEW + HOST_KEPT)),
                rep: Some(host(REP + HOST_KEPT)),
                drop: Some(host(GIVE_BACK + HOST_KEPT)),
            },
        ),
    ];
    let destructors = RESOURCES.iter().filter(|r| r.destructor).map(|r| (r.number, host(DESTROY + r.number)));
    Resources { tables: MODEL_TABLES, views, hosts: hosts.into(), destructors: destructors.collect() }
}

/// The module, compiled once.
struct Written {
    engine: Engine,
    tables: Module,
    functions: Module,
    args: Vec<Def>,
}

impl Written {
    fn new() -> Written {
        let engine = engine();
        let resources = resources();
        let mut text = Text::default();
        let context = Context {
            memory: text.memory(&memory(0)),
            tables: resources.tables,
            views: resources.views.len(),
            resources: &resources,
        };
        let flag = text.global(&Def::Flag(FlagId(0)));
        for resource in 0..TYPES {
            if let Some(owner) = OWNERS[resource as usize] {
                context.resource_new(&mut text, &exported(&format!("new {resource}")), owner, resource, &flag);
                context.resource_rep(&mut text, &exported(&format!("rep {resource}")), owner, resource);
            }
            for table in 0..MODEL_TABLES {
                context.resource_drop(
                    &mut text,
                    &exported(&format!("drop {table} {resource}")),
                    table,
                    resource,
                    Some(&flag),
                );
            }
        }
        context.transfer_own(&mut text, &exported("own"));
        context.transfer_borrow(&mut text, &exported("borrow"));
        context.enter(&mut text, &exported("enter"));
        context.exit(&mut text, &exported("exit"));
        let (functions, args) = text.finish().expect("assembles");
        let tables = super::memory(resources.tables, &resources.views);
        let tables = tables.replacen("(memory ", "(memory (export \"memory\") ", 1);
        let tables = super::super::text::assemble(&tables).expect("assembles");
        let compile = |wasm: &[u8]| Module::new(&engine, wasm).expect("valid");
        Written { tables: compile(&tables), functions: compile(&functions), args, engine }
    }

    fn run(&self) -> Running {
        let mut store = Store::new(&self.engine, Host::default());
        let tables = Instance::new(&mut store, &self.tables, &[]).expect("instantiates");
        let memory = tables.get_memory(&mut store, "memory").expect("exported");
        let flag = GlobalType::new(ValType::I32, Mutability::Var);
        let flag = Global::new(&mut store, flag, Val::I32(1)).expect("a global");
        let imports: Vec<Extern> = self.args.iter().map(|def| provide(&mut store, def, memory, flag)).collect();
        let instance = Instance::new(&mut store, &self.functions, &imports).expect("instantiates");
        Running { store, instance, flag }
    }
}

fn provide(store: &mut Store<Host>, def: &Def, memory: wasmtime::Memory, flag: Global) -> Extern {
    let number = match def {
        Def::Item(_) => return memory.into(),
        Def::Flag(_) => return flag.into(),
        Def::Host(number, _) => number.0,
        _ => panic!("{def:?}"),
    };
    let resource = number % 10;
    match number / 10 * 10 {
        NEW => {
            Func::wrap(store, move |mut c: Caller<'_, Host>, rep: u32| c.data_mut().new_handle(resource, rep)).into()
        }
        REP => Func::wrap(store, move |mut c: Caller<'_, Host>, at: u32| c.data_mut().rep(resource, at)).into(),
        GIVE_BACK => Func::wrap(store, move |mut c: Caller<'_, Host>, at: u32| {
            c.data_mut().events.push(Event::GivenBack(resource, at));
        })
        .into(),
        _ => Func::wrap(store, move |mut c: Caller<'_, Host>, rep: u32| {
            c.data_mut().events.push(Event::Destroyed(resource, rep));
        })
        .into(),
    }
}

/// An instance that the operations are done on.
struct Running {
    store: Store<Host>,
    instance: Instance,
    flag: Global,
}

impl Running {
    fn act(&mut self, op: Op) -> Option<Option<u32>> {
        let (name, args) = match op {
            Op::New { resource, rep } => (format!("new {resource}"), vec![rep]),
            Op::Rep { resource, index } => (format!("rep {resource}"), vec![index]),
            Op::Drop { table, resource, index } => (format!("drop {table} {resource}"), vec![index]),
            Op::Own { index, from, to } => ("own".to_owned(), vec![index, from, to]),
            Op::Borrow { index, from, to } => ("borrow".to_owned(), vec![index, from, to]),
            Op::Enter => ("enter".to_owned(), vec![0; 3]),
            Op::Exit => ("exit".to_owned(), vec![]),
        };
        call(&mut self.store, self.instance, &name, &args).map(|results| results.first().copied())
    }
}

/// Does operations until one traps; gives how many were compared, and whether one did.
fn sequence(
    written: &Written,
    random: &mut Random,
    operations: usize,
    errors: usize,
    grow: bool,
) -> (usize, bool, usize) {
    let mut running = written.run();
    let mut model = Model::default();
    let mut most = 0;
    for count in 1..=operations {
        let op = model.choose(random, errors, grow);
        // What the model knows not to be: a lent borrow that is dropped.
        let want = model.act(op);
        let have = running.act(op);
        assert_eq!(have, want, "operation {count}: {op:?}");
        assert_eq!(running.store.data().events, model.host.events, "operation {count}: {op:?}");
        running.store.data_mut().events.clear();
        model.host.events.clear();
        most = most.max(model.handles());
        if want.is_none() {
            return (count, true, most);
        }
    }
    (operations, false, most)
}

#[test]
fn handles_are_kept_as_the_model_keeps_them() {
    let written = Written::new();
    let mut random = Random(0xa54f_f53a_5f1d_36f1);
    let (mut compared, mut traps, mut most) = (0, 0, 0);
    for i in 0..600 {
        // None goes wrong but what the operations lead to, one in a hundred, one in ten.
        let errors = [0, 100, 10][i % 3];
        let (count, trapped, handles) = sequence(&written, &mut random, 400, errors, i % 2 == 0);
        compared += count;
        traps += usize::from(trapped);
        most = most.max(handles);
    }
    println!("{compared} operations, {traps} traps, at most {most} handles in a table");
    assert!(compared > 50_000 && traps > 200, "{compared} operations, {traps} traps");
}

#[test]
fn thousands_of_handles_are_kept_as_the_model_keeps_them() {
    let written = Written::new();
    let mut random = Random(0x428a_2f98_d728_ae22);
    for _ in 0..4 {
        let (compared, trapped, most) = sequence(&written, &mut random, 12_000, 0, true);
        println!("{compared} operations, at most {most} handles in a table");
        assert!(!trapped && most > 1_000, "{compared} operations, {most} handles");
    }
}

#[test]
fn an_instance_that_may_not_leave_makes_and_drops_nothing() {
    let written = Written::new();
    for op in [Op::New { resource: 0, rep: 7 }, Op::Drop { table: 0, resource: 0, index: 1 }] {
        let mut running = written.run();
        assert_eq!(running.act(Op::New { resource: 0, rep: 5 }), Some(Some(1)));
        running.flag.set(&mut running.store, Val::I32(0)).expect("is mutable");
        assert_eq!(running.act(Op::Rep { resource: 0, index: 1 }), Some(Some(5)));
        assert_eq!(running.act(op), None);
        assert!(running.store.data().events.is_empty());
        running.flag.set(&mut running.store, Val::I32(1)).expect("is mutable");
        assert_eq!(running.act(Op::New { resource: 0, rep: 6 }), Some(Some(2)));
    }
}
