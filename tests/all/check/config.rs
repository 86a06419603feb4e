//! `[check]` in `lowlift.toml`, severities on the command line, and the baseline.

use super::{findings, json, lowlift, text};
use crate::root;
use lowlift::check::Config;
use lowlift::diagnostic::{Code, Level, Place, Rule};
use std::path::Path;

/// A folder with a host, a module that has one error and one warning, and a configuration.
fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(root("fixtures/check/host.wit"), folder.path().join("host.wit")).expect("copied");
    let module = r#"(module
        (import "test:host/api@0.2.5" "addd" (func (param i32 i32) (result i32)))
        (import "test:host/api@0.2.1" "add" (func (param i32 i32) (result i32))))"#;
    std::fs::write(folder.path().join("app.wat"), module).expect("written");
    std::fs::write(folder.path().join("lowlift.toml"), config).expect("written");
    folder
}

const CONFIG: &str = "[check]\nagainst = \"host.wit\"\nworld = \"plain\"\n";

fn rules(folder: &Path, args: &[&str]) -> Vec<(String, String)> {
    let report = json(folder, &[&["check", "app.wat"], args].concat());
    let word = |value: &serde_json::Value| value.as_str().expect("a word").to_owned();
    findings(&report).map(|f| (word(&f["rule"]), word(&f["severity"]))).collect()
}

fn owned(rules: &[(&str, &str)]) -> Vec<(String, String)> {
    rules.iter().map(|(rule, severity)| ((*rule).to_owned(), (*severity).to_owned())).collect()
}

