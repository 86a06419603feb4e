//! A host that knows preview1 and nothing else.

use wasmtime::{Caller, Engine, Extern, Instance, Linker, Memory, Module, Store, Val};

pub(super) const PREVIEW1: &str = "wasi_snapshot_preview1";

/// What a program is given.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub(crate) args: &'static [&'static str],
    pub(crate) env: &'static [(&'static str, &'static str)],
    pub(crate) stdin: &'static str,
}

/// What it does with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
}

/// A host that knows preview1 and nothing else.
pub(super) struct Host {
    given: Given,
    read: usize,
    pub(super) written: [Vec<u8>; 2],
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

pub(crate) const NOTHING: Given = Given { args: &[], env: &[], stdin: "" };

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

pub(super) fn instantiate(wasm: &[u8], given: Given) -> (Store<Host>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).expect("compiles");
    let mut linker = preview1(&engine, &module).expect("defined once");
    get_arguments(&mut linker, &module).expect("defined once");
    let mut store = Store::new(&engine, host(given));
    let instance = linker.instantiate(&mut store, &module).expect("preview1 is all that it needs");
    (store, instance)
}

/// Runs `_start` on the preview1 host.
pub(super) fn run_core(wasm: &[u8], given: Given) -> Done {
    let (mut store, instance) = instantiate(wasm, given);
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a command");
    let exit = match start.call(&mut store, ()) {
        Ok(()) => 0,
        Err(error) => error.downcast_ref::<Exit>().unwrap_or_else(|| panic!("{error:?}")).0,
    };
    let [stdout, stderr] = std::mem::take(&mut store.data_mut().written).map(|b| String::from_utf8(b).expect("text"));
    Done { stdout, stderr, exit }
}
