//! What the linker tells: that it is true, and that it fits its schema.

mod pictures;

use crate::witx_json::{schema, validate};
use crate::{guest, root};
use lowlift::link::explain::{End, Explanation, Fate, Origin};
use lowlift::link::{Options, Report, link};
use std::collections::HashMap;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

const GUESTS: [&str; 5] = ["http-hello-rust", "http-echo-rust", "http-hello-c", "http-echo-c", "cli-rust"];

fn linked(component: &[u8]) -> (Report, Vec<u8>) {
    let linked = link(component, Options { explain: true, ..Options::default() }).expect("links");
    (linked.report, linked.wasm)
}

fn told(report: &Report) -> &Explanation {
    report.explain.as_ref().expect("it was asked for")
}

fn fixture(path: &str) -> Vec<u8> {
    wat::parse_file(root(path)).expect("text")
}

/// Components of every kind, with their names.
fn components() -> Vec<(String, Vec<u8>)> {
    let folder = std::fs::read_dir(root("fixtures/link/pass")).expect("the folder");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let fixtures = paths.map(|path| (path.display().to_string(), wat::parse_file(&path).expect("text")));
    let wired = ("wired".to_owned(), fixture("fixtures/cli/inputs/wired.wat"));
    let mut all: Vec<_> = fixtures.chain([wired]).chain(GUESTS.map(|name| (name.to_owned(), guest(name)))).collect();
    all.sort();
    all
}

#[test]
fn what_is_told_agrees_with_the_output() {
    for (name, component) in components() {
        let (report, wasm) = linked(&component);
        let told = told(&report);
        let merged = told.read.instances.iter().filter(|i| i.origin != Origin::Linker).count();
        assert_eq!(merged, report.merged.len(), "{name}");
        let resolved = told.shims.iter().flat_map(|s| &s.slots).filter(|slot| slot.from.is_some()).count();
        assert_eq!((resolved, told.merge.forwarders), (report.shims_resolved, report.shims_resolved), "{name}");
        assert!(
            told.shims.iter().all(|s| s.kept.is_none() == s.slots.iter().all(|slot| slot.from.is_some())),
            "{name}"
        );
        let kept = told.plan.imports.iter().filter(|i| i.kept).count();
        assert_eq!(kept, report.imports.len(), "{name}");
        assert_eq!(told.plan.imports.len() - kept, report.dropped.imports, "{name}");
        assert!(told.merge.dropped <= report.dropped.functions, "{name}");
        assert!(!GUESTS.contains(&name.as_str()) || told.merge.dropped == report.dropped.functions, "{name}");
        let wrappers = told.runtime.functions.iter().filter(|f| f.kind == "wrapper").count();
        assert_eq!(wrappers, report.wrapped_imports, "{name}");
        assert_eq!(told.runtime.functions.iter().any(|f| f.kind == "initialize"), report.initialize, "{name}");
        let (mut bodies, mut exports) = (0, Vec::new());
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.expect("valid") {
                Payload::CodeSectionEntry(_) => bodies += 1,
                Payload::ExportSection(section) => {
                    exports.extend(section.into_iter().map(|e| e.expect("valid").name.to_owned()));
                }
                _ => {}
            }
        }
        assert_eq!(told.merge.output, bodies, "{name}");
        let tables = told.read.instances.iter().flat_map(|i| &i.tables).filter(|table| table.kept).count();
        assert!(tables >= report.tables as usize, "{name}");
        let mut listed: Vec<String> = told.plan.exports.iter().map(|e| e.name.clone()).collect();
        listed.sort();
        exports.sort();
        assert_eq!(listed, exports, "{name}");
        let output: u64 = told.merge.sections.iter().map(|s| s.output).sum();
        assert!(output > 0 && output < wasm.len() as u64, "{name}");
    }
}

/// The floor is as high as it is because of these features: without any one of them the output does not validate.
#[test]
fn the_reasons_for_a_floor_are_reasons() {
    let mut needed = 0;
    for (name, component) in components() {
        let (report, wasm) = linked(&component);
        let verify = &told(&report).verify;
        assert_eq!(verify.needs.is_empty(), report.floor == lowlift::link::Floor::Mvp, "{name}: {:?}", verify.needs);
        for need in &verify.needs {
            let feature = need.feature.as_ref().unwrap_or_else(|| panic!("{name}: {}", need.message));
            let feature = WasmFeatures::from_name(&feature.to_ascii_uppercase()).expect("a feature");
            let without = report.floor.features().difference(feature);
            // A feature may be another's part: bulk memory has its own small form.
            let parts = WasmFeatures::BULK_MEMORY | WasmFeatures::REFERENCE_TYPES;
            let without = if feature == WasmFeatures::BULK_MEMORY_OPT { without.difference(parts) } else { without };
            let error = Validator::new_with_features(without).validate_all(&wasm);
            assert!(error.is_err(), "{name} does without {feature:?}");
            assert!(need.offset < wasm.len());
            needed += 1;
        }
    }
    assert!(needed > 10);
}

#[test]
fn a_shim_that_stays_says_why() {
    for (name, why) in [
        ("shim-partial", "nobody fills slot 1; calling it traps, and must go on trapping"),
        ("shim-wrong-type", "slot 1 holds a function of another type; calling it traps, and must go on trapping"),
        ("shim-start-before-fill", "may call it before its table is full"),
        ("shim-cycle", "a function of it ends in itself"),
    ] {
        let (report, _) = linked(&fixture(&format!("fixtures/link/pass/{name}.wat")));
        let shims = &told(&report).shims;
        let kept: Vec<_> = shims.iter().filter_map(|shim| shim.kept.as_deref()).collect();
        assert!(kept.iter().any(|kept| kept.contains(why)), "{name}: {kept:?}");
        assert!(shims.iter().all(|shim| !shim.slots.is_empty()), "{name}");
    }
}

