//! The forms for programs: each is read by somebody else.

use super::{findings, lowlift, text};
use crate::root;
use crate::witx_json::{schema, validate};
use lowlift::check::Sheet;
use serde_json::Value;
use std::collections::BTreeSet;

const ARGS: [&str; 8] = [
    "check",
    "unknown-interface/fail.wat",
    "version-differs/fail.wat",
    "feature-lacking/fail.wat",
    "--against",
    "host.wit",
    "--world",
    "plain",
];

/// The fixtures in one run, half of their findings known.
fn run(format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let known = folder.path().join("known.json");
    let entry = |module: &str, rule: &str, subject: &str| serde_json::json!({ "module": module, "rule": rule, "subject": subject });
    let entries = [
        entry("fail.wat", "unknown-interface", "test:hots/api@0.2.5"),
        entry("fail.wat", "feature-lacking", "sign-extension"),
        entry("fail.wat", "name-too-long", "gone"),
        entry("elsewhere.wat", "name-too-long", "not looked at"),
    ];
    let file = serde_json::json!({ "version": 1, "findings": entries });
    std::fs::write(&known, file.to_string()).expect("written");
    let known = known.to_str().expect("UTF-8");
    let args = [&ARGS[..], &["--profile", "plain.toml", "--baseline", known, "--format", format]].concat();
    let output = lowlift(&root("fixtures/check"), &args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

#[test]
fn json_fits_its_schema() {
    let schema = schema::<Sheet>();
    let report: Value = serde_json::from_str(&run("json")).expect("JSON");
    validate(&schema, &report).expect("fits");
    let known = findings(&report).filter(|f| f["known"] == true).count();
    assert_eq!((known, report["stale"].as_array().map(Vec::len)), (2, Some(1)));
    for (pointer, wrong) in [
        ("/modules/0/findings/0/severity", Value::from("fatal")),
        ("/modules/0/findings/0/fingerprint", Value::Null),
        ("/modules/0/imports", Value::from(-1)),
        ("/stale/0/subject", Value::Null),
        ("/schema", Value::from("1")),
    ] {
        let mut other = report.clone();
        *other.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = wrong;
        assert!(validate(&schema, &other).is_err(), "{pointer}");
    }
    let prints: BTreeSet<&str> = findings(&report).filter_map(|f| f["fingerprint"].as_str()).collect();
    assert_eq!(prints.len(), findings(&report).count(), "fingerprints tell findings apart");
    assert!(prints.iter().all(|print| print.len() == 32));
    // They are published, so they never change: SHA-256 over the parts, a NUL after each.
    assert!(prints.contains("a51d7377f84df3d42713bb6a67de80eb"), "{prints:?}");
}

#[test]
fn sarif_has_rules_with_help_fingerprints_and_suppressions() {
    let report: Value = serde_json::from_str(&run("json")).expect("JSON");
    let sarif: Value = serde_json::from_str(&run("sarif")).expect("JSON");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), findings(&report).count());
    for (result, finding) in results.iter().zip(findings(&report)) {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small")];
        assert_eq!((&rule["id"], &rule["name"]), (&result["ruleId"], &finding["rule"]));
        assert!(rule["help"]["text"].as_str().is_some_and(|help| help.contains("Fix: ")));
        assert_eq!(result["partialFingerprints"]["lowlift/v1"], finding["fingerprint"]);
        assert_eq!(result.get("suppressions").is_some(), finding["known"] == true);
        assert_eq!(result["level"], finding["severity"]);
    }
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().expect("notes");
    assert_eq!(notes.len(), 1);
}

#[test]
fn junit_is_xml_with_a_case_for_each_finding() {
    let report: Value = serde_json::from_str(&run("json")).expect("JSON");
    let xml = run("junit");
    let document = roxmltree::Document::parse(&xml).expect("XML");
    let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    assert_eq!(cases.len(), findings(&report).count());
    for (case, finding) in cases.iter().zip(findings(&report)) {
        assert_eq!(case.attribute("classname"), finding["rule"].as_str());
        let has = |tag: &str| case.children().any(|node| node.has_tag_name(tag));
        assert_eq!(has("skipped"), finding["known"] == true);
        assert_eq!(has("failure"), finding["known"] == false && finding["severity"] == "error");
    }
}

#[test]
fn names_from_modules_stay_text_in_markdown_and_on_terminals() {
    let folder = tempfile::tempdir().expect("a folder");
    let hostile = "a`|<img src=x>[x](http://x)@you\\1b[31m\\u{202e}";
    let module = format!(r#"(module (import "{hostile}" "f" (func)))"#);
    std::fs::write(folder.path().join("app.wat"), module).expect("written");
    let args = ["check", "app.wat", "--against", "wasi:io"];
    let markdown = lowlift(folder.path(), &[&args[..], &["--format", "markdown"]].concat());
    let markdown = text(&markdown.stdout);
    let row = markdown.lines().find(|line| line.contains("LL0403")).expect("a row");
    assert_eq!(row.matches('|').count(), 5, "{row}");
    for bad in ["<img", "[x]", "\u{1b}", "\u{202e}"] {
        assert!(!markdown.contains(bad), "{markdown}");
    }
    let plain = lowlift(folder.path(), &args);
    assert!(!text(&plain.stdout).contains(['\u{1b}', '\u{202e}']));
    for format in ["json", "sarif"] {
        let output = lowlift(folder.path(), &[&args[..], &["--format", format]].concat());
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON");
    }
    let junit = lowlift(folder.path(), &[&args[..], &["--format", "junit"]].concat());
    roxmltree::Document::parse(text(&junit.stdout)).expect("XML");
}

#[test]
fn rules_are_listed_and_explained_alike() {
    let folder = root("fixtures/check");
    let list: Value = serde_json::from_slice(&lowlift(&folder, &["check", "--list", "--json"]).stdout).expect("JSON");
    for rule in list.as_array().expect("rules") {
        let (id, code) = (rule["id"].as_str().expect("a name"), rule["code"].as_str().expect("a code"));
        let said: BTreeSet<Vec<u8>> = [
            ["check", "--explain", id].as_slice(),
            &["check", "--explain", code],
            &["explain", code],
            &["explain", id],
        ]
        .into_iter()
        .map(|args| lowlift(&folder, args).stdout)
        .collect();
        let [said] = &said.into_iter().collect::<Vec<_>>()[..] else { panic!("{id} is explained in several ways") };
        assert!(text(said).contains(rule["why"].as_str().expect("a reason")) && text(said).starts_with(code));
    }
    let wrong = lowlift(&folder, &["check", "--explain", "signature-mismach"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("did you mean `signature-mismatch`?"));
}
