//! Files: the same guest does the same on the same folder here and under a component runtime, says the same about it and
//! leaves the same behind.

mod escapes;
mod folder;
mod preopens;
mod words;

use crate::guest;
use bytes::Bytes;
use folder::Folder;
use lowlift::engine::{EngineKind, Limits, Task, load};
use lowlift::host::files::Preopen;
use lowlift::host::io::{Sink, StreamError};
use lowlift::host::{Config, State, Stdio, Trap};
use lowlift::link::{Options, link};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

/// What a guest wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }
}

impl Sink for Written {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn space(&mut self) -> Result<u64, StreamError> {
        Ok(1 << 16)
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.0.lock().expect("not poisoned").extend_from_slice(&bytes);
        Ok(())
    }
}

static PROGRAM: LazyLock<Arc<dyn lowlift::engine::Program>> = LazyLock::new(|| {
    let module = link(&guest("files-rust"), Options::default()).expect("links").wasm;
    let run: Vec<String> = (0..20).map(|patch| format!("wasi:cli/run@0.2.{patch}#run")).collect();
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    load(EngineKind::Wasmtime, &module, &run, Limits::default()).expect("loads").into()
});

/// Plays acts on a folder: what the guest says, and how it ends.
async fn play(acts: &[&str], folder: &Folder, handles: usize) -> (String, Result<Option<u32>, Trap>) {
    let preopen = |name: &str, ro| Preopen::open(&folder.path(name), &format!("/{name}"), ro).expect("opens");
    let config = Config {
        args: ["files"].iter().chain(acts).map(ToString::to_string).collect(),
        dirs: vec![preopen("rw", false), preopen("ro", true)],
        handles,
        ..Config::default()
    };
    let written = Written::default();
    let mut stdio = Stdio::logged(Arc::new(|_, line| eprintln!("{line}")));
    stdio.stdout = Some(Arc::new(Mutex::new(written.clone())));
    let run = (0..20).find(|&run| PROGRAM.has(run)).expect("a command");
    let instance = PROGRAM.instance(State::new(Arc::new(config), stdio));
    let finished = instance.run(Task::new(Some(run), Vec::new(), &Limits::default())).await;
    (written.text(), finished.outcome)
}

/// Plays acts to their end.
async fn played(acts: &[&str], folder: &Folder) -> String {
    let (text, outcome) = play(acts, folder, 1000).await;
    assert_eq!(outcome, Ok(Some(0)), "{text}");
    text
}

struct Ctx(WasiCtx, ResourceTable);

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.0, table: &mut self.1 }
    }
}

/// The same under wasmtime's own WASI 0.2.
fn oracle(acts: &[&str], folder: &Folder) -> String {
    static COMPONENT: LazyLock<(Engine, Component)> = LazyLock::new(|| {
        let engine = Engine::default();
        let component = Component::from_binary(&engine, &guest("files-rust")).expect("compiles");
        (engine, component)
    });
    let (engine, component) = &*COMPONENT;
    let mut linker = Linker::<Ctx>::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).expect("defined once");
    let stdout = MemoryOutputPipe::new(1 << 20);
    let mut ctx = WasiCtx::builder();
    ctx.arg("files").args(acts).stdout(stdout.clone()).inherit_stderr();
    ctx.preopened_dir(folder.path("rw"), "/rw", FsPerms::ReadWrite).expect("opens");
    ctx.preopened_dir(folder.path("ro"), "/ro", FsPerms::ReadOnly).expect("opens");
    let mut store = Store::new(engine, Ctx(ctx.build(), ResourceTable::new()));
    let command = wasmtime_wasi::p2::bindings::sync::Command::instantiate(&mut store, component, &linker);
    let command = command.expect("instantiates");
    let outcome = command.wasi_cli_run().call_run(&mut store);
    let text = String::from_utf8(stdout.contents().to_vec()).expect("text");
    assert!(matches!(outcome, Ok(Ok(()))), "{outcome:?}\n{text}");
    text
}

/// Both say the same and leave the same behind. Returns what was said.
async fn same(act: &'static str) -> String {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let have = played(&[act], &ours).await;
    // Its synchronous functions must not be called on a thread of tokio's.
    let (want, theirs) =
        tokio::task::spawn_blocking(move || (oracle(&[act], &theirs), theirs)).await.expect("does not panic");
    assert_same(&want, &have);
    assert_same(&theirs.tree(), &ours.tree());
    assert!(have.lines().count() > 5, "{have}");
    have
}

/// Shows the lines that differ.
fn assert_same(want: &str, have: &str) {
    let differ = |a: &str, b: &str| a.lines().filter(|l| !b.lines().any(|o| o == *l)).collect::<Vec<_>>().join("\n");
    assert!(want == have, "wanted\n{}\n\nnot\n{}\n\nin\n{have}", differ(want, have), differ(have, want));
}

macro_rules! same {
    ($($test:ident $act:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            same($act).await;
        })*
    };
}

same! {
    preopens_are_given "preopens",
    paths_are_opened_and_renamed "paths",
    links_are_made_and_followed "links",
    directories_are_made_and_listed "directories",
    errors_have_codes "errors",
    files_are_read_and_written "files",
    times_are_set "times",
    streams_carry_bytes "streams",
    streams_fail_once "stream-errors",
    std_works_through_its_adapter "std",
}

/// The oracle says `not-permitted` for what the WIT calls `read-only`.
#[tokio::test]
async fn what_is_read_only_stays() {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let before = ours.tree();
    let have = played(&["read-only"], &ours).await;
    assert_eq!(ours.tree(), before);
    let want = tokio::task::spawn_blocking(move || oracle(&["read-only"], &theirs)).await.expect("does not panic");
    assert_same(&want.replace("error not-permitted", "error read-only"), &have);
    assert_eq!(have.matches("error read-only").count(), 25, "{have}");
}
