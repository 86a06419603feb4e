//! What the linker tells: that it is true, that it fits its schema, and that no name gets out of its text.

use crate::witx_json::{schema, validate};
use crate::{golden, guest, root};
use lowlift::link::explain::{End, Explanation, Fate, html, svg, text};
use lowlift::link::{Options, Report, link};
use roxmltree::{Document, ParsingOptions};
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

fn parse(xml: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).expect("well-formed XML")
}

#[test]
fn what_is_told_agrees_with_the_output() {
    for (name, component) in components() {
        let (report, wasm) = linked(&component);
        let told = told(&report);
        assert_eq!(told.read.instances.len(), report.merged.len(), "{name}");
        let resolved = told.shims.iter().flat_map(|s| &s.slots).filter(|slot| slot.from.is_some()).count();
        assert_eq!((resolved, told.merge.forwarders), (report.shims_resolved, report.shims_resolved), "{name}");
        assert!(
            told.shims.iter().all(|s| s.kept.is_none() == s.slots.iter().all(|slot| slot.from.is_some())),
            "{name}"
        );
        assert_eq!(told.plan.imports.len(), report.imports.len(), "{name}");
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
    let fates: Vec<(Option<&str>, Fate)> = told.read.instances.iter().map(|i| (i.name.as_deref(), i.fate)).collect();
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

/// Needs nothing but itself, and says in words what it draws.
fn stands_alone(out: &str) {
    let xml = parse(out);
    for node in xml.descendants() {
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(name != "src" && (name != "href" || value.starts_with('#')), "{name}={value}");
            assert!(!name.starts_with("on"), "{name}");
        }
        assert!(!node.has_tag_name("script"));
    }
    assert!(!out.contains("@import") && !out.replace("url(#", "").contains("url("));
    assert!(out.contains("prefers-color-scheme:dark"));
    assert!(!out.contains(|c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)));
}

#[test]
fn pictures_and_pages_name_every_instance() {
    for (name, component) in components() {
        let (report, _) = linked(&component);
        let told = told(&report);
        let (drawn, page, plain) = (svg(told, "it"), html(told, "it"), text(told));
        stands_alone(&drawn);
        stands_alone(&page);
        for instance in &told.read.instances {
            let label = match &instance.name {
                Some(name) => format!("#{} {name}", instance.index),
                None if instance.component_instance.is_none() => format!("#{} (fused adapter)", instance.index),
                None => format!("#{} (module {})", instance.index, instance.module),
            };
            for out in [&drawn, &page, &plain] {
                assert!(out.contains(&label), "{name}: {label}");
            }
        }
        let xml = parse(&page);
        let ids: Vec<_> = xml.descendants().filter_map(|n| n.attribute("id")).collect();
        assert!(ids.iter().enumerate().all(|(i, id)| !ids[i + 1..].contains(id)), "ids are unique: {ids:?}");
        for link in xml.descendants().filter_map(|n| n.attribute("href")) {
            assert!(ids.contains(&link.trim_start_matches('#')), "{link}");
        }
        assert_eq!(drawn, svg(told, "it"), "the same again");
    }
}

/// Upright lines: their place, and from where to where; with the group that they are in.
fn uprights(xml: &Document<'_>) -> Vec<(usize, i64, i64, i64)> {
    let mut all = Vec::new();
    for (group, node) in xml.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "g"))).enumerate() {
        for path in node.children().filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("bus"))) {
            let d = path.attribute("d").expect("a path");
            let Some((start, end)) = d.split_once('V') else { continue };
            let (x, y) = start.trim_start_matches('M').split_once(' ').expect("a place");
            let [x, y, end] = [x, y, end].map(|n| n.parse::<i64>().expect("a number"));
            all.push((group, x, y.min(end), y.max(end)));
        }
    }
    all
}

#[test]
fn lines_of_two_providers_never_meet() {
    for (name, component) in components() {
        let (report, _) = linked(&component);
        let drawn = svg(told(&report), "it");
        let xml = parse(&drawn);
        let lines = uprights(&xml);
        for (i, (group, x, low, high)) in lines.iter().enumerate() {
            for (other, at, from, to) in &lines[i + 1..] {
                assert!(group == other || x != at || high < from || to < low, "{name}: two lines at {x}");
            }
        }
    }
}

