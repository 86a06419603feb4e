//! The oracle: wasmtime's own WASI 0.2.

use super::host::{Done, Given};
use wasmtime::component::{Component, Instance, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

pub(super) struct Ctx(WasiCtx, ResourceTable);

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.0, table: &mut self.1 }
    }
}

pub(super) struct Running {
    pub(super) store: Store<Ctx>,
    pub(super) instance: Instance,
    written: [MemoryOutputPipe; 2],
}

impl Running {
    pub(super) fn new(component: &[u8], given: Given) -> Running {
        let engine = Engine::default();
        let component = Component::from_binary(&engine, component).expect("compiles");
        let mut linker = Linker::<Ctx>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).expect("defined once");
        let written = [MemoryOutputPipe::new(1 << 20), MemoryOutputPipe::new(1 << 20)];
        let ctx = WasiCtx::builder()
            .args(given.args)
            .envs(given.env)
            .stdin(MemoryInputPipe::new(given.stdin))
            .stdout(written[0].clone())
            .stderr(written[1].clone())
            .build();
        let mut store = Store::new(&engine, Ctx(ctx, ResourceTable::new()));
        let instance = linker.instantiate(&mut store, &component).expect("WASI 0.2 is all that it needs");
        Running { store, instance, written }
    }

    pub(super) fn done(self, exit: i32) -> Done {
        let [stdout, stderr] = self.written.map(|p| String::from_utf8(p.contents().to_vec()).expect("text"));
        Done { stdout, stderr, exit }
    }
}

/// Runs `wasi:cli/run` of whatever version.
pub(crate) fn run(component: &[u8], given: Given) -> Done {
    let mut running = Running::new(component, given);
    let (store, instance) = (&mut running.store, running.instance);
    let interface = (0..20)
        .find_map(|patch| instance.get_export_index(&mut *store, None, &format!("wasi:cli/run@0.2.{patch}")))
        .expect("a command");
    let run = instance.get_export_index(&mut *store, Some(&interface), "run").expect("exported");
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run).expect("typed");
    let exit = match run.call(&mut *store, ()) {
        Ok((result,)) => i32::from(result.is_err()),
        Err(error) => error.downcast_ref::<I32Exit>().unwrap_or_else(|| panic!("{error:?}")).0,
    };
    running.done(exit)
}
