//! What changed between two WITs, for a guest that was built against the first and runs on a host of the second.

use crate::{guest, root};
use lowlift::abi::{Abi, Forms, Names};
use lowlift::adapt::survey;
use lowlift::check::{Change, Verdict, breaks, diff, verdict};
use lowlift::diagnostic::Code;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in, load, select_world};
use lowlift::witx::{Derivation, Options, Reading, Scope, derive, print, read};
use std::collections::BTreeSet;

mod layouts;
mod modules;

fn loaded(wit: &str) -> Loaded {
    let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.to_owned() }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    load(&sources, &Gates::default()).expect("the WIT is valid")
}

fn derivation(loaded: &Loaded, scope: &Scope, options: &Options) -> Derivation {
    let derived = derive(&loaded.resolve, scope, options).expect("derives");
    match read(&print(&derived.document)).expect("reads") {
        Reading::Derived(derivation) => *derivation,
        Reading::Plain(_) => panic!("derived WITX is known as such"),
    }
}

/// The only world if there is one, else all interfaces.
fn of(wit: &str) -> Derivation {
    let loaded = loaded(wit);
    let scope = match select_world(&loaded, None) {
        Ok(world) => Scope::World(world),
        Err(_) => Scope::Packages(loaded.packages.clone()),
    };
    derivation(&loaded, &scope, &Options::default())
}

fn changes(old: &str, new: &str) -> Vec<Change> {
    diff(&of(old), &of(new))
}

/// A package of one interface `i`.
fn interface(items: &str) -> String {
    format!("package a:b@1.0.0; interface i {{ {items} }}")
}

/// Verdict, code, item, and the first byte with its part, of each change between two interfaces.
fn told(old: &str, new: &str) -> Vec<String> {
    lines(&changes(&interface(old), &interface(new)))
}

fn lines(changes: &[Change]) -> Vec<String> {
    let line = |c: &Change| {
        let first = c.first_byte.as_ref().map(|f| format!(" @{} {}", f.offset, f.part)).unwrap_or_default();
        format!("{} {} {}{first}", c.verdict.name(), c.code, c.item).trim_end().to_owned()
    };
    changes.iter().map(line).collect()
}

/// Old and new text of the only change.
fn words(old: &str, new: &str) -> (String, String) {
    let changes = changes(&interface(old), &interface(new));
    let [change] = changes.as_slice() else { panic!("one change: {changes:?}") };
    (change.old.clone().unwrap_or_default(), change.new.clone().unwrap_or_default())
}

#[test]
fn functions_come_and_go() {
    assert_eq!(told("f: func(); g: func();", "f: func();"), ["breaking LL0701 g"]);
    assert_eq!(told("f: func();", "f: func(); g: func();"), ["additive LL0702 g"]);
    assert_eq!(told("f: func(a: u32);", "f: func(a: u64);"), ["breaking LL0703 f"]);
    assert_eq!(words("f: func(a: u32);", "f: func(a: u64);"), ("(i32) -> ()".into(), "(i64) -> ()".into()));
}

#[test]
fn exports_are_the_other_way_round() {
    let world = |items: &str| format!("package a:b; interface i {{ f: func(); }} world w {{ {items} }}");
    let told = |old: &str, new: &str| lines(&changes(&world(old), &world(new)));
    assert_eq!(told("export f: func();", ""), ["none LL0701 export f"]);
    assert_eq!(told("", "export f: func();"), ["breaking LL0702 export f"]);
    assert_eq!(told("export i;", ""), ["none LL0701 export f"]);
    assert_eq!(told("", "export i;"), ["breaking LL0702 export f"]);
    assert_eq!(told("import f: func();", ""), ["breaking LL0701 f"]);
    assert_eq!(told("import i;", "import i; export i;"), ["breaking LL0702 export f"]);
    assert_eq!(told("import i; export i;", "export i; import i;"), [""; 0]);
    let exported = changes(&world("export f: func(a: u32);"), &world("export f: func(a: f32);"));
    assert_eq!((lines(&exported), exported[0].interface.as_str()), (vec!["breaking LL0703 export f".into()], "world"));
}

