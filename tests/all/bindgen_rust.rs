//! Generated Rust: how it looks, and that it does what wasmtime's component model does with the same guest.

#[rustfmt::skip]
#[allow(unused_qualifications, reason = "generated")]
mod arena_wasmi;
#[rustfmt::skip]
#[allow(unused_qualifications, reason = "generated")]
mod arena_wasmtime;
mod engines;
#[rustfmt::skip]
#[allow(unused_qualifications, reason = "generated")]
mod every_wasmi;
#[rustfmt::skip]
#[allow(unused_qualifications, reason = "generated")]
mod every_wasmtime;
mod guest;
mod hostile;
mod names;
mod oracle;
mod random;
mod shelf;
#[rustfmt::skip]
#[allow(unused_qualifications, reason = "generated")]
#[path = "../../fixtures/bindgen/rust/small_wasmi.rs"]
mod small_wasmi;
#[rustfmt::skip]
#[allow(unused_qualifications, reason = "generated")]
#[path = "../../fixtures/bindgen/rust/small_wasmtime.rs"]
mod small_wasmtime;

use crate::random::Xorshift;
use crate::{golden, root};
use engines::{Core, on_wasmi, on_wasmtime};
use lowlift::bindgen::{Allocation, Engine, Language, Options, Plan, generate};
use lowlift::diagnostic::Code;
use lowlift::link::NameMap;
use lowlift::wit::{Gates, Sources, WitFile, built_in, load, select_world};
use lowlift::witx::{self, Derivation, Reading, Scope, derive, print};
use oracle::Oracle;

fn options(engine: Engine, allocation: Allocation) -> Options {
    Options { language: Language::Rust, engine, allocation, names: None, prefix: None, omit_refused: false }
}

fn derivation(wit: &str, world: Option<&str>) -> Derivation {
    let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.to_owned() }];
    let loaded = load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default());
    let loaded = loaded.expect("the WIT is valid");
    let scope = Scope::World(select_world(&loaded, world).expect("a world"));
    let derived = derive(&loaded.resolve, &scope, &witx::Options::default()).expect("derives");
    Derivation::of(derived.document).expect("is whole")
}

