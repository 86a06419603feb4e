//! Guests that are lists of calls: they store each error number, and give their memory out at the end. The same list runs
//! here and on the oracle.

use bytes::Bytes;
use lowlift::abi::Core;
use lowlift::engine::{EngineKind, Limits, Task, load};
use lowlift::host::files::Preopen;
use lowlift::host::io::{Sink, Source, StreamError};
use lowlift::host::preview1::FUNCTIONS;
use lowlift::host::{Config, State, Stdio, Trap};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

/// Where error numbers are stored, four bytes each.
const LOG: u32 = 0xe000;
/// Bytes of memory that are given out.
const PAGE: u32 = 0x1_0000;

/// A list of calls.
#[derive(Default)]
pub(super) struct Script {
    data: Vec<(u32, Vec<u8>)>,
    calls: Vec<(&'static str, Vec<i64>)>,
}

impl Script {
    /// Bytes that lie in memory from the start.
    pub(super) fn data(mut self, at: u32, bytes: impl AsRef<[u8]>) -> Script {
        self.data.push((at, bytes.as_ref().to_vec()));
        self
    }

    /// Words that lie in memory from the start, such as vectors.
    pub(super) fn words(self, at: u32, words: &[u32]) -> Script {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.data(at, bytes)
    }

    pub(super) fn call<const N: usize>(mut self, name: &'static str, args: [i64; N]) -> Script {
        self.calls.push((name, args.to_vec()));
        self
    }

    pub(super) fn module(&self) -> Vec<u8> {
        let mut text = String::from("(module\n");
        let types = |types: &[Core]| types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" ");
        for function in FUNCTIONS {
            let (name, params, results) = (function.name, types(function.params), types(function.results));
            let _ = writeln!(
                text,
                r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) (result {results})))"#
            );
        }
        text.push_str("(memory (export \"memory\") 2)\n");
        for (at, bytes) in &self.data {
            let bytes: String = bytes.iter().map(|b| format!("\\{b:02x}")).collect();
            let _ = writeln!(text, r#"(data (i32.const {at}) "{bytes}")"#);
        }
        // The vector of what is given out, beyond it.
        let vector: String = [0, PAGE].iter().flat_map(|w| w.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
        let _ = writeln!(text, r#"(data (i32.const {PAGE}) "{vector}")"#);
        text.push_str("(func (export \"_start\")\n");
        for (index, (name, args)) in self.calls.iter().enumerate() {
            let function = FUNCTIONS.iter().find(|f| f.name == *name).expect("a function of preview1");
            assert_eq!(function.params.len(), args.len(), "{name}");
            let args: Vec<String> =
                function.params.iter().zip(args).map(|(ty, arg)| format!("({}.const {arg})", ty.name())).collect();
            let call = format!("(call ${name} {})", args.join(" "));
            let _ = match function.results {
                [] => writeln!(text, "{call}"),
                _ => writeln!(text, "(i32.store (i32.const {}) {call})", LOG as usize + 4 * index),
            };
        }
        // Until all is given out.
        let _ = writeln!(
            text,
            "(loop (drop (call $fd_write (i32.const 2) (i32.const {PAGE}) (i32.const 1) (i32.const {told})))
             (i32.store (i32.const {PAGE}) (i32.add (i32.load (i32.const {PAGE})) (i32.load (i32.const {told}))))
             (i32.store (i32.const {length}) (i32.sub (i32.load (i32.const {length})) (i32.load (i32.const {told}))))
             (br_if 0 (i32.load (i32.const {length}))))))",
            told = PAGE + 8,
            length = PAGE + 4,
        );
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    /// Runs on every engine and on the oracle, which must agree but for what lies within `masked`; `prepare` fills a new
    /// folder for each.
    pub(super) fn same(&self, given: &Given<'_>, masked: &[std::ops::Range<u32>]) -> Seen {
        let module = self.module();
        let mask = |mut seen: Seen| {
            for range in masked {
                seen.memory[range.start as usize..range.end as usize].fill(0);
            }
            seen
        };
        let want = mask(given.in_folder(|folder| oracle(&module, given, folder)));
        for &engine in EngineKind::ALL {
            let have = mask(given.in_folder(|folder| ours(engine, &module, given, folder)));
            let errnos = |seen: &Seen| -> Vec<String> {
                self.calls.iter().enumerate().map(|(i, (name, _))| format!("{name}: {}", seen.errno(i))).collect()
            };
            assert_eq!(errnos(&have), errnos(&want), "{engine:?}");
            for (at, (have, want)) in have.memory.iter().zip(&want.memory).enumerate() {
                assert_eq!(have, want, "{engine:?} at {at:#x}");
            }
            assert_eq!((have.stdout, have.end), (want.stdout.clone(), want.end), "{engine:?}");
        }
        want
    }
}

/// What a guest is given.
#[derive(Clone, Copy, Default)]
pub(super) struct Given<'g> {
    pub(super) args: &'g [&'g str],
    pub(super) env: &'g [(&'g str, &'g str)],
    pub(super) stdin: &'g str,
    /// A folder as `/d` and the same as `ro`, which can only be read, if there is something to put there.
    pub(super) prepare: Option<fn(&Path)>,
}

