//! Modules of snapshot 0 as modules of preview1. The oracle for what differs is the WITX of both, as wasmtime has it; for what
//! the added functions do, a host of preview1 that looks at every byte it is given.

use crate::random::Xorshift;
use crate::witx_corpus::manifest_of;
use lowlift::adapt::snapshot0::{FUNCTIONS, Way, translate};
use lowlift::adapt::{PREVIEW1, SNAPSHOT0, survey};
use lowlift::diagnostic::Code;
use std::fmt::Write;
use wasmtime::{Caller, Engine, Extern, Instance, Linker, Memory, Module, Store};
use witx::Layout;

fn translated(text: &str) -> Vec<u8> {
    let module = wat::parse_str(text).expect("text");
    translate(&module, &survey(&module).expect("valid")).expect("translates").expect("imports snapshot 0").wasm
}

/// Everything about a type that a guest could notice.
fn shape(ty: &witx::TypeRef, out: &mut String) {
    let size = ty.mem_size_align();
    let _ = write!(out, "<{} {}>", size.size, size.align);
    match &**ty.type_() {
        witx::Type::Record(record) => {
            // A right to do what preview1 added is a bit that snapshot 0 has no name for.
            for member in record.member_layout().into_iter().filter(|m| m.member.name.as_str() != "sock_accept") {
                let _ = write!(out, " {}@{}", member.member.name.as_str(), member.offset);
                shape(&member.member.tref, out);
            }
        }
        witx::Type::Variant(variant) => {
            for case in &variant.cases {
                let _ = write!(out, " |{}", case.name.as_str());
                if let Some(ty) = &case.tref {
                    shape(ty, out);
                }
            }
        }
        witx::Type::Handle(_) => out.push_str("handle"),
        witx::Type::List(ty) | witx::Type::Pointer(ty) | witx::Type::ConstPointer(ty) => {
            out.push('*');
            shape(ty, out);
        }
        witx::Type::Builtin(builtin) => {
            let _ = write!(out, "{builtin:?}");
        }
    }
}

/// Name, shape and core signature of all functions of one release.
fn release(file: &str, module: &str) -> Vec<(String, String, String)> {
    let folder = manifest_of("wasmtime-wasi", "48.0.8").join("witx");
    let document = witx::load(&[folder.join(file)]).unwrap_or_else(|e| panic!("{}", e.report()));
    let module = document.module(&witx::Id::new(module)).expect("a module");
    let mut functions: Vec<_> = module
        .funcs()
        .map(|func| {
            let mut out = String::new();
            for param in func.params.iter().chain(&func.results) {
                let _ = write!(out, " {}:", param.name.as_str());
                shape(&param.tref, &mut out);
            }
            (func.name.as_str().to_owned(), out, format!("{:?}", func.wasm_signature()))
        })
        .collect();
    functions.sort();
    functions
}

#[test]
fn the_table_is_what_the_two_releases_say() {
    let old = release("p0/wasi_unstable.witx", "wasi_unstable");
    let new = release("p1/wasi_snapshot_preview1.witx", "wasi_snapshot_preview1");
    let names: Vec<&str> = old.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, FUNCTIONS.iter().map(|f| f.name).collect::<Vec<_>>(), "all functions, sorted");
    let mut differ = Vec::new();
    for ((name, shape, signature), function) in old.iter().zip(FUNCTIONS) {
        assert_eq!(format!("{:?}", (function.params, function.results)), *signature, "{name}");
        let same = new.iter().any(|(other, its, _)| other == name && its == shape);
        assert_eq!(same, matches!(function.way, Way::Same), "{name}");
        if !same {
            differ.push(name.as_str());
        }
    }
    assert_eq!(differ, ["fd_filestat_get", "fd_seek", "path_filestat_get", "poll_oneoff"]);
}

/// What the host saw, and what it answers.
#[derive(Default)]
struct Host {
    whence: Vec<i32>,
    answer: i32,
    stat: Vec<u8>,
    /// Subscriptions as the host read them.
    read: Vec<u8>,
}

