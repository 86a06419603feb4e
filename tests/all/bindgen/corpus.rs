//! What C is generated from: all of WASI 0.2.12, every kind of type, names that are no names, and made-up packages.

use super::names::{corrupted, evil};
use super::words::package;
use crate::random::Xorshift;
use crate::root;
use arbitrary::Unstructured;
use lowlift::bindgen::{Allocation, Engine, Language, Options, generate};
use lowlift::diagnostic::Code;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in as load_built_in, load};
use lowlift::witx::{self, Derivation, Scope};
use std::path::Path;

pub(super) const C_ENGINES: [Engine; 6] =
    [Engine::None, Engine::Wamr, Engine::Wasm3, Engine::WasmCApi, Engine::Toywasm, Engine::Wasm2c];
pub(super) const ALLOCATIONS: [Allocation; 3] = [Allocation::Reentrant, Allocation::Arena, Allocation::None];

pub(super) fn options(engine: Engine, allocation: Allocation) -> Options {
    Options { language: Language::C, engine, allocation, names: None, prefix: None, omit_refused: false }
}

/// The small WIT whose output is kept.
pub(super) fn sample() -> Derivation {
    world(&file("fixtures/bindgen/shelf.wit"), "shelf")
}

fn file(path: &str) -> Loaded {
    let text = std::fs::read_to_string(root(path)).expect("a fixture");
    parse(path, text)
}

pub(super) fn parse(path: &str, text: String) -> Loaded {
    let main = vec![WitFile { path: path.to_owned(), text }];
    load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default()).expect("WIT")
}

fn derive(loaded: &Loaded, scope: Scope) -> Option<Derivation> {
    let derived = witx::derive(&loaded.resolve, &scope, &witx::Options::default()).ok()?;
    Some(Derivation::of(derived.document).expect("what was derived is whole"))
}

pub(super) fn world(loaded: &Loaded, name: &str) -> Derivation {
    let world = lowlift::wit::select_world(loaded, Some(name)).expect("a world");
    derive(loaded, Scope::World(world)).expect("derived")
}

/// A built-in package, or a world of it.
pub(super) fn built_in(package: &str, name: Option<&str>) -> Derivation {
    let loaded = load_built_in(package, &Gates::default()).expect("built in");
    match name {
        Some(name) => world(&loaded, name),
        None => derive(&loaded, Scope::Packages(loaded.packages.clone())).expect("derived"),
    }
}

/// A made-up package.
fn made_up(seed: u64) -> Option<Loaded> {
    let mut random = Xorshift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.next().to_le_bytes()).take(1 << 10).flatten().collect();
    let mut input = Unstructured::new(&bytes);
    let config = input.arbitrary().ok()?;
    let wasm = wit_smith::smith(&config, &mut input).ok()?;
    let source = Sources::Binary { path: format!("seed-{seed}.wasm"), bytes: wasm };
    Some(load(&source, &Gates::default()).expect("what wit-smith makes is valid"))
}

const PACKAGES: [&str; 7] = [
    "wasi:io@0.2.12",
    "wasi:clocks@0.2.12",
    "wasi:random@0.2.12",
    "wasi:filesystem@0.2.12",
    "wasi:sockets@0.2.12",
    "wasi:cli@0.2.12",
    "wasi:http@0.2.12",
];

/// All that has worlds.
pub(super) fn loaded() -> Vec<Loaded> {
    let built_in = PACKAGES.iter().map(|package| load_built_in(package, &Gates::default()).expect("built in"));
    built_in.chain([file("fixtures/witx/kinds.wit"), file("fixtures/bindgen/shelf.wit")]).collect()
}

/// Everything, and of the made-up packages those of the first seeds.
pub(crate) fn all(seeds: u64) -> Vec<Derivation> {
    let mut all: Vec<Derivation> = PACKAGES.iter().map(|package| built_in(package, None)).collect();
    all.push(built_in("wasi", None));
    all.push(built_in("wasi:cli@0.2.12", Some("command")));
    all.push(built_in("wasi:http@0.2.12", Some("proxy")));
    all.push(sample());
    all.push(world(&file("fixtures/witx/kinds.wit"), "all"));
    let names = file("fixtures/witx/names.wit");
    all.push(world(&names, "try"));
    all.extend(derive(&names, Scope::Packages(names.packages.clone())));
    for loaded in (0..seeds).filter_map(made_up) {
        all.extend(derive(&loaded, Scope::Packages(loaded.packages.clone())));
        let worlds: Vec<_> = loaded.packages.iter().flat_map(|&p| loaded.resolve.packages[p].worlds.values()).collect();
        all.extend(worlds.into_iter().filter_map(|&world| derive(&loaded, Scope::World(world))));
    }
    all
}

