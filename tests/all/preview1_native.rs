//! Preview1 by the host itself: the same calls give the same error numbers, the same memory and the same output as under
//! wasmtime's own preview1, on both engines.

mod script;

use crate::guest;
use lowlift::adapt::{Item, survey};
use lowlift::diagnostic::{Code, Diagnostic};
use lowlift::engine::{EngineKind, Limits, load};
use lowlift::host::io::{Source, StreamError};
use lowlift::host::preview1::{Errno, FUNCTIONS};
use lowlift::host::{Stdio, Trap};
use script::{End, Given, Script};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

const OK: u32 = 0;

fn errno(errno: Errno) -> u32 {
    errno as u32
}

#[test]
fn signatures_are_those_of_the_official_adapter() {
    let adapter =
        survey(wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).expect("a module");
    for function in FUNCTIONS {
        assert_eq!(
            adapter.exports.get(function.name),
            Some(&Item::Func(Some(function.signature()))),
            "{}",
            function.name
        );
    }
    let of_preview1 = |name: &str| {
        ["args_", "clock_", "environ_", "fd_", "path_", "poll_", "proc_", "random_", "sched_", "sock_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    assert_eq!(adapter.exports.keys().filter(|name| of_preview1(name)).count(), FUNCTIONS.len());
    assert_eq!(FUNCTIONS.len(), 46);
}

#[test]
fn arguments_and_environment() {
    let given = Given { args: &["prog", "", "zwölf"], env: &[("A", "b=c"), ("EMPTY", "")], ..Given::default() };
    let seen = Script::default()
        .call("args_sizes_get", [0, 4])
        .call("args_get", [16, 64])
        .call("environ_sizes_get", [8, 12])
        .call("environ_get", [32, 128])
        .same(&given, &[]);
    assert_eq!([0, 4, 8, 12].map(|at| seen.word(at)), [3, 13, 2, 13]);
    assert_eq!(&seen.memory[64..77], "prog\0\0zwölf\0".as_bytes());
    assert_eq!(&seen.memory[128..141], b"A=b=c\0EMPTY=\0");
    let none = Script::default().call("args_sizes_get", [0, 4]).call("args_get", [16, 64]).same(&Given::default(), &[]);
    assert_eq!((none.word(0), none.word(4), none.word(16)), (0, 0, 0));
}

#[test]
fn clocks_random_signals_and_sockets() {
    let seen = Script::default()
        .call("clock_res_get", [1, 0])
        .call("clock_time_get", [0, 1, 8])
        .call("clock_time_get", [1, 1, 16])
        .call("clock_time_get", [2, 1, 24])
        .call("clock_res_get", [3, 24])
        .call("random_get", [32, 64])
        .call("random_get", [32, 0])
        .call("sched_yield", [])
        .call("proc_raise", [6])
        .call("sock_accept", [0, 0, 24])
        .call("sock_accept", [77, 0, 24])
        .call("sock_recv", [1, 0, 0, 0, 24, 28])
        .call("sock_send", [1, 0, 0, 0, 24])
        .call("sock_shutdown", [0, 1])
        .same(&Given::default(), &[0..96]);
    let badf = errno(Errno::Badf);
    assert_eq!(seen.errnos(), [OK, OK, OK, badf, badf, OK, OK, OK, errno(Errno::Notsup)]);
    assert_eq!((seen.errno(9), seen.errno(10)), (errno(Errno::Notsock), badf));

    // What the clocks and the generator say themselves.
    let module = Script::default()
        .call("clock_time_get", [0, 1, 0])
        .call("clock_time_get", [1, 1, 8])
        .call("clock_time_get", [1, 1, 16])
        .call("random_get", [64, 3_000])
        .module();
    for &engine in EngineKind::ALL {
        let seen = script::ours(engine, &module, &Given::default(), None);
        let time = |at: usize| u64::from_le_bytes(seen.memory[at..at + 8].try_into().expect("eight bytes"));
        assert!(time(0) > 1_700_000_000_000_000_000, "nanoseconds since 1970");
        assert!(time(8) < time(16) && time(16) < 3_600_000_000_000, "since the guest started");
        let zeroes = seen.memory[64..3_064].iter().filter(|&&b| b == 0).count();
        assert!(zeroes < 100, "{zeroes} of 3000 random bytes are zero");
    }
}

#[test]
fn standard_streams() {
    let seen = Script::default()
        .words(0, &[200, 0, 200, 2, 202, 3, 100, 4])
        .data(100, "abcd")
        .call("fd_fdstat_get", [0, 1024])
        .call("fd_fdstat_get", [1, 1048])
        .call("fd_filestat_get", [2, 1072])
        .call("fd_write", [1, 24, 1, 300])
        .call("fd_write", [1, 0, 0, 304])
        .call("fd_write", [0, 24, 1, 300])
        .call("fd_pwrite", [1, 24, 1, 0, 300])
        .call("fd_read", [0, 8, 1, 308])
        .call("fd_read", [0, 0, 2, 312])
        .call("fd_pread", [0, 8, 1, 0, 316])
        .call("fd_read", [1, 8, 1, 316])
        .call("fd_seek", [0, 0, 1, 320])
        .call("fd_tell", [1, 320])
        .call("fd_prestat_get", [0, 1200])
        .call("fd_prestat_dir_name", [0, 1200, 10])
        .call("fd_sync", [1])
        .call("fd_allocate", [1, 0, 1])
        .call("fd_fdstat_set_rights", [1, 0, 0])
        .call("fd_read", [9, 8, 1, 316])
        .call("fd_renumber", [1, 9])
        .call("fd_renumber", [1, 1])
        .call("fd_renumber", [1, 0])
        .call("fd_write", [0, 24, 1, 300])
        .call("fd_write", [1, 24, 1, 300])
        .call("fd_close", [0])
        .call("fd_close", [0])
        .same(&Given { stdin: "xyz", ..Given::default() }, &[]);
    assert_eq!(seen.stdout, b"abcdabcd");
    assert_eq!(&seen.memory[200..203], b"zy\0", "the second read comes to the same place");
    let [badf, spipe] = [Errno::Badf, Errno::Spipe].map(errno);
    assert_eq!(seen.errnos(), [OK, OK, OK, OK, OK, badf, spipe, OK, OK, spipe, badf, spipe, spipe, badf]);
}

/// Where oracle and host differ on purpose: a read or write takes all its vectors.
#[test]
fn all_vectors_are_taken() {
    let module = Script::default()
        .words(0, &[200, 0, 200, 2, 208, 3, 220, 9])
        .words(32, &[100, 1, 101, 0, 101, 3])
        .data(100, "abcd")
        .call("fd_read", [0, 0, 4, 64])
        .call("fd_write", [1, 32, 3, 68])
        .module();
    for &engine in EngineKind::ALL {
        let seen = script::ours(engine, &module, &Given { stdin: "uvwxyz", ..Given::default() }, None);
        assert_eq!((seen.word(64), seen.word(68)), (6, 4), "{engine:?}");
        assert_eq!(
            (&seen.memory[200..202], &seen.memory[208..211], &seen.memory[220..222]),
            (&b"uv"[..], &b"wxy"[..], &b"z\0"[..])
        );
        assert_eq!(seen.stdout, b"abcd");
    }
}

/// The folder of most tests of files: `a.txt`, `sub/b.txt`, and links.
fn folder(path: &Path) {
    std::fs::write(path.join("a.txt"), "0123456789").expect("written");
    std::fs::create_dir(path.join("sub")).expect("made");
    std::fs::write(path.join("sub/b.txt"), "b").expect("written");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.txt", path.join("link")).expect("linked");
        std::os::unix::fs::symlink("/etc/passwd", path.join("outside")).expect("linked");
        std::os::unix::fs::symlink("loop", path.join("loop")).expect("linked");
    }
}

const FOLDER: Given<'static> = Given { args: &[], env: &[], stdin: "", prepare: Some(folder) };
/// `fd_read`, `fd_write` and both.
const READ: i64 = 1 << 1;
const WRITE: i64 = 1 << 6;
const BOTH: i64 = READ | WRITE;

/// Puts paths into memory: each at its own place.
fn paths(script: Script, paths: &[(u32, &str)]) -> Script {
    paths.iter().fold(script, |script, (at, path)| script.data(*at, path))
}

#[test]
fn files_are_read_and_written_where_the_descriptor_stands() {
    let script = Script::default().words(0, &[0x500, 4]).words(8, &[0x600, 3]).data(0x600, "ABC");
    let seen = paths(script, &[(0x100, "a.txt"), (0x110, "new")])
        .call("path_open", [3, 0, 0x100, 5, 0, BOTH, 0, 0, 16])
        .call("fd_read", [5, 0, 1, 20])
        .call("fd_tell", [5, 24])
        .call("fd_seek", [5, -1, 2, 32])
        .call("fd_write", [5, 8, 1, 40])
        .call("fd_pwrite", [5, 8, 1, 0, 44])
        .call("fd_pread", [5, 0, 1, 8, 48])
        .call("fd_seek", [5, -20, 1, 56])
        .call("fd_seek", [5, -1, 0, 56])
        .call("fd_seek", [5, 100, 0, 56])
        .call("fd_read", [5, 0, 1, 52])
        .call("fd_filestat_set_size", [5, 5])
        .call("fd_filestat_get", [5, 0x700])
        .call("fd_fdstat_get", [5, 0x740])
        .call("fd_fdstat_set_flags", [5, 1])
        .call("fd_write", [5, 8, 1, 64])
        .call("fd_pwrite", [5, 8, 1, 0, 68])
        .call("fd_tell", [5, 72])
        .call("fd_fdstat_get", [5, 0x760])
        .call("fd_fdstat_set_flags", [5, 2])
        .call("fd_sync", [5])
        .call("fd_datasync", [5])
        .call("fd_advise", [5, 0, 0, 1])
        .call("fd_allocate", [5, 0, 1])
        .call("fd_filestat_set_times", [5, 1_000_000_001, 2_000_000_002, 1 | 4])
        .call("fd_filestat_set_times", [5, 0, 0, 3])
        .call("fd_filestat_get", [5, 0x780])
        .call("fd_pread", [5, 0, 1, 0, 80])
        .call("fd_close", [5])
        .call("path_open", [3, 0, 0x110, 3, 1 | 4, WRITE, 0, 4, 84])
        .call("fd_read", [5, 0, 1, 88])
        .call("fd_write", [5, 8, 1, 88])
        .call("fd_fdstat_get", [5, 0x7c0])
        .same(&FOLDER, &[0x700..0x710, 0x728..0x740, 0x780..0x790, 0x7b8..0x7c0]);
    let failed: Vec<usize> = (0..33).filter(|&call| seen.errno(call) != OK).collect();
    assert_eq!(failed, [7, 8, 19, 23, 25, 30]);
    assert_eq!(seen.word(16), 5, "the lowest free one");
    assert_eq!(seen.word(32), 9);
    assert_eq!(&seen.memory[0x500..0x504], b"ABC3");
    assert_eq!(seen.word(52), 0, "beyond the end");
    assert_eq!(seen.word(72), 8, "who writes at an offset stays where it is");
    assert_eq!(seen.word(0x7a8), 1_000_000_001);
}

#[test]
fn paths_below_a_directory() {
    let script = Script::default().words(0, &[0x500, 4]);
    let at = [
        (0x100, "a.txt"),
        (0x110, "sub"),
        (0x120, "made"),
        (0x130, "made/c"),
        (0x140, "hard"),
        (0x150, "link"),
        (0x160, "outside"),
        (0x170, "../x"),
        (0x180, "nowhere"),
        (0x190, "sub/b.txt"),
        (0x1a0, "soft"),
        (0x1b0, "loop"),
    ];
    let seen = paths(script, &at)
        .data(0x1c0, b"\xff\xfe")
        .call("path_create_directory", [3, 0x120, 4])
        .call("path_create_directory", [3, 0x120, 4])
        .call("path_link", [3, 0, 0x100, 5, 3, 0x130, 6])
        .call("path_link", [3, 0, 0x100, 5, 3, 0x190, 9])
        .call("path_rename", [3, 0x130, 6, 3, 0x140, 4])
        .call("path_rename", [3, 0x180, 7, 3, 0x140, 4])
        .call("path_filestat_get", [3, 1, 0x150, 4, 0x700])
        .call("path_filestat_get", [3, 0, 0x150, 4, 0x740])
        .call("path_filestat_get", [3, 1, 0x160, 7, 0x780])
        .call("path_filestat_get", [3, 0, 0x180, 7, 0x780])
        .call("path_filestat_get", [3, 0, 0x170, 4, 0x780])
        .call("path_filestat_get", [3, 0, 0x1c0, 2, 0x780])
        .call("path_filestat_get", [0, 0, 0x100, 5, 0x780])
        .call("path_filestat_get", [3, 1, 0x1b0, 4, 0x780])
        .call("path_filestat_set_times", [3, 0, 0x100, 5, 5_000_000_000, 6_000_000_000, 1 | 4])
        .call("path_filestat_get", [3, 0, 0x100, 5, 0x7c0])
        .call("path_readlink", [3, 0x150, 4, 0x600, 16, 24])
        .call("path_readlink", [3, 0x150, 4, 0x610, 3, 28])
        .call("path_readlink", [3, 0x100, 5, 0x620, 16, 32])
        .call("path_symlink", [0x110, 3, 3, 0x1a0, 4])
        .call("path_readlink", [3, 0x1a0, 4, 0x620, 16, 32])
        .call("path_unlink_file", [3, 0x120, 4])
        .call("path_unlink_file", [3, 0x140, 4])
        .call("path_unlink_file", [3, 0x140, 4])
        .call("path_remove_directory", [3, 0x110, 3])
        .call("path_remove_directory", [3, 0x100, 5])
        .call("path_remove_directory", [3, 0x120, 4])
        .call("path_open", [3, 0, 0x180, 7, 0, READ, 0, 0, 40])
        .call("path_open", [3, 0, 0x100, 5, 1 | 4, READ, 0, 0, 40])
        .call("path_open", [3, 0, 0x100, 5, 2, READ, 0, 0, 40])
        .call("path_open", [3, 1, 0x160, 7, 0, READ, 0, 0, 40])
        .call("path_open", [1, 0, 0x100, 5, 0, READ, 0, 0, 40])
        .call("path_open", [3, 0, 0x150, 4, 0, READ, 0, 0, 40])
        .call("path_open", [3, 1, 0x150, 4, 0, READ, 0, 0, 44])
        .call("fd_read", [5, 0, 1, 48])
        .call("path_open", [5, 0, 0x100, 5, 0, READ, 0, 0, 40])
        .call("path_open", [3, 0, 0x110, 3, 2, READ, 0, 0, 52])
        .call("path_open", [6, 0, 0x192, 7, 0, READ, 0, 0, 56])
        .call("fd_fdstat_get", [6, 0x800])
        .call("fd_fdstat_get", [3, 0x820])
        .call("fd_prestat_get", [3, 60])
        .call("fd_prestat_dir_name", [3, 0x640, 2])
        .call("fd_prestat_dir_name", [3, 0x650, 1])
        .call("fd_prestat_get", [6, 68])
        .call("fd_prestat_dir_name", [6, 0x650, 10])
        .call("fd_read", [6, 0, 1, 48])
        .call("fd_filestat_get", [6, 0x840])
        .call("fd_fdstat_set_rights", [6, 0, 0])
        .call("fd_readdir", [5, 0x900, 64, 0, 76])
        .call("fd_close", [6])
        .call("fd_renumber", [5, 4])
        .call("fd_read", [4, 0, 1, 72])
        .call("fd_read", [5, 0, 1, 72])
        .same(&FOLDER, &[0x700..0x710, 0x728..0x750, 0x768..0x780, 0x7c0..0x7d0, 0x7f8..0x800, 0x840..0x880]);
    assert_eq!(&seen.memory[0x600..0x605], b"a.txt");
    assert_eq!(&seen.memory[0x610..0x614], b"a.t\0");
    assert_eq!(&seen.memory[0x640..0x642], b"/d");
    assert_eq!(seen.errno(10), errno(Errno::Perm), "no way out by a path");
    assert_eq!(seen.errno(8), errno(Errno::Perm), "nor by a link");
    assert_eq!(seen.errno(11), errno(Errno::Ilseq));
}

/// The oracle traps on them.
#[test]
fn values_without_a_meaning_are_refused() {
    let module = paths(Script::default(), &[(0x100, "a.txt")])
        .call("clock_res_get", [4, 24])
        .call("proc_raise", [31])
        .call("path_filestat_get", [3, 2, 0x100, 5, 0x780])
        .call("path_filestat_set_times", [3, 0, 0x100, 5, 0, 0, 16])
        .call("path_open", [3, 0, 0x100, 5, 16, READ, 0, 0, 40])
        .call("path_open", [3, 0, 0x100, 5, 0, READ, 0, 32, 40])
        .call("path_open", [3, 0, 0x100, 5, 0, READ, 0, 0x1_0000, 40])
        .call("fd_fdstat_set_flags", [0, 32])
        .call("path_open", [3, 0, 0x100, 5, 0, READ, 0, 0, 40])
        .call("fd_seek", [5, 0, 3, 56])
        .call("fd_advise", [5, 0, 0, 6])
        .module();
    let path = tempfile::tempdir().expect("a folder");
    folder(path.path());
    for &engine in EngineKind::ALL {
        let seen = script::ours(engine, &module, &FOLDER, Some(path.path()));
        let mut want = [errno(Errno::Inval); 11];
        want[8] = OK;
        assert_eq!(seen.errnos(), want, "{engine:?}");
    }
}

#[test]
fn what_is_read_only_stays_as_it_is() {
    let script = paths(Script::default().words(0, &[0x600, 1]), &[(0x100, "a.txt"), (0x110, "sub"), (0x120, "new")]);
    let module = script
        .call("path_open", [4, 0, 0x100, 5, 0, READ, 0, 0, 16])
        .call("path_open", [4, 0, 0x100, 5, 0, BOTH, 0, 0, 20])
        .call("path_open", [4, 0, 0x120, 3, 1, WRITE, 0, 0, 20])
        .call("path_open", [4, 0, 0x100, 5, 8, READ, 0, 0, 20])
        .call("path_create_directory", [4, 0x120, 3])
        .call("path_unlink_file", [4, 0x100, 5])
        .call("path_remove_directory", [4, 0x110, 3])
        .call("path_rename", [4, 0x100, 5, 3, 0x120, 3])
        .call("path_rename", [3, 0x100, 5, 4, 0x120, 3])
        .call("path_link", [3, 0, 0x100, 5, 4, 0x120, 3])
        .call("path_symlink", [0x110, 3, 4, 0x120, 3])
        .call("path_filestat_set_times", [4, 0, 0x100, 5, 0, 0, 2])
        .call("fd_write", [5, 0, 1, 24])
        .call("fd_filestat_set_size", [5, 0])
        .call("fd_filestat_set_times", [5, 0, 0, 2])
        .call("fd_pread", [5, 0, 1, 9, 28])
        .module();
    for &engine in EngineKind::ALL {
        let path = tempfile::tempdir().expect("a folder");
        folder(path.path());
        let seen = script::ours(engine, &module, &FOLDER, Some(path.path()));
        let rofs = errno(Errno::Rofs);
        let mut want = [rofs; 16];
        (want[0], want[15]) = (OK, OK);
        assert_eq!(seen.errnos(), want, "{engine:?}");
        assert_eq!(seen.memory[0x600], b'9');
        assert_eq!(std::fs::read(path.path().join("a.txt")).expect("there"), b"0123456789");
        assert!(!path.path().join("new").exists());
    }
}

/// A folder with more than one call lists.
fn many(path: &Path) {
    for n in 0..200 {
        std::fs::write(path.join(format!("{n}-{}", "x".repeat(n % 90))), "").expect("written");
    }
}

/// Reads a directory as libraries do: on from the last whole entry, until a call gives less than there was room for.
#[test]
fn directories_are_read_in_pieces() {
    for room in [24 + 93, 200, 4096, 60_000] {
        let module = listing(room);
        for &engine in EngineKind::ALL {
            let path = tempfile::tempdir().expect("a folder");
            many(path.path());
            let given = Given { prepare: Some(many), ..Given::default() };
            let seen = script::ours(engine, &module, &given, Some(path.path()));
            let mut names: Vec<String> =
                String::from_utf8(seen.stdout).expect("text").lines().map(String::from).collect();
            names.sort_unstable();
            let mut want: Vec<String> = (0..200).map(|n| format!("{n}-{}", "x".repeat(n % 90))).collect();
            want.extend([".".to_owned(), "..".to_owned()]);
            want.sort_unstable();
            assert_eq!(names, want, "{engine:?}, {room} bytes at a time");
            assert_eq!(seen.end, End::Returned);
        }
    }
}

/// Prints the names in descriptor 3, reading `room` bytes at a time.
fn listing(room: u32) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 2)
          (data (i32.const 32) "\n")
          (func (export "_start") (local $cookie i64) (local $at i32) (local $used i32) (local $name i32)
            (loop $call
              (if (call $readdir (i32.const 3) (i32.const 64) (i32.const {room}) (local.get $cookie) (i32.const 0))
                (then unreachable))
              (local.set $used (i32.load (i32.const 0)))
              (local.set $at (i32.const 0))
              (block $cut
                (loop $entry
                  (br_if $cut (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $used)))
                  (local.set $name (i32.load (i32.add (local.get $at) (i32.const 80))))
                  (br_if $cut (i32.gt_u (i32.add (i32.add (local.get $at) (i32.const 24)) (local.get $name)) (local.get $used)))
                  (i32.store (i32.const 8) (i32.add (local.get $at) (i32.const 88)))
                  (i32.store (i32.const 12) (local.get $name))
                  (i32.store (i32.const 16) (i32.const 32))
                  (i32.store (i32.const 20) (i32.const 1))
                  (drop (call $write (i32.const 1) (i32.const 8) (i32.const 2) (i32.const 24)))
                  (local.set $cookie (i64.load (i32.add (local.get $at) (i32.const 64))))
                  (local.set $at (i32.add (i32.add (local.get $at) (i32.const 24)) (local.get $name)))
                  (br $entry)))
              (br_if $call (i32.eq (local.get $used) (i32.const {room}))))))"#
    );
    wat::parse_str(text).expect("text")
}