#[test]
fn needs_are_a_change_of_their_own() {
    // One pointer in, nothing out, both times: only what lies behind it allocates.
    let old = "record big { a: u64, b: u64, c: u64 } f: func() -> big;";
    let new = "record big { a: u64, b: string, c: u64 } f: func() -> big;";
    assert_eq!(told(old, new), ["breaking LL0706 f", "breaking LL0704 big @8 b"]);
    assert_eq!(told(new, old), ["breaking LL0704 big @8 b", "none LL0706 f"]);
}

#[test]
fn versions_match_by_their_track() {
    let of_version = |v: &str, items: &str| format!("package a:b@{v}; interface i {{ f: func(); {items} }}");
    let told = |old: &str, new: &str| lines(&changes(&of_version(old, ""), &of_version(new, "")));
    assert_eq!(told("0.2.0", "0.2.1"), ["none LL0705 a:b/i"]);
    assert_eq!(told("1.0.0", "1.7.0"), ["none LL0705 a:b/i"]);
    assert_eq!(told("0.2.0", "0.3.0"), ["breaking LL0705 a:b/i"]);
    assert_eq!(told("0.2.0", "0.2.0"), [""; 0]);
    let more = changes(&of_version("0.2.0", "g: func();"), &of_version("0.3.0", ""));
    assert_eq!(lines(&more), ["breaking LL0705 a:b/i", "breaking LL0701 g"]);
    assert_eq!(more[0].old.as_deref(), Some("a:b/i@0.2.0"));
}

#[test]
fn aliases_and_canonical_names_are_names_of_one_interface() {
    let io = built_in("wasi:io@0.2.12", &Gates::default()).expect("built in");
    let scope = Scope::Packages(io.packages.clone());
    let plain = derivation(&io, &scope, &Options::default());
    let aliases = vec!["0.2.0".parse().expect("a version"), "0.2.3".parse().expect("a version")];
    let aliased = derivation(&io, &scope, &Options { aliases, ..Options::default() });
    assert_eq!(lines(&diff(&plain, &aliased)), [""; 0]);
    assert_eq!(lines(&diff(&aliased, &aliased)), [""; 0]);
    let abi = Abi { names: Names::Canonical, forms: Forms::Sync };
    let canonical = derivation(&io, &scope, &Options { abi, aliases: Vec::new() });
    let changes = diff(&plain, &canonical);
    assert!(changes.iter().all(|c| c.code == Code::NameChanged && c.verdict == Verdict::None), "{changes:?}");
    // A guest of 0.2.0 on a host of 0.2.12 that knows both names needs no alias.
    let old = built_in("wasi:io@0.2.0", &Gates::default()).expect("built in");
    let old = derivation(&old, &Scope::Packages(old.packages.clone()), &Options::default());
    assert!(diff(&old, &aliased).iter().all(|c| c.code != Code::NameChanged));
    assert_eq!(diff(&old, &plain).iter().filter(|c| c.code == Code::NameChanged).count(), 3);
}

#[test]
fn an_interface_by_another_name_is_known_by_what_it_has() {
    let of = |name: &str| {
        format!("package a:b; interface {name} {{ record r {{ a: u8 }} f: func(r: list<r>); g: func() -> u64; }}")
    };
    let renamed = changes(&of("before"), &of("after"));
    assert_eq!(lines(&renamed), ["breaking LL0705 a:b/before"]);
    assert_eq!(renamed[0].new.as_deref(), Some("a:b/after"));
    // Two of a kind are not told apart.
    let two =
        format!("{} interface other {{ record r {{ a: u8 }} f: func(r: list<r>); g: func() -> u64; }}", of("one"));
    assert_eq!(verdict(&changes(&two, &of("after"))), Verdict::Breaking);
    assert!(changes(&two, &of("after")).iter().all(|c| c.code != Code::NameChanged));
}

