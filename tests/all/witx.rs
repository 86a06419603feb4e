//! Derived WITX, judged by the `witx` crate and by `wit-parser`.

use crate::{golden, root};
use lowlift::diagnostic::Code;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in, built_in_packages, load, select_world};
use lowlift::witx::{Counts, PrintOptions, Scope, derive, print, verify, verify_table};

fn text(wit: &str) -> Loaded {
    let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.to_owned() }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    load(&sources, &Gates::default()).expect("the WIT is valid")
}

fn verified(loaded: &Loaded, scope: &Scope) -> (Counts, Vec<(String, String)>) {
    let document = derive(&loaded.resolve, scope).expect("derives");
    let files = print(&document, PrintOptions { docs: false });
    let counts = verify(&loaded.resolve, scope, &document, &files).expect("verifies");
    (counts, files)
}

#[test]
fn every_function_of_wasi_0_2_12_is_derived_and_proven() {
    let mut functions = 0;
    for package in built_in_packages() {
        let loaded = built_in(&package, &Gates::default()).expect("built in");
        functions += verified(&loaded, &Scope::Packages(loaded.packages.clone())).0.functions;
    }
    assert_eq!(functions, 177);
    let all = built_in("wasi", &Gates::default()).expect("built in");
    let (counts, _) = verified(&all, &Scope::Packages(all.packages.clone()));
    assert_eq!((counts.functions, counts.intrinsics, counts.resources), (177, 25, 25));
    let gated = built_in("wasi", &Gates { features: Vec::new(), all: true }).expect("built in");
    assert_eq!(verified(&gated, &Scope::Packages(gated.packages.clone())).0.functions, 181);
}

#[test]
fn the_checked_in_files_are_fresh() {
    let all = built_in("wasi", &Gates::default()).expect("built in");
    let (_, files) = verified(&all, &Scope::Packages(all.packages.clone()));
    let folder = root("witx-out/wasi-0.2.12");
    for (name, text) in &files {
        golden(&folder.join(name), text);
    }
    let kept = std::fs::read_dir(&folder).expect("the folder exists").count();
    assert_eq!(kept, files.len(), "files that are no longer derived");
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
    let (_, files) = verified(&loaded, &Scope::World(world));
    for (name, text) in files {
        golden(&root("fixtures/witx/kinds").join(name), &text);
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
        let outcome = load(&sources, &Gates::default())
            .and_then(|loaded| derive(&loaded.resolve, &Scope::Packages(loaded.packages.clone())).map(|_| ()));
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
    let document = derive(&loaded.resolve, &scope).expect("derives");
    let files = print(&document, PrintOptions { docs: false });
    verify(&loaded.resolve, &scope, &document, &files).expect("as derived");
    for (from, to) in [
        ("(param $a u64)", "(param $a u32)"),
        ("(param $b string)", "(param $b u32)"),
        ("(export \"g\")", "(export \"h\")"),
        ("(field $x u8)", "(field $x u64)"),
        ("(field $y u32)", "(field $y u16)"),
    ] {
        let changed: Vec<_> = files.iter().map(|(n, t)| (n.clone(), t.replacen(from, to, 1))).collect();
        assert_ne!(files, changed, "{from} stands in the text");
        let error = verify(&loaded.resolve, &scope, &document, &changed).expect_err(from);
        assert_eq!(error.code, Code::WitxVerify, "{from}: {error}");
    }
}
