//! Routes: which program answers which path.

use super::HANDLER;
use super::gate::Gate;
use super::metrics::Metrics;
use super::pool::{Policy, Pool};
use crate::abi::Track;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::engine::{EngineKind, Limits, load};
use crate::host::{Config, Log};
use std::sync::Arc;
use std::time::Duration;

/// Which paths a route answers: one path, or all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    path: String,
    below: bool,
}

impl Pattern {
    /// `/path` for exactly that path, `/path/...` for it and all below it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (path, below) = match text.strip_suffix("/...") {
            Some(path) => (path, true),
            None => (text, false),
        };
        if !(path.starts_with('/') || (below && path.is_empty())) {
            return Err("a route begins with `/`".to_owned());
        }
        if path.contains("...") || path.contains(['?', '#']) || path.chars().any(|c| c.is_control() || c == ' ') {
            return Err("a route is a path, and may end in `/...`".to_owned());
        }
        Ok(Pattern { path: path.to_owned(), below })
    }

    /// Everything.
    pub fn all() -> Pattern {
        Pattern { path: String::new(), below: true }
    }

    /// What follows the route in a path that it answers.
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.path.as_str())?;
        match self.below {
            true if rest.is_empty() || rest.starts_with('/') => Some(rest),
            false if rest.is_empty() => Some(rest),
            _ => None,
        }
    }

    /// The path without `/...`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.path, if self.below { "/..." } else { "" })
    }
}

/// Bounds on the requests of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a request's body; more are answered with 413.
    pub request_body: u64,
    /// Bytes of a response's body; a longer one is aborted. None is no limit.
    pub response_body: Option<u64>,
    /// Requests that wait for a place; more are answered with 503.
    pub queue: u32,
    /// How long one waits before it is answered with 503.
    pub patience: Duration,
}

impl Default for RequestLimits {
    /// 64 MiB in, no limit out, 1000 wait for 10 s.
    fn default() -> Self {
        let patience = Duration::from_secs(10);
        RequestLimits { request_body: 64 << 20, response_body: None, queue: 1000, patience }
    }
}

/// How a guest is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// `wasi:http/incoming-handler`.
    #[default]
    Http,
}

/// One route, before its module is compiled.
#[derive(Debug, Clone)]
pub struct RouteOptions {
    /// What to call the module in messages.
    pub name: String,
    /// Which paths it answers.
    pub pattern: Pattern,
    /// The core module.
    pub module: Vec<u8>,
    /// How its guest is spoken to.
    pub mode: Mode,
    /// Which engine runs it.
    pub engine: EngineKind,
    /// How its instances live.
    pub policy: Policy,
    /// What an instance may use; `instances` are the requests that run at the same time.
    pub limits: Limits,
    /// Bounds on its requests.
    pub requests: RequestLimits,
    /// What guests are given.
    pub config: Config,
}

impl RouteOptions {
    /// A route for everything, with the defaults.
    pub fn new(module: Vec<u8>) -> RouteOptions {
        RouteOptions {
            name: "module".to_owned(),
            pattern: Pattern::all(),
            module,
            mode: Mode::default(),
            engine: EngineKind::default(),
            policy: Policy::default(),
            limits: Limits::default(),
            requests: RequestLimits::default(),
            config: Config::default(),
        }
    }
}

/// A route that is ready.
pub(super) struct Route {
    pub(super) pattern: Pattern,
    pub(super) mode: Mode,
    pub(super) pool: Pool,
    pub(super) gate: Gate,
    pub(super) requests: RequestLimits,
    pub(super) metrics: Arc<Metrics>,
}

impl Route {
    /// Compiles and links the module, and sets up the instances that wait: at least one, so that a module that cannot be
    /// set up is refused before the first request.
    pub(super) async fn new(options: RouteOptions, log: &Log) -> Result<Route> {
        let name = options.name.clone();
        Route::ready(options, log).await.map_err(|e| e.in_file(&name, "core module"))
    }

    async fn ready(options: RouteOptions, log: &Log) -> Result<Route> {
        let RouteOptions { name: _, pattern, module, mode, engine, policy, limits, requests, mut config } = options;
        config.max_response_body = requests.response_body;
        let handler = entry(&module, &mode)?;
        let pool_limits = Limits { instances: limits.instances.saturating_add(policy.min_warm), ..limits };
        let program = load(engine, &module, &[&handler, "init"], pool_limits)?;
        let pool = Pool::new(program, policy, limits, config, log.clone());
        let metrics = Arc::new(Metrics::new(pattern.to_string(), pool.counts.clone()));
        let gate = Gate::new(limits.instances, requests.queue, requests.patience);
        let route = Route { pattern, mode, pool, gate, requests, metrics };
        route
            .pool
            .rehearse()
            .await
            .map_err(|trap| Diagnostic::new(Code::GuestSetup, format!("the module cannot be set up: {trap}")))?;
        Ok(route)
    }
}

/// The export to call, by the mode.
fn entry(module: &[u8], mode: &Mode) -> Result<String> {
    let survey = crate::adapt::survey(module)?;
    match mode {
        Mode::Http => {
            let track = Track { interface: HANDLER.to_owned(), track: Some("0.2".to_owned()) };
            let is_handler =
                |name: &&String| name.split_once('#').is_some_and(|(i, f)| f == "handle" && Track::of(i).0 == track);
            if let Some(handler) = survey.exports.keys().find(is_handler) {
                return Ok(handler.clone());
            }
            let exports: Vec<&str> = survey.exports.keys().map(String::as_str).collect();
            let mut error = Diagnostic::new(Code::NoHandler, "the module has no HTTP handler")
                .fact("wanted", format!("{HANDLER}@0.2.x#handle"))
                .fact("exports", if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") });
            if exports.iter().any(|e| e.starts_with("wasi:cli/run@") || *e == "_start") {
                error = error.hint("this is a program, not a handler: `lowlift run` runs it");
            }
            Err(error)
        }
    }
}