#[test]
fn the_configuration_is_found_and_the_command_line_goes_before_it() {
    let severity = "[check.severity]\nimport-missing = \"warning\"\nLL0405 = \"error\"\n";
    let folder = folder(&format!("{CONFIG}{severity}"));
    let configured = owned(&[("import-missing", "warning"), ("version-differs", "error")]);
    assert_eq!(rules(folder.path(), &[]), configured);
    let args = ["--allow", "version-differs", "--deny", "LL0401"];
    assert_eq!(rules(folder.path(), &args), owned(&[("import-missing", "error")]));
    assert_eq!(rules(folder.path(), &["--warn", "LL0405,LL0401"]).len(), 2);
    assert_eq!(lowlift(folder.path(), &["check", "app.wat", "--warn", "LL0405,LL0401"]).status.code(), Some(0));
    // What it names lies beside it.
    let above = folder.path().parent().expect("a folder");
    let name = folder.path().file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let (config, module) = (format!("{name}/lowlift.toml"), format!("{name}/app.wat"));
    let output = lowlift(above, &["check", &module, "--config", &config]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let output = lowlift(folder.path(), &["check", "app.wat", "--warn", "LL0401", "--deny", "import-missing"]);
    assert_eq!((output.status.code(), text(&output.stderr).contains("two severities")), (Some(2), true));
}

#[test]
fn hostile_tables_are_refused_with_their_place() {
    for (config, place, message) in [
        ("[check]\nagains = \"x\"", "agains", "unknown field `agains`"),
        ("[chek]\nagainst = \"x\"", "chek", "unknown table `chek`"),
        ("[check.severity]\nimport-mising = \"off\"", "import-mising", "there is no rule `import-mising`"),
        ("[check.severity]\nimport-missing = \"fatal\"", "\"fatal\"", "`fatal` is no severity"),
        ("[check.severity]\nimport-missing = 1", "1", "expected a string"),
        ("[check.severity]\nimport-missing = \"off\"\nLL0401 = \"error\"", "-", "has a severity already"),
        ("[check.budget]\nstak = 4096", "stak", "unknown field `stak`"),
        ("[check.budget]\nstack = -1", "-1", "invalid value"),
        ("check = 7", "7", "invalid type"),
        ("[check", "[check", ""),
        ("[check]\nalloc = \"aren\"", "\"aren\"", "unknown variant `aren`"),
        ("[check]\nfeatures = \"a\"", "\"a\"", "invalid type"),
    ] {
        let error = Config::parse("lowlift.toml", config).expect_err(config);
        assert_eq!(error.code, Code::ConfigInvalid);
        assert!(error.message.contains(message), "{}: {config}", error.message);
        let Some(Place::Text { source, span, .. }) = &error.place else { panic!("no place: {config}") };
        let at = &source[span.clone()];
        assert!(place == "-" || at.contains(place) || place.contains(at), "{at:?}: {config}");
    }
    let near = Config::parse("lowlift.toml", "[check.severity]\nimport-mising = \"off\"").expect_err("refused");
    assert_eq!(near.hints, ["did you mean `import-missing`?"]);
    assert_eq!(Config::parse("lowlift.toml", "listen = []\n[[route]]\nroute = \"/\"").expect("the server's"), None);
    let all: String = Rule::all().iter().map(|rule| format!("{} = \"off\"\n", rule.id)).collect();
    let config = Config::parse("lowlift.toml", &format!("[check.severity]\n{all}")).expect("read").expect("there");
    assert!(Rule::all().iter().all(|rule| config.severities.of(rule) == Level::Off));
}

/// A host with an arena calls no realloc, so its engine need not be re-entrant.
#[test]
fn where_the_host_allocates_is_configured() {
    let folder = folder(&format!("{CONFIG}profile = \"busy.toml\"\nalloc = \"arena\"\n"));
    std::fs::copy(root("fixtures/check/busy.toml"), folder.path().join("busy.toml")).expect("copied");
    let name = r#"(import "test:host/api@0.2.5" "[method]thing.name" (func (param i32 i32)))"#;
    let module = |import: &str| format!("(module {import} {name} (memory (export \"memory\") 1))");
    let write = |text: String| std::fs::write(folder.path().join("app.wat"), text).expect("written");
    let arena = r#"(import "lowlift" "arena" (func (param i32 i32)))"#;
    write(module(arena));
    assert_eq!(rules(folder.path(), &[]), []);
    let without = ["unknown-interface", "support-missing", "reentrancy-needed"].map(|rule| (rule, "error"));
    assert_eq!(rules(folder.path(), &["--alloc", "reentrant"]), owned(&without));
    write(module(""));
    assert_eq!(rules(folder.path(), &[]), owned(&[("place-missing", "error")]));
}

#[cfg(feature = "serve")]
#[test]
fn the_server_reads_the_same_file() {
    let route = "[[route]]\nroute = \"/\"\nmodule = \"a.wasm\"\n";
    let both = format!("{route}{CONFIG}[check.severity]\nimport-missing = \"off\"\n");
    assert_eq!(lowlift::serve::Site::parse("lowlift.toml", &both).expect("the server's").routes.len(), 1);
    assert!(Config::parse("lowlift.toml", &both).expect("read").is_some());
    assert!(lowlift::serve::Site::parse("lowlift.toml", &format!("{route}[chek]\n")).is_err());
}

#[test]
fn known_findings_do_not_fail_and_what_is_gone_is_told() {
    let folder = folder(CONFIG);
    let run = |args: &[&str]| lowlift(folder.path(), &[&["check", "app.wat"], args].concat());
    let missing = run(&["--baseline", "known.json"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("`--write-baseline known.json` writes it"), "{}", text(&missing.stderr));
    let written = run(&["--write-baseline", "known.json"]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let known = std::fs::read_to_string(folder.path().join("known.json")).expect("written");
    let entry = |rule: &str, subject: &str| {
        format!(
            "    {{\n      \"module\": \"app.wat\",\n      \"rule\": \"{rule}\",\n      \"subject\": \"{subject}\"\n    }}"
        )
    };
    let entries =
        [entry("import-missing", "test:host/api@0.2.5 addd"), entry("version-differs", "test:host/api@0.2.1")];
    assert_eq!(known, format!("{{\n  \"version\": 1,\n  \"findings\": [\n{}\n  ]\n}}\n", entries.join(",\n")));
    // Known, wherever the file lies.
    std::fs::create_dir(folder.path().join("build")).expect("made");
    std::fs::copy(folder.path().join("app.wat"), folder.path().join("build/app.wat")).expect("copied");
    let again = lowlift(folder.path(), &["check", "build/app.wat", "--baseline", "known.json"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(text(&again.stdout).ends_with(": fine, 2 findings known\n"), "{}", text(&again.stdout));
    let all = lowlift(folder.path(), &["check", "app.wat", "--baseline", "known.json", "-v"]);
    assert_eq!(text(&all.stdout).matches(" = known: the baseline has it").count(), 2);
    // A new one fails, one that is gone is told.
    let module = r#"(module (import "test:host/api@0.2.5" "sub" (func (param i32 i32) (result i32)))
        (import "test:host/api@0.2.1" "add" (func (param i32 i32) (result i32))))"#;
    std::fs::write(folder.path().join("app.wat"), module).expect("written");
    let other = run(&["--baseline", "known.json"]);
    let said = text(&other.stdout);
    assert_eq!(other.status.code(), Some(1));
    assert!(said.contains("`test:host/api@0.2.5 sub` is not provided") && !said.contains("LL0405"), "{said}");
    assert!(said.ends_with("no longer found: import-missing in app.wat: test:host/api@0.2.5 addd\n"), "{said}");
    for (bad, message) in [
        ("{}", "missing field `version`"),
        ("{\"version\": 2, \"findings\": []}", "version 2"),
        ("[", "EOF"),
        ("{\"version\": 1, \"findings\": [{\"rule\": 1}]}", "invalid type"),
    ] {
        std::fs::write(folder.path().join("known.json"), bad).expect("written");
        let refused = run(&["--baseline", "known.json"]);
        assert_eq!(refused.status.code(), Some(2));
        let said = text(&refused.stderr);
        assert!(said.contains("LL0434") && said.contains(message) && said.contains("known.json:1:"), "{said}");
    }
}