#[test]
fn words_keep_within_their_cards() {
    for (name, component) in components().into_iter().chain([("hostile".to_owned(), hostile())]) {
        let (report, _) = linked(&component);
        let drawn = svg(told(&report), "it");
        let xml = parse(&drawn);
        let of = |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).and_then(|v| v.parse::<f64>().ok());
        let card = xml
            .descendants()
            .filter(|n| n.attribute("class") == Some("box"))
            .max_by_key(|n| of(n, "width").map(|w| w as i64));
        let card = card.expect("a card");
        let (left, right) =
            (of(&card, "x").expect("x"), of(&card, "x").expect("x") + of(&card, "width").expect("width"));
        let mut rows = 0;
        for text in xml.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "text"))) {
            let x = of(&text, "x").expect("x");
            // The head of the drawing starts at the margin.
            if x <= left {
                continue;
            }
            let size = if text.attribute("class").unwrap_or_default().starts_with("name") { 11.0 } else { 10.0 };
            let long = text.text().unwrap_or_default().chars().count() as f64 * size * 0.602;
            let end = if text.attribute("text-anchor") == Some("end") { x } else { x + long };
            assert!(end <= right.max(560.0), "{name}: {:?}", text.text());
            rows += 1;
        }
        assert!(rows > 4, "{name}");
    }
}

const HOSTILE: &str = "\\\"><script>alert(1)</script>&amp;\\n\\u{202e}evil\\u{0}\\u{1b}[31m]]>-->'";

/// Names that want to be markup or to confuse, and one that is too long.
fn hostile() -> Vec<u8> {
    let long = "n".repeat(10_000);
    let text = format!(
        r#"(component
          (import "host" (func $host))
          (core module $a (@name "{HOSTILE}") (memory (export "m") 1) (table 1 funcref)
            (func $f (@name "{HOSTILE}") (export "{HOSTILE}")))
          (core module $b (@name "{long}") (import "a" "{HOSTILE}" (func)) (import "a" "m" (memory 1))
            (import "host" "h" (func)) (func $g (@name "{long}") (export "{long}") (call 0)))
          (core instance $a (instantiate $a))
          (core func $h (canon lower (func $host)))
          (core instance $b (instantiate $b
            (with "a" (instance $a)) (with "host" (instance (export "h" (func $h))))))
          (func (export "run") (canon lift (core func $b "{long}"))))"#
    );
    wat::parse_str(text).expect("text")
}

#[test]
fn names_stay_text() {
    let (report, _) = linked(&hostile());
    let told = told(&report);
    let (drawn, page, plain) = (svg(told, HOSTILE), html(told, HOSTILE), text(told));
    for out in [&drawn, &page] {
        stands_alone(out);
        assert!(!out.contains("<script") && out.contains("&lt;script&gt;"));
        assert!(out.len() < 200_000, "{}", out.len());
    }
    assert!(!plain.contains(|c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)));
    assert!(plain.lines().all(|line| line.chars().count() < 300), "{plain}");
    assert!(plain.contains("#1 nnnn"));
}

#[test]
fn what_is_too_much_is_counted_instead() {
    let instances = "(core instance (instantiate $m (with \"\" (instance $a))))".repeat(900);
    let component = format!(
        "(component (core module $a (func (export \"f\"))) (core module $m (import \"\" \"f\" (func)))
         (core instance $a (instantiate $a)) {instances}
         (func (export \"run\") (canon lift (core func $a \"f\"))))"
    );
    let (report, _) = linked(&wat::parse_str(component).expect("text"));
    let told = told(&report);
    assert_eq!(told.read.instances.len(), 901);
    let (drawn, page, plain) = (svg(told, "it"), html(told, "it"), text(told));
    parse(&drawn);
    parse(&page);
    assert!(drawn.contains("more") && drawn.len() < 200_000, "{}", drawn.len());
    assert!(plain.contains("… 801 rows more") && plain.len() < 100_000);
    assert!(page.len() < 2 << 20);
}

/// Whatever links can be told and drawn.
#[test]
fn mutated_components_are_told_too() {
    let component = fixture("fixtures/cli/inputs/wired.wat");
    let mut told = 0;
    for at in 8..component.len() {
        for change in [1, 0x55, 0xff] {
            let mut bytes = component.clone();
            bytes[at] ^= change;
            let Ok(linked) = link(&bytes, Options { explain: true, ..Options::default() }) else { continue };
            let explain = linked.report.explain.as_ref().expect("it was asked for");
            parse(&svg(explain, "it"));
            parse(&html(explain, "it"));
            assert!(!text(explain).is_empty());
            told += 1;
        }
    }
    assert!(told > 100, "{told}");
}

/// The picture of the documentation.
#[test]
fn the_picture_of_the_documentation_is_fresh() {
    let (report, _) = linked(&fixture("fixtures/cli/inputs/wired.wat"));
    let drawn = svg(told(&report), "wired.wat");
    parse(&drawn);
    golden(&root("docs/pictures/link.svg"), &drawn);
}
