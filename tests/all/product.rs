//! What is built into the product, read from `cargo tree`.

use std::process::Command;

fn tree(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "lowlift", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p} [{f}]"])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

#[test]
fn the_engine_has_no_component_model() {
    let tree = tree(&[]);
    let line = tree.lines().find(|l| l.starts_with("wasmtime v")).expect("the product has an engine");
    assert!(line.contains("pooling-allocator"), "{line}");
    assert!(!line.contains("component-model"), "{line}");
}

#[test]
fn deriving_and_linking_need_no_engine_and_no_server() {
    let tree = tree(&["--no-default-features"]);
    for package in ["wasmtime v", "tokio v", "hyper v", "cranelift-codegen v"] {
        assert!(!tree.lines().any(|l| l.starts_with(package)), "{package} is built in");
    }
}

#[test]
fn one_version_of_the_wasm_family() {
    // wasmi parses by an older one of its own, which nothing else sees.
    let tree = tree(&["--prune", "wasmi"]);
    for package in ["wasmparser", "wasm-encoder", "wit-parser", "wit-component"] {
        let mut versions: Vec<&str> =
            tree.lines().filter_map(|l| l.strip_prefix(package)?.strip_prefix(" v")?.split(' ').next()).collect();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), 1, "{package}: {versions:?}");
    }
}

/// All sources below a folder.
fn sources(folder: &std::path::Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push((path.display().to_string(), std::fs::read_to_string(&path).expect("text")));
        }
    }
}

#[test]
fn unsafe_code_is_allowed_in_one_place() {
    let mut files = Vec::new();
    sources(&crate::root("src"), &mut files);
    let lines = files.iter().flat_map(|(path, text)| text.lines().map(move |line| (path, line.trim())));
    let allowed: Vec<_> = lines.filter(|(_, line)| line.starts_with("#[") && line.contains("unsafe_code")).collect();
    assert_eq!(allowed.len(), 1, "{allowed:?}");
    assert!(allowed[0].0.ends_with("engine/compile.rs"));
}
