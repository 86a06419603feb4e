//! What the linker drops, where running the output cannot tell: imports, tags, custom sections; and the floor.

use crate::{guest, root};
use lowlift::link::{Floor, Linked, Options, link};
use wasmparser::{KnownCustom, Name, Parser, Payload, Validator};

fn linked(text: &str, options: Options) -> Linked {
    let component = wat::parse_str(text).expect("text");
    link(&component, options).unwrap_or_else(|e| panic!("{e} {:?}", e.cause))
}

/// Guards are functions too, and not what is counted here.
fn verified() -> Options {
    Options { verify: true, no_guards: true, ..Options::default() }
}

/// An import that no live code calls, another that is exported as it is, and a third whose realloc goes with it.
#[test]
fn imports_that_nothing_calls_are_dropped() {
    let linked = linked(
        r#"(component
          (import "used" (func $used (param "x" u32) (result u32)))
          (import "unused" (func $unused (param "x" u32)))
          (import "text" (func $text (result string)))
          (core module $memory
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
          (core instance $memory (instantiate $memory))
          (core func $used (canon lower (func $used)))
          (core func $unused (canon lower (func $unused)))
          (core func $text (canon lower (func $text)
            (memory $memory "memory") (realloc (func $memory "realloc"))))
          (core module $main
            (import "host" "unused" (func $unused (param i32)))
            (import "host" "text" (func $text (param i32)))
            (import "host" "used" (func $used (param i32) (result i32)))
            (func $dead (call $unused (i32.const 1)) (call $text (i32.const 0)))
            (func (export "run") (param i32) (result i32) (call $used (local.get 0))))
          (core instance $main (instantiate $main (with "host" (instance
            (export "unused" (func $unused)) (export "used" (func $used)) (export "text" (func $text))))))
          (func (export "run") (param "x" u32) (result u32) (canon lift (core func $main "run"))))"#,
        verified(),
    );
    let imports: Vec<&str> = linked.report.imports.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(imports, ["used"]);
    let dropped = linked.report.dropped;
    assert_eq!((dropped.imports, dropped.functions), (2, 2), "the dead function and the realloc");
    assert!(!exports(&linked.wasm).contains(&"cabi_realloc".to_owned()));
}

fn exports(wasm: &[u8]) -> Vec<String> {
    let sections = Parser::new(0).parse_all(wasm).filter_map(|payload| match payload.expect("valid") {
        Payload::ExportSection(section) => Some(section),
        _ => None,
    });
    sections.flatten().map(|export| export.expect("valid").name.to_owned()).collect()
}

#[test]
fn tags_that_only_dead_code_throws_are_dropped() {
    let linked = linked(
        r#"(component
          (core module $m
            (tag $unused (param i64))
            (tag $used (param i32))
            (func $dead (throw $unused (i64.const 1)))
            (func $throw (param i32) (throw $used (local.get 0)))
            (func (export "run") (param i32) (result i32)
              (block $caught (result i32)
                (try_table (catch $used $caught) (call $throw (local.get 0)))
                i32.const 0)))
          (core instance $i (instantiate $m))
          (func (export "run") (param "x" u32) (result u32) (canon lift (core func $i "run"))))"#,
        verified(),
    );
    let dropped = linked.report.dropped;
    assert_eq!((dropped.tags, dropped.functions), (1, 1));
    assert_eq!(linked.report.features, ["exceptions"]);
    let text = wasmprinter::print_bytes(&linked.wasm).expect("prints");
    assert_eq!(text.matches("(tag ").count(), 1);
    assert!(text.contains("(param i32)") && !text.contains("i64"), "{text}");
}

/// Names follow their functions; `strip` leaves them out, and DWARF is never kept.
#[test]
fn names_are_kept_for_what_stays_unless_stripped() {
    let text = r#"(component
      (core module $m
        (func $gone)
        (func $helper (result i32) i32.const 1)
        (func $entry (export "run") (result i32) (call $helper))
        (@custom ".debug_info" "0123456789"))
      (core instance $i (instantiate $m))
      (func (export "run") (result u32) (canon lift (core func $i "run"))))"#;
    let kept = linked(text, verified());
    assert_eq!(names(&kept.wasm), [(0, "helper".to_owned()), (1, "entry".to_owned())]);
    assert_eq!(kept.report.dropped.debug, 10);
    assert_eq!(custom_sections(&kept.wasm), ["name", "producers", "component-type"]);
    let stripped = linked(text, Options { strip: true, ..verified() });
    assert_eq!(custom_sections(&stripped.wasm), ["component-type"]);
    assert!(stripped.wasm.len() < kept.wasm.len());
}

fn names(wasm: &[u8]) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CustomSection(section) = payload.expect("valid") else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for name in names {
            if let Name::Function(map) = name.expect("valid") {
                found.extend(map.into_iter().map(|n| n.expect("valid")).map(|n| (n.index, n.name.to_owned())));
            }
        }
    }
    found
}

fn custom_sections(wasm: &[u8]) -> Vec<String> {
    let payloads = Parser::new(0).parse_all(wasm).map(|p| p.expect("valid"));
    let sections = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(section) => Some(section.name().to_owned()),
        _ => None,
    });
    sections.collect()
}

/// The linker starts from what the instructions need; the reference tries every profile from the smallest.
#[test]
fn the_floor_is_the_smallest_profile_that_validates() {
    let mut components: Vec<(String, Vec<u8>)> =
        ["http-hello-rust", "http-echo-c", "cli-rust"].map(|name| (name.to_owned(), guest(name))).into();
    for entry in std::fs::read_dir(root("fixtures/link/pass")).expect("the folder exists") {
        let path = entry.expect("an entry").path();
        components.push((path.display().to_string(), wat::parse_file(&path).expect("text")));
    }
    let mut seen = Vec::new();
    for (name, component) in components {
        let linked = link(&component, Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let smallest = Floor::ALL
            .into_iter()
            .find(|floor| Validator::new_with_features(floor.features()).validate_all(&linked.wasm).is_ok());
        assert_eq!(Some(linked.report.floor), smallest, "{name}");
        seen.push(linked.report.floor);
    }
    assert!(Floor::ALL.iter().all(|floor| seen.contains(floor)), "every profile occurs");
}

/// All that the output holds is reached, so linking what it wraps into drops nothing more.
#[test]
fn linking_again_drops_nothing() {
    for name in ["http-hello-rust", "http-echo-rust", "http-hello-c", "http-echo-c", "cli-rust"] {
        let linked = link(&guest(name), Options { verify: false, ..verified() }).expect("links");
        let wrapped = lowlift::link::rewrap(&linked.wasm).expect("wraps");
        let again = link(&wrapped, Options { verify: false, ..verified() }).expect("links again");
        let functions = |l: &Linked| l.report.functions - l.report.imports.len() as u32;
        let expected = functions(&linked) + u32::from(linked.report.initialize);
        assert!(functions(&again) <= expected, "{name}: {} against {expected}", functions(&again));
        let dropped = again.report.dropped;
        assert_eq!((dropped.imports, dropped.globals, dropped.data, dropped.tables), (0, 0, 0, 0), "{name}");
    }
}
