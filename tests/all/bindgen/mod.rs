//! Generated C: the same from WIT and WITX, made of nothing but its own tokens, and complete or refused.
//!
//! What needs a C compiler is `cargo xtask bindgen-c`, which has [`written`] write the sources that it compiles.

pub(crate) mod corpus;
mod lexer;
mod names;
mod words;

use crate::{golden, root};
use corpus::{ALLOCATIONS, C_ENGINES, built_in, options, sample};
use lowlift::abi::{Abi, Forms, ImportName, Names, Table, cm32p2_export, world_functions};
use lowlift::bindgen::{Allocation, Engine, Generated, Language, Options, Plan, generate};
use lowlift::diagnostic::Code;
use lowlift::link::{NameFile, NameMap};
use lowlift::witx::{Derivation, Reading, print, read};

/// What the printed WITX of `derivation` is read as.
fn reread(derivation: &Derivation) -> Derivation {
    match read(&print(&derivation.document)).expect("derived WITX is read back") {
        Reading::Derived(derivation) => *derivation,
        Reading::Plain(_) => panic!("derived WITX is read as derived"),
    }
}

fn omitting(engine: Engine, allocation: Allocation) -> Options {
    Options { omit_refused: true, ..options(engine, allocation) }
}

#[test]
fn wit_and_its_witx_give_the_same_bytes() {
    for derivation in corpus::all(10) {
        let again = reread(&derivation);
        for engine in C_ENGINES {
            for allocation in ALLOCATIONS {
                let options = omitting(engine, allocation);
                let (a, b) = (generate(&derivation, &options), generate(&again, &options));
                let (a, b) = (a.expect("generated"), b.expect("generated"));
                assert_eq!(a.files, b.files, "{} for {}", derivation.document.title, engine.name());
                assert_eq!(a.report.abi_hash, b.report.abi_hash);
            }
        }
    }
}

#[test]
fn the_sample_is_golden() {
    for (engine, allocation) in [
        (Engine::None, Allocation::Reentrant),
        (Engine::Wamr, Allocation::Reentrant),
        (Engine::Wasm3, Allocation::Arena),
    ] {
        let generated = generate(&sample(), &options(engine, allocation)).expect("generated");
        for (name, text) in &generated.files {
            golden(&root("fixtures/bindgen").join(engine.name()).join(name), text);
        }
    }
}

#[test]
fn every_function_has_a_stub_or_a_reason() {
    for derivation in corpus::all(10) {
        let functions = derivation.rebuilt.functions(&derivation.document).count();
        let options = omitting(Engine::None, Allocation::None);
        let plan = Plan::of(&derivation, &options).expect("planned");
        let reallocs = derivation.document.functions().filter(|(_, f)| f.name.ends_with("_realloc")).count();
        assert_eq!(plan.stubs.len() + plan.calls.len() + plan.omitted.len() + reallocs, functions);
        let Generated { files, .. } = generate(&derivation, &options).expect("generated");
        for stub in &plan.stubs {
            let field = stub.name.name.as_str();
            assert!(files[1].1.contains(&format!("\"{field}\", ")), "{field} is in no table");
        }
        assert_eq!(files[1].1.matches("_stub(").count(), plan.stubs.len(), "{}", derivation.document.title);
    }
}

#[test]
fn all_refusals_of_a_profile_are_listed() {
    let derivation = built_in("wasi:cli@0.2.12", None);
    let error = generate(&derivation, &options(Engine::Wamr, Allocation::None)).expect_err("some allocate");
    assert_eq!(error.code, Code::BindgenAllocation);
    let mut refused: Vec<&str> = std::iter::once(&*error).chain(&error.others).map(|e| e.facts[0].1.as_str()).collect();
    refused.sort_unstable();
    let allocating = derivation.document.functions().filter(|(_, f)| f.needs.realloc);
    let mut wanted: Vec<String> = allocating.map(|(m, f)| format!("{} {}", m.core_name, f.name)).collect();
    wanted.sort_unstable();
    assert_eq!(refused, wanted);
    let generated = generate(&derivation, &omitting(Engine::Wamr, Allocation::None)).expect("the rest");
    assert_eq!(generated.report.omitted.len(), wanted.len());
    assert!(generated.files[0].1.contains("Left out: wasi:cli/environment@0.2.12 get-arguments"));
    for allocation in [Allocation::Reentrant, Allocation::Arena] {
        let generated = generate(&derivation, &options(Engine::Toywasm, allocation)).expect("generated");
        assert_eq!(generated.report.omitted.len(), 0);
    }
}

