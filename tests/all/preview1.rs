//! `link` with preview1 kept: what a component prints and how it exits under wasmtime's WASI 0.2 is what the linked module
//! prints and how it exits on a host of a hundred lines that knows preview1 alone.

use crate::guest;
use lowlift::adapt::{Adapter, survey, wrap};
use lowlift::diagnostic::{Code, Diagnostic};
use lowlift::link::{Linked, Options, Wasi, link};
use wasmtime::{Caller, Engine, Extern, Instance, Linker, Memory, Module, Store, Val};

const PREVIEW1: &str = "wasi_snapshot_preview1";

fn strip(component: &[u8]) -> Result<Linked, Box<Diagnostic>> {
    link(component, Options { verify: true, wasi: Wasi::Preview1 })
}

fn stripped(name: &str, component: &[u8]) -> Linked {
    strip(component).unwrap_or_else(|e| panic!("{name}: {e} {:?} {:?}", e.facts, e.cause))
}

fn imports(linked: &Linked) -> Vec<&str> {
    let mut modules: Vec<&str> = linked.report.imports.iter().map(|f| f.module.as_str()).collect();
    modules.dedup();
    modules
}

fn adapted(module: &[u8], adapter: &Adapter) -> Vec<u8> {
    wrap(module, &survey(module).expect("valid"), Some(adapter)).expect("wraps").component
}

/// What a program is given.
#[derive(Clone, Copy)]
struct Given {
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    stdin: &'static str,
}

/// What it does with it.
#[derive(Debug, PartialEq)]
struct Done {
    stdout: String,
    stderr: String,
    exit: i32,
}

/// A host that knows preview1 and nothing else.
struct Host {
    given: Given,
    read: usize,
    written: [Vec<u8>; 2],
    time: u64,
}

#[derive(Debug)]
struct Exit(i32);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}", self.0)
    }
}

impl std::error::Error for Exit {}

const EBADF: i32 = 8;
const ENOSYS: i32 = 52;
const ESPIPE: i32 = 70;

type Guest<'a> = Caller<'a, Host>;

fn memory(guest: &mut Guest<'_>) -> Memory {
    guest.get_export("memory").and_then(Extern::into_memory).expect("a preview1 module exports its memory")
}

fn put(guest: &mut Guest<'_>, at: u32, bytes: &[u8]) {
    memory(guest).write(guest, at as usize, bytes).expect("in bounds");
}

fn get(guest: &mut Guest<'_>, at: u32) -> u32 {
    let mut word = [0; 4];
    memory(guest).read(guest, at as usize, &mut word).expect("in bounds");
    u32::from_le_bytes(word)
}

fn sizes(guest: &mut Guest<'_>, strings: &[String], count: u32, bytes: u32) -> i32 {
    let total: usize = strings.iter().map(|s| s.len() + 1).sum();
    put(guest, count, &u32::try_from(strings.len()).expect("few").to_le_bytes());
    put(guest, bytes, &u32::try_from(total).expect("short").to_le_bytes());
    0
}

fn strings(guest: &mut Guest<'_>, strings: &[String], mut pointers: u32, mut at: u32) -> i32 {
    for string in strings {
        put(guest, pointers, &at.to_le_bytes());
        put(guest, at, format!("{string}\0").as_bytes());
        (pointers, at) = (pointers + 4, at + u32::try_from(string.len()).expect("short") + 1);
    }
    0
}

impl Given {
    fn args(&self) -> Vec<String> {
        self.args.iter().map(|&s| s.to_owned()).collect()
    }