/// Writes the sources of every case, engine and profile; and, for an engine and a profile each, those of names that want
/// to be code.
pub(super) fn write(folder: &Path) {
    let seeds = std::env::var("LOWLIFT_BINDGEN_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    hostile(folder, seeds);
    for (number, derivation) in all(seeds).iter().enumerate() {
        for engine in C_ENGINES {
            for allocation in ALLOCATIONS {
                let options =
                    Options { omit_refused: true, prefix: Some("gen".to_owned()), ..options(engine, allocation) };
                let generated = generate(derivation, &options).expect("generated");
                let place = folder.join(format!("{number:03}-{}-{}", engine.name(), allocation.name()));
                std::fs::create_dir_all(&place).expect("the folder is writable");
                for (name, text) in &generated.files {
                    std::fs::write(place.join(name), text).expect("the folder is writable");
                }
                if engine == Engine::None {
                    std::fs::write(place.join("layout.c"), layouts(derivation, &generated.files[0].1))
                        .expect("written");
                }
            }
        }
    }
}

fn hostile(folder: &Path, seeds: u64) {
    let mut random = Xorshift(seeds.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let words: Vec<Derivation> = (0..seeds * 4).map(|_| package(&mut random)).collect();
    for (number, derivation) in words.into_iter().chain(corrupted(&mut random, seeds)).enumerate() {
        let (engine, allocation) = (C_ENGINES[number % 6], ALLOCATIONS[number / 6 % 3]);
        // What an engine's version is told by has the prefix in its name.
        let prefix = if engine == Engine::None {
            Some(evil(&mut random)).filter(|_| number % 2 == 0)
        } else {
            Some("gen".to_owned())
        };
        let generated =
            match generate(&derivation, &Options { omit_refused: true, prefix, ..options(engine, allocation) }) {
                // Two functions of a module that share an evil name.
                Err(error) if error.code == Code::NameMapInvalid => continue,
                generated => generated.expect("generated"),
            };
        let place = folder.join(format!("hostile{number:03}-{}-{}", engine.name(), allocation.name()));
        std::fs::create_dir_all(&place).expect("the folder is writable");
        for (name, text) in &generated.files {
            std::fs::write(place.join(name), text).expect("the folder is writable");
        }
    }
}

/// A program that prints the compiler's own numbers for every struct, one line each, and the ABI table's in comments for
/// `xtask` to compare: `struct size align offset…`.
fn layouts(derivation: &Derivation, header: &str) -> String {
    use lowlift::abi::Kind;
    use std::fmt::Write;
    let mut wanted = String::new();
    let mut program = String::new();
    // The structs of the header, in its order: their names and members are the header's, the numbers are the table's.
    let mut structs = super::lexer::structs(header).into_iter();
    for ty in &derivation.document.types {
        let Some(id) = derivation.rebuilt.by_id(&ty.id) else { continue };
        let layout = derivation.rebuilt.layouts.get(id);
        let is_alias = matches!(ty.kind, witx::TypeKind::Alias | witx::TypeKind::Map | witx::TypeKind::Enum);
        let offsets: Vec<u32> = match &layout.kind {
            _ if is_alias || layout.size > lowlift::bindgen::MAX_ON_STACK => continue,
            Kind::Record(fields) => fields.iter().map(|f| f.offset).collect(),
            Kind::Variant(v) if v.cases.iter().any(|c| c.ty.is_some()) => vec![0, v.payload],
            Kind::Variant(_) | Kind::FixedList(..) => vec![0],
            _ => continue,
        };
        let (name, members) = loop {
            let next = structs.next().expect("every type has its struct");
            // The entry of a map has no typename.
            if !next.0.starts_with("gen_entry_") {
                break next;
            }
        };
        assert_eq!(members.len(), offsets.len(), "{name}: {members:?}");
        let shown: Vec<String> = offsets.iter().map(ToString::to_string).collect();
        let _ = writeln!(wanted, "// {name} {} {} {}", layout.size, layout.align, shown.join(" "));
        let _ = write!(program, "    printf(\"{name} %u %u\", (unsigned)sizeof({name}), ");
        let bare = name.strip_suffix("_t").unwrap_or(&name);
        let _ = writeln!(program, "(unsigned)offsetof(struct {bare}_align, v));");
        for member in &members {
            let _ = writeln!(program, "    printf(\" %u\", (unsigned)offsetof({name}, {member}));");
        }
        program.push_str("    printf(\"\\n\");\n");
    }
    format!("#include <stdio.h>\n#include \"gen.h\"\n{wanted}int main(void) {{\n{program}    return 0;\n}}\n")
}
