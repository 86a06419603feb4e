//! WASI over linear memory. Knows no engine: an engine hands over flat slots and the guest's memory, and gets a [`Step`].
//!
//! [`wasi`] lists the functions with their canonical form from the ABI table, [`value`] lifts and lowers by it, [`handles`]
//! holds the guest's resources. The rooms [`io`], [`clocks`], [`random`], [`cli`] and [`http`] implement the functions;
//! [`denied`] answers for what is never granted: files and sockets.

mod cli;
mod clocks;
mod denied;
mod handles;
pub mod http;
mod io;
mod memory;
mod random;
pub mod value;
pub mod wasi;

pub use cli::GuestLog;
pub use handles::Handles;
pub use io::{Pollable, Wait};
pub use memory::GuestMemory;

use handles::Resource;
use std::sync::Arc;
use std::time::Instant;
use value::Value;

/// Why a guest stops before it returns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// The guest broke a rule of the Canonical ABI or of an interface, or trapped by itself.
    #[error("{0}")]
    Guest(String),
    /// The guest called `wasi:cli/exit`; zero is a success.
    #[error("the guest exited with code {0}")]
    Exit(u8),
    /// The guest used up its time.
    #[error("the guest ran longer than its limit")]
    Deadline,
}

impl Trap {
    pub(crate) fn new(message: impl Into<String>) -> Trap {
        Trap::Guest(message.into())
    }
}

/// What a host function answers.
#[derive(Debug)]
pub enum Step {
    /// The result, none for functions without one.
    Done(Option<Value>),
    /// Wait until something is ready, then go on with this function.
    Wait(Wait, Run),
}

/// A host function. Arguments are lifted; handles in them are indices that the function looks up.
pub type Run = fn(&mut State, &[Value]) -> Result<Step, Trap>;

/// What guests are given besides their request.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Environment variables; empty by default.
    pub env: Vec<(String, String)>,
    /// Arguments, the first of which is the program's name.
    pub args: Vec<String>,
}

/// The host's side of one instance.
#[derive(Debug)]
pub struct State {
    /// The guest's resources.
    pub handles: Handles,
    config: Arc<Config>,
    started: Instant,
    log: GuestLog,
}

impl State {
    /// A host without any resource.
    pub fn new(config: Arc<Config>, log: GuestLog) -> State {
        State { handles: Handles::default(), config, started: Instant::now(), log }
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