    fn env(&self) -> Vec<String> {
        self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

/// Pieces of a scattered read or write: address and length.
fn pieces(guest: &mut Guest<'_>, at: u32, count: u32) -> Vec<(u32, u32)> {
    (0..count).map(|i| (get(guest, at + 8 * i), get(guest, at + 8 * i + 4))).collect()
}

fn fd_write(mut guest: Guest<'_>, fd: i32, at: u32, count: u32, written: u32) -> i32 {
    let Some(stream) = usize::try_from(fd - 1).ok().filter(|&s| s < 2) else { return EBADF };
    let mut total = 0;
    for (at, len) in pieces(&mut guest, at, count) {
        let mut bytes = vec![0; len as usize];
        memory(&mut guest).read(&guest, at as usize, &mut bytes).expect("in bounds");
        guest.data_mut().written[stream].extend(bytes);
        total += len;
    }
    put(&mut guest, written, &total.to_le_bytes());
    0
}

fn fd_read(mut guest: Guest<'_>, fd: i32, at: u32, count: u32, read: u32) -> i32 {
    if fd != 0 {
        return EBADF;
    }
    let mut total = 0u32;
    for (at, len) in pieces(&mut guest, at, count) {
        let host = guest.data_mut();
        let rest = &host.given.stdin.as_bytes()[host.read..];
        let bytes = &rest[..rest.len().min(len as usize)];
        host.read += bytes.len();
        total += u32::try_from(bytes.len()).expect("short");
        put(&mut guest, at, bytes);
    }
    put(&mut guest, read, &total.to_le_bytes());
    0
}

/// The three streams are terminals with every right.
fn fd_fdstat_get(mut guest: Guest<'_>, fd: i32, at: u32) -> i32 {
    if !(0..3).contains(&fd) {
        return EBADF;
    }
    let mut stat = [0; 24];
    stat[0] = 2;
    stat[8..].fill(0xff);
    put(&mut guest, at, &stat);
    0
}

fn preview1(engine: &Engine, module: &Module) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(PREVIEW1, "args_sizes_get", |mut guest: Guest<'_>, count: u32, bytes: u32| {
        let args = guest.data().given.args();
        sizes(&mut guest, &args, count, bytes)
    })?;
    linker.func_wrap(PREVIEW1, "args_get", |mut guest: Guest<'_>, pointers: u32, at: u32| {
        let args = guest.data().given.args();
        strings(&mut guest, &args, pointers, at)
    })?;
    linker.func_wrap(PREVIEW1, "environ_sizes_get", |mut guest: Guest<'_>, count: u32, bytes: u32| {
        let env = guest.data().given.env();
        sizes(&mut guest, &env, count, bytes)
    })?;
    linker.func_wrap(PREVIEW1, "environ_get", |mut guest: Guest<'_>, pointers: u32, at: u32| {
        let env = guest.data().given.env();
        strings(&mut guest, &env, pointers, at)
    })?;
    linker.func_wrap(PREVIEW1, "clock_time_get", |mut guest: Guest<'_>, _: i32, _: i64, at: u32| {
        guest.data_mut().time += 1;
        let now = guest.data().time.to_le_bytes();
        put(&mut guest, at, &now);
        0
    })?;
    linker.func_wrap(PREVIEW1, "random_get", |mut guest: Guest<'_>, at: u32, len: u32| {
        put(&mut guest, at, &vec![7; len as usize]);
        0
    })?;
    linker.func_wrap(PREVIEW1, "fd_write", fd_write)?;
    linker.func_wrap(PREVIEW1, "fd_read", fd_read)?;
    linker.func_wrap(PREVIEW1, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(PREVIEW1, "fd_seek", |_: i32, _: i64, _: i32, _: i32| ESPIPE)?;
    linker.func_wrap(PREVIEW1, "fd_prestat_get", |_: i32, _: i32| EBADF)?;
    linker.func_wrap(PREVIEW1, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(Exit(code).into()) })?;
    for import in module.imports().filter(|i| i.module() == PREVIEW1) {
        let known = linker.get(&mut Store::new(engine, host(NOTHING)), import.module(), import.name()).is_ok();
        if let (false, Some(ty)) = (known, import.ty().func()) {
            linker.func_new(PREVIEW1, import.name(), ty.clone(), |_, _, results| {
                results[0] = Val::I32(ENOSYS);
                Ok(())
            })?;
        }
    }
    Ok(linker)
}

const NOTHING: Given = Given { args: &[], env: &[], stdin: "" };

fn host(given: Given) -> Host {
    Host { given, read: 0, written: Default::default(), time: 0 }
}

