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
