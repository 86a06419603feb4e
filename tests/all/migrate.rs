//! Verdicts of `migrate`, its forms, and what `--apply` writes.

use crate::random::Xorshift;
use crate::{guest, root};
use lowlift::adapt::{FileKind, sniff};
use lowlift::migrate::{Report, Verdict, examine, html, text};
use std::path::Path;
use std::process::{Command, Output};

fn input(name: &str) -> Vec<u8> {
    wat::parse_file(root("fixtures/cli/inputs").join(name).with_extension("wat")).expect("text")
}

#[test]
fn verdicts_are_what_was_tried() {
    for (name, bytes, verdict, ids) in [
        ("p1-command", guest("p1-command"), Verdict::Adapt, &["exit-codes", "iovecs", "memory"][..]),
        ("p1-reactor", guest("p1-reactor"), Verdict::Rebuild, &[]),
        ("cli-rust", guest("cli-rust"), Verdict::Link, &[]),
        ("pure", input("pure"), Verdict::AsItIs, &[]),
        ("tinygo", input("tinygo"), Verdict::Run, &[]),
        ("no-growth", input("no-growth"), Verdict::Run, &[]),
        ("snapshot0", input("snapshot0"), Verdict::Adapt, &["iovecs", "snapshot-0", "memory"]),
        ("napi", input("napi"), Verdict::Rebuild, &[]),
        ("threads", input("threads"), Verdict::Rebuild, &[]),
    ] {
        let (examined, output) = examine(&format!("{name}.wasm"), &bytes).expect("a module");
        assert_eq!(examined.verdict, verdict, "{name}: {}", examined.why);
        let changed: Vec<&str> = examined.changes.iter().map(|c| c.id).collect();
        assert_eq!(changed, ids, "{name}");
        assert_eq!(output.is_some(), matches!(verdict, Verdict::Adapt | Verdict::Link), "{name}");
        if let Some(output) = output {
            let (kind, end) = match verdict {
                Verdict::Adapt => (FileKind::Component, ".component.wasm"),
                _ => (FileKind::Module, ".core.wasm"),
            };
            assert_eq!(sniff(&output.bytes), kind, "{name}");
            assert_eq!(output.name, format!("{name}{end}"));
            wasmparser::Validator::new().validate_all(&output.bytes).expect("valid");
            assert!(examined.commands[0].contains(&output.name), "{:?}", examined.commands);
        }
        let tried = examined.tried.iter().all(|t| t.size.is_some() != t.refused.is_some());
        assert!(tried, "{name}: {:?}", examined.tried);
    }
    // A core module that was linked is there already, and types alone are nothing to run.
    let linked = lowlift::link::link(&guest("http-hello-rust"), Default::default()).expect("links");
    let (examined, _) = examine("linked.wasm", &linked.wasm).expect("a module");
    assert_eq!(examined.verdict, Verdict::AsItIs, "{}", examined.why);
    let types = wat::parse_str(r#"(component (type (export "t") (component)))"#).expect("text");
    assert!(examine("types.wasm", &types).is_none());
}

/// Names come from anyone.
#[test]
fn pages_hold_no_markup_of_their_input() {
    let hostile = "<script>alert(1)</script>'\"&\u{202e}\u{1b}[31m";
    let module = format!(
        r#"(module (import "wasi_snapshot_preview1" "<b>" (func)) (func (export "</style>{}"))
          (@producers (language "<i>" "&amp;")))"#,
        hostile.replace('"', "\\22").replace('\u{1b}', "\\1b").replace('\u{202e}', "\\u{202e}")
    );
    let mut report = Report::default();
    let bytes = wat::parse_str(module).expect("text");
    report.push(examine(&format!("{hostile}.wasm"), &bytes).expect("a module").0);
    report.push(examine("p1-command.wasm", &guest("p1-command")).expect("a module").0);
    let page = html(&report);
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let tree = roxmltree::Document::parse_with_options(&page, options).expect("well-formed");
    for element in ["script", "b", "i", "img"] {
        assert!(!tree.descendants().any(|node| node.has_tag_name(element)), "{element}");
    }
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"), "nothing is loaded");
    let plain = text(&report, true);
    assert!(!plain.contains('\u{1b}') && !plain.contains('\u{202e}'), "a terminal obeys nothing of it");
    assert!(plain.contains("'./<script>") || plain.contains("<script>"), "{plain}");
}

