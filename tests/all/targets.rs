//! Components that are linked for a target, or with other names.

use crate::guest;
use crate::link::{fixtures, lines, outcomes};
use lowlift::diagnostic::{Code, Diagnostic, Place};
use lowlift::link::{Floor, Linked, NameFile, NameMap, Options, link, rewrap};
use lowlift::profile::{FEATURES, Profile, set};
use wasmparser::Validator;
use wasmtime::Engine;

const GUESTS: [&str; 5] = ["http-hello-rust", "http-echo-rust", "http-hello-c", "http-echo-c", "cli-rust"];

fn targeted(component: &[u8], target: &str) -> Result<Linked, Box<Diagnostic>> {
    let target = Profile::built_in(target).expect("a profile");
    link(component, Options { verify: true, target: Some(target), ..Options::default() })
}

fn renamed(component: &[u8], names: NameMap) -> Result<Linked, Box<Diagnostic>> {
    link(component, Options { verify: true, names: Some(names), ..Options::default() })
}

#[test]
fn real_components_fit_1_0() {
    for name in GUESTS {
        let component = guest(name);
        let before = link(&component, Options::default()).expect("links");
        let after = targeted(&component, "mvp").unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.facts));
        Validator::new_with_features(Floor::Mvp.features()).validate_all(&after.wasm).expect("valid as 1.0");
        assert_eq!((before.report.floor, after.report.floor), (Floor::Lime1, Floor::Mvp), "{name}");
        assert!(after.report.features.is_empty(), "{name}: {:?}", after.report.features);
        let same = targeted(&component, "lime1").expect("links");
        assert_eq!(same.wasm, before.wasm, "{name}: a target that has everything changes nothing");
        println!("{name}: {} bytes, {} as 1.0", before.wasm.len(), after.wasm.len());
        assert!(after.wasm.len() < before.wasm.len() + before.wasm.len() / 50 + 500, "{name} grew");
    }
}

/// Start functions make segments late, and those are passive data.
#[test]
fn lowered_components_behave_as_the_originals_on_1_0() {
    let engine = Engine::default();
    let (mut compared, mut lowered, mut refused) = (0, 0, 0);
    for (path, text) in fixtures("fixtures/link/pass") {
        let name = path.display();
        let component = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let linked = match targeted(&component, "mvp") {
            Ok(linked) => linked,
            Err(error) => {
                assert_eq!(error.code, Code::TargetLacks, "{name}: {error} {:?}", error.cause);
                println!("{name}: {error} {:?}", error.facts);
                refused += 1;
                continue;
            }
        };
        let lines = lines(&text);
        let want = outcomes(&engine, &component, &lines);
        let wrapped = rewrap(&linked.wasm).expect("wraps");
        assert_eq!(outcomes(&engine, &wrapped, &lines), want, "{name}");
        compared += lines.len();
        lowered += usize::from(!linked.report.lowered.is_empty());
    }
    println!("{compared} calls gave the same; {lowered} fixtures were lowered, {refused} refused");
    assert!(compared > 40 && lowered > 0, "{compared} {lowered}");
}

#[test]
fn built_in_profiles_are_whole() {
    for name in Profile::names() {
        let profile = Profile::built_in(name).unwrap_or_else(|| panic!("{name} does not parse"));
        assert_eq!(profile.name, name);
        assert!(profile.features.contains(Floor::Mvp.features()), "{name} is less than 1.0");
    }
    for floor in Floor::ALL {
        assert_eq!(Profile::built_in(floor.name()).map(|p| p.features), Some(floor.features()), "{}", floor.name());
    }
    for (name, features) in FEATURES {
        assert_eq!(set(name), Some(*features));
    }
}

fn place(error: &Diagnostic) -> String {
    match &error.place {
        Some(Place::Text { source, span, .. }) => source[span.clone()].to_owned(),
        other => panic!("{error}: {other:?}"),
    }
}

