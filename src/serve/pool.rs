//! The life-cycle of instances (*wasi-http #95*: predictable cost, no promise of state).
//!
//! A policy says how many requests an instance may serve and how many wait ready. An instance that ends is *retired*, for a
//! reason that is counted. After a trap, a time-out or an exit nothing is reused.

use crate::engine::{Finished, Instance, Limits, Program, Task};
use crate::host::{Config, Log, State, Stdio, Trap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How instances live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Requests that one instance serves; 1 is a fresh instance for every request.
    pub max: u32,
    /// How long an instance may wait for its next request.
    pub idle: Duration,
    /// Per cent by which `max` is lowered at random, so that instances do not all retire at once; at most 100.
    pub jitter: u8,
    /// Bytes of linear memory above which an instance is not reused.
    pub max_memory: u64,
    /// Instances that wait ready before the first request and after each retirement.
    pub min_warm: u32,
}

impl Default for Policy {
    /// Fresh: an instance for every request, made when that comes.
    fn default() -> Self {
        Policy { max: 1, idle: Duration::from_secs(30), jitter: 0, max_memory: u64::MAX, min_warm: 0 }
    }
}

impl Policy {
    /// Says what is wrong with a policy that cannot be kept.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Policy { max: 0, .. } => Err("an instance serves one request at least"),
            Policy { jitter: 101.., .. } => Err("the jitter is a part of 100"),
            _ => Ok(()),
        }
    }

    /// The name of its kind: `fresh`, `reuse` or `eager`.
    pub fn name(&self) -> &'static str {
        match (self.min_warm, self.max) {
            (0, 1) => "fresh",
            (0, _) => "reuse",
            _ => "eager",
        }
    }
}