#[test]
fn a_directory_can_be_read_anew_and_from_the_middle() {
    let folder = |path: &Path| std::fs::write(path.join("only"), "").expect("written");
    let given = Given { prepare: Some(folder), ..Given::default() };
    let seen = Script::default()
        .call("fd_readdir", [3, 0x400, 0x100, 0, 0])
        .call("fd_readdir", [3, 0x500, 0x100, 2, 4])
        .call("fd_readdir", [3, 0x600, 0x100, 3, 8])
        .call("fd_readdir", [3, 0x700, 10, 1, 12])
        .call("fd_readdir", [3, 0x800, 0x100, 0, 16])
        .call("fd_readdir", [3, 0x900, 0x100, 77, 20])
        // The inodes.
        .same(
            &given,
            &[
                0x408..0x410,
                0x421..0x429,
                0x43b..0x443,
                0x508..0x510,
                0x708..0x70a,
                0x808..0x810,
                0x821..0x829,
                0x83b..0x843,
            ],
        );
    assert_eq!([0, 4, 8, 12, 16, 20].map(|at| seen.word(at)), [24 * 3 + 7, 28, 0, 10, 24 * 3 + 7, 0]);
    assert_eq!(&seen.memory[0x518..0x51c], b"only");
}

/// Two words of a subscription's first part: user data and kind.
fn subscription(at: u32, script: Script, userdata: u32, kind: u32, rest: &[u32]) -> Script {
    script.words(at, &[userdata, 0, kind, 0]).words(at + 16, rest)
}

