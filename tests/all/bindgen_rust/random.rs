//! Made-up interfaces, for generated code to be compiled and run by `cargo xtask bindgen-rust`: this writes the bindings, a
//! host that gives back what it gets, a guest that passes it on, and what becomes of calls under the component model.

use super::hostile::{judged, spoil, val};
use super::oracle::Oracle;
use super::{ENGINES, Trial, derivation, guest, options, text};
use crate::random::Xorshift;
use lowlift::bindgen::{Allocation, Engine, Options, Plan, generate};
use lowlift::diagnostic::Code;
use lowlift::witx::Derivation;
use std::fmt::Write;
use std::path::Path;
use wasmtime::component::Val;

/// Functions of a world, and calls of each: honest, and with spoiled words and memory.
const FUNCTIONS: usize = 8;
const CALLS: [usize; 2] = [4, 12];

/// Where results go there is no more room.
const MAX_RESULT: u32 = guest::LOG - guest::RETURN;

const LEAVES: [&str; 13] =
    ["bool", "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "char", "string"];
const KEYS: [&str; 6] = ["string", "u8", "s64", "char", "bool", "u16"];

/// A WIT in the making.
struct Maker<'r> {
    random: &'r mut Xorshift,
    /// Types with names, the innermost first.
    types: Vec<String>,
    /// How many types may still come.
    budget: usize,
}

impl Maker<'_> {
    fn some(&mut self, most: usize, depth: usize) -> Vec<String> {
        (0..=self.random.below(most)).map(|_| self.ty(depth)).collect()
    }

    fn maybe(&mut self, depth: usize) -> Option<String> {
        (self.random.below(3) > 0).then(|| self.ty(depth))
    }

    /// A type, in WIT.
    fn ty(&mut self, depth: usize) -> String {
        self.budget = self.budget.saturating_sub(1);
        if depth == 0 || self.budget == 0 || self.random.below(4) == 0 {
            return LEAVES[self.random.below(LEAVES.len())].to_owned();
        }
        let depth = depth - 1;
        match self.random.below(12) {
            0 | 1 => format!("list<{}>", self.ty(depth)),
            2 => format!("list<{}, {}>", self.ty(depth), 1 + self.random.below(4)),
            3 => format!("option<{}>", self.ty(depth)),
            4 => match (self.maybe(depth), self.maybe(depth)) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{ok}>"),
                (ok, Some(error)) => format!("result<{}, {error}>", ok.unwrap_or("_".to_owned())),
            },
            5 if self.random.below(4) == 0 => format!("tuple<{}>", vec![self.ty(0); 13].join(", ")),
            5 => format!("tuple<{}>", self.some(4, depth).join(", ")),
            6 => format!("map<{}, {}>", KEYS[self.random.below(KEYS.len())], self.ty(depth)),
            _ => self.named(depth),
        }
    }

    /// A type that has a name: the name.
    fn named(&mut self, depth: usize) -> String {
        if !self.types.is_empty() && self.random.below(4) == 0 {
            return format!("t{}", self.random.below(self.types.len()));
        }
        let names = |prefix: char, count: usize| (0..count).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
        let (kind, parts) = match self.random.below(5) {
            0 => {
                let parts = self.some(5, depth).into_iter().enumerate();
                ("record", parts.map(|(i, ty)| format!("f{i}: {ty}")).collect())
            }
            1 | 2 => {
                let cases = 1 + self.random.below(6);
                let case = |i| self.maybe(depth).map_or(format!("c{i}"), |ty| format!("c{i}({ty})"));
                ("variant", (0..cases).map(case).collect())
            }
            3 => ("enum", names('e', if self.random.below(8) == 0 { 257 } else { 1 + self.random.below(9) })),
            _ => ("flags", names('b', 1 + self.random.below(32))),
        };
        let name = format!("t{}", self.types.len());
        self.types.push(format!("{kind} {name} {{ {} }}", parts.join(", ")));
        name
    }

    /// A function that can give back what it gets.
    fn function(&mut self, name: &str) -> String {
        self.budget = 12;
        let params = if self.random.below(12) == 0 { Vec::new() } else { self.some(4, 3) };
        let result = match params.as_slice() {
            [] => String::new(),
            [one] => format!(" -> {one}"),
            many => format!(" -> tuple<{}>", many.join(", ")),
        };
        let params: Vec<String> = PARAMS.iter().zip(&params).map(|(name, ty)| format!("{name}: {ty}")).collect();
        format!("{name}: func({}){result};", params.join(", "))
    }
}

