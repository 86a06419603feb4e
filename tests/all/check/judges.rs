//! What is found is what others find: the validator for features, the linker for components; and any bytes are borne.

use super::{json, lowlift, text};
use crate::{guest, root};
use lowlift::check::{Host, Target, component, module};
use lowlift::diagnostic::Code;
use lowlift::link::link;
use lowlift::profile::Profile;
use lowlift::wit::{Gates, built_in, select_world};
use wasmparser::Validator;

const GUESTS: [&str; 7] =
    ["http-hello-rust", "http-echo-rust", "http-hello-c", "http-echo-c", "cli-rust", "files-rust", "shelf-c"];

/// Core modules of many kinds: linked guests and fixtures.
fn modules() -> Vec<(String, Vec<u8>)> {
    let mut modules =
        vec![("p1-command".to_owned(), guest("p1-command")), ("p1-reactor".to_owned(), guest("p1-reactor"))];
    for name in GUESTS {
        modules.push((name.to_owned(), link(&guest(name), Default::default()).expect("links").wasm));
    }
    for folder in ["feature-lacking", "two-memories", "shared-memory", "support-type", "data-budget"] {
        for (path, _) in super::modules(folder, "") {
            modules.push((super::shown(&path), wat::parse_file(&path).expect("valid text")));
        }
    }
    modules
}

#[test]
fn features_are_found_where_the_validator_refuses() {
    let (mut refused, mut taken) = (0, 0);
    for name in Profile::names() {
        let profile = Profile::built_in(name).expect("built in");
        let host = Host { profile: Some(&profile), ..Host::default() };
        for (label, wasm) in modules() {
            let (checked, _) = module(&wasm, &host, None).unwrap_or_else(|e| panic!("{label}: {e}"));
            let of_features = [Code::FeatureLacking, Code::TwoMemories, Code::SharedMemory];
            let found: Vec<_> = checked.findings.iter().filter(|f| of_features.contains(&f.code())).collect();
            let valid = Validator::new_with_features(profile.features).validate_all(&wasm);
            match valid {
                Err(_) => assert!(!found.is_empty(), "{name} takes {label}"),
                // The number of memories is a limit, too.
                Ok(_) => {
                    assert!(found.iter().all(|f| f.code() == Code::TwoMemories), "{name} refuses {label}: {found:?}")
                }
            }
            *(if found.is_empty() { &mut taken } else { &mut refused }) += 1;
        }
    }
    assert!(refused > 20 && taken > 50, "{refused} refused, {taken} taken");
}

#[test]
fn components_and_what_they_are_linked_to_are_judged_alike() {
    for (name, world, fits) in [
        ("http-hello-rust", "wasi:http/proxy@0.2.12", true),
        ("http-echo-c", "wasi:http/proxy@0.2.12", true),
        ("cli-rust", "wasi:cli/command@0.2.12", true),
        ("http-hello-rust", "wasi:cli/command@0.2.12", false),
        ("cli-rust", "wasi:http/proxy@0.2.12", false),
    ] {
        let (package, item) = world.split_once('/').expect("a world of a package");
        let (item, version) = item.split_once('@').expect("a version");
        let loaded = built_in(&format!("{package}@{version}"), &Gates::default()).expect("built in");
        let world = select_world(&loaded, Some(item)).expect("a world");
        let target = Target::of_world("host", &loaded.resolve, world).expect("a target");
        let host = Host { target: Some(&target), ..Host::default() };
        let bytes = guest(name);
        let (whole, what) = component(&bytes, &host).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(what.starts_with("component, "), "{what}");
        let linked = link(&bytes, Default::default()).expect("links");
        let (lowered, _) = module(&linked.wasm, &host, None).expect("a module");
        assert_eq!((whole.failed(), lowered.failed()), (!fits, !fits), "{name}: {:?}", whole.findings);
        // What is missing is missing in both; a component names all of the functions of its world.
        for finding in lowered.findings.iter().filter(|f| f.code() == Code::ExportMissing) {
            assert!(whole.findings.iter().any(|f| f.subject == finding.subject), "{}", finding.subject);
        }
    }
}

