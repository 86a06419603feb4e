//! WIT with mistakes: all of them are found, nothing else is said, and hostile input ends with a coded error.

use crate::random::{WIT, Xorshift};
use crate::root;
use lowlift::diagnostic::{Code, Diagnostic, Place};
use lowlift::wit::{Gates, Sources, WitFile, load};
use std::fmt::Write;
use std::time::{Duration, Instant};

fn file(path: &str, text: &str) -> WitFile {
    WitFile { path: path.to_owned(), text: text.to_owned() }
}

fn errors_of(main: Vec<WitFile>, deps: Vec<Vec<WitFile>>) -> Vec<Diagnostic> {
    match load(&Sources::Text { main, deps, binary_deps: Vec::new() }, &Gates::default()) {
        Ok(_) => Vec::new(),
        Err(mut error) => {
            let others = std::mem::take(&mut error.others);
            std::iter::once(*error).chain(others).collect()
        }
    }
}

/// The mistakes of one file, each as the text that it points at.
fn mistakes(text: &str) -> Vec<String> {
    errors_of(vec![file("test.wit", text)], Vec::new()).iter().map(pointed_at).collect()
}

fn pointed_at(error: &Diagnostic) -> String {
    match &error.place {
        Some(Place::Text { source, span, .. }) => source.get(span.clone()).expect("within the text").to_owned(),
        place => panic!("{error} has no place in a text: {place:?}"),
    }
}

fn hints(text: &str) -> Vec<String> {
    errors_of(vec![file("test.wit", text)], Vec::new()).iter().flat_map(|e| e.hints.clone()).collect()
}

#[test]
fn each_mistake_is_said_once() {
    for (interface, want) in [
        // Syntax: two statements, an item of a list, a wrong keyword, a keyword as a name, a semicolon too many.
        ("a: func(x u32); b: func() u32; c: func();", &["u", "u"][..]),
        ("record r { a: u32, b u32, c: nope } f: func(r: r);", &["u", "nope"]),
        ("recrod r { a: u32 } f: func(r: r) -> list<r>;", &["r"]),
        ("record from { a: u32 } enum e { x, } f: func(e: e);", &["from"]),
        ("f: func();; g: func(x: nope);", &[";", "nope"]),
        ("enum e { a b } f: func(e: e) -> nope;", &["b", "nope"]),
        // Names: of one letter, in handles, twice.
        ("f: func(a: x, b: list<y>, c: borrow<nope>, d: own<nada>);", &["x", "y", "nope", "nada"]),
        ("type t = u8; type t = u16; f: func() -> t; f: func();", &["t", "f"]),
        ("f: func(a: u8, a: u8); resource r { m: func(); m: func(); } g: func(r: nope);", &["a", "m", "nope"]),
        ("enum e {} flags f {} g: func(e: e) -> nope;", &["e", "nope"]),
        // Types that hold themselves.
        ("type a = list<a>; record r { r: option<r> } f: func(a: a, r: r) -> nope;", &["a", "r", "nope"]),
        ("type t = nope; f: func(a: borrow<t>, b: t);", &["nope"]),
    ] {
        let text = format!("package a:b;\ninterface i {{ {interface} }}\nworld w {{ import i; }}\n");
        assert_eq!(mistakes(&text), want, "{interface}");
    }
}

/// Found by the fuzzer: the parser takes names that stand twice, or differ in the case of letters alone, where no component can
/// have both.
#[test]
fn names_that_stand_twice_are_said() {
    for (item, want) in [
        ("record r { a: u8, b: u8, a: u16 }", "a"),
        ("record r { a: u8, b: u8, A: u16 }", "A"),
        ("variant v { a(u8), a }", "a"),
        ("variant v { a(u8), A }", "A"),
        ("enum e { a-b, A-B }", "A-B"),
        ("flags f { b1, b1 }", "b1"),
        ("f: func(a: u8, A: u8);", "A"),
        ("f: func(); F: func();", "F"),
        ("type t = u8; type T = u8;", "T"),
        ("resource r { m: func(); M: func(); }", "M"),
    ] {
        assert_eq!(mistakes(&format!("package a:b; interface i {{ {item} }}")), [want], "{item}");
    }
    assert_eq!(mistakes("package a:b; world w { export f: func(a: u8, A: u8); }"), ["A"]);
    let fine =
        "record r { a: u8, b: u8 } enum a { r, b } f: func(f: r, r: a); resource x { constructor(); f: func(); }";
    assert!(mistakes(&format!("package a:b; interface i {{ {fine} }}")).is_empty());
}