const MODULE: &str = r#"(module
  (import "wasi_unstable" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
  (import "wasi_unstable" "path_filestat_get" (func $path (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref) (elem (i32.const 0) func $close)
  (export "poll_oneoff" (func $poll)) (export "fd_filestat_get" (func $stat))
  (func (export "seek") (param i32) (result i32) (call $seek (i32.const 7) (i64.const -9) (local.get 0) (i32.const 64)))
  (func (export "path") (param i32) (result i32)
    (call $path (i32.const 3) (i32.const 1) (i32.const 8) (i32.const 4) (local.get 0)))
  (func (export "close") (param i32) (result i32) (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))"#;

fn memory(caller: &mut Caller<'_, Host>) -> Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("exported")
}

fn store_stat(caller: &mut Caller<'_, Host>, to: i32) -> wasmtime::Result<i32> {
    let answer = caller.data().answer;
    if answer == 0 {
        let (memory, stat) = (memory(caller), caller.data().stat.clone());
        memory.write(&mut *caller, to as u32 as usize, &stat)?;
    }
    Ok(answer)
}

fn instance() -> (Store<Host>, Instance, Memory) {
    let wasm = translated(MODULE);
    let engine = Engine::default();
    let mut linker = Linker::<Host>::new(&engine);
    let seek = |mut caller: Caller<'_, Host>, fd: i32, offset: i64, whence: i32, to: i32| {
        assert_eq!((fd, offset, to), (7, -9, 64));
        caller.data_mut().whence.push(whence);
        caller.data().answer
    };
    linker.func_wrap(PREVIEW1, "fd_seek", seek).expect("once");
    let stat = |mut caller: Caller<'_, Host>, _: i32, to: i32| store_stat(&mut caller, to);
    linker.func_wrap(PREVIEW1, "fd_filestat_get", stat).expect("once");
    let path = |mut caller: Caller<'_, Host>, fd: i32, flags: i32, path: i32, length: i32, to: i32| {
        assert_eq!((fd, flags, path, length), (3, 1, 8, 4));
        store_stat(&mut caller, to)
    };
    linker.func_wrap(PREVIEW1, "path_filestat_get", path).expect("once");
    let poll = |mut caller: Caller<'_, Host>, from: i32, to: i32, count: i32, told: i32| {
        let memory = memory(&mut caller);
        let mut read = vec![0; count as usize * 48];
        memory.read(&caller, from as usize, &mut read).expect("in bounds");
        caller.data_mut().read = read;
        memory.write(&mut caller, to as usize, &vec![0xee; count as usize * 32]).expect("in bounds");
        memory.write(&mut caller, told as usize, &count.to_le_bytes()).expect("in bounds");
        caller.data().answer
    };
    linker.func_wrap(PREVIEW1, "poll_oneoff", poll).expect("once");
    linker.func_wrap(PREVIEW1, "fd_close", |fd: i32| fd + 1).expect("once");
    let mut store = Store::new(&engine, Host::default());
    let module = Module::new(&engine, wasm).expect("valid");
    let instance = linker.instantiate(&mut store, &module).expect("preview1 is all that it needs");
    let memory = instance.get_memory(&mut store, "memory").expect("exported");
    (store, instance, memory)
}

#[test]
fn seeking_counts_from_where_it_did() {
    let (mut store, instance, _) = instance();
    let seek = instance.get_typed_func::<i32, i32>(&mut store, "seek").expect("exported");
    for whence in [0, 1, 2, 3, 255, -1] {
        seek.call(&mut store, whence).expect("no trap");
    }
    assert_eq!(store.data().whence, [1, 2, 0, 3, 255, -1], "cur, end, set; what means nothing stays");
    let close = instance.get_typed_func::<i32, i32>(&mut store, "close").expect("exported");
    assert_eq!(close.call(&mut store, 41).expect("no trap"), 42, "what is the same is called through the table too");
}

#[test]
fn a_filestat_has_the_old_shape_and_nothing_beside_it_changes() {
    let (mut store, instance, memory) = instance();
    let call = instance.get_typed_func::<(i32, i32), i32>(&mut store, "fd_filestat_get").expect("exported");
    let path = instance.get_typed_func::<i32, i32>(&mut store, "path").expect("exported");
    let mut random = Xorshift(7);
    let field = |at: usize, bytes: &[u8]| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    for place in [64, 4096, 65_536 - 56, 65_536 - 64, 65_536 - 57] {
        for answer in [0, 0, 28] {
            let before: Vec<u8> = (0..65_536).map(|_| random.next() as u8).collect();
            memory.write(&mut store, 0, &before).expect("all of it");
            let mut stat: Vec<u8> = (0..64).map(|_| random.next() as u8).collect();
            stat[28..32].fill(0);
            (store.data_mut().stat, store.data_mut().answer) = (stat.clone(), answer);
            let said = if place % 128 == 0 { path.call(&mut store, place) } else { call.call(&mut store, (1, place)) };
            assert_eq!(said.expect("no trap"), answer);
            let mut want = before.clone();
            let at = place as usize;
            if answer == 0 {
                want[at..at + 17].copy_from_slice(&stat[..17]);
                want[at + 20..at + 24].copy_from_slice(&stat[24..28]);
                want[at + 24..at + 56].copy_from_slice(&stat[32..]);
            }
            // Between the type and the links is nothing.
            want[at + 17..at + 20].copy_from_slice(&memory.data(&store)[at + 17..at + 20]);
            assert!(memory.data(&store) == want, "at {place}, answer {answer}");
            assert_eq!(field(24, &want[at..]), if answer == 0 { field(32, &stat) } else { field(24, &before[at..]) });
        }
    }
    // More links than the field can say.
    store.data_mut().stat = vec![0xff; 64];
    store.data_mut().answer = 0;
    assert_eq!(call.call(&mut store, (1, 64)).expect("no trap"), 61);
    assert!(call.call(&mut store, (1, 65_536 - 55)).is_err(), "out of bounds");
    assert!(call.call(&mut store, (1, -8)).is_err(), "out of bounds");
}