#[test]
fn two_versions_of_a_package_are_two_interfaces() {
    let with = |extra: &str| {
        let deps = ["package d:e@0.2.0; interface i { f: func(); old: func(); }".to_owned()];
        let newer = format!("package d:e@0.3.0; interface i {{ f: func(a: u32); {extra} }}");
        let file = |text: String| vec![WitFile { path: "dep.wit".to_owned(), text }];
        let main = "package a:b; world w { import d:e/i@0.2.0; import d:e/i@0.3.0; }".to_owned();
        let deps = deps.into_iter().chain([newer]).map(file).collect();
        let sources = Sources::Text { main: file(main), deps, binary_deps: Vec::new() };
        let loaded = load(&sources, &Gates::default()).expect("the WIT is valid");
        let world = select_world(&loaded, None).expect("a world");
        derivation(&loaded, &Scope::World(world), &Options::default())
    };
    assert_eq!(lines(&diff(&with(""), &with(""))), [""; 0]);
    assert_eq!(lines(&diff(&with(""), &with("new: func();"))), ["additive LL0702 new"]);
    assert_eq!(lines(&diff(&with("new: func();"), &with(""))), ["breaking LL0701 new"]);
}

#[test]
fn resources_are_known_by_their_names() {
    let one = "resource a { constructor(); m: func(); }";
    assert_eq!(
        told("", one),
        ["additive LL0702 [constructor]a", "additive LL0702 [method]a.m", "additive LL0702 [resource-drop]a"]
    );
    assert_eq!(
        told(one, ""),
        ["breaking LL0701 [constructor]a", "breaking LL0701 [method]a.m", "breaking LL0701 [resource-drop]a"]
    );
    let with = |f: &str| format!("resource a; resource b; {f}");
    let told = |old: &str, new: &str| told(&with(old), &with(new));
    assert_eq!(told("f: func(x: a);", "f: func(x: borrow<a>);"), ["breaking LL0708 f @0 x"]);
    assert_eq!(told("f: func(x: a);", "f: func(x: b);"), ["breaking LL0708 f @0 x"]);
    assert_eq!(told("f: func(x: a);", "f: func(x: own<a>);"), [""; 0]);
    let record = |ty: &str| format!("record r {{ n: u32, h: {ty} }} f: func(r: list<r>);");
    assert_eq!(told(&record("a"), &record("b")), ["breaking LL0708 r @4 h"]);
    // The same resources, in a document where their ids are qualified.
    let wit = "package a:b@1.0.0; interface i { resource r; record s { h: r } f: func() -> list<s>; }";
    let other = "package c:b; interface i { resource r; }";
    let sources = Sources::Text {
        main: vec![WitFile { path: "main.wit".to_owned(), text: wit.to_owned() }],
        deps: vec![vec![WitFile { path: "dep.wit".to_owned(), text: other.to_owned() }]],
        binary_deps: Vec::new(),
    };
    let qualified = load(&sources, &Gates::default()).expect("the WIT is valid");
    let qualified = derivation(&qualified, &Scope::Packages(qualified.packages.clone()), &Options::default());
    assert_ne!(qualified.document.types[0].id, of(wit).document.types[0].id, "the ids differ");
    assert_eq!(lines(&diff(&of(wit), &qualified)), [""; 0]);
}

#[test]
fn exported_resources_have_intrinsics() {
    let world = |resource: &str| {
        format!("package a:b; world w {{ export i: interface {{ {resource} f: func(); }} import g: func(); }}")
    };
    let gone = changes(&world("resource r { constructor(); }"), &world(""));
    assert_eq!(
        lines(&gone),
        [
            "breaking LL0701 [export][resource-new]r",
            "breaking LL0701 [export][resource-rep]r",
            "breaking LL0701 [export][resource-drop]r",
            "none LL0701 export [constructor]r",
        ]
    );
    assert!(gone.iter().all(|c| c.interface == "i"), "{gone:?}");
}

#[test]
fn asynchronous_functions_are_compared_in_every_form() {
    let of = |wit: &str, forms: Forms| {
        let loaded = loaded(&interface(wit));
        let options = Options { abi: Abi { names: Names::Legacy, forms }, aliases: Vec::new() };
        derivation(&loaded, &Scope::Packages(loaded.packages.clone()), &options)
    };
    for forms in [Forms::Sync, Forms::Async, Forms::All] {
        let [a, b, c] = ["f: async func(s: stream<u8>) -> u32;", "f: async func(s: stream<u16>) -> u32;", ""]
            .map(|wit| of(&format!("{wit} g: func();"), forms));
        assert_eq!(diff(&a, &a).len(), 0);
        let changed = diff(&a, &b);
        assert!(
            !changed.is_empty()
                && changed.iter().all(|c| c.code == Code::LayoutChanged || c.code == Code::MeaningChanged)
        );
        assert!(changed.iter().all(|c| c.verdict == Verdict::Breaking));
        assert!(
            changed.iter().any(|c| c.item.ends_with('f') && c.first_byte.as_ref().is_some_and(|f| f.part == "s[]"))
        );
        assert!(diff(&a, &c).iter().all(|c| c.code == Code::FunctionGone));
    }
}

