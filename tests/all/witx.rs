//! Derived WITX, judged by the `witx` crate and by `wit-parser`.

use crate::{golden, root};
use lowlift::abi::{Abi, Forms, Names};
use lowlift::diagnostic::Code;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in, built_in_packages, load, select_world};
use lowlift::witx::{Counts, Options, Scope, derive, print, verify, verify_table};

fn text(wit: &str) -> Loaded {
    let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.to_owned() }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    load(&sources, &Gates::default()).expect("the WIT is valid")
}

fn verified(loaded: &Loaded, scope: &Scope) -> (Counts, Vec<(String, String)>) {
    verified_as(loaded, scope, Names::Legacy, Forms::Sync)
}

fn verified_as(loaded: &Loaded, scope: &Scope, names: Names, forms: Forms) -> (Counts, Vec<(String, String)>) {
    let options = Options { abi: Abi { names, forms }, aliases: Vec::new() };
    let mut derived = derive(&loaded.resolve, scope, &options).expect("derives");
    // With its documentation, too.
    verify(&loaded.resolve, scope, &derived, &print(&derived.document)).expect("verifies with docs");
    derived.document = derived.document.without_docs();
    let files = print(&derived.document);
    let counts = verify(&loaded.resolve, scope, &derived, &files).expect("verifies");
    (counts, files)
}

pub(crate) fn release(version: &str) -> Loaded {
    built_in(&format!("wasi@{version}"), &Gates::default()).expect("built in")
}

#[test]
fn every_function_of_wasi_0_2_12_is_derived_and_proven() {
    let mut functions = 0;
    for package in built_in_packages().iter().filter(|name| name.ends_with("@0.2.12")) {
        let loaded = built_in(package, &Gates::default()).expect("built in");
        functions += verified(&loaded, &Scope::Packages(loaded.packages.clone())).0.functions;
    }
    assert_eq!(functions, 177);
    let all = release("0.2.12");
    let scope = Scope::Packages(all.packages.clone());
    for names in [Names::Legacy, Names::Canonical, Names::Cm32p2] {
        let (counts, _) = verified_as(&all, &scope, names, Forms::Sync);
        assert_eq!(
            (counts.functions, counts.intrinsics, counts.resources, counts.names),
            (177, 25, 25, 202),
            "{names:?}"
        );
    }
    let gated = built_in("wasi", &Gates { features: Vec::new(), all: true }).expect("built in");
    assert_eq!(verified(&gated, &Scope::Packages(gated.packages.clone())).0.functions, 181);
}

#[test]
fn every_function_of_wasi_0_3_2_is_derived_and_proven_in_every_form() {
    let all = release("0.3.2");
    let scope = Scope::Packages(all.packages.clone());
    // Functions, intrinsics, and the names that `wit-component` makes up for them.
    for (forms, wanted) in
        [(Forms::Sync, (127, 9, 136)), (Forms::Async, (127, 239, 366)), (Forms::All, (254, 366, 491))]
    {
        let (counts, _) = verified_as(&all, &scope, Names::Legacy, forms);
        assert_eq!((counts.functions, counts.intrinsics, counts.names), wanted, "{forms:?}");
        assert_eq!((counts.types, counts.offsets, counts.resources), (118, 115, 9), "{forms:?}");
    }
    let service = select_world(&all, Some("wasi:http/service@0.3.2")).expect("the world");
    let (counts, _) = verified_as(&all, &Scope::World(service), Names::Legacy, Forms::Async);
    assert_eq!((counts.functions, counts.intrinsics, counts.names), (51, 147, 198));
}

#[test]
fn the_checked_in_files_are_fresh() {
    for (version, forms, folder) in [
        ("0.2.12", Forms::Sync, "wasi-0.2.12"),
        ("0.3.2", Forms::Sync, "wasi-0.3.2"),
        ("0.3.2", Forms::Async, "wasi-0.3.2-async"),
    ] {
        let all = release(version);
        let (_, files) = verified_as(&all, &Scope::Packages(all.packages.clone()), Names::Legacy, forms);
        let folder = root("witx-out").join(folder);
        for (name, text) in &files {
            golden(&folder.join(name), text);
        }
        let kept = std::fs::read_dir(&folder).expect("the folder exists").count();
        assert_eq!(kept, files.len(), "files that are no longer derived");
    }
}

#[test]
fn the_abi_table_agrees_with_wit_parser() {
    let all = built_in("wasi", &Gates { features: Vec::new(), all: true }).expect("built in");
    assert!(verify_table(&all.resolve).expect("equal") > 600);
}

