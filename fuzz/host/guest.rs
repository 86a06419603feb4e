//! A module that imports every function of WASI, and its instances on both engines.

use super::arguments::{Handles, Input};
use bytes::Bytes;
use http_body_util::Full;
use lowlift::abi::{Core, ImportName, Kind, Resource};
use lowlift::engine::{EngineKind, Instance, Limits, LoadOptions, Program, Task, load_with};
use lowlift::host::files::Preopen;
use lowlift::host::http::{BodyError, BodySource, Fields, IncomingRequest, ResponseSlot};
use lowlift::host::wasi::{Form, Function, wasi};
use lowlift::host::{Config, State, Stdio, Trap};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where a caller puts the result, in the memory of slots.
pub(crate) const RESULT: u32 = 160;
/// Where the pointers are that the realloc gives, one after the other.
const POINTERS: u32 = 256;
/// Where the guest's memory has paths, parts of which are paths too.
pub(crate) const PATHS: u32 = 16384;
const TREE: &[u8; 24] = b"a/../d/../../etc/passwd ";
/// A pointer for which the realloc allocates in earnest.
const ALLOCATE: u32 = u32::MAX;
/// One for which it grows the memory before.
const GROW: u32 = u32::MAX - 1;

/// A function of the host.
pub(crate) struct Caller {
    name: ImportName,
    pub(crate) function: &'static Function,
    /// Whether both engines must agree on it.
    pub(crate) is_deterministic: bool,
    /// What it drops, if it does that and nothing else.
    pub(crate) dropped: Option<Resource>,
}

/// Parts of the names of functions whose results are nobody's doing.
const BY_CHANCE: &[&str] =
    &["clock_", "random_", "poll_", ".stat", "filestat_get", "metadata-hash", "readdir", "read-directory-entry"];

/// All functions of the host.
pub(crate) fn callers() -> &'static [Caller] {
    static CALLERS: OnceLock<Vec<Caller>> = OnceLock::new();
    CALLERS.get_or_init(|| {
        let caller = |(name, function): (ImportName, &'static Function)| {
            let chance = ["wasi:random/", "wasi:clocks/"].iter().any(|p| name.module.starts_with(p));
            // Time stamps, inodes and the order of a directory are the file system's; the rest is of preview1.
            let chance = chance || BY_CHANCE.iter().any(|part| name.name.contains(part));
            let dropped = name.name.strip_prefix("[resource-drop]");
            let dropped = dropped.and_then(|resource| first_resource(&format!("[method]{resource}.")));
            Caller { name, function, is_deterministic: !chance, dropped }
        };
        wasi().expect("the table is built").functions().into_iter().map(caller).collect()
    })
}

/// The resource that the functions of a name take first.
pub(crate) fn first_resource(prefix: &str) -> Option<Resource> {
    let wasi = wasi().expect("the table is built");
    wasi.functions().into_iter().filter(|(name, _)| name.name.starts_with(prefix)).find_map(|(_, function)| {
        let Form::Canonical(signature, _) = &function.form else { return None };
        match wasi.table.get(*signature.params.first()?).kind {
            Kind::Own(resource) | Kind::Borrow(resource) => Some(resource),
            _ => None,
        }
    })
}

/// What the module does besides calling the host.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Stores two words in the memory of slots: address, low, high.
    Poke,
    /// A word of the memory of slots.
    Peek,
    /// A word of the guest's memory; zero beyond its end.
    Load,
    /// Stores a word in the guest's memory: address, value. Beyond its end it does nothing.
    Store,
    /// Fills the guest's memory with words from a seed, under a mask.
    Fill,
    /// A hash of the guest's memory.
    Hash,
}

impl Work {
    /// How many there are; callers of the host follow.
    pub(crate) const CALLS: usize = 6;
}

