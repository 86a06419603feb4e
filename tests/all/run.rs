//! `lowlift run`, as a user runs it: arguments, environment, directories, standard streams and exit codes.

use crate::root;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

const ENGINES: [&str; 2] = ["wasmtime", "wasmi"];

fn guest(name: &str) -> String {
    root("fixtures/guests").join(name).with_extension("wasm").display().to_string()
}

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .arg("run")
        .args(args)
        .env("INHERITED", "from outside")
        .env_remove("ABSENT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn run(args: &[&str], stdin: &str) -> Output {
    let mut child = start(args);
    // A program need not read its input.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    child.wait_with_output().expect("ends")
}

/// Exit code, standard output, standard error.
fn said(args: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let output = run(args, stdin);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A module of text in a file that lives as long as its folder.
fn module(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prog.wat");
    std::fs::write(&path, text).expect("written");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn a_preview1_command() {
    for engine in ENGINES {
        let args = ["--engine", engine, "--env", "A=b=c", "--env", "INHERITED", "--env", "ABSENT"];
        let file = guest("p1-command");
        let args = [&args[..], &[&file, "--", "exit=7", "--dir", "ä"]].concat();
        let want = "arg 0: p1-command.wasm\narg 1: exit=7\narg 2: --dir\narg 3: ä\nenv: A=b=c\nenv: INHERITED=from \
                    outside\nclock ok\nrandom ok\nstdin: 8 bytes, 2 lines\n";
        assert_eq!(said(&args, "one\ntwo\n"), (Some(7), want.to_owned(), "done\n".to_owned()), "{engine}");
        let (code, stdout, _) = said(&["--engine", engine, &file], "");
        assert_eq!(code, Some(0));
        assert!(!stdout.contains("env: "), "no environment but what is given: {stdout}");
    }
}

#[test]
fn a_component_and_what_is_lowered_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let lowered = folder.path().join("lowered.wasm").display().to_string();
    let linked = Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(["-q", "link", &guest("cli-rust"), "-o", &lowered])
        .status()
        .expect("starts");
    assert!(linked.success());
    for engine in ENGINES {
        for file in [guest("cli-rust"), lowered.clone()] {
            let fine = said(&["--engine", engine, &file, "--env", "A=b", "--", "x", "y"], "text\n");
            assert_eq!(fine, (Some(0), "args: 2\nenv: 1\nTEXT\n".to_owned(), "done\n".to_owned()), "{engine} {file}");
            let (code, _, stderr) = said(&["--engine", engine, &file], "fail");
            assert_eq!((code, stderr.as_str()), (Some(1), "done\n"), "{engine} {file}");
        }
    }
}

/// Copies the file `in` of the directory 3 to `out` of the directory 4, and exits with the error number.
const COPY: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "in\00\00out\00\64\00\00\00\00\01\00\00")
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 32)))
    (call $check (call $read (i32.load (i32.const 32)) (i32.const 8) (i32.const 1) (i32.const 12)))
    (call $check (call $open (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 3) (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)))
    (call $check (call $write (i32.load (i32.const 32)) (i32.const 8) (i32.const 1) (i32.const 12)))))"#;

#[test]
fn directories() {
    let (folder, file) = module(COPY);
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    for name in ["from", "to"] {
        std::fs::create_dir(path(name)).expect("made");
    }
    std::fs::write(path("from/in"), "contents").expect("written");
    let dir = |name: &str, rest: &str| format!("{}{rest}", path(name).display());
    for engine in ENGINES {
        let run = |from: &str, to: &str| said(&["--engine", engine, "--dir", from, "--dir", to, &file], "");
        assert_eq!(run(&dir("from", ":ro"), &dir("to", "::/elsewhere")).0, Some(0), "{engine}");
        assert_eq!(std::fs::read_to_string(path("to/out")).expect("copied"), "contents");
        std::fs::remove_file(path("to/out")).expect("there");
        let rofs = 69;
        assert_eq!(run(&dir("from", ""), &dir("to", "::/elsewhere:ro")).0, Some(rofs), "{engine}");
        let badf = 8;
        assert_eq!(said(&["--engine", engine, &file], "").0, Some(badf), "{engine}: no directory is given");
    }
    let (code, stdout, stderr) = said(&["--dir", &dir("nowhere", ""), &file], "");
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.starts_with("error[LL0101]: cannot open the directory"), "{stderr}");
}

/// A program that only exits.
fn exits(code: u32) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {code}))))"#
    )
}