#[test]
fn mistakes_between_items_are_said_too() {
    for (items, want) in [
        ("interface a { use b.{t}; } interface b { use a.{t}; }", &["b"][..]),
        ("world a { include b; } world b { include a; } world c { import nope; }", &["b", "nope"]),
        ("interface a {} interface a {} world w { import a; import a; import nope; }", &["a", "a", "nope"]),
        ("interface a { use nope.{t}; f: func(t: t) -> list<t>; } use nada;", &["nope", "nada"]),
        ("interface a { type point = u8; } interface i { use a.{pont}; f: func(p: point); }", &["pont"]),
        (
            "interface a { type t = u8; } interface i { use (a.{t}; f: func(t: t); } world w { import nope; }",
            &["(", "nope"],
        ),
        ("world w { import wasi:io/nope@0.2.12; import x:y/z; include p:q/r; }", &["nope", "x:y", "p:q"]),
    ] {
        let mut found = mistakes(&format!("package a:b;\n{items}\n"));
        found.sort();
        let mut want = want.to_vec();
        want.sort_unstable();
        // Of a cycle, either end may be named.
        let same =
            found == want || found.iter().map(String::as_str).eq(want.iter().map(|w| if *w == "b" { "a" } else { w }));
        assert!(same, "{items}: {found:?}");
    }
}

#[test]
fn what_was_meant_is_near() {
    let text = "package a:b; interface shapes { type point = u8; } interface i { use shapes.{pont}; f: func(x: strng); }
        interface k { use wasi:io/streams@0.2.12.{input-stram}; use wasi:io/pol@0.2.12.{pollable}; g: func(x: float32); }
        world w { import shape; import wasi:htpp/types@0.2.12; }";
    let hints = hints(text);
    for name in ["point", "string", "input-stream", "poll", "f32", "shapes", "wasi:http@0.2.12"] {
        assert!(hints.contains(&format!("did you mean `{name}`?")), "{name} is not in {hints:?}");
    }
}

#[test]
fn a_wrong_file_does_not_spoil_the_others() {
    let good = file("a.wit", "package a:b; interface a { use c.{t}; f: func(t: t); }");
    let wrong = file("b.wit", "interface b { g: func( }");
    let torn =
        file("c.wit", "interface c { type t = u8; interface d { use c.{t, u}; } world w { import c; import d; }");
    let found = errors_of(vec![good.clone(), wrong.clone(), file("c.wit", "interface c { type t = u8; }")], Vec::new());
    assert_eq!(found.len(), 1, "{found:?}");
    let found = errors_of(vec![good, torn, wrong], vec![vec![file("d.wit", "package d:d; interface d { nope }")]]);
    let files: Vec<String> =
        found.iter().map(|e| format!("{:?}", e.place).split('"').nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(files, ["c.wit", "b.wit", "d.wit"], "{found:?}");
}

#[test]
fn packages_that_contradict_each_other_are_refused() {
    let one = || vec![file("one.wit", "package x:y; interface i { use a:b/i.{t}; }")];
    let other = |path| vec![file(path, "package a:b; interface i { use x:y/i.{t}; }")];
    for deps in [vec![other("2.wit"), other("3.wit")], vec![other("2.wit")], vec![one()]] {
        let found = errors_of(one(), deps);
        assert!(!found.is_empty() && found.iter().all(|e| e.place.is_some()), "{found:?}");
    }
}

fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect()
}

