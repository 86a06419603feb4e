//! WASI over linear memory. Knows no engine: an engine hands a [`call::Invocation`] flat slots and the guest's memory,
//! and is told what to return, what to wait for, or what to have the guest allocate.
//!
//! [`wasi`] lists the functions with their canonical form from the ABI table, [`value`] lifts and lowers by it, [`handles`]
//! holds the guest's resources. The rooms [`io`], [`clocks`], [`random`], [`cli`], [`terminals`], [`files`], [`sockets`] and
//! [`http`] implement the functions. [`preview1`] is `wasi_snapshot_preview1`, on all of these.

pub mod call;
mod cli;
mod clocks;
pub mod files;
mod handles;
pub mod http;
pub mod io;
mod memory;
pub mod preview1;
mod random;
mod sockets;
mod terminals;
pub mod value;
pub mod wasi;

pub use cli::{Log, Stdio};
pub use handles::Handles;
pub use memory::GuestMemory;
pub use sockets::{NetPattern, NetPolicy, NetUse, PatternError};

use handles::Resource;
use io::Wait;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use value::Value;

/// Why a guest stops before it returns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// The guest broke a rule of the Canonical ABI or of an interface, or trapped by itself.
    #[error("{0}")]
    Guest(String),
    /// The guest called `wasi:cli/exit` or `proc_exit`; zero is a success.
    #[error("the guest exited with code {0}")]
    Exit(u32),
    /// The guest used up its wall time.
    #[error("the guest ran longer than its limit")]
    Deadline,
    /// The guest used up its CPU time, or its fuel.
    #[error("the guest computed longer than its limit")]
    Cpu,
}

impl Trap {
    pub(crate) fn new(message: impl Into<String>) -> Trap {
        Trap::Guest(message.into())
    }
}

/// What a host function answers.
pub enum Step {
    /// The result, none for functions without one.
    Done(Option<Value>),
    /// Wait until one of these is ready, then go on.
    Wait(Wait, After),
    /// Work away from the guest, such as a system call that may block; then go on with what it gave.
    Job(Job),
}

/// How a function goes on after it waited. Functions of the Canonical ABI have no use for the memory.
pub type After = Box<dyn FnOnce(&mut State, &mut GuestMemory<'_>) -> Result<Step, Trap> + Send>;

/// Work away from the guest. Dropped when the guest ends before.
pub type Job = Pin<Box<dyn Future<Output = After> + Send>>;

impl Step {
    /// Waits for handles and times, and goes on without the memory.
    pub(crate) fn wait(wait: Wait, then: impl FnOnce(&mut State) -> Result<Step, Trap> + Send + 'static) -> Step {
        Step::Wait(wait, Box::new(move |state, _| then(state)))
    }
}

/// A host function. Arguments are lifted; handles in them are indices that the function looks up.
pub type Run = fn(&mut State, &[Value]) -> Result<Step, Trap>;

/// A host function that reads and writes the guest's memory by itself, as those of preview1 do. Slots hold the bits of
/// their core type, zero-extended. It answers with [`Value::Int`], or with nothing.
pub type RawRun = fn(&mut State, &mut GuestMemory<'_>, &[u64]) -> Result<Step, Trap>;

/// What guests are given besides their request. Nothing, by default.
#[derive(Debug, Clone)]
pub struct Config {
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Arguments, the first of which is the program's name.
    pub args: Vec<String>,
    /// Directories.
    pub dirs: Vec<files::Preopen>,
    /// Files and directories below them that one instance may have open at a time.
    pub open_files: usize,
    /// Handles that one instance may hold at a time.
    pub handles: usize,
    /// Files may block the thread that the guest runs on, which spares a change of threads for each call of preview1:
    /// for a host that has one guest and no time limit.
    pub in_place: bool,
    /// Where outgoing HTTP requests may go.
    pub http: http::HttpPolicy,
    /// What sends them; its connections are shared.
    pub client: Arc<http::HttpClient>,
    /// The most that the body of a response of the guest may have, in bytes.
    pub max_response_body: Option<u64>,
    /// Enforces rules of the WIT that component runtimes do not: headers and trailers are children of their message, and
    /// dropping the message first traps.
    pub strict: bool,
    /// What they may do on the network.
    pub net: NetPolicy,
}

impl Default for Config {
    /// No environment, no arguments, no directories, no network, 256 open files, 4,000 handles.
    fn default() -> Self {
        Config {
            env: Vec::new(),
            args: Vec::new(),
            dirs: Vec::new(),
            open_files: 256,
            handles: 4_000,
            in_place: false,
            http: http::HttpPolicy::default(),
            client: Arc::default(),
            max_response_body: None,
            strict: false,
            net: NetPolicy::default(),
        }
    }
}

/// The host's side of one instance.
#[derive(Debug)]
pub struct State {
    /// The guest's resources.
    pub handles: Handles,
    /// Standard streams.
    pub stdio: Stdio,
    config: Arc<Config>,
    background: files::Background,
    open_files: files::Quota,
    /// Made when first needed.
    network: Option<sockets::Access>,
    started: Instant,
    /// Room for the arguments of a call.
    args: Vec<Value>,
    fds: Option<preview1::Fds>,
    /// Shared with every outgoing request, so that they can be counted.
    requests: Option<Arc<()>>,
}

impl State {
    /// A host without any resource.
    pub fn new(config: Arc<Config>, stdio: Stdio) -> State {
        State {
            handles: Handles::new(config.handles),
            background: files::Background::default(),
            open_files: files::Quota::new(config.open_files),
            stdio,
            config,
            started: Instant::now(),
            args: Vec::new(),
            fds: None,
            requests: None,
            network: None,
        }
    }

    fn push(&mut self, resource: Resource) -> Result<Value, Trap> {
        self.handles.push(resource, None).map(Value::from)
    }
}

fn done(value: impl Into<Value>) -> Result<Step, Trap> {
    Ok(Step::Done(Some(value.into())))
}

fn nothing() -> Result<Step, Trap> {
    Ok(Step::Done(None))
}

/// An argument by position. A missing one is a bug of the ABI table, not of the guest, but still only a trap.
fn arg(args: &[Value], index: usize) -> Result<&Value, Trap> {
    args.get(index).ok_or_else(|| Trap::new("a host function was called with too few arguments"))
}

fn handle(args: &[Value], index: usize) -> Result<u32, Trap> {
    arg(args, index)?.u32()
}
