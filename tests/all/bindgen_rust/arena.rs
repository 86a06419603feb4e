//! Results in a region that the guest names: nobody calls its realloc, which it does not have.

use super::arena_wasmi::exports::Guest;
use super::arena_wasmi::test::small::shelf;
use super::arena_wasmi::{Arena, Fault, Handles, Reason, Region, Trap, add_to_linker};
use wasmi::{Engine, Instance, Linker, Memory, Module, Store};

#[derive(Default)]
struct Host {
    arena: Arena,
    readers: Handles<String>,
}

impl Region for Host {
    fn arena(&mut self) -> &mut Arena {
        &mut self.arena
    }
}

fn bad() -> Trap {
    Trap::from(Fault { function: "shelf", reason: Reason::Handle })
}

impl shelf::Host for Host {
    fn reader_new(&mut self, name: &str) -> Result<shelf::Reader, Trap> {
        self.readers.insert(name.to_owned()).map(shelf::Reader).ok_or_else(bad)
    }

    fn reader_next(&mut self, reader: shelf::ReaderBorrow) -> Result<Option<u16>, Trap> {
        self.readers.get(reader.0).map(|name| Some(name.len() as u16)).ok_or_else(bad)
    }

    fn find(&mut self, query: shelf::Query) -> Result<Result<Vec<shelf::Book>, String>, Trap> {
        let shelf::Query::ByTitle(title) = query else { return Ok(Err("only by title".to_owned())) };
        let book = shelf::Book { title, type_: shelf::Kind::Novel, pages: 0x102, tags: shelf::Tags::LOST };
        Ok(Ok(vec![book]))
    }

    fn lend(&mut self, _: shelf::ReaderBorrow, _: &str) -> Result<bool, Trap> {
        Ok(true)
    }

    fn reader_drop(&mut self, reader: shelf::Reader) -> Result<(), Trap> {
        self.readers.take(reader.0).map(drop).ok_or_else(bad)
    }
}

const GUEST: &str = r#"(module
  (import "lowlift" "arena" (func $arena (param i32 i32)))
  (import "test:small/shelf@0.1.0" "find" (func $find (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "sea")
  (func (export "go") (param i32)
    (call $arena (i32.const 0x1001) (local.get 0))
    (call $find (i32.const 1) (i32.const 16) (i32.const 3) (i32.const 64)))
  (func (export "fill") (param i32 i32) (result i32)
    (i32.add (i32.mul (local.get 0) (i32.const 10)) (local.get 1))))"#;

fn instance() -> (Store<Host>, Instance, Memory) {
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(GUEST).expect("a module")).expect("a module");
    let mut linker = Linker::new(&engine);
    add_to_linker::<Host, Host>(&mut linker, |host| host).expect("links");
    let mut store = Store::new(&engine, Host::default());
    let instance = linker.instantiate_and_start(&mut store, &module).expect("instantiates");
    let memory = instance.get_memory(&store, "memory").expect("a memory");
    (store, instance, memory)
}

#[test]
fn results_lie_in_the_region() {
    let (mut store, instance, memory) = instance();
    let go = instance.get_typed_func::<i32, ()>(&store, "go").expect("exported");
    go.call(&mut store, 0x100).expect("no trap");
    let bytes = memory.data(&store);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((bytes[64], word(68), word(72)), (0, 0x1004, 1), "ok, and one book at the first aligned byte");
    assert_eq!((word(0x1004), word(0x1008)), (0x1014, 3), "its title behind it");
    assert_eq!(&bytes[0x1014..0x1017], b"sea");
    assert_eq!(bytes[0x100c..0x1011], [0, 0, 2, 1, 2], "novel, padding, pages, tags");
    assert_eq!(store.data().arena.free(), (0x1017, 0x1001 + 0x100 - 0x1017));

    let error = go.call(&mut store, 8).expect_err("the region is too small");
    assert_eq!(error.downcast_ref::<Fault>().map(|fault| fault.reason), Some(Reason::Arena));
    go.call(&mut store, -1).expect("what leaves the memory is not used");
}

#[test]
fn parameters_of_exports_lie_there_too() {
    let (mut store, instance, memory) = instance();
    let guest = Guest::new(&mut store, &instance).expect("exports");
    let mut arena = Arena::new(0x2000, 0x100);
    let sum = guest.fill(&mut store, &mut arena, &["a".to_owned(), "bc".to_owned()]).expect("no trap");
    assert_eq!(sum, 0x2000 * 10 + 2);
    assert_eq!(&memory.data(&store)[0x2010..0x2013], b"abc");
    assert_eq!(arena.free(), (0x2013, 0x100 - 0x13));
    let mut outside = Arena::new(0xffff_0000, 0x1000);
    let error = guest.fill(&mut store, &mut outside, &[]).expect_err("beyond the memory");
    assert_eq!(error.downcast_ref::<Fault>().map(|fault| fault.reason), Some(Reason::Bounds));
}