/// Each ends soon, with an error that has a code, or is fine. A stack that overflows would end the whole program.
#[test]
fn hostile_wit_ends_soon() {
    let interface = |text: &str| format!("package a:b; interface i {{ {text} }}");
    let chain = |n| many(n, |i| format!("type t{} = list<t{i}>;", i + 1));
    let inputs = [
        ("nested types", interface(&format!("type t = {}u8{};", "list<".repeat(10_000), ">".repeat(10_000)))),
        ("nested interfaces", format!("package a:b; {}{}", "interface i {".repeat(10_000), "}".repeat(10_000))),
        ("nested packages", format!("{}{}", "package a:b {".repeat(10_000), "}".repeat(10_000))),
        ("nested parentheses", interface(&format!("f: func{}{};", "(".repeat(10_000), ")".repeat(10_000)))),
        ("nested comments", format!("package a:b; {}", "/*".repeat(100_000))),
        ("open braces", format!("package a:b; {}", "interface i {".repeat(100_000))),
        ("a chain of types", interface(&format!("type t0 = u8; {} f: func() -> t50000;", chain(50_000)))),
        (
            "a chain of packages",
            many(5_000, |i| format!("package a:p{i} {{ interface i {{ use a:p{}/i.{{t}}; }} }}", i + 1)),
        ),
        (
            "copies of worlds",
            format!(
                "package a:b; world w0 {{ {} }} {}",
                many(2_000, |i| format!("import i{i}: func();")),
                many(2_000, |i| format!("world w{} {{ include w{i}; }}", i + 1))
            ),
        ),
        ("fields", interface(&format!("record r {{ {} }}", many(100_000, |i| format!("c{i}: u8,"))))),
        ("cases", interface(&format!("enum e {{ {} }}", many(65_537, |i| format!("c{i},"))))),
        ("parameters", interface(&format!("f: func({});", many(100_000, |i| format!("c{i}: u8,"))))),
        ("unknown names", interface(&many(50_000, |i| format!("c{i}: func(a: nope);")))),
        ("wrong statements", interface(&many(50_000, |i| format!("c{i}: func(a nope);")))),
        ("long names", interface(&format!("type a{0} = u8; f: func(x: b{0});", "a".repeat(1_000_000)))),
        ("names", interface(&many(50_000, |i| format!("type {}{i} = nope{i};", "a".repeat(50))))),
        ("attributes", interface(&many(50_000, |i| format!("@external-id(\"\") c{i}: func();")))),
        ("a string", "package a:b; @external-id(\"\\".to_owned()),
        ("ten megabytes", interface(&"f: func();\n".repeat(1_000_000))),
        ("nothing", String::new()),
        ("a zero", interface("f\0: func();")),
        ("a control", interface("// \u{202e}\n f: func();")),
        (
            "a library's panic",
            "package a:b; world w { @since(version = 1.0.0) @since(version = 1.0.0) import wasi:io/poll@0.2.12; }"
                .to_owned(),
        ),
    ];
    for (what, text) in inputs {
        let start = Instant::now();
        let found = errors_of(vec![file("test.wit", &text)], Vec::new());
        // Far beyond what any takes on a busy machine, and far below what would grow without bound.
        assert!(start.elapsed() < Duration::from_secs(90), "{what}: {:?}", start.elapsed());
        let fine = ["fields", "cases"].contains(&what);
        assert_eq!(found.is_empty(), fine, "{what}");
        assert!(found.iter().all(|e| e.code != Code::Internal), "{what}: {}", found[0]);
    }
}

/// A character that was forgotten is one mistake, whatever the parser makes of the rest.
#[test]
fn one_lost_character_is_one_message() {
    let text = std::fs::read_to_string(root("fixtures/witx/kinds.wit")).expect("the fixture");
    for (i, _) in text.match_indices(['{', '}', '(', ')', '<', '>', ';', ':', ',', '=', '.']) {
        let without = format!("{}{}", &text[..i], &text[i + 1..]);
        let found = errors_of(vec![file("test.wit", &without)], Vec::new());
        // Some need not stand there.
        assert!(found.len() <= 1, "{}: {found:?}", &text[..=i]);
    }
}

#[test]
fn mutations_end_with_places_or_are_fine() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let seeds: Vec<String> =
        ["witx/kinds.wit", "cli/inputs/two-syntax.wit", "cli/inputs/world.wit", "cli/inputs/missing-packages.wit"]
            .iter()
            .map(|path| std::fs::read_to_string(root("fixtures").join(path)).expect("a fixture"))
            .collect();
    let mut failed = 0;
    for i in 0..2_000 {
        let text = random.mutate(&seeds[i % seeds.len()], WIT);
        let found = errors_of(vec![file("test.wit", &text)], Vec::new());
        failed += usize::from(!found.is_empty());
        let mut said = String::new();
        found.iter().for_each(|e| writeln!(said, "{e}").expect("a string"));
        assert!(found.len() <= 20 && found.iter().all(|e| e.code != Code::Internal), "{said}\n{text}");
        assert!(found.iter().all(|e| e.place.is_some() || e.message.contains("case-insensitive")), "{said}\n{text}");
    }
    assert!(failed > 1_000, "{failed}");
}

/// Packages in a circle, which only a binary can say: a decoder that follows them never comes back.
#[test]
fn packages_in_a_circle_are_refused() {
    let text = |last: &str| {
        format!(
            r#"(component (import "a:a/x" (instance $x (export "t" (type (sub resource)))))
              (alias export $x "t" (type $t))
              (import "b:b/y" (instance $y (alias outer 1 $t (type $u)) (export "t" (type (eq $u)))))
              (alias export $y "t" (type $v))
              (import "{last}/z" (instance (alias outer 1 $v (type $w)) (export "t" (type (eq $w))))))"#
        )
    };
    for (last, circle) in [("c:c", false), ("b:b", false), ("a:a", true)] {
        let bytes = wat::parse_str(text(last)).expect("text");
        let path = "circle.wasm".to_owned();
        let loaded = load(&Sources::Binary { path, bytes: bytes.clone() }, &Gates::default());
        let linked = lowlift::link::link(&bytes, lowlift::link::Options::default());
        if circle {
            assert_eq!(loaded.expect_err("refused").code, Code::TypeInformation);
            assert_eq!(linked.expect_err("refused").code, Code::TypeInformation);
        } else {
            loaded.unwrap_or_else(|e| panic!("{last}: {e} {:?}", e.cause));
            linked.unwrap_or_else(|e| panic!("{last}: {e} {:?}", e.cause));
        }
    }
}