/// What Rust's std asks of WASI 0.2 even where all else goes through preview1. A list of strings is returned, each of
/// them in memory that the guest allocates.
fn get_arguments(linker: &mut Linker<Host>, module: &Module) -> wasmtime::Result<()> {
    let Some(import) = module.imports().find(|i| i.name() == "get-arguments") else { return Ok(()) };
    linker.func_wrap(import.module(), import.name(), |mut guest: Guest<'_>, result: u32| -> wasmtime::Result<()> {
        let realloc = guest.get_export("cabi_realloc").and_then(Extern::into_func).expect("exported");
        let realloc = realloc.typed::<(u32, u32, u32, u32), u32>(&guest)?;
        let args = guest.data().given.args();
        let count = u32::try_from(args.len()).expect("few");
        let list = realloc.call(&mut guest, (0, 0, 4, count * 8))?;
        for (i, arg) in (0..).zip(&args) {
            let len = u32::try_from(arg.len()).expect("short");
            let at = realloc.call(&mut guest, (0, 0, 1, len))?;
            put(&mut guest, at, arg.as_bytes());
            put(&mut guest, list + 8 * i, &at.to_le_bytes());
            put(&mut guest, list + 8 * i + 4, &len.to_le_bytes());
        }
        put(&mut guest, result, &list.to_le_bytes());
        put(&mut guest, result + 4, &count.to_le_bytes());
        Ok(())
    })?;
    Ok(())
}

fn instantiate(wasm: &[u8], given: Given) -> (Store<Host>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).expect("compiles");
    let mut linker = preview1(&engine, &module).expect("defined once");
    get_arguments(&mut linker, &module).expect("defined once");
    let mut store = Store::new(&engine, host(given));
    let instance = linker.instantiate(&mut store, &module).expect("preview1 is all that it needs");
    (store, instance)
}

/// Runs `_start` on the preview1 host.
fn run_core(wasm: &[u8], given: Given) -> Done {
    let (mut store, instance) = instantiate(wasm, given);
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a command");
    let exit = match start.call(&mut store, ()) {
        Ok(()) => 0,
        Err(error) => error.downcast_ref::<Exit>().unwrap_or_else(|| panic!("{error:?}")).0,
    };
    let [stdout, stderr] = std::mem::take(&mut store.data_mut().written).map(|b| String::from_utf8(b).expect("text"));
    Done { stdout, stderr, exit }
}

/// The oracle: wasmtime's own WASI 0.2.
mod p2 {
    use super::{Done, Given};
    use wasmtime::component::{Component, Instance, Linker, ResourceTable};
    use wasmtime::{Engine, Store};
    use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
    use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

    pub(super) struct Ctx(WasiCtx, ResourceTable);

    impl WasiView for Ctx {
        fn ctx(&mut self) -> WasiCtxView<'_> {
            WasiCtxView { ctx: &mut self.0, table: &mut self.1 }
        }
    }

    pub(super) struct Running {
        pub(super) store: Store<Ctx>,
        pub(super) instance: Instance,
        written: [MemoryOutputPipe; 2],
    }

    impl Running {
        pub(super) fn new(component: &[u8], given: Given) -> Running {
            let engine = Engine::default();
            let component = Component::from_binary(&engine, component).expect("compiles");
            let mut linker = Linker::<Ctx>::new(&engine);
            wasmtime_wasi::p2::add_to_linker_sync(&mut linker).expect("defined once");
            let written = [MemoryOutputPipe::new(1 << 20), MemoryOutputPipe::new(1 << 20)];
            let ctx = WasiCtx::builder()
                .args(given.args)
                .envs(given.env)
                .stdin(MemoryInputPipe::new(given.stdin))
                .stdout(written[0].clone())
                .stderr(written[1].clone())
                .build();
            let mut store = Store::new(&engine, Ctx(ctx, ResourceTable::new()));
            let instance = linker.instantiate(&mut store, &component).expect("WASI 0.2 is all that it needs");
            Running { store, instance, written }
        }

        pub(super) fn done(self, exit: i32) -> Done {
            let [stdout, stderr] = self.written.map(|p| String::from_utf8(p.contents().to_vec()).expect("text"));
            Done { stdout, stderr, exit }
        }
    }

    /// Runs `wasi:cli/run` of whatever version.
    pub(super) fn run(component: &[u8], given: Given) -> Done {
        let mut running = Running::new(component, given);
        let (store, instance) = (&mut running.store, running.instance);
        let interface = (0..20)
            .find_map(|patch| instance.get_export_index(&mut *store, None, &format!("wasi:cli/run@0.2.{patch}")))
            .expect("a command");
        let run = instance.get_export_index(&mut *store, Some(&interface), "run").expect("exported");
        let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run).expect("typed");
        let exit = match run.call(&mut *store, ()) {
            Ok((result,)) => i32::from(result.is_err()),
            Err(error) => error.downcast_ref::<I32Exit>().unwrap_or_else(|| panic!("{error:?}")).0,
        };
        running.done(exit)
    }
}

