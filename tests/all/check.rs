//! What `lowlift check` finds: a folder of `fixtures/check` for each rule, with modules that it finds something in, what it
//! says, and a module that passes. The first line of each module is the command.

mod config;
mod forms;
mod judges;
mod watch;

use crate::{golden, root};
use lowlift::diagnostic::Rule;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the program in a folder.
fn lowlift(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lowlift"));
    command.current_dir(folder).env("NO_COLOR", "1").args(args).output().expect("starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Runs it, and reads what it says as JSON.
fn json(folder: &Path, args: &[&str]) -> Value {
    let output = lowlift(folder, &[args, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", text(&output.stderr)))
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    report["modules"].as_array().expect("modules").iter().flat_map(|m| m["findings"].as_array().expect("findings"))
}

/// The modules of a rule's folder whose names begin with `prefix`, each with the arguments of its first line.
fn modules(rule: &str, prefix: &str) -> Vec<(PathBuf, Vec<String>)> {
    let folder = root("fixtures/check").join(rule);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        name.starts_with(prefix) && name.ends_with(".wat")
    });
    paths.sort();
    let command = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a module");
        let line = text.lines().next().and_then(|line| line.strip_prefix(";; lowlift check ")).expect("a command");
        line.split(' ').map(str::to_owned).collect()
    };
    paths.into_iter().map(|path| (path.clone(), command(&path))).collect()
}

/// What is shown of a module: its name below `fixtures/check`.
fn shown(path: &Path) -> String {
    let rest = path.strip_prefix(root("fixtures/check")).expect("below the fixtures");
    rest.to_str().expect("UTF-8").replace('\\', "/")
}

#[test]
fn every_rule_has_a_folder_and_every_folder_a_rule() {
    let entries = std::fs::read_dir(root("fixtures/check")).expect("fixtures").map(|e| e.expect("an entry").path());
    let folders = entries.filter(|path| path.is_dir()).map(|path| shown(&path));
    let rules = Rule::all().iter().map(|rule| rule.id.to_owned());
    assert_eq!(folders.collect::<BTreeSet<_>>(), rules.collect::<BTreeSet<_>>());
    let files = std::fs::read_dir(root("src/check/rules")).expect("rules").map(|e| e.expect("an entry").file_name());
    let files = files.map(|name| name.to_str().expect("UTF-8").strip_suffix(".toml").expect("TOML").to_owned());
    let rules = Rule::all().iter().map(|rule| rule.id.to_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), rules.collect::<BTreeSet<_>>(), "every file is registered");
}

#[test]
fn every_rule_finds_what_it_is_for_and_nothing_else() {
    let folder = root("fixtures/check");
    for rule in Rule::all() {
        let fails = modules(rule.id, "fail");
        assert!(!fails.is_empty(), "{}: nothing fails", rule.id);
        for (path, args) in fails {
            let name = shown(&path);
            let args: Vec<&str> = std::iter::once(name.as_str()).chain(args.iter().map(String::as_str)).collect();
            let args = [&["check"][..], &args].concat();
            let output = lowlift(&folder, &args);
            let code = i32::from(rule.severity == lowlift::diagnostic::Level::Error);
            assert_eq!(output.status.code(), Some(code), "{name}: {}", text(&output.stderr));
            golden(&path.with_extension("txt"), text(&output.stdout));
            let report = json(&folder, &args);
            let found: BTreeSet<&str> = findings(&report).filter_map(|f| f["rule"].as_str()).collect();
            assert_eq!(found, BTreeSet::from([rule.id]), "{name}");
        }
        let passes = modules(rule.id, "pass");
        assert_eq!(passes.len(), 1, "{}: one module passes", rule.id);
        for (path, args) in passes {
            let name = shown(&path);
            let args: Vec<&str> = ["check", &name].into_iter().chain(args.iter().map(String::as_str)).collect();
            let output = lowlift(&folder, &args);
            assert_eq!(output.status.code(), Some(0), "{name}: {}{}", text(&output.stdout), text(&output.stderr));
            assert!(text(&output.stdout).ends_with(": fine\n"), "{name}: {}", text(&output.stdout));
        }
    }
}

/// Every word of a rule is said somewhere: no hole stays empty, no fact or hint is dead.
#[test]
fn every_hole_is_filled_and_every_hint_is_given() {
    let folder = root("fixtures/check");
    let (mut labels, mut hints) = (BTreeMap::<&str, BTreeSet<String>>::new(), BTreeMap::<&str, Vec<String>>::new());
    for rule in Rule::all() {
        for (path, args) in modules(rule.id, "fail") {
            let name = shown(&path);
            let args: Vec<&str> = ["check", &name].into_iter().chain(args.iter().map(String::as_str)).collect();
            for finding in findings(&json(&folder, &args)) {
                let message = finding["message"].as_str().expect("a message");
                assert!(!rule.holes().iter().any(|hole| message.contains(&format!("{{{hole}}}"))), "{message}");
                assert!(message != rule.title || !rule.message.contains('{'), "{name}: the message has a hole");
                let facts = finding["facts"].as_object().expect("facts").keys().cloned();
                labels.entry(rule.id).or_default().extend(facts);
                let said = finding["hints"].as_array().expect("hints").iter().filter_map(Value::as_str);
                hints.entry(rule.id).or_default().extend(said.map(str::to_owned));
            }
        }
        for (_, label) in &rule.facts {
            assert!(labels[rule.id].contains(label), "{}: the fact `{label}` is never told", rule.id);
        }
        for hint in &rule.hints {
            let fits = |said: &String| {
                let mut pieces = hint.split('}').map(|piece| piece.split('{').next().unwrap_or_default());
                pieces.all(|piece| said.contains(piece))
            };
            assert!(hints[rule.id].iter().any(fits), "{}: the hint `{hint}` is never given", rule.id);
        }
    }
}
