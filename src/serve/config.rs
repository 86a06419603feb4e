//! `lowlift.toml`: a whole server in one file. WAGI's `modules.toml` is read too.
//!
//! What is read names files; opening them is left to the caller. Unknown keys are refused with their place, since a
//! misspelt limit would not be kept.

use super::cgi::CgiOptions;
use super::listen::Listen;
use super::pool::Policy;
use super::route::{Mode, Pattern, RequestLimits};
use super::units::{Size, Time};
use super::wagi;
use crate::diagnostic::{Code, Diagnostic, Place, Result};
use crate::engine::{EngineKind, Limits};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// A server, as configured. Paths are as written.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Where to listen; empty leaves it to the command line.
    pub listen: Vec<Listen>,
    /// The files of certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where `/metrics` and `/healthz` are.
    pub admin: Option<SocketAddr>,
    /// Whether `/healthz` is answered on the main address too.
    pub healthz: bool,
    /// Connections at the same time.
    pub connections: Option<usize>,
    /// How long a client may take to send a request head.
    pub head_time: Option<Duration>,
    /// How long a client may take nothing.
    pub stall_time: Option<Duration>,
    /// How long a stop waits.
    pub drain: Option<Duration>,
    /// Routes; the first that matches answers.
    pub routes: Vec<SiteRoute>,
}

