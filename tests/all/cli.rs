//! The program as a user runs it. `fixtures/cli` holds transcripts with their output, messages and exit codes;
//! `TRYCMD=overwrite`, which `cargo xtask bless` sets, rewrites them.

use crate::{guest, root};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

#[test]
fn transcripts() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("fixtures/cli/*.md");
}

fn lowlift(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    // A program that refuses early may close its input.
    let _ = child.stdin.take().expect("piped").write_all(stdin);
    child.wait_with_output().expect("ends")
}

#[test]
fn standard_input_and_output_are_the_default() {
    let component = guest("http-hello-rust");
    for args in [&["link"][..], &["link", "-"], &["link", "-", "-o", "-"]] {
        let output = lowlift(args, &component);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        wasmparser::Validator::new().validate_all(&output.stdout).expect("a module");
    }
}

#[test]
fn an_explanation_goes_where_the_module_does_not() {
    let component = guest("http-hello-rust");
    let output = lowlift(&["-q", "link", "--explain"], &component);
    wasmparser::Validator::new().validate_all(&output.stdout).expect("a module");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.starts_with("read: 3 core modules") && said.contains("\nverify: validates as lime1\n"), "{said}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.wasm");
    let file = path.to_str().expect("UTF-8");
    for (form, start) in [("text", "read: "), ("json", "{\n"), ("html", "<!DOCTYPE html>"), ("svg", "<svg ")] {
        let output = lowlift(&["link", "-o", file, "--explain", "--format", form], &component);
        assert_eq!(output.status.code(), Some(0), "{form}");
        assert!(output.stdout.starts_with(start.as_bytes()), "{form}");
        let lines = String::from_utf8_lossy(&output.stderr).lines().count();
        assert_eq!(lines, usize::from(form == "text"), "{form}: the summary is one line");
    }
}

#[test]
fn a_refusal_keeps_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.wasm");
    std::fs::write(&path, "before").expect("written");
    let target = path.to_str().expect("UTF-8");
    for input in [&b"junk"[..], &guest("p1-command"), &guest("http-hello-rust")[..4000]] {
        let output = lowlift(&["link", "-", "-o", target], input);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "before");
    }
    assert_eq!(lowlift(&["link", "-", "-o", target], &guest("http-hello-rust")).status.code(), Some(0));
    assert_ne!(std::fs::read(&path).expect("there"), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary file is left");
}

#[test]
fn a_broken_pipe_is_silent() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(["witx", "wasi"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
    assert_eq!((child.wait().expect("ends").code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_adapter_of_ones_own_is_known_by_its_exports() {
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = folder.path().join("some-other-name.wasm");
    let official = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER;
    std::fs::write(&adapter, official).expect("written");
    let module = root("fixtures/guests/p1-command.wasm");
    let args = ["adapt", module.to_str().expect("UTF-8"), "--adapter", adapter.to_str().expect("UTF-8")];
    let output = lowlift(&args, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("adapter: own (from a file)"));
    assert!(wasmparser::Parser::is_component(&output.stdout));
}

#[test]
fn the_demonstration_runs_the_whole_path() {
    let output = lowlift(&["demo", "--once"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "177 functions",
        "6 shims resolved",
        "wasi:http/proxy@0.2.12: fine",
        "http://127.0.0.1:",
        "200 \"Hello from Rust!\"",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
