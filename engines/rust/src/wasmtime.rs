//! wasmtime: `generated-wasmtime GUEST PART…` runs parts of the guest.

#![deny(warnings)]
#![forbid(unsafe_code)]

mod board;

mod bindings {
    include!(concat!(env!("LOWLIFT_BINDINGS"), "/wasmtime.rs"));
}

use board::Board;
use wasmtime::{Engine, Linker, Module, Store};

fn main() -> Result<(), bindings::Trap> {
    let (wasm, parts) = board::arguments();
    let engine = Engine::default();
    let module = Module::new(&engine, wasm)?;
    let mut linker = Linker::new(&engine);
    bindings::add_to_linker::<Board, Board>(&mut linker, |board| board)?;
    for part in parts {
        let mut store = Store::new(&engine, Board::default());
        let instance = linker.instantiate(&mut store, &module)?;
        bindings::initialize(&mut store, &instance)?;
        let guest = bindings::exports::Guest::new(&mut store, &instance)?;
        let end = guest.run(&mut store, part);
        store.data().report(end.is_err());
    }
    Ok(())
}