#[test]
fn polling() {
    let millisecond = 1_000_000;
    let script = Script::default().words(0, &[0x600, 1]).data(0x100, "a.txt");
    // Two at a time: a clock that is far away and something that is ready.
    let script = subscription(0x1000, script, 1, 0, &[1, 0, u32::MAX, 100, 0, 0, 0, 0]);
    let script = subscription(0x1030, script, 2, 1, &[0]);
    let script = subscription(0x1100, script, 3, 0, &[1, 0, millisecond, 0, 0, 0, 0, 0]);
    let script = subscription(0x1130, script, 4, 0, &[0, 0, 1, 0, 0, 0, 1, 0]);
    let script = subscription(0x1200, script, 5, 2, &[1]);
    let script = subscription(0x1230, script, 6, 2, &[5]);
    let script = subscription(0x1300, script, 7, 1, &[9]);
    let script = subscription(0x1330, script, 8, 0, &[2, 0, 1, 0, 0, 0, 0, 0]);
    let script = subscription(0x1400, script, 9, 3, &[0]);
    let script = subscription(0x1430, script, 10, 1, &[3]);
    let seen = script
        .call("path_open", [3, 0, 0x100, 5, 0, BOTH, 0, 0, 16])
        .call("poll_oneoff", [0x1000, 0x2000, 2, 20])
        .call("poll_oneoff", [0x1130, 0x2100, 1, 24])
        .call("poll_oneoff", [0x1200, 0x2200, 2, 28])
        .call("poll_oneoff", [0x1300, 0x2300, 1, 32])
        .call("poll_oneoff", [0x1330, 0x2300, 1, 32])
        .call("poll_oneoff", [0x1400, 0x2300, 1, 32])
        .call("poll_oneoff", [0x1430, 0x2300, 1, 32])
        .call("poll_oneoff", [0x1000, 0x2300, 0, 32])
        .call("poll_oneoff", [0x1100, 0x2400, 1, 36])
        // The oracle tells of one byte for a clock.
        .same(&Given { stdin: "x", ..FOLDER }, &[0x2410..0x2418]);
    let [badf, inval] = [Errno::Badf, Errno::Inval].map(errno);
    assert_eq!(seen.errnos(), [OK, OK, OK, OK, badf, inval, inval, badf, inval, OK]);
    assert_eq!([20, 24, 28, 36].map(|at| seen.word(at)), [1, 1, 2, 1]);
    assert_eq!((seen.word(0x2000), seen.memory[0x200a]), (2, 1), "standard input");
    assert_eq!((seen.word(0x2200), seen.word(0x2220)), (5, 6));
}