#[test]
fn mistakes_in_profiles_have_a_place() {
    for (text, wants, at) in [
        ("features = [\"mvp\", \"simdd\"]", "there is no feature `simdd`", "\"simdd\""),
        ("features = [\"mvp\"]\nmax-parms = 9", "unknown field `max-parms`", "max-parms"),
        ("features = [\"mvp\"]\nmax-params = -9", "invalid value", "-9"),
        ("features = \"mvp\"", "invalid type", "\"mvp\""),
        ("max-params = 9", "missing field `features`", ""),
        ("features = [", "unclosed array", ""),
    ] {
        let error = Profile::parse("own.toml", text).expect_err(text);
        assert_eq!(error.code, Code::ProfileInvalid);
        assert!(error.message.contains(wants), "{text}: {error}");
        assert!(place(&error).starts_with(at), "{text}: {}", place(&error));
    }
}

#[test]
fn limits_are_kept_all_at_once() {
    let component = guest("http-echo-rust");
    let text = "features = [\"mvp\"]\nmax-name-length = 32\nmax-params = 2\nmax-functions = 10\nmax-memory-pages = 1";
    let target = Profile::parse("own.toml", text).expect("a profile");
    let options = Options { target: Some(target), ..Options::default() };
    let error = link(&component, options.clone()).expect_err("beyond the limits");
    let labels: Vec<&str> = error.facts.iter().map(|(label, _)| *label).collect();
    assert_eq!(error.code, Code::TargetLimit);
    assert_eq!(labels, ["max-functions", "max-memory-pages", "max-params", "max-name-length"]);
    assert!(error.hints.iter().any(|hint| hint.contains("--name-map short")), "{:?}", error.hints);
    // Names are looked at as they will be.
    let error = link(&component, Options { names: Some(NameMap::Short), ..options }).expect_err("still beyond");
    assert!(!error.facts.iter().any(|(label, _)| *label == "max-name-length"), "{:?}", error.facts);
}

#[test]
fn build_target_names_wrap_into_the_same_world() {
    for name in GUESTS {
        let linked = renamed(&guest(name), NameMap::Cm32p2).unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.cause));
        // An encoder that has forgotten the old names.
        let mut encoder = wit_component::ComponentEncoder::default().validate(true).reject_legacy_names(true);
        encoder = encoder.module(&linked.wasm).expect("a module");
        encoder.encode().unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let names = linked.report.names.expect("names");
        assert!(names.imports.iter().all(|i| i.new_module.starts_with("cm32p2|")), "{name}");
        assert!(names.exports.iter().all(|e| e.new_name.starts_with("cm32p2")), "{name}: {:?}", names.exports);
    }
}

/// The same calls through the canonical names and through those of build targets.
#[test]
fn build_target_names_behave_as_the_originals() {
    let engine = Engine::default();
    let mut compared = 0;
    for (path, text) in fixtures("fixtures/link/pass") {
        let name = path.display();
        let component = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let linked = renamed(&component, NameMap::Cm32p2).unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.cause));
        let lines = lines(&text);
        let wrapped = rewrap(&linked.wasm).unwrap_or_else(|e| panic!("{name}: {:?}", e.cause));
        assert_eq!(outcomes(&engine, &wrapped, &lines), outcomes(&engine, &component, &lines), "{name}");
        compared += lines.len();
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn short_names_are_short_and_the_table_says_what_they_are() {
    let component = guest("http-echo-c");
    let before = link(&component, Options::default()).expect("links");
    let linked = renamed(&component, NameMap::Short).expect("links");
    assert_eq!(linked.wasm, renamed(&component, NameMap::Short).expect("links").wasm, "deterministic");
    let names = linked.report.names.expect("names");
    let module = wasmtime::Module::new(&Engine::default(), &linked.wasm).expect("compiles");
    for (index, (import, (entry, full))) in
        module.imports().zip(names.imports.iter().zip(&before.report.imports)).enumerate()
    {
        assert_eq!((import.module(), import.name()), ("h", format!("f{index}").as_str()));
        assert_eq!((&entry.new_module, &entry.new_name), (&"h".to_owned(), &format!("f{index}")));
        assert_eq!((&entry.module, &entry.name), (&full.module, &full.name));
        assert_eq!((&entry.params, &entry.results), (&full.params, &full.results));
    }
    let exports: Vec<&str> = module.exports().map(|e| e.name()).collect();
    assert_eq!(exports, ["memory", "cabi_realloc", "_initialize", "e0"]);
    assert_eq!(names.exports[3].name, before.report.exports[0].name);
    assert_eq!((names.exports[0].kind, names.exports[3].kind), ("memory", "func"));
}

