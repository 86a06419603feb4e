//! The small WIT at work, however results are allocated and whatever the guest's imports and exports are called:
//! the files of `fixtures/bindgen/rust`, and two of the test's own.

/// What a guest is linked with. The names are written out here, from the documents of each scheme.
#[derive(Clone, Copy)]
struct Names {
    module: &'static str,
    functions: [&'static str; 3],
    fill: [&'static str; 2],
    support: [&'static str; 3],
}

const FULL: Names = Names {
    module: "test:small/shelf@0.1.0",
    functions: ["[constructor]reader", "find", "[resource-drop]reader"],
    fill: ["fill", "cabi_post_fill"],
    support: ["memory", "cabi_realloc", "_initialize"],
};

const CM32P2: Names = Names {
    module: "cm32p2|test:small/shelf@0.1",
    functions: ["[constructor]reader", "find", "reader_drop"],
    fill: ["cm32p2||fill", "cm32p2||fill_post"],
    support: ["cm32p2_memory", "cm32p2_realloc", "cm32p2_initialize"],
};

const SHORT: Names = Names {
    module: "h",
    functions: ["f0", "f2", "f4"],
    fill: ["e0", "e1"],
    support: ["memory", "cabi_realloc", "_initialize"],
};

/// `go` makes a reader, finds a book and drops the reader; byte 8 counts what was freed, byte 9 is 1 once it is initialized.
fn guest(names: Names, has_arena: bool) -> String {
    let [new, find, drop] = names.functions.map(|name| format!("{:?} {name:?}", names.module));
    let ([fill, post], [memory, realloc, initialize]) = (names.fill, names.support);
    let allocation = if has_arena {
        "(func $fresh (param i32) (call $arena (i32.const 0x1001) (local.get 0)))".to_owned()
    } else {
        format!(
            r#"(global $next (mut i32) (i32.const 0))
            (func $fresh (param i32) (global.set $next (i32.const 0x1001)))
            (func (export {realloc:?}) (param i32 i32 i32 i32) (result i32) (local $at i32)
              (if (i32.eqz (global.get $next)) (then (call $fresh (i32.const 0))))
              (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
                                      (i32.sub (i32.const 0) (local.get 2))))
              (global.set $next (i32.add (local.get $at) (local.get 3)))
              (local.get $at))"#
        )
    };
    let arena = if has_arena { r#"(import "lowlift" "arena" (func $arena (param i32 i32)))"# } else { "" };
    format!(
        r#"(module {arena}
          (import {new} (func $new (param i32 i32) (result i32)))
          (import {find} (func $find (param i32 i32 i32 i32)))
          (import {drop} (func $drop (param i32)))
          (memory (export {memory:?}) 1)
          (data (i32.const 16) "sea")
          {allocation}
          (func (export {initialize:?}) (i32.store8 (i32.const 9) (i32.const 1)))
          (func (export "go") (param i32) (local $reader i32)
            (local.set $reader (call $new (i32.const 16) (i32.const 3)))
            (call $fresh (local.get 0))
            (call $find (i32.const 1) (i32.const 16) (i32.const 3) (i32.const 64))
            (call $drop (local.get $reader)))
          (func (export {fill:?}) (param i32 i32) (result i32)
            (i32.add (i32.mul (local.get 0) (i32.const 10)) (local.get 1)))
          (func (export {post:?}) (param i32)
            (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))))"#
    )
}

/// What the tests see of an engine. What was wrong is the fault's function and reason.
trait Subject {
    /// Has the guest find a book, with so many bytes for the result.
    fn go(&mut self, bytes: i32) -> Result<(), String>;
    /// Gives the guest books: what it says, and what is free of the region if there is one.
    fn fill(&mut self, region: (u32, u32), books: &[&str]) -> Result<(u32, Option<(u32, u32)>), String>;
    fn memory(&self) -> &[u8];
    /// What is free of the region that the guest named, if results go to one.
    fn free(&self) -> Option<(u32, u32)>;
    fn readers(&self) -> usize;
}

/// What differs between ways to allocate.
macro_rules! allocation {
    (items, arena, $bindings:ident) => {
        impl $bindings::Region for Host {
            fn arena(&mut self) -> &mut $bindings::Arena {
                &mut self.region
            }
        }

        type Region = $bindings::Arena;
    };
    (items, reentrant, $bindings:ident) => {
        #[derive(Default)]
        struct Region;
    };
    (free, arena, $host:expr) => {
        Some($host.region.free())
    };
    (free, reentrant, $host:expr) => {{
        let Host { region: Region, .. } = $host;
        None
    }};
    (fill, arena, $guest:ident, $store:expr, $region:ident, $books:expr) => {{
        let mut arena = Region::new($region.0, $region.1);
        $guest.fill($store, &mut arena, $books).map(|sum| (sum, Some(arena.free())))
    }};
    (fill, reentrant, $guest:ident, $store:expr, $region:ident, $books:expr) => {{
        let _ = $region;
        $guest.fill($store, $books).map(|sum| (sum, None))
    }};
}

/// The host for one file of bindings.
macro_rules! shelf {
    ($name:ident, $engine:ident, $instantiate:ident, $allocation:ident) => {
        mod $name {
            use super::super::$name as bindings;
            use super::Subject;
            use bindings::exports::Guest;
            use bindings::test::small::shelf;
            use bindings::{Fault, Handles, Reason, Trap};
            use $engine::{Engine, Instance, Linker, Memory, Module, Store};

            allocation!(items, $allocation, bindings);

            #[derive(Default)]
            struct Host {
                region: Region,
                readers: Handles<String>,
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

                fn lend(&mut self, reader: shelf::ReaderBorrow, _: &str) -> Result<bool, Trap> {
                    Ok(self.readers.get(reader.0).is_some())
                }

                fn reader_drop(&mut self, reader: shelf::Reader) -> Result<(), Trap> {
                    self.readers.take(reader.0).map(drop).ok_or_else(bad)
                }
            }

            struct Running {
                store: Store<Host>,
                instance: Instance,
                memory: Memory,
            }

            pub(super) fn run(guest: &str, memory: &str) -> Box<dyn Subject> {
                let engine = Engine::default();
                let module = Module::new(&engine, wat::parse_str(guest).expect("a module")).expect("a module");
                let mut linker = Linker::new(&engine);
                bindings::add_to_linker::<Host, Host>(&mut linker, |host| host).expect("links");
                let mut store = Store::new(&engine, Host::default());
                let instance = linker.$instantiate(&mut store, &module).expect("instantiates");
                bindings::initialize(&mut store, &instance).expect("initializes");
                let memory = instance.get_memory(&mut store, memory).expect("a memory");
                Box::new(Running { store, instance, memory })
            }

            fn wrong(trap: &Trap) -> String {
                let fault = trap.downcast_ref::<Fault>().unwrap_or_else(|| panic!("{trap:?}"));
                format!("{} {:?}", fault.function, fault.reason)
            }

            impl Subject for Running {
                fn go(&mut self, bytes: i32) -> Result<(), String> {
                    let go = self.instance.get_typed_func::<i32, ()>(&mut self.store, "go").expect("exported");
                    go.call(&mut self.store, bytes).map_err(|trap| wrong(&trap))
                }

                fn fill(&mut self, region: (u32, u32), books: &[&str]) -> Result<(u32, Option<(u32, u32)>), String> {
                    let guest = Guest::new(&mut self.store, &self.instance).expect("exports");
                    let books: Vec<String> = books.iter().map(|book| book.to_string()).collect();
                    let filled = allocation!(fill, $allocation, guest, &mut self.store, region, &books);
                    filled.map_err(|trap| wrong(&trap))
                }

                fn memory(&self) -> &[u8] {
                    self.memory.data(&self.store)
                }

                fn free(&self) -> Option<(u32, u32)> {
                    allocation!(free, $allocation, self.store.data())
                }

                fn readers(&self) -> usize {
                    let readers = &self.store.data().readers;
                    (0..9).filter(|handle| readers.get(*handle).is_some()).count()
                }
            }
        }
    };
}

shelf!(small_wasmi, wasmi, instantiate_and_start, reentrant);
shelf!(small_wasmtime, wasmtime, instantiate, reentrant);
shelf!(arena_wasmi, wasmi, instantiate_and_start, arena);
shelf!(arena_wasmtime, wasmtime, instantiate, arena);

/// The files with the names that they were generated with.
fn subjects() -> [(&'static str, Box<dyn Subject>); 4] {
    let run =
        |run: fn(&str, &str) -> Box<dyn Subject>, names, has_arena| run(&guest(names, has_arena), names.support[0]);
    [
        ("small_wasmi", run(small_wasmi::run, FULL, false)),
        ("small_wasmtime", run(small_wasmtime::run, FULL, false)),
        ("arena_wasmi", run(arena_wasmi::run, CM32P2, true)),
        ("arena_wasmtime", run(arena_wasmtime::run, SHORT, true)),
    ]
}

#[test]
fn results_lie_where_the_guest_wants_them() {
    for (name, mut subject) in subjects() {
        subject.go(0x100).expect("no trap");
        let bytes = subject.memory();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(bytes[9], 1, "{name}: initialized");
        assert_eq!((bytes[64], word(68), word(72)), (0, 0x1004, 1), "{name}: ok, and a book at the first aligned byte");
        assert_eq!((word(0x1004), word(0x1008)), (0x1014, 3), "{name}: its title behind it");
        assert_eq!(&bytes[0x1014..0x1017], b"sea", "{name}");
        assert_eq!(bytes[0x100c..0x1011], [0, 0, 2, 1, 2], "{name}: novel, padding, pages, tags");
        assert_eq!(subject.readers(), 0, "{name}");
        if let Some(free) = subject.free() {
            assert_eq!(free, (0x1017, 0x1001 + 0x100 - 0x1017), "{name}");
            // The fault is called by its name in the WIT, whatever the guest imports it as.
            let small = subject.go(8).expect_err("the region is too small");
            assert_eq!(small, "test:small/shelf@0.1.0#find Arena", "{name}");
            subject.go(-1).expect("what leaves the memory is not used");
        }
    }
}

#[test]
fn parameters_of_exports_lie_there_too() {
    for (name, mut subject) in subjects() {
        let (sum, free) = subject.fill((0x1001, 0x100), &["a", "bc"]).expect("no trap");
        assert_eq!(sum, 0x1004 * 10 + 2, "{name}");
        assert_eq!(&subject.memory()[0x1014..0x1017], b"abc", "{name}");
        assert_eq!(subject.memory()[8], 1, "{name}: what frees the result is called once");
        if free.is_some() {
            assert_eq!(free, Some((0x1017, 0x1001 + 0x100 - 0x1017)), "{name}");
            let outside = subject.fill((0xffff_0000, 0x1000), &[]).expect_err("beyond the memory");
            assert_eq!(outside, "fill Bounds", "{name}");
        }
    }
}
