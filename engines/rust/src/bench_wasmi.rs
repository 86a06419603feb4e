//! wasmi: a call through a generated stub against one by hand.

#![deny(warnings)]
#![forbid(unsafe_code)]

mod bench;
mod board;

mod bindings {
    include!(concat!(env!("LOWLIFT_BINDINGS"), "/wasmi.rs"));
}

use bindings::lowlift::engines::values::{Host, Point};
use board::Board;
use wasmi::{Caller, Engine, Error, Extern, Linker, Module, Store};

fn hand_add(mut caller: Caller<'_, Board>, a: i32, b: i64) -> Result<i64, Error> {
    caller.data_mut().add(a, b)
}

fn hand_move_by(mut caller: Caller<'_, Board>, x: i32, y: i32, dx: i32, dy: i32, at: i32) -> Result<(), Error> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or_else(board::no_handle)?;
    let (bytes, board) = memory.data_and_store_mut(&mut caller);
    let sum = board.move_by(Point { x, y }, Point { x: dx, y: dy })?;
    let at = at as u32 as usize;
    let place = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>());
    let Some(place) = place.filter(|_| at.is_multiple_of(4)) else { return Err(board::no_handle()) };
    place[..4].copy_from_slice(&sum.x.to_le_bytes());
    place[4..].copy_from_slice(&sum.y.to_le_bytes());
    Ok(())
}

fn main() -> Result<(), bindings::Trap> {
    let (wasm, _) = board::arguments();
    let engine = Engine::default();
    let module = Module::new(&engine, wasm)?;
    let mut linker = Linker::new(&engine);
    bindings::add_to_linker::<Board, Board>(&mut linker, |board| board)?;
    linker.func_wrap("env", "hand-add", hand_add)?;
    linker.func_wrap("env", "hand-move-by", hand_move_by)?;
    let mut store = Store::new(&engine, Board::default());
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    for name in ["add", "move-by"] {
        bench::compare("wasmi", name, |export| {
            let run = instance.get_typed_func::<(), ()>(&mut store, export).expect("exported");
            run.call(&mut store, ()).expect("no trap");
        });
    }
    store.data().report(false);
    Ok(())
}