#[test]
fn files_say_how_much_is_left() {
    let script = Script::default().data(0x100, "a.txt");
    let module = subscription(0x1000, script, 7, 1, &[5])
        .call("path_open", [3, 0, 0x100, 5, 0, READ, 0, 0, 16])
        .call("fd_seek", [5, 4, 0, 32])
        .call("poll_oneoff", [0x1000, 0x2000, 1, 20])
        .call("fd_seek", [5, 0, 2, 32])
        .call("poll_oneoff", [0x1000, 0x2020, 1, 20])
        .module();
    let path = tempfile::tempdir().expect("a folder");
    folder(path.path());
    for &engine in EngineKind::ALL {
        let seen = script::ours(engine, &module, &FOLDER, Some(path.path()));
        assert_eq!((seen.word(0x2010), seen.memory[0x2018]), (6, 0), "{engine:?}");
        assert_eq!((seen.word(0x2030), seen.memory[0x2038]), (0, 1), "{engine:?}: at its end");
    }
}

#[test]
fn bad_pointers_trap() {
    let bad: [(&str, Script); 12] = [
        ("far", Script::default().call("fd_write", [1, 0xffff_fff0, 1, 0])),
        ("unaligned", Script::default().call("fd_write", [1, 2, 1, 0])),
        ("vector", Script::default().words(0, &[0xffff_fff0, 0x20]).call("fd_write", [1, 0, 1, 8])),
        ("vector to read", Script::default().words(0, &[0x2_0000, 1]).call("fd_read", [0, 0, 1, 8])),
        ("result", Script::default().call("fd_write", [1, 0, 0, 0x2_0000])),
        ("unaligned result", Script::default().call("args_sizes_get", [2, 4])),
        ("time", Script::default().call("clock_time_get", [0, 0, 4])),
        ("path", Script::default().call("path_unlink_file", [3, 0x1_fff0, 0x20])),
        ("stat", Script::default().data(64, "a.txt").call("path_filestat_get", [3, 0, 64, 5, 0x1_fff8])),
        ("random", Script::default().call("random_get", [0x1_ffff, 2])),
        ("subscription", Script::default().call("poll_oneoff", [4, 0, 1, 0])),
        ("directory", Script::default().call("fd_readdir", [3, 0x1_fff0, 0x20, 0, 0])),
    ];
    for (what, script) in bad {
        let seen = script.same(&Given { stdin: "x", ..FOLDER }, &[]);
        assert_eq!(seen.end, End::Trapped, "{what}");
    }
}