#[test]
fn one_name_on_both_sides_is_two_interfaces() {
    let world = |a: &str, b: &str| {
        let of = |ty: &str| format!("interface {{ record x {{ n: {ty} }} g: func(x: list<x>); }}");
        format!("package a:b; world w {{ import one: {} export one: {} }}", of(a), of(b))
    };
    assert_eq!(lines(&changes(&world("u8", "u64"), &world("u8", "u64"))), [""; 0]);
    for (old, new, user) in [(("u8", "u8"), ("u16", "u8"), "one g"), (("u8", "u8"), ("u8", "u16"), "one#g")] {
        let changed = changes(&world(old.0, old.1), &world(new.0, new.1));
        assert_eq!(lines(&changed), ["breaking LL0704 x @0 n"]);
        assert_eq!(changed[0].functions, [user]);
    }
}

#[test]
fn nothing_differs_from_itself() {
    let kinds = std::fs::read_to_string(root("fixtures/witx/kinds.wit")).expect("the fixture");
    for (wit, names, forms) in [
        (None, Names::Legacy, Forms::Sync),
        (None, Names::Canonical, Forms::Sync),
        (None, Names::Cm32p2, Forms::Sync),
        (Some("0.3.2"), Names::Legacy, Forms::Sync),
        (Some("0.3.2"), Names::Legacy, Forms::Async),
        (Some("0.3.2"), Names::Legacy, Forms::All),
        (Some("0.2.12"), Names::Legacy, Forms::Sync),
        (Some("0.2.12"), Names::Cm32p2, Forms::Sync),
        (None, Names::Legacy, Forms::All),
    ] {
        let loaded = match wit {
            Some(version) => built_in(&format!("wasi@{version}"), &Gates::default()).expect("built in"),
            None => loaded(&kinds),
        };
        let options = Options { abi: Abi { names, forms }, aliases: Vec::new() };
        let mut scopes = vec![Scope::Packages(loaded.packages.clone())];
        scopes.extend(select_world(&loaded, None).ok().map(Scope::World));
        for scope in scopes {
            let one = derivation(&loaded, &scope, &options);
            let changes = diff(&one, &derivation(&loaded, &scope, &options));
            assert_eq!(lines(&changes), [""; 0], "{wit:?} {names:?} {forms:?}");
        }
    }
}

#[test]
fn both_ways_tell_of_the_same_items() {
    let kinds = std::fs::read_to_string(root("fixtures/witx/kinds.wit")).expect("the fixture");
    let other = kinds.replace("b: u64, c: bool", "c: bool, b: u64").replace("green, ", "").replace("f8 }", "f8, f9 }");
    let release = |version: &str| {
        let loaded = built_in(&format!("wasi@{version}"), &Gates::default()).expect("built in");
        derivation(&loaded, &Scope::Packages(loaded.packages.clone()), &Options::default())
    };
    let pairs =
        [(of(&kinds), of(&other)), (release("0.2.0"), release("0.2.12")), (release("0.2.12"), release("0.3.2"))];
    for (old, new) in &pairs {
        let items = |changes: Vec<Change>| {
            changes.into_iter().map(|c| (c.interface, c.item)).collect::<BTreeSet<(String, String)>>()
        };
        let (forth, back) = (items(diff(old, new)), items(diff(new, old)));
        assert_eq!(forth.symmetric_difference(&back).collect::<Vec<_>>(), [] as [&(String, String); 0]);
        assert!(forth.len() > 2);
        let text = |changes: Vec<Change>| serde_json::to_string(&changes).expect("JSON");
        assert_eq!(text(diff(old, new)), text(diff(old, new)), "the same again");
    }
}