/// WASI 0.2 has no exit codes but success and failure.
fn coarse(done: Done) -> Done {
    Done { exit: i32::from(done.exit != 0), ..done }
}

#[test]
fn programs_do_on_preview1_what_they_did_on_wasi_0_2() {
    let given = [
        Given { args: &["prog"], env: &[], stdin: "" },
        Given { args: &["prog", "exit=0", "ä"], env: &[("A", "b"), ("EMPTY", "")], stdin: "one\ntwo\n" },
        Given { args: &["prog", "exit=3"], env: &[("A", "b")], stdin: "fail, please" },
    ];
    let command = adapted(&guest("p1-command"), &Adapter::Command);
    for (name, component, others) in [("p1-command", command, 0), ("cli-rust", guest("cli-rust"), 1)] {
        let linked = stripped(name, &component);
        assert_eq!(linked.report.merged.len(), 1, "{name}: adapter, shim and fixup are gone");
        assert_eq!((linked.report.tables, linked.report.memories), (1, 1), "{name}");
        let foreign = linked.report.imports.iter().filter(|f| f.module != PREVIEW1);
        assert_eq!(foreign.count(), others, "{name}: only what the program itself imports of WASI 0.2");
        let again = adapted(&linked.wasm, &Adapter::Command);
        for given in given {
            let want = p2::run(&component, given);
            let have = run_core(&linked.wasm, given);
            assert!(want.stdout.len() > 10 && want.stderr == "done\n", "{name} says something: {want:?}");
            assert_eq!(p2::run(&again, given), want, "{name}: adapted again");
            assert_eq!(coarse(have), want, "{name}");
        }
    }
}

/// Which preview1 can say.
#[test]
fn exit_codes_come_back() {
    let component = adapted(&guest("p1-command"), &Adapter::Command);
    let given = Given { args: &["prog", "exit=3"], ..NOTHING };
    assert_eq!(p2::run(&component, given).exit, 1);
    assert_eq!(run_core(&stripped("p1-command", &component).wasm, given).exit, 3);
}

/// A module with a world of its own beside preview1.
fn reactor() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let wit =
        "package test:reactor; world reactor { export add: func(a: s32, b: s32) -> s32; export greet: func() -> s32; }";
    let package = resolve.push_str("reactor.wit", wit).expect("WIT");
    let world = resolve.packages[package].worlds["reactor"];
    let mut module = guest("p1-reactor");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("embeds");
    module
}

#[test]
fn reactors_keep_their_exports_and_their_types() {
    let component = adapted(&reactor(), &Adapter::Reactor);
    let linked = stripped("p1-reactor", &component);
    assert_eq!(imports(&linked), [PREVIEW1]);
    assert!(linked.report.initialize, "constructors run before anything else");

    let mut oracle = p2::Running::new(&component, NOTHING);
    let add = oracle.instance.get_typed_func::<(i32, i32), (i32,)>(&mut oracle.store, "add").expect("exported");
    assert_eq!(add.call(&mut oracle.store, (i32::MAX, 1)).expect("no trap"), (i32::MIN,));
    let greet = oracle.instance.get_typed_func::<(), (i32,)>(&mut oracle.store, "greet").expect("exported");
    assert_eq!(greet.call(&mut oracle.store, ()).expect("no trap"), (0,));
    let want = oracle.done(0);
    assert_eq!(want.stdout, "hello\n");

    let (mut store, instance) = instantiate(&linked.wasm, NOTHING);
    let greet = instance.get_typed_func::<(), i32>(&mut store, "greet").expect("exported");
    instance.get_typed_func::<(), ()>(&mut store, "_initialize").expect("exported").call(&mut store, ()).expect("once");
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").expect("exported");
    assert_eq!(add.call(&mut store, (i32::MAX, 1)).expect("no trap"), i32::MIN);
    assert_eq!(greet.call(&mut store, ()).expect("no trap"), 0);
    assert_eq!(store.data().written[0], want.stdout.as_bytes());

    assert!(survey(&linked.wasm).expect("valid").has_component_type, "it can be adapted again");
    let again = adapted(&linked.wasm, &Adapter::Reactor);
    assert_eq!(stripped("again", &again).report.exports.len(), 2, "and stripped again");
}