#[test]
fn exit_codes() {
    for (given, code) in [(0, 0), (1, 1), (134, 134), (255, 255), (256, 255), (0xffff_ffff, 255)] {
        let (_folder, file) = module(&exits(given));
        assert_eq!(said(&[&file], ""), (Some(code), String::new(), String::new()), "{given}");
    }
    for (result, code) in [(0, 0), (1, 1)] {
        let (_folder, file) =
            module(&format!(r#"(module (func (export "wasi:cli/run@0.2.3#run") (result i32) (i32.const {result})))"#));
        assert_eq!(said(&[&file], ""), (Some(code), String::new(), String::new()), "{result}");
    }
}

#[test]
fn traps_and_time_limits_are_told() {
    for engine in ENGINES {
        let (_folder, file) = module(r#"(module (func (export "_start") unreachable))"#);
        let (code, stdout, stderr) = said(&["--engine", engine, &file], "");
        assert_eq!((code, stdout.as_str()), (Some(134), ""), "{engine}");
        assert!(
            stderr.starts_with("error[LL0620]: the program trapped\n") && stderr.contains("unreachable"),
            "{stderr}"
        );

        let (_folder, file) = module(r#"(module (func (export "_start") (loop (br 0))))"#);
        let (code, _, stderr) = said(&["--engine", engine, "--timeout", "100ms", &file], "");
        assert_eq!(code, Some(134), "{engine}");
        assert!(stderr.starts_with("error[LL0621]: the program was stopped: "), "{stderr}");

        // Waits for an input that never comes: the pipe stays open.
        let mut child = start(&["--engine", engine, "--timeout", "100ms", &guest("p1-command")]);
        let stdin = child.stdin.take();
        assert_eq!(child.wait().expect("ends").code(), Some(134), "{engine}");
        drop(stdin);
    }
}

#[test]
fn memory_is_limited() {
    let (_folder, file) = module(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.ge_s (memory.grow (i32.const 1000)) (i32.const 0)))))"#,
    );
    for engine in ENGINES {
        assert_eq!(said(&["--engine", engine, &file], "").0, Some(1), "{engine}: grown");
        assert_eq!(said(&["--engine", engine, "--max-memory", "32", &file], "").0, Some(0), "{engine}: refused");
    }
}

/// Copies standard input to standard output as it comes, until either ends, and exits with the last error number.
const CAT: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\01\00\00\00\80\00\00\00\01\00\00")
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (loop $next
      (i32.store (i32.const 8) (i32.const 0x100))
      (call $check (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 12)))
      (if (i32.load (i32.const 12)) (then
        (loop $more
          (call $check (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
          (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.load (i32.const 16))))
          (i32.store (i32.const 12) (i32.sub (i32.load (i32.const 12)) (i32.load (i32.const 16))))
          (br_if $more (i32.load (i32.const 12))))
        (br $next))))))"#;

#[test]
fn streams_flow_while_the_program_runs() {
    let (_folder, file) = module(CAT);
    for engine in ENGINES {
        let mut child = start(&["--engine", engine, &file]);
        let (mut stdin, mut stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        for word in ["first", "second"] {
            stdin.write_all(word.as_bytes()).expect("read");
            let mut back = vec![0; word.len()];
            stdout.read_exact(&mut back).expect("written");
            assert_eq!(back, word.as_bytes(), "{engine}");
        }
        // More than pipes and buffers hold.
        let writer = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 3 << 20]).expect("read"));
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).expect("written");
        writer.join().expect("written");
        assert!(all.len() == 3 << 20 && all.iter().all(|&b| b == b'x'), "{engine}: {}", all.len());
        assert_eq!(child.wait().expect("ends").code(), Some(0), "{engine}");
    }
}

/// Writes 50 bytes 20,000 times, and never looks at how many were taken.
const HEEDLESS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\00\01\00\00\32\00\00\00")
  (func (export "_start") (local $n i32)
    (loop $next
      (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 40)))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))))"#;

#[test]
fn all_that_is_written_arrives() {
    let (_folder, file) = module(HEEDLESS);
    for engine in ENGINES {
        let (code, stdout, _) = said(&["--engine", engine, &file], "");
        assert_eq!((code, stdout.len()), (Some(0), 1_000_000), "{engine}");
    }
}

#[test]
fn a_closed_pipe_is_an_error_of_the_guest() {
    let (_folder, file) = module(CAT);
    let mut child = start(&[&file]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("piped");
    // Until the program has gone.
    while stdin.write_all(&[b'x'; 1000]).is_ok() {}
    let pipe = 64;
    assert_eq!(child.wait().expect("ends").code(), Some(pipe));
}

/// Standard output and error go to the same file, in the order of the writes.
#[test]
fn order_is_kept_between_output_and_error() {
    let mut calls = String::new();
    for n in 0..200 {
        let stream = 1 + n % 2;
        calls.push_str(&format!(
            "(i32.store8 (i32.const 16) (i32.const {})) (drop (call $write (i32.const {stream}) (i32.const 0) (i32.const 1) (i32.const 8)))",
            b'a' + n % 26
        ));
    }
    let (folder, file) = module(&format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\01\00\00\00") (func (export "_start") {calls}))"#
    ));
    let path = folder.path().join("both");
    let both = std::fs::File::create(&path).expect("made");
    let status = Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(["run", &file])
        .stdout(both.try_clone().expect("another"))
        .stderr(both)
        .status()
        .expect("starts");
    assert!(status.success());
    let want: Vec<u8> = (0..200).map(|n| b'a' + n % 26).collect();
    assert_eq!(std::fs::read(path).expect("there"), want);
}