const MODULE: &str = r#"
    (memory $guest (export "memory") 1 4)
    (memory $slots 1)
    (global $next (mut i32) (i32.const 0))
    (global $free (mut i32) (i32.const 32768))
    (func (export "poke") (param i32 i32 i32)
      (i32.store $slots (local.get 0) (local.get 1))
      (i32.store $slots offset=4 (local.get 0) (local.get 2)))
    (func (export "peek") (param i32) (result i32) (i32.load $slots (local.get 0)))
    (func (export "load") (param i32) (result i32)
      (if (result i32) (i32.gt_u (local.get 0) (i32.const 65532))
        (then (i32.const 0)) (else (i32.load $guest (local.get 0)))))
    (func (export "store") (param i32 i32)
      (if (i32.le_u (local.get 0) (i32.const 65532)) (then (i32.store $guest (local.get 0) (local.get 1)))))
    (func (export "fill") (param $seed i32) (param $mask i32) (local $at i32)
      (loop
        (local.set $seed (i32.xor (local.get $seed) (i32.shl (local.get $seed) (i32.const 13))))
        (local.set $seed (i32.xor (local.get $seed) (i32.shr_u (local.get $seed) (i32.const 17))))
        (local.set $seed (i32.xor (local.get $seed) (i32.shl (local.get $seed) (i32.const 5))))
        (i32.store $guest (local.get $at) (i32.and (local.get $seed) (local.get $mask)))
        (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 65536)))))
    (func (export "hash") (result i32) (local $at i32) (local $hash i32)
      (loop
        (local.set $hash (i32.mul (i32.xor (local.get $hash) (i32.load $guest (local.get $at))) (i32.const 16777619)))
        (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4)))
          (i32.mul (memory.size $guest) (i32.const 65536)))))
      (local.get $hash))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.load $slots offset=256 (i32.shl (i32.and (global.get $next) (i32.const 15)) (i32.const 2))))
      (global.set $next (i32.add (global.get $next) (i32.const 1)))
      (if (i32.lt_u (local.get $at) (i32.const -2)) (then (return (local.get $at))))
      (if (i32.eq (local.get $at) (i32.const -2)) (then (drop (memory.grow $guest (i32.const 1)))))
      (local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1))) (i32.sub (i32.const 0) (local.get 2))))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at))"#;

/// The module and the exports that tasks call.
fn module() -> (Vec<u8>, Vec<String>) {
    let mut exports = ["poke", "peek", "load", "store", "fill", "hash"].map(str::to_owned).to_vec();
    let (mut imports, mut functions) = (String::new(), String::new());
    for (index, Caller { name, function, .. }) in callers().iter().enumerate() {
        let list = |types: &[Core]| types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" ");
        let (params, results) = (list(&function.core.params), list(&function.core.results));
        let ty = format!("(param {params}) (result {results})");
        writeln!(imports, r#"(import "{}" "{}" (func $f{index} {ty}))"#, name.module, name.name).expect("room");
        let mut call = format!("(call $f{index}");
        for (at, core) in (0..).step_by(8).zip(&function.core.params) {
            write!(call, " ({}.load $slots (i32.const {at}))", core.name()).expect("room");
        }
        call.push(')');
        if let Some(core) = function.core.results.first() {
            call = format!("({}.store $slots (i32.const {RESULT}) {call})", core.name());
        }
        writeln!(functions, r#"(func (export "c{index}") {call})"#).expect("room");
        exports.push(format!("c{index}"));
    }
    (wat::parse_str(format!("(module {imports} {MODULE} {functions})")).expect("valid"), exports)
}

fn limits() -> Limits {
    let time = Duration::from_secs(10);
    Limits { memory: 1 << 20, time, cpu: time, instances: 64, ..Limits::default() }
}

fn program(engine: EngineKind) -> &'static dyn Program {
    static PROGRAMS: OnceLock<[Box<dyn Program>; 2]> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        let (wasm, exports) = module();
        let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
        [EngineKind::Wasmtime, EngineKind::Wasmi].map(|engine| {
            let options = LoadOptions { engine, limits: limits(), ..LoadOptions::default() };
            load_with(&options, &wasm, &exports).unwrap_or_else(|e| panic!("{e} {:?} {:?}", e.facts, e.cause))
        })
    });
    &*programs[usize::from(engine == EngineKind::Wasmi)]
}

/// An instance; none after a trap.
pub(crate) struct Guest {
    instance: Option<Box<dyn Instance>>,
    /// What it was given; gone when the guest is.
    _folder: tempfile::TempDir,
}