#[test]
fn features_in_the_modules_of_a_component_have_places_in_the_component() {
    let profile = Profile::built_in("mvp").expect("built in");
    let host = Host { profile: Some(&profile), ..Host::default() };
    let bytes = guest("http-hello-rust");
    let (checked, _) = component(&bytes, &host).expect("a component");
    let found: Vec<_> = checked.findings.iter().filter(|f| f.code() == Code::FeatureLacking).collect();
    assert!(!found.is_empty());
    for finding in found {
        let offset = finding.offset.expect("a place");
        assert!(finding.subject.starts_with("core module ") && offset < bytes.len());
        let within = finding.facts.iter().find(|(label, _)| *label == "in").map(|(_, text)| text.as_str());
        assert!(within.is_some_and(|text| text.starts_with("core module ")), "{:?}", finding.facts);
    }
}

/// Without a target, the component's own world says which of its imports allocate.
#[test]
fn reentrancy_is_known_from_the_component_itself() {
    let folder = root("fixtures/check");
    let path = root("fixtures/guests/http-echo-rust.wasm");
    let report = json(&folder, &["check", path.to_str().expect("UTF-8"), "--profile", "busy.toml"]);
    let found = super::findings(&report).find(|f| f["rule"] == "reentrancy-needed").expect("found");
    assert_eq!(found["subject"], "wasi:http/types@0.2.12");
}