const PARAMS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A world, with the names of the one whose oracle this uses.
fn wit(random: &mut Xorshift) -> String {
    let mut maker = Maker { random, types: Vec::new(), budget: 0 };
    let functions: Vec<String> = (0..FUNCTIONS).map(|i| maker.function(&format!("f{i}"))).collect();
    let items = maker.types.into_iter().chain(functions);
    let items: String = items.map(|item| format!("  {item}\n")).collect();
    format!(
        "package test:every@1.2.3;\ninterface api {{\n{items}}}\nworld every {{\n  import api;\n  export api;\n}}\n"
    )
}

/// A world that fits the guest's memory.
fn world(random: &mut Xorshift) -> (String, Derivation) {
    loop {
        let wit = wit(random);
        let derivation = derivation(&wit, Some("every"));
        let options = options(Engine::Wasmi, Allocation::Reentrant);
        let Ok(plan) = Plan::of(&derivation, &options) else { continue };
        let large = |id| plan.layouts().get(id).size > MAX_RESULT;
        let results = guest::api(&plan).filter_map(|stub| stub.abi.signature.as_ref()?.result);
        if !results.into_iter().any(large) {
            return (wit, derivation);
        }
    }
}

/// A host in Rust: the signatures are those of the trait, the bodies give the parameters back.
fn host(bindings: &str) -> String {
    let body =
        bindings.split_once("pub trait Host {\n").expect("a trait").1.split_once("\n            }\n").expect("ends").0;
    let mut out = String::new();
    for method in body.split("\n\n") {
        let lines = method.lines().map(str::trim).filter(|line| !line.starts_with("///"));
        let declared = lines.collect::<Vec<_>>().join(" ");
        let given = PARAMS.iter().filter_map(|name| {
            let (_, ty) = declared.split_once(&format!(" {name}: "))?;
            Some(if ty.starts_with('&') { format!("{name}.to_owned()") } else { (*name).to_owned() })
        });
        let given: Vec<String> = given.collect();
        let value = if given.len() == 1 { given[0].clone() } else { format!("({})", given.join(", ")) };
        writeln!(out, "    {} {{ Ok({value}) }}", declared.trim_end_matches(';')).expect("text");
    }
    out
}

/// A call of the guest, and what becomes of it: `export mode top words given wanted`.
fn line(out: &mut String, export: &str, mode: u32, words: &[u64], given: &[u8], wanted: Option<&[u8]>) {
    let words: Vec<String> = words.iter().map(|word| format!("{word:x}")).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let wanted = wanted.map_or("trap".to_owned(), hex);
    writeln!(out, "{export} {mode} ={} ={} {wanted}", words.join(","), hex(given)).expect("text");
}

/// Calls of all functions, and what the component model makes of them.
fn calls(wit: &str, derivation: &Derivation, random: &mut Xorshift) -> String {
    let options = options(Engine::Wasmi, Allocation::Reentrant);
    let plan = Plan::of(derivation, &options).expect("a plan");
    let oracle = Oracle::new(wit, &plan);
    let mut out = String::new();
    for stub in guest::api(&plan) {
        let (name, cores) = (stub.func.name.as_str(), guest::words(stub));
        for i in 0..CALLS[0] + CALLS[1] {
            let trial = Trial::honest(&oracle, name, cores.len(), random);
            let (mut words, mut given) = (trial.words.clone(), trial.given());
            if i < CALLS[0] {
                line(&mut out, &format!("{}#{name}", guest::API), 0, &words, &given, Some(&trial.image));
                continue;
            }
            spoil(random, &mut words, &mut given);
            let mode = if random.below(4) == 0 { random.below(5) as u32 } else { 0 };
            let args: Vec<Val> = cores.iter().zip(&words).map(|(core, word)| val(*core, *word)).collect();
            let wanted = judged(oracle.instantiate(), name, &args, &given, mode);
            line(&mut out, &format!("raw-{name}"), mode, &words, &given, wanted.as_deref());
        }
    }
    out
}