impl Guest {
    /// A guest that was given a request.
    pub(crate) fn new(engine: EngineKind, handles: &mut Handles) -> Guest {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("d")).expect("made");
        std::fs::write(folder.path().join("a"), "a file").expect("written");
        let dirs = vec![Preopen::open(folder.path(), "/", false).expect("opens")];
        let config = Config { env: vec![("A".into(), "b".into())], handles: 100, dirs, ..Config::default() };
        let state = State::new(Arc::new(config), Stdio::logged(Arc::new(|_, _| {})));
        let mut instance = program(engine).instance(state);
        let headers = [("x-a".parse().expect("a name"), "b".parse().expect("a value"))];
        let body = http_body_util::BodyExt::map_err(
            Full::new(Bytes::from_static(b"a body")),
            |never: std::convert::Infallible| -> BodyError { match never {} },
        );
        let request = IncomingRequest {
            method: http::Method::POST,
            path: Some("/path?query".to_owned()),
            https: false,
            authority: Some("example.test".to_owned()),
            headers: Fields::incoming(&headers.into_iter().collect()),
            body: Some(BodySource::new(Some(Box::pin(body)))),
        };
        let request = instance.state().push_request(request).expect("room");
        let outparam = instance.state().push_outparam(ResponseSlot::default()).expect("room");
        handles.given("[method]incoming-request.method", request);
        handles.given("[static]response-outparam.set", outparam);
        Guest { instance: Some(instance), _folder: folder }
    }

    async fn call(&mut self, export: usize, args: &[u32]) -> Result<Option<u32>, Trap> {
        let instance = self.instance.take().expect("alive");
        let finished = instance.run(Task::new(Some(export), args.to_vec(), &limits())).await;
        if finished.outcome.is_ok() {
            self.instance = Some(finished.instance);
        }
        finished.outcome
    }
}

/// The same guest on both engines.
pub(crate) struct Pair {
    pub(crate) guests: [Guest; 2],
    /// Whether they must agree.
    pub(crate) compared: bool,
}

impl Pair {
    /// Memory and realloc as the input has them.
    pub(crate) async fn prepare(&mut self, input: &mut Input<'_>) {
        // All zeros, small numbers, text, anything.
        let mask = [0, 7, 0x0707_0707, 0x7f7f_7f7f, 0x6161_6161, 0xffff, u32::MAX][usize::from(input.byte()) % 7];
        let seed = u32::from(input.byte()) << 8 | u32::from(input.byte()) | 1 << 20;
        self.work(Work::Fill, &[seed, mask]).await;
        for (at, word) in (PATHS..).step_by(4).zip(TREE.chunks_exact(4)) {
            self.work(Work::Store, &[at, u32::from_le_bytes([word[0], word[1], word[2], word[3]])]).await;
        }
        for at in (POINTERS..POINTERS + 64).step_by(8) {
            let pair = [pointer(input), pointer(input)];
            self.work(Work::Poke, &[at, pair[0], pair[1]]).await;
        }
    }

    /// Calls the host on both; an error if either trapped.
    pub(crate) async fn call(&mut self, export: usize, args: &[u32]) -> Result<u32, Trap> {
        let [a, b] = [self.guests[0].call(export, args).await, self.guests[1].call(export, args).await];
        if self.compared {
            let name = export.checked_sub(Work::CALLS).map(|index| callers()[index].name.to_string());
            assert_eq!(a, b, "{name:?} {args:?}");
        }
        match (a, b) {
            (Ok(value), Ok(_)) => Ok(value.unwrap_or_default()),
            (Err(trap), _) | (_, Err(trap)) => Err(trap),
        }
    }

    /// Has both do what cannot fail.
    pub(crate) async fn work(&mut self, work: Work, args: &[u32]) -> u32 {
        self.call(work as usize, args).await.expect("it cannot trap")
    }
}

fn pointer(input: &mut Input<'_>) -> u32 {
    match input.byte() {
        0..200 => ALLOCATE,
        200..210 => GROW,
        _ => input.number().min(u64::from(u32::MAX)) as u32,
    }
}
