//! `--watch`: what changes is checked again.

use crate::root;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Long enough for any machine; a test that passes does not wait for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_change_of_the_module_or_of_the_host_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let module =
        |name: &str| format!(r#"(module (import "test:host/api@0.2.5" "{name}" (func (param i32 i32) (result i32))))"#);
    let host = std::fs::read_to_string(root("fixtures/check/host.wit")).expect("there");
    std::fs::write(path("host.wit"), &host).expect("written");
    std::fs::write(path("app.wat"), module("add")).expect("written");
    let child = Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(["check", "app.wat", "--against", "host.wit", "--world", "plain", "--watch"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut child = Running(child);
    let (send, lines) = mpsc::channel();
    let stdout = child.0.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.filter(|line| line.starts_with("app.wat against")).for_each(|line| drop(send.send(line)));
    });
    let wait = |end: &str| {
        let line = lines.recv_timeout(PATIENCE).expect("a verdict");
        assert!(line.ends_with(end), "{line}");
    };
    wait(": fine");
    // Another length, so that a clock of seconds does not hide it.
    std::fs::write(path("app.wat"), module("subtract")).expect("written");
    wait(": 1 finding");
    std::fs::write(path("host.wit"), host.replace("  add: func", "  subtract: func")).expect("written");
    wait(": fine");
    drop(child);
    reader.join().expect("ended");
}