/// Of a core module without a target, the built-in packages say it: by any scheme of names, in any version of a track.
#[test]
fn reentrancy_of_wasi_is_known_from_names() {
    let profile = Profile::built_in("spacewasm").expect("built in");
    let found = |import: &str, params: &str| {
        let text = format!("(module (import {import} (func (param {params}))) (memory (export \"memory\") 1))");
        let wasm = wat::parse_str(text).expect("text");
        let host = Host { profile: Some(&profile), ..Host::default() };
        let (checked, _) = module(&wasm, &host, None).expect("a module");
        checked.findings.iter().any(|f| f.code() == Code::ReentrancyNeeded)
    };
    for import in [
        r#""wasi:cli/environment@0.2.12" "get-environment""#,
        r#""wasi:cli/environment@0.2.5" "get-environment""#,
        r#""wasi:cli/environment@0.2" "get-environment""#,
        r#""wasi:cli/environment@0.3.0" "get-environment""#,
        r#""cm32p2|wasi:cli/environment@0.2" "get-environment""#,
    ] {
        assert!(found(import, "i32"), "{import}");
    }
    for (import, params) in [
        (r#""wasi:cli/environment@0.2.12" "get-environment""#, "i64"),
        (r#""wasi:cli/environment@0.9.0" "get-environment""#, "i32"),
        (r#""wasi:cli/environment" "get-environment""#, "i32"),
        (r#""wasi:cli/exit@0.2.12" "exit""#, "i32"),
        (r#""my:cli/environment@0.2.12" "get-environment""#, "i32"),
        (r#""env" "get-environment""#, "i32"),
    ] {
        assert!(!found(import, params), "{import}");
    }
    // The same as with a target, for what a real guest imports.
    let linked = link(&guest("http-echo-rust"), Default::default()).expect("links");
    let own = lowlift::check::own("guest", &guest("http-echo-rust")).expect("a world");
    let host = Host { profile: Some(&profile), ..Host::default() };
    let of = |own: Option<&Target>| {
        let (checked, _) = module(&linked.wasm, &host, own).expect("a module");
        let found = checked.findings.iter().filter(|f| f.code() == Code::ReentrancyNeeded);
        found.map(|f| (f.subject.clone(), f.facts.clone())).collect::<Vec<_>>()
    };
    assert_eq!(of(None), of(Some(&own)));
    assert!(!of(None).is_empty());
}

/// A component names no arena: what needs a host that is re-entrant has no place in it.
#[test]
fn places_are_known_from_the_component_itself() {
    let path = root("fixtures/guests/http-echo-rust.wasm");
    let args = ["check", path.to_str().expect("UTF-8"), "--profile", "busy.toml"];
    let found = |more: &[&str], rule: &str| -> Vec<String> {
        let report = json(&root("fixtures/check"), &[&args, more].concat());
        let of_rule = super::findings(&report).filter(|f| f["rule"] == rule);
        of_rule.map(|f| f["subject"].as_str().expect("text").to_owned()).collect()
    };
    let reentrancy = found(&[], "reentrancy-needed");
    assert!(!reentrancy.is_empty());
    assert_eq!(found(&["--alloc", "arena"], "place-missing"), reentrancy);
    assert!(found(&["--alloc", "arena"], "reentrancy-needed").is_empty());
}

#[test]
fn an_adapter_that_was_linked_in_is_seen() {
    let wasm = guest("p1-command");
    let survey = lowlift::adapt::survey(&wasm).expect("a module");
    let adapter = lowlift::adapt::choose(&survey, None).expect("fits").expect("one");
    let adapted = lowlift::adapt::wrap(&wasm, &survey, Some(&adapter)).expect("wraps");
    let linked = link(&adapted.component, Default::default()).expect("links");
    let codes = |wasm: &[u8]| {
        let (checked, _) = module(wasm, &Host::default(), None).expect("a module");
        checked.findings.iter().map(|f| f.code()).collect::<Vec<_>>()
    };
    assert_eq!((codes(&linked.wasm), codes(&wasm)), (vec![Code::AdapterLeft], vec![]));
    let native = link(&guest("cli-rust"), Default::default()).expect("links");
    assert_eq!(codes(&native.wasm), []);
}

/// Damaged modules are refused or judged, under every profile.
#[test]
fn any_bytes_are_borne() {
    let profile = Profile::built_in("mvp").expect("built in");
    let budget = lowlift::check::Budget { stack: Some(1), data: Some(1), ..Default::default() };
    let host = Host { profile: Some(&profile), target: None, budget, ..Host::default() };
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits")
    };
    let mut judged = 0;
    let all: Vec<_> = modules().into_iter().filter(|(_, wasm)| wasm.len() < 100_000).collect();
    for _ in 0..400 {
        let mut wasm = all[next() % all.len()].1.clone();
        for _ in 0..1 + next() % 3 {
            let at = next() % wasm.len();
            wasm[at] = u8::try_from(next() & 0xff).expect("a byte");
        }
        judged += usize::from(module(&wasm, &host, None).is_ok());
        let _ = component(&wasm, &host);
    }
    assert!(judged > 20, "{judged}");
}

#[test]
fn nothing_to_check_against_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("app.wat"), "(module)").expect("written");
    let output = lowlift(folder.path(), &["check", "app.wat"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is nothing to check against"));
    let output = lowlift(folder.path(), &["check", "app.wat", "--component", "--profile", "mvp"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("LL0107"), "{}", text(&output.stderr));
}

/// What is said of one module does not take the time of all of them.
#[test]
fn imports_from_very_many_modules_are_each_told_of() {
    const MODULES: usize = 20_000;
    let imports: String = (0..MODULES).map(|i| format!("(import \"m{i}\" \"db_read\" (func))")).collect();
    let wasm = wat::parse_str(format!("(module {imports} (import \"env\" \"db_read\" (func)))")).expect("text");
    let wasi = built_in("wasi:http@0.2.12", &Gates::default()).expect("built in");
    let world = select_world(&wasi, Some("proxy")).expect("a world");
    let target = Target::of_world("proxy", &wasi.resolve, world).expect("a target");
    let host = Host { target: Some(&target), ..Host::default() };
    let (checked, survey) = module(&wasm, &host, None).expect("valid");
    assert_eq!(survey.describe(), format!("core module, imports from {} modules", MODULES + 1));
    let unknown: Vec<_> = checked.findings.iter().filter(|f| f.code() == Code::UnknownModule).collect();
    assert_eq!(unknown.len(), MODULES + 1);
    let of_a_host = |text: &str| unknown.iter().filter(|f| format!("{f:?}").contains(text)).count();
    assert_eq!((of_a_host("plug-in"), of_a_host("a host of its own: describe these")), (1, MODULES));
}