#[test]
fn what_the_modules_import_themselves_stays() {
    for (name, p1) in [("http-echo-rust", 1), ("http-echo-c", 1)] {
        let linked = stripped(name, &guest(name));
        let of = |module: &str| linked.report.imports.iter().filter(|f| f.module.starts_with(module)).count();
        assert!(of(PREVIEW1) >= p1, "{name}");
        assert!(of("wasi:http/") > 3, "{name}");
        assert_eq!(of("wasi:filesystem/"), 0, "{name}: the adapter's");
        assert_eq!(linked.report.exports.len(), 1, "{name}");
        let plain = link(&guest(name), Options::default()).expect("links");
        assert!(linked.wasm.len() < plain.wasm.len(), "{name}: the adapter is gone");
    }
}

#[test]
fn a_component_without_an_adapter_is_refused_if_it_needs_wasi() {
    let error = strip(&guest("http-hello-rust")).expect_err("refused");
    assert_eq!(error.code, Code::NoAdapter);
    assert!(error.hints[0].contains("wasm32-wasip1"), "{:?}", error.hints);
    let pure = r#"(component (core module $m (func (export "f"))) (core instance $m (instantiate $m)) (func (export "f") (canon lift (core func $m "f"))))"#;
    assert!(imports(&stripped("pure", &wat::parse_str(pure).expect("text"))).is_empty());
}

/// A component as `wit-component` builds it, with parts to replace.
struct Parts {
    /// Fields of the component, before its modules.
    outer: &'static str,
    /// Fields of the main module.
    main: &'static str,
    /// Fields of the adapter.
    adapter: &'static str,
    /// Exports of the adapter that main imports from preview1 beside `proc_exit`.
    extra: &'static str,
    /// Fields of the fixup.
    fixup: &'static str,
    /// What the adapter gets for `exit`.
    exit: &'static str,
    /// Fields of the component, after its instances.
    rest: &'static str,
}

/// The program exits with 1 if the second word of its memory is set, which is what `_start` is written to tell.
const PARTS: Parts = Parts {
    outer: "",
    main: r#"(func (export "_start") (if (i32.load (i32.const 4)) (then (call $exit (i32.const 1)))))"#,
    adapter: "(global $state (mut i32) (i32.const 0))",
    extra: "",
    fixup: "",
    exit: "(core func $wasi_exit (canon lower (func $exit \"exit\")))",
    rest: "",
};

impl Parts {
    fn component(&self) -> Vec<u8> {
        let Parts { outer, main, adapter, extra, fixup, exit, rest } = self;
        let text = format!(
            r#"(component
              (import "wasi:cli/exit@0.2.6" (instance $exit (export "exit" (func (param "status" (result))))))
              {outer}
              (core module $shim
                (table (export "table") 1 1 funcref)
                (func (export "0") (param i32) (call_indirect (param i32) (local.get 0) (i32.const 0))))
              (core module $main
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                {main}
                (memory (export "memory") 1))
              (core module $adapter
                (import "env" "memory" (memory 0))
                (import "__main_module__" "_start" (func $start))
                (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
                {adapter}
                (func (export "own"))
                (func (export "proc_exit") (param i32) (call $exit (local.get 0)))
                (func (export "run") (result i32) (call $start) (i32.const 0)))
              (core module $fixup
                (import "actual" "0" (func $f (param i32)))
                (import "main" "_start" (func $start))
                (import "shim" "table" (table 1 1 funcref))
                (elem (i32.const 0) func $f)
                {fixup})
              (core instance $shim (instantiate $shim))
              (core instance $main (instantiate $main
                (with "wasi_snapshot_preview1" (instance (export "proc_exit" (func $shim "0")) {extra}))))
              {exit}
              (core instance $adapter (instantiate $adapter
                (with "env" (instance (export "memory" (memory $main "memory"))))
                (with "__main_module__" (instance $main))
                (with "wasi:cli/exit@0.2.6" (instance (export "exit" (func $wasi_exit))))))
              (core instance (instantiate $fixup
                (with "shim" (instance $shim))
                (with "main" (instance $main))
                (with "actual" (instance (export "0" (func $adapter "proc_exit"))))))
              (func $run (result (result)) (canon lift (core func $adapter "run")))
              (instance $runner (export "run" (func $run)))
              (export "wasi:cli/run@0.2.6" (instance $runner))
              {rest})"#
        );
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }
}

