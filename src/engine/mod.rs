//! One small trait over core engines. An engine compiles a module, links it with the host's functions, and runs calls,
//! each on a fresh instance.

pub mod wasmtime;

use crate::host::{State, Trap};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// What one instance may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of linear memory.
    pub memory: usize,
    /// Wall time of one call, waiting included.
    pub time: Duration,
    /// Instances alive at the same time.
    pub instances: u32,
}

impl Default for Limits {
    /// 256 MiB, 30 s, 1000 instances.
    fn default() -> Self {
        Limits { memory: 256 << 20, time: Duration::from_secs(30), instances: 1000 }
    }
}

/// What runs on a fresh instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Nothing but its initialisation.
    Setup,
    /// The export, with these `i32` arguments, such as handles.
    Export(Vec<u32>),
}

/// A call on a fresh instance.
#[derive(Debug)]
pub struct Call {
    /// The host's side of the instance.
    pub state: State,
    /// What to do.
    pub work: Work,
    /// When the call traps.
    pub deadline: Instant,
}

/// A call in progress. Dropping it ends the instance wherever it is.
pub type Running = Pin<Box<dyn Future<Output = Result<(), Trap>> + Send>>;

/// A compiled and linked module, with the export that is called.
pub trait Program: Send + Sync + 'static {
    /// Instantiates, initialises and calls. `_initialize` runs first, where the module has it.
    fn call(&self, call: Call) -> Running;
}