#[test]
fn every_kind_of_type_has_the_layout_of_the_canonical_abi() {
    let wit = std::fs::read_to_string(root("fixtures/witx/kinds.wit")).expect("the fixture");
    let loaded = text(&wit);
    assert!(verify_table(&loaded.resolve).expect("equal") > 40);
    let world = select_world(&loaded, Some("all")).expect("the world");
    for (names, forms, folder) in [
        (Names::Legacy, Forms::Sync, "kinds"),
        (Names::Cm32p2, Forms::Sync, "kinds-cm32p2"),
        (Names::Legacy, Forms::All, "kinds-all"),
    ] {
        let (_, files) = verified_as(&loaded, &Scope::World(world), names, forms);
        for (name, text) in files {
            golden(&root("fixtures/witx").join(folder).join(name), &text);
        }
    }
}

#[test]
fn a_variant_that_witx_sizes_too_small_is_padded_within_its_bounds() {
    let loaded = text(
        "package a:b; interface i { variant v { wide(u64), long(tuple<u32, u32, u32, u32, u32, u32, u32>) } f: func() -> v; }",
    );
    let (counts, files) = verified(&loaded, &Scope::Packages(loaded.packages.clone()));
    assert_eq!(counts.functions, 1);
    // 8 bytes of tag, then 28 of the tuple: 40 in all. The payload that starts at 8 is widened to 32, not the tuple.
    assert!(files[0].1.contains("(case $wide (tuple u64 u64 u64 u64))"), "{}", files[0].1);
}

#[test]
fn what_witx_cannot_say_is_refused() {
    let flags: String = (0..33).map(|i| format!("f{i}, ")).collect();
    for (wit, code) in [
        (format!("package a:b; interface i {{ flags f {{ {flags} }} g: func() -> f; }}"), Code::NotExpressible),
        ("package a:b; interface i { type t = list<list<u64, 4000000000>, 2>; }".to_owned(), Code::LayoutOverflow),
    ] {
        let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.clone() }];
        let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
        let outcome = load(&sources, &Gates::default()).and_then(|loaded| {
            derive(&loaded.resolve, &Scope::Packages(loaded.packages.clone()), &Options::default()).map(|_| ())
        });
        let error = outcome.expect_err(&wit);
        assert!([code, Code::WitParse, Code::NotExpressible].contains(&error.code), "{wit}: {error}");
    }
}

/// The proof can fail: one changed type, one lost function, one moved field.
#[test]
fn a_difference_is_found() {
    let loaded =
        text("package a:b; interface i { record r { x: u8, y: u32 } f: func(a: u64, b: string) -> r; g: func(r: r); }");
    let scope = Scope::Packages(loaded.packages.clone());
    let derived = derive(&loaded.resolve, &scope, &Options::default()).expect("derives");
    let files = print(&derived.document);
    verify(&loaded.resolve, &scope, &derived, &files).expect("as derived");
    for (from, to) in [
        ("(param $a u64)", "(param $a u32)"),
        ("(param $b string)", "(param $b u32)"),
        ("(export \"g\")", "(export \"h\")"),
        ("(field $x u8)", "(field $x u64)"),
        ("(field $y u32)", "(field $y u16)"),
    ] {
        let changed: Vec<_> = files.iter().map(|(n, t)| (n.clone(), t.replacen(from, to, 1))).collect();
        assert_ne!(files, changed, "{from} stands in the text");
        let error = verify(&loaded.resolve, &scope, &derived, &changed).expect_err(from);
        assert_eq!(error.code, Code::WitxVerify, "{from}: {error}");
    }
}

#[test]
fn an_exported_resource_without_a_constructor_is_judged_in_every_form() {
    let wit = "package a:b; interface i { resource r; f: func(r: r) -> r; } world w { import i; export i; }";
    let loaded = text(wit);
    let world = Scope::World(select_world(&loaded, None).expect("the world"));
    for forms in [Forms::Sync, Forms::Async, Forms::All] {
        let (counts, _) = verified_as(&loaded, &world, Names::Legacy, forms);
        assert!(counts.names > 8, "{forms:?}");
    }
}

/// The mark that WIT wants before a keyword is no part of the name.
#[test]
fn a_world_may_be_called_like_a_keyword() {
    let text = "package %world:%import@1.0.0; world %func {} world other {}".to_owned();
    let main = vec![WitFile { path: "keyword.wit".to_owned(), text }];
    let loaded =
        load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default()).expect("WIT");
    for name in ["func", "%func", "world:import/func", "world:import/func@1.0.0"] {
        let world = select_world(&loaded, Some(name)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(loaded.resolve.worlds[world].name, "func");
    }
    for name in ["func2", "", "@", "%", "%%func", "a/b/c", "world:import/func@2.0.0"] {
        assert!(select_world(&loaded, Some(name)).is_err(), "{name}");
    }
}
