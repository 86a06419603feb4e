//! One small trait over core engines. An engine compiles a module and links it with the host's functions; a [`Program`]
//! makes instances of it, and an [`Instance`] runs calls, one after the other.

mod budget;
mod cache;
#[cfg(feature = "engine-wasmtime")]
mod compile;
mod link;
mod meter;
mod outline;
#[cfg(feature = "engine-wasmi")]
mod start;
#[cfg(feature = "engine-wasmi")]
pub mod wasmi;
#[cfg(feature = "engine-wasmtime")]
pub mod wasmtime;

pub use cache::{Cache, CacheCounts};
pub use meter::Meter;

use crate::diagnostic::Result;
#[cfg(not(all(feature = "engine-wasmtime", feature = "engine-wasmi")))]
use crate::diagnostic::{Code, Diagnostic};
use crate::host::{State, Trap};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// An engine that may be built in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// wasmtime: compiles, and is fast from then on.
    #[default]
    Wasmtime,
    /// wasmi: interprets, and starts at once.
    Wasmi,
}

impl EngineKind {
    /// All of them, whether they are built in or not.
    pub const ALL: &[EngineKind] = &[EngineKind::Wasmtime, EngineKind::Wasmi];

    /// As the command line and TOML name it.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Wasmtime => "wasmtime",
            EngineKind::Wasmi => "wasmi",
        }
    }
}

/// How to load a module.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// On which engine.
    pub engine: EngineKind,
    /// What an instance may use.
    pub limits: Limits,
    /// Where compiled code is kept; nowhere, by default.
    pub cache: Cache,
}

/// [`load_with`], without a cache.
pub fn load(engine: EngineKind, wasm: &[u8], exports: &[&str], limits: Limits) -> Result<Box<dyn Program>> {
    load_with(&LoadOptions { engine, limits, cache: Cache::disabled() }, wasm, exports)
}

/// Compiles a core module and links it with the host. `exports` are the names that tasks can call; the module need not
/// have all of them. All imports that the host does not provide are listed in one diagnostic.
pub fn load_with(options: &LoadOptions, wasm: &[u8], exports: &[&str]) -> Result<Box<dyn Program>> {
    match options.engine {
        #[cfg(feature = "engine-wasmtime")]
        EngineKind::Wasmtime => Ok(Box::new(wasmtime::load(wasm, exports, options)?)),
        #[cfg(feature = "engine-wasmi")]
        EngineKind::Wasmi => Ok(Box::new(wasmi::load(wasm, exports, options)?)),
        #[cfg(not(all(feature = "engine-wasmtime", feature = "engine-wasmi")))]
        absent => {
            let _ = (wasm, exports);
            Err(Diagnostic::new(Code::NoEngine, format!("the engine {} is not built in", absent.name()))
                .hint(format!("build with `--features engine-{}`", absent.name())))
        }
    }
}

/// What one instance may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, of all its memories together.
    pub memory: usize,
    /// Elements of a table.
    pub table: usize,
    /// Bytes of stack.
    pub stack: usize,
    /// Wall time of one call, waiting included.
    pub time: Duration,
    /// CPU time of one call.
    pub cpu: Duration,
    /// Fuel of one call, about one unit for an instruction; engines count a little differently. None is no limit.
    pub fuel: Option<u64>,
    /// Instances alive at the same time.
    pub instances: u32,
}

impl Default for Limits {
    /// 256 MiB, 100,000 elements, 1 MiB of stack, 30 s, all of them computing, no limit of fuel, 1000 instances.
    fn default() -> Self {
        let time = Duration::from_secs(30);
        Limits { memory: 256 << 20, table: 100_000, stack: 1 << 20, time, cpu: time, fuel: None, instances: 1000 }
    }
}

/// A call of an export.
#[derive(Debug, Clone)]
pub struct Task {
    /// Which of the exports that the program was loaded for; none only instantiates and initialises.
    pub export: Option<usize>,
    /// Its arguments, such as handles.
    pub args: Vec<u32>,
    /// When it traps, at the latest.
    pub deadline: Instant,
    /// How long it may compute.
    pub cpu: Duration,
}

impl Task {
    /// A call under the limits, from now on.
    pub fn new(export: Option<usize>, args: Vec<u32>, limits: &Limits) -> Task {
        Task { export, args, deadline: Instant::now() + limits.time, cpu: limits.cpu }
    }
}

/// How a call ended.
pub struct Finished {
    /// The result, if the export has an `i32` one.
    pub outcome: Result<Option<u32>, Trap>,
    /// The instance. After a trap it must not be called again, but its state can be looked at.
    pub instance: Box<dyn Instance>,
    /// How long the call computed.
    pub cpu: Duration,
}

/// A call in progress. Dropping it ends the instance wherever it is.
pub type Running = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// A compiled and linked module.
pub trait Program: Send + Sync + 'static {
    /// A new instance, which is instantiated by its first task. `_initialize` runs then, where the module has it.
    fn instance(&self, state: State) -> Box<dyn Instance>;
    /// Whether the module exports a function of this name, among those that it was loaded for.
    fn has(&self, export: usize) -> bool;
}

/// An instance of a module and the host's side of it.
pub trait Instance: Send {
    /// Runs a task to its end.
    fn run(self: Box<Self>, task: Task) -> Running;
    /// The host's side.
    fn state(&mut self) -> &mut State;
    /// Bytes of linear memory, of all its memories together.
    fn memory(&mut self) -> u64;
}