/// Modules that are nearly a shim and its fixup.
#[test]
fn what_is_nearly_a_shim_says_why_it_is_none() {
    const TABLE: &str = "(table (export \"t\") 1 1 funcref)";
    let forwarder = |table: u32| format!("(func (export \"{table}\") (call_indirect {table} (type 0) (i32.const 0)))");
    let one = forwarder(0);
    let fill = "(elem (i32.const 0) $f)";
    let other = format!("(table 1 1 funcref){}", forwarder(1));
    for (table, functions, fixup, why) in [
        (TABLE, format!("{one}{other}"), fill, "more than one table"),
        (TABLE, one.clone(), "(elem (i32.const 0) $f) (func (drop (table.size 0)))", "code of #1 fixup uses the table"),
        (TABLE, one.clone(), "(elem (i32.const 1) $f)", "#1 fixup writes more than the table holds"),
        (
            TABLE,
            one.clone(),
            "(elem (i32.const 0) funcref (ref.func $f))",
            "#1 fixup fills the table with computed values",
        ),
    ] {
        let text = format!(
            "(component (core module $shim (type (func)) {table} {functions})
             (core module $fixup (import \"\" \"t\" (table 1 1 funcref)) (func $f) {fixup})
             (core instance $s (instantiate $shim)) (core instance (instantiate $fixup (with \"\" (instance $s))))
             (func (export \"run\") (canon lift (core func $s \"0\"))))"
        );
        let (report, _) = linked(&wat::parse_str(&text).unwrap_or_else(|e| panic!("{why}: {e}")));
        let shims = &told(&report).shims;
        assert!(shims[0].kept.as_ref().is_some_and(|kept| kept.contains(why)), "{why}: {shims:?}");
    }
}

#[test]
fn a_wired_component_is_told_whole() {
    let (report, _) = linked(&fixture("fixtures/cli/inputs/wired.wat"));
    let told = told(&report);
    let instances = told.read.instances.iter().filter(|i| i.origin == Origin::Component);
    let fates: Vec<(Option<&str>, Fate)> = instances.map(|i| (i.name.as_deref(), i.fate)).collect();
    assert_eq!(
        fates,
        [
            (Some("shim"), Fate::Resolved),
            (Some("main"), Fate::Merged),
            (Some("adapter"), Fate::Merged),
            (Some("fixup"), Fate::Spent),
            (Some("late"), Fate::Merged),
        ]
    );
    let through = |to, from| told.plan.edges.iter().any(|e| e.to == to && e.from == from && e.through == Some(0));
    assert!(through(1, End::Host) && through(1, End::Instance(2)) && through(2, End::Host));
    assert_eq!(
        told.plan.reallocs.iter().map(|r| (r.from, r.default, r.imports)).collect::<Vec<_>>(),
        [(End::Instance(1), true, 1), (End::Instance(2), false, 1)]
    );
    let guarded: u32 = told.plan.edges.iter().filter(|e| [1, 2].contains(&e.to)).map(|e| e.guarded).sum();
    assert_eq!(guarded, 2, "imports are told through their guards");
    let guards = told.runtime.functions.iter().filter(|f| f.kind == "may-leave");
    let guards: Vec<&str> = guards.filter_map(|f| f.why.split(':').nth(1)).collect();
    assert_eq!(guards, ["demo/text greeting", "demo/text name"]);
    let importers: HashMap<&str, &[u32]> =
        told.plan.imports.iter().map(|i| (i.name.as_str(), i.importers.as_slice())).collect();
    assert_eq!(importers, HashMap::from([("greeting", &[1][..]), ("name", &[2][..])]), "the fixup calls nothing");
    let late: Vec<_> = told.runtime.late_segments.iter().map(|l| (l.kind, l.instance, l.into, l.length)).collect();
    assert_eq!((late, &told.runtime.starts), (vec![("data", 4, 1, 4)], &vec![1]));
    let needs: Vec<_> = told.verify.needs.iter().map(|n| (n.feature.as_deref(), n.function.as_deref())).collect();
    assert_eq!(needs, [(Some("bulk_memory"), None), (Some("sign_extension"), Some("run"))]);
}

#[test]
fn every_report_fits_the_schema() {
    let schema = schema::<Report>();
    for (name, component) in components() {
        let (report, _) = linked(&component);
        let value = serde_json::to_value(&report).expect("JSON");
        validate(&schema, &value).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let (report, _) = linked(&fixture("fixtures/cli/inputs/wired.wat"));
    let value = serde_json::to_value(&report).expect("JSON");
    for (pointer, wrong) in [
        ("/floor", "wasm4".into()),
        ("/explain/read/instances/0/fate", "lost".into()),
        ("/explain/plan/edges/0/from", serde_json::json!({ "kind": "host-ish" })),
        ("/explain/shims/0/slots", serde_json::Value::Null),
    ] {
        let mut other = value.clone();
        *other.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = wrong;
        assert!(validate(&schema, &other).is_err(), "{pointer}");
    }
    let plain = link(&fixture("fixtures/cli/inputs/wired.wat"), Options::default()).expect("links").report;
    let plain = serde_json::to_value(&plain).expect("JSON");
    assert!(plain.get("explain").is_none());
    validate(&schema, &plain).expect("fits without the explanation");
}
