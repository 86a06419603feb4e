//! Hostile input of `lowlift witx`: WIT that explodes, and WITX that is none. Each ends with a code, or is done.

use lowlift::abi::{Abi, Forms, Names};
use lowlift::diagnostic::{Code, Place, Result};
use lowlift::wit::{Gates, Sources, WitFile, load, select_world};
use lowlift::witx::{Counts, Options, Reading, Scope, derive, print, read, verify};
use std::process::Command;

fn derived(wit: &str, forms: Forms) -> Result<(Counts, Vec<(String, String)>)> {
    let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.to_owned() }];
    let loaded = load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default())?;
    let scope = Scope::Packages(loaded.packages.clone());
    let options = Options { abi: Abi { names: Names::Legacy, forms }, aliases: Vec::new() };
    let derived = derive(&loaded.resolve, &scope, &options).map_err(|e| loaded.with_text(e))?;
    let files = print(&derived.document);
    let counts = verify(&loaded.resolve, &scope, &derived, &files)?;
    Ok((counts, files))
}

fn interface(items: &str) -> String {
    format!("package a:b; interface i {{ {items} }}")
}

fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect()
}

/// A type that holds its predecessor twice, so often: written out it would be as long as a power of two.
fn doublings(count: usize) -> String {
    many(count, |i| format!("type t{} = tuple<t{i}, t{i}>;", i + 1))
}

#[test]
fn what_is_large_is_derived_and_proven() {
    for (what, items) in [
        ("enum cases", format!("enum e {{ {} }} f: func(e: e) -> e;", many(65_536, |i| format!("c{i},")))),
        ("more enum cases", format!("enum e {{ {} }} f: func(e: e) -> e;", many(65_537, |i| format!("c{i},")))),
        ("fields", format!("record r {{ {} }} f: func(r: r) -> r;", many(100_000, |i| format!("c{i}: u8,")))),
        ("flags", format!("flags x {{ {} }} f: func(x: x) -> x;", many(32, |i| format!("c{i},")))),
        ("doublings", format!("type t0 = u8; {} f: func(t: t10) -> list<t10>;", doublings(10))),
        ("doublings of lists", format!("type t0 = list<u8>; {} f: func(t: t16) -> t16;", doublings(16))),
        ("nested lists", format!("f: func() -> {}u8{};", "list<".repeat(90), ">".repeat(90))),
        ("an array", "f: func(a: list<u8, 65536>) -> list<list<string, 300>, 2>;".to_owned()),
        ("17 parameters", format!("f: func({}) -> string;", many(17, |i| format!("p{i}: u8,")))),
        ("1000 parameters", format!("f: func({}) -> string;", many(1_000, |i| format!("p{i}: string,")))),
        ("long names", {
            let name = "a".repeat(10_000);
            format!("record {name} {{ {name}: u8 }} {name}-f: func({name}: list<{name}>) -> option<{name}>;")
        }),
    ] {
        for forms in [Forms::Sync, Forms::All] {
            let (counts, _) = derived(&interface(&items), forms).unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert_eq!(counts.functions, if forms == Forms::Sync { 1 } else { 2 }, "{what}");
        }
    }
}

#[test]
fn what_witx_or_the_component_model_lacks_is_refused_with_its_place() {
    let nested = |n: usize| format!("type t = {}u8{};", "list<".repeat(n), ">".repeat(n));
    for (what, items, code, at) in [
        ("33 flags", format!("flags x {{ {} }}", many(33, |i| format!("c{i},"))), Code::NotExpressible, "x"),
        ("no flags", "flags x {}".to_owned(), Code::NotExpressible, "x"),
        ("no fields", "record x {}".to_owned(), Code::NotExpressible, "x"),
        ("no members", "type x = tuple<>;".to_owned(), Code::NotExpressible, "x"),
        ("no cases", "variant x {}".to_owned(), Code::WitParse, "x"),
        ("no enum cases", "enum x {}".to_owned(), Code::WitParse, "x"),
        ("too long an array", "type x = list<u8, 65537>;".to_owned(), Code::NotExpressible, "x"),
        ("no array", "type x = list<u8, 0>;".to_owned(), Code::NotExpressible, "x"),
        ("a huge array", "type x = list<u64, 4294967295>;".to_owned(), Code::LayoutOverflow, "x"),
        ("an array of arrays", "type x = list<list<u8, 65536>, 65536>;".to_owned(), Code::LayoutOverflow, "x"),
        ("nested lists", nested(200), Code::WitParse, ""),
        ("nested names", nested(99) + "type u = list<t>; type v = list<u>;", Code::NotExpressible, ""),
        ("doublings", format!("type t0 = u8; {}", doublings(25)), Code::NotExpressible, ""),
        ("doublings of streams", format!("type t0 = stream<u8>; {}", doublings(25)), Code::NotExpressible, ""),
        ("1002 parameters", format!("f: func({});", many(1_002, |i| format!("p{i}: u8,"))), Code::WitParse, ","),
    ] {
        let error = derived(&interface(&items), Forms::All).expect_err(what);
        assert_eq!(error.code, code, "{what}: {error:?}");
        match &error.place {
            Some(Place::Text { source, span, .. }) => {
                let shown = source.get(span.clone()).unwrap_or_else(|| panic!("{what}: {error:?}"));
                assert!(at.is_empty() || shown == at, "{what}: {shown}");
            }
            place => panic!("{what}: {place:?}"),
        }
    }
}