macro_rules! retirements {
    ($($(#[doc = $doc:literal])* $reason:ident $name:literal,)*) => {
        /// Why an instance ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Retirement { $($(#[doc = $doc])* $reason,)* }

        impl Retirement {
            /// All reasons.
            pub const ALL: &[Retirement] = &[$(Retirement::$reason,)*];

            /// As logs and metrics name it.
            pub fn name(self) -> &'static str {
                match self { $(Retirement::$reason => $name,)* }
            }
        }
    };
}

retirements! {
    /// It served as many requests as the policy lets it.
    MaxCount "max-count",
    /// It waited too long for the next request.
    Idle "idle",
    /// It exited by itself, which is how a guest opts out of reuse. Zero is normal.
    Exit "exit",
    /// It trapped.
    Trap "trap",
    /// It ran longer than its wall time.
    Deadline "deadline",
    /// It computed longer than its CPU time.
    Cpu "cpu",
    /// Its memory grew beyond what the policy keeps.
    Memory "memory",
    /// What it wrote is no response.
    BadOutput "bad-output",
    /// It holds handles of requests that are over.
    LeakedHandles "leaked-handles",
    /// The client went away while it ran.
    ClientGone "client-gone",
    /// The server stops, or the route was replaced.
    Shutdown "shutdown",
}

/// Instances made and retired.
#[derive(Debug, Default)]
pub struct Counts {
    /// Instances made.
    pub made: AtomicU32,
    /// Requests that were given an instance that had served before, or waited ready.
    pub reused: AtomicU32,
    retired: [AtomicU32; Retirement::ALL.len()],
}

impl Counts {
    /// How many instances were retired for a reason.
    pub fn retired(&self, reason: Retirement) -> u32 {
        self.retired[reason as usize].load(Ordering::Relaxed)
    }

    /// Instances that are alive, running or waiting.
    pub fn alive(&self) -> u32 {
        let retired: u32 = self.retired.iter().map(|n| n.load(Ordering::Relaxed)).sum();
        self.made.load(Ordering::Relaxed).saturating_sub(retired)
    }

    fn retire(&self, reason: Retirement) {
        self.retired[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Of the handles that an instance may hold, the part that may belong to requests that are over.
const LEAKED_PART: usize = 4;

/// The task index of what a handler is called by for a request.
pub(super) const HANDLE: usize = 0;
/// That of the guest's own preparation, which eager instances run before their first request.
pub(super) const INIT: usize = 1;

/// A program and its instances.
pub(super) struct Pool {
    program: Arc<dyn Program>,
    /// The task index of what is called for a request.
    pub(super) entry: usize,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    config: Arc<Config>,
    pub(super) log: Log,
    pub(super) counts: Arc<Counts>,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by who makes instances ready: two would make more than are wanted.
    warming: tokio::sync::Mutex<()>,
}

struct Waiting {
    lease: Lease,
    since: Instant,
}

/// An instance in somebody's hands. Dropped without being given back, as when the future that holds it is, it is retired.
pub(super) struct Lease {
    instance: Option<Box<dyn Instance>>,
    served: u32,
    max: u32,
    counts: Arc<Counts>,
    /// Set when it was retired for a reason that is known.
    retired: bool,
}

impl Pool {
    pub(super) fn new(
        program: Arc<dyn Program>,
        entry: usize,
        policy: Policy,
        limits: Limits,
        config: Config,
        log: Log,
    ) -> Pool {
        let (config, counts, waiting) = (Arc::new(config), Arc::default(), Mutex::default());
        Pool { program, entry, policy, limits, config, log, counts, waiting, warming: Default::default() }
    }

    /// What all instances are given.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        // Nothing panics while the lock is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance for a request: the one that waited last, whose memory is warmest, or a new one.
    pub(super) fn take(&self) -> Lease {
        let waiting = if self.policy == Policy::default() { None } else { self.waiting().pop() };
        match waiting {
            Some(waiting) => {
                self.counts.reused.fetch_add(1, Ordering::Relaxed);
                waiting.lease
            }
            None => self.make(Stdio::logged(self.log.clone())),
        }
    }

    /// A new instance for one request alone, with standard streams, environment and arguments of its own.
    pub(super) fn make_for(&self, stdio: Stdio, env: Vec<(String, String)>, args: Vec<String>) -> Lease {
        let config = Config { env, args, ..Config::clone(&self.config) };
        self.lease(State::new(Arc::new(config), stdio))
    }

    fn make(&self, stdio: Stdio) -> Lease {
        self.lease(State::new(self.config.clone(), stdio))
    }

    fn lease(&self, state: State) -> Lease {
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        let instance = self.program.instance(state);
        let max = self.policy.max - self.policy.max * random_below(self.policy.jitter) / 100;
        Lease { instance: Some(instance), served: 0, max: max.max(1), counts: self.counts.clone(), retired: false }
    }

    /// Takes an instance back after a request, and keeps it if the policy and its state allow. Otherwise says why not.
    pub(super) fn give_back(&self, mut lease: Lease, finished: Finished) -> Option<Retirement> {
        lease.served += 1;
        let mut instance = finished.instance;
        let reason = match &finished.outcome {
            Err(Trap::Exit(_)) => Some(Retirement::Exit),
            Err(Trap::Guest(_)) => Some(Retirement::Trap),
            Err(Trap::Deadline) => Some(Retirement::Deadline),
            Err(Trap::Cpu) => Some(Retirement::Cpu),
            Ok(_) if lease.served >= lease.max => Some(Retirement::MaxCount),
            Ok(_) => self.unfit(instance.as_mut()),
        };
        match reason {
            Some(reason) => lease.retire(reason),
            None => {
                lease.instance = Some(instance);
                self.waiting().push(Waiting { lease, since: Instant::now() });
            }
        }
        reason
    }

    fn unfit(&self, instance: &mut dyn Instance) -> Option<Retirement> {
        if instance.memory() > self.policy.max_memory {
            return Some(Retirement::Memory);
        }
        let handles = &mut instance.state().handles;
        handles.end_request();
        (handles.live() > self.config.handles / LEAKED_PART).then_some(Retirement::LeakedHandles)
    }

    /// Retires what waited too long, but for what the policy keeps warm.
    pub(super) fn reap(&self) {
        let keep = self.policy.min_warm as usize;
        let mut gone = Vec::new();
        let mut waiting = self.waiting();
        while waiting.len() > keep
            && let Some(old) = waiting.iter().position(|w| w.since.elapsed() >= self.policy.idle)
        {
            gone.push(waiting.remove(old));
        }
        // Instances are taken down without the lock.
        drop(waiting);
        for mut waiting in gone {
            waiting.lease.retire(Retirement::Idle);
        }
    }

    /// Whether fewer instances wait than the policy keeps warm.
    pub(super) fn wants_warm(&self) -> bool {
        self.policy.min_warm > 0 && self.waiting().len() < self.policy.min_warm as usize
    }

    /// Makes instances until as many wait as the policy wants. Says why the first one that failed did.
    pub(super) async fn warm(&self) -> Result<(), Trap> {
        let _alone = self.warming.lock().await;
        while self.waiting().len() < self.policy.min_warm as usize {
            let lease = self.ready(self.make(Stdio::logged(self.log.clone()))).await?;
            self.waiting().insert(0, Waiting { lease, since: Instant::now() });
        }
        Ok(())
    }

    /// Instantiates and initialises an instance, and runs its `init` where it is to be eager and has one.
    async fn ready(&self, mut lease: Lease) -> Result<Lease, Trap> {
        let export = (self.policy.min_warm > 0 && self.program.has(INIT)).then_some(INIT);
        if let Some(instance) = lease.instance.take() {
            let finished = instance.run(Task::new(export, Vec::new(), &self.limits)).await;
            if let Err(trap) = finished.outcome {
                lease.retire(Retirement::Trap);
                return Err(trap);
            }
            lease.instance = Some(finished.instance);
        }
        Ok(lease)
    }

    /// Sets up one instance, or as many as the policy keeps warm; those are kept.
    pub(super) async fn rehearse(&self) -> Result<(), Trap> {
        if self.policy.min_warm > 0 {
            return self.warm().await;
        }
        let mut lease = self.ready(self.make(Stdio::logged(self.log.clone()))).await?;
        lease.retire(Retirement::Shutdown);
        Ok(())
    }

    /// Retires all that wait.
    pub(super) fn close(&self) {
        for mut waiting in std::mem::take(&mut *self.waiting()) {
            waiting.lease.retire(Retirement::Shutdown);
        }
    }
}

impl Lease {
    /// Whether this is its first request.
    pub(super) fn is_new(&self) -> bool {
        self.served == 0
    }

    /// Takes the instance out, to be run.
    pub(super) fn instance(&mut self) -> Option<Box<dyn Instance>> {
        self.instance.take()
    }

    pub(super) fn retire(&mut self, reason: Retirement) {
        if !std::mem::replace(&mut self.retired, true) {
            self.counts.retire(reason);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Whoever drops it in mid-air is a connection that went away.
        self.retire(Retirement::ClientGone);
    }
}

/// A number below `limit`, which may be 0. Where the system gives none, 0 is as good.
fn random_below(limit: u8) -> u32 {
    let mut byte = [0];
    if limit == 0 || getrandom::fill(&mut byte).is_err() { 0 } else { u32::from(byte[0]) * u32::from(limit) / 256 }
}