#[test]
fn a_start_function_runs_before_the_command() {
    let calm = PARTS.component();
    assert_eq!(p2::run(&calm, NOTHING).exit, 0);
    let linked = stripped("calm", &calm);
    assert_eq!(run_core(&linked.wasm, NOTHING).exit, 0);
    assert_eq!(linked.report.merged.len(), 1);

    let main = r#"(func (export "_start") (if (i32.load (i32.const 4)) (then (call $exit (i32.const 1)))))
      (func $set (i32.store (i32.const 4) (i32.const 1))) (start $set)"#;
    let eager = Parts { main, ..PARTS }.component();
    assert_eq!(p2::run(&eager, NOTHING).exit, 1);
    let linked = stripped("eager", &eager);
    assert!(!linked.report.initialize, "an engine that starts a command initialises nothing");
    assert_eq!(run_core(&linked.wasm, NOTHING).exit, 1);
}

#[test]
fn a_fixup_that_does_more_stays() {
    let main = r#"(func (export "_start")
      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
      (if (i32.eq (i32.load (i32.const 8)) (i32.const 3)) (then (call $exit (i32.const 1)))))"#;
    let fixup = "(func $twice (call $start) (call $start)) (start $twice)";
    let component = Parts { main, fixup, ..PARTS }.component();
    assert_eq!(p2::run(&component, NOTHING).exit, 1, "started for the third time");
    let linked = stripped("fixup", &component);
    assert_eq!(imports(&linked), [PREVIEW1]);
    assert_eq!(run_core(&linked.wasm, NOTHING).exit, 1);
}

/// A `run` that is lifted from the program itself, as bindings for `wasi:cli/run` make it.
#[test]
fn a_run_without_an_adapter_gets_a_start() {
    for (fails, exit) in [(0, 0), (1, 1)] {
        let text = format!(
            r#"(component
              (core module $m (func (export "run") (result i32) (i32.const {fails})))
              (core instance $m (instantiate $m))
              (func $run (result (result)) (canon lift (core func $m "run")))
              (instance $runner (export "run" (func $run)))
              (export "wasi:cli/run@0.2.6" (instance $runner)))"#
        );
        let component = wat::parse_str(text).expect("text");
        assert_eq!(p2::run(&component, NOTHING).exit, exit);
        let linked = stripped("run", &component);
        assert_eq!(run_core(&linked.wasm, NOTHING).exit, exit);
        assert_eq!(linked.report.exports.len(), 1);
    }
}

#[test]
fn adapters_that_do_more_than_adapt_are_refused() {
    let with = |parts: Parts| {
        let error = strip(&parts.component()).expect_err("refused");
        let reason = error.facts.iter().find(|(name, _)| *name == "reason").map(|(_, why)| why.clone());
        (error.code, reason.unwrap_or_default())
    };
    for (parts, why) in [
        (Parts { adapter: "(global $state (mut i32) (i32.const 64))", ..PARTS }, "has run before"),
        (
            Parts {
                main: r#"(import "wasi_snapshot_preview1" "adapter_close_badfd" (func (param i32))) (func (export "_start"))"#,
                extra: r#"(export "adapter_close_badfd" (func $shim "0"))"#,
                ..PARTS
            },
            "no such function",
        ),
        (
            Parts {
                outer: r#"(core module $fake (func (export "exit") (param i32)))
                  (core instance $fake (instantiate $fake))"#,
                exit: r#"(alias core export $fake "exit" (core func $wasi_exit))"#,
                ..PARTS
            },
            "supplies `wasi:cli/exit@0.2.6` `exit` to the adapter",
        ),
        (
            Parts { rest: r#"(func (export "own") (canon lift (core func $adapter "own")))"#, ..PARTS },
            "the export `own` needs the adapter",
        ),
        (
            Parts {
                rest: r#"(core module $other (import "adapter" "own" (func)))
                  (core instance (instantiate $other (with "adapter" (instance $adapter))))"#,
                ..PARTS
            },
            "the module `other` needs the adapter",
        ),
    ] {
        let (code, reason) = with(parts);
        assert_eq!(code, Code::AdapterEntangled, "{why}");
        assert!(reason.contains(why), "{why}: {reason}");
    }
}
