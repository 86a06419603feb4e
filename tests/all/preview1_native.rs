//! Preview1 by the host itself: the same calls give the same error numbers, the same memory and the same output as under
//! wasmtime's own preview1, on both engines.

mod any;
mod files;
mod script;

use crate::guest;
use files::{BOTH, FOLDER, READ, folder};
use lowlift::adapt::{Item, survey};
use lowlift::diagnostic::{Code, Diagnostic};
use lowlift::engine::{EngineKind, Limits, load};
use lowlift::host::io::{Source, StreamError};
use lowlift::host::preview1::{Errno, FUNCTIONS};
use lowlift::host::{Stdio, Trap};
use script::{End, Given, Script};
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
        .same(&Given::default(), std::slice::from_ref(&(0..96)));
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
        .same(&Given { stdin: "x", ..FOLDER }, std::slice::from_ref(&(0x2410..0x2418)));
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

/// As C++ programs do, in objects of a heap that a module without exceptions does not have.
#[test]
fn exceptions_are_caught_and_do_not_pile_up() {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (tag $thrown (param i32))
      (func (export "_start") (local $sum i32) (local $n i32)
        (loop $next
          (block $caught (result i32)
            (try_table (catch $thrown $caught) (throw $thrown (i32.and (local.get $n) (i32.const 1))))
            (i32.const 0))
          (local.set $sum (i32.add (local.get $sum)))
          (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
        (call $exit (i32.div_u (local.get $sum) (i32.const 500)))))"#;
    let module = wat::parse_str(text).expect("text");
    assert_eq!(script::ours(EngineKind::Wasmtime, &module, &Given::default(), None).end, End::Exit(100));
    let error = load(EngineKind::Wasmi, &module, &["_start"], Limits::default()).err().expect("refused");
    assert_eq!(error.code, Code::CompileFailed);
    assert!(error.hints[0].contains("--engine wasmtime"), "{:?}", error.hints);
}
