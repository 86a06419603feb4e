//! Which modules a change breaks, and by which of their imports and exports.

use super::*;

fn broken(old: &str, new: &str, module: &str) -> Vec<String> {
    broken_in(&changes(old, new), module)
}

fn broken_in(changes: &[Change], module: &str) -> Vec<String> {
    let wasm = wat::parse_str(module).expect("valid text");
    let broken = breaks(changes, &survey(&wasm).expect("a module"));
    broken.iter().map(|b| format!("{} {} ({})", b.code, b.item, b.because)).collect()
}

#[test]
fn only_what_is_used_breaks() {
    let (old, new) = (interface("f: func(); g: func(); h: func(a: u32);"), interface("f: func(); h: func(a: u64);"));
    let module = |imports: &str| format!("(module {imports})");
    let import = |field: &str| format!(r#"(import "a:b/i@1.0.0" "{field}" (func))"#);
    assert_eq!(broken(&old, &new, &module(&import("f"))), [""; 0]);
    assert_eq!(broken(&old, &new, &module(&import("g"))), ["LL0701 a:b/i@1.0.0 g (a:b/i g)"]);
    assert_eq!(broken(&old, &new, &module(&import("h"))), ["LL0703 a:b/i@1.0.0 h (a:b/i h)"]);
    // The same track, whatever the version; not another track, which is another interface.
    for (version, is_broken) in [("1.3.0", true), ("1", true), ("2.0.0", false), ("0.1.0", false)] {
        let other = module(&import("g")).replace("1.0.0", version);
        assert_eq!(!broken(&old, &new, &other).is_empty(), is_broken, "{version}");
    }
    // Not a function: nothing that any version has.
    let global = module(r#"(import "a:b/i@1.0.0" "g" (global i32))"#);
    assert_eq!(broken(&old, &new, &global), [""; 0]);
}

#[test]
fn a_type_breaks_what_it_passes_through() {
    let wit = |b: &str| {
        interface(&format!("record r {{ a: u8, b: {b} }} f: func(r: list<r>); g: func(); h: func() -> option<r>;"))
    };
    let module = r#"(module (import "a:b/i@1.0.0" "f" (func)) (import "a:b/i@1.0.0" "g" (func)) (import "a:b/i@1.0.0" "h" (func)))"#;
    assert_eq!(
        broken(&wit("u32"), &wit("s32"), module),
        ["LL0708 a:b/i@1.0.0 f (a:b/i r)", "LL0708 a:b/i@1.0.0 h (a:b/i r)"]
    );
}

#[test]
fn asynchronous_forms_are_forms_of_the_same_function() {
    let (old, new) = (interface("f: async func(s: stream<u8>);"), interface(""));
    for field in ["f", "[async-lower]f", "[stream-read-0]f", "[async-lower][stream-write-0]f"] {
        let module = format!(r#"(module (import "a:b/i@1.0.0" "{field}" (func)))"#);
        assert_eq!(broken(&old, &new, &module).len(), 1, "{field}");
    }
    let methods = (interface("resource f; resource g;"), interface("resource g;"));
    let module = r#"(module (import "a:b/i@1.0.0" "[resource-drop]g" (func)))"#;
    assert_eq!(broken(&methods.0, &methods.1, module), [""; 0]);
}

#[test]
fn exports_break_too() {
    let world = |items: &str| {
        format!(
            "package a:b@0.2.0; interface i {{ enum e {{ a, b {items} }} f: func(e: e); }} world w {{ export i; export g: func(); }}"
        )
    };
    let module = r#"(module (func (export "a:b/i@0.2.0#f")) (func (export "g")))"#;
    let more = changes(&world(""), &world(", c"));
    assert_eq!(broken_in(&more, module), ["LL0707 a:b/i@0.2.0#f (a:b/i e)"]);
    let lifted = r#"(module (func (export "[async-lift]a:b/i@0.2.0#f")) (func (export "g")))"#;
    assert_eq!(broken_in(&more, lifted), ["LL0707 [async-lift]a:b/i@0.2.0#f (a:b/i e)"]);
    let later = changes(&world(""), &world("").replace("0.2.0", "0.3.0"));
    assert_eq!(broken_in(&later, module), ["LL0705 a:b/i@0.2.0#f (a:b/i)"]);
    // What is newly wanted breaks who lacks it.
    let wanted = changes(&world(""), &world("").replace("export g:", "export h: func(); export g:"));
    assert_eq!(broken_in(&wanted, module), ["LL0702 h (world export h)"]);
    assert_eq!(broken_in(&wanted, r#"(module (func (export "h")))"#), [""; 0]);
    assert_eq!(broken_in(&wanted, r#"(module (func (export "[async-lift]h")))"#), [""; 0]);
}

#[test]
fn who_exports_a_realloc_can_meet_a_need_for_one() {
    let wit = |c: &str| interface(&format!("f: func() -> tuple<u32, u32, {c}>;"));
    let module = r#"(module (import "a:b/i@1.0.0" "f" (func)))"#;
    let changes = changes(&wit("u32"), &wit("string"));
    let needs: Vec<Change> = changes.into_iter().filter(|c| c.code == Code::NeedsChanged).collect();
    assert_eq!(broken_in(&needs, module), ["LL0706 a:b/i@1.0.0 f (a:b/i f)"]);
    let with = module.replace("))", r#"(param i32))) (func (export "cabi_realloc"))"#).replacen(
        "(func(param",
        "(func (param",
        1,
    );
    assert_eq!(broken_in(&needs, &with), [""; 0]);
}

#[test]
fn real_guests_run_on_the_next_release() {
    let release = |version: &str| {
        let loaded = built_in(&format!("wasi@{version}"), &Gates::default()).expect("built in");
        derivation(&loaded, &Scope::Packages(loaded.packages.clone()), &Options::default())
    };
    let [oldest, newest, next] = ["0.2.0", "0.2.12", "0.3.2"].map(release);
    let component = guest("http-hello-rust");
    let linked = lowlift::link::link(&component, Default::default()).expect("links");
    let survey = survey(&linked.wasm).expect("a module");
    assert!(breaks(&diff(&oldest, &newest), &survey).is_empty());
    let broken = breaks(&diff(&newest, &next), &survey);
    assert!(broken.iter().any(|b| b.item.starts_with("wasi:http/types@0.2")), "{broken:?}");
}

#[test]
fn a_host_by_canonical_versions_is_known_by_its_track() {
    let io = built_in("wasi:io@0.2.12", &Gates::default()).expect("built in");
    let abi = Abi { names: Names::Canonical, forms: Forms::Sync };
    let host = derivation(&io, &Scope::Packages(io.packages.clone()), &Options { abi, aliases: Vec::new() });
    let target = lowlift::check::Target::of_derivation("host", host);
    let codes = |version: &str| {
        let text = format!(
            r#"(module (import "wasi:io/poll@{version}" "[method]pollable.ready" (func (param i32) (result i32))))"#
        );
        let survey = survey(&wat::parse_str(text).expect("valid text")).expect("a module");
        let checked = lowlift::check::check(&survey, &target, lowlift::abi::Allocation::default());
        (checked.failed(), checked.findings.iter().map(|f| f.code().id()).collect::<Vec<_>>())
    };
    assert_eq!(codes("0.2"), (false, vec![]));
    assert_eq!(codes("0.2.3"), (false, vec!["LL0405"]));
    assert_eq!(codes("0.2.12"), (false, vec!["LL0405"]));
    assert!(codes("0.3.0").0 && codes("0.3").0);
}