impl Given<'_> {
    fn in_folder<T>(&self, run: impl FnOnce(Option<&Path>) -> T) -> T {
        let Some(prepare) = self.prepare else { return run(None) };
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        run(Some(folder.path()))
    }
}

/// How it ended: by itself, by an exit code, or by a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Returned,
    Exit(u32),
    Trapped,
}

/// What a guest did.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) memory: Vec<u8>,
    pub(super) stdout: Vec<u8>,
    pub(super) end: End,
}

impl Seen {
    fn new(stdout: Vec<u8>, mut memory: Vec<u8>, end: End) -> Seen {
        memory.resize(PAGE as usize, 0);
        Seen { memory, stdout, end }
    }

    pub(super) fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.memory[at..at + 4].try_into().expect("four bytes"))
    }

    pub(super) fn errno(&self, call: usize) -> u32 {
        self.word(LOG as usize + 4 * call)
    }

    /// Of the first calls.
    pub(super) fn errnos<const N: usize>(&self) -> [u32; N] {
        std::array::from_fn(|call| self.errno(call))
    }
}

/// Runs under wasmtime's preview1.
pub(super) fn oracle(module: &[u8], given: &Given<'_>, folder: Option<&Path>) -> Seen {
    let engine = wasmtime::Engine::default();
    let module = wasmtime::Module::new(&engine, module).expect("compiles");
    let mut linker = wasmtime::Linker::new(&engine);
    wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |ctx| ctx).expect("defined once");
    let (stdout, stderr) = (MemoryOutputPipe::new(1 << 20), MemoryOutputPipe::new(1 << 20));
    let mut ctx = WasiCtx::builder();
    ctx.args(given.args)
        .envs(given.env)
        .stdin(MemoryInputPipe::new(given.stdin.to_owned()))
        .stdout(stdout.clone())
        .stderr(stderr.clone());
    if let Some(folder) = folder {
        ctx.preopened_dir(folder, "/d", FsPerms::ReadWrite).expect("opens");
        ctx.preopened_dir(folder, "ro", FsPerms::ReadOnly).expect("opens");
    }
    let mut store = wasmtime::Store::new(&engine, ctx.build_p1());
    let instance = linker.instantiate(&mut store, &module).expect("preview1 is all that it needs");
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
    let end = match start.call(&mut store, ()) {
        Ok(()) => End::Returned,
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => End::Exit(exit.0.cast_unsigned()),
            None => End::Trapped,
        },
    };
    Seen::new(stdout.contents().to_vec(), stderr.contents().to_vec(), end)
}

/// Keeps what is written.
#[derive(Default)]
pub(super) struct Kept(pub(super) Vec<u8>);

impl Sink for Kept {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Little enough for writes to be cut.
    fn space(&mut self) -> Result<u64, StreamError> {
        Ok(5000)
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Gives what is there, and then its end.
pub(super) struct There(pub(super) Bytes);

impl Source for There {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn read(&mut self, most: usize) -> Result<Bytes, StreamError> {
        if self.0.is_empty() {
            return Err(StreamError::Closed);
        }
        Ok(self.0.split_to(most.min(self.0.len())))
    }
}

/// Runs on one of our engines.
pub(super) fn ours(engine: EngineKind, module: &[u8], given: &Given<'_>, folder: Option<&Path>) -> Seen {
    let (stdout, stderr) = (Arc::new(Mutex::new(Kept::default())), Arc::new(Mutex::new(Kept::default())));
    let mut stdio = Stdio::logged(Arc::new(|_, _| {}));
    stdio.stdin = Some(Arc::new(Mutex::new(There(Bytes::copy_from_slice(given.stdin.as_bytes())))));
    stdio.stdout = Some(stdout.clone());
    stdio.stderr = Some(stderr.clone());
    let outcome = run(engine, module, given, folder, stdio, &Limits { instances: 1, ..Limits::default() });
    let end = match outcome {
        Ok(_) => End::Returned,
        Err(Trap::Exit(code)) => End::Exit(code),
        Err(_) => End::Trapped,
    };
    let take = |kept: &Mutex<Kept>| std::mem::take(&mut kept.lock().expect("unharmed").0);
    Seen::new(take(&stdout), take(&stderr), end)
}

pub(super) fn run(
    engine: EngineKind,
    module: &[u8],
    given: &Given<'_>,
    folder: Option<&Path>,
    stdio: Stdio,
    limits: &Limits,
) -> Result<Option<u32>, Trap> {
    let dirs = folder.map_or_else(Vec::new, |folder| {
        let open = |guest, read_only| Preopen::open(folder, guest, read_only).expect("opens");
        vec![open("/d", false), open("ro", true)]
    });
    let config = Config {
        args: given.args.iter().map(|&s| s.to_owned()).collect(),
        env: given.env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        dirs,
        ..Config::default()
    };
    let program = load(engine, module, &["_start"], *limits).unwrap_or_else(|e| panic!("{e} {:?}", e.facts));
    let instance = program.instance(State::new(Arc::new(config), stdio));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(instance.run(Task::new(Some(0), Vec::new(), limits))).outcome
}