/// wasm3 finds an export by the names of functions, also those for debugging.
#[test]
fn no_function_is_named_like_the_export_of_another() {
    let component = wat::parse_str(
        r#"(component
          (core module $m
            (func $run (result i32) i32.const 1)
            (func $e0 (result i32) (call $run))
            (func (export "go") (result i32) (i32.add (call $e0) (i32.const 1))))
          (core instance $m (instantiate $m))
          (func (export "run") (result u32) (canon lift (core func $m "go"))))"#,
    )
    .expect("text");
    let names = |wasm: &[u8]| {
        let mut found = Vec::new();
        for payload in wasmparser::Parser::new(0).parse_all(wasm) {
            if let wasmparser::Payload::CustomSection(section) = payload.expect("valid")
                && let wasmparser::KnownCustom::Name(subsections) = section.as_known()
            {
                for subsection in subsections {
                    if let wasmparser::Name::Function(map) = subsection.expect("valid") {
                        found.extend(map.into_iter().map(|n| n.expect("valid").name.to_owned()));
                    }
                }
            }
        }
        found
    };
    let plain = Options { no_guards: true, ..Options::default() };
    let target = Profile::built_in("wasm3-0.4");
    let target = Options { target, ..plain.clone() };
    let short = Options { names: Some(NameMap::Short), ..plain.clone() };
    for (options, wanted) in [(plain, ["run", "e0"]), (target, ["run [inner]", "e0"]), (short, ["run", "e0 [inner]"])] {
        assert_eq!(names(&link(&component, options).expect("links").wasm), wanted);
    }
}

#[test]
fn names_from_a_file_are_checked_on_both_sides() {
    let component = guest("cli-rust");
    let file = |text: &str| NameFile::parse("names.toml", text).map(NameMap::File);
    let text = "[imports]\n\"wasi:cli/stdout@0.2.6 get-stdout\" = \"env get_stdout\"\n\
                [exports]\n\"wasi:cli/run@0.2.6#run\" = \"run\"";
    let linked = renamed(&component, file(text).expect("a map")).expect("links");
    let module = wasmtime::Module::new(&Engine::default(), &linked.wasm).expect("compiles");
    assert!(module.get_export("run").is_some());
    assert!(module.imports().any(|i| (i.module(), i.name()) == ("env", "get_stdout")));
    assert!(module.imports().any(|i| i.module() == "wasi:cli/stderr@0.2.6"), "the others stay");

    let first = "[imports]\n\"wasi:cli/stdout@0.2.6 get-stdout\" = ";
    for (text, wants, at) in [
        (format!("{first}\"getstdout\""), "is not a module and a field", "\"getstdout\""),
        (format!("{first}\"e a\"\n\"wasi:cli/stderr@0.2.6 get-stderr\" = \"e a\""), "called `e a` too", "\"e a\""),
        (format!("{first}\"wasi:cli/stderr@0.2.6 get-stderr\""), "called `wasi:cli/stderr", "\"wasi"),
        ("[exports]\n\"wasi:cli/run@0.2.1#run\" = \"run\"".to_owned(), "no export `wasi:cli/run@0.2.1#run`", "\"wasi"),
        ("[exports]\n\"wasi:cli/run@0.2.6#run\" = \"memory\"".to_owned(), "called `memory` too", "\"memory\""),
        ("[export]\n".to_owned(), "unknown field `export`", "export"),
        ("[exports]\n\"a\" = \"b\"\n\"a\" = \"c\"".to_owned(), "duplicate key", "\"a\""),
    ] {
        let error = file(&text).and_then(|map| renamed(&component, map)).expect_err(&text);
        assert_eq!(error.code, Code::NameMapInvalid, "{text}");
        assert!(error.message.contains(wants), "{text}: {error}");
        assert!(place(&error).starts_with(at), "{text}: {}", place(&error));
    }
}
