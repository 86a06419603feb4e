//! The generated modules at work: a host that gives back what it gets, on both engines.

/// What the tests see of an engine.
pub(super) trait Core {
    /// Calls an export with words; the reason where it trapped, and whether that is a fault by the Canonical ABI.
    fn call(&mut self, name: &str, words: &[u64]) -> Result<(), (String, bool)>;
    fn memory(&mut self) -> &mut [u8];
    /// Passes a value of each kind to the guest and back, and compares.
    fn typed(&mut self);
    /// The guest's tour of handles, and how many things are left.
    fn tour(&mut self) -> (u64, usize);
    /// What the interface of the guest's own resource gives, in numbers.
    fn made(&mut self) -> Vec<u32>;
    /// Lowers a list into a guest whose realloc does this.
    fn lies(&mut self, mode: u32) -> String;
}

macro_rules! echoes {
    ($($name:ident($($param:ident: $ty:ty),*) -> $result:ty = $value:expr;)*) => {$(
        fn $name(&mut self, $($param: $ty),*) -> Result<$result, Trap> {
            Ok($value)
        }
    )*};
}

/// The bindings and the host for one engine.
macro_rules! engine {
    ($name:ident, $bindings:ident, $engine:ident, $instantiate:ident, $f32:expr, $f64:expr) => {
        pub(super) mod $name {
            use super::super::$bindings as bindings;
            use super::Core;
            use bindings::exports::{Guest as World, made_here, test::every::api::Guest};
            use bindings::test::every::types::{
                Color, Few, Many, Mixed, Nested, Point, Shape, Some_ as Several, Thing, ThingBorrow, Words,
            };
            use bindings::test::every::{api, handles, types};
            use bindings::{Fault, Handles, Trap};
            use $engine::{Engine, Instance, Linker, Module, Store, Val};

            #[derive(Default)]
            struct Host {
                things: Handles<u64>,
                made: Handles<u32>,
            }

            type Eight = (u32, u32, u32, u32, u32, u32, u32, u32);
            type Other = (u64, u32, f32, u32, u32, u32, u32, f64);
            type Third = (u8, u32, u32, u32, u32, u32, u32, u32);
            type Large = super::super::$bindings::Tuple14<u8, u16, u8, u16, u8, u16, u8, u16, u8, u16, u8, u16, u8, u64>;
            type Scalars = (bool, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, char);

            #[allow(clippy::too_many_arguments, reason = "so is the interface")]
            impl api::Host for Host {
                echoes! {
                    nothing() -> () = ();
                    scalars(a: bool, b: u8, c: i8, d: u16, e: i16, f: u32, g: i32, h: u64, i: i64, j: f32, k: f64, l: char)
                        -> Scalars = (a, b, c, d, e, f, g, h, i, j, k, l);
                    text(a: &str) -> String = a.to_owned();
                    bytes(a: &[u8]) -> Vec<u8> = a.to_vec();
                    chars(a: Vec<char>) -> Vec<char> = a;
                    lists(a: Vec<Vec<Shape>>, b: Words) -> (Vec<Vec<Shape>>, Words) = (a, b);
                    nests(a: Nested) -> Nested = a;
                    shapes(a: Shape) -> Shape = a;
                    points(a: Vec<Point>) -> Vec<Point> = a;
                    flagged(a: Few, b: Several, c: Many) -> (Few, Several, Many) = (a, b, c);
                    colors(a: Color) -> Color = a;
                    maybe(a: Option<Option<u32>>) -> Option<Option<u32>> = a;
                    outcome(a: Result<(u8, u16), Color>) -> Result<(u8, u16), Color> = a;
                    joined(a: Result<f32, String>, b: Option<f64>) -> (Result<f32, String>, Option<f64>) = (a, b);
                    unit(a: Result<(), ()>) -> Result<(), ()> = a;
                    small(a: i8) -> i8 = a;
                    letter(a: char) -> char = a;
                    rate(a: f32) -> f32 = a;
                    sixteen(a: Eight, b: Other) -> (Eight, Other) = (a, b);
                    seventeen(a: Eight, b: Third, c: &str) -> (Eight, Third, String) = (a, b, c.to_owned());
                    large(a: Large) -> Large = a;
                    fixed(a: [u16; 3], b: [String; 2]) -> ([u16; 3], [String; 2]) = (a, b);
                    fixed_far(a: [[Point; 2]; 5]) -> [[Point; 2]; 5] = a;
                    mapped(a: Vec<(String, Shape)>) -> Vec<(String, Shape)> = a;
                }
            }

            fn bad(function: &'static str) -> Trap {
                Trap::from(Fault { function, reason: bindings::Reason::Handle })
            }

            impl types::Host for Host {
                fn thing_new(&mut self, name: &str) -> Result<Thing, Trap> {
                    self.things.insert(name.len() as u64).map(Thing).ok_or_else(|| bad("new"))
                }

                fn thing_size(&mut self, thing: ThingBorrow) -> Result<u64, Trap> {
                    self.things.get(thing.0).copied().ok_or_else(|| bad("size"))
                }

                fn thing_merge(&mut self, a: Thing, b: ThingBorrow) -> Result<Result<Thing, String>, Trap> {
                    let a = self.things.take(a.0).ok_or_else(|| bad("merge"))?;
                    let b = *self.things.get(b.0).ok_or_else(|| bad("merge"))?;
                    self.things.insert(a + b).map(|thing| Ok(Thing(thing))).ok_or_else(|| bad("merge"))
                }

                fn thing_drop(&mut self, thing: Thing) -> Result<(), Trap> {
                    self.things.take(thing.0).map(drop).ok_or_else(|| bad("drop"))
                }
            }

            impl handles::Host for Host {
                fn give(&mut self, thing: Thing) -> Result<Thing, Trap> {
                    Ok(thing)
                }

                fn lent(&mut self, thing: ThingBorrow) -> Result<u64, Trap> {
                    types::Host::thing_size(self, thing)
                }
            }

            impl made_here::Host for Host {
                fn made_drop(&mut self, made: made_here_types::Made) -> Result<Option<u32>, Trap> {
                    self.made.take(made.0).map(Some).ok_or_else(|| bad("drop"))
                }

                fn made_handle(&mut self, rep: u32) -> Result<made_here_types::Made, Trap> {
                    self.made.insert(rep).map(made_here_types::Made).ok_or_else(|| bad("new"))
                }

                fn made_rep(&mut self, handle: u32) -> Result<u32, Trap> {
                    self.made.get(handle).copied().ok_or_else(|| bad("rep"))
                }
            }

            use bindings::every_every_made_here as made_here_types;

            /// The guest, compiled and linked.
            pub(in super::super) struct Program {
                module: Module,
                linker: Linker<Host>,
            }

            struct Subject {
                store: Store<Host>,
                instance: Instance,
            }

            impl Program {
                pub(in super::super) fn new(wasm: &[u8]) -> Program {
                    let engine = Engine::default();
                    let module = Module::new(&engine, wasm).expect("a module");
                    let mut linker = Linker::new(&engine);
                    bindings::add_to_linker::<Host, Host>(&mut linker, |host| host).expect("links");
                    Program { module, linker }
                }

                pub(in super::super) fn instantiate(&self) -> Box<dyn Core> {
                    let mut store = Store::new(self.module.engine(), Host::default());
                    let instance = self.linker.$instantiate(&mut store, &self.module).expect("instantiates");
                    bindings::initialize(&mut store, &instance).expect("initializes");
                    Box::new(Subject { store, instance })
                }
            }

            impl Core for Subject {
                fn call(&mut self, name: &str, words: &[u64]) -> Result<(), (String, bool)> {
                    let func = self.instance.get_func(&mut self.store, name).unwrap_or_else(|| panic!("no {name}"));
                    let ty = func.ty(&self.store);
                    let types = IntoIterator::into_iter(ty.params()).map(|ty| format!("{ty:?}").to_lowercase());
                    let value = |(ty, word): (String, &u64)| match ty.as_str() {
                        "i32" => Val::I32(*word as i32),
                        "i64" => Val::I64(*word as i64),
                        "f32" => Val::F32($f32(*word as u32)),
                        _ => Val::F64($f64(*word)),
                    };
                    let args: Vec<Val> = types.zip(words).map(value).collect();
                    let results = ty.results().len();
                    let mut results = vec![Val::I32(0); results];
                    func.call(&mut self.store, &args, &mut results)
                        .map_err(|e| (format!("{e:#}"), e.downcast_ref::<Fault>().is_some()))
                }

                fn memory(&mut self) -> &mut [u8] {
                    let memory = self.instance.get_memory(&mut self.store, "memory").expect("a memory");
                    memory.data_mut(&mut self.store)
                }

                fn typed(&mut self) {
                    let store = &mut self.store;
                    let api = Guest::new(&mut *store, &self.instance).expect("exports");
                    let mixed = Mixed { a: 255, b: u64::MAX, c: true, d: '𝄞', e: -2 };
                    let names = vec!["".to_owned(), "ß€".to_owned()];
                    let nested = Nested { first: mixed, names: names.clone(), rate: -1.5 };
                    let long = Shape::Long((1, 2, 3, 4, 5, 6, u32::MAX));
                    let named = Shape::Named("x".to_owned());
                    let listed = Shape::Listed(vec![1, 65535]);
                    let shapes = [Shape::None, Shape::At(Point { x: 1.0, y: 2.0 }), named, Shape::Wide(9), long, listed];
                    api.nothing(&mut *store).expect("no trap");
                    assert_eq!(api.text(&mut *store, "a\0ß").expect("no trap"), "a\0ß".to_owned());
                    assert_eq!(api.text(&mut *store, "").expect("no trap"), "".to_owned());
                    assert_eq!(api.bytes(&mut *store, &[0, 255]).expect("no trap"), [0, 255]);
                    let chars = ['a', '\u{10ffff}'];
                    assert_eq!(api.chars(&mut *store, &chars).expect("no trap"), chars);
                    assert_eq!(api.nests(&mut *store, &nested).expect("no trap"), nested.clone());
                    for shape in &shapes {
                        assert_eq!(api.shapes(&mut *store, shape).expect("no trap"), shape.clone());
                    }
                    let points = [Point { x: 1.0, y: 2.0 }, Point { x: -0.0, y: 1e300 }];
                    assert_eq!(api.points(&mut *store, &points).expect("no trap"), points);
                    assert_eq!(api.colors(&mut *store, Color::Blue).expect("no trap"), Color::Blue);
                    for maybe in [None, Some(None), Some(Some(7))] {
                        assert_eq!(api.maybe(&mut *store, maybe).expect("no trap"), maybe);
                    }
                    for outcome in [Ok((1, 2)), Err(Color::Green)] {
                        assert_eq!(api.outcome(&mut *store, outcome).expect("no trap"), outcome);
                    }
                    for unit in [Ok(()), Err(())] {
                        assert_eq!(api.unit(&mut *store, unit).expect("no trap"), unit);
                    }
                    assert_eq!(api.small(&mut *store, -128).expect("no trap"), -128);
                    assert_eq!(api.letter(&mut *store, 'ß').expect("no trap"), 'ß');
                    assert_eq!(api.rate(&mut *store, 0.1).expect("no trap"), 0.1);
                    let lists = vec![shapes.to_vec(), Vec::new()];
                    assert_eq!(api.lists(&mut *store, &lists, &names).expect("no trap"), (lists, names));
                    let scalars: Scalars = (true, 1, -1, 2, -2, 3, -3, 4, -4, 0.5, -0.5, 'l');
                    let (a, b, c, d, e, f, g, h, i, j, k, l) = scalars;
                    let given = api.scalars(&mut *store, a, b, c, d, e, f, g, h, i, j, k, l).expect("no trap");
                    assert_eq!(given, scalars);
                    let flags = (Few::A | Few::C, Several::F8, Many::all());
                    assert_eq!(api.flagged(&mut *store, flags.0, flags.1, flags.2).expect("no trap"), flags);
                    assert!(flags.0.contains(Few::C) && !flags.0.contains(Few::B) && Few::from_bits_truncate(255) == Few::all());
                    let (eight, other, third) =
                        ((1, 2, 3, 4, 5, 6, 7, 8), (u64::MAX, 2, 3.5, 4, 5, 6, 7, 8.5), (255, 2, 3, 4, 5, 6, 7, 8));
                    assert_eq!(api.sixteen(&mut *store, eight, other).expect("no trap"), (eight, other));
                    let given = api.seventeen(&mut *store, eight, third, "text").expect("no trap");
                    assert_eq!(given, (eight, third, "text".to_owned()));
                    let large = bindings::Tuple14(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, u64::MAX);
                    assert_eq!(api.large(&mut *store, large).expect("no trap"), large);
                    let fixed = ([1, 2, u16::MAX], ["x".to_owned(), String::new()]);
                    assert_eq!(api.fixed(&mut *store, fixed.0, &fixed.1).expect("no trap"), fixed);
                    let far = [points; 5];
                    assert_eq!(api.fixed_far(&mut *store, far).expect("no trap"), far);
                    let pairs = shapes.map(|shape| ("key".to_owned(), shape));
                    assert_eq!(api.mapped(&mut *store, &pairs).expect("no trap"), pairs);
                    let err = (Err("e".to_owned()), Some(1.0));
                    assert_eq!(api.joined(&mut *store, &err.0, err.1).expect("no trap"), err);
                }

                fn tour(&mut self) -> (u64, usize) {
                    let world = World::new(&mut self.store, &self.instance).expect("exports");
                    let sum = world.tour(&mut self.store).expect("no trap");
                    let things = &self.store.data().things;
                    (sum, (1..10).filter(|handle| things.get(*handle).is_some()).count())
                }

                fn made(&mut self) -> Vec<u32> {
                    let guest = made_here::Guest::new(&mut self.store, &self.instance).expect("exports");
                    let made = guest.made_new(&mut self.store, 7).expect("no trap");
                    // What is lent to the guest that owns it is what represents it.
                    let rep = self.store.data_mut().made.take(made.0).expect("a handle");
                    let lent = || made_here_types::MadeBorrow(rep);
                    let mut out = vec![guest.made_count(&mut self.store, lent()).expect("no trap")];
                    let other = guest.open(&mut self.store, 30).expect("no trap");
                    out.push(guest.close(&mut self.store, other).expect("no trap"));
                    out.push(guest.made_count(&mut self.store, lent()).expect("no trap"));
                    guest.made_destroy(&mut self.store, rep).expect("no trap");
                    out
                }

                fn lies(&mut self, mode: u32) -> String {
                    let api = Guest::new(&mut self.store, &self.instance).expect("exports");
                    self.call("set-top", &[u64::from(super::super::guest::HEAP), u64::from(mode)]).expect("no trap");
                    format!("{:#}", api.chars(&mut self.store, &['a']).expect_err("a lie"))
                }
            }
        }
    };
}

engine!(on_wasmi, every_wasmi, wasmi, instantiate_and_start, wasmi::F32::from_bits, wasmi::F64::from_bits);
engine!(on_wasmtime, every_wasmtime, wasmtime, instantiate, std::convert::identity, std::convert::identity);