#[test]
fn asynchronous_functions_are_refused() {
    let derivation = built_in("wasi:clocks@0.3.2", None);
    let error =
        generate(&derivation, &options(Engine::Wamr, Allocation::Reentrant)).expect_err("some are asynchronous");
    assert_eq!(error.code, Code::BindgenAsync);
    let rust = Options { language: Language::Rust, ..options(Engine::Wamr, Allocation::Reentrant) };
    assert_eq!(generate(&derivation, &rust).expect_err("WAMR is bound in C").code, Code::Usage);
}

/// The file of a host gives a guest the names that the host's tables have, and refuses a guest of another host.
#[test]
fn guests_are_linked_with_the_names_of_their_host() {
    let short = |allocation| Options { names: Some(NameMap::Short), ..options(Engine::None, allocation) };
    let file = |derivation: &Derivation, options: &Options| {
        let names = generate(derivation, options).expect("generated").names;
        NameFile::parse("names.toml", &names).unwrap_or_else(|e| panic!("{}: {names}", e.message))
    };
    let proxy = built_in("wasi:http@0.2.12", Some("proxy"));
    let options = short(Allocation::Reentrant);
    let host = file(&proxy, &options);
    let plan = Plan::of(&proxy, &options).expect("planned");
    let component = crate::guest("http-hello-rust");
    let with = |file: &NameFile| {
        let names = Some(NameMap::File(file.clone()));
        lowlift::link::link(&component, lowlift::link::Options { names, ..Default::default() })
    };
    let linked = with(&host).expect("links");
    let table = linked.report.names.expect("renamed");
    let survey = lowlift::adapt::survey(&linked.wasm).expect("valid");
    assert!(!survey.imports.is_empty() && survey.imports.len() < plan.stubs.len());
    for ((name, item), entry) in survey.imports.iter().zip(&table.imports) {
        let stub = plan.stubs.iter().find(|stub| stub.name == *name).expect("the host has it");
        assert_eq!((&stub.module.core_name, &stub.func.name), (&entry.module, &entry.name));
        assert_eq!(*item, lowlift::adapt::Item::Func(Some(stub.abi.core.clone())));
    }
    for call in plan.calls.iter().filter(|call| call.func.name.contains("#handle") && !call.name.is_empty()) {
        let exported = table.exports.iter().find(|entry| entry.name == call.func.name);
        assert!(exported.is_none_or(|entry| entry.new_name == call.name), "{}", call.name);
    }
    assert!(table.exports.iter().any(|entry| entry.name.ends_with("#handle") && entry.new_name.starts_with('e')));
    let error = with(&file(&sample(), &short(Allocation::Reentrant))).expect_err("another host");
    assert_eq!(error.code, Code::NameMapInvalid);
    assert!(error.message.starts_with("the host `demo:shelf/shelf@1.2.3` has no function `wasi:"), "{}", error.message);
    // The same names again, and a host that has changed.
    let named = |derivation: &Derivation, file: &NameFile| {
        generate(derivation, &Options { names: Some(NameMap::File(file.clone())), ..options.clone() })
    };
    assert_eq!(named(&proxy, &host).expect("generated").names, generate(&proxy, &options).expect("generated").names);
    let command = built_in("wasi:cli@0.2.12", Some("command"));
    assert_eq!(named(&command, &host).expect_err("not its names").code, Code::NameMapInvalid);
    // A guest may name its region.
    let arena = generate(&sample(), &short(Allocation::Arena)).expect("generated").names;
    assert!(arena.contains("\n\"lowlift arena\" = \"lowlift arena\"\n"), "{arena}");
    file(&sample(), &short(Allocation::Arena));
    // Whatever a name holds is read back.
    let mut document = sample().document;
    document.files[0].modules[0].core_name = "a \"quote\" \\ \n \u{7f} \u{85} é".to_owned();
    let derivation = Derivation::of(document).expect("whole");
    file(&derivation, &short(Allocation::Reentrant));
}