#[test]
fn subscriptions_are_packed_and_put_back() {
    let (mut store, instance, memory) = instance();
    let poll = instance.get_typed_func::<(i32, i32, i32, i32), i32>(&mut store, "poll_oneoff").expect("exported");
    let mut random = Xorshift(11);
    for count in [0usize, 1, 2, 3, 5, 17, 100] {
        let mut before: Vec<u8> = (0..65_536).map(|_| random.next() as u8).collect();
        let mut want = Vec::new();
        for one in before[8192..8192 + 56 * count].chunks_exact_mut(56) {
            one[8] = (random.next() % 4) as u8;
            let lost = if one[8] == 0 { 16..24 } else { 48..56 };
            want.extend(one.iter().enumerate().filter(|(i, _)| !lost.contains(i)).map(|(_, byte)| *byte));
        }
        memory.write(&mut store, 0, &before).expect("all of it");
        let number = i32::try_from(count).expect("small");
        assert_eq!(poll.call(&mut store, (8192, 1024, number, 16)).expect("no trap"), 0);
        assert_eq!(store.data().read, want, "{count}: what the host read");
        before[1024..1024 + 32 * count].fill(0xee);
        before[16..20].copy_from_slice(&number.to_le_bytes());
        assert!(memory.data(&store) == before, "{count}: events and their count are all that changed");
    }
    // Events over subscriptions: they are what the guest reads then.
    assert_eq!(poll.call(&mut store, (8192, 8192, 2, 16)).expect("no trap"), 0);
    assert!(memory.data(&store)[8192..8192 + 64].iter().all(|byte| *byte == 0xee));
    for (from, count) in [(65_536 - 55, 1), (0, i32::MAX), (8, -1), (-8, 1)] {
        assert!(poll.call(&mut store, (from, 1024, count, 16)).is_err(), "{from} {count}: out of bounds");
    }
}

#[test]
fn what_snapshot_0_never_had_is_refused_by_name() {
    for (import, why) in [
        (r#""sock_accept" (func (param i32 i32 i32) (result i32))"#, "no such function"),
        (r#""fd_close" (func (param i64) (result i32))"#, "its type is (i64) -> i32"),
        (r#""fd_close" (global i32)"#, "as a global"),
        (r#""fd_seek" (func (param i32 i64 i32 i32) (result i32))"#, "no memory"),
    ] {
        let module = wat::parse_str(format!(r#"(module (import "{SNAPSHOT0}" {import}))"#)).expect("text");
        let error = translate(&module, &survey(&module).expect("valid")).expect_err("refused");
        assert_eq!(error.code, Code::SnapshotZero);
        assert!(error.facts.iter().any(|(_, text)| text.contains(why)), "{why}: {:?}", error.facts);
    }
}

#[test]
fn names_and_sections_stay_and_what_points_into_code_goes() {
    let wasm = translated(
        r#"(module $m
          (import "wasi_unstable" "fd_close" (func $close (param i32) (result i32)))
          (import "wasi_unstable" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
          (memory 1)
          (@custom "mine" "kept") (@custom ".debug_info" "gone")
          (func $own (export "f") (param $fd i32) (result i32) (call $close (local.get $fd))))"#,
    );
    let text = wasmprinter::print_bytes(&wasm).expect("prints");
    for part in
        ["(module $m", "(func $own ", "(param $fd i32)", "call $close", "$\"fd_seek of snapshot 0\"", "\"mine\" "]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains(".debug_info"), "{text}");
    // Nothing but imports and exports: the sections for what is added are made.
    let wasm = translated(
        r#"(module (import "wasi_unstable" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
          (memory 1) (export "f" (func 0)) (data (i32.const 0) "x"))"#,
    );
    assert_eq!(survey(&wasm).expect("valid").exports.len(), 1);
}