fn migrate(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lowlift")).arg("migrate").args(args).current_dir(folder).output().expect("starts")
}

#[test]
fn apply_writes_valid_files_and_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("in/deep")).expect("made");
    std::fs::write(at("in/app.wasm"), guest("p1-command")).expect("written");
    std::fs::write(at("in/deep/cli.wasm"), guest("cli-rust")).expect("written");
    std::fs::write(at("in/notes.txt"), "(module").expect("written");
    std::fs::write(at("outside.wasm"), guest("p1-reactor")).expect("written");
    #[cfg(unix)]
    std::os::unix::fs::symlink(at("outside.wasm"), at("in/link.wasm")).expect("linked");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), at("in/loop")).expect("linked");

    let output = migrate(&["in", "--json"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let paths: Vec<&str> =
        report["files"].as_array().expect("files").iter().filter_map(|f| f["path"].as_str()).collect();
    assert_eq!(paths, ["in/app.wasm", "in/deep/cli.wasm"], "sorted, and nothing behind a link");
    assert_eq!(
        (report["passed_over"].as_u64(), report["links"].as_u64()),
        (Some(1), Some(if cfg!(unix) { 2 } else { 0 }))
    );
    assert_eq!(
        std::fs::read_dir(at("in")).expect("a folder").count(),
        3 + if cfg!(unix) { 2 } else { 0 },
        "nothing is written"
    );

    let output = migrate(&["in", "--apply", "--out-dir", "out"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, kind) in [("out/app.component.wasm", FileKind::Component), ("out/deep/cli.core.wasm", FileKind::Module)]
    {
        let bytes = std::fs::read(at(name)).expect("written");
        assert_eq!(sniff(&bytes), kind, "{name}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("wrote  {name}")), "{name}");
    }
    std::fs::write(at("out/app.component.wasm"), "mine").expect("written");
    let output = migrate(&["in", "--apply", "--out-dir", "out"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("LL0216"));
    assert_eq!(std::fs::read(at("out/app.component.wasm")).expect("there"), b"mine");
    let output = migrate(&["in", "--apply", "--out-dir", "out", "--force"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(std::fs::read(at("out/app.component.wasm")).expect("there"), b"mine");
    let output = migrate(&["in/app.wasm", "--apply"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(at("in/app.component.wasm").is_file(), "beside it");
    let output = migrate(&["outside.wasm"], folder.path());
    assert_eq!(output.status.code(), Some(1), "it needs another build");
}

#[test]
fn folders_are_searched_to_a_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut deep = folder.path().to_owned();
    for _ in 0..70 {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep).expect("made");
    std::fs::write(deep.join("app.wasm"), guest("p1-command")).expect("written");
    let output = migrate(&["."], folder.path());
    assert_eq!(output.status.code(), Some(1), "not everything was looked at");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("LL0215") && said.contains("deeper than 64"), "{said}");
}

/// Mutated modules and components: a verdict, never a panic.
#[test]
fn hostile_files_get_a_verdict() {
    let seeds = [guest("p1-command"), guest("cli-rust"), guest("http-hello-rust"), input("snapshot0"), input("napi")];
    let mut random = Xorshift(0xfeed);
    let mut verdicts = std::collections::BTreeSet::new();
    for round in 0..250 {
        let mut bytes = seeds[round % seeds.len()].clone();
        if random.below(8) == 0 {
            bytes.truncate(8 + random.below(bytes.len() - 8));
        }
        for _ in 0..random.below(3) {
            let at = 8 + random.below(bytes.len().min(3000) - 8);
            bytes[at] = random.next() as u8;
        }
        let Some((examined, output)) = examine("hostile.wasm", &bytes) else { continue };
        verdicts.insert(examined.verdict.name());
        assert!(!examined.tried.iter().any(|t| t.refused.as_ref().is_some_and(|r| r.starts_with("LL0901"))), "{round}");
        if let Some(output) = output {
            let features = wasmparser::WasmFeatures::all();
            wasmparser::Validator::new_with_features(features).validate_all(&output.bytes).expect("valid");
        }
    }
    assert!(verdicts.len() >= 4, "{verdicts:?}");
}