#[test]
fn the_hash_is_of_the_abi_alone() {
    let hash =
        |derivation: &Derivation, options: &Options| generate(derivation, options).expect("generated").report.abi_hash;
    let derivation = sample();
    let one = hash(&derivation, &options(Engine::Wamr, Allocation::Reentrant));
    assert_eq!(one, hash(&derivation, &options(Engine::None, Allocation::Arena)));
    let prefixed = Options { prefix: Some("firmware".to_owned()), ..options(Engine::Wamr, Allocation::Reentrant) };
    assert_eq!(one, hash(&derivation, &prefixed));
    let undocumented = Derivation::of(derivation.document.clone().without_docs()).expect("whole");
    assert_eq!(one, hash(&undocumented, &options(Engine::Wamr, Allocation::Reentrant)));
    assert_ne!(one, hash(&built_in("wasi:io@0.2.12", None), &options(Engine::Wamr, Allocation::Reentrant)));
}

#[test]
fn name_maps_rename_the_tables() {
    let derivation = sample();
    let source = |names: NameMap| {
        let options = Options { names: Some(names), ..options(Engine::None, Allocation::Reentrant) };
        generate(&derivation, &options).map(|generated| generated.files[1].1.clone())
    };
    let short = source(NameMap::Short).expect("generated");
    assert!(short.contains("{\"h\", \"f0\", ") && short.contains("{\"cabi_realloc\", "), "{short}");
    let canonical = source(NameMap::Cm32p2).expect("generated");
    assert!(canonical.contains("{\"cm32p2|demo:shelf/books@1\", \"") && canonical.contains("{\"cm32p2_realloc\", "));
    let file = |text: &str| NameMap::File(NameFile::parse("names.toml", text).expect("TOML"));
    let renamed =
        source(file("[imports]\n\"demo:shelf/books@1.2.3 count\" = \"env book_count\"\n")).expect("generated");
    assert!(renamed.contains("{\"env\", \"book_count\", "));
    let error = source(file("[imports]\n\"demo:shelf/books@1.2.3 cuont\" = \"env c\"\n")).expect_err("no such import");
    assert_eq!(error.code, Code::NameMapInvalid);
}

/// The names that the scheme gives to a world are those that follow from its other names.
#[test]
fn canonical_names_follow_from_legacy_ones() {
    for loaded in corpus::loaded() {
        let mut table = Table::new(&loaded.resolve);
        let worlds: Vec<_> = loaded.packages.iter().flat_map(|&p| loaded.resolve.packages[p].worlds.values()).collect();
        for &world in worlds {
            let mut functions =
                |names| world_functions(&mut table, world, Abi { names, forms: Forms::Sync }).expect("listed");
            let (legacy, canonical) = (functions(Names::Legacy), functions(Names::Cm32p2));
            assert_eq!(legacy.len(), canonical.len());
            for (old, new) in legacy.iter().zip(&canonical) {
                let renamed = match old.name.module.is_empty() {
                    true => ImportName { module: String::new(), name: cm32p2_export(&old.name.name) },
                    false => old.name.to_cm32p2(),
                };
                assert_eq!(renamed, new.name);
            }
        }
    }
}

/// Not a test: `cargo xtask bindgen-c` has it write what a compiler is to judge, into a folder for each case, with a file
/// that compares the ABI table's numbers with the compiler's.
#[test]
#[ignore = "writes the sources that `cargo xtask bindgen-c` compiles"]
fn written() {
    let folder = std::env::var_os("LOWLIFT_BINDGEN_OUT").expect("`cargo xtask bindgen-c` says where");
    corpus::write(folder.as_ref());
}