#[test]
fn exit_codes_are_carried() {
    for code in [0u8, 5, 125] {
        let seen = Script::default().call("proc_exit", [code.into()]).same(&Given::default(), &[]);
        assert_eq!(seen.end, End::Exit(code.into()));
    }
    let module = Script::default().call("proc_exit", [200]).module();
    assert_eq!(script::ours(EngineKind::Wasmtime, &module, &Given::default(), None).end, End::Exit(200));
}

#[test]
fn a_c_program_does_the_same() {
    let module = guest("p1-command");
    for given in [
        Given { args: &["prog"], ..Given::default() },
        Given { args: &["prog", "exit=3", "ä"], env: &[("A", "b"), ("E", "")], stdin: "one\ntwo\n", prepare: None },
    ] {
        let want = script::oracle(&module, &given, None);
        assert_eq!(&want.memory[..5], b"done\n", "its standard error");
        for &engine in EngineKind::ALL {
            let have = script::ours(engine, &module, &given, None);
            assert_eq!((have.stdout, have.memory, have.end), (want.stdout.clone(), want.memory.clone(), want.end));
        }
    }
}

/// Standard input from which nothing ever comes.
struct Silent;

impl Source for Silent {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn read(&mut self, _: usize) -> Result<bytes::Bytes, StreamError> {
        Ok(bytes::Bytes::new())
    }
}