/// A route, as configured.
#[derive(Debug, Clone)]
pub struct SiteRoute {
    /// Which paths it answers.
    pub pattern: Pattern,
    /// The file of its module or component.
    pub module: PathBuf,
    /// How its guest is spoken to.
    pub mode: Mode,
    /// Which engine runs it; none leaves it to the command line.
    pub engine: Option<EngineKind>,
    /// How its instances live.
    pub policy: Policy,
    /// What an instance may use.
    pub limits: Limits,
    /// Bounds on its requests.
    pub requests: RequestLimits,
    /// Handles that an instance may hold.
    pub handles: Option<usize>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Directories, as `--dir` takes them.
    pub dirs: Vec<String>,
    /// Network addresses, as `--allow-net` takes them.
    pub allow_net: Vec<String>,
    /// Servers, as `--allow-http` takes them.
    pub allow_http: Vec<String>,
    /// Whether rules of the WIT are enforced that component runtimes do not.
    pub strict: bool,
    /// Outgoing requests of an instance that are on their way at the same time.
    pub http_concurrency: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    listen: Vec<Spanned<String>>,
    tls: Option<TlsFile>,
    admin: Option<SocketAddr>,
    #[serde(default)]
    healthz: bool,
    connections: Option<usize>,
    head_time: Option<Time>,
    stall_time: Option<Time>,
    drain: Option<Time>,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    route: Vec<RouteFile>,
    /// Read by `lowlift check`.
    #[serde(rename = "check")]
    _check: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RouteFile {
    route: Spanned<String>,
    module: PathBuf,
    #[serde(default)]
    mode: ModeFile,
    entrypoint: Option<Spanned<String>>,
    argv: Option<Spanned<String>>,
    engine: Option<Spanned<String>>,
    #[serde(default)]
    policy: Option<Spanned<PolicyFile>>,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    dirs: Vec<String>,
    #[serde(default)]
    allow_net: Vec<String>,
    #[serde(default)]
    allow_http: Vec<String>,
    #[serde(default)]
    strict: bool,
    http_concurrency: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeFile {
    #[default]
    Http,
    Cgi,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PolicyFile {
    Fresh,
    Reuse(ReuseFile),
    Eager(EagerFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReuseFile {
    max: Option<u32>,
    idle: Option<Time>,
    jitter: Option<u8>,
    max_memory: Option<Size>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EagerFile {
    min_warm: u32,
    max: Option<u32>,
    idle: Option<Time>,
    jitter: Option<u8>,
    max_memory: Option<Size>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitsFile {
    time: Option<Time>,
    cpu: Option<Time>,
    fuel: Option<u64>,
    memory: Option<Size>,
    table: Option<usize>,
    stack: Option<Size>,
    handles: Option<usize>,
    request_body: Option<Size>,
    response_body: Option<Size>,
    concurrent: Option<u32>,
    queue: Option<u32>,
    patience: Option<Time>,
}

/// How many requests of a reused instance are the default, where the policy does not say.
const REUSE: u32 = 128;

impl Site {
    /// Reads a configuration. `path` is how the user named it. Fails with [`Code::ConfigInvalid`] and the place.
    pub fn parse(path: &str, text: &str) -> Result<Site> {
        if wagi::fits(text) {
            return wagi::parse(path, text);
        }
        let wrong = |span: Option<Range<usize>>, message: &str| wrong(path, text, span, message);
        let file: File = toml::from_str(text).map_err(|e| wrong(e.span(), e.message()))?;
        if file.route.is_empty() {
            return Err(wrong(None, "there is no `[[route]]`"));
        }
        let mut listen = Vec::new();
        for item in &file.listen {
            listen.push(Listen::parse(item.get_ref()).map_err(|e| wrong(Some(item.span()), &e))?);
        }
        let mut routes = Vec::new();
        for route in file.route {
            routes.push(read_route(route, &file.limits, &wrong)?);
        }
        Ok(Site {
            listen,
            tls: file.tls.map(|tls| (tls.cert, tls.key)),
            admin: file.admin,
            healthz: file.healthz,
            connections: file.connections,
            head_time: file.head_time.map(|t| t.0),
            stall_time: file.stall_time.map(|t| t.0),
            drain: file.drain.map(|t| t.0),
            routes,
        })
    }
}

/// Makes an error of a place and a message.
pub(super) type Wrong<'w> = dyn Fn(Option<Range<usize>>, &str) -> Box<Diagnostic> + 'w;

pub(super) fn wrong(path: &str, text: &str, span: Option<Range<usize>>, message: &str) -> Box<Diagnostic> {
    let place = Place::Text { path: path.to_owned(), source: text.to_owned(), span: span.unwrap_or(0..0) };
    Diagnostic::new(Code::ConfigInvalid, message.trim_end()).at(place)
}

fn read_route(file: RouteFile, defaults: &LimitsFile, wrong: &Wrong<'_>) -> Result<SiteRoute> {
    let pattern = Pattern::parse(file.route.get_ref()).map_err(|e| wrong(Some(file.route.span()), &e))?;
    let engine = match &file.engine {
        None => None,
        Some(name) => {
            let found = EngineKind::ALL.iter().find(|kind| kind.name() == name.get_ref());
            let Some(kind) = found else {
                let names: Vec<&str> = EngineKind::ALL.iter().map(|kind| kind.name()).collect();
                return Err(wrong(Some(name.span()), &format!("there is no engine `{}`", name.get_ref()))
                    .fact("engines", names.join(", ")));
            };
            Some(*kind)
        }
    };
    let chosen = file.limits.over(defaults);
    let limits = chosen.limits();
    let policy = match file.policy {
        None => Policy::default(),
        Some(policy) => {
            let span = policy.span();
            let policy = policy.into_inner().policy();
            policy.check().map_err(|e| wrong(Some(span.clone()), e))?;
            if matches!(file.mode, ModeFile::Cgi) && policy != Policy::default() {
                return Err(wrong(
                    Some(span),
                    "a program ends with its request: the mode `cgi` has the policy `fresh`",
                ));
            }
            policy
        }
    };
    Ok(SiteRoute {
        pattern,
        module: file.module,
        mode: read_mode(file.mode, file.entrypoint, file.argv, wrong)?,
        engine,
        policy,
        limits,
        requests: chosen.requests(),
        handles: chosen.handles,
        env: file.env.into_iter().collect(),
        dirs: file.dirs,
        allow_net: file.allow_net,
        allow_http: file.allow_http,
        strict: file.strict,
        http_concurrency: file.http_concurrency,
    })
}

fn read_mode(
    mode: ModeFile,
    entrypoint: Option<Spanned<String>>,
    argv: Option<Spanned<String>>,
    wrong: &Wrong<'_>,
) -> Result<Mode> {
    match (mode, entrypoint, argv) {
        (ModeFile::Http, None, None) => Ok(Mode::Http),
        (ModeFile::Http, Some(key), _) | (ModeFile::Http, None, Some(key)) => {
            Err(wrong(Some(key.span()), "this is for the mode `cgi`").hint("say `mode = \"cgi\"`"))
        }
        (ModeFile::Cgi, entrypoint, argv) => {
            let default = CgiOptions::default();
            let argv = argv.map_or(default.argv, Spanned::into_inner);
            Ok(Mode::Cgi(CgiOptions { entrypoint: entrypoint.map(Spanned::into_inner), argv }))
        }
    }
}

impl PolicyFile {
    fn policy(self) -> Policy {
        let reuse = match self {
            PolicyFile::Fresh => return Policy::default(),
            PolicyFile::Reuse(ReuseFile { max, idle, jitter, max_memory }) => {
                EagerFile { min_warm: 0, max: Some(max.unwrap_or(REUSE)), idle, jitter, max_memory }
            }
            PolicyFile::Eager(eager) => eager,
        };
        let default = Policy::default();
        Policy {
            max: reuse.max.unwrap_or(default.max),
            idle: reuse.idle.map_or(default.idle, |t| t.0),
            jitter: reuse.jitter.unwrap_or(default.jitter),
            max_memory: reuse.max_memory.map_or(default.max_memory, |s| s.0),
            min_warm: reuse.min_warm,
        }
    }
}

impl LimitsFile {
    /// These, and where one is missing, that of `defaults`.
    fn over(self, defaults: &LimitsFile) -> LimitsFile {
        LimitsFile {
            time: self.time.or(defaults.time),
            cpu: self.cpu.or(defaults.cpu),
            fuel: self.fuel.or(defaults.fuel),
            memory: self.memory.or(defaults.memory),
            table: self.table.or(defaults.table),
            stack: self.stack.or(defaults.stack),
            handles: self.handles.or(defaults.handles),
            request_body: self.request_body.or(defaults.request_body),
            response_body: self.response_body.or(defaults.response_body),
            concurrent: self.concurrent.or(defaults.concurrent),
            queue: self.queue.or(defaults.queue),
            patience: self.patience.or(defaults.patience),
        }
    }

    fn limits(&self) -> Limits {
        let default = Limits::default();
        let bytes =
            |size: Option<Size>, other: usize| size.map_or(other, |s| usize::try_from(s.0).unwrap_or(usize::MAX));
        let time = self.time.map_or(default.time, |t| t.0);
        Limits {
            memory: bytes(self.memory, default.memory),
            table: self.table.unwrap_or(default.table),
            stack: bytes(self.stack, default.stack),
            time,
            cpu: self.cpu.map_or(time, |t| t.0),
            fuel: self.fuel,
            instances: self.concurrent.unwrap_or(ROUTE_INSTANCES),
        }
    }

    fn requests(&self) -> RequestLimits {
        let default = RequestLimits::default();
        RequestLimits {
            request_body: self.request_body.map_or(default.request_body, |s| s.0),
            response_body: self.response_body.map(|s| s.0).or(default.response_body),
            queue: self.queue.unwrap_or(default.queue),
            patience: self.patience.map_or(default.patience, |t| t.0),
        }
    }
}

/// Requests of one route that run at the same time, where the configuration does not say. An engine sets address space
/// aside for each, and there may be many routes.
pub(super) const ROUTE_INSTANCES: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        listen = ["127.0.0.1:0", "unix:/run/app.sock"]
        admin = "127.0.0.1:9090"
        drain = "5s"
        connections = 100
        [tls]
        cert = "cert.pem"
        key = "key.pem"
        [limits]
        time = "10s"
        memory = "64MiB"
        [[route]]
        route = "/api/..."
        module = "api.wasm"
        policy.reuse = { max = 50, idle = "1m", jitter = 10, max-memory = "32MiB" }
        env = { GREETING = "hello" }
        dirs = ["site::/:ro"]
        allow-http = ["https://example.org"]
        limits = { time = "2s", cpu = "500ms", concurrent = 8, queue = 4, request-body = 1024 }
        [[route]]
        route = "/..."
        module = "rest.wasm"
        engine = "wasmi"
        policy.eager = { min-warm = 2 }
        [[route]]
        route = "/cgi"
        module = "cgi.wasm"
        mode = "cgi"
        entrypoint = "hello"
    "#;

    #[test]
    fn a_whole_configuration_is_read() {
        let site = Site::parse("lowlift.toml", WHOLE).expect("valid");
        assert_eq!(site.listen.len(), 2);
        assert_eq!(site.drain, Some(Duration::from_secs(5)));
        let [api, rest, cgi] = &site.routes[..] else { panic!("three routes") };
        assert_eq!(cgi.mode, Mode::Cgi(CgiOptions { entrypoint: Some("hello".to_owned()), ..CgiOptions::default() }));
        assert_eq!((api.policy.max, api.policy.jitter, api.policy.min_warm), (50, 10, 0));
        assert_eq!((api.limits.time, api.limits.memory), (Duration::from_secs(2), 64 << 20));
        assert_eq!((api.limits.cpu, api.limits.instances), (Duration::from_millis(500), 8));
        assert_eq!((api.requests.queue, api.requests.request_body), (4, 1024));
        assert_eq!((rest.policy.name(), rest.policy.max, rest.policy.min_warm), ("eager", 1, 2));
        assert_eq!((rest.limits.time, rest.engine), (Duration::from_secs(10), Some(EngineKind::Wasmi)));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place() {
        let route = "[[route]]\nroute = \"/\"\nmodule = \"a.wasm\"\n";
        for (text, place, message) in [
            ("", "", "there is no `[[route]]`"),
            (&format!("{route}timeout = \"1s\""), "timeout", "unknown field `timeout`"),
            (&format!("{route}limits.time = \"1 week\""), "\"1 week\"", "`1 week` is no duration"),
            (&format!("{route}limits.memory = -1"), "-1", "a size is not negative"),
            (&format!("{route}engine = \"v8\""), "\"v8\"", "there is no engine `v8`"),
            (&format!("listen = [\"here\"]\n{route}"), "\"here\"", "`ADDRESS:PORT` or `unix:PATH`"),
            (&route.replace("\"/\"", "\"x\""), "\"x\"", "a route begins with `/`"),
            (&format!("{route}argv = \"x\""), "\"x\"", "this is for the mode `cgi`"),
            (&format!("{route}mode = \"cgi\"\npolicy.reuse.max = 2"), "policy", "has the policy `fresh`"),
            (&format!("{route}policy.reuse.max = 0"), "policy", "an instance serves one request at least"),
        ] {
            let error = Site::parse("lowlift.toml", text).expect_err(text);
            assert!(error.message.contains(message), "{}: {text}", error.message);
            let Some(Place::Text { source, span, .. }) = &error.place else { panic!("no place: {text}") };
            assert!(
                source[span.clone()].contains(place) || place.contains(&source[span.clone()]),
                "{:?}",
                &source[span.clone()]
            );
        }
    }
}