/// Writes a world, and gives the text that runs it.
fn write_world(folder: &Path, number: usize, random: &mut Xorshift) -> String {
    let (wit, derivation) = world(random);
    let write = |name: String, text: &[u8]| std::fs::write(folder.join(name), text).expect("the folder is writable");
    write(format!("w{number}.wit"), wit.as_bytes());
    write(format!("w{number}.calls"), calls(&wit, &derivation, random).as_bytes());
    let mut index = String::new();
    for engine in ENGINES {
        let options = options(engine, Allocation::Reentrant);
        let bindings = text(&derivation, &options);
        let plan = Plan::of(&derivation, &options).expect("a plan");
        write(format!("w{number}.wasm"), &wat::parse_str(guest::module(&plan)).expect("a module"));
        let module = format!("w{number}_{}", engine.name());
        write(format!("{module}.rs"), bindings.as_bytes());
        writeln!(
            index,
            "{module}, on_{}, {:?}, {:?}; {{\n{}}}",
            engine.name(),
            folder.join(format!("{module}.rs")),
            folder.join(format!("w{number}")),
            host(&bindings)
        )
        .expect("text");
    }
    index
}

/// Writes `random.rs` and all that it includes.
fn write(folder: &Path, seed: u64, worlds: usize) {
    std::fs::create_dir_all(folder).expect("the folder is writable");
    let mut random = Xorshift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let index: String = (0..worlds).map(|number| write_world(folder, number, &mut random)).collect();
    std::fs::write(folder.join("random.rs"), format!("worlds! {{\n{index}}}\n")).expect("the folder is writable");
}

#[test]
fn made_up_worlds_have_calls_of_both_outcomes() {
    let mut random = Xorshift(0x00dd_ba11);
    let (wit, derivation) = world(&mut random);
    let calls = calls(&wit, &derivation, &mut random);
    let traps = calls.lines().filter(|line| line.ends_with(" trap")).count();
    assert_eq!(calls.lines().count(), FUNCTIONS * (CALLS[0] + CALLS[1]));
    assert!(traps > 10 && traps < FUNCTIONS * CALLS[1], "{traps}");
    for engine in ENGINES {
        let text = text(&derivation, &options(engine, Allocation::Reentrant));
        assert_eq!(host(&text).lines().count(), FUNCTIONS, "{text}");
    }
}

/// Writes Rust for all of the corpus of generated C, a folder for each engine and way to allocate; `corpus.rs` includes it.
fn write_corpus(folder: &Path, seeds: u64) {
    let all = crate::bindgen::corpus::all(seeds);
    for engine in ENGINES {
        for allocation in [Allocation::Reentrant, Allocation::Arena, Allocation::None] {
            let folder = folder.join(format!("{}-{}", engine.name(), allocation.name()));
            std::fs::create_dir_all(&folder).expect("the folder is writable");
            let mut index = String::new();
            for (number, derivation) in all.iter().enumerate() {
                let options = Options { omit_refused: true, ..options(engine, allocation) };
                let file = folder.join(format!("c{number}.rs"));
                match generate(derivation, &options) {
                    Ok(generated) => std::fs::write(&file, &generated.files[0].1).expect("the folder is writable"),
                    Err(refused) => {
                        assert_eq!(refused.code, Code::BindgenUnsupported);
                        continue;
                    }
                }
                writeln!(index, "mod c{number} {{ include!({file:?}); }}").expect("text");
            }
            std::fs::write(folder.join("corpus.rs"), index).expect("the folder is writable");
        }
    }
}

#[test]
#[ignore = "for `cargo xtask bindgen-rust`"]
fn written() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let folder = std::env::var_os("LOWLIFT_BINDGEN_OUT").expect("`cargo xtask bindgen-rust` says where");
    let (folder, seed) = (Path::new(&folder), number("LOWLIFT_BINDGEN_SEED").unwrap_or(0));
    write(&folder.join("random"), seed, number("LOWLIFT_BINDGEN_WORLDS").unwrap_or(10) as usize);
    write_corpus(&folder.join("corpus"), number("LOWLIFT_BINDGEN_SEEDS").unwrap_or(12));
}