/// Found by mutation: the guest's memory has that name already. Where the names are others, nothing is wrong.
#[test]
fn an_exported_function_called_memory_is_refused() {
    let wit = "package a:b; world w { export memory: func(s: string) -> u32; }";
    let main = vec![WitFile { path: "test.wit".to_owned(), text: wit.to_owned() }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    let loaded = load(&sources, &Gates::default()).expect("WIT");
    let world = Scope::World(select_world(&loaded, None).expect("a world"));
    for (names, is_fine) in [(Names::Legacy, false), (Names::Canonical, false), (Names::Cm32p2, true)] {
        let options = Options { abi: Abi { names, forms: Forms::Sync }, aliases: Vec::new() };
        match derive(&loaded.resolve, &world, &options) {
            Ok(derived) => assert!(is_fine && read(&print(&derived.document)).is_ok(), "{names:?}"),
            Err(error) => assert!(!is_fine && error.code == Code::NotExpressible, "{names:?}: {error:?}"),
        }
    }
}

/// Nobody who reads the WITX is led astray, and the text format does not refuse it.
#[test]
fn documentation_holds_no_characters_that_mislead() {
    let docs = "/** a\u{202e}b\r c\u{7}\u{0b}\u{85}\u{2066}) ;;; \"\\ $x (module */";
    let wit = format!("package a:b; {docs} interface i {{ {docs} type t = u8; {docs} f: func(); }}");
    // What `wit-parser` itself refuses need not come so far.
    if let Err(error) = derived(&wit, Forms::Sync) {
        assert_eq!(error.code, Code::WitParse, "{error:?}");
    }
    let docs = "/// )) (module $x ;; \"\n/// (; ;;; @cabi (\n";
    let wit = format!("package a:b; {docs} interface i {{ {docs} type t = u8; {docs} f: func(); }}");
    let (counts, files) = derived(&wit, Forms::Sync).expect("verifies");
    assert_eq!(counts.functions, 1);
    let Ok(Reading::Derived(read_back)) = read(&files) else { panic!("it is derived") };
    let docs: Vec<_> = read_back.document.types.iter().filter_map(|ty| ty.docs.clone()).collect();
    assert_eq!(docs, [")) (module $x ;; \"\n(; ;;; @cabi ("]);
}

#[test]
fn a_text_that_is_no_witx_is_refused_with_its_place() {
    let file = |name: &str, text: String| (name.to_owned(), text);
    for (what, text) in [
        ("a `(` too many", "(typename $a u8".to_owned()),
        ("a `)` too many", "(typename $a u8))".to_owned()),
        ("open", "(".repeat(10_000)),
        ("nested", format!("{}{}", "(".repeat(10_000), ")".repeat(10_000))),
        ("nested lists", format!("(typename $a {}u8{})", "(list ".repeat(10_000), ")".repeat(10_000))),
        ("a comment", "(; (typename $a u8)".to_owned()),
        ("a string", "(use \"a".to_owned()),
        ("an escape", "(use \"\\u{110000}\")".to_owned()),
        ("bytes", "(use \"\\ff\")".to_owned()),
        ("a control", "(typename $a\0 u8)".to_owned()),
        ("a lie to the eye", ";; \u{202e}\n(typename $a u8)".to_owned()),
        ("nothing known", "(typename $a $b)".to_owned()),
        ("itself", "(typename $a (list $a))".to_owned()),
        ("twice", "(typename $a u8) (typename $a u8)".to_owned()),
        ("a missing file", "(use \"nope.witx\")".to_owned()),
        ("a word", "typename".to_owned()),
        ("another list", "(typo $a u8)".to_owned()),
    ] {
        let error = read(&[file("a.witx", text.clone())]).expect_err(what);
        assert_eq!(error.code, Code::WitxParse, "{what}: {error:?}");
        match &error.place {
            Some(Place::Text { source, span, .. }) => {
                assert!(*source == text && source.get(span.clone()).is_some(), "{what}: {span:?}");
            }
            place => panic!("{what}: {place:?}"),
        }
    }
    // Files that use each other, a long chain of them, and nothing at all are no mistakes.
    let uses = |i: usize| file(&format!("{i}.witx"), format!("(use \"{}.witx\")", (i + 1) % 5_000));
    for files in [(0..5_000).map(uses).collect(), vec![file("a.witx", "(use \"a.witx\")".to_owned())], Vec::new()] {
        assert!(matches!(read(&files), Ok(Reading::Plain(functions)) if functions.is_empty()));
    }
}

/// Several results, or an aggregate as one, have no core signature. A variant without cases has one.
#[test]
fn a_function_without_a_core_signature_is_refused() {
    for results in
        ["(result $a u32) (result $b u32)", "(result $a (record (field $x u8)))", "(result $a (tuple u8 u8))"]
    {
        let text = format!("(module $m (@interface func (export \"f\") {results}))");
        let error = read(&[("a.witx".to_owned(), text)]).expect_err(results);
        assert_eq!(error.code, Code::WitxParse, "{results}: {error:?}");
    }
    let text = "(typename $a (variant (@witx tag u8))) (module $m (@interface func (export \"f\") (param $p $a)))";
    let Ok(Reading::Plain(functions)) = read(&[("a.witx".to_owned(), text.to_owned())]) else { panic!("it is WITX") };
    assert_eq!(functions[0].core.to_string(), "(i32) -> ()");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.witx");
    std::fs::write(&path, b"(typename $a u8) ;; \xff\n").expect("writable");
    let run = Command::new(env!("CARGO_BIN_EXE_lowlift")).arg("diff").args([&path, &path]).output().expect("it starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("not UTF-8 after byte 20"), "{said}");
}