#[test]
fn whoever_waits_can_be_stopped_and_need_not_wait() {
    let limits = Limits { instances: 1, time: Duration::from_millis(100), ..Limits::default() };
    let read = Script::default().words(0, &[0x500, 4]).call("fd_read", [0, 0, 1, 8]).module();
    let poll = subscription(0x1000, Script::default(), 1, 1, &[0]).call("poll_oneoff", [0x1000, 0x2000, 1, 0]).module();
    let not = Script::default()
        .words(0, &[0x500, 4])
        .call("fd_fdstat_set_flags", [0, 4])
        .call("fd_read", [0, 0, 1, 8])
        .call("proc_exit", [7])
        .module();
    for &engine in EngineKind::ALL {
        let run = |module: &[u8]| {
            let stdio = Stdio { stdin: Some(Arc::new(Mutex::new(Silent))), ..Stdio::logged(Arc::new(|_, _| {})) };
            script::run(engine, module, &Given::default(), None, stdio, &limits)
        };
        assert_eq!(run(&read), Err(Trap::Deadline), "{engine:?}");
        assert_eq!(run(&poll), Err(Trap::Deadline), "{engine:?}");
        assert_eq!(run(&not), Err(Trap::Exit(7)), "{engine:?}");
    }
}

fn refused(text: &str) -> Box<Diagnostic> {
    let module = wat::parse_str(text).expect("text");
    load(EngineKind::Wasmtime, &module, &["_start"], Limits::default()).err().expect("refused")
}

#[test]
fn what_is_not_there_is_named() {
    let error = refused(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32) (result i32))))"#);
    assert_eq!(error.code, Code::SignatureMismatch);
    assert!(error.facts.iter().any(|(_, text)| text == "(i32 i32 i32 i32) -> i32"), "{:?}", error.facts);
    let error = refused(r#"(module (import "wasi_snapshot_preview1" "fd_wirte" (func (param i32) (result i32))))"#);
    assert_eq!(error.code, Code::Unresolved);
    assert!(error.hints[0].contains("`fd_write`"), "{:?}", error.hints);
    let error = refused(r#"(module (import "wasi_unstable" "fd_write" (func (param i32) (result i32))))"#);
    assert!(error.hints[0].contains("the release before preview1"), "{:?}", error.hints);
}