fn fixture(name: &str) -> String {
    let path = root("fixtures/bindgen/rust").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn text(derivation: &Derivation, options: &Options) -> String {
    let mut files = generate(derivation, options).expect("generates").files;
    assert_eq!(files.len(), 1);
    files.remove(0).1
}

const ENGINES: [Engine; 2] = [Engine::Wasmi, Engine::Wasmtime];

#[test]
fn generated_text_is_as_it_was() {
    for (name, world, folder) in
        [("small.wit", "small", "fixtures/bindgen/rust"), ("every.wit", "every", "tests/all/bindgen_rust")]
    {
        let derivation = derivation(&fixture(name), Some(world));
        for engine in ENGINES {
            let text = text(&derivation, &options(engine, Allocation::Reentrant));
            golden(&root(folder).join(format!("{world}_{}.rs", engine.name())), &text);
        }
    }
}

#[test]
fn generated_text_with_an_arena_and_other_names_is_as_it_was() {
    let small = derivation(&fixture("small.wit"), Some("small"));
    for (engine, names) in [(Engine::Wasmi, NameMap::Cm32p2), (Engine::Wasmtime, NameMap::Short)] {
        let options = Options { names: Some(names), ..options(engine, Allocation::Arena) };
        let path = format!("tests/all/bindgen_rust/arena_{}.rs", engine.name());
        golden(&root(&path), &text(&small, &options));
    }
}

#[test]
fn witx_alone_gives_the_same() {
    for (wit, world) in [(fixture("every.wit"), "every"), (fixture("small.wit"), "small")] {
        let from_wit = derivation(&wit, Some(world));
        let Ok(Reading::Derived(from_witx)) = witx::read(&print(&from_wit.document)) else { panic!("derived WITX") };
        for engine in ENGINES {
            for allocation in [Allocation::Reentrant, Allocation::Arena] {
                let options = options(engine, allocation);
                assert_eq!(text(&from_wit, &options), text(&from_witx, &options));
            }
        }
    }
}

#[test]
fn what_needs_a_scheduler_or_memory_is_refused() {
    let loaded = built_in("wasi:http@0.3.2", &Gates::default()).expect("built in");
    let scope = Scope::Packages(loaded.packages.clone());
    let derived = derive(&loaded.resolve, &scope, &witx::Options::default()).expect("derives");
    let derivation = Derivation::of(derived.document).expect("is whole");
    let refused = generate(&derivation, &options(Engine::Wasmi, Allocation::Reentrant)).expect_err("streams");
    assert_eq!(refused.code, Code::BindgenAsync);
    assert!(refused.others.len() > 3);

    let small = self::derivation(&fixture("small.wit"), Some("small"));
    let refused = generate(&small, &options(Engine::Wasmi, Allocation::None)).expect_err("allocates");
    assert_eq!(refused.code, Code::BindgenAllocation);
    let rest = Options { omit_refused: true, ..options(Engine::Wasmi, Allocation::None) };
    let rest = generate(&small, &rest).expect("the rest");
    assert_eq!(rest.report.omitted.len(), 3, "find, fill, and what frees its result");
    assert!(rest.files[0].1.contains("fn lend(") && !rest.files[0].1.contains("fn find("));

    let array = "package a:b; interface i { f: func(a: list<u64, 20000>); } world w { import i; }";
    let refused = generate(&self::derivation(array, None), &options(Engine::Wasmi, Allocation::Reentrant));
    assert_eq!(refused.expect_err("an array").code, Code::BindgenUnsupported);
}

/// A guest on both engines.
struct Programs(on_wasmi::Program, on_wasmtime::Program);

impl Programs {
    fn new(plan: &Plan<'_>) -> Programs {
        let wasm = wat::parse_str(guest::module(plan)).expect("a module");
        Programs(on_wasmi::Program::new(&wasm), on_wasmtime::Program::new(&wasm))
    }

    fn instantiate(&self) -> [(&'static str, Box<dyn Core>); 2] {
        [("wasmi", self.0.instantiate()), ("wasmtime", self.1.instantiate())]
    }
}

/// The plan of the WIT with every kind, and its guest.
fn every() -> (Derivation, Options) {
    (derivation(&fixture("every.wit"), Some("every")), options(Engine::Wasmi, Allocation::Reentrant))
}

#[test]
fn values_come_back_through_a_guest() {
    let (derivation, options) = every();
    let plan = Plan::of(&derivation, &options).expect("a plan");
    let programs = Programs::new(&plan);
    let mut oracle = Oracle::new(&fixture("every.wit"), &plan).instantiate();
    let tour = match oracle.call(None, "tour", &[]) {
        Ok(Some(wasmtime::component::Val::U64(sum))) => sum,
        other => panic!("{other:?}"),
    };
    let made = oracle.made();
    for (name, mut subject) in programs.instantiate() {
        subject.typed();
        assert_eq!(subject.tour(), (tour, 0), "{name}");
        assert_eq!(subject.made(), made, "{name}");
    }
}

/// Instances of one guest: those that are judged and the judge.
struct Trial {
    oracle: oracle::Running,
    image: Vec<u8>,
    top: u32,
    words: Vec<u64>,
}

impl Trial {
    /// Calls a function of the component with values by chance, and keeps what its guest was given.
    fn honest(oracle: &Oracle, name: &str, count: usize, random: &mut Xorshift) -> Trial {
        let mut oracle = oracle.instantiate();
        let args = oracle.random(name, random);
        let result = oracle.call(Some(guest::API), name, &args).expect("no trap");
        match (args.as_slice(), result) {
            ([], None) => {}
            ([one], Some(result)) => assert_eq!(*one, result, "{name}"),
            (many, Some(result)) => assert_eq!(wasmtime::component::Val::Tuple(many.to_vec()), result, "{name}"),
            (args, None) => panic!("{name}: nothing of {args:?}"),
        }
        let image = oracle.peek();
        let at = |at: u32| (at - guest::RETURN) as usize;
        let word = |place: usize| u64::from_le_bytes(image[place..place + 8].try_into().expect("eight bytes"));
        let words = match image.len() > at(guest::LOG) + 8 * count {
            true => (0..count).map(|i| word(at(guest::LOG) + 8 * i)).collect(),
            false => Vec::new(),
        };
        let top = word(at(guest::LOG + 0x100)) as u32;
        Trial { oracle, image, top, words }
    }

    /// What the guest was given before it called the host.
    fn given(&self) -> Vec<u8> {
        self.image[(guest::HEAP - guest::RETURN) as usize..(self.top - guest::RETURN) as usize].to_vec()
    }
}

#[test]
fn memory_is_as_the_component_model_leaves_it() {
    let (derivation, options) = every();
    let plan = Plan::of(&derivation, &options).expect("a plan");
    let programs = Programs::new(&plan);
    let oracle = Oracle::new(&fixture("every.wit"), &plan);
    let mut random = Xorshift(0x5eed);
    let mut calls = 0;
    for stub in guest::api(&plan) {
        let name = stub.func.name.as_str();
        for _ in 0..12 {
            let mut trial = Trial::honest(&oracle, name, guest::words(stub).len(), &mut random);
            let given = trial.given();
            for (engine, mut subject) in programs.instantiate() {
                subject.call("set-top", &[u64::from(trial.top), 0]).expect("no trap");
                let heap = guest::HEAP as usize;
                subject.memory()[heap..heap + given.len()].copy_from_slice(&given);
                subject.call(&format!("{}#{name}", guest::API), &trial.words).expect("no trap");
                let end = guest::RETURN as usize + trial.image.len();
                let have = &subject.memory()[guest::RETURN as usize..end];
                assert!(have == trial.image, "{name} on {engine}");
                calls += 1;
            }
            trial.oracle.peek();
        }
    }
    assert_eq!(calls, 24 * 12 * 2);
}
